package traffic

import (
	"strings"
	"time"
)

const day = 24 * time.Hour

// purchase is one that is being told: its events are planned from it.
type purchase struct {
	g       *Generator
	at      time.Time
	shop    shop
	account int
	member  bool
	card    string
	id      string  // transaction id
	pace    float64 // of the calendar: 1, or liveFactor
}

// purchase opens a purchase at a time and plans all that follows from it.
func (g *Generator) purchase(at time.Time) {
	p := purchase{g: g, at: at, id: g.id("tx"), pace: 1}
	if !g.options.Live.IsZero() && !at.Before(g.options.Live) {
		p.pace = liveFactor
	}
	p.shop = g.shop(at)
	p.account = g.rng.IntN(len(g.members))
	p.member = true
	if len(p.shop.regulars) > 0 && g.rng.Float64() < regularShare {
		p.account = pick(g.rng, p.shop.regulars)
	}
	tell := g.usual(&p)
	switch {
	case g.rng.IntN(8) == 0: // the bank has other customers
		p.account, p.member = len(g.members)+g.rng.IntN(len(g.members)/4+1), false
	case p.shop.partner:
		if g.hits++; g.hits%storyEvery == 0 {
			tell = stories[g.stories%len(stories)]
			g.stories++
		}
	default:
		if g.misses++; g.misses%otherStoryEvery == 0 {
			tell = pick(g.rng, stories[:])
		}
	}
	p.card = g.cardOf(p.account)
	tell(&p, g.basket(p.shop.trade))
}

// cardProduct is what card the account has: one in four is of gold.
func cardProduct(account int) string {
	if account%4 == 0 {
		return "gold"
	}
	return "debit"
}

// receipt is what somebody buys at a grocer's: some dairy, some bread, the rest.
func receipt(amountMinor int64) []item {
	dairy, bread := amountMinor*2/5, amountMinor/4
	return []item{{dairy, "cremerie"}, {bread, "pain"}, {amountMinor - dairy - bread, ""}}
}

// shop is one that is open.
func (g *Generator) shop(at time.Time) shop {
	const tries = 40
	if len(g.partners) > 0 && g.rng.Float64() < g.options.HitShare {
		hour := at.In(g.zone).Hour()
		var valid *partnerShop
		for range tries {
			chain := g.partners[g.rng.IntN(len(g.partners))]
			s := &chain[g.rng.IntN(len(chain))]
			if s.open(at, hour) {
				return s.shop
			}
			if s.open(at, s.trade.opens) {
				valid = s
			}
		}
		if valid != nil { // at night: a machine at the door
			return valid.shop
		}
	}
	return g.otherShop(at)
}

// otherShop is one that is no partner's.
func (g *Generator) otherShop(at time.Time) shop {
	hour := at.In(g.zone).Hour()
	for {
		part := g.rng.IntN(g.shares)
		t := 0
		for part >= trades[t].share {
			part -= trades[t].share
			t++
		}
		if trades[t].open(hour) {
			return pick(g.rng, g.others[t])
		}
	}
}

// basket is what somebody spends: small sums more often than large ones.
func (g *Generator) basket(t *trade) int64 {
	x := g.rng.Float64()
	return t.minMinor + int64(float64(t.maxMinor-t.minMinor)*x*x)
}

// usual is how most purchases in such a shop go.
func (g *Generator) usual(p *purchase) story {
	switch p.shop.trade.habit {
	case tipped:
		if g.rng.IntN(3) == 0 {
			return (*purchase).tip
		}
	case pumped:
		return (*purchase).fuel
	case staged:
		if g.rng.IntN(3) == 0 {
			return (*purchase).increment
		}
	case remote:
		if g.rng.IntN(8) == 0 {
			return (*purchase).split
		}
		if g.rng.IntN(12) == 0 && !p.shop.partner {
			return (*purchase).foreign
		}
	}
	return (*purchase).cleared
}

// story plans the events of a purchase of some amount.
type story func(p *purchase, amountMinor int64)

// stories are what is told in turn beside the usual.
var stories = [...]story{
	(*purchase).refund, (*purchase).split, (*purchase).repeated, (*purchase).fullyReversed, (*purchase).increment,
	(*purchase).disordered, (*purchase).refundAtDesk, (*purchase).declined, (*purchase).chargeback, (*purchase).partlyReversed,
	(*purchase).conflicting, (*purchase).refundBeforeClearing, (*purchase).expired, (*purchase).refundBeforePurchase,
	(*purchase).refundLinked, (*purchase).chargebackReversed, (*purchase).tip, (*purchase).refund,
	(*purchase).refundUnlinked,
}

// clearAfter is 1 to 3 days.
func (p *purchase) clearAfter() time.Duration { return day + p.within(2*day) }

// within is a random time of at most d.
func (p *purchase) within(d time.Duration) time.Duration {
	return time.Duration(p.g.rng.Int64N(int64(d)))
}

// say plans an event that happens, and is sent, some time after the purchase.
// The kind gives way to that of everything by customers who are no members.
func (p *purchase) say(kind Kind, eventType string, after time.Duration, amountMinor int64, change ...func(*planned)) {
	at := p.at.Add(time.Duration(float64(after) * p.pace)).Truncate(time.Millisecond)
	plan := planned{
		due: at, kind: kind, hit: p.shop.partner,
		event: event{
			EventID: p.g.id("ev"), Type: eventType, TransactionID: p.id, AccountID: p.g.account(p.account), CardToken: p.card,
			AmountMinor: amountMinor, Currency: "EUR", OccurredAt: p.g.stamp(at), Merchant: p.shop.merchant, Channel: "in_store",
			CardProduct: cardProduct(p.account),
		},
	}
	if p.shop.trade.aisles {
		plan.event.Items = receipt(amountMinor)
	}
	if p.shop.trade.habit == remote {
		plan.event.Channel = "online"
	}
	if !strings.HasPrefix(eventType, "authorization") {
		plan.event.PurchasedAt = p.g.stamp(p.at)
	}
	for _, c := range change {
		c(&plan)
	}
	if !p.member {
		plan.kind = NonMember
	}
	p.g.plan(plan)
}

// sent changes when an event is sent, without changing when it happened.
func (p *purchase) sent(after time.Duration) func(*planned) {
	return func(plan *planned) {
		plan.due = p.at.Add(time.Duration(float64(after) * p.pace)).Truncate(time.Millisecond)
	}
}

func (p *purchase) authorize(amountMinor int64) {
	p.say(Authorization, "authorization", 0, amountMinor)
}

// clear clears an amount in one and says when.
func (p *purchase) clear(kind Kind, amountMinor int64) (after time.Duration) {
	after = p.clearAfter()
	p.say(kind, "clearing", after, amountMinor)
	return after
}

func (p *purchase) cleared(amountMinor int64) {
	p.authorize(amountMinor)
	p.clear(Clearing, amountMinor)
}

func (p *purchase) tip(amountMinor int64) {
	p.authorize(amountMinor)
	p.clear(Tip, amountMinor+max(50, amountMinor*int64(3+p.g.rng.IntN(10))/100))
}

// fuel is authorised for 1 EUR or 100 EUR before the pump gives any.
func (p *purchase) fuel(amountMinor int64) {
	p.say(Fuel, "authorization", 0, pick(p.g.rng, []int64{100, 10_000}))
	p.clear(Fuel, amountMinor)
}

func (p *purchase) foreign(amountMinor int64) {
	inDollars := func(plan *planned) {
		plan.event.Currency, plan.event.BillingAmountMinor, plan.event.BillingCurrency = "USD", amountMinor, "EUR"
		plan.event.AmountMinor = amountMinor * 109 / 100
		plan.event.Merchant.Country = "US"
	}
	p.say(Foreign, "authorization", 0, amountMinor, inDollars)
	p.say(Foreign, "clearing", p.clearAfter(), amountMinor, inDollars)
}

func (p *purchase) split(amountMinor int64) {
	p.authorize(amountMinor)
	parts := int64(2 + p.g.rng.IntN(2))
	for i := range parts {
		part := amountMinor / parts
		if i == 0 {
			part += amountMinor % parts
		}
		p.say(SplitClearing, "clearing", p.clearAfter(), part)
	}
}

func (p *purchase) increment(amountMinor int64) {
	p.authorize(amountMinor)
	more := max(100, amountMinor*int64(10+p.g.rng.IntN(50))/100)
	if p.g.rng.IntN(2) == 0 {
		p.say(Increment, "authorization_update", p.within(12*time.Hour), amountMinor+more)
	} else {
		p.say(Increment, "authorization_increment", p.within(12*time.Hour), more)
	}
	p.clear(Clearing, amountMinor+more)
}

func (p *purchase) partlyReversed(amountMinor int64) {
	p.authorize(amountMinor)
	back := amountMinor / 3
	p.say(PartialReversal, "reversal", time.Minute+p.within(time.Hour), back)
	p.clear(Clearing, amountMinor-back)
}

func (p *purchase) fullyReversed(amountMinor int64) {
	p.authorize(amountMinor)
	p.say(FullReversal, "reversal", time.Minute+p.within(time.Hour), amountMinor)
}

// refundAfter is when somebody who was charged brings a thing back.
func (p *purchase) refundAfter(cleared time.Duration) time.Duration {
	return cleared + 12*time.Hour + p.within(4*day)
}

func (p *purchase) refund(amountMinor int64) {
	p.authorize(amountMinor)
	back := amountMinor
	if p.g.rng.IntN(2) == 0 {
		back /= 2
	}
	p.say(Refund, "refund", p.refundAfter(p.clear(Clearing, amountMinor)), back)
}

func (p *purchase) refundBeforeClearing(amountMinor int64) {
	p.authorize(amountMinor)
	p.say(RefundBeforeClearing, "refund", p.within(day), amountMinor/2)
	p.clear(Clearing, amountMinor)
}

// refundBeforePurchase: authorization and clearing were held up somewhere.
func (p *purchase) refundBeforePurchase(amountMinor int64) {
	cleared := p.clearAfter()
	refunded := p.refundAfter(cleared)
	p.say(RefundBeforePurchase, "refund", refunded, amountMinor/2)
	p.say(Disorder, "authorization", 0, amountMinor, p.sent(refunded+time.Hour))
	p.say(Clearing, "clearing", cleared, amountMinor, p.sent(refunded+2*time.Hour))
}

func (p *purchase) refundAtDesk(amountMinor int64) {
	p.authorize(amountMinor)
	p.say(RefundAtDesk, "refund", p.refundAfter(p.clear(Clearing, amountMinor)), amountMinor, func(plan *planned) {
		plan.event.Merchant, plan.event.Channel = p.shop.desk, "online"
	})
}

func (p *purchase) refundLinked(amountMinor int64) {
	p.authorize(amountMinor)
	p.say(RefundLinked, "refund", p.refundAfter(p.clear(Clearing, amountMinor)), amountMinor, func(plan *planned) {
		plan.event.OriginalTransactionID, plan.event.TransactionID = p.id, p.g.id("tx")
	})
}

// refundUnlinked: the processor says what was given back, and not for what. Now
// and then it is more than was paid.
func (p *purchase) refundUnlinked(amountMinor int64) {
	p.authorize(amountMinor)
	back := pick(p.g.rng, []int64{amountMinor, amountMinor, amountMinor / 2, amountMinor/3 + 1, amountMinor + 100})
	p.say(RefundUnlinked, "refund", p.refundAfter(p.clear(Clearing, amountMinor)), back, func(plan *planned) {
		plan.event.TransactionID, plan.event.PurchasedAt = p.g.id("tx"), ""
	})
}

func (p *purchase) chargeback(amountMinor int64) {
	p.authorize(amountMinor)
	p.say(Chargeback, "chargeback", p.refundAfter(p.clear(Clearing, amountMinor))+p.within(5*day), amountMinor)
}

func (p *purchase) chargebackReversed(amountMinor int64) {
	p.authorize(amountMinor)
	disputed := p.refundAfter(p.clear(Clearing, amountMinor))
	p.say(Chargeback, "chargeback", disputed, amountMinor)
	p.say(ChargebackReversal, "chargeback_reversal", disputed+2*day+p.within(4*day), amountMinor)
}

func (p *purchase) declined(amountMinor int64) {
	no := false
	p.say(Declined, "authorization", 0, amountMinor, func(plan *planned) { plan.event.Approved = &no })
}

// repeated: the bank sends the clearing twice.
func (p *purchase) repeated(amountMinor int64) {
	p.authorize(amountMinor)
	cleared := p.clearAfter()
	var first event
	p.say(Clearing, "clearing", cleared, amountMinor, func(plan *planned) { first = plan.event })
	p.say(Duplicate, "clearing", cleared, amountMinor, p.sent(cleared+time.Minute+p.within(day)), func(plan *planned) {
		plan.event, plan.again = first, encode(first)
	})
}

// conflicting: the clearing comes again, under the same id, with another amount.
func (p *purchase) conflicting(amountMinor int64) {
	p.authorize(amountMinor)
	cleared := p.clearAfter()
	var first event
	p.say(Clearing, "clearing", cleared, amountMinor, func(plan *planned) { first = plan.event })
	p.say(Conflict, "clearing", cleared, amountMinor, p.sent(cleared+time.Minute+p.within(day)), func(plan *planned) {
		plan.event = first
		plan.event.AmountMinor += 100
	})
}

// disordered: the clearing overtakes the authorization.
func (p *purchase) disordered(amountMinor int64) {
	cleared := p.clearAfter()
	p.say(Clearing, "clearing", cleared, amountMinor)
	p.say(Disorder, "authorization", 0, amountMinor, p.sent(cleared+time.Hour))
}

// expired: nothing clears the authorization, and a sweep says so a week later.
func (p *purchase) expired(amountMinor int64) {
	p.authorize(amountMinor)
	at := p.at.Add(time.Duration(float64(7*day+p.within(day)) * p.pace)).Truncate(time.Millisecond)
	p.g.plan(planned{due: at, kind: Expiry, hit: p.shop.partner, fact: fact{
		FactID: p.g.id("fact"), Type: "authorization_expired", AccountID: p.g.account(p.account), At: p.g.stamp(at), TransactionID: p.id,
	}})
}
