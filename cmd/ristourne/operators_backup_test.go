package main

import (
	"fmt"
	"testing"

	"ristourne/cmd/internal/transcript"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

// emptyRedis forgets all that the bank's Redis holds.
func (b *bank) emptyRedis(t *testing.T) {
	t.Helper()
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// A ledger from a backup below an emptied Redis: no state is left that is ahead of it,
// and its marker fits its rows. What the consumer group has committed tells: nothing is
// decided, booked or paid on it, until it is restored up to there.
func TestALedgerFromABackupIsRefusedThoughRedisIsEmptied(t *testing.T) {
	localserverstest.LongOnly(t)
	b := newWorkedBank(t)
	b.backUp(t, "old")
	b.wantSound(t) // one purchase more
	b.backUp(t, "new")
	given, taken := b.instructed(t), b.number(t, "SELECT count() FROM set_log FINAL")

	b.restoreBackup(t, "old")
	b.emptyRedis(t)
	transcript.Want(t, "ristourne check --config FILE", b.reported(t, "check"), "batches [0-9]+ to [0-9]+")
	lost := fmt.Sprint(b.lostShards(t, rules.MarkersTable)[0])
	b.run(t, "offers", "restore")
	wantText(t, b.reported(t, "rebuild", "--dry-run"), "lost: markers_log, shard "+lost)
	for _, arguments := range [][]string{
		{"rebuild", "--shard", lost},
		{"repair", "--shard", lost, "--approve", "--by", "ada", "--reason", "a backup", "--accept-holes"},
		{"offsets", "skip", "--shard", lost, "--topic", b.c.Kafka.Topics.Transactions, "--to", "1", "--by", "ada", "--reason", "a backup"},
	} {
		_, stderr := b.fails(t, exitFailed, arguments...)
		wantText(t, stderr, "the ledger is not whole: shard "+lost+" was booked up to batch ", "The consumer group has committed so",
			"what followed from "+b.c.Kafka.Topics.Transactions, "This can't be accepted by a repair")
	}
	b.log.reset()
	b.start(t)
	b.waitForFailure(t, "ledger_hole")
	b.halt(t)
	wantText(t, b.log.String(), "the ledger is not whole: shard "+lost+" was booked up to batch ")
	b.restoreBackup(t, "new")
	if now := b.number(t, "SELECT count() FROM set_log FINAL"); now != taken || len(b.instructed(t)) != len(given) {
		t.Errorf("on a ledger from a backup %d rows more are booked, and %d instructions given, before %d", now-taken, len(b.instructed(t)), len(given))
	}
	b.wantSound(t)
}

// Skipping records writes a marker. On a ledger from a backup it would hide what is
// missing before it.
func TestNothingIsSkippedOnALedgerFromABackup(t *testing.T) {
	localserverstest.LongOnly(t)
	b := newWorkedBank(t)
	b.backUp(t, "old")
	b.wantSound(t)
	b.restoreBackup(t, "old")
	shard := b.lostShards(t, rules.MarkersTable)[0]
	b.send(t, rules.TopicTransactions, "acc-1", `{}`)
	for _, o := range b.offsets(t) {
		if o.Shard != shard || o.Topic != b.c.Kafka.Topics.Transactions {
			continue
		}
		_, stderr := b.fails(t, exitFailed, "offsets", "skip", "--shard", fmt.Sprint(shard), "--topic", o.Topic, "--to", fmt.Sprint(o.LogEnd),
			"--by", "ada", "--reason", "a backup")
		wantText(t, stderr, "the ledger is not whole: shard ", "was booked up to batch ")
	}
	if again := b.lostShards(t, rules.MarkersTable); len(again) == 0 || again[0] != shard {
		t.Errorf("check finds holes of the shards %v, before of %d", again, shard)
	}
}
