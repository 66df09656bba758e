package feed

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ristourne/rules"
)

func TestABatchTakesTopicsInOrderAndTellsWhereToGoOn(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 2)
	w := newWriter(t, c)
	w.write(rules.TopicTransactions, 1, "t0", "t1")
	w.write(rules.TopicResults, 1, "r0")
	w.write(rules.TopicReferrals, 1, "s0", "s1", "s2")
	w.write(rules.TopicFacts, 1, "f0")
	w.write(rules.TopicFacts, 0, "of another shard")

	began := time.Now()
	s := source(t, c, 1, fromFirst)
	var b Batch
	var got []string
	for len(got) < 7 {
		next(t, s, &b)
		if !slices.IsSortedFunc(b.Records, func(a, b Record) int { return cmp.Compare(a.Topic, b.Topic) }) {
			t.Errorf("topics out of order in a batch: %v", texts(&b))
		}
		got = append(got, texts(&b)...)
	}
	want := []string{"facts:f0", "referrals:s0", "referrals:s1", "referrals:s2", "results:r0"}
	slices.Sort(got[:5]) // these topics come in any order, if not in one batch
	if !slices.Equal(got, append(want, "transactions:t0", "transactions:t1")) {
		t.Errorf("got %v", got)
	}
	if b.Next != (rules.Positions{1, 3, 1, 2}) {
		t.Errorf("next %v", b.Next)
	}
	last := b.Records[len(b.Records)-1]
	if last.Offset != 1 || string(last.Key) != "account" || time.Since(time.UnixMilli(last.Time)).Abs() > time.Hour {
		t.Errorf("last record is %+v", last)
	}
	if lag := s.Lag(); lag != ([rules.NumTopics]int64{}) {
		t.Errorf("lag %v after all was read", lag)
	}
	if m := s.Watermarks(rules.TopicTransactions); m != (Watermarks{High: 2, LastStable: 2}) {
		t.Errorf("watermarks %+v", m)
	}
	if at := s.ReadToEnd()[rules.TopicTransactions]; at.Before(began) || at.After(time.Now()) {
		t.Errorf("read to the end as of %s", at)
	}
	w.write(rules.TopicTransactions, 1, "t2")
	for limit := time.Now().Add(20 * time.Second); s.Lag()[rules.TopicTransactions] != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("a lane doesn't see what was written")
		}
	}
	if at := s.ReadToEnd()[rules.TopicTransactions]; !at.IsZero() {
		t.Errorf("read to the end as of %s, and a record waits", at)
	}
}

// A transaction's value is how many facts were acknowledged before it was written.
func TestNoTransactionComesBeforeTheFactsThatWereThereBeforeIt(t *testing.T) {
	t.Parallel()
	for _, brokers := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d brokers", brokers), func(t *testing.T) {
			_, c := onFake(t, brokers, 1)
			c.MaxRecords, c.MaxBytes = 7, 1024
			w := newWriter(t, c)
			for range 20 { // the backlog of a first start
				w.write(rules.TopicFacts, 0, numbers(0, 50)...)
			}
			facts := 1000
			w.write(rules.TopicTransactions, 0, strconv.Itoa(facts))
			var writing sync.WaitGroup
			defer writing.Wait()
			writing.Go(func() {
				for range 200 {
					w.write(rules.TopicFacts, 0, "f")
					facts++
					w.write(rules.TopicTransactions, 0, strconv.Itoa(facts))
				}
			})
			s := source(t, c, 0, fromFirst)
			var b Batch
			for seen, transactions := 0, 0; transactions < 201; {
				next(t, s, &b)
				for _, r := range b.Records {
					if r.Topic == rules.TopicFacts {
						seen++
						continue
					}
					transactions++
					if need, _ := strconv.Atoi(string(r.Value)); seen < need {
						t.Fatalf("transaction %d came after %d facts, %d were there before it", r.Offset, seen, need)
					}
				}
			}
		})
	}
}

func TestAnIdleShardWakesForAnyTopic(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	c.MaxWait = 2 * testLimit // longer than the test may take
	w := newWriter(t, c)
	s := source(t, c, 0, fromFirst)
	var b Batch
	for range 3 {
		for topic := range rules.NumTopics {
			value := topic.String()
			w.send(topic, 0, value)
			next(t, s, &b)
			if got := texts(&b); !slices.Equal(got, []string{value + ":" + value}) {
				t.Fatalf("got %v, want one record of %s", got, value)
			}
		}
	}
}

func TestBatchesKeepTheirLimits(t *testing.T) {
	t.Parallel()
	_, c := onFake(t, 1, 1)
	c.MaxRecords, c.BatchBytes = 10, 1000
	w := newWriter(t, c, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	w.write(rules.TopicTransactions, 0, numbers(0, 35)...)
	w.write(rules.TopicTransactions, 0, slices.Repeat([]string{strings.Repeat("x", 400)}, 10)...)
	s := source(t, c, 0, fromFirst)
	var b Batch
	var sizes []int
	for n := 0; n < 45; {
		next(t, s, &b)
		if b.Next[rules.TopicTransactions] != b.Records[len(b.Records)-1].Offset+1 {
			t.Errorf("next %d after offset %d", b.Next[rules.TopicTransactions], b.Records[len(b.Records)-1].Offset)
		}
		for i, r := range b.Records {
			if r.Offset != int64(n+i) || n+i < 35 && string(r.Value) != strconv.Itoa(n+i) {
				t.Fatalf("record %d is offset %d %q", n+i, r.Offset, r.Value)
			}
		}
		n += len(b.Records)
		sizes = append(sizes, len(b.Records))
	}
	if slices.Max(sizes) > 10 {
		t.Errorf("batches of %v records, the limit is 10", sizes)
	}
	if tail := sizes[len(sizes)-1]; tail > 3 {
		t.Errorf("%d records of 400 bytes in a batch of 1000", tail)
	}
}

func TestABatchLargerThanAFetchComesWhole(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	c.MaxBytes, c.BatchBytes = 4096, 1<<20
	w := newWriter(t, c)
	large := strings.Repeat("0123456789", 50_000)
	w.write(rules.TopicFacts, 0, large, large[:10])
	w.write(rules.TopicFacts, 0, "after")
	s := source(t, c, 0, fromFirst)
	var b Batch
	var got []string
	for len(got) < 3 {
		next(t, s, &b)
		for _, r := range b.Records {
			got = append(got, string(r.Value))
		}
	}
	if !slices.Equal(got, []string{large, large[:10], "after"}) {
		t.Errorf("got %d records, the first of %d bytes", len(got), len(got[0]))
	}
}

func TestAbortedTransactionsOfAProducerNeverComeOut(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	w := newWriter(t, c, kgo.TransactionalID(c.GroupID))
	ctx := testContext(t)
	plainWriter := newWriter(t, c)
	for i := range 4 {
		if err := w.client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		w.write(rules.TopicFacts, 0, fmt.Sprintf("fact of %d", i))
		w.write(rules.TopicTransactions, 0, fmt.Sprintf("transaction of %d", i))
		plainWriter.write(rules.TopicTransactions, 0, fmt.Sprintf("plain %d", i))
		if err := w.client.EndTransaction(ctx, kgo.TransactionEndTry(i%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	s := source(t, c, 0, fromFirst)
	var b Batch
	var got []string
	for len(got) < 8 || b.Next[rules.TopicTransactions] < 12 {
		if err := s.Next(ctx, &b); err != nil {
			t.Fatal(err)
		}
		got = append(got, texts(&b)...)
	}
	slices.Sort(got)
	want := []string{
		"facts:fact of 0", "facts:fact of 2",
		"transactions:plain 0", "transactions:plain 1", "transactions:plain 2", "transactions:plain 3",
		"transactions:transaction of 0", "transactions:transaction of 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if b.Next[rules.TopicTransactions] != 12 {
		t.Errorf("next %v: the markers must be passed, or their lag stays for ever", b.Next)
	}
}

func TestRecordsLostByRetentionStopTheShard(t *testing.T) {
	t.Parallel()
	cluster, c := onFake(t, 1, 1)
	newWriter(t, c).write(rules.TopicTransactions, 0, numbers(0, 10)...)
	if err := cluster.DeleteRecords(c.Topics[rules.TopicTransactions], 0, 5); err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	var b Batch
	read := func(from int64) error {
		s := source(t, c, 0, rules.Positions{-1, -1, -1, from})
		for {
			if err := s.Next(ctx, &b); err != nil || len(b.Records) > 0 {
				return err
			}
		}
	}
	for from, wantText := range map[int64]string{3: "begins at offset 5", 30: "ends at offset 10"} {
		err := read(from)
		var lost *OffsetOutOfRangeError
		if !errors.As(err, &lost) || !errors.Is(err, kafka.OffsetOutOfRange) {
			t.Fatalf("from %d: %v, want an OffsetOutOfRangeError", from, err)
		}
		if lost.Offset != from || lost.LogStart != 5 || lost.LogEnd != 10 || !strings.Contains(err.Error(), wantText) {
			t.Errorf("from %d: %+v: %v", from, lost, err)
		}
	}
	if err := read(-1); err != nil {
		t.Fatalf("without a committed offset the oldest record is the first: %v", err)
	}
	if b.Records[0].Offset != 5 {
		t.Errorf("first offset %d, want 5", b.Records[0].Offset)
	}
}

func TestRetentionThatOvertakesAFirstStartIsNoLoss(t *testing.T) {
	t.Parallel()
	cluster, c := onFake(t, 1, 1)
	newWriter(t, c).write(rules.TopicTransactions, 0, numbers(0, 10)...)
	moved := false
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		// After the lane has asked where the log begins, and before it fetches there.
		cluster.KeepControl()
		q := r.(*kmsg.FetchRequest)
		if q.Topics[0].Topic == c.Topics[rules.TopicTransactions] && !moved {
			moved = true
			a := q.ResponseKind().(*kmsg.FetchResponse)
			partition := kmsg.NewFetchResponseTopicPartition()
			partition.ErrorCode = int16(kafka.OffsetOutOfRange)
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.Partitions = q.Topics[0].Topic, append(topic.Partitions, partition)
			a.Topics = append(a.Topics, topic)
			return a, nil, true
		}
		return nil, nil, false
	})
	var b Batch
	next(t, source(t, c, 0, fromFirst), &b)
	if !moved || b.Records[0].Offset != 0 {
		t.Errorf("out of range answered: %v, first offset %d", moved, b.Records[0].Offset)
	}
}

func TestReadingGoesOnWhenALeaderMoves(t *testing.T) {
	t.Parallel()
	cluster, c := onFake(t, 3, 1)
	w := newWriter(t, c)
	s := source(t, c, 0, fromFirst)
	var b Batch
	for i := range 6 {
		w.write(rules.TopicTransactions, 0, strconv.Itoa(i))
		next(t, s, &b)
		if got := texts(&b); !slices.Equal(got, []string{fmt.Sprintf("transactions:%d", i)}) {
			t.Fatalf("got %v, want transaction %d", got, i)
		}
		leader := cluster.LeaderFor(c.Topics[rules.TopicTransactions], 0)
		if err := cluster.MoveTopicPartition(c.Topics[rules.TopicTransactions], 0, (leader+1)%3); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACancelledLongPollLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	_, c := onFake(t, 1, 1)
	c.MaxWait = time.Minute
	w := newWriter(t, c)
	s := source(t, c, 0, fromFirst)
	var b Batch
	for i := range 10 {
		ctx, cancel := context.WithCancel(testContext(t))
		cancelled := make(chan error)
		go func() { cancelled <- s.Next(ctx, new(Batch)) }()
		cancel()
		if err := <-cancelled; err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		// The abandoned polls are answered with this record, while new ones read it.
		s.Seek(rules.Positions{0, 0, 0, int64(i)})
		w.write(rules.TopicTransactions, 0, strconv.Itoa(i))
		next(t, s, &b)
		if got := texts(&b); !slices.Equal(got, []string{fmt.Sprintf("transactions:%d", i)}) {
			t.Fatalf("got %v, want transaction %d", got, i)
		}
	}
}

func TestSeekGoesBackAndForth(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	newWriter(t, c).write(rules.TopicResults, 0, numbers(0, 100)...)
	s := source(t, c, 0, fromFirst)
	var b Batch
	for _, from := range []int64{50, 0, 99, -1, 20} {
		s.Seek(rules.Positions{-1, -1, from, 0})
		next(t, s, &b)
		if b.Records[0].Offset != max(from, 0) {
			t.Errorf("after Seek to %d: offset %d", from, b.Records[0].Offset)
		}
	}
}

func TestASourceEndsWithItsGeneration(t *testing.T) {
	t.Parallel()
	_, c := onFake(t, 1, 1)
	c.MaxWait = time.Minute
	ctx, end := context.WithCancel(t.Context())
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	s := newSource(ctx, cl, 0, fromFirst, nil)
	defer s.halt()
	result := make(chan error)
	go func() {
		for {
			if err := s.Next(testContext(t), new(Batch)); err != nil {
				result <- err
				return
			}
		}
	}()
	end()
	if err := <-result; !errors.Is(err, ErrGenerationOver) {
		t.Errorf("got %v", err)
	}
}

func TestTLSAndPasswordsReachTheFetch(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil) // for its certificate alone
	server.StartTLS()
	defer server.Close()
	pool := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	_, c := onFake(t, 1, 1, kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates}), kfake.EnableSASL(), kfake.Superuser("PLAIN", "bank", "secret"))
	c.TLS = &tls.Config{RootCAs: pool}
	c.SASL = plain.Mechanism{Username: "bank", Password: "secret"}
	n, err := Partitions(testContext(t), c)
	if err != nil || n != 1 {
		t.Fatalf("partitions %d %v", n, err)
	}
	if err := ReadRange(testContext(t), c, c.Topics[rules.TopicFacts], 0, -1, -1, func(Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var b Batch
	if err := source(t, c, 0, fromFirst).Next(testContext(t), &b); err != nil {
		t.Fatal(err)
	}
	c.SASL = plain.Mechanism{Username: "bank", Password: "wrong"}
	if n, err := Partitions(testContext(t), c); err == nil {
		t.Errorf("a wrong password: %d partitions, want an error", n)
	}
}

func TestReadRangeReadsNoMoreThanItWasAskedFor(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	newWriter(t, c).write(rules.TopicFacts, 0, numbers(0, 100)...)
	tests := []struct{ from, to, first, last int64 }{
		{-1, -1, 0, 99}, {10, 20, 10, 19}, {99, 1000, 99, 99}, {0, 1, 0, 0}, {100, -1, -1, -1}, {50, 50, -1, -1},
	}
	for _, tt := range tests {
		first, last, count := int64(-1), int64(-1), int64(0)
		err := ReadRange(testContext(t), c, c.Topics[rules.TopicFacts], 0, tt.from, tt.to, func(r Record) error {
			if first < 0 {
				first = r.Offset
			}
			last = r.Offset
			count++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if first != tt.first || last != tt.last || count > 0 && count != last-first+1 {
			t.Errorf("[%d,%d): %d records from %d to %d, want %d to %d", tt.from, tt.to, count, first, last, tt.first, tt.last)
		}
	}
	full := errors.New("enough")
	if err := ReadRange(testContext(t), c, c.Topics[rules.TopicFacts], 0, -1, -1, func(Record) error { return full }); !errors.Is(err, full) {
		t.Errorf("fn's error: %v", err)
	}
}

func TestAnOpenTransactionOfAFactsProducerHoldsNothingElseBack(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	open := newWriter(t, c, kgo.TransactionalID(c.GroupID))
	if err := open.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	open.write(rules.TopicFacts, 0, "not committed yet")
	newWriter(t, c).write(rules.TopicTransactions, 0, "t0")
	s := source(t, c, 0, fromFirst)
	var b Batch
	next(t, s, &b)
	if got := texts(&b); !slices.Equal(got, []string{"transactions:t0"}) {
		t.Errorf("got %v", got)
	}
	if err := open.client.EndTransaction(testContext(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	next(t, s, &b)
	if got := texts(&b); !slices.Equal(got, []string{"facts:not committed yet"}) {
		t.Errorf("after the commit: %v", got)
	}
}

// Records that were deleted before they were read wait for ever: they are no lag
// of 0.
func TestRecordsDeletedUnreadAreLag(t *testing.T) {
	t.Parallel()
	s := &Source{positions: rules.Positions{5, -1, 20, 7}}
	s.marks = [rules.NumTopics]Watermarks{{High: 12, LogStart: 12}, {High: 12, LogStart: 10}, {High: 20}, {High: 9, LogStart: 2}}
	if got, want := s.Lag(), [rules.NumTopics]int64{7, 2, 0, 2}; got != want {
		t.Errorf("lag %v, want %v", got, want)
	}
}
