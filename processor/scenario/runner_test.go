package scenario_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ristourne/processor/scenario"
	"ristourne/processor/sourcefile"
)

var update = flag.Bool("update", false, "rewrite what the runner should say to what it says")

// golden holds text against a file beside the input.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\n got:\n%s\nwant:\n%s", name, got, want)
	}
}

func filesIn(t *testing.T, folder string) []string {
	t.Helper()
	files, err := scenario.Find([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Every fault of a file is told at once, at its place, with what to do.
func TestFaultyFiles(t *testing.T) {
	t.Parallel()
	for _, name := range filesIn(t, "testdata/bad") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, err := scenario.Read(name)
			var faults *sourcefile.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("Read gives %v, want faults", err)
			}
			var told strings.Builder
			if err := faults.Render(&told); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, scenario.Extension)+".want", told.String())
		})
	}
}

// What does not hold is shown as a difference, and update makes the file say
// what came out.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, name := range filesIn(t, "testdata/failing") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := scenario.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			results, err := file.Run()
			if err != nil {
				t.Fatal(err)
			}
			var told strings.Builder
			for _, result := range results {
				if len(result.Failures) == 0 {
					t.Errorf("scenario %s holds, and should not", result.Scenario)
				}
				for _, failure := range result.Failures {
					told.WriteString(failure.String() + "\n\n")
				}
			}
			base := strings.TrimSuffix(name, scenario.Extension)
			golden(t, base+".want", withoutExplanations(told.String()))
			updated := file.Updated(results)
			golden(t, base+".updated", string(updated))
			holds(t, name, updated)
		})
	}
}

var explanationStart = regexp.MustCompile(`(?i)^    purchase (\S+) of account (\w+)`)

// withoutExplanations says of each explanation only that it is there: how the
// rules explain a purchase is theirs to say and to test.
func withoutExplanations(told string) string {
	var kept []string
	inside := false
	for line := range strings.Lines(told) {
		start := explanationStart.FindStringSubmatch(line)
		inside = start != nil || inside && strings.HasPrefix(line, "    ")
		switch {
		case start != nil:
			kept = append(kept, "    (purchase "+start[1]+" of account "+start[2]+" is explained)\n")
		case !inside:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// holds runs an updated file: nothing fails, and there is nothing to update.
func holds(t *testing.T, name string, text []byte) {
	t.Helper()
	file, err := scenario.Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	results, err := file.Run()
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		for _, failure := range result.Failures {
			t.Errorf("after the update: %v", failure)
		}
	}
	if again := file.Updated(results); !bytes.Equal(again, text) {
		t.Errorf("a file that holds was rewritten to\n%s", again)
	}
}

// A file that holds is left alone to the byte.
func TestUpdateLeavesWhatHolds(t *testing.T) {
	t.Parallel()
	for _, name := range filesIn(t, scenarios) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, name, text)
	}
}

func TestRunFileUpdates(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/failing/differences.test")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "differences.test")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := scenario.RunFile(name, true)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Updated || report.Failed() != 0 {
		t.Errorf("after an update %d scenarios fail, updated %v", report.Failed(), report.Updated)
	}
	report, err = scenario.RunFile(name, true)
	if err != nil {
		t.Fatal(err)
	}
	if report.Updated {
		t.Error("a file that holds was updated")
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	var reports []scenario.Report
	for _, name := range []string{"testdata/failing/differences.test", "testdata/bad/folder.test", filepath.Join(scenarios, "fixed.test")} {
		report, err := scenario.RunFile(name, false)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, report)
	}
	var written bytes.Buffer
	if err := scenario.WriteJUnit(&written, reports); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name     string   `xml:"name,attr"`
				Failures []string `xml:"failure"`
				Errors   []string `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(written.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if read.Tests != 8 || read.Failures != 4 || read.Errors != 1 || len(read.Suites) != 3 {
		t.Fatalf("%d tests, %d failures, %d errors in %d suites, want 8, 4, 1 in 3:\n%s", read.Tests, read.Failures, read.Errors, len(read.Suites), &written)
	}
	first := read.Suites[0].Cases[0]
	if first.Name != "the amounts are others" || len(first.Failures) == 0 || !strings.Contains(first.Failures[1], "+ P1        confirmed  3.00 EUR") {
		t.Errorf("the first case is %+v", first)
	}
	if broken := read.Suites[1].Cases[0]; len(broken.Errors) != 1 || !strings.Contains(broken.Errors[0], "folder.test:1:1") {
		t.Errorf("the file with a fault is %+v", broken)
	}
	if whole := read.Suites[2].Cases[0]; len(whole.Failures)+len(whole.Errors) != 0 {
		t.Errorf("a scenario that holds is %+v", whole)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"b.test", "a/c.test", "a/notes.txt", "z/only.txt"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := scenario.Find([]string{folder, filepath.Join(folder, "b.test")})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || !strings.HasSuffix(found[0], "c.test") || !strings.HasSuffix(found[1], "b.test") {
		t.Errorf("found %v", found)
	}
	for _, none := range []string{"z", "not-there"} {
		if found, err := scenario.Find([]string{filepath.Join(folder, none)}); err == nil {
			t.Errorf("in %s found %v, want an error", none, found)
		}
	}
}

var folders = regexp.MustCompile(`(?m)^catalogue.*[./]`)

// Whatever is in a file, reading it neither fails otherwise than by faults nor
// crashes, and what can be read can be run and updated.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{scenarios, "testdata/bad", "testdata/failing"} {
		files, err := scenario.Find([]string{folder})
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if folders.Match(text) {
			return // what is in a folder of this machine is not the fuzzer's
		}
		file, err := scenario.Parse("testdata/fuzz.test", text)
		var faults *sourcefile.Faults
		if errors.As(err, &faults) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		results, err := file.Run()
		if err != nil {
			t.Fatal(err)
		}
		file.Updated(results)
	})
}
