package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ristourne/processor/scenario"
)

const wrongScenario = `catalogue programme
  programme: cashback
  currency: EUR
  zone: Europe/Paris

catalogue cafe
  partner: cafe
  commission: 8%
  stores: [{id: bastille, keys: [{mid: CAFE}]}]
  offers: [{id: everyday, reward: 3%}]

2026-01-01  anna  enrolled

scenario this holds
2026-03-01  anna  clearing  P1  100.00 EUR  at CAFE  => booked

scenario this does not
2026-03-01  anna  clearing  P1  100.00 EUR  at CAFE
expect role=member
  purchase  reward
  P1        2.99 EUR
`

// scenarioFolder is a folder with one scenario that fails, and one file that
// can't be read.
func scenarioFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"wrong.test": wrongScenario, "sub/broken.test": "expected nothing\n"} {
		name = filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func offersTest(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	root := newRootCommand()
	root.SetOut(&out)
	root.SetErr(&errOut)
	code = execute(t.Context(), root, append([]string{"offers", "test"}, args...))
	return code, out.String(), errOut.String()
}

func TestOffersTestOfTheRepository(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := offersTest(t, "../../testdata/scenarios")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "FILE") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestOffersTestTellsFailuresAndFaults(t *testing.T) {
	t.Parallel()
	folder := scenarioFolder(t)
	code, stdout, stderr := offersTest(t, folder)
	if code != exitFailed {
		t.Errorf("exit %d, want %d", code, exitFailed)
	}
	for _, want := range []string{
		"broken.test:1:1: \"expected\" begins no statement",
		"wrong.test:19:1: scenario \"this does not\"",
		"    - P1        2.99 EUR\n    + P1        3.00 EUR\n",
		"CAN'T BE READ",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout lacks %q:\n%s", want, stdout)
		}
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if total := strings.Fields(lines[len(lines)-1]); strings.Join(append(total[:5:5], total[7:]...), " ") != "2 files 3 1 2 2 scenarios FAILED" {
		t.Errorf("the last line is %v", total)
	}
	if stderr != "2 scenarios failed\n" {
		t.Errorf("stderr is %q", stderr)
	}
}

func TestOffersTestAsJSONAndJUnit(t *testing.T) {
	t.Parallel()
	folder := scenarioFolder(t)
	junit := filepath.Join(t.TempDir(), "report.xml")
	code, stdout, _ := offersTest(t, "--output", "json", "--junit", junit, folder)
	if code != exitFailed {
		t.Errorf("exit %d, want %d", code, exitFailed)
	}
	var reports []scenario.Report
	if err := json.Unmarshal([]byte(stdout), &reports); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if len(reports) != 2 || len(reports[0].Faults) != 2 || len(reports[1].Scenarios) != 2 || len(reports[1].Scenarios[1].Failures) != 1 {
		t.Errorf("reports are %+v", reports)
	}
	written, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(written, []byte(`<testsuites tests="3" failures="1" errors="1">`)) {
		t.Errorf("the JUnit report is\n%s", written)
	}
}

func TestOffersTestUpdates(t *testing.T) {
	t.Parallel()
	name := filepath.Join(scenarioFolder(t), "wrong.test")
	if code, stdout, stderr := offersTest(t, "--update", name); code != 0 || !strings.Contains(stdout, "updated") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(wrongScenario, "2.99", "3.00", 1); string(text) != want {
		t.Errorf("the file says now\n%s", text)
	}
}

func TestOffersTestRefusesToTestNothing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {t.TempDir()}, {"no-such-folder"}, {"--output", "xml", "../../testdata/scenarios"}, {"--unknown"}} {
		if code, stdout, stderr := offersTest(t, args...); code != exitUsage || stderr == "" {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, code, exitUsage, stdout, stderr)
		}
	}
}
