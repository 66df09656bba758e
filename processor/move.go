package processor

import (
	"context"
	"encoding/json"

	"ristourne/rules"
)

// Move is where a shard begins in topics that are others than before: of another
// cluster, or made anew.
type Move struct {
	By, Reason string
	Moved      [rules.NumTopics]bool
	Begin      rules.Positions // next offsets, of those that have moved
	From, To   rules.Source
	// Commit sets the group's offsets, of the topics that have moved: older ones
	// would be taken for the shard's own.
	Commit func(ctx context.Context, positions rules.Positions, batch uint64) error
	// Keep says which topics the shard's offsets are of from now on: what was decided
	// up to a batch came from those before.
	Keep func(ctx context.Context, afterBatch uint64) error
}

// after are the positions with which the shard goes on.
func (m *Move) after(positions rules.Positions) rules.Positions {
	for topic, moved := range m.Moved {
		if moved {
			positions[topic] = m.Begin[topic]
		}
	}
	return positions
}

// AcquireAndMove lets a shard begin in other topics, and gives the positions that were.
// States stay: a record that comes again is known by its id. Referrals that may not
// have been read in their former topic are published again in the new one.
//
// What says that the offsets are of the new topics is written last: broken off, the
// shard is refused until the move is done again, and nothing of it is read before.
func (s *Shard) AcquireAndMove(ctx context.Context, m *Move) (before rules.Positions, err error) {
	err = s.leased(ctx, m.By, func(ctx context.Context) error {
		if err := s.checkStates(ctx); err != nil {
			return err
		}
		before = s.positions
		if err := s.recordMove(ctx, m); err != nil {
			return err
		}
		if m.Moved[rules.TopicReferrals] {
			if err := (&rebuild{shard: s}).publishReferralsAgain(ctx, rules.NoPositions); err != nil {
				return err
			}
		}
		d, err := s.saveNothing(ctx, m.after(s.positions))
		if err != nil {
			return err
		}
		if err := s.deliverApart(ctx, d); err != nil {
			return err
		}
		if err := s.retry(ctx, "commit", func(ctx context.Context) error { return m.Commit(ctx, s.positions, d.Batch) }); err != nil {
			return err
		}
		return s.retry(ctx, "keep the topics", func(ctx context.Context) error { return m.Keep(ctx, d.Batch) })
	})
	return before, err
}

func (s *Shard) recordMove(ctx context.Context, m *Move) error {
	details, err := json.Marshal(struct {
		From   rules.Source    `json:"from"`
		To     rules.Source    `json:"to"`
		Before rules.Positions `json:"heads_before"`
		After  rules.Positions `json:"heads_after"`
	}{m.From, m.To, s.positions, m.after(s.positions)})
	if err != nil {
		return err
	}
	return s.record(ctx, "moved", m.By, m.Reason, 0, string(details))
}
