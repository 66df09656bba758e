package feed

import (
	"slices"

	"github.com/segmentio/kafka-go"
)

// balancer gives each shard, that is the same partition number of all input
// topics, to one member of the group. Shards go round the members in the order of
// their ids, so loads differ by one shard at most. Any member that leads the group
// comes to the same result.
//
// A member with other topics gets nothing: it is configured wrongly, and two
// members with one partition would be worse than one without any.
type balancer struct {
	topics []string
	most   int // how many shards there are, if there are so many partitions
}

var _ kafka.GroupBalancer = balancer{}

func (balancer) ProtocolName() string { return "ristourne-shards" }

func (balancer) UserData() ([]byte, error) { return nil, nil }

func (b balancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	assigned := kafka.GroupMemberAssignments{}
	want := slices.Sorted(slices.Values(b.topics))
	var ids []string
	for _, m := range members {
		assigned[m.ID] = map[string][]int{}
		if slices.Equal(slices.Sorted(slices.Values(m.Topics)), want) {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return assigned
	}
	slices.Sort(ids)
	for shard := range b.shards(partitions) {
		id := ids[shard%len(ids)]
		for _, topic := range b.topics {
			assigned[id][topic] = append(assigned[id][topic], shard)
		}
	}
	return assigned
}

// shards counts the partition numbers that every topic has, up to the number by
// which accounts are laid out: those beyond belong to nobody.
func (b balancer) shards(partitions []kafka.Partition) int {
	counts := map[string]int{}
	for _, p := range partitions {
		counts[p.Topic]++
	}
	least := b.most
	for _, topic := range b.topics {
		least = min(least, counts[topic])
	}
	return least
}
