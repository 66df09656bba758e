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
)

// handClock is a clock that the test moves.
type handClock struct{ nanos atomic.Int64 }

func (c *handClock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *handClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// downAccounts is a Redis that nobody reaches.
type downAccounts struct{ Accounts }

func (downAccounts) Claim(context.Context, int32) (Claim, error) {
	return Claim{}, errors.New("connection refused")
}

// A process that is up and whose shard stands still is not alive, however
// often it tries to claim the shard anew.
func TestAShardThatCannotBeClaimedIsNotAlive(t *testing.T) {
	clock := new(handClock)
	clock.advance(time.Hour)
	edges := pureEdges(t, aTown())
	edges.Accounts, edges.Now = downAccounts{}, clock.now
	options := DefaultOptions()
	options.AccountRefKey, options.RetryMax = make([]byte, 32), time.Millisecond
	p := New(edges, options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))

	ctx, cancel := context.WithCancel(t.Context())
	owned := make(chan error, 1)
	go func() { owned <- p.own(ctx, shardZero{}) }()
	for len(p.owned()) == 0 { // until it has begun
		time.Sleep(time.Millisecond)
	}
	if err := p.Live(2 * time.Minute); err != nil {
		t.Errorf("at once: %v", err)
	}
	clock.advance(3 * time.Minute)
	if err := p.Live(2 * time.Minute); err == nil || !strings.Contains(err.Error(), "shard 0 has not moved for 3m0s") {
		t.Errorf("after three minutes: %v", err)
	}
	cancel()
	if err := <-owned; err != nil {
		t.Errorf("own ended with %v", err)
	}
	if err := p.Live(2 * time.Minute); err != nil {
		t.Errorf("a shard that is no longer ours: %v", err)
	}
}

// quietSource gives nothing, though so many records wait.
type quietSource struct {
	shardZero
	lag int64
}

func (quietSource) Next(_ context.Context, b *feed.Batch) error {
	b.Records, b.Next = b.Records[:0], feed.Offsets{-1, -1, -1, -1}
	return nil
}

func (s quietSource) Lag() (lag [feed.NumTopics]int64) {
	lag[feed.Transactions] = s.lag
	return lag
}

// Nothing to read is life; nothing that comes, though records wait, is not.
func TestAnIdleShardIsAliveUnlessRecordsWait(t *testing.T) {
	for _, lag := range []int64{0, 7} {
		clock := new(handClock)
		clock.advance(time.Hour)
		edges := pureEdges(t, aTown())
		edges.Now = clock.now
		options := DefaultOptions()
		options.AccountRefKey = make([]byte, 32)
		s := NewShard(quietSource{lag: lag}, edges, options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		clock.advance(time.Minute)
		if err := s.Decide(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		moved := clock.now().Sub(time.Unix(0, s.moved.Load())) == 0
		if want := lag == 0; moved != want {
			t.Errorf("with %d records waiting it moved: %v", lag, moved)
		}
	}
}
