package main

import (
	"strings"
	"testing"
)

// Records of all topics, in the order in which they came: an authorization before
// its account is enrolled is no member's, and comes again afterwards; the other one is
// of an account that never enrols.
func TestSimulateRecords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want  string
		flags []string
	}{
		{"want.records.jsonl", []string{"--output", "json"}},
		{"want.instructions.jsonl", []string{"--instructions"}},
	} {
		t.Run(test.want, func(t *testing.T) {
			stdout, stderr, code := command(t, "", append([]string{"simulate", "--catalog", lyonCatalogue, "--records", simulateDir + "/records.jsonl"}, test.flags...)...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if !strings.Contains(stderr, "2 no_member") {
				t.Errorf("the order of the records is not kept: %s", stderr)
			}
			checkGolden(t, simulateDir+"/"+test.want, stdout)
			checkGolden(t, simulateDir+"/want.records.stderr.txt", strings.ReplaceAll(stderr, simulateDir+"/", ""))
		})
	}
}

// Without a timestamp a record has the latest instant of its value; with one, that
// is when its lines were recorded, and no date is refused for being ahead of it.
func TestTimestampsOfRecords(t *testing.T) {
	t.Parallel()
	const enrolled = `{"topic":"programme.facts","value":{"fact_id":"f1","type":"enrolled","account_id":"acc-1","at":"2026-01-05T09:00:00+01:00","member_id":"m-1","programme":"cashback-lyon","card_tokens":["tok-a"]}}` + "\n"
	const clearing = `"value":{"event_id":"e1","type":"clearing","transaction_id":"t1","account_id":"acc-1","card_token":"tok-a","amount_minor":5000,"currency":"EUR","occurred_at":"2026-02-03T08:10:00.5Z","purchased_at":"2026-02-03T09:00:00Z","merchant":{"id":"0003172846"}}}` + "\n"
	for _, c := range []struct{ line, want string }{
		{`{"topic":"card.transactions",` + clearing, `"recorded_at":"2026-02-03T09:00:00.000Z"`},
		{`{"topic":"card.transactions","timestamp":"2026-02-01T00:00:00.25+01:00",` + clearing, `"recorded_at":"2026-01-31T23:00:00.250Z"`},
	} {
		stdout, stderr, code := command(t, enrolled+c.line, "simulate", "--catalog", lyonCatalogue, "--records", "-", "--output", "json")
		if code != 0 || !strings.Contains(stdout, c.want) {
			t.Errorf("exit %d: %s\n%s: want %s", code, stdout, stderr, c.want)
		}
	}
}

// A line that can't be read is told with its place, and the others are taken.
func TestLinesThatAreNoRecords(t *testing.T) {
	t.Parallel()
	const lines = `{"topic":"programme.referrals","value":{}}
{"topic":"programme.facts","timestamp":"yesterday","value":{}}
{"topic":"programme.facts","value":{}
{"topic":"programme.facts","valve":{}}
{"topic":"programme.facts"}
{"topic":"programme.facts","value":{}} {}
[]
{"topic":"programme.facts","value":{"fact_id":"f1","type":"enrolled","account_id":"acc-1","at":"2026-01-05T09:00:00+01:00","member_id":"m-1","programme":"cashback-lyon"}}
`
	_, stderr, code := command(t, lines, "simulate", "--catalog", lyonCatalogue, "--records", "-")
	if code != exitFailed {
		t.Errorf("exits %d", code)
	}
	for _, want := range []string{
		`-:1:10: "programme.referrals" is no topic`, `-:2:40: "yesterday" is no instant`, "-:3:38: the record has no end", "-:4:", `unknown field "valve"`,
		"-:5:1: the record has no value", "-:6:40: something stands behind", "-:7:", "1 records: 1 no_change", "7 lines of - can't be read",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("nothing says %q:\n%s", want, stderr)
		}
	}
}

func TestWaysToSimulate(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{
		{"--records", "a", "--facts", "b"},
		{"--records", "a", "events.jsonl"},
		{"--facts", "b"},
		{"--facts", "b", "c", "--summary", "--instructions"},
		{"events.jsonl"},
	} {
		if _, stderr, code := command(t, "", append([]string{"simulate", "--catalog", lyonCatalogue}, flags...)...); code != exitUsage {
			t.Errorf("%v exits %d: %s", flags, code, stderr)
		}
	}
}
