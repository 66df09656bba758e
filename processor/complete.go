package processor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ristourne/rules"
)

// ErrIncomplete says that the ledger doesn't hold what was booked into it: a part
// was lost, restored from before, or changed. What follows from it would be
// wrong money, so nothing is decided, booked or paid until it is whole again.
var ErrIncomplete = errors.New("the ledger is not whole")

// maxHolesTold bounds a message; `ristourne check` tells them all.
const maxHolesTold = 10

// checkWhole compares the ledger with what its marker says was booked. thorough
// reads every row, as before a rebuild; otherwise rows are counted, in a moment.
func (s *Shard) checkWhole(ctx context.Context, thorough bool) error {
	var holes []rules.Hole
	if err := s.retry(ctx, "check the ledger", func(ctx context.Context) (err error) {
		holes, err = s.edges.Ledger.Holes(ctx, s.source.Shard(), thorough)
		return err
	}); err != nil {
		return err
	}
	if len(holes) == 0 {
		return nil
	}
	var told []string
	for i := range holes[:min(len(holes), maxHolesTold)] {
		told = append(told, holes[i].String())
	}
	if more := len(holes) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%w: %s. Nothing of the shard is decided, booked or paid until the rows are back: restore them from a backup or a replica "+
		"(`ristourne check` names every hole)", ErrIncomplete, strings.Join(told, "; "))
}

// checkFollows refuses a ledger that lacks batches before the first of the
// outbox: with that one booked it would look whole.
func (s *Shard) checkFollows(ctx context.Context, first *rules.Decision) error {
	marker, _, err := s.marker(ctx)
	if err != nil || first.Batch <= marker.Batch+1 {
		return err
	}
	return s.errBehind(&marker, first.Batch-1, first.LastSeq-uint64(len(first.Set)), s.heads)
}

// checkNotBehind refuses a ledger that has less than Redis says was booked: it
// was restored from a backup, or this is a replica that lags. bookedSeq is of its
// set rows, marked or not.
func (s *Shard) checkNotBehind(marker *rules.Marker, bookedSeq uint64) error {
	if s.batch <= marker.Batch && s.lastSeq <= max(marker.LastSeq, bookedSeq) {
		return nil
	}
	return s.errBehind(marker, s.batch, s.lastSeq, s.heads)
}

// refuseBehind is checkNotBehind for who is about to forget the states.
func (s *Shard) refuseBehind(ctx context.Context) error {
	if s.heads == rules.NoHeads {
		return nil // nothing is known, or it can't be trusted
	}
	marker, _, err := s.marker(ctx)
	if err != nil {
		return err
	}
	bookedSeq, err := s.bookedSeq(ctx)
	if err != nil {
		return err
	}
	return s.checkNotBehind(&marker, bookedSeq)
}

// errBehind lists what the ledger lacks.
func (s *Shard) errBehind(marker *rules.Marker, batch, lastSeq uint64, heads rules.Heads) error {
	missing := []string{fmt.Sprintf("batches %d to %d", marker.Batch+1, batch)}
	if lastSeq > marker.LastSeq {
		missing = append(missing, fmt.Sprintf("events and facts %d to %d", marker.LastSeq+1, lastSeq))
	}
	for topic, head := range heads {
		if booked := max(marker.Heads[topic], 0); head > booked {
			missing = append(missing, fmt.Sprintf("what followed from %s, offsets %d to %d", s.options.Topics[topic], booked, head-1))
		}
	}
	return fmt.Errorf("%w: shard %d was booked up to batch %d, and the ledger has it up to batch %d: missing are %s. ClickHouse was restored from a backup, "+
		"or this replica lags. Restore what is missing, or let the replica catch up; Redis alone still knows of it, so don't empty it",
		ErrIncomplete, s.source.Shard(), batch, marker.Batch, strings.Join(missing, "; "))
}

// beginCounting counts a shard that an older version has booked, once.
func (s *Shard) beginCounting(ctx context.Context) error {
	var began bool
	if err := s.retry(ctx, "count the ledger", func(ctx context.Context) (err error) {
		began, err = s.edges.Ledger.BeginCounting(ctx, s.source.Shard())
		return err
	}); err != nil {
		return err
	}
	if began {
		s.log.Warn("the ledger of this shard was not counted before: what stands there by now is taken for whole, and is held to from now on")
	}
	return nil
}

// bookRest books what was found missing behind the marker, as a batch of its own,
// and counts whatever else was booked there in part.
func (r *rebuild) bookRest(ctx context.Context) error {
	s := r.shard
	r.tail.Batch = r.marker.Batch + 1
	var booked bool
	if err := s.retry(ctx, "book", func(ctx context.Context) (err error) {
		booked, err = s.edges.Ledger.BookRest(ctx, &r.tail)
		return err
	}); err != nil {
		return err
	}
	if booked {
		r.marker.Batch, r.marker.LastSeq = r.tail.Batch, r.tail.LastSeq
	}
	return nil
}
