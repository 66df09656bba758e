package ledgertest

import (
	"math/big"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// boost is one that is in force for an offer and this purchase.
type boost struct {
	*offer.Boost
	campaign *offer.Campaign // nil: the offer's own
}

// boostsFor are the boosts of the offer and of the campaigns that hold now.
// Those of budgeted campaigns stand apart, by campaign in order of id.
func (o oracle) boostsFor(s sale, offer *offer.Offer, partnerID, unit string) (free []boost, budgeted [][]boost) {
	for i := range offer.Boosts {
		if b := &offer.Boosts[i]; s.boosts(b, offer) {
			free = append(free, boost{b, nil})
		}
	}
	for _, its := range o.campaignBoosts(s, offer, partnerID, unit) {
		c := its[0].campaign
		switch {
		case drawsUnder(c.Holdout, c.ID, s.account):
		case c.Budget.AmountMinor > 0:
			budgeted = append(budgeted, its)
		default:
			free = append(free, its...)
		}
	}
	return free, budgeted
}

// campaignBoosts are those of campaigns that hold for the offer now, whoever is
// held out, campaign by campaign.
func (o oracle) campaignBoosts(s sale, agreed *offer.Offer, partnerID, unit string) [][]boost {
	var all [][]boost
	for _, c := range o.campaignsAt(s.at) {
		holds := c.Programme == s.member.programme.ID && s.within(c.From, c.Until) && s.when(c.When) && s.audience(c.Audience)
		hasBudget := c.Budget.AmountMinor > 0
		if !holds || (hasBudget && c.Unit != unit) {
			continue
		}
		var its []boost
		for i := range c.Boosts {
			named := len(c.Boosts[i].Offers) == 0 || slices.ContainsFunc(c.Boosts[i].Offers, func(r offer.OfferRef) bool {
				return r.Partner == partnerID && (r.Offer == "" || r.Offer == agreed.ID)
			})
			if named && s.boosts(&c.Boosts[i].Boost, agreed) {
				its = append(its, boost{&c.Boosts[i].Boost, c})
			}
		}
		if len(its) > 0 {
			all = append(all, its)
		}
	}
	return all
}

// boosts reports whether the boost is in force and of the offer's unit.
func (s sale) boosts(b *offer.Boost, agreed *offer.Offer) bool {
	sameUnit := b.Op == offer.MultiplyRate || b.OfPoints == (agreed.Reward.Kind == rules.Points)
	return sameUnit && s.within(b.From, b.Until) && s.when(b.When) && s.audience(b.Audience)
}

// boosted is a rate after boosts: the highest that is set, times the highest
// factor, plus all that add. A boost never lowers, and makes nothing of a rate
// of 0.
func boosted(rateMillionths int64, boosts []boost) *big.Rat {
	if rateMillionths == 0 {
		return new(big.Rat)
	}
	added := int64(0)
	for _, b := range boosts {
		switch b.Op {
		case offer.SetRate:
			rateMillionths = max(rateMillionths, b.RateMillionths)
		case offer.AddRate:
			added += b.RateMillionths
		}
	}
	rate := new(big.Rat).Mul(millionths(rateMillionths), factor(boosts))
	return rate.Add(rate, millionths(added))
}

func factor(boosts []boost) *big.Rat {
	highest := int64(money.One)
	for _, b := range boosts {
		if b.Op == offer.MultiplyRate {
			highest = max(highest, b.FactorMillionths)
		}
	}
	return millionths(highest)
}

func millionths(n int64) *big.Rat { return big.NewRat(n, 1_000_000) }

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func times(x, y *big.Rat) *big.Rat { return new(big.Rat).Mul(x, y) }

// exactReward is what the form gives for the basis, in units of its kind.
// byCategory is asked where the form needs it.
func exactReward(r *offer.Reward, boosts []boost, basis int64, byCategory func() map[string]*big.Rat) *big.Rat {
	sum := new(big.Rat)
	switch r.Form {
	case offer.RateReward:
		sum.Mul(whole(basis), boosted(r.RateMillionths, boosts))
	case offer.FixedReward:
		sum.Mul(whole(r.FixedMinor), factor(boosts))
	case offer.PerFullReward:
		sum.Mul(whole(r.FixedMinor*(basis/r.PerMinor)), factor(boosts))
	case offer.TieredReward:
		for i, tier := range r.Tiers {
			if basis < tier.FromMinor {
				break
			}
			rate := boosted(tier.RateMillionths, boosts)
			if !r.Marginal {
				sum.Mul(whole(basis), rate)
				continue
			}
			until := basis
			if i+1 < len(r.Tiers) {
				until = min(until, r.Tiers[i+1].FromMinor)
			}
			sum.Add(sum, times(whole(until-tier.FromMinor), rate))
		}
	case offer.CategoryReward:
		amounts := byCategory()
		rest := whole(basis)
		for _, c := range r.Categories {
			if amount := amounts[c.Category]; amount != nil {
				sum.Add(sum, times(amount, boosted(c.RateMillionths, boosts)))
				rest.Sub(rest, amount)
			}
		}
		sum.Add(sum, times(rest, boosted(r.RestMillionths, boosts)))
	}
	return sum
}

// pointsCost is what an amount of points costs the programme, rounded once.
func pointsCost(amount int64, p *offer.Programme) int64 {
	exact := times(whole(amount), millionths(p.Points.ValueMillionths))
	for range p.Points.Decimals {
		exact.Quo(exact, whole(10))
	}
	return round(exact, p.Rounding)
}

// exactCommission is what terms ask for a basis; cost-plus asks elsewhere.
func exactCommission(c *offer.Commission, basis int64) *big.Rat {
	if c.Form == offer.ShareCommission {
		return new(big.Rat).Add(share(basis, c.RateMillionths), whole(c.FixedMinor))
	}
	sum := new(big.Rat)
	for _, tier := range c.Tiers {
		if basis >= tier.FromMinor {
			sum.Add(share(basis, tier.RateMillionths), whole(tier.FixedMinor))
		}
	}
	return sum
}
