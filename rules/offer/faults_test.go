package offer_test

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/internal/sample"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

func boosted(boosts ...offer.Boost) func(*offer.Offer) {
	return func(o *offer.Offer) { o.Boosts = boosts }
}

func times(id string, factor int64) offer.Boost {
	return offer.Boost{ID: id, Op: offer.MultiplyRate, FactorMillionths: factor}
}

func plus(id string, rate int64) offer.Boost {
	return offer.Boost{ID: id, Op: offer.AddRate, RateMillionths: rate}
}

func campaign(id string, from string, boosts ...offer.CampaignBoost) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		version := offer.Version{ID: id + "1", From: rules.MinInstant}
		if from != "" {
			version.From = sample.At(from)
		}
		c.Campaigns = append(c.Campaigns, offer.Campaign{ID: id, Version: version, Programme: "ristourne", Boosts: boosts})
	}
}

func on(b offer.Boost, refs ...offer.OfferRef) offer.CampaignBoost {
	return offer.CampaignBoost{Boost: b, Offers: refs}
}

func reward(r offer.Reward) offer.Offer {
	return offer.Offer{ID: "a", Currency: sample.EUR, Reward: r}
}

func changed(f func(*offer.Offer)) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) { f(&c.Partners[0].Offers[0]) }
}

func tiers(all ...offer.Tier) offer.Offer {
	return reward(offer.Reward{Form: offer.TieredReward, Tiers: all})
}

func perFull(fixed, per int64, change ...func(*offer.Offer)) offer.Offer {
	o := reward(offer.Reward{Form: offer.PerFullReward, FixedMinor: fixed, PerMinor: per})
	for _, f := range change {
		f(&o)
	}
	return o
}

// TestCheckRefuses holds each bound on both sides: what is just inside passes,
// what is just outside is told at its place.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	type change = func(*offer.Catalogue)
	own := func(o offer.Offer) change {
		return sample.Programme(func(p *offer.Programme) { p.Offers = []offer.Offer{o} })
	}
	shown := map[offer.Code]bool{}
	for _, c := range []struct {
		name   string
		inside []change
		out    []change
		path   string
		want   offer.Code
	}{
		{"unknown programme", nil, []change{sample.Partner(func(p *offer.Partner) { p.Programme = "nope" })}, "programme", offer.FaultUnknownProgramme},
		{"two versions at one time", nil, []change{func(c *offer.Catalogue) { c.Partners = append(c.Partners, c.Partners[0]) }}, "effective_from", offer.FaultVersionTwice},
		{"commission over 100 %", nil, []change{sample.Partner(func(p *offer.Partner) { p.Commission.RateMillionths = 1_000_001 })}, "commission.percent", offer.FaultRate},
		{"commission under 0", nil, []change{sample.Partner(func(p *offer.Partner) { p.Commission.FixedMinor = -1 })}, "commission.fixed", offer.FaultFixedAmount},
		{"reward over 100 %", nil, []change{sample.Offers(sample.PercentOffer("a", 1_000_001))}, "offers[0].reward", offer.FaultRate},
		{"reward under 0", nil, []change{sample.Offers(sample.PercentOffer("a", -1))}, "offers[0].reward", offer.FaultRate},
		{"no reward", nil, []change{sample.Offers(sample.PercentOffer("a", 0))}, "offers[0].reward", offer.FaultRewardNothing},
		{"fixed reward without end", nil, []change{sample.Offers(sample.FixedOffer("a", 1<<50))}, "offers[0].reward", offer.FaultFixedAmount},
		{"no form", nil, []change{sample.Offers(offer.Offer{ID: "a", Currency: sample.EUR})}, "offers[0].reward", offer.FaultRewardForm},
		{"unknown currency", nil, []change{sample.Offers(sample.PercentOffer("a", 1, sample.In([3]byte{'X', 'X', 'X'}), sample.ByProgramme))}, "offers[0].currency", offer.FaultCurrency},
		{"minimum under 0", nil, []change{sample.Offers(sample.PercentOffer("a", 1, sample.Minimum(-1)))}, "offers[0].min_spend", offer.FaultAmount},
		{"cap of 0", nil, []change{sample.Offers(sample.PercentOffer("a", 1, sample.Capped(offer.PerMonth, 0)))}, "offers[0].caps[0].amount", offer.FaultCapNothing},
		{"unknown period", nil, []change{sample.Offers(sample.PercentOffer("a", 1, sample.Capped(0, 5)))}, "offers[0].caps[0].per", offer.FaultCapPeriod},
		{"two offers of one id", nil, []change{sample.Offers(sample.PercentOffer("a", 1), sample.PercentOffer("a", 2))}, "offers[1].id", offer.FaultOfferTwice},
		{"unknown store", nil, []change{sample.Offers(sample.PercentOffer("a", 1, func(o *offer.Offer) { o.Stores = []string{"moon"} }))}, "offers[0].stores[0]", offer.FaultUnknownStore},
		{"window backwards", nil, []change{sample.Offers(sample.PercentOffer("a", 1, func(o *offer.Offer) {
			o.From, o.Until = offer.LocalTime{Year: 2026, Month: 2, Day: 1}, offer.LocalTime{Year: 2026, Month: 2, Day: 1}
		}))}, "offers[0].until", offer.FaultWindow},
		{"commission that isn't owed can't fund", nil, []change{sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{} })}, "offers[0].funded_by", offer.FaultFundingNone},
		{"nor can one in another currency", nil, []change{sample.Offers(sample.PercentOffer("a", 1, sample.In(sample.USD)))}, "offers[0].funded_by", offer.FaultFundingCurrency},
		{"two stores of one id", nil, []change{sample.Partner(func(p *offer.Partner) { p.Stores[1].ID = "bastille" })}, "stores[1].id", offer.FaultStoreTwice},
		{"no zone", nil, []change{sample.Partner(func(p *offer.Partner) { p.Stores[1].Zone = nil })}, "stores[1].zone", offer.FaultZone},
		{"empty key", nil, []change{sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].MID = "" })}, "stores[1].keys[0]", offer.FaultKeyNothing},
		{"key with too much", nil, []change{sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].NetworkMerchantID = "N" })}, "stores[1].keys[0]", offer.FaultKeyTwoWays},
		{"mid too long", nil, []change{sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].MID = strings.Repeat("é", 65) })}, "stores[1].keys[0].mid", offer.FaultKeyLong},
		{"key backwards", nil, []change{sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys[0].Until = rules.MinInstant })}, "stores[1].keys[0].until", offer.FaultWindow},
		{"two stores with one key at one time", nil, []change{sample.Partner(func(p *offer.Partner) { p.Stores[1].Keys = append(p.Stores[1].Keys, sample.Mid("CAFE1")) })}, "stores[1].keys[1]", offer.FaultSameKey},
		{"H of 0", nil, []change{sample.Programme(func(p *offer.Programme) { p.HorizonDays = 0 })}, "horizon_days", offer.FaultHorizon},
		{"ceiling of 0", nil, []change{sample.Programme(func(p *offer.Programme) { p.CeilingMillionths = 0 })}, "ceiling", offer.FaultCeiling},
		{"two automatic programmes", nil, []change{func(c *offer.Catalogue) {
			c.Programmes[0].Enrolment = offer.EnrolmentAutomatic
			other := c.Programmes[0]
			other.ID = "other"
			c.Programmes = append(c.Programmes, other)
		}}, "enrolment", offer.FaultTwoAutomatic},
		{"boosts over 800 %", []change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One))))}, []change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One+1))))}, "offers[0].reward", offer.FaultTogetherRate},
		{"boosts that add", []change{sample.Offers(sample.PercentOffer("a", 100*sample.Percent, boosted(times("x", 7*money.One), plus("y", 100*sample.Percent))))}, []change{sample.Offers(sample.PercentOffer("a", 100*sample.Percent, boosted(times("x", 8*money.One), plus("y", 1))))}, "offers[0].reward", offer.FaultTogetherRate},
		{
			"a campaign's on top",
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 8*money.One)))), campaign("c", "", on(times("y", 16*money.One)))},
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One)))), campaign("c", "", on(plus("y", 1), offer.OfferRef{Partner: "cafe"}))},
			"offers[0].reward", offer.FaultTogetherRate,
		},
		{
			"another partner's doesn't count",
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One)))), own(sample.PercentOffer("w", 1, sample.ByProgramme)), campaign("c", "", on(plus("y", 1), offer.OfferRef{}))},
			[]change{own(sample.PercentOffer("w", 100*sample.Percent, sample.ByProgramme)), campaign("c", "", on(times("y", 9*money.One), offer.OfferRef{}))},
			"offers[0].reward", offer.FaultTogetherRate,
		},
		{
			"one after the other",
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(
				offer.Boost{ID: "x", Op: offer.AddRate, RateMillionths: 100 * sample.Percent, Until: offer.LocalTime{Year: 2026, Month: 3, Day: 1}},
				offer.Boost{ID: "y", Op: offer.MultiplyRate, FactorMillionths: 16 * money.One, From: offer.LocalTime{Year: 2026, Month: 3, Day: 3}})))},
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted( // somewhere on earth it is still the day before
				offer.Boost{ID: "x", Op: offer.AddRate, RateMillionths: 100 * sample.Percent, Until: offer.LocalTime{Year: 2026, Month: 3, Day: 1}},
				offer.Boost{ID: "y", Op: offer.MultiplyRate, FactorMillionths: 16 * money.One, From: offer.LocalTime{Year: 2026, Month: 3, Day: 1}})))},
			"offers[0].reward", offer.FaultTogetherRate,
		},
		{"per full amounts", []change{sample.Offers(perFull(100, 100, boosted(times("x", 8*money.One))))}, []change{sample.Offers(perFull(100, 100, boosted(times("x", 8*money.One+1))))}, "offers[0].reward", offer.FaultTogetherPerFull},
		{"groups that add up", []change{sample.Offers(grouped(16, sample.PercentOffer("", 100*sample.Percent, boosted(times("x", 8*money.One))))...)}, []change{sample.Offers(grouped(17, sample.PercentOffer("", 100*sample.Percent, boosted(times("x", 8*money.One))))...)}, "offers", offer.FaultGroups},
		{"points again and again", []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 182))}, []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 181))}, "offers[0].reward", offer.FaultTogetherAgain},
		{"points again and again that are capped", []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 1, caps(offer.Cap{Per: offer.PerLife, AmountMinor: 1 << 39})))}, []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 1, caps(offer.Cap{Per: offer.PerLife, AmountMinor: 1<<39 + 1})))}, "offers[0].reward", offer.FaultTogetherAgain},
		{"groups of points that cost", []change{sample.Miles(0, 8*money.One), sample.Offers(grouped(2, sample.PointsOffer(money.One))...)}, []change{sample.Miles(0, 8*money.One), sample.Offers(grouped(3, sample.PointsOffer(money.One))...)}, "offers", offer.FaultGroups},
		{"points without end", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(128 * money.One))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(128*money.One + 1))}, "offers[0].reward", offer.FaultPointsRate},
		{"boosted points", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(64 * money.One)), campaign("c", "", on(times("x", 2*money.One)))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(64 * money.One)), campaign("c", "", on(times("x", 2*money.One+1)))}, "offers[0].reward", offer.FaultTogetherPoints},
		{"points that are worth more than the purchase", []change{sample.Miles(0, 8*money.One), sample.Offers(sample.PointsOffer(money.One))}, []change{sample.Miles(0, 8*money.One+1), sample.Offers(sample.PointsOffer(money.One))}, "offers[0].reward", offer.FaultTogetherWorth},
		{"so where points are fine", []change{sample.Miles(4, 8*money.One), sample.Offers(sample.PointsOffer(128 * money.One))}, []change{sample.Miles(1, 8*money.One), sample.Offers(sample.PointsOffer(11 * money.One))}, "offers[0].reward", offer.FaultTogetherWorth},
		{"points of a programme that gives none", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1)), func(c *offer.Catalogue) { c.Programmes[0].Points = offer.PointsUnit{} }}, "offers[0].reward", offer.FaultNoPoints},
		{"points in another currency", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1))}, []change{sample.Miles(0, 0), sample.Offers(sample.PercentOffer("a", 1, sample.In(sample.USD), func(o *offer.Offer) { o.Reward.Kind = rules.Points }))}, "offers[0].reward", offer.FaultPointsCurrency},
		{"points by a share", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1)), sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{RateMillionths: 1} })}, "offers[0].funded_by", offer.FaultFundingPoints},
		{"points named as a currency", []change{sample.Miles(0, 0)}, []change{sample.Miles(0, 0), sample.Programme(func(p *offer.Programme) { p.Points.Code = "EUR" })}, "points.code", offer.FaultPointsCode},
		{"points too fine", []change{sample.Miles(4, 0)}, []change{sample.Miles(5, 0)}, "points.decimals", offer.FaultPointsDecimals},
		{"points too dear", []change{sample.Miles(0, 1_000_000*money.One)}, []change{sample.Miles(0, 1_000_000*money.One+1)}, "points.value", offer.FaultPointsValue},
		{"points renamed", []change{sample.Miles(0, 0), nextProgramme(func(p *offer.Programme) { p.Points.ValueMillionths = 5 })}, []change{sample.Miles(0, 0), nextProgramme(func(p *offer.Programme) { p.Points.Code = "STARS" })}, "points.code", offer.FaultPointsRenamed},
		{"points rescaled", []change{sample.Miles(2, 0)}, []change{sample.Miles(2, 0), nextProgramme(func(p *offer.Programme) { p.Points.Decimals = 0 })}, "points.decimals", offer.FaultPointsRescaled},
		{"points dropped while given", []change{sample.Miles(2, 0), nextProgramme(func(p *offer.Programme) { p.Points = offer.PointsUnit{} })}, []change{sample.Miles(2, 0), sample.Offers(sample.PointsOffer(1)), nextProgramme(func(p *offer.Programme) { p.Points = offer.PointsUnit{} })}, "offers[0].reward", offer.FaultNoPoints},

		{"tiers not rising", []change{sample.Offers(tiers(offer.Tier{FromMinor: 0, RateMillionths: 1}, offer.Tier{FromMinor: 1}))}, []change{sample.Offers(tiers(offer.Tier{FromMinor: 1, RateMillionths: 1}, offer.Tier{FromMinor: 1}))}, "offers[0].reward.tiers[1].from", offer.FaultTierOrder},
		{"tiers of nothing", nil, []change{sample.Offers(tiers(offer.Tier{FromMinor: 1}))}, "offers[0].reward", offer.FaultRewardNothing},
		{"no tiers", nil, []change{sample.Offers(tiers())}, "offers[0].reward.tiers", offer.FaultTierCount},
		{"tier over 100 %", []change{sample.Offers(tiers(offer.Tier{RateMillionths: money.One}))}, []change{sample.Offers(tiers(offer.Tier{RateMillionths: money.One + 1}))}, "offers[0].reward.tiers[0].give", offer.FaultRate},
		{"category twice", nil, []change{sample.Offers(reward(offer.Reward{Form: offer.CategoryReward, Categories: []offer.CategoryRate{{"bread", 1}, {"bread", 2}}}))}, "offers[0].reward.categories[1]", offer.FaultCategory},
		{"categories of nothing", []change{sample.Offers(reward(offer.Reward{Form: offer.CategoryReward, RestMillionths: 1, Categories: []offer.CategoryRate{{"bread", 0}}}))}, []change{sample.Offers(reward(offer.Reward{Form: offer.CategoryReward, Categories: []offer.CategoryRate{{"bread", 0}}}))}, "offers[0].reward", offer.FaultRewardNothing},
		{"per full nothing", nil, []change{sample.Offers(perFull(1, 0))}, "offers[0].reward", offer.FaultPerFull},
		{"wallet that expires at once", []change{sample.Offers(reward(offer.Reward{Form: offer.FixedReward, FixedMinor: 1, Kind: rules.Wallet, Wallet: offer.WalletTerms{UsableAfterDays: 1, ExpiresAfterDays: 2}}))}, []change{sample.Offers(reward(offer.Reward{Form: offer.FixedReward, FixedMinor: 1, Kind: rules.Wallet, Wallet: offer.WalletTerms{UsableAfterDays: 2, ExpiresAfterDays: 2}}))}, "offers[0].wallet.expires_after", offer.FaultWalletExpiry},
		{"commission as a reward", nil, []change{changed(func(o *offer.Offer) { o.Reward.Kind = rules.CommissionKind })}, "offers[0].reward", offer.FaultRewardKind},

		{"every visit", []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: offer.PerLife} })}, []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 1, Per: offer.PerLife} })}, "offers[0].every.visit", offer.FaultTimes},
		{"visits per purchase", nil, []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: offer.PerPurchase} })}, "offers[0].every.per", offer.FaultPeriod},
		{"visits of rolling days", nil, []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: offer.PerRolling} })}, "offers[0].every.per", offer.FaultPeriod},
		{"goal of nothing", []change{changed(func(o *offer.Offer) { o.Goal = offer.Goal{AmountMinor: 1, Per: offer.PerDay} })}, []change{changed(func(o *offer.Offer) { o.Goal = offer.Goal{Per: offer.PerDay} })}, "offers[0].goal.spend", offer.FaultGoal},
		{"goal and visits", nil, []change{changed(func(o *offer.Offer) {
			o.Goal, o.Every = offer.Goal{AmountMinor: 1, Per: offer.PerDay}, offer.Every{N: 2, Per: offer.PerLife}
		})}, "offers[0].every", offer.FaultEveryAndGoal},
		{"MCC backwards", []change{changed(func(o *offer.Offer) { o.MCCs = []offer.MCCRange{{0, 9999}} })}, []change{changed(func(o *offer.Offer) { o.MCCs = []offer.MCCRange{{2, 1}} })}, "offers[0].mcc[0]", offer.FaultMCC},
		{"MCC too large", nil, []change{changed(func(o *offer.Offer) { o.MCCs = []offer.MCCRange{{1, 10_000}} })}, "offers[0].mcc[0]", offer.FaultMCC},
		{"hours beyond the day", []change{changed(func(o *offer.Offer) { o.When.Hours = []offer.Hours{{86_399, 1}} })}, []change{changed(func(o *offer.Offer) { o.When.Hours = []offer.Hours{{0, 86_401}} })}, "offers[0].when.hours[0]", offer.FaultHours},
		{"an eighth weekday", []change{changed(func(o *offer.Offer) { o.When.Weekdays = 127 })}, []change{changed(func(o *offer.Offer) { o.When.Weekdays = 128 })}, "offers[0].when.weekdays", offer.FaultWeekday},
		{"lapsed for too long", []change{changed(func(o *offer.Offer) { o.LapsedDays = 3660 })}, []change{changed(func(o *offer.Offer) { o.LapsedDays = 3661 })}, "offers[0].lapsed", offer.FaultDays},
		{"no such channel", nil, []change{changed(func(o *offer.Offer) { o.Channels = []rules.Channel{0} })}, "offers[0].channels[0]", offer.FaultChannel},

		{"count per purchase", []change{changed(caps(offer.Cap{Per: offer.PerDay, Count: 1}))}, []change{changed(caps(offer.Cap{Per: offer.PerPurchase, Count: 1}))}, "offers[0].caps[0].count", offer.FaultCountByPurchase},
		{"amount and count", nil, []change{changed(caps(offer.Cap{Per: offer.PerDay, Count: 1, AmountMinor: 1}))}, "offers[0].caps[0]", offer.FaultCapAndCount},
		{"rolling without days", []change{changed(caps(offer.Cap{Per: offer.PerRolling, Days: 3660, Count: 1}))}, []change{changed(caps(offer.Cap{Per: offer.PerRolling, Count: 1}))}, "offers[0].caps[0].per", offer.FaultCapDays},
		{"days of a month", nil, []change{changed(caps(offer.Cap{Per: offer.PerMonth, Days: 3, Count: 1}))}, "offers[0].caps[0].per", offer.FaultCapDays},
		{"two budgets of a kind", []change{changed(func(o *offer.Offer) {
			o.Budgets = []offer.Budget{{AmountMinor: 1}, {AmountMinor: 1, PerStoreAndDay: true}}
		})}, []change{changed(func(o *offer.Offer) { o.Budgets = []offer.Budget{{AmountMinor: 1}, {AmountMinor: 2}} })}, "offers[0].budgets[1]", offer.FaultBudgetTwice},
		{"a budget of nothing", nil, []change{changed(func(o *offer.Offer) { o.Budgets = []offer.Budget{{}} })}, "offers[0].budgets[0].amount", offer.FaultBudgetNothing},

		{"cost-plus under the cost", []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: money.One}
		})}, []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: money.One - 1}
		})}, "commission.cost_plus", offer.FaultCostPlus},
		{"tiers of a commission", []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.TieredCommission, Tiers: []offer.CommissionTier{{0, 1, 1}, {1, 1, 1}}}
		})}, []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.TieredCommission, Tiers: []offer.CommissionTier{{1, 1, 1}, {0, 1, 1}}}
		})}, "commission.tiers[1].from", offer.FaultTierOrder},
		{"own cost-plus", []change{changed(func(o *offer.Offer) { o.Commission = offer.Commission{FixedMinor: 1} })}, []change{changed(func(o *offer.Offer) {
			o.Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: money.One}
		})}, "offers[0].commission", offer.FaultOfferCommission},
		{"own commission funds", []change{
			sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{} }),
			changed(func(o *offer.Offer) { o.Commission = offer.Commission{FixedMinor: 1} }),
		}, []change{sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{} })}, "offers[0].funded_by", offer.FaultFundingNone},
		{"an offer for sponsors alone", []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{}
			p.Offers = []offer.Offer{{ID: "a", Currency: sample.EUR, Sponsor: offer.Sponsor{FixedMinor: 1}}}
		})}, []change{changed(func(o *offer.Offer) { o.Sponsor = offer.Sponsor{FixedMinor: 1, RateMillionths: 1} })}, "offers[0].sponsor.reward", offer.FaultSponsorBoth},
		{"own offers unsaid", []change{own(sample.PercentOffer("w", 1, sample.ByProgramme))}, []change{own(sample.PercentOffer("w", 1))}, "offers[0].funded_by", offer.FaultFundingOwn},
		{"own offers at a store", nil, []change{own(sample.PercentOffer("w", 1, sample.ByProgramme, func(o *offer.Offer) { o.Stores = []string{"bastille"} }))}, "offers[0].stores[0]", offer.FaultUnknownStore},
		{"own offers with a commission", nil, []change{own(sample.PercentOffer("w", 1, sample.ByProgramme, func(o *offer.Offer) { o.Commission.FixedMinor = 1 }))}, "offers[0].commission", offer.FaultOfferCommission},

		{"boost of a fixed amount", []change{sample.Offers(sample.FixedOffer("a", 1, boosted(times("x", money.One))))}, []change{sample.Offers(sample.FixedOffer("a", 1, boosted(plus("x", 1))))}, "offers[0].boosts[0].add", offer.FaultBoostFit},
		{"a factor under 1", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(times("x", money.One-1))))}, "offers[0].boosts[0].multiply", offer.FaultFactor},
		{"a factor over 100", []change{sample.Offers(sample.PercentOffer("a", 1, boosted(times("x", 100*money.One))))}, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(times("x", 100*money.One+1))))}, "offers[0].boosts[0].multiply", offer.FaultFactor},
		{"two boosts of one id", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(plus("x", 1), plus("x", 2))))}, "offers[0].boosts[1].id", offer.FaultBoostTwice},
		{"a boost that is activated", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(offer.Boost{ID: "x", Op: offer.AddRate, Audience: offer.Audience{Activated: true}})))}, "offers[0].boosts[0].for.activated", offer.FaultActivated},
		{"points on money", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(offer.Boost{ID: "x", Op: offer.AddRate, OfPoints: true})))}, "offers[0].boosts[0].add", offer.FaultBoostFit},

		{"a campaign of no programme", nil, []change{func(c *offer.Catalogue) {
			c.Campaigns = []offer.Campaign{{ID: "c", Version: offer.Version{ID: "c1"}, Programme: "nope"}}
		}}, "programme", offer.FaultUnknownProgramme},
		{"a campaign on nothing", []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe", Offer: "everyday"}))}, []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe", Offer: "weekly"}))}, "boosts[0].offers[0]", offer.FaultUnknownOffer},
		{"a campaign in another unit", []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe"})), budgeted("EUR", 1)}, []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe"})), budgeted("USD", 1)}, "boosts[0].offers[0]", offer.FaultOfferUnit},
		{"an offer that holds out more than all", []change{sample.Offers(heldOut(money.One))}, []change{sample.Offers(heldOut(money.One + 1))}, "offers[0].holdout.percent", offer.FaultHoldout},
		{"an offer that holds out less than none", []change{sample.Offers(heldOut(0))}, []change{sample.Offers(heldOut(-1))}, "offers[0].holdout.percent", offer.FaultHoldout},
		{
			"an offer under a holdout and outside of the programme's",
			[]change{sample.Offers(sample.PercentOffer("a", 1, notOfProgrammes))},
			[]change{sample.Offers(sample.PercentOffer("a", 1, notOfProgrammes, func(o *offer.Offer) { o.Holdout.Millionths = 1 }))},
			"offers[0].holdout", offer.FaultHoldoutAndNone,
		},
		{
			"a programme's salt",
			[]change{sample.Programme(func(p *offer.Programme) { p.Holdout = offer.Holdout{Millionths: 1, Salt: strings.Repeat("s", 256)} })},
			[]change{sample.Programme(func(p *offer.Programme) { p.Holdout = offer.Holdout{Millionths: 1, Salt: strings.Repeat("s", 257)} })},
			"holdout.salt", offer.FaultSalt,
		},
		{
			"a campaign's salt", []change{campaign("c", ""), salted("é")}, []change{campaign("c", ""), salted("a\x00b")}, "holdout.salt", offer.FaultSalt,
		},
		{"a campaign in no unit", nil, []change{campaign("c", "", on(plus("x", 1))), budgeted("MILES", 1)}, "budget", offer.FaultCampaignUnit},
		{"two campaigns at one time", []change{campaign("c", "d0"), campaign("c", "d1")}, []change{campaign("c", ""), campaign("c", "")}, "effective_from", offer.FaultVersionTwice},

		{"an id without end", []change{sample.Partner(func(p *offer.Partner) { p.ID = strings.Repeat("a", 64) })}, []change{sample.Partner(func(p *offer.Partner) { p.ID = strings.Repeat("a", 65) })}, "id", offer.FaultID},
		{"an id that joins ids", nil, []change{changed(func(o *offer.Offer) { o.ID = "a/b" })}, "offers[0].id", offer.FaultIDSeparator},
		{"a version without a name", nil, []change{sample.Partner(func(p *offer.Partner) { p.Version.ID = "" })}, "version", offer.FaultVersionName},
		{"a partner called programme", nil, []change{sample.Partner(func(p *offer.Partner) { p.ID = "programme" })}, "id", offer.FaultReservedID},
		{"too many boosts", []change{changed(boosted(many(50)...))}, []change{changed(boosted(many(51)...))}, "offers[0].boosts", offer.FaultTooMany},
		{"no such rounding", []change{sample.Programme(func(p *offer.Programme) { p.Rounding = money.Up })}, []change{sample.Programme(func(p *offer.Programme) { p.Rounding = money.Up + 1 })}, "rounding", offer.FaultRounding},
		{"refunds of before the horizon", []change{sample.Programme(func(p *offer.Programme) { p.UnlinkedRefundDays = 400 })}, []change{sample.Programme(func(p *offer.Programme) { p.UnlinkedRefundDays = 401 })}, "unlinked_refunds", offer.FaultUnlinkedRefunds},
		{"tokens shorter than they begin", []change{tokens("40000000", 8)}, []change{tokens("400000000", 8)}, "card_token_ranges[0].length", offer.FaultTokenRange},
		{"points that last too long", []change{lasting(3660)}, []change{lasting(3661)}, "points.expires_after", offer.FaultDays},
		{"a month's 29th", []change{paid(offer.Payout{Cycle: monthly(28)})}, []change{paid(offer.Payout{Cycle: monthly(29)})}, "payout.cycle", offer.FaultCycle},
		{"held at once", []change{paid(offer.Payout{Cycle: monthly(1), HoldDays: 1})}, []change{paid(offer.Payout{HoldDays: 1})}, "payout.hold", offer.FaultHoldAtOnce},
		{"held for too long", []change{paid(offer.Payout{Cycle: monthly(1), HoldDays: 3660})}, []change{paid(offer.Payout{Cycle: monthly(1), HoldDays: 3661})}, "payout.hold", offer.FaultDays},
		{"from a sum on at once", []change{paid(offer.Payout{Cycle: monthly(1), FromMinor: 1})}, []change{paid(offer.Payout{FromMinor: 1})}, "payout.from", offer.FaultFromAtOnce},
		{"a sum without end", []change{paid(offer.Payout{Cycle: monthly(1), FromMinor: 1e12})}, []change{paid(offer.Payout{Cycle: monthly(1), FromMinor: 1e12 + 1})}, "payout.from", offer.FaultFixedAmount},
		{"debited after days at once", []change{paid(offer.Payout{Cycle: monthly(1), Negative: offer.NegativeDebit, DebitAfterDays: 1})}, []change{paid(offer.Payout{Negative: offer.NegativeDebit, DebitAfterDays: 1})}, "payout.negative", offer.FaultDebitAtOnce},
		{"netted after days", nil, []change{paid(offer.Payout{Cycle: monthly(1), Negative: offer.NegativeNet, DebitAfterDays: 1})}, "payout.negative", offer.FaultNegative},
		{"a debt without end", []change{paid(offer.Payout{WriteOff: offer.WriteOff{UpToMinor: 1e12}})}, []change{paid(offer.Payout{WriteOff: offer.WriteOff{UpToMinor: 1e12 + 1}})}, "payout.write_off.up_to", offer.FaultFixedAmount},
		{"four eyes over a sum without end", []change{paid(offer.Payout{FourEyes: true, FourEyesOverMinor: 1e12})}, []change{paid(offer.Payout{FourEyes: true, FourEyesOverMinor: 1e12 + 1})}, "payout.four_eyes_over", offer.FaultFixedAmount},
		{"too many attempts", []change{paid(offer.Payout{Attempts: 1000})}, []change{paid(offer.Payout{Attempts: 1001})}, "payout.attempts", offer.FaultTimes},
		{"a network alone", nil, []change{keyed(offer.Key{Network: "visa"})}, "stores[0].keys[0]", offer.FaultKeyNetworkAlone},
		{"an acquirer alone", nil, []change{keyed(offer.Key{AcquirerID: "1"})}, "stores[0].keys[0]", offer.FaultKeyNoMID},
		{"a sub-merchant's terminal", nil, []change{keyed(offer.Key{MID: "1", SubMerchantID: "2", TerminalID: "3"})}, "stores[0].keys[0]", offer.FaultKeyPartTwice},
		{"a network's acquirer", []change{keyed(offer.Key{NetworkMerchantID: "1", Network: "visa"})}, []change{keyed(offer.Key{NetworkMerchantID: "1", AcquirerID: "2"})}, "stores[0].keys[0]", offer.FaultKeyTwoWays},
		{"a mid of nothing", nil, []change{keyed(offer.Key{MID: "  "})}, "stores[0].keys[0].mid", offer.FaultKeyBlank},
		{"a store named twice", []change{at("nation", "bastille")}, []change{at("nation", "bastille", "nation")}, "offers[0].stores[2]", offer.FaultStoreNamedTwice},
		{"a rate and an amount", nil, []change{changed(func(o *offer.Offer) { o.Reward.FixedMinor = 1 })}, "offers[0].reward", offer.FaultRewardBoth},
		{"no categories", nil, []change{sample.Offers(reward(offer.Reward{Form: offer.CategoryReward, RestMillionths: 1}))}, "offers[0].reward.categories", offer.FaultCategoryCount},
		{"a wallet of cash", nil, []change{changed(func(o *offer.Offer) { o.Reward.Wallet.UsableAfterDays = 1 })}, "offers[0].wallet", offer.FaultWalletKind},
		{"a voucher of cash", nil, []change{changed(func(o *offer.Offer) { o.Reward.VoucherFor = "a coffee" })}, "offers[0].voucher_for", offer.FaultVoucherKind},
		{"no such country", []change{changed(func(o *offer.Offer) { o.Countries = []string{"FR"} })}, []change{changed(func(o *offer.Offer) { o.Countries = []string{"FR", "ZZ"} })}, "offers[0].countries[1]", offer.FaultCountry},
		{"once a day by day", []change{every(offer.PerWeek)}, []change{every(offer.PerDay)}, "offers[0].every.once_a", offer.FaultOnceADay},
		{"a boost of nothing", nil, []change{changed(boosted(offer.Boost{ID: "x"}))}, "offers[0].boosts[0]", offer.FaultBoostOp},
		{"two caps of a kind", []change{changed(caps(offer.Cap{Per: offer.PerDay, Count: 1}, offer.Cap{Per: offer.PerDay, AmountMinor: 1}))}, []change{changed(caps(offer.Cap{Per: offer.PerDay, Count: 1}, offer.Cap{Per: offer.PerDay, Count: 2}))}, "offers[0].caps[1]", offer.FaultCapTwice},
		{"rolling caps of two lengths", []change{changed(caps(offer.Cap{Per: offer.PerRolling, Days: 2, Count: 1}, offer.Cap{Per: offer.PerRolling, Days: 3, Count: 1}))}, []change{changed(caps(offer.Cap{Per: offer.PerRolling, Days: 2, Count: 1}, offer.Cap{Per: offer.PerRolling, Days: 2, Count: 2}))}, "offers[0].caps[1]", offer.FaultCapTwice},
		{"a commission on something else", nil, []change{sample.Partner(func(p *offer.Partner) { p.Commission.On = offer.OnSale + 1 })}, "commission.on", offer.FaultCommissionOn},
		{"a commission of no form", nil, []change{sample.Partner(func(p *offer.Partner) { p.Commission.Form = offer.CostPlusCommission + 1 })}, "commission", offer.FaultCommissionForm},
		{"funded by nobody", nil, []change{changed(func(o *offer.Offer) { o.FundedBy = offer.FundedByProgramme + 1 })}, "offers[0].funded_by", offer.FaultFunding},
		{"a campaign's budget by store and day", nil, []change{campaign("c", ""), func(c *offer.Catalogue) {
			c.Campaigns[0].Unit, c.Campaigns[0].Budget = "EUR", offer.Budget{AmountMinor: 1, PerStoreAndDay: true}
		}}, "budget", offer.FaultCampaignBudget},
		{"a campaign's budget of nothing", []change{campaign("c", ""), budgeted("EUR", 1)}, []change{campaign("c", ""), budgeted("EUR", 0)}, "budget.amount", offer.FaultBudgetNothing},
		{"a campaign's points of no programme", nil, []change{campaign("c", "", on(offer.Boost{ID: "x", Op: offer.AddRate, RateMillionths: 1, OfPoints: true}))}, "boosts[0].add", offer.FaultNoPoints},
		{"a campaign that adds to an amount", nil, []change{sample.Offers(sample.FixedOffer("a", 1)), campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe"}))}, "boosts[0].offers[0]", offer.FaultOfferFit},
		{"a campaign that names an offer twice", nil, []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe"}, offer.OfferRef{Partner: "cafe"}))}, "boosts[0].offers[1]", offer.FaultOfferNamedTwice},
	} {
		shown[c.want] = true
		t.Run(c.name, func(t *testing.T) {
			if faults := offer.Check(sample.Cafe(t, c.inside...)); len(faults) > 0 {
				t.Errorf("what is inside is refused: %v", faults)
			}
			faults := offer.Check(sample.Cafe(t, c.out...))
			for i := range faults {
				f := &faults[i]
				if f.Path == c.path && f.Code == c.want {
					if text := f.Text(); text == "" || strings.Contains(text, "%!") {
						t.Errorf("it says %q", text)
					}
					return
				}
			}
			t.Errorf("no fault %d at %s in %v", c.want, c.path, faults)
		})
	}
	for code := offer.FaultID; code < offer.CodeCount; code++ {
		if !shown[code] {
			t.Errorf("nothing here shows code %d", code)
		}
	}
}

// many are so many boosts.
func many(n int) []offer.Boost {
	var all []offer.Boost
	for i := range n {
		all = append(all, times(strconv.Itoa(i), money.One))
	}
	return all
}

func tokens(prefix string, length int) func(*offer.Catalogue) {
	return sample.Programme(func(p *offer.Programme) { p.CardTokenRanges = []rules.TokenRange{{Prefix: prefix, Length: length}} })
}

func lasting(days int) func(*offer.Catalogue) {
	return sample.Programme(func(p *offer.Programme) { p.Points = offer.PointsUnit{Code: "MILES", ExpiresAfterDays: days} })
}

func paid(payout offer.Payout) func(*offer.Catalogue) {
	return sample.Programme(func(p *offer.Programme) { p.Payout = payout })
}

func monthly(day int) offer.Cycle { return offer.Cycle{Kind: offer.MonthlyCycle, Day: day} }

// keyed gives the first store one key, for ever.
func keyed(k offer.Key) func(*offer.Catalogue) {
	k.From, k.Until = rules.MinInstant, rules.MaxInstant
	return sample.Partner(func(p *offer.Partner) { p.Stores[0].Keys = []offer.Key{k} })
}

func at(stores ...string) func(*offer.Catalogue) {
	return changed(func(o *offer.Offer) { o.Stores = stores })
}

// every is every second visit, one a day at most.
func every(per offer.CapPeriod) func(*offer.Catalogue) {
	return changed(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: per, OnceADay: true} })
}

func heldOut(millionths int64) offer.Offer {
	return sample.PercentOffer("a", 1, func(o *offer.Offer) { o.Holdout.Millionths = millionths })
}

func notOfProgrammes(o *offer.Offer) { o.NotOfProgrammes = true }

func salted(salt string) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) { c.Campaigns[0].Holdout = offer.Holdout{Millionths: 1, Salt: salt} }
}

// grouped is so many offers, each in a group of its own.
func grouped(n int, o offer.Offer) []offer.Offer {
	var all []offer.Offer
	for i := range n {
		o.ID, o.Group = strconv.Itoa(i), "g"+strconv.Itoa(i)
		all = append(all, o)
	}
	return all
}

func caps(all ...offer.Cap) func(*offer.Offer) { return func(o *offer.Offer) { o.Caps = all } }

func budgeted(unit string, minor int64) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		c.Campaigns[0].Unit, c.Campaigns[0].Budget = unit, offer.Budget{AmountMinor: minor}
	}
}

// nextProgramme adds a version of the programme from day 1 on.
func nextProgramme(f func(*offer.Programme)) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		p := c.Programmes[0]
		p.Version = offer.Version{ID: "r2", From: sample.At("d1")}
		f(&p)
		c.Programmes = append(c.Programmes, p)
	}
}

// TestNothingThatPassesOverflows works out, with numbers that have no end, what
// an offer that passes can give for all that an account may ever buy.
func TestNothingThatPassesOverflows(t *testing.T) {
	t.Parallel()
	volume := new(big.Int).Lsh(big.NewInt(1), 55) // minor units, the most an account buys
	bound := new(big.Int).Lsh(big.NewInt(1), 63)
	sizes := []int64{1, sample.Percent, money.One, 5 * money.One, 8 * money.One, 100 * money.One, 128 * money.One, 1_000_000 * money.One, 1 << 53, 1 << 62}
	passed := 0
	// With -short a check makes few cases: again until some have shown what is asked.
	for round := 0; round < 10 && passed == 0; round++ {
		rapid.Check(t, func(r *rapid.T) {
			size := func(name string) int64 { return rapid.SampledFrom(sizes).Draw(r, name) }
			agreed := sample.PointsOffer(size("rate"))
			if rapid.Bool().Draw(r, "full") {
				agreed.Reward = offer.Reward{Form: offer.PerFullReward, Kind: rules.Points, FixedMinor: size("fixed"), PerMinor: size("per")}
			}
			factor, added, value := size("factor"), size("added"), size("value")
			agreed.Boosts = []offer.Boost{times("x", factor)}
			if agreed.Reward.Form == offer.RateReward {
				b := plus("y", added)
				b.OfPoints = true
				agreed.Boosts = append(agreed.Boosts, b)
			}
			decimals := rapid.IntRange(0, 4).Draw(r, "decimals")
			if len(offer.Check(sample.Cafe(t, sample.Miles(decimals, value), sample.Offers(agreed)))) > 0 {
				return
			}
			passed++
			units := most(&agreed, factor, added, volume)
			cost := new(big.Int).Mul(units, big.NewInt(value))
			cost.Quo(cost, new(big.Int).Mul(big.NewInt(money.One), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)))
			if units.Cmp(bound) >= 0 || cost.Cmp(bound) >= 0 {
				r.Fatalf("%+v can give %s units that cost %s", agreed.Reward, units, cost)
			}
		})
	}
	if passed == 0 {
		t.Error("no offer passed")
	}
}

// most is what the offer gives for a volume, boosted.
func most(o *offer.Offer, factor, added int64, volume *big.Int) *big.Int {
	one := big.NewInt(money.One)
	if o.Reward.Form == offer.PerFullReward {
		units := new(big.Int).Quo(volume, big.NewInt(o.Reward.PerMinor))
		units.Mul(units, big.NewInt(o.Reward.FixedMinor))
		return units.Quo(units.Mul(units, big.NewInt(factor)), one)
	}
	rate := new(big.Int).Mul(big.NewInt(o.Reward.RateMillionths), big.NewInt(factor))
	rate.Add(rate, new(big.Int).Mul(big.NewInt(added), one))
	units := rate.Mul(rate, volume)
	return units.Quo(units, new(big.Int).Mul(one, one))
}
