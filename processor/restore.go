package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"ristourne/rules"
)

// errNoHistory says that an account has a state and the ledger nothing of it:
// going on from an empty one would forget what was decided.
var errNoHistory = errors.New("the ledger has nothing of an account that has a state in Redis")

// unreadable are accounts of which what was loaded can't be read, and what is made of
// them.
type unreadable struct {
	ids    map[rules.AccountRef]string
	first  error             // of reading
	states map[string][]byte // made anew, by account id
	// undecided is, by account id, the number of the first row of the ledger's set
	// that is still to be decided; absent: all are.
	undecided map[string]uint64
}

func (u *unreadable) add(refs *accountRefs, id string, err error) {
	if u.ids == nil {
		u.ids, u.first = make(map[rules.AccountRef]string), err
	}
	u.ids[refs.ref(id)] = id
}

// restoreUnreadable replaces the states that this program can't read, of another
// format or damaged, by what the ledger has of their accounts. Nobody else waits
// longer than that takes: a new format doesn't stop a shard, and needs no rebuild
// of all its accounts at once.
func (s *Shard) restoreUnreadable(ctx context.Context, w *window) error {
	var unread unreadable
	for i := range w.accounts {
		a := &w.accounts[i]
		if a.state != nil {
			continue
		}
		if err := a.read(s.states.blank(a.id)); err != nil {
			unread.add(s.refs, a.id, err)
		}
	}
	if unread.ids == nil {
		return nil
	}
	if err := s.untilDelivered(ctx); err != nil {
		return err
	}
	if err := s.restoreAll(ctx, &unread); err != nil {
		return err
	}
	for i := range w.accounts {
		if state := unread.states[w.accounts[i].id]; state != nil {
			w.accounts[i].value, w.accounts[i].restored, w.accounts[i].damaged = state, true, false
		}
	}
	return nil
}

// restoreAll makes the states anew, and counts them. What the ledger must know for
// that is booked.
func (s *Shard) restoreAll(ctx context.Context, unread *unreadable) error {
	s.metrics.restored.Add(float64(len(unread.ids)))
	s.log.Warn("states of accounts can't be read: they are made anew from the ledger. After an update of the program that is its way; else look at Redis",
		"accounts", len(unread.ids), "error", unread.first)
	return s.retry(ctx, "restore accounts", func(ctx context.Context) error { return s.restore(ctx, unread) })
}

// restore makes the states of some accounts anew.
func (s *Shard) restore(ctx context.Context, unread *unreadable) error {
	unread.states = make(map[string][]byte, len(unread.ids))
	r := rebuild{shard: s, marker: rules.Marker{LastSeq: s.lastSeq}}
	defer s.engine.SetBudgets(s.leases)
	err := s.ports.Ledger.HistoriesOf(ctx, s.source.Shard(), slices.Collect(maps.Keys(unread.ids)), func(h *rules.AccountHistory) error {
		id, wanted := unread.ids[h.Ref]
		if !wanted || len(h.Set) == 0 {
			return nil
		}
		h.AccountID = id
		if from, some := unread.undecided[id]; some {
			h.Set = h.Set[:sort.Search(len(h.Set), func(i int) bool { return h.Set[i].Seq >= from })]
		}
		a, err := r.restore(h, len(h.Set))
		if err != nil {
			return fmt.Errorf("account reference %x: %w", h.Ref, err)
		}
		unread.states[id] = a.AppendBinary(nil)
		return nil
	})
	if err != nil {
		return err
	}
	if missing := len(unread.ids) - len(unread.states); missing > 0 {
		return fmt.Errorf("%w: %w: %d accounts", rules.ErrNeedsPerson, errNoHistory, missing)
	}
	return nil
}

// untilDelivered waits until everything that was saved is booked: before, the
// ledger does not know it.
func (s *Shard) untilDelivered(ctx context.Context) error {
	const look = 10 * time.Millisecond
	waiting := s.pulse.begin("deliver before accounts are restored", s.ports.Now())
	defer s.pulse.end(waiting)
	for s.backlog.undelivered() > 0 {
		waiting.turned.Store(s.ports.Now().UnixNano())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(look):
		}
	}
	return nil
}
