package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// Committed asks what the group has committed for one shard, without joining it.
func Committed(ctx context.Context, c Config, shard int32) (Offsets, error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	ask := make(map[string][]int, NumTopics)
	for _, topic := range c.Topics {
		ask[topic] = []int{int(shard)}
	}
	kc := kafka.Client{Addr: cl.addr, Transport: cl.transport}
	var answer *kafka.OffsetFetchResponse
	err := retry(ctx, cl.log, "read the committed offsets of group "+c.GroupID, func() error {
		asking, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		var err error
		if answer, err = kc.OffsetFetch(asking, &kafka.OffsetFetchRequest{GroupID: c.GroupID, Topics: ask}); err != nil {
			return err
		}
		if errors.Is(answer.Error, kafka.GroupIdNotFound) {
			return nil
		}
		return answer.Error
	})
	if err != nil {
		return Offsets{}, err
	}
	if answer.Error != nil {
		return Offsets{-1, -1, -1, -1}, nil // there is no such group: nobody has committed yet
	}
	var committed Offsets
	for t, topic := range c.Topics {
		found := answer.Topics[topic]
		if len(found) != 1 || found[0].Error != nil {
			return Offsets{}, fmt.Errorf("read the committed offset of shard %d of %s: the broker gave none", shard, topic)
		}
		committed[t] = max(found[0].CommittedOffset, -1)
	}
	return committed, nil
}

// ReadTopic calls fn for every record that a topic holds by now, partition by
// partition, in order within each. Records are valid during the call alone.
func ReadTopic(ctx context.Context, c Config, topic string, fn func(partition int32, r Record) error) error {
	cl := newClient(c, topic)
	defer cl.close()
	kc := kafka.Client{Addr: cl.addr, Transport: cl.transport}
	var partitions []kafka.Partition
	err := retry(ctx, cl.log, "read the partitions of "+topic, func() error {
		asking, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		answer, err := kc.Metadata(asking, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		if len(answer.Topics) != 1 {
			return kafka.UnknownTopicOrPartition
		}
		partitions = answer.Topics[0].Partitions
		return answer.Topics[0].Error
	})
	if err != nil {
		return err
	}
	for _, p := range partitions {
		partition := int32(p.ID)
		if err := ReadRange(ctx, c, topic, partition, -1, -1, func(r Record) error { return fn(partition, r) }); err != nil {
			return err
		}
	}
	return nil
}
