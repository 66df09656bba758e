package catalog

import (
	"reflect"
	"testing"

	"ristourne/rules"
	"ristourne/rules/offer"
)

const blackFriday = `campaign: black-friday
name: Black Friday
from: 2026-11-27
until: 2026-12-01
when: {hours: 08:00-24:00}
for: {segments: [students]}
budget: {amount: 5000 EUR, last: none}
boosts:
  - {id: double, offers: [a/o, programme/groceries], multiply: 2}
  - {id: more, offers: a/*, add: 1%, when: {weekdays: fri}}
  - {id: all, set: 5%}
`

const groceries = "offers: [{id: groceries, reward: 2%, mcc: \"5411\", funded_by: programme, budget: 100 EUR}]\n"

func TestACampaign(t *testing.T) {
	t.Parallel()
	loaded := folder(t, map[string]string{
		"programme.yaml": programmeText + groceries, "a.yaml": "partner: a\ncommission: 20%\nstores: [{id: s, keys: [{mid: M}]}]\noffers: [{id: o, reward: 3%}]\n", "campaigns.yaml": blackFriday,
	})
	got := loaded.Catalogue.Campaigns[0]
	want := offer.Campaign{
		ID: "black-friday", Version: got.Version, Programme: "test", Name: "Black Friday",
		From: day(2026, 11, 27), Until: day(2026, 12, 1),
		When:     offer.When{Hours: []offer.Hours{{FromSec: 8 * 3600, UntilSec: 86_400}}},
		Audience: offer.Audience{Segments: []string{"students"}},
		Budget:   offer.Budget{AmountMinor: 500_000, Whole: true}, Unit: "EUR",
		Boosts: []offer.CampaignBoost{
			{Boost: offer.Boost{ID: "double", Op: offer.MultiplyRate, FactorMillionths: 2_000_000}, Offers: []offer.OfferRef{{Partner: "a", Offer: "o"}, {Offer: "groceries"}}},
			{Boost: offer.Boost{ID: "more", Op: offer.AddRate, RateMillionths: 10_000, When: offer.When{Weekdays: 1 << 5}}, Offers: []offer.OfferRef{{Partner: "a"}}},
			{Boost: offer.Boost{ID: "all", Op: offer.SetRate, RateMillionths: 50_000}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it means\n%+v\nwant\n%+v", got, want)
	}
	if got.Version.From != rules.MinInstant {
		t.Errorf("it holds from %s", got.Version.From)
	}
}

func TestABudgetInPoints(t *testing.T) {
	t.Parallel()
	loaded := folder(t, map[string]string{
		"programme.yaml": pointsProgramme,
		"shop.yaml":      costPlus + "offers: [{id: o, reward: 1 point per EUR}]\n",
		"campaign.yaml":  "campaign: c\nbudget: 100000 points\nboosts: [{id: b, set: 3 points per EUR}]\n",
	})
	got := loaded.Catalogue.Campaigns[0]
	if got.Unit != "MILES" || got.Budget.AmountMinor != 10_000_000 || !got.Boosts[0].OfPoints || got.Boosts[0].RateMillionths != 3_000_000 {
		t.Errorf("it means %+v", got)
	}
}
