package engine

import (
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/explain"
	"ristourne/rules/offer"
)

// Explain values the account once more, books nothing, and tells of one purchase. transactionID is the purchase's, or that of one of its events.
func (e *Engine) Explain(a *Account, transactionID string) (*explain.Explanation, error) {
	e.bindSnapshot(a)
	i := a.find(a.resolve("", transactionID, link{}))
	if i < 0 {
		i = a.purchaseWith(transactionID)
	}
	x := &explain.Explanation{AccountID: a.id, TransactionID: transactionID, Outcome: "unknown", Referrals: e.explainReferrals(a, transactionID)}
	if i < 0 {
		if len(x.Referrals) > 0 {
			x.Outcome = "referral"
		}
		return x, nil
	}
	p := &a.purchases[i]
	x.TransactionID = p.id
	x.Booked = e.explainBooked(a, p.lines)
	if !p.known() {
		x.Outcome = "waiting"
		x.Events = e.explainEvents(a, p, a.tallyOf(p, true))
		return x, nil
	}
	err := e.runAsGranted(a, a.Purchases(), func(n int, w *worth) {
		if n == i {
			x.Events = e.explainEvents(a, p, w.terms.tally)
			(&purchaseExplainer{&e.valuer, w, a, p}).explain(x)
		}
	})
	if err != nil {
		return nil, err
	}
	return x, nil
}

// purchaseWith is the purchase that has an event of this transaction, or -1.
func (a *Account) purchaseWith(transactionID string) int {
	for i := range a.purchases {
		for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
			if a.events[n].transactionID == transactionID {
				return i
			}
		}
	}
	return -1
}

// explainReferrals tells what the account gets as a sponsor for a purchase.
func (e *Engine) explainReferrals(a *Account, transactionID string) []explain.ExplainedReferral {
	var all []explain.ExplainedReferral
	for i := range a.referrals {
		r := &a.referrals[i]
		if r.TransactionID != transactionID {
			continue
		}
		x := explain.ExplainedReferral{
			BuyerAccountID: r.BuyerAccountID, PartnerID: r.PartnerID, OfferID: r.OfferID, OfferVersion: r.OfferVersion,
			PurchasedAt: r.PurchasedAt.String(), Currency: r.Currency.String(),
			ConfirmedMinor: r.ConfirmedRewardMinor, ExpectedMinor: r.ExpectedRewardMinor, Booked: e.explainBooked(a, r.lines),
		}
		standing := a.standingAt(r.PurchasedAt)
		if v := e.snapshot.programmeFor(a, &standing, r.PurchasedAt); v != nil {
			if o := e.snapshot.sponsoringOffer(&r.Referral, v); o != nil {
				w := offer.Wording{Currency: r.Currency, Unit: r.Currency.String()}
				for n := range o.Sponsor.Caps {
					x.Caps = append(x.Caps, w.Cap(&o.Sponsor.Caps[n]))
				}
			}
		}
		all = append(all, x)
	}
	return all
}

// explainBooked tells the lines of a chain.
func (e *Engine) explainBooked(a *Account, head int32) []explain.ExplainedAmount {
	var booked []explain.ExplainedAmount
	for i := head; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		x := explain.ExplainedAmount{
			Role: l.role.String(), OfferID: l.offer, OfferVersion: l.version, Stage: l.stage.String(), Kind: l.kind.String(),
			Unit: l.unit, UnitDecimals: e.snapshot.decimalsOf(l.programme, l.unit), Currency: e.snapshot.currencyOfLine(&entitlement{lineKey: l.lineKey, programme: l.programme}).String(),
			BasisMinor: l.basisMinor, RewardMinor: l.rewardMinor, CommissionMinor: l.commissionMinor, CostMinor: l.costMinor,
		}
		if l.campaigns != "" {
			x.CampaignIDs = strings.Split(l.campaigns, campaignSeparator)
		}
		booked = append(booked, x)
	}
	return booked
}

// decimalsOf are those of points that a programme gives, or ever gave; 0 for
// what is money.
func (s *Snapshot) decimalsOf(programmeID, unit string) int {
	if i, ok := s.programmeIndex[programmeID]; ok {
		for n := range s.programmes[i].versions {
			if points := s.programmes[i].versions[n].Points; points.Code == unit {
				return points.Decimals
			}
		}
	}
	return 0
}

func (e *Engine) explainEvents(a *Account, p *purchase, t tally) []explain.ExplainedEvent {
	var events []explain.ExplainedEvent
	for i := p.events; i >= 0; i = a.events[i].next {
		s := &a.events[i]
		x := explain.ExplainedEvent{
			EventID: s.id, Type: s.typ.String(), OccurredAt: s.occurredAt.String(), PurchasedAt: s.purchasedAt.String(),
			AmountMinor: s.amountMinor, Currency: s.currency.String(), BillingAmountMinor: s.billingMinor,
			BillingCurrency: s.billing.String(), StoreID: s.match.StoreID, GivesPurchaseTime: i == p.anchor,
		}
		x.Part, x.Note = a.partOf(i, t)
		if s.matched || !p.known() {
			x.Unlinked = e.explainUnlinked(a, i)
		}
		if s.late {
			x.Note = joinNotes(x.Note, "more than H days after the purchase: changes this purchase alone")
		}
		events = append(events, x)
	}
	slices.SortFunc(events, func(x, y explain.ExplainedEvent) int {
		return a.eventByID(x.EventID).byDate(a.eventByID(y.EventID))
	})
	return events
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// partOf is the part that an event has in its purchase, and why.
func (a *Account) partOf(event int32, t tally) (part, note string) {
	e := &a.events[event]
	switch e.typ {
	case rules.Authorization, rules.AuthorizationUpdate:
		switch {
		case event != t.latest:
			return "ignored", "a later authorization or update states the new total"
		case t.cleared:
			return "authorised", "no longer expected: the purchase was cleared"
		case t.expired:
			return "ignored", "the authorization expired"
		}
		return "authorised", ""
	case rules.AuthorizationIncrement, rules.Reversal:
		switch {
		case t.latest < 0 && !t.raised:
			return "ignored", "nothing is authorised"
		case !a.onTop(e, t):
			return "ignored", "dated before the latest authorization, which states the new total"
		case t.cleared:
			return "authorised", "no longer expected: the purchase was cleared"
		case t.expired:
			return "ignored", "the authorization expired"
		}
		return "authorised", ""
	}
	if !t.cleared {
		return "cleared", "nothing is cleared yet"
	}
	return "cleared", ""
}
