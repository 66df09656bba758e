package clickhouse

import (
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

func TestMigrationsForAClusterReplicateEveryTableAndCreateEverythingOnAllNodes(t *testing.T) {
	t.Parallel()
	for cluster, engine := range map[string]string{"": `(Replacing)?MergeTree\(`, "main": `Replicated(Replacing)?MergeTree\(`} {
		files, err := renderMigrations(cluster)
		if err != nil {
			t.Fatal(err)
		}
		names, err := fs.Glob(files, "*.sql")
		if err != nil || len(names) < 2 {
			t.Fatalf("migrations: %v, %v", names, err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			sql := string(text)
			created := len(regexp.MustCompile(`(?m)^CREATE `).FindAllString(sql, -1))
			tables := len(regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS `).FindAllString(sql, -1))
			views := len(regexp.MustCompile(`(?m)^CREATE OR REPLACE VIEW `).FindAllString(sql, -1))
			altered := len(regexp.MustCompile(`(?m)^ALTER TABLE `).FindAllString(sql, -1))
			if again := len(regexp.MustCompile(`(?m)^ALTER TABLE \w+ [^;]*?(ADD COLUMN IF NOT EXISTS|MODIFY COLUMN) `).FindAllString(sql, -1)); altered != again {
				t.Errorf("%s: %d of %d changes can't run twice", name, altered-again, altered)
			}
			if created != tables+views {
				t.Errorf("%s: %d of %d statements can't run twice", name, created-tables-views, created)
			}
			if got := len(regexp.MustCompile(`ENGINE = `+engine).FindAllString(sql, -1)); got != tables {
				t.Errorf("cluster %q, %s: %d of %d tables have engine %s", cluster, name, got, tables, engine)
			}
			if got := strings.Count(sql, "ON CLUSTER main"); cluster != "" && got != created+altered || cluster == "" && got != 0 {
				t.Errorf("cluster %q, %s: %d of %d statements are for all nodes", cluster, name, got, created+altered)
			}
			if got := strings.Count(sql, "fsync_after_insert = 1"); got != tables {
				t.Errorf("%s: %d of %d tables outlive a power cut", name, got, tables)
			}
		}
	}
}

// A ledger that an older version has booked is brought up to date as it stands.
func TestLinesBookedBeforeThereWereSponsorsAreReadAsTheyWere(t *testing.T) {
	t.Parallel()
	l := ledgerOf(t, 2)
	for _, insert := range []string{
		`INSERT INTO accruals_log (shard, account_ref, beneficiary_ref, role, transaction_id, stage, kind, reward_minor, cause_kind, accrual_id)
			SELECT 3, toUUID('00000000-0000-0000-0000-000000000001'), toUUID('00000000-0000-0000-0000-000000000001'),
				'member', 'T1', 'confirmed', 'cash', 300, 'fact', 'an id of 16 byte'`,
		`INSERT INTO set_log (shard, account_ref, seq, cause_kind, fate, type) SELECT 3, toUUID('00000000-0000-0000-0000-000000000001'), 7, 'event', 'booked', 'clearing'`,
	} {
		if err := l.reads.Exec(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lines uint64
	if err := l.reads.QueryRow(t.Context(), `SELECT count() FROM ledger
		WHERE beneficiary_ref = account_ref AND usable_from IS NULL AND expires_at IS NULL AND cause_kind = 'fact' AND reward_minor = 300`).Scan(&lines); err != nil || lines != 1 {
		t.Errorf("lines as they were: %d, %v", lines, err)
	}
	if seq, err := l.LastSeq(t.Context(), 3); err != nil || seq != 7 {
		t.Errorf("last seq %d, %v", seq, err)
	}
}

// ledgerOf is a ledger as a former version has it: with the migrations up to one.
func ledgerOf(t *testing.T, migration int64) *Ledger {
	t.Helper()
	server, database := localserverstest.ClickHouse(t)
	o := DefaultOptions()
	o.Addresses, o.User, o.Password, o.Database = []string{server.Addr}, server.User, server.Password, database
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	before, err := l.migrations()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.UpTo(t.Context(), migration); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestDictionariesBecomePlainStringsInPlace reads what was booked with dictionaries after
// they are gone: the same rows, with the same digests, and booking goes on.
func TestDictionariesBecomePlainStringsInPlace(t *testing.T) {
	t.Parallel()
	l := ledgerOf(t, 13)
	const ref = `toUUID(concat('00000000-0000-0000-0000-00000000000', toString(number % 7)))`
	for _, insert := range []string{
		`INSERT INTO accruals_log (shard, programme, account_ref, beneficiary_ref, role, transaction_id, partner_id, store_id, offer_id, offer_version,
				campaign_ids, stage, kind, unit, reward_minor, currency, purchased_sec, recorded_ms, cause_kind, cause_id, level, mcc, reasons, engine, accrual_id, batch)
			SELECT 3, 'city', ` + ref + `, ` + ref + `, 'member', toString(number), concat('p', toString(number % 3)), 'store', concat('o', toString(number % 5)), 'v',
				if(number % 2 = 0, ['spring', ''], []), 'confirmed', 'cash', 'EUR', number + 1, 'EUR', number, number, 'event', toString(number), 'gold', '5812',
				['percent', 'cap:month'], '1', leftPad(toString(number), 16, '0'), 1 FROM numbers(200)`,
		`INSERT INTO set_log (shard, account_ref, seq, cause_kind, cause_id, fate, type, currency, mcc, partner_id, store_id, payload, unlinked_events, holdouts, batch)
			SELECT 3, ` + ref + `, number + 1, 'event', toString(number), 'booked', 'clearing', 'EUR', '5812', 'p', 'store', 'payload', ['e'], ['programme'], 1 FROM numbers(200)`,
		`INSERT INTO instructions_log (shard, account_ref, instruction_id, direction, amount_minor, currency, programme, cycle, reason, cause_kind, batch)
			SELECT 3, ` + ref + `, toString(number), 'credit', 5, 'EUR', 'city', '', 'due', 'event', 1 FROM numbers(200)`,
		`INSERT INTO grants_log (shard, account_ref, budget, transaction_id, unit, granted_minor, change_minor, cause_kind, seq, batch)
			SELECT 3, ` + ref + `, 'campaign/spring', toString(number), 'EUR', 5, 5, 'event', 200, 1 FROM numbers(20)`,
		`INSERT INTO referrals_told_log (shard, account_ref, transaction_id, partner_id, offer_id, offer_version, programme, currency, mcc, sponsor_account_id, number, fact_id, cause_kind, batch)
			SELECT 3, ` + ref + `, toString(number), 'p', 'o', 'v', 'city', 'EUR', '5812', 's', 1, toString(number), 'event', 1 FROM numbers(20)`,
	} {
		if err := l.reads.Exec(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (tally, []rules.AccountHistory) {
		t.Helper()
		m := mark{Marker: rules.Marker{Shard: 3, Batch: 1, LastSeq: 200}, found: true}
		counted, err := countAll(func(table *tallyTable) (tally, error) { return l.count(t.Context(), table, &m) })
		if err != nil {
			t.Fatal(err)
		}
		var all []rules.AccountHistory
		if err := l.Histories(t.Context(), 3, func(h *rules.AccountHistory) error {
			all = append(all, *h)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return counted, all
	}
	counted, histories := read()
	if len(counted) != len(tallyTables) || len(histories) != 7 {
		t.Fatalf("%d tables counted and %d accounts read before the migration", len(counted), len(histories))
	}
	same := func(when string) {
		t.Helper()
		if after, read := read(); !reflect.DeepEqual(after, counted) || !reflect.DeepEqual(read, histories) {
			t.Errorf("%s there is\n%v\n%+v\nand before there was\n%v\n%+v", when, after, read, counted, histories)
		}
	}
	merges := func(what string) {
		t.Helper()
		for _, table := range append([]string{"markers_log"}, countedTables()...) {
			if err := l.reads.Exec(t.Context(), "SYSTEM "+what+" MERGES "+table); err != nil {
				t.Fatal(err)
			}
		}
	}
	merges("STOP") // nothing is rewritten yet, as in a ledger that takes hours for it
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	same("with its parts as they were")
	merges("START")
	for _, table := range countedTables() {
		if err := l.reads.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
	}
	same("with its parts rewritten")
	var dictionaries uint64
	if err := l.reads.QueryRow(t.Context(), `SELECT count() FROM system.columns WHERE database = currentDatabase() AND type LIKE '%LowCardinality%'
		AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN ('accruals_log', 'set_log', 'instructions_log',
			'grants_log', 'referrals_told_log', 'markers_log'))`).Scan(&dictionaries); err != nil || dictionaries != 0 {
		t.Errorf("%d columns still have dictionaries, %v", dictionaries, err)
	}
	if err := l.CountAnew(t.Context(), rules.Marker{Shard: 3, Batch: 1, LastSeq: 200}); err != nil {
		t.Fatal(err)
	}
	next := &rules.Decision{Shard: 3, Batch: 2, LastSeq: 201, Accounts: []rules.AccountRow{{Ref: rules.AccountRef{15: 1}, AccountID: "a"}}, Set: []rules.SetRow{{
		Seq: 201, AccountRef: rules.AccountRef{15: 1}, Cause: rules.Cause{Kind: rules.CauseEvent, ID: "next"}, Fate: rules.Booked, Type: "refund",
	}}}
	if err := l.Book(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if holes, isCounted, err := l.CheckShard(t.Context(), 3); err != nil || !isCounted || len(holes) > 0 {
		t.Errorf("the shard is counted: %v, has holes %v, %v", isCounted, holes, err)
	}
}

// TestMergesAreSetOnce keeps what an operator has set.
func TestMergesAreSetOnce(t *testing.T) {
	t.Parallel()
	l := ledgerOf(t, 14)
	var known uint64
	if err := l.reads.QueryRow(t.Context(), `SELECT count() FROM system.merge_tree_settings WHERE name = 'merge_selector_base'`).Scan(&known); err != nil {
		t.Fatal(err)
	}
	if known > 0 {
		if err := l.reads.Exec(t.Context(), `ALTER TABLE set_log MODIFY SETTING merge_selector_base = 7`); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := l.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	set := func(value string) (tables []string) {
		if err := l.reads.QueryRow(t.Context(), `SELECT arraySort(groupArray(name)) FROM system.tables
			WHERE database = currentDatabase() AND create_table_query LIKE $1`, "%merge_selector_base = "+value+"%").Scan(&tables); err != nil {
			t.Fatal(err)
		}
		return tables
	}
	if known == 0 {
		return // it is merged as it was
	}
	if got, want := set("10"), []string{"accruals_log", "instructions_log", "markers_log"}; !slices.Equal(got, want) {
		t.Errorf("set for %q, want %q", got, want)
	}
	if got, want := set("7"), []string{"set_log"}; !slices.Equal(got, want) {
		t.Errorf("an operator's is kept for %q, want %q", got, want)
	}
}

func countedTables() (names []string) {
	for i := range tallyTables {
		names = append(names, tallyTables[i].name)
	}
	return names
}
