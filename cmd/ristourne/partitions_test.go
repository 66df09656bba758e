package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/feed"
	"ristourne/rules"
)

// addPartitions makes input topics larger, as an operator does.
func (b *bank) addPartitions(t *testing.T, count int, topics ...rules.Topic) {
	t.Helper()
	var names []string
	for _, topic := range topics {
		names = append(names, b.c.Kafka.Topics.Inputs()[topic])
	}
	localserverstest.AddPartitions(t, b.c.Kafka.Brokers, count, names...)
}

// scattered are accounts and where their records go: by the layout, and by a
// producer that has seen the added partition.
type scattered struct {
	ids          []string
	right, wrong []string // in their own shard, in another one
	beyond       []string // in the partition that belongs to no shard
	purchases    int      // that each has made
}

func newScattered() *scattered {
	s := &scattered{}
	now, then := feed.NewLayout(bankShards), feed.NewLayout(bankShards+1)
	for n := range 24 {
		id := fmt.Sprintf("acc-p%d", n)
		s.ids = append(s.ids, id)
		switch place := then.Shard([]byte(id)); {
		case place == now.Shard([]byte(id)):
			s.right = append(s.right, id)
		case place < bankShards:
			s.wrong = append(s.wrong, id)
		default:
			s.beyond = append(s.beyond, id)
		}
	}
	return s
}

func (s *scattered) enrol(t *testing.T, b *bank) int64 {
	for _, id := range s.ids {
		b.send(t, rules.TopicFacts, id, fmt.Sprintf(`{"fact_id":"f-%[1]s","type":"enrolled","account_id":"%[1]s","at":"2026-01-05T09:00:00+01:00","member_id":"m-%[1]s","programme":"cashback-lyon","card_tokens":["k-%[1]s"]}`, id))
	}
	return int64(len(s.ids))
}

// buy sends one purchase of each account, by as many partitions as there are.
func (s *scattered) buy(t *testing.T, b *bank) int64 {
	s.purchases++
	messages := make([]kafka.Message, len(s.ids))
	for i, id := range s.ids {
		messages[i] = kafka.Message{Key: []byte(id), Value: fmt.Appendf(nil, `{"event_id":"e%[2]d","type":"clearing","transaction_id":"t%[2]d","account_id":"%[1]s","card_token":"k-%[1]s",
			"amount_minor":2000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172846"}}`, id, s.purchases)}
	}
	b.sendMessages(t, rules.TopicTransactions, messages...)
	return int64(len(s.ids))
}

// A partition that is added, to one topic and then to all, while processors run and
// before they start: the old shards go on, no account is decided in a shard that is
// not its own, what lies where nobody reads is told of, and nothing is lost.
func TestAPartitionIsAdded(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	s := newScattered()
	if len(s.right) == 0 || len(s.wrong) == 0 || len(s.beyond) == 0 {
		t.Fatalf("accounts that tell nothing: %+v", s)
	}
	b := newBank(t)
	b.start(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	ready := func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK }
	waitUntil(t, "/readyz answers", ready)
	taken := s.enrol(t, b)
	taken += s.buy(t, b)
	b.waitForTaken(t, taken)

	b.addPartitions(t, bankShards+1, rules.TopicTransactions)
	s.buy(t, b)
	taken += int64(len(s.right) + len(s.wrong))
	b.waitForTaken(t, taken)
	s.checkFates(t, b, len(s.wrong))
	alarm := fmt.Sprintf("%d records in partition %d of %s, the topics have different numbers of partitions:", len(s.beyond), bankShards, b.c.Kafka.Topics.Transactions)
	waitUntil(t, "/readyz names the partition", func() bool { body, _ := b.get(t, "/readyz"); return strings.Contains(body, alarm) })
	body, _ := b.get(t, "/metrics")
	wantText(t, body, fmt.Sprintf("ristourne_unread_partition_records{partition=\"%d\",topic=\"%s\"} %d\n", bankShards, b.c.Kafka.Topics.Transactions, len(s.beyond)))
	wantText(t, b.run(t, "offsets", "show"), "it was added after accounts had been laid out: no shard reads it")

	// What went to a wrong shard is sent where it belongs, by the layout.
	replayed := b.run(t, "deadletters", "replay", "--reason", "partition")
	wantText(t, replayed, fmt.Sprintf("  %d  sent to ", len(s.wrong)))
	b.wantShown(t, "ristourne deadletters replay --config FILE --reason partition", replayed, anyNumber)
	taken += int64(len(s.wrong))
	b.waitForTaken(t, taken)
	s.checkFates(t, b, len(s.wrong))

	// Before a start, with all topics; and Redis, which held the number, is lost.
	b.stopIdle(t)
	b.addPartitions(t, bankShards+1, rules.TopicFacts, rules.TopicReferrals, rules.TopicResults)
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.run(t, "offers", "restore")
	wantText(t, b.run(t, "offsets", "show"), "no shard reads it")
	s.buy(t, b)
	b.start(t)
	b.waitForTaken(t, int64(len(s.right)+len(s.wrong))) // fates were lost with Redis
	b.waitDelivered(t)
	wantText(t, b.run(t, "deadletters", "replay", "--reason", "partition"), fmt.Sprintf("  %d  sent to ", 2*len(s.wrong)))
	b.waitForTaken(t, int64(len(s.right)+3*len(s.wrong))) // of them as many duplicates
	b.waitDelivered(t)
	if shards := b.number(t, "SELECT uniqExact(shard) FROM set_log"); shards != bankShards {
		t.Errorf("rows of %d shards", shards)
	}
	if split := b.number(t, "SELECT count() FROM (SELECT account_ref FROM set_log GROUP BY account_ref HAVING uniqExact(shard) > 1)"); split != 0 {
		t.Errorf("%d accounts are in two shards", split)
	}
	booked, want := b.number(t, "SELECT uniqExact(account_ref, cause_id) FROM set_log WHERE cause_kind = 'event'"), s.purchases*(len(s.right)+len(s.wrong))+len(s.beyond)
	if booked != uint64(want) {
		t.Errorf("%d purchases are booked, want %d: all but those that lie beyond", booked, want)
	}
	all := b.offsets(t)
	for _, o := range all {
		switch {
		case !o.Unread:
		case o.Committed != -1:
			t.Errorf("of a partition that nobody reads something is committed: %+v", o)
		case o.Topic == b.c.Kafka.Topics.Transactions && o.Lag != int64(2*len(s.beyond)):
			t.Errorf("in the added partition lie %d records, want %d", o.Lag, 2*len(s.beyond))
		}
	}
	if len(all) != 4*(bankShards+1) {
		t.Errorf("offsets show has %d lines", len(all))
	}
}

// checkFates: whatever was not booked is a dead letter with its bytes.
func (s *scattered) checkFates(t *testing.T, b *bank, misplaced int) {
	t.Helper()
	n, fates := b.taken(t)
	if fates[rules.DeadLettered] != int64(misplaced) || fates[rules.Booked]+fates[rules.NoChange] != n-int64(misplaced) {
		t.Errorf("of %d records %d are dead letters, want %d, %v", n, fates[rules.DeadLettered], misplaced, fates)
	}
	letters := b.run(t, "deadletters", "list", "--reason", "partition", "--output", "json")
	if strings.Count(letters, "\n") != misplaced {
		t.Errorf("want %d letters: %s", misplaced, letters)
	}
}
