package ledgertest

import (
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// matches are the purchases to which the set's unlinked refunds are given: those
// refunds at a store whose own purchase is unknown. All of it is worked out from
// processor/wire/README.md, "Refunds that name no purchase", purchase by purchase.
func (o oracle) matchesOf(a *account, set []*rules.Event) map[*rules.Event]string {
	given := map[*rules.Event]string{}
	if !slices.ContainsFunc(o.cat.Programmes, func(p offer.Programme) bool { return p.UnlinkedRefundDays > 0 }) {
		return given
	}
	byID := map[string][]*rules.Event{}
	for _, e := range set {
		id := purchaseOf(e, set)
		byID[id] = append(byID[id], e)
	}
	known := map[string]purchase{}
	for id, events := range byID {
		if p, ok := o.purchase(a, id, events, false); ok {
			known[id] = p
		}
	}
	var unlinked []*rules.Event
	for _, e := range set {
		_, isKnown := known[purchaseOf(e, set)]
		if at, _ := o.match(e); e.Type == rules.Refund && !isKnown && at.store != nil {
			unlinked = append(unlinked, e)
		}
	}
	slices.SortFunc(unlinked, byDate)
	for _, refund := range unlinked {
		best := ""
		for id, p := range known {
			if o.mayTake(a, p, byID[id], given, refund) && (best == "" || o.nearer(p, known[best], byID, given, refund)) {
				best = id
			}
		}
		if best != "" {
			given[refund] = best
		}
	}
	return given
}

// mayTake reports whether the refund may be given to the purchase.
func (o oracle) mayTake(a *account, p purchase, events []*rules.Event, given map[*rules.Event]string, refund *rules.Event) bool {
	at, _ := o.match(refund)
	days := o.programmeOf(a, refund.OccurredAt).UnlinkedRefundDays
	if days == 0 || p.whole.at.partner == nil || p.whole.at.partner.ID != at.partner.ID {
		return false
	}
	if p.whole.time.After(refund.OccurredAt) || moreThanDaysBefore(p.whole.time, days, refund.OccurredAt) {
		return false
	}
	left, ok := leftOf(p.id, events, given, refund.Currency)
	return ok && left >= refund.AmountMinor
}

// leftOf is what is left of a purchase that is cleared, and wholly in the
// currency.
func leftOf(id string, events []*rules.Event, given map[*rules.Event]string, c money.Currency) (int64, bool) {
	sum, cleared := map[rules.EventType]int64{}, false
	for _, e := range events {
		switch e.Type {
		case rules.Clearing, rules.Refund, rules.Chargeback, rules.ChargebackReversal:
			if e.Currency != c {
				return 0, false
			}
			sum[e.Type] += e.AmountMinor
			cleared = cleared || isClearing(e)
		}
	}
	for e, to := range given {
		if to == id {
			sum[rules.Refund] += e.AmountMinor
		}
	}
	chargedBack := max(0, sum[rules.Chargeback]-sum[rules.ChargebackReversal])
	return sum[rules.Clearing] - sum[rules.Refund] - chargedBack, cleared
}

// nearer reports whether x goes before y.
func (o oracle) nearer(x, y purchase, byID map[string][]*rules.Event, given map[*rules.Event]string, refund *rules.Event) bool {
	at, _ := o.match(refund)
	if here, there := x.whole.at.store.ID == at.store.ID, y.whole.at.store.ID == at.store.ID; here != there {
		return here
	}
	if this, other := x.whole.opener.CardToken == refund.CardToken, y.whole.opener.CardToken == refund.CardToken; this != other {
		return this
	}
	left := func(p purchase) int64 {
		minor, _ := leftOf(p.id, byID[p.id], given, refund.Currency)
		return minor
	}
	if all, some := left(x) == refund.AmountMinor, left(y) == refund.AmountMinor; all != some {
		return all
	}
	if x.whole.time != y.whole.time {
		return x.whole.time.After(y.whole.time)
	}
	return x.id > y.id
}
