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
	for _, c := range []struct {
		name   string
		inside []change
		out    []change
		path   string
		want   string // in the message
	}{
		{"boosts over 800 %", []change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One))))}, []change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One+1))))}, "offers[0].reward", "over 800%"},
		{"boosts that add", []change{sample.Offers(sample.PercentOffer("a", 100*sample.Percent, boosted(times("x", 7*money.One), plus("y", 100*sample.Percent))))}, []change{sample.Offers(sample.PercentOffer("a", 100*sample.Percent, boosted(times("x", 8*money.One), plus("y", 1))))}, "offers[0].reward", "with its boosts"},
		{
			"a campaign's on top",
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 8*money.One)))), campaign("c", "", on(times("y", 16*money.One)))},
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One)))), campaign("c", "", on(plus("y", 1), offer.OfferRef{Partner: "cafe"}))},
			"offers[0].reward", "campaign c",
		},
		{
			"another partner's doesn't count",
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(times("x", 16*money.One)))), own(sample.PercentOffer("w", 1, sample.ByProgramme)), campaign("c", "", on(plus("y", 1), offer.OfferRef{}))},
			[]change{own(sample.PercentOffer("w", 100*sample.Percent, sample.ByProgramme)), campaign("c", "", on(times("y", 9*money.One), offer.OfferRef{}))},
			"offers[0].reward", "campaign c",
		},
		{
			"one after the other",
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted(
				offer.Boost{ID: "x", Op: offer.AddRate, RateMillionths: 100 * sample.Percent, Until: offer.LocalTime{Year: 2026, Month: 3, Day: 1}},
				offer.Boost{ID: "y", Op: offer.MultiplyRate, FactorMillionths: 16 * money.One, From: offer.LocalTime{Year: 2026, Month: 3, Day: 3}})))},
			[]change{sample.Offers(sample.PercentOffer("a", 50*sample.Percent, boosted( // somewhere on earth it is still the day before
				offer.Boost{ID: "x", Op: offer.AddRate, RateMillionths: 100 * sample.Percent, Until: offer.LocalTime{Year: 2026, Month: 3, Day: 1}},
				offer.Boost{ID: "y", Op: offer.MultiplyRate, FactorMillionths: 16 * money.One, From: offer.LocalTime{Year: 2026, Month: 3, Day: 1}})))},
			"offers[0].reward", "with its boosts",
		},
		{"per full amounts", []change{sample.Offers(perFull(100, 100, boosted(times("x", 8*money.One))))}, []change{sample.Offers(perFull(100, 100, boosted(times("x", 8*money.One+1))))}, "offers[0].reward", "8 times"},
		{"groups that add up", []change{sample.Offers(grouped(16, sample.PercentOffer("", 100*sample.Percent, boosted(times("x", 8*money.One))))...)}, []change{sample.Offers(grouped(17, sample.PercentOffer("", 100*sample.Percent, boosted(times("x", 8*money.One))))...)}, "offers", "128 times"},
		{"points again and again", []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 182))}, []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 181))}, "offers[0].reward", "again and again"},
		{"points again and again that are capped", []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 1, caps(offer.Cap{Per: offer.PerLife, AmountMinor: 1 << 39})))}, []change{sample.Miles(0, 8*money.One), sample.Offers(sample.Repeating(money.One, 1, caps(offer.Cap{Per: offer.PerLife, AmountMinor: 1<<39 + 1})))}, "offers[0].reward", "again and again"},
		{"groups of points that cost", []change{sample.Miles(0, 8*money.One), sample.Offers(grouped(2, sample.PointsOffer(money.One))...)}, []change{sample.Miles(0, 8*money.One), sample.Offers(grouped(3, sample.PointsOffer(money.One))...)}, "offers", "128 times"},
		{"points without end", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(128 * money.One))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(128*money.One + 1))}, "offers[0].reward", "128"},
		{"boosted points", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(64 * money.One)), campaign("c", "", on(times("x", 2*money.One)))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(64 * money.One)), campaign("c", "", on(times("x", 2*money.One+1)))}, "offers[0].reward", "128"},
		{"points that are worth more than the purchase", []change{sample.Miles(0, 8*money.One), sample.Offers(sample.PointsOffer(money.One))}, []change{sample.Miles(0, 8*money.One+1), sample.Offers(sample.PointsOffer(money.One))}, "offers[0].reward", "worth more"},
		{"so where points are fine", []change{sample.Miles(4, 8*money.One), sample.Offers(sample.PointsOffer(128 * money.One))}, []change{sample.Miles(1, 8*money.One), sample.Offers(sample.PointsOffer(11 * money.One))}, "offers[0].reward", "worth more"},
		{"points of a programme that gives none", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1)), func(c *offer.Catalogue) { c.Programmes[0].Points = offer.PointsUnit{} }}, "offers[0].reward", "no points"},
		{"points in another currency", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1))}, []change{sample.Miles(0, 0), sample.Offers(sample.PercentOffer("a", 1, sample.In(sample.USD), func(o *offer.Offer) { o.Reward.Kind = rules.Points }))}, "offers[0].reward", "one currency"},
		{"points by a share", []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1))}, []change{sample.Miles(0, 0), sample.Offers(sample.PointsOffer(1)), sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{RateMillionths: 1} })}, "offers[0].funded_by", "cost_plus"},
		{"points named as a currency", []change{sample.Miles(0, 0)}, []change{sample.Miles(0, 0), sample.Programme(func(p *offer.Programme) { p.Points.Code = "EUR" })}, "points.code", "no currency"},
		{"points too fine", []change{sample.Miles(4, 0)}, []change{sample.Miles(5, 0)}, "points.decimals", "0 to 4"},
		{"points too dear", []change{sample.Miles(0, 1_000_000*money.One)}, []change{sample.Miles(0, 1_000_000*money.One+1)}, "points.value", "minor units"},
		{"points renamed", []change{sample.Miles(0, 0), nextProgramme(func(p *offer.Programme) { p.Points.ValueMillionths = 5 })}, []change{sample.Miles(0, 0), nextProgramme(func(p *offer.Programme) { p.Points.Code = "STARS" })}, "points.code", "renamed"},
		{"points rescaled", []change{sample.Miles(2, 0)}, []change{sample.Miles(2, 0), nextProgramme(func(p *offer.Programme) { p.Points.Decimals = 0 })}, "points.decimals", "elsewhere"},
		{"points dropped while given", []change{sample.Miles(2, 0), nextProgramme(func(p *offer.Programme) { p.Points = offer.PointsUnit{} })}, []change{sample.Miles(2, 0), sample.Offers(sample.PointsOffer(1)), nextProgramme(func(p *offer.Programme) { p.Points = offer.PointsUnit{} })}, "offers[0].reward", "r2"},

		{"tiers not rising", []change{sample.Offers(tiers(offer.Tier{FromMinor: 0, RateMillionths: 1}, offer.Tier{FromMinor: 1}))}, []change{sample.Offers(tiers(offer.Tier{FromMinor: 1, RateMillionths: 1}, offer.Tier{FromMinor: 1}))}, "offers[0].reward.tiers[1]", "rising"},
		{"tiers of nothing", nil, []change{sample.Offers(tiers(offer.Tier{FromMinor: 1}))}, "offers[0].reward", "no tier"},
		{"no tiers", nil, []change{sample.Offers(tiers())}, "offers[0].reward", "0 tiers"},
		{"tier over 100 %", []change{sample.Offers(tiers(offer.Tier{RateMillionths: money.One}))}, []change{sample.Offers(tiers(offer.Tier{RateMillionths: money.One + 1}))}, "offers[0].reward.tiers[0]", "100%"},
		{"category twice", nil, []change{sample.Offers(reward(offer.Reward{Form: offer.CategoryReward, Categories: []offer.CategoryRate{{"bread", 1}, {"bread", 2}}}))}, "offers[0].reward.categories[1]", "one rate"},
		{"categories of nothing", []change{sample.Offers(reward(offer.Reward{Form: offer.CategoryReward, RestMillionths: 1, Categories: []offer.CategoryRate{{"bread", 0}}}))}, []change{sample.Offers(reward(offer.Reward{Form: offer.CategoryReward, Categories: []offer.CategoryRate{{"bread", 0}}}))}, "offers[0].reward", "no category"},
		{"per full nothing", nil, []change{sample.Offers(perFull(1, 0))}, "offers[0].reward", "both over 0"},
		{"wallet that expires at once", []change{sample.Offers(reward(offer.Reward{Form: offer.FixedReward, FixedMinor: 1, Kind: rules.Wallet, Wallet: offer.WalletTerms{UsableAfterDays: 1, ExpiresAfterDays: 2}}))}, []change{sample.Offers(reward(offer.Reward{Form: offer.FixedReward, FixedMinor: 1, Kind: rules.Wallet, Wallet: offer.WalletTerms{UsableAfterDays: 2, ExpiresAfterDays: 2}}))}, "offers[0].reward", "wallet"},
		{"commission as a reward", nil, []change{changed(func(o *offer.Offer) { o.Reward.Kind = rules.CommissionKind })}, "offers[0].reward", "unknown kind"},

		{"every visit", []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: offer.PerLife} })}, []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 1, Per: offer.PerLife} })}, "offers[0].every", "2nd"},
		{"visits per purchase", nil, []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: offer.PerPurchase} })}, "offers[0].every", "per day"},
		{"visits of rolling days", nil, []change{changed(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: offer.PerRolling} })}, "offers[0].every", "per day"},
		{"goal of nothing", []change{changed(func(o *offer.Offer) { o.Goal = offer.Goal{AmountMinor: 1, Per: offer.PerDay} })}, []change{changed(func(o *offer.Offer) { o.Goal = offer.Goal{Per: offer.PerDay} })}, "offers[0].goal", "from 1"},
		{"goal and visits", nil, []change{changed(func(o *offer.Offer) {
			o.Goal, o.Every = offer.Goal{AmountMinor: 1, Per: offer.PerDay}, offer.Every{N: 2, Per: offer.PerLife}
		})}, "offers[0].every", "keep one"},
		{"MCC backwards", []change{changed(func(o *offer.Offer) { o.MCCs = []offer.MCCRange{{0, 9999}} })}, []change{changed(func(o *offer.Offer) { o.MCCs = []offer.MCCRange{{2, 1}} })}, "offers[0].mcc", "no range"},
		{"MCC too large", nil, []change{changed(func(o *offer.Offer) { o.MCCs = []offer.MCCRange{{1, 10_000}} })}, "offers[0].mcc", "no range"},
		{"hours beyond the day", []change{changed(func(o *offer.Offer) { o.When.Hours = []offer.Hours{{86_399, 1}} })}, []change{changed(func(o *offer.Offer) { o.When.Hours = []offer.Hours{{0, 86_401}} })}, "offers[0].when.hours", "24:00"},
		{"an eighth weekday", []change{changed(func(o *offer.Offer) { o.When.Weekdays = 127 })}, []change{changed(func(o *offer.Offer) { o.When.Weekdays = 128 })}, "offers[0].when.weekdays", "unknown"},
		{"lapsed for too long", []change{changed(func(o *offer.Offer) { o.LapsedDays = 3660 })}, []change{changed(func(o *offer.Offer) { o.LapsedDays = 3661 })}, "offers[0].lapsed", "3660"},
		{"no such channel", nil, []change{changed(func(o *offer.Offer) { o.Channels = []rules.Channel{0} })}, "offers[0].channels", "unknown"},

		{"count per purchase", []change{changed(caps(offer.Cap{Per: offer.PerDay, Count: 1}))}, []change{changed(caps(offer.Cap{Per: offer.PerPurchase, Count: 1}))}, "offers[0].caps[0]", "more than one purchase"},
		{"amount and count", nil, []change{changed(caps(offer.Cap{Per: offer.PerDay, Count: 1, AmountMinor: 1}))}, "offers[0].caps[0]", "amount or a count"},
		{"rolling without days", []change{changed(caps(offer.Cap{Per: offer.PerRolling, Days: 3660, Count: 1}))}, []change{changed(caps(offer.Cap{Per: offer.PerRolling, Count: 1}))}, "offers[0].caps[0]", "rolling"},
		{"days of a month", nil, []change{changed(caps(offer.Cap{Per: offer.PerMonth, Days: 3, Count: 1}))}, "offers[0].caps[0]", "rolling"},
		{"two budgets of a kind", []change{changed(func(o *offer.Offer) {
			o.Budgets = []offer.Budget{{AmountMinor: 1}, {AmountMinor: 1, PerStoreAndDay: true}}
		})}, []change{changed(func(o *offer.Offer) { o.Budgets = []offer.Budget{{AmountMinor: 1}, {AmountMinor: 2}} })}, "offers[0].budgets", "one budget"},
		{"a budget of nothing", nil, []change{changed(func(o *offer.Offer) { o.Budgets = []offer.Budget{{}} })}, "offers[0].budgets[0]", "within 1"},

		{"cost-plus under the cost", []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: money.One}
		})}, []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: money.One - 1}
		})}, "commission.cost_plus", "100%"},
		{"tiers of a commission", []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.TieredCommission, Tiers: []offer.CommissionTier{{0, 1, 1}, {1, 1, 1}}}
		})}, []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{Form: offer.TieredCommission, Tiers: []offer.CommissionTier{{1, 1, 1}, {0, 1, 1}}}
		})}, "commission.tiers[1]", "rising"},
		{"own cost-plus", []change{changed(func(o *offer.Offer) { o.Commission = offer.Commission{FixedMinor: 1} })}, []change{changed(func(o *offer.Offer) {
			o.Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: money.One}
		})}, "offers[0].commission", "may add"},
		{"own commission funds", []change{
			sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{} }),
			changed(func(o *offer.Offer) { o.Commission = offer.Commission{FixedMinor: 1} }),
		}, []change{sample.Partner(func(p *offer.Partner) { p.Commission = offer.Commission{} })}, "offers[0].funded_by", "no commission"},
		{"an offer for sponsors alone", []change{sample.Partner(func(p *offer.Partner) {
			p.Commission = offer.Commission{}
			p.Offers = []offer.Offer{{ID: "a", Currency: sample.EUR, Sponsor: offer.Sponsor{FixedMinor: 1}}}
		})}, []change{changed(func(o *offer.Offer) { o.Sponsor = offer.Sponsor{FixedMinor: 1, RateMillionths: 1} })}, "offers[0].sponsor.reward", "not both"},
		{"own offers unsaid", []change{own(sample.PercentOffer("w", 1, sample.ByProgramme))}, []change{own(sample.PercentOffer("w", 1))}, "offers[0].funded_by", "own offers"},
		{"own offers at a store", nil, []change{own(sample.PercentOffer("w", 1, sample.ByProgramme, func(o *offer.Offer) { o.Stores = []string{"bastille"} }))}, "offers[0].stores", "no store"},
		{"own offers with a commission", nil, []change{own(sample.PercentOffer("w", 1, sample.ByProgramme, func(o *offer.Offer) { o.Commission.FixedMinor = 1 }))}, "offers[0].commission", "may add"},

		{"boost of a fixed amount", []change{sample.Offers(sample.FixedOffer("a", 1, boosted(times("x", money.One))))}, []change{sample.Offers(sample.FixedOffer("a", 1, boosted(plus("x", 1))))}, "", ""},
		{"a factor under 1", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(times("x", money.One-1))))}, "offers[0].boosts[0].multiply", "from 1"},
		{"a factor over 100", []change{sample.Offers(sample.PercentOffer("a", 1, boosted(times("x", 100*money.One))))}, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(times("x", 100*money.One+1))))}, "offers[0].boosts[0].multiply", "to 100"},
		{"two boosts of one id", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(plus("x", 1), plus("x", 2))))}, "offers[0].boosts[1]", "of its own"},
		{"a boost that is activated", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(offer.Boost{ID: "x", Op: offer.AddRate, Audience: offer.Audience{Activated: true}})))}, "offers[0].boosts[0].for", "activated"},
		{"points on money", nil, []change{sample.Offers(sample.PercentOffer("a", 1, boosted(offer.Boost{ID: "x", Op: offer.AddRate, OfPoints: true})))}, "offers[0].boosts[0]", "of money or of points"},

		{"a campaign of no programme", nil, []change{func(c *offer.Catalogue) {
			c.Campaigns = []offer.Campaign{{ID: "c", Version: offer.Version{ID: "c1"}, Programme: "nope"}}
		}}, "programme", "unknown programme"},
		{"a campaign on nothing", []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe", Offer: "everyday"}))}, []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe", Offer: "weekly"}))}, "boosts[0].offers[0]", "no such offer"},
		{"a campaign in another unit", []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe"})), budgeted("EUR", 1)}, []change{campaign("c", "", on(plus("x", 1), offer.OfferRef{Partner: "cafe"})), budgeted("USD", 1)}, "boosts[0].offers[0]", "budget is in USD"},
		{"an offer that holds out more than all", []change{sample.Offers(heldOut(money.One))}, []change{sample.Offers(heldOut(money.One + 1))}, "offers[0].holdout", "100%"},
		{"an offer that holds out less than none", []change{sample.Offers(heldOut(0))}, []change{sample.Offers(heldOut(-1))}, "offers[0].holdout", "100%"},
		{
			"an offer under a holdout and outside of the programme's",
			[]change{sample.Offers(sample.PercentOffer("a", 1, notOfProgrammes))},
			[]change{sample.Offers(sample.PercentOffer("a", 1, notOfProgrammes, func(o *offer.Offer) { o.Holdout.Millionths = 1 }))},
			"offers[0].holdout", "keep one",
		},
		{
			"a programme's salt",
			[]change{sample.Programme(func(p *offer.Programme) { p.Holdout = offer.Holdout{Millionths: 1, Salt: strings.Repeat("s", 256)} })},
			[]change{sample.Programme(func(p *offer.Programme) { p.Holdout = offer.Holdout{Millionths: 1, Salt: strings.Repeat("s", 257)} })},
			"holdout", "256 bytes",
		},
		{
			"a campaign's salt", []change{campaign("c", ""), salted("é")}, []change{campaign("c", ""), salted("a\x00b")}, "holdout", "zero byte",
		},
		{"a campaign in no unit", nil, []change{campaign("c", "", on(plus("x", 1))), budgeted("MILES", 1)}, "budget", "neither a currency"},
		{"two campaigns at one time", []change{campaign("c", "d0"), campaign("c", "d1")}, []change{campaign("c", ""), campaign("c", "")}, "effective_from", "two versions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if faults := offer.Check(sample.Cafe(t, c.inside...)); len(faults) > 0 {
				t.Errorf("what is inside is refused: %v", faults)
			}
			faults := offer.Check(sample.Cafe(t, c.out...))
			for _, f := range faults {
				if strings.HasPrefix(f.Path, c.path) && strings.Contains(f.Message, c.want) {
					return
				}
			}
			t.Errorf("no fault at %s with %q in %v", c.path, c.want, faults)
		})
	}
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
