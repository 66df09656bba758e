package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Ledger is one process's access to the ledger. Its methods may be called from
// many goroutines.
type Ledger struct {
	options Options
	reads   driver.Conn
	booker  *booker
	marks   marks
	// histories holds a place for each rebuild that may read at once: two that
	// each hold half of the connections they need would wait for ever.
	histories chan struct{}
}

// Open checks the options and prepares connections. The server need not answer
// yet: calls fail until it does (see [Ledger.Ping]).
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("options of ClickHouse: %w", err)
	}
	reads, err := clickhouse.Open(o.reader(o.Database))
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	l := &Ledger{
		options:   o,
		reads:     reads,
		histories: make(chan struct{}, (o.MaxOpenConns-1)/historyConns),
	}
	l.booker = newBooker(context.WithoutCancel(ctx), o, l.next)
	return l, nil
}

// Ping asks whether the server answers and knows the database.
func (l *Ledger) Ping(ctx context.Context) error {
	if err := l.reads.Ping(ctx); err != nil {
		return fmt.Errorf("reach ClickHouse at %v: %w", l.options.Addresses, explain(err))
	}
	return nil
}

// Close ends what is under way with [ErrClosed] and closes all connections.
func (l *Ledger) Close() error {
	l.booker.close()
	if err := l.reads.Close(); err != nil {
		return fmt.Errorf("close ClickHouse: %w", err)
	}
	return nil
}
