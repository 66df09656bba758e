package rules

import "ristourne/rules/money"

// This file is section 3 of the contract: what one purchase is worth, in one
// world, step by step in the order in which the steps are agreed.

// award is one offer's for one purchase in one world, on its way. The value
// after each step is kept: it is what an explanation shows.
type award struct {
	offer        *offer
	basisMinor   int64
	there        bool  // over 0 before rounding: it calls for commission
	won          bool  // the one of its group
	roundedMinor int64 // after 4, rounding
	roomMinor    int64 // what the month's cap left before it; -1: no such cap
	cappedMinor  int64 // after 5, caps
	ceilingMinor int64 // after the first cut of 6
	finalMinor   int64 // after the second
	why          reasons
}

// commission is what the partner owes for one purchase in one world.
type commission struct {
	basisMinor int64
	minor      int64
	owed       bool
	why        reasons
}

// worth is all of one purchase in one world.
type worth struct {
	awards     []award
	commission commission
}

// terms are under which a purchase is looked at.
type terms struct {
	purchase  *purchase
	programme *programmeVersion // nil: none in force
	partner   *partnerVersion
	store     *store
	standing  standing
	why       reasons // why it earns nothing at all
	tally     tally
}

// work works out a purchase in both worlds, into e.worth. withLate looks at
// late events too, which only have the room that all other purchases leave.
func (e *Engine) work(a *Account, p *purchase, withLate bool) error {
	e.terms = e.termsOf(a, p)
	e.terms.tally = a.tallyOf(p, withLate)
	e.bases = e.bases[:0]
	p.wantedMinor, p.bound = 0, false
	for w := range numWorlds {
		e.worth[w].awards = e.worth[w].awards[:0]
		e.worth[w].commission = commission{}
		if e.terms.why != 0 {
			continue
		}
		if err := e.workIn(w, a, p); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) workIn(w world, a *Account, p *purchase) error {
	e.findCandidates(w, a, p)
	if err := e.rateAndRound(w); err != nil {
		return err
	}
	e.capAwards(w, p)
	e.chooseInGroups(w)
	if err := e.commissionOf(w, a, p); err != nil {
		return err
	}
	e.cutToCeiling(w)
	e.cutToCommission(w)
	return nil
}

// termsOf finds the versions in force at purchase time, and whether the
// account was a member with that card then.
func (e *Engine) termsOf(a *Account, p *purchase) terms {
	giver := &a.events[p.giver]
	t := terms{purchase: p, partner: e.partnerOf(a, p)}
	if t.partner == nil {
		t.why = whyNotMember
		return t
	}
	t.store = t.partner.stores[giver.match.StoreID]
	t.programme = e.snapshot.programmeAt(t.partner.programme, p.at)
	if t.programme == nil || t.store == nil {
		t.why = whyNotMember
		return t
	}
	t.standing, t.why = a.memberOf(t.programme, p.at, giver.card)
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

// findCandidates is steps 1 and 2: the basis in each offer's currency, and the
// offers of the store whose conditions hold.
func (e *Engine) findCandidates(w world, a *Account, p *purchase) {
	for i := range e.terms.store.candidates {
		c := &e.terms.store.candidates[i]
		b := e.basisOf(c.offer.Currency, a, p)
		aw := award{offer: c.offer, basisMinor: b.minor[w], roomMinor: -1}
		switch {
		case p.at.Before(c.from) || !p.at.Before(c.until):
			aw.why = whyWindow
		case !b.stated[w]:
			aw.why = whyCurrency
		case aw.basisMinor == 0:
			aw.why = whyNoBasis
		case aw.basisMinor < c.offer.MinSpendMinor:
			aw.why = whyMinimum
		}
		e.worth[w].awards = append(e.worth[w].awards, aw)
	}
}

// rateAndRound is steps 3 and 4: the form's own rate, exactly, then rounded
// once. An award is there if it was over 0 before rounding.
func (e *Engine) rateAndRound(w world) error {
	for i := range e.worth[w].awards {
		aw := &e.worth[w].awards[i]
		if aw.why&whyNoAward != 0 {
			continue
		}
		reward := aw.offer.Reward
		rounded, err := money.Share(aw.basisMinor, reward.RateMillionths, reward.FixedMinor, e.terms.programme.Rounding)
		if err != nil {
			return err
		}
		aw.there = reward.RateMillionths > 0 || reward.FixedMinor > 0
		aw.roundedMinor = rounded
		if rounded == 0 {
			aw.why |= whyRounded
		}
	}
	return nil
}

// capAwards is step 5: per purchase, then the member's by month.
func (e *Engine) capAwards(w world, p *purchase) {
	for i := range e.worth[w].awards {
		aw := &e.worth[w].awards[i]
		aw.cappedMinor = aw.roundedMinor
		if !aw.there {
			continue
		}
		if limit := aw.offer.purchaseCapMinor; limit > 0 && aw.cappedMinor > limit {
			aw.cappedMinor = limit
			aw.why |= whyCapPurchase
		}
		if aw.offer.monthCapMinor == 0 {
			continue
		}
		p.wantedMinor = max(p.wantedMinor, aw.cappedMinor)
		aw.roomMinor = e.roomFor(w, p, aw.offer)
		if aw.cappedMinor > aw.roomMinor {
			aw.cappedMinor = aw.roomMinor
			aw.why |= whyCapMonth
			p.bound = true
		}
	}
}

// roomFor is what the month's cap of the version in force leaves. With late
// events a purchase has the room that all others leave, younger ones too, and
// what it had without them is not taken from it.
func (e *Engine) roomFor(w world, p *purchase, o *offer) int64 {
	used := e.fills.at(fillKey(o.counter, p.month)).now[w]
	if !e.terms.tally.withLate {
		return max(0, o.monthCapMinor-used)
	}
	recorded := e.recordedMinor(w, p, o)
	return max(0, recorded, o.monthCapMinor-(used-recorded))
}

// chooseInGroups is the first half of step 6: in each group the award worth
// most wins. Candidates are in order of strength, so the first of equals does.
func (e *Engine) chooseInGroups(w world) {
	awards := e.worth[w].awards
	best := e.bestOfGroup[:0]
	for range e.terms.partner.groups {
		best = append(best, -1)
	}
	e.bestOfGroup = best
	for i := range awards {
		aw := &awards[i]
		if !aw.there {
			continue
		}
		group := &best[aw.offer.group]
		switch {
		case *group < 0:
			*group, aw.won = i, true
		case worthMore(aw, &awards[*group]):
			awards[*group].lose()
			*group, aw.won = i, true
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
}

func (aw *award) lose() { aw.won, aw.why = false, aw.why|whyGroup }

// worthMore compares what two awards are worth of the purchase. In two
// currencies its own two amounts are the rate between them.
func worthMore(aw, than *award) bool {
	return money.CompareShares(aw.cappedMinor, aw.basisMinor, than.cappedMinor, than.basisMinor) > 0
}

// commissionOf is step 8. It comes before the cuts, which need it, and is
// lowered by none of them.
func (e *Engine) commissionOf(w world, a *Account, p *purchase) error {
	c := &e.worth[w].commission
	deal := e.terms.partner.Commission
	b := e.basisOf(e.terms.partner.Currency, a, p)
	c.basisMinor = b.minor[w]
	switch {
	case deal.None():
		return nil
	case !b.stated[w]:
		c.why = whyCurrency
		return nil
	case c.basisMinor == 0:
		c.why = whyNoBasis
		return nil
	}
	c.owed = deal.On == OnSale
	for i := range e.worth[w].awards {
		c.owed = c.owed || e.worth[w].awards[i].won
	}
	if !c.owed {
		return nil
	}
	var err error
	c.minor, err = money.Share(c.basisMinor, deal.RateMillionths, deal.FixedMinor, e.terms.programme.Rounding)
	return err
}

// cutToCeiling is the first cut of step 6: in each currency the member's money
// awards together are not above the programme's share of the basis.
func (e *Engine) cutToCeiling(w world) {
	for i := range e.bases {
		b := &e.bases[i]
		// The volume and the highest ceiling leave this within int64.
		limit, _ := money.Share(b.minor[w], e.terms.programme.CeilingMillionths, 0, money.Down)
		e.cut(w, b.currency, limit, whyCeiling, func(*award) bool { return true })
	}
	for i := range e.worth[w].awards {
		e.worth[w].awards[i].ceilingMinor = e.worth[w].awards[i].finalMinor
	}
}

// cutToCommission is the second cut: those that the commission funds are
// together not above it.
func (e *Engine) cutToCommission(w world) {
	for i := range e.bases {
		limit := int64(0)
		if e.bases[i].currency == e.terms.partner.Currency {
			limit = e.worth[w].commission.minor
		}
		e.cut(w, e.bases[i].currency, limit, whyMargin, func(aw *award) bool {
			return aw.offer.FundedBy == FundedByCommission
		})
	}
}

// cut lowers the awards in a currency until together they are within the
// limit, the weakest first: so the strongest keep what there is.
func (e *Engine) cut(w world, c money.Currency, limitMinor int64, why reasons, counts func(*award) bool) {
	awards := e.worth[w].awards
	left := limitMinor
	for i := range awards {
		aw := &awards[i]
		if aw.finalMinor == 0 || aw.offer.Currency != c || !counts(aw) {
			continue
		}
		if aw.finalMinor > left {
			aw.finalMinor = left
			aw.why |= why
		}
		left -= aw.finalMinor
	}
}
