package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ristourne/rules"
)

// errNoHistory says that an account has a state and the ledger nothing of it:
// going on from an empty one would forget what was decided.
var errNoHistory = errors.New("the ledger has nothing of an account that has a state in Redis")

// restoreUnreadable replaces the states that this program can't read, of another
// format or damaged, by what the ledger has of their accounts. Nobody else waits
// longer than that takes: a new format doesn't stop a shard, and needs no rebuild
// of all its accounts at once.
func (s *Shard) restoreUnreadable(ctx context.Context, w *window) error {
	var unread map[rules.AccountRef]int // to the account's place in the window
	var first error
	for i := range w.accounts {
		a := &w.accounts[i]
		if a.state == nil {
			a.state = rules.NewAccount(a.id)
		}
		if err := a.read(w.values[i]); err != nil {
			if unread == nil {
				unread, first = make(map[rules.AccountRef]int), err
			}
			unread[s.refs.ref(a.id)] = i
		}
	}
	if unread == nil {
		return nil
	}
	s.metrics.restored.Add(float64(len(unread)))
	s.log.Warn("states of accounts can't be read: they are made anew from the ledger. After an update of the program that is its way; else look at Redis",
		"accounts", len(unread), "error", first)
	if err := s.untilSettled(ctx); err != nil {
		return err
	}
	return s.retry(ctx, "restore accounts", func(ctx context.Context) error { return s.restore(ctx, w, unread) })
}

// restore makes the states of some accounts anew.
func (s *Shard) restore(ctx context.Context, w *window, unread map[rules.AccountRef]int) error {
	refs := make([]rules.AccountRef, 0, len(unread))
	for ref := range unread {
		refs = append(refs, ref)
	}
	r := rebuild{shard: s, marker: rules.Marker{LastSeq: s.lastSeq}}
	defer s.engine.SetBudgets(s.purse)
	restored := 0
	err := s.edges.Ledger.HistoriesOf(ctx, s.source.Shard(), refs, func(h *rules.AccountHistory) error {
		i, wanted := unread[h.Ref]
		if !wanted || len(h.Set) == 0 {
			return nil
		}
		h.AccountID = w.accounts[i].id
		a, err := r.restore(h, len(h.Set))
		if err != nil {
			return fmt.Errorf("account reference %x: %w", h.Ref, err)
		}
		w.values[i], w.accounts[i].restored = a.AppendBinary(nil), true
		restored++
		return nil
	})
	if err != nil {
		return err
	}
	if restored < len(unread) {
		return fmt.Errorf("%w: %w: %d accounts", rules.ErrNeedsPerson, errNoHistory, len(unread)-restored)
	}
	return nil
}

// untilSettled waits until everything that was saved is booked: before, the
// ledger does not know it.
func (s *Shard) untilSettled(ctx context.Context) error {
	const look = 10 * time.Millisecond
	waiting := s.pulse.begin("settle before accounts are restored", s.edges.Now())
	defer s.pulse.end(waiting)
	for s.backlog.unsettled() > 0 {
		waiting.turned.Store(s.edges.Now().UnixNano())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(look):
		}
	}
	return nil
}
