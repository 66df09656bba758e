package engine_test

import (
	"fmt"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/offer"
)

// aging is an account that is read, decided and stored again with each event, and
// the bytes that this has written.
type aging struct {
	tb      testing.TB
	engine  *engine.Engine
	account *engine.Account
	state   []byte
	pages   [][]byte
	written int
	unfolds int
	out     rules.Output
	n       int // purchases
}

func newAging(tb testing.TB, e *engine.Engine, purchases int) *aging {
	tb.Helper()
	x := &aging{tb: tb, engine: e, account: engine.NewAccount("acc")}
	fact := parseFact(rules.Enrolled, []string{"d-300"}, map[string]string{"cards": "card"}, 0)
	if _, err := e.ApplyFact(x.account, fact, rules.Cause{Kind: rules.CauseFact, ID: "f"}, &x.out); err != nil {
		tb.Fatal(err)
	}
	x.store()
	for range purchases {
		x.buy()
	}
	return x
}

// buy is a purchase, six hours after the one before: an authorization and, after the
// next purchase, its clearing.
func (x *aging) buy() {
	x.event(rules.Authorization, x.n, 0)
	if x.n > 0 {
		x.event(rules.Clearing, x.n-1, 7)
	}
	x.n++
}

func (x *aging) event(typ rules.EventType, purchase, hours int) {
	ev := parseEvent(typ, []string{fmt.Sprintf("txn-%012d", purchase), "2550", fmt.Sprintf("d1+%dh", purchase*6+hours)}, nil, purchase)
	ev.ID = fmt.Sprint(ev.TransactionID, "-", typ)
	if err := x.account.UnmarshalBinary(x.state); err != nil {
		x.tb.Fatal(err)
	}
	if x.engine.MustUnfold(x.account, rules.Record{Event: ev}, engine.Seen{Transaction: typ == rules.Clearing}) {
		x.unfolds++
		if err := x.account.Unfold(x.pages); err != nil {
			x.tb.Fatal(err)
		}
	}
	x.out.Reset()
	if v, err := x.engine.ApplyEvent(x.account, ev, rules.Cause{Kind: rules.CauseEvent, ID: ev.ID}, &x.out); err != nil || !v.Fate.InSet() {
		x.tb.Fatal(v, err)
	}
	x.store()
}

func (x *aging) store() {
	pages, _, _, fresh, err := x.engine.Fold(x.account)
	if err != nil {
		x.tb.Fatal(err)
	}
	if fresh {
		x.pages = nil
	}
	for _, page := range pages {
		x.pages = append(x.pages, page)
		x.written += len(page)
	}
	x.state = x.account.AppendBinary(nil) // the account points into the one before
	x.written += len(x.state)
}

// agingOffers are what an account may have to remember of its past: nothing, caps of
// months and of a life, rolling ones, visits and first purchases.
var agingOffers = []struct {
	name   string
	change func(*offer.Catalogue)
}{
	{"no caps", sample.Offers(sample.PercentOffer("everyday", 30_000))},
	{"five offers, caps by month", fiveOffers()},
	{"a cap for life", sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerLife, 1<<40)))},
	{"a rolling cap", sample.Offers(sample.PercentOffer("everyday", 30_000, func(o *offer.Offer) {
		o.Caps = []offer.Cap{{Per: offer.PerRolling, Days: 7, AmountMinor: 4_000}}
	}))},
	{"every fifth visit, and a welcome", sample.Offers(
		sample.PercentOffer("everyday", 30_000),
		sample.FixedOffer("welcome", 100, sample.InGroup("welcome"), func(o *offer.Offer) { o.FirstPurchase = true }),
		sample.FixedOffer("fifth", 100, sample.InGroup("fifth"), func(o *offer.Offer) { o.Every = offer.Every{N: 5, Per: offer.PerLife} }))},
}

// monthly pays by cycles: instructions stay in sight, and one for each purchase would
// make a state that grows.
func monthly(c *offer.Catalogue) {
	for i := range c.Programmes {
		c.Programmes[i].Payout.Cycle = offer.Cycle{Kind: offer.MonthlyCycle, Day: 1}
	}
}

// One more purchase costs an account of thousands what it costs one of a few, in
// bytes that are written and in allocations: what is old is put away.
func TestOneMorePurchaseCostsAnOldAccountNoMore(t *testing.T) {
	for _, c := range agingOffers {
		t.Run(c.name, func(t *testing.T) {
			cost := func(purchases int) (bytes, allocations float64) {
				const more = 32
				x := newAging(t, engineOf(t, c.change, monthly), purchases)
				written := x.written
				allocations = testing.AllocsPerRun(more-1, x.buy)
				if x.unfolds > 0 {
					t.Errorf("an account of %d purchases was made whole %d times", purchases, x.unfolds)
				}
				return float64(x.written-written) / more, allocations
			}
			youngBytes, youngAllocations := cost(10)
			oldBytes, oldAllocations := cost(1_000)
			if oldBytes > 1.5*youngBytes || oldAllocations > 1.5*youngAllocations {
				t.Errorf("an account of 1,000 purchases costs %.0f bytes and %.0f allocations for one more, one of 10 %.0f and %.0f",
					oldBytes, oldAllocations, youngBytes, youngAllocations)
			}
		})
	}
}

// Where whatever comes asks what is booked of all purchases, none is put away.
func TestNothingIsPutAwayThatIsAlwaysAskedFor(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*offer.Catalogue){
		"nothing": func(*offer.Catalogue) {},
		"what was earned before a day isn't paid": func(c *offer.Catalogue) {
			c.Programmes[0].Payout.PayFrom = sample.At("d0")
		},
		"points are lost": func(c *offer.Catalogue) {
			c.Programmes[0].Points.Code, c.Programmes[0].Points.ExpiresAfterDays = "PTS", 30
		},
	} {
		x := newAging(t, engineOf(t, agingOffers[0].change, change), 30)
		if some := len(x.pages) > 0; some != (name == "nothing") {
			t.Errorf("%s: %d pages are put away", name, len(x.pages))
		}
	}
}

// BenchmarkAge is one more purchase, read, decided and stored event by event.
func BenchmarkAge(b *testing.B) {
	for _, c := range agingOffers {
		for _, purchases := range []int{10, 10_000} {
			b.Run(fmt.Sprintf("%s, %d purchases", c.name, purchases), func(b *testing.B) {
				b.ReportAllocs()
				x := newAging(b, engineOf(b, c.change, monthly), purchases)
				bytes, bought := 0, 0
				for b.Loop() {
					before := x.written
					x.buy()
					bytes, bought = bytes+x.written-before, bought+1
					if purchases == 10 && x.n >= 20 { // it stays young
						b.StopTimer()
						x = newAging(b, x.engine, purchases)
						b.StartTimer()
					}
				}
				b.ReportMetric(float64(bytes)/float64(bought), "bytes/purchase")
			})
		}
	}
}
