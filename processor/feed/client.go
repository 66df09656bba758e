package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"ristourne/rules"
)

// client asks one Kafka cluster; it is safe for concurrent use.
type client struct {
	config    Config // with defaults
	addr      net.Addr
	transport *kafka.Transport
	log       *slog.Logger
}

func newClient(c Config, topics ...string) *client {
	c = c.withDefaults()
	return &client{config: c, addr: kafka.TCP(c.Brokers...), transport: c.transport(topics...), log: c.Log}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// newFetch makes the reusable exchange for one partition.
func (c *client) newFetch(topic string, partition int32, maxBytes int) *fetch {
	return &fetch{
		clientID:  c.config.ClientID,
		topic:     topic,
		partition: partition,
		maxWait:   c.config.MaxWait,
		minBytes:  c.config.MinBytes,
		maxBytes:  maxBytes,
	}
}

// exchange sends f. When it fails, f must not be used again: a connection may still
// be writing into it.
//
// A cancelled call leaves its connection waiting for the answer, until the broker
// gives it (at most maxWait later) and the connection is pooled again, or the
// deadline set here closes it.
func (c *client) exchange(ctx context.Context, f *fetch) error {
	ctx, cancel := context.WithTimeout(ctx, f.maxWait+requestTimeout)
	defer cancel()
	_, err := c.transport.RoundTrip(ctx, c.addr, f)
	return err
}

// ends asks for the first or the last offset (kafka.FirstOffset, kafka.LastOffset;
// the last stable one) of one partition number in some topics, or for the first of
// records at or after an instant in milliseconds, -1: none.
func (c *client) ends(ctx context.Context, which int64, partition int32, topics ...string) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ask := make(map[string][]kafka.OffsetRequest, len(topics))
	for _, topic := range topics {
		ask[topic] = []kafka.OffsetRequest{{Partition: int(partition), Timestamp: which}}
	}
	kc := kafka.Client{Addr: c.addr, Transport: c.transport}
	answer, err := kc.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ask, IsolationLevel: kafka.ReadCommitted})
	if err != nil {
		return nil, fmt.Errorf("list offsets of partition %d: %w", partition, err)
	}
	offsets := make([]int64, len(topics))
	for i, topic := range topics {
		found := answer.Topics[topic]
		if len(found) != 1 {
			return nil, fmt.Errorf("list offsets of partition %d of %s: %w", partition, topic, protocol.ErrNoPartition)
		}
		if err := found[0].Error; err != nil {
			return nil, fmt.Errorf("list offsets of partition %d of %s: %w", partition, topic, err)
		}
		switch which {
		case kafka.FirstOffset:
			offsets[i] = found[0].FirstOffset
		case kafka.LastOffset:
			offsets[i] = found[0].LastOffset
		default:
			offsets[i] = -1
			for offset := range found[0].Offsets {
				offsets[i] = offset
			}
		}
	}
	return offsets, nil
}

// outOfRange makes the error that tells what is left of the partition.
func (c *client) outOfRange(ctx context.Context, f *fetch) error {
	e := &OffsetOutOfRangeError{Topic: f.topic, Partition: f.partition, Offset: f.offset, LogStart: -1, LogEnd: -1}
	if first, err := c.ends(ctx, kafka.FirstOffset, f.partition, f.topic); err == nil {
		e.LogStart = first[0]
	}
	if last, err := c.ends(ctx, kafka.LastOffset, f.partition, f.topic); err == nil {
		e.LogEnd = last[0]
	}
	return e
}

// partitionsError says why the input topics can't be read as shards.
type partitionsError struct {
	Topics [rules.NumTopics]string
	Counts [rules.NumTopics]int // 0: there is no such topic
}

func (e *partitionsError) Error() string {
	text := "the input topics must all exist with the same number of partitions:"
	for t, name := range e.Topics {
		text += fmt.Sprintf(" %s has %d,", name, e.Counts[t])
	}
	return text + " create or enlarge them to match"
}

// Partitions asks how many partitions the input topics have. It is a
// *PartitionsError if a topic is missing or they differ.
func Partitions(ctx context.Context, c Config) (int, error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	counts, err := cl.counts(ctx)
	if err != nil {
		return 0, err
	}
	return same(c.Topics, counts)
}

// counts asks how many partitions each input topic has. It is a *PartitionsError
// if one is missing.
func (c *client) counts(ctx context.Context) (counts [rules.NumTopics]int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	kc := kafka.Client{Addr: c.addr, Transport: c.transport}
	answer, err := kc.Metadata(ctx, &kafka.MetadataRequest{Topics: c.config.Topics[:]})
	if err != nil {
		return counts, fmt.Errorf("read the partitions of the input topics: %w", err)
	}
	for _, topic := range answer.Topics {
		if topic.Error != nil && !errors.Is(topic.Error, kafka.UnknownTopicOrPartition) {
			return counts, fmt.Errorf("read the partitions of %s: %w", topic.Name, topic.Error)
		}
		for t, name := range c.config.Topics {
			if name == topic.Name {
				counts[t] = len(topic.Partitions)
			}
		}
	}
	if slices.Contains(counts[:], 0) {
		return counts, &partitionsError{Topics: c.config.Topics, Counts: counts}
	}
	return counts, nil
}

// ReadRange calls fn for the records of any topic's partition in [from, to), in
// order; from -1 means the oldest kept record, to -1 the end of what is committed
// by now, and a later to is cut to that. Records are valid during the call alone,
// and their Topic is not set. Transient errors are retried until ctx ends.
func ReadRange(ctx context.Context, c Config, topic string, partition int32, from, to int64, fn func(Record) error) error {
	cl := newClient(c, topic)
	defer cl.close()
	var end []int64
	err := keepTrying(ctx, cl.log, "read the end of "+topic, func() (err error) {
		end, err = cl.ends(ctx, kafka.LastOffset, partition, topic)
		return err
	})
	if err != nil {
		return err
	}
	if to < 0 || to > end[0] {
		to = end[0]
	}
	reader := reader{client: cl, topic: topic, partition: partition, maxBytes: cl.config.MaxBytes, offset: from, fromFirst: from < 0}
	var (
		set recordSet
		a   arena
		r   Record
		f   *fetch
	)
	for reader.fromFirst && reader.offset < 0 || reader.offset < to {
		if f, err = reader.fetch(ctx, f, &set); err != nil {
			return err
		}
		a.release(false)
		for {
			ok, err := set.read(&a, &r)
			if err != nil {
				return fmt.Errorf("partition %d of %s: %w", partition, topic, err)
			}
			if !ok || r.Offset >= to {
				break
			}
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}
