package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
)

// ErrOtherSource says that the offsets of a shard are of other topics, or of
// another cluster: from an old offset on, records of the new ones would never be
// read, and what was read would be read again.
var ErrOtherSource = errors.New("the topics are not those that this ledger was booked from")

// HoldSource keeps of which topics the offsets of the shards are from the first
// call on, and refuses others (ErrOtherSource). Any number may call it at once.
func (l *Ledger) HoldSource(ctx context.Context, shards int, source rules.Source) error {
	held, err := l.heldSources(ctx)
	if err != nil {
		return err
	}
	began := false
	for shard := range int32(shards) {
		before := held[shard]
		if len(before) == 0 {
			if err := l.putSource(ctx, shard, &source); err != nil {
				return err
			}
			began = true
		}
		if err := sameSource(shard, &source, before); err != nil {
			return err
		}
	}
	if !began {
		return nil
	}
	// Another may have come first, from elsewhere.
	if held, err = l.heldSources(ctx); err != nil {
		return err
	}
	for shard, before := range held {
		if err := sameSource(shard, &source, before); err != nil {
			return err
		}
	}
	return nil
}

func sameSource(shard int32, source *rules.Source, held []rules.Source) error {
	for i := range held {
		if what := source.Differs(&held[i]); what != "" {
			return fmt.Errorf("%w: shard %d: %s", ErrOtherSource, shard, what)
		}
	}
	return nil
}

// sinceMove is the condition that a row was decided from records of the topics that
// the offsets of its shard are of now.
func sinceMove(batch string) string {
	return `(` + batch + ` > ` + lastMove + ` OR ` + lastMove + ` = 0)`
}

const lastMove = `(SELECT max(after_batch) FROM sources_log WHERE shard = $1)`

// Sources gives of which topics the offsets of each shard are; none where nothing
// was read yet. It is an error where that is not known.
func (l *Ledger) Sources(ctx context.Context) (map[int32]rules.Source, error) {
	held, err := l.heldSources(ctx)
	if err != nil {
		return nil, err
	}
	sources := make(map[int32]rules.Source, len(held))
	for shard, of := range held {
		for i := range of {
			if err := sameSource(shard, &of[i], of[:1]); err != nil {
				return nil, err
			}
		}
		sources[shard] = of[0]
	}
	return sources, nil
}

// MoveSource says that the offsets of the shard are of other topics from now on:
// what was decided up to a batch came from those before.
func (l *Ledger) MoveSource(ctx context.Context, shard int32, source *rules.Source, afterBatch uint64) error {
	err := l.reads.Exec(ctx, `
		INSERT INTO sources_log (shard, number, cluster_id, topics, topic_ids, after_batch)
		SELECT $1, 1 + (SELECT max(number) FROM sources_log WHERE shard = $1), $2, $3, $4, $5`,
		shard, source.ClusterID, source.Topics[:], source.TopicIDs[:], afterBatch)
	if err != nil {
		return fmt.Errorf("write the topics of shard %d: %w", shard, explain(err))
	}
	return nil
}

// heldSources are those of the highest number of each shard: one, unless two came
// first at once.
func (l *Ledger) heldSources(ctx context.Context) (map[int32][]rules.Source, error) {
	type row struct {
		shard       int32
		clusterID   string
		topics, ids []string
	}
	rows, err := query(ctx, l, "the topics of the shards", func(rows driver.Rows, r *row) error {
		return rows.Scan(&r.shard, &r.clusterID, &r.topics, &r.ids)
	}, `SELECT shard, cluster_id, topics, topic_ids FROM sources_log FINAL
		WHERE (shard, number) IN (SELECT shard, max(number) FROM sources_log GROUP BY shard)`)
	if err != nil {
		return nil, err
	}
	held := make(map[int32][]rules.Source)
	for _, r := range rows {
		source := rules.Source{ClusterID: r.clusterID}
		if len(r.topics) != len(source.Topics) || len(r.ids) != len(source.TopicIDs) {
			return nil, fmt.Errorf("%w: the row of shard %d in sources_log has %d topics and %d ids, want %d", ErrPermanent, r.shard, len(r.topics), len(r.ids), len(source.Topics))
		}
		copy(source.Topics[:], r.topics)
		copy(source.TopicIDs[:], r.ids)
		held[r.shard] = append(held[r.shard], source)
	}
	return held, nil
}

func (l *Ledger) putSource(ctx context.Context, shard int32, source *rules.Source) error {
	err := l.reads.Exec(ctx, `INSERT INTO sources_log (shard, number, cluster_id, topics, topic_ids) SELECT $1, 1, $2, $3, $4`,
		shard, source.ClusterID, source.Topics[:], source.TopicIDs[:])
	if err != nil {
		return fmt.Errorf("write the topics of shard %d: %w", shard, explain(err))
	}
	return nil
}
