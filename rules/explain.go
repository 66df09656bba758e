package rules

import (
	"slices"

	"ristourne/rules/money"
)

// Explanation tells what was seen of a purchase and why it earned what it
// earned, or nothing. It is made for a person, through JSON or Text.
type Explanation struct {
	AccountID     string `json:"account_id"`
	TransactionID string `json:"transaction_id"` // of the purchase; what was asked for may have been linked to it
	// Outcome is one of "unknown" (nothing was kept of it), "waiting" (for an
	// event that opens the purchase), "earns nothing", "earns".
	Outcome   string            `json:"outcome"`
	Why       []string          `json:"why,omitempty"` // reason codes for a purchase that earns nothing as a whole
	Events    []ExplainedEvent  `json:"events,omitempty"`
	Purchase  *ExplainedMatch   `json:"purchase,omitempty"`
	Member    *ExplainedMember  `json:"member,omitempty"`
	Confirmed *ExplainedWorld   `json:"confirmed,omitempty"`
	Expected  *ExplainedWorld   `json:"expected,omitempty"`
	Booked    []ExplainedAmount `json:"booked,omitempty"`
}

// ExplainedEvent is one event of the set and its part in the purchase.
type ExplainedEvent struct {
	EventID            string `json:"event_id"`
	Type               string `json:"type"`
	OccurredAt         string `json:"occurred_at"`
	PurchasedAt        string `json:"purchased_at"` // its own purchase time
	AmountMinor        int64  `json:"amount_minor"`
	Currency           string `json:"currency"`
	BillingAmountMinor int64  `json:"billing_amount_minor,omitempty"`
	BillingCurrency    string `json:"billing_currency,omitempty"`
	StoreID            string `json:"store_id,omitempty"` // that its own merchant matched
	// Part is "authorised", "cleared" or "ignored"; Note says why, where it
	// needs saying.
	Part string `json:"part"`
	Note string `json:"note,omitempty"`
	// GivesPurchaseTime: time, store and card of the purchase are this event's.
	GivesPurchaseTime bool `json:"gives_purchase_time,omitempty"`
}

// ExplainedMatch is where and when the purchase was made, and the terms in
// force then.
type ExplainedMatch struct {
	PurchasedAt      string `json:"purchased_at"`
	GivenBy          string `json:"given_by"` // event id
	PartnerID        string `json:"partner_id"`
	StoreID          string `json:"store_id"`
	PartnerVersion   string `json:"partner_version,omitempty"`
	Programme        string `json:"programme,omitempty"`
	ProgrammeVersion string `json:"programme_version,omitempty"`
}

// ExplainedMember is what the account was at purchase time.
type ExplainedMember struct {
	MemberID   string `json:"member_id,omitempty"`
	Programme  string `json:"programme,omitempty"`
	Level      string `json:"level,omitempty"`
	Enrolled   bool   `json:"enrolled"` // at purchase time
	Left       bool   `json:"left,omitempty"`
	CardLinked bool   `json:"card_linked"` // the card of the purchase
}

// ExplainedWorld is one world's bases, offers step by step, and commission.
type ExplainedWorld struct {
	Bases      []ExplainedBasis    `json:"bases,omitempty"`
	Offers     []ExplainedOffer    `json:"offers,omitempty"`
	Commission ExplainedCommission `json:"commission"` // by the partner's terms
	// OfferCommissions are those that offers add.
	OfferCommissions []ExplainedCommission `json:"offer_commissions,omitempty"`
}

// ExplainedBasis is the purchase in one currency, in minor units.
type ExplainedBasis struct {
	Currency   string `json:"currency"`
	BasisMinor int64  `json:"basis_minor"`
	Stated     bool   `json:"stated"` // every amount that counts is stated in the currency
	// AuthorisedMinor and ClearedMinor are the sums before they are held at 0;
	// HeldMinor is what would have gone under.
	AuthorisedMinor int64 `json:"authorised_minor"`
	ClearedMinor    int64 `json:"cleared_minor"`
	HeldMinor       int64 `json:"held_minor,omitempty"`
}

// ExplainedOffer is one offer of the store on its way through the steps.
type ExplainedOffer struct {
	OfferID      string         `json:"offer_id"`
	OfferVersion string         `json:"offer_version"`
	Group        string         `json:"group"`
	Kind         string         `json:"kind"`
	Unit         string         `json:"unit"` // of the award: the currency, or the points' code
	Currency     string         `json:"currency"`
	Applies      bool           `json:"applies"` // its conditions hold
	BasisMinor   int64          `json:"basis_minor"`
	MinSpend     int64          `json:"min_spend_minor,omitempty"`
	Form         string         `json:"form,omitempty"`        // "percent", "fixed", "per full", "tiers", "categories"
	Rate         string         `json:"rate,omitempty"`        // "3%"
	Boosts       []string       `json:"boosts,omitempty"`      // in force: "black-friday/double" or, of the offer's own, "happy-hour"
	FixedMinor   int64          `json:"fixed_minor,omitempty"` // of a fixed reward
	Exact        string         `json:"exact,omitempty"`       // before rounding, in minor units
	RoundedMinor int64          `json:"rounded_minor"`
	PurchaseCap  int64          `json:"purchase_cap_minor,omitempty"`
	Caps         []ExplainedCap `json:"caps,omitempty"`
	RoomMinor    int64          `json:"room_minor,omitempty"` // the least that caps in amount left for it
	CappedMinor  int64          `json:"capped_minor"`
	WonGroup     bool           `json:"won_group"`
	CeilingMinor int64          `json:"after_ceiling_minor"`
	AwardMinor   int64          `json:"award_minor"`
	// Why are reason codes: what limited the award, or kept the offer away.
	Why []string `json:"why,omitempty"`
}

// ExplainedCap is one cap over purchases.
type ExplainedCap struct {
	Per   string `json:"per"`
	Days  int    `json:"days,omitempty"`
	Minor int64  `json:"minor,omitempty"` // in units of the award
	Count int64  `json:"count,omitempty"` // of awards
}

// ExplainedCommission is what the partner owes for the purchase.
type ExplainedCommission struct {
	OfferID    string   `json:"offer_id,omitempty"`
	Owed       bool     `json:"owed"`
	Rate       string   `json:"rate,omitempty"`
	FixedMinor int64    `json:"fixed_minor,omitempty"`
	BasisMinor int64    `json:"basis_minor"`
	Currency   string   `json:"currency"`
	Minor      int64    `json:"commission_minor"`
	Why        []string `json:"why,omitempty"`
}

// ExplainedAmount is one sum of the ledger as it is booked.
type ExplainedAmount struct {
	Role            string `json:"role"`
	OfferID         string `json:"offer_id,omitempty"`
	OfferVersion    string `json:"offer_version,omitempty"`
	Stage           string `json:"stage"`
	Kind            string `json:"kind"`
	Unit            string `json:"unit"`
	BasisMinor      int64  `json:"basis_minor"`
	RewardMinor     int64  `json:"reward_minor"`
	CommissionMinor int64  `json:"commission_minor"`
	CostMinor       int64  `json:"cost_minor"`
}

// Explain works the account out once more, books nothing, and tells of one
// purchase. transactionID is the purchase's, or that of one of its events.
func (e *Engine) Explain(a *Account, transactionID string) (*Explanation, error) {
	e.adopt(a)
	i := a.find(a.resolve("", transactionID, link{}))
	if i < 0 {
		i = a.purchaseWith(transactionID)
	}
	x := &Explanation{AccountID: a.id, TransactionID: transactionID, Outcome: "unknown"}
	if i < 0 {
		return x, nil
	}
	p := &a.purchases[i]
	x.TransactionID = p.id
	x.Booked = a.explainBooked(p)
	if !p.known() {
		x.Outcome = "waiting"
		x.Events = a.explainEvents(p, a.tallyOf(p, true))
		return x, nil
	}
	e.explained, e.explainedIndex = x, i
	defer func() { e.explained = nil }()
	if err := e.workAsGranted(a, a.Purchases()); err != nil {
		return nil, err
	}
	return x, nil
}

// workAsGranted works out every purchase with the grants as they are.
func (e *Engine) workAsGranted(a *Account, known int) error {
	e.begin(a)
	if err := e.workAll(a, known); err != nil || !e.grantsShort(a) {
		return err
	}
	return e.workUnderGrants(a, known)
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
func (e *Engine) explain(a *Account, x *Explanation, p *purchase) {
	t := &e.terms
	giver := &a.events[p.giver]
	x.Events = a.explainEvents(p, t.tally)
	x.Purchase = &ExplainedMatch{
		PurchasedAt: p.at.String(), GivenBy: giver.id, PartnerID: giver.match.PartnerID, StoreID: giver.match.StoreID,
	}
	x.Member = &ExplainedMember{
		MemberID: t.standing.memberID, Programme: t.standing.programme, Level: t.standing.level,
		Enrolled: t.standing.enrolled, Left: t.standing.left, CardLinked: a.cardLinkedAt(p.at, giver.card),
	}
	if t.partner != nil {
		x.Purchase.PartnerVersion = t.partner.Version.ID
	}
	if t.programme != nil {
		x.Purchase.Programme, x.Purchase.ProgrammeVersion = t.programme.ID, t.programme.Version.ID
	}
	x.Outcome, x.Why = "earns nothing", t.why.names()
	if t.why != 0 {
		return
	}
	x.Confirmed, x.Expected = e.explainWorld(confirmedWorld), e.explainWorld(expectedWorld)
	for w := range numWorlds {
		if slices.ContainsFunc(e.worth[w].awards, func(aw award) bool { return aw.finalMinor > 0 }) {
			x.Outcome = "earns"
		}
	}
}

func (e *Engine) explainWorld(w world) *ExplainedWorld {
	x := &ExplainedWorld{}
	for i := range e.bases {
		x.Bases = append(x.Bases, e.bases[i].explain(w))
	}
	for i := range e.worth[w].awards {
		x.Offers = append(x.Offers, e.worth[w].awards[i].explain())
	}
	for i := range e.worth[w].commissions {
		c := &e.worth[w].commissions[i]
		if c.offer == nil {
			x.Commission = c.explain(&e.terms.partner.Commission)
		} else {
			x.OfferCommissions = append(x.OfferCommissions, c.explain(&c.offer.Commission))
		}
	}
	return x
}

func (c *commission) explain(deal *Commission) ExplainedCommission {
	x := ExplainedCommission{
		Owed: c.owed, FixedMinor: deal.FixedMinor, BasisMinor: c.basisMinor, Currency: c.currency.String(),
		Minor: c.minor, Why: c.why.names(),
	}
	if c.offer != nil {
		x.OfferID = c.offer.ID
	}
	switch {
	case deal.Form == CostPlusCommission:
		x.Rate = money.FormatPercent(deal.CostMillionths) + " of what the rewards cost"
	case deal.RateMillionths > 0:
		x.Rate = money.FormatPercent(deal.RateMillionths)
	}
	return x
}

func (b *basis) explain(w world) ExplainedBasis {
	s := b.trace
	x := ExplainedBasis{
		Currency: b.currency.String(), BasisMinor: b.minor[w], Stated: b.stated[w],
		AuthorisedMinor: s.authorisedMinor - s.reversedMinor,
		ClearedMinor:    s.clearedMinor - s.refundedMinor - max(0, s.chargedBackMinor-s.chargebackBackMinor),
	}
	x.HeldMinor = max(0, -x.AuthorisedMinor) + max(0, -x.ClearedMinor) + max(0, s.chargebackBackMinor-s.chargedBackMinor)
	return x
}

func (aw *award) explain() ExplainedOffer {
	o := aw.offer
	x := ExplainedOffer{
		OfferID: o.ID, OfferVersion: o.version, Group: o.Group, Kind: o.kind.String(), Unit: o.unit, Currency: o.Currency.String(),
		Applies: aw.why&(whyNoAward|whyCapCount) == 0, Form: rewardFormNames[o.Reward.Form],
		BasisMinor: aw.basisMinor, MinSpend: o.MinSpendMinor, FixedMinor: o.Reward.FixedMinor,
		RoundedMinor: aw.roundedMinor, PurchaseCap: o.purchaseCapMinor,
		CappedMinor: aw.cappedMinor, WonGroup: aw.won, CeilingMinor: aw.ceilingMinor, AwardMinor: aw.finalMinor,
		Why: aw.why.names(),
	}
	if x.Group == "" {
		x.Group = DefaultGroup
	}
	if o.Reward.RateMillionths > 0 {
		x.Rate = money.FormatPercent(o.Reward.RateMillionths)
	}
	if x.Applies && !aw.exact.IsZero() {
		x.Exact = aw.exact.String()
	}
	x.RoomMinor = max(0, aw.roomMinor)
	for i := range o.limits {
		l := &o.limits[i]
		limit := ExplainedCap{Per: l.per.String(), Days: l.days}
		if l.measure == awardsGiven {
			limit.Count = l.most
		} else {
			limit.Minor = l.most
		}
		x.Caps = append(x.Caps, limit)
	}
	for _, b := range aw.boosts {
		name := b.ID
		if b.campaign != nil {
			name = b.campaign.ID + "/" + name
		}
		x.Boosts = append(x.Boosts, name)
	}
	return x
}

func (a *Account) explainBooked(p *purchase) []ExplainedAmount {
	var booked []ExplainedAmount
	for i := p.lines; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		booked = append(booked, ExplainedAmount{
			Role: l.role.String(), OfferID: l.offer, OfferVersion: l.version, Stage: l.stage.String(), Kind: l.kind.String(),
			Unit: l.unit, BasisMinor: l.basisMinor, RewardMinor: l.rewardMinor, CommissionMinor: l.commissionMinor, CostMinor: l.costMinor,
		})
	}
	return booked
}

func (a *Account) explainEvents(p *purchase, t tally) []ExplainedEvent {
	var events []ExplainedEvent
	for i := p.events; i >= 0; i = a.events[i].next {
		e := &a.events[i]
		x := ExplainedEvent{
			EventID: e.id, Type: e.typ.String(), OccurredAt: e.occurredAt.String(), PurchasedAt: e.purchasedAt.String(),
			AmountMinor: e.amountMinor, Currency: e.currency.String(), BillingAmountMinor: e.billingMinor,
			BillingCurrency: e.billing.String(), StoreID: e.match.StoreID, GivesPurchaseTime: i == p.giver,
		}
		x.Part, x.Note = a.partOf(i, t)
		if e.late {
			x.Note = joinNotes(x.Note, "more than H days after the purchase: changes this purchase alone")
		}
		events = append(events, x)
	}
	slices.SortFunc(events, func(x, y ExplainedEvent) int {
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
	case Authorization, AuthorizationUpdate:
		switch {
		case event != t.latest:
			return "ignored", "a later authorization or update states the new total"
		case t.cleared:
			return "authorised", "no longer expected: the purchase was cleared"
		case t.expired:
			return "ignored", "the authorization expired"
		}
		return "authorised", ""
	case Reversal:
		switch {
		case t.latest < 0:
			return "ignored", "nothing is authorised"
		case e.occurredAt.Before(a.events[t.latest].occurredAt):
			return "ignored", "dated before the latest authorization, which states the new total"
		case t.cleared:
			return "authorised", "no longer expected: the purchase was cleared"
		}
		return "authorised", ""
	}
	if !t.cleared {
		return "cleared", "nothing is cleared yet"
	}
	return "cleared", ""
}
