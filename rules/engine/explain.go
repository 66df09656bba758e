package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/explain"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// Explain works the account out once more, books nothing, and tells of one
// purchase. transactionID is the purchase's, or that of one of its events.
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
	e.explained, e.explainedIndex = x, i
	defer func() { e.explained = nil }()
	if err := e.valueAsGranted(a, a.Purchases()); err != nil {
		return nil, err
	}
	return x, nil
}

// valueAsGranted works out every purchase with the grants as they are.
func (e *Engine) valueAsGranted(a *Account, known int) error {
	e.begin(a)
	if err := e.valueAll(a, known); err != nil || !e.grantsShort(a) {
		return err
	}
	return e.valueUnderGrants(a, known)
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

// explain takes down what was just worked out of the purchase, while the
// engine still holds each step.
func (e *Engine) explain(a *Account, x *explain.Explanation, p *purchase) {
	t := &e.terms
	anchor := &a.events[p.anchor]
	x.Events = e.explainEvents(a, p, t.tally)
	x.Purchase = e.explainMatch(anchor, p)
	x.Member = &explain.ExplainedMember{
		MemberID: t.standing.memberID, Programme: t.standing.programme, Level: t.standing.level,
		Enrolled: t.standing.enrolled, Left: t.standing.left, SponsorAccountID: t.standing.sponsor,
		CardLinked:       a.cardLinkedAt(p.at, anchor.card),
		ProgrammeUnknown: t.standing.enrolled && t.programme == nil,
	}
	x.Outcome, x.Why = "earns nothing", t.why.Names()
	if t.programme != nil {
		x.Member.CardNeeded = t.programme.Enrolment == offer.EnrolmentExplicit && !t.programme.AllCards
	}
	switch {
	case !t.standing.enrolled:
	case t.programme == nil && t.anyStore == nil: // no clock is known but the world's
		x.Member.EnrolledAt = t.standing.enrolledAt.String()
	default:
		x.Member.EnrolledAt = e.localTime(t.standing.enrolledAt, time.RFC3339)
	}
	if t.why != 0 {
		return
	}
	e.findHoldouts(a, p)
	for _, h := range e.holdoutDraws {
		if h.Held {
			x.HeldOut = append(x.HeldOut, h.ID)
		}
	}
	x.Confirmed, x.Expected = e.explainWorld(confirmedWorld, a, p), e.explainWorld(expectedWorld, a, p)
	for w := range numWorlds {
		if slices.ContainsFunc(e.worth[w].awards, func(aw award) bool { return aw.finalMinor > 0 }) {
			x.Outcome = "earns"
		}
	}
}

func (e *Engine) explainMatch(anchor *setEvent, p *purchase) *explain.ExplainedMatch {
	t := &e.terms
	x := &explain.ExplainedMatch{
		PurchasedAt: p.at.String(), GivenBy: anchor.id, PartnerID: anchor.match.PartnerID, StoreID: anchor.match.StoreID,
		Channel: anchor.channel.String(), MCC: anchor.mcc, Country: anchor.country, CardProduct: anchor.cardProduct,
	}
	x.LocalTime = p.at.String()
	if t.partner != nil {
		x.PartnerVersion, x.PartnerName = t.partner.Version.ID, t.partner.Name
	}
	if t.programme != nil {
		x.Programme, x.ProgrammeVersion, x.Rounding = t.programme.ID, t.programme.Version.ID, t.programme.Rounding.String()
		x.LocalTime = e.localTime(p.at, "Monday "+time.DateOnly+" 15:04:05") + " (" + e.storeZone().String() + ")"
	}
	return x
}

// localTime is the time by the clock of the place, without seconds where there
// are none.
func (e *Engine) localTime(at rules.Instant, layout string) string {
	if at.Sec%60 == 0 && at.Nsec == 0 {
		layout = strings.TrimSuffix(layout, ":05")
	}
	return at.Time().In(e.storeZone()).Format(layout)
}

func (e *Engine) explainWorld(w world, a *Account, p *purchase) *explain.ExplainedWorld {
	x := &explain.ExplainedWorld{}
	for i := range e.bases {
		x.Bases = append(x.Bases, e.bases[i].explain(w))
	}
	for i := range e.worth[w].awards {
		x.Offers = append(x.Offers, (&offerExplainer{e, a, p, w, &e.worth[w].awards[i]}).explain())
	}
	for i := range e.worth[w].commissions {
		c := &e.worth[w].commissions[i]
		if c.offer == nil {
			x.Commission = c.explain(&e.terms.partner.Commission)
		} else {
			x.OfferCommissions = append(x.OfferCommissions, c.explain(&c.offer.Commission))
		}
	}
	x.Margins = marginsOf(x)
	return x
}

func (c *commission) explain(deal *offer.Commission) explain.ExplainedCommission {
	x := explain.ExplainedCommission{
		Terms: offer.Wording{Currency: c.currency}.Commission(deal), Owed: c.owed, FixedMinor: deal.FixedMinor,
		BasisMinor: c.basisMinor, Currency: c.currency.String(), Minor: c.minor, Why: c.why.Names(),
	}
	if c.offer != nil {
		x.OfferID = c.offer.ID
	}
	switch {
	case deal.Form == offer.CostPlusCommission:
		x.Rate = money.FormatPercent(deal.CostMillionths) + " of what the rewards cost"
	case deal.RateMillionths > 0:
		x.Rate = money.FormatPercent(deal.RateMillionths)
	}
	return x
}

func (b *basis) explain(w world) explain.ExplainedBasis {
	s := b.trace
	x := explain.ExplainedBasis{
		Currency: b.currency.String(), BasisMinor: b.minor[w], Stated: b.stated[w],
		AuthorisedMinor: s.authorisedMinor - s.reversedMinor,
		ClearedMinor:    s.clearedMinor - s.refundedMinor - max(0, s.chargedBackMinor-s.chargebackBackMinor),
	}
	x.HeldMinor = max(0, -x.AuthorisedMinor) + max(0, -x.ClearedMinor) + max(0, s.chargebackBackMinor-s.chargedBackMinor)
	return x
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
			Unit: l.unit, UnitDecimals: e.snapshot.decimalsOf(l.programme, l.unit), Currency: e.currencyOfLine(&entitlement{lineKey: l.lineKey, programme: l.programme}).String(),
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

// marginsOf adds up what the programme gets and gives, in the order of currencies.
func marginsOf(x *explain.ExplainedWorld) []explain.ExplainedMargin {
	var all []explain.ExplainedMargin
	in := func(currency string) *explain.ExplainedMargin {
		i := slices.IndexFunc(all, func(m explain.ExplainedMargin) bool { return m.Currency == currency })
		if i < 0 {
			i = len(all)
			all = append(all, explain.ExplainedMargin{Currency: currency})
		}
		return &all[i]
	}
	for i := range x.Offers {
		o := &x.Offers[i]
		if o.CostMinor > 0 || o.AwardMinor > 0 {
			in(o.Currency).CostMinor += o.CostMinor
		}
		if o.Sponsor != nil && o.Sponsor.RewardMinor > 0 {
			in(o.Currency).SponsorMinor += o.Sponsor.RewardMinor
		}
	}
	for _, c := range append([]explain.ExplainedCommission{x.Commission}, x.OfferCommissions...) {
		if c.Minor > 0 {
			in(c.Currency).CommissionMinor += c.Minor
		}
	}
	for i := range all {
		all[i].MarginMinor = all[i].CommissionMinor - all[i].CostMinor - all[i].SponsorMinor
	}
	slices.SortFunc(all, func(a, b explain.ExplainedMargin) int { return cmp.Compare(a.Currency, b.Currency) })
	return all
}
