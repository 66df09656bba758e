package catalog

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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
		"programme.yaml": programmeText + groceries, "a.yaml": shop("a", 3, ""), "campaigns.yaml": blackFriday,
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

// campaign is the file of one that doubles what shop a gives.
func campaign(id string, multiply int, effectiveFrom string) string {
	if effectiveFrom != "" {
		effectiveFrom = "effective_from: " + effectiveFrom + "\n"
	}
	return fmt.Sprintf("campaign: %s\n%sboosts: [{id: b, offers: a/o, multiply: %d}]\n", id, effectiveFrom, multiply)
}

// Campaigns and levels go the way of partners: published, changed, ended and
// brought back from the archive.
func TestCampaignsAndLevelsArePublished(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	var archived [][]byte
	options := PublishOptions{Archive: archive(func(v Version) error { archived = append(archived, v.Body); return nil })}
	files := map[string]string{
		"a.yaml": shop("a", 3, ""), "campaigns/c.yaml": campaign("c", 2, ""), "levels.yaml": "levels: [usual, loyal]\n",
	}
	wantChanges(t, mustPublish(t, client, folder(t, files), options),
		"added programme test ever", "added partner a ever", "added levels all ever", "added campaign c ever")
	wantChanges(t, mustPublish(t, client, folder(t, files), options))

	files["campaigns/c.yaml"], files["levels.yaml"] = campaign("c", 3, ""), "levels: [usual, loyal, gold]\n"
	files["campaigns/june.yaml"] = campaign("c", 4, "2026-06-01")
	wantChanges(t, mustPublish(t, client, folder(t, files), options),
		"added levels all 2026-05-01T12:06:05Z", "added campaign c 2026-05-01T12:06:05Z", "added campaign c 2026-05-31T22:00:00Z")

	server.SetTime(noon.Add(time.Hour))
	delete(files, "campaigns/c.yaml")
	delete(files, "campaigns/june.yaml")
	delete(files, "levels.yaml")
	_, err := publish(client, folder(t, files), options)
	wantRefused(t, err, "the folder lacks what is published: levels all, campaign c")
	options.RemoveMissing = true
	wantChanges(t, mustPublish(t, client, folder(t, files), options),
		"ended levels all 2026-05-01T13:06:05Z", "withdrawn campaign c 2026-05-31T22:00:00Z", "ended campaign c 2026-05-01T13:06:05Z")

	entries := entriesOf(t, client)
	server.FlushAll()
	if _, err := Restore(context.Background(), client, prefix, archived, ""); err != nil {
		t.Fatal(err)
	}
	if restored := entriesOf(t, client); !slices.Equal(restored, entries) || len(entries) != 8 {
		t.Errorf("brought back are\n%v\nwant\n%v", restored, entries)
	}
	w, _ := watch(t, client, WatcherOptions{})
	if v := wait(t, w); v.Number != 3 {
		t.Errorf("the watcher is at version %d", v.Number)
	}
}

func entriesOf(t *testing.T, client redis.UniversalClient) []string {
	t.Helper()
	entries, _, err := Entries(context.Background(), client, prefix)
	if err != nil {
		t.Fatal(err)
	}
	var short []string
	for _, e := range entries {
		short = append(short, fmt.Sprintf("%s %s ended=%t stores=%d offers=%d boosts=%d levels=%d", e.Subject, e.Version, e.Ended, e.Stores, e.Offers, e.Boosts, e.Levels))
	}
	return short
}

// An offer that a campaign raises may be gone: it was there when it was named.
func TestACampaignOutlivesItsOffer(t *testing.T) {
	t.Parallel()
	client, _ := newClock(t)
	files := map[string]string{"a.yaml": shop("a", 3, ""), "b.yaml": shop("b", 3, ""), "c.yaml": campaign("c", 2, "")}
	mustPublish(t, client, folder(t, files), PublishOptions{})
	withdrawn := map[string]string{"a.yaml": "", "b.yaml": shop("b", 3, "")}
	wantChanges(t, mustPublish(t, client, folder(t, withdrawn), PublishOptions{RemoveMissing: true}),
		"ended partner a 2026-05-01T12:06:05Z", "ended campaign c 2026-05-01T12:06:05Z")
}

// What was published stays as it is, whatever levels there are today.
func TestLevelsOfThePastMayBeGone(t *testing.T) {
	t.Parallel()
	client, server := newClock(t)
	gold := "campaign: c\nfor: {levels: [gold]}\nboosts: [{id: b, multiply: 2}]\n"
	files := map[string]string{"a.yaml": shop("a", 3, ""), "c.yaml": gold, "levels.yaml": "levels: [usual, gold]\n"}
	mustPublish(t, client, folder(t, files), PublishOptions{})
	server.SetTime(noon.Add(time.Hour))
	files["c.yaml"], files["levels.yaml"] = strings.ReplaceAll(gold, "gold", "usual"), "levels: [usual]\n"
	wantChanges(t, mustPublish(t, client, folder(t, files), PublishOptions{}),
		"added levels all 2026-05-01T13:06:05Z", "added campaign c 2026-05-01T13:06:05Z")
	w, _ := watch(t, client, WatcherOptions{})
	wait(t, w)
}
