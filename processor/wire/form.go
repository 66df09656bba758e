package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A wrong serialiser hits every record of a feed, so each of the usual ones gets
// a sentence of its own.

// otherForm tells what a value is that is no JSON object; empty where nobody can
// say.
func otherForm(value []byte) string {
	starts := func(prefix string) bool { return bytes.HasPrefix(value, []byte(prefix)) }
	trimmed := bytes.TrimSpace(value)
	switch {
	case starts("\xef\xbb\xbf"):
		return "the value begins with a byte order mark: write UTF-8 without one"
	case isUTF16(value):
		return "the value is UTF-16: write it in UTF-8"
	case starts("\x1f\x8b"):
		return "the value is compressed (gzip): let the producer compress its batches (compression.type) and send the JSON itself"
	case starts("Obj\x01"):
		return "the value is an Avro file: send one JSON object per record"
	case isRegistered(value) && value[registryPrefix] == '{':
		return "the value begins as a schema registry's serialiser writes it (a byte 0 and 4 bytes of schema id): " +
			"send the JSON without that prefix, by a string serialiser"
	case isRegistered(value):
		return "the value begins as a schema registry's serialiser writes it (a byte 0 and 4 bytes of schema id), and what follows is " +
			"no JSON object, perhaps Avro or Protobuf: send JSON, by a string serialiser"
	case isQuotedObject(trimmed):
		return "the value is a JSON string that holds the JSON object: it was serialised twice, so send the text itself, by a string serialiser"
	case bytes.HasPrefix(trimmed, []byte("[")):
		return "the value is a list: send each of its objects as a record of its own"
	case bytes.HasPrefix(trimmed, []byte("<")):
		return "the value is XML: send one JSON object per record"
	}
	return ""
}

// isUTF16 reports text in UTF-16 of either order, with a byte order mark or by
// the zeros of its first two characters, of which the first is a brace.
func isUTF16(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	first := string(b[:2])
	return first == "\xfe\xff" || first == "\xff\xfe" ||
		first == "{\x00" && b[3] == 0 || first == "\x00{" && b[2] == 0
}

// registryPrefix is the length of what the serialisers of a schema registry put
// before their bytes.
const registryPrefix = 5

func isRegistered(b []byte) bool { return len(b) > registryPrefix && b[0] == 0 }

func isQuotedObject(b []byte) bool {
	for len(b) > 0 && b[0] == '"' {
		var inner string
		if json.Unmarshal(b, &inner) != nil {
			return false
		}
		if b = bytes.TrimSpace([]byte(inner)); len(b) > 0 && b[0] == '{' {
			return true
		}
	}
	return false
}

// refuseKey notes the fault of a record whose Kafka key is not its account. A
// card number in the key comes before all other faults; the likeliest mistake of
// a feed is to be keyed by the card.
func (d *Decoder) refuseKey(r *record, f uint8, account, key string) {
	if holdsCardNumber(key) && !allowedToken(key, d.options.CardTokenRanges) {
		d.refuseAt(keyField, ReasonCardNumber, "the record's Kafka key holds a card number and is not kept: key the records by their account_id")
		return
	}
	d.refuse(r, f, ReasonKey, d.keyDetail(r, account, key))
}

// keyField names the record's key in a fault.
const keyField = "(key)"

func (d *Decoder) keyDetail(r *record, account, key string) string {
	const should = ": the key must be the record's account_id, as plain UTF-8"
	switch inner := ""; {
	case key == "":
		return "the record has no Kafka key" + should
	case isUTF16Text(key):
		return "the record's Kafka key is UTF-16" + should
	case strings.HasPrefix(key, "\ufeff"):
		return "the record's Kafka key begins with a byte order mark" + should
	case isRegistered([]byte(key)):
		return "the record's Kafka key begins as a schema registry's serialiser writes it (a byte 0 and 4 bytes of schema id)" + should
	case key[0] == '"' && json.Unmarshal([]byte(key), &inner) == nil:
		return "the record's Kafka key is a JSON string, in quotes" + should
	case strings.HasPrefix(strings.TrimSpace(key), "{"):
		return "the record's Kafka key is a JSON object" + should
	case strings.TrimSpace(key) == account:
		return "the record's Kafka key has white space around the account_id" + should
	case strings.EqualFold(key, account):
		return "the record's Kafka key is the account_id in other letters (upper and lower case differ)" + should
	}
	for other := range r.fields {
		if t := r.token(uint8(other)); other != unknown && t.kind == text && d.textOf(t) == key {
			return "the record's Kafka key is its " + r.fields[other].name + should
		}
	}
	return "the record's Kafka key is another than its account_id" + should
}

// isUTF16Text reports a key whose characters are all two bytes, one of them 0.
func isUTF16Text(key string) bool {
	if len(key) < 4 || len(key)%2 != 0 {
		return false
	}
	if first := key[:2]; first == "\xfe\xff" || first == "\xff\xfe" {
		return true
	}
	zeros := [2]int{}
	for i := range len(key) {
		if key[i] == 0 {
			zeros[i%2]++
		}
	}
	return zeros[0] == len(key)/2 || zeros[1] == len(key)/2
}

// KeepKey reports whether a record's Kafka key may be kept and shown: one that is
// text, as an account id is, and holds no card number.
func KeepKey(key []byte) bool {
	s := view(key)
	return len(key) <= maxKeyBytes && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) && !holdsCardNumber(s)
}

// maxKeyBytes is more than any account id has.
const maxKeyBytes = 1024
