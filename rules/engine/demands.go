package engine

import (
	"cmp"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// This file is what is asked of budgets. It is found as if budgets had no end; what
// changed of it is asked; where they give less, all is valued once more with the
// grants as ceilings.

// grantState is what a purchase has of one budget.
type grantState struct {
	budget       rules.BudgetKey
	unit         string
	targetMinor  int64
	grantedMinor int64
	next         int32
}

// budgetKey names an offer's budget: one per store and day for that of the
// purchase.
func (t *purchaseTerms) budgetKey(b *offerBudget) rules.BudgetKey {
	if !b.PerStoreAndDay {
		return b.key
	}
	store := ""
	switch {
	case t.anyStore == nil:
	case b.own:
		store = t.anchor.match.PartnerID + "/" + t.anyStore.ID
	default:
		store = t.anyStore.ID
	}
	day := time.Unix(int64(t.purchase.periods.day)*secondsPerDay, 0).UTC().Format(time.DateOnly)
	return b.key + rules.BudgetKey("/"+store+"/"+day)
}

// grantedMinor is what the purchase has of a budget.
func (a *Account) grantedMinor(p *purchase, key rules.BudgetKey) int64 {
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

// demands is what the purchases of an account would have of budgets if budgets had
// no end, and how that is spread over their awards: what the first run of a
// decision finds and the budgets are asked for. Purchases hold their parts of it
// by index.
type demands struct {
	all     []budgetDemand
	shares  []share
	changes []grantChange
}

func (d *demands) reset() { d.all, d.shares = d.all[:0], d.shares[:0] }

// demandSpans are the shares and demands of one purchase, in demands. recorded
// are the shares without its late events.
type demandSpans struct{ recordedFrom, recordedTo, sharesFrom, sharesTo, demandsFrom, demandsTo int32 }

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

// add notes what purchase i would have of each budget by its worth. Only what is left of an award in the end uses a budget; without the late events of
// a purchase that has some, nothing does.
func (d *demands) add(a *Account, i int, x *worth) {
	p := x.terms.purchase
	from := int32(len(d.shares))
	for w := range numWorlds {
		for n := range x.in[w].awards {
			if aw := &x.in[w].awards[n]; aw.asksBudgets() {
				d.shareOut(w, &x.terms, aw)
			}
		}
	}
	a.hasDemands = true
	if p.late && !x.terms.tally.withLate {
		p.demandSpans = demandSpans{recordedFrom: from, recordedTo: int32(len(d.shares))}
		return
	}
	p.sharesFrom, p.sharesTo = from, int32(len(d.shares))
	p.demandsFrom, p.demandsTo = int32(len(d.all)), int32(len(d.all))
	for w := range numWorlds {
		for n := range x.in[w].awards {
			if aw := &x.in[w].awards[n]; aw.asksBudgets() {
				d.demandForAward(w, &x.terms, int32(i), aw)
			}
		}
	}
	p.demandsTo = int32(len(d.all))
}

// asksBudgets reports whether a budget pays for some of the award.
func (aw *award) asksBudgets() bool { return len(aw.parts)+len(aw.offer.budgets) > 0 }

// shareOut notes what each budget left in an award.
func (d *demands) shareOut(w world, terms *purchaseTerms, aw *award) {
	for n := range aw.parts {
		s := &aw.parts[n]
		d.shares = append(d.shares, share{w, aw.offer, s.budget, aw.leftOf(s), aw.won})
	}
	for n := range aw.offer.budgets {
		d.shares = append(d.shares, share{w, aw.offer, terms.budgetKey(&aw.offer.budgets[n]), aw.finalMinor, aw.won})
	}
}

// leftOf is what a campaign's part has of what is left of the award.
func (aw *award) leftOf(s *campaignPart) int64 {
	return min(max(0, aw.finalMinor-s.belowMinor), s.extraMinor)
}

func (d *demands) demandForAward(w world, terms *purchaseTerms, i int32, aw *award) {
	p := terms.purchase
	for n := range aw.parts {
		s := &aw.parts[n]
		paid := aw.paidBy(s)
		t := d.demandOn(p, i, s.budget, &paid.campaign.Budget, aw.offer.unit)
		t.minor[w] += aw.leftOf(s)
		t.stopped = !p.at.Before(paid.stopped)
	}
	for n := range aw.offer.budgets {
		b := &aw.offer.budgets[n]
		if aw.finalMinor > 0 {
			d.demandOn(p, i, terms.budgetKey(b), b.Budget, aw.offer.unit).minor[w] += aw.finalMinor
		}
	}
}

// paidBy is the campaign's boost behind a part.
func (aw *award) paidBy(s *campaignPart) activeBoost {
	i := slices.IndexFunc(aw.boosts, func(b activeBoost) bool { return b.budget == s.budget })
	return aw.boosts[i]
}

func (d *demands) demandOn(p *purchase, i int32, key rules.BudgetKey, b *offer.Budget, unit string) *budgetDemand {
	for n := int(p.demandsFrom); n < len(d.all); n++ {
		if d.all[n].key == key {
			return &d.all[n]
		}
	}
	d.all = append(d.all, budgetDemand{purchase: i, key: key, budget: b, unit: unit})
	return &d.all[len(d.all)-1]
}

// grantChange is one grant on its way from what was asked for to what is.
type grantChange struct {
	budgetDemand
	grant int32 // in Account.grants
	were  int64 // granted before
}

// allocate brings the grants of the account to what is asked, as far as
// the budgets allow. What is given back comes first.
func (d *demands) allocate(a *Account, budgets Budgets, c rules.Cause, out *rules.Output) {
	changes := d.grantChanges(a)
	for i := range changes {
		g := &a.grants[changes[i].grant]
		if most := changes[i].most(); g.grantedMinor > most {
			budgets.GiveBack(g.budget, g.grantedMinor-most)
			g.grantedMinor = most
		}
	}
	for i := range changes {
		raiseGrant(a, budgets, &changes[i])
	}
	for i := range changes {
		x := &changes[i]
		g := &a.grants[x.grant]
		out.Grants = append(out.Grants, rules.Grant{
			Budget: g.budget, AccountID: a.id, TransactionID: a.purchases[x.purchase].id, Unit: g.unit, TargetMinor: g.targetMinor,
			GrantedMinor: g.grantedMinor, ChangeMinor: g.grantedMinor - x.were, Cause: c,
		})
	}
}

// refused reports whether some grant is below what is asked.
func (d *demands) refused(a *Account) bool {
	for i := range d.all {
		t := &d.all[i]
		if a.grantedMinor(&a.purchases[t.purchase], t.key) < t.most() {
			return true
		}
	}
	return false
}

// any reports whether something is asked of a budget.
func (d *demands) any() bool { return len(d.all) > 0 }

// settled is how many of the first n purchases ask for what they asked for before.
func (d *demands) settled(a *Account, n int) int {
	for i := range n {
		p := &a.purchases[i]
		for g := p.grants; g >= 0; g = a.grants[g].next {
			if a.grants[g].targetMinor > 0 && !d.has(p, a.grants[g].budget) {
				return i
			}
		}
		for _, t := range d.all[p.demandsFrom:p.demandsTo] {
			targetMinor := int64(0)
			if g := a.grantOf(p, t.key); g >= 0 {
				targetMinor = a.grants[g].targetMinor
			}
			if targetMinor != t.most() {
				return i
			}
		}
	}
	return n
}

// raiseGrant asks for what a grant lacks.
func raiseGrant(a *Account, budgets Budgets, c *grantChange) {
	g, most := &a.grants[c.grant], c.most()
	if ask := most - g.grantedMinor; ask > 0 && !c.stopped {
		g.grantedMinor += budgets.Take(g.budget, c.budget.AmountMinor, ask)
	}
	if c.budget != nil && c.budget.Whole && g.grantedMinor < most {
		if g.grantedMinor > 0 {
			budgets.GiveBack(g.budget, g.grantedMinor)
		}
		g.grantedMinor = 0
	}
	g.targetMinor = most
}

// grantChanges are the grants of which another amount is asked than was, in order of
// (purchase time, transaction id, budget).
func (d *demands) grantChanges(a *Account) []grantChange {
	d.changes = d.changes[:0]
	for i := range a.purchases {
		p := &a.purchases[i]
		if !p.known() && !a.mayTakeBack(p) {
			continue
		}
		from := len(d.changes)
		for n := p.grants; n >= 0; n = a.grants[n].next {
			if g := &a.grants[n]; g.targetMinor > 0 && !d.has(p, g.budget) {
				gone := budgetDemand{purchase: int32(i), key: g.budget, unit: g.unit}
				d.changes = append(d.changes, grantChange{gone, n, g.grantedMinor})
			}
		}
		for _, t := range d.all[p.demandsFrom:p.demandsTo] {
			grant := a.grantOf(p, t.key)
			if grant < 0 && t.most() > 0 {
				grant = a.newGrant(p, t.key, t.unit)
			}
			if grant >= 0 && a.grants[grant].targetMinor != t.most() {
				d.changes = append(d.changes, grantChange{t, grant, a.grants[grant].grantedMinor})
			}
		}
		// Known purchases are in order of time and id already.
		slices.SortFunc(d.changes[from:], func(x, y grantChange) int { return cmp.Compare(x.key, y.key) })
	}
	return d.changes
}

func (d *demands) has(p *purchase, key rules.BudgetKey) bool {
	for _, t := range d.all[p.demandsFrom:p.demandsTo] {
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
