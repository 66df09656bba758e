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

// purchaseExplainer takes down the worth of one purchase at its turn, while the
// counters stand as they did when it was valued.
type purchaseExplainer struct {
	valuer *valuer // that gave the worth: it is asked, never told
	*worth
	account  *Account
	purchase *purchase
}

// explain is called once in each run: the last one says how things are.
func (x *purchaseExplainer) explain(to *explain.Explanation) {
	a, p, t := x.account, x.purchase, &x.terms
	anchor := &a.events[p.anchor]
	to.Purchase = x.explainMatch(anchor)
	to.Member = &explain.ExplainedMember{
		MemberID: t.standing.memberID, Programme: t.standing.programme, Level: t.standing.level,
		Enrolled: t.standing.enrolled, Left: t.standing.left, SponsorAccountID: t.standing.sponsor,
		CardLinked:       a.cardLinkedAt(p.at, anchor.card),
		ProgrammeUnknown: t.standing.enrolled && t.programme == nil,
	}
	to.Outcome, to.Why, to.HeldOut = "earns nothing", t.why.Names(), nil // of the last run alone
	if t.programme != nil {
		to.Member.CardNeeded = t.programme.Enrolment == offer.EnrolmentExplicit && !t.programme.AllCards
	}
	switch {
	case !t.standing.enrolled:
	case t.programme == nil && t.anyStore == nil: // no clock is known but the world's
		to.Member.EnrolledAt = t.standing.enrolledAt.String()
	default:
		to.Member.EnrolledAt = x.localTime(t.standing.enrolledAt, time.RFC3339)
	}
	if t.why != 0 {
		return
	}
	for _, h := range x.valuer.holdouts(a) {
		if h.Held {
			to.HeldOut = append(to.HeldOut, h.ID)
		}
	}
	to.Confirmed, to.Expected = x.explainWorld(confirmedWorld), x.explainWorld(expectedWorld)
	for w := range numWorlds {
		if slices.ContainsFunc(x.in[w].awards, func(aw award) bool { return aw.finalMinor > 0 }) {
			to.Outcome = "earns"
		}
	}
}

func (x *purchaseExplainer) explainMatch(anchor *setEvent) *explain.ExplainedMatch {
	t, at := &x.terms, x.purchase.at
	m := &explain.ExplainedMatch{
		PurchasedAt: at.String(), GivenBy: anchor.id, PartnerID: anchor.match.PartnerID, StoreID: anchor.match.StoreID,
		Channel: anchor.channel.String(), MCC: anchor.mcc, Country: anchor.country, CardProduct: anchor.cardProduct,
	}
	m.LocalTime = at.String()
	if t.partner != nil {
		m.PartnerVersion, m.PartnerName = t.partner.Version.ID, t.partner.Name
	}
	if t.programme != nil {
		m.Programme, m.ProgrammeVersion, m.Rounding = t.programme.ID, t.programme.Version.ID, t.programme.Rounding.String()
		m.LocalTime = x.localTime(at, "Monday "+time.DateOnly+" 15:04:05") + " (" + x.valuer.storeZone().String() + ")"
	}
	return m
}

// localTime is the time by the clock of the place, without seconds where there
// are none.
func (x *purchaseExplainer) localTime(at rules.Instant, layout string) string {
	if at.Sec%60 == 0 && at.Nsec == 0 {
		layout = strings.TrimSuffix(layout, ":05")
	}
	return at.Time().In(x.valuer.storeZone()).Format(layout)
}

func (x *purchaseExplainer) explainWorld(w world) *explain.ExplainedWorld {
	to := &explain.ExplainedWorld{}
	for i := range x.bases {
		to.Bases = append(to.Bases, x.bases[i].explain(w))
	}
	for i := range x.in[w].awards {
		to.Offers = append(to.Offers, (&offerExplainer{x, w, &x.in[w].awards[i]}).explain())
	}
	for i := range x.in[w].commissions {
		c := &x.in[w].commissions[i]
		if c.offer == nil {
			to.Commission = c.explain(&x.terms.partner.Commission)
		} else {
			to.OfferCommissions = append(to.OfferCommissions, c.explain(&c.offer.Commission))
		}
	}
	to.Margins = marginsOf(to)
	return to
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
