package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ristourne/processor/catalog"
)

// What is to be published so that a programme pays is told, and once it is published,
// that it is; what can't be is refused.
func TestWhatMakesAShadowPayIsTold(t *testing.T) {
	t.Parallel()
	const head = "programme: lyon\ncurrency: EUR\nzone: Europe/Paris\n"
	const shadow = head + "payout: {cycle: monthly on 1, pay: shadow}\n"
	now := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		files []string
		day   string
		want  string // printed, or the error
		fails bool
	}{
		"the edit":           {[]string{shadow}, "2026-07-01", "effective_from: 2026-07-01\n    payout: {pay: instructions, pay_from: 2026-07-01}", false},
		"within a cycle":     {[]string{shadow}, "2026-07-02", "Its cycles are monthly on 1, and none ends at 2026-07-01T22:00:00Z", false},
		"it is published":    {[]string{shadow, head + "effective_from: 2026-07-01\npayout: {cycle: monthly on 1, pay_from: 2026-07-01}\n"}, "2026-07-01", "pays from 2026-07-01 on: so it is published", false},
		"from another day":   {[]string{shadow, head + "effective_from: 2026-07-01\npayout: {cycle: monthly on 1, pay_from: 2026-06-01}\n"}, "2026-07-01", "add a version of its file", false},
		"it pays":            {[]string{head}, "2026-07-01", "doesn't work in the shadow", true},
		"a day that is over": {[]string{shadow}, "2026-06-10", "comes into force 6m0s later at the soonest", true},
		"no day":             {[]string{shadow}, "1 July", `--from "1 July": name a day`, true},
	} {
		folder := t.TempDir()
		for i, text := range test.files {
			if err := os.WriteFile(filepath.Join(folder, string(rune('a'+i))+".yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		loaded, err := catalog.Load(folder)
		if err != nil {
			t.Fatal(err)
		}
		var told strings.Builder
		a, err := findActivation(loaded.Snapshot, "lyon", test.day, now)
		if err != nil {
			told.WriteString(err.Error())
		} else if err := a.print(&told); err != nil {
			t.Fatal(err)
		}
		if err != nil != test.fails || !strings.Contains(told.String(), test.want) {
			t.Errorf("%s: %s", name, told.String())
		}
	}
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--activate"}, "name the day with --from"},
		{[]string{"--from", "2026-07-01", "--cycle", "2026-06"}, "--from goes with --activate"},
		{[]string{"--activate", "--from", "2026-07-01", "--cycle", "2026-06"}, "--activate closes no cycle"},
	} {
		if _, stderr, code := command(t, "", append([]string{"settle", "--config", "none.yaml"}, test.arguments...)...); code != exitUsage || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d: %s", test.arguments, code, stderr)
		}
	}
}
