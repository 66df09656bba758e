package processor

import (
	"context"
	"fmt"

	"ristourne/rules"
)

// SavedBatch is a saved batch that must be booked, sent and committed.
type SavedBatch struct {
	batch     uint64
	positions rules.Positions
	decided   *batchMemory // nil: the batch moved positions alone
}

// drain takes what waits behind first, without waiting for more: a slow sink
// gets larger batches.
func drain(first SavedBatch, queue <-chan SavedBatch) []SavedBatch {
	taken := []SavedBatch{first}
	for {
		select {
		case next, open := <-queue:
			if !open {
				return taken
			}
			taken = append(taken, next)
		default:
			return taken
		}
	}
}

// Deliver books, sends and commits saved batches, oldest first, and then deletes
// them from the outbox. It has the decisions from whoever decided; after a crash
// they are decoded from what was saved, and are the same.
func (s *Shard) Deliver(ctx context.Context, batches ...SavedBatch) error {
	decisions := make([]*rules.Decision, 0, len(batches))
	for i := range batches {
		if b := batches[i].decided; b != nil {
			decisions = append(decisions, &b.decision)
		}
	}
	if err := s.bookAndSend(ctx, decisions); err != nil {
		return err
	}
	newest := batches[len(batches)-1]
	if err := s.commit(ctx, newest.positions, newest.batch); err != nil {
		return err
	}
	s.backlog.delivers(len(batches))
	s.noteProgress()
	if len(decisions) == 0 {
		return nil
	}
	if err := s.clear(ctx, newest.batch); err != nil {
		return err
	}
	for i := range batches {
		s.window.giveBack(batches[i].decided)
	}
	return nil
}

// bookAndSend lets what was decided out into the world: it books, writes instructions
// and publishes referrals.
// Before each try of each step it asks Redis whether the batches are still
// decided: a try may come hours after the one before.
func (s *Shard) bookAndSend(ctx context.Context, decisions []*rules.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	// The newest batch tells for all: what Redis loses are its last writes, and
	// what it has lost is decided anew by whoever owns the shard then, perhaps in
	// another order.
	newest := decisions[len(decisions)-1].Batch
	stillDecided := func(ctx context.Context) error {
		if err := s.ports.Accounts.StillDecided(ctx, s.source.Shard(), s.epoch, newest); err != nil {
			return fmt.Errorf("ask whether batch %d is still decided: %w", newest, err)
		}
		return nil
	}
	for _, step := range []func(context.Context, []*rules.Decision, check) error{s.book, s.writeInstructions, s.publishReferrals} {
		if err := step(ctx, decisions, stillDecided); err != nil {
			return err
		}
	}
	return nil
}

// check is asked before each try of a step.
type check func(context.Context) error

// unchecked is for what a rebuild has found missing: there is no batch of it.
func unchecked(context.Context) error { return nil }

func (s *Shard) book(ctx context.Context, decisions []*rules.Decision, stillDecided check) error {
	err := s.checked(ctx, "book", stillDecided, func(ctx context.Context) error {
		return s.ports.Ledger.Book(ctx, decisions...)
	})
	if err == nil {
		s.metrics.showBooked(s.ports.Now(), decisions)
	}
	return err
}

func (s *Shard) writeInstructions(ctx context.Context, decisions []*rules.Decision, stillDecided check) error {
	for _, d := range decisions {
		if len(d.Instructions) == 0 {
			continue
		}
		err := s.checked(ctx, "pay", stillDecided, func(ctx context.Context) error {
			return s.ports.Instructions.WriteInstructions(ctx, d.Instructions)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Shard) publishReferrals(ctx context.Context, decisions []*rules.Decision, stillDecided check) error {
	for _, d := range decisions {
		if len(d.Referrals) == 0 {
			continue
		}
		err := s.checked(ctx, "tell", stillDecided, func(ctx context.Context) error {
			return s.ports.Referrals.Publish(ctx, d.Referrals)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checked tries a step until it succeeds, and asks before each try.
func (s *Shard) checked(ctx context.Context, step string, stillDecided check, do func(context.Context) error) error {
	return s.retry(ctx, step, func(ctx context.Context) error {
		if err := stillDecided(ctx); err != nil {
			return err
		}
		return do(ctx)
	})
}

// commit is of what is booked: up to a batch that the ledger has the marker of.
func (s *Shard) commit(ctx context.Context, positions rules.Positions, batch uint64) error {
	return s.retry(ctx, "commit", func(ctx context.Context) error {
		return s.source.Commit(ctx, positions, batch)
	})
}

func (s *Shard) clear(ctx context.Context, upToBatch uint64) error {
	return s.retry(ctx, "clear", func(ctx context.Context) error {
		return s.ports.Accounts.Clear(ctx, s.source.Shard(), s.epoch, upToBatch)
	})
}
