package reports

import (
	"context"
	"crypto/tls"
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options say where the ledger is, and as whom it is read.
type Options struct {
	Addresses   []string // host:port of the native protocol; the first that answers is asked
	Database    string
	User        string // reading is all that it needs
	Password    string
	TLS         *tls.Config   // nil: none
	DialTimeout time.Duration // 0: 30 s
	ReadTimeout time.Duration // of one answer; 0: 5 min
}

// Reader asks reports. It may be used by many goroutines.
type Reader struct{ conn driver.Conn }

// Open prepares connections. The server need not answer yet: Run fails until it
// does.
func Open(o Options) (*Reader, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: o.Addresses, TLS: o.TLS, DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout,
		Auth: clickhouse.Auth{Database: o.Database, Username: o.User, Password: o.Password},
	})
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse for reports: %w", err)
	}
	return &Reader{conn}, nil
}

// Close closes the connections.
func (r *Reader) Close() error {
	if err := r.conn.Close(); err != nil {
		return fmt.Errorf("close ClickHouse: %w", err)
	}
	return nil
}

// Run asks a report. Parameters that have a default may be left out.
func (r *Reader) Run(ctx context.Context, report Report, values map[string]string) (*Table, error) {
	parameters := clickhouse.Parameters{}
	for _, p := range report.Parameters {
		value, given := values[p.Name]
		if !given {
			value = p.Default
		}
		if value == "" {
			return nil, fmt.Errorf("run report %s: give its parameter %s: %s", report.Name, p.Name, p.Meaning)
		}
		parameters[p.Name] = value
	}
	rows, err := r.conn.Query(clickhouse.Context(ctx, clickhouse.WithParameters(parameters)), report.SQL)
	if err != nil {
		return nil, fmt.Errorf("run report %s: %w", report.Name, err)
	}
	defer rows.Close()
	t := &Table{Columns: rows.Columns()}
	types := rows.ColumnTypes()
	for rows.Next() {
		cells := make([]any, len(types))
		for i, typ := range types {
			cells[i] = reflect.New(typ.ScanType()).Interface()
		}
		if err := rows.Scan(cells...); err != nil {
			return nil, fmt.Errorf("run report %s: %w", report.Name, err)
		}
		row := make([]string, len(cells))
		for i, cell := range cells {
			row[i] = cellText(reflect.ValueOf(cell).Elem(), types[i].DatabaseTypeName())
		}
		t.Rows = append(t.Rows, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("run report %s: %w", report.Name, err)
	}
	return t, nil
}
