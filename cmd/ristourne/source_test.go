package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

// Old offsets mean nothing in topics that were deleted and made anew under the
// same names: records up to them would never be read, with a lag of 0.
func TestNewTopicsUnderTheSameNamesAreRefused(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newBank(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	for range 2 { // the same topics again are no others
		b.start(t)
		waitUntil(t, "the processor has its shards", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
		b.halt(t)
	}

	name := b.c.Kafka.Topics.Inputs()[rules.TopicTransactions]
	b.makeAnew(t, name)
	for _, arguments := range [][]string{{"run"}, {"rebuild", "--shard", "0"}} {
		wantRefused(t, "topic "+name+" was deleted and made anew", append(arguments, "--config", b.config)...)
	}
}

// makeAnew deletes topics and makes them under the same names.
func (b *bank) makeAnew(t *testing.T, names ...string) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.c.Kafka.Brokers...), Transport: transport}
	deleted, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: names})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if deleted.Errors[name] != nil {
			t.Fatal(deleted.Errors[name])
		}
		waitUntil(t, "the topic is made anew", func() bool {
			created, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
				Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: bankShards, ReplicationFactor: 1}},
			})
			return err == nil && created.Errors[name] == nil
		})
	}
}

// After a move the states are kept, what comes again is a duplicate, and what is new
// is booked and paid once; a Redis that falls back to before it skips nothing.
func TestAMoveKeepsStatesAndLeavesNothingOut(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	wantText(t, b.run(t, "move", "--by", "ada", "--reason", "none"), "nothing has moved")
	given, booked := b.instructed(t), b.summary(t)
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics := b.c.Kafka.Topics.Inputs()
	b.makeAnew(t, topics[rules.TopicFacts], topics[rules.TopicReferrals], topics[rules.TopicTransactions])
	before := localserverstest.DumpRedis(t, client)
	wantRefused(t, "Where records come in these from now on, say so: `ristourne move`", "run", "--config", b.config)

	b.wantShown(t, "ristourne move --config FILE --dry-run", b.run(t, "move", "--dry-run"))
	_, stderr := b.fails(t, exitUsage, "move", "--reason", "new topics")
	wantText(t, stderr, "--by is needed")
	_, stderr = b.fails(t, exitUsage, "move", "--dry-run", "--since", "yesterday")
	wantText(t, stderr, "it must be an instant of RFC 3339")
	wantRefused(t, "was deleted and made anew", "run", "--config", b.config)
	waitUntil(t, "the group has ended", func() bool {
		stdout, _, code := command(t, "", "move", "--by", "ada", "--reason", "new topics", "--config", b.config)
		if code == 0 {
			b.wantShown(t, `ristourne move --config FILE --by ada --reason "new cluster, ticket 4711"`, stdout)
		}
		return code == 0
	})
	wantText(t, b.run(t, "move", "--by", "ada", "--reason", "again"), "nothing has moved")

	// Redis falls back to the former offsets, which are of other topics. Everything
	// comes once more, and one purchase that is new.
	localserverstest.RestoreRedis(t, client, before)
	taken, _ := b.taken(t)
	b.start(t)
	again := b.sendFile(t, rules.TopicFacts, simulateDir+"/facts.jsonl")
	again += b.sendFile(t, rules.TopicTransactions, simulateDir+"/events.jsonl")
	b.waitForTaken(t, taken+again)
	b.waitDelivered(t)
	if now := b.summary(t); !slices.Equal(now, booked) {
		t.Errorf("records that come again book\n%s\nwhere there was\n%s", strings.Join(now, ""), strings.Join(booked, ""))
	}
	if now := b.instructed(t); !slices.Equal(now, given) {
		t.Errorf("records that come again pay: %d instructions, before %d", len(now), len(given))
	}
	b.stopIdle(t)
	b.wantSound(t)
	if now := b.instructed(t); len(now) != len(given)+1 {
		t.Errorf("a new purchase is paid by %d instructions", len(now)-len(given))
	}
	ledger, err := lookIntoLedger(t.Context(), b.c)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	actions, err := ledger.Actions(t.Context())
	if err != nil || len(actions) != bankShards || actions[0].Action != "moved" || actions[0].By != "ada" || !strings.Contains(actions[0].Details, `"heads_before"`) {
		t.Errorf("audit trail: %+v, %v", actions, err)
	}
}
