package ledgertest

import (
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// basket is what all events of one purchase have in common.
type basket struct {
	life     *life
	id       string
	card     string
	time     rules.Instant // when it happened
	clock    time.Time     // when its next event happens
	merchant rules.Merchant
	currency money.Currency
	billing  money.Currency // zero: none is stated
	rate     int64          // percent of the amount that is billed
	settled  bool           // once cleared, only what is billed is stated
	dated    bool           // events say purchased_at
	ownID    string         // last event id of its own that names the purchase
}

func (g *Generator) purchase(l *life) {
	b := &basket{life: l, id: g.name(l, "t"), card: pick(g.rng, l.cards...), time: g.purchaseTime(l)}
	if n := len(l.unlinked); n > 0 && g.chance(25) { // what a refund named, after all
		b.id, l.unlinked = l.unlinked[n-1], l.unlinked[:n-1]
	}
	b.merchant = g.merchantAt(b.time)
	if !g.plain && g.chance(5) {
		b.card = "card-of-nobody"
	}
	b.clock = b.time.Time()
	g.chooseCurrency(b)
	if g.chance(12) { // the events tell the bank's view of when it was, days or weeks before
		b.dated = true
		days := g.rng.IntN(6)
		if g.chance(50) {
			days = g.rng.IntN(g.horizon)
		}
		if g.o.Orderless || g.chance(50) {
			b.time = b.time.AddDays(-days)
		} else {
			b.clock = b.clock.AddDate(0, 0, days)
		}
	}
	l.times, l.ids = append(l.times, b.time), append(l.ids, b.id)
	total := g.pay(b)
	g.afterwards(b, total)
}

// purchaseTime is random, or to the nanosecond at, before or after something.
func (g *Generator) purchaseTime(l *life) rules.Instant {
	switch n := g.rng.IntN(100); {
	case n < 20 && len(g.edges) > 0:
		// An hour off is where a clock that jumps is taken at its wrong word.
		off := pick[time.Duration](g.rng, 0, 0, -1, -1, 1, -40*time.Minute, 20*time.Minute, 40*time.Minute)
		at := rules.InstantOf(pick(g.rng, g.edges...).Time().Add(off))
		if !at.Before(rules.InstantOf(g.o.Start)) && !at.After(g.end()) {
			return at
		}
	case n < 36 && len(l.times) > 0 && len(g.spans) > 0: // where a rolling period or a wait ends
		off := pick[time.Duration](g.rng, 0, 0, -1, 1)
		at := rules.InstantOf(pick(g.rng, l.times...).AddDays(pick(g.rng, g.spans...)).Time().Add(off))
		if !at.Before(rules.InstantOf(g.o.Start)) && !at.After(g.end()) {
			return at
		}
	case n < 46 && len(l.times) > 0:
		if at := pick(g.rng, l.times...); !at.Before(rules.InstantOf(g.o.Start)) {
			return at
		}
	}
	at := g.instant()
	if g.chance(40) { // a busy season, in which caps fill up
		season := g.o.Start.Add(g.o.Span / 2)
		at = rules.InstantOf(season.Add(at.Time().Sub(g.o.Start) % min(g.o.Span/2, 10*24*time.Hour)))
	}
	return at
}

func (g *Generator) chooseCurrency(b *basket) {
	b.currency = g.cat.Programmes[0].Currency
	e := rules.Event{OccurredAt: b.time, Merchant: b.merchant}
	if at, matches := g.oracle.match(&e); matches && at.partner != nil && g.chance(90) {
		b.currency = or(at.partner.Currency, b.currency)
	}
	if g.chance(15) { // abroad
		b.billing, b.currency, b.rate = b.currency, currency(pick(g.rng, "CHF", "JPY", "USD")), 50+g.rng.Int64N(100)
		if g.chance(20) {
			b.billing = money.Currency{}
		}
		b.settled = g.o.Language != BasicLanguage && g.chance(30)
	}
}

// event is the next one of the basket; later events often carry another
// merchant id, and now and then an id of their own.
func (g *Generator) event(b *basket, t rules.EventType, minor int64) rules.Event {
	e := rules.Event{
		Type: t, TransactionID: b.id, AccountID: b.life.id, CardToken: b.card, OccurredAt: rules.InstantOf(b.clock),
		Merchant: b.merchant, Channel: pick(g.rng, rules.ChannelUnknown, rules.InStore, rules.Online),
	}
	b.state(&e, minor)
	if b.dated && g.chance(90) {
		e.PurchasedAt, e.HasPurchasedAt = b.time, true
	}
	if g.chance(3) {
		e.Declined = true
	}
	if g.o.Language != BasicLanguage && g.chance(2) { // one that can't be stated as the others can
		e.Currency, e.BillingCurrency, e.BillingAmountMinor = currency("USD"), money.Currency{}, 0
	}
	if g.chance(10) || g.says(byCardProduct, 60) {
		e.CardProduct = pick(g.rng, "classic", "black")
	}
	if g.chance(10) || g.says(byCategory, 50) {
		e.Items = g.items(minor)
	}
	return e
}

// items mostly add up to the amount, now and then to more or less.
func (g *Generator) items(minor int64) []rules.Item {
	var items []rules.Item
	rest := pick(g.rng, minor, minor, minor/2, minor+minor/2+1)
	for range 1 + g.rng.IntN(3) {
		part := g.rng.Int64N(rest + 1)
		rest -= part
		items = append(items, g.item(part))
	}
	items = append(items, g.item(rest))
	if g.chance(15) {
		items = append(items, g.item(-g.rng.Int64N(minor/4+1)))
	}
	return items
}

func (g *Generator) item(minor int64) rules.Item {
	return rules.Item{AmountMinor: minor, Quantity: "1", SKU: "sku-1", Category: pick(g.rng, "bread", "bread", "cheese", "wine", "food", "")}
}

func (g *Generator) send(b *basket, t rules.EventType, minor int64) {
	g.sendEvent(b.life, g.event(b, t, minor))
}

// later moves the basket's clock on, often not at all.
func (g *Generator) later(b *basket, most time.Duration) {
	if g.chance(80) {
		b.clock = b.clock.Add(time.Duration(g.rng.Int64N(int64(most))))
	}
}

// pay is how a purchase comes about; the answer is what was cleared.
func (g *Generator) pay(b *basket) int64 {
	day := 24 * time.Hour
	minor := g.amount()
	if g.chance(12) { // without a word before
		g.send(b, rules.Clearing, minor)
		return minor
	}
	switch g.rng.IntN(13) {
	case 11, 12:
		return g.payByIncrements(b, minor)
	case 9: // less than was taken back is wanted again
		g.send(b, rules.Authorization, minor)
		g.later(b, 2*day)
		g.send(b, rules.Reversal, pick(g.rng, minor, minor/2))
		g.later(b, 2*day)
		minor = g.amount()
		g.send(b, rules.AuthorizationUpdate, minor)
		if g.chance(50) {
			b.life.authOnly = append(b.life.authOnly, b.id)
			return 0
		}
		g.send(b, rules.Clearing, minor)
	case 10: // two tills of one purchase: the first gives its place
		g.send(b, rules.Authorization, minor/2)
		b.merchant = g.merchantAt(b.time)
		g.later(b, time.Hour)
		g.send(b, rules.Authorization, minor)
		g.later(b, 2*day)
		g.send(b, rules.Clearing, minor)
	case 0: // fuel: a coin is authorised, the tank is cleared
		g.send(b, rules.Authorization, 1)
		g.later(b, 3*day)
		minor = max(80, minor)
		g.send(b, rules.Clearing, minor)
	case 1: // a tip
		g.send(b, rules.Authorization, minor)
		g.later(b, 3*day)
		minor += minor / 10
		g.send(b, rules.Clearing, minor)
	case 2: // several parcels
		g.send(b, rules.Authorization, minor)
		rest := minor
		for range 1 + g.rng.IntN(2) {
			g.later(b, 10*day)
			part := g.rng.Int64N(rest + 1)
			g.send(b, rules.Clearing, part)
			rest -= part
		}
		if g.chance(70) {
			g.later(b, 10*day)
			g.send(b, rules.Clearing, rest)
			return minor
		}
		return minor - rest
	case 3: // a hotel: the total is stated anew
		g.send(b, rules.Authorization, minor)
		for range 1 + g.rng.IntN(2) {
			g.later(b, 4*day)
			minor = g.amount()
			g.send(b, rules.AuthorizationUpdate, minor)
		}
		if !g.chance(70) {
			b.life.authOnly = append(b.life.authOnly, b.id)
			return 0
		}
		g.later(b, 3*day)
		g.send(b, rules.Clearing, minor)
	case 4: // part of it is not taken, now and then all
		g.send(b, rules.Authorization, minor)
		g.later(b, 2*day)
		back := pick(g.rng, minor, minor/3, minor+5)
		g.send(b, rules.Reversal, back)
		if !g.chance(60) {
			return 0
		}
		g.later(b, 2*day)
		minor = max(0, minor-back)
		g.send(b, rules.Clearing, minor)
	case 5: // nothing ever clears it
		g.send(b, rules.Authorization, minor)
		b.life.authOnly = append(b.life.authOnly, b.id)
		return 0
	case 6: // refused, then tried again
		e := g.event(b, rules.Authorization, minor)
		e.Declined = true
		g.sendEvent(b.life, e)
		g.later(b, time.Hour)
		g.send(b, rules.Authorization, minor)
		g.later(b, 3*day)
		g.send(b, rules.Clearing, minor)
	default:
		g.send(b, rules.Authorization, minor)
		g.later(b, 3*day)
		g.send(b, rules.Clearing, minor)
	}
	return minor
}

// payByIncrements is a bill that grows, as differences: now and then without a
// total, with one stated anew in between, or with some of it taken back.
func (g *Generator) payByIncrements(b *basket, minor int64) int64 {
	day := 24 * time.Hour
	if !g.chance(15) {
		g.send(b, rules.Authorization, minor)
	}
	for range 1 + g.rng.IntN(3) {
		g.later(b, 2*day)
		switch g.rng.IntN(6) {
		case 0:
			minor = g.amount()
			g.send(b, rules.AuthorizationUpdate, minor)
		case 1:
			g.send(b, rules.Reversal, pick(g.rng, minor, minor/2, minor+9))
		default:
			more := g.amount()
			minor += more
			g.send(b, rules.AuthorizationIncrement, more)
		}
	}
	if !g.chance(50) {
		b.life.authOnly = append(b.life.authOnly, b.id)
		return 0
	}
	g.later(b, 3*day)
	g.send(b, rules.Clearing, minor)
	return minor
}

// afterwards is what is taken back, and what is late.
func (g *Generator) afterwards(b *basket, total int64) {
	day := 24 * time.Hour
	for g.chance(35) {
		g.later(b, 20*day)
		if g.chance(10) {
			b.clock = b.time.Time().Add(-time.Hour) // dated before the purchase
		}
		if g.chance(8) {
			b.clock = b.time.Time().Add(time.Duration(g.horizon)*day + time.Duration(g.rng.IntN(3)-1)) // just late, or not yet
		}
		minor := pick(g.rng, total, total/2, total/3, 1, total+7)
		if g.unlinked && g.chance(60) {
			g.sendUnlinked(b, minor)
			continue
		}
		g.sendBack(b, rules.Refund, minor)
	}
	if g.chance(10) {
		g.later(b, 30*day)
		minor := pick(g.rng, total, total/2)
		g.sendBack(b, rules.Chargeback, minor)
		if g.chance(60) {
			g.later(b, 30*day)
			g.sendBack(b, rules.ChargebackReversal, pick(g.rng, minor, minor/2, minor+3))
		}
	}
	for g.chance(15) {
		g.late(b, total)
	}
}

// sendBack names the purchase in one of the ways in which banks do.
func (g *Generator) sendBack(b *basket, t rules.EventType, minor int64) {
	e := g.event(b, t, minor)
	if g.chance(30) {
		e.Merchant = g.merchant()
	}
	switch g.rng.IntN(5) {
	case 0: // an id of its own
		e.TransactionID, e.OriginalTransactionID = g.name(b.life, "t"), b.id
		b.ownID = e.TransactionID
	case 1: // an id of its own, that names the one before, that names the purchase
		e.TransactionID, e.OriginalTransactionID = g.name(b.life, "t"), b.id
		if b.ownID != "" {
			e.OriginalTransactionID = b.ownID
		}
		b.ownID = e.TransactionID
	case 2: // says what was known anyway
		e.OriginalTransactionID = b.id
	}
	if g.chance(3) {
		e.OriginalTransactionID = "t-of-nobody" // waits for ever, or has waited too long already
		e.OccurredAt = e.OccurredAt.AddDays(-pick(g.rng, 0, 0, waitingDays))
	}
	g.sendEvent(b.life, e)
}

// sendUnlinked is a refund that names nothing that is known: mostly where the
// purchase was made, now and then with another card, at another store, or just
// as long after it as the programme looks back.
func (g *Generator) sendUnlinked(b *basket, minor int64) {
	e := g.event(b, rules.Refund, minor)
	e.TransactionID = g.name(b.life, "u")
	b.life.unlinked = append(b.life.unlinked, e.TransactionID)
	if g.chance(15) {
		e.OriginalTransactionID = g.name(b.life, "u")
	}
	if g.chance(25) {
		e.CardToken = pick(g.rng, b.life.cards...)
	}
	if g.chance(25) {
		e.Merchant = g.merchantAt(b.time)
	}
	if g.chance(20) {
		days := pick(g.rng, g.cat.Programmes...).UnlinkedRefundDays
		e.OccurredAt = rules.InstantOf(b.time.AddDays(days).Time().Add(time.Duration(g.rng.IntN(3) - 1)))
	}
	g.sendEvent(b.life, e)
}

// late is an event more than H days after the purchase.
func (g *Generator) late(b *basket, total int64) {
	b.clock = b.time.Time().Add(time.Duration(g.horizon)*24*time.Hour + time.Duration(1+g.rng.Int64N(int64(10*24*time.Hour))))
	t := pick(
		g.rng, rules.Refund, rules.Refund, rules.Chargeback, rules.ChargebackReversal, rules.Clearing, rules.Clearing,
		rules.Reversal, rules.AuthorizationUpdate, rules.AuthorizationIncrement,
	)
	e := g.event(b, t, pick(g.rng, total, total/2, 2*total, g.amount()))
	if t.Opens() && g.chance(50) {
		e.Merchant = rules.Merchant{ID: "SHOP-LATE"}
	}
	g.sendEvent(b.life, e)
}
