package processor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/processor/feed"
	"ristourne/rules"
)

// unread is what lies in partitions that belong to no shard: they were added after
// accounts had been laid out. Nobody loses anything by them, and nobody is credited
// for what lies there either: a person must know.
type unread struct {
	partitions []feed.Unread
	saidAt     time.Time
}

// unreadSaidEvery is how often the log repeats it.
const unreadSaidEvery = time.Minute

// tellUnread takes what was last found.
func (p *Processor) tellUnread(partitions []feed.Unread) {
	now := p.ports.Now()
	p.mu.Lock()
	more := len(partitions) > len(p.unread.partitions)
	p.unread.partitions = partitions
	err, differ := p.unread.err(), p.unread.differ()
	say := len(partitions) > 0 && (more || now.Sub(p.unread.saidAt) >= unreadSaidEvery)
	if say {
		p.unread.saidAt = now
	}
	p.mu.Unlock()
	switch {
	case !say:
	case err != nil:
		p.log.Error("records lie in partitions that belong to no shard", "error", err)
	default:
		p.log.Warn("the input topics have partitions that belong to no shard: see that no producer writes to them",
			"partitions", partitions, "the_topics_differ", differ)
	}
}

// err names the partitions that hold records.
func (u *unread) err() error {
	var texts []string
	for _, of := range u.partitions {
		if n := of.Records(); n > 0 {
			texts = append(texts, fmt.Sprintf("%d records in partition %d of %s", n, of.Partition, of.Topic))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	if u.differ() {
		texts = append(texts, "the topics have different numbers of partitions")
	}
	return errors.New(strings.Join(texts, ", ") + ": it was added after accounts had been laid out, and no shard reads it; the others go on. Accounts can't be laid " +
		"out anew yet. Nothing of it is lost for as long as the topic keeps it; see cmd/ristourne/README.md, \"Partitions were added\"")
}

// differ reports that some topics were given more partitions than others.
func (u *unread) differ() bool {
	added := map[string]int{}
	for _, of := range u.partitions {
		added[of.Topic]++
	}
	for _, n := range added {
		if n*int(rules.NumTopics) != len(u.partitions) {
			return true
		}
	}
	return false
}

var unreadDesc = prometheus.NewDesc("ristourne_unread_partition_records",
	"Records in a partition that was added after accounts had been laid out, which no shard reads. Each process tells the same.", []string{"topic", "partition"}, nil)
