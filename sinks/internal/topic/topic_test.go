package topic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ristourne/rules"
)

const (
	name       = "out"
	partitions = 3
)

// broker is a Kafka in this process that answers produce requests as told.
type broker struct {
	*testing.T
	*kfake.Cluster
	requests atomic.Int32
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &broker{T: t, Cluster: cluster}
}

// answer lets fault decide on each produce request, by its number from 1 and
// its partition: 0 lets it through.
func (b *broker) answer(fault func(request, partition int32) *kerr.Error) {
	b.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		request := r.(*kmsg.ProduceRequest)
		partition := request.Topics[0].Partitions[0].Partition
		refused := fault(b.requests.Add(1), partition)
		if refused == nil {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.ProduceResponse)
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = request.Topics[0].Topic, request.Topics[0].TopicID
		part := kmsg.NewProduceResponseTopicPartition()
		part.Partition, part.ErrorCode = partition, refused.Code
		topic.Partitions = append(topic.Partitions, part)
		response.Topics = append(response.Topics, topic)
		return response, nil, true
	})
}

func (b *broker) writer() *Writer {
	w := New(Options{Brokers: b.ListenAddrs(), Topic: name})
	w.pause = time.Millisecond
	b.Cleanup(func() { _ = w.Close() })
	return w
}

// read gives the values of n messages by partition and key, in their order;
// then nothing more may come.
func (b *broker) read(n int) map[string][]string {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumeTopics(name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	got, count := map[string][]string{}, 0
	for count < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			b.Fatalf("read %d of %d messages: %v", count, n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			count++
			got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
		})
	}
	if ends := b.end(); ends != int64(n) {
		b.Fatalf("the topic holds %d messages, want %d", ends, n)
	}
	return got
}

func (b *broker) end() (total int64) {
	for p := range int32(partitions) {
		total += b.PartitionInfo(name, p).HighWatermark
	}
	return total
}

func messages(keys, each int) (all []kafka.Message) {
	for n := range each {
		for key := range keys {
			all = append(all, kafka.Message{Key: fmt.Append(nil, "k", key), Value: fmt.Append(nil, n)})
		}
	}
	return all
}

func wantOrder(t *testing.T, got map[string][]string, keys, each int) {
	t.Helper()
	if len(got) != keys {
		t.Fatalf("%d keys came, want %d", len(got), keys)
	}
	for key, values := range got {
		if len(values) != each {
			t.Fatalf("key %s has %d messages, want %d", key, len(values), each)
		}
		for n, value := range values {
			if value != fmt.Sprint(n) {
				t.Fatalf("key %s has %v", key, values)
			}
		}
	}
}

func TestWriteInOrder(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	if err := b.writer().Write(t.Context(), messages(10, 3*chunkMessages/10)); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, b.read(10*(3*chunkMessages/10)), 10, 3*chunkMessages/10)
}

// TestOnePartitionFails: what others acknowledged is not sent again, and what
// failed of a key comes before what follows it.
func TestOnePartitionFails(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	var refused atomic.Int32
	b.answer(func(_, partition int32) *kerr.Error {
		if partition == 1 && refused.Add(1) <= 3 {
			return kerr.NotLeaderForPartition
		}
		return nil
	})
	if err := b.writer().Write(t.Context(), messages(30, 40)); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, b.read(30*40), 30, 40)
	if refused.Load() < 4 {
		t.Fatal("nothing was sent to partition 1: the test shows nothing")
	}
}

// TestConcurrentWrites mixes calls whose keys differ, with a partition that
// refuses every other request.
func TestConcurrentWrites(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.answer(func(request, partition int32) *kerr.Error {
		if partition == 2 && request%2 == 0 {
			return kerr.NotEnoughReplicas
		}
		return nil
	})
	w := b.writer()
	var calls sync.WaitGroup
	for caller := range 2 * writers {
		calls.Go(func() {
			for n := range 5 {
				var all []kafka.Message
				for i := range 4 {
					all = append(all, kafka.Message{Key: fmt.Append(nil, "caller", caller), Value: fmt.Append(nil, 4*n+i)})
				}
				for w.Write(t.Context(), all) != nil {
					// It gave up after its attempts; nothing of the call was written,
					// since it has one key.
				}
			}
		})
	}
	calls.Wait()
	wantOrder(t, b.read(2*writers*20), 2*writers, 20)
}

func TestPermanentFault(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.answer(func(int32, int32) *kerr.Error { return kerr.TopicAuthorizationFailed })
	err := b.writer().Write(t.Context(), messages(1, 2))
	if !errors.Is(err, kafka.TopicAuthorizationFailed) {
		t.Fatalf("error %v", err)
	}
	if n := b.requests.Load(); n != 1 {
		t.Fatalf("a fault that stays was tried %d times", n)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.answer(func(int32, int32) *kerr.Error { return kerr.NotEnoughReplicas })
	err := b.writer().Write(t.Context(), messages(1, 2))
	if !errors.Is(err, kafka.NotEnoughReplicas) {
		t.Fatalf("error %v", err)
	}
	if n := b.requests.Load(); n != attempts {
		t.Fatalf("tried %d times, want %d", n, attempts)
	}
}

// TestCancelled: a call ends with its context, and the writer works on.
func TestCancelled(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.answer(func(request, _ int32) *kerr.Error {
		if request == 1 {
			cancel()
			return kerr.NotEnoughReplicas
		}
		return nil
	})
	w := b.writer()
	if err := w.Write(ctx, messages(1, 2)); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if err := w.Write(t.Context(), messages(1, 2)); err != nil {
		t.Fatal(err)
	}
	wantOrder(t, b.read(2), 1, 2)
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	all := messages(1, 3)
	all[1].Value = make([]byte, batchBytes)
	var tooLarge kafka.MessageTooLargeError
	if err := b.writer().Write(t.Context(), all); !errors.As(err, &tooLarge) {
		t.Fatalf("error %v", err)
	}
}

func TestChunk(t *testing.T) {
	t.Parallel()
	large := kafka.Message{Value: make([]byte, chunkBytes/2)}
	for _, c := range []struct {
		messages []kafka.Message
		want     int
	}{
		{messages(1, 1), 1},
		{messages(1, chunkMessages), chunkMessages},
		{messages(1, chunkMessages+1), chunkMessages},
		{[]kafka.Message{large, large}, 1},
		{[]kafka.Message{{Value: make([]byte, 2*chunkBytes)}, large}, 1},
	} {
		if got := chunk(c.messages); got != c.want {
			t.Errorf("%d messages: chunk of %d, want %d", len(c.messages), got, c.want)
		}
	}
}

// Once partitions were added, messages stay in those over which accounts lie.
func TestMessagesStayInTheFirstPartitions(t *testing.T) {
	t.Parallel()
	w := New(Options{Brokers: []string{"127.0.0.1:1"}, Topic: "t", Partitions: 4})
	defer w.Close()
	moved := 0
	for n := range 100 {
		m := kafka.Message{Key: fmt.Appendf(nil, "acc-%d", n)}
		want := kafka.Murmur2Balancer{}.Balance(m, 0, 1, 2, 3)
		if got := w.balance(m, 0, 1, 2, 3, 4); got != want {
			t.Errorf("%s goes to partition %d, want %d", m.Key, got, want)
		}
		if w.Use(0); w.balance(m, 0, 1, 2, 3, 4) != want {
			moved++
		}
		w.Use(4)
	}
	if moved == 0 {
		t.Error("with all partitions nothing moves: the test tells nothing")
	}
}

// takesAtMost sets what the topic takes at once, as an operator does.
func (b *broker) takesAtMost(bytes string) {
	b.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.ListenAddrs()...), Transport: transport}
	answer, err := client.AlterConfigs(b.Context(), &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: name, Configs: []kafka.AlterConfigRequestConfig{{Name: "max.message.bytes", Value: bytes}},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	for _, err := range answer.Errors {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// noise is a value that compression gains nothing of; its first byte counts.
func noise(n, bytes int) []byte {
	value := make([]byte, bytes)
	if _, err := rand.Read(value); err != nil {
		panic(err) // it never fails
	}
	value[0] = byte(n)
	return value
}

// A topic that takes less at once than what is usual gets its messages in parts,
// in order, each once.
func TestABatchOverTheTopicsLimitIsSplit(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.takesAtMost("3000")
	const keys, each = 5, 40
	var all []kafka.Message
	for n := range each {
		for key := range keys {
			all = append(all, kafka.Message{Key: fmt.Append(nil, "k", key), Value: noise(n, 500)})
		}
	}
	if err := b.writer().Write(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	got := b.read(keys * each)
	for key, values := range got {
		for n, value := range values {
			if value[0] != byte(n) {
				t.Fatalf("of key %s message %d came as number %d", key, value[0], n)
			}
		}
	}
}

func TestOneMessageOverTheTopicsLimitIsToldWithItsSize(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.takesAtMost("3000")
	err := b.writer().Write(t.Context(), []kafka.Message{
		{Key: []byte("k"), Value: noise(0, 100)}, {Key: []byte("k"), Value: noise(1, 5000)}, {Key: []byte("k"), Value: noise(2, 100)},
	})
	if !errors.Is(err, rules.ErrNeedsPerson) || !errors.Is(err, kafka.MessageSizeTooLarge) {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{"one message of 5065 bytes", "more than topic out takes", "max.message.bytes", "2 messages are not acknowledged"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v doesn't say %q", err, part)
		}
	}
	if n := b.end(); n != 1 {
		t.Errorf("%d messages before it are written, want 1", n)
	}
}
