package processor

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/processor/feed"
	"ristourne/rules"
)

// stampedSource gives batches of transactions with the timestamps that a test
// wants, and says up to when it has read everything.
// Its transactions are unmatched.
type stampedSource struct {
	shardZero
	stamps    []int64
	readToEnd time.Time
}

func (s *stampedSource) Next(_ context.Context, b *feed.Batch) error {
	b.Records, b.Next = b.Records[:0], rules.Positions{-1, -1, -1, -1}
	for i, stamp := range s.stamps {
		r := authorizations(1, func(int) string { return "9000000000" })[0]
		r.Offset, r.Time = int64(i), stamp
		r.Value = bytes.Replace(r.Value, []byte("2026-10-05"), []byte("1969-10-05"), 1) // ahead of no timestamp
		b.Records = append(b.Records, r)
	}
	return nil
}

func (s *stampedSource) ReadToEnd() (ends [rules.NumTopics]time.Time) {
	ends[rules.TopicTransactions] = s.readToEnd
	return ends
}

// stampedShard reads batches at a clock that the test moves.
type stampedShard struct {
	*Shard
	source *stampedSource
	clock  *handClock
	log    bytes.Buffer
}

func newStampedShard(t *testing.T) *stampedShard {
	t.Helper()
	s := &stampedShard{source: &stampedSource{}, clock: new(handClock)}
	s.clock.advance(1_800_000_000 * time.Second)
	ports := purePorts(t, aTown())
	ports.Now = s.clock.now
	options := DefaultOptions()
	options.AccountRefKey, options.CommitInterval = make([]byte, 32), 1<<62
	options.Topics[rules.TopicTransactions] = "card.transactions"
	s.Shard = NewShard(s.source, ports, options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(&s.log, nil)))
	s.lastSave = s.clock.now() // nothing is to be committed
	return s
}

// read takes one batch whose records have these timestamps.
func (s *stampedShard) read(t *testing.T, stamps ...int64) {
	t.Helper()
	s.source.stamps = stamps
	if err := s.Decide(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func (s *stampedShard) expect(t *testing.T, what string, seconds, off float64) {
	t.Helper()
	if got := valueOf(t, s.metrics.stampAge.WithLabelValues("card.transactions", "0")); got != seconds {
		t.Errorf("%s: arrival less timestamp is %v s, want %v", what, got, seconds)
	}
	if got := valueOf(t, s.metrics.stampsOff.WithLabelValues("card.transactions")); got != off {
		t.Errorf("%s: %v timestamps are off, want %v", what, got, off)
	}
}

// A feed whose timestamps are wrong is measured, counted and said once in a
// while; a backlog, whose records are as old as they say, is not taken for one.
func TestTimestampsAreHeldAgainstTheClock(t *testing.T) {
	t.Parallel()
	s := newStampedShard(t)
	now := func() int64 { return s.clock.now().UnixMilli() }
	const minute = 60_000

	s.read(t, now()-3*60*minute, now()-60*minute, now())
	s.expect(t, "a backlog of hours", 0, 0)
	s.read(t, now(), 0)
	s.expect(t, "1970 in a backlog", 1_800_000_000, 1)

	s.source.readToEnd = s.clock.now()
	s.read(t) // nothing waits: what comes next is new
	s.clock.advance(time.Second)
	s.read(t, now(), now()-500)
	s.expect(t, "right timestamps", 0, 1)
	s.read(t, now(), now()-10*minute, now()-11*minute)
	s.expect(t, "10 minutes slow, and 11", 11*60-1, 3)
	s.read(t, now()+7*minute, now())
	s.expect(t, "7 minutes fast", -7*60, 4)
	s.read(t, -1)
	s.expect(t, "no timestamp", 1_800_000_000+0.001, 5)
	s.read(t, now())
	s.expect(t, "right again", 0, 5)
	if n := strings.Count(s.log.String(), "level=WARN"); n != 1 {
		t.Errorf("warned %d times within a minute, want once:\n%s", n, s.log.String())
	}
	s.clock.advance(stampWarnEvery)
	s.read(t, 0)
	warnings := s.log.String()
	if strings.Count(warnings, "level=WARN") != 2 || !strings.Contains(warnings, "LogAppendTime") || !strings.Contains(warnings, "topic=card.transactions") {
		t.Errorf("warned:\n%s", warnings)
	}
}

// A gauge of 56 years would make somebody look for a step that fails.
func TestTheOldestRecordIsNotOf1970(t *testing.T) {
	t.Parallel()
	const minute = 60_000
	for _, c := range []struct {
		what          string
		stamp         func(now int64) int64
		caughtUp      bool
		age, ageLater int64 // milliseconds
	}{
		{"right", func(now int64) int64 { return now - 300 }, true, 300, minute + 300},
		{"an hour old in a backlog", func(now int64) int64 { return now - 60*minute }, false, 60 * minute, 61 * minute},
		{"1970", func(int64) int64 { return 0 }, true, 1000, minute + 1000},
		{"1970 in a backlog", func(int64) int64 { return 0 }, false, 0, minute},
		{"none", func(int64) int64 { return -1 }, false, 0, minute},
		{"10 minutes slow", func(now int64) int64 { return now - 10*minute }, true, 1000, minute + 1000},
		{"an hour fast", func(now int64) int64 { return now + 60*minute }, true, 0, minute},
	} {
		s := newStampedShard(t)
		if c.caughtUp {
			s.source.readToEnd = s.clock.now()
		}
		s.read(t)
		s.clock.advance(time.Second)
		s.read(t, c.stamp(s.clock.now().UnixMilli()))
		age := func() int64 { return s.clock.now().UnixMilli() - s.backlog.oldest() }
		if got := age(); got != c.age {
			t.Errorf("%s: %d ms old, want %d", c.what, got, c.age)
		}
		s.clock.advance(time.Minute)
		if got := age(); got != c.ageLater {
			t.Errorf("%s: a minute later %d ms old, want %d", c.what, got, c.ageLater)
		}
	}
}
