package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/money"
)

// ErrStop wraps an error that no waiting can mend.
var ErrStop = errors.New("stopped")

// Rebuild makes the account states anew from the ledger's store, for a shard
// that this owner has claimed.
//
// The rows of each account's set go through the engine in the order in which
// they were decided, which gives the states and, for the rows behind the
// marker, the very lines, instructions and referrals that may be missing: they
// are booked, paid and told again under the same ids. What budgets gave at the
// time can't be worked out anew: of accounts that have asked one, the ledger's
// word is taken, and the difference booked. Records that were read but not yet
// committed are read again, and found to be duplicates.
func (s *Shard) Rebuild(ctx context.Context) error {
	marker, _, err := s.marker(ctx)
	if err != nil {
		return err
	}
	committed := rules.Heads(s.source.Committed())
	if err := s.retry(ctx, "begin rebuild", func(ctx context.Context) error {
		return s.edges.Accounts.BeginRebuild(ctx, s.source.Shard(), s.epoch)
	}); err != nil {
		return err
	}
	s.useCatalogue()
	s.purse.forget() // what the shard has granted is what is booked, from now on
	defer s.engine.SetBudgets(s.purse)
	r := rebuild{shard: s, marker: marker, tail: rules.Decision{
		Shard: marker.Shard, Batch: marker.Batch, Heads: marker.Heads, LastSeq: marker.LastSeq,
	}}
	if err := s.edges.Ledger.Histories(ctx, s.source.Shard(), func(h *rules.AccountHistory) error {
		return r.account(ctx, h)
	}); err != nil {
		return fmt.Errorf("rebuild from the ledger: %w", err)
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	if err := r.settleTail(ctx, committed); err != nil {
		return err
	}
	// What this owner found to be decided is settled by now, so that it need not
	// be read again; NoHeads where it could not be trusted.
	return r.finish(ctx, headsAfter(headsAfter(marker.Heads, feed.Offsets(committed)), feed.Offsets(s.heads)))
}

// rebuild is the work of one Rebuild.
type rebuild struct {
	shard  *Shard
	marker rules.Marker
	tail   rules.Decision // what the rows behind the marker, and repairs, decide
	asked  askedBudgets   // by the rows of the account at hand behind the marker

	states         []AccountState
	members, known []uint64
	accounts       int
	bytes          int
	repaired       int
}

const (
	restoreAccounts = 500
	restoreBytes    = 1 << 20
)

func (r *rebuild) account(ctx context.Context, h *rules.AccountHistory) error {
	if h.AccountID == "" {
		return nil // erased: its sums stay in the ledger, its events are no more
	}
	a, tail, err := r.replay(h)
	if err != nil {
		return fmt.Errorf("account reference %x: %w", h.Ref, err)
	}
	behindMarker := len(h.Set) > 0 && h.Set[len(h.Set)-1].Seq > r.marker.LastSeq
	switch {
	case len(h.Set) == 0:
	case len(h.Grants) > 0 || bool(r.asked) || !behindMarker && !agrees(a, h):
		if err := r.repair(a, h, behindMarker); err != nil {
			return fmt.Errorf("account reference %x: %w", h.Ref, err)
		}
	case behindMarker:
		r.take(h, tail)
	default:
		// A repair, once, may have told more than the set does.
		a.AdoptTold(h.Told)
	}
	r.states = append(r.states, AccountState{ID: h.AccountID, Value: a.AppendBinary(nil)})
	r.bytes += len(r.states[len(r.states)-1].Value)
	r.accounts++
	if len(r.states) < restoreAccounts && r.bytes < restoreBytes {
		return nil
	}
	return r.flush(ctx)
}

// replay gives the account's state and what the rows behind the marker decide.
func (r *rebuild) replay(h *rules.AccountHistory) (a *rules.Account, tail *rules.Output, err error) {
	a, tail = rules.NewAccount(h.AccountID), new(rules.Output)
	r.shard.engine.SetBudgets(nil)
	r.asked = false
	member := memberHash(h.AccountID)
	for i := range h.Set {
		row := &h.Set[i]
		if row.Seq <= r.marker.LastSeq {
			tail.Reset()
		} else {
			r.shard.engine.SetBudgets(&r.asked)
		}
		switch row.Cause.Kind {
		case rules.CauseFact:
			err = r.replayFact(a, member, row, tail)
		case rules.CauseReferral:
			err = r.replayReferral(a, row, tail)
		default:
			err = r.replayEvent(a, member, row, tail)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s %q: %w", row.Cause.Kind, row.Cause.ID, err)
		}
		r.tail.LastSeq = max(r.tail.LastSeq, row.Seq)
	}
	return a, tail, nil
}

func (r *rebuild) replayEvent(a *rules.Account, member uint64, row *rules.SetRow, out *rules.Output) error {
	var ev rules.Event
	if err := ev.UnmarshalBinary(row.Payload); err != nil {
		return err
	}
	ev.AccountID = a.ID()
	r.known = appendKnown(r.known, member, &ev)
	_, err := r.shard.engine.ApplyEvent(a, &ev, row.Cause, out)
	return err
}

func (r *rebuild) replayFact(a *rules.Account, member uint64, row *rules.SetRow, out *rules.Output) error {
	var f rules.Fact
	if err := f.UnmarshalBinary(row.Payload); err != nil {
		return err
	}
	f.AccountID = a.ID()
	if f.Type == rules.Enrolled {
		r.members = append(r.members, member)
	}
	_, err := r.shard.engine.ApplyFact(a, &f, row.Cause, out)
	return err
}

func (r *rebuild) replayReferral(a *rules.Account, row *rules.SetRow, out *rules.Output) error {
	var f rules.Referral
	if err := f.UnmarshalBinary(row.Payload); err != nil {
		return err
	}
	f.SponsorAccountID = a.ID()
	_, err := r.shard.engine.ApplyReferral(a, &f, row.Cause, out)
	return err
}

// take keeps what is to be booked, paid and told again.
func (r *rebuild) take(h *rules.AccountHistory, out *rules.Output) {
	r.shard.refs.refer(out, lengths{}, h.AccountID, h.Ref)
	r.tail.Accruals = append(r.tail.Accruals, out.Accruals...)
	r.tail.Instructions = append(r.tail.Instructions, out.Instructions...)
	r.tail.Referrals = append(r.tail.Referrals, out.Referrals...)
	r.tail.Grants = append(r.tail.Grants, out.Grants...)
}

// repair takes the ledger's word for what is booked, granted and told, and
// books the difference to what the set deserves. Where the account has asked no
// budget and nothing of it is behind the marker, a difference is a gap in what
// was booked, or another engine.
func (r *rebuild) repair(a *rules.Account, h *rules.AccountHistory, behindMarker bool) error {
	a.AdoptBooked(h.Booked)
	a.AdoptInstructed(h.InstructedMinor)
	a.AdoptGrants(h.Grants)
	a.AdoptTold(h.Told)
	r.shard.engine.SetBudgets(&r.asked)
	var out rules.Output
	if err := r.shard.engine.Repair(a, h.Set[len(h.Set)-1].Cause, &out); err != nil {
		return err
	}
	// What could not be asked for is asked for with the account's next record.
	out.Grants = slices.DeleteFunc(out.Grants, func(g rules.Grant) bool { return g.ChangeMinor == 0 })
	a.AdoptGrants(append(h.Grants, out.Grants...))
	if changes := len(out.Accruals) + len(out.Instructions) + len(out.Referrals) + len(out.Grants); changes > 0 && !behindMarker {
		r.repaired++
		r.shard.metrics.repairs.Inc()
	}
	r.take(h, &out)
	return nil
}

// askedBudgets note that they were asked, and give nothing: a rebuild can't draw
// on any, as what the shard has granted is not known before it has ended.
type askedBudgets bool

func (b *askedBudgets) Take(rules.BudgetKey, int64, int64) int64 {
	*b = true
	return 0
}

func (b *askedBudgets) GiveBack(rules.BudgetKey, int64) { *b = true }

// agrees reports whether what the state takes to be booked and instructed is
// what the ledger has.
func agrees(a *rules.Account, h *rules.AccountHistory) bool {
	instructed := maps.Clone(h.InstructedMinor)
	maps.DeleteFunc(instructed, func(_ money.Currency, minor int64) bool { return minor == 0 })
	return maps.Equal(bookedSums(a.Booked()), bookedSums(h.Booked)) && maps.Equal(a.InstructedMinor(), instructed)
}

func bookedSums(lines []rules.Accrual) map[rules.LineKey]rules.Sums {
	sums := make(map[rules.LineKey]rules.Sums, len(lines))
	for i := range lines {
		key := lines[i].Key()
		sum := sums[key].Plus(&lines[i])
		if sum == (rules.Sums{}) {
			delete(sums, key)
			continue
		}
		sums[key] = sum
	}
	return sums
}

func (r *rebuild) flush(ctx context.Context) error {
	if len(r.states) == 0 {
		return nil
	}
	s := r.shard
	err := s.retry(ctx, "restore", func(ctx context.Context) error {
		return s.edges.Accounts.Restore(ctx, s.source.Shard(), s.epoch, r.states, r.members, r.known)
	})
	r.states, r.members, r.known, r.bytes = r.states[:0], r.members[:0], r.known[:0], 0
	s.move() // it goes on, however many accounts there are
	s.log.Info("rebuilding the shard", "accounts", r.accounts)
	return err
}

// bankDedupes is how long the bank knows an instruction again by its id, with
// some days to spare: nothing older is sent again by itself.
const bankDedupes = 390 * 24 * time.Hour

// payAtOnce bounds the instructions, or referrals, of one call.
const payAtOnce = 1000

// settleTail pays, tells and books what the replay found missing, and pays and
// tells again whatever may not have been: all whose cause was not committed. It
// pays and tells first: what is booked alone would not be found missing the
// next time, and an instruction, or a referral, is the same whenever it is made.
func (r *rebuild) settleTail(ctx context.Context, committed rules.Heads) error {
	s := r.shard
	if err := r.payAll(ctx, r.tail.Instructions); err != nil {
		return err
	}
	if err := r.tellAll(ctx, r.tail.Referrals); err != nil {
		return err
	}
	if !r.tail.Empty() {
		if err := s.book(ctx, []*rules.Decision{&r.tail}); err != nil {
			return err
		}
	}
	if err := r.payAgain(ctx, committed); err != nil {
		return err
	}
	return r.tellAgain(ctx, committed)
}

func (r *rebuild) payAgain(ctx context.Context, committed rules.Heads) error {
	s := r.shard
	oldest := s.edges.Now().Add(-bankDedupes).UnixMilli()
	var unpaid []rules.Instruction
	var tooOld, erased int
	err := s.retry(ctx, "unpaid", func(ctx context.Context) error {
		unpaid, tooOld, erased = unpaid[:0], 0, 0
		return s.edges.Ledger.InstructionsFrom(ctx, s.source.Shard(), committed, func(i rules.Instruction) error {
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
	return r.payAll(ctx, unpaid)
}

func (r *rebuild) payAll(ctx context.Context, instructions []rules.Instruction) error {
	for chunk := range slices.Chunk(instructions, payAtOnce) {
		if err := r.shard.pay(ctx, []*rules.Decision{{Instructions: chunk}}); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuild) tellAgain(ctx context.Context, committed rules.Heads) error {
	s := r.shard
	var untold []rules.Referral
	var erased int
	err := s.retry(ctx, "untold", func(ctx context.Context) error {
		untold, erased = untold[:0], 0
		return s.edges.Ledger.ReferralsFrom(ctx, s.source.Shard(), committed, func(f rules.Referral) error {
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
		s.log.Error("referrals that may not have been told are not told again: their buyers were erased", "referrals", erased)
	}
	return r.tellAll(ctx, untold)
}

func (r *rebuild) tellAll(ctx context.Context, referrals []rules.Referral) error {
	for chunk := range slices.Chunk(referrals, payAtOnce) {
		if err := r.shard.tell(ctx, []*rules.Decision{{Referrals: chunk}}); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuild) finish(ctx context.Context, heads rules.Heads) error {
	s := r.shard
	marker := rules.Marker{Shard: s.source.Shard(), Batch: r.marker.Batch, Heads: heads, LastSeq: r.tail.LastSeq}
	err := s.retry(ctx, "finish rebuild", func(ctx context.Context) error {
		return s.edges.Accounts.FinishRebuild(ctx, s.source.Shard(), s.epoch, marker)
	})
	if err != nil {
		return err
	}
	s.heads, s.batch, s.lastSeq = marker.Heads, marker.Batch, marker.LastSeq
	s.metrics.rebuilds.Inc()
	s.log.Info("shard rebuilt", "accounts", r.accounts, "repaired", r.repaired, "heads", s.heads)
	return nil
}
