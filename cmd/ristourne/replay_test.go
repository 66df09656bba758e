package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// stampedLines are the lines of a file as messages of their accounts, each with
// the Kafka timestamp that a wrong clock gives it.
func stampedLines(t *testing.T, path string, stamp func(n int, latest time.Time) time.Time) (messages []kafka.Message) {
	t.Helper()
	ids, lines := linesByAccount(t, path)
	for _, id := range ids {
		for n, line := range lines[id] {
			var record map[string]any
			_ = json.Unmarshal([]byte(line), &record) // the broken line has no date
			latest := time.Now()
			for _, field := range []string{"at", "occurred_at"} {
				text, _ := record[field].(string)
				if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
					latest = at
				}
			}
			messages = append(messages, kafka.Message{Key: []byte(id), Value: []byte(line), Time: stamp(n, latest)})
		}
	}
	return messages
}

// TestAWrongDayOfAFeedIsReplayed: a day of a feed whose producer sets no time, or
// one that is 10 minutes slow, is nothing but dead letters. Replayed, it gives the
// sums of the pure engine, and replayed again nothing more.
func TestAWrongDayOfAFeedIsReplayed(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.start(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	waitUntil(t, "/readyz answers", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })

	wrong := func(n int, latest time.Time) time.Time {
		if n%2 == 0 {
			return time.UnixMilli(1) // 0 is "now" to kafka-go
		}
		return latest.Add(-10 * time.Minute)
	}
	facts := stampedLines(t, simulateDir+"/facts.jsonl", wrong)
	events := stampedLines(t, simulateDir+"/events.jsonl", wrong)
	b.sendMessages(t, rules.TopicFacts, facts...)
	b.sendMessages(t, rules.TopicTransactions, events...)
	taken := int64(len(facts) + len(events))
	b.waitForTaken(t, taken)
	if n, fates := b.taken(t); fates[rules.DeadLettered] != n {
		t.Fatalf("of %d records of a wrong day %d are dead letters", n, fates[rules.DeadLettered])
	}
	ahead := strings.Count(b.run(t, "deadletters", "list", "--reason", "ahead", "--output", "json"), "\n")
	wantText(t, b.run(t, "deadletters", "list", "--reason", "ahead"), "1970-01-01T00:00:00.001Z", "LogAppendTime", "10m0s ahead")
	body, _ := b.get(t, "/metrics")
	wantText(t, body, "ristourne_arrival_less_timestamp_seconds{", "ristourne_timestamps_off_total{")
	wantText(t, b.log.String(), "Kafka timestamps are not when the records came")

	wantText(t, b.run(t, "deadletters", "replay", "--reason", "ahead", "--dry-run"),
		fmt.Sprintf("%d dead letters found", ahead), "would be sent to "+b.c.Kafka.Topics.Transactions, "would be sent to "+b.c.Kafka.Topics.Facts)
	if n, _ := b.taken(t); n != taken {
		t.Fatalf("a dry run has sent %d records", n-taken)
	}
	for round := range 2 {
		var told struct{ Found, Sent int }
		if err := json.Unmarshal([]byte(b.run(t, "deadletters", "replay", "--reason", "ahead", "--output", "json")), &told); err != nil {
			t.Fatal(err)
		}
		if told.Found != ahead || told.Sent == 0 || told.Sent > told.Found {
			t.Errorf("round %d: found %d, sent %d, want %d found", round, told.Found, told.Sent, ahead)
		}
		taken += int64(told.Sent)
		b.waitForTaken(t, taken)
		b.checkSumsOfSimulate(t)
	}
	if again := strings.Count(b.run(t, "deadletters", "list", "--reason", "ahead", "--output", "json"), "\n"); again != ahead {
		t.Errorf("%d letters are ahead after the replays, %d were before", again, ahead)
	}
}

// checkSumsOfSimulate holds the ledger against the pure engine's.
func (b *bank) checkSumsOfSimulate(t *testing.T) {
	t.Helper()
	b.waitDelivered(t)
	want, _, _ := command(t, "", append(simulateLine("--output", "json", "--summary"), simulateDir+"/events.jsonl")...)
	got := ""
	limit := time.Now().Add(time.Minute)
	for got = strings.Join(b.summary(t), ""); got != want && time.Now().Before(limit); got = strings.Join(b.summary(t), "") {
		time.Sleep(100 * time.Millisecond)
	}
	if got != want {
		t.Errorf("the ledger sums up to\n%s\nthe pure engine's is\n%s", got, want)
	}
}

// TestAFeedThatIsKeyedByTheCard is replayed under its accounts; no card number is
// kept on the way.
func TestAFeedThatIsKeyedByTheCard(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.start(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	waitUntil(t, "/readyz answers", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
	const card = "4111111111111111"
	taken := b.sendFile(t, rules.TopicFacts, simulateDir+"/facts.jsonl")
	events := stampedLines(t, simulateDir+"/events.jsonl", func(int, time.Time) time.Time { return time.Now() })
	for i := range events {
		events[i].Key = []byte(card)
		events[i].Headers = []kafka.Header{{Key: "pan", Value: []byte(card)}}
	}
	b.sendMessages(t, rules.TopicTransactions, events...)
	taken += int64(len(events))
	b.waitForTaken(t, taken)

	refused := b.run(t, "deadletters", "list", "--output", "json")
	if all := refused + b.run(t, "deadletters", "list") + b.log.String(); strings.Contains(all, card) {
		t.Errorf("the card number comes out:\n%s", all)
	}
	for line := range strings.Lines(refused) {
		var letter struct{ Key, Value []byte }
		if err := json.Unmarshal([]byte(line), &letter); err != nil || bytes.Contains(letter.Key, []byte(card)) || bytes.Contains(letter.Value, []byte(card)) {
			t.Errorf("%v: %s", err, line)
		}
	}
	wantText(t, b.run(t, "deadletters", "replay", "--reason", "card_number", "--dry-run"), "--rekey keys it")
	var told struct{ Sent int }
	if err := json.Unmarshal([]byte(b.run(t, "deadletters", "replay", "--reason", "card_number", "--rekey", "--output", "json")), &told); err != nil {
		t.Fatal(err)
	}
	b.waitForTaken(t, taken+int64(told.Sent))
	b.checkSumsOfSimulate(t)
}

// TestReplayFlags are refused with what to write.
func TestReplayFlags(t *testing.T) {
	t.Parallel()
	for arguments, want := range map[string]string{
		"":                                 "--reason",
		"--reason ahead --all":             "or take --all",
		"--reason ahead --since yesterday": "RFC 3339",
		"--reason ahead --limit 0":         "1 to 20000000",
		"--all --since 2026-02-01T00:00:00Z --until 2026-01-01T00:00:00Z": "is not before",
	} {
		line := append([]string{"deadletters", "replay", "--config", "none.yaml"}, strings.Fields(arguments)...)
		if _, stderr, code := command(t, "", line...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("replay %s exits %d: %s", arguments, code, stderr)
		}
	}
}
