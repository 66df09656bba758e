package processor

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"ristourne/processor/outbox"
	"ristourne/rules"
)

// Acquire makes this the owner of the shard: it raises the epoch, delivers the
// outbox it finds, byte for byte, makes sure that the account states are not
// behind the ledger, and loads the filters.
func (s *Shard) Acquire(ctx context.Context) error {
	err := s.acquireOutbox(ctx)
	if errors.Is(err, ErrStateBehindLedger) {
		err = s.Rebuild(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.checkStates(ctx); err != nil {
		return err
	}
	if err := s.loadFilters(ctx); errors.Is(err, ErrStateBehindLedger) {
		s.log.Warn("the filters have lost what was appended last: rebuilding the shard", "error", err)
		if err := s.Rebuild(ctx); err != nil {
			return err
		}
		if err := s.loadFilters(ctx); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if err := s.beginCounting(ctx); err != nil {
		return err
	}
	// All that was decided is delivered by now, though it may not be committed:
	// the former owner may have been stopped just before.
	if s.source.Committed() != s.positions {
		if err := s.commit(ctx, s.positions, s.batch); err != nil {
			return err
		}
	}
	s.window.reset(progress{positions: s.positions})
	s.lastSave = s.ports.Now()
	s.source.Seek(s.positions)
	s.metrics.epoch.WithLabelValues(strconv.Itoa(int(s.source.Shard()))).Set(float64(s.epoch))
	s.log.Info("shard acquired", "epoch", s.epoch, "positions", s.positions, "batch", s.batch, "members", s.members.count, "known_ids", s.known.count)
	return nil
}

// acquireOutbox raises the epoch and delivers what the former owner had decided. Where a
// command holds the shard it waits, and says for whom.
func (s *Shard) acquireOutbox(ctx context.Context) error {
	return s.acquireOutboxBy(ctx, func(ctx context.Context) (Acquired, error) {
		acquired, err := s.ports.Accounts.Acquire(ctx, s.source.Shard())
		if leased := new(LeasedError); errors.As(err, &leased) {
			s.noteProgress() // waiting for a person's command is no stall
		}
		return acquired, err
	})
}

func (s *Shard) acquireOutboxBy(ctx context.Context, acquire func(context.Context) (Acquired, error)) error {
	acquired, err := s.acquireEpoch(ctx, acquire)
	if err != nil {
		return err
	}
	if err := s.checkWhole(ctx, false); err != nil {
		return err
	}
	if err := s.checkCommitted(ctx); err != nil {
		return err
	}
	if err := s.deliverFound(ctx, acquired.Outbox); err != nil {
		return fmt.Errorf("deliver the outbox of the former owner: %w", err)
	}
	return nil
}

// acquireEpoch makes this the owner: whoever was before is refused from now on.
func (s *Shard) acquireEpoch(ctx context.Context, acquire func(context.Context) (Acquired, error)) (acquired Acquired, err error) {
	err = s.retry(ctx, "claim", func(ctx context.Context) (err error) {
		acquired, err = acquire(ctx)
		return err
	})
	if err == nil {
		s.epoch, s.positions, s.batch, s.lastSeq = acquired.Epoch, acquired.Positions, acquired.Batch, acquired.LastSeq
		s.leases.forget()
	}
	return acquired, err
}

// deliverFound books and sends what the former owner had decided. Some or
// all of it may have been before: each is the same twice.
func (s *Shard) deliverFound(ctx context.Context, blobs [][]byte) error {
	if len(blobs) == 0 {
		return nil
	}
	decisions := make([]*rules.Decision, len(blobs))
	for i, blob := range blobs {
		decisions[i] = new(rules.Decision)
		err := outbox.Decode(blob, decisions[i])
		if errors.Is(err, outbox.ErrVersion) {
			return err // whole, though not for this version: rebuilding would decide it anew
		}
		if err != nil {
			// What Redis holds can't be trusted; what it stood for is in no
			// other place but the input topics, from where it comes again.
			s.log.Error("the outbox can't be read: rebuilding the shard", "error", err)
			s.positions = rules.NoPositions
			return ErrStateBehindLedger
		}
	}
	if err := s.checkFollows(ctx, decisions[0]); err != nil {
		return err
	}
	if err := s.bookAndSend(ctx, decisions); err != nil {
		return err
	}
	s.metrics.outboxesFound.Add(float64(len(blobs)))
	s.log.Info("delivered the outbox of the former owner", "batches", len(blobs))
	return s.clear(ctx, decisions[len(decisions)-1].Batch)
}

// checkStates compares the account states with what is known to have been
// decided: offsets that were committed, the ledger's marker, and the rows of a
// batch that was booked without its marker. States that fell back have
// forgotten lines that are booked; going on from them would book those again
// under other causes. A ledger that is behind them has lost some: it is refused.
// What is left must agree, as the outbox is delivered by now.
func (s *Shard) checkStates(ctx context.Context) error {
	marker, found, err := s.marker(ctx)
	if err != nil {
		return err
	}
	bookedSeq, err := s.bookedSeq(ctx)
	if err != nil {
		return err
	}
	if err := s.checkNotBehind(&marker, bookedSeq); err != nil {
		return err
	}
	committed := s.source.Committed()
	if !s.positions.Before(committed) && !(found && (s.positions.Before(marker.Positions) || s.batch < marker.Batch)) && s.lastSeq >= bookedSeq {
		return nil
	}
	s.log.Warn("account states are behind the ledger: rebuilding the shard", "positions", s.positions, "committed", committed,
		"ledger", marker.Positions, "seq", s.lastSeq, "ledger_seq", bookedSeq)
	return s.Rebuild(ctx)
}

func (s *Shard) marker(ctx context.Context) (m rules.Marker, found bool, err error) {
	err = s.retry(ctx, "marker", func(ctx context.Context) (err error) {
		m, found, err = s.ports.Ledger.Marker(ctx, s.source.Shard())
		return err
	})
	if !found {
		m = rules.Marker{Shard: s.source.Shard(), Positions: rules.NoPositions}
	}
	return m, found, err
}

// bookedSeq is of the last set row in the ledger, marked or not.
func (s *Shard) bookedSeq(ctx context.Context) (seq uint64, err error) {
	err = s.retry(ctx, "marker", func(ctx context.Context) (err error) {
		seq, err = s.ports.Ledger.LastSeq(ctx, s.source.Shard())
		return err
	})
	return seq, err
}

func (s *Shard) loadFilters(ctx context.Context) error {
	return s.retry(ctx, "load filters", func(ctx context.Context) error {
		s.members.clear()
		s.known.clear()
		return s.ports.Accounts.Filters(ctx, s.source.Shard(), s.members.addAll, s.known.addAll)
	})
}
