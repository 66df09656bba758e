package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"ristourne/processor/outbox"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// This file decides what no record of the feed asks for: what a rebuild found to
// be undecided, and what a person has approved. It goes the way of every batch,
// by states and outbox in one script, so that it is decided once, whoever dies.

// unfinishedRow is a stored row of the set of which nothing that follows from it is
// stored: nobody knows what budgets give for it before they are asked.
type unfinishedRow struct {
	*rules.SetRow
	accountID string
}

// finishLater leaves rows until budgets can be asked. They are part of the account's set
// all the same: the filters must know them.
func (r *rebuild) finishLater(h *rules.AccountHistory, rows []rules.SetRow) error {
	for i := range rows {
		record, err := rows[i].Record(h.AccountID)
		if err != nil {
			return fmt.Errorf("%s at offset %d: %w", rows[i].Cause.Kind, rows[i].Cause.Offset, err)
		}
		r.know(h.AccountID, record)
		r.unfinished = append(r.unfinished, unfinishedRow{&rows[i], h.AccountID})
	}
	return nil
}

// finishRows decides stored rows, in their order. lastSeq is the shard's last row
// once all of them are decided.
func (s *Shard) finishRows(ctx context.Context, rows []unfinishedRow, lastSeq uint64) error {
	slices.SortFunc(rows, func(a, b unfinishedRow) int { return cmp.Compare(a.Seq, b.Seq) })
	if len(rows) > 0 {
		s.log.Info("deciding rows of which nothing was booked", "rows", len(rows))
	}
	for most := s.options.MaxAccounts; len(rows) > 0; {
		some, ids := firstOf(rows, most)
		seq := lastSeq
		if len(some) < len(rows) {
			seq = rows[len(some)].Seq - 1
		}
		_, err := s.decideApart(ctx, ids, seq, firstSeqs(some), func(accounts map[string]*engine.Account, out *rules.Output) error {
			for i := range some {
				if err := s.finishRow(accounts[some[i].accountID], some[i].SetRow, out); err != nil {
					return err
				}
			}
			return nil
		}, nil)
		if errors.Is(err, errTooLarge) && most > 1 {
			most /= 2
			continue
		}
		if err != nil {
			return fmt.Errorf("decide rows behind the marker: %w", err)
		}
		rows = rows[len(some):]
	}
	return nil
}

// firstSeqs is the first of the rows of each account.
func firstSeqs(rows []unfinishedRow) map[string]uint64 {
	first := make(map[string]uint64)
	for i := range rows {
		if _, found := first[rows[i].accountID]; !found {
			first[rows[i].accountID] = rows[i].Seq
		}
	}
	return first
}

func (s *Shard) finishRow(a *engine.Account, row *rules.SetRow, out *rules.Output) error {
	from := lengthsOf(out)
	if _, err := s.engine.Replay(a, row, out); err != nil {
		return fmt.Errorf("%s at offset %d: %w", row.Cause.Kind, row.Cause.Offset, err) // no id: it may look like a card number
	}
	s.refs.fill(out, from, a.ID(), row.AccountRef)
	return nil
}

// firstOf are as many of the first rows as belong to at most so many accounts.
func firstOf(rows []unfinishedRow, accounts int) (some []unfinishedRow, ids []string) {
	for i := range rows {
		if !slices.Contains(ids, rows[i].accountID) {
			if len(ids) == accounts {
				return rows[:i], ids
			}
			ids = append(ids, rows[i].accountID)
		}
	}
	return rows, ids
}

// decideApart decides something of the accounts, as a batch that moves no position,
// and delivers it. undecided is the first row of the ledger's set of each account
// that it decides; nil: all are decided. decide may be called several times, until no
// budget is short. check, where there is one, may refuse what comes of it: nothing is
// saved then.
func (s *Shard) decideApart(ctx context.Context, ids []string, lastSeq uint64, undecided map[string]uint64,
	decide func(map[string]*engine.Account, *rules.Output) error, check func(*rules.Decision) error,
) (*rules.Decision, error) {
	values, err := s.loadApart(ctx, ids, undecided)
	if err != nil {
		return nil, err
	}
	var out rules.Output
	accounts, err := s.decideWithBudgets(ctx, ids, values, decide, &out)
	if err != nil {
		return nil, err
	}
	d := &rules.Decision{
		Shard: s.source.Shard(), Batch: s.batch + 1, Positions: s.positions, LastSeq: lastSeq,
		Accruals: out.Accruals, Instructions: out.Instructions, Referrals: out.Referrals, Grants: out.Grants,
	}
	if check != nil {
		if err := check(d); err != nil {
			return nil, err
		}
	}
	save := Save{
		Shard: d.Shard, Epoch: s.epoch, Before: s.positions, After: s.positions, Batch: d.Batch, LastSeq: lastSeq,
		Outbox: outbox.Encode(nil, d), Spent: s.leases.appendSpent(nil),
	}
	bytes := len(save.Outbox)
	for _, id := range ids {
		state, links, err := s.fold(accounts[id])
		if err != nil {
			return nil, err
		}
		state.Value, state.Fresh = accounts[id].AppendBinary(nil), true
		save.Accounts, save.Known = append(save.Accounts, state), append(save.Known, links...)
		bytes += state.Bytes()
	}
	if bytes > s.options.MaxSaveBytes && len(ids) > 1 {
		return nil, errTooLarge
	}
	if err := s.retry(ctx, "save", func(ctx context.Context) error { return s.ports.Accounts.Save(ctx, &save) }); err != nil {
		return nil, err
	}
	s.batch, s.lastSeq, s.lastSave = d.Batch, lastSeq, s.ports.Now()
	s.leases.saved(d.Shard)
	return d, s.deliverApart(ctx, d)
}

// loadApart loads states that can be read: one that can't is made anew from the
// ledger, as on the way of the feed. Nothing is under way that is not booked.
func (s *Shard) loadApart(ctx context.Context, ids []string, undecided map[string]uint64) (values [][]byte, err error) {
	if err := s.retry(ctx, "load", func(ctx context.Context) (err error) {
		values, err = s.ports.Accounts.Load(ctx, s.source.Shard(), ids, nil)
		return err
	}); err != nil {
		return nil, err
	}
	unread := unreadable{undecided: undecided}
	for i, id := range ids {
		if values[i] == nil {
			continue
		}
		if values[i], err = s.wholeState(ctx, id, values[i]); errors.Is(err, errUnreadable) {
			unread.add(s.refs, id, err)
		} else if err != nil {
			return nil, err
		}
	}
	if unread.ids == nil {
		return values, nil
	}
	if err := s.restoreAll(ctx, &unread); err != nil {
		return nil, err
	}
	for i, id := range ids {
		if state := unread.states[id]; state != nil {
			values[i] = state
		}
	}
	return values, nil
}

// wholeState is the state of an account with what is put away of it.
func (s *Shard) wholeState(ctx context.Context, id string, value []byte) ([]byte, error) {
	a := engine.NewAccount(id)
	if err := a.UnmarshalBinary(value); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if !a.IsFolded() {
		return value, nil
	}
	pages, err := s.loadPages(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := a.Unfold(pages); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return a.AppendBinary(nil), nil
}

// decideWithBudgets decides until no budget is short that had more to give.
func (s *Shard) decideWithBudgets(ctx context.Context, ids []string, values [][]byte,
	decide func(map[string]*engine.Account, *rules.Output) error, out *rules.Output,
) (map[string]*engine.Account, error) {
	s.leases.open()
	for {
		accounts := make(map[string]*engine.Account, len(ids))
		for i, id := range ids {
			a := engine.NewAccount(id)
			if values[i] != nil {
				if err := a.UnmarshalBinary(values[i]); err != nil {
					return nil, fmt.Errorf("state of an account: %w", err)
				}
			}
			accounts[id] = a
		}
		out.Reset()
		if err := decide(accounts, out); err != nil {
			return nil, err
		}
		short := s.leases.short()
		if len(short) == 0 {
			return accounts, nil
		}
		if err := s.reserve(ctx, short); err != nil {
			return nil, err
		}
		s.leases.again()
	}
}

// deliverApart books and sends what was saved. Where it is cut off, whoever
// acquires the shard finds it in the outbox.
func (s *Shard) deliverApart(ctx context.Context, d *rules.Decision) error {
	if err := s.bookAndSend(ctx, []*rules.Decision{d}); err != nil {
		return err
	}
	return s.clear(ctx, d.Batch)
}
