package localservers

import (
	"context"
	"os"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// dialClickHouse opens a client that is closed with the test.
func dialClickHouse(t *testing.T, c *ClickHouse) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{c.Addr},
		Auth: clickhouse.Auth{Username: c.User, Password: c.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func countRows(t *testing.T, c *ClickHouse) uint64 {
	t.Helper()
	var rows uint64
	if err := dialClickHouse(t, c).QueryRow(context.Background(), "SELECT count() FROM parts.rows").Scan(&rows); err != nil {
		t.Fatalf("count rows: %v", err)
	}
	return rows
}

// writeRows makes the table that countRows counts, with 1000 rows.
func writeRows(t *testing.T, c *ClickHouse) {
	t.Helper()
	ctx := context.Background()
	conn := dialClickHouse(t, c)
	for _, statement := range []string{
		"CREATE DATABASE parts",
		"CREATE TABLE parts.rows (id Int64) ENGINE = ReplacingMergeTree ORDER BY id",
	} {
		if err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO parts.rows")
	if err != nil {
		t.Fatalf("prepare insert: %v", err)
	}
	ids := make([]int64, 1000)
	for i := range ids {
		ids[i] = int64(i)
	}
	if err := batch.Column(0).Append(ids); err != nil {
		t.Fatalf("append column: %v", err)
	}
	if err := batch.Send(); err != nil {
		t.Fatalf("insert: %v", err)
	}
}

// What was inserted is there after kill -9 and a restart, at the same address.
func TestClickHouseKeepsRowsWhenKilled(t *testing.T) {
	ctx := context.Background()
	c, err := StartClickHouse(ctx, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePart(t, c) })
	writeRows(t, c)
	addr, pid := c.Addr, c.PID()

	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if c.PID() != 0 {
		t.Errorf("PID = %d after Kill, want 0", c.PID())
	}
	if err := c.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := countRows(t, c); got != 1000 {
		t.Errorf("%d rows after the restart, want 1000", got)
	}
	if c.Addr != addr {
		t.Errorf("address %s after the restart, want %s", c.Addr, addr)
	}
	if c.PID() == pid || c.PID() == 0 {
		t.Errorf("PID %d after the restart, want a new process (was %d)", c.PID(), pid)
	}
}

// Data in a kept folder are there for the next process; a temporary folder is
// gone with its server.
func TestClickHouseDataFolders(t *testing.T) {
	ctx := context.Background()
	kept := testOptions(t)
	kept.DataDir = t.TempDir() + "/it's <kept> & odd"
	first, err := StartClickHouse(ctx, kept)
	if err != nil {
		t.Fatal(err)
	}
	writeRows(t, first)
	if second, err := StartClickHouse(ctx, kept); err == nil {
		closePart(t, second)
		t.Error("a second server started on the same data folder")
	}
	closePart(t, first)

	again, err := StartClickHouse(ctx, kept)
	if err != nil {
		t.Fatal(err)
	}
	if got := countRows(t, again); got != 1000 {
		t.Errorf("%d rows in the kept folder, want 1000", got)
	}
	closePart(t, again)

	temporary, err := StartClickHouse(ctx, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	closePart(t, temporary)
	if _, err := os.Stat(temporary.folder.path); !os.IsNotExist(err) {
		t.Errorf("temporary folder after Close: %v, want that it is gone", err)
	}
}
