package clickhouse

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestMigrationsForAClusterReplicateEveryTableAndCreateEverythingOnAllNodes(t *testing.T) {
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
			if created != tables+views {
				t.Errorf("%s: %d of %d statements can't run twice", name, created-tables-views, created)
			}
			if got := strings.Count(sql, "ENGINE = "+engine); got != tables {
				t.Errorf("cluster %q, %s: %d of %d tables have engine %s", cluster, name, got, tables, engine)
			}
			if got := strings.Count(sql, "ON CLUSTER main"); cluster != "" && got != created || cluster == "" && got != 0 {
				t.Errorf("cluster %q, %s: %d of %d statements are for all nodes", cluster, name, got, created)
			}
			if got := strings.Count(sql, "fsync_after_insert = 1"); got != tables {
				t.Errorf("%s: %d of %d tables outlive a power cut", name, got, tables)
			}
		}
	}
}
