package engine

import (
	"slices"

	"ristourne/rules"
	"ristourne/rules/reason"
)

// This file is how awards are held to what budgets gave, in the second run of a
// decision.

// ceilings are what budgets gave a purchase, as its awards in one world share it:
// in order of strength, each up to what it had in the first run.
type ceilings struct {
	*demands // of the first run; nil: nothing is held down
	*worth
	account  *Account
	purchase *purchase
	world    world
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
func (v *valuer) splitByCampaign(w world, a *Account, p *purchase, aw *award) error {
	paid := unbudgeted(aw.boosts)
	if paid == len(aw.boosts) {
		return nil
	}
	from := len(v.parts)
	rounded, _, err := v.rewardOf(a, p, aw, aw.boosts[:paid])
	if err != nil {
		return err
	}
	below := v.capped(w, p, aw, rounded, false)
	for paid < len(aw.boosts) {
		first := aw.boosts[paid]
		paid += sameBudget(aw.boosts[paid:])
		if rounded, _, err = v.rewardOf(a, p, aw, aw.boosts[:paid]); err != nil {
			return err
		}
		with := v.capped(w, p, aw, rounded, false)
		v.parts = append(v.parts, campaignPart{first.budget, first.campaign.ID, below, with - below, with - below})
		below = with
	}
	aw.parts = v.parts[from:len(v.parts):len(v.parts)]
	return nil
}

// limit lowers an award to what the budgets gave, before the groups
// choose: of each campaign's extra the share of this award, of the whole what
// the offer's own budgets gave.
func (c *ceilings) limit(aw *award) {
	if len(aw.parts) > 0 {
		units := aw.parts[0].belowMinor
		for i := range aw.parts {
			s := &aw.parts[i]
			if s.givenMinor = s.extraMinor; c.isCeiling(aw.offer, s.budget) {
				most := c.shareOf(aw.offer, s.budget)
				if c.asked(aw.offer, s.budget) && s.extraMinor > most {
					most += c.spare(aw, s.budget, func(aw *award, n int) int64 { return aw.parts[n].givenMinor })
				}
				s.givenMinor = min(s.extraMinor, most)
			}
			units += s.givenMinor
		}
		aw.limitToBudget(&aw.cappedMinor, units)
	}
	for i := range aw.offer.budgets {
		key := c.terms.budgetKey(&aw.offer.budgets[i])
		if c.isCeiling(aw.offer, key) {
			aw.limitToBudget(&aw.cappedMinor, c.grantedMinor(key))
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
func (c *ceilings) isCeiling(o *compiledOffer, key rules.BudgetKey) bool {
	if !c.asked(o, key) {
		return true
	}
	for i := c.purchase.demandsFrom; i < c.purchase.demandsTo; i++ {
		if t := &c.demands.all[i]; t.key == key {
			return c.grantedMinor(key) < t.most()
		}
	}
	return false
}

func (c *ceilings) grantedMinor(key rules.BudgetKey) int64 {
	return c.account.grantedMinor(c.purchase, key)
}

// asked reports that the award won its group when budgets had no end.
func (c *ceilings) asked(o *compiledOffer, key rules.BudgetKey) bool {
	return slices.ContainsFunc(c.shares(), func(s share) bool { return s.world == c.world && s.offer == o && s.budget == key && s.won })
}

// holdToGrants lowers the awards, as they are in the end, to what the budgets
// gave: room that others were refused may have raised them above what was
// asked, and nobody is asked a third time.
func (v *valuer) holdToGrants(c ceilings) {
	for i := range v.in[c.world].awards {
		aw := &v.in[c.world].awards[i]
		if aw.finalMinor == 0 {
			continue
		}
		from := len(v.paid)
		over := int64(0)
		for n := range aw.parts {
			most := c.shareOf(aw.offer, aw.parts[n].budget)
			if aw.partOf(n) > most {
				most += c.spare(aw, aw.parts[n].budget, (*award).partOf)
			}
			over += max(0, aw.partOf(n)-most)
			v.paid = append(v.paid, most)
		}
		aw.limitToBudget(&aw.finalMinor, aw.finalMinor-over)
		for n := range aw.parts {
			aw.parts[n].givenMinor = min(aw.parts[n].givenMinor, v.paid[from+n])
		}
		v.paid = v.paid[:from]
		for n := range aw.offer.budgets {
			aw.limitToBudget(&aw.finalMinor, c.grantedMinor(c.terms.budgetKey(&aw.offer.budgets[n])))
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

// shares are those of the purchase as it is looked at.
func (c *ceilings) shares() []share {
	p := c.purchase
	if p.late && !c.terms.tally.withLate {
		return c.demands.shares[p.recordedFrom:p.recordedTo]
	}
	return c.demands.shares[p.sharesFrom:p.sharesTo]
}

// shareOf is how much of a campaign's grant an award has: awards are given
// theirs in order of strength, each up to what the campaign left in it in the
// first run.
func (c *ceilings) shareOf(o *compiledOffer, key rules.BudgetKey) int64 {
	left := c.grantedMinor(key)
	for _, s := range c.shares() {
		if s.world != c.world || s.budget != key {
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
func (c *ceilings) spare(aw *award, key rules.BudgetKey, has func(aw *award, n int) int64) int64 {
	left := c.grantedMinor(key)
	for _, s := range c.shares() {
		if s.world == c.world && s.budget == key {
			left -= min(left, s.leftMinor)
		}
	}
	for i := range c.in[c.world].awards {
		before := &c.in[c.world].awards[i]
		if before == aw || left == 0 {
			break
		}
		for n := range before.parts {
			if before.parts[n].budget == key {
				left -= min(left, max(0, has(before, n)-c.shareOf(before.offer, key)))
			}
		}
	}
	return left
}
