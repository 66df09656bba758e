package wire

import (
	"strings"
	"testing"

	"ristourne/rules"
)

func hashOf(t *testing.T, value sample) uint64 {
	t.Helper()
	var ev rules.Event
	if fault := NewDecoder(Options{}).Event(value.bytes(), []byte(canonicalKey), -1, &ev); fault != nil {
		t.Fatal(fault)
	}
	Seal(&ev)
	if ev.ContentHash == 0 || ev.ContentHash != HashEvent(&ev) {
		t.Fatalf("the seal %x is not the hash %x", ev.ContentHash, HashEvent(&ev))
	}
	return ev.ContentHash
}

func TestContentThatIsTheSame(t *testing.T) {
	t.Parallel()
	base := parseObject(t, canonicalEvent).with("items", `[{"amount_minor":5,"quantity":1.50},{"amount_minor":0,"quantity":0}]`)
	same := map[string]sample{
		"instant in another zone": base.with("occurred_at", `"2025-11-22T08:31:20.125Z"`),
		"instant with zeros":      base.with("occurred_at", `"2025-11-22T09:31:20.125000000+01:00"`),
		"approved true":           base.with("approved", "true"),
		"approved null":           base.with("approved", "null"),
		"null fields": base.with("purchased_at", "null").with("billing_amount_minor", "null").
			with("billing_currency", "null").with("original_transaction_id", "null").with("merchant.sub_merchant_id", "null"),
		"empty texts": base.with("original_transaction_id", `""`).with("merchant.sub_merchant_id", `""`),
		"all empty texts": base.with("purchased_at", `""`).with("billing_amount_minor", `""`).with("billing_currency", `""`).
			with("original_transaction_id", `""`).with("approved", `""`).with("merchant.sub_merchant_id", `""`),
		"merchant id, padded": base.with("merchant.id", `"FR0000482913   "`),
		"escapes":             base.with("merchant.name", `"\u0042OULANGERIE DU MARCHE"`),
		"unknown fields":      base.with("x", "1").with("merchant.x", "2"),
		"quantity as 15e-1":   base.with("items", `[{"quantity":15e-1,"amount_minor":5,"sku":null},{"amount_minor":-0,"quantity":-0.0e5}]`),
	}
	want := hashOf(t, base)
	for name, value := range same {
		if got := hashOf(t, value); got != want {
			t.Errorf("%s: another content", name)
		}
	}
	long := base.with("merchant.name", quoted(strings.Repeat("é", 256)))
	for _, rest := range []string{"é", "🍰 and more", strings.Repeat("x", 1000)} {
		if got := hashOf(t, base.with("merchant.name", quoted(strings.Repeat("é", 256)+rest))); got != hashOf(t, long) {
			t.Error("names that are the same up to where they are cut are another content")
		}
	}
	bare := base.with("merchant.mcc", "").with("merchant.country", "").with("channel", "").with("card_product", "")
	empty := base.with("merchant.mcc", `""`).with("merchant.country", `""`).with("channel", `""`).with("card_product", `""`)
	if hashOf(t, bare) != hashOf(t, empty) {
		t.Error("empty texts are another content than absent fields")
	}
	none := base.with("items", "")
	for _, raw := range []string{"[]", "null", `""`} {
		if hashOf(t, none) != hashOf(t, none.with("items", raw)) {
			t.Errorf("items %s are another content than none", raw)
		}
	}
}

func TestContentThatDiffers(t *testing.T) {
	t.Parallel()
	base := parseObject(t, canonicalEvent).with("items", `[{"amount_minor":5,"quantity":1},{"amount_minor":6,"sku":"a"}]`)
	variants := []sample{
		base,
		base.with("event_id", `"other"`),
		base.with("type", `"clearing"`),
		base.with("transaction_id", `"other"`),
		base.with("original_transaction_id", `"o"`),
		base.with("card_token", `"other"`),
		base.with("amount_minor", `4786`),
		base.with("currency", `"USD"`),
		base.with("billing_amount_minor", `0`).with("billing_currency", `"EUR"`),
		base.with("billing_amount_minor", `1`).with("billing_currency", `"EUR"`),
		base.with("billing_amount_minor", `1`).with("billing_currency", `"USD"`),
		base.with("occurred_at", `"2025-11-22T08:31:20.125000001Z"`),
		base.with("occurred_at", `"2025-11-22T08:31:21.125Z"`),
		base.with("purchased_at", `"2025-11-22T08:31:20.125Z"`), // not the same as none: no default is stated
		base.with("approved", `false`),
		base.with("merchant.id", `"FR000048291"`),
		base.with("merchant.id", `" FR0000482913"`),
		base.with("merchant.acquirer_id", `"30005"`),
		base.with("merchant.acquirer_id", ``),
		base.with("merchant.network", ``).with("merchant.network_merchant_id", `"CB"`),
		base.with("merchant.network", ``).with("merchant.sub_merchant_id", `"CB"`),
		base.with("merchant.terminal_id", `"CB"`),
		base.with("merchant.name", `"x"`),
		base.with("merchant.mcc", `"5463"`),
		base.with("merchant.country", `"BE"`),
		base.with("channel", `"other"`),
		base.with("channel", ``),
		base.with("card_product", `"x"`),
		base.with("items", `[{"amount_minor":6,"sku":"a"},{"amount_minor":5,"quantity":1}]`),
		base.with("items", `[{"amount_minor":5,"quantity":1,"sku":"a"},{"amount_minor":6}]`),
		base.with("items", `[{"amount_minor":5,"quantity":1},{"amount_minor":6,"category":"a"}]`),
		base.with("items", `[{"amount_minor":5,"quantity":10},{"amount_minor":6,"sku":"a"}]`),
		base.with("items", `[{"amount_minor":5,"quantity":-1},{"amount_minor":6,"sku":"a"}]`),
		base.with("items", `[{"amount_minor":5,"quantity":1e-1},{"amount_minor":6,"sku":"a"}]`),
		base.with("items", `[{"amount_minor":5,"quantity":0},{"amount_minor":6,"sku":"a"}]`),
		base.with("items", `[{"amount_minor":5},{"amount_minor":6,"sku":"a"}]`),
		base.with("items", `[{"amount_minor":-5,"quantity":1},{"amount_minor":6,"sku":"a"}]`),
		base.with("items", `[{"amount_minor":5,"quantity":1}]`),
		base.with("items", ``),
	}
	seen := map[uint64]int{}
	for i, value := range variants {
		hash := hashOf(t, value)
		if before, twice := seen[hash]; twice {
			t.Errorf("variants %d and %d have one hash", before, i)
		}
		seen[hash] = i
	}
}

// TestContentHashStays: hashes are stored, so a release must not change them.
func TestContentHashStays(t *testing.T) {
	t.Parallel()
	value := parseObject(t, canonicalEvent).with("items", `[{"amount_minor":5,"quantity":1.50,"sku":"a","category":"b"}]`).
		with("approved", "false").with("purchased_at", `"2025-11-22T08:00:00.5Z"`).
		with("billing_amount_minor", "1").with("billing_currency", `"USD"`)
	assertEqual(t, hashOf(t, value), uint64(7241244390715247514))
	d := NewDecoder(Options{})
	for kind, want := range map[string]uint64{
		"enrolled": 0xaa381a625be7d121, "adjustment": 0x9202ebe376d44f5d, "cycle_closed": 0x9a904c7ffdb1b1a5,
	} {
		value := factOf(t, kind)
		if kind == "cycle_closed" {
			value = value.with("cycle", `"2025-11"`).with("as_of", `"2025-12-01T00:00:00Z"`)
		}
		var f rules.Fact
		if fault := d.Fact(value.bytes(), []byte("a1"), -1, &f); fault != nil {
			t.Fatal(fault)
		}
		if f.ContentHash != want {
			t.Errorf("%s: %#x, want %#x", kind, f.ContentHash, want)
		}
	}
}

func TestFactContent(t *testing.T) {
	t.Parallel()
	hash := func(value sample) uint64 {
		var f rules.Fact
		if fault := NewDecoder(Options{}).Fact(value.bytes(), []byte("a1"), -1, &f); fault != nil {
			t.Fatal(fault)
		}
		return f.ContentHash
	}
	enrolled := factOf(t, "enrolled")
	if hash(enrolled) != hash(enrolled.with("at", `"2025-11-22T09:31:20.000+01:00"`).with("unit", `5`)) {
		t.Error("the same instant in another zone is another content")
	}
	if cycle := factOf(t, "cycle_closed"); hash(cycle) != hash(cycle.with("as_of", `"2025-10-31T23:00:00.000Z"`)) {
		t.Error("the same as_of in another zone is another content")
	}
	lists := enrolled.with("card_tokens", `["t1","",null,"t2"]`).with("segments", `["","s1"]`)
	if hash(enrolled) != hash(lists) {
		t.Error("nothing in a list is another content than a list without it")
	}
	if bare := enrolled.with("sponsor_account_id", ""); hash(bare) != hash(bare.with("sponsor_account_id", `""`)) {
		t.Error("an empty sponsor is another content than none")
	}
	if bare := enrolled.with("level", "").with("segments", ""); hash(bare) != hash(bare.with("level", "null").with("segments", "[]")) {
		t.Error("null is another content than absent")
	}
	seen := map[uint64]string{}
	check := func(name string, value sample) {
		h := hash(value)
		if before, twice := seen[h]; twice {
			t.Errorf("%s and %s have one hash", before, name)
		}
		seen[h] = name
	}
	for kind := range factSamples {
		check(kind, factOf(t, kind))
		check(kind+" at another time", factOf(t, kind).with("at", `"2025-11-22T08:31:21Z"`))
		check(kind+" of another id", factOf(t, kind).with("fact_id", `"f2"`))
		for name, raw := range parseObject(t, "{"+factSamples[kind]+"}") {
			other := map[byte]string{'"': `"other"`, '[': `["other"]`, '5': `7`, '-': `7`}[raw[0]]
			switch name {
			case "currency":
				other = `"USD"`
			case "method":
				other = `"cheque"`
			case "iban":
				other = `"OTHER"`
			case "as_of":
				other = `"2025-10-31T23:00:01Z"`
			}
			check(kind+" with another "+name, factOf(t, kind).with(name, other))
		}
	}
	check("tokens in another order", enrolled.with("card_tokens", `["t2","t1"]`))
	check("tokens joined", enrolled.with("card_tokens", `["t1t2"]`))
	check("a token moved", enrolled.with("card_tokens", `["t1"]`).with("segments", `["t2","s1"]`))
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for _, group := range [][]string{
		{"1", "1.0", "1e0", "10e-1", "0.1e1", "0.01E+2", "100e-2"},
		{"0", "-0", "0.000", "0e5", "-0.0e-999"},
		{"-1.5", "-15e-1", "-0.15e1"},
		{"100", "1e2", "1.00e2", "10e1"},
		{"10", "1e1"},
		{"0.001", "1e-3", "0.1e-2"},
		{"1234567890.12345", "123456789012345e-5"},
	} {
		want, ok := parseDecimal(group[0])
		for _, s := range group {
			if got, good := parseDecimal(s); !ok || !good || got != want {
				t.Errorf("%s is not %s", s, group[0])
			}
		}
	}
}
