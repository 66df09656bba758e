package wire

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ristourne/rules"
)

// TestNothingIsAbsent puts null and an empty text into every field of every
// record: in an optional one both are as if it were absent, in a needed one both
// are missing, whatever its type.
func TestNothingIsAbsent(t *testing.T) {
	t.Parallel()
	type reader func(sample) (any, *Fault)
	d := NewDecoder(Options{NoKeys: true})
	event := func(s sample) (any, *Fault) {
		var ev rules.Event
		fault := d.Event(s.bytes(), nil, -1, &ev)
		return ev, fault
	}
	fact := func(s sample) (any, *Fault) {
		var f rules.Fact
		fault := d.Fact(s.bytes(), nil, -1, &f)
		return f, fault
	}
	referral := func(s sample) (any, *Fault) {
		var f rules.Referral
		fault := d.Referral(s.bytes(), nil, -1, &f)
		return f, fault
	}
	result := func(s sample) (any, *Fault) {
		var r rules.Result
		fault := d.Result(s.bytes(), nil, -1, &r)
		return r, fault
	}
	check := func(kind string, base sample, field string, read reader) {
		absent, missing := read(base.with(field, ""))
		if missing != nil {
			fault := *missing // the decoder uses it again
			missing = &fault
		}
		for _, raw := range []string{`""`, `null`} {
			got, fault := read(base.with(field, raw))
			if missing != nil {
				assertFault(t, kind+"."+field+"="+raw, fault, missing.Reason, missing.Field)
			} else if fault != nil {
				t.Errorf("%s.%s=%s: refused: %s", kind, field, raw, fault)
			} else {
				assertEqual(t, got, absent)
			}
		}
	}
	full := parseObject(t, canonicalEvent).with("purchased_at", `"2025-11-22T08:00:00Z"`).
		with("billing_amount_minor", "1").with("billing_currency", `"USD"`).with("original_transaction_id", `"o"`).
		with("items", itemList(1)).with("merchant.network_merchant_id", `"n"`).with("merchant.sub_merchant_id", `"s"`)
	for field := range full {
		if !strings.HasPrefix(field, "billing_") {
			check("event", full, field, event)
		}
	}
	for field := range parseObject(t, full["merchant"]) {
		check("event", full, "merchant."+field, event)
	}
	for _, field := range []string{"billing_amount_minor", "billing_currency"} {
		check("event", full, field, event) // the other one is then missing
	}
	for kind := range factSamples {
		for field := range factOf(t, kind) {
			check(kind, factOf(t, kind), field, fact)
		}
	}
	for field := range parseObject(t, canonicalReferral) {
		check("referral", parseObject(t, canonicalReferral), field, referral)
	}
	whole := parseObject(t, `{"instruction_id":"Ab-9","account_id":"a1","status":"settled","reason":"AC04","at":"2025-11-22T08:31:20Z"}`)
	for field := range whole {
		check("result", whole, field, result)
	}
}

// TestDescriptionsAreCut: 257 characters of a shop's name must not cost its
// customer the reward. The cut lies between two characters.
func TestDescriptionsAreCut(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{})
	for _, c := range []struct{ name, want string }{
		{strings.Repeat("x", 256), strings.Repeat("x", 256)},
		{strings.Repeat("x", 257), strings.Repeat("x", 256)},
		{strings.Repeat("x", 255) + "é", strings.Repeat("x", 255) + "é"},
		{strings.Repeat("x", 255) + "éé", strings.Repeat("x", 255) + "é"},
		{strings.Repeat("🍰", 300), strings.Repeat("🍰", 256)},
		{strings.Repeat("é", 129), strings.Repeat("é", 129)}, // more bytes than characters
		{strings.Repeat(`\u00e9`, 257), strings.Repeat("é", 256)},
		{strings.Repeat(`\ud83c\udf70`, 257), strings.Repeat("🍰", 256)},
	} {
		var ev rules.Event
		value := parseObject(t, canonicalEvent).with("merchant.name", quoted(c.name)).bytes()
		if fault := d.Event(value, []byte(canonicalKey), -1, &ev); fault != nil {
			t.Fatal(fault)
		}
		if ev.Merchant.Name != c.want || !utf8.ValidString(ev.Merchant.Name) {
			t.Errorf("%.20s... is cut to %q", c.name, ev.Merchant.Name)
		}
	}
}
