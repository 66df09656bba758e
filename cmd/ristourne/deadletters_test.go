package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ristourne/rules"
)

// The newest letters are listed once each, in order of time, however often and
// in which order they stand in the topic.
func TestTheNewestLettersAreKept(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var written []rules.DeadLetter
	for n := range 500 {
		letter := rules.DeadLetter{Topic: "card.transactions", Partition: int32(n % 3), Offset: int64(n), Timestamp: int64(1000 + n/2)}
		for range 1 + rng.IntN(3) {
			written = append(written, letter)
		}
	}
	rng.Shuffle(len(written), func(i, j int) { written[i], written[j] = written[j], written[i] })
	for _, limit := range []int{1, 7, 499, 500, 10_000} {
		letters := newestLetters{limit: limit}
		for _, letter := range written {
			letter.Value = fmt.Append(nil, letter.Offset)
			letters.add(listedLetter{letter, letter.Timestamp})
			if len(letters.kept) >= 2*limit {
				t.Fatalf("with limit %d, %d letters are held", limit, len(letters.kept))
			}
		}
		letters.trim()
		seen := map[int64]bool{}
		before := int64(0)
		for _, l := range letters.kept {
			if l.Timestamp < before || seen[l.Offset] || string(l.Value) != fmt.Sprint(l.Offset) {
				t.Fatalf("with limit %d, offset %d comes out of order, twice or with other bytes", limit, l.Offset)
			}
			seen[l.Offset], before = true, l.Timestamp
		}
		want := min(limit, 500)
		if len(letters.kept) != want || letters.kept[0].Timestamp < int64(1000+(500-want)/2) {
			t.Errorf("with limit %d, %d letters are kept, the oldest of %d", limit, len(letters.kept), letters.kept[0].Timestamp)
		}
	}
}

func TestALetterDoesNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	letter := listedLetter{DeadLetter: rules.DeadLetter{Topic: "t", Reason: "duplicate_name", Field: "a\x1b[2Jb", Detail: "é\tc\r\n"}}
	if err := printLetters(&out, []listedLetter{letter}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r\t") || strings.Count(out.String(), "\n") != 2 || !strings.Contains(out.String(), "a?[2Jb") {
		t.Errorf("printed: %q", out.String())
	}
}
