package engine_test

import (
	"errors"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/offer"
)

// keysOf is a catalogue in which each store has one key.
func keysOf(t testing.TB, stores map[string]offer.Key) *offer.Catalogue {
	return sample.Cafe(t, sample.Partner(func(p *offer.Partner) {
		p.Stores = nil
		for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"} {
			k, ok := stores[id]
			if !ok {
				continue
			}
			if k.Until == (rules.Instant{}) {
				k.From, k.Until = rules.MinInstant, rules.MaxInstant
			}
			p.Stores = append(p.Stores, offer.Store{ID: id, Zone: sample.Paris(t), Keys: []offer.Key{k}})
		}
	}))
}

func TestMatchByRank(t *testing.T) {
	s, err := engine.Compile(keysOf(t, map[string]offer.Key{
		"a": {NetworkMerchantID: "N1", Network: "visa"},
		"b": {NetworkMerchantID: "N2"},
		"c": {MID: "M1", SubMerchantID: "S1"},
		"d": {MID: "M1", AcquirerID: "A1"},
		"e": {MID: "M1", From: sample.At("d1"), Until: sample.At("d5")},
		"f": {MID: "123456789012345 "},
		"g": {MID: "M1", TerminalID: "T1", From: sample.At("d2"), Until: sample.At("d5")},
		"h": {MID: "M1", TerminalID: "T2", AcquirerID: "A1"},
		"i": {MID: "CHAIN", TerminalID: "T1"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		merchant rules.Merchant
		at       string
		want     string
	}{
		{"network merchant id with its network", rules.Merchant{ID: "M1", NetworkMerchantID: "N1", Network: "visa"}, "d3", "a"},
		{"a key with a network needs it", rules.Merchant{ID: "X", NetworkMerchantID: "N1", Network: "mc"}, "d3", ""},
		{"and where it doesn't match, the next rank decides", rules.Merchant{ID: "M1", NetworkMerchantID: "N1"}, "d3", "e"},
		{"a key without a network takes any", rules.Merchant{ID: "X", NetworkMerchantID: "N2", Network: "mc"}, "d3", "b"},
		{"a sub-merchant", rules.Merchant{ID: "M1", SubMerchantID: "S1", AcquirerID: "A1"}, "d3", "c"},
		{"another sub-merchant never matches the MID alone", rules.Merchant{ID: "M1", SubMerchantID: "S2", AcquirerID: "A1"}, "d3", ""},
		{"with the acquirer", rules.Merchant{ID: "M1", AcquirerID: "A1"}, "d3", "d"},
		{"with another acquirer", rules.Merchant{ID: "M1", AcquirerID: "A2"}, "d3", "e"},
		{"a terminal goes before the acquirer", rules.Merchant{ID: "M1", TerminalID: "T1", AcquirerID: "A1"}, "d3", "g"},
		{"a terminal of any acquirer", rules.Merchant{ID: "M1", TerminalID: "T1"}, "d3", "g"},
		{"a terminal whose key isn't valid yet", rules.Merchant{ID: "M1", TerminalID: "T1", AcquirerID: "A1"}, "d1+86399s", "d"},
		{"a terminal's key, inclusive", rules.Merchant{ID: "M1", TerminalID: "T1", AcquirerID: "A1"}, "d2", "g"},
		{"a terminal whose key isn't valid any more", rules.Merchant{ID: "M1", TerminalID: "T1", AcquirerID: "A1"}, "d5", "d"},
		{"a terminal with its acquirer", rules.Merchant{ID: "M1", TerminalID: "T2", AcquirerID: "A1"}, "d3", "h"},
		{"a terminal with another acquirer", rules.Merchant{ID: "M1", TerminalID: "T2", AcquirerID: "A2"}, "d3", "e"},
		{"a terminal without one", rules.Merchant{ID: "M1", TerminalID: "T2"}, "d3", "e"},
		{"another terminal", rules.Merchant{ID: "M1", TerminalID: "T3", AcquirerID: "A1"}, "d3", "d"},
		{"a sub-merchant's terminal", rules.Merchant{ID: "M1", TerminalID: "T1", SubMerchantID: "S2"}, "d3", ""},
		{"a sub-merchant goes before its terminal", rules.Merchant{ID: "M1", TerminalID: "T1", SubMerchantID: "S1"}, "d3", "c"},
		{"a chain's terminal", rules.Merchant{ID: "CHAIN", TerminalID: "T1"}, "d3", "i"},
		{"a chain's other terminal", rules.Merchant{ID: "CHAIN", TerminalID: "T2"}, "d3", ""},
		{"a chain without a terminal", rules.Merchant{ID: "CHAIN"}, "d3", ""},
		{"a terminal of another merchant", rules.Merchant{ID: "OTHER", TerminalID: "T1"}, "d3", ""},
		{"from, inclusive", rules.Merchant{ID: "M1"}, "d1", "e"},
		{"before from", rules.Merchant{ID: "M1"}, "d0+86399s", ""},
		{"until, exclusive", rules.Merchant{ID: "M1"}, "d5", ""},
		{"trailing spaces of a key are dropped", rules.Merchant{ID: "123456789012345"}, "d3", "f"},
		{"otherwise exact", rules.Merchant{ID: "12345678901234"}, "d3", ""},
		{"a longer id", rules.Merchant{ID: "1234567890123456"}, "d3", ""},
		{"no id", rules.Merchant{}, "d3", ""},
	} {
		ev := parseEvent(rules.Authorization, []string{"P", "1", c.at}, nil, 1)
		ev.Merchant = c.merchant
		m, ok := s.Match(ev)
		if m.StoreID != c.want || ok != (c.want != "") {
			t.Errorf("%s: store %q, %t, want %q", c.name, m.StoreID, ok, c.want)
		}
		if n := testing.AllocsPerRun(10, func() { s.Match(ev) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// The event's own purchase time is what a key is valid at.
func TestMatchLooksAtPurchaseTime(t *testing.T) {
	t.Parallel()
	s, err := engine.Compile(keysOf(t, map[string]offer.Key{"a": {MID: "M", From: sample.At("d1"), Until: sample.At("d5")}}))
	if err != nil {
		t.Fatal(err)
	}
	ev := parseEvent(rules.Clearing, []string{"P", "1", "d7"}, map[string]string{"mid": "M", "purchased": "d4"}, 1)
	if _, ok := s.Match(ev); !ok {
		t.Error("a clearing after the key's end, of a purchase within it, must match")
	}
}

// Every MID of every length is told from every other.
func TestEachMIDIsItself(t *testing.T) {
	t.Parallel()
	c := sample.Cafe(t, sample.Partner(func(p *offer.Partner) { p.Stores = nil }))
	var mids []string
	for n := 1; n <= 64; n++ {
		for _, letter := range []string{"a", "b", "0", "\xff"} {
			mids = append(mids, strings.Repeat(letter, n))
			if n > 1 {
				mids = append(mids, strings.Repeat(letter, n-1)+"x", "x"+strings.Repeat(letter, n-1))
			}
		}
	}
	for _, m := range mids {
		c.Partners[0].Stores = append(c.Partners[0].Stores, offer.Store{ID: m, Zone: sample.Paris(t), Keys: []offer.Key{sample.Mid(m)}})
	}
	s, err := engine.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mids {
		ev := &rules.Event{Merchant: rules.Merchant{ID: m}}
		if got, ok := s.Match(ev); !ok || got.StoreID != m {
			t.Errorf("%q matches %q, %t", m, got.StoreID, ok)
		}
	}
}

func TestCompileFindsEveryFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*offer.Catalogue)
		path   string
		want   string // in the message
	}{
		{"unknown programme", sample.Partner(func(p *offer.Partner) { p.Programme = "nope" }), "programme", "unknown programme"},
		{"two versions at one time", func(c *offer.Catalogue) { c.Partners = append(c.Partners, c.Partners[0]) }, "effective_from", "two versions"},
		{"commission over 100 %", sample.Partner(func(p *offer.Partner) { p.Commission.RateMillionths = 1_000_001 }), "commission", "100%"},
		{"commission under 0", sample.Partner(func(p *offer.Partner) { p.Commission.FixedMinor = -1 }), "commission", "not within"},
		{"reward over 100 %", sample.Offers(sample.PercentOffer("a", 1_000_001)), "offers[0].reward", "100%"},
		{"reward under 0", sample.Offers(sample.PercentOffer("a", -1)), "offers[0].reward", "not within"},
		{"no reward", sample.Offers(sample.PercentOffer("a", 0)), "offers[0].reward", "over 0%"},
		{"fixed reward without end", sample.Offers(sample.FixedOffer("a", 1<<50)), "offers[0].reward", "not within"},
		{"no form", sample.Offers(offer.Offer{ID: "a", Currency: sample.EUR}), "offers[0].reward", "no reward"},
		{"unknown currency", sample.Offers(sample.PercentOffer("a", 1, sample.In([3]byte{'X', 'X', 'X'}), sample.ByProgramme)), "offers[0].currency", "ISO 4217"},
		{"minimum under 0", sample.Offers(sample.PercentOffer("a", 1, sample.Minimum(-1))), "offers[0].min_spend", "not within"},
		{"cap of 0", sample.Offers(sample.PercentOffer("a", 1, sample.Capped(offer.PerMonth, 0))), "offers[0].caps[0]", "amount or a count over 0"},
		{"unknown period", sample.Offers(sample.PercentOffer("a", 1, sample.Capped(0, 5))), "offers[0].caps[0]", "period"},
		{"two offers of one id", sample.Offers(sample.PercentOffer("a", 1), sample.PercentOffer("a", 2)), "offers[1]", "two offers"},
		{"unknown store", sample.Offers(sample.PercentOffer("a", 1, func(o *offer.Offer) { o.Stores = []string{"moon"} })), "offers[0].stores", "no store"},
		{"window backwards", sample.Offers(sample.PercentOffer("a", 1, func(o *offer.Offer) {
			o.From, o.Until = offer.LocalTime{Year: 2026, Month: 2, Day: 1}, offer.LocalTime{Year: 2026, Month: 2, Day: 1}
		})), "offers[0]", "ends before"},
		{"commission that isn't owed can't fund", sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{} }), "offers[0].funded_by", "no commission"},
		{"nor can one in another currency", sample.Offers(sample.PercentOffer("a", 1, sample.In(sample.USD))), "offers[0].funded_by", "currency"},
		{"two stores of one id", sample.Partner(func(p *offer.Partner) { p.Stores[1].ID = "bastille" }), "stores[1]", "two stores"},
		{"no zone", sample.Partner(func(p *offer.Partner) { p.Stores[1].Zone = nil }), "stores[1].zone", "time zone"},
		{"empty key", sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].MID = "" }), "stores[1].keys[0]", "names a mid"},
		{"key with too much", sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].NetworkMerchantID = "N" }), "stores[1].keys[0]", "not both"},
		{"mid too long", sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].MID = strings.Repeat("é", 65) }), "stores[1].keys[0]", "longer"},
		{"key backwards", sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].Until = rules.MinInstant }), "stores[1].keys[0]", "ends before"},
		{"two stores with one key at one time", sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys = append(p.Stores[1].Keys, sample.Mid("CAFE1")) }), "stores[1].keys[1]", "same key"},
		{"H of 0", sample.Programme(func(p *offer.Programme) { p.HorizonDays = 0 }), "horizon_days", "not within"},
		{"ceiling of 0", sample.Programme(func(p *offer.Programme) { p.CeilingMillionths = 0 }), "ceiling", "not over"},
		{"two automatic programmes", func(c *offer.Catalogue) {
			c.Programmes[0].Enrolment = offer.EnrolmentAutomatic
			other := c.Programmes[0]
			other.ID = "other"
			c.Programmes = append(c.Programmes, other)
		}, "enrolment", "only one"},
	} {
		_, err := engine.Compile(sample.Cafe(t, c.change))
		var faults offer.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: %v, want faults", c.name, err)
			continue
		}
		found := false
		for _, f := range faults {
			found = found || f.Path == c.path && strings.Contains(f.Message, c.want)
		}
		if !found {
			t.Errorf("%s: no fault at %s with %q in\n%v", c.name, c.path, c.want, err)
		}
	}
}

func TestCompileTellsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := engine.Compile(sample.Cafe(t,
		sample.Programme(func(p *offer.Programme) { p.HorizonDays = 0 }),
		sample.Partner(func(p *offer.Partner) { p.Commission.RateMillionths = -1; p.Offers[0].MinSpendMinor = -1 })))
	var faults offer.Faults
	if !errors.As(err, &faults) || len(faults) != 3 {
		t.Errorf("want three faults, got %v", err)
	}
	var one offer.Fault
	if !errors.As(err, &one) || one.ID != "ristourne" {
		t.Errorf("a single fault: %+v", one)
	}
}

// A key may go from one store to the next, at the very instant.
func TestKeysMayFollowOneAnother(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b offer.Key
		ok   bool
	}{
		{offer.Key{MID: "M", From: sample.At("d1"), Until: sample.At("d5")}, offer.Key{MID: "M", From: sample.At("d5"), Until: sample.At("d9")}, true},
		{offer.Key{MID: "M", From: sample.At("d1"), Until: sample.At("d5+1s")}, offer.Key{MID: "M", From: sample.At("d5"), Until: sample.At("d9")}, false},
		{offer.Key{MID: "M", AcquirerID: "A"}, offer.Key{MID: "M"}, true},
		{offer.Key{MID: "M", AcquirerID: "A"}, offer.Key{MID: "M", AcquirerID: "B"}, true},
		{offer.Key{NetworkMerchantID: "N", Network: "visa"}, offer.Key{NetworkMerchantID: "N", Network: "mc"}, true},
		{offer.Key{NetworkMerchantID: "N", Network: "visa"}, offer.Key{NetworkMerchantID: "N"}, false},
		{offer.Key{MID: "M", SubMerchantID: "S"}, offer.Key{MID: "M", SubMerchantID: "T"}, true},
		{offer.Key{MID: "M", SubMerchantID: "S"}, offer.Key{MID: "M", SubMerchantID: "S"}, false},
	} {
		_, err := engine.Compile(keysOf(t, map[string]offer.Key{"a": c.a, "b": c.b}))
		if (err == nil) != c.ok {
			t.Errorf("%+v and %+v: %v", c.a, c.b, err)
		}
	}
}

// A partner of many offers goes another way to its counters.
func TestManyOffersFillTheirCaps(t *testing.T) {
	t.Parallel()
	all := []offer.Offer{sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, 500))}
	for i := range 20 {
		all = append(all, sample.PercentOffer("more"+string(rune('a'+i)), 1, sample.Minimum(1<<40)))
	}
	s := newScene(t, sample.Cafe(t, sample.Offers(all...))).play("enrolled d0 cards=card\nclearing P 10000 d1\nclearing Q 10000 d2\nrefund P 5000 d3")
	if got := s.member(); got != "P everyday confirmed 150; Q everyday confirmed 300" {
		t.Error(got)
	}
}
