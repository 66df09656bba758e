package feed

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// reader fetches one partition from an offset on.
type reader struct {
	client    *client
	topic     string
	partition int32
	maxBytes  int
	offset    int64 // to fetch next; -1: the oldest there is, not yet known
	// fromFirst: nothing was committed, so the oldest kept record is the right one to
	// begin with, and that retention takes more of them meanwhile is no loss.
	fromFirst bool
	// waits: the first fetch tells at once where the partition stands, later ones
	// may wait for records.
	waits bool
}

// fetch brings the next answer and lays set over it. It takes the exchange to
// reuse (nil: none) and gives the one it used. Transient errors are retried
// until ctx ends.
func (r *reader) fetch(ctx context.Context, f *fetch, set *recordSet) (*fetch, error) {
	what := fmt.Sprintf("fetch partition %d of %s", r.partition, r.topic)
	err := keepTrying(ctx, r.client.log, what, func() error {
		if r.offset < 0 {
			first, err := r.client.ends(ctx, kafka.FirstOffset, r.partition, r.topic)
			if err != nil {
				return err
			}
			r.offset = first[0]
		}
		if f == nil {
			f = r.client.newFetch(r.topic, r.partition, r.maxBytes)
		}
		f.offset, f.maxWait = r.offset, 0
		if r.waits {
			f.maxWait = r.client.config.MaxWait
		}
		if err := r.client.exchange(ctx, f); err != nil {
			f = nil // its connection may still write into it
			return err
		}
		return r.accept(ctx, f, set)
	})
	return f, err
}

func (r *reader) accept(ctx context.Context, f *fetch, set *recordSet) error {
	if f.throttle > 0 {
		// The broker counts on clients to keep the pause that a quota asks for.
		if err := sleep(ctx, f.throttle); err != nil {
			return err
		}
	}
	switch {
	case f.code == kafka.OffsetOutOfRange && r.fromFirst:
		r.offset = -1 // retention was faster: ask again where the log begins
		return kafka.OffsetNotAvailable
	case f.code == kafka.OffsetOutOfRange:
		return r.client.outOfRange(ctx, f)
	case f.code != 0:
		return f.code
	}
	if err := set.reset(f.records, r.offset, f.aborted); err != nil {
		return fmt.Errorf("at offset %d: %w", r.offset, err)
	}
	r.offset, r.fromFirst, r.waits = set.end, false, true
	return nil
}

// answer is a fetched answer on its way from a lane to Next, and back for reuse.
type answer struct {
	fetch *fetch
	set   recordSet
	// barrier is, for transactions, how far the other topics must have been given
	// out before these records are.
	barrier rules.Positions
	err     error // for good; the lane has ended
}

// answersPerLane: one that the caller reads, one that is fetched meanwhile.
const answersPerLane = 2

// lane fetches one topic of a shard ahead of the caller. Its goroutine owns reader;
// the Source's caller owns current, spent, arena and position.
type lane struct {
	topic  rules.Topic
	reader reader
	full   chan *answer
	free   chan *answer

	current  *answer // being given out
	spent    *answer // given out in the present batch, reused after it
	arena    arena
	position int64 // offset after what was given out; -1: not known yet
}

func newLane(c *client, t rules.Topic, shard int32, from int64) *lane {
	maxBytes := c.config.MaxBytes
	if t != rules.TopicTransactions {
		maxBytes /= 4
	}
	l := &lane{
		topic:    t,
		reader:   reader{client: c, topic: c.config.Topics[t], partition: shard, maxBytes: maxBytes, offset: from, fromFirst: from < 0},
		full:     make(chan *answer, answersPerLane),
		free:     make(chan *answer, answersPerLane),
		position: from,
	}
	for range answersPerLane {
		l.free <- new(answer)
	}
	return l
}

// run fetches until ctx ends or an error that waiting doesn't mend, which it hands
// on like an answer. Answers that bring nothing new are kept back.
func (l *lane) run(ctx context.Context, s *Source) {
	told := l.reader.offset
	for {
		var a *answer
		select {
		case a = <-l.free:
		case <-ctx.Done():
			return
		}
		for {
			asked := time.Now()
			a.fetch, a.err = l.reader.fetch(ctx, a.fetch, &a.set)
			if ctx.Err() != nil {
				return
			}
			if a.err != nil {
				break
			}
			s.mark(l.topic, a.fetch.marks, asked)
			if a.set.end != told {
				break
			}
		}
		if a.err == nil && l.topic == rules.TopicTransactions {
			a.barrier, a.err = s.barrier(ctx)
			if ctx.Err() != nil {
				return
			}
		}
		told = a.set.end
		l.full <- a // has room for all answers there are
		select {
		case s.ready <- struct{}{}:
		default: // Next has been told and will look at all lanes
		}
		if a.err != nil {
			return
		}
	}
}

// poll looks, without waiting, whether the lane has an answer to give out. The
// lane gives at most one answer in a batch, so that the other buffer is free to
// be fetched into.
func (l *lane) poll() error {
	if l.current != nil || l.spent != nil {
		return nil
	}
	select {
	case a := <-l.full:
		if a.err != nil {
			return a.err
		}
		l.current = a
		// Reading may have begun, or begun anew, at the oldest record there is.
		l.position = a.set.from
	default:
	}
	return nil
}

// give appends records to the batch until it is full or the answer is spent.
func (l *lane) give(b *Batch, c *Config) error {
	set := &l.current.set
	for !b.full(c) {
		n := len(b.Records)
		if n < cap(b.Records) {
			b.Records = b.Records[:n+1]
		} else {
			b.Records = append(b.Records, Record{})
		}
		r := &b.Records[n]
		ok, err := set.read(&l.arena, r)
		if err != nil {
			return fmt.Errorf("partition %d of %s: %w", l.reader.partition, l.reader.topic, err)
		}
		if !ok {
			b.Records = b.Records[:n]
			l.current, l.spent = nil, l.current
			break
		}
		r.Topic = l.topic
		b.valueBytes += len(r.Value)
	}
	l.position = set.next
	return nil
}

// recycle takes back the buffers of the former batch.
func (l *lane) recycle() {
	l.arena.release(l.current != nil && l.current.set.left > 0)
	if l.spent != nil {
		l.free <- l.spent
		l.spent = nil
	}
}
