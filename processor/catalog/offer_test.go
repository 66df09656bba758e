package catalog

import (
	"reflect"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

var eur = money.Currency{'E', 'U', 'R'}

// pointsProgramme gives points of two decimals.
const pointsProgramme = "programme: test\ncurrency: EUR\nzone: Europe/Paris\npoints: {code: MILES, decimals: 2, value: 0.005 EUR}\n"

// costPlus is a partner whose terms pay for any reward.
const costPlus = "partner: shop\ncommission: {cost_plus: 120%}\nstores: [{id: s, keys: [{mid: M}]}]\n"

// offerOf is the offer that a partner's file means by one line.
func offerOf(t *testing.T, line string) offer.Offer {
	t.Helper()
	loaded := folder(t, map[string]string{"programme.yaml": pointsProgramme, "shop.yaml": costPlus + "offers: [{id: o, " + line + "}]\n"})
	return partnerVersion(t, loaded, "shop", 0).Offers[0]
}

func day(year, month, day int) offer.LocalTime {
	return offer.LocalTime{Year: year, Month: time.Month(month), Day: day}
}

// TestEveryPhraseOfAnOffer reads each thing that an offer can say. want is what
// the offer is beside its id, its names and its currency.
func TestEveryPhraseOfAnOffer(t *testing.T) {
	t.Parallel()
	share := offer.Reward{Form: offer.RateReward, Kind: rules.Cash, RateMillionths: 30_000}
	for _, c := range []struct {
		line string
		want offer.Offer
	}{
		{"reward: 3%", offer.Offer{Reward: share}},
		{"reward: 2 EUR", offer.Offer{Reward: offer.Reward{Form: offer.FixedReward, Kind: rules.Cash, FixedMinor: 200}}},
		{"reward: 1 EUR per full 20 EUR", offer.Offer{Reward: offer.Reward{Form: offer.PerFullReward, Kind: rules.Cash, FixedMinor: 100, PerMinor: 2000}}},
		{"reward: 1 EUR for every full 20 EUR", offer.Offer{Reward: offer.Reward{Form: offer.PerFullReward, Kind: rules.Cash, FixedMinor: 100, PerMinor: 2000}}},
		// 2 points are 200 of the programme's hundredths, for 100 cents.
		{"reward: 2 points per EUR", offer.Offer{Reward: offer.Reward{Form: offer.RateReward, Kind: rules.Points, RateMillionths: 2_000_000}}},
		{"reward: 1 point per 10 EUR", offer.Offer{Reward: offer.Reward{Form: offer.RateReward, Kind: rules.Points, RateMillionths: 100_000}}},
		{"reward: 0.5 points per 1 EUR", offer.Offer{Reward: offer.Reward{Form: offer.RateReward, Kind: rules.Points, RateMillionths: 500_000}}},
		{"reward: 100 points", offer.Offer{Reward: offer.Reward{Form: offer.FixedReward, Kind: rules.Points, FixedMinor: 10_000}}},
		{"reward: 5.25 points per full 10 EUR", offer.Offer{Reward: offer.Reward{Form: offer.PerFullReward, Kind: rules.Points, FixedMinor: 525, PerMinor: 1000}}},
		{"reward: {tiers: [{from: 100 EUR, give: 5%}, {from: 200 EUR, give: 10%}]}", offer.Offer{Reward: offer.Reward{
			Form: offer.TieredReward, Kind: rules.Cash, Tiers: []offer.Tier{{FromMinor: 10_000, RateMillionths: 50_000}, {FromMinor: 20_000, RateMillionths: 100_000}},
		}}},
		{"reward: {tiers: [{from: 1 EUR, give: 2 points per EUR}], apply_to: marginal}", offer.Offer{Reward: offer.Reward{
			Form: offer.TieredReward, Kind: rules.Points, Marginal: true, Tiers: []offer.Tier{{FromMinor: 100, RateMillionths: 2_000_000}},
		}}},
		{"reward: {categories: {bread: 10%, cheese: 0%}, rest: 1%}", offer.Offer{Reward: offer.Reward{
			Form: offer.CategoryReward, Kind: rules.Cash, RestMillionths: 10_000,
			Categories: []offer.CategoryRate{{Category: "bread", RateMillionths: 100_000}, {Category: "cheese"}},
		}}},
		{"reward: 3%, pays: cash", offer.Offer{Reward: share}},
		{"reward: 3%, pays: wallet, wallet: {usable_after: 14 days, expires_after: 365 days}", offer.Offer{Reward: offer.Reward{
			Form: offer.RateReward, Kind: rules.Wallet, RateMillionths: 30_000, Wallet: offer.WalletTerms{UsableAfterDays: 14, ExpiresAfterDays: 365},
		}}},
		{"reward: 2 EUR, pays: voucher, voucher_for: a free coffee", offer.Offer{Reward: offer.Reward{
			Form: offer.FixedReward, Kind: rules.Voucher, FixedMinor: 200, VoucherFor: "a free coffee",
		}}},
		{"reward: 3%, min_spend: 20 EUR, max_spend: 500 EUR", offer.Offer{Reward: share, Conditions: offer.Conditions{MinSpendMinor: 2000, MaxSpendMinor: 50_000}}},
		{"reward: 3%, when: {weekdays: [wed, fri], hours: 16:00-19:00, dates: 2026-12-24}", offer.Offer{Reward: share, Conditions: offer.Conditions{When: offer.When{
			Weekdays: 1<<3 | 1<<5, Hours: []offer.Hours{{FromSec: 16 * 3600, UntilSec: 19 * 3600}},
			Dates: []offer.Dates{{From: day(2026, 12, 24), Until: day(2026, 12, 25)}},
		}}}},
		{"reward: 3%, when: {weekdays: fri-mon, hours: [22:00-02:00, 8:30:15-24:00], dates: [2026-11-27 to 2026-12-31]}", offer.Offer{Reward: share, Conditions: offer.Conditions{When: offer.When{
			Weekdays: 1<<5 | 1<<6 | 1<<0 | 1<<1, Hours: []offer.Hours{{FromSec: 22 * 3600, UntilSec: 2 * 3600}, {FromSec: 8*3600 + 30*60 + 15, UntilSec: 86_400}},
			Dates: []offer.Dates{{From: day(2026, 11, 27), Until: day(2027, 1, 1)}},
		}}}},
		{"reward: 3%, when: {hours: 22:00-00:00}", offer.Offer{Reward: share, Conditions: offer.Conditions{When: offer.When{Hours: []offer.Hours{{FromSec: 22 * 3600, UntilSec: 86_400}}}}}},
		{"reward: 3%, channels: [in_store, online], mcc: [5411, 0742-0763]", offer.Offer{Reward: share, Conditions: offer.Conditions{
			Channels: []rules.Channel{rules.InStore, rules.Online}, MCCs: []offer.MCCRange{{From: 5411, To: 5411}, {From: 742, To: 763}},
		}}},
		{"reward: 3%, for: {segments: students, card_products: [gold], activated: true, enrolled_since: 2026-01-01, enrolled_for: 30 days, enrolled_within: 1 day}", offer.Offer{Reward: share, Conditions: offer.Conditions{Audience: offer.Audience{
			Segments: []string{"students"}, CardProducts: []string{"gold"}, Activated: true, EnrolledSince: day(2026, 1, 1), EnrolledForDays: 30, EnrolledWithinDays: 1,
		}}}},
		{"reward: 3%, first_purchase: true", offer.Offer{Reward: share, Conditions: offer.Conditions{FirstPurchase: true}}},
		{"reward: 3%, lapsed: 90 days", offer.Offer{Reward: share, Conditions: offer.Conditions{LapsedDays: 90}}},
		{"reward: 3%, every: {visit: 5, per: month}", offer.Offer{Reward: share, Conditions: offer.Conditions{Every: offer.Every{N: 5, Per: offer.PerMonth}}}},
		{"reward: 3%, every: {visit: 2}", offer.Offer{Reward: share, Conditions: offer.Conditions{Every: offer.Every{N: 2, Per: offer.PerLife}}}},
		{"reward: 3%, goal: {spend: 200 EUR}", offer.Offer{Reward: share, Conditions: offer.Conditions{Goal: offer.Goal{AmountMinor: 20_000, Per: offer.PerLife}}}},
		{"reward: 3%, boosts: [{id: a, set: 6%}, {id: b, add: 1%, from: 2026-01-01}, {id: c, multiply: 2}, {id: d, multiply: x1.5, for: {levels: [loyal]}}]", offer.Offer{Reward: share, Boosts: []offer.Boost{
			{ID: "a", Op: offer.SetRate, RateMillionths: 60_000},
			{ID: "b", Op: offer.AddRate, RateMillionths: 10_000, From: day(2026, 1, 1)},
			{ID: "c", Op: offer.MultiplyRate, FactorMillionths: 2_000_000},
			{ID: "d", Op: offer.MultiplyRate, FactorMillionths: 1_500_000, Audience: offer.Audience{Levels: []string{"loyal"}}},
		}}},
		{"reward: 2 points per EUR, boosts: [{id: a, set: 3 points per EUR, when: {hours: 10:00-12:00}}]", offer.Offer{
			Reward: offer.Reward{Form: offer.RateReward, Kind: rules.Points, RateMillionths: 2_000_000},
			Boosts: []offer.Boost{{
				ID: "a", Op: offer.SetRate, RateMillionths: 3_000_000, OfPoints: true,
				When: offer.When{Hours: []offer.Hours{{FromSec: 36_000, UntilSec: 43_200}}},
			}},
		}},
		{"reward: 3%, caps: [{per: purchase, amount: 15 EUR}, {per: quarter, amount: 40 EUR}, {per: week, count: 3}, {per: 30 days, amount: 20 EUR}, {per: life, count: 9}]", offer.Offer{Reward: share, Caps: []offer.Cap{
			{Per: offer.PerPurchase, AmountMinor: 1500},
			{Per: offer.PerQuarter, AmountMinor: 4000},
			{Per: offer.PerWeek, Count: 3},
			{Per: offer.PerRolling, Days: 30, AmountMinor: 2000},
			{Per: offer.PerLife, Count: 9},
		}}},
		{"reward: 10 points, caps: [{per: life, amount: 500 points}], budget: 100000 points", offer.Offer{
			Reward: offer.Reward{Form: offer.FixedReward, Kind: rules.Points, FixedMinor: 1000},
			Caps:   []offer.Cap{{Per: offer.PerLife, AmountMinor: 50_000}}, Budgets: []offer.Budget{{AmountMinor: 10_000_000}},
		}},
		{"reward: 3%, budget: {amount: 50 EUR, per: store and day, last: none}", offer.Offer{Reward: share, Budgets: []offer.Budget{{AmountMinor: 5000, PerStoreAndDay: true, Whole: true}}}},
		{"reward: 3%, budgets: [10000 EUR, {amount: 50 EUR, per: store and day, last: partial}]", offer.Offer{Reward: share, Budgets: []offer.Budget{
			{AmountMinor: 1_000_000}, {AmountMinor: 5000, PerStoreAndDay: true},
		}}},
		{"reward: 3%, commission: 2%", offer.Offer{Reward: share, Commission: offer.Commission{RateMillionths: 20_000}}},
		{"reward: 3%, commission: {tiers: [{from: 0 EUR, percent: 2%}, {from: 50 EUR, percent: 1%, fixed: 0.10 EUR}]}", offer.Offer{Reward: share, Commission: offer.Commission{
			Form: offer.TieredCommission, Tiers: []offer.CommissionTier{{RateMillionths: 20_000}, {FromMinor: 5000, RateMillionths: 10_000, FixedMinor: 10}},
		}}},
		{"sponsor: {reward: 5%, first_purchases: 3, within: 90 days, caps: [{per: year, amount: 100 EUR}, {per: week, count: 2}]}", offer.Offer{
			Reward: offer.Reward{Kind: rules.Cash},
			Sponsor: offer.Sponsor{
				RateMillionths: 50_000, FirstPurchases: 3, WithinDays: 90,
				Caps: []offer.Cap{{Per: offer.PerYear, AmountMinor: 10_000}, {Per: offer.PerWeek, Count: 2}},
			},
		}},
		{"reward: 3%, sponsor: {reward: 10 EUR}", offer.Offer{Reward: share, Sponsor: offer.Sponsor{FixedMinor: 1000}}},
		{"reward: 3%, group: g, priority: -2, funded_by: programme", offer.Offer{Reward: share, Group: "g", Priority: -2, FundedBy: offer.FundedByProgramme}},
	} {
		t.Run(c.line, func(t *testing.T) {
			got := offerOf(t, c.line)
			c.want.ID, c.want.Name, c.want.Currency = "o", "o", eur
			if c.want.Group == "" {
				c.want.Group = offer.DefaultGroup
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("it means\n%+v\nwant\n%+v", got, c.want)
			}
		})
	}
}

func TestCommissionsOfAPartner(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want offer.Commission
	}{
		{"8%", offer.Commission{RateMillionths: 80_000}},
		{"0.30 EUR", offer.Commission{FixedMinor: 30}},
		{"{percent: 8%, fixed: 0.30 EUR, on: sale}", offer.Commission{RateMillionths: 80_000, FixedMinor: 30, On: offer.OnSale}},
		{"{tiers: [{from: 0 EUR, percent: 8%}, {from: 100 EUR, percent: 6%, fixed: 0.10 EUR}], on: sale}", offer.Commission{
			Form: offer.TieredCommission, On: offer.OnSale,
			Tiers: []offer.CommissionTier{{RateMillionths: 80_000}, {FromMinor: 10_000, RateMillionths: 60_000, FixedMinor: 10}},
		}},
		{"{cost_plus: 120%}", offer.Commission{Form: offer.CostPlusCommission, CostMillionths: 1_200_000}},
		{"{subscription: 49 EUR}", offer.Commission{}},
	} {
		t.Run(c.line, func(t *testing.T) {
			loaded := folder(t, map[string]string{"shop.yaml": "partner: shop\ncommission: " + c.line + "\nstores: [{id: s, keys: [{mid: M}]}]\n"})
			if got := partnerVersion(t, loaded, "shop", 0).Commission; !reflect.DeepEqual(got, c.want) {
				t.Errorf("it means %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTheProgrammesOwnOffersAndPoints(t *testing.T) {
	t.Parallel()
	loaded := folder(t, map[string]string{"programme.yaml": pointsProgramme + `offers:
  - {id: groceries, reward: 2%, mcc: "5411", funded_by: programme, budget: 100 EUR}
  - {id: miles, reward: 1 point per EUR, funded_by: programme, budget: 1000000 points}
`})
	p := loaded.Catalogue.Programmes[0]
	// 0.005 EUR are half a cent.
	if want := (offer.PointsUnit{Code: "MILES", Decimals: 2, ValueMillionths: 500_000}); p.Points != want {
		t.Errorf("points are %+v, want %+v", p.Points, want)
	}
	if len(p.Offers) != 2 || p.Offers[0].FundedBy != offer.FundedByProgramme || p.Offers[0].MCCs[0] != (offer.MCCRange{From: 5411, To: 5411}) ||
		p.Offers[1].Reward.Kind != rules.Points || p.Offers[1].Budgets[0].AmountMinor != 100_000_000 {
		t.Errorf("own offers are %+v", p.Offers)
	}
}
