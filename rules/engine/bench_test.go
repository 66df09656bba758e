package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// chainTerminals is of how many terminals one more store of the chain has keys.
const chainTerminals = 500

// chain is a catalogue of stores with one MID each, and one whose MID others
// could have too: its keys name terminals.
func chain(tb testing.TB, stores int) *engine.Snapshot {
	c := sample.Cafe(tb)
	c.Partners[0].Stores = nil
	for i := range stores {
		c.Partners[0].Stores = append(c.Partners[0].Stores, offer.Store{
			ID: fmt.Sprint("s", i), Zone: sample.Paris(tb), Keys: []offer.Key{sample.Mid(fmt.Sprintf("MERCH%08d", i))},
		})
	}
	tills := offer.Store{ID: "tills", Zone: sample.Paris(tb)}
	for i := range chainTerminals {
		k := sample.Mid("CHAIN")
		k.TerminalID = fmt.Sprintf("T%07d", i)
		tills.Keys = append(tills.Keys, k)
	}
	c.Partners[0].Stores = append(c.Partners[0].Stores, tills)
	s, err := engine.Compile(c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func BenchmarkMatch(b *testing.B) {
	s := chain(b, 100_000)
	events := func(format string) []rules.Event {
		evs := make([]rules.Event, 1<<14)
		for i := range evs {
			evs[i] = *parseEvent(rules.Authorization, []string{"P", "100", "d1"}, map[string]string{"mid": fmt.Sprintf(format, i*6)}, i)
		}
		return evs
	}
	for _, c := range []struct {
		name, format string
		want         bool
	}{{"unmatched", "OTHER%08d", false}, {"matched", "MERCH%08d", true}, {"matched by terminal", "CHAIN", true}} {
		b.Run(c.name, func(b *testing.B) {
			evs := events(c.format)
			for i := range evs {
				evs[i].Merchant.ID, _, _ = strings.Cut(evs[i].Merchant.ID, "%")
				evs[i].Merchant.TerminalID = fmt.Sprintf("T%07d", i%chainTerminals)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := s.Match(&evs[i&(len(evs)-1)]); ok != c.want {
					b.Fatal("wrong answer")
				}
				i++
			}
		})
	}
}

// fiveOffers is a shop with five offers, of which two are capped by month.
func fiveOffers() func(*offer.Catalogue) {
	return sample.Offers(
		sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerPurchase, 1500), sample.Capped(offer.PerMonth, 4_000)),
		sample.PercentOffer("big", 50_000, sample.Minimum(10_000), sample.Capped(offer.PerMonth, 10_000)),
		sample.FixedOffer("welcome", 100, sample.Minimum(2_000)),
		sample.PercentOffer("bonus", 10_000, sample.InGroup("bonus")),
		sample.FixedOffer("coffee", 20, sample.InGroup("coffee"), sample.ByProgramme),
	)
}

// ready is the state of an account with so many purchases, one an hour.
func ready(b *testing.B, e *engine.Engine, purchases int) []byte {
	b.Helper()
	a := engine.NewAccount("acc")
	var out rules.Output
	if _, err := e.ApplyFact(a, parseFact(rules.Enrolled, []string{"d-300"}, map[string]string{"cards": "card"}, 0), rules.Cause{Kind: rules.CauseFact, ID: "f"}, &out); err != nil {
		b.Fatal(err)
	}
	for i := range purchases {
		for n, typ := range []rules.EventType{rules.Authorization, rules.Clearing} {
			ev := parseEvent(typ, []string{fmt.Sprintf("txn-%012d", i), "2550", fmt.Sprintf("d1+%dm", i*20+n)}, nil, 2*i+n)
			ev.ID = fmt.Sprintf("evt-%012d", 2*i+n)
			if _, err := e.ApplyEvent(a, ev, rules.Cause{Kind: rules.CauseEvent, ID: ev.ID}, &out); err != nil {
				b.Fatal(err)
			}
			out.Reset()
		}
	}
	return a.AppendBinary(nil)
}

func engineOf(b testing.TB, change ...func(*offer.Catalogue)) *engine.Engine {
	b.Helper()
	s, err := engine.Compile(sample.Cafe(b, change...))
	if err != nil {
		b.Fatal(err)
	}
	return engine.New(s)
}

// BenchmarkDecide applies one event to an account read from its binary form;
// the reading is measured apart, in BenchmarkState.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name      string
		purchases int
		event     *rules.Event
		change    func(*offer.Catalogue)
	}{
		{"authorization, 3 purchases, 1 offer", 3, parseEvent(rules.Authorization, []string{"new", "4200", "d2"}, nil, 1), sample.Offers(sample.PercentOffer("everyday", 30_000))},
		{"authorization, 3 purchases, 5 offers", 3, parseEvent(rules.Authorization, []string{"new", "4200", "d2"}, nil, 1), fiveOffers()},
		{"clearing, 3 purchases, 5 offers", 3, parseEvent(rules.Clearing, []string{"new", "4200", "d2"}, nil, 1), fiveOffers()},
		{"authorization, 3 purchases, 5 offers, 2 with a holdout", 3, parseEvent(rules.Authorization, []string{"new", "4200", "d2"}, nil, 1), func(c *offer.Catalogue) {
			fiveOffers()(c)
			for i := range c.Partners[0].Offers[:2] {
				c.Partners[0].Offers[i].Holdout = offer.Holdout{Millionths: 100_000}
			}
		}},
		{"newest of 1000 purchases under a cap", 1000, parseEvent(rules.Authorization, []string{"new", "4200", "d28"}, nil, 1), fiveOffers()},
		{"oldest of 1000 purchases under a cap", 1000, parseEvent(rules.Authorization, []string{"new", "4200", "d1"}, nil, 1), fiveOffers()},
		{"newest of 1000 purchases under a rolling cap", 1000, parseEvent(rules.Authorization, []string{"new", "4200", "d28"}, nil, 1), sample.Offers(sample.PercentOffer("everyday", 30_000, func(o *offer.Offer) {
			o.Caps = []offer.Cap{{Per: offer.PerRolling, Days: 30, AmountMinor: 4_000_000}}
		}))},
		{"newest of 1000 purchases, every fifth visit", 1000, parseEvent(rules.Authorization, []string{"new", "4200", "d28"}, nil, 1), sample.Offers(
			sample.PercentOffer("everyday", 30_000),
			sample.FixedOffer("fifth", 100, sample.InGroup("fifth"), func(o *offer.Offer) { o.Every = offer.Every{N: 5, Per: offer.PerLife} }))},
		{"oldest of 1000 purchases under a cap that is full", 1000, parseEvent(rules.Authorization, []string{"new", "420", "d1"}, nil, 1), sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, 400)))},
		{"oldest of 1000 purchases under a cap never reached", 1000, parseEvent(rules.Authorization, []string{"new", "4200", "d1"}, nil, 1), sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, 4_000_000)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := engineOf(b, c.change)
			state := ready(b, e, c.purchases)
			b.ReportAllocs()
			var out rules.Output
			// Small accounts are read many at a time, to keep the timer out of
			// the way; a large one just before, as in production.
			accounts := make([]*engine.Account, max(1, 192/c.purchases))
			for i := range accounts {
				accounts[i] = engine.NewAccount("acc")
			}
			left := 0
			for b.Loop() {
				if left == 0 {
					b.StopTimer()
					for _, a := range accounts {
						if err := a.UnmarshalBinary(state); err != nil {
							b.Fatal(err)
						}
					}
					left = len(accounts)
					out.Reset()
					b.StartTimer()
				}
				left--
				v, err := e.ApplyEvent(accounts[left], c.event, rules.Cause{Kind: rules.CauseEvent, ID: "cause"}, &out)
				if err != nil || v.Fate != rules.Booked {
					b.Fatal(v, err)
				}
			}
		})
	}
}

func BenchmarkState(b *testing.B) {
	for _, purchases := range []int{3, 1000} {
		e := engineOf(b, fiveOffers())
		state := ready(b, e, purchases)
		a := engine.NewAccount("acc")
		b.Run(fmt.Sprint("read ", purchases), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := a.UnmarshalBinary(state); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(state))/float64(purchases), "bytes/purchase")
		})
		b.Run(fmt.Sprint("write ", purchases), func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, len(state)*2)
			for b.Loop() {
				dst = a.AppendBinary(dst[:0])
			}
		})
	}
}

func BenchmarkShare(b *testing.B) {
	for b.Loop() {
		if _, err := money.Share(123_456, 30_050, 0, money.HalfEven); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	zone := sample.Paris(b)
	c := sample.Cafe(b)
	one := c.Partners[0]
	c.Partners = nil
	for i := range 10_000 {
		p := one
		p.ID, p.Stores, p.Offers = fmt.Sprint("p", i), nil, nil
		for n := range 10 {
			p.Stores = append(p.Stores, offer.Store{ID: fmt.Sprint("s", n), Zone: zone, Keys: []offer.Key{sample.Mid(fmt.Sprintf("M%06d-%02d", i, n))}})
		}
		for n := range 5 {
			p.Offers = append(p.Offers, sample.PercentOffer(fmt.Sprint("o", n), 30_000, sample.Capped(offer.PerMonth, 500)))
		}
		c.Partners = append(c.Partners, p)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Compile(c); err != nil {
			b.Fatal(err)
		}
	}
}
