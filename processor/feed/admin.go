package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// Committed asks what the group has committed for one shard, without joining it.
func Committed(ctx context.Context, c Config, shard int32) (rules.Positions, error) {
	commits, err := CommittedBy(ctx, c, shard)
	return commits.Offsets, err
}

// Commits are what the group has committed for one shard, and what was said with it.
type Commits struct {
	Offsets rules.Positions
	// Foreign are those that no processor has committed: somebody has set them by
	// other means.
	Foreign [rules.NumTopics]bool
	// Batches are of the last batch that was delivered when a topic's offset was
	// committed; 0: none, or it wasn't said.
	Batches [rules.NumTopics]uint64
}

// Batch is the highest of Batches.
func (c *Commits) Batch() uint64 { return slices.Max(c.Batches[:]) }

// CommittedBy tells too by whom, and up to which batch.
func CommittedBy(ctx context.Context, c Config, shard int32) (Commits, error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	return cl.committed(ctx, shard)
}

func (c *client) committed(ctx context.Context, shard int32) (commits Commits, err error) {
	ask := make(map[string][]int, rules.NumTopics)
	for _, topic := range c.config.Topics {
		ask[topic] = []int{int(shard)}
	}
	kc := kafka.Client{Addr: c.addr, Transport: c.transport}
	var answer *kafka.OffsetFetchResponse
	err = keepTrying(ctx, c.log, "read the committed offsets of group "+c.config.GroupID, func() error {
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
		return commits, err
	}
	if answer.Error != nil {
		commits.Offsets = rules.Positions{-1, -1, -1, -1}
		return commits, nil // there is no such group: nobody has committed yet
	}
	for t, topic := range c.config.Topics {
		found := answer.Topics[topic]
		if len(found) != 1 || found[0].Error != nil {
			return commits, fmt.Errorf("read the committed offset of shard %d of %s: the broker gave none", shard, topic)
		}
		commits.Offsets[t] = max(found[0].CommittedOffset, -1)
		if commits.Offsets[t] < 0 {
			continue
		}
		batch, ours := parseCommitMark(found[0].Metadata)
		commits.Foreign[t], commits.Batches[t] = !ours, batch
	}
	return commits, nil
}

// commitMark begins the metadata of the offsets that processors commit: what was set
// by other means hasn't got it. The number of the last batch that was delivered follows.
// Each of those has a marker in the ledger; one that has none up to there has lost some,
// and where Redis is lost too, nothing else tells.
const (
	commitMark      = "ristourne"
	commitMarkBatch = commitMark + " batch "
)

func appendCommitMark(batch uint64) string {
	return commitMarkBatch + strconv.FormatUint(batch, 10)
}

// parseCommitMark gives no batch of a mark from before they were said.
func parseCommitMark(metadata string) (batch uint64, ours bool) {
	if metadata == commitMark {
		return 0, true
	}
	number, ours := strings.CutPrefix(metadata, commitMarkBatch)
	if !ours {
		return 0, false
	}
	batch, err := strconv.ParseUint(number, 10, 64)
	return batch, err == nil
}

// commitment is what is committed of one partition.
type commitment struct {
	offset int64
	batch  uint64
}

// commit commits for a member of a generation.
func (c *client) commit(ctx context.Context, g *kafka.Generation, offsets map[string]map[int]commitment) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	topics := make(map[string][]kafka.OffsetCommit, len(offsets))
	for topic, partitions := range offsets {
		for partition, of := range partitions {
			topics[topic] = append(topics[topic], kafka.OffsetCommit{Partition: partition, Offset: of.offset, Metadata: appendCommitMark(of.batch)})
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
// topic. batch is the shard's last that is delivered.
func SetCommitted(ctx context.Context, c Config, shard int32, offsets rules.Positions, batch uint64) error {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	commits := make(map[string]map[int]commitment, rules.NumTopics)
	for t, topic := range c.Topics {
		if offsets[t] >= 0 {
			commits[topic] = map[int]commitment{int(shard): {offsets[t], batch}}
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
func Since(ctx context.Context, c Config, shard int32, milli int64) (from rules.Positions, err error) {
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
func Ends(ctx context.Context, c Config, shard int32) (start, end rules.Positions, err error) {
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
	err := keepTrying(ctx, cl.log, "read the partitions of "+topic, func() error {
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
