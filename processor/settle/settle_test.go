package settle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ristourne/processor/catalog"
	"ristourne/rules"
	"ristourne/rules/engine"
)

func at(t *testing.T, text string) rules.Instant {
	t.Helper()
	when, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return rules.InstantOf(when)
}

// catalogue has a programme that pays at once until 2026, by month until July and
// by week from then on; and one by hand.
func catalogue(t *testing.T) *engine.Snapshot {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"at-once.yaml": "programme: lyon\neffective_from: 2025-01-01\ncurrency: EUR\nzone: Europe/Paris\n",
		"monthly.yaml": "programme: lyon\neffective_from: 2026-01-01\ncurrency: EUR\nzone: Europe/Paris\npayout: {cycle: monthly on 1}\n",
		"weekly.yaml":  "programme: lyon\neffective_from: 2026-07-01\ncurrency: EUR\nzone: Europe/Paris\npayout: {cycle: weekly on monday}\n",
		"nice.yaml":    "programme: nice\neffective_from: 2025-01-01\ncurrency: EUR\nzone: Europe/Paris\npayout: {cycle: by hand}\npoints: {code: SUN, value: 0.01 EUR, expires_after: 365 days}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := catalog.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Snapshot
}

func TestCyclesAreFoundByTheirNames(t *testing.T) {
	t.Parallel()
	c, now := catalogue(t), at(t, "2026-08-01T00:00:00Z")
	for _, test := range []struct{ programme, name, asOf, want string }{
		{"lyon", "2026-02", "", "2026-02-28T23:00:00Z"},
		{"lyon", "2026-02", "2026-03-01T00:00:00+01:00", "2026-02-28T23:00:00Z"},
		{"lyon", "2026-03", "", "2026-03-31T22:00:00Z"}, // summer time has begun
		{"lyon", "2026-05", "", "2026-05-31T22:00:00Z"},
		{"lyon", "2026-07-06", "", "2026-07-12T22:00:00Z"},
		{"lyon", "last year", "2025-12-31T22:59:59.999999999Z", "2025-12-31T22:59:59.999999999Z"}, // at once: what is left over
		{"nice", "spring", "2026-03-20T00:00:00+01:00", "2026-03-19T23:00:00Z"},
	} {
		var asOf *rules.Instant
		if test.asOf != "" {
			given := at(t, test.asOf)
			asOf = &given
		}
		found, err := Find(c, test.programme, test.name, asOf, now)
		if err != nil || found.AsOf != at(t, test.want) {
			t.Errorf("%+v: %+v, %v", test, found, err)
		}
	}
	for _, test := range []struct{ programme, name, asOf, want string }{
		{"paris", "2026-02", "", `programme "paris" is not in the catalogue, which has lyon, nice`},
		{"lyon", "2026-02", "2026-03-01T00:00:00Z", "cycle 2026-02 ends at 2026-02-28T23:00:00Z, not at 2026-03-01T00:00:00Z: drop --as-of"},
		{"lyon", "spring", "", `"spring" names no cycle`},
		{"lyon", "2026-07", "", "when the programme's cycles are weekly on Monday"},
		{"lyon", "2026-07-07", "", `is a Tuesday`}, // and they begin on Mondays
		{"lyon", "2025-06", "", "when the programme's cycles are at once"},
		{"nice", "spring", "", "say when"},                         // by hand
		{"lyon", "2026-07-27", "", "which is still to come"},       // ends on 3 August
		{"nice", "x", "2026-08-01T00:00:00.000000001Z", "to come"}, // one nanosecond ahead
	} {
		var asOf *rules.Instant
		if test.asOf != "" {
			given := at(t, test.asOf)
			asOf = &given
		}
		if found, err := Find(c, test.programme, test.name, asOf, now); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %+v, %v", test, found, err)
		}
	}
}

func TestWhetherSomethingCanLapse(t *testing.T) {
	t.Parallel()
	c, now := catalogue(t), at(t, "2026-08-01T00:00:00Z")
	cash, err := Find(c, "lyon", "2026-02", nil, now)
	if err != nil || cash.Lapses {
		t.Errorf("of a programme of cash alone something lapses: %+v, %v", cash, err)
	}
	points, err := Find(c, "nice", "spring", &now, now)
	if err != nil || !points.Lapses {
		t.Errorf("points that expire don't lapse: %+v, %v", points, err)
	}
}

func TestTheLastCycleThatHasEnded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ now, want string }{
		{"2025-12-31T22:59:59.999999999Z", ""}, // paid at once until then
		{"2025-12-31T23:00:00Z", "2025-12 2025-12-31T23:00:00Z"},
		{"2026-02-28T22:59:59.999999999Z", "2026-01 2026-01-31T23:00:00Z"},
		{"2026-02-28T23:00:00Z", "2026-02 2026-02-28T23:00:00Z"},
		{"2026-06-30T21:59:59Z", "2026-05 2026-05-31T22:00:00Z"},
		{"2026-07-05T21:59:59.999999999Z", ""}, // by week since Wednesday, and none has ended
		{"2026-07-05T22:00:00Z", "2026-06-29 2026-07-05T22:00:00Z"},
		{"2026-10-25T22:59:59Z", "2026-10-12 2026-10-18T22:00:00Z"},
		{"2026-10-25T23:00:00Z", "2026-10-19 2026-10-25T23:00:00Z"}, // winter time began that day
	} {
		got := ""
		for _, c := range lastEnded(catalogue(t), at(t, test.now).Time()) {
			got = strings.TrimSpace(got + " " + c.Name + " " + c.AsOf.String())
		}
		if got != test.want {
			t.Errorf("at %s it is %q, not %q", test.now, got, test.want)
		}
	}
}
