package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"ristourne/processor/feed"
)

// Processor owns the shards that the group gives to this process.
type Processor struct {
	ports   Ports
	options Options
	metrics *Metrics
	log     *slog.Logger

	mu       sync.Mutex
	shards   map[*Shard]struct{}
	pulses   map[int32]*pulse // of each shard number that is ours
	member   bool             // of the group, now
	memberAt time.Time        // when that began or ended; zero: it never was
	layout   feed.Layout      // by which accounts lie in shards
	unread   unread
}

// New makes a processor.
func New(ports Ports, options Options, metrics *Metrics, log *slog.Logger) *Processor {
	return &Processor{ports: ports, options: options, metrics: metrics, log: log, shards: make(map[*Shard]struct{}), pulses: make(map[int32]*pulse)}
}

// Run takes shards until ctx ends, and then delivers what was decided.
func (p *Processor) Run(ctx context.Context, config feed.Config) error {
	config.Joined, config.Unread = p.joined, p.tellUnread
	hold := config.HoldShards
	config.HoldShards = func(ctx context.Context, partitions int) (int, error) {
		shards := partitions
		if hold != nil {
			var err error
			if shards, err = hold(ctx, partitions); err != nil {
				return 0, err
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.layout = feed.NewLayout(shards)
		return shards, nil
	}
	return feed.Run(ctx, config, func(ctx context.Context, source *feed.Source) error {
		return p.own(ctx, source)
	})
}

// joined is told when this process becomes a member of the group, with or without
// a shard, and when a generation ends.
func (p *Processor) joined(member bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.member, p.memberAt = member, p.ports.Now()
}

// own runs one shard for as long as the generation lasts. A shard that was
// lost to another owner or whose step failed for good is acquired anew after a
// pause: within a generation it is ours, and nobody else will take it. Its
// neighbours go on.
func (p *Processor) own(ctx context.Context, source Source) error {
	pulse := newPulse(p.ports.Now()) // one for all its lives: a shard that is acquired again and again does not move
	p.mu.Lock()
	p.pulses[source.Shard()] = pulse
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pulses, source.Shard())
		p.mu.Unlock()
	}()
	var rests rests
	for {
		began := p.ports.Now()
		err := p.runShard(ctx, source, pulse)
		switch {
		case ctx.Err() != nil:
			if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, feed.ErrGenerationOver) {
				p.log.Warn("shard let go before everything was delivered: its next owner delivers the outbox", "shard", source.Shard(), "error", err)
			}
			return nil
		case errors.Is(err, ErrStop):
			return fmt.Errorf("shard %d: %w", source.Shard(), err)
		}
		now := p.ports.Now()
		pause := rests.after(now.Sub(began))
		p.failed(source.Shard(), pulse, now, err, pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pulse.stops(now, nil)
	}
}

// failed tells of a shard that has stopped: one line that says what to do.
func (p *Processor) failed(shard int32, pulse *pulse, now time.Time, err error, pause time.Duration) {
	if err == nil {
		err = errors.New("it ended though nobody asked it to")
	}
	f := failureOf(err)
	pulse.stops(now, err)
	p.metrics.shardFailures.WithLabelValues(strconv.Itoa(int(shard)), f.reason).Inc()
	level := slog.LevelError
	if f.reason == "fenced" {
		level = slog.LevelWarn // the usual way when a shard moves to another process
	}
	p.log.Log(context.Background(), level, "shard stopped, the others go on", "shard", shard, "reason", f.reason,
		"what_to_do", f.remedy, "acquired_anew_in", pause, "error", err)
}

func (p *Processor) runShard(ctx context.Context, source Source, pulse *pulse) error {
	s := NewShard(source, p.ports, p.options, p.metrics, p.log)
	s.pulse = pulse
	p.mu.Lock()
	s.layout, s.shards = p.layout, p.count
	p.shards[s] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.shards, s)
		p.mu.Unlock()
		p.metrics.letGo(source.Shard())
	}()
	return guarded(func() error { return s.Run(ctx) })()
}

// count is how many shards this process has.
func (p *Processor) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.shards)
}

// Owns reports whether this process has the shard now. It may have lost it by the
// time this returns.
func (p *Processor) Owns(shard int32) bool {
	return slices.ContainsFunc(p.owned(), func(s *Shard) bool { return s.source.Shard() == shard })
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

// rejoinPatience is how long a process may be between two generations of the
// group and still count as a member: so long a rebalance may take.
const rejoinPatience = time.Minute

// Ready reports whether the processor takes records, or would take them if it
// were given a shard; or why not, a line for each cause. A shard of ours that has
// stopped, or has not moved within the last stall, is one; records that lie where no
// shard reads them are another.
func (p *Processor) Ready(stall time.Duration) error {
	now := p.ports.Now()
	snapshot, _ := p.ports.Catalogue.Current()
	if snapshot == nil {
		return errors.New("no catalogue yet: publish one with `ristourne offers publish`")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.memberAt.IsZero():
		return errors.New("not a member of the consumer group yet")
	case !p.member && now.Sub(p.memberAt) > rejoinPatience:
		return fmt.Errorf("no member of the consumer group since %s: is Kafka there?", p.memberAt.UTC().Format(time.RFC3339))
	}
	return errors.Join(p.each(func(pulse *pulse) error { return pulse.ails(now, stall) }), p.unread.err())
}

// Live reports whether the loops of every shard turn: no call has failed to come
// back for longer than hung. A shard that waits, or tries again and again, is
// alive: to end its process would mend nothing, and stop all others.
func (p *Processor) Live(hung time.Duration) error {
	now := p.ports.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.each(func(pulse *pulse) error { return pulse.hangs(now, hung) })
}

// each joins what ask says of each shard of ours. The caller holds mu.
func (p *Processor) each(ask func(*pulse) error) error {
	var errs []error
	for _, shard := range slices.Sorted(maps.Keys(p.pulses)) {
		if err := ask(p.pulses[shard]); err != nil {
			errs = append(errs, fmt.Errorf("shard %d: %w", shard, err))
		}
	}
	return errors.Join(errs...)
}
