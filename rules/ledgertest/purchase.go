package ledgertest

import (
	"cmp"
	"math/big"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
)

// view is a purchase as far as some of its events tell of it.
type view struct {
	events  []*rules.Event
	expired bool         // the authorised amount is 0 for good
	opener  *rules.Event // gives the time, store, channel, category, card and items
	time    rules.Instant
	at      place
}

// purchase is one known purchase of an account.
type purchase struct {
	id       string
	recorded *view // without its late events; nil where no opener is left
	whole    view  // with all of them, at the recorded terms
	late     bool
}

// purchases are the known ones of the account's set, in the order in which
// things fill up.
func (o oracle) purchases(a *account) []purchase {
	byID := map[string][]*rules.Event{}
	given := o.matchesOf(a, a.events)
	for _, e := range a.events {
		id := cmp.Or(given[e], purchaseOf(e, a.events))
		byID[id] = append(byID[id], e)
	}
	expired := map[string]bool{}
	for _, f := range a.facts {
		if f.Type == rules.AuthorizationExpired {
			expired[follow(f.TransactionID, a.events)] = true
		}
	}
	var known []purchase
	for id, events := range byID {
		if p, ok := o.purchase(a, id, events, expired[id]); ok {
			known = append(known, p)
		}
	}
	slices.SortFunc(known, func(x, y purchase) int {
		return cmp.Or(x.whole.time.Compare(y.whole.time), cmp.Compare(x.id, y.id))
	})
	return known
}

func (o oracle) purchase(a *account, id string, events []*rules.Event, expired bool) (purchase, bool) {
	whole, ok := o.look(events)
	if !ok {
		return purchase{}, false
	}
	whole.expired = expired
	var inTime []*rules.Event
	for _, e := range events {
		if !moreThanDaysBefore(whole.time, o.horizon(a, whole.time), e.OccurredAt) {
			inTime = append(inTime, e)
		}
	}
	if len(inTime) == len(events) {
		return purchase{id: id, recorded: &whole, whole: whole}, true
	}
	p := purchase{id: id, whole: whole, late: true}
	if recorded, ok := o.look(inTime); ok {
		recorded.expired = expired
		p.recorded = &recorded
		p.whole = recorded
	}
	p.whole.events, p.whole.expired = events, true
	return p, true
}

// look finds the event that gives the purchase its time and place. Of the
// events that match a store, or if none does, a programme's own offers: of the
// authorizations, updates and increments the earliest, else of the clearings.
func (o oracle) look(events []*rules.Event) (view, bool) {
	v := view{events: events}
	for _, inStore := range []bool{true, false} {
		for _, clearings := range []bool{false, true} {
			for _, e := range events {
				if !e.Type.Opens() || (e.Type == rules.Clearing) != clearings {
					continue
				}
				at, matches := o.match(e)
				if matches && (at.store != nil) == inStore && (v.opener == nil || earlier(e, v.opener)) {
					v.opener, v.time, v.at = e, e.PurchaseTime(), at
				}
			}
			if v.opener != nil {
				return v, true
			}
		}
	}
	return v, false
}

func earlier(x, y *rules.Event) bool {
	return cmp.Or(x.PurchaseTime().Compare(y.PurchaseTime()), byDate(x, y)) < 0
}

// basis is what the purchase comes to in one world and currency; ok is false
// where an event that counts can't be stated in the currency.
func (v view) basis(w world, c money.Currency) (minor int64, ok bool) {
	ok = true
	minor = v.basisBy(w, func(e *rules.Event) int64 {
		minor, can := stated(e, c)
		ok = ok && can
		return minor
	})
	return minor, ok
}

// isPurchase reports whether something of it is left, as an offer in the
// currency asks. Where its events can't all be stated in it, they say so in
// another that all of them have; where they have none in common, any of theirs.
func (v view) isPurchase(w world, c money.Currency) bool {
	if minor, ok := v.basis(w, c); ok {
		return minor > 0
	}
	common, left, partly := false, false, false
	for _, e := range v.events {
		for _, c := range []money.Currency{e.Currency, e.BillingCurrency} {
			minor, ok := v.basis(w, c)
			if c == (money.Currency{}) {
				continue
			}
			if ok {
				common, left = true, left || minor > 0
			}
			partly = partly || minor > 0
		}
	}
	if common {
		return left
	}
	return partly
}

// basisBy asks for the amounts of those events that count.
func (v view) basisBy(w world, amount func(*rules.Event) int64) int64 {
	if slices.ContainsFunc(v.events, isClearing) {
		return v.cleared(amount)
	}
	if w == confirmedWorld || v.expired {
		return 0
	}
	return v.authorised(amount)
}

func isClearing(e *rules.Event) bool { return e.Type == rules.Clearing }

func (v view) cleared(amount func(*rules.Event) int64) int64 {
	sum := map[rules.EventType]int64{}
	for _, e := range v.events {
		switch e.Type {
		case rules.Clearing, rules.Refund, rules.Chargeback, rules.ChargebackReversal:
			sum[e.Type] += amount(e)
		}
	}
	chargedBack := max(0, sum[rules.Chargeback]-sum[rules.ChargebackReversal])
	return max(0, sum[rules.Clearing]-sum[rules.Refund]-chargedBack)
}

func (v view) authorised(amount func(*rules.Event) int64) int64 {
	var latest *rules.Event
	for _, e := range v.events {
		if e.Type == rules.Authorization || e.Type == rules.AuthorizationUpdate {
			if latest == nil || byDate(latest, e) < 0 {
				latest = e
			}
		}
	}
	total := int64(0)
	if latest != nil {
		total = amount(latest)
	}
	for _, e := range v.events {
		if latest != nil && e.OccurredAt.Before(latest.OccurredAt) {
			continue
		}
		switch e.Type {
		case rules.AuthorizationIncrement:
			total += amount(e)
		case rules.Reversal:
			total -= amount(e)
		}
	}
	return max(0, total)
}

func stated(e *rules.Event, c money.Currency) (int64, bool) {
	switch c {
	case e.Currency:
		return e.AmountMinor, true
	case e.BillingCurrency:
		return e.BillingAmountMinor, true
	}
	return 0, false
}

// categories are the amounts of a basis by article category, exactly. Articles
// without a category are in none.
func (v view) categories(basis int64, c money.Currency) map[string]*big.Rat {
	amounts := map[string]*big.Rat{}
	add := func(e *rules.Event, sign int64) {
		for _, item := range e.Items {
			if amounts[item.Category] == nil {
				amounts[item.Category] = new(big.Rat)
			}
			amounts[item.Category].Add(amounts[item.Category], times(whole(sign), converted(e, item, c)))
		}
	}
	listed := slices.ContainsFunc(v.events, func(e *rules.Event) bool { return isClearing(e) && len(e.Items) > 0 })
	if !listed {
		add(v.opener, 1)
	}
	for _, e := range v.events {
		switch {
		case !listed:
		case e.Type == rules.Clearing || e.Type == rules.ChargebackReversal:
			add(e, 1)
		case e.Type == rules.Refund || e.Type == rules.Chargeback:
			add(e, -1)
		}
	}
	delete(amounts, "")
	total := new(big.Rat)
	for category, amount := range amounts {
		if amount.Sign() < 0 {
			delete(amounts, category)
			continue
		}
		total.Add(total, amount)
	}
	if total.Cmp(whole(basis)) > 0 {
		scale := new(big.Rat).Quo(whole(basis), total)
		for _, amount := range amounts {
			amount.Mul(amount, scale)
		}
	}
	return amounts
}

// converted is what an article comes to in the currency, as its event does.
func converted(e *rules.Event, item rules.Item, c money.Currency) *big.Rat {
	switch {
	case c == e.Currency:
		return whole(item.AmountMinor)
	case c == e.BillingCurrency && e.AmountMinor != 0:
		return times(whole(item.AmountMinor), big.NewRat(e.BillingAmountMinor, e.AmountMinor))
	}
	return new(big.Rat)
}
