package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

const (
	// missingTopicsPatience: so long may a topic that was just created be unknown to
	// the broker that is asked.
	missingTopicsPatience = 15 * time.Second

	joinPause              = time.Second     // of kafka-go, after a join that failed
	partitionWatchInterval = 5 * time.Second // how soon more partitions are noticed
)

// Run joins the group and calls own for each shard that the group gives to this
// member, each in a goroutine of its own. own's ctx ends with the generation
// (another member came or went, or this one was cut off), with ctx, or when own
// failed for another shard; own must then return soon, or the group goes on
// without this member. A new generation begins when all calls of the former one
// have returned. If own returns nil earlier, its shard rests until then.
//
// Run returns nil when ctx ends, own's error, or what waiting doesn't mend: a
// *PartitionsError, a *LayoutError, a refused authorization, a fault of the
// configuration. A partition that is added belongs to no shard, and is told of (see
// Config.Unread). Brokers that can't be reached are
// retried, with growing pauses, and logged.
func Run(ctx context.Context, c Config, own func(ctx context.Context, s *Source) error) error {
	if err := c.Validate(); err != nil {
		return err
	}
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	m := member{client: cl, config: cl.config, own: own}
	err := m.run(ctx)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Cause(ctx))) {
		return nil
	}
	return err
}

// member is this process in the consumer group.
type member struct {
	client *client
	config Config // with defaults
	own    func(ctx context.Context, s *Source) error
	shards int // how many there are, for as long as Run lasts
}

func (m *member) run(ctx context.Context) error {
	if err := m.countPartitions(ctx); err != nil {
		return err
	}
	if err := m.holdSource(ctx); err != nil {
		return err
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	watched, stop := context.WithCancel(ctx)
	defer stop()
	watching.Go(func() { m.watchUnread(watched) })
	group, err := kafka.NewConsumerGroup(m.groupConfig())
	if err != nil {
		return fmt.Errorf("join group %s: %w", m.config.GroupID, err)
	}
	defer group.Close() //nolint:errcheck // it always gives nil
	for {
		generation, err := m.join(ctx, group)
		if err != nil {
			return err
		}
		m.config.Joined(true)
		result := make(chan error, 1)
		generation.Start(func(over context.Context) { result <- m.generation(ctx, over, generation) })
		err = <-result
		m.config.Joined(false)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (m *member) groupConfig() kafka.ConsumerGroupConfig {
	topics := m.config.Topics[:]
	return kafka.ConsumerGroupConfig{
		ID:      m.config.GroupID,
		Brokers: m.config.Brokers,
		Topics:  topics,
		Dialer: &kafka.Dialer{
			ClientID: m.config.ClientID, Timeout: requestTimeout, DualStack: true,
			TLS: m.config.TLS, SASLMechanism: m.config.SASL,
		},
		GroupBalancers:         []kafka.GroupBalancer{balancer{topics: topics, most: m.shards}},
		HeartbeatInterval:      m.config.HeartbeatInterval,
		SessionTimeout:         m.config.SessionTimeout,
		RebalanceTimeout:       m.config.RebalanceTimeout,
		JoinGroupBackoff:       joinPause,
		WatchPartitionChanges:  true,
		PartitionWatchInterval: partitionWatchInterval,
		StartOffset:            kafka.FirstOffset,
		RetentionTime:          -time.Millisecond, // the broker's offsets.retention.minutes
		Timeout:                requestTimeout,
		Logger:                 kafka.LoggerFunc(func(f string, a ...any) { m.config.Log.Debug("kafka group: " + fmt.Sprintf(f, a...)) }),
		ErrorLogger:            kafka.LoggerFunc(func(f string, a ...any) { m.config.Log.Warn("kafka group: " + fmt.Sprintf(f, a...)) }),
	}
}

// countPartitions learns the number of shards, or makes sure that every topic still
// has them: Redis and the accounts in it are laid out by it.
func (m *member) countPartitions(ctx context.Context) error {
	var counts [rules.NumTopics]int
	patience := time.Now().Add(missingTopicsPatience)
	var mismatch *partitionsError
	err := keepTrying(ctx, m.config.Log, "read the number of partitions", func() (err error) {
		counts, err = m.client.counts(ctx)
		if errors.As(err, &mismatch) && time.Now().After(patience) {
			return nil // waiting won't mend it
		}
		mismatch = nil
		return err
	})
	switch {
	case err != nil:
		return err
	case mismatch != nil:
		return mismatch
	case m.shards != 0:
		return m.config.enough(m.shards, counts)
	}
	m.shards, err = m.config.hold(ctx, counts)
	return err
}

// holdSource makes sure that the topics are those whose offsets are known.
func (m *member) holdSource(ctx context.Context) error {
	if m.config.HoldSource == nil {
		return nil
	}
	var source rules.Source
	if err := keepTrying(ctx, m.config.Log, "read the ids of the topics", func() (err error) {
		source, err = m.client.identity(ctx)
		return err
	}); err != nil {
		return err
	}
	return m.config.HoldSource(ctx, source, m.shards)
}

// join waits for the group's next generation.
func (m *member) join(ctx context.Context, group *kafka.ConsumerGroup) (*kafka.Generation, error) {
	var generation *kafka.Generation
	err := keepTrying(ctx, m.config.Log, "join group "+m.config.GroupID, func() (err error) {
		generation, err = group.Next(ctx)
		return err
	})
	return generation, err
}

// generation owns the assigned shards until over or ctx ends, or own fails for one
// of them.
func (m *member) generation(ctx, over context.Context, g *kafka.Generation) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(over, end)()

	if err := m.countPartitions(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := m.holdSource(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	shards, err := assignedShards(m.config.Topics, g.Assignments)
	if err != nil {
		return err
	}
	m.config.Log.Info("kafka: own shards", "generation", g.ID, "shards", shardNumbers(shards))

	commits := newCommitQueue(m.config.Topics, func(offsets map[string]map[int]commitment) error {
		// Not ctx: what was decided is committed after the generation's end, too.
		return m.client.commit(context.WithoutCancel(ctx), g, offsets)
	})
	defer commits.close()
	var (
		owners sync.WaitGroup
		failed = make(chan error, len(shards))
	)
	for shard, committed := range shards {
		owners.Go(func() {
			if err := m.ownShard(ctx, newSource(ctx, m.client, shard, committed, commits)); err != nil {
				failed <- err
				end()
			}
		})
	}
	owners.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	<-ctx.Done() // own may have returned early, or there was no shard: rest
	return nil
}

func (m *member) ownShard(ctx context.Context, s *Source) error {
	defer s.halt()
	err := m.own(ctx, s)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("shard %d: %w", s.shard, err)
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ErrGenerationOver)) {
		m.config.Log.Info("kafka: shard let go", "shard", s.shard, "error", err)
		return nil
	}
	m.config.Log.Error("kafka: shard failed", "shard", s.shard, "error", err)
	return err
}

// assignedShards turns kafka-go's assignment by topic into committed offsets by
// shard.
func assignedShards(topics [rules.NumTopics]string, assignments map[string][]kafka.PartitionAssignment) (map[int32]rules.Positions, error) {
	shards := map[int32]rules.Positions{}
	topicsOf := map[int32]int{}
	for t, topic := range topics {
		for _, p := range assignments[topic] {
			shard := int32(p.ID)
			committed := shards[shard]
			committed[t] = max(p.Offset, -1) // kafka.FirstOffset: none
			shards[shard] = committed
			topicsOf[shard]++
		}
	}
	for shard, n := range topicsOf {
		if n != int(rules.NumTopics) {
			return nil, fmt.Errorf("the group assigned partition %d of %d topics only: does another program use the same group id?", shard, n)
		}
	}
	return shards, nil
}

func shardNumbers(shards map[int32]rules.Positions) []int32 {
	numbers := make([]int32, 0, len(shards))
	for shard := range shards {
		numbers = append(numbers, shard)
	}
	slices.Sort(numbers)
	return numbers
}
