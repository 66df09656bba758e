package ledgertest

import (
	"cmp"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
)

// world is one of the two in which awards are worked out.
type world int

const (
	confirmedWorld world = iota
	expectedWorld
)

// view is a purchase as far as some of its events tell of it.
type view struct {
	events  []*rules.Event
	expired bool // the authorised amount is 0 for good
	opener  *rules.Event
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
	for _, e := range a.events {
		id := purchaseOf(e, a.events)
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

// look finds the event that gives the purchase its time and place: of the
// authorizations and updates that match the earliest, else of the clearings.
func (o oracle) look(events []*rules.Event) (view, bool) {
	v := view{events: events}
	for _, clearings := range []bool{false, true} {
		for _, e := range events {
			if !e.Type.Opens() || (e.Type == rules.Clearing) != clearings {
				continue
			}
			at, matches := o.match(e)
			if matches && (v.opener == nil || earlier(e, v.opener)) {
				v.opener, v.time, v.at = e, e.PurchaseTime(), at
			}
		}
		if v.opener != nil {
			return v, true
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
	cleared := false
	for _, e := range v.events {
		cleared = cleared || e.Type == rules.Clearing
	}
	if cleared {
		return v.cleared(c)
	}
	if w == confirmedWorld || v.expired {
		return 0, true
	}
	return v.authorised(c)
}

func (v view) cleared(c money.Currency) (int64, bool) {
	sum := map[rules.EventType]int64{}
	for _, e := range v.events {
		switch e.Type {
		case rules.Clearing, rules.Refund, rules.Chargeback, rules.ChargebackReversal:
			minor, ok := stated(e, c)
			if !ok {
				return 0, false
			}
			sum[e.Type] += minor
		}
	}
	chargedBack := max(0, sum[rules.Chargeback]-sum[rules.ChargebackReversal])
	return max(0, sum[rules.Clearing]-sum[rules.Refund]-chargedBack), true
}

func (v view) authorised(c money.Currency) (int64, bool) {
	var latest *rules.Event
	for _, e := range v.events {
		if e.Type == rules.Authorization || e.Type == rules.AuthorizationUpdate {
			if latest == nil || byDate(latest, e) < 0 {
				latest = e
			}
		}
	}
	if latest == nil {
		return 0, true
	}
	total, ok := stated(latest, c)
	if !ok {
		return 0, false
	}
	for _, e := range v.events {
		if e.Type != rules.Reversal || e.OccurredAt.Before(latest.OccurredAt) {
			continue
		}
		minor, ok := stated(e, c)
		if !ok {
			return 0, false
		}
		total -= minor
	}
	return max(0, total), true
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
