package engine

import (
	"cmp"
	"slices"

	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// activeBoost is a boost in force for the purchase at hand.
type activeBoost struct{ *boost }

// findBoosts appends the boosts of the candidate that are in force: those
// without a budget first, then in order of campaign.
func (v *valuer) findBoosts(a *Account, p *purchase, c *candidate) {
	from := len(v.active)
	for i := range c.boosts {
		if b := &c.boosts[i]; v.whyNoBoost(a, p, b) == 0 && (b.holdout == nil || !v.holdsOut(a, b.holdout)) {
			v.active = append(v.active, activeBoost{b.boost})
		}
	}
	slices.SortStableFunc(v.active[from:], func(x, y activeBoost) int { return cmp.Compare(x.budget, y.budget) })
}

// whyNoBoost is why a boost is not in force, whoever is held out; 0: it is.
func (v *valuer) whyNoBoost(a *Account, p *purchase, b *boundBoost) reason.Set {
	switch {
	case !b.span.contains(p.at):
		return reason.Window
	case !b.when.contains(p.at, &v.clock), !b.campaignWhen.contains(p.at, &v.clock):
		return reason.Hours
	}
	why := v.whyNotFor(a, p, &b.Audience)
	if b.campaign != nil {
		why |= v.whyNotFor(a, p, &b.campaign.Audience)
	}
	return why
}

// raise is what several boosts together do to a rate or an amount.
type raise struct{ setMillionths, factorMillionths, addMillionths int64 }

func raiseOf(boosts []activeBoost) raise {
	r := raise{factorMillionths: one}
	for _, b := range boosts {
		switch b.Op {
		case offer.SetRate:
			r.setMillionths = max(r.setMillionths, b.RateMillionths)
		case offer.MultiplyRate:
			r.factorMillionths = max(r.factorMillionths, b.FactorMillionths)
		case offer.AddRate:
			r.addMillionths += b.RateMillionths
		}
	}
	return r
}

// rate is the boosted rate in 10^-12. What earns nothing stays so: a boost
// raises what an offer gives, it gives nothing by itself.
func (r raise) rate(millionths int64) int64 {
	if millionths == 0 {
		return 0
	}
	return max(millionths, r.setMillionths)*r.factorMillionths + r.addMillionths*one
}

// unbudgeted is how many of the boosts, which come first, no budget pays.
func unbudgeted(boosts []activeBoost) int {
	n := 0
	for n < len(boosts) && boosts[n].budget == "" {
		n++
	}
	return n
}

// sameBudget is how many boosts from the first on are of one campaign.
func sameBudget(boosts []activeBoost) int {
	n := 1
	for n < len(boosts) && boosts[n].budget == boosts[0].budget {
		n++
	}
	return n
}

// campaignsIn appends the ids of the campaigns whose boosts are in a rate: the
// one that sets it, the one that multiplies it, all that add. The ids come in
// order, each once.
func campaignsIn(ids []string, boosts []activeBoost, baseMillionths int64) []string {
	r := raiseOf(boosts)
	from := len(ids)
	add := func(b activeBoost) {
		if b.campaign != nil && !slices.Contains(ids[from:], b.campaign.ID) {
			ids = append(ids, b.campaign.ID)
		}
	}
	set, factor := false, false
	for _, b := range boosts {
		switch {
		case b.Op == offer.SetRate && !set && b.RateMillionths == r.setMillionths && b.RateMillionths > baseMillionths:
			set = true
			add(b)
		case b.Op == offer.MultiplyRate && !factor && b.FactorMillionths == r.factorMillionths && b.FactorMillionths > one:
			factor = true
			add(b)
		case b.Op == offer.AddRate:
			add(b)
		}
	}
	slices.Sort(ids[from:])
	return ids
}
