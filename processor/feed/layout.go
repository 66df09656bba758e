package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// Accounts are laid out over shards once, by the partitions that the topics had
// then. A partition that is added later belongs to no shard: nobody reads it, and
// nothing is committed of it. Producers, who know nothing of that, put accounts by
// the new number: into the new partition, and into others of the old ones than
// before. So each record is held against the layout (see Layout), and what lies in
// partitions that nobody reads is told of, for as long as it lies there.

// Layout tells in which shard an account lies.
type Layout struct{ numbers []int }

// NewLayout is that of so many shards.
func NewLayout(shards int) Layout {
	l := Layout{numbers: make([]int, shards)}
	for n := range l.numbers {
		l.numbers[n] = n
	}
	return l
}

// Known is false for the zero value: any shard will do.
func (l Layout) Known() bool { return len(l.numbers) > 0 }

// Shard is where records with the key belong: murmur2, as Java clients have it.
func (l Layout) Shard(key []byte) int32 {
	return int32(kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, l.numbers...))
}

// layoutError says that a topic has fewer partitions than there are shards.
type layoutError struct {
	Shards int
	Topics [rules.NumTopics]string
	Counts [rules.NumTopics]int
}

func (e *layoutError) Error() string {
	return fmt.Sprintf("accounts are laid out over %d shards, and %s: was a topic made anew? Make it with %d partitions at least; nothing is read before",
		e.Shards, countsText(e.Topics, e.Counts), e.Shards)
}

func countsText(topics [rules.NumTopics]string, counts [rules.NumTopics]int) string {
	texts := make([]string, rules.NumTopics)
	for t, name := range topics {
		texts[t] = fmt.Sprintf("%s has %d partitions", name, counts[t])
	}
	return strings.Join(texts, ", ")
}

// Shards asks how many shards there are: what HoldShards holds, or else the
// partitions of the input topics, if they all have as many. It is a
// *PartitionsError where nothing is held and they differ, or one is missing, and a
// *LayoutError where one has too few.
func Shards(ctx context.Context, c Config) (int, error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	counts, err := cl.counts(ctx)
	if err != nil {
		return 0, err
	}
	return c.hold(ctx, counts)
}

func (c Config) hold(ctx context.Context, counts [rules.NumTopics]int) (shards int, err error) {
	if c.HoldShards == nil {
		return same(c.Topics, counts)
	}
	partitions, differ := same(c.Topics, counts)
	shards, err = c.HoldShards(ctx, partitions)
	switch {
	case err != nil:
		return 0, err
	case shards == 0:
		return 0, differ
	}
	return shards, c.enough(shards, counts)
}

// enough refuses topics that don't have every shard.
func (c Config) enough(shards int, counts [rules.NumTopics]int) error {
	if slices.Min(counts[:]) < shards {
		return &layoutError{Shards: shards, Topics: c.Topics, Counts: counts}
	}
	return nil
}

// same is the number of partitions that all topics have, 0 and a *PartitionsError
// where they differ.
func same(topics [rules.NumTopics]string, counts [rules.NumTopics]int) (int, error) {
	if slices.Min(counts[:]) != slices.Max(counts[:]) {
		return 0, &partitionsError{Topics: topics, Counts: counts}
	}
	return counts[0], nil
}

// Unread is a partition that belongs to no shard.
type Unread struct {
	Topic            string
	Partition        int32
	LogStart, LogEnd int64
}

// Records is how many lie in it, as far as its offsets tell.
func (u *Unread) Records() int64 { return u.LogEnd - u.LogStart }

// UnreadPartitions are those beyond the shards, in the order of topics.
func UnreadPartitions(ctx context.Context, c Config, shards int) ([]Unread, error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	return cl.unread(ctx, shards)
}

func (c *client) unread(ctx context.Context, shards int) (all []Unread, err error) {
	counts, err := c.counts(ctx)
	if err != nil {
		return nil, err
	}
	for t, topic := range c.config.Topics {
		for partition := int32(shards); partition < int32(counts[t]); partition++ {
			first, err1 := c.ends(ctx, kafka.FirstOffset, partition, topic)
			last, err2 := c.ends(ctx, kafka.LastOffset, partition, topic)
			if err := errors.Join(err1, err2); err != nil {
				return nil, err
			}
			all = append(all, Unread{topic, partition, first[0], last[0]})
		}
	}
	return all, nil
}

// unreadInterval is how often it is looked whether records lie where nobody reads.
const unreadInterval = 5 * time.Second

// watchUnread tells of partitions that belong to no shard until ctx ends.
func (m *member) watchUnread(ctx context.Context) {
	if m.config.Unread == nil {
		return
	}
	for {
		unread, err := m.client.unread(ctx, m.shards)
		switch {
		case err == nil:
			m.config.Unread(unread)
		case ctx.Err() == nil:
			m.config.Log.Warn("kafka: look for partitions that nobody reads failed, will retry", "error", err)
		}
		if sleep(ctx, unreadInterval) != nil {
			return
		}
	}
}
