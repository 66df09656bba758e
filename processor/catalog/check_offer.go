package catalog

import (
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// What only a file shows of one offer.

// offerChecker checks the offers of one file.
type offerChecker struct {
	*checker
	doc       *Document
	programme *offer.Programme // as it is when the file comes into force
}

func (c *offerChecker) fault(at path, format string, args ...any) {
	c.checker.fault(c.doc, at, format, args...)
}

func (c *offerChecker) offers(docs []offerDoc, offers []offer.Offer) {
	for i := range docs {
		c.offer(path{"offers", i}, &docs[i], &offers[i])
	}
}

func (c *offerChecker) offer(at path, o *offerDoc, offer *offer.Offer) {
	if o.stores != nil && len(o.stores) == 0 {
		c.fault(at.to("stores"), "the list of stores is empty: name some, or drop the key if the offer holds in all of them")
	}
	c.reward(at.to("reward"), o, offer)
	c.conditions(at, o, offer)
	c.boosts(at.to("boosts"), o, offer)
	if reward := at.to("reward"); !c.doc.cannotRead(reward) && !c.doc.unreadIn(reward) { // or it isn't known what is bounded
		c.caps(at.to("caps"), o.caps, offer, offer.Reward.Kind)
		c.budgets(at, o, offer)
	}
	c.checkCommission(c.doc, at.to("commission"), &o.commission, offer.Currency, "the offer counts")
	c.sponsor(at.to("sponsor"), o, offer)
}

// reward checks how an offer says what it gives.
func (c *offerChecker) reward(at path, o *offerDoc, agreed *offer.Offer) {
	r := &o.reward
	switch r.formOf() {
	case offer.FixedReward, offer.PerFullReward:
		c.quantity(at, r.fixed, agreed, agreed.Reward.Kind)
		c.amount(at, r.per, agreed)
	case offer.TieredReward:
		for i, t := range r.tiers {
			c.amount(at.to("tiers", i, "from"), t.from, agreed)
		}
	}
	if r.categories == nil && r.rest != (rate{}) && !c.doc.cannotRead(at.to("categories")) {
		c.fault(at.to("rest"), "`rest` is what has no listed category, and there are no categories: write categories beside it, or drop it")
	}
	if r.marginal && r.tiers == nil && !c.doc.cannotRead(at.to("tiers")) {
		c.fault(at.to("apply_to"), "`apply_to` says how tiers count, and there are none: write tiers beside it, or drop it")
	}
	for _, given := range r.rates() {
		place := at.to(given.at...)
		if given.ofPoints() != r.givesPoints() {
			c.fault(place, "one reward is either money or points, and here are both: write all its rates in per cent, or all in points")
			continue
		}
		c.rate(place, given.rate, agreed)
	}
	if r.givesPoints() && o.pays != 0 {
		c.fault(at[:len(at)-1].to("pays"), "the reward is in points already: drop `pays`, or write the reward in money")
	}
}

// boosts checks rates in points.
func (c *offerChecker) boosts(at path, o *offerDoc, offer *offer.Offer) {
	for i := range o.boosts {
		if b := &o.boosts[i]; b.given() != nil && offer.Reward.Form != 0 {
			c.rate(at.to(i, b.verb()), *b.given(), offer)
		}
	}
}

// rate holds a rate in points to the offer's currency and to what can be counted.
func (c *offerChecker) rate(at path, given rate, offer *offer.Offer) {
	if given.ofPoints() {
		c.amount(at, given.per, offer)
		c.checkExactRate(c.doc, at, given, c.programme)
	}
}

// amount holds money to the offer's currency.
func (c *offerChecker) amount(at path, a amount, offer *offer.Offer) {
	if !isNone(a.currency) && !isNone(offer.Currency) && a.currency != offer.Currency {
		c.fault(at, "%s is in %s, but the offer counts in %s: write it in %s, or say `currency: %s` in the offer",
			a, a.currency, offer.Currency, offer.Currency, a.currency)
	}
}

// quantity holds what is given or bounded to the kind of the reward.
func (c *offerChecker) quantity(at path, q quantity, offer *offer.Offer, kind rules.Kind) {
	switch points := kind == rules.Points; {
	case !q.written():
	case points && !q.inPoints:
		c.fault(at, "%s is money, but the offer gives points: write it such as 500 points", q)
	case !points && q.inPoints:
		c.fault(at, "%s are points, but the offer gives money: write it such as 15 %s", q, offer.Currency)
	case points:
		c.checkExact(c.doc, at, q, c.programme)
	default:
		c.amount(at, q.amount, offer)
	}
}

func (c *offerChecker) conditions(at path, o *offerDoc, agreed *offer.Offer) {
	c.amount(at.to("min_spend"), o.minSpend, agreed)
	c.amount(at.to("max_spend"), o.maxSpend, agreed)
	if o.maxSpend.minor == 0 && !isNone(o.maxSpend.currency) {
		c.fault(at.to("max_spend"), "no purchase is at most %s: write an amount over 0, or drop the key", o.maxSpend)
	}
	if o.goal != nil {
		c.amount(at.to("goal", "spend"), o.goal.spend, agreed)
	}
}

// caps checks in what caps are written.
func (c *offerChecker) caps(at path, caps []capDoc, agreed *offer.Offer, kind rules.Kind) {
	for i := range caps {
		c.quantity(at.to(i, "amount"), caps[i].amount, agreed, kind)
	}
}

func (c *offerChecker) budgets(at path, o *offerDoc, agreed *offer.Offer) {
	if o.budget != nil {
		if o.budgets != nil {
			c.fault(at.to("budget"), "`budget` and `budgets` exclude each other: write all of them under `budgets`")
		}
		c.quantity(at.to("budget"), o.budget.amount, agreed, agreed.Reward.Kind)
	}
	for i := range o.budgets {
		c.quantity(at.to("budgets", i), o.budgets[i].amount, agreed, agreed.Reward.Kind)
	}
}

func (c *offerChecker) sponsor(at path, o *offerDoc, offer *offer.Offer) {
	s := o.sponsor
	if s == nil {
		return
	}
	if s.reward.percentMillionths == 0 && s.reward.fixed.minor == 0 {
		given := money.FormatPercent(0)
		if !isNone(s.reward.fixed.currency) {
			given = s.reward.fixed.String()
		}
		c.fault(at.to("reward"), "a reward of %s gives nothing: write an amount over 0, or drop the sponsor's reward", given)
	}
	c.amount(at.to("reward"), s.reward.fixed, offer)
	c.caps(at.to("caps"), s.caps, offer, rules.Cash)
}
