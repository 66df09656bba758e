package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ristourne/rules"
)

// ErrStop wraps an error that no waiting can mend.
var ErrStop = errors.New("stopped")

// Rebuild makes the account states anew from the ledger's store, for a shard
// that this owner has acquired. It restores what was decided, and decides nothing.
//
// The rows of each account's set go through the engine in the order in which
// they were decided. What is booked is the ledger's word; where working the
// account out anew gives something else, that is reported, and booked only by a
// repair that a person approves (see Repair).
//
// Set rows behind the marker were decided, and some of what follows from them
// may not be booked: it is booked and sent again, under its own ids. What
// budgets gave for such a row stands in its grants, which are booked before all
// that follows from them. Where they are not booked, nothing of the row is, and
// it is decided now, as a batch of its own that reserves of the budgets.
//
// Records that were read but not yet committed are read again, and found to be
// duplicates.
func (s *Shard) Rebuild(ctx context.Context) error { return s.rebuild(ctx, nil) }

// rebuild gives differ each account of which recomputing would change something.
func (s *Shard) rebuild(ctx context.Context, differ func(*Difference) error) error {
	if err := s.checkWhole(ctx, true); err != nil {
		return err
	}
	r, err := s.newRebuild(ctx)
	if err != nil {
		return err
	}
	r.restoring, r.differ = true, differ
	if err := s.checkUndecided(ctx, &r.marker); err != nil {
		return err
	}
	committed := s.source.Committed()
	// What this owner found to be decided is delivered by now, so that it need not be
	// read again. Positions of a Redis that fell back may be of other topics, before a
	// move.
	found := s.positions
	if s.batch < r.marker.Batch {
		found = rules.NoPositions
	}
	if err := s.retry(ctx, "begin rebuild", func(ctx context.Context) error {
		return s.ports.Accounts.BeginRebuild(ctx, s.source.Shard(), s.epoch)
	}); err != nil {
		return err
	}
	s.leases.forget() // what the shard has granted is what is booked, from now on
	defer s.engine.SetBudgets(s.leases)
	if err := r.readAccounts(ctx); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.tail.LastSeq = r.decidedSeq()
	if err := r.deliverTail(ctx, committed); err != nil {
		return err
	}
	if err := r.finish(ctx, positionsAfter(positionsAfter(r.marker.Positions, committed), found)); err != nil {
		return err
	}
	s.engine.SetBudgets(s.leases)
	return s.finishRows(ctx, r.unfinished, r.lastSeq)
}

// rebuild is the work of one Rebuild, or of one comparison that restores nothing.
type rebuild struct {
	shard     *Shard
	restoring bool
	marker    rules.Marker
	lastSeq   uint64                               // of the set rows that are stored
	unmarked  map[rules.AccountRef]*rules.Unmarked // of the accounts with set rows behind the marker
	tail      rules.Decision                       // what those rows decide
	differ    func(*Difference) error              // nil: differences are logged and counted alone

	unfinished     []unfinishedRow
	states         []AccountState
	members, known []uint64
	accounts       int
	bytes          int
	differing      int // accounts
	inFlight       int // accounts that were not compared, as something of theirs is being booked
}

func (s *Shard) newRebuild(ctx context.Context) (*rebuild, error) {
	r := &rebuild{shard: s}
	var err error
	if r.marker, _, err = s.marker(ctx); err != nil {
		return nil, err
	}
	err = s.retry(ctx, "read what is behind the marker", func(ctx context.Context) (err error) {
		if r.lastSeq, err = s.ports.Ledger.LastSeq(ctx, s.source.Shard()); err != nil {
			return err
		}
		if s.accepting.lostMarker() && r.marker.LastSeq == 0 {
			// What was booked in part is not known any more: all is taken for booked.
			r.marker.LastSeq, r.marker.Positions = r.lastSeq, positionsAfter(s.positions, s.source.Committed())
			if r.marker.Batch, err = s.source.CommittedBatch(ctx); err != nil {
				return err // a marker below it would be taken for one from a backup
			}
		}
		if r.lastSeq <= r.marker.LastSeq {
			return nil
		}
		r.unmarked, err = s.ports.Ledger.Unmarked(ctx, s.source.Shard(), r.marker.LastSeq)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.useCatalogue()
	r.lastSeq = max(r.lastSeq, r.marker.LastSeq)
	r.tail = rules.Decision{Shard: r.marker.Shard, Batch: r.marker.Batch, Positions: r.marker.Positions}
	return r, nil
}

func (r *rebuild) readAccounts(ctx context.Context) error {
	if err := r.histories(ctx); err != nil {
		return fmt.Errorf("rebuild from the ledger: %w", err)
	}
	if r.differing > 0 {
		r.shard.log.Error("recomputing would change what is booked: nothing of it is booked by itself; "+
			"see `ristourne rebuild --dry-run`, and book it with `ristourne repair --approve` if it is right", "accounts", r.differing)
	}
	return nil
}

const (
	restoreAccounts = 500
	restoreBytes    = 1 << 20

	// tailLines bounds what is held of the tail: without a marker it is all that
	// was ever decided.
	tailLines = 50_000
)

// stepHistories may take as long as it does before its first row: ClickHouse
// sorts and sums the whole shard.
const stepHistories = "histories"

// histories takes every account of the shard. A reading that breaks off is begun
// anew, and goes on with the accounts that were not taken.
func (r *rebuild) histories(ctx context.Context) error {
	s := r.shard
	taken := make(map[rules.AccountRef]struct{})
	var failed error // of an account, or of Redis: reading again would not mend it
	err := s.retry(ctx, stepHistories, func(ctx context.Context) error {
		err := s.ports.Ledger.Histories(ctx, s.source.Shard(), func(h *rules.AccountHistory) error {
			if _, again := taken[h.Ref]; again {
				return nil
			}
			if err := r.account(ctx, h); err != nil {
				failed = fmt.Errorf("account reference %x: %w", h.Ref, err)
				return failed
			}
			taken[h.Ref] = struct{}{}
			return nil
		})
		if failed != nil {
			return nil
		}
		return err
	})
	return errors.Join(err, failed)
}

func (r *rebuild) account(ctx context.Context, h *rules.AccountHistory) error {
	if h.AccountID == "" {
		return nil // erased: its sums stay in the ledger, its events are no more
	}
	marked := len(h.Set)
	for marked > 0 && h.Set[marked-1].Seq > r.marker.LastSeq {
		marked--
	}
	if !r.restoring && marked < len(h.Set) {
		r.inFlight++
		return nil
	}
	a, err := r.restore(h, marked)
	if err != nil {
		return err
	}
	r.accounts++
	if !r.restoring {
		return nil
	}
	state, links, err := r.shard.fold(a)
	if err != nil {
		return err
	}
	state.Value = a.AppendBinary(nil)
	r.states, r.known = append(r.states, state), append(r.known, links...)
	r.bytes += state.Bytes()
	if err := r.boundTail(ctx); err != nil {
		return err
	}
	if len(r.states) < restoreAccounts && r.bytes < restoreBytes {
		return nil
	}
	return r.flush(ctx)
}

// decidedSeq is up to where nothing is left to be decided: until the rest is, the
// shard's last row stays behind the ledger's, and whoever acquires it rebuilds it.
func (r *rebuild) decidedSeq() uint64 {
	seq := r.lastSeq
	for i := range r.unfinished {
		seq = min(seq, r.unfinished[i].Seq-1)
	}
	return seq
}

// boundTail delivers what the tail holds when that is much. Its marker stays where
// it was: not all up to a newer one is booked yet, and after a crash the rows
// behind it are replayed to the same lines.
func (r *rebuild) boundTail(ctx context.Context) error {
	if len(r.tail.Accruals)+len(r.tail.Instructions)+len(r.tail.Referrals) < tailLines {
		return nil
	}
	part := r.tail
	part.Batch, part.LastSeq = r.marker.Batch+1, r.marker.LastSeq
	if err := r.sendTail(ctx); err != nil {
		return err
	}
	if err := r.shard.retry(ctx, "book", func(ctx context.Context) error { return r.shard.ports.Ledger.BookPart(ctx, &part) }); err != nil {
		return err
	}
	r.tail.Accruals, r.tail.Instructions, r.tail.Referrals = r.tail.Accruals[:0], r.tail.Instructions[:0], r.tail.Referrals[:0]
	return nil
}

// sendTail comes before booking: what is booked alone would not be found
// missing the next time, and an instruction, or a referral, is the same whenever
// it is made.
func (r *rebuild) sendTail(ctx context.Context) error {
	if err := r.writeInstructions(ctx, r.tail.Instructions); err != nil {
		return err
	}
	return r.publishReferrals(ctx, r.tail.Referrals)
}

func (r *rebuild) flush(ctx context.Context) error {
	if len(r.states) == 0 {
		return nil
	}
	s := r.shard
	err := s.retry(ctx, "restore", func(ctx context.Context) error {
		return s.ports.Accounts.Restore(ctx, s.source.Shard(), s.epoch, r.states, r.members, r.known)
	})
	r.states, r.members, r.known, r.bytes = r.states[:0], r.members[:0], r.known[:0], 0
	s.noteProgress() // it goes on, however many accounts there are
	s.log.Info("rebuilding the shard", "accounts", r.accounts)
	return err
}

// bankDedupes is how long the bank knows an instruction again by its id, with
// some days to spare: nothing older is sent again by itself.
const bankDedupes = 390 * 24 * time.Hour

// sendAtOnce bounds the instructions, or referrals, of one call.
const sendAtOnce = 1000

// deliverTail sends and books what the replay found missing, and sends again whatever
// may not have been sent: all whose cause was not committed.
func (r *rebuild) deliverTail(ctx context.Context, committed rules.Positions) error {
	if err := r.sendTail(ctx); err != nil {
		return err
	}
	if err := r.bookRest(ctx); err != nil {
		return err
	}
	if err := r.writeInstructionsAgain(ctx, committed); err != nil {
		return err
	}
	return r.publishReferralsAgain(ctx, committed)
}

func (r *rebuild) writeInstructionsAgain(ctx context.Context, committed rules.Positions) error {
	s := r.shard
	oldest := s.ports.Now().Add(-bankDedupes).UnixMilli()
	var unpaid []rules.Instruction
	var tooOld, erased int
	err := s.retry(ctx, "unpaid", func(ctx context.Context) error {
		unpaid, tooOld, erased = unpaid[:0], 0, 0
		return s.ports.Ledger.InstructionsFrom(ctx, s.source.Shard(), committed, func(i rules.Instruction) error {
			switch {
			case i.AccountID == "":
				erased++
			case i.CreatedAt < oldest:
				tooOld++
			default:
				unpaid = append(unpaid, i)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if tooOld+erased > 0 {
		s.log.Error("instructions that may not have been paid are not sent again: ask the bank for them",
			"older_than_the_bank_dedupes", tooOld, "of_erased_accounts", erased)
	}
	return r.writeInstructions(ctx, unpaid)
}

func (r *rebuild) writeInstructions(ctx context.Context, instructions []rules.Instruction) error {
	for chunk := range slices.Chunk(instructions, sendAtOnce) {
		if err := r.shard.writeInstructions(ctx, []*rules.Decision{{Instructions: chunk}}, unchecked); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuild) publishReferralsAgain(ctx context.Context, committed rules.Positions) error {
	s := r.shard
	var untold []rules.Referral
	var erased int
	err := s.retry(ctx, "untold", func(ctx context.Context) error {
		untold, erased = untold[:0], 0
		return s.ports.Ledger.ReferralsFrom(ctx, s.source.Shard(), committed, func(f rules.Referral) error {
			if f.BuyerAccountID == "" {
				erased++
			} else {
				untold = append(untold, f)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if erased > 0 {
		s.log.Error("referrals that may not have been published are not published again: their buyers were erased", "referrals", erased)
	}
	return r.publishReferrals(ctx, untold)
}

func (r *rebuild) publishReferrals(ctx context.Context, referrals []rules.Referral) error {
	for chunk := range slices.Chunk(referrals, sendAtOnce) {
		if err := r.shard.publishReferrals(ctx, []*rules.Decision{{Referrals: chunk}}, unchecked); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuild) finish(ctx context.Context, positions rules.Positions) error {
	s := r.shard
	marker := rules.Marker{Shard: s.source.Shard(), Batch: r.marker.Batch, Positions: positions, LastSeq: r.tail.LastSeq}
	err := s.retry(ctx, "finish rebuild", func(ctx context.Context) error {
		return s.ports.Accounts.FinishRebuild(ctx, s.source.Shard(), s.epoch, marker)
	})
	if err != nil {
		return err
	}
	s.positions, s.batch, s.lastSeq = marker.Positions, marker.Batch, marker.LastSeq
	s.metrics.rebuilds.Inc()
	s.log.Info("shard rebuilt", "accounts", r.accounts, "differing", r.differing, "positions", s.positions)
	return nil
}
