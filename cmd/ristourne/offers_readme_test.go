package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ristourne/cmd/internal/transcript"
)

// readmeOffers writes the first catalogue of the README of offers into folders: as it
// stands, with a slip of the pen, as it shall be next, and with its scenario.
func readmeOffers(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	_, block, _ := strings.Cut(transcript.Readme(t, "processor/catalog/README.md"), "```yaml\n# ")
	block, _, _ = strings.Cut(block, "```")
	slip := strings.NewReplacer("reward: 3%", "rewrd: 3")
	next := strings.NewReplacer("reward: 3%", "reward: 4%", "set: 6%", "set: 7%")
	for text := range strings.SplitSeq(block, "\n\n# ") {
		name, body, found := strings.Cut(text, "\n")
		if !found || !strings.HasPrefix(name, "cafe/") {
			t.Fatalf("the README's first catalogue has %q, which is no file", text)
		}
		name = strings.TrimPrefix(name, "cafe/")
		writeDeep(t, filepath.Join(folder, "cafe", name), body)
		writeDeep(t, filepath.Join(folder, "slip", "cafe", name), slip.Replace(body))
		writeDeep(t, filepath.Join(folder, "cafe-next", name), next.Replace(body))
	}
	writeDeep(t, filepath.Join(folder, "scenarios", "everyday.test"), strings.Join(transcript.Shown(t, "cat scenarios/everyday.test"), "\n")+"\n")
	return folder
}

func writeDeep(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOffersDoWhatTheirReadmeShows(t *testing.T) {
	t.Parallel()
	folder := readmeOffers(t)
	for _, c := range []struct {
		command   string
		below     string // the folder in which it is said
		arguments []string
		volatile  []string
	}{
		{"ristourne offers validate cafe", "", []string{"validate", "cafe"}, nil},
		{"ristourne offers validate cafe        # after a slip of the pen", "slip", []string{"validate", "slip/cafe"}, nil},
		{
			`ristourne offers explain everyday --catalog cafe --purchase "84.50 EUR" --at 2026-11-25T17:30`, "",
			[]string{"explain", "everyday", "--catalog", "cafe", "--purchase", "84.50 EUR", "--at", "2026-11-25T17:30"},
			nil,
		},
		{"ristourne offers diff cafe cafe-next", "", []string{"diff", "cafe", "cafe-next"}, nil},
		{"ristourne offers test scenarios", "", []string{"test", "scenarios"}, []string{anySpace, `[0-9.]+ (ms|s)\b`}},
	} {
		arguments := []string{"offers"}
		for _, a := range c.arguments {
			if _, err := os.Stat(filepath.Join(folder, a)); err == nil {
				a = filepath.Join(folder, a)
			}
			arguments = append(arguments, a)
		}
		stdout, stderr, _ := command(t, "", arguments...)
		printed := strings.ReplaceAll(stdout+stderr, filepath.Join(folder, c.below)+string(filepath.Separator), "")
		transcript.Want(t, c.command, printed, c.volatile...)
	}
}

// An edited file and one for a month on, as the README publishes them.
func TestPublishingSaysWhatTheReadmeShows(t *testing.T) {
	t.Parallel()
	s := newOffersShell(t)
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("../../testdata/catalogue/lyon")); err != nil {
		t.Fatal(err)
	}
	s.mustRun(t, "publish", folder, "--config", "c")
	name := filepath.Join(folder, "librairie-des-canuts.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	edited := func(reward string) string { return strings.Replace(string(text), "reward: 4%", "reward: "+reward, 1) }
	writeDeep(t, name, edited("5%"))
	later := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	writeDeep(t, filepath.Join(folder, "librairie-des-canuts-later.yaml"), "effective_from: "+later+"\n"+edited("6%"))
	transcript.Want(t, "ristourne offers publish lyon --config sandbox.yaml       # an edited file, and one for December",
		s.mustRun(t, "publish", folder, "--config", "c"), anyTime, `[0-9-]{10}\.[0-9a-f]{6}`, `\([0-9a-f]{12}\)`, anySpace)
}
