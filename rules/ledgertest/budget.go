package ledgertest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// grantKey is one purchase of an account, before one budget.
type grantKey struct {
	budget      rules.BudgetKey
	transaction string
}

// ask is what a purchase would have of a budget if budgets had no end.
type ask struct {
	target int64
	limit  int64 // of the version in force at purchase time
	whole  bool
	unit   string
	time   rules.Instant
}

// grant is what it asked, and has.
type grant struct{ target, granted int64 }

// ceilings are what the second working out of an account keeps to: its grants,
// and where they went in the first.
type ceilings struct {
	first  map[string]result
	grants map[grantKey]grant
}

// ceiling is that of one purchase.
type ceiling struct {
	first  *outcome
	id     string
	grants map[grantKey]grant // nil: budgets have no end
	// pays says that the award is what is given in the end: what a purchase was
	// without its late events is paid by nobody.
	pays bool
}

func (c *ceilings) recorded(id string) ceiling {
	if c == nil {
		return ceiling{}
	}
	return ceiling{c.first[id].recorded, id, c.grants, !c.first[id].purchase.late}
}

func (c *ceilings) final(id string) ceiling {
	if c == nil {
		return ceiling{}
	}
	return ceiling{c.first[id].final, id, c.grants, true}
}

func campaignBudget(c *offer.Campaign) rules.BudgetKey { return rules.BudgetKey("campaign/" + c.ID) }

// budgets are the offer's own. One that pays in another unit than the offer's
// first version did is another budget.
func (o oracle) budgets(aw *award, x *outcome) map[rules.BudgetKey]*offer.Budget {
	keys := map[rules.BudgetKey]*offer.Budget{}
	for i := range aw.offer.Budgets {
		b := &aw.offer.Budgets[i]
		if b.AmountMinor == 0 {
			continue
		}
		of := aw.key.partner
		if aw.partner == nil {
			of = "@" + aw.key.own
		}
		of += "/" + aw.key.offer
		if aw.unit != o.firstBudgetUnit(aw, b.PerStoreAndDay) {
			of += "/" + aw.unit
		}
		key := "offer/" + of
		if b.PerStoreAndDay {
			day, store := periodOf(offer.PerDay, x.view.time, x.member.programme.Zone), ""
			if at := x.view.at; at.store != nil {
				store = at.store.ID
				if aw.partner == nil { // stores of two partners may have one id
					store = at.partner.ID + "/" + store
				}
			}
			key = fmt.Sprintf("day/%s/%s/%s", of, store, day)
		}
		keys[rules.BudgetKey(key)] = b
	}
	return keys
}

// firstBudgetUnit is the unit of the first version of the award's offer that has
// such a budget.
func (o oracle) firstBudgetUnit(aw *award, perStoreAndDay bool) string {
	var first rules.Instant
	unit := ""
	look := func(from rules.Instant, offers []offer.Offer, currency money.Currency, points string) {
		for _, x := range offers {
			has := slices.ContainsFunc(x.Budgets, func(b offer.Budget) bool { return b.PerStoreAndDay == perStoreAndDay })
			if x.ID != aw.key.offer || !has || (unit != "" && !from.Before(first)) {
				continue
			}
			first, unit = from, or(x.Currency, currency).String()
			if x.Reward.Kind == rules.Points {
				unit = points
			}
		}
	}
	for _, p := range o.cat.Programmes {
		if aw.partner == nil && p.ID == aw.key.own {
			look(p.Version.From, p.Offers, p.Currency, p.Points.Code)
		}
	}
	for _, p := range o.cat.Partners {
		if programme, ok := o.programmeAt(p.Programme, p.Version.From); ok && p.ID == aw.key.partner {
			look(p.Version.From, p.Offers, programme.Currency, programme.Points.Code)
		}
	}
	return unit
}

// left is what the ith budgeted campaign left in the award: its part of what
// came through groups and cuts.
func (aw *award) left(i int) int64 {
	return max(0, min(aw.minor-aw.steps[i], aw.steps[i+1]-aw.steps[i]))
}

// lower holds awards, before one of a group is chosen, to what was granted. A
// campaign's grant goes to the strongest first, each up to what the campaign left
// in it when budgets had no end; what that leaves of it goes to the strongest that
// can use it now. A grant that is its target holds nothing down, but
// of an award that had not won its group then, and so asked for nothing.
func (o oracle) lower(c ceiling, x *outcome) {
	if c.grants == nil {
		return
	}
	rest := map[rules.BudgetKey]int64{}
	short := map[rules.BudgetKey]bool{}
	for key, g := range c.grants {
		if key.transaction == c.id {
			rest[key.budget] = g.granted
			short[key.budget] = g.granted < g.target
		}
	}
	for _, aw := range x.awards {
		first, asked := c.first.award(aw.key)
		for i, campaign := range aw.campaigns {
			name, share := campaignBudget(campaign), int64(0)
			if asked && i < len(first.campaigns) {
				share = min(first.left(i), rest[name])
			}
			rest[name] -= share
			aw.shares = append(aw.shares, share)
		}
	}
	x.spare = maps.Clone(rest) // what in this world nobody asked for
	for _, aw := range x.awards {
		first, asked := c.first.award(aw.key)
		won := asked && !first.lost
		aw.minor = aw.steps[0]
		for i, campaign := range aw.campaigns {
			name, part := campaignBudget(campaign), aw.steps[i+1]-aw.steps[i]
			switch {
			case !won:
				part = min(part, aw.shares[i])
			case short[name]:
				part = min(part, aw.shares[i]+rest[name])
				rest[name] -= max(0, part-aw.shares[i])
			}
			aw.parts = append(aw.parts, part)
			aw.minor += part
		}
		for name := range o.budgets(aw, x) {
			if !won || short[name] {
				aw.minor = min(aw.minor, rest[name])
			}
		}
	}
}

// hold takes from awards, after all cuts, whatever no budget gave: no budget ever
// pays more than it granted.
func (o oracle) hold(c ceiling, x *outcome) {
	if c.grants == nil {
		return
	}
	for _, aw := range x.awards {
		from, over := aw.steps[0], int64(0)
		for i, part := range aw.parts {
			used := max(0, min(part, aw.minor-from))
			more := max(0, used-aw.shares[i])
			name := campaignBudget(aw.campaigns[i])
			taken := min(more, x.spare[name])
			x.spare[name] -= taken
			over += more - taken
			from += part
		}
		if aw.minor -= over; aw.minor == 0 {
			continue
		}
		for name := range o.budgets(aw, x) {
			aw.minor = min(aw.minor, c.grants[grantKey{name, c.id}].granted)
		}
	}
}

// asks are what the account's purchases would have if budgets had no end: of
// the two worlds the greater.
func (o oracle) asks(byWorld [2][]result) map[grantKey]ask {
	all := map[grantKey]ask{}
	for _, results := range byWorld {
		inWorld := map[grantKey]ask{}
		for _, r := range results {
			if r.final != nil {
				o.ask(r.final, inWorld)
			}
		}
		for key, a := range inWorld {
			if a.target > all[key].target {
				all[key] = a
			}
		}
	}
	return all
}

func (o oracle) ask(x *outcome, to map[grantKey]ask) {
	add := func(name rules.BudgetKey, b *offer.Budget, unit string, minor int64) {
		key := grantKey{name, x.id}
		to[key] = ask{to[key].target + minor, b.AmountMinor, b.Whole, unit, x.view.time}
	}
	for _, aw := range x.awards {
		for i, c := range aw.campaigns {
			add(campaignBudget(c), &c.Budget, c.Unit, aw.left(i))
		}
		for name, b := range o.budgets(aw, x) {
			add(name, b, aw.unit, aw.minor)
		}
	}
}

// purse is what budgets have left, over all accounts.
type purse struct {
	given map[rules.BudgetKey]int64
	// told are the grants of each record's decision; nil: first decided, first
	// served, from budgets that nobody else draws on.
	told   [][]rules.Grant
	faults []string
}

func (p *purse) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// decide grants what the account asks for anew: first what is given back, then
// what is raised, in order of purchase.
func (p *purse) decide(record int, a *account, asks map[grantKey]ask) {
	var raised []grantKey
	changed := map[grantKey]bool{}
	for _, key := range slices.Collect(maps.Keys(union(asks, a.grants))) {
		old, target := a.grants[key], asks[key].target
		if target == old.target {
			continue
		}
		changed[key] = true
		kept := min(target, old.granted)
		p.given[key.budget] -= old.granted - kept
		a.grants[key] = grant{target, kept}
		if target > kept {
			raised = append(raised, key)
		}
	}
	slices.SortFunc(raised, func(x, y grantKey) int {
		return cmp.Or(asks[x].time.Compare(asks[y].time), cmp.Compare(x.transaction, y.transaction), cmp.Compare(x.budget, y.budget))
	})
	for _, key := range raised {
		kept := a.grants[key].granted
		granted := p.grant(record, a, key, asks[key])
		p.given[key.budget] += granted - kept
		if granted > kept && p.given[key.budget] > asks[key].limit {
			p.fault("record %d: %s has given %d of %d", record, key.budget, p.given[key.budget], asks[key].limit)
		}
		a.grants[key] = grant{asks[key].target, granted}
	}
	p.check(record, a, changed)
	maps.DeleteFunc(a.grants, func(_ grantKey, g grant) bool { return g.target == 0 })
}

func union(x map[grantKey]ask, y map[grantKey]grant) map[grantKey]bool {
	both := map[grantKey]bool{}
	for key := range x {
		both[key] = true
	}
	for key := range y {
		both[key] = true
	}
	return both
}

// grant is what the purchase has of the budget after this decision.
func (p *purse) grant(record int, a *account, key grantKey, asked ask) int64 {
	kept := a.grants[key].granted
	if p.told == nil {
		granted := kept + min(asked.target-kept, max(0, asked.limit-p.given[key.budget]))
		if asked.whole && granted < asked.target {
			return 0
		}
		return granted
	}
	told, ok := p.find(record, a, key)
	if !ok {
		p.fault("record %d: %s of %s is to be asked for %d of %s; it wasn't", record, key.transaction, a.id, asked.target, key.budget)
		return kept
	}
	switch {
	case told.GrantedMinor < 0 || told.GrantedMinor > asked.target:
		p.fault("record %d: %s of %s has %d of %s, and deserves %d", record, key.transaction, a.id, told.GrantedMinor, key.budget, asked.target)
	case asked.whole && told.GrantedMinor != 0 && told.GrantedMinor != asked.target:
		p.fault("record %d: %s gives part of %d where it gives the whole or nothing: %d", record, key.budget, asked.target, told.GrantedMinor)
	case !asked.whole && told.GrantedMinor < kept:
		p.fault("record %d: %s of %s has %d of %s left of %d, though it deserves more", record, key.transaction, a.id, told.GrantedMinor, key.budget, kept)
	}
	return told.GrantedMinor
}

func (p *purse) find(record int, a *account, key grantKey) (rules.Grant, bool) {
	for _, g := range slices.Backward(p.told[record]) {
		if g.AccountID == a.id && g.Budget == key.budget && g.TransactionID == key.transaction {
			return g, true
		}
	}
	return rules.Grant{}, false
}

// check holds what was told of the decision against what is now so.
func (p *purse) check(record int, a *account, changed map[grantKey]bool) {
	if p.told == nil {
		return
	}
	for key := range changed {
		if _, ok := p.find(record, a, key); !ok {
			p.fault("record %d: %s of %s has another target of %s, %d; no grant says so", record, key.transaction, a.id, key.budget, a.grants[key].target)
		}
	}
	for _, g := range p.told[record] {
		key := grantKey{g.Budget, g.TransactionID}
		if g.AccountID != a.id {
			p.fault("record %d of %s grants something to %s", record, a.id, g.AccountID)
			continue
		}
		if now := a.grants[key]; g.TargetMinor != now.target || g.GrantedMinor != now.granted {
			p.fault("record %d: %s of %s is said to have %d for a target of %d of %s; want %d for %d", record, key.transaction, a.id,
				g.GrantedMinor, g.TargetMinor, key.budget, now.granted, now.target)
		}
	}
}
