package accounts

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor"
	"ristourne/rules"
)

const shard12 int32 = 12

// server is one kind of Redis that the same tests run against.
type server struct {
	name    string
	options func(testing.TB) Options
}

// servers are miniredis, and what the environment has: redis-server where it
// is on PATH, as one server and as a cluster of one.
func servers() []server {
	all := []server{
		{"miniredis", func(tb testing.TB) Options { return Options{Addrs: []string{miniredis.RunT(tb).Addr()}} }},
		{"redis", func(tb testing.TB) Options { return Options{Addrs: []string{localserverstest.Redis(tb).Addr}} }},
	}
	if path, err := exec.LookPath("redis-server"); err == nil {
		all = append(all, server{"cluster", func(tb testing.TB) Options { return sharedCluster.get(tb, path) }})
	}
	return all
}

// world is a shard in Redis and an owner of it.
type world struct {
	*testing.T
	client   redis.UniversalClient
	store    *Store
	prefix   string
	acquired processor.Acquired
}

// each runs the test against every server, with a shard that was just acquired.
func each(t *testing.T, test func(w *world)) {
	for _, server := range servers() {
		t.Run(server.name, func(t *testing.T) {
			client := Connect(server.options(t))
			t.Cleanup(func() { _ = client.Close() })
			w := &world{T: t, client: client, prefix: localserverstest.Prefix(t)}
			w.store = w.another()
			w.acquired = w.acquireBy(w.store)
			test(w)
		})
	}
}

// another is a store as a second process would have it.
func (w *world) another() *Store {
	w.Helper()
	store, err := New(w.client, w.prefix)
	w.must(err)
	return store
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantError(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("error %v, want %v", err, want)
	}
}

// empty deletes all that the world has in Redis. Others share the cluster, so that
// nothing is flushed.
func (w *world) empty() {
	w.Helper()
	deleted := 0
	for keys := w.client.Scan(w.Context(), 0, "*"+w.prefix+"*", 1000).Iterator(); keys.Next(w.Context()); deleted++ {
		w.must(w.client.Del(w.Context(), keys.Val()).Err())
	}
	if deleted == 0 {
		w.Fatal("there was nothing to empty")
	}
}

func (w *world) acquireBy(s *Store) processor.Acquired {
	w.Helper()
	acquired, err := s.Acquire(w.Context(), shard12)
	w.must(err)
	return acquired
}

func (w *world) load(ids ...string) []string {
	w.Helper()
	values, err := w.store.Load(w.Context(), shard12, ids, nil)
	w.must(err)
	var states []string
	for _, v := range values {
		states = append(states, string(v))
	}
	return states
}

func (w *world) filters() (members, known []uint64) {
	w.Helper()
	w.must(w.store.Filters(w.Context(), shard12,
		func(h []uint64) { members = append(members, h...) },
		func(h []uint64) { known = append(known, h...) }))
	return members, known
}

func (w *world) wantStates(want ...string) {
	w.Helper()
	if got := w.load("a", "b"); !slices.Equal(got, want) {
		w.Fatalf("states of a and b are %q, want %q", got, want)
	}
}

// batch is the nth batch of the shard: it sets the accounts a and b.
func (w *world) batch(n int64) *processor.Save {
	before := rules.NoPositions
	if n > 1 {
		before = rules.Positions{n - 1, -1, -1, 10 * (n - 1)}
	}
	s := &processor.Save{
		Shard: shard12, Epoch: w.acquired.Epoch, Before: before, Batch: uint64(n), After: rules.Positions{n, -1, -1, 10 * n}, LastSeq: uint64(2 * n),
		Accounts: []processor.AccountState{{ID: "a", Value: fmt.Appendf(nil, "a%d", n)}, {ID: "b", Value: fmt.Appendf(nil, "b%d", n)}},
		Outbox:   fmt.Appendf(nil, "blob %d", n),
		Members:  []uint64{uint64(n)}, Known: []uint64{uint64(n), 1 << 63},
	}
	s.Fates[rules.Booked], s.Fates[rules.Unmatched] = 2, 9
	return s
}

func (w *world) save(s *processor.Save) { w.Helper(); w.must(w.store.Save(w.Context(), s)) }

func TestClaimFindsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		if w.acquired.Positions != rules.NoPositions || w.acquired.Batch != 0 || w.acquired.LastSeq != 0 || w.acquired.Outbox != nil {
			w.Fatalf("acquired of a shard without state found %+v", w.acquired)
		}
		w.wantStates("", "")
		if members, known := w.filters(); members != nil || known != nil {
			w.Fatalf("filters hold %v and %v", members, known)
		}
	})
}

func TestClaimFindsWhatWasSaved(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for n := range int64(12) { // two digits: batches are ordered as numbers
			w.save(w.batch(n + 1))
		}
		w.must(w.store.Clear(w.Context(), shard12, w.acquired.Epoch, 9))
		acquired := w.acquireBy(w.another())
		if acquired.Epoch <= w.acquired.Epoch {
			w.Fatalf("epoch went from %d to %d", w.acquired.Epoch, acquired.Epoch)
		}
		if want := (rules.Positions{12, -1, -1, 120}); acquired.Positions != want || acquired.Batch != 12 || acquired.LastSeq != 24 {
			w.Fatalf("acquired is %+v", acquired)
		}
		if got := fmt.Sprintf("%s", acquired.Outbox); got != "[blob 10 blob 11 blob 12]" {
			w.Fatalf("outbox holds %s", got)
		}
		w.wantStates("a12", "b12")
		members, known := w.filters()
		if len(members) != 12 || members[11] != 12 || len(known) != 24 || known[23] != 1<<63 {
			w.Fatalf("filters hold %v and %v", members, known)
		}
		fates, err := w.store.Fates(w.Context(), shard12)
		w.must(err)
		if fates[rules.Booked] != 24 || fates[rules.Unmatched] != 108 || fates[rules.Waiting] != 0 {
			w.Fatalf("fates are %v", fates)
		}
	})
}

func TestZombieIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		owner := w.acquireBy(w.another())
		zombie, ctx := w.acquired.Epoch, w.Context()
		w.wantError(w.store.Save(ctx, w.batch(2)), processor.ErrFenced)
		w.wantError(w.store.Clear(ctx, shard12, zombie, 1), processor.ErrFenced)
		w.wantError(w.store.BeginRebuild(ctx, shard12, zombie), processor.ErrFenced)
		w.wantError(w.store.Restore(ctx, shard12, zombie, w.batch(2).Accounts, nil, nil), processor.ErrFenced)
		w.wantError(w.store.FinishRebuild(ctx, shard12, zombie, rules.Marker{}), processor.ErrFenced)

		w.wantStates("a1", "b1")
		head, err := w.store.Head(ctx, shard12)
		w.must(err)
		want := Head{Epoch: owner.Epoch, Positions: rules.Positions{1, -1, -1, 10}, Batch: 1, LastSeq: 2, Members: 1, Known: 2, Outbox: 1}
		if head != want {
			w.Fatalf("after the zombie the head is %+v, want %+v", head, want)
		}
	})
}

// TestRepeatedSave is what go-redis does when the answer of a script is lost.
func TestRepeatedSave(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		w.save(w.batch(1))
		quiet := &processor.Save{Shard: shard12, Epoch: w.acquired.Epoch, Before: w.batch(1).After, Batch: 1, After: rules.Positions{1, -1, -1, 99}, LastSeq: 2}
		quiet.Fates[rules.Unmatched] = 1
		w.save(quiet)
		w.save(quiet)
		fates, err := w.store.Fates(w.Context(), shard12)
		w.must(err)
		if fates[rules.Booked] != 2 || fates[rules.Unmatched] != 10 {
			w.Fatalf("a repeat was counted: %v", fates)
		}
		members, known := w.filters()
		if len(members) != 1 || len(known) != 2 {
			w.Fatalf("a repeat was added to the filters: %v, %v", members, known)
		}
		if acquired := w.acquireBy(w.store); acquired.Batch != 1 || len(acquired.Outbox) != 1 {
			w.Fatalf("acquired is %+v", acquired)
		}
	})
}

func TestAStateBehindTheLedger(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		k, ctx := keysOf(w.prefix, shard12), w.Context()
		older := w.client.HGetAll(ctx, k.head).Val()
		w.save(w.batch(2))

		w.must(w.client.Del(ctx, k.head).Err())
		w.must(w.client.HSet(ctx, k.head, older).Err())
		err := w.store.Save(ctx, w.batch(3))
		w.wantError(err, processor.ErrStateBehindLedger)
		for _, want := range []string{"1,-1,-1,10", "2,-1,-1,20", "shard 12", "batch 3"} {
			if !strings.Contains(err.Error(), want) {
				w.Errorf("error %q does not tell %q", err, want)
			}
		}
		w.must(w.client.Del(ctx, k.head).Err())
		w.wantError(w.store.Save(ctx, w.batch(3)), processor.ErrStateBehindLedger)
		if acquired := w.acquireBy(w.store); acquired.Positions != rules.NoPositions {
			w.Fatalf("acquired is %+v", acquired)
		}
	})
}

// TestEmptied empties Redis under an owner: nobody may pass for the owner by
// an epoch that is given out twice.
func TestEmptied(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		w.empty()
		w.wantError(w.store.Save(w.Context(), w.batch(2)), processor.ErrFenced)
		if acquired := w.acquireBy(w.another()); acquired.Epoch <= w.acquired.Epoch {
			w.Fatalf("epoch %d was given before %d, then Redis was emptied", acquired.Epoch, w.acquired.Epoch)
		}
	})
}

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		w.must(w.client.ScriptFlush(w.Context()).Err())
		w.save(w.batch(2))
		w.must(w.client.ScriptFlush(w.Context()).Err())
		w.must(w.store.Clear(w.Context(), shard12, w.acquired.Epoch, 2))
		w.wantStates("a2", "b2")
	})
}

// TestRefusedSaves are faults of the caller: nothing of them is written.
func TestRefusedSaves(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		for _, c := range []struct {
			what  string
			spoil func(*processor.Save)
		}{
			{"follow batch", func(s *processor.Save) { s.Batch = 7 }},
			{"follow batch", func(s *processor.Save) { s.Outbox = nil }},
			{"empty", func(s *processor.Save) { s.Accounts[1].Value = nil }},
			{"over the limit", func(s *processor.Save) { s.Accounts = make([]processor.AccountState, maxSaveAccounts+1) }},
			{"over the limit", func(s *processor.Save) { s.Outbox = make([]byte, maxSaveBytes+1) }},
			{"no position", func(s *processor.Save) { s.After, s.Outbox = s.Before, nil }},
			{"outbox is empty", func(s *processor.Save) { s.Outbox = []byte{} }},
		} {
			s := w.batch(2)
			c.spoil(s)
			for i := range s.Accounts {
				if c.what == "over the limit" {
					s.Accounts[i].Value = []byte("x")
				}
			}
			if err := w.store.Save(w.Context(), s); err == nil || !strings.Contains(err.Error(), c.what) {
				w.Errorf("error %v, want one that tells %q", err, c.what)
			}
		}
		w.wantStates("a1", "b1")
		w.save(w.batch(2))
	})
}

// TestAccountIDs have in them what could lead a key astray.
func TestAccountIDs(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ids := []string{"{7}", "}{", "a b", "été", "a:b", "*", "\x00\xff", "'\"\\", "x\r\ny", strings.Repeat("z", 64)}
		s := w.batch(1)
		s.Accounts = nil
		for _, id := range ids {
			s.Accounts = append(s.Accounts, processor.AccountState{ID: id, Value: []byte("state of " + id)})
		}
		w.save(s)
		states := w.load(append(ids, "nobody")...)
		for i, id := range ids {
			if states[i] != "state of "+id {
				w.Errorf("account %q has %q", id, states[i])
			}
			state, _, ok, err := w.store.State(w.Context(), shard12, id)
			if err != nil || !ok || string(state) != "state of "+id {
				w.Errorf("State of %q is %q, %v, %v", id, state, ok, err)
			}
		}
		if states[len(ids)] != "" {
			w.Errorf("nobody has %q", states[len(ids)])
		}
		if _, _, ok, err := w.store.State(w.Context(), shard12, "nobody"); ok || err != nil {
			w.Errorf("State of nobody: %v, %v", ok, err)
		}
	})
}

// TestLoadMany crosses the border between two MGETs.
func TestLoadMany(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.batch(1)
		s.Accounts = nil
		var ids []string
		for i := range 2*loadAccounts + 1 {
			ids = append(ids, fmt.Sprint("id", i))
			s.Accounts = append(s.Accounts, processor.AccountState{ID: ids[i], Value: []byte(ids[i])})
		}
		w.save(s)
		if got := w.load(ids...); !slices.Equal(got, ids) {
			w.Fatalf("loaded %d values, not those that were saved", len(got))
		}
	})
}

func TestFilterChunkBorder(t *testing.T) {
	t.Parallel()
	const perChunk = 1 << 20 / 8
	each(t, func(w *world) {
		var want []uint64
		for n, count := range []int{perChunk - 1, 3, perChunk - 2, 1, 2*perChunk + 5} {
			s := w.batch(int64(n + 1))
			s.Members, s.Known = nil, make([]uint64, count)
			for i := range s.Known {
				s.Known[i] = rand.Uint64()
			}
			want = append(want, s.Known...)
			w.save(s)
		}
		pieces := 0
		var got []uint64
		w.must(w.store.Filters(w.Context(), shard12, func([]uint64) {}, func(h []uint64) {
			pieces++
			got = append(got, h...)
		}))
		if !slices.Equal(got, want) {
			w.Fatalf("read %d hashes, want %d, or in another order", len(got), len(want))
		}
		if pieces != 5 {
			w.Fatalf("%d hashes came in %d pieces", len(want), pieces)
		}
		k := keysOf(w.prefix, shard12)
		for chunk := range pieces - 1 {
			if n := w.client.StrLen(w.Context(), k.chunk(k.known, chunk)).Val(); n != 1<<20 {
				w.Errorf("chunk %d has %d bytes", chunk, n)
			}
		}
		w.must(w.client.Del(w.Context(), k.chunk(k.known, 2)).Err())
		w.wantError(w.store.Filters(w.Context(), shard12, func([]uint64) {}, func([]uint64) {}), processor.ErrStateBehindLedger)
		w.must(w.store.BeginRebuild(w.Context(), shard12, w.acquired.Epoch))
		if _, known := w.filters(); known != nil {
			w.Errorf("%d hashes are left after the rebuild began", len(known))
		}
	})
}

func TestRebuild(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ctx, epoch := w.Context(), w.acquired.Epoch
		w.save(w.batch(1))
		stale := w.batch(2)
		stale.Accounts = append(stale.Accounts, processor.AccountState{ID: "c", Value: []byte("never booked")})
		w.save(stale)

		w.must(w.store.BeginRebuild(ctx, shard12, epoch))
		w.wantStates("", "")
		w.wantError(w.store.Save(ctx, w.batch(1)), processor.ErrStateBehindLedger)
		many := make([]uint64, restoreHashes+1)
		w.must(w.store.Restore(ctx, shard12, epoch, w.batch(1).Accounts[:1], []uint64{1}, many))
		w.must(w.store.Restore(ctx, shard12, epoch, w.batch(1).Accounts[1:], []uint64{2}, nil))
		marker := rules.Marker{Shard: shard12, Batch: 1, Positions: w.batch(1).After, LastSeq: 2}
		w.must(w.store.FinishRebuild(ctx, shard12, epoch, marker))
		w.must(w.store.FinishRebuild(ctx, shard12, epoch, marker)) // the answer was lost
		w.must(w.store.Intact(ctx, shard12, epoch, marker.Positions, marker.Batch))

		if got := w.load("a", "b", "c"); !slices.Equal(got, []string{"a1", "b1", ""}) {
			w.Errorf("states are %q", got)
		}
		if members, known := w.filters(); !slices.Equal(members, []uint64{1, 2}) || len(known) != len(many) {
			w.Errorf("filters hold %v and %d", members, len(known))
		}
		w.sweepAll(w.store)
		if names := w.accountKeys(); len(names) != 2 {
			w.Errorf("states of the older generation are left: %q", names)
		}
		if fates, err := w.store.Fates(ctx, shard12); err != nil || fates[rules.Booked] != 4 {
			w.Errorf("fates are %v, %v: a rebuild must leave them", fates, err)
		}
		if err := w.store.Restore(ctx, shard12, epoch, w.batch(2).Accounts, nil, nil); err == nil {
			w.Error("a state was restored when no rebuild was under way")
		}
		w.save(w.batch(2))
		if acquired := w.acquireBy(w.another()); acquired.Batch != 2 || len(acquired.Outbox) != 1 {
			w.Errorf("acquired after the rebuild is %+v", acquired)
		}
	})
}

// TestInterruptedRebuild breaks a rebuild off after each of its steps: the next
// owner must find a shard without positions, and none of the states.
func TestInterruptedRebuild(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		for steps := 1; steps <= 2; steps++ {
			w.must(w.store.BeginRebuild(w.Context(), shard12, w.acquired.Epoch))
			if steps > 1 {
				w.must(w.store.Restore(w.Context(), shard12, w.acquired.Epoch, w.batch(1).Accounts, []uint64{1}, []uint64{1}))
			}
			if head, err := w.store.Head(w.Context(), shard12); err != nil || !head.Rebuilding {
				w.Fatalf("head is %+v, %v", head, err)
			}
			zombie := w.acquired.Epoch
			w.acquired = w.acquireBy(w.store)
			if w.acquired.Positions != rules.NoPositions || w.acquired.Batch != 0 || w.acquired.Outbox != nil {
				w.Fatalf("after %d steps the acquired is %+v", steps, w.acquired)
			}
			w.wantStates("", "")
			w.wantError(w.store.FinishRebuild(w.Context(), shard12, zombie, rules.Marker{}), processor.ErrFenced)
			if err := w.store.FinishRebuild(w.Context(), shard12, w.acquired.Epoch, rules.Marker{}); err == nil {
				w.Fatal("a rebuild was finished that this owner did not begin")
			}
		}
		w.must(w.store.BeginRebuild(w.Context(), shard12, w.acquired.Epoch))
		w.must(w.store.FinishRebuild(w.Context(), shard12, w.acquired.Epoch, rules.Marker{Positions: rules.NoPositions}))
		w.sweepAll(w.store)
		if names := w.accountKeys(); len(names) != 0 {
			w.Errorf("states of broken-off rebuilds are left: %q", names)
		}
		w.save(w.batch(1))
	})
}

// TestFailoverDuringRebuild loses the writes that began a rebuild: positions and
// epoch may be what they were, but the states in Redis are those of before.
func TestFailoverDuringRebuild(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ctx, epoch, owner := w.Context(), w.acquired.Epoch, keysOf(w.prefix, shard12).owner
		w.save(w.batch(1))
		before := w.client.HGet(ctx, owner, "generation").Val()
		marker := rules.Marker{Shard: shard12, Batch: 1, Positions: w.batch(1).After, LastSeq: 2}
		w.must(w.store.BeginRebuild(ctx, shard12, epoch))
		w.must(w.client.HSet(ctx, owner, "generation", before).Err())
		if err := w.store.FinishRebuild(ctx, shard12, epoch, marker); err == nil {
			w.Error("a rebuild was finished whose beginning was lost")
		}
		w.must(w.store.BeginRebuild(ctx, shard12, epoch))
		w.must(w.store.FinishRebuild(ctx, shard12, epoch, marker))
		w.must(w.client.HSet(ctx, owner, "generation", before).Err())
		w.wantError(w.store.Save(ctx, w.batch(2)), processor.ErrStateBehindLedger)
	})
}

func (w *world) accountKeys() (names []string) {
	w.Helper()
	server, err := w.store.serverOf(w.Context(), keysOf(w.prefix, shard12).owner)
	w.must(err)
	names, err = server.Keys(w.Context(), keysOf(w.prefix, shard12).accounts+"*").Result()
	w.must(err)
	return names
}

// TestShardsAreApart: what one shard does is not seen in another.
func TestShardsAreApart(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		other, err := w.store.Acquire(w.Context(), 1)
		w.must(err)
		w.save(w.batch(1))
		s := w.batch(1)
		s.Shard, s.Epoch, s.Accounts[0].Value = 1, other.Epoch, []byte("other")
		w.save(s)
		w.must(w.store.BeginRebuild(w.Context(), 1, other.Epoch))
		w.must(w.store.FinishRebuild(w.Context(), 1, other.Epoch, rules.Marker{}))
		w.wantStates("a1", "b1")
		if acquired := w.acquireBy(w.store); acquired.Batch != 1 || len(acquired.Outbox) != 1 {
			w.Fatalf("acquired is %+v", acquired)
		}
	})
}

func TestAShardThatWasNotAcquired(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		if _, err := w.another().Load(w.Context(), shard12, []string{"a"}, nil); err == nil {
			w.Error("an account was loaded from a shard that this process never acquired")
		}
	})
}

// TestTimeout: a Redis that does not answer must not hold its caller up beyond
// the caller's own limit.
func TestTimeout(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ctx, cancel := context.WithDeadline(w.Context(), time.Now().Add(-time.Second))
		defer cancel()
		w.wantError(w.store.Save(ctx, w.batch(1)), context.DeadlineExceeded)
		w.wantStates("", "")
	})
}

func TestCheckEviction(t *testing.T) {
	t.Parallel()
	server := localserverstest.Redis(t)
	client := Connect(Options{Addrs: []string{server.Addr}})
	defer client.Close()
	store, err := New(client, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if server.Embedded() {
		return // miniredis has no such policy
	}
	for policy, refused := range map[string]bool{"allkeys-lru": true, "volatile-lru": false, "noeviction": false} {
		if err := client.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		if err := store.Check(t.Context()); (err != nil) != refused {
			t.Errorf("policy %s: %v", policy, err)
		}
	}
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	for prefix, good := range map[string]bool{"": true, "bank-1:test": true, "{x}": false, "a b": false, "a*": false} {
		if _, err := New(nil, prefix); (err == nil) != good {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

// TestAgainstModel lets two owners and a forgetful network work on a shard in
// any order, and compares all that can be seen with a model of a few lines.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		run := 0
		rapid.Check(w.T, func(t *rapid.T) {
			run++
			m := &model{t: t, prefix: fmt.Sprintf("%s-%d", w.prefix, run), states: map[string]string{}, outbox: map[uint64]string{}}
			for i := range m.stores {
				store, err := New(w.client, m.prefix)
				if err != nil {
					t.Fatal(err)
				}
				m.stores[i] = store
				m.acquire(i)
			}
			t.Repeat(map[string]func(*rapid.T){
				"claim": func(t *rapid.T) { m.t = t; m.acquire(m.owner()) },
				"save":  func(t *rapid.T) { m.t = t; m.save() },
				"clear": func(t *rapid.T) { m.t = t; m.clear() },
				"":      func(t *rapid.T) { m.t = t; m.check() },
			})
		})
	})
}

type model struct {
	t      *rapid.T
	prefix string
	stores [2]*Store
	epochs [2]int64

	epoch     int64
	positions rules.Positions
	batch     uint64
	states    map[string]string
	outbox    map[uint64]string
	booked    int64
	known     int
}

func (m *model) owner() int { return rapid.IntRange(0, 1).Draw(m.t, "owner") }

func (m *model) acquire(i int) {
	acquired, err := m.stores[i].Acquire(context.Background(), shard12)
	if err != nil {
		m.t.Fatal(err)
	}
	if m.epoch == 0 {
		m.positions = rules.NoPositions
	}
	if acquired.Epoch <= m.epoch || acquired.Positions != m.positions || acquired.Batch != m.batch || len(acquired.Outbox) != len(m.outbox) {
		m.t.Fatalf("acquired is %+v, the model %+v", acquired, m)
	}
	for n, batch := range slices.Sorted(maps.Keys(m.outbox)) {
		if string(acquired.Outbox[n]) != m.outbox[batch] {
			m.t.Fatalf("outbox holds %q where batch %d has %q", acquired.Outbox[n], batch, m.outbox[batch])
		}
	}
	m.epoch, m.epochs[i] = acquired.Epoch, acquired.Epoch
}

func (m *model) save() {
	i, t := m.owner(), m.t
	s := &processor.Save{Shard: shard12, Epoch: m.epochs[i], Before: m.positions, After: m.positions, Batch: m.batch}
	s.After[rapid.IntRange(0, 3).Draw(t, "topic")] += rapid.Int64Range(1, 1<<60).Draw(t, "records")
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "accounts") {
		s.Accounts = append(s.Accounts, processor.AccountState{ID: id, Value: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "state")})
		s.Known = append(s.Known, rapid.Uint64().Draw(t, "known"))
	}
	if len(s.Accounts) > 0 {
		s.Batch++
		s.Outbox = rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "outbox")
	}
	s.Fates[rules.Booked] = 1
	behind := rapid.IntRange(0, 9).Draw(t, "behind") == 0
	if behind {
		s.Before[0]--
	}
	err := m.stores[i].Save(context.Background(), s)
	switch {
	case m.epochs[i] != m.epoch:
		if !errors.Is(err, processor.ErrFenced) {
			t.Fatalf("save of a zombie: %v", err)
		}
		return
	case behind:
		if !errors.Is(err, processor.ErrStateBehindLedger) {
			t.Fatalf("save from other positions: %v", err)
		}
		return
	case err != nil:
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "answer lost") {
		if err := m.stores[i].Save(context.Background(), s); err != nil {
			t.Fatalf("repeat: %v", err)
		}
	}
	m.positions, m.batch = s.After, s.Batch
	m.booked++
	m.known += len(s.Known)
	if s.Outbox != nil {
		m.outbox[s.Batch] = string(s.Outbox)
	}
	for _, a := range s.Accounts {
		m.states[a.ID] = string(a.Value)
	}
}

func (m *model) clear() {
	i := m.owner()
	upTo := rapid.Uint64Range(0, m.batch).Draw(m.t, "up to")
	err := m.stores[i].Clear(context.Background(), shard12, m.epochs[i], upTo)
	if m.epochs[i] != m.epoch {
		if !errors.Is(err, processor.ErrFenced) {
			m.t.Fatalf("clear of a zombie: %v", err)
		}
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	maps.DeleteFunc(m.outbox, func(batch uint64, _ string) bool { return batch <= upTo })
}

func (m *model) check() {
	ctx := context.Background()
	head, err := m.stores[0].Head(ctx, shard12)
	if err != nil {
		m.t.Fatal(err)
	}
	if head.Epoch != m.epoch || head.Positions != m.positions || head.Batch != m.batch || head.Outbox != int64(len(m.outbox)) || head.Known != int64(m.known) {
		m.t.Fatalf("head is %+v, the model %+v", head, m)
	}
	fates, err := m.stores[0].Fates(ctx, shard12)
	if err != nil || fates[rules.Booked] != m.booked {
		m.t.Fatalf("fates are %v, %v, the model has %d", fates, err, m.booked)
	}
	for _, id := range []string{"a", "b", "c"} {
		if state, _, _, err := m.stores[0].State(ctx, shard12, id); err != nil || string(state) != m.states[id] {
			m.t.Fatalf("account %s has %q, %v, the model %q", id, state, err, m.states[id])
		}
	}
}

func BenchmarkSave(b *testing.B) {
	for _, server := range servers() {
		if server.name == "miniredis" {
			continue // its Lua is no measure
		}
		b.Run(server.name, func(b *testing.B) { benchmarkSave(b, server.options(b)) })
	}
}

func benchmarkSave(b *testing.B, o Options) {
	store, acquired, s := benchmarkStore(b, o)
	b.ReportAllocs()
	for b.Loop() {
		s.Epoch, s.Before = acquired.Epoch, s.After
		s.After[3]++
		s.Batch++
		if err := store.Save(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		if err := store.Clear(b.Context(), shard12, acquired.Epoch, s.Batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(s.Accounts))/b.Elapsed().Seconds(), "accounts/s")
}

func BenchmarkLoad(b *testing.B) {
	for _, server := range servers() {
		if server.name == "miniredis" {
			continue
		}
		b.Run(server.name, func(b *testing.B) { benchmarkLoad(b, server.options(b)) })
	}
}

func benchmarkLoad(b *testing.B, o Options) {
	store, acquired, s := benchmarkStore(b, o)
	s.Epoch, s.Before, s.After, s.Batch = acquired.Epoch, rules.NoPositions, rules.Positions{1, 1, 1, 1}, 1
	if err := store.Save(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	var ids []string
	for _, a := range s.Accounts {
		ids = append(ids, a.ID)
	}
	var values [][]byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if values, err = store.Load(b.Context(), shard12, ids, values[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(ids))/b.Elapsed().Seconds(), "accounts/s")
}

func benchmarkStore(b *testing.B, o Options) (*Store, processor.Acquired, *processor.Save) {
	client := Connect(o)
	b.Cleanup(func() { _ = client.Close() })
	store, err := New(client, localserverstest.Prefix(b))
	if err != nil {
		b.Fatal(err)
	}
	acquired, err := store.Acquire(b.Context(), shard12)
	if err != nil {
		b.Fatal(err)
	}
	s := &processor.Save{Shard: shard12, After: rules.NoPositions, Outbox: bytes.Repeat([]byte("outbox"), 30_000)}
	s.Fates[rules.Booked] = 500
	for i := range 500 {
		id := fmt.Sprintf("account-%08d", i)
		s.Accounts = append(s.Accounts, processor.AccountState{ID: id, Value: bytes.Repeat([]byte(id[:12]), 50)})
		s.Known = append(s.Known, binary.LittleEndian.Uint64([]byte(id)), uint64(i))
	}
	return store, acquired, s
}

// Accounts move to other shards when partitions are added: their states and
// histories would not be found there, and everything would be booked again.
func TestAnotherNumberOfShardsIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.must(w.store.HoldShards(w.Context(), 12))
		w.must(w.another().HoldShards(w.Context(), 12))
		w.wantError(w.another().HoldShards(w.Context(), 13), ErrShardsChanged)
	})
}

// A command's work is not broken off by the owner beside it, which is told for
// whom it waits; and one that has died holds up nobody for long.
func TestALeaseKeepsEverybodyElseOut(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		command, ctx := w.another(), t.Context()
		acquired, err := command.AcquireLeased(ctx, shard12, "ada (process 1)", time.Minute)
		w.must(err)
		w.must(command.BeginRebuild(ctx, shard12, acquired.Epoch))
		for _, acquireIt := range []func() (processor.Acquired, error){
			func() (processor.Acquired, error) { return w.store.Acquire(ctx, shard12) },
			func() (processor.Acquired, error) { return w.store.AcquireLeased(ctx, shard12, "bob", time.Minute) },
		} {
			_, err := acquireIt()
			var leased *processor.LeasedError
			if !errors.As(err, &leased) || leased.By != "ada (process 1)" || !leased.Until.After(leased.Since) || !strings.Contains(err.Error(), "held by ada") {
				t.Fatalf("acquired beside the lease: %v", err)
			}
		}
		if again, err := command.AcquireLeased(ctx, shard12, "ada (process 1)", time.Minute); err != nil || again.Epoch <= acquired.Epoch {
			t.Errorf("its holder, who has lost the answer: %+v, %v", again, err)
		} else {
			acquired = again
		}
		w.must(command.BeginRebuild(ctx, shard12, acquired.Epoch))
		w.must(command.RenewLease(ctx, shard12, acquired.Epoch, time.Minute))
		w.must(command.FinishRebuild(ctx, shard12, acquired.Epoch, rules.Marker{Shard: shard12, Batch: 1, Positions: rules.Positions{1, 1, 1, 1}}))
		w.must(command.RenewLease(ctx, shard12, acquired.Epoch, 0))
		if _, err := w.store.Acquire(ctx, shard12); err != nil {
			t.Errorf("after the command: %v", err)
		}
		if err := command.RenewLease(ctx, shard12, acquired.Epoch, time.Minute); !errors.Is(err, processor.ErrFenced) {
			t.Errorf("a lease that was given up is renewed: %v", err)
		}

		_, err = command.AcquireLeased(ctx, shard12, "dies", 50*time.Millisecond)
		w.must(err)
		for limit := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			if _, err := w.store.Acquire(ctx, shard12); err == nil {
				break
			} else if time.Now().After(limit) {
				t.Fatalf("the lease of a command that has died: %v", err)
			}
		}
	})
}

// A batch that moves no position is told by its number: a repeat changes nothing more.
func TestABatchThatMovesNoHeadMayBeRepeated(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.save(w.batch(1))
		apart := w.batch(2)
		apart.After = apart.Before
		apart.Fates = [rules.NumFates]int64{}
		w.save(apart)
		w.save(apart)
		w.wantStates("a2", "b2")
		if acquired := w.acquireBy(w.store); acquired.Batch != 2 || len(acquired.Outbox) != 2 || acquired.Positions != apart.Before {
			w.Fatalf("acquired is %+v", acquired)
		}
	})
}

// A wrong password is no server that is about to come up.
func TestARefusedPasswordIsToldAtOnce(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	server.RequireAuth("right")
	for _, password := range []string{"wrong", ""} {
		client := Connect(Options{Addrs: []string{server.Addr()}, Password: password})
		t.Cleanup(func() { _ = client.Close() })
		store, err := New(client, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Check(t.Context()); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "redis.password") {
			t.Errorf("password %q: %v", password, err)
		}
	}
}

// An owner that saves nothing for a while asks whether Redis still has its shard.
func TestIntact(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		intact := func(batch uint64) error {
			return w.store.Intact(w.Context(), shard12, w.acquired.Epoch, w.batch(int64(batch)).After, batch)
		}
		w.must(w.store.Intact(w.Context(), shard12, w.acquired.Epoch, rules.NoPositions, 0))
		w.save(w.batch(1))
		w.save(w.batch(2))
		w.must(intact(2))
		w.wantError(intact(3), processor.ErrStateBehindLedger) // a save that Redis has lost

		other := w.another()
		w.store.SetOwner("ours", "process 1 on a")
		other.SetOwner("theirs", "process 2 on b")
		w.acquireBy(other)
		var fenced *processor.FencedError
		if err := intact(2); !errors.As(err, &fenced) || !errors.Is(err, processor.ErrFenced) || !fenced.Foreign || fenced.Group != "theirs" || fenced.Process != "process 2 on b" {
			w.Errorf("shut out by another group: %v", err)
		}
		other.SetOwner("ours", "process 2 on b")
		w.acquireBy(other)
		if err := w.store.Clear(w.Context(), shard12, w.acquired.Epoch, 1); !errors.As(err, &fenced) || fenced.Foreign || fenced.Process != "process 2 on b" {
			w.Errorf("shut out by another process of the group: %v", err)
		}

		k := keysOf(w.prefix, shard12)
		w.must(w.client.Del(w.Context(), k.owner, k.head, k.outbox).Err())
		w.wantError(intact(2), processor.ErrStateBehindLedger)
	})
}
