package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/processor/ledgerjson"
)

const simulateDir = "../../testdata/simulate"

func simulateLine(more ...string) []string {
	return append([]string{"simulate", "--catalog", lyonCatalogue, "--facts", simulateDir + "/facts.jsonl"}, more...)
}

// Each form of the output, over the sample catalogue.
func TestSimulate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want  string
		flags []string
	}{
		{"want.jsonl", []string{"--output", "json"}},
		{"want.txt", nil},
		{"want.summary.jsonl", []string{"--output", "json", "--summary"}},
		{"want.summary.txt", []string{"--summary"}},
	} {
		t.Run(test.want, func(t *testing.T) {
			stdout, stderr, code := command(t, "", append(simulateLine(test.flags...), simulateDir+"/events.jsonl")...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			checkGolden(t, filepath.Join(simulateDir, test.want), stdout)
			checkGolden(t, filepath.Join(simulateDir, "want.stderr.txt"), strings.ReplaceAll(stderr, simulateDir+"/", ""))
		})
	}
}

// accrualFields are those that readers of the JSON rely on, in their order.
var accrualFields = strings.Fields(`accrual_id programme account_id member_id beneficiary_id role transaction_id partner_id store_id
	offer_id offer_version campaign_ids stage kind unit basis_minor reward_minor commission_minor cost_minor currency
	purchased_at recorded_at cause_kind cause_id cause_partition cause_offset level channel mcc reasons engine`)

var summaryFields = strings.Fields(`account_id transaction_id offer_id role beneficiary_id stage kind unit reward_minor commission_minor cost_minor`)

// fieldsOf are the names of a JSON object, in order.
func fieldsOf(t *testing.T, object string) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(object))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("not an object: %s", object)
	}
	var names []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestSimulateKeepsToTheContract(t *testing.T) {
	t.Parallel()
	lines, _, _ := command(t, "", append(simulateLine("--output", "json"), simulateDir+"/events.jsonl")...)
	type amounts struct{ RewardMinor, CommissionMinor, CostMinor int64 }
	sums := map[string]amounts{}
	for line := range strings.Lines(lines) {
		if names := fieldsOf(t, line); !slices.Equal(names, accrualFields) {
			t.Fatalf("a line has the fields\n%v, want\n%v", names, accrualFields)
		}
		var a ledgerjson.Accrual
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{a.PurchasedAt, a.RecordedAt} {
			if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
				t.Errorf("instant %q: %v", at, err)
			}
		}
		key := strings.Join([]string{a.AccountID, a.TransactionID, a.OfferID, a.Role, a.BeneficiaryID, a.Stage, a.Kind, a.Unit}, "\x00")
		sums[key] = amounts{sums[key].RewardMinor + a.RewardMinor, sums[key].CommissionMinor + a.CommissionMinor, sums[key].CostMinor + a.CostMinor}
	}
	summary, _, _ := command(t, "", append(simulateLine("--output", "json", "--summary"), simulateDir+"/events.jsonl")...)
	var keys []string
	for line := range strings.Lines(summary) {
		if names := fieldsOf(t, line); !slices.Equal(names, summaryFields) {
			t.Fatalf("a row of the summary has the fields\n%v, want\n%v", names, summaryFields)
		}
		var row summaryJSON
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		key := strings.Join([]string{row.AccountID, row.TransactionID, row.OfferID, row.Role, row.BeneficiaryID, row.Stage, row.Kind, row.Unit}, "\x00")
		got := amounts{row.RewardMinor, row.CommissionMinor, row.CostMinor}
		if got != sums[key] || got == (amounts{}) {
			t.Errorf("%q sums up to %v, its lines to %v", key, got, sums[key])
		}
		delete(sums, key)
		keys = append(keys, key)
	}
	for key, left := range sums {
		if left != (amounts{}) {
			t.Errorf("%q of %v is not in the summary", key, left)
		}
	}
	if !slices.IsSorted(keys) || len(keys) == 0 {
		t.Errorf("the summary is not sorted: %q", keys)
	}
	if zeroed := len(sums); zeroed == 0 {
		t.Error("the sample has no row that came to 0: nothing shows that such are left out")
	}
}

func TestSimulateReadsStandardInput(t *testing.T) {
	t.Parallel()
	events, err := os.ReadFile(simulateDir + "/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want, wantErr, _ := command(t, "", append(simulateLine("--output", "json"), simulateDir+"/events.jsonl")...)
	got, gotErr, code := command(t, string(events), append(simulateLine("--output", "json"), "-")...)
	if code != 0 || got != want {
		t.Errorf("standard input gives other lines, exit %d:\n%s\nwant:\n%s", code, got, want)
	}
	if wantErr = strings.ReplaceAll(wantErr, simulateDir+"/events.jsonl:", "-:"); gotErr != wantErr {
		t.Errorf("standard input gives\n%s\nwant\n%s", gotErr, wantErr)
	}
}

// Several files are one stream, in the order in which they are named.
func TestSimulateTakesFilesInOrder(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(simulateDir + "/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lines := slices.Collect(strings.Lines(string(text)))
	for name, part := range map[string][]string{"1.jsonl": lines[:4], "2.jsonl": lines[4:]} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(part, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, _, _ := command(t, "", append(simulateLine("--output", "json", "--summary"), simulateDir+"/events.jsonl")...)
	got, _, code := command(t, "", append(simulateLine("--output", "json", "--summary"), dir+"/1.jsonl", dir+"/2.jsonl")...)
	if code != 0 || got != want {
		t.Errorf("two files give, exit %d:\n%s\nwant:\n%s", code, got, want)
	}
}

// A line that is too long is a dead letter of its own, and what follows counts.
func TestSimulateGoesOnAfterALineThatIsTooLong(t *testing.T) {
	t.Parallel()
	pad := `{"event_id":"x","pad":"` + strings.Repeat("x", 1<<20) + "\"}\n"
	events, err := os.ReadFile(simulateDir + "/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want, _, _ := command(t, "", append(simulateLine("--output", "json", "--summary"), simulateDir+"/events.jsonl")...)
	got, stderr, code := command(t, pad+string(events)+strings.TrimSuffix(pad, "\n"), append(simulateLine("--output", "json", "--summary"), "-")...)
	if code != 0 || got != want {
		t.Errorf("with long lines, exit %d:\n%s\nwant:\n%s", code, got, want)
	}
	wantText(t, stderr, "-:1: dead letter: too_large: ", "-:20: dead letter: too_large: ")
	if len(stderr) > 10_000 {
		t.Errorf("stderr has %d bytes: it repeats the record", len(stderr))
	}
}

func TestReadLineKeepsTheBeginning(t *testing.T) {
	t.Parallel()
	reader := bufio.NewReaderSize(strings.NewReader(strings.Repeat("a", 5*maxLineBytes)+"\nb\nc"), 1<<16)
	for _, want := range []struct {
		length int
		ends   bool
	}{{maxLineBytes, false}, {2, false}, {1, true}} {
		line, err := readLine(reader)
		if len(line) != want.length || (err != nil) != want.ends {
			t.Errorf("line of %d bytes with error %v, want %d", len(line), err, want.length)
		}
	}
}

func TestSimulateTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line []string
		want string
	}{
		{simulateLine("no-such-file.jsonl"), "no-such-file.jsonl"},
		{[]string{"simulate", "--catalog", lyonCatalogue, "--facts", "no-such-facts.jsonl", "-"}, "no-such-facts.jsonl"},
		{[]string{"simulate", "--catalog", "no-such-folder", "--facts", "-", "f"}, "no-such-folder"},
		{[]string{"simulate", "--catalog", "../../testdata/bad-catalogue/names", "--facts", "-", "f"}, "partner.yaml:7:34: "},
		{simulateLine(t.TempDir()), "is a directory"},
	} {
		stdout, stderr, code := command(t, "", test.line...)
		if code != exitFailed || stdout != "" && !strings.Contains(stdout, "ACCOUNT") {
			t.Errorf("%v exits %d: %s", test.line, code, stdout)
		}
		wantText(t, stderr, test.want)
	}
}

// What points cost is money, whatever unit they are given in.
func TestTheSummaryShowsWhatPointsCost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "catalogue"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("catalogue/programme.yaml", "programme: club\ncurrency: EUR\nzone: Europe/Paris\npoints: {code: MILES, value: 0.005 EUR}\n")
	write("catalogue/cafe.yaml", "partner: cafe\ncommission: 8%\nstores: [{id: one, keys: [{mid: CAFE}]}]\n"+
		"offers: [{id: miles, reward: 2 points per EUR, funded_by: programme}]\n")
	write("facts.jsonl", `{"fact_id":"f1","type":"enrolled","account_id":"a","member_id":"m","programme":"club","card_tokens":["k"],"at":"2026-01-01T00:00:00Z"}`+"\n")
	write("events.jsonl", `{"event_id":"e1","type":"clearing","transaction_id":"t","account_id":"a","card_token":"k","amount_minor":10000,"currency":"EUR",`+
		`"occurred_at":"2026-02-01T10:00:00Z","merchant":{"id":"CAFE"}}`+"\n")
	out, errs, code := command(t, "", "simulate", "--catalog", filepath.Join(dir, "catalogue"), "--facts", filepath.Join(dir, "facts.jsonl"),
		"--summary", filepath.Join(dir, "events.jsonl"))
	if code != 0 {
		t.Fatal(errs)
	}
	for line := range strings.Lines(out) {
		if cells := strings.Fields(line); len(cells) > 7 && cells[6] == "points" {
			if got := strings.Join(cells[7:], " "); got != "200 MILES 0.00 EUR 1.00 EUR" {
				t.Errorf("200 points of half a cent are shown as %q", got)
			}
			return
		}
	}
	t.Errorf("no points in\n%s", out)
}
