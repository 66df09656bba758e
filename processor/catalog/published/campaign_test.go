package published

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

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
