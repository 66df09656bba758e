package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
)

// TestGrammar puts values into an unknown field: it is ignored, but must be
// JSON, and what is refused says where.
func TestGrammar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, reason, field string }{
		{`0`, "", ""},
		{`-0.0e-0`, "", ""},
		{`1E+2`, "", ""},
		{`01`, ReasonJSON, "u"},
		{`-`, ReasonJSON, "u"},
		{`+1`, ReasonJSON, "u"},
		{`.5`, ReasonJSON, "u"},
		{`1.`, ReasonJSON, "u"},
		{`1.e1`, ReasonJSON, "u"},
		{`1e`, ReasonJSON, "u"},
		{`1e+`, ReasonJSON, "u"},
		{`0x10`, ReasonJSON, "u"},
		{`NaN`, ReasonJSON, "u"},
		{`Infinity`, ReasonJSON, "u"},
		{`-Infinity`, ReasonJSON, "u"},
		{`True`, ReasonJSON, "u"},
		{`tru`, ReasonJSON, "u"},
		{`nul`, ReasonJSON, "u"},
		{`truex`, ReasonJSON, "u"},
		{`'a'`, ReasonJSON, "u"},
		{``, ReasonJSON, "u"},
		{`1 2`, ReasonJSON, "u"},
		{`1,`, ReasonJSON, "u"},
		{`1,,"v":2`, ReasonJSON, "u"},
		{`1 /* c */`, ReasonJSON, "u"},
		{`[]`, "", ""},
		{` [ 1 , [ ] , { } ] `, "", ""},
		{`[1,]`, ReasonJSON, "u[1]"},
		{`[,1]`, ReasonJSON, "u[0]"},
		{`[1 2]`, ReasonJSON, "u[0]"},
		{`[1}`, ReasonJSON, "u[0]"},
		{`[`, ReasonJSON, "u[0]"},
		{`{}`, "", ""},
		{`{"a":1,}`, ReasonJSON, "u.a"},
		{`{"a"}`, ReasonJSON, "u.a"},
		{`{"a" 1}`, ReasonJSON, "u.a"},
		{`{a:1}`, ReasonJSON, "u"},
		{`{1:1}`, ReasonJSON, "u"},
		{`{"a":1]`, ReasonJSON, "u.a"},
		{`{"a":{"b":[0,{"c":+}]}}`, ReasonJSON, "u.a.b[1].c"},
		{`"a`, ReasonJSON, "u"},
		{`"\x"`, ReasonJSON, "u"},
		{`"\u12"`, ReasonJSON, "u"},
		{`"\u12g4"`, ReasonJSON, "u"},
		{`"\u`, ReasonJSON, "u"},
		{`"\`, ReasonJSON, "u"},
		{"\"a\tb\"", ReasonJSON, "u"},
		{"\"a\x00b\"", ReasonJSON, "u"},
		{"\"0123456\x1fb\"", ReasonJSON, "u"},
		{"\"\x7f\"", "", ""},
		{`"\u0000"`, "", ""},
		{`"\ud83c\udf70"`, "", ""},
		{`"\ud83c"`, ReasonUTF8, "u"},
		{`"\ud83c\u0041"`, ReasonUTF8, "u"},
		{`"\ud83c\ud83c"`, ReasonUTF8, "u"},
		{`"\udf70"`, ReasonUTF8, "u"},
		{`"\udf70\ud83c"`, ReasonUTF8, "u"},
		{"\"caf\xe9\"", ReasonUTF8, "u"},
		{"\"\xc3\"", ReasonUTF8, "u"},
		{"\"\xed\xa0\xbc\"", ReasonUTF8, "u"},
		{"\"\xc0\x80\"", ReasonUTF8, "u"},
		{"\"caf\u00e9 0123456789\"", "", ""},
		{strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1), "", ""},
		{strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), ReasonDepth, "u" + strings.Repeat("[0]", maxDepth-1)},
		{strings.Repeat(`{"a":`, 30_000), ReasonDepth, "u" + strings.Repeat(".a", maxDepth-1)},
		{"1\f", ReasonJSON, "u"},
	} {
		value := []byte(strings.TrimSuffix(canonicalEvent, "}") + `,"u":` + c.raw + "}")
		var ev rules.Event
		d := NewDecoder(Options{MaxBytes: 1 << 20})
		fault := d.Event(value, []byte(canonicalKey), -1, &ev)
		name := c.raw
		if len(name) > 60 {
			name = name[:60]
		}
		assertFault(t, name, fault, c.reason, c.field)
		if fault != nil && fault.KeepBytes {
			t.Errorf("%s: bytes of what was not read whole are kept", name)
		}
		if fault == nil && !json.Valid(value) {
			t.Errorf("%s: encoding/json refuses it", name)
		}
	}
}

// TestTruncated cuts the event short at every byte.
func TestTruncated(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{})
	for n := 1; n < len(canonicalEvent); n++ {
		var ev rules.Event
		fault := d.Event([]byte(canonicalEvent[:n]), []byte(canonicalKey), -1, &ev)
		if fault == nil || fault.Reason != ReasonJSON || fault.KeepBytes {
			t.Fatalf("cut at %d: %v", n, fault)
		}
	}
}

func TestDuplicateNames(t *testing.T) {
	t.Parallel()
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf(`"n%02d":0`, i)
	}
	for _, c := range []struct{ extra, field string }{
		{`"event_id":"evt-7f3a91c2-000001"`, "event_id"},
		{`"event_id":null`, "event_id"},
		{`"event\u005fid":"e"`, "event_id"},
		{`"merchant":{"id":"x"}`, "merchant"},
		{`"items":[],"items":[{"amount_minor":1}]`, "items"},
		{`"approved":null,"approved":null`, "approved"},
		{`"x":1,"y":2,"x":1`, "x"},
		{`"x":1,"\u0078":2`, "x"},
		{`"x":{"a":1,"b":2,"a":3}`, "x.a"},
		{`"x":[0,{"a":[{"b":1,"b":1}]}]`, "x[1].a[0].b"},
		{`"items":[{"amount_minor":1},{"amount_minor":1,"sku":"a","sku":"a"}]`, "items[1].sku"},
		{`"items":[{"amount_minor":1,"u":1,"u":1}]`, "items[0].u"},
		{`"":1,"":2`, ""},
		{`"\u00e9":1,"é":2`, "é"},
		{`"` + visa + `":1,"` + visa + `":2`, withheld},
		{`"` + strings.Repeat("x", 65) + `":1,"` + strings.Repeat("x", 65) + `":2`, withheld},
		{`"\n":1,"\u000a":2`, "?"},
		{strings.Join(many, ",") + `,"n07":1`, "n07"},
		{`"x":{` + strings.Join(many, ",") + `,"n39":1}`, "x.n39"},
	} {
		value := []byte(strings.TrimSuffix(canonicalEvent, "}") + "," + c.extra + "}")
		var ev rules.Event
		fault := NewDecoder(Options{}).Event(value, []byte(canonicalKey), -1, &ev)
		assertFault(t, c.extra, fault, ReasonDuplicateName, c.field)
		if fault != nil && fault.KeepBytes != (c.field != withheld || !strings.Contains(c.extra, visa)) {
			t.Errorf("%s: KeepBytes is %v", c.extra, fault.KeepBytes)
		}
	}
	var ev rules.Event
	d := NewDecoder(Options{})
	inMerchant := strings.Replace(canonicalEvent, `"country"`, `"mcc":"1234","country"`, 1)
	assertFault(t, "merchant", d.Event([]byte(inMerchant), []byte(canonicalKey), -1, &ev), ReasonDuplicateName, "merchant.mcc")
	for _, extra := range []string{
		`"x":{"a":1},"y":{"a":1}`, `"x":[{"a":1},{"a":1}]`, `"X":1,"x":2`, `"Event_id":1`, `"id":{"event_id":1}`,
		strings.Join(many, ","),
	} {
		value := []byte(strings.TrimSuffix(canonicalEvent, "}") + "," + extra + "}")
		assertFault(t, extra, d.Event(value, []byte(canonicalKey), -1, &ev), "", "")
	}
}

// TestInstants compares each with what time.Parse makes of it.
func TestInstants(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z", "2025-11-22T08:31:20.1Z", "2025-11-22T08:31:20+00:00",
		"2025-11-22T08:31:20-00:00", "2025-11-22T08:31:20+23:59", "2025-11-22T08:31:20-23:59", "2024-02-29T12:00:00Z",
		"2000-02-29T12:00:00Z", "0000-01-01T00:00:00Z", "0000-02-29T00:00:00Z", "0000-03-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z", "1900-03-01T00:00:00Z", "2100-12-31T00:00:00Z", "2262-04-12T00:00:00Z",
		"2025-01-31T00:00:00Z", "2025-03-31T00:00:00Z", "2025-04-30T00:00:00Z", "2025-05-31T00:00:00Z", "2025-06-30T00:00:00Z",
		"2025-07-31T00:00:00Z", "2025-08-31T00:00:00Z", "2025-09-30T00:00:00Z", "2025-10-31T00:00:00Z", "2025-11-30T00:00:00Z",
		"2025-12-31T00:00:00Z", "2025-02-28T00:00:00Z",
	} {
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := parseInstant(s)
		if !ok || got != rules.InstantOf(want) {
			t.Errorf("%s: %v %v", s, got, ok)
		}
		if low, ok := parseInstant(strings.ToLower(s)); !ok || low != got {
			t.Errorf("%s in lower case: %v %v", s, low, ok)
		}
	}
	for _, s := range []string{
		"", "2025-11-22", "2025-11-22T08:31:20", "2025-11-22 08:31:20Z", "2025-11-22T08:31Z", "2025-11-22T08:31:20.Z",
		"2025-11-22T08:31:20.1234567890Z", "2025-11-22T08:31:20,5Z", "2025-11-22T08:31:20+0100", "2025-11-22T08:31:20+01",
		"2025-11-22T08:31:20+24:00", "2025-11-22T08:31:20+01:60", "2025-11-22T08:31:20 01:00", "2025-11-22T08:31:20+01-00",
		"2025-11-22T24:00:00Z", "2025-11-22T08:60:00Z", "2025-11-22T08:31:60Z", "2016-12-31T23:59:60Z", "2025-00-22T08:31:20Z",
		"2025-13-22T08:31:20Z", "2025-11-00T08:31:20Z", "2025-11-31T08:31:20Z", "2025-02-29T08:31:20Z", "1900-02-29T08:31:20Z",
		"2100-02-29T08:31:20Z", "2025-11-22T08:31:20ZZ", "2025-11-22T08:31:20.5", "2025-11-22T08:31:20.5+", "x025-11-22T08:31:20Z",
		"2025/11/22T08:31:20Z", "2025-11-22X08:31:20Z", "2025-11-22T08.31:20Z", "2025-11-22T08:31.20Z", "2025-11-22T08:31:2xZ",
		"2025-11-22T08:3/:20Z", "2025-11-22T0::31:20Z", "20251122T083120Z", "2025-11-22T08:31:20é", "-025-11-22T08:31:20Z",
		"+2025-11-22T08:31:20Z", "10000-01-01T00:00:00Z", " 2025-11-22T08:31:20Z", "2025-11-22T08:31:20Z ",
		"0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2025-11-22T08:31:20\x00", "2025-11-22T08:31:\xb20Z",
		"20\xb25-11-22T08:31:20Z",
	} {
		if got, ok := parseInstant(s); ok {
			t.Errorf("%q is accepted as %v", s, got)
		}
	}
}

// TestEveryDay walks all days of RFC 3339.
func TestEveryDay(t *testing.T) {
	t.Parallel()
	for day := time.Date(0, 1, 1, 7, 8, 9, 0, time.UTC); day.Year() < 10_000; day = day.AddDate(0, 0, 1) {
		s := day.Format(time.RFC3339)
		if got, ok := parseInstant(s); !ok || got.Sec != day.Unix() {
			t.Fatalf("%s: %v %v", s, got, ok)
		}
	}
}

func TestCountries(t *testing.T) {
	t.Parallel()
	known := 0
	for a := 0; a < 256; a++ {
		for b := 0; b < 256; b++ {
			if rules.KnownCountry(string([]byte{byte(a), byte(b)})) {
				known++
			}
		}
	}
	assertEqual(t, known, 249+1) // the codes of ISO 3166-1, and XK
}
