package rules_test

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/money"
)

func boosted(boosts ...rules.Boost) func(*rules.Offer) {
	return func(o *rules.Offer) { o.Boosts = boosts }
}

func times(id string, factor int64) rules.Boost {
	return rules.Boost{ID: id, Op: rules.MultiplyRate, FactorMillionths: factor}
}

func plus(id string, rate int64) rules.Boost {
	return rules.Boost{ID: id, Op: rules.AddRate, RateMillionths: rate}
}

func campaign(id string, from string, boosts ...rules.CampaignBoost) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) {
		version := rules.Version{ID: id + "1", From: rules.MinInstant}
		if from != "" {
			version.From = when(from)
		}
		c.Campaigns = append(c.Campaigns, rules.Campaign{ID: id, Version: version, Programme: "ristourne", Boosts: boosts})
	}
}

func on(b rules.Boost, refs ...rules.OfferRef) rules.CampaignBoost {
	return rules.CampaignBoost{Boost: b, Offers: refs}
}

func reward(r rules.Reward) rules.Offer {
	return rules.Offer{ID: "a", Currency: eur, Reward: r}
}

func changed(f func(*rules.Offer)) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) { f(&c.Partners[0].Offers[0]) }
}

func tiers(all ...rules.Tier) rules.Offer {
	return reward(rules.Reward{Form: rules.TieredReward, Tiers: all})
}

func perFull(fixed, per int64, change ...func(*rules.Offer)) rules.Offer {
	o := reward(rules.Reward{Form: rules.PerFullReward, FixedMinor: fixed, PerMinor: per})
	for _, f := range change {
		f(&o)
	}
	return o
}

// TestCheckRefuses holds each bound on both sides: what is just inside passes,
// what is just outside is told at its place.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	type change = func(*rules.Catalogue)
	own := func(o rules.Offer) change { return programme(func(p *rules.Programme) { p.Offers = []rules.Offer{o} }) }
	for _, c := range []struct {
		name   string
		inside []change
		out    []change
		path   string
		want   string // in the message
	}{
		{"boosts over 800 %", []change{offers(percentOffer("a", 50*percent, boosted(times("x", 16*money.One))))}, []change{offers(percentOffer("a", 50*percent, boosted(times("x", 16*money.One+1))))}, "offers[0].reward", "over 800%"},
		{"boosts that add", []change{offers(percentOffer("a", 100*percent, boosted(times("x", 7*money.One), plus("y", 100*percent))))}, []change{offers(percentOffer("a", 100*percent, boosted(times("x", 8*money.One), plus("y", 1))))}, "offers[0].reward", "with its boosts"},
		{
			"a campaign's on top",
			[]change{offers(percentOffer("a", 50*percent, boosted(times("x", 8*money.One)))), campaign("c", "", on(times("y", 16*money.One)))},
			[]change{offers(percentOffer("a", 50*percent, boosted(times("x", 16*money.One)))), campaign("c", "", on(plus("y", 1), rules.OfferRef{Partner: "cafe"}))},
			"offers[0].reward", "campaign c",
		},
		{
			"another partner's doesn't count",
			[]change{offers(percentOffer("a", 50*percent, boosted(times("x", 16*money.One)))), own(percentOffer("w", 1, byProgramme)), campaign("c", "", on(plus("y", 1), rules.OfferRef{}))},
			[]change{own(percentOffer("w", 100*percent, byProgramme)), campaign("c", "", on(times("y", 9*money.One), rules.OfferRef{}))},
			"offers[0].reward", "campaign c",
		},
		{
			"one after the other",
			[]change{offers(percentOffer("a", 50*percent, boosted(
				rules.Boost{ID: "x", Op: rules.AddRate, RateMillionths: 100 * percent, Until: rules.LocalTime{Year: 2026, Month: 3, Day: 1}},
				rules.Boost{ID: "y", Op: rules.MultiplyRate, FactorMillionths: 16 * money.One, From: rules.LocalTime{Year: 2026, Month: 3, Day: 3}})))},
			[]change{offers(percentOffer("a", 50*percent, boosted( // somewhere on earth it is still the day before
				rules.Boost{ID: "x", Op: rules.AddRate, RateMillionths: 100 * percent, Until: rules.LocalTime{Year: 2026, Month: 3, Day: 1}},
				rules.Boost{ID: "y", Op: rules.MultiplyRate, FactorMillionths: 16 * money.One, From: rules.LocalTime{Year: 2026, Month: 3, Day: 1}})))},
			"offers[0].reward", "with its boosts",
		},
		{"per full amounts", []change{offers(perFull(100, 100, boosted(times("x", 8*money.One))))}, []change{offers(perFull(100, 100, boosted(times("x", 8*money.One+1))))}, "offers[0].reward", "8 times"},
		{"groups that add up", []change{offers(grouped(16, percentOffer("", 100*percent, boosted(times("x", 8*money.One))))...)}, []change{offers(grouped(17, percentOffer("", 100*percent, boosted(times("x", 8*money.One))))...)}, "offers", "128 times"},
		{"points again and again", []change{miles(0, 8*money.One), offers(repeating(money.One, 182))}, []change{miles(0, 8*money.One), offers(repeating(money.One, 181))}, "offers[0].reward", "again and again"},
		{"points again and again that are capped", []change{miles(0, 8*money.One), offers(repeating(money.One, 1, caps(rules.Cap{Per: rules.PerLife, AmountMinor: 1 << 39})))}, []change{miles(0, 8*money.One), offers(repeating(money.One, 1, caps(rules.Cap{Per: rules.PerLife, AmountMinor: 1<<39 + 1})))}, "offers[0].reward", "again and again"},
		{"groups of points that cost", []change{miles(0, 8*money.One), offers(grouped(2, pointsOffer(money.One))...)}, []change{miles(0, 8*money.One), offers(grouped(3, pointsOffer(money.One))...)}, "offers", "128 times"},
		{"points without end", []change{miles(0, 0), offers(pointsOffer(128 * money.One))}, []change{miles(0, 0), offers(pointsOffer(128*money.One + 1))}, "offers[0].reward", "128"},
		{"boosted points", []change{miles(0, 0), offers(pointsOffer(64 * money.One)), campaign("c", "", on(times("x", 2*money.One)))}, []change{miles(0, 0), offers(pointsOffer(64 * money.One)), campaign("c", "", on(times("x", 2*money.One+1)))}, "offers[0].reward", "128"},
		{"points that are worth more than the purchase", []change{miles(0, 8*money.One), offers(pointsOffer(money.One))}, []change{miles(0, 8*money.One+1), offers(pointsOffer(money.One))}, "offers[0].reward", "worth more"},
		{"so where points are fine", []change{miles(4, 8*money.One), offers(pointsOffer(128 * money.One))}, []change{miles(1, 8*money.One), offers(pointsOffer(11 * money.One))}, "offers[0].reward", "worth more"},
		{"points of a programme that gives none", []change{miles(0, 0), offers(pointsOffer(1))}, []change{miles(0, 0), offers(pointsOffer(1)), func(c *rules.Catalogue) { c.Programmes[0].Points = rules.PointsUnit{} }}, "offers[0].reward", "no points"},
		{"points in another currency", []change{miles(0, 0), offers(pointsOffer(1))}, []change{miles(0, 0), offers(percentOffer("a", 1, in(usd), func(o *rules.Offer) { o.Reward.Kind = rules.Points }))}, "offers[0].reward", "one currency"},
		{"points by a share", []change{miles(0, 0), offers(pointsOffer(1))}, []change{miles(0, 0), offers(pointsOffer(1)), partner(func(p *rules.Partner) { p.Commission = rules.Commission{RateMillionths: 1} })}, "offers[0].funded_by", "cost_plus"},
		{"points named as a currency", []change{miles(0, 0)}, []change{miles(0, 0), programme(func(p *rules.Programme) { p.Points.Code = "EUR" })}, "points.code", "no currency"},
		{"points too fine", []change{miles(4, 0)}, []change{miles(5, 0)}, "points.decimals", "0 to 4"},
		{"points too dear", []change{miles(0, 1_000_000*money.One)}, []change{miles(0, 1_000_000*money.One+1)}, "points.value", "minor units"},
		{"points renamed", []change{miles(0, 0), nextProgramme(func(p *rules.Programme) { p.Points.ValueMillionths = 5 })}, []change{miles(0, 0), nextProgramme(func(p *rules.Programme) { p.Points.Code = "STARS" })}, "points.code", "renamed"},
		{"points rescaled", []change{miles(2, 0)}, []change{miles(2, 0), nextProgramme(func(p *rules.Programme) { p.Points.Decimals = 0 })}, "points.decimals", "elsewhere"},
		{"points dropped while given", []change{miles(2, 0), nextProgramme(func(p *rules.Programme) { p.Points = rules.PointsUnit{} })}, []change{miles(2, 0), offers(pointsOffer(1)), nextProgramme(func(p *rules.Programme) { p.Points = rules.PointsUnit{} })}, "offers[0].reward", "r2"},

		{"tiers not rising", []change{offers(tiers(rules.Tier{FromMinor: 0, RateMillionths: 1}, rules.Tier{FromMinor: 1}))}, []change{offers(tiers(rules.Tier{FromMinor: 1, RateMillionths: 1}, rules.Tier{FromMinor: 1}))}, "offers[0].reward.tiers[1]", "rising"},
		{"tiers of nothing", nil, []change{offers(tiers(rules.Tier{FromMinor: 1}))}, "offers[0].reward", "no tier"},
		{"no tiers", nil, []change{offers(tiers())}, "offers[0].reward", "0 tiers"},
		{"tier over 100 %", []change{offers(tiers(rules.Tier{RateMillionths: money.One}))}, []change{offers(tiers(rules.Tier{RateMillionths: money.One + 1}))}, "offers[0].reward.tiers[0]", "100%"},
		{"category twice", nil, []change{offers(reward(rules.Reward{Form: rules.CategoryReward, Categories: []rules.CategoryRate{{"bread", 1}, {"bread", 2}}}))}, "offers[0].reward.categories[1]", "one rate"},
		{"categories of nothing", []change{offers(reward(rules.Reward{Form: rules.CategoryReward, RestMillionths: 1, Categories: []rules.CategoryRate{{"bread", 0}}}))}, []change{offers(reward(rules.Reward{Form: rules.CategoryReward, Categories: []rules.CategoryRate{{"bread", 0}}}))}, "offers[0].reward", "no category"},
		{"per full nothing", nil, []change{offers(perFull(1, 0))}, "offers[0].reward", "both over 0"},
		{"wallet that expires at once", []change{offers(reward(rules.Reward{Form: rules.FixedReward, FixedMinor: 1, Kind: rules.Wallet, Wallet: rules.WalletTerms{UsableAfterDays: 1, ExpiresAfterDays: 2}}))}, []change{offers(reward(rules.Reward{Form: rules.FixedReward, FixedMinor: 1, Kind: rules.Wallet, Wallet: rules.WalletTerms{UsableAfterDays: 2, ExpiresAfterDays: 2}}))}, "offers[0].reward", "wallet"},
		{"commission as a reward", nil, []change{changed(func(o *rules.Offer) { o.Reward.Kind = rules.CommissionKind })}, "offers[0].reward", "unknown kind"},

		{"every visit", []change{changed(func(o *rules.Offer) { o.Every = rules.Every{N: 2, Per: rules.PerLife} })}, []change{changed(func(o *rules.Offer) { o.Every = rules.Every{N: 1, Per: rules.PerLife} })}, "offers[0].every", "2nd"},
		{"visits per purchase", nil, []change{changed(func(o *rules.Offer) { o.Every = rules.Every{N: 2, Per: rules.PerPurchase} })}, "offers[0].every", "per day"},
		{"visits of rolling days", nil, []change{changed(func(o *rules.Offer) { o.Every = rules.Every{N: 2, Per: rules.PerRolling} })}, "offers[0].every", "per day"},
		{"goal of nothing", []change{changed(func(o *rules.Offer) { o.Goal = rules.Goal{AmountMinor: 1, Per: rules.PerDay} })}, []change{changed(func(o *rules.Offer) { o.Goal = rules.Goal{Per: rules.PerDay} })}, "offers[0].goal", "from 1"},
		{"goal and visits", nil, []change{changed(func(o *rules.Offer) {
			o.Goal, o.Every = rules.Goal{AmountMinor: 1, Per: rules.PerDay}, rules.Every{N: 2, Per: rules.PerLife}
		})}, "offers[0].every", "keep one"},
		{"MCC backwards", []change{changed(func(o *rules.Offer) { o.MCCs = []rules.MCCRange{{0, 9999}} })}, []change{changed(func(o *rules.Offer) { o.MCCs = []rules.MCCRange{{2, 1}} })}, "offers[0].mcc", "no range"},
		{"MCC too large", nil, []change{changed(func(o *rules.Offer) { o.MCCs = []rules.MCCRange{{1, 10_000}} })}, "offers[0].mcc", "no range"},
		{"hours beyond the day", []change{changed(func(o *rules.Offer) { o.When.Hours = []rules.Hours{{86_399, 1}} })}, []change{changed(func(o *rules.Offer) { o.When.Hours = []rules.Hours{{0, 86_401}} })}, "offers[0].when.hours", "24:00"},
		{"an eighth weekday", []change{changed(func(o *rules.Offer) { o.When.Weekdays = 127 })}, []change{changed(func(o *rules.Offer) { o.When.Weekdays = 128 })}, "offers[0].when.weekdays", "unknown"},
		{"lapsed for too long", []change{changed(func(o *rules.Offer) { o.LapsedDays = 3660 })}, []change{changed(func(o *rules.Offer) { o.LapsedDays = 3661 })}, "offers[0].lapsed", "3660"},
		{"no such channel", nil, []change{changed(func(o *rules.Offer) { o.Channels = []rules.Channel{0} })}, "offers[0].channels", "unknown"},

		{"count per purchase", []change{changed(caps(rules.Cap{Per: rules.PerDay, Count: 1}))}, []change{changed(caps(rules.Cap{Per: rules.PerPurchase, Count: 1}))}, "offers[0].caps[0]", "more than one purchase"},
		{"amount and count", nil, []change{changed(caps(rules.Cap{Per: rules.PerDay, Count: 1, AmountMinor: 1}))}, "offers[0].caps[0]", "amount or a count"},
		{"rolling without days", []change{changed(caps(rules.Cap{Per: rules.PerRolling, Days: 3660, Count: 1}))}, []change{changed(caps(rules.Cap{Per: rules.PerRolling, Count: 1}))}, "offers[0].caps[0]", "rolling"},
		{"days of a month", nil, []change{changed(caps(rules.Cap{Per: rules.PerMonth, Days: 3, Count: 1}))}, "offers[0].caps[0]", "rolling"},
		{"two budgets of a kind", []change{changed(func(o *rules.Offer) {
			o.Budgets = []rules.Budget{{AmountMinor: 1}, {AmountMinor: 1, PerStoreAndDay: true}}
		})}, []change{changed(func(o *rules.Offer) { o.Budgets = []rules.Budget{{AmountMinor: 1}, {AmountMinor: 2}} })}, "offers[0].budgets", "one budget"},
		{"a budget of nothing", nil, []change{changed(func(o *rules.Offer) { o.Budgets = []rules.Budget{{}} })}, "offers[0].budgets[0]", "within 1"},

		{"cost-plus under the cost", []change{partner(func(p *rules.Partner) {
			p.Commission = rules.Commission{Form: rules.CostPlusCommission, CostMillionths: money.One}
		})}, []change{partner(func(p *rules.Partner) {
			p.Commission = rules.Commission{Form: rules.CostPlusCommission, CostMillionths: money.One - 1}
		})}, "commission.cost_plus", "100%"},
		{"tiers of a commission", []change{partner(func(p *rules.Partner) {
			p.Commission = rules.Commission{Form: rules.TieredCommission, Tiers: []rules.CommissionTier{{0, 1, 1}, {1, 1, 1}}}
		})}, []change{partner(func(p *rules.Partner) {
			p.Commission = rules.Commission{Form: rules.TieredCommission, Tiers: []rules.CommissionTier{{1, 1, 1}, {0, 1, 1}}}
		})}, "commission.tiers[1]", "rising"},
		{"own cost-plus", []change{changed(func(o *rules.Offer) { o.Commission = rules.Commission{FixedMinor: 1} })}, []change{changed(func(o *rules.Offer) {
			o.Commission = rules.Commission{Form: rules.CostPlusCommission, CostMillionths: money.One}
		})}, "offers[0].commission", "may add"},
		{"own commission funds", []change{
			partner(func(p *rules.Partner) { p.Commission = rules.Commission{} }),
			changed(func(o *rules.Offer) { o.Commission = rules.Commission{FixedMinor: 1} }),
		}, []change{partner(func(p *rules.Partner) { p.Commission = rules.Commission{} })}, "offers[0].funded_by", "no commission"},
		{"an offer for sponsors alone", []change{partner(func(p *rules.Partner) {
			p.Commission = rules.Commission{}
			p.Offers = []rules.Offer{{ID: "a", Currency: eur, Sponsor: rules.Sponsor{FixedMinor: 1}}}
		})}, []change{changed(func(o *rules.Offer) { o.Sponsor = rules.Sponsor{FixedMinor: 1, RateMillionths: 1} })}, "offers[0].sponsor.reward", "not both"},
		{"own offers unsaid", []change{own(percentOffer("w", 1, byProgramme))}, []change{own(percentOffer("w", 1))}, "offers[0].funded_by", "own offers"},
		{"own offers at a store", nil, []change{own(percentOffer("w", 1, byProgramme, func(o *rules.Offer) { o.Stores = []string{"bastille"} }))}, "offers[0].stores", "no store"},
		{"own offers with a commission", nil, []change{own(percentOffer("w", 1, byProgramme, func(o *rules.Offer) { o.Commission.FixedMinor = 1 }))}, "offers[0].commission", "may add"},

		{"boost of a fixed amount", []change{offers(fixedOffer("a", 1, boosted(times("x", money.One))))}, []change{offers(fixedOffer("a", 1, boosted(plus("x", 1))))}, "", ""},
		{"a factor under 1", nil, []change{offers(percentOffer("a", 1, boosted(times("x", money.One-1))))}, "offers[0].boosts[0].multiply", "from 1"},
		{"a factor over 100", []change{offers(percentOffer("a", 1, boosted(times("x", 100*money.One))))}, []change{offers(percentOffer("a", 1, boosted(times("x", 100*money.One+1))))}, "offers[0].boosts[0].multiply", "to 100"},
		{"two boosts of one id", nil, []change{offers(percentOffer("a", 1, boosted(plus("x", 1), plus("x", 2))))}, "offers[0].boosts[1]", "of its own"},
		{"a boost that is activated", nil, []change{offers(percentOffer("a", 1, boosted(rules.Boost{ID: "x", Op: rules.AddRate, Audience: rules.Audience{Activated: true}})))}, "offers[0].boosts[0].for", "activated"},
		{"points on money", nil, []change{offers(percentOffer("a", 1, boosted(rules.Boost{ID: "x", Op: rules.AddRate, OfPoints: true})))}, "offers[0].boosts[0]", "of money or of points"},

		{"a campaign of no programme", nil, []change{func(c *rules.Catalogue) {
			c.Campaigns = []rules.Campaign{{ID: "c", Version: rules.Version{ID: "c1"}, Programme: "nope"}}
		}}, "programme", "unknown programme"},
		{"a campaign on nothing", []change{campaign("c", "", on(plus("x", 1), rules.OfferRef{Partner: "cafe", Offer: "everyday"}))}, []change{campaign("c", "", on(plus("x", 1), rules.OfferRef{Partner: "cafe", Offer: "weekly"}))}, "boosts[0].offers[0]", "no such offer"},
		{"a campaign in another unit", []change{campaign("c", "", on(plus("x", 1), rules.OfferRef{Partner: "cafe"})), budgeted("EUR", 1)}, []change{campaign("c", "", on(plus("x", 1), rules.OfferRef{Partner: "cafe"})), budgeted("USD", 1)}, "boosts[0].offers[0]", "budget is in USD"},
		{"an offer that holds out more than all", []change{offers(heldOut(money.One))}, []change{offers(heldOut(money.One + 1))}, "offers[0].holdout", "100%"},
		{"an offer that holds out less than none", []change{offers(heldOut(0))}, []change{offers(heldOut(-1))}, "offers[0].holdout", "100%"},
		{
			"an offer under a holdout and outside of the programme's",
			[]change{offers(percentOffer("a", 1, notOfProgrammes))},
			[]change{offers(percentOffer("a", 1, notOfProgrammes, func(o *rules.Offer) { o.Holdout.Millionths = 1 }))},
			"offers[0].holdout", "keep one",
		},
		{
			"a programme's salt",
			[]change{programme(func(p *rules.Programme) { p.Holdout = rules.Holdout{Millionths: 1, Salt: strings.Repeat("s", 256)} })},
			[]change{programme(func(p *rules.Programme) { p.Holdout = rules.Holdout{Millionths: 1, Salt: strings.Repeat("s", 257)} })},
			"holdout", "256 bytes",
		},
		{
			"a campaign's salt", []change{campaign("c", ""), salted("é")}, []change{campaign("c", ""), salted("a\x00b")}, "holdout", "zero byte",
		},
		{"a campaign in no unit", nil, []change{campaign("c", "", on(plus("x", 1))), budgeted("MILES", 1)}, "budget", "neither a currency"},
		{"two campaigns at one time", []change{campaign("c", "d0"), campaign("c", "d1")}, []change{campaign("c", ""), campaign("c", "")}, "effective_from", "two versions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if faults := rules.Check(cafe(t, c.inside...)); len(faults) > 0 {
				t.Errorf("what is inside is refused: %v", faults)
			}
			faults := rules.Check(cafe(t, c.out...))
			for _, f := range faults {
				if strings.HasPrefix(f.Path, c.path) && strings.Contains(f.Message, c.want) {
					return
				}
			}
			t.Errorf("no fault at %s with %q in %v", c.path, c.want, faults)
		})
	}
}

func heldOut(millionths int64) rules.Offer {
	return percentOffer("a", 1, func(o *rules.Offer) { o.Holdout.Millionths = millionths })
}

func notOfProgrammes(o *rules.Offer) { o.NotOfProgrammes = true }

func salted(salt string) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) { c.Campaigns[0].Holdout = rules.Holdout{Millionths: 1, Salt: salt} }
}

// grouped is so many offers, each in a group of its own.
func grouped(n int, o rules.Offer) []rules.Offer {
	var all []rules.Offer
	for i := range n {
		o.ID, o.Group = strconv.Itoa(i), "g"+strconv.Itoa(i)
		all = append(all, o)
	}
	return all
}

func caps(all ...rules.Cap) func(*rules.Offer) { return func(o *rules.Offer) { o.Caps = all } }

func budgeted(unit string, minor int64) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) {
		c.Campaigns[0].Unit, c.Campaigns[0].Budget = unit, rules.Budget{AmountMinor: minor}
	}
}

// nextProgramme adds a version of the programme from day 1 on.
func nextProgramme(f func(*rules.Programme)) func(*rules.Catalogue) {
	return func(c *rules.Catalogue) {
		p := c.Programmes[0]
		p.Version = rules.Version{ID: "r2", From: when("d1")}
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
	sizes := []int64{1, percent, money.One, 5 * money.One, 8 * money.One, 100 * money.One, 128 * money.One, 1_000_000 * money.One, 1 << 53, 1 << 62}
	passed := 0
	rapid.Check(t, func(r *rapid.T) {
		size := func(name string) int64 { return rapid.SampledFrom(sizes).Draw(r, name) }
		offer := pointsOffer(size("rate"))
		if rapid.Bool().Draw(r, "full") {
			offer.Reward = rules.Reward{Form: rules.PerFullReward, Kind: rules.Points, FixedMinor: size("fixed"), PerMinor: size("per")}
		}
		factor, added, value := size("factor"), size("added"), size("value")
		offer.Boosts = []rules.Boost{times("x", factor)}
		if offer.Reward.Form == rules.RateReward {
			b := plus("y", added)
			b.OfPoints = true
			offer.Boosts = append(offer.Boosts, b)
		}
		decimals := rapid.IntRange(0, 4).Draw(r, "decimals")
		if len(rules.Check(cafe(t, miles(decimals, value), offers(offer)))) > 0 {
			return
		}
		passed++
		units := most(&offer, factor, added, volume)
		cost := new(big.Int).Mul(units, big.NewInt(value))
		cost.Quo(cost, new(big.Int).Mul(big.NewInt(money.One), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)))
		if units.Cmp(bound) >= 0 || cost.Cmp(bound) >= 0 {
			r.Fatalf("%+v can give %s units that cost %s", offer.Reward, units, cost)
		}
	})
	if passed == 0 {
		t.Error("no offer passed")
	}
}

// most is what the offer gives for a volume, boosted.
func most(o *rules.Offer, factor, added int64, volume *big.Int) *big.Int {
	one := big.NewInt(money.One)
	if o.Reward.Form == rules.PerFullReward {
		units := new(big.Int).Quo(volume, big.NewInt(o.Reward.PerMinor))
		units.Mul(units, big.NewInt(o.Reward.FixedMinor))
		return units.Quo(units.Mul(units, big.NewInt(factor)), one)
	}
	rate := new(big.Int).Mul(big.NewInt(o.Reward.RateMillionths), big.NewInt(factor))
	rate.Add(rate, new(big.Int).Mul(big.NewInt(added), one))
	units := rate.Mul(rate, volume)
	return units.Quo(units, new(big.Int).Mul(one, one))
}
