package accounts

import (
	"fmt"
	"slices"
	"testing"

	"ristourne/processor"
	"ristourne/rules"
)

func (w *world) wantPages(id string, want ...string) {
	w.Helper()
	pages, err := w.store.LoadPages(w.Context(), shard12, id)
	w.must(err)
	var got []string
	for _, page := range pages {
		got = append(got, string(page))
	}
	if !slices.Equal(got, want) {
		w.Fatalf("pages of %s are %q, want %q", id, got, want)
	}
}

// What is put away of an account changes with its state: in the same script, refused
// with it, and gone with the generation that it is of.
func TestPagesChangeWithTheState(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ctx, epoch := w.Context(), w.acquired.Epoch
		pages := func(texts ...string) (pages [][]byte) {
			for _, text := range texts {
				pages = append(pages, []byte(text))
			}
			return pages
		}
		first, second := w.batch(1), w.batch(2)
		first.Accounts[0].Pages = pages("a0", "a1")
		first.Accounts[1].Pages = pages("b0")
		w.save(first)
		second.Accounts[0].Pages, second.Accounts[0].FirstPage = pages("a2"), 2
		w.save(second)
		w.wantPages("a", "a0", "a1", "a2")
		w.wantPages("b", "b0")
		w.wantPages("c")
		w.wantStates("a2", "b2")

		behind := w.batch(2)
		behind.Before[0], behind.Accounts[0].Fresh, behind.Batch = 7, true, 3
		behind.After[0] = 8
		w.wantError(w.store.Save(ctx, behind), processor.ErrStateBehindLedger)
		w.wantPages("a", "a0", "a1", "a2")

		third := w.batch(3)
		third.Accounts[0].Fresh, third.Accounts[0].Pages = true, pages("whole")
		third.Accounts[1].Fresh = true
		w.save(third)
		w.wantPages("a", "whole")
		w.wantPages("b")

		w.must(w.store.BeginRebuild(ctx, shard12, epoch))
		w.wantPages("a")
		states := []processor.AccountState{{ID: "a", Value: []byte("a"), Pages: pages("r0", "r1")}, {ID: "b", Value: []byte("b")}}
		for range 2 {
			w.must(w.store.Restore(ctx, shard12, epoch, states, nil, nil))
		}
		w.must(w.store.FinishRebuild(ctx, shard12, epoch, rules.Marker{Shard: shard12, Positions: rules.Positions{1, 1, 1, 1}, Batch: 1}))
		w.wantPages("a", "r0", "r1")
		w.wantStates("a", "b")
		gone, err := w.store.sweep(ctx, shard12)
		w.must(err)
		if gone != 3 {
			w.Errorf("%d keys of former generations are deleted, want two states and the pages of one", gone)
		}
		w.wantPages("a", "r0", "r1")
	})
}

// Many pages of many accounts fit into one save.
func TestManyPages(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.batch(1)
		s.Accounts = nil
		for i := range 50 {
			state := processor.AccountState{ID: fmt.Sprint("m", i), Value: []byte("state"), Fresh: i%2 == 0}
			for n := range i {
				state.Pages = append(state.Pages, fmt.Appendf(nil, "%d of %d", n, i))
			}
			s.Accounts = append(s.Accounts, state)
		}
		w.save(s)
		for i := range 50 {
			var want []string
			for n := range i {
				want = append(want, fmt.Sprintf("%d of %d", n, i))
			}
			w.wantPages(fmt.Sprint("m", i), want...)
		}
	})
}
