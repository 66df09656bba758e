package clickhouse

import (
	"context"
	"fmt"

	"ristourne/rules"
)

// Marker is the newest marker of the shard: everything up to it is booked. False
// where the shard has never booked.
func (l *Ledger) Marker(ctx context.Context, shard int32) (rules.Marker, bool, error) {
	m, err := l.mark(ctx, shard)
	if err != nil || !m.found {
		return rules.Marker{}, false, err
	}
	return m.Marker, true, nil
}

// LastSeq is the highest Seq of the shard's set rows, whether or not their
// batch's marker is booked; 0: none.
func (l *Ledger) LastSeq(ctx context.Context, shard int32) (seq uint64, err error) {
	if err := l.reads.QueryRow(ctx, `SELECT max(seq) FROM set_log WHERE shard = $1`, shard).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read the last row of shard %d's set: %w", shard, explain(err))
	}
	return seq, nil
}
