package catalog

import (
	"cmp"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// From what a file says to the terms of the rules. What a file has wrong comes
// out as some value here: the checks have said so, and nothing is decided by it.

func (o *offerDoc) toRules(in *offer.Programme) offer.Offer {
	decimals := in.Points.Decimals
	agreed := offer.Offer{
		ID: o.id, Name: cmp.Or(o.name, o.id), Stores: o.stores, From: o.from, Until: o.until,
		Currency: cmp.Or(o.currency, in.Currency), Reward: o.reward.toRules(decimals),
		Conditions: o.conditionsDoc.toRules(), Caps: capsToRules(o.caps, decimals),
		Group: cmp.Or(o.group, offer.DefaultGroup), Priority: o.priority, ActivationShared: bool(o.activation), Holdout: o.holdout.toRules(), NotOfProgrammes: o.holdout.none, FundedBy: o.fundedBy.by,
		Commission: o.commission.toRules(),
	}
	if agreed.Reward.Kind == rules.Cash && o.pays != 0 {
		agreed.Reward.Kind = o.pays
	}
	if o.wallet != nil {
		agreed.Reward.Wallet = *o.wallet
	}
	agreed.Reward.VoucherFor = o.voucherFor
	for i := range o.boosts {
		agreed.Boosts = append(agreed.Boosts, o.boosts[i].toRules(decimals))
	}
	for _, b := range o.allBudgets() {
		agreed.Budgets = append(agreed.Budgets, b.toRules(decimals))
	}
	if s := o.sponsor; s != nil {
		agreed.Sponsor = offer.Sponsor{
			RateMillionths: s.reward.percentMillionths, FixedMinor: s.reward.fixed.minor,
			FirstPurchases: s.firstPurchases, WithinDays: s.withinDays, Caps: capsToRules(s.caps, decimals),
		}
	}
	return agreed
}

// allBudgets are those of both keys.
func (o *offerDoc) allBudgets() []budgetDoc {
	if o.budget == nil {
		return o.budgets
	}
	return append([]budgetDoc{*o.budget}, o.budgets...)
}

// formOf is the form of a reward, whether it is a phrase or a mapping.
func (r *reward) formOf() offer.RewardForm {
	switch {
	case r.tiers != nil:
		return offer.TieredReward
	case r.categories != nil:
		return offer.CategoryReward
	}
	return r.form
}

// rates are all rates that a reward names, with the place of each in it.
func (r *reward) rates() []placedRate {
	switch r.formOf() {
	case offer.RateReward:
		return []placedRate{{r.rate, nil}}
	case offer.TieredReward:
		var rates []placedRate
		for i, t := range r.tiers {
			rates = append(rates, placedRate{t.give, path{"tiers", i, "give"}})
		}
		return rates
	case offer.CategoryReward:
		var rates []placedRate
		for _, c := range r.categories {
			rates = append(rates, placedRate{c.value, path{"categories", c.word}})
		}
		if !r.rest.isZero() {
			rates = append(rates, placedRate{r.rest, path{"rest"}})
		}
		return rates
	}
	return nil
}

type placedRate struct {
	rate
	at path // within the reward
}

// givesPoints reports whether a reward is written in points.
func (r *reward) givesPoints() bool {
	if r.fixed.inPoints {
		return true
	}
	for _, given := range r.rates() {
		if given.ofPoints() {
			return true
		}
	}
	return false
}

func (r *reward) toRules(decimals int) offer.Reward {
	reward := offer.Reward{Form: r.formOf(), Kind: rules.Cash, PerMinor: r.per.minor, Marginal: r.marginal}
	if r.givesPoints() {
		reward.Kind = rules.Points
	}
	reward.FixedMinor, _ = r.fixed.units(decimals)
	switch reward.Form {
	case offer.RateReward:
		reward.RateMillionths, _ = r.rate.millionths(decimals)
	case offer.TieredReward:
		for _, t := range r.tiers {
			given, _ := t.give.millionths(decimals)
			reward.Tiers = append(reward.Tiers, offer.Tier{FromMinor: t.from.minor, RateMillionths: given})
		}
	case offer.CategoryReward:
		for _, c := range r.categories {
			given, _ := c.value.millionths(decimals)
			reward.Categories = append(reward.Categories, offer.CategoryRate{Category: c.word, RateMillionths: given})
		}
		reward.RestMillionths, _ = r.rest.millionths(decimals)
	}
	return reward
}

func (c *conditionsDoc) toRules() offer.Conditions {
	conditions := offer.Conditions{
		MinSpendMinor: c.minSpend.minor, MaxSpendMinor: c.maxSpend.minor, When: c.when.toRules(),
		Channels: c.channels, MCCs: c.mcc, NotMCCs: c.exceptMCC, Countries: c.countries, PaidIn: c.paidIn, Audience: c.audience,
		FirstPurchase: c.firstPurchase, LapsedDays: c.lapsedDays,
	}
	if c.every != nil {
		conditions.Every = offer.Every{N: c.every.N, Per: cmp.Or(c.every.Per, offer.PerLife), OnceADay: c.every.OnceADay}
	}
	if c.goal != nil {
		conditions.Goal = offer.Goal{AmountMinor: c.goal.spend.minor, Per: cmp.Or(c.goal.per, offer.PerLife), Again: c.goal.again}
	}
	return conditions
}

func (w *whenDoc) toRules() offer.When {
	when := offer.When{Hours: w.hours, Dates: w.dates}
	for _, days := range w.weekdays {
		when.Weekdays |= days
	}
	return when
}

func (b *boostDoc) toRules(decimals int) offer.Boost {
	boost := offer.Boost{ID: b.id, From: b.from, Until: b.until, When: b.when.toRules(), Audience: b.audience}
	switch {
	case b.set != nil:
		boost.Op, boost.OfPoints = offer.SetRate, b.set.ofPoints()
		boost.RateMillionths, _ = b.set.millionths(decimals)
	case b.add != nil:
		boost.Op, boost.OfPoints = offer.AddRate, b.add.ofPoints()
		boost.RateMillionths, _ = b.add.millionths(decimals)
	case b.factor != 0:
		boost.Op, boost.FactorMillionths = offer.MultiplyRate, b.factor
	}
	return boost
}

func capsToRules(caps []capDoc, decimals int) []offer.Cap {
	var all []offer.Cap
	for _, limit := range caps {
		units, _ := limit.amount.units(decimals)
		all = append(all, offer.Cap{Per: limit.per.per, Days: limit.per.days, AmountMinor: units, Count: int64(limit.count)})
	}
	return all
}

func (b *budgetDoc) toRules(decimals int) offer.Budget {
	units, _ := b.amount.units(decimals)
	return offer.Budget{AmountMinor: units, PerStoreAndDay: b.perStoreAndDay, Whole: b.whole}
}

func (c *commission) toRules() offer.Commission {
	switch {
	case c.tiers != nil:
		owed := offer.Commission{Form: offer.TieredCommission, On: c.on.on}
		for _, t := range c.tiers {
			owed.Tiers = append(owed.Tiers, offer.CommissionTier{FromMinor: t.from.minor, RateMillionths: t.rateMillionths, FixedMinor: t.fixed.minor})
		}
		return owed
	case c.costMillionths != 0:
		return offer.Commission{Form: offer.CostPlusCommission, CostMillionths: c.costMillionths}
	}
	return offer.Commission{RateMillionths: c.rateMillionths, FixedMinor: c.fixed.minor, On: c.on.on}
}

func (h *holdoutDoc) toRules() offer.Holdout {
	return offer.Holdout{Millionths: h.millionths, Salt: h.salt}
}

func (p *pointsDoc) toRules() offer.PointsUnit {
	return offer.PointsUnit{Code: p.code, Decimals: p.decimals, ValueMillionths: p.value.millionths, ExpiresAfterDays: p.expiresAfter}
}

func (d *campaignDoc) toRules(in *offer.Programme) offer.Campaign {
	c := offer.Campaign{
		Programme: in.ID, Name: cmp.Or(d.name, d.id), From: d.from, Until: d.until,
		When: d.when.toRules(), Audience: d.audience, Holdout: d.holdout.toRules(),
	}
	if d.budget != nil {
		c.Budget = d.budget.toRules(in.Points.Decimals)
		c.Unit = d.budget.amount.currency.String()
		if d.budget.amount.inPoints {
			c.Unit = in.Points.Code
		}
	}
	for i := range d.boosts {
		c.Boosts = append(c.Boosts, offer.CampaignBoost{Boost: d.boosts[i].toRules(in.Points.Decimals), Offers: d.boosts[i].offers})
	}
	return c
}
