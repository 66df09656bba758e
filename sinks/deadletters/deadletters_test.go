package deadletters

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"ristourne/deploy/localservers/localserverstest"
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
	l.Timestamp, l.Size, l.KeyWithheld, l.ValueWithheld = -1, 70_000, true, true
	return l
}

func empty() rules.DeadLetter {
	l := kept()
	l.Offset, l.Reason, l.Field, l.Key, l.Value, l.Size = 44, "json", "", []byte{}, []byte{}, 0
	return l
}

// TestGolden holds the form of a letter still: other programs read it.
func TestGolden(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, l := range []rules.DeadLetter{kept(), notKept(), empty()} {
		m := messageOf(&l)
		fmt.Fprintf(&text, "key %q, nil %t\nvalue %q, nil %t\n", m.Key, m.Key == nil, m.Value, m.Value == nil)
		for _, h := range m.Headers {
			fmt.Fprintf(&text, "  %s: %s\n", h.Key, h.Value)
		}
	}
	want, err := os.ReadFile("testdata/letters.golden")
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Fatalf("letters are\n%swant\n%s", text.String(), want)
	}
}

// TestDecodesTheFormBefore: letters of the form before stay in their topic for as
// long as its retention says.
func TestDecodesTheFormBefore(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/letters.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(file), []byte("\n"))
	for n, want := range []rules.DeadLetter{kept(), notKept(), empty()} {
		got, err := Decode(kafka.Message{Key: want.Key, Value: lines[n]})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("decoded %+v, %v\nwant %+v", got, err, want)
		}
	}
}

// TestDecode: bytes that are kept come back as they were, empty ones as empty
// and not as none.
func TestDecode(t *testing.T) {
	t.Parallel()
	raw := rapid.OneOf(rapid.Just[[]byte](nil), rapid.Just([]byte{}), rapid.SliceOf(rapid.Byte()))
	rapid.Check(t, func(t *rapid.T) {
		want := rules.DeadLetter{
			Topic: rapid.String().Draw(t, "topic"), Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset"),
			Timestamp: rapid.Int64().Draw(t, "timestamp"), Reason: rapid.String().Draw(t, "reason"), Field: rapid.String().Draw(t, "field"),
			Detail: rapid.String().Draw(t, "detail"), Key: raw.Draw(t, "key"), Value: raw.Draw(t, "value"),
			Size: rapid.IntRange(0, math.MaxInt32).Draw(t, "size"), SHA256: sha256.Sum256([]byte{rapid.Byte().Draw(t, "hash")}),
			KeyWithheld: rapid.Bool().Draw(t, "key withheld"), ValueWithheld: rapid.Bool().Draw(t, "value withheld"),
		}
		m := messageOf(&want)
		if want.KeyWithheld {
			want.Key = nil
		}
		if want.ValueWithheld {
			want.Value = nil
		}
		if !bytes.Equal(m.Key, want.Key) || !bytes.Equal(m.Value, want.Value) {
			t.Fatalf("key is %q, value %q, want %q and %q", m.Key, m.Value, want.Key, want.Value)
		}
		got, err := Decode(m)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("decoded %+v, %v\nwant %+v", got, err, want)
		}
	})
}

// TestDecodeRefuses: what somebody else has put into the topic, of which nothing
// may be shown.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const card = "4111111111111111"
	for what, spoil := range map[string]func(m *kafka.Message){
		"no header":       func(m *kafka.Message) { m.Headers, m.Value = nil, []byte(card) },
		"topic, part":     func(m *kafka.Message) { m.Headers, m.Value = nil, []byte(`{"id":"`+card+`"}`) },
		"partition is no": func(m *kafka.Message) { m.Headers[1].Value = []byte(card) },
		"offset is no":    func(m *kafka.Message) { m.Headers[2].Value = []byte(card + "x") },
		"sha256":          func(m *kafka.Message) { m.Headers[8].Value = []byte(card) },
	} {
		l := kept()
		m := messageOf(&l)
		spoil(&m)
		if _, err := Decode(m); err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), card) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	file, err := os.ReadFile("testdata/letters.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		f.Add(line, "1", "2", "")
	}
	l := kept()
	f.Add(l.Value, "3", "4", strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, value []byte, partition, offset, sum string) {
		m := messageOf(&l)
		m.Value = value
		m.Headers[1].Value, m.Headers[2].Value, m.Headers[8].Value = []byte(partition), []byte(offset), []byte(sum)
		for _, m := range []kafka.Message{m, {Value: value}} {
			l, err := Decode(m)
			if err != nil || len(l.Reason)+len(l.Field)+len(l.Detail) > maxText {
				continue
			}
			if again, err := Decode(messageOf(&l)); err != nil || !reflect.DeepEqual(again, l) {
				t.Fatalf("%+v becomes %+v, %v", l, again, err)
			}
		}
	})
}

// TestSize: a topic takes 1 MiB by default, and a letter that it refused would
// hold up its shard for ever.
func TestSize(t *testing.T) {
	t.Parallel()
	const topicLimit = 1 << 20
	worst := strings.Repeat("\x01", 1<<20)
	for name, l := range map[string]rules.DeadLetter{
		"64 KiB":         {Value: make([]byte, 64<<10), Key: make([]byte, 64)},
		"all that fits":  {Reason: worst, Field: worst, Detail: worst, Value: make([]byte, maxValue), Key: make([]byte, maxKey)},
		"more than fits": {Reason: worst, Field: worst, Detail: worst, Value: make([]byte, 5<<20), Key: make([]byte, 5<<20), Size: 5 << 20},
	} {
		m := messageOf(&l)
		n := len(m.Key) + len(m.Value)
		for _, h := range m.Headers {
			n += len(h.Key) + len(h.Value)
		}
		if n > topicLimit*3/4 {
			t.Errorf("%s: the message has %d bytes", name, n)
		}
		got, err := Decode(m)
		if err != nil {
			t.Fatal(err)
		}
		if want := l.Size == 0; (got.Value != nil) != want || (got.Key != nil) != want || got.ValueWithheld == want || got.KeyWithheld == want {
			t.Errorf("%s: kept %d and %d bytes", name, len(got.Value), len(got.Key))
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	server, topic := localserverstest.Kafka(t), localserverstest.Unique(t, "deadletters")
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
		got, err := Decode(m)
		// kafka-go's reader makes no difference between empty and none.
		if len(want[n].Key) == 0 {
			got.Key = want[n].Key
		}
		if len(want[n].Value) == 0 {
			got.Value = want[n].Value
		}
		if err != nil || !reflect.DeepEqual(got, want[n]) {
			t.Fatalf("letter %d is %+v, %v", n, got, err)
		}
	}
}
