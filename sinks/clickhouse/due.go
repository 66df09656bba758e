package clickhouse

import (
	"context"
	"fmt"
	"time"
)

// accountsDue are the accounts of a programme whose confirmed cash is not what
// was instructed, or of whom something was recorded lately: then a debt may be
// over, which only closing a cycle tells their account. Rejected money is due
// again, so who ever had a rejection is among them. It is more than who gets
// something, never less.
const accountsDue = `
	SELECT DISTINCT a.account_id FROM accounts AS a INNER JOIN (
		SELECT ref FROM (
			SELECT beneficiary_ref AS ref, unit AS currency, reward_minor AS minor FROM ledger
			WHERE programme = $1 AND kind = 'cash' AND stage = 'confirmed' AND role != 'partner'
			UNION ALL
			SELECT account_ref, currency, if(direction = 'credit', -amount_minor, amount_minor) FROM instructions WHERE programme = $1
		) GROUP BY ref, currency HAVING sum(minor) != 0
		UNION DISTINCT SELECT beneficiary_ref FROM ledger WHERE programme = $1 AND kind = 'cash' AND role != 'partner' AND recorded_at >= fromUnixTimestamp64Milli($2)
		UNION DISTINCT SELECT account_ref FROM instructions WHERE programme = $1 AND created_at >= fromUnixTimestamp64Milli($2)
		UNION DISTINCT SELECT account_ref FROM results WHERE status = 'rejected' OR recorded_at >= fromUnixTimestamp64Milli($2)
		UNION DISTINCT SELECT beneficiary_ref FROM ledger WHERE $3 AND programme = $1 AND kind IN ('points', 'wallet') AND stage = 'confirmed'
	) AS d ON d.ref = a.account_ref
	WHERE a.account_id != ''`

// AccountsDue streams the ids of the accounts of a programme that may have
// something due, each once: what is confirmed isn't what was instructed,
// something was recorded since then, or, where something can lapse, there are
// kitties or points. Sums that don't fit into the server's memory are made on its
// disk.
func (l *Ledger) AccountsDue(ctx context.Context, programme string, since time.Time, lapses bool, each func(accountID string) error) error {
	ctx, cancel := context.WithCancel(ctx) // a stream that is broken off would be drained otherwise
	defer cancel()
	rows, err := l.reads.Query(ctx, accountsDue+fmt.Sprintf(" SETTINGS max_bytes_before_external_group_by = %d", historyMemoryBytes),
		programme, since.UnixMilli(), lapses)
	if err != nil {
		return fmt.Errorf("read who may have something due: %w", explain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var accountID string
		if err := rows.Scan(&accountID); err != nil {
			return fmt.Errorf("read who may have something due: %w", explain(err))
		}
		if err := each(accountID); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read who may have something due: %w", explain(err))
	}
	return nil
}
