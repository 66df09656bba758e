// Package feed is Kafka in: it joins the consumer group, owns a shard (one
// partition number over all input topics) at a time with one goroutine each,
// and hands the shard's records over in bounded batches, facts before the
// transactions that need them.
//
// The package speaks the Fetch protocol itself, through kafka-go's Transport
// (which brings connections, TLS, SASL and the cluster's layout): kafka-go's own
// readers either hide key and timestamp or allocate twice a record. Iterating a
// fetched answer allocates nothing.
//
// # The way of a record
//
//	lane    one goroutine a topic long-polls the partition's leader and keeps
//	        one answer ahead of the caller
//	Source  takes at most one answer of each lane into a Batch, in the order of
//	        Topic, and recycles their buffers at the next call of Next
//
// A lane a topic, rather than one request for all topics, since the leaders of a
// shard's partitions are usually different brokers: whichever topic gets a record
// wakes the shard at once, and a leader that moves concerns one lane alone.
//
// # Facts before transactions
//
// After each answer with transactions their lane asks the brokers where the
// other topics end by now, in a request that is sent after the answer came. Next
// gives the transactions out only when it has given all records up to those
// ends. So whoever wrote a fact, saw it acknowledged and then wrote a
// transaction, gets them applied in this order; and at a first start all facts
// there are come in batches of their own before the first transaction. The
// question runs ahead of the caller as the fetch does, and costs one small
// request a topic for each answer with transactions, not for each record.
package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"ristourne/rules"
)

// Record is one Kafka record. Key and Value point into buffers of the Source and
// stay valid until the next call of Next.
type Record struct {
	Topic  rules.Topic
	Offset int64
	Time   int64  // Kafka timestamp, milliseconds since 1970
	Key    []byte // nil: no key
	Value  []byte // nil: a tombstone

	headers []byte // as they lie in the batch
}

// Batch holds records of one shard: facts first, then referrals, results and
// transactions, each in offset order. It is reused from one Next to another.
type Batch struct {
	Records []Record
	// Next is where reading goes on after this batch: what was skipped on purpose
	// (control records, aborted transactions, offsets that compaction removed) is
	// counted in. -1: nothing is known of the topic yet.
	Next rules.Positions

	valueBytes int
}

func (b *Batch) full(c *Config) bool {
	return len(b.Records) >= c.MaxRecords || b.valueBytes >= c.BatchBytes
}

// Watermarks are the ends of a partition, as its leader last told them.
type Watermarks struct {
	High       int64 // offset after the newest replicated record
	LastStable int64 // offset of the oldest open transaction, else High: nobody reads further
	LogStart   int64 // offset of the oldest record that is kept
}

// Config says where to read from and how much at a time. Zero values of limits
// and times mean the defaults that are given here.
type Config struct {
	Brokers  []string // host:port of some brokers; the others are found through them
	GroupID  string
	Topics   [rules.NumTopics]string
	ClientID string // shown in the brokers' logs and quotas
	TLS      *tls.Config
	SASL     sasl.Mechanism

	MinBytes   int           // a broker answers when it has so much (1)
	MaxBytes   int           // of one answer with transactions; a quarter of it for other topics (1 MiB)
	MaxWait    time.Duration // longest wait of a fetch and of Next (500 ms)
	MaxRecords int           // of one batch (4096)
	BatchBytes int           // values of one batch, decompressed; the last record may exceed it (2 MiB)

	SessionTimeout    time.Duration // a member that is silent for so long loses its shards (30 s)
	RebalanceTimeout  time.Duration // so long may a member take to let go of its shards (30 s)
	HeartbeatInterval time.Duration // (3 s)

	// HoldShards gives how many shards there are, before any is owned: the number
	// by which accounts are laid out since the first time. It is told how many
	// partitions all topics have, 0 where they differ, and gives 0 where nothing is
	// held and it was told none. Its error ends Run. nil: as many as partitions.
	HoldShards func(ctx context.Context, partitions int) (shards int, err error)

	// Unread is told again and again of the partitions that belong to no shard,
	// also that there are none. nil: nobody asks.
	Unread func([]Unread)
	// HoldSource is told which topics of which cluster the offsets are of, before
	// any shard is owned, in each generation. Its error ends Run: offsets that are
	// known mean nothing in others. nil: any will do.
	HoldSource func(ctx context.Context, source rules.Source, shards int) error

	// Joined is told true when a generation of the group begins with this member,
	// whether it is given a shard or not, and false when it ends. nil: nobody asks.
	Joined func(bool)

	Log *slog.Logger // nil: slog.Default()
}

// requestTimeout is how long a broker may take beyond the wait it was granted.
const requestTimeout = 10 * time.Second

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func (c Config) withDefaults() Config {
	orDefault(&c.ClientID, "ristourne")
	orDefault(&c.MinBytes, 1)
	orDefault(&c.MaxBytes, 1<<20)
	orDefault(&c.MaxWait, 500*time.Millisecond)
	orDefault(&c.MaxRecords, 4096)
	orDefault(&c.BatchBytes, 2<<20)
	orDefault(&c.SessionTimeout, 30*time.Second)
	orDefault(&c.RebalanceTimeout, 30*time.Second)
	orDefault(&c.HeartbeatInterval, 3*time.Second)
	orDefault(&c.Log, slog.Default())
	if c.Joined == nil {
		c.Joined = func(bool) {}
	}
	return c
}

// Validate names all faults at once. Run calls it.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(len(c.Brokers) == 0, "kafka: no brokers: name at least one host:port")
	fault(c.GroupID == "", "kafka: no consumer group id: processors that share the shards need the same one")
	seen := map[string]rules.Topic{}
	for t := range rules.NumTopics {
		name := c.Topics[t]
		other, twice := seen[name]
		fault(name == "", "kafka: no name for the topic of %s", t)
		fault(name != "" && twice, "kafka: %s and %s have the same topic %q", other, t, name)
		seen[name] = t
	}
	fault(c.MinBytes < 1, "kafka: min bytes %d: must be at least 1", c.MinBytes)
	fault(c.MaxBytes < 1024 || c.MaxBytes > maxAnswerBytes/2,
		"kafka: max bytes %d: must be 1024 to %d", c.MaxBytes, maxAnswerBytes/2)
	fault(c.MaxWait < time.Millisecond || c.MaxWait > time.Minute, "kafka: max wait %s: must be 1ms to 1m", c.MaxWait)
	fault(c.MaxRecords < 1, "kafka: max records %d: must be at least 1", c.MaxRecords)
	fault(c.BatchBytes < 1, "kafka: batch bytes %d: must be at least 1", c.BatchBytes)
	fault(c.HeartbeatInterval*3 > c.SessionTimeout,
		"kafka: heartbeat interval %s: must be at most a third of the session timeout %s", c.HeartbeatInterval, c.SessionTimeout)
	return errors.Join(faults...)
}

// transport opens a pool of connections that knows the layout of the named topics.
// The caller closes it with CloseIdleConnections.
func (c Config) transport(topics ...string) *kafka.Transport {
	return &kafka.Transport{
		ClientID: c.ClientID,
		TLS:      c.TLS,
		SASL:     c.SASL,
		// A partition whose leader moved is found again within this time.
		MetadataTTL:    2 * time.Second,
		MetadataTopics: topics,
	}
}
