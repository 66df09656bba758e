package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"ristourne/rules/money"
)

// Explanation tells what was seen of a purchase and why it earned what it
// earned, or nothing. It is made for a person, through JSON or Text.
type Explanation struct {
	AccountID     string `json:"account_id"`
	TransactionID string `json:"transaction_id"` // of the purchase; what was asked for may have been linked to it
	// Outcome is one of "unknown" (nothing was kept of it), "waiting" (for an
	// event that opens the purchase), "earns nothing", "earns", "referral" (the
	// account gets something as the sponsor of another, who bought).
	Outcome   string            `json:"outcome"`
	Why       []string          `json:"why,omitempty"` // reason codes for a purchase that earns nothing as a whole
	Events    []ExplainedEvent  `json:"events,omitempty"`
	Purchase  *ExplainedMatch   `json:"purchase,omitempty"`
	Member    *ExplainedMember  `json:"member,omitempty"`
	Confirmed *ExplainedWorld   `json:"confirmed,omitempty"`
	Expected  *ExplainedWorld   `json:"expected,omitempty"`
	Booked    []ExplainedAmount `json:"booked,omitempty"`
	// HeldOut is what the account is held out of, of all that would be in force
	// for the purchase: ids of offers, campaigns and the programme.
	HeldOut []string `json:"held_out,omitempty"`
	// Referrals are what the account gets as the sponsor of whoever bought.
	Referrals []ExplainedReferral `json:"referrals,omitempty"`
}

// ExplainedReferral is what one offer gives the account for the purchase of a
// member whom it referred.
type ExplainedReferral struct {
	BuyerAccountID string            `json:"buyer_account_id"`
	PartnerID      string            `json:"partner_id"` // empty: an offer of the programme's own
	OfferID        string            `json:"offer_id"`
	OfferVersion   string            `json:"offer_version"`
	PurchasedAt    string            `json:"purchased_at"`
	Currency       string            `json:"currency"`
	ConfirmedMinor int64             `json:"confirmed_minor"` // before the account's own caps
	ExpectedMinor  int64             `json:"expected_minor"`
	Caps           []string          `json:"caps,omitempty"` // per sponsor, in words
	Booked         []ExplainedAmount `json:"booked,omitempty"`
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
	// Unlinked is of a refund that names no purchase that is known: what it was
	// matched to, and by what.
	Unlinked *ExplainedUnlinked `json:"unlinked,omitempty"`
	// GivesPurchaseTime: time, store and card of the purchase are this event's.
	GivesPurchaseTime bool `json:"gives_purchase_time,omitempty"`
}

// ExplainedMatch is where and when the purchase was made, and the terms in
// force then.
type ExplainedMatch struct {
	PurchasedAt      string `json:"purchased_at"`
	LocalTime        string `json:"local_time"` // by the clock of the store: "Wednesday 2026-11-25 17:30 (Europe/Paris)"
	GivenBy          string `json:"given_by"`   // event id
	PartnerID        string `json:"partner_id"` // empty: at no partner's store
	PartnerName      string `json:"partner_name,omitempty"`
	StoreID          string `json:"store_id"`
	PartnerVersion   string `json:"partner_version,omitempty"`
	Programme        string `json:"programme,omitempty"`
	ProgrammeVersion string `json:"programme_version,omitempty"`
	Rounding         string `json:"rounding,omitempty"`
	Channel          string `json:"channel,omitempty"`
	MCC              string `json:"mcc,omitempty"`
	Country          string `json:"country,omitempty"`
	CardProduct      string `json:"card_product,omitempty"`
}

// ExplainedMember is what the account was at purchase time.
type ExplainedMember struct {
	MemberID   string `json:"member_id,omitempty"`
	Programme  string `json:"programme,omitempty"`
	Level      string `json:"level,omitempty"`
	Enrolled   bool   `json:"enrolled"` // at purchase time
	EnrolledAt string `json:"enrolled_at,omitempty"`
	// ProgrammeUnknown: the catalogue has no programme of that name, or none that
	// is in force then, so nothing earns.
	ProgrammeUnknown bool   `json:"programme_unknown,omitempty"`
	Left             bool   `json:"left,omitempty"`
	SponsorAccountID string `json:"sponsor_account_id,omitempty"`
	CardLinked       bool   `json:"card_linked"` // the card of the purchase
	CardNeeded       bool   `json:"card_needed"` // the programme counts linked cards alone
}

// ExplainedWorld is one world's bases, offers step by step, and commission.
type ExplainedWorld struct {
	Bases      []ExplainedBasis    `json:"bases,omitempty"`
	Offers     []ExplainedOffer    `json:"offers,omitempty"`
	Commission ExplainedCommission `json:"commission"` // by the partner's terms
	// OfferCommissions are those that offers add.
	OfferCommissions []ExplainedCommission `json:"offer_commissions,omitempty"`
	// Margins are what the programme keeps, currency by currency.
	Margins []ExplainedMargin `json:"margins,omitempty"`
}

// ExplainedMargin is the commission less what the rewards cost.
type ExplainedMargin struct {
	Currency        string `json:"currency"`
	CommissionMinor int64  `json:"commission_minor"`
	CostMinor       int64  `json:"cost_minor"`         // of the member's rewards
	SponsorMinor    int64  `json:"sponsor_cost_minor"` // of the sponsor's, before the sponsor's own caps
	MarginMinor     int64  `json:"margin_minor"`
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

// ExplainedOffer is one offer on its way through the steps. Its amounts are in
// units of the award, but for the basis and what is compared with it.
type ExplainedOffer struct {
	PartnerID    string               `json:"partner_id"` // empty: the programme's own
	OfferID      string               `json:"offer_id"`
	Name         string               `json:"name,omitempty"`
	OfferVersion string               `json:"offer_version"`
	Group        string               `json:"group"`
	Kind         string               `json:"kind"`
	Unit         string               `json:"unit"` // of the award: the currency, or the points' code
	UnitDecimals int                  `json:"unit_decimals"`
	Currency     string               `json:"currency"`
	FundedBy     string               `json:"funded_by"`
	Applies      bool                 `json:"applies"` // its conditions hold
	Conditions   []ExplainedCondition `json:"conditions,omitempty"`
	BasisMinor   int64                `json:"basis_minor"`
	MinSpend     int64                `json:"min_spend_minor,omitempty"`
	Reward       string               `json:"reward"`           // in words, as it is agreed
	Form         string               `json:"form,omitempty"`   // "percent", "fixed", "per full", "tiers", "categories"
	Rate         string               `json:"rate,omitempty"`   // "3%"
	Boosts       []string             `json:"boosts,omitempty"` // in force: "black-friday/double" or, of the offer's own, "happy-hour"
	Raises       []ExplainedBoost     `json:"raises,omitempty"` // all boosts that name the offer, in force or not
	BoostedRate  string               `json:"boosted_rate,omitempty"`
	Raised       string               `json:"raised,omitempty"`      // how the boosts made it: "set to 6%, times 2"
	FixedMinor   int64                `json:"fixed_minor,omitempty"` // of a fixed reward
	Lines        []ExplainedLine      `json:"lines,omitempty"`       // tier by tier, or category by category
	Exact        string               `json:"exact,omitempty"`       // before rounding, in minor units
	Times        int64                `json:"times,omitempty"`       // that a goal is reached with it, where more than once
	RoundedMinor int64                `json:"rounded_minor"`         // all times together
	PurchaseCap  int64                `json:"purchase_cap_minor,omitempty"`
	Caps         []ExplainedCap       `json:"caps,omitempty"`
	RoomMinor    int64                `json:"room_minor,omitempty"` // the least that caps in amount left for it
	Budgets      []ExplainedBudget    `json:"budgets,omitempty"`
	CappedMinor  int64                `json:"capped_minor"`
	WonGroup     bool                 `json:"won_group"`
	LostTo       string               `json:"lost_to,omitempty"` // the offer that won the group
	CeilingMinor int64                `json:"after_ceiling_minor"`
	MarginMinor  int64                `json:"after_margin_minor"`
	AwardMinor   int64                `json:"award_minor"`
	CostMinor    int64                `json:"cost_minor"` // of the award, in Currency
	Sponsor      *ExplainedSponsor    `json:"sponsor,omitempty"`
	WhyNotMore   []string             `json:"why_not_more"` // in words
	// Why are reason codes: what limited the award, or kept the offer away.
	Why []string `json:"why,omitempty"`
}

// ExplainedCondition is one thing that an offer asks of a purchase.
type ExplainedCondition struct {
	Code  string `json:"code"`  // the reason code for which an offer doesn't apply without it
	Asks  string `json:"asks"`  // in words
	Found string `json:"found"` // what there was, in words
	Holds bool   `json:"holds"`
	// Skipped: it wasn't looked at, since it counts visits and this is none.
	Skipped bool `json:"skipped,omitempty"`
}

// ExplainedBoost is one boost that names the offer.
type ExplainedBoost struct {
	ID       string `json:"id"`
	Campaign string `json:"campaign,omitempty"` // empty: the offer's own
	Does     string `json:"does"`               // in words
	InForce  bool   `json:"in_force"`
	// Counts: it is part of the rate; of several that set or multiply, only the
	// highest is.
	Counts bool     `json:"counts"`
	Why    []string `json:"why,omitempty"` // why it is not in force
	// Holdout: its campaign holds accounts out.
	Holdout bool `json:"holdout,omitempty"`
}

// ExplainedLine is a tier or a category: what of the basis is in it, and what
// it gives.
type ExplainedLine struct {
	Of         string `json:"of"`
	BasisMinor int64  `json:"basis_minor"` // rounded, where articles are in another currency
	Rate       string `json:"rate"`        // boosted
	Exact      string `json:"exact,omitempty"`
}

// ExplainedCap is one cap.
type ExplainedCap struct {
	Per       string `json:"per"`
	Days      int    `json:"days,omitempty"`
	Minor     int64  `json:"minor,omitempty"` // in units of the award
	Count     int64  `json:"count,omitempty"` // of awards
	UsedMinor int64  `json:"used_minor"`      // before this purchase: units, or awards
	Text      string `json:"text"`            // "at most 15.00 EUR per month"
}

// ExplainedBudget is what a budget had to give for the award.
type ExplainedBudget struct {
	Budget     string `json:"budget"`
	AskedMinor int64  `json:"asked_minor"`
	GivenMinor int64  `json:"given_minor"`
	Text       string `json:"text"`
}

// ExplainedSponsor is what the sponsor of the member gets, before the caps of
// his own.
type ExplainedSponsor struct {
	Reward           string `json:"reward"` // in words, as it is agreed
	SponsorAccountID string `json:"sponsor_account_id,omitempty"`
	RewardMinor      int64  `json:"reward_minor"`
}

// ExplainedCommission is what the partner owes for the purchase.
type ExplainedCommission struct {
	OfferID    string   `json:"offer_id,omitempty"`
	Terms      string   `json:"terms,omitempty"` // in words, as they are agreed
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
	Role            string   `json:"role"`
	OfferID         string   `json:"offer_id,omitempty"`
	OfferVersion    string   `json:"offer_version,omitempty"`
	CampaignIDs     []string `json:"campaign_ids,omitempty"`
	Stage           string   `json:"stage"`
	Kind            string   `json:"kind"`
	Unit            string   `json:"unit"`
	UnitDecimals    int      `json:"unit_decimals"`
	BasisMinor      int64    `json:"basis_minor"`
	RewardMinor     int64    `json:"reward_minor"`
	CommissionMinor int64    `json:"commission_minor"`
	CostMinor       int64    `json:"cost_minor"`
	Currency        string   `json:"currency,omitempty"` // of basis, commission and cost
}

// Explain works the account out once more, books nothing, and tells of one
// purchase. transactionID is the purchase's, or that of one of its events.
func (e *Engine) Explain(a *Account, transactionID string) (*Explanation, error) {
	e.adopt(a)
	i := a.find(a.resolve("", transactionID, link{}))
	if i < 0 {
		i = a.purchaseWith(transactionID)
	}
	x := &Explanation{AccountID: a.id, TransactionID: transactionID, Outcome: "unknown", Referrals: e.explainReferrals(a, transactionID)}
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
	x.Events = e.explainEvents(a, p, t.tally)
	x.Purchase = e.explainMatch(giver, p)
	x.Member = &ExplainedMember{
		MemberID: t.standing.memberID, Programme: t.standing.programme, Level: t.standing.level,
		Enrolled: t.standing.enrolled, Left: t.standing.left, SponsorAccountID: t.standing.sponsor,
		CardLinked:       a.cardLinkedAt(p.at, giver.card),
		ProgrammeUnknown: t.standing.enrolled && t.programme == nil,
	}
	x.Outcome, x.Why = "earns nothing", t.why.names()
	if t.programme != nil {
		x.Member.CardNeeded = t.programme.Enrolment == EnrolmentExplicit && !t.programme.AllCards
	}
	switch {
	case !t.standing.enrolled:
	case t.programme == nil && t.place == nil: // no clock is known but the world's
		x.Member.EnrolledAt = t.standing.enrolledAt.String()
	default:
		x.Member.EnrolledAt = e.localTime(t.standing.enrolledAt, time.RFC3339)
	}
	if t.why != 0 {
		return
	}
	e.findHoldouts(a, p)
	for _, h := range e.held {
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

func (e *Engine) explainMatch(giver *setEvent, p *purchase) *ExplainedMatch {
	t := &e.terms
	x := &ExplainedMatch{
		PurchasedAt: p.at.String(), GivenBy: giver.id, PartnerID: giver.match.PartnerID, StoreID: giver.match.StoreID,
		Channel: giver.channel.String(), MCC: giver.mcc, Country: giver.country, CardProduct: giver.cardProduct,
	}
	x.LocalTime = p.at.String()
	if t.partner != nil {
		x.PartnerVersion, x.PartnerName = t.partner.Version.ID, t.partner.Name
	}
	if t.programme != nil {
		x.Programme, x.ProgrammeVersion, x.Rounding = t.programme.ID, t.programme.Version.ID, t.programme.Rounding.String()
		x.LocalTime = e.localTime(p.at, "Monday "+time.DateOnly+" 15:04:05") + " (" + e.placeZone().String() + ")"
	}
	return x
}

// localTime is the time by the clock of the place, without seconds where there
// are none.
func (e *Engine) localTime(at Instant, layout string) string {
	if at.Sec%60 == 0 && at.Nsec == 0 {
		layout = strings.TrimSuffix(layout, ":05")
	}
	return at.Time().In(e.placeZone()).Format(layout)
}

func (e *Engine) explainWorld(w world, a *Account, p *purchase) *ExplainedWorld {
	x := &ExplainedWorld{}
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
	x.Margins = x.margins()
	return x
}

// margins adds up what the programme gets and gives, in the order of currencies.
func (x *ExplainedWorld) margins() []ExplainedMargin {
	var all []ExplainedMargin
	in := func(currency string) *ExplainedMargin {
		i := slices.IndexFunc(all, func(m ExplainedMargin) bool { return m.Currency == currency })
		if i < 0 {
			i = len(all)
			all = append(all, ExplainedMargin{Currency: currency})
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
	for _, c := range append([]ExplainedCommission{x.Commission}, x.OfferCommissions...) {
		if c.Minor > 0 {
			in(c.Currency).CommissionMinor += c.Minor
		}
	}
	for i := range all {
		all[i].MarginMinor = all[i].CommissionMinor - all[i].CostMinor - all[i].SponsorMinor
	}
	slices.SortFunc(all, func(a, b ExplainedMargin) int { return cmp.Compare(a.Currency, b.Currency) })
	return all
}

func (c *commission) explain(deal *Commission) ExplainedCommission {
	x := ExplainedCommission{
		Terms: Wording{Currency: c.currency}.Commission(deal), Owed: c.owed, FixedMinor: deal.FixedMinor,
		BasisMinor: c.basisMinor, Currency: c.currency.String(), Minor: c.minor, Why: c.why.names(),
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

// explainReferrals tells what the account gets as a sponsor for a purchase.
func (e *Engine) explainReferrals(a *Account, transactionID string) []ExplainedReferral {
	var all []ExplainedReferral
	for i := range a.referrals {
		r := &a.referrals[i]
		if r.TransactionID != transactionID {
			continue
		}
		x := ExplainedReferral{
			BuyerAccountID: r.BuyerAccountID, PartnerID: r.PartnerID, OfferID: r.OfferID, OfferVersion: r.OfferVersion,
			PurchasedAt: r.PurchasedAt.String(), Currency: r.Currency.String(),
			ConfirmedMinor: r.ConfirmedRewardMinor, ExpectedMinor: r.ExpectedRewardMinor, Booked: e.explainBooked(a, r.lines),
		}
		standing := a.standingAt(r.PurchasedAt)
		if v := e.snapshot.programmeFor(a, &standing, r.PurchasedAt); v != nil {
			if o := e.snapshot.sponsoringOffer(&r.Referral, v); o != nil {
				w := Wording{Currency: r.Currency, Unit: r.Currency.String()}
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
func (e *Engine) explainBooked(a *Account, head int32) []ExplainedAmount {
	var booked []ExplainedAmount
	for i := head; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		x := ExplainedAmount{
			Role: l.role.String(), OfferID: l.offer, OfferVersion: l.version, Stage: l.stage.String(), Kind: l.kind.String(),
			Unit: l.unit, UnitDecimals: e.snapshot.decimalsOf(l.programme, l.unit), Currency: e.currencyOfLine(&deservedLine{lineKey: l.lineKey, programme: l.programme}).String(),
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

func (e *Engine) explainEvents(a *Account, p *purchase, t tally) []ExplainedEvent {
	var events []ExplainedEvent
	for i := p.events; i >= 0; i = a.events[i].next {
		s := &a.events[i]
		x := ExplainedEvent{
			EventID: s.id, Type: s.typ.String(), OccurredAt: s.occurredAt.String(), PurchasedAt: s.purchasedAt.String(),
			AmountMinor: s.amountMinor, Currency: s.currency.String(), BillingAmountMinor: s.billingMinor,
			BillingCurrency: s.billing.String(), StoreID: s.match.StoreID, GivesPurchaseTime: i == p.giver,
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
	case AuthorizationIncrement, Reversal:
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
