package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// A programme of the bank's own money: no commission cuts what is looked at
// here unless a case says so.
func generous(o ...offer.Offer) *offer.Catalogue {
	return bakery(func(_ *offer.Programme, p *offer.Partner) {
		p.Commission = offer.Commission{}
		for i := range o {
			o[i].FundedBy = offer.FundedByProgramme
		}
		p.Offers = o
	})
}

func offerWith(id string, r offer.Reward, change ...func(*offer.Offer)) offer.Offer {
	o := percent(id, 0)
	o.Reward = r
	for _, c := range change {
		c(&o)
	}
	return o
}

func rate(rateMillionths int64) offer.Reward {
	return offer.Reward{Form: offer.RateReward, RateMillionths: rateMillionths}
}

func fixed(minor int64) offer.Reward {
	return offer.Reward{Form: offer.FixedReward, FixedMinor: minor}
}

func tiers(marginal bool) offer.Reward {
	return offer.Reward{Form: offer.TieredReward, Marginal: marginal, Tiers: []offer.Tier{
		{FromMinor: 10_000, RateMillionths: 50_000}, {FromMinor: 20_000, RateMillionths: 100_000},
	}}
}

func boosts(b ...offer.Boost) func(*offer.Offer) {
	return func(o *offer.Offer) { o.Boosts = b }
}

func capped(c ...offer.Cap) func(*offer.Offer) {
	return func(o *offer.Offer) { o.Caps = c }
}

func group(name string, priority int) func(*offer.Offer) {
	return func(o *offer.Offer) { o.Group, o.Priority = name, priority }
}

// withCampaigns adds campaigns of the programme, from ever.
func withCampaigns(cat *offer.Catalogue, campaigns ...offer.Campaign) *offer.Catalogue {
	for _, c := range campaigns {
		c.Version, c.Programme = offer.Version{ID: c.ID + "1", From: rules.MinInstant}, "ristourne"
		cat.Campaigns = append(cat.Campaigns, c)
	}
	return cat
}

func withPoints(cat *offer.Catalogue, decimals int, valueMillionths int64) *offer.Catalogue {
	cat.Programmes[0].Points = offer.PointsUnit{Code: "MILES", Decimals: decimals, ValueMillionths: valueMillionths}
	return cat
}

func withOwn(cat *offer.Catalogue, o ...offer.Offer) *offer.Catalogue {
	for i := range o {
		o[i].FundedBy = offer.FundedByProgramme
	}
	cat.Programmes[0].Offers = o
	return cat
}

func items(pairs ...any) func(*rules.Event) {
	return func(e *rules.Event) {
		for i := 0; i < len(pairs); i += 2 {
			e.Items = append(e.Items, rules.Item{Category: pairs[i].(string), AmountMinor: int64(pairs[i+1].(int))})
		}
	}
}

func local(s string) offer.LocalTime {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	if err != nil {
		panic(err)
	}
	return offer.LocalTime{Year: t.Year(), Month: t.Month(), Day: t.Day(), Hour: t.Hour(), Min: t.Minute(), Sec: t.Second()}
}

// buy is a purchase of 10 euros, cleared at the instant.
func buy(id, instant string, change ...func(*rules.Event)) Record {
	return ev("e"+id, rules.Clearing, id, 1000, 1, append([]func(*rules.Event){at(instant)}, change...)...)
}

func day(d int) string { return instantAt("2024-02-29T12:00:00Z").AddDays(d).String() }

func of(account string) func(*rules.Event) {
	return func(e *rules.Event) { e.AccountID = account }
}

func enrolledAs(account string, day int, change ...func(*rules.Fact)) Record {
	return fact(fmt.Sprintf("enrolled-%s-%d", account, day), rules.Enrolled, day, append([]func(*rules.Fact){func(f *rules.Fact) {
		f.AccountID, f.MemberID, f.Programme, f.CardTokens = account, "m-"+account, "ristourne", []string{"c"}
	}}, change...)...)
}

func sponsoredBy(account string) func(*rules.Fact) {
	return func(f *rules.Fact) { f.SponsorAccountID = account }
}

type languageCase struct {
	name    string
	cat     *offer.Catalogue
	records []Record // after the enrolment on day 0
	want    []string
}

func (c languageCase) run(t *testing.T) {
	t.Helper()
	got := Oracle(c.cat, append([]Record{enrolled(0)}, c.records...))
	slices.Sort(c.want)
	if want := strings.Join(c.want, "\n"); tell(got) != want {
		t.Errorf("sums:\n%s\nwant:\n%s", tell(got), want)
	}
	if len(got.Faults) > 0 {
		t.Errorf("faults: %s", got.Faults)
	}
	if d := disagreement(c.cat, append([]Record{enrolled(0)}, c.records...), how{}); d != "" {
		t.Errorf("the engine differs: %s", d)
	}
}

func TestRewardForms(t *testing.T) {
	t.Parallel()
	for _, c := range []languageCase{
		{
			"one euro for each full ten", generous(offerWith("full", offer.Reward{Form: offer.PerFullReward, FixedMinor: 100, PerMinor: 1000})),
			[]Record{ev("e1", rules.Clearing, "t1", 2999, 1), ev("e2", rules.Clearing, "t2", 3000, 1), ev("e3", rules.Clearing, "t3", 999, 1)},
			[]string{"t1 full confirmed 200", "t2 full confirmed 300"},
		},
		{
			"tiers for the whole basket: 99.99, 100.00, 199.99, 200.00", generous(offerWith("tier", tiers(false))),
			[]Record{
				ev("e1", rules.Clearing, "t1", 9999, 1), ev("e2", rules.Clearing, "t2", 10_000, 1),
				ev("e3", rules.Clearing, "t3", 19_999, 1), ev("e4", rules.Clearing, "t4", 20_000, 1),
			},
			// 19,999 x 5 % = 999.95
			[]string{"t2 tier confirmed 500", "t3 tier confirmed 1000", "t4 tier confirmed 2000"},
		},
		{
			"tiers for the part above each", generous(offerWith("tier", tiers(true))),
			[]Record{ev("e1", rules.Clearing, "t1", 10_000, 1), ev("e2", rules.Clearing, "t2", 15_000, 1), ev("e3", rules.Clearing, "t3", 25_000, 1)},
			// 5,000 x 5 %; 10,000 x 5 % + 5,000 x 10 %
			[]string{"t2 tier confirmed 250", "t3 tier confirmed 1000"},
		},
		{
			"a refund drops a tier", generous(offerWith("tier", tiers(false))),
			[]Record{ev("e1", rules.Clearing, "t1", 20_000, 1), ev("e2", rules.Refund, "t1", 1, 2)},
			[]string{"t1 tier confirmed 1000"},
		},
		{
			"by category, with a rate for the rest", generous(offerWith("cat", categories(10_000))),
			[]Record{
				ev("e1", rules.Clearing, "t1", 1000, 1, items("bread", 400, "cheese", 300)),
				ev("e2", rules.Clearing, "t2", 1000, 1),
				ev("e3", rules.Clearing, "t3", 1000, 1, items("bread", 1500, "cheese", 500)),
				ev("e4", rules.Clearing, "t4", 1000, 1, items("bread", 600, "bread", -200, "wine", 700, "", 5000)),
			},
			// t1: 40 + 15 + 300 at 1 % = 3
			// t3: 2,000 scaled to 1,000: 750 at 10 %, 250 at 5 % = 87.5, to even
			// t4: 1,100 scaled to 1,000: bread 363.63 at 10 %, 636.36 at 1 % = 36.36 + 6.36
			[]string{"t1 cat confirmed 58", "t2 cat confirmed 10", "t3 cat confirmed 88", "t4 cat confirmed 43"},
		},
		{
			"articles of clearings count once they are listed, less what comes back", generous(offerWith("cat", categories(0))),
			[]Record{
				ev("e1", rules.Authorization, "t1", 1000, 1, items("bread", 1000)),
				ev("e2", rules.Clearing, "t1", 600, 2, items("cheese", 600)), ev("e3", rules.Clearing, "t1", 400, 3, items("bread", 400)),
				ev("e4", rules.Refund, "t1", 300, 4, items("bread", 500)),
				ev("e5", rules.Authorization, "t2", 1000, 1, items("bread", 1000)), ev("e6", rules.Clearing, "t2", 800, 2),
			},
			// t1: bread under 0, so none: cheese 600 at 5 %; t2: bread 1,000 scaled to 800
			[]string{"t1 cat confirmed 30", "t2 cat confirmed 80"},
		},
		{
			"articles follow the conversion of their event", generous(offerWith("cat", categories(0))),
			[]Record{ev("e1", rules.Clearing, "t1", 2000, 1, inCurrency("JPY", "EUR", 1000), items("bread", 500))},
			[]string{"t1 cat confirmed 25"},
		},
		{
			"points, in their own scale and at their value",
			withPoints(generous(offerWith("pts", offer.Reward{Form: offer.RateReward, Kind: rules.Points, RateMillionths: 200_000})), 1, 500_000),
			[]Record{ev("e1", rules.Clearing, "t1", 1234, 1)},
			// 0.2 tenths of a point a cent: 246.8 tenths; 24.7 points at half a cent: 12.35
			[]string{"t1 pts confirmed 247 points MILES cost 12"},
		},
		{
			"a wallet and a voucher have value", generous(
				offerWith("wallet", offer.Reward{Form: offer.FixedReward, Kind: rules.Wallet, FixedMinor: 70}),
				offerWith("coffee", offer.Reward{Form: offer.FixedReward, Kind: rules.Voucher, FixedMinor: 250}, group("other", 0))),
			[]Record{ev("e1", rules.Clearing, "t1", 1000, 1)},
			[]string{"t1 coffee confirmed 250 voucher EUR cost 250", "t1 wallet confirmed 70 wallet EUR cost 70"},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func categories(restMillionths int64) offer.Reward {
	return offer.Reward{Form: offer.CategoryReward, RestMillionths: restMillionths, Categories: []offer.CategoryRate{
		{Category: "bread", RateMillionths: 100_000}, {Category: "cheese", RateMillionths: 50_000},
	}}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	three := func(change ...func(*offer.Offer)) *offer.Catalogue {
		return generous(offerWith("three", rate(30_000), change...))
	}
	when := func(w offer.When) func(*offer.Offer) { return func(o *offer.Offer) { o.When = w } }
	wednesday := offer.Weekdays(1 << time.Wednesday)
	for _, c := range []languageCase{
		{
			"both bounds of what is spent are in", three(func(o *offer.Offer) { o.MinSpendMinor, o.MaxSpendMinor = 100, 200 }),
			[]Record{
				ev("e1", rules.Clearing, "t1", 99, 1), ev("e2", rules.Clearing, "t2", 100, 1), ev("e3", rules.Clearing, "t3", 200, 1),
				ev("e4", rules.Clearing, "t4", 201, 1),
			},
			[]string{"t2 three confirmed 3", "t3 three confirmed 6"},
		},
		{
			"happy hour: Wednesday in Paris, 16:00 to 19:00", three(when(offer.When{Weekdays: wednesday, Hours: []offer.Hours{{FromSec: 16 * 3600, UntilSec: 19 * 3600}}})),
			[]Record{
				buy("t1", "2024-03-06T14:59:59.999999999Z"), buy("t2", "2024-03-06T15:00:00Z"), buy("t3", "2024-03-06T17:59:59.5Z"),
				buy("t4", "2024-03-06T18:00:00Z"), buy("t5", "2024-03-07T16:00:00Z"),
			},
			[]string{"t2 three confirmed 30", "t3 three confirmed 30"},
		},
		{
			"hours over midnight belong to the day on which they began", three(when(offer.When{Weekdays: wednesday, Hours: []offer.Hours{{FromSec: 22 * 3600, UntilSec: 2 * 3600}}})),
			[]Record{
				buy("t1", "2024-03-05T23:30:00Z"), // Wednesday 00:30
				buy("t2", "2024-03-06T21:00:00Z"), // Wednesday 22:00
				buy("t3", "2024-03-07T00:59:59Z"), // Thursday 01:59:59
				buy("t4", "2024-03-07T01:00:00Z"),
			},
			[]string{"t2 three confirmed 30", "t3 three confirmed 30"},
		},
		{
			"the day of the clock change: 02:30 is never shown, 03:00 is", three(when(offer.When{Hours: []offer.Hours{{FromSec: 2 * 3600, UntilSec: 3 * 3600}}})),
			[]Record{buy("t1", "2024-03-31T00:59:59Z"), buy("t2", "2024-03-31T01:00:00Z"), buy("t3", "2024-10-27T00:30:00Z"), buy("t4", "2024-10-27T01:30:00Z")},
			[]string{"t3 three confirmed 30", "t4 three confirmed 30"},
		},
		{
			"the leap day", three(when(offer.When{Dates: []offer.Dates{{From: local("2024-02-29T00:00:00"), Until: local("2024-03-01T00:00:00")}}})),
			[]Record{buy("t1", "2024-02-29T12:00:00Z"), buy("t2", "2024-02-29T22:59:59Z"), buy("t3", "2024-02-29T23:00:00Z")},
			[]string{"t1 three confirmed 30", "t2 three confirmed 30"},
		},
		{
			"channel and category, stated", three(func(o *offer.Offer) {
				o.Channels, o.MCCs = []rules.Channel{rules.Online}, []offer.MCCRange{{From: 5400, To: 5499}}
			}),
			[]Record{
				buy("t1", day(1), func(e *rules.Event) { e.Channel, e.Merchant.MCC = rules.Online, "5499" }),
				buy("t2", day(1), func(e *rules.Event) { e.Channel, e.Merchant.MCC = rules.Online, "5500" }),
				buy("t3", day(1), func(e *rules.Event) { e.Merchant.MCC = "5411" }),
				buy("t4", day(1), func(e *rules.Event) { e.Channel = rules.Online }),
			},
			[]string{"t1 three confirmed 30"},
		},
		{
			"level, segment, card product", three(func(o *offer.Offer) {
				o.Audience = offer.Audience{Levels: []string{"loyal"}, Segments: []string{"students"}, CardProducts: []string{"gold"}}
			}),
			[]Record{
				fact("f1", rules.LevelChanged, 2, func(f *rules.Fact) { f.Level = "loyal" }),
				fact("f2", rules.SegmentAdded, 2, func(f *rules.Fact) { f.Segment = "students" }),
				fact("f3", rules.SegmentRemoved, 4, func(f *rules.Fact) { f.Segment = "students" }),
				buy("t1", day(1), gold), buy("t2", day(2), gold), buy("t3", day(3)), buy("t4", day(4), gold),
			},
			[]string{"t2 three confirmed 30"},
		},
		{
			"activated, until it is not", three(func(o *offer.Offer) { o.Audience.Activated = true }),
			[]Record{
				fact("f1", rules.OfferActivated, 2, func(f *rules.Fact) { f.OfferID = "three" }),
				fact("f2", rules.OfferDeactivated, 4, func(f *rules.Fact) { f.OfferID = "three" }),
				buy("t1", day(1)), buy("t2", day(2)), buy("t3", day(4)),
			},
			[]string{"t2 three confirmed 30"},
		},
		{
			"enrolled for 2 days, within 4 days", three(func(o *offer.Offer) {
				o.Audience = offer.Audience{EnrolledForDays: 2, EnrolledWithinDays: 4, EnrolledSince: local("2024-02-29T13:00:00")}
			}),
			[]Record{
				buy("t1", "2024-03-02T11:59:59Z"), buy("t2", "2024-03-02T12:00:00Z"), buy("t3", "2024-03-04T11:59:59Z"), buy("t4", "2024-03-04T12:00:00Z"),
			},
			[]string{"t2 three confirmed 30", "t3 three confirmed 30"},
		},
		{
			"enrolled since a second later", three(func(o *offer.Offer) { o.Audience = offer.Audience{EnrolledSince: local("2024-02-29T13:00:01")} }),
			[]Record{buy("t1", day(1))},
			nil,
		},
		{
			"the first purchase, and the next where it is refunded", three(func(o *offer.Offer) { o.FirstPurchase = true }),
			[]Record{buy("t1", day(1)), buy("t2", day(2)), buy("t3", day(3)), ev("r", rules.Refund, "t1", 1000, 4)},
			[]string{"t2 three confirmed 30"},
		},
		{
			"back after 10 days", three(func(o *offer.Offer) { o.LapsedDays = 10 }),
			[]Record{buy("t1", day(1)), buy("t2", day(10)), buy("t3", day(20)), buy("t4", day(29))},
			[]string{"t3 three confirmed 30"},
		},
		{
			"every second visit of the month; one under the minimum is none", three(func(o *offer.Offer) {
				o.MinSpendMinor, o.Every = 500, offer.Every{N: 2, Per: offer.PerMonth}
			}),
			[]Record{
				buy("t1", day(1)), ev("e2", rules.Clearing, "t2", 499, 2), buy("t3", day(3)), buy("t4", day(4)), buy("t5", day(40)), buy("t6", day(41)),
				ev("e7", rules.Authorization, "t0", 1000, 1),
			},
			// t0 comes before t1: in the expected world t0 is 1st, t1 2nd, t3 3rd, t4 4th.
			[]string{
				"t3 three confirmed 30", "t6 three confirmed 30", "t1 three expected 30", "t3 three expected -30", "t4 three expected 30",
			},
		},
		{
			"spend 20 in the month, get 20 % of the last basket, once", three(func(o *offer.Offer) {
				o.Reward, o.Goal = rate(200_000), offer.Goal{AmountMinor: 2000, Per: offer.PerMonth}
			}),
			[]Record{ev("e1", rules.Clearing, "t1", 999, 1), ev("e2", rules.Clearing, "t2", 1, 2), buy("t3", day(3)), buy("t4", day(4)), buy("t5", day(5))},
			[]string{"t3 three confirmed 200"},
		},
		{
			"a refund moves the goal on", three(func(o *offer.Offer) {
				o.Reward, o.Goal = rate(200_000), offer.Goal{AmountMinor: 2000, Per: offer.PerLife}
			}),
			[]Record{buy("t1", day(1)), buy("t2", day(2)), buy("t3", day(50)), ev("r", rules.Refund, "t1", 1, 60)},
			[]string{"t3 three confirmed 200"},
		},
		{
			"a goal was reached in the year, though the version before asked for it for life", func() *offer.Catalogue {
				goal := func(per offer.CapPeriod) offer.Offer {
					return offerWith("three", rate(30_000), func(o *offer.Offer) { o.Goal = offer.Goal{AmountMinor: 1000, Per: per} })
				}
				cat := generous(goal(offer.PerLife))
				next := generous(goal(offer.PerYear)).Partners[0]
				next.Version = offer.Version{ID: "v2", From: instantAt(day(2))}
				cat.Partners = append(cat.Partners, next)
				return cat
			}(),
			[]Record{buy("t1", day(1)), buy("t2", day(2))},
			[]string{"t1 three confirmed 30"},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func gold(e *rules.Event) { e.CardProduct = "gold" }

func TestBoosts(t *testing.T) {
	t.Parallel()
	set := func(n int64) offer.Boost {
		return offer.Boost{ID: fmt.Sprintf("set%d", n), Op: offer.SetRate, RateMillionths: n}
	}
	multiply := func(n int64) offer.Boost {
		return offer.Boost{ID: "times", Op: offer.MultiplyRate, FactorMillionths: n}
	}
	add := func(n int64) offer.Boost { return offer.Boost{ID: "add", Op: offer.AddRate, RateMillionths: n} }
	ofPoints := func(b offer.Boost) offer.Boost {
		b.ID, b.OfPoints = b.ID+"-points", true
		return b
	}
	every := func(b offer.Boost) []offer.CampaignBoost { return []offer.CampaignBoost{{Boost: b}} }
	buys := []Record{buy("t1", day(1))}
	for _, c := range []languageCase{
		{
			"the highest that is set, times the highest factor, plus all that add",
			withCampaigns(generous(offerWith("o", rate(30_000), boosts(set(40_000), set(60_000), multiply(1_500_000), add(5_000)))),
				offer.Campaign{ID: "c", Boosts: every(multiply(2_000_000))}, offer.Campaign{ID: "d", Boosts: every(add(1_000))}),
			buys,
			[]string{"t1 o confirmed 126"}, // 6 % x 2 + 0.6 %
		},
		{"a boost never lowers", generous(offerWith("o", rate(30_000), boosts(set(10_000)))), buys, []string{"t1 o confirmed 30"}},
		{
			"a fixed amount can only be multiplied",
			withCampaigns(generous(offerWith("o", fixed(25))), offer.Campaign{ID: "c", Boosts: append(every(multiply(1_500_000)), every(add(50_000))...)}),
			buys,
			[]string{"t1 o confirmed 38"}, // 37.5
		},
		{
			"of the tiers each that is reached", generous(offerWith("o", tiers(true), boosts(add(10_000)))),
			[]Record{ev("e1", rules.Clearing, "t1", 25_000, 1)},
			[]string{"t1 o confirmed 1150"}, // 10,000 x 6 % + 5,000 x 11 %
		},
		{
			"what earns nothing stays so", generous(offerWith("o", categories(0), boosts(multiply(2_000_000), add(10_000)))),
			[]Record{ev("e1", rules.Clearing, "t1", 1000, 1, items("bread", 100, "wine", 900))},
			[]string{"t1 o confirmed 21"},
		},
		{
			"a campaign on named offers, by the store's clock, for a level",
			withCampaigns(generous(offerWith("o", rate(10_000)), offerWith("p", rate(10_000), group("p", 0))), offer.Campaign{
				ID: "c", From: local("2024-03-02T00:00:00"), Until: local("2024-03-03T00:00:00"), Audience: offer.Audience{Levels: []string{"loyal"}},
				Boosts: []offer.CampaignBoost{{Boost: add(10_000), Offers: []offer.OfferRef{{Partner: "bakery", Offer: "o"}}}},
			}),
			[]Record{
				fact("f", rules.LevelChanged, 0, func(f *rules.Fact) { f.Level = "loyal" }), buy("t1", "2024-03-01T22:59:59Z"),
				buy("t2", "2024-03-01T23:00:00Z"), buy("t3", "2024-03-02T23:00:00Z"),
			},
			[]string{"t1 o confirmed 10", "t1 p confirmed 10", "t2 o confirmed 20", "t2 p confirmed 10", "t3 o confirmed 10", "t3 p confirmed 10"},
		},
		{
			"money doesn't boost points", withCampaigns(withPoints(generous(
				offerWith("o", offer.Reward{Form: offer.RateReward, Kind: rules.Points, RateMillionths: 10_000}),
				offerWith("p", rate(10_000), group("p", 0))), 0, 0),
				offer.Campaign{ID: "c", Boosts: append(every(add(20_000)), every(ofPoints(add(3_000)))...)}),
			buys,
			[]string{"t1 o confirmed 13 points MILES cost 0", "t1 p confirmed 30"},
		},
		{
			"a campaign that was stopped", func() *offer.Catalogue {
				cat := withCampaigns(generous(offerWith("o", rate(10_000))), offer.Campaign{ID: "c", Boosts: every(add(10_000))})
				cat.Campaigns = append(cat.Campaigns, offer.Campaign{ID: "c", Version: offer.Version{ID: "c2", From: instantAt(day(2)), Ended: true}})
				return cat
			}(),
			[]Record{buy("t1", day(1)), buy("t2", day(2))},
			[]string{"t1 o confirmed 20", "t2 o confirmed 10"},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestCaps(t *testing.T) {
	t.Parallel()
	three := func(c ...offer.Cap) *offer.Catalogue { return generous(offerWith("three", rate(30_000), capped(c...))) }
	buys := []Record{
		buy("t1", "2024-03-29T12:00:00Z"), buy("t2", "2024-03-30T12:00:00Z"), buy("t3", "2024-03-31T12:00:00Z"),
		buy("t4", "2024-04-01T12:00:00Z"), buy("t5", "2025-03-28T12:00:00Z"),
	}
	for _, c := range []struct {
		name string
		cap  offer.Cap
		want [5]int
	}{
		{"day", offer.Cap{Per: offer.PerDay, AmountMinor: 20}, [5]int{20, 20, 20, 20, 20}},
		{"week from Monday", offer.Cap{Per: offer.PerWeek, AmountMinor: 40}, [5]int{30, 10, 0, 30, 30}},
		{"quarter", offer.Cap{Per: offer.PerQuarter, AmountMinor: 50}, [5]int{30, 20, 0, 30, 30}},
		{"year", offer.Cap{Per: offer.PerYear, AmountMinor: 100}, [5]int{30, 30, 30, 10, 30}},
		{"life", offer.Cap{Per: offer.PerLife, AmountMinor: 100}, [5]int{30, 30, 30, 10, 0}},
		{"2 rolling days", offer.Cap{Per: offer.PerRolling, Days: 2, AmountMinor: 40}, [5]int{30, 10, 30, 10, 30}},
		{"twice a week", offer.Cap{Per: offer.PerWeek, Count: 2}, [5]int{30, 30, 0, 30, 30}},
		{"once in 2 rolling days", offer.Cap{Per: offer.PerRolling, Days: 2, Count: 1}, [5]int{30, 0, 30, 0, 30}},
		{"3 times for ever", offer.Cap{Per: offer.PerLife, Count: 3}, [5]int{30, 30, 30, 0, 0}},
	} {
		var want []string
		for i, minor := range c.want {
			if minor > 0 {
				want = append(want, fmt.Sprintf("t%d three confirmed %d", i+1, minor))
			}
		}
		t.Run(c.name, languageCase{c.name, three(c.cap), buys, want}.run)
	}
	at := bakery(func(_ *offer.Programme, p *offer.Partner) {
		p.Offers = []offer.Offer{offerWith("best", rate(50_000), capped(offer.Cap{Per: offer.PerLife, Count: 1})), offerWith("next", rate(20_000))}
		p.Commission = offer.Commission{RateMillionths: 50_000}
	})
	t.Run("at the limit of a count the next best comes in", languageCase{"", at, buys[:2], []string{
		"t1 best confirmed 50", "t1 commission confirmed 50", "t2 next confirmed 20", "t2 commission confirmed 50",
	}}.run)
	left := bakery(offers(offerWith("best", rate(50_000), capped(offer.Cap{Per: offer.PerLife, AmountMinor: 50}))))
	t.Run("commission is owed even where a cap left nothing, but not at the limit of a count", languageCase{"", left, buys[:2], []string{
		"t1 best confirmed 50", "t1 commission confirmed 50", "t2 commission confirmed 50",
	}}.run)
	once := bakery(offers(offerWith("best", rate(50_000), capped(offer.Cap{Per: offer.PerLife, Count: 1}))))
	t.Run("no commission at the limit of a count", languageCase{"", once, buys[:2], []string{
		"t1 best confirmed 50", "t1 commission confirmed 50",
	}}.run)
}

func TestCommissions(t *testing.T) {
	t.Parallel()
	terms := func(c offer.Commission, o ...offer.Offer) *offer.Catalogue {
		return bakery(func(_ *offer.Programme, p *offer.Partner) { p.Commission, p.Offers = c, o })
	}
	tiered := offer.Commission{Form: offer.TieredCommission, Tiers: []offer.CommissionTier{
		{FromMinor: 500, RateMillionths: 100_000}, {FromMinor: 1000, RateMillionths: 50_000, FixedMinor: 7},
	}}
	costPlus := offer.Commission{Form: offer.CostPlusCommission, CostMillionths: 1_250_000}
	own := offerWith("own", rate(30_000), func(o *offer.Offer) { o.Commission = offer.Commission{RateMillionths: 20_000} })
	for _, c := range []languageCase{
		{
			"by this purchase's tier; under the first none, and so no reward", terms(tiered, offerWith("o", rate(30_000))),
			[]Record{ev("e1", rules.Clearing, "t1", 499, 1), ev("e2", rules.Clearing, "t2", 999, 1), ev("e3", rules.Clearing, "t3", 1000, 1)},
			[]string{"t2 commission confirmed 100", "t2 o confirmed 30", "t3 commission confirmed 57", "t3 o confirmed 30"},
		},
		{
			"cost-plus: no cut, of what the programme doesn't fund, as it is in the end",
			terms(costPlus, offerWith("o", rate(30_000), capped(offer.Cap{Per: offer.PerPurchase, AmountMinor: 26})),
				offerWith("p", rate(100_000), group("p", 0), func(o *offer.Offer) { o.FundedBy = offer.FundedByProgramme })),
			[]Record{buy("t1", day(1))},
			[]string{"t1 commission confirmed 32", "t1 o confirmed 26", "t1 p confirmed 100"}, // 32.5
		},
		{
			"cost-plus counts points at their value", withPoints(
				terms(costPlus, offerWith("o", offer.Reward{Form: offer.FixedReward, Kind: rules.Points, FixedMinor: 80})), 0, 500_000),
			[]Record{buy("t1", day(1))},
			[]string{"t1 commission confirmed 50", "t1 o confirmed 80 points MILES cost 40"},
		},
		{
			"an offer's own commission funds it, where it won", terms(offer.Commission{}, own, offerWith("less", rate(10_000), func(o *offer.Offer) {
				o.Commission = offer.Commission{FixedMinor: 500}
			})),
			[]Record{buy("t1", day(1))},
			[]string{"t1 commission of own confirmed 20", "t1 own confirmed 20"},
		},
		{
			"terms and own commission add up", terms(offer.Commission{RateMillionths: 5_000}, own),
			[]Record{buy("t1", day(1))},
			[]string{"t1 commission confirmed 5", "t1 commission of own confirmed 20", "t1 own confirmed 25"},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestProgrammesOwnOffers(t *testing.T) {
	t.Parallel()
	groceries := offerWith("groceries", rate(20_000), func(o *offer.Offer) { o.MCCs = []offer.MCCRange{{From: 5411, To: 5411}} })
	grocer := func(e *rules.Event) { e.Merchant = rules.Merchant{ID: "ELSEWHERE", MCC: "5411"} }
	for _, c := range []languageCase{
		{
			"by category, at no partner's store", withOwn(bakery(), groceries),
			[]Record{buy("t1", day(1), grocer), buy("t2", day(1), elsewhere), buy("t3", day(1))},
			[]string{"t1 groceries confirmed 20", "t3 three confirmed 30", "t3 commission confirmed 50"},
		},
		{
			"with the store's offers in one group: the best wins, and who is programme's calls for no commission",
			withOwn(bakery(), offerWith("all", rate(35_000))),
			[]Record{buy("t1", day(1)), buy("t2", day(1), elsewhere)},
			[]string{"t1 all confirmed 35", "t2 all confirmed 35"},
		},
		{
			"in a tie the partner's comes first", withOwn(bakery(offers(offerWith("x", rate(30_000)))), offerWith("x", rate(30_000))),
			[]Record{buy("t1", day(1))},
			[]string{"t1 x confirmed 30", "t1 commission confirmed 50"},
		},
		{
			"the store's event gives the time, though another is earlier", withOwn(bakery(), offerWith("all", rate(10_000), group("all", 0))),
			[]Record{ev("e1", rules.Authorization, "t1", 1000, 1, elsewhere), ev("e2", rules.Clearing, "t1", 1000, 2)},
			[]string{"t1 all confirmed 10", "t1 three confirmed 30", "t1 commission confirmed 50"},
		},
		{
			"the ceiling cuts the weakest first, whosoever it is", func() *offer.Catalogue {
				cat := withOwn(bakery(), offerWith("own", rate(20_000), group("own", 1)), offerWith("low", rate(10_000), group("low", -1)))
				cat.Programmes[0].CeilingMillionths = 35_000
				return cat
			}(),
			[]Record{buy("t1", day(1))},
			// 30 + 20 + 10 are 25 above 35: low 10, three 15.
			[]string{"t1 own confirmed 20", "t1 three confirmed 15", "t1 commission confirmed 50"},
		},
		{
			"points are outside the cuts", func() *offer.Catalogue {
				cat := withPoints(withOwn(bakery(), offerWith("pts", offer.Reward{Form: offer.FixedReward, Kind: rules.Points, FixedMinor: 5000}, group("p", 0))), 0, 1_000_000)
				cat.Programmes[0].CeilingMillionths = 10_000
				return cat
			}(),
			[]Record{buy("t1", day(1))},
			[]string{"t1 pts confirmed 5000 points MILES cost 5000", "t1 three confirmed 10", "t1 commission confirmed 50"},
		},
		{
			"in a group points compare by their value", func() *offer.Catalogue {
				return withPoints(withOwn(bakery(), offerWith("pts", offer.Reward{Form: offer.FixedReward, Kind: rules.Points, FixedMinor: 61})), 0, 500_000)
			}(),
			[]Record{buy("t1", day(1)), ev("e2", rules.Clearing, "t2", 1033, 1)},
			// 61 points are 30.5 cents, to even 30: a tie that the smaller id wins; 3 % of 10.33 are 31.
			[]string{"t1 pts confirmed 61 points MILES cost 30", "t2 three confirmed 31", "t2 commission confirmed 52"},
		},
		{
			"at the store of another programme's partner the clock is the store's", func() *offer.Catalogue {
				cat := withOwn(bakery(), offerWith("late", rate(10_000), func(o *offer.Offer) {
					o.When.Hours = []offer.Hours{{FromSec: 22 * 3600, UntilSec: 24 * 3600}}
				}))
				other := cat.Programmes[0]
				other.ID, other.Offers = "other", nil
				cat.Programmes = append(cat.Programmes, other)
				cat.Partners[0].Programme, cat.Partners[0].Stores[0].Zone = "other", zoneOf("Asia/Tokyo")
				return cat
			}(),
			[]Record{buy("t1", "2024-03-04T13:00:00Z"), buy("t2", "2024-03-04T21:00:00Z")},
			[]string{"t1 late confirmed 10"},
		},
		{
			"a purchase before there was an own offer, that matched another programme's, was the first", func() *offer.Catalogue {
				cat := bakery()
				next := withOwn(bakery(), offerWith("first", fixed(500), func(o *offer.Offer) { o.FirstPurchase = true })).Programmes[0]
				next.Version = offer.Version{ID: "r2", From: instantAt(day(2))}
				other := withOwn(bakery(), offerWith("otherown", rate(10_000))).Programmes[0]
				other.ID = "other"
				cat.Programmes = append(cat.Programmes, next, other)
				return cat
			}(),
			[]Record{buy("t1", day(1), elsewhere), buy("t2", day(2), elsewhere)},
			nil,
		},
		{
			"first purchase anywhere", withOwn(bakery(), offerWith("first", fixed(500), func(o *offer.Offer) { o.FirstPurchase = true }), offerWith("all", rate(1), group("z", 0))),
			[]Record{buy("t1", day(1), elsewhere), buy("t2", day(2))},
			[]string{"t1 first confirmed 500", "t2 three confirmed 30", "t2 commission confirmed 50"},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestSponsors(t *testing.T) {
	t.Parallel()
	sponsor := func(s offer.Sponsor) *offer.Catalogue {
		return bakery(offers(offerWith("three", rate(30_000), func(o *offer.Offer) { o.Sponsor = s })))
	}
	as := func(account, purchase string, d int) Record { return buy(purchase, day(d), of(account)) }
	for _, c := range []languageCase{
		{
			"the first two purchases within 5 days, beside the buyer's own", sponsor(offer.Sponsor{RateMillionths: 50_000, FirstPurchases: 2, WithinDays: 5}),
			[]Record{
				enrolledAs("b", 0, sponsoredBy("a")), as("b", "t1", 1), as("b", "t2", 2), as("b", "t3", 3), as("b", "t4", 9),
				enrolledAs("d", 0, sponsoredBy("a")), as("d", "t5", 4), as("d", "t6", 5),
			},
			[]string{
				"t1 three confirmed 30", "t1 commission confirmed 50", "t1 three confirmed 50 for a", "t2 three confirmed 30", "t2 commission confirmed 50",
				"t2 three confirmed 50 for a", "t3 three confirmed 30", "t3 commission confirmed 50", "t4 three confirmed 30", "t4 commission confirmed 50",
				"t5 three confirmed 30", "t5 commission confirmed 50", "t5 three confirmed 50 for a", "t6 three confirmed 30", "t6 commission confirmed 50",
			},
		},
		{
			"the sponsor's caps fill over all whom they referred, in order of purchase",
			sponsor(offer.Sponsor{FixedMinor: 80, Caps: []offer.Cap{{Per: offer.PerMonth, AmountMinor: 100}, {Per: offer.PerLife, Count: 3}}}),
			[]Record{
				enrolledAs("b", 0, sponsoredBy("a")), enrolledAs("d", 0, sponsoredBy("a")), as("d", "t2", 2), as("b", "t1", 1),
				as("b", "t3", 40), as("d", "t4", 80),
			},
			[]string{
				"t1 three confirmed 30", "t1 commission confirmed 50", "t1 three confirmed 80 for a", "t2 three confirmed 30", "t2 commission confirmed 50",
				"t2 three confirmed 20 for a", "t3 three confirmed 30", "t3 commission confirmed 50", "t3 three confirmed 80 for a",
				"t4 three confirmed 30", "t4 commission confirmed 50",
			},
		},
		{
			"a refund takes it back; nobody is their own sponsor; who is no member gets nothing", sponsor(offer.Sponsor{FixedMinor: 80}),
			[]Record{
				enrolledAs("b", 0, sponsoredBy("b")), as("b", "t1", 1), enrolledAs("d", 0, sponsoredBy("nobody")), as("d", "t2", 1),
				enrolledAs("f", 0, sponsoredBy("a")), as("f", "t3", 1), ev("r", rules.Refund, "t3", 1000, 2, of("f")),
			},
			[]string{"t1 three confirmed 30", "t1 commission confirmed 50", "t2 three confirmed 30", "t2 commission confirmed 50"},
		},
		{
			"what was taken back, and is deserved again", sponsor(offer.Sponsor{FixedMinor: 80}),
			[]Record{
				enrolledAs("b", 0, sponsoredBy("a")), as("b", "t1", 1), ev("e2", rules.Chargeback, "t1", 1000, 2, of("b")),
				ev("e3", rules.ChargebackReversal, "t1", 1000, 3, of("b")),
			},
			[]string{"t1 three confirmed 30", "t1 commission confirmed 50", "t1 three confirmed 80 for a"},
		},
		{
			"a purchase that turns out to be of the month before fills that month's cap",
			sponsor(offer.Sponsor{FixedMinor: 80, Caps: []offer.Cap{{Per: offer.PerMonth, AmountMinor: 100}}}),
			[]Record{
				enrolledAs("b", 0, sponsoredBy("a")), as("b", "t1", 33), as("b", "t2", 34),
				ev("e3", rules.Authorization, "t1", 1000, 31, of("b")),
			},
			[]string{
				"t1 three confirmed 30", "t1 commission confirmed 50", "t1 three confirmed 80 for a",
				"t2 three confirmed 30", "t2 commission confirmed 50", "t2 three confirmed 80 for a",
			},
		},
		{
			"an offer for sponsors alone", bakery(offers(offerWith("refer", offer.Reward{}, func(o *offer.Offer) {
				o.Sponsor, o.Every = offer.Sponsor{RateMillionths: 10_000}, offer.Every{N: 2, Per: offer.PerLife}
			}))),
			[]Record{enrolledAs("b", 0, sponsoredBy("a")), as("b", "t1", 1), as("b", "t2", 2)},
			[]string{"t2 refer confirmed 10 for a"},
		},
		{
			"what is expected of the buyer is expected of the sponsor", sponsor(offer.Sponsor{RateMillionths: 50_000}),
			[]Record{enrolledAs("b", 0, sponsoredBy("a")), ev("e1", rules.Authorization, "t1", 1000, 1, of("b"))},
			[]string{"t1 three expected 30", "t1 commission expected 50", "t1 three expected 50 for a"},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	double := func(minor int64, whole bool) offer.Campaign {
		return offer.Campaign{
			ID: "double", Budget: offer.Budget{AmountMinor: minor, Whole: whole}, Unit: "EUR",
			Boosts: []offer.CampaignBoost{{Boost: offer.Boost{ID: "x2", Op: offer.MultiplyRate, FactorMillionths: 2_000_000}}},
		}
	}
	budget := func(b offer.Budget) func(*offer.Offer) { return func(o *offer.Offer) { o.Budgets = []offer.Budget{b} } }
	three := func() *offer.Catalogue { return generous(offerWith("three", rate(30_000))) }
	for _, c := range []languageCase{
		{
			"a campaign pays its extra, first decided first, the last in part", withCampaigns(three(), double(50, false)),
			[]Record{buy("t2", day(2)), buy("t1", day(1)), buy("t0", day(1))},
			[]string{"t2 three confirmed 60", "t1 three confirmed 50", "t0 three confirmed 30"},
		},
		{
			"or the whole, or none", withCampaigns(three(), double(50, true)),
			[]Record{buy("t1", day(1)), buy("t2", day(1)), ev("e3", rules.Clearing, "t3", 600, 1)},
			[]string{"t1 three confirmed 60", "t2 three confirmed 30", "t3 three confirmed 36"},
		},
		{
			"what a refund gives back serves later decisions, not those that were", withCampaigns(three(), double(40, false)),
			[]Record{buy("t1", day(1)), buy("t2", day(2)), ev("r", rules.Refund, "t1", 1000, 3), buy("t3", day(3))},
			[]string{"t2 three confirmed 40", "t3 three confirmed 60"},
		},
		{
			"the greater of the two worlds is paid, once", withCampaigns(three(), double(30, false)),
			[]Record{ev("e1", rules.Authorization, "t1", 1000, 1), ev("e2", rules.Clearing, "t1", 1000, 2), buy("t2", day(3))},
			[]string{"t1 three confirmed 60", "t2 three confirmed 30"},
		},
		{
			"an offer's budget pays the whole award", generous(offerWith("three", rate(30_000), budget(offer.Budget{AmountMinor: 50}))),
			[]Record{buy("t1", day(1)), buy("t2", day(1)), buy("t3", day(1))},
			[]string{"t1 three confirmed 30", "t2 three confirmed 20"},
		},
		{
			"per store and day of the programme", generous(offerWith("three", rate(30_000), budget(offer.Budget{AmountMinor: 40, PerStoreAndDay: true}))),
			[]Record{buy("t1", "2024-03-01T12:00:00Z"), buy("t2", "2024-03-01T22:59:59Z"), buy("t3", "2024-03-01T23:00:00Z")},
			[]string{"t1 three confirmed 30", "t2 three confirmed 10", "t3 three confirmed 30"},
		},
		{
			"the extra is of the capped award: no cap, no room, no budget used",
			withCampaigns(generous(offerWith("three", rate(30_000), capped(offer.Cap{Per: offer.PerPurchase, AmountMinor: 40}))), double(15, false)),
			[]Record{buy("t1", day(1)), buy("t2", day(1))},
			[]string{"t1 three confirmed 40", "t2 three confirmed 35"},
		},
		{
			"what a budget refuses leaves room under the member's cap",
			withCampaigns(generous(offerWith("three", rate(30_000), capped(offer.Cap{Per: offer.PerMonth, AmountMinor: 90}))), double(10, false)),
			[]Record{buy("t1", day(1)), buy("t2", day(2)), buy("t3", day(3))},
			// Without an end t1 would have 60 and t2 its 30 alone: no extra is left for it.
			[]string{"t1 three confirmed 40", "t2 three confirmed 30", "t3 three confirmed 20"},
		},
		{
			"of two campaigns the smaller id pays first", withCampaigns(generous(offerWith("three", rate(30_000))),
				offer.Campaign{
					ID: "a", Budget: offer.Budget{AmountMinor: 4}, Unit: "EUR",
					Boosts: []offer.CampaignBoost{{Boost: offer.Boost{ID: "x", Op: offer.AddRate, RateMillionths: 10_000}}},
				}, double(1000, false)),
			[]Record{buy("t1", day(1))},
			// 30, with a 40, with both 70: a has 4 of its 10, double its 30.
			[]string{"t1 three confirmed 64"},
		},
		{
			"a campaign's grant goes to the stronger award first", withCampaigns(
				generous(offerWith("x", rate(30_000), group("x", 0)), offerWith("y", rate(20_000), group("y", 1))), double(25, false)),
			[]Record{buy("t1", day(1))},
			[]string{"t1 y confirmed 40", "t1 x confirmed 35"},
		},
		{
			"two accounts share one budget, and the sponsor's award is not paid by it", withCampaigns(
				generous(offerWith("three", rate(30_000), func(o *offer.Offer) { o.Sponsor = offer.Sponsor{FixedMinor: 7} })), double(40, false)),
			[]Record{enrolledAs("b", 0, sponsoredBy("a")), buy("t1", day(2), of("b")), buy("t2", day(1))},
			[]string{"t1 three confirmed 60", "t1 three confirmed 7 for a", "t2 three confirmed 40"},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestOtherScales(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"JPY": "t1 three confirmed 37", "TND": "t1 three confirmed 38", "CLF": "t1 three confirmed 38"} {
		cat := generous(offerWith("three", rate(30_000)))
		c := currency(code)
		cat.Programmes[0].Currency, cat.Partners[0].Currency, cat.Partners[0].Offers[0].Currency = c, c, c
		if code == "JPY" {
			cat.Programmes[0].Rounding = money.Down
		}
		records := []Record{enrolled(0), ev("e1", rules.Clearing, "t1", 1250, 1, inCurrency(code, "", 0))} // 37.5
		if got := tell(Oracle(cat, records)); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

// The bakery's horizon is 400 days: day 402 is late for a purchase of day 1.
func TestLateEvents(t *testing.T) {
	t.Parallel()
	const auth, clear, refund = rules.Authorization, rules.Clearing, rules.Refund
	three := func(change ...func(*offer.Offer)) *offer.Catalogue {
		return generous(offerWith("three", rate(30_000), change...))
	}
	for _, c := range []languageCase{
		{
			"its own tier with the new basis", generous(offerWith("tier", tiers(false))),
			[]Record{ev("e1", clear, "t1", 20_000, 1), ev("e2", refund, "t1", 1, 402)},
			[]string{"t1 tier confirmed 1000"},
		},
		{
			"the first purchase stays the first, and the second no first", three(func(o *offer.Offer) { o.FirstPurchase = true }),
			[]Record{buy("t1", day(1)), buy("t2", day(2)), ev("e3", refund, "t1", 1000, 402), ev("e4", clear, "t2", 1000, 404)},
			nil,
		},
		{
			"what is all late is a first purchase only where none came before", three(func(o *offer.Offer) { o.FirstPurchase = true }),
			[]Record{buy("t1", day(1)), ev("e2", auth, "t2", 1000, 2), ev("e3", clear, "t2", 1000, 404)},
			[]string{"t1 three confirmed 30"},
		},
		{
			"nobody who never bought has come back", three(func(o *offer.Offer) { o.LapsedDays = 10 }),
			[]Record{ev("e2", auth, "t2", 1000, 2), ev("e3", clear, "t2", 1000, 404)},
			nil,
		},
		{
			"the rank stays what it was; what was no visit is none", three(func(o *offer.Offer) { o.Every = offer.Every{N: 2, Per: offer.PerLife} }),
			[]Record{
				buy("t1", day(1)), buy("t2", day(2)), ev("e3", refund, "t1", 1000, 402), ev("e4", clear, "t2", 1000, 404),
				ev("e5", auth, "t0", 0, 1), ev("e6", clear, "t0", 1000, 402),
			},
			[]string{"t2 three confirmed 60"},
		},
		{
			"the goal stays where it was reached", three(func(o *offer.Offer) { o.Goal = offer.Goal{AmountMinor: 2000, Per: offer.PerLife} }),
			[]Record{buy("t1", day(1)), buy("t2", day(2)), buy("t3", day(3)), ev("e4", refund, "t1", 1000, 402), ev("e5", refund, "t2", 500, 404)},
			[]string{"t2 three confirmed 15"},
		},
		{
			"a count that younger purchases have used up leaves nothing", three(capped(offer.Cap{Per: offer.PerLife, Count: 1})),
			[]Record{ev("e1", auth, "t1", 1000, 1), buy("t2", day(2)), ev("e3", clear, "t1", 1000, 402)},
			// Of what is expected t1 was the one; of what is confirmed t2 is.
			[]string{"t1 three expected 30", "t2 three confirmed 30", "t2 three expected -30"},
		},
		{
			"room of a rolling period that ends with a younger purchase", three(capped(offer.Cap{Per: offer.PerRolling, Days: 3, AmountMinor: 50})),
			[]Record{buy("t1", day(1)), buy("t2", day(3)), ev("e3", clear, "t1", 1000, 402)},
			// t1 has 30 and t2 the 20 that are left in its three days.
			[]string{"t1 three confirmed 30", "t2 three confirmed 20"},
		},
		{
			"without a limit of purchases the sponsor gets what is late too", bakery(offers(offerWith("three", rate(30_000), func(o *offer.Offer) {
				o.Sponsor = offer.Sponsor{RateMillionths: 50_000}
			}))),
			[]Record{
				enrolledAs("b", 0, sponsoredBy("a")), buy("t1", day(1), of("b")), ev("e2", refund, "t1", 1000, 2, of("b")),
				ev("e3", clear, "t1", 2000, 402, of("b")),
			},
			[]string{"t1 three confirmed 60", "t1 commission confirmed 100", "t1 three confirmed 100 for a"},
		},
		{
			"a sponsor's first stays the first", bakery(offers(offerWith("three", rate(30_000), func(o *offer.Offer) {
				o.Sponsor = offer.Sponsor{RateMillionths: 50_000, FirstPurchases: 1}
			}))),
			[]Record{
				enrolledAs("b", 0, sponsoredBy("a")), buy("t1", day(1), of("b")), buy("t2", day(2), of("b")),
				ev("e3", refund, "t1", 400, 402, of("b")), ev("e4", clear, "t2", 1000, 404, of("b")),
			},
			[]string{
				"t1 three confirmed 18", "t1 commission confirmed 30", "t1 three confirmed 30 for a", "t2 three confirmed 60", "t2 commission confirmed 100",
			},
		},
	} {
		t.Run(c.name, c.run)
	}
}
