package engine

import (
	"cmp"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// This file is how awards share budgets. What they ask for is worked out as if
// budgets had no end; what changed of it is asked of the budgets; where they
// give less, all is worked out once more with the grants as ceilings.

// grantState is what a purchase has of one budget.
type grantState struct {
	budget       rules.BudgetKey
	unit         string
	targetMinor  int64
	grantedMinor int64
	next         int32
}

// campaignPart is what one campaign with a budget adds to an award.
type campaignPart struct {
	budget     rules.BudgetKey
	campaign   string
	belowMinor int64 // the award without it and those after it
	extraMinor int64
	givenMinor int64 // of the extra, with the grants as ceilings
}

// splitByCampaign takes an award apart: below everything what it is without campaigns
// that have a budget, then what each of them adds, in order of campaign.
func (e *Engine) splitByCampaign(w world, a *Account, p *purchase, aw *award) error {
	paid := unbudgeted(aw.boosts)
	if paid == len(aw.boosts) {
		return nil
	}
	from := len(e.parts)
	rounded, _, err := e.rewardOf(a, p, aw, aw.boosts[:paid])
	if err != nil {
		return err
	}
	below := e.capped(w, p, aw, rounded, false)
	for paid < len(aw.boosts) {
		first := aw.boosts[paid]
		paid += sameBudget(aw.boosts[paid:])
		if rounded, _, err = e.rewardOf(a, p, aw, aw.boosts[:paid]); err != nil {
			return err
		}
		with := e.capped(w, p, aw, rounded, false)
		e.parts = append(e.parts, campaignPart{first.budget, first.campaign.ID, below, with - below, with - below})
		below = with
	}
	aw.parts = e.parts[from:len(e.parts):len(e.parts)]
	return nil
}

// limitToGrants lowers an award to what the budgets gave, before the groups
// choose: of each campaign's extra the share of this award, of the whole what
// the offer's own budgets gave.
func (e *Engine) limitToGrants(w world, a *Account, p *purchase, aw *award) {
	if len(aw.parts) > 0 {
		units := aw.parts[0].belowMinor
		for i := range aw.parts {
			s := &aw.parts[i]
			if s.givenMinor = s.extraMinor; e.isCeiling(w, a, p, aw.offer, s.budget) {
				most := e.shareOf(w, a, p, aw.offer, s.budget)
				if e.asked(w, p, aw.offer, s.budget) && s.extraMinor > most {
					most += e.spare(w, a, p, aw, s.budget, func(aw *award, n int) int64 { return aw.parts[n].givenMinor })
				}
				s.givenMinor = min(s.extraMinor, most)
			}
			units += s.givenMinor
		}
		aw.limitToBudget(&aw.cappedMinor, units)
	}
	for i := range aw.offer.budgets {
		key := e.budgetKey(p, &aw.offer.budgets[i])
		if e.isCeiling(w, a, p, aw.offer, key) {
			aw.limitToBudget(&aw.cappedMinor, e.grantedMinor(a, p, key))
		}
	}
}

func (aw *award) limitToBudget(units *int64, mostMinor int64) {
	if mostMinor < *units {
		*units = mostMinor
		aw.why |= reason.Budget
	}
}

// isCeiling reports that a budget holds an award down before the groups choose:
// where its grant is short of what was asked. One that is not says nothing of the
// award, which may have asked for little because a cut left it little: held to
// that, it would lose its group, and the buyer's sponsor their part, because some
// other purchase's budget is used up. An award that nothing was asked for,
// since it didn't win its group when budgets had no end, has nothing to win with.
func (e *Engine) isCeiling(w world, a *Account, p *purchase, o *compiledOffer, key rules.BudgetKey) bool {
	if !e.asked(w, p, o, key) {
		return true
	}
	for i := p.demandsFrom; i < p.demandsTo; i++ {
		if t := &e.budgetDemands[i]; t.key == key {
			return e.grantedMinor(a, p, key) < t.most()
		}
	}
	return false
}

// asked reports that the award won its group when budgets had no end.
func (e *Engine) asked(w world, p *purchase, o *compiledOffer, key rules.BudgetKey) bool {
	return slices.ContainsFunc(e.sharesOf(p), func(s share) bool { return s.world == w && s.offer == o && s.budget == key && s.won })
}

// holdToGrants lowers the awards, as they are in the end, to what the budgets
// gave: room that others were refused may have raised them above what was
// asked, and nobody is asked a third time.
func (e *Engine) holdToGrants(w world, a *Account, p *purchase) {
	for i := range e.worth[w].awards {
		aw := &e.worth[w].awards[i]
		if aw.finalMinor == 0 {
			continue
		}
		from := len(e.paid)
		over := int64(0)
		for n := range aw.parts {
			most := e.shareOf(w, a, p, aw.offer, aw.parts[n].budget)
			if aw.partOf(n) > most {
				most += e.spare(w, a, p, aw, aw.parts[n].budget, (*award).partOf)
			}
			over += max(0, aw.partOf(n)-most)
			e.paid = append(e.paid, most)
		}
		aw.limitToBudget(&aw.finalMinor, aw.finalMinor-over)
		for n := range aw.parts {
			aw.parts[n].givenMinor = min(aw.parts[n].givenMinor, e.paid[from+n])
		}
		e.paid = e.paid[:from]
		for n := range aw.offer.budgets {
			aw.limitToBudget(&aw.finalMinor, e.grantedMinor(a, p, e.budgetKey(p, &aw.offer.budgets[n])))
		}
	}
}

// partOf is what part n has of what is left of the award: the ones before it
// come first.
func (aw *award) partOf(n int) int64 {
	below := aw.parts[0].belowMinor
	for i := range n {
		below += aw.parts[i].givenMinor
	}
	return min(max(0, aw.finalMinor-below), aw.parts[n].givenMinor)
}

// budgetKey names an offer's budget: one per store and day for that of the
// purchase.
func (e *Engine) budgetKey(p *purchase, b *offerBudget) rules.BudgetKey {
	if !b.PerStoreAndDay {
		return b.key
	}
	store := ""
	switch {
	case e.terms.anyStore == nil:
	case b.own:
		store = e.terms.anchor.match.PartnerID + "/" + e.terms.anyStore.ID
	default:
		store = e.terms.anyStore.ID
	}
	day := time.Unix(int64(p.periods.day)*secondsPerDay, 0).UTC().Format(time.DateOnly)
	return b.key + rules.BudgetKey("/"+store+"/"+day)
}

// grantedMinor is what the purchase has of a budget.
func (e *Engine) grantedMinor(a *Account, p *purchase, key rules.BudgetKey) int64 {
	for i := p.grants; i >= 0; i = a.grants[i].next {
		if a.grants[i].budget == key {
			return a.grants[i].grantedMinor
		}
	}
	return 0
}

// share is what a budget left in one award of a purchase in the first run, and
// whether the award was the one of its group.
type share struct {
	world     world
	offer     *compiledOffer
	budget    rules.BudgetKey
	leftMinor int64
	won       bool
}

// demandSpans are the shares and demands of one purchase, in Engine. recorded are the
// shares without its late events.
type demandSpans struct{ recordedFrom, recordedTo, sharesFrom, sharesTo, demandsFrom, demandsTo int32 }

// sharesOf are those of the purchase as it is looked at.
func (e *Engine) sharesOf(p *purchase) []share {
	if p.late && !e.terms.tally.withLate {
		return e.shares[p.recordedFrom:p.recordedTo]
	}
	return e.shares[p.sharesFrom:p.sharesTo]
}

// budgetDemand is what a purchase would have of a budget if budgets had no end.
type budgetDemand struct {
	purchase int32 // in Account.purchases
	key      rules.BudgetKey
	budget   *offer.Budget
	unit     string
	stopped  bool // the budget pays for no such purchase any more
	minor    [numWorlds]int64
}

func (t *budgetDemand) most() int64 { return max(t.minor[confirmedWorld], t.minor[expectedWorld]) }

// addDemands notes what purchase i, just valued, would have of each budget. Only
// what is left of an award in the end uses a budget; without the late events of
// a purchase that has some, nothing does.
func (e *Engine) addDemands(a *Account, p *purchase, i int) {
	if e.ceilings {
		return
	}
	from := int32(len(e.shares))
	for w := range numWorlds {
		for n := range e.worth[w].awards {
			e.shareOut(w, p, &e.worth[w].awards[n])
		}
	}
	a.hasDemands = true
	if p.late && !e.terms.tally.withLate {
		p.demandSpans = demandSpans{recordedFrom: from, recordedTo: int32(len(e.shares))}
		return
	}
	p.sharesFrom, p.sharesTo = from, int32(len(e.shares))
	p.demandsFrom, p.demandsTo = int32(len(e.budgetDemands)), int32(len(e.budgetDemands))
	for w := range numWorlds {
		for n := range e.worth[w].awards {
			e.demandForAward(w, p, int32(i), &e.worth[w].awards[n])
		}
	}
	p.demandsTo = int32(len(e.budgetDemands))
}

// shareOut notes what each budget left in an award.
func (e *Engine) shareOut(w world, p *purchase, aw *award) {
	for n := range aw.parts {
		s := &aw.parts[n]
		e.shares = append(e.shares, share{w, aw.offer, s.budget, aw.leftOf(s), aw.won})
	}
	for n := range aw.offer.budgets {
		e.shares = append(e.shares, share{w, aw.offer, e.budgetKey(p, &aw.offer.budgets[n]), aw.finalMinor, aw.won})
	}
}

// leftOf is what a campaign's part has of what is left of the award.
func (aw *award) leftOf(s *campaignPart) int64 {
	return min(max(0, aw.finalMinor-s.belowMinor), s.extraMinor)
}

func (e *Engine) demandForAward(w world, p *purchase, i int32, aw *award) {
	for n := range aw.parts {
		s := &aw.parts[n]
		paid := aw.paidBy(s)
		t := e.demandOn(p, i, s.budget, &paid.campaign.Budget, aw.offer.unit)
		t.minor[w] += aw.leftOf(s)
		t.stopped = !p.at.Before(paid.stopped)
	}
	for n := range aw.offer.budgets {
		b := &aw.offer.budgets[n]
		if aw.finalMinor > 0 {
			e.demandOn(p, i, e.budgetKey(p, b), b.Budget, aw.offer.unit).minor[w] += aw.finalMinor
		}
	}
}

// paidBy is the campaign's boost behind a part.
func (aw *award) paidBy(s *campaignPart) activeBoost {
	i := slices.IndexFunc(aw.boosts, func(b activeBoost) bool { return b.budget == s.budget })
	return aw.boosts[i]
}

func (e *Engine) demandOn(p *purchase, i int32, key rules.BudgetKey, b *offer.Budget, unit string) *budgetDemand {
	for n := int(p.demandsFrom); n < len(e.budgetDemands); n++ {
		if e.budgetDemands[n].key == key {
			return &e.budgetDemands[n]
		}
	}
	e.budgetDemands = append(e.budgetDemands, budgetDemand{purchase: i, key: key, budget: b, unit: unit})
	return &e.budgetDemands[len(e.budgetDemands)-1]
}

// shareOf is how much of a campaign's grant an award has: awards are given
// theirs in order of strength, each up to what the campaign left in it in the
// first run.
func (e *Engine) shareOf(w world, a *Account, p *purchase, o *compiledOffer, key rules.BudgetKey) int64 {
	left := e.grantedMinor(a, p, key)
	for _, s := range e.sharesOf(p) {
		if s.world != w || s.budget != key {
			continue
		}
		mine := min(left, s.leftMinor)
		if s.offer == o {
			return mine
		}
		left -= mine
	}
	return 0
}

// spare is what a campaign's grant has beyond what was asked of it in this world,
// which may be less than in the other. It goes to the awards that can use it by now,
// since another purchase was refused and left them room, in order of strength:
// those before aw have taken what they have beyond their shares.
func (e *Engine) spare(w world, a *Account, p *purchase, aw *award, key rules.BudgetKey, has func(aw *award, n int) int64) int64 {
	left := e.grantedMinor(a, p, key)
	for _, s := range e.sharesOf(p) {
		if s.world == w && s.budget == key {
			left -= min(left, s.leftMinor)
		}
	}
	for i := range e.worth[w].awards {
		before := &e.worth[w].awards[i]
		if before == aw || left == 0 {
			break
		}
		for n := range before.parts {
			if before.parts[n].budget == key {
				left -= min(left, max(0, has(before, n)-e.shareOf(w, a, p, before.offer, key)))
			}
		}
	}
	return left
}

// grantChange is one grant on its way from what was asked for to what is.
type grantChange struct {
	budgetDemand
	grant int32 // in Account.grants
	were  int64 // granted before
}

// allocateGrants brings the grants of the account to what is asked, as far as
// the budgets allow. What is given back comes first.
func (e *Engine) allocateGrants(a *Account, d decision, out *rules.Output) {
	changes := e.grantChanges(a)
	for i := range changes {
		g := &a.grants[changes[i].grant]
		if most := changes[i].most(); g.grantedMinor > most {
			e.budgets.GiveBack(g.budget, g.grantedMinor-most)
			g.grantedMinor = most
		}
	}
	for i := range changes {
		e.raise(a, &changes[i])
	}
	for i := range changes {
		c := &changes[i]
		g := &a.grants[c.grant]
		out.Grants = append(out.Grants, rules.Grant{
			Budget: g.budget, AccountID: a.id, TransactionID: a.purchases[c.purchase].id, Unit: g.unit, TargetMinor: g.targetMinor,
			GrantedMinor: g.grantedMinor, ChangeMinor: g.grantedMinor - c.were, Cause: d.cause,
		})
	}
}

// grantsShort reports whether some grant is below what is asked.
func (e *Engine) grantsShort(a *Account) bool {
	for i := range e.budgetDemands {
		t := &e.budgetDemands[i]
		if e.grantedMinor(a, &a.purchases[t.purchase], t.key) < t.most() {
			return true
		}
	}
	return false
}

// raise asks for what a grant lacks.
func (e *Engine) raise(a *Account, c *grantChange) {
	g, most := &a.grants[c.grant], c.most()
	if ask := most - g.grantedMinor; ask > 0 && !c.stopped {
		g.grantedMinor += e.budgets.Take(g.budget, c.budget.AmountMinor, ask)
	}
	if c.budget != nil && c.budget.Whole && g.grantedMinor < most {
		if g.grantedMinor > 0 {
			e.budgets.GiveBack(g.budget, g.grantedMinor)
		}
		g.grantedMinor = 0
	}
	g.targetMinor = most
}

// grantChanges are the grants of which another amount is asked than was, in order of
// (purchase time, transaction id, budget).
func (e *Engine) grantChanges(a *Account) []grantChange {
	e.changes = e.changes[:0]
	for i := range a.purchases {
		p := &a.purchases[i]
		if !p.known() && !a.mayTakeBack(p) {
			continue
		}
		from := len(e.changes)
		for n := p.grants; n >= 0; n = a.grants[n].next {
			if g := &a.grants[n]; g.targetMinor > 0 && !e.demands(p, g.budget) {
				gone := budgetDemand{purchase: int32(i), key: g.budget, unit: g.unit}
				e.changes = append(e.changes, grantChange{gone, n, g.grantedMinor})
			}
		}
		for _, t := range e.budgetDemands[p.demandsFrom:p.demandsTo] {
			grant := a.grantOf(p, t.key)
			if grant < 0 && t.most() > 0 {
				grant = a.newGrant(p, t.key, t.unit)
			}
			if grant >= 0 && a.grants[grant].targetMinor != t.most() {
				e.changes = append(e.changes, grantChange{t, grant, a.grants[grant].grantedMinor})
			}
		}
		// Known purchases are in order of time and id already.
		slices.SortFunc(e.changes[from:], func(x, y grantChange) int { return cmp.Compare(x.key, y.key) })
	}
	return e.changes
}

func (e *Engine) demands(p *purchase, key rules.BudgetKey) bool {
	for _, t := range e.budgetDemands[p.demandsFrom:p.demandsTo] {
		if t.key == key {
			return true
		}
	}
	return false
}

// grantOf is where the purchase's grant is of a budget, or -1.
func (a *Account) grantOf(p *purchase, key rules.BudgetKey) int32 {
	for i := p.grants; i >= 0; i = a.grants[i].next {
		if a.grants[i].budget == key {
			return i
		}
	}
	return -1
}

func (a *Account) newGrant(p *purchase, key rules.BudgetKey, unit string) int32 {
	a.grants = append(a.grants, grantState{budget: key, unit: unit, next: p.grants})
	p.grants = int32(len(a.grants) - 1)
	return p.grants
}
