// Package topic writes messages to one Kafka topic for the sinks: it returns
// when every message is acknowledged by all replicas in sync, sends again only
// what is not, and keeps the order of messages with the same key.
package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// Options say where to write.
type Options struct {
	Brokers   []string // host:port
	Topic     string
	Transport *kafka.Transport // TLS, SASL, client id; nil: plain, without them
	// Partitions is how many of the topic's partitions are written to, the first
	// ones; 0: all. Accounts stay where they lie when partitions are added.
	Partitions int
}

const (
	// chunkMessages and chunkBytes bound what is on its way at a time. kafka-go
	// takes memory for chunkMessages messages a batch and partition, however
	// few there are.
	chunkMessages = 256
	chunkBytes    = 800_000
	// batchBytes keeps a batch under the 1,048,588 bytes that a topic takes by
	// default, also where compression gains nothing.
	batchBytes = 1_000_000
	// messageOverhead is more than what a message has beside key, value and
	// headers, headerOverhead than a header has beside name and value.
	messageOverhead = 64
	headerOverhead  = 10

	batchTimeout   = time.Millisecond // how long a batch waits for more: nothing more comes
	requestTimeout = 10 * time.Second
	writers        = 16 // calls of Write that send at the same time; more wait

	attempts   = 8
	backoffMin = 100 * time.Millisecond
	backoffMax = 2 * time.Second
)

// Writer writes to one topic. It may be used by many goroutines.
//
// kafka-go cuts the messages of concurrent calls into batches as they come. If
// a batch failed and the next one of its partition did not, an account's
// messages would change places. So each call has a kafka.Writer to itself and
// gives it no more than fits into one batch a partition: what fails of a key
// fails together.
type Writer struct {
	topic   string
	idle    chan *kafka.Writer
	make    func() *kafka.Writer
	closing sync.WaitGroup // writers that were given up with messages on their way
	pause   time.Duration  // before the second attempt

	partitions atomic.Int64 // as Options has it
}

// New makes a writer; it connects with the first message.
func New(o Options) *Writer {
	transport := o.Transport
	if transport == nil {
		transport = &kafka.Transport{ClientID: "ristourne"}
	}
	w := &Writer{topic: o.Topic, idle: make(chan *kafka.Writer, writers), pause: backoffMin}
	w.Use(o.Partitions)
	w.make = func() *kafka.Writer {
		return &kafka.Writer{
			Addr:         kafka.TCP(o.Brokers...),
			Topic:        o.Topic,
			Transport:    transport,
			RequiredAcks: kafka.RequireAll, // kafka-go's own default is none at all
			Balancer:     kafka.BalancerFunc(w.balance),
			Compression:  kafka.Lz4,
			BatchSize:    chunkMessages,
			BatchBytes:   batchBytes,
			BatchTimeout: batchTimeout,
			ReadTimeout:  requestTimeout,
			WriteTimeout: requestTimeout,
			MaxAttempts:  1, // Write tries again itself
		}
	}
	for range writers {
		w.idle <- w.make()
	}
	return w
}

// Use says how many of the topic's partitions are written to, as Options has it,
// for who learns it later.
func (w *Writer) Use(partitions int) { w.partitions.Store(int64(partitions)) }

// balance places a message as Java clients do: murmur2. kafka-go gives the
// partitions in order.
func (w *Writer) balance(m kafka.Message, partitions ...int) int {
	if most := int(w.partitions.Load()); most > 0 && most < len(partitions) {
		partitions = partitions[:most]
	}
	return kafka.Murmur2Balancer{}.Balance(m, partitions...)
}

// Close waits for what is on its way. No call of Write may be under way or follow.
func (w *Writer) Close() error {
	var faults []error
	for range writers {
		faults = append(faults, (<-w.idle).Close())
	}
	w.closing.Wait()
	return errors.Join(faults...)
}

// Write returns when every message is acknowledged. An error means that some
// may be written and some not: write all of them again, and let the reader
// tell repeats. The messages' bytes must not change until then, and after an
// error never.
func (w *Writer) Write(ctx context.Context, messages []kafka.Message) error {
	if len(messages) == 0 {
		return nil
	}
	var out *kafka.Writer
	select {
	case out = <-w.idle:
	case <-ctx.Done():
		return w.fault(len(messages), context.Cause(ctx))
	}
	for len(messages) > 0 {
		n := chunk(messages)
		if left, err := w.send(ctx, out, messages[:n]); err != nil {
			w.giveUp(out)
			return w.fault(len(messages)-n+left, err)
		}
		messages = messages[n:]
	}
	w.idle <- out
	return nil
}

// giveUp puts a new writer in the place of one that may still have messages on
// its way, which must not get into a batch with those of another call.
func (w *Writer) giveUp(out *kafka.Writer) {
	w.closing.Go(func() { _ = out.Close() })
	w.idle <- w.make()
}

func (w *Writer) fault(left int, err error) error {
	return fmt.Errorf("write to topic %s: %d messages are not acknowledged: %w", w.topic, left, err)
}

// chunk is how many messages fit into one batch, if all had one partition.
func chunk(messages []kafka.Message) int {
	bytes := 0
	for i := range messages {
		bytes += size(&messages[i])
		if i == chunkMessages || i > 0 && bytes > chunkBytes {
			return i
		}
	}
	return len(messages)
}

// size is at least what a message takes in a batch that compression gains nothing of.
func size(m *kafka.Message) int {
	bytes := len(m.Key) + len(m.Value) + messageOverhead
	for _, h := range m.Headers {
		bytes += len(h.Key) + len(h.Value) + headerOverhead
	}
	return bytes
}

// send sends a chunk, and what fails of it again. It gives up after some attempts:
// who asked tries all of it anew, for as long as it takes, and shows it. It returns
// how many messages are not acknowledged in the end.
func (w *Writer) send(ctx context.Context, out *kafka.Writer, pending []kafka.Message) (left int, err error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = w.pause, backoffMax
	for attempt := 1; ; attempt++ {
		err = out.WriteMessages(ctx, pending...)
		if err == nil {
			return 0, nil
		}
		var each kafka.WriteErrors
		if errors.As(err, &each) {
			pending, err = failed(pending, each)
		}
		if permanent(err) {
			return len(pending), fmt.Errorf("%w: the brokers refuse it for good (grant the right to write): %w", rules.ErrNeedsPerson, err)
		}
		if tooLarge(err) {
			return w.halve(ctx, out, pending, err)
		}
		if ctx.Err() != nil {
			return len(pending), err
		}
		if attempt == attempts {
			return len(pending), fmt.Errorf("after %d attempts: %w", attempts, err)
		}
		select {
		case <-ctx.Done():
			return len(pending), errors.Join(context.Cause(ctx), err)
		case <-time.After(pauses.NextBackOff()):
		}
	}
}

// halve sends in two what is more than the topic takes at once: its
// max.message.bytes bounds a batch, and may be below what is usual. The second half
// goes when the first is acknowledged, so that a key's messages keep their order.
func (w *Writer) halve(ctx context.Context, out *kafka.Writer, pending []kafka.Message, refused error) (left int, err error) {
	var ours kafka.MessageTooLargeError
	switch bytes := size(&pending[0]); {
	case len(pending) > 1:
	case errors.As(refused, &ours):
		return 1, fmt.Errorf("%w: one message of %d bytes is more than the %d that are ever sent to topic %s at once: a fault of the program: %w",
			rules.ErrNeedsPerson, bytes, batchBytes, w.topic, refused)
	default:
		return 1, fmt.Errorf("%w: one message of %d bytes is more than topic %s takes: raise its max.message.bytes over that (or the brokers' message.max.bytes, "+
			"where the topic sets none): %w", rules.ErrNeedsPerson, bytes, w.topic, refused)
	}
	half := len(pending) / 2
	if left, err := w.send(ctx, out, pending[:half]); err != nil {
		return left + len(pending) - half, err
	}
	return w.send(ctx, out, pending[half:])
}

// failed keeps the messages that have an error, in their order, and joins the
// errors that differ.
func failed(messages []kafka.Message, each kafka.WriteErrors) (pending []kafka.Message, err error) {
	var kinds []error
	seen := make(map[string]bool)
	for i, fault := range each {
		if fault == nil {
			continue
		}
		pending = append(pending, messages[i])
		if text := fault.Error(); !seen[text] {
			seen[text] = true
			kinds = append(kinds, fault)
		}
	}
	return pending, errors.Join(kinds...)
}

// permanent reports an answer that will be the same next time: no right to write.
// All else may pass: a broker that is gone, a leader that moves, replicas that lag;
// and what is too large is sent in parts.
func permanent(err error) bool {
	for _, kind := range kinds(err) {
		var answer kafka.Error
		if errors.As(kind, &answer) && !answer.Temporary() && !tooLarge(kind) {
			return true
		}
	}
	return false
}

// kinds are the errors that failed has joined.
func kinds(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // what is joined is asked one by one
		return joined.Unwrap()
	}
	return []error{err}
}

// tooLarge reports a batch over the topic's max.message.bytes, or a message over
// what a batch of ours takes.
func tooLarge(err error) bool {
	var message kafka.MessageTooLargeError
	return errors.As(err, &message) || errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}
