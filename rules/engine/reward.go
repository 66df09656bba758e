package engine

import (
	"math/big"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

const one = money.One

// rewardOf is steps 3 and 4 for one award, as often as a goal is reached with
// it. there: it was over 0 before rounding.
func (v *valuer) rewardOf(a *Account, p *purchase, aw *award, boosts []activeBoost) (units int64, there bool, err error) {
	units, there, err = v.rewardOnce(a, p, aw, boosts)
	if aw.goals > 1 && units > 0 {
		units = v.repeated(aw, units)
	}
	return units, there, err
}

// beyondMoney stands for an award of money that is given so often that it leaves
// 64 bits. It is above all purchases of an account together, above each cap, and
// above whatever else is worth something: what is left of it is cut to the basis
// all the same. Only which of two such awards is worth more needs them whole.
const beyondMoney = 1 << 60

// repeated is so many units given each time that the goal is reached.
func (v *valuer) repeated(aw *award, units int64) int64 {
	all, err := money.Times(units, aw.goals)
	if aw.offer.kind != rules.Points {
		if err != nil || all > beyondMoney {
			return beyondMoney
		}
		return all
	}
	if most := offer.MostRepeated(&v.terms.programme.Points, aw.basisMinor); err != nil || all > most {
		aw.why |= reason.CapPurchase
		return most
	}
	return all
}

// rewardOnce is what the offer's form gives for the basis under these boosts,
// exactly, then rounded once.
func (v *valuer) rewardOnce(a *Account, p *purchase, aw *award, boosts []activeBoost) (units int64, there bool, err error) {
	reward := &aw.offer.Reward
	r := raiseOf(boosts)
	rounding := v.terms.programme.Rounding
	var exact money.Exact
	switch reward.Form {
	case offer.RateReward:
		exact, err = exact.Plus(aw.basisMinor, r.rate(reward.RateMillionths))
	case offer.FixedReward:
		exact, err = exact.Plus(reward.FixedMinor, r.factorMillionths*one)
	case offer.PerFullReward:
		var full int64
		if full, err = money.Times(aw.basisMinor/reward.PerMinor, reward.FixedMinor); err == nil {
			exact, err = exact.Plus(full, r.factorMillionths*one)
		}
	case offer.TieredReward:
		exact, err = tieredReward(reward, aw.basisMinor, r)
	case offer.CategoryReward:
		return v.byCategory(a, p, aw, r)
	default: // an offer for sponsors alone
		return 0, true, nil
	}
	if err != nil {
		return 0, false, err
	}
	aw.exact = exact
	units, err = exact.Round(rounding)
	return units, !exact.IsZero(), err
}

// categorySum is what a purchase's items of one category come to in one
// currency. exact is set where it isn't whole minor units.
type categorySum struct {
	category string
	minor    int64
	exact    *big.Rat
}

// categorySums are those of a purchase in one currency.
type categorySums struct {
	currency money.Currency
	sums     []categorySum
	whole    bool // no sum is in parts of a minor unit
}

// byCategory gives each category's rate for its items, the rest's for what is
// left of the basis.
func (v *valuer) byCategory(a *Account, p *purchase, aw *award, r raise) (units int64, there bool, err error) {
	reward := &aw.offer.Reward
	c := v.categoriesOf(aw.offer.Currency, a, p)
	if !c.whole || !c.within(aw.basisMinor) {
		return v.byCategoryExactly(aw, c, r)
	}
	var exact money.Exact
	rest := aw.basisMinor
	for i := range reward.Categories {
		minor := c.minor(reward.Categories[i].Category)
		rest -= minor
		if exact, err = exact.Plus(minor, r.rate(reward.Categories[i].RateMillionths)); err != nil {
			return 0, false, err
		}
	}
	if exact, err = exact.Plus(rest, r.rate(reward.RestMillionths)); err != nil {
		return 0, false, err
	}
	aw.exact = exact
	units, err = exact.Round(v.terms.programme.Rounding)
	return units, !exact.IsZero(), err
}

// within reports that all categories together are not above the basis. Banks
// may list what adds up to anything: the sum must not overflow.
func (c *categorySums) within(basisMinor int64) bool {
	left := basisMinor
	for i := range c.sums {
		if c.sums[i].minor > left {
			return false
		}
		left -= c.sums[i].minor
	}
	return true
}

func (c *categorySums) minor(category string) int64 {
	for i := range c.sums {
		if c.sums[i].category == category {
			return c.sums[i].minor
		}
	}
	return 0
}

// byCategoryExactly is byCategory where sums are in parts of a minor unit, or
// are scaled down to the basis.
func (v *valuer) byCategoryExactly(aw *award, c *categorySums, r raise) (units int64, there bool, err error) {
	total := new(big.Rat)
	for i := range c.sums {
		total.Add(total, c.sums[i].rat())
	}
	basis := new(big.Rat).SetInt64(aw.basisMinor)
	scale := big.NewRat(1, 1)
	if total.Cmp(basis) > 0 {
		scale.Quo(basis, total)
	}
	sum, rest := new(big.Rat), new(big.Rat).Set(basis)
	give := func(amount *big.Rat, millionths int64) {
		rate := new(big.Rat).SetFrac(big.NewInt(r.rate(millionths)), big.NewInt(one*one))
		sum.Add(sum, rate.Mul(rate, amount))
	}
	for i := range aw.offer.Reward.Categories {
		rate := &aw.offer.Reward.Categories[i]
		for n := range c.sums {
			if c.sums[n].category == rate.Category {
				amount := new(big.Rat).Mul(c.sums[n].rat(), scale)
				rest.Sub(rest, amount)
				give(amount, rate.RateMillionths)
			}
		}
	}
	give(rest, aw.offer.Reward.RestMillionths)
	units, err = money.RoundRatio(sum, v.terms.programme.Rounding)
	return units, sum.Sign() > 0, err
}

func (s *categorySum) rat() *big.Rat {
	if s.exact != nil {
		return s.exact
	}
	return new(big.Rat).SetInt64(s.minor)
}

// categoriesOf adds up the purchase's items in the currency, once: those of
// all clearings, once one lists items, less what was given back in their
// category; before, those of the event that gives the purchase its time.
func (v *valuer) categoriesOf(currency money.Currency, a *Account, p *purchase) *categorySums {
	for i := range v.categories {
		if v.categories[i].currency == currency {
			return &v.categories[i]
		}
	}
	v.categories = append(v.categories, categorySums{currency: currency, whole: true})
	c := &v.categories[len(v.categories)-1]
	listed := false
	for i := p.events; i >= 0; i = a.events[i].next {
		x := &a.events[i]
		listed = listed || (x.typ == rules.Clearing && x.listsItems && (!x.late || v.terms.tally.withLate))
	}
	if !listed {
		c.add(v.terms.anchor, 1)
		c.floor()
		return c
	}
	for i := p.events; i >= 0; i = a.events[i].next {
		x := &a.events[i]
		if x.late && !v.terms.tally.withLate {
			continue
		}
		switch x.typ {
		case rules.Clearing, rules.ChargebackReversal:
			c.add(x, 1)
		case rules.Refund, rules.Chargeback:
			c.add(x, -1)
		}
	}
	c.floor()
	return c
}

func (c *categorySums) add(x *setEvent, sign int64) {
	for i := range x.items {
		item := &x.items[i]
		at := c.at(item.Category)
		switch {
		case x.currency == c.currency:
			sum, err := money.Add(at.minor, sign*item.AmountMinor)
			if at.exact == nil && err == nil {
				at.minor = sum
				continue
			}
			at.exact = new(big.Rat).Add(at.rat(), new(big.Rat).SetInt64(sign*item.AmountMinor))
			c.whole = false
		case x.billing == c.currency && x.amountMinor > 0:
			converted := big.NewRat(item.AmountMinor, x.amountMinor)
			converted.Mul(converted, new(big.Rat).SetInt64(sign*x.billingMinor))
			at.exact = converted.Add(converted, at.rat())
			c.whole = false
		}
	}
}

// floor holds each category at 0.
func (c *categorySums) floor() {
	for i := range c.sums {
		s := &c.sums[i]
		s.minor = max(0, s.minor)
		if s.exact != nil && s.exact.Sign() < 0 {
			s.exact.SetInt64(0)
		}
	}
}

func (c *categorySums) at(category string) *categorySum {
	for i := range c.sums {
		if c.sums[i].category == category {
			return &c.sums[i]
		}
	}
	c.sums = append(c.sums, categorySum{category: category})
	return &c.sums[len(c.sums)-1]
}

// tieredReward gives the rate of the highest tier reached for the whole basis, or
// each tier's for the part above its threshold.
func tieredReward(r *offer.Reward, basisMinor int64, raised raise) (exact money.Exact, err error) {
	above := basisMinor
	for i := len(r.Tiers) - 1; i >= 0; i-- {
		t := &r.Tiers[i]
		if basisMinor < t.FromMinor {
			continue
		}
		if !r.Marginal {
			return exact.Plus(basisMinor, raised.rate(t.RateMillionths))
		}
		if exact, err = exact.Plus(above-t.FromMinor, raised.rate(t.RateMillionths)); err != nil {
			return exact, err
		}
		above = t.FromMinor
	}
	return exact, nil
}
