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
