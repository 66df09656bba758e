package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// ErrGenerationOver: the source belongs to a generation of the group that has
// ended; another member may own the shard by now.
var ErrGenerationOver = errors.New("the generation of the consumer group is over")

// Source gives out the records of one shard in one generation of the group. Next
// and Seek are for one goroutine; the other methods are for any.
type Source struct {
	client    *client
	shard     int32
	committed rules.Positions
	commits   *commitQueue

	ctx     context.Context // of the generation
	stop    context.CancelFunc
	running sync.WaitGroup
	lanes   [rules.NumTopics]*lane // nil until Next starts them
	ready   chan struct{}          // a lane has got an answer since Next last looked
	timer   *time.Timer
	failure error

	mutex     sync.Mutex // guards what any goroutine may ask for
	marks     [rules.NumTopics]Watermarks
	marked    [rules.NumTopics]time.Time // when the answers that told the marks were asked for
	positions rules.Positions
}

func newSource(ctx context.Context, c *client, shard int32, committed rules.Positions, commits *commitQueue) *Source {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &Source{
		client: c, shard: shard, committed: committed, commits: commits,
		ctx: ctx, stop: func() {}, timer: timer, positions: committed,
	}
}

// Shard is the partition number.
func (s *Source) Shard() int32 { return s.shard }

// Committed is what the group had committed when the generation began, and what
// was committed through this source since.
func (s *Source) Committed() rules.Positions {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.committed
}

// SetElsewhere asks which of the committed offsets no processor has committed.
func (s *Source) SetElsewhere(ctx context.Context) ([rules.NumTopics]bool, error) {
	commits, err := s.client.committed(ctx, s.shard)
	return commits.Foreign, err
}

// CommittedBatch asks which batch was the last that was delivered when offsets were
// committed; 0: none, or it wasn't said.
func (s *Source) CommittedBatch(ctx context.Context) (uint64, error) {
	commits, err := s.client.committed(ctx, s.shard)
	return commits.Batch(), err
}

// Seek says where Next reads on; -1 means the oldest record that is kept. Without
// it reading begins at the committed offsets. The batch of the last Next stays
// valid no longer.
func (s *Source) Seek(o rules.Positions) {
	s.halt()
	for t := range o {
		o[t] = max(o[t], -1)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.positions = o
}

// halt ends the lanes and waits for them. Connections that still wait for an
// answer write into buffers that nobody uses any more.
func (s *Source) halt() {
	s.stop()
	s.running.Wait()
	s.lanes, s.stop, s.failure = [rules.NumTopics]*lane{}, func() {}, nil
}

// start runs the lanes from the present positions on.
func (s *Source) start() {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(s.ctx)
	s.ready = make(chan struct{}, 1)
	for t := range rules.NumTopics {
		l := newLane(s.client, t, s.shard, s.positions[t])
		s.lanes[t] = l
		s.running.Go(func() { l.run(ctx, s) })
	}
}

// Next fills b with the records that are there, or waits for some for at most
// MaxWait: an empty batch is no error, though its Next may have moved. A batch has
// at most MaxRecords records and about BatchBytes of values. What the former batch
// pointed to is overwritten.
//
// Transactions come only with, or after, all that was in the other topics when
// they were fetched (see the package's comment).
//
// Errors of networks and leaders are retried inside. What Next returns is ctx's
// error, ErrGenerationOver, or what waiting doesn't mend: an
// *OffsetOutOfRangeError, ErrCorrupt, ErrOldFormat, a refused authorization. It
// then returns the same again until Seek.
func (s *Source) Next(ctx context.Context, b *Batch) error {
	b.Records, b.valueBytes = b.Records[:0], 0
	if s.failure != nil {
		return s.failure
	}
	if s.lanes[rules.TopicFacts] == nil {
		s.start()
	}
	for _, l := range s.lanes {
		l.recycle()
	}
	s.timer.Reset(s.client.config.MaxWait)
	defer s.timer.Stop()
	err := s.fill(ctx, b)
	for t, l := range s.lanes {
		b.Next[t] = l.position
	}
	s.mutex.Lock()
	s.positions = b.Next
	s.mutex.Unlock()
	return err
}

func (s *Source) fill(ctx context.Context, b *Batch) error {
	if err := s.await(ctx, s.anything); err != nil {
		return err
	}
	transactions := s.lanes[rules.TopicTransactions]
	for t := rules.TopicFacts; t < rules.TopicTransactions && !b.full(&s.client.config); t++ {
		l := s.lanes[t]
		if transactions.current != nil && l.position < transactions.current.barrier[t] {
			// These records are in the log: the lane is about to bring them.
			if err := s.await(ctx, func() bool { return l.current != nil }); err != nil {
				return err
			}
		}
		if err := s.give(l, b); err != nil {
			return err
		}
	}
	if transactions.current == nil || !s.reached(transactions.current.barrier) {
		return nil
	}
	return s.give(transactions, b)
}

func (s *Source) anything() bool {
	for _, l := range s.lanes {
		if l.current != nil {
			return true
		}
	}
	return false
}

func (s *Source) reached(barrier rules.Positions) bool {
	for t := rules.TopicFacts; t < rules.TopicTransactions; t++ {
		if s.lanes[t].position < barrier[t] {
			return false
		}
	}
	return true
}

func (s *Source) give(l *lane, b *Batch) error {
	if l.current == nil {
		return nil
	}
	err := l.give(b, &s.client.config)
	if err != nil {
		s.failure = err
	}
	return err
}

// await polls the lanes until enough holds or this call of Next has waited for
// MaxWait.
func (s *Source) await(ctx context.Context, enough func() bool) error {
	for {
		for _, l := range s.lanes {
			if err := l.poll(); err != nil {
				s.failure = err
				return err
			}
		}
		if enough() {
			return nil
		}
		select {
		case <-s.ready:
		case <-s.timer.C:
			s.timer.Reset(0) // there is no more waiting in this call
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return ErrGenerationOver
		}
	}
}

// barrier asks where the topics that go before transactions end by now.
func (s *Source) barrier(ctx context.Context) (rules.Positions, error) {
	var b rules.Positions
	names := s.client.config.Topics[:rules.TopicTransactions]
	err := keepTrying(ctx, s.client.log, "read the ends of the topics before transactions", func() error {
		ends, err := s.client.ends(ctx, kafka.LastOffset, s.shard, names...)
		copy(b[:], ends)
		return err
	})
	return b, err
}

func (s *Source) mark(t rules.Topic, m Watermarks, asked time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.marks[t], s.marked[t] = m, asked
}

// Watermarks are the ends of the topic's partition, as the newest answer told them;
// all 0 before the first.
func (s *Source) Watermarks(t rules.Topic) Watermarks {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.marks[t]
}

// Lag is how many offsets of each topic Next has not given out yet, as far as the
// newest answers tell. Records that were deleted unread count: they wait for ever.
func (s *Source) Lag() [rules.NumTopics]int64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var lag [rules.NumTopics]int64
	for t, m := range s.marks {
		from := s.positions[t]
		if from < 0 {
			from = m.LogStart // nothing was ever read: what is kept waits
		}
		lag[t] = max(0, m.High-from)
	}
	return lag
}

// ReadToEnd is, by topic, a time at which the log held nothing that Next hasn't
// given out: whatever Next gives out from now on was appended after it. Zero:
// something waits, or nothing is known yet.
func (s *Source) ReadToEnd() [rules.NumTopics]time.Time {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var ends [rules.NumTopics]time.Time
	for t, m := range s.marks {
		if s.positions[t] >= m.High {
			ends[t] = s.marked[t]
		}
	}
	return ends
}

// Commit commits where the group reads on after a restart, -1 leaving a topic as it
// is, with the number of the last batch that is delivered, and returns when the broker has acknowledged. Commits that wait together, of
// all shards of the generation, go in one request. Transient failures are retried
// until ctx or the generation ends.
//
// After the generation's end it is tried once more, so that a shard can be let go
// of cleanly: brokers take commits of the former owner until the next one has
// joined. A commit that comes too late is ErrGenerationOver.
func (s *Source) Commit(ctx context.Context, o rules.Positions, batch uint64) error {
	return keepTrying(ctx, s.client.log, fmt.Sprintf("commit offsets of shard %d", s.shard), func() error {
		err := s.commits.commit(ctx, s.shard, o, batch)
		if err == nil {
			s.noteCommitted(o)
		}
		fenced := errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId)
		if err != nil && (fenced || s.ctx.Err() != nil) && !errors.Is(err, ErrGenerationOver) {
			return fmt.Errorf("%w: %w", ErrGenerationOver, err)
		}
		return err
	})
}

func (s *Source) noteCommitted(o rules.Positions) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for t, offset := range o {
		s.committed[t] = max(s.committed[t], offset)
	}
}
