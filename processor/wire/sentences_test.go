package wire

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"ristourne/rules"
)

var update = flag.Bool("update", false, "write testdata/sentences.golden anew")

func utf16Of(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// spoiled is a record as a wrong setting of a feed makes all of them.
type spoiled struct {
	name, value, key string
	noKey            bool
	stamp            int64
	clock            Clock
}

func spoiledRecords(t *testing.T) []spoiled {
	const stamp = millisOfCanonical
	sound := spoiled{value: canonicalEvent, key: canonicalKey, stamp: stamp}
	var all []spoiled
	add := func(name string, change func(s *spoiled)) {
		s := sound
		s.name = name
		change(&s)
		all = append(all, s)
	}
	value := func(name, value string) { add(name, func(s *spoiled) { s.value = value }) }
	field := func(name, path, raw string) {
		value(name, string(parseObject(t, canonicalEvent).with(path, raw).bytes()))
	}
	key := func(name, key string) { add(name, func(s *spoiled) { s.key = key }) }
	text := fmt.Sprintf("%q", canonicalEvent)

	value("byte order mark", "\ufeff"+canonicalEvent)
	value("UTF-16 with a mark, big-endian", utf16Of(binary.BigEndian, "\ufeff"+canonicalEvent))
	value("UTF-16 with a mark, little-endian", utf16Of(binary.LittleEndian, "\ufeff"+canonicalEvent))
	value("UTF-16, big-endian", utf16Of(binary.BigEndian, canonicalEvent))
	value("UTF-16, little-endian", utf16Of(binary.LittleEndian, canonicalEvent))
	value("schema registry, JSON", "\x00\x00\x00\x01\x42"+canonicalEvent)
	value("schema registry, Avro", "\x00\x00\x00\x01\x42\x24evt-7f3a91c2-000001")
	value("Avro file", "Obj\x01\x04\x14avro.codec")
	value("gzip", "\x1f\x8b\x08\x00\x00")
	value("JSON in a string", text)
	value("JSON in a string, twice", fmt.Sprintf("%q", text))
	value("a list", "["+canonicalEvent+"]")
	value("XML", "<event/>")
	value("a word", "event")
	value("null", "null")
	value("tombstone", "")
	value("two objects", canonicalEvent+"\n"+canonicalEvent)
	value("cut off", canonicalEvent[:100])
	value("single quotes", strings.ReplaceAll(canonicalEvent, `"`, `'`))

	add("no key", func(s *spoiled) { s.noKey = true })
	key("empty key", "")
	key("key in quotes", `"`+canonicalKey+`"`)
	key("key as JSON", `{"account_id":"`+canonicalKey+`"}`)
	key("key with a schema registry's prefix", "\x00\x00\x00\x00\x07"+canonicalKey)
	key("key with a byte order mark", "\ufeff"+canonicalKey)
	key("key in UTF-16", utf16Of(binary.LittleEndian, canonicalKey))
	key("key with a line break", canonicalKey+"\n")
	key("key in upper case", strings.ToUpper(canonicalKey))
	key("key is the card token", "tok_9fKq27XbLm3R")
	key("key is the transaction", "txn-7f3a91c2-0000")
	key("key of another", "acc-7")
	key("key is the word null", "null")
	key("key is a card number", visa)
	key("key is a card number in JSON", `{"pan":"4111-1111-1111-1111"}`)

	field("a negative amount", "amount_minor", "-4785")
	field("an amount with decimals", "amount_minor", "100.0")
	field("an amount with an exponent", "amount_minor", "1e2")
	field("an amount in quotes", "amount_minor", `"4785"`)
	field("an amount too large", "amount_minor", "9007199254740992")
	field("a line's amount with decimals", "items", `[{"amount_minor":47.85}]`)
	field("a line's amount too low", "items", `[{"amount_minor":-9007199254740992}]`)
	field("an empty needed text", "card_token", `""`)
	field("a card number as token", "card_token", quoted(visa))
	field("a card number as a network", "merchant.network", quoted(visa))

	ahead := func(name string, stamp int64, clock Clock) {
		add(name, func(s *spoiled) { s.stamp, s.clock = stamp, clock })
	}
	const minute = 60_000
	ahead("ahead, and nobody knows the time", stamp-10*minute, Clock{})
	ahead("ahead, timestamps of 1970", 0, Clock{NowMillis: stamp, AfterMillis: stamp - 500})
	ahead("ahead, timestamps 10 minutes slow", stamp-10*minute, Clock{NowMillis: stamp, AfterMillis: stamp - 500})
	ahead("ahead, read from a backlog", stamp-10*minute, Clock{NowMillis: stamp + 60*minute})
	ahead("ahead of this clock, too", stamp-10*minute, Clock{NowMillis: stamp - 10*minute})
	ahead("ahead of this clock, as the timestamp is", stamp, Clock{NowMillis: stamp - 20*minute})
	return all
}

// TestSentences holds each sentence that a sender's mistake gets to its golden
// file: a wrong serialiser hits every record of a feed, so the sentence must name
// it, and must show nothing of the record.
func TestSentences(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, s := range spoiledRecords(t) {
		key := []byte(s.key)
		if s.noKey {
			key = nil
		}
		d := NewDecoder(Options{})
		d.SetClock(s.clock)
		var ev rules.Event
		fault := d.Event([]byte(s.value), key, s.stamp, &ev)
		if fault == nil {
			t.Errorf("%s: accepted", s.name)
			continue
		}
		letter := fault.Letter("card.transactions", 0, 0, s.stamp, key, []byte(s.value))
		fmt.Fprintf(&got, "%s\n\t%s\n\tkey %s, value %s\n", s.name, fault, keptOrNot(letter.Key), keptOrNot(letter.Value))
	}
	const file = "testdata/sentences.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the sentences are\n%s\nwant (go test -update writes them)\n%s", got.String(), want)
	}
}

func keptOrNot(b []byte) string {
	if b == nil {
		return "not kept"
	}
	return "kept"
}

// TestHowFarAhead is by the size of the gap: a year must not overflow.
func TestHowFarAhead(t *testing.T) {
	t.Parallel()
	at := func(text string) rules.Instant {
		instant, ok := parseInstant(text)
		if !ok {
			t.Fatal(text)
		}
		return instant
	}
	for _, c := range []struct{ a, b, want string }{
		{"2026-01-01T00:05:00.000000001Z", "2026-01-01T00:00:00Z", "5m0.000000001s"},
		{"2026-01-02T23:59:59Z", "2026-01-01T00:00:00Z", "47h59m59s"},
		{"2026-01-03T00:00:00Z", "2026-01-01T00:00:00Z", "2 days"},
		{"9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2932896 days"},
	} {
		if got := gap(at(c.a), at(c.b)); got != c.want {
			t.Errorf("%s after %s: %s, want %s", c.a, c.b, got, c.want)
		}
	}
}
