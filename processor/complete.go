package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ristourne/processor/outbox"
	"ristourne/rules"
)

// ErrIncomplete says that the ledger doesn't hold what was booked into it: a part
// was lost, restored from before, or changed. What follows from it would be
// wrong money, so nothing is decided, booked or paid until it is whole again, or
// until a person accepts the hole (see Repair.AcceptHoles).
var ErrIncomplete = errors.New("the ledger is not whole")

// maxHolesTold bounds a message; `ristourne check` tells them all.
const maxHolesTold = 10

// acceptance is of a repair that a person lets go on over holes.
type acceptance struct {
	repair *Repair
	holes  []rules.Hole
}

// lostMarker reports whether the marker itself is a hole that was accepted.
func (a *acceptance) lostMarker() bool {
	return a != nil && slices.ContainsFunc(a.holes, func(h rules.Hole) bool { return h.Table == rules.MarkersTable })
}

func (s *Shard) holes(ctx context.Context, thorough bool) (holes []rules.Hole, err error) {
	err = s.retry(ctx, "check the ledger", func(ctx context.Context) (err error) {
		holes, err = s.ports.Ledger.Holes(ctx, s.source.Shard(), thorough)
		return err
	})
	return holes, err
}

// checkWhole compares the ledger with what its marker says was booked. thorough
// reads every row, as before a rebuild; otherwise rows are counted, in a moment.
func (s *Shard) checkWhole(ctx context.Context, thorough bool) error {
	holes, err := s.holes(ctx, thorough)
	if err != nil || len(holes) == 0 {
		return err
	}
	if s.accepting != nil {
		return s.accept(ctx, holes, thorough)
	}
	return fmt.Errorf("%w: %s. Nothing of the shard is decided, booked or paid until the rows are back: restore them from a backup or a replica "+
		"(`ristourne check` names every hole). Where they are gone for good, see `ristourne rebuild --dry-run`, and go on with `ristourne repair --approve --accept-holes`",
		ErrIncomplete, toldHoles(holes))
}

func toldHoles(holes []rules.Hole) string {
	var told []string
	for i := range holes[:min(len(holes), maxHolesTold)] {
		told = append(told, holes[i].String())
	}
	if more := len(holes) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(told, "; ")
}

// accept goes on over holes, as a person has said. The audit trail has them, once
// all are known, before anything follows from it.
func (s *Shard) accept(ctx context.Context, holes []rules.Hole, all bool) error {
	for i := range holes {
		if holes[i].Table == rules.AccountsTable {
			return fmt.Errorf("%w: %s. This hole can't be accepted: without the map every account would be taken for erased, and forgotten. "+
				"Restore accounts_log from a backup", ErrIncomplete, holes[i])
		}
	}
	s.accepting.holes = holes
	if !all {
		return nil
	}
	details, err := json.Marshal(struct {
		Holes []rules.Hole `json:"holes"`
	}{holes})
	if err != nil {
		return err
	}
	s.log.Error("the ledger is not whole, and a person goes on over it", "holes", toldHoles(holes), "by", s.accepting.repair.By, "reason", s.accepting.repair.Reason)
	return s.record(ctx, "holes accepted", s.accepting.repair.By, s.accepting.repair.Reason, 0, string(details))
}

// checkFollows refuses a ledger that lacks batches before the first of the
// outbox: with that one booked it would look whole.
func (s *Shard) checkFollows(ctx context.Context, first *rules.Decision) error {
	marker, _, err := s.marker(ctx)
	if err != nil || first.Batch <= marker.Batch+1 || s.accepting.lostMarker() {
		return err
	}
	return s.errBehind(&marker, first.Batch-1, first.LastSeq-uint64(len(first.Set)), s.positions, knownByRedis)
}

// checkCommitted refuses a ledger that has less than the consumer group has committed
// as booked, where Redis doesn't know of it any more: it was emptied, or set back, too.
// Going on would decide anew what was paid, and leave out the records up to what is
// committed. Where Redis knows as much, it is compared, and its outbox may have the rest.
func (s *Shard) checkCommitted(ctx context.Context) error {
	if s.accepting.lostMarker() {
		return nil // the rows are there, and what they go up to is taken for booked
	}
	committed, err := s.committedBatch(ctx)
	if err != nil || committed <= s.batch && s.positions != rules.NoPositions {
		return err
	}
	marker, _, err := s.marker(ctx)
	if err != nil || committed <= marker.Batch {
		return err
	}
	return s.errBehind(&marker, committed, 0, s.source.Committed(), knownByCommits)
}

func (s *Shard) committedBatch(ctx context.Context) (batch uint64, err error) {
	err = s.retry(ctx, "read what is committed", func(ctx context.Context) (err error) {
		batch, err = s.source.CommittedBatch(ctx)
		return err
	})
	return batch, err
}

// checkNotBehind refuses a ledger that has less than Redis says was booked: it
// was restored from a backup, or this is a replica that lags. bookedSeq is of its
// set rows, marked or not.
func (s *Shard) checkNotBehind(marker *rules.Marker, bookedSeq uint64) error {
	if s.positions == rules.NoPositions {
		return nil // nothing is known, or it can't be trusted
	}
	if s.batch <= marker.Batch && s.lastSeq <= max(marker.LastSeq, bookedSeq) {
		return nil
	}
	return s.errBehind(marker, s.batch, s.lastSeq, s.positions, knownByRedis)
}

// refuseBehind is checkNotBehind for commands, which forget the states, or book a
// marker that would hide what is missing before it.
func (s *Shard) refuseBehind(ctx context.Context) error {
	marker, _, err := s.marker(ctx)
	if err != nil {
		return err
	}
	bookedSeq, err := s.bookedSeq(ctx)
	if err != nil {
		return err
	}
	if s.accepting.lostMarker() && s.lastSeq <= bookedSeq {
		return nil
	}
	return s.checkNotBehind(&marker, bookedSeq)
}

// What says that a ledger is behind, and what follows from that.
const (
	knownByRedis = "ClickHouse was restored from a backup, or this replica lags. Restore what is missing, or let the replica catch up; " +
		"Redis alone still knows of it, so don't empty it"
	knownByCommits = "The consumer group has committed so, and neither Redis nor ClickHouse knows it any more: ClickHouse was restored from a backup " +
		"and Redis was emptied or set back, or this replica lags, or clickhouse.database, redis.prefix or kafka.group are of another installation. " +
		"Restore what is missing from a newer backup or a replica, or correct the configuration; don't set the group's offsets, which alone still tell"
)

// errBehind lists what the ledger lacks.
func (s *Shard) errBehind(marker *rules.Marker, batch, lastSeq uint64, positions rules.Positions, known string) error {
	missing := []string{fmt.Sprintf("batches %d to %d", marker.Batch+1, batch)}
	if lastSeq > marker.LastSeq {
		missing = append(missing, fmt.Sprintf("events and facts %d to %d", marker.LastSeq+1, lastSeq))
	}
	for topic, head := range positions {
		if booked := max(marker.Positions[topic], 0); head > booked {
			missing = append(missing, fmt.Sprintf("what followed from %s, offsets %d to %d", s.options.Topics[topic], booked, head-1))
		}
	}
	return fmt.Errorf("%w: shard %d was booked up to batch %d, and the ledger has it up to batch %d: missing are %s. %s. "+
		"This can't be accepted by a repair",
		ErrIncomplete, s.source.Shard(), batch, marker.Batch, strings.Join(missing, "; "), known)
}

// beginCounting counts a shard that an older version has booked, once.
func (s *Shard) beginCounting(ctx context.Context) error {
	var began bool
	if err := s.retry(ctx, "count the ledger", func(ctx context.Context) (err error) {
		began, err = s.ports.Ledger.BeginCounting(ctx, s.source.Shard())
		return err
	}); err != nil {
		return err
	}
	if began {
		s.log.Warn("the ledger of this shard was not counted before: what stands there by now is taken for whole, and is held to from now on")
	}
	return nil
}

// countAnew takes what stands in the ledger for whole from now on. It is a batch
// that decides nothing: broken off, the marker before says what is missing.
func (s *Shard) countAnew(ctx context.Context) error {
	d, err := s.saveNothing(ctx, s.positions)
	if err != nil {
		return err
	}
	m := rules.Marker{Shard: d.Shard, Batch: d.Batch, Positions: d.Positions, LastSeq: d.LastSeq}
	if err := s.retry(ctx, "count the ledger", func(ctx context.Context) error { return s.ports.Ledger.CountAnew(ctx, m) }); err != nil {
		return err
	}
	return s.clear(ctx, d.Batch)
}

// saveNothing saves a batch that decides nothing, and moves positions alone.
func (s *Shard) saveNothing(ctx context.Context, after rules.Positions) (*rules.Decision, error) {
	d := &rules.Decision{Shard: s.source.Shard(), Batch: s.batch + 1, Positions: after, LastSeq: s.lastSeq}
	save := Save{
		Shard: d.Shard, Epoch: s.epoch, Before: s.positions, After: after, Batch: d.Batch, LastSeq: s.lastSeq, Outbox: outbox.Encode(nil, d),
	}
	if err := s.retry(ctx, "save", func(ctx context.Context) error { return s.ports.Accounts.Save(ctx, &save) }); err != nil {
		return nil, err
	}
	s.positions, s.batch = after, d.Batch
	return d, nil
}

// bookRest books what was found missing behind the marker, as a batch of its own,
// and counts whatever else was booked there in part.
func (r *rebuild) bookRest(ctx context.Context) error {
	s := r.shard
	r.tail.Batch = r.marker.Batch + 1
	var booked bool
	if err := s.retry(ctx, "book", func(ctx context.Context) (err error) {
		r.tail.Batch, booked, err = s.ports.Ledger.BookRest(ctx, &r.tail)
		return err
	}); err != nil {
		return err
	}
	if booked {
		r.marker.Batch, r.marker.LastSeq = r.tail.Batch, r.tail.LastSeq
	}
	return nil
}
