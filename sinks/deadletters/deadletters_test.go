package deadletters

import (
	"bytes"
	"crypto/sha256"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"ristourne/deploy/parts/partstest"
	"ristourne/rules"
)

func kept() rules.DeadLetter {
	value := []byte("{\"amount_minor\": -1}\x00\xff")
	return rules.DeadLetter{
		Topic: "card.transactions", Partition: 3, Offset: 42, Timestamp: 1_750_000_000_123,
		Reason: "range", Field: "amount_minor", Detail: "want 0 to 2^53-1: send <a refund> with its own type",
		Key: []byte("acc-1"), Value: value, Size: len(value), SHA256: sha256.Sum256(value),
	}
}

func notKept() rules.DeadLetter {
	l := kept()
	l.Offset, l.Reason, l.Field, l.Key, l.Value = 43, "card_number", "card_token", nil, nil
	l.Timestamp, l.Size = -1, 70_000
	return l
}

func empty() rules.DeadLetter {
	l := kept()
	l.Offset, l.Reason, l.Field, l.Key, l.Value, l.Size = 44, "json", "", []byte{}, []byte{}, 0
	return l
}

func value(t *testing.T, l rules.DeadLetter) []byte {
	t.Helper()
	m, err := messageOf(&l)
	if err != nil {
		t.Fatal(err)
	}
	return m.Value
}

func TestGolden(t *testing.T) {
	var lines []byte
	for _, l := range []rules.DeadLetter{kept(), notKept(), empty()} {
		lines = append(append(lines, value(t, l)...), '\n')
	}
	want, err := os.ReadFile("testdata/letters.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if string(lines) != string(want) {
		t.Fatalf("values are\n%swant\n%s", lines, want)
	}
}

// TestDecode: bytes that are kept come back as they were, empty ones as empty
// and not as "not kept".
func TestDecode(t *testing.T) {
	raw := rapid.OneOf(rapid.Just[[]byte](nil), rapid.Just([]byte{}), rapid.SliceOf(rapid.Byte()))
	rapid.Check(t, func(t *rapid.T) {
		want := rules.DeadLetter{
			Topic: rapid.String().Draw(t, "topic"), Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset"),
			Timestamp: rapid.Int64().Draw(t, "timestamp"), Reason: rapid.String().Draw(t, "reason"), Field: rapid.String().Draw(t, "field"),
			Detail: rapid.String().Draw(t, "detail"), Key: raw.Draw(t, "key"), Value: raw.Draw(t, "value"),
			Size: rapid.IntRange(0, math.MaxInt32).Draw(t, "size"), SHA256: sha256.Sum256([]byte{rapid.Byte().Draw(t, "hash")}),
		}
		m, err := messageOf(&want)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Key, want.Key) {
			t.Fatalf("key is %q, want %q", m.Key, want.Key)
		}
		got, err := Decode(m.Value)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("decoded %+v, %v\nwant %+v", got, err, want)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	good := string(value(t, kept()))
	for what, bad := range map[string]string{
		"unexpected end": good[:20],
		"topic, part":    strings.Replace(good, `"offset":42`, `"offset":41`, 1),
		"sha256":         strings.Replace(good, `"sha256":"`, `"sha256":"00`, 1),
		"base64":         strings.Replace(good, `"value":"`, `"value":"*`, 1),
	} {
		if _, err := Decode([]byte(bad)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, l := range []rules.DeadLetter{kept(), notKept(), empty()} {
		m, err := messageOf(&l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		l, err := Decode(value)
		if err != nil || len(l.Reason)+len(l.Field)+len(l.Detail) > maxText {
			return
		}
		m, err := messageOf(&l)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Decode(m.Value); err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%+v becomes %+v, %v", l, again, err)
		}
	})
}

// TestSize: a topic takes 1 MiB by default, and a letter that it refused would
// hold up its shard for ever.
func TestSize(t *testing.T) {
	const topicLimit = 1 << 20
	worst := strings.Repeat("\x01", 1<<20)
	for name, l := range map[string]rules.DeadLetter{
		"64 KiB":         {Value: make([]byte, 64<<10), Key: make([]byte, 64)},
		"all that fits":  {Reason: worst, Field: worst, Detail: worst, Value: make([]byte, maxValue), Key: make([]byte, maxKey)},
		"more than fits": {Reason: worst, Field: worst, Detail: worst, Value: make([]byte, 5<<20), Key: make([]byte, 5<<20), Size: 5 << 20},
	} {
		m, err := messageOf(&l)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(m.Key) + len(m.Value); n > topicLimit*3/4 {
			t.Errorf("%s: the message has %d bytes", name, n)
		}
		got, err := Decode(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		if want := l.Size == 0; (got.Value != nil) != want || (got.Key != nil) != want {
			t.Errorf("%s: kept %d and %d bytes", name, len(got.Value), len(got.Key))
		}
	}
}

func TestWrite(t *testing.T) {
	server, topic := partstest.Kafka(t), partstest.Unique(t, "deadletters")
	if err := server.CreateTopics(t.Context(), 1, topic); err != nil {
		t.Fatal(err)
	}
	w := New(Options{Brokers: server.Brokers, Topic: topic})
	large := kept()
	large.Value = bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	want := []rules.DeadLetter{kept(), notKept(), empty(), large, large, large, large, large, large, large, large, large}
	if err := w.Write(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := kafka.DialLeader(t.Context(), "tcp", server.Brokers[0], topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for n := range want {
		m, err := conn.ReadMessage(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(m.Value)
		if err != nil || !reflect.DeepEqual(got, want[n]) {
			t.Fatalf("letter %d is %+v, %v", n, got, err)
		}
	}
}
