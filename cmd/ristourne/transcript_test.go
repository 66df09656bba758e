package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ristourne/rules"
)

// wantTranscript holds what a command prints against what a README shows of it:
// line by line, with "..." for any number of lines. What differs from run to run, as
// volatile expressions match it, is only held to be there.
func wantTranscript(t *testing.T, command, printed string, volatile ...string) {
	t.Helper()
	shown := transcript(t, command)
	for _, pattern := range volatile {
		expression := regexp.MustCompile(pattern)
		printed = expression.ReplaceAllString(printed, "<...>")
		for i := range shown {
			shown[i] = expression.ReplaceAllString(shown[i], "<...>")
		}
	}
	got := strings.Split(strings.TrimRight(printed, "\n"), "\n")
	anywhere := false
	for _, line := range shown {
		if line == "..." {
			anywhere = true
			continue
		}
		i := slices.Index(got, line)
		if i < 0 || (i > 0 && !anywhere) {
			next := "nothing more"
			if len(got) > 0 {
				next = got[0]
			}
			t.Errorf("after %q the README shows\n%s\nprinted is\n%s\n\nall of it:\n%s", command, line, next, printed)
			return
		}
		got, anywhere = got[i+1:], false
	}
	if len(got) > 0 && !anywhere {
		t.Errorf("after %q the README ends before\n%s", command, strings.Join(got, "\n"))
	}
}

// What differs from run to run in what commands print.
const (
	anyNumber = "[0-9]+"
	anySpace  = " {2,}" // columns are as wide as what stands in them
	anyUUID   = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
	anyTime   = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"
)

// wantShown is wantTranscript for a command on the bank, whose topics have names of
// their own.
func (b *bank) wantShown(t *testing.T, command, printed string, volatile ...string) {
	t.Helper()
	inputs := b.c.Kafka.Topics.Inputs()
	defaults := [rules.NumTopics]string{
		rules.TopicFacts: "programme.facts", rules.TopicReferrals: "programme.referrals",
		rules.TopicResults: "credit.results", rules.TopicTransactions: "card.transactions",
	}
	names := []string{b.c.Kafka.Topics.Instructions, "credit.instructions"}
	for topic, name := range inputs {
		names = append(names, name, defaults[topic])
	}
	wantTranscript(t, command, strings.NewReplacer(names...).Replace(printed), volatile...)
}

// readmes are those that show what the program prints.
var readmes = []string{"README.md", "../../processor/catalog/README.md", "../../sinks/clickhouse/README.md"}

// transcript is what a README shows of a command's output.
func transcript(t *testing.T, command string) (shown []string) {
	t.Helper()
	after, found := "", false
	for _, readme := range readmes {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		if _, after, found = strings.Cut(string(text), "\n$ "+command+"\n"); found {
			break
		}
	}
	if !found {
		t.Fatalf("none of %v shows %q", readmes, command)
	}
	for line := range strings.Lines(after) {
		if line = strings.TrimRight(line, "\n"); line == "```" || strings.HasPrefix(line, "$ ") {
			break
		}
		shown = append(shown, line)
	}
	return shown
}
