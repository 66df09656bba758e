package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/feed"
	"ristourne/processor/members"
)

const membersDir = "../../testdata/members"

// writeConfig writes a configuration for the given servers; those that are empty
// refuse connections.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	return writeFile(t, "ristourne.yaml", "%s\nprivacy: {account_ref_key: {env: GOOD_SECRET}}\n", text)
}

// writeFile makes a file of the test and gives its path.
func writeFile(t *testing.T, name, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nobody listens there.
const nobody = "127.0.0.1:1"

// withoutServers is the configuration of a command that must not need any.
func withoutServers(t *testing.T) string {
	return writeConfig(t, fmt.Sprintf("kafka: {brokers: [%q]}\nredis: {addresses: [%[1]q]}\nclickhouse: {addresses: [%[1]q]}", nobody))
}

// importLine imports a file into the sample catalogue's programme.
func importLine(config, file string, more ...string) []string {
	return append([]string{"members", "import", file, "--config", config, "--programme", "cashback-lyon"}, more...)
}

// Every fault of a file is told with its line, and nothing is sent.
func TestFaultsOfMembersFiles(t *testing.T) {
	t.Parallel()
	config := withoutServers(t)
	files, err := filepath.Glob(membersDir + "/*.csv")
	if err != nil || len(files) < 5 {
		t.Fatal("there are no files", err)
	}
	for _, file := range files {
		if name := filepath.Base(file); name == "good.csv" || name == "alike.csv" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, stderr, code := command(t, "", importLine(config, file)...)
			if code != exitFailed {
				t.Errorf("exit %d", code)
			}
			if strings.Contains(stderr, "4111111111111111") {
				t.Error("a card number is told")
			}
			_, faults, _ := strings.Cut(stderr, "ristourne: ") // what comes before is about the missing catalogue
			checkGolden(t, strings.TrimSuffix(file, ".csv")+".want.txt", strings.ReplaceAll(faults, membersDir+"/", ""))
		})
	}
}

// What may be meant so is warned of, with its line, and no reason to send nothing.
func TestWarningsOfMembersFiles(t *testing.T) {
	t.Parallel()
	_, stderr, code := command(t, "", importLine(withoutServers(t), membersDir+"/alike.csv", "--check")...)
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	_, warnings, _ := strings.Cut(stderr, "\n") // the first line is about the missing catalogue
	checkGolden(t, membersDir+"/alike.want.txt", strings.ReplaceAll(warnings, membersDir+"/", ""))
}

func TestWarningsOfMembersFilesEnd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "twice.csv")
	text := "account_id,member_id,enrolled_at\n" + strings.Repeat("acc-1,m-1,2026-01-05T09:00:00Z\n", 1+members.MaxWarnings+7)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := command(t, "", importLine(withoutServers(t), file, "--check")...)
	if n := strings.Count(stderr, "warning: "); code != 0 || n != members.MaxWarnings {
		t.Errorf("exit %d and %d warnings, want %d:\n%s", code, n, members.MaxWarnings, head(stderr, 3))
	}
	wantText(t, stderr, "7 more warnings of this kind are not shown", "28 members, no faults")
}

func TestAFileWithFaultsOnlyIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bad.csv")
	text := "account_id,member_id\n" + strings.Repeat(",\n", 10*members.MaxFaults)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := command(t, "", importLine(withoutServers(t), file)...)
	if n := strings.Count(stderr, "account_id: "); code != exitFailed || n != members.MaxFaults {
		t.Errorf("exit %d and %d faults, want %d:\n%s", code, n, members.MaxFaults, head(stderr, 3))
	}
	wantText(t, stderr, "these are the first 100 faults; the rest of the file was not looked at")
}

// factsIn are the facts that a topic holds, in order.
func factsIn(t *testing.T, config feed.Config, topic string) (facts []string) {
	t.Helper()
	err := feed.ReadTopic(t.Context(), config, topic, func(_ int32, r feed.Record) error {
		var fact members.Enrolment
		if err := json.Unmarshal(r.Value, &fact); err != nil {
			return err
		}
		if string(r.Key) != fact.AccountID {
			t.Errorf("the key of %s is %q", r.Value, r.Key)
		}
		facts = append(facts, string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

func TestMembersAreImported(t *testing.T) {
	t.Parallel()
	broker := localserverstest.Kafka(t)
	topic := localserverstest.Unique(t, "facts")
	if err := broker.CreateTopics(t.Context(), 3, topic); err != nil {
		t.Fatal(err)
	}
	config := writeConfig(t, fmt.Sprintf("kafka: {brokers: [%q], topics: {facts: %s}}\nredis: {addresses: [%[3]q]}\nclickhouse: {addresses: [%[3]q]}",
		broker.Brokers[0], topic, nobody))
	reading := feed.Config{Brokers: broker.Brokers, Log: quiet()}
	line := importLine(config, membersDir+"/good.csv", "--at", "2026-02-01T00:00:00Z")

	_, stderr, code := command(t, "", append(line, "--check")...)
	if code != 0 || len(factsIn(t, reading, topic)) != 0 {
		t.Fatalf("--check exits %d and has sent something: %s", code, stderr)
	}
	wantText(t, stderr, "good.csv: 4 members, no faults", `there is no catalogue yet that could tell whether programme "cashback-lyon" exists`)

	if _, stderr, code = command(t, "", line...); code != 0 {
		t.Fatalf("the import exits %d: %s", code, stderr)
	}
	wantText(t, stderr, "enrolling", "(4/4")
	first := factsIn(t, reading, topic)
	slices.Sort(first)
	checkGolden(t, membersDir+"/good.want.jsonl", strings.Join(first, "\n")+"\n")

	if _, stderr, code = command(t, "", line...); code != 0 {
		t.Fatalf("the second import exits %d: %s", code, stderr)
	}
	both := factsIn(t, reading, topic)
	slices.Sort(both)
	if slices.Equal(both, first) || !slices.Equal(slices.Compact(both), first) {
		t.Errorf("imported twice, the facts are\n%s", strings.Join(both, "\n"))
	}
}

// What can't be reached or isn't there is said in seconds.
func TestMembersImportSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	broker := localserverstest.Kafka(t)
	config := writeConfig(t, fmt.Sprintf("kafka: {brokers: [%q], topics: {facts: no-such-topic}}\nredis: {addresses: [%[2]q]}\nclickhouse: {addresses: [%[2]q]}",
		broker.Brokers[0], nobody))
	for _, test := range []struct {
		line []string
		want string
	}{
		{importLine(config, membersDir+"/good.csv", "--at", "2026-02-01T00:00:00Z"), "topic no-such-topic: "},
		{importLine(withoutServers(t), membersDir+"/good.csv", "--at", "2026-02-01T00:00:00Z"), "ask Kafka at [" + nobody + "]"},
		{importLine(config, "no-such-file.csv"), "no-such-file.csv"},
		{importLine(config, t.TempDir()), "is a directory"},
		{[]string{"deadletters", "list", "--config", config}, "topic ristourne.dead-letters: "},
		{[]string{"why", "t-1", "--config", config}, "look up the catalogue in Redis at [" + nobody + "]"},
	} {
		if _, stderr, code := command(t, "", test.line...); code != exitFailed || !strings.Contains(stderr, test.want) {
			t.Errorf("%v exits %d, want %q said:\n%s", test.line, code, test.want, stderr)
		}
	}
}
