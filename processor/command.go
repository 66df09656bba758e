package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"ristourne/rules"
)

// This file is what commands do to a shard. Each acquires it with a lease, which it
// renews until it has ended: the owner that runs beside it is shut out, waits and
// says for whom. A command that has died holds up the shard for leaseTime at most.

// leaseTime is how long a lease lasts unless it is renewed.
const leaseTime = time.Minute

// leased acquires the shard for a command, does its work, and gives the shard up. A
// ledger that is behind the states is refused: they alone know the rest.
// The work's ctx ends where the lease can't be kept.
func (s *Shard) leased(ctx context.Context, by string, work func(context.Context) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	by = holder(by)
	var other *LeasedError
	err = s.acquireOutboxBy(ctx, func(ctx context.Context) (Acquired, error) {
		acquired, err := s.ports.Accounts.AcquireLeased(ctx, s.source.Shard(), by, leaseTime)
		if errors.As(err, &other) {
			cancel(other) // another command's work is not to be waited for
		}
		if err == nil {
			s.epoch = acquired.Epoch
			go s.keepLease(ctx, acquired.Epoch, cancel)
		}
		return acquired, err
	})
	if other != nil {
		return other
	}
	defer func() {
		// With a context of its own: a command that is broken off gives it up, too.
		giving, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		if s.epoch != 0 {
			err = errors.Join(err, s.ports.Accounts.RenewLease(giving, s.source.Shard(), s.epoch, 0))
		}
	}()
	if err != nil && !errors.Is(err, ErrStateBehindLedger) {
		return err
	}
	if err := s.refuseBehind(ctx); err != nil {
		return err
	}
	return work(ctx)
}

// holder names this process to whoever waits for it.
func holder(by string) string {
	return fmt.Sprintf("%s (%s)", by, ProcessName())
}

// ProcessName tells this process from others, to a person.
func ProcessName() string {
	host, _ := os.Hostname() // without one, the rest must do
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

func (s *Shard) keepLease(ctx context.Context, epoch int64, lost context.CancelCauseFunc) {
	tick := time.NewTicker(leaseTime / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.ports.Accounts.RenewLease(ctx, s.source.Shard(), epoch, leaseTime); errors.Is(err, ErrFenced) {
			lost(err)
			return
		} else if err != nil && ctx.Err() == nil {
			s.log.Warn("the lease on the shard could not be renewed", "error", err)
		}
	}
}

// AcquireAndRebuild rebuilds the account states though nothing says that they
// are wrong.
func (s *Shard) AcquireAndRebuild(ctx context.Context, by string) error {
	return s.leased(ctx, by, s.Rebuild)
}

// checkUndecided refuses a shard whose committed offsets are beyond all that was
// decided, where somebody else than a processor has set them. A processor commits
// what is decided alone; what it has committed and nobody knows any more were
// records that changed nothing, as no batch is missing (see checkCommitted).
func (s *Shard) checkUndecided(ctx context.Context, marker *rules.Marker) error {
	committed := s.source.Committed()
	known := positionsAfter(marker.Positions, s.positions)
	if !known.Before(committed) {
		return nil
	}
	var elsewhere [rules.NumTopics]bool
	if err := s.retry(ctx, "who committed", func(ctx context.Context) (err error) {
		elsewhere, err = s.source.SetElsewhere(ctx)
		return err
	}); err != nil {
		return err
	}
	var errs []error
	for topic, offset := range committed {
		if from := max(known[topic], 0); offset > from && elsewhere[topic] {
			errs = append(errs, fmt.Errorf("shard %d: %w: %s stands at offset %d, decided is up to %d, so that %d records would be left out; "+
				"set the group's offset back to %d, or leave them out on purpose with `ristourne offsets skip --shard %d --topic %s --to %d`",
				s.source.Shard(), errUndecided, s.options.Topics[topic], offset, from, offset-from, from, s.source.Shard(), s.options.Topics[topic], offset))
		}
	}
	return errors.Join(errs...)
}

// Skip is what a person leaves out on purpose.
type Skip struct {
	By, Reason string
	Topic      int
	To         int64 // next offset that is read
}

// AcquireAndSkip moves a position forward over records that nobody will decide, and
// keeps who wanted it. It gives the position that was.
func (s *Shard) AcquireAndSkip(ctx context.Context, skip *Skip) (from int64, err error) {
	err = s.leased(ctx, skip.By, func(ctx context.Context) error {
		marker, _, err := s.marker(ctx)
		if err != nil {
			return err
		}
		if s.positions.Before(marker.Positions) {
			return errors.New("the account states are behind the ledger: let the processor rebuild the shard first, or rebuild it by hand")
		}
		from = s.positions[skip.Topic]
		if skip.To <= from {
			return fmt.Errorf("shard %d of %s is decided up to offset %d already: nothing before %d is read", s.source.Shard(), s.options.Topics[skip.Topic], from, skip.To)
		}
		if err := s.recordSkip(ctx, skip, from); err != nil {
			return err
		}
		return s.skip(ctx, skip)
	})
	return from, err
}

func (s *Shard) recordSkip(ctx context.Context, skip *Skip, from int64) error {
	details, err := json.Marshal(struct {
		Topic string `json:"topic"`
		From  int64  `json:"from"`
		To    int64  `json:"to"`
	}{s.options.Topics[skip.Topic], max(from, 0), skip.To})
	if err != nil {
		return err
	}
	return s.record(ctx, "offsets skipped", skip.By, skip.Reason, 0, string(details))
}

// record keeps in the audit trail what a person has decided.
func (s *Shard) record(ctx context.Context, action, by, reason string, number int64, details string) error {
	return s.retry(ctx, "audit trail", func(ctx context.Context) error {
		return s.ports.Ledger.RecordAction(ctx, &rules.OperatorAction{
			At: s.ports.Now().UnixMilli(), Action: action, Shard: s.source.Shard(), Number: number, By: by, Reason: reason, Details: details,
		})
	})
}

// skip is a batch that decides nothing and moves a position. Its marker is booked, so
// that a Redis that loses it doesn't bring the records back.
func (s *Shard) skip(ctx context.Context, skip *Skip) error {
	after := s.positions
	after[skip.Topic] = skip.To
	d, err := s.saveNothing(ctx, after)
	if err != nil {
		return err
	}
	return s.deliverApart(ctx, d)
}
