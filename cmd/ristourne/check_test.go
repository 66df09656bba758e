package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	sqlclient "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

// sql is a plain connection to the bank's database, as an operator has one.
func (b *bank) sql(t *testing.T) (exec func(query string)) {
	t.Helper()
	o, err := b.c.ClickHouse.Options()
	if err != nil {
		t.Fatal(err)
	}
	var conn driver.Conn
	conn, err = sqlclient.Open(&sqlclient.Options{
		Addr: o.Addresses, Auth: sqlclient.Auth{Database: o.Database, Username: o.User, Password: o.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return func(query string) {
		t.Helper()
		if err := conn.Exec(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// What operators do to the tables is seen before anything is decided, booked or
// paid, and what they bring back goes on.
func TestALedgerThatLostRowsIsRefused(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newBank(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	exec := b.sql(t)
	exec("CREATE TABLE first_markers AS markers_log")
	b.start(t)
	sent := b.sendFile(t, rules.TopicFacts, simulateDir+"/facts.jsonl")
	b.waitForTaken(t, sent)
	sent += b.sendFile(t, rules.TopicTransactions, simulateDir+"/events.jsonl")
	b.waitForTaken(t, sent)
	b.halt(t)
	wantText(t, b.run(t, "check"), "the ledger is whole")

	for _, table := range []string{"instructions_log", "set_log", "accruals_log"} {
		exec("CREATE TABLE kept_" + table + " AS " + table)
		exec("INSERT INTO kept_" + table + " SELECT * FROM " + table)
		exec("TRUNCATE TABLE " + table)
		b.wantLost(t, table)
		exec("INSERT INTO " + table + " SELECT * FROM kept_" + table)
		wantText(t, b.run(t, "check"), "the ledger is whole")
	}

	// Back from a backup: whole in itself, and behind what Redis knows.
	var backup strings.Builder
	for _, table := range []string{
		"markers_log", "set_log", "accruals_log", "instructions_log", "results_log", "grants_log", "referrals_told_log", "accounts_log",
	} {
		exec("CREATE TABLE now_" + table + " AS " + table)
		exec("INSERT INTO now_" + table + " SELECT * FROM " + table)
		exec("TRUNCATE TABLE " + table)
		fmt.Fprintf(&backup, "INSERT INTO %s SELECT * FROM now_%s;", table, table)
	}
	b.wantLost(t, "markers_log")
	for query := range strings.SplitSeq(strings.TrimSuffix(backup.String(), ";"), ";") {
		exec(query)
	}
	b.start(t)
	b.send(t, rules.TopicTransactions, "acc-1", `{"event_id":"after","type":"clearing","transaction_id":"t-after","account_id":"acc-1",
		"card_token":"tok-a","amount_minor":1000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172853"}}`)
	b.waitForTaken(t, sent+1)
	b.halt(t)
	b.checkFatesOf(t, sent+1)
	wantText(t, b.run(t, "check"), "the ledger is whole")
}

// halt stops the processor.
func (b *bank) halt(t *testing.T) {
	t.Helper()
	b.stop()
	if err := <-b.stopped; err != nil {
		t.Fatal(err)
	}
}

func (b *bank) checkFatesOf(t *testing.T, sent int64) {
	t.Helper()
	if n, _ := b.taken(t); n != sent {
		t.Errorf("%d records were taken, of %d", n, sent)
	}
}

// wantLost makes sure that check names the table, that a rebuild refuses, and
// that a processor decides nothing.
func (b *bank) wantLost(t *testing.T, table string) {
	t.Helper()
	stdout, stderr, code := command(t, "", "check", "--config", b.config, "--output", "json")
	var told checkedJSON
	if err := json.Unmarshal([]byte(stdout), &told); err != nil || code != exitFailed || len(told.Holes) == 0 {
		t.Fatalf("%s is empty, and check exits %d with %q, %q", table, code, stdout, stderr)
	}
	for _, hole := range told.Holes {
		if hole.Table != table {
			t.Errorf("%s is empty, and check names %+v", table, hole)
		}
	}
	lost := told.Holes[0].Shard
	before, err := b.store.Head(t.Context(), lost)
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "the ledger is not whole: ", "rebuild", "--shard", fmt.Sprint(lost), "--config", b.config)
	b.log.reset()
	b.start(t)
	b.waitForFailure(t, "ledger_hole")
	b.halt(t)
	wantText(t, b.log.String(), "the ledger is not whole")
	after, err := b.store.Head(t.Context(), lost)
	if err != nil || after.Positions != before.Positions || after.Batch != before.Batch {
		t.Errorf("a shard of a ledger that lost rows went from %+v to %+v, %v", before, after, err)
	}
}
