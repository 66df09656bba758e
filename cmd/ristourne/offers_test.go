package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"ristourne/deploy/localservers"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/catalog/published"
	"ristourne/processor/sourcefile"
)

// memoryArchive keeps versions, or fails.
type memoryArchive struct {
	versions *[]published.Version
	err      error
}

func (a memoryArchive) PutCatalogueVersion(_ context.Context, v published.Version) error {
	*a.versions = append(*a.versions, v)
	return a.err
}

func (a memoryArchive) Bodies(context.Context) ([][]byte, error) {
	var bodies [][]byte
	for _, v := range *a.versions {
		bodies = append(bodies, v.Body)
	}
	return bodies, nil
}

func (memoryArchive) Close() error { return nil }

// offersShell runs offers commands against a Redis of its own.
type offersShell struct {
	deps     offersDeps
	server   *localservers.Redis
	archived []published.Version
}

func newOffersShell(t *testing.T) *offersShell {
	server := localserverstest.Redis(t)
	s := &offersShell{server: server}
	s.deps = offersDeps{
		Redis: func(context.Context, string) (redis.UniversalClient, string, error) {
			return redis.NewClient(&redis.Options{Addr: server.Addr}), "shell", nil
		},
		Archive: func(context.Context, string) (catalogueArchive, error) { return memoryArchive{&s.archived, nil}, nil },
	}
	return s
}

func (s *offersShell) run(t *testing.T, arguments ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := newOffersCommand(s.deps)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(arguments)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func (s *offersShell) mustRun(t *testing.T, arguments ...string) string {
	t.Helper()
	stdout, stderr, err := s.run(t, arguments...)
	if err != nil {
		t.Fatalf("offers %s: %v\n%s", strings.Join(arguments, " "), err, stderr)
	}
	return stdout
}

func wantText(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in:\n%s", part, got)
		}
	}
}

const lyonCatalogue = "../../testdata/catalogue/lyon"

func TestOffersArePublishedAndLookedUp(t *testing.T) {
	t.Parallel()
	s := newOffersShell(t)
	for _, command := range []string{"list", "history"} {
		if _, _, err := s.run(t, command, "--config", "c"); !errors.Is(err, published.ErrEmpty) {
			t.Errorf("%s of an empty Redis says %v", command, err)
		}
	}
	wantText(t, s.mustRun(t, "publish", lyonCatalogue, "--config", "c"), "published catalogue version 1", "added  partner cinema-lumiere", "from ever")
	wantText(t, s.mustRun(t, "publish", lyonCatalogue, "--config", "c"), "nothing new")
	if len(s.archived) != 1 {
		t.Errorf("%d versions were archived, want 1", len(s.archived))
	}
	wantText(t, s.mustRun(t, "list", "--config", "c"), "partner salon-celestins", "Salon des Célestins", "in force")
	wantText(t, s.mustRun(t, "show", "chaussures-berthet", "--config", "c"), "version initial.", "version 2026-06-01.", "commission: 8%")
	wantText(t, s.mustRun(t, "history", "--config", "c"), "added programme cashback-lyon", "and 21 more")
	var entry shownEntry
	if err := json.Unmarshal([]byte(s.mustRun(t, "show", "cycles-gerland", "--config", "c", "--output", "json")), &entry); err != nil {
		t.Fatal(err)
	}
	if entry.ID != "cycles-gerland" || !entry.InForce || !strings.Contains(entry.Text, "Nouveau contrat") {
		t.Errorf("shown as JSON: %+v", entry)
	}
	if _, _, err := s.run(t, "show", "nobody", "--config", "c"); err == nil {
		t.Error("a partner that was never published is shown")
	}
}

func TestALostCatalogueIsRestoredAndNotBegunAnew(t *testing.T) {
	t.Parallel()
	s := newOffersShell(t)
	s.mustRun(t, "publish", lyonCatalogue, "--config", "c")
	client := redis.NewClient(&redis.Options{Addr: s.server.Addr})
	defer client.Close()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.run(t, "publish", lyonCatalogue, "--config", "c"); err == nil || !strings.Contains(err.Error(), "offers restore") {
		t.Errorf("publishing over a lost catalogue says %v", err)
	}
	wantText(t, s.mustRun(t, "restore", "--config", "c"), "version 1", "is back in Redis")
	wantText(t, s.mustRun(t, "publish", lyonCatalogue, "--config", "c"), "nothing new")
}

func TestPublishTellsFaultsAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := newOffersShell(t)
	_, stderr, err := s.run(t, "publish", "../../testdata/bad-catalogue/names", "--config", "c")
	if !errors.Is(err, errReported) {
		t.Fatalf("error is %v", err)
	}
	wantText(t, stderr, "partner.yaml:7:34: ", "nothing is published")
	if _, _, err := s.run(t, "list", "--config", "c"); !errors.Is(err, published.ErrEmpty) {
		t.Errorf("after a refusal the catalogue is %v", err)
	}
}

func TestPublishTellsSomeWarningsAndHowToSeeAll(t *testing.T) {
	t.Parallel()
	warnings := make([]sourcefile.Fault, maxPublishWarnings+2)
	for i := range warnings {
		warnings[i] = sourcefile.Fault{File: fmt.Sprintf("partner-%02d.yaml", i), Message: "nothing bounds it"}
	}
	for _, c := range []struct {
		given int
		told  string
	}{{maxPublishWarnings, ""}, {maxPublishWarnings + 1, "and 1 warning more: ristourne offers validate catalogue tells them all\n"}, {maxPublishWarnings + 2, "and 2 warnings more"}} {
		var stderr strings.Builder
		if err := printSomeWarnings(&stderr, warnings[:c.given], "catalogue"); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(stderr.String(), "nothing bounds it"); n != maxPublishWarnings {
			t.Errorf("of %d warnings %d are told", c.given, n)
		}
		if c.told == "" && strings.Contains(stderr.String(), "more") || !strings.Contains(stderr.String(), c.told) {
			t.Errorf("%q is not in:\n%s", c.told, stderr.String())
		}
	}
}

func TestValidateSaysEveryFault(t *testing.T) {
	t.Parallel()
	s := new(offersShell)
	wantText(t, s.mustRun(t, "validate", lyonCatalogue), "is sound: 18 partners")
	stdout, stderr, err := s.run(t, "validate", "../../testdata/bad-catalogue/words")
	if !errors.Is(err, errReported) {
		t.Fatalf("error is %v", err)
	}
	wantText(t, stdout, "partner.yaml:1:10: ", "partner.yaml:17:38: ", "    ^\n")
	wantText(t, stderr, "faults in ")
	wantText(t, s.mustRun(t, "validate", "../../testdata/bad-catalogue/warnings"), "warning: the bank pays offer")

	stdout, _, err = s.run(t, "validate", "../../testdata/bad-catalogue/keys", "--output", "json")
	var verdict struct{ Faults []sourcefile.Fault }
	if jsonErr := json.Unmarshal([]byte(stdout), &verdict); jsonErr != nil || !errors.Is(err, errReported) {
		t.Fatal(jsonErr, err)
	}
	if len(verdict.Faults) < 5 || verdict.Faults[0].Line != 2 {
		t.Errorf("faults as JSON: %+v", verdict.Faults)
	}
	if _, _, err := s.run(t, "validate", filepath.Join(os.TempDir(), "there is no such folder")); err == nil || errors.Is(err, errReported) {
		t.Errorf("a folder that isn't there gives %v", err)
	}
}
