package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// aging is an account that is read, decided and stored again with each record, and
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
	// given are the instructions that the bank answers; settles: it does.
	given   []rules.Instruction
	settles bool
}

func newAging(tb testing.TB, e *engine.Engine, purchases int, as ...func(*aging)) *aging {
	tb.Helper()
	x := &aging{tb: tb, engine: e, account: engine.NewAccount("acc")}
	e.SetBudgets(pot{})
	for _, f := range as {
		f(x)
	}
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
// next purchase, its clearing. What was paid by then is settled at the bank.
func (x *aging) buy() {
	x.event(rules.Authorization, x.n, 0)
	if x.n > 0 {
		x.event(rules.Clearing, x.n-1, 7)
	}
	for x.settles && len(x.given) > 1 {
		x.result(x.given[0].ID, rules.Settled, x.n*6+8)
		x.given = x.given[1:]
	}
	x.n++
}

func (x *aging) result(id string, status rules.ResultStatus, hours int) {
	r := &rules.Result{InstructionID: id, AccountID: "acc", Status: status, At: sample.At(fmt.Sprintf("d1+%dh", hours))}
	x.record(rules.Record{Result: r}, rules.Cause{Kind: rules.CauseResult, ID: r.CauseID()}, engine.Seen{})
}

func (x *aging) event(typ rules.EventType, purchase, hours int) {
	ev := parseEvent(typ, []string{fmt.Sprintf("txn-%012d", purchase), "2550", fmt.Sprintf("d1+%dh", purchase*6+hours)}, nil, purchase)
	ev.ID = fmt.Sprint(ev.TransactionID, "-", typ)
	x.record(rules.Record{Event: ev}, rules.Cause{Kind: rules.CauseEvent, ID: ev.ID}, engine.Seen{Transaction: typ == rules.Clearing})
}

func (x *aging) record(r rules.Record, c rules.Cause, seen engine.Seen) {
	x.read()
	if x.engine.MustUnfold(x.account, r, seen) {
		x.unfold()
	}
	x.out.Reset()
	v, err := x.engine.Apply(x.account, r, c, &x.out)
	if errors.Is(err, engine.ErrFolded) {
		x.read()
		x.unfold()
		x.out.Reset()
		v, err = x.engine.Apply(x.account, r, c, &x.out)
	}
	if err != nil || !v.Fate.InSet() {
		x.tb.Fatal(v, err)
	}
	if x.settles {
		x.given = append(x.given, x.out.Instructions...)
	}
	x.store()
}

func (x *aging) read() {
	if err := x.account.UnmarshalBinary(x.state); err != nil {
		x.tb.Fatal(err)
	}
}

func (x *aging) unfold() {
	x.unfolds++
	if err := x.account.Unfold(x.pages); err != nil {
		x.tb.Fatal(err)
	}
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
	{"a campaign with a budget", doubled(1<<40, 1<<40)},
	{"a campaign whose budget is used up", doubled(200, 4_000)},
}

// doubled is a campaign that doubles an offer for as long as its budget lasts, under a
// cap by month.
func doubled(budgetMinor, capMinor int64) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, capMinor)))(c)
		double := offer.CampaignBoost{Boost: offer.Boost{ID: "x2", Op: offer.MultiplyRate, FactorMillionths: 2 * money.One}}
		c.Campaigns = []offer.Campaign{{
			ID: "double", Version: offer.Version{ID: "d1", From: rules.MinInstant}, Programme: "ristourne", Unit: "EUR",
			Budget: offer.Budget{AmountMinor: budgetMinor}, Boosts: []offer.CampaignBoost{double},
		}}
	}
}

// agingPayouts are how an account may be paid meanwhile.
var agingPayouts = []struct {
	name   string
	payout offer.Payout
	as     func(*aging)
}{
	{"paid by the month", offer.Payout{Cycle: offer.Cycle{Kind: offer.MonthlyCycle, Day: 1}}, func(*aging) {}},
	{"paid at once", offer.Payout{}, func(*aging) {}},
	{"paid at once, and settled", offer.Payout{}, func(x *aging) { x.settles = true }},
}

// pays gives all programmes terms of payout.
func pays(p offer.Payout) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		for i := range c.Programmes {
			c.Programmes[i].Payout = p
		}
	}
}

// One more purchase costs an account of thousands what it costs one of a few, in
// bytes that are written and in allocations: what is old is put away, and so is what
// was paid of it.
func TestOneMorePurchaseCostsAnOldAccountNoMore(t *testing.T) {
	for i, c := range agingOffers {
		for n, paid := range agingPayouts {
			if i > 0 && i < len(agingOffers)-1 && n > 0 {
				continue // what an offer remembers is the same however it is paid
			}
			t.Run(c.name+", "+paid.name, func(t *testing.T) {
				cost := func(purchases int) (bytes, allocations float64) {
					const more = 32
					x := newAging(t, engineOf(t, c.change, pays(paid.payout)), purchases, paid.as)
					written := x.written
					allocations = testing.AllocsPerRun(more-1, x.buy)
					if x.unfolds > 0 {
						t.Errorf("an account of %d purchases was made whole %d times", purchases, x.unfolds)
					}
					return float64(x.written-written) / more, allocations
				}
				old := 1_000
				if testing.Short() {
					old = 200
				}
				youngBytes, youngAllocations := cost(10)
				oldBytes, oldAllocations := cost(old)
				if oldBytes > 1.5*youngBytes || oldAllocations > 1.5*youngAllocations {
					t.Errorf("an account of %d purchases costs %.0f bytes and %.0f allocations for one more, one of 10 %.0f and %.0f",
						old, oldBytes, oldAllocations, youngBytes, youngAllocations)
				}
			})
		}
	}
}

// Where whatever comes asks what is booked of all purchases, none is put away: of
// accounts that this concerns alone.
func TestNothingIsPutAwayThatIsAlwaysAskedFor(t *testing.T) {
	t.Parallel()
	gives := func(kind rules.Kind, terms offer.WalletTerms) func(*offer.Catalogue) {
		return sample.Offers(sample.PercentOffer("everyday", 30_000, sample.ByProgramme, func(o *offer.Offer) { o.Reward.Kind, o.Reward.Wallet = kind, terms }))
	}
	pointsExpire := func(c *offer.Catalogue) {
		c.Programmes[0].Points.Code, c.Programmes[0].Points.ExpiresAfterDays = "PTS", 30
	}
	elsewhere := func(change func(*offer.Programme)) func(*offer.Catalogue) {
		return func(c *offer.Catalogue) {
			p := c.Programmes[0]
			p.ID, p.Version.ID = "other", "o1"
			change(&p)
			c.Programmes = append(c.Programmes, p)
		}
	}
	cash, never := agingOffers[0].change, offer.WalletTerms{}
	for name, c := range map[string]struct {
		stays   bool
		changes []func(*offer.Catalogue)
	}{
		"cash": {false, []func(*offer.Catalogue){cash}},
		"what was earned before a day isn't paid": {true, []func(*offer.Catalogue){cash, pays(offer.Payout{PayFrom: sample.At("d0")})}},
		"so in another programme":                 {false, []func(*offer.Catalogue){cash, elsewhere(func(p *offer.Programme) { p.Payout.PayFrom = sample.At("d0") })}},
		"points are lost, and none were earned":   {false, []func(*offer.Catalogue){cash, pointsExpire}},
		"points are lost":                         {true, []func(*offer.Catalogue){gives(rules.Points, never), pointsExpire}},
		"money in the wallet is lost":             {true, []func(*offer.Catalogue){gives(rules.Wallet, offer.WalletTerms{ExpiresAfterDays: 30})}},
		"money in the wallet stays":               {false, []func(*offer.Catalogue){gives(rules.Wallet, never)}},
		"and points are lost":                     {false, []func(*offer.Catalogue){gives(rules.Wallet, never), pointsExpire}},
	} {
		x := newAging(t, engineOf(t, c.changes...), 30)
		if some := len(x.pages) > 0; some == c.stays {
			t.Errorf("%s: %d pages are put away", name, len(x.pages))
		}
	}
}

// A catalogue by which points are lost once makes accounts whole whose points are put
// away, and no others.
func TestACatalogueThatLosesPointsMakesThemWhole(t *testing.T) {
	t.Parallel()
	earns := func(kind rules.Kind, days int) *engine.Engine {
		everyday := sample.PercentOffer("everyday", 30_000, sample.ByProgramme, func(o *offer.Offer) { o.Reward.Kind = kind })
		return engineOf(t, sample.Offers(everyday), func(c *offer.Catalogue) {
			c.Programmes[0].Points.Code, c.Programmes[0].Points.ExpiresAfterDays = "PTS", days
		})
	}
	for _, c := range []struct {
		kind    rules.Kind
		unfolds int
	}{{rules.Cash, 0}, {rules.Points, 1}} {
		x := newAging(t, earns(c.kind, 0), 30)
		x.engine = earns(c.kind, 30)
		x.engine.SetBudgets(pot{})
		for range 10 {
			x.buy()
		}
		if x.unfolds != c.unfolds {
			t.Errorf("an account with %s was made whole %d times, want %d", c.kind, x.unfolds, c.unfolds)
		}
	}
}

// BenchmarkAge is one more purchase, read, decided and stored event by event.
func BenchmarkAge(b *testing.B) {
	type one struct {
		name   string
		change func(*offer.Catalogue)
		payout offer.Payout
		as     func(*aging)
	}
	monthly := agingPayouts[0]
	var all []one
	for _, c := range agingOffers {
		all = append(all, one{c.name, c.change, monthly.payout, monthly.as})
	}
	for _, paid := range agingPayouts[1:] {
		all = append(all, one{paid.name, agingOffers[0].change, paid.payout, paid.as})
	}
	for _, c := range all {
		for _, purchases := range []int{10, 10_000} {
			b.Run(fmt.Sprintf("%s, %d purchases", c.name, purchases), func(b *testing.B) {
				b.ReportAllocs()
				x := newAging(b, engineOf(b, c.change, pays(c.payout)), purchases, c.as)
				bytes, bought := 0, 0
				for b.Loop() {
					before := x.written
					x.buy()
					bytes, bought = bytes+x.written-before, bought+1
					if purchases == 10 && x.n >= 20 { // it stays young
						b.StopTimer()
						x = newAging(b, x.engine, purchases, c.as)
						b.StartTimer()
					}
				}
				b.ReportMetric(float64(bytes)/float64(bought), "bytes/purchase")
			})
		}
	}
}
