package engine

import (
	"cmp"
	"math"
	"math/big"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// This file is section 3 of the contract: what one purchase is worth, in one
// world, step by step in the order in which the steps are agreed.

// award is one offer's for one purchase in one world, on its way. The value
// after each step is kept: it is what an explanation shows.
type award struct {
	offer        *compiledOffer
	boosts       []activeBoost // in force for the purchase, if the offer applies
	basisMinor   int64
	visit        bool        // all conditions but those on its rank hold
	goals        int64       // how often the goal is reached with it
	qualifies    bool        // over 0 before rounding: it calls for commission
	won          bool        // the one of its group
	exact        money.Exact // after 3; 0 where it is no number of 10^-12
	roundedMinor int64       // after 4, rounding
	roomMinor    int64       // the least that caps over purchases left before it; -1: no such cap
	cappedMinor  int64       // after 5, caps and grants
	parts        []campaignPart
	costMinor    int64 // of what is left, in money
	ceilingMinor int64 // after the first cut of 6
	marginMinor  int64 // after the second
	finalMinor   int64 // what is given: budgets may have been asked for less
	why          reason.Set
}

// commission is what the partner owes for one purchase in one world: by its
// terms, or by one of its offers.
type commission struct {
	offer      *compiledOffer // nil: by the partner's terms
	currency   money.Currency
	basisMinor int64
	minor      int64
	owed       bool
	why        reason.Set
}

// worth is all of one purchase in one world. The first commission is that of
// the partner's terms.
type worth struct {
	awards      []award
	commissions []commission
}

// purchaseTerms are under which a purchase is looked at.
type purchaseTerms struct {
	purchase  *purchase
	programme *programmeVersion // the member's; nil: in none
	partner   *partnerVersion   // nil: at no store of the programme
	store     *store            // of partner
	anyStore  *store            // of whichever programme; nil: the merchant matches none
	member    bool              // of the programme, and the card counts
	standing  *standing
	anchor    *setEvent
	why       reason.Set // why it earns nothing at all
	tally     tally
}

// value values a purchase in both worlds, into e.worth. withLate looks at
// late events too, which only have the room that all other purchases leave.
func (e *Engine) value(a *Account, p *purchase, withLate bool) error {
	e.terms = e.termsOf(a, p)
	e.terms.tally = a.tallyOf(p, withLate)
	e.bases, e.categories = e.bases[:0], e.categories[:0]
	e.parts = e.parts[:0]
	p.wantedMinor, p.bound = 0, false
	for w := range numWorlds {
		e.worth[w].awards, e.worth[w].commissions = e.worth[w].awards[:0], e.worth[w].commissions[:0]
	}
	if e.terms.why != 0 {
		return nil
	}
	e.findOffers(a, p)
	// Of a purchase with late events its rank is needed in each world.
	if !e.terms.tally.cleared && !p.late {
		e.confirmNothing()
		return e.valueIn(expectedWorld, a, p)
	}
	if err := e.valueIn(confirmedWorld, a, p); err != nil {
		return err
	}
	if e.worldsAlike(p) {
		c, x := &e.worth[confirmedWorld], &e.worth[expectedWorld]
		x.awards, x.commissions = append(x.awards, c.awards...), append(x.commissions, c.commissions...)
		return nil
	}
	return e.valueIn(expectedWorld, a, p)
}

// confirmNothing is the confirmed world of a purchase that nothing has
// cleared.
func (e *Engine) confirmNothing() {
	c := &e.worth[confirmedWorld]
	for i := range e.offered {
		x := &e.offered[i]
		c.awards = append(c.awards, award{offer: x.offer, boosts: x.boosts, roomMinor: -1, why: cmp.Or(x.why, reason.NoBasis)})
	}
	if partner := e.terms.partner; partner != nil {
		c.commissions = append(c.commissions, commission{currency: partner.Currency, why: reason.NoBasis})
		for i := range c.awards {
			if o := c.awards[i].offer; o.addsCommission() {
				c.commissions = append(c.commissions, commission{offer: o, currency: o.Currency, why: reason.NoBasis})
			}
		}
	}
}

// worldsAlike reports that the expected world can't differ from the confirmed
// one: all is cleared that is expected, and nothing that fills up over
// purchases stands differently.
func (e *Engine) worldsAlike(p *purchase) bool {
	if e.ceilings || e.terms.tally.withLate || !e.terms.tally.cleared {
		return false
	}
	for i := range e.offered {
		o := e.offered[i].offer
		if o.FirstPurchase || o.LapsedDays > 0 || len(o.goalsReached)+len(o.sponsored)+len(o.budgets)+len(e.offered[i].boosts) > 0 {
			return false
		}
		for _, counters := range [...][]counter{o.fills, o.visits} {
			for n := range counters {
				if e.counters.used(confirmedWorld, p, &counters[n]) != e.counters.used(expectedWorld, p, &counters[n]) {
					return false
				}
			}
		}
	}
	return true
}

func (e *Engine) valueIn(w world, a *Account, p *purchase) error {
	e.takeBasis(w, a, p)
	e.rank(w, a, p)
	if err := e.rateAndCap(w, a, p); err != nil {
		return err
	}
	if err := e.chooseInGroups(w, a, p); err != nil {
		return err
	}
	if err := e.commissionsOf(w, a, p); err != nil {
		return err
	}
	e.cutToCeiling(w)
	e.cutToCommission(w)
	for i := range e.worth[w].awards {
		e.worth[w].awards[i].marginMinor = e.worth[w].awards[i].finalMinor
	}
	if e.ceilings && (!p.late || e.terms.tally.withLate) {
		e.holdToGrants(w, a, p)
	}
	return e.costs(w, a, p)
}

// termsOf finds the versions in force at purchase time, and whether the
// account was a member with that card then.
func (e *Engine) termsOf(a *Account, p *purchase) purchaseTerms {
	e.findTerms(a, p)
	t := purchaseTerms{purchase: p, programme: p.programme, partner: p.terms, standing: &a.standings[p.standing], anchor: &a.events[p.anchor]}
	if t.partner != nil {
		t.store = t.partner.stores[t.anchor.match.StoreID]
	}
	if t.store == nil {
		t.partner = nil
	}
	t.anyStore = t.store
	if t.anyStore == nil && t.anchor.atStore() && t.programme != nil {
		if other := e.snapshot.partnerAt(t.anchor.match.PartnerID, p.at); other != nil {
			t.anyStore = other.stores[t.anchor.match.StoreID]
		}
	}
	t.member = t.programme != nil && a.cardCounts(t.programme, p.at, t.anchor.card)
	switch {
	case t.programme == nil, t.partner == nil && len(t.programme.offers) == 0:
		t.why = reason.NotMember
	case !t.member:
		t.why = reason.Card
	}
	return t
}

// basisOf is the purchase's basis in the currency, worked out once.
func (e *Engine) basisOf(c money.Currency, a *Account, p *purchase) *basis {
	for i := range e.bases {
		if e.bases[i].currency == c {
			return &e.bases[i]
		}
	}
	e.bases = append(e.bases, a.basisIn(c, p, e.terms.tally))
	return &e.bases[len(e.bases)-1]
}

// takeBasis is step 1 and what step 2 asks of the basis, offer by offer.
func (e *Engine) takeBasis(w world, a *Account, p *purchase) {
	for i := range e.offered {
		x := &e.offered[i]
		b := e.basisOf(x.offer.Currency, a, p)
		aw := award{offer: x.offer, boosts: x.boosts, basisMinor: b.minor[w], roomMinor: -1, why: x.why}
		switch {
		case aw.why != 0:
		case !b.stated[w]:
			aw.why = reason.Currency
		case aw.basisMinor == 0:
			aw.why = reason.NoBasis
		case aw.basisMinor < x.offer.MinSpendMinor:
			aw.why = reason.Minimum
		case x.offer.MaxSpendMinor > 0 && aw.basisMinor > x.offer.MaxSpendMinor:
			aw.why = reason.Maximum
		}
		e.worth[w].awards = append(e.worth[w].awards, aw)
	}
}

// chooseInGroups is the first half of step 6: in each group the award worth
// most wins. Awards are in order of strength, so the first of equals does.
func (e *Engine) chooseInGroups(w world, a *Account, p *purchase) error {
	awards := e.worth[w].awards
	e.newGroups()
	for i := range awards {
		aw := &awards[i]
		if !aw.qualifies {
			continue
		}
		cost, err := e.costOf(aw, aw.cappedMinor)
		if err != nil {
			return err
		}
		aw.costMinor = cost
		if aw.offer.Reward.Form == 0 {
			aw.won = true // it gives its own member nothing to choose from
			continue
		}
		best := e.bestOf(aw.offer.group)
		switch {
		case *best < 0:
			*best, aw.won = int32(i), true
		case e.worthMore(a, p, aw, &awards[*best]):
			awards[*best].lose()
			*best, aw.won = int32(i), true
		default:
			aw.lose()
		}
	}
	for i := range awards {
		if awards[i].won {
			awards[i].finalMinor = awards[i].cappedMinor
		}
		awards[i].ceilingMinor = awards[i].finalMinor
	}
	return nil
}

func (aw *award) lose() { aw.won, aw.why = false, aw.why|reason.Group }

// worthMore compares what two awards are worth of the purchase. In two
// currencies its own two amounts are the rate between them.
func (e *Engine) worthMore(a *Account, p *purchase, aw, than *award) bool {
	if aw.costMinor < beyondMoney && than.costMinor < beyondMoney {
		return money.CompareShares(aw.costMinor, aw.basisMinor, than.costMinor, than.basisMinor) > 0
	}
	left, right := e.wholeCost(a, p, aw), e.wholeCost(a, p, than)
	return left.Mul(left, big.NewInt(than.basisMinor)).Cmp(right.Mul(right, big.NewInt(aw.basisMinor))) > 0
}

// wholeCost is what an award costs, also where that leaves 64 bits.
func (e *Engine) wholeCost(a *Account, p *purchase, aw *award) *big.Int {
	if aw.costMinor < beyondMoney {
		return big.NewInt(aw.costMinor)
	}
	units, _, err := e.rewardOnce(a, p, aw, aw.boosts)
	if err != nil { // it was valued just now
		return big.NewInt(aw.costMinor)
	}
	return offer.Product([]int64{units, aw.goals})
}

// groupBest is the index of the award that leads a group; of an older turn:
// none does.
type groupBest struct {
	turn  uint32
	index int32
}

func (e *Engine) newGroups() {
	if n := int(e.snapshot.groups); len(e.groups) < n {
		e.groups, e.groupTurn = make([]groupBest, n), 0
	}
	e.groupTurn++
	if e.groupTurn == 0 {
		clear(e.groups)
		e.groupTurn = 1
	}
}

// bestOf is the index of the award that leads the group; -1: none yet.
func (e *Engine) bestOf(group int32) *int32 {
	g := &e.groups[group]
	if g.turn != e.groupTurn {
		*g = groupBest{e.groupTurn, -1}
	}
	return &g.index
}

// costOf is what so many units of an award cost in money: points at the
// programme's value, rounded once.
func (e *Engine) costOf(aw *award, units int64) (int64, error) {
	if aw.offer.kind != rules.Points {
		return units, nil
	}
	return e.terms.programme.Points.Cost(units, e.terms.programme.Rounding)
}

// costs gives each award its cost as it is in the end, and then a commission
// that is agreed as cost-plus its amount.
func (e *Engine) costs(w world, a *Account, p *purchase) error {
	funded := int64(0)
	for i := range e.worth[w].awards {
		aw := &e.worth[w].awards[i]
		var err error
		if aw.costMinor, err = e.costOf(aw, aw.finalMinor); err != nil {
			return err
		}
		if aw.offer.partner != "" && aw.offer.FundedBy == offer.FundedByCommission {
			if funded, err = money.Add(funded, aw.costMinor); err != nil {
				return err
			}
		}
	}
	if e.terms.partner == nil || e.terms.partner.Commission.Form != offer.CostPlusCommission {
		return nil
	}
	c := &e.worth[w].commissions[0]
	if !c.owed {
		return nil
	}
	var err error
	c.minor, err = money.Share(funded, e.terms.partner.Commission.CostMillionths, 0, e.terms.programme.Rounding)
	return err
}

// cutToCeiling is the first cut of step 6: in each currency the member's money
// awards together are not above the programme's share of the basis.
func (e *Engine) cutToCeiling(w world) {
	for i := range e.bases {
		b := &e.bases[i]
		// The volume and the highest ceiling leave this within int64.
		limit, _ := money.Share(b.minor[w], e.terms.programme.CeilingMillionths, 0, money.Down)
		e.cut(w, b.currency, limit, reason.Ceiling, func(*award) bool { return true })
	}
	for i := range e.worth[w].awards {
		e.worth[w].awards[i].ceilingMinor = e.worth[w].awards[i].finalMinor
	}
}

// cutToCommission is the second cut: those that the commission funds are
// together not above it. What is agreed as cost-plus follows the rewards.
func (e *Engine) cutToCommission(w world) {
	if e.terms.partner == nil || e.terms.partner.Commission.Form == offer.CostPlusCommission {
		return
	}
	for i := range e.bases {
		limit := int64(0)
		for _, c := range e.worth[w].commissions {
			if c.currency != e.bases[i].currency {
				continue
			}
			sum, err := money.Add(limit, c.minor)
			if err != nil {
				sum = math.MaxInt64 // no limit to any award
			}
			limit = sum
		}
		e.cut(w, e.bases[i].currency, limit, reason.Margin, func(aw *award) bool {
			return aw.offer.FundedBy == offer.FundedByCommission
		})
	}
}

// cut lowers the money awards in a currency until together they are within the
// limit, the weakest first: so the strongest keep what there is.
func (e *Engine) cut(w world, c money.Currency, limitMinor int64, why reason.Set, counts func(*award) bool) {
	awards := e.worth[w].awards
	left := limitMinor
	for i := range awards {
		aw := &awards[i]
		if aw.finalMinor == 0 || aw.offer.kind == rules.Points || aw.offer.Currency != c || !counts(aw) {
			continue
		}
		if aw.finalMinor > left {
			aw.finalMinor = left
			aw.why |= why
		}
		left -= aw.finalMinor
	}
}
