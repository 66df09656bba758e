package clickhouse

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"ristourne/deploy/localservers/localserverstest"
)

func TestMigrationsForAClusterReplicateEveryTableAndCreateEverythingOnAllNodes(t *testing.T) {
	t.Parallel()
	for cluster, engine := range map[string]string{"": "ReplacingMergeTree(", "main": "ReplicatedReplacingMergeTree("} {
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
			if got := strings.Count(sql, "ENGINE = "+engine); got != tables {
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
	if _, err := before.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
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
