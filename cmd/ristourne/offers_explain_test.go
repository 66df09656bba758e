package main

import (
	"encoding/json"
	"strings"
	"testing"

	"ristourne/processor/catalog/changes"
	"ristourne/processor/simulate"
)

const (
	offersFolder  = "testdata/offers"
	changedFolder = "testdata/offers-changed"
	asksFolder    = "testdata/asks/" // what offers ask, and whom they hold out
)

// The texts under testdata/explain are what a programme manager reads.
func TestExplainOffer(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"boosts":     {"everyday", "--purchase", "84.50 EUR", "--at", "2026-11-25T17:30", "--level", "loyal", "--before", "60 EUR on 2026-11-02"},
		"just-after": {"everyday", "--purchase", "84.50 EUR", "--at", "2026-11-25T19:00"},
		"unknown":    {"tenth", "--purchase", "84.50 EUR", "--at", "2026-11-26T17:30"},
		"visit": {
			"tenth", "--purchase", "84.57 EUR", "--at", "2026-11-25T17:30", "--channel", "in_store", "--level", "loyal",
			"--enrolled", "2026-10-01", "--before", "20 EUR on 2026-11-03", "--before", "20 EUR on 2026-11-04 09:15",
		},
		"categories": {"market/fresh", "--purchase", "150 EUR", "--at", "2026-10-25", "--items", "bread 4.00 EUR, cheese 6.00 EUR"},
		"tiers":      {"basket", "--purchase", "150 EUR", "--at", "2026-11-25"},
		"points":     {"miles", "--purchase", "84.57 EUR", "--at", "2026-11-25"},
		"again":      {"market/hundreds", "--purchase", "215 EUR", "--at", "2026-11-25T12:00", "--before", "90 EUR on 2026-11-24"},
		"abroad": {
			"market/abroad", "--purchase", "48 CHF", "--billed", "50 EUR", "--at", "2026-11-25T12:00", "--mcc", "5541", "--country", "CH",
			"--before", "30 EUR on 2026-11-24",
		},
		"own": {"programme/groceries", "--purchase", "300 EUR", "--at", "2026-11-25", "--mcc", "5411", "--store", "cafe-du-coin/nation"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := command(t, "", append([]string{"offers", "explain", "--catalog", offersFolder}, flags...)...)
			if code != 0 || stderr != "" {
				t.Fatalf("exits %d: %s", code, stderr)
			}
			checkGolden(t, "testdata/explain/"+name+".txt", stdout)
		})
	}
}

func TestExplainForAnAccount(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"not-held-out":         {"held-more", "--purchase", "50 EUR"},
		"held-out":             {"held-more", "--purchase", "50 EUR", "--account", "acc-30"},
		"held-out-of-campaign": {"held-more", "--purchase", "50 EUR", "--account", "acc-8"},
	} {
		stdout, stderr, code := command(t, "", append([]string{"offers", "explain", "--catalog", asksFolder + "new", "--at", "2026-11-25T17:30"}, flags...)...)
		if code != 0 || stderr != "" {
			t.Fatalf("exits %d: %s", code, stderr)
		}
		checkGolden(t, "testdata/explain/"+name+".txt", stdout)
	}
}

func TestExplainOfferAsJSON(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := command(t, "", "offers", "explain", "tenth", "--catalog", offersFolder, "--purchase", "10 EUR",
		"--at", "2026-11-26T17:30", "--output", "json")
	if code != 0 {
		t.Fatalf("exits %d: %s", code, stderr)
	}
	var told simulate.Told
	if err := json.Unmarshal([]byte(stdout), &told); err != nil {
		t.Fatal(err)
	}
	offer, _ := splitOffers(&told)
	if told.Offer != "cafe-du-coin/tenth" || offer == nil || offer.Applies || len(offer.Conditions) != 4 || !offer.Conditions[3].Skipped {
		t.Errorf("told is %s", stdout)
	}
}

func TestWhatCannotBeExplained(t *testing.T) {
	t.Parallel()
	at := []string{"--at", "2026-11-25"}
	for _, c := range []struct {
		flags []string
		code  int
		want  string
	}{
		{append(at, "every", "--purchase", "1 EUR"), exitFailed, `did you mean cafe-du-coin/everyday?`},
		{append(at, "market/none", "--purchase", "1 EUR"), exitFailed, `did you mean market/abroad, market/basket, market/fresh, market/hundreds, market/miles?`},
		{append(at, "everyday", "--purchase", "1"), exitUsage, "is no amount"},
		{append(at, "everyday", "--purchase", "1 XXX"), exitUsage, "is no currency"},
		{append(at, "everyday", "--purchase", "1.005 EUR"), exitUsage, "--purchase"},
		{append(at, "everyday", "--purchase", "1 EUR", "--store", "nowhere"), exitFailed, "it has bastille, nation"},
		{append(at, "tenth", "--purchase", "1 EUR", "--store", "nation"), exitFailed, "only at bastille"},
		{append(at, "tenth", "--purchase", "1 EUR", "--store", "market/croix"), exitUsage, "of another partner"},
		{append(at, "groceries", "--purchase", "1 EUR", "--store", "nation"), exitUsage, "write PARTNER/STORE"},
		{append(at, "groceries", "--purchase", "1 EUR"), exitFailed, "say which one with --mcc"},
		{append(at, "everyday", "--purchase", "1 EUR", "--channel", "phone"), exitUsage, "channel"},
		{append(at, "everyday", "--purchase", "1 EUR", "--before", "1 EUR on 2026-12-25"), exitUsage, "is not before"},
		{append(at, "everyday", "--purchase", "1 EUR", "--before", "1 EUR"), exitUsage, "write what was paid and when"},
		{append(at, "everyday", "--purchase", "1 EUR", "--enrolled", "2026-12-25"), exitUsage, "is after"},
		{append(at, "fresh", "--purchase", "1 EUR", "--items", "bread"), exitUsage, "bread 4.00 EUR"},
		{[]string{"everyday", "--purchase", "1 EUR", "--at", "tomorrow"}, exitUsage, "is no date"},
	} {
		stdout, stderr, code := command(t, "", append([]string{"offers", "explain", "--catalog", offersFolder}, c.flags...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v exits %d, want %d and %q:\n%s%s", c.flags, code, c.code, c.want, stdout, stderr)
		}
	}
}

// What is published is explained as its folder is.
func TestExplainAndCompareWhatIsPublished(t *testing.T) {
	t.Parallel()
	s := newOffersShell(t)
	s.mustRun(t, "publish", offersFolder, "--config", "c")
	flags := []string{"everyday", "--purchase", "84.50 EUR", "--at", "2026-11-25T17:30", "--level", "loyal", "--before", "60 EUR on 2026-11-02"}
	checkGolden(t, "testdata/explain/boosts.txt", s.mustRun(t, append([]string{"explain", "--config", "c"}, flags...)...))

	if stdout := s.mustRun(t, "diff", "--config", "c", offersFolder, "--exit-code"); !strings.Contains(stdout, "Nothing changes") {
		t.Errorf("what is published differs from its folder:\n%s", stdout)
	}
	if _, _, err := s.run(t, "diff", "--config", "c", changedFolder); err == nil || !strings.Contains(err.Error(), "the folder lacks") {
		t.Errorf("a folder that lacks a partner is compared: %v", err)
	}
	stdout := s.mustRun(t, "diff", "--config", "c", changedFolder, "--remove-missing")
	wantText(t, stdout, "partner market, from 20", "Offer fresh ends", "Café du Coin (partner cafe-du-coin), from 2027-01-01 on",
		"the programme's margin falls from 5% to 4% of the purchase")
	if strings.Contains(stdout, "as soon as it is published") {
		t.Errorf("it isn't said from when:\n%s", stdout)
	}
	wantText(t, s.mustRun(t, "history", "--config", "c"), "1  ")
	if len(s.archived) != 1 {
		t.Errorf("comparing has published: %d versions", len(s.archived))
	}
}

func TestCompareFolders(t *testing.T) {
	t.Parallel()
	for name, folders := range map[string][]string{
		"changed": {offersFolder, changedFolder}, "back": {changedFolder, offersFolder}, "same": {offersFolder, offersFolder},
		"asks": {asksFolder + "old", asksFolder + "new"}, "asks-back": {asksFolder + "new", asksFolder + "old"},
	} {
		stdout, stderr, code := command(t, "", append([]string{"offers", "diff"}, folders...)...)
		if code != 0 || stderr != "" {
			t.Fatalf("%s exits %d: %s", name, code, stderr)
		}
		checkGolden(t, "testdata/diff/"+name+".txt", stdout)
		want := exitFailed
		if name == "same" {
			want = 0
		}
		stdout, _, code = command(t, "", append([]string{"offers", "diff", "--exit-code", "--output", "json"}, folders...)...)
		var told struct{ Changes []changes.Change }
		if err := json.Unmarshal([]byte(stdout), &told); err != nil || code != want || (len(told.Changes) > 0) != (want > 0) {
			t.Errorf("%s: --exit-code exits %d, want %d, with %d changes, %v", name, code, want, len(told.Changes), err)
		}
	}
	if _, stderr, code := command(t, "", "offers", "diff", offersFolder, "../../testdata/bad-catalogue/keys"); code != exitFailed || !strings.Contains(stderr, "nothing is published") && !strings.Contains(stderr, "fault") {
		t.Errorf("a folder with faults is compared: exit %d, %s", code, stderr)
	}
}

func TestSchemaIsPrinted(t *testing.T) {
	t.Parallel()
	stdout, _, code := command(t, "", "offers", "schema")
	var schema map[string]any
	if err := json.Unmarshal([]byte(stdout), &schema); err != nil || code != 0 || schema["$schema"] == nil {
		t.Errorf("exits %d, %v: %.200s", code, err, stdout)
	}
}
