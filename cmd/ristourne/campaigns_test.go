package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/changes"
	"ristourne/processor/catalog/published"
	"ristourne/processor/simulate"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// campaigns runs a campaigns command against the shell's Redis.
func (s *offersShell) campaigns(t *testing.T, stdin string, arguments ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newCampaignsCommand(s.deps)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append(arguments, "--config", "c"))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestACampaignIsStopped(t *testing.T) {
	t.Parallel()
	s := newOffersShell(t)
	if _, err := s.campaigns(t, "", "list"); err == nil {
		t.Error("an empty Redis has campaigns")
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(offersFolder)); err != nil {
		t.Fatal(err)
	}
	always := "campaign: always\nname: Always\nboosts: [{id: more, offers: [cafe-du-coin/everyday], multiply: 1.5}]\n"
	if err := os.WriteFile(filepath.Join(folder, "always.yaml"), []byte(always), 0o600); err != nil {
		t.Fatal(err)
	}
	s.mustRun(t, "publish", folder, "--config", "c")

	for _, answer := range []string{"", "n\n", "what?\n"} {
		if stdout, err := s.campaigns(t, answer, "stop", "always"); err == nil || !strings.Contains(stdout, "[y/N]") {
			t.Errorf("the answer %q stops it: %v, %s", answer, err, stdout)
		}
	}
	list, err := s.campaigns(t, "", "list")
	if err != nil || !regexp.MustCompile(`(?m)^always +Always +boosts +always +-$`).MatchString(list) || !strings.Contains(list, "at most 2.00 EUR") {
		t.Errorf("list says %v\n%s", err, list)
	}
	if _, err := s.campaigns(t, "", "stop", "nobody", "--yes"); err == nil {
		t.Error("a campaign that never was is stopped")
	}

	began := time.Now().Truncate(time.Second)
	stopped, err := s.campaigns(t, "y\n", "stop", "always")
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`purchases made from (\S+) on are not boosted`).FindStringSubmatch(stopped)
	if told == nil {
		t.Fatalf("it isn't said from when:\n%s", stopped)
	}
	from, err := time.Parse(time.RFC3339, told[1])
	if ahead := from.Sub(began); err != nil || ahead < 6*time.Minute || ahead > 8*time.Minute {
		t.Errorf("it is stopped from %s on, %s ahead: %v", told[1], ahead, err)
	}
	wantText(t, stopped, "remove always.yaml")
	checkStops(t, s, rules.InstantOf(from))

	if again, err := s.campaigns(t, "", "stop", "always", "--yes"); err != nil || !strings.Contains(again, "nothing to do") {
		t.Errorf("stopped again: %v, %s", err, again)
	}
	list, _ = s.campaigns(t, "", "list")
	wantText(t, list, "stopped from "+told[1]+" on")

	// The folder would bring it back.
	if _, _, err := s.run(t, "publish", folder, "--config", "c"); err == nil || !strings.Contains(err.Error(), "remove always.yaml, or publish with --resume always") {
		t.Errorf("publishing the folder says %v", err)
	}
	wantText(t, s.mustRun(t, "publish", folder, "--config", "c", "--resume", "always"), "added  campaign always")
	show, err := s.campaigns(t, "", "show", "always")
	if err != nil || strings.Count(show, "# campaign always") != 3 {
		t.Errorf("show says %v\n%s", err, show)
	}
}

// checkStops looks at the catalogue that processors get: up to the instant the
// campaign is in force, from it on it isn't.
func checkStops(t *testing.T, s *offersShell, from rules.Instant) {
	t.Helper()
	client, prefix, err := s.deps.Redis(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	loaded, _, err := published.Read(t.Context(), client, prefix)
	if err != nil {
		t.Fatal(err)
	}
	if offer.InForceAt(loaded.Catalogue.Campaigns, "always", from.AddSeconds(-1)) == nil {
		t.Error("it is stopped before it was said to be: what was earned would be taken back")
	}
	if offer.InForceAt(loaded.Catalogue.Campaigns, "always", from.AddSeconds(1)) != nil {
		t.Error("it is in force later than it was said to be")
	}
	for _, c := range loaded.Catalogue.Campaigns {
		if ahead := from.Sec - c.StoppedAt.Sec; c.ID == "always" && c.Version.Ended && (ahead < 360 || ahead > 480) {
			t.Errorf("its budget pays until %s: not until it was stopped, six minutes before %s", c.StoppedAt, from)
		}
	}
	if offer.InForceAt(loaded.Catalogue.Campaigns, "black-friday", from.AddSeconds(1)) == nil {
		t.Error("another campaign was stopped with it")
	}
}

// How a campaign stands follows from its versions and its window.
func TestHowACampaignStands(t *testing.T) {
	t.Parallel()
	loaded, err := catalog.Load(offersFolder)
	if err != nil {
		t.Fatal(err)
	}
	zone := loaded.Catalogue.Programmes[0].Zone
	campaign := loaded.Catalogue.Campaigns[0]
	ended := offer.Campaign{ID: campaign.ID, Version: offer.Version{From: rules.InstantOf(time.Date(2026, 11, 26, 12, 0, 0, 0, zone)), Ended: true}}
	for _, c := range []struct {
		at, want string
		ended    bool
	}{
		{"2026-11-22T23:59:59", changes.ToCome, false},
		{"2026-11-23T00:00", changes.Boosts, false},
		{"2026-11-30T23:59:59", changes.Boosts, false},
		{"2026-12-01T00:00", changes.Over, false},
		{"2026-11-26T11:59:59", changes.Stops, true},
		{"2026-11-26T12:00", changes.Stopped, true},
	} {
		catalogue := *loaded.Catalogue
		if c.ended {
			catalogue.Campaigns = append([]offer.Campaign{ended}, catalogue.Campaigns...)
		}
		at, err := simulate.ParseMoment(c.at, zone, 0)
		if err != nil {
			t.Fatal(err)
		}
		if all := changes.Campaigns(&catalogue, at); len(all) != 1 || all[0].State != c.want || all[0].Name != "Black Friday" {
			t.Errorf("at %s: %+v, want %s", c.at, all, c.want)
		}
	}
}

func TestCampaignsAsJSON(t *testing.T) {
	t.Parallel()
	s := newOffersShell(t)
	s.mustRun(t, "publish", offersFolder, "--config", "c")
	stdout, err := s.campaigns(t, "", "list", "--output", "json")
	var shown changes.Campaign
	if err := json.Unmarshal([]byte(stdout), &shown); err != nil || shown.ID != "black-friday" || shown.Boosts != 1 || shown.Version == "" {
		t.Errorf("%v in %s", err, stdout)
	}
	if err != nil {
		t.Error(err)
	}
}
