package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ristourne/processor/feed"
)

// LagMeter is a Source that knows how many records of each topic wait.
type LagMeter interface {
	Lag() [feed.NumTopics]int64
}

// EndMeter is a Source that knows when it had last given out all there was.
type EndMeter interface {
	ReadToEnd() [feed.NumTopics]time.Time
}

// Processor owns the shards that the group gives to this process.
type Processor struct {
	edges   Edges
	options Options
	metrics *Metrics
	log     *slog.Logger

	joined atomic.Bool
	mu     sync.Mutex
	shards map[*Shard]struct{}
	moved  map[int32]*atomic.Int64 // of each shard number that is ours, see Shard.moved
}

// New makes a processor.
func New(edges Edges, options Options, metrics *Metrics, log *slog.Logger) *Processor {
	return &Processor{edges: edges, options: options, metrics: metrics, log: log, shards: make(map[*Shard]struct{}), moved: make(map[int32]*atomic.Int64)}
}

// Run takes shards until ctx ends, and then settles what was decided.
func (p *Processor) Run(ctx context.Context, config feed.Config) error {
	return feed.Run(ctx, config, func(ctx context.Context, source *feed.Source) error {
		p.joined.Store(true)
		return p.own(ctx, source)
	})
}

// own runs one shard for as long as the generation lasts. A shard that was
// lost to another owner or whose step failed for good is claimed anew after a
// pause: within a generation it is ours, and nobody else will take it.
func (p *Processor) own(ctx context.Context, source Source) error {
	const pause = 3 * time.Second
	// One clock for all its lives: a shard that is claimed anew again and again
	// does not move.
	moved := new(atomic.Int64)
	moved.Store(p.edges.Now().UnixNano())
	p.mu.Lock()
	p.moved[source.Shard()] = moved
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.moved, source.Shard())
		p.mu.Unlock()
	}()
	for {
		err := p.runShard(ctx, source, moved)
		switch {
		case ctx.Err() != nil:
			if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, feed.ErrGenerationOver) {
				p.log.Warn("shard let go before everything was settled: its next owner settles the outbox", "shard", source.Shard(), "error", err)
			}
			return nil
		case errors.Is(err, ErrStop):
			return fmt.Errorf("shard %d: %w", source.Shard(), err)
		case errors.Is(err, ErrFenced):
			p.log.Warn("shard was claimed by another owner", "shard", source.Shard())
		default:
			p.log.Error("shard stopped, claiming it anew", "shard", source.Shard(), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (p *Processor) runShard(ctx context.Context, source Source, moved *atomic.Int64) error {
	s := NewShard(source, p.edges, p.options, p.metrics, p.log)
	s.moved = moved
	p.mu.Lock()
	p.shards[s] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.shards, s)
		p.mu.Unlock()
		p.metrics.letGo(source.Shard())
	}()
	return s.Run(ctx)
}

func (p *Processor) owned() []*Shard {
	p.mu.Lock()
	defer p.mu.Unlock()
	shards := make([]*Shard, 0, len(p.shards))
	for s := range p.shards {
		shards = append(shards, s)
	}
	slices.SortFunc(shards, func(a, b *Shard) int { return int(a.source.Shard() - b.source.Shard()) })
	return shards
}

// Ready reports whether the processor can take records, or why not.
func (p *Processor) Ready() error {
	snapshot, _ := p.edges.Catalogue.Current()
	switch {
	case snapshot == nil:
		return errors.New("no catalogue yet: publish one with `ristourne offers publish`")
	case !p.joined.Load():
		return errors.New("no shard was assigned yet")
	}
	return nil
}

// Live reports whether every shard has moved within the last stall: its offsets
// were committed, or there was nothing to read. A process that is up and
// doesn't move is not alive.
func (p *Processor) Live(stall time.Duration) error {
	now := p.edges.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, shard := range slices.Sorted(maps.Keys(p.moved)) {
		if idle := now.Sub(time.Unix(0, p.moved[shard].Load())); idle > stall {
			errs = append(errs, fmt.Errorf("shard %d has not moved for %s", shard, idle.Round(time.Second)))
		}
	}
	return errors.Join(errs...)
}
