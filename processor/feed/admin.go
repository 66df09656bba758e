package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// Committed asks what the group has committed for one shard, without joining it.
func Committed(ctx context.Context, c Config, shard int32) (Offsets, error) {
	committed, _, err := CommittedBy(ctx, c, shard)
	return committed, err
}

// CommittedBy tells too which offsets no processor has committed: somebody has set
// them by other means.
func CommittedBy(ctx context.Context, c Config, shard int32) (committed Offsets, foreign [NumTopics]bool, err error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	return cl.committed(ctx, shard)
}

func (c *client) committed(ctx context.Context, shard int32) (committed Offsets, foreign [NumTopics]bool, err error) {
	ask := make(map[string][]int, NumTopics)
	for _, topic := range c.config.Topics {
		ask[topic] = []int{int(shard)}
	}
	kc := kafka.Client{Addr: c.addr, Transport: c.transport}
	var answer *kafka.OffsetFetchResponse
	err = retry(ctx, c.log, "read the committed offsets of group "+c.config.GroupID, func() error {
		asking, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		var err error
		if answer, err = kc.OffsetFetch(asking, &kafka.OffsetFetchRequest{GroupID: c.config.GroupID, Topics: ask}); err != nil {
			return err
		}
		if errors.Is(answer.Error, kafka.GroupIdNotFound) {
			return nil
		}
		return answer.Error
	})
	if err != nil {
		return committed, foreign, err
	}
	if answer.Error != nil {
		return Offsets{-1, -1, -1, -1}, foreign, nil // there is no such group: nobody has committed yet
	}
	for t, topic := range c.config.Topics {
		found := answer.Topics[topic]
		if len(found) != 1 || found[0].Error != nil {
			return committed, foreign, fmt.Errorf("read the committed offset of shard %d of %s: the broker gave none", shard, topic)
		}
		committed[t] = max(found[0].CommittedOffset, -1)
		foreign[t] = committed[t] >= 0 && found[0].Metadata != commitMark
	}
	return committed, foreign, nil
}

// commitMark is the metadata of the offsets that processors commit: what was set
// by other means hasn't got it.
const commitMark = "ristourne"

// commit commits for a member of a generation.
func (c *client) commit(ctx context.Context, g *kafka.Generation, offsets map[string]map[int]int64) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	topics := make(map[string][]kafka.OffsetCommit, len(offsets))
	for topic, partitions := range offsets {
		for partition, offset := range partitions {
			topics[topic] = append(topics[topic], kafka.OffsetCommit{Partition: partition, Offset: offset, Metadata: commitMark})
		}
	}
	kc := kafka.Client{Addr: c.addr, Transport: c.transport}
	answer, err := kc.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: g.GroupID, GenerationID: int(g.ID), MemberID: g.MemberID, Topics: topics,
	})
	if err != nil {
		return err
	}
	for topic, partitions := range topics {
		if len(answer.Topics[topic]) != len(partitions) {
			return fmt.Errorf("commit offsets of %s: the broker acknowledged %d of %d partitions", topic, len(answer.Topics[topic]), len(partitions))
		}
		for _, p := range answer.Topics[topic] {
			if p.Error != nil {
				return fmt.Errorf("commit the offset of partition %d of %s: %w", p.Partition, topic, p.Error)
			}
		}
	}
	return nil
}

// ErrGroupRuns says that the group has members: they alone may commit.
var ErrGroupRuns = errors.New("processors of the group run, or have ended less than a session ago")

// SetCommitted commits offsets for a group that has no member; -1: none of that
// topic.
func SetCommitted(ctx context.Context, c Config, shard int32, offsets Offsets) error {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	commits := make(map[string]map[int]int64, NumTopics)
	for t, topic := range c.Topics {
		if offsets[t] >= 0 {
			commits[topic] = map[int]int64{int(shard): offsets[t]}
		}
	}
	if len(commits) == 0 {
		return nil
	}
	err := cl.commit(ctx, &kafka.Generation{ID: -1, GroupID: c.GroupID}, commits)
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.RebalanceInProgress) {
		return fmt.Errorf("%w: stop those of %s, wait a moment, and say it again (%w)", ErrGroupRuns, c.GroupID, err)
	}
	return err
}

// Since gives for each topic's partition the offset of the first record at or after
// an instant in milliseconds by Kafka's timestamps; its end, where none is.
func Since(ctx context.Context, c Config, shard int32, milli int64) (from Offsets, err error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	found, err := cl.ends(ctx, milli, shard, c.Topics[:]...)
	if err != nil {
		return from, err
	}
	last, err := cl.ends(ctx, kafka.LastOffset, shard, c.Topics[:]...)
	if err != nil {
		return from, err
	}
	for t := range from {
		if from[t] = found[t]; from[t] < 0 {
			from[t] = last[t]
		}
	}
	return from, nil
}

// Ends are the oldest and the next offset of each topic's partition.
func Ends(ctx context.Context, c Config, shard int32) (start, end Offsets, err error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	first, err1 := cl.ends(ctx, kafka.FirstOffset, shard, c.Topics[:]...)
	last, err2 := cl.ends(ctx, kafka.LastOffset, shard, c.Topics[:]...)
	copy(start[:], first)
	copy(end[:], last)
	return start, end, errors.Join(err1, err2)
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
