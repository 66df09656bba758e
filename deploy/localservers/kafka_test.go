package localservers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// testLimit ends a test that hangs, long after any that works: the first one on a
// machine fetches the real server.
const testLimit = 10 * time.Minute

func startKafka(t *testing.T, ctx context.Context, o Options) *Kafka {
	t.Helper()
	k, err := StartKafka(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePart(t, k) })
	return k
}

// produce writes records "0" to "n-1", each with its value as key, as Ristourne's
// writers do.
func produce(t *testing.T, ctx context.Context, k *Kafka, topic string, n int) {
	t.Helper()
	writer := &kafka.Writer{
		Addr: kafka.TCP(k.Brokers...), Topic: topic, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, Compression: kafka.Lz4, BatchTimeout: time.Millisecond,
	}
	defer writer.Close()
	records := make([]kafka.Message, n)
	for i := range records {
		key := []byte(fmt.Sprint(i))
		records[i] = kafka.Message{Key: key, Value: key}
	}
	if err := writer.WriteMessages(ctx, records...); err != nil {
		t.Fatalf("produce: %v", err)
	}
}

// nextGeneration joins the group, again while its coordinator isn't there yet.
func nextGeneration(t *testing.T, ctx context.Context, group *kafka.ConsumerGroup) *kafka.Generation {
	t.Helper()
	for {
		generation, err := group.Next(ctx)
		if errors.Is(err, kafka.GroupCoordinatorNotAvailable) {
			continue
		}
		if err != nil {
			t.Fatalf("join group: %v", err)
		}
		return generation
	}
}

// readFrom reads n records of a partition, in batches.
func readFrom(t *testing.T, ctx context.Context, k *Kafka, topic string, partition int, offset int64, n int) []string {
	t.Helper()
	conn, err := kafka.DialLeader(ctx, "tcp", k.Brokers[0], topic, partition)
	if err != nil {
		t.Fatalf("dial leader: %v", err)
	}
	defer conn.Close()
	if _, err := conn.Seek(offset, kafka.SeekAbsolute); err != nil {
		t.Fatalf("seek: %v", err)
	}
	var values []string
	buf := make([]byte, 1<<10)
	for len(values) < n {
		if ctx.Err() != nil {
			t.Fatalf("read %d of %d records: %v", len(values), n, ctx.Err())
		}
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond})
		for {
			length, err := batch.Read(buf)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, kafka.RequestTimedOut) {
					t.Fatalf("read batch: %v", err)
				}
				break
			}
			values = append(values, string(buf[:length]))
		}
		if err := batch.Close(); err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("close batch: %v", err)
		}
	}
	return values
}

// Everything that Ristourne asks of Kafka: records by the Java partitioner, a
// consumer group over all partitions, reading by batches, committed offsets from
// which the next member of the group goes on.
func TestKafkaProduceConsumeCommit(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	k := startKafka(t, ctx, testOptions(t))
	const (
		topic      = "card.transactions"
		partitions = 3
		records    = 300
	)
	if err := k.CreateTopics(ctx, partitions, topic); err != nil {
		t.Fatal(err)
	}
	produce(t, ctx, k, topic, records)

	join := func() (*kafka.ConsumerGroup, *kafka.Generation) {
		group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
			ID: "ristourne", Brokers: k.Brokers, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
			SessionTimeout: 30 * time.Second, HeartbeatInterval: 100 * time.Millisecond,
			JoinGroupBackoff: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		return group, nextGeneration(t, ctx, group)
	}
	group, generation := join()
	assigned := generation.Assignments[topic]
	if len(assigned) != partitions {
		t.Fatalf("assigned %d partitions, want %d", len(assigned), partitions)
	}
	seen := map[string]int{}
	commits := map[int]int64{}
	for _, a := range assigned {
		client, closeClient := kafkaClient(k.Brokers)
		offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
			Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(a.ID)}},
		})
		closeClient()
		if err != nil {
			t.Fatalf("list offsets: %v", err)
		}
		last := offsets.Topics[topic][0].LastOffset
		for _, value := range readFrom(t, ctx, k, topic, a.ID, 0, int(last)) {
			if want := (kafka.Murmur2Balancer{}).Balance(kafka.Message{Key: []byte(value)}, 0, 1, 2); want != a.ID {
				t.Errorf("record %s in partition %d, want %d", value, a.ID, want)
			}
			seen[value]++
		}
		commits[a.ID] = last
	}
	if len(seen) != records {
		t.Errorf("read %d different records, want %d", len(seen), records)
	}
	if err := generation.CommitOffsets(map[string]map[int]int64{topic: commits}); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if err := group.Close(); err != nil {
		t.Fatalf("leave group: %v", err)
	}

	group, generation = join()
	defer group.Close()
	for _, a := range generation.Assignments[topic] {
		if a.Offset != commits[a.ID] {
			t.Errorf("partition %d goes on at %d, want the committed %d", a.ID, a.Offset, commits[a.ID])
		}
	}
}

func TestKafkaTopics(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	k := startKafka(t, ctx, testOptions(t))
	if err := k.CreateTopics(ctx, 2, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopics(ctx, 2, "b", "c"); err != nil {
		t.Errorf("a topic that is there with as many partitions: %v", err)
	}
	if err := k.CreateTopics(ctx, 3, "a"); err == nil || !strings.Contains(err.Error(), "2 partitions, not 3") {
		t.Errorf("a topic with another number of partitions: %v, want an error that tells both", err)
	}
	writer := &kafka.Writer{Addr: kafka.TCP(k.Brokers...), Topic: "nobody.made.this", MaxAttempts: 1, AllowAutoTopicCreation: true}
	defer writer.Close()
	if err := writer.WriteMessages(ctx, kafka.Message{Value: []byte("x")}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("produce to a topic that nobody made: %v, want %v", err, kafka.UnknownTopicOrPartition)
	}
}

// Records and commits outlive the broker, ended or killed.
func TestKafkaKeepsRecords(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	o := testOptions(t)
	o.DataDir = t.TempDir()
	k := startKafka(t, ctx, o)
	if err := k.CreateTopics(ctx, 1, "kept"); err != nil {
		t.Fatal(err)
	}
	produce(t, ctx, k, "kept", 10)
	addr := k.Brokers[0]

	if o.Kind == Real {
		if err := k.Kill(); err != nil {
			t.Fatal(err)
		}
	} else if err := k.Kill(); !errors.Is(err, errInProcess) {
		t.Errorf("kill an embedded Kafka: %v, want a refusal", err)
	}
	if err := k.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if k.Brokers[0] != addr {
		t.Errorf("address %s after the restart, want %s", k.Brokers[0], addr)
	}
	if got := readFrom(t, ctx, k, "kept", 0, 0, 10); len(got) != 10 {
		t.Errorf("%d records after the restart, want 10", len(got))
	}
	produce(t, ctx, k, "kept", 5)
	closePart(t, k)

	again := startKafka(t, ctx, o)
	if err := again.CreateTopics(ctx, 1, "kept"); err != nil {
		t.Fatal(err)
	}
	if got := readFrom(t, ctx, again, "kept", 0, 0, 15); len(got) != 15 {
		t.Errorf("%d records in the kept folder, want 15", len(got))
	}
}

// A halted broker takes connections and says nothing; afterwards all is there.
func TestKafkaHalted(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	o := testOptions(t)
	k := startKafka(t, ctx, o)
	if o.Kind != Real {
		if err := errors.Join(k.Stop(), k.Cont()); !errors.Is(err, errInProcess) {
			t.Errorf("halt an embedded Kafka: %v, want a refusal", err)
		}
		return
	}
	if err := k.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := kafkaServes(ctx, k.Brokers); err == nil {
		t.Error("a halted broker answers")
	}
	if err := k.Cont(); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopics(ctx, 1, "after"); err != nil {
		t.Errorf("after it went on: %v", err)
	}
}
