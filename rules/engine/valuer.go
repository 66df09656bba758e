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

// This file is rules/README.md, "What a purchase is worth", in each world, step by
// step in its order.

// valuer works out what purchases are worth. It books nothing and asks no budget:
// it reads the account, the catalogue, the counters as the purchases before have
// filled them, and in the second run of a decision what the budgets gave. What it
// gives is a worth, which is its memory and holds until it values the next.
type valuer struct {
	*termsFinder
	counters *counters
	history
	worth // of the purchase at hand

	// Scratch of one value, which no one else reads:
	active    []activeBoost
	parts     []campaignPart
	paid      []int64 // by campaigns, of the award at hand
	groups    []groupBest
	groupTurn uint32
	draws     []rules.HoldoutDraw
	buf       []byte // to hash draws from
}

// worth is what one purchase is worth, in both worlds, and why: all that the
// counters, the budgets, the ledger's lines and an explanation ask of it.
type worth struct {
	terms      purchaseTerms
	offered    []offered
	bases      []basis
	categories []categorySums
	in         [numWorlds]worldWorth
}

// worldWorth is all of one purchase in one world. The first commission is that of
// the partner's terms.
type worldWorth struct {
	awards      []award
	commissions []commission
}

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
	sponsored    bool        // the buyer's sponsor gets something for it
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
	sponsorMinor int64 // what the buyer's sponsor gets for it, before the sponsor's caps
	// withoutLate is what it was without late events, where they are looked at;
	// nil: nothing, since nothing else opens the purchase.
	withoutLate *awardWithoutLate
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

// value is what a purchase is worth in both worlds. withLate looks at late events
// too, which only have the room that all other purchases leave. held are the
// demands that budgets have answered, and their grants hold the awards down; nil
// is as if budgets had no end.
func (v *valuer) value(a *Account, p *purchase, withLate bool, held *demands) (*worth, error) {
	v.terms = v.termsOf(a, p)
	v.terms.tally = a.tallyOf(p, withLate)
	v.bases, v.categories = v.bases[:0], v.categories[:0]
	v.parts = v.parts[:0]
	p.wantedMinor, p.bound = 0, false
	for w := range numWorlds {
		v.in[w].awards, v.in[w].commissions = v.in[w].awards[:0], v.in[w].commissions[:0]
	}
	if v.terms.why != 0 {
		return &v.worth, nil
	}
	v.findOffers(a, p)
	// Of a purchase with late events its rank is needed in each world.
	if !v.terms.tally.cleared && !p.late {
		v.confirmNothing()
		return &v.worth, v.valueIn(expectedWorld, a, p, held)
	}
	if err := v.valueIn(confirmedWorld, a, p, held); err != nil {
		return nil, err
	}
	if held == nil && v.worldsAlike(p) {
		c, x := &v.in[confirmedWorld], &v.in[expectedWorld]
		x.awards, x.commissions = append(x.awards, c.awards...), append(x.commissions, c.commissions...)
		return &v.worth, nil
	}
	return &v.worth, v.valueIn(expectedWorld, a, p, held)
}

// confirmNothing is the confirmed world of a purchase that nothing has
// cleared.
func (v *valuer) confirmNothing() {
	c := &v.in[confirmedWorld]
	for i := range v.offered {
		x := &v.offered[i]
		c.awards = append(c.awards, award{offer: x.offer, boosts: x.boosts, roomMinor: -1, why: cmp.Or(x.why, reason.NoBasis)})
	}
	if partner := v.terms.partner; partner != nil {
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
func (v *valuer) worldsAlike(p *purchase) bool {
	if v.terms.tally.withLate || !v.terms.tally.cleared {
		return false
	}
	for i := range v.offered {
		o := v.offered[i].offer
		if o.FirstPurchase || o.LapsedDays > 0 || len(o.goalsReached)+len(o.sponsored)+len(o.budgets)+len(v.offered[i].boosts) > 0 {
			return false
		}
		for _, counters := range [...][]counter{o.fills, o.visits} {
			for n := range counters {
				if v.counters.used(confirmedWorld, p, &counters[n]) != v.counters.used(expectedWorld, p, &counters[n]) {
					return false
				}
			}
		}
	}
	return true
}

func (v *valuer) valueIn(w world, a *Account, p *purchase, held *demands) error {
	v.takeBasis(w, a, p)
	c := ceilings{held, &v.worth, a, p, w}
	v.rank(w, a, p)
	if err := v.rateAndCap(w, a, p, c); err != nil {
		return err
	}
	if err := v.chooseInGroups(w, a, p); err != nil {
		return err
	}
	if err := v.commissionsOf(w, a, p); err != nil {
		return err
	}
	v.cutToCeiling(w)
	v.cutToCommission(w)
	for i := range v.in[w].awards {
		v.in[w].awards[i].marginMinor = v.in[w].awards[i].finalMinor
	}
	if held != nil && (!p.late || v.terms.tally.withLate) {
		v.holdToGrants(c)
	}
	if err := v.costs(w, a, p); err != nil {
		return err
	}
	return v.sponsor(w, p)
}

// termsOf finds the versions in force at purchase time, and whether the
// account was a member with that card then.
func (v *valuer) termsOf(a *Account, p *purchase) purchaseTerms {
	v.findTerms(a, p)
	t := purchaseTerms{purchase: p, programme: p.programme, partner: p.terms, standing: &a.standings[p.standing], anchor: &a.events[p.anchor]}
	if t.partner != nil {
		t.store = t.partner.stores[t.anchor.match.StoreID]
	}
	if t.store == nil {
		t.partner = nil
	}
	t.anyStore = t.store
	if t.anyStore == nil && t.anchor.atStore() && t.programme != nil {
		if other := v.snapshot.partnerAt(t.anchor.match.PartnerID, p.at); other != nil {
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
func (v *valuer) basisOf(c money.Currency, a *Account, p *purchase) *basis {
	for i := range v.bases {
		if v.bases[i].currency == c {
			return &v.bases[i]
		}
	}
	v.bases = append(v.bases, a.basisIn(c, p, v.terms.tally))
	return &v.bases[len(v.bases)-1]
}

// takeBasis is rules/README.md, "Basis", and what conditions ask of the basis, offer
// by offer.
func (v *valuer) takeBasis(w world, a *Account, p *purchase) {
	for i := range v.offered {
		x := &v.offered[i]
		b := v.basisOf(x.offer.Currency, a, p)
		aw := award{offer: x.offer, boosts: x.boosts, basisMinor: b.minor[w], roomMinor: -1, why: x.why}
		if v.terms.tally.withLate {
			aw.withoutLate = v.awardOf(w, p, x.offer)
		}
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
		v.in[w].awards = append(v.in[w].awards, aw)
	}
}

// chooseInGroups is the first half of rules/README.md, "Groups and cuts": in each
// group the award worth most wins. Awards are in order of strength, so the first of equals does.
func (v *valuer) chooseInGroups(w world, a *Account, p *purchase) error {
	awards := v.in[w].awards
	v.newGroups()
	for i := range awards {
		aw := &awards[i]
		if !aw.qualifies {
			continue
		}
		cost, err := v.costOf(aw, aw.cappedMinor)
		if err != nil {
			return err
		}
		aw.costMinor = cost
		if aw.offer.Reward.Form == 0 {
			aw.won = true // it gives its own member nothing to choose from
			continue
		}
		best := v.bestOf(aw.offer.group)
		switch {
		case *best < 0:
			*best, aw.won = int32(i), true
		case v.worthMore(a, p, aw, &awards[*best]):
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
func (v *valuer) worthMore(a *Account, p *purchase, aw, than *award) bool {
	if aw.costMinor < beyondMoney && than.costMinor < beyondMoney {
		return money.CompareShares(aw.costMinor, aw.basisMinor, than.costMinor, than.basisMinor) > 0
	}
	left, right := v.wholeCost(a, p, aw), v.wholeCost(a, p, than)
	return left.Mul(left, big.NewInt(than.basisMinor)).Cmp(right.Mul(right, big.NewInt(aw.basisMinor))) > 0
}

// wholeCost is what an award costs, also where that leaves 64 bits.
func (v *valuer) wholeCost(a *Account, p *purchase, aw *award) *big.Int {
	if aw.costMinor < beyondMoney {
		return big.NewInt(aw.costMinor)
	}
	units, _, err := v.rewardOnce(a, p, aw, aw.boosts)
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

func (v *valuer) newGroups() {
	if n := int(v.snapshot.groups); len(v.groups) < n {
		v.groups, v.groupTurn = make([]groupBest, n), 0
	}
	v.groupTurn++
	if v.groupTurn == 0 {
		clear(v.groups)
		v.groupTurn = 1
	}
}

// bestOf is the index of the award that leads the group; -1: none yet.
func (v *valuer) bestOf(group int32) *int32 {
	g := &v.groups[group]
	if g.turn != v.groupTurn {
		*g = groupBest{v.groupTurn, -1}
	}
	return &g.index
}

// costOf is what so many units of an award cost in money: points at the
// programme's value, rounded once.
func (v *valuer) costOf(aw *award, units int64) (int64, error) {
	if aw.offer.kind != rules.Points {
		return units, nil
	}
	return v.terms.programme.Points.Cost(units, v.terms.programme.Rounding)
}

// costs gives each award its cost as it is in the end, and then a commission
// that is agreed as cost-plus its amount.
func (v *valuer) costs(w world, a *Account, p *purchase) error {
	funded := int64(0)
	for i := range v.in[w].awards {
		aw := &v.in[w].awards[i]
		var err error
		if aw.costMinor, err = v.costOf(aw, aw.finalMinor); err != nil {
			return err
		}
		if aw.offer.partner != "" && aw.offer.FundedBy == offer.FundedByCommission {
			if funded, err = money.Add(funded, aw.costMinor); err != nil {
				return err
			}
		}
	}
	if v.terms.partner == nil || v.terms.partner.Commission.Form != offer.CostPlusCommission {
		return nil
	}
	c := &v.in[w].commissions[0]
	if !c.owed {
		return nil
	}
	var err error
	c.minor, err = money.Share(funded, v.terms.partner.Commission.CostMillionths, 0, v.terms.programme.Rounding)
	return err
}

// cutToCeiling is the first of the two cuts: in each currency the member's money
// awards together are not above the programme's share of the basis.
func (v *valuer) cutToCeiling(w world) {
	for i := range v.bases {
		b := &v.bases[i]
		// The volume and the highest ceiling leave this within int64.
		limit, _ := money.Share(b.minor[w], v.terms.programme.CeilingMillionths, 0, money.Down)
		v.cut(w, b.currency, limit, reason.Ceiling, func(*award) bool { return true })
	}
	for i := range v.in[w].awards {
		v.in[w].awards[i].ceilingMinor = v.in[w].awards[i].finalMinor
	}
}

// cutToCommission is the second cut: those that the commission funds are
// together not above it. What is agreed as cost-plus follows the rewards.
func (v *valuer) cutToCommission(w world) {
	if v.terms.partner == nil || v.terms.partner.Commission.Form == offer.CostPlusCommission {
		return
	}
	for i := range v.bases {
		limit := int64(0)
		for _, c := range v.in[w].commissions {
			if c.currency != v.bases[i].currency {
				continue
			}
			sum, err := money.Add(limit, c.minor)
			if err != nil {
				sum = math.MaxInt64 // no limit to any award
			}
			limit = sum
		}
		v.cut(w, v.bases[i].currency, limit, reason.Margin, func(aw *award) bool {
			return aw.offer.FundedBy == offer.FundedByCommission
		})
	}
}

// cut lowers the money awards in a currency until together they are within the
// limit, the weakest first: so the strongest keep what there is.
func (v *valuer) cut(w world, c money.Currency, limitMinor int64, why reason.Set, counts func(*award) bool) {
	awards := v.in[w].awards
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
