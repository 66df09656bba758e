package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
)

// RecordAction keeps what a person decided. Recording it again changes nothing;
// when it returns, it is stored.
func (l *Ledger) RecordAction(ctx context.Context, a *rules.OperatorAction) error {
	err := l.reads.Exec(ctx, `INSERT INTO operator_actions_log (at_ms, action, shard, number, by, reason, details) SELECT $1, $2, $3, $4, $5, $6, $7`,
		a.At, a.Action, a.Shard, a.Number, a.By, a.Reason, a.Details)
	if err != nil {
		return fmt.Errorf("keep in the audit trail that %s asked for %s of shard %d: %w", a.By, a.Action, a.Shard, explain(err))
	}
	return nil
}

// Actions are all that people decided, in order.
func (l *Ledger) Actions(ctx context.Context) ([]rules.OperatorAction, error) {
	return query(ctx, l, "the audit trail", func(rows driver.Rows, a *rules.OperatorAction) error {
		return rows.Scan(&a.At, &a.Action, &a.Shard, &a.Number, &a.By, &a.Reason, &a.Details)
	}, `SELECT at_ms, action, shard, number, by, reason, details FROM operator_actions_log FINAL ORDER BY at_ms, action, shard, number`)
}
