package clickhouse

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing/fstest"
	"text/template"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// latestMillis is the last millisecond of 2105, up to which every date function
// of ClickHouse is right. (DateTime ends in February 2106.)
const latestMillis = 4_291_747_199_999

// Migrate creates the database where it is missing and brings its tables up to
// date. It can run again, and in many processes at once: each statement is one
// that can.
func (l *Ledger) Migrate(ctx context.Context) error {
	if err := l.createDatabase(ctx); err != nil {
		return fmt.Errorf("create database %s (or let an administrator create it): %w", l.options.Database, err)
	}
	provider, err := l.migrations()
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	defer provider.Close() // closes its connections; what they did is known
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate database %s: %w", l.options.Database, explain(err))
	}
	if err := l.mergeLess(ctx); err != nil {
		return fmt.Errorf("set how the tables of database %s are merged: %w", l.options.Database, explain(err))
	}
	return nil
}

// mergeSelectorBase is about how many parts of a size come together in one merge. With
// the server's own 5 it writes each row of a small insert some four times over in the
// first seconds, which costs more than the insert; readers meet a few parts more.
const mergeSelectorBase = 10

// mergeLess has the tables that every batch is booked into merged less often, where the
// server knows how (older ones don't) and nobody has set it.
func (l *Ledger) mergeLess(ctx context.Context) error {
	tables, err := query(ctx, l, "how tables are merged", func(rows driver.Rows, table *string) error { return rows.Scan(table) }, `
		SELECT name FROM system.tables
		WHERE database = $1 AND name IN ('set_log', 'accruals_log', 'instructions_log', 'markers_log')
			AND NOT has(extractAll(create_table_query, '\\w+'), 'merge_selector_base')
			AND (SELECT count() FROM system.merge_tree_settings WHERE name = 'merge_selector_base') > 0`, l.options.Database)
	if err != nil {
		return err
	}
	for _, table := range tables {
		alter := fmt.Sprintf("ALTER TABLE %s %s MODIFY SETTING merge_selector_base = %d", table, onCluster(l.options.Cluster), mergeSelectorBase)
		if err := l.reads.Exec(ctx, alter); err != nil {
			return err
		}
	}
	return nil
}

// migrations are those of this version, on connections of their own.
func (l *Ledger) migrations() (*goose.Provider, error) {
	files, err := renderMigrations(l.options.Cluster)
	if err != nil {
		return nil, err
	}
	options := l.options.reader(l.options.Database)
	if l.options.Cluster != "" {
		// DDL goes through the cluster's queue; the next statement needs it done
		// on every replica.
		options.Settings["distributed_ddl_output_mode"] = "none"
	}
	return goose.NewProvider(goose.DialectClickHouse, clickhouse.OpenDB(options), files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
}

// createDatabase asks first whether it is there, so that a user without the
// right to create one can work in it.
func (l *Ledger) createDatabase(ctx context.Context) error {
	conn, err := clickhouse.Open(l.options.reader("system"))
	if err != nil {
		return err
	}
	defer conn.Close()
	var there uint64
	const ask = "SELECT count() FROM system.databases WHERE name = $1"
	if err := conn.QueryRow(ctx, ask, l.options.Database).Scan(&there); err != nil {
		return explain(err)
	}
	if there > 0 {
		return nil
	}
	return explain(conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+l.options.Database+" "+onCluster(l.options.Cluster)))
}

func onCluster(cluster string) string {
	if cluster == "" {
		return ""
	}
	return "ON CLUSTER " + cluster
}

// migrationValues are what the migrations' templates may ask.
type migrationValues struct {
	OnCluster    string
	LatestMillis int64

	replicated bool
}

// Engine names a table engine with its parameters, replicated on a cluster.
func (v migrationValues) Engine(name string, parameters ...string) string {
	if v.replicated {
		name = "Replicated" + name
	}
	return name + "(" + strings.Join(parameters, ", ") + ")"
}

// renderMigrations fills the templates in for a single node or a cluster.
func renderMigrations(cluster string) (fs.FS, error) {
	templates, err := template.ParseFS(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	values := migrationValues{OnCluster: onCluster(cluster), LatestMillis: latestMillis, replicated: cluster != ""}
	files := fstest.MapFS{}
	for _, t := range templates.Templates() {
		var text bytes.Buffer
		if err := t.Execute(&text, values); err != nil {
			return nil, err
		}
		files[t.Name()] = &fstest.MapFile{Data: text.Bytes()}
	}
	return files, nil
}
