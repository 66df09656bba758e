package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	sqlclient "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/alicebob/miniredis/v2"
	"github.com/segmentio/kafka-go"

	"ristourne/cmd/internal/config"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/sinks/credits"
)

// What operators do to what was stored, and what must come of it.

// newWorkedBank is a bank that has taken the records of simulate's example, all of
// them booked, and whose processor has stopped.
func newWorkedBank(t *testing.T) *bank {
	t.Helper()
	b := newBank(t)
	b.start(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	waitUntil(t, "/readyz answers", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
	sent := b.sendFile(t, rules.TopicFacts, simulateDir+"/facts.jsonl")
	sent += b.sendFile(t, rules.TopicTransactions, simulateDir+"/events.jsonl")
	b.waitForTaken(t, sent)
	b.stopIdle(t)
	return b
}

// stopIdle stops the processor once everything is delivered.
func (b *bank) stopIdle(t *testing.T) {
	t.Helper()
	b.waitDelivered(t)
	b.stop()
	if err := <-b.stopped; err != nil {
		t.Fatalf("the stopped processor gives %v", err)
	}
}

// waitDelivered waits until everything that was decided is booked and paid.
func (b *bank) waitDelivered(t *testing.T) {
	t.Helper()
	waitUntil(t, "everything is delivered", func() bool {
		for shard := range int32(bankShards) {
			head, err := b.store.Head(t.Context(), shard)
			if err != nil {
				t.Fatal(err)
			}
			if head.Outbox != 0 {
				return false
			}
		}
		return true
	})
}

// query opens a connection to the bank's database, for as long as the test lasts.
func (b *bank) query(t *testing.T) driver.Conn {
	t.Helper()
	o, err := b.c.ClickHouse.Options()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sqlclient.Open(&sqlclient.Options{Addr: o.Addresses, Auth: sqlclient.Auth{Database: o.Database, Username: o.User, Password: o.Password}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// execute runs statements in the bank's database.
func (b *bank) execute(t *testing.T, statements ...string) {
	t.Helper()
	conn := b.query(t)
	for _, statement := range statements {
		if err := conn.Exec(t.Context(), statement+" SETTINGS mutations_sync = 2"); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// number asks the bank's database for one.
func (b *bank) number(t *testing.T, query string) (n uint64) {
	t.Helper()
	if err := b.query(t).QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// instructed is what the topic of instructions holds, each once, in order.
func (b *bank) instructed(t *testing.T) (told []string) {
	t.Helper()
	config, err := b.c.Kafka.Feed(quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := feed.ReadTopic(t.Context(), config, b.c.Kafka.Topics.Instructions, func(_ int32, r feed.Record) error {
		i, err := credits.Decode(r.Value)
		told = append(told, fmt.Sprintf("%s %s %d %s %s", i.ID, i.Direction, i.AmountMinor, i.Currency, i.AccountID))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(told)
	return slices.Compact(told)
}

// fails runs a command that must exit with code, and gives what it says.
func (b *bank) fails(t *testing.T, code int, arguments ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, got := command(t, "", append(arguments, "--config", b.config)...)
	if got != code {
		t.Fatalf("ristourne %s exits %d, want %d: %s%s", strings.Join(arguments, " "), got, code, stdout, stderr)
	}
	return stdout, stderr
}

func (b *bank) rebuildAll(t *testing.T) {
	t.Helper()
	for shard := range bankShards {
		b.run(t, "rebuild", "--shard", fmt.Sprint(shard))
	}
}

// lostShards are those of which check finds a hole in the table.
func (b *bank) lostShards(t *testing.T, table string) (shards []int32) {
	t.Helper()
	stdout, _ := b.fails(t, exitFailed, "check", "--output", "json")
	var told checkedJSON
	if err := json.Unmarshal([]byte(stdout), &told); err != nil {
		t.Fatal(err)
	}
	for i := range told.Holes {
		if told.Holes[i].Table != table {
			t.Errorf("%s has lost rows, and check names %s", table, told.Holes[i])
		}
		shards = append(shards, told.Holes[i].Shard)
	}
	slices.Sort(shards)
	return slices.Compact(shards)
}

// wantHolesRefused makes sure that neither rebuild nor repair goes on over the
// holes of a table by itself.
func (b *bank) wantHolesRefused(t *testing.T, table string) {
	t.Helper()
	lost := b.lostShards(t, table)
	if len(lost) == 0 {
		t.Fatalf("%s has lost rows, and check finds no hole", table)
	}
	shard := fmt.Sprint(lost[0])
	for _, arguments := range [][]string{
		{"rebuild", "--shard", shard},
		{"repair", "--shard", shard, "--approve", "--by", "ada", "--reason", "rows were lost"},
	} {
		_, stderr := b.fails(t, exitFailed, arguments...)
		wantText(t, stderr, "the ledger is not whole: "+table+", shard "+shard, "`ristourne repair --approve --accept-holes`")
	}
}

// wantSound makes sure that everything holds, and that the next owner goes on.
func (b *bank) wantSound(t *testing.T) {
	t.Helper()
	b.wantShown(t, "ristourne check --config sandbox.yaml", b.run(t, "check"), "(?m)^"+anyNumber)
	wantText(t, b.run(t, "rebuild", "--dry-run"), "recomputing would change nothing")
	b.rebuildAll(t)
	before, _ := b.taken(t)
	b.start(t)
	b.send(t, rules.TopicTransactions, "acc-1", fmt.Sprintf(`{"event_id":"sound-%[1]s","type":"clearing","transaction_id":"sound-%[1]s","account_id":"acc-1",
		"card_token":"tok-a","amount_minor":1000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172853"}}`, rand.Text()))
	b.waitForTaken(t, before+1)
	b.stopIdle(t)
	wantText(t, b.run(t, "check"), "the ledger is whole")
}

// Instructions that were cut from ClickHouse were paid. A rebuild pays nothing; a
// repair finds them in the topic; where they are in no place, it asks.
func TestNothingIsPaidTwiceThatClickHouseHasForgotten(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	given := b.instructed(t)
	if len(given) == 0 {
		t.Fatal("nobody was paid")
	}
	wantText(t, b.run(t, "rebuild", "--dry-run"), "recomputing would change nothing")

	b.execute(t, "TRUNCATE TABLE instructions_log")
	b.wantHolesRefused(t, "instructions_log")
	listed, _ := b.fails(t, exitFailed, "rebuild", "--dry-run", "--output", "json")
	lost := 0
	for line := range strings.Lines(listed) {
		if strings.HasPrefix(line, `{"hole":{"table":"instructions_log"`) {
			lost++
			continue
		}
		var d differenceJSON
		if err := json.Unmarshal([]byte(line), &d); err != nil || d.AccountRef == "" || len(d.Instructions) == 0 || d.Lines != 0 {
			t.Errorf("listed as %s, %v", line, err)
		}
	}
	if lost == 0 {
		t.Errorf("no hole is listed in %s", listed)
	}
	_, stderr := b.fails(t, exitUsage, "repair", "--approve")
	wantText(t, stderr, "--by is needed")

	told := b.run(t, "repair", "--approve", "--by", "ada", "--reason", "a month was dropped", "--accept-holes")
	wantText(t, told, "accepted: instructions_log, shard ", "put back from the topic of instructions", "nothing to repair")
	if now := b.instructed(t); !slices.Equal(now, given) {
		t.Fatalf("the repair pays: %d instructions, before %d", len(now), len(given))
	}
	wantText(t, b.run(t, "repair", "--approve", "--by", "ada", "--reason", "again", "--accept-holes"), "nothing to repair")
	b.rebuildAll(t)
	wantText(t, b.run(t, "check"), "the ledger is whole")
	wantText(t, b.run(t, "rebuild", "--dry-run"), "recomputing would change nothing")
	if now := b.instructed(t); !slices.Equal(now, given) {
		t.Errorf("the repair pays: %d instructions, before %d", len(now), len(given))
	}
}

// Lines that were lost are booked by a repair alone, under ids that no line had;
// the sums are those of a clean pass. Nobody is paid for it.
func TestLostLinesAreBookedByARepairAlone(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	given, want := b.instructed(t), b.summary(t)
	b.execute(t, "ALTER TABLE accruals_log DELETE WHERE role = 'member' AND stage = 'confirmed'")
	lost := b.summary(t)
	if slices.Equal(lost, want) {
		t.Fatal("nothing was lost")
	}
	b.wantHolesRefused(t, "accruals_log")
	listed, stderr := b.fails(t, exitFailed, "repair")
	b.wantShown(t, "ristourne rebuild --config FILE --dry-run", listed, anyUUID)
	wantText(t, stderr, "nothing is booked: book it with --approve")
	if now := b.summary(t); !slices.Equal(now, lost) {
		t.Fatalf("a refusal or a list books\n%s", strings.Join(now, ""))
	}
	b.wantShown(t, `ristourne repair --config FILE --approve --by ada --reason "accruals_log was cut, ticket 4711" --accept-holes`,
		b.run(t, "repair", "--approve", "--by", "ada", "--reason", "rows were lost", "--accept-holes"), "repair "+anyNumber)
	if now := b.summary(t); !slices.Equal(now, want) {
		t.Errorf("after the repair the ledger sums up to\n%s\nwant\n%s", strings.Join(now, ""), strings.Join(want, ""))
	}
	if now := b.instructed(t); !slices.Equal(now, given) {
		t.Errorf("the repair pays: %d instructions, before %d", len(now), len(given))
	}
	ledger, err := lookIntoLedger(t.Context(), b.c)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	actions, err := ledger.Actions(t.Context())
	if err != nil || len(actions) < 3 || actions[0].Action != "holes accepted" || actions[0].By != "ada" || !strings.Contains(actions[0].Details, `"accruals_log"`) ||
		actions[1].Action != "repair approved" || actions[1].Number == 0 {
		t.Errorf("audit trail: %+v, %v", actions, err)
	}
	b.wantOneContent(t)
	b.wantSound(t)
}

// Recomputing without events that are gone takes back what they gave. A repair over
// their hole lists it and asks; nothing is accepted, and nothing decided, before.
func TestLostEventsTakeNothingBackByThemselves(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	given := b.instructed(t)
	lines := b.number(t, "SELECT count() FROM accruals_log FINAL")
	b.execute(t, "ALTER TABLE set_log DELETE WHERE type = 'clearing'")
	b.wantHolesRefused(t, "set_log")
	approve := []string{"repair", "--approve", "--by", "ada", "--reason", "cut by age", "--accept-holes"}
	listed, stderr := b.fails(t, exitFailed, approve...)
	wantText(t, listed, "would debit")
	wantText(t, stderr, "say --pay-repairs if it is right")

	b.wantHolesRefused(t, "set_log")
	b.start(t)
	taken, _ := b.taken(t)
	b.send(t, rules.TopicTransactions, "acc-1", `{"event_id":"after","type":"clearing","transaction_id":"after","account_id":"acc-1",
		"card_token":"tok-a","amount_minor":1000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172853"}}`)
	b.waitForFailure(t, "ledger_hole")
	b.halt(t)
	wantText(t, b.log.String(), "the ledger is not whole: set_log")
	if now, _ := b.taken(t); now != taken {
		t.Errorf("%d records are decided over a hole", now-taken)
	}
	if now := b.number(t, "SELECT count() FROM accruals_log FINAL"); now != lines {
		t.Errorf("%d lines are booked over a hole", now-lines)
	}
	if now := b.instructed(t); !slices.Equal(now, given) {
		t.Errorf("over a hole the bank is given %d instructions, before %d", len(now), len(given))
	}
	wantText(t, b.run(t, append(approve, "--pay-repairs")...), "and told the bank to debit")
	wantText(t, b.run(t, "check"), "the ledger is whole")
	b.wantOneContent(t)
}

// wantOneContent makes sure that no id has two contents.
func (b *bank) wantOneContent(t *testing.T) {
	t.Helper()
	ledger, err := lookIntoLedger(t.Context(), b.c)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	conflicts, err := ledger.Conflicts(t.Context())
	if err != nil || len(conflicts) > 0 {
		t.Errorf("one id with two contents: %+v, %v", conflicts, err)
	}
}

// ledgerTables are what a backup of the ledger is of.
var ledgerTables = []string{
	"markers_log", "set_log", "accruals_log", "instructions_log", "results_log", "grants_log", "referrals_told_log", "accounts_log",
}

// backUp keeps the ledger's tables as they are now under a name.
func (b *bank) backUp(t *testing.T, name string) {
	t.Helper()
	for _, table := range ledgerTables {
		b.execute(t, "CREATE TABLE "+name+"_"+table+" AS "+table, "INSERT INTO "+name+"_"+table+" SELECT * FROM "+table)
	}
}

// restoreBackup brings them back.
func (b *bank) restoreBackup(t *testing.T, name string) {
	t.Helper()
	for _, table := range ledgerTables {
		b.execute(t, "TRUNCATE TABLE "+table, "INSERT INTO "+table+" SELECT * FROM "+name+"_"+table)
	}
}

// A ledger that came back from a backup is behind what Redis knows was booked, or
// lacks what its next marker counts: either is seen before anything follows from it,
// also once Redis is lost.
func TestALedgerFromABackupIsRefused(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	b.backUp(t, "old")
	b.wantSound(t) // one purchase more
	b.backUp(t, "new")

	b.restoreBackup(t, "old")
	wantText(t, b.reported(t, "check"), "markers_log, shard ", "Redis knows that they were booked")
	lost := fmt.Sprint(b.lostShards(t, rules.MarkersTable)[0])
	for _, arguments := range [][]string{
		{"rebuild", "--shard", lost},
		{"repair", "--shard", lost, "--approve", "--by", "ada", "--reason", "a backup", "--accept-holes"},
	} {
		_, stderr := b.fails(t, exitFailed, arguments...)
		wantText(t, stderr, "the ledger is not whole: shard "+lost+" was booked up to batch ", "events and facts", "This can't be accepted by a repair")
	}
	wantText(t, b.reported(t, "rebuild", "--dry-run"), "lost: markers_log, shard "+lost)
	b.restoreBackup(t, "new")
	b.wantSound(t)

	// Restored below a processor that runs, and goes on; then Redis is lost.
	taken, _ := b.taken(t)
	b.start(t)
	event := `{"event_id":"below-%[1]d","type":"clearing","transaction_id":"below-%[1]d","account_id":"acc-1","card_token":"tok-a","amount_minor":1000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172853"}}`
	b.send(t, rules.TopicTransactions, "acc-1", fmt.Sprintf(event, 1))
	b.waitForTaken(t, taken+1)
	b.waitDelivered(t)
	b.restoreBackup(t, "old")
	b.send(t, rules.TopicTransactions, "acc-1", fmt.Sprintf(event, 2))
	b.waitForTaken(t, taken+2)
	b.stopIdle(t)
	told := len(b.instructed(t))
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b.run(t, "offers", "restore")
	b.log.reset()
	b.start(t)
	b.waitForFailure(t, "ledger_hole")
	b.halt(t)
	wantText(t, b.log.String(), "the ledger is not whole: ")
	wantText(t, b.reported(t, "check"), "accruals_log, shard ", "set_log, shard ")
	if now := len(b.instructed(t)); now != told {
		t.Errorf("a ledger from a backup pays: %d instructions, before %d", now, told)
	}
}

// reported runs a command that must find something, and gives what it tells.
func (b *bank) reported(t *testing.T, arguments ...string) string {
	t.Helper()
	stdout, _ := b.fails(t, exitFailed, arguments...)
	return stdout
}

// Where no topic tells that the bank was given them, a repair asks before it
// instructs, and books nothing.
func TestARepairAsksBeforeItPays(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	b.execute(t, "TRUNCATE TABLE instructions_log")
	given := b.instructed(t)
	b.config = writeConfig(t, strings.Replace(b.text, b.c.Kafka.Topics.Instructions, b.c.Kafka.Topics.DeadLetters+"x", 1))
	if err := b.createTopics(t.Context(), bankShards, b.c.Kafka.Topics.DeadLetters+"x"); err != nil {
		t.Fatal(err)
	}
	approve := []string{"repair", "--approve", "--by", "ada", "--reason", "the topic was deleted too", "--accept-holes"}
	listed, stderr := b.fails(t, exitFailed, approve...)
	wantText(t, listed, "would credit", "recomputing would book 0 lines, and credit")
	wantText(t, stderr, "say --pay-repairs if it is right")
	wantText(t, b.run(t, append(approve, "--pay-repairs")...), "and told the bank to credit")
	var err error
	if b.c, err = config.Load(b.config); err != nil {
		t.Fatal(err)
	}
	paid := b.instructed(t)
	for _, instruction := range paid {
		if slices.Contains(given, instruction) {
			t.Errorf("%s has the id of one that was given before", instruction)
		}
	}
	if len(paid) == 0 {
		t.Error("nobody was paid")
	}
}

// offsets are how far each shard has come, by shard and topic.
func (b *bank) offsets(t *testing.T) (all []offsetsJSON) {
	t.Helper()
	for line := range strings.Lines(b.run(t, "offsets", "show", "--output", "json")) {
		var o offsetsJSON
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

// setForward commits offsets as an operator's tool does, whose group is stopped.
func (b *bank) setForward(t *testing.T, shard int32, topic string, to int64) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.c.Kafka.Brokers...), Transport: transport}
	waitUntil(t, "the group has ended and takes an offset", func() bool {
		answer, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
			GroupID: b.c.Kafka.Group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: int(shard), Offset: to}}},
		})
		return err == nil && len(answer.Topics[topic]) == 1 && answer.Topics[topic][0].Error == nil
	})
}

// Offsets that somebody has set forward leave nothing out silently: the shard is
// refused, and goes on where a person says so, with a reason.
func TestOffsetsSetForwardLeaveNothingOut(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	for _, o := range b.offsets(t) {
		if o.Lag != 0 || o.SetElsewhere || o.Committed >= 0 && o.Committed != o.Head {
			t.Errorf("after all records: %+v", o)
		}
	}
	before, _ := b.taken(t)
	event := `{"event_id":"ev-%[1]d","type":"clearing","transaction_id":"t-%[1]d","account_id":"acc-1","card_token":"tok-a","amount_minor":1000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172853"}}`
	b.send(t, rules.TopicTransactions, "acc-1", fmt.Sprintf(event, 1), fmt.Sprintf(event, 2))
	all := b.offsets(t)
	at := slices.IndexFunc(all, func(o offsetsJSON) bool { return o.Lag == 2 })
	if at < 0 {
		t.Fatalf("nothing waits: %+v", all)
	}
	waiting := all[at]
	b.setForward(t, waiting.Shard, waiting.Topic, waiting.LogEnd)
	wantText(t, b.run(t, "offsets", "show"), "set forward by somebody else over 2 records that nobody decided")

	b.start(t)
	b.waitForFailure(t, "other")
	if now, _ := b.taken(t); now != before {
		t.Errorf("%d records were taken while the shard is refused", now-before)
	}
	skip := []string{"offsets", "skip", "--shard", fmt.Sprint(waiting.Shard), "--topic", waiting.Topic, "--to", fmt.Sprint(waiting.LogEnd)}
	_, stderr := b.fails(t, exitUsage, skip...)
	wantText(t, stderr, "--by is needed")
	skip = append(skip, "--by", "ada", "--reason", "sent by mistake")
	b.wantShown(t, `ristourne offsets skip --config FILE --shard 1 --topic card.transactions --to 120000 --by ada --reason "ticket 4711"`,
		b.run(t, skip...), "offset "+anyNumber, "from "+anyNumber+" to "+anyNumber)
	b.send(t, rules.TopicTransactions, "acc-1", fmt.Sprintf(event, 3))
	b.waitForTaken(t, before+1)
	b.waitDelivered(t)
	wantText(t, b.log.String(), "2 records would be left out; set the group's offset back")
	ledger, err := lookIntoLedger(t.Context(), b.c)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	actions, err := ledger.Actions(t.Context())
	if err != nil || len(actions) != 1 || actions[0].Action != "offsets skipped" || actions[0].Reason != "sent by mistake" || actions[0].Shard != waiting.Shard {
		t.Errorf("audit trail: %+v, %v", actions, err)
	}
	if _, stderr := b.fails(t, exitFailed, skip...); !strings.Contains(stderr, "is decided up to offset") {
		t.Errorf("skipped once more: %s", stderr)
	}
}

// A secret that was rotated on one side alone is told at once, not waited for.
func TestRunEndsWithASentenceWhereRedisRefusesThePassword(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	redis.RequireAuth("rotated")
	config := writeFile(t, "ristourne.yaml", `
kafka: {brokers: ["127.0.0.1:1"]}
redis: {addresses: [%q], password: {env: GOOD_SECRET}}
clickhouse: {addresses: ["127.0.0.1:1"]}
privacy: {account_ref_key: {env: GOOD_SECRET}}
http: {listen: "127.0.0.1:0"}
`, redis.Addr())
	_, stderr, code := command(t, "", "run", "--config", config)
	if code != exitFailed || !strings.Contains(stderr, "correct redis.username and redis.password") {
		t.Errorf("run exits %d: %s", code, stderr)
	}
}

// A Redis that was emptied in the night, when no record comes, is noticed by itself.
func TestAnEmptiedRedisIsNoticedWithoutTraffic(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	b.start(t)
	waitUntil(t, "/readyz answers", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
	waitUntil(t, "the shards are acquired", func() bool {
		_, shards := b.metric(t, "ristourne_shard_epoch")
		return shards == bankShards
	})
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the shards are rebuilt", func() bool {
		rebuilt, _ := b.metric(t, "ristourne_rebuilds_total")
		return rebuilt >= bankShards
	})
	waitUntil(t, "Redis knows its installation and layout again", func() bool {
		held, err1 := b.store.HeldInstallation(t.Context())
		shards, err2 := b.store.Shards(t.Context())
		return err1 == nil && err2 == nil && held.ID != "" && shards == bankShards
	})
	wantText(t, b.log.String(), "Redis has forgotten to which installation it belongs", "account states are behind the ledger: rebuilding the shard")
	wantText(t, b.run(t, "offers", "restore"), "is back in Redis")
	wantText(t, b.run(t, "rebuild", "--dry-run"), "recomputing would change nothing")
	for shard := range int32(bankShards) {
		if head, err := b.store.Head(t.Context(), shard); err != nil || head.LastSeq == 0 {
			t.Errorf("shard %d: %+v, %v", shard, head, err)
		}
	}
}

// Two groups that work on the same shards take them from each other: each is told
// which one the other is.
func TestASecondGroupOnTheSameShardsIsToldByName(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newWorkedBank(t)
	b.start(t)
	second := &bank{config: b.variant(t, "group: "+b.c.Kafka.Group, "group: the-other-one")}
	var err error
	if second.c, err = config.Load(second.config); err != nil {
		t.Fatal(err)
	}
	second.start(t)
	banks := []struct {
		*bank
		other string
	}{{b, "the-other-one"}, {second, b.c.Kafka.Group}}
	for _, of := range banks {
		of.waitForFailure(t, "other_group")
	}
	for _, of := range banks {
		of.halt(t)
		wantText(t, of.log.String(), fmt.Sprintf("of consumer group %s: its epoch is", of.other), `"reason":"other_group"`)
	}
	wantText(t, b.log.String(), processor.ProcessName())
}
