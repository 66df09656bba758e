package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"ristourne/rules"
)

// Marker is the newest marker of the shard: everything up to it is booked. False
// where the shard has never booked.
func (l *Ledger) Marker(ctx context.Context, shard int32) (rules.Marker, bool, error) {
	m := rules.Marker{Shard: shard}
	err := l.reads.QueryRow(ctx, `
		SELECT batch, facts_head, referrals_head, results_head, transactions_head, last_seq
		FROM markers_log WHERE shard = $1 ORDER BY batch DESC LIMIT 1`, shard).Scan(&m.Batch,
		&m.Heads[rules.TopicFacts], &m.Heads[rules.TopicReferrals], &m.Heads[rules.TopicResults], &m.Heads[rules.TopicTransactions],
		&m.LastSeq)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return rules.Marker{}, false, nil
	case err != nil:
		return rules.Marker{}, false, fmt.Errorf("read marker of shard %d: %w", shard, explain(err))
	}
	return m, true, nil
}

// LastSeq is the highest Seq of the shard's set rows, whether or not their
// batch's marker is booked; 0: none.
func (l *Ledger) LastSeq(ctx context.Context, shard int32) (seq uint64, err error) {
	if err := l.reads.QueryRow(ctx, `SELECT max(seq) FROM set_log WHERE shard = $1`, shard).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read the last row of shard %d's set: %w", shard, explain(err))
	}
	return seq, nil
}
