package accounts

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ristourne/processor"
	"ristourne/rules"
)

// sweepAll lets a process sweep until it has nothing more to do.
func (w *world) sweepAll(s *Store) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Sweep(ctx, slog.New(slog.DiscardHandler)) }()
	limit := time.After(time.Minute)
	for w.sweepIsDue() {
		select {
		case <-limit:
			w.Fatalf("states are left: %d", len(w.accountKeys()))
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	<-ended
}

func (w *world) sweepIsDue() bool {
	w.Helper()
	due, err := w.client.HExists(w.Context(), keysOf(w.prefix, shard12).owner, "sweep").Result()
	w.must(err)
	return due
}

// rebuilt fills the shard with so many accounts and rebuilds it with one.
func (w *world) rebuilt(accounts int) {
	w.Helper()
	ctx, epoch := w.Context(), w.acquired.Epoch
	states := make([]processor.AccountState, accounts)
	for i := range states {
		states[i] = processor.AccountState{ID: fmt.Sprint("old", i), Value: []byte("old")}
	}
	w.must(w.store.BeginRebuild(ctx, shard12, epoch))
	w.must(w.store.Restore(ctx, shard12, epoch, states, nil, nil))
	w.must(w.store.FinishRebuild(ctx, shard12, epoch, rules.Marker{Shard: shard12, Positions: rules.NoPositions}))
	w.must(w.store.BeginRebuild(ctx, shard12, epoch))
	w.must(w.store.Restore(ctx, shard12, epoch, []processor.AccountState{{ID: "new", Value: []byte("new")}}, nil, nil))
	w.must(w.store.FinishRebuild(ctx, shard12, epoch, rules.Marker{Shard: shard12, Positions: rules.Positions{1, 1, 1, 1}, Batch: 1}))
}

// crashing lets a process die after it has deleted for the first time.
type crashing struct {
	sha1    string
	stop    context.CancelFunc
	deleted int
}

func (*crashing) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*crashing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *crashing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		arguments := cmd.Args()
		if len(arguments) > 1 && (arguments[1] == c.sha1 || arguments[1] == sweepScript.source) && err == nil {
			c.deleted++
			c.stop()
		}
		return err
	}
}

// A rebuild doesn't wait until old states are deleted; a process that dies while it
// deletes leaves the rest to whoever acquires the shard next, also a rebuild ago.
func TestASweepGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		const old = 3 * unlinkedAtOnce
		w.rebuilt(old)
		if names := w.accountKeys(); len(names) != old+1 {
			w.Fatalf("%d states after the rebuild, want all %d old ones and the new one: it has waited for the sweep", len(names), old)
		}
		ctx, stop := context.WithCancel(w.Context())
		hook := &crashing{sha1: sweepScript.sha1, stop: stop}
		w.client.AddHook(hook)
		w.store.Sweep(ctx, slog.New(slog.DiscardHandler))
		left := len(w.accountKeys())
		if hook.deleted == 0 || left <= 1 || left > old {
			w.Fatalf("after the crash %d states are left, %d scripts have deleted: the test tells nothing", left, hook.deleted)
		}
		if !w.sweepIsDue() {
			w.Fatal("nothing says that a sweep is to be ended")
		}

		next := w.another()
		w.acquired = w.acquireBy(next)
		w.store = next
		w.sweepAll(next)
		if names := w.accountKeys(); len(names) != 1 || !strings.HasSuffix(names[0], ":new") {
			w.Errorf("left are %d states, want the new one alone: %.3q", len(names), names)
		}
		if got := w.load("new"); !slices.Equal(got, []string{"new"}) {
			w.Errorf("the state is %q", got)
		}
	})
}

// Redis fails over to a server that has not seen the rebuild: what a process believes
// to be old is all that there is.
func TestASweepLeavesWhatIsCurrentInARedisThatWasSetBack(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		owner := keysOf(w.prefix, shard12).owner
		w.rebuilt(10)
		generation, err := w.client.HGet(w.Context(), owner, "generation").Uint64()
		w.must(err)
		w.must(w.client.HSet(w.Context(), owner, "generation", generation-1).Err())
		w.sweepAll(w.store)
		olds := 0
		for _, name := range w.accountKeys() {
			if strings.Contains(name, fmt.Sprintf("a%d:old", generation-1)) {
				olds++
			}
		}
		if olds != 10 {
			w.Errorf("of 10 states of the current generation %d are left", olds)
		}
	})
}
