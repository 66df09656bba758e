package processor

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/processor/feed"
	"ristourne/rules"
)

// handClock is a clock that the test moves.
type handClock struct{ nanos atomic.Int64 }

func (c *handClock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *handClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// downAccounts is a Redis that nobody reaches.
type downAccounts struct{ Accounts }

func (downAccounts) Acquire(context.Context, int32) (Acquired, error) {
	return Acquired{}, errors.New("connection refused")
}

func newTestProcessor(t *testing.T, ports Ports) *Processor {
	t.Helper()
	options := DefaultOptions()
	options.AccountRefKey, options.RetryMax = make([]byte, 32), time.Millisecond
	return New(ports, options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came")
		}
	}
}

// A shard that can't be acquired, as Redis is away, tries again and again: its
// process is alive, since another would do no better, and not ready, with the
// cause.
func TestAShardThatCannotBeAcquiredIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	clock := new(handClock)
	clock.advance(time.Hour)
	ports := purePorts(t, aTown())
	ports.Accounts, ports.Now = downAccounts{}, clock.now
	p := newTestProcessor(t, ports)
	p.joined(true)

	ctx, cancel := context.WithCancel(t.Context())
	owned := make(chan error, 1)
	go func() { owned <- p.own(ctx, shardZero{}) }()
	until(t, func() bool { return len(p.owned()) > 0 && valueOf(t, p.metrics.retries.WithLabelValues("claim")) > 0 })
	if err := p.Ready(2 * time.Minute); err != nil {
		t.Errorf("at once: %v", err)
	}
	clock.advance(3 * time.Minute)
	tries := valueOf(t, p.metrics.retries.WithLabelValues("claim"))
	until(t, func() bool { return valueOf(t, p.metrics.retries.WithLabelValues("claim")) > tries+2 })
	if err := p.Ready(2 * time.Minute); err == nil || !strings.Contains(err.Error(), "shard 0: has not moved for 3m0s: claim fails since 1970-01-01T01:00:00Z") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("after three minutes: %v", err)
	}
	if err := p.Live(2 * time.Minute); err != nil {
		t.Errorf("it tries again and again, and counts as dead: %v", err)
	}
	cancel()
	if err := <-owned; err != nil {
		t.Errorf("own ended with %v", err)
	}
	if err := errors.Join(p.Ready(2*time.Minute), p.Live(2*time.Minute)); err != nil {
		t.Errorf("a shard that is no longer ours: %v", err)
	}
}

// stuckAccounts never come back, whatever ctx says, until the test ends.
type stuckAccounts struct {
	Accounts
	called, free chan struct{}
}

func (s stuckAccounts) Acquire(context.Context, int32) (Acquired, error) {
	close(s.called)
	<-s.free
	return Acquired{}, ErrFenced
}

// What is stuck is mended by nothing but another process.
func TestACallThatNeverComesBackIsNotAlive(t *testing.T) {
	t.Parallel()
	clock := new(handClock)
	clock.advance(time.Hour)
	ports := purePorts(t, aTown())
	stuck := stuckAccounts{called: make(chan struct{}), free: make(chan struct{})}
	ports.Accounts, ports.Now = stuck, clock.now
	p := newTestProcessor(t, ports)
	ctx, cancel := context.WithCancel(t.Context())
	owned := make(chan error, 1)
	go func() { owned <- p.own(ctx, shardZero{}) }()
	<-stuck.called
	if err := p.Live(10 * time.Minute); err != nil {
		t.Errorf("at once: %v", err)
	}
	clock.advance(11 * time.Minute)
	if err := p.Live(10 * time.Minute); err == nil || !strings.Contains(err.Error(), "shard 0: claim has not come back for 11m0s") {
		t.Errorf("after eleven minutes: %v", err)
	}
	cancel()
	close(stuck.free)
	<-owned
}

// Ready is who is in the group and knows the catalogue: with a shard, as a
// standby without one, and after all shards have gone to others.
func TestWhoIsInTheGroupIsReady(t *testing.T) {
	t.Parallel()
	clock := new(handClock)
	clock.advance(time.Hour)
	ports := purePorts(t, aTown())
	ports.Now = clock.now
	p := newTestProcessor(t, ports)
	want := func(what, part string) {
		t.Helper()
		if err := p.Ready(time.Minute); (err == nil) != (part == "") || err != nil && !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", what, err, part)
		}
	}
	want("before it has joined", "not a member of the consumer group yet")
	p.joined(true)
	want("a standby", "")
	p.joined(false)
	want("while the group shares its shards anew", "")
	clock.advance(2 * time.Minute)
	want("thrown out of the group", "no member of the consumer group since 1970-01-01T01:00:00Z")
	p.joined(true)
	want("back", "")
	p.ports.Catalogue = wholeCatalogue{}
	want("without a catalogue", "no catalogue yet")
}

// quietSource gives nothing, though so many records wait.
type quietSource struct {
	shardZero
	lag int64
}

func (quietSource) Next(_ context.Context, b *feed.Batch) error {
	b.Records, b.Next = b.Records[:0], rules.Positions{-1, -1, -1, -1}
	return nil
}

func (s quietSource) Lag() (lag [rules.NumTopics]int64) {
	lag[rules.TopicTransactions] = s.lag
	return lag
}

// Nothing to read is life; nothing that comes, though records wait, is not.
func TestAnIdleShardIsAliveUnlessRecordsWait(t *testing.T) {
	t.Parallel()
	for _, lag := range []int64{0, 7} {
		clock := new(handClock)
		clock.advance(time.Hour)
		ports := purePorts(t, aTown())
		ports.Now, ports.Accounts = clock.now, &bareAccounts{}
		options := DefaultOptions()
		options.AccountRefKey = make([]byte, 32)
		s := NewShard(quietSource{lag: lag}, ports, options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		clock.advance(time.Minute)
		if err := s.Decide(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		moved := clock.now().Sub(time.Unix(0, s.pulse.progressedAt.Load())) == 0
		if want := lag == 0; moved != want {
			t.Errorf("with %d records waiting it moved: %v", lag, moved)
		}
	}
}
