package pipelinetest

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// The pipeline is killed before and after every call it makes to the world,
// one point a run, and must end with the ledger of a run without a kill.
func TestTheLedgerIsTheSameWhicheverStepIsKilled(t *testing.T) {
	t.Parallel()
	for _, moment := range moments() {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			w := newChaosWorld(t, chaosSeed)
			w.mustShare = true
			w.run(t, 1, func(int) *faults { return killAt(moment, occurrence(moment)) })
			w.check(t)
		})
	}
}

// moments are those before and after each call. A short run has those between two
// steps that money depends on.
func moments() []string {
	if testing.Short() {
		return []string{"before marker of book", "after draw", "after save", "after book", "after pay", "after tell", "before clear"}
	}
	moments := []string{"before marker of book"}
	for _, call := range []string{
		"claim", "filters", "marker", "last seq", "next", "load", "draw", "dead letters", "save", "holds", "book", "pay", "tell", "commit", "clear",
	} {
		moments = append(moments, "before "+call, "after "+call)
	}
	return moments
}

// chaosSeed is of a catalogue and records with many grants of budgets and many
// referrals.
const chaosSeed = 5

// occurrence is at which time the moment kills: an owner acquires once, and does
// the rest again and again.
func occurrence(moment string) int32 {
	switch strings.SplitN(moment, " ", 2)[1] {
	case "claim", "filters", "marker", "last seq":
		return 1
	}
	return 2
}

// A batch whose rows are booked and whose marker is not, and a Redis that has
// forgotten it: neither heads nor marker nor commits tell of it. Decided anew,
// with facts that have come since, its lines would be booked again under other
// causes.
func TestABatchBookedWithoutItsMarkerIsNotDecidedAnew(t *testing.T) {
	t.Parallel()
	w := newChaosWorld(t, 4)
	// Large windows, so that the very first batch has events too.
	w.feed.MaxRecords, w.options.MaxAccounts, w.options.MaxStateBytes = 4096, 500, 1<<20
	w.emptyOnce = true
	w.run(t, 1, func(int) *faults { return killAt("before marker of book", 1) })
	w.check(t)
}

// Anything may fail, stop, fall asleep and wake up when another owner has gone
// on, and Redis may lose what it was told last, or everything.
func TestTheLedgerSurvivesKillsZombiesAndALostRedis(t *testing.T) {
	t.Parallel()
	seeds := cmp.Or(*chaosSeeds, uint64(localserverstest.Cases(2, 6)))
	for seed := *chaosFirstSeed; seed < *chaosFirstSeed+seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newChaosWorld(t, seed)
			rng := rand.New(rand.NewPCG(seed, 7))
			w.loseRedis = true
			w.run(t, 12, func(int) *faults { return randomFaults(rng.Uint64()) })
			w.check(t)
		})
	}
}

// A failure names its seed: -chaos.first-seed 17 -chaos.seeds 1 runs it again.
var (
	chaosSeeds     = flag.Uint64("chaos.seeds", 0, "how many random runs; 0: two with -short, else six")
	chaosFirstSeed = flag.Uint64("chaos.first-seed", 41, "seed of the first random run")
)

// Errors that a part gives and that waiting mends block the shard and lose
// nothing, whether or not the call had its effect.
func TestTransientErrorsLoseNothing(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	w := newChaosWorld(t, chaosSeed)
	w.run(t, 1, func(int) *faults {
		rng := rand.New(rand.NewPCG(99, 1))
		var mutex sync.Mutex
		return &faults{at: func(string) verdict {
			mutex.Lock()
			defer mutex.Unlock()
			if rng.IntN(5) == 0 {
				return failOnce
			}
			return goOn
		}}
	})
	w.check(t)
}

// chaosTimeout bounds one run; it takes seconds.
const chaosTimeout = 2 * localserverstest.WaitLimit

// verdict is what befalls a call.
type verdict int

const (
	goOn verdict = iota
	failOnce
	kill
	sleep
)

var (
	errKilled    = fmt.Errorf("killed by the test: %w", processor.ErrStop)
	errTransient = errors.New("transient, says the test")
)

// faults decide what befalls each call of one incarnation of a shard's owner.
// A dead incarnation does nothing any more; a sleeping one does nothing until
// it is woken, when its session in Kafka is over.
type faults struct {
	at func(point string) verdict

	dead    atomic.Bool
	revoked atomic.Bool
	asleep  sync.Once
	sleeps  chan struct{} // closed when it falls asleep
	wake    chan struct{}
	resting atomic.Bool
}

func (f *faults) init() *faults {
	f.sleeps, f.wake = make(chan struct{}), make(chan struct{})
	return f
}

// call runs do between the two moments at which something can happen.
func (f *faults) call(point string, do func() error) error {
	if err := f.happen("before " + point); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return f.happen("after " + point)
}

func (f *faults) happen(moment string) error {
	if f.resting.Load() {
		<-f.wake
	}
	if f.dead.Load() {
		return errKilled
	}
	switch f.at(moment) {
	case kill:
		f.dead.Store(true)
		return errKilled
	case failOnce:
		if strings.HasSuffix(moment, " next") {
			return nil // the feed retries by itself: its errors last
		}
		return errTransient
	case sleep:
		f.asleep.Do(func() {
			f.resting.Store(true)
			close(f.sleeps)
		})
		<-f.wake
	}
	return nil
}

// session guards calls that need the generation in Kafka: a zombie's is over.
func (f *faults) session() error {
	if f.revoked.Load() {
		return fmt.Errorf("%w: %w", feed.ErrGenerationOver, processor.ErrStop)
	}
	return nil
}

func killAt(moment string, occurrence int32) *faults {
	var seen atomic.Int32
	return (&faults{at: func(m string) verdict {
		if m == moment && seen.Add(1) == occurrence {
			return kill
		}
		return goOn
	}}).init()
}

func randomFaults(seed uint64) *faults {
	rng := rand.New(rand.NewPCG(seed, 3))
	var mutex sync.Mutex
	return (&faults{at: func(string) verdict {
		mutex.Lock()
		defer mutex.Unlock()
		switch n := rng.IntN(200); {
		case n < 3:
			return kill
		case n < 5:
			return sleep
		case n < 12:
			return failOnce
		}
		return goOn
	}}).init()
}

// The wrappers put faults around the real parts.

type faultySource struct {
	processor.Source
	faults *faults
}

func (s faultySource) Next(ctx context.Context, b *feed.Batch) error {
	return s.faults.call("next", func() error {
		if err := s.faults.session(); err != nil {
			return err
		}
		return s.Source.Next(ctx, b)
	})
}

func (s faultySource) Commit(ctx context.Context, o rules.Positions, batch uint64) error {
	return s.faults.call("commit", func() error {
		if err := s.faults.session(); err != nil {
			return err
		}
		return s.Source.Commit(ctx, o, batch)
	})
}

type faultyAccounts struct {
	processor.Accounts
	faults *faults
}

func (a faultyAccounts) Acquire(ctx context.Context, shard int32) (c processor.Acquired, err error) {
	err = a.faults.call("claim", func() (err error) { c, err = a.Accounts.Acquire(ctx, shard); return err })
	return c, err
}

func (a faultyAccounts) Load(ctx context.Context, shard int32, ids []string, values [][]byte) (v [][]byte, err error) {
	err = a.faults.call("load", func() (err error) { v, err = a.Accounts.Load(ctx, shard, ids, values); return err })
	return v, err
}

func (a faultyAccounts) Save(ctx context.Context, s *processor.Save) error {
	return a.faults.call("save", func() error { return a.Accounts.Save(ctx, s) })
}

func (a faultyAccounts) StillDecided(ctx context.Context, shard int32, epoch int64, batch uint64) error {
	return a.faults.call("holds", func() error { return a.Accounts.StillDecided(ctx, shard, epoch, batch) })
}

func (a faultyAccounts) Intact(ctx context.Context, shard int32, epoch int64, heads rules.Positions, batch uint64) error {
	return a.faults.call("look", func() error { return a.Accounts.Intact(ctx, shard, epoch, heads, batch) })
}

func (a faultyAccounts) Clear(ctx context.Context, shard int32, epoch int64, upTo uint64) error {
	return a.faults.call("clear", func() error { return a.Accounts.Clear(ctx, shard, epoch, upTo) })
}

func (a faultyAccounts) Reserve(ctx context.Context, d processor.Reservation, booked func(context.Context) (map[int32]int64, error)) (drawn processor.Reserved, err error) {
	err = a.faults.call("draw", func() (err error) { drawn, err = a.Accounts.Reserve(ctx, d, booked); return err })
	return drawn, err
}

func (a faultyAccounts) Filters(ctx context.Context, shard int32, members, known func([]uint64)) error {
	return a.faults.call("filters", func() error { return a.Accounts.Filters(ctx, shard, members, known) })
}

func (a faultyAccounts) BeginRebuild(ctx context.Context, shard int32, epoch int64) error {
	return a.faults.call("begin rebuild", func() error { return a.Accounts.BeginRebuild(ctx, shard, epoch) })
}

func (a faultyAccounts) Restore(ctx context.Context, shard int32, epoch int64, s []processor.AccountState, m, k []uint64) error {
	return a.faults.call("restore", func() error { return a.Accounts.Restore(ctx, shard, epoch, s, m, k) })
}

func (a faultyAccounts) FinishRebuild(ctx context.Context, shard int32, epoch int64, m rules.Marker) error {
	return a.faults.call("finish rebuild", func() error { return a.Accounts.FinishRebuild(ctx, shard, epoch, m) })
}

type faultyLedger struct {
	processor.Ledger
	faults *faults
	world  *chaosWorld
}

// Book may be cut off between the rows and their marker.
func (l faultyLedger) Book(ctx context.Context, d ...*rules.Decision) error {
	return l.faults.call("book", func() error {
		if err := l.world.keepMarker(ctx); err != nil {
			return err
		}
		if err := l.Ledger.Book(ctx, d...); err != nil {
			return err
		}
		err := l.faults.happen("before marker of book")
		if err == nil || l.faults.resting.Load() {
			return err // while it slept another may have booked this, and what follows
		}
		return errors.Join(err, l.world.unmark(ctx))
	})
}

func (l faultyLedger) LastSeq(ctx context.Context, shard int32) (seq uint64, err error) {
	err = l.faults.call("last seq", func() (err error) { seq, err = l.Ledger.LastSeq(ctx, shard); return err })
	return seq, err
}

func (l faultyLedger) Marker(ctx context.Context, shard int32) (m rules.Marker, found bool, err error) {
	err = l.faults.call("marker", func() (err error) { m, found, err = l.Ledger.Marker(ctx, shard); return err })
	return m, found, err
}

type faultyInstructions struct {
	processor.InstructionWriter
	faults *faults
}

func (p faultyInstructions) WriteInstructions(ctx context.Context, i []rules.Instruction) error {
	return p.faults.call("pay", func() error { return p.InstructionWriter.WriteInstructions(ctx, i) })
}

type faultyReferrals struct {
	processor.ReferralPublisher
	faults *faults
}

func (p faultyReferrals) Publish(ctx context.Context, r []rules.Referral) error {
	return p.faults.call("tell", func() error { return p.ReferralPublisher.Publish(ctx, r) })
}

type faultyDeadLetters struct {
	processor.DeadLetters
	faults *faults
}

func (d faultyDeadLetters) Write(ctx context.Context, l []rules.DeadLetter) error {
	return d.faults.call("dead letters", func() error { return d.DeadLetters.Write(ctx, l) })
}

func (f *faults) around(e processor.Ports, w *chaosWorld) processor.Ports {
	e.Accounts = faultyAccounts{e.Accounts, f}
	e.Ledger = faultyLedger{e.Ledger, f, w}
	e.Instructions = faultyInstructions{e.Instructions, f}
	e.Referrals = faultyReferrals{e.Referrals, f}
	e.DeadLetters = faultyDeadLetters{e.DeadLetters, f}
	return e
}

// staticCatalogue is a catalogue that is complete for ever.
type staticCatalogue struct{ snapshot *engine.Snapshot }

func (c staticCatalogue) Current() (*engine.Snapshot, rules.Instant) {
	return c.snapshot, rules.MaxInstant
}
func (staticCatalogue) Await(context.Context, rules.Instant) error { return nil }

// run takes all records through one shard after another incarnation of its
// owner: the given number of them with faults, then one without.
func (w *chaosWorld) run(t *testing.T, incarnations int, next func(int) *faults) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), chaosTimeout)
	defer cancel()
	err := feed.Run(ctx, w.feed, func(ctx context.Context, source *feed.Source) error {
		var zombies []zombie
		for n := range incarnations {
			if w.finished(ctx, t) {
				break
			}
			zombies = append(zombies, w.incarnation(ctx, t, source, next(n).init())...)
			w.maybeLoseRedis(t)
			w.produceLater(t)
			if n%2 == 1 {
				wakeAll(zombies)
				zombies = nil
			}
		}
		w.last(ctx, t, source)
		wakeAll(zombies)
		cancel()
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !w.done.Load() {
		t.Fatal("the records were not all taken in time")
	}
}

// zombie is an incarnation that sleeps.
type zombie struct {
	faults *faults
	ended  chan error
}

func wakeAll(zombies []zombie) {
	for _, z := range zombies {
		close(z.faults.wake)
		<-z.ended
	}
}

// incarnation runs one owner until it dies, falls asleep or is done.
func (w *chaosWorld) incarnation(ctx context.Context, t *testing.T, source *feed.Source, f *faults) []zombie {
	owner := processor.NewShard(faultySource{source, f}, f.around(w.ports(t), w), w.options, w.metrics, quiet())
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- owner.Run(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			cancel()
			if !errors.Is(err, processor.ErrStop) && !errors.Is(err, processor.ErrStateBehindLedger) && !errors.Is(err, context.Canceled) {
				t.Errorf("the owner ended with: %v", err)
			}
			return nil
		case <-f.sleeps:
			f.revoked.Store(true)
			t.Cleanup(cancel)
			return []zombie{{f, ended}}
		case <-tick.C:
			if w.finished(ctx, t) {
				cancel()
			}
		}
	}
}

// last runs an owner without faults until every record is committed.
func (w *chaosWorld) last(ctx context.Context, t *testing.T, source *feed.Source) {
	f := (&faults{at: func(string) verdict { return goOn }}).init()
	w.incarnation(ctx, t, source, f)
	w.done.Store(w.finished(ctx, t))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
