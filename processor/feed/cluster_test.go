package feed

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

// testLimit ends a test that hangs; nothing is measured by it.
const testLimit = 5 * time.Minute

func testContext(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	tb.Cleanup(cancel)
	return ctx
}

// testConfig has small waits, so that members come and go quickly.
func testConfig(tb testing.TB, brokers []string) Config {
	c := Config{
		Brokers: brokers, GroupID: localserverstest.Unique(tb, "group"), ClientID: "feed-test",
		MaxWait:           200 * time.Millisecond,
		SessionTimeout:    6 * time.Second,
		RebalanceTimeout:  6 * time.Second,
		HeartbeatInterval: 50 * time.Millisecond,
		Log:               slog.New(slog.NewTextHandler(testWriter{tb}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for t := range rules.NumTopics {
		c.Topics[t] = localserverstest.Unique(tb, t.String())
	}
	return c
}

type testWriter struct{ tb testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.tb.Logf("%s", b)
	return len(b), nil
}

// onBroker makes the input topics on the broker that localserverstest chooses: the embedded
// one, or Apache Kafka.
func onBroker(tb testing.TB, partitions int) Config {
	broker := localserverstest.Kafka(tb)
	c := testConfig(tb, broker.Brokers)
	if err := broker.CreateTopics(testContext(tb), partitions, c.Topics[:]...); err != nil {
		tb.Fatal(err)
	}
	return c
}

// onFake makes the input topics on an embedded cluster that can be told to
// misbehave.
func onFake(tb testing.TB, brokers int, partitions int32, options ...kfake.Opt) (*kfake.Cluster, Config) {
	c := testConfig(tb, nil)
	options = append([]kfake.Opt{kfake.NumBrokers(brokers), kfake.SeedTopics(partitions, c.Topics[:]...)}, options...)
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cluster.Close)
	c.Brokers = cluster.ListenAddrs()
	return cluster, c
}

// writer writes to chosen partitions.
type writer struct {
	tb     testing.TB
	client *kgo.Client
	config Config
}

func newWriter(tb testing.TB, c Config, options ...kgo.Opt) *writer {
	options = append([]kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return &writer{tb: tb, client: client, config: c}
}

// write returns when the broker has acknowledged. It may be called beside the test.
func (w *writer) write(t rules.Topic, partition int32, values ...string) {
	w.tb.Helper()
	if err := w.client.ProduceSync(testContext(w.tb), w.records(t, partition, values)...).FirstErr(); err != nil {
		w.tb.Error(err)
	}
}

// send doesn't wait for the broker. What it refuses is missed by whoever reads.
func (w *writer) send(t rules.Topic, partition int32, values ...string) {
	for _, r := range w.records(t, partition, values) {
		w.client.Produce(w.tb.Context(), r, nil)
	}
}

func (w *writer) records(t rules.Topic, partition int32, values []string) []*kgo.Record {
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: w.config.Topics[t], Partition: partition, Key: []byte("account"), Value: []byte(v)}
	}
	return records
}

// numbers are from, from+1, ..., below to.
func numbers(from, to int) []string {
	var values []string
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprintf("%d", i))
	}
	return values
}

// source reads one shard without a group.
func source(tb testing.TB, c Config, shard int32, from rules.Positions) *Source {
	cl := newClient(c, c.Topics[:]...)
	ctx, cancel := context.WithCancel(context.Background())
	commits := newCommitQueue(c.Topics, func(map[string]map[int]commitment) error { return nil })
	s := newSource(ctx, cl, shard, from, commits)
	tb.Cleanup(func() {
		cancel()
		s.halt()
		commits.close()
		cl.close()
	})
	return s
}

var fromFirst = rules.Positions{-1, -1, -1, -1}

// next reads until a batch with records comes.
func next(tb testing.TB, s *Source, b *Batch) {
	tb.Helper()
	ctx := testContext(tb)
	for {
		if err := s.Next(ctx, b); err != nil {
			tb.Fatal(err)
		}
		if len(b.Records) > 0 {
			return
		}
	}
}

// texts gives a batch as "topic:value".
func texts(b *Batch) []string {
	var got []string
	for _, r := range b.Records {
		got = append(got, fmt.Sprintf("%s:%s", r.Topic, r.Value))
	}
	return got
}

// members runs members of one group and tells which shards each owns.
type members struct {
	tb     testing.TB
	config Config

	mutex   sync.Mutex
	changed chan struct{}
	owned   map[string]map[int32]bool
}

func newMembers(tb testing.TB, c Config) *members {
	return &members{tb: tb, config: c, changed: make(chan struct{}, 1), owned: map[string]map[int32]bool{}}
}

// join starts a member; leave ends it and waits until it has left.
func (m *members) join(name string, own func(ctx context.Context, s *Source) error) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		err := Run(ctx, m.config, func(ctx context.Context, s *Source) error {
			m.set(name, s.Shard(), true)
			defer m.set(name, s.Shard(), false)
			return own(ctx, s)
		})
		if err != nil {
			m.tb.Errorf("member %s: %v", name, err)
		}
	})
	leave = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	m.tb.Cleanup(leave)
	return leave
}

func (m *members) set(name string, shard int32, owned bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.owned[name] == nil {
		m.owned[name] = map[int32]bool{}
	}
	if owned {
		m.owned[name][shard] = true
	} else {
		delete(m.owned[name], shard)
	}
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// await waits until the members own so many shards.
func (m *members) await(want map[string]int) {
	m.tb.Helper()
	ctx := testContext(m.tb)
	for {
		m.mutex.Lock()
		reached := true
		for name, n := range want {
			reached = reached && len(m.owned[name]) == n
		}
		m.mutex.Unlock()
		if reached {
			return
		}
		select {
		case <-m.changed:
		case <-ctx.Done():
			m.tb.Fatalf("members own %v, want %v", m.owned, want)
		}
	}
}

// idle owns a shard and does nothing.
func idle(ctx context.Context, _ *Source) error {
	<-ctx.Done()
	return ctx.Err()
}
