package credits

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/internal/topictest"
)

var eur = money.Currency{'E', 'U', 'R'}

func credit() rules.Instruction {
	return rules.Instruction{
		ID: "R-7b1c", Direction: rules.Credit, AccountID: "acc-1", AccountRef: rules.AccountRef{1}, AmountMinor: 1250, Currency: eur,
		StatementText: "Cashback Boulangerie Léa", Programme: "city", Reason: "cashback", CreatedAt: 1_750_000_000_123,
		Cause: rules.Cause{ID: "event-1", Offset: 7},
	}
}

func debit() rules.Instruction {
	i := credit()
	i.ID, i.Direction, i.AmountMinor, i.Cycle = strings.Repeat("Z", 35), rules.Debit, math.MaxInt64, "2026-W07"
	i.AccountID, i.StatementText, i.CreatedAt = `a"b\c`+"\n\x1f{é}\u2028😀", "x\xffy\t</script>", -1
	return i
}

// TestGolden holds the bytes that banks parse: change them only by adding.
func TestGolden(t *testing.T) {
	t.Parallel()
	far := credit()
	far.CreatedAt = math.MaxInt64
	transfer := credit()
	transfer.Method, transfer.IBAN, transfer.Name = rules.ByTransfer, "FR7630006000011234567890189", "Marie Curie"
	var lines []byte
	for _, i := range []rules.Instruction{credit(), debit(), far, transfer} {
		lines = append(Append(lines, &i), '\n')
	}
	want, err := os.ReadFile("testdata/instructions.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if string(lines) != string(want) {
		t.Fatalf("values are\n%swant\n%s", lines, want)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "\x00", `"\`, "😀", "\u2028"}))
	rapid.Check(t, func(t *rapid.T) {
		want := rules.Instruction{
			ID:          rapid.StringMatching(`[A-Za-z0-9-]{1,35}`).Draw(t, "id"),
			Direction:   rapid.SampledFrom([]rules.Direction{rules.Credit, rules.Debit}).Draw(t, "direction"),
			AccountID:   "a" + text.Draw(t, "account"),
			AmountMinor: rapid.Int64Range(1, math.MaxInt64).Draw(t, "amount"), Currency: eur,
			StatementText: rapid.StringN(0, 140, -1).Draw(t, "statement"),
			Programme:     text.Draw(t, "programme"), Cycle: text.Draw(t, "cycle"), Reason: text.Draw(t, "reason"),
			Method: rapid.SampledFrom([]rules.PayMethod{rules.ByCard, rules.ByTransfer, rules.ByEWallet}).Draw(t, "method"),
			IBAN:   text.Draw(t, "iban"), Name: text.Draw(t, "name"), Handle: text.Draw(t, "handle"),
			CreatedAt: rapid.Int64Range(minTime.UnixMilli(), maxTime.UnixMilli()).Draw(t, "created"),
		}
		got, err := Decode(Append(nil, &want))
		if err != nil || got != want {
			t.Fatalf("decoded %+v, %v\nwant %+v", got, err, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, i := range []rules.Instruction{credit(), debit()} {
		f.Add(Append(nil, &i))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		i, err := Decode(value)
		if err != nil {
			return
		}
		if again, err := Decode(Append(nil, &i)); err != nil || again != i {
			t.Fatalf("%+v becomes %+v, %v", i, again, err)
		}
	})
}

// A text that is too long for a statement is cut: the money is due all the same.
func TestALongStatementIsCut(t *testing.T) {
	t.Parallel()
	long := credit()
	long.StatementText = strings.Repeat("é", 141)
	messages, err := form.Messages([]rules.Instruction{long})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(messages[0].Value); err != nil || got.StatementText != strings.Repeat("é", 140) {
		t.Errorf("it is paid with %q, %v", got.StatementText, err)
	}
}

// TestRefused: none of a call is paid when one of its instructions is broken.
func TestRefused(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*rules.Instruction){
		"id":        func(i *rules.Instruction) { i.ID = "" },
		"35":        func(i *rules.Instruction) { i.ID = strings.Repeat("a", 36) },
		"a-z":       func(i *rules.Instruction) { i.ID = "R_1" },
		"neither":   func(i *rules.Instruction) { i.Direction = 0 },
		"account":   func(i *rules.Instruction) { i.AccountID = "" },
		"over 0":    func(i *rules.Instruction) { i.AmountMinor = 0 },
		"amount -1": func(i *rules.Instruction) { i.AmountMinor = -1 },
		"currency":  func(i *rules.Instruction) { i.Currency = money.Currency{} },
	} {
		broken := credit()
		spoil(&broken)
		w := New(Options{Brokers: []string{"127.0.0.1:1"}, Topic: defaultTopic})
		err := w.WriteInstructions(t.Context(), []rules.Instruction{credit(), broken})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "contract") {
			t.Errorf("error %v, want one that tells %q", err, want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPay reads back from the partition that Java's clients would choose.
func TestPay(t *testing.T) {
	t.Parallel()
	const partitions = 5
	server, topic := localserverstest.Kafka(t), localserverstest.Unique(t, defaultTopic)
	if err := server.CreateTopics(t.Context(), partitions, topic); err != nil {
		t.Fatal(err)
	}
	w := New(Options{Brokers: server.Brokers, Topic: topic})
	var paid []rules.Instruction
	for n := range 300 {
		i := credit()
		i.ID, i.AccountID, i.AmountMinor = fmt.Sprint("R-", n), fmt.Sprint("acc-", n%7), int64(n+1)
		paid = append(paid, i)
	}
	if err := w.WriteInstructions(t.Context(), paid); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteInstructions(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	last := map[string]int64{}
	count := 0
	for p := range partitions {
		for _, m := range topictest.Partition(t, server.Brokers, topic, p) {
			i, err := Decode(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			if string(m.Key) != i.AccountID || i.AmountMinor <= last[i.AccountID] {
				t.Fatalf("%s has key %s and comes after %d", m.Value, m.Key, last[i.AccountID])
			}
			if want := (kafka.Murmur2Balancer{}).Balance(m, 0, 1, 2, 3, 4); want != p {
				t.Fatalf("key %s is in partition %d, want %d", m.Key, p, want)
			}
			last[i.AccountID] = i.AmountMinor
			count++
		}
	}
	if count != len(paid) {
		t.Fatalf("%d instructions came, %d were paid", count, len(paid))
	}
}

func BenchmarkMessages(b *testing.B) {
	instructions := make([]rules.Instruction, 500)
	for n := range instructions {
		instructions[n] = credit()
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := form.Messages(instructions); err != nil {
			b.Fatal(err)
		}
	}
}

// TestShadowsStayInTheHouse: what another system pays is never told to the bank.
func TestShadowsStayInTheHouse(t *testing.T) {
	t.Parallel()
	shadow := credit()
	shadow.Reason = rules.ShadowReason
	for _, c := range [][]rules.Instruction{{}, {shadow}, {credit(), shadow, debit()}} {
		for _, i := range outOfHouse(c) {
			if i.IsShadow() {
				t.Errorf("%s leaves the house", i.ID)
			}
		}
	}
	if n := len(outOfHouse([]rules.Instruction{credit(), shadow, debit()})); n != 2 {
		t.Errorf("%d of 2 instructions leave the house", n)
	}
}
