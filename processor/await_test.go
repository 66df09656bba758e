package processor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// slowCatalogue is complete up to an instant that the test moves; asked to wait,
// it does what the test says.
type slowCatalogue struct {
	snapshot *engine.Snapshot
	complete rules.Instant
	awaited  int
	await    func()
}

func (c *slowCatalogue) Current() (*engine.Snapshot, rules.Instant) { return c.snapshot, c.complete }

func (c *slowCatalogue) Await(ctx context.Context, t rules.Instant) error {
	c.awaited++
	if c.await != nil {
		c.await()
	}
	if t.Before(c.complete) {
		return nil
	}
	return context.DeadlineExceeded // as one that has waited for a while
}

// batchSource gives its records once.
type batchSource struct {
	shardZero
	records []feed.Record
}

func (s *batchSource) Next(_ context.Context, b *feed.Batch) error {
	b.Records, b.Next = append(b.Records[:0], s.records...), rules.Positions{-1, -1, -1, -1}
	for _, r := range s.records {
		b.Next[r.Topic] = r.Offset + 1
	}
	s.records = nil
	return nil
}

// kafkaNow is the Kafka timestamp of the records of these tests, and what the
// clock of this machine says.
var kafkaNow = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func clearingAt(offset int64, account, mid string, at time.Time) feed.Record {
	return feed.Record{Topic: rules.TopicTransactions, Offset: offset, Time: kafkaNow.UnixMilli(), Key: []byte(account), Value: fmt.Appendf(nil,
		`{"event_id":"e%d","type":"clearing","transaction_id":"t%d","account_id":%q,"card_token":"t","amount_minor":10000,"currency":"EUR","occurred_at":%q,"merchant":{"id":%q}}`,
		offset, offset, account, at.Format(time.RFC3339Nano), mid)}
}

type waitingShard struct {
	*Shard
	accounts  *bareAccounts
	catalogue *slowCatalogue
	clock     *handClock
	log       bytes.Buffer
	queue     chan SavedBatch
}

// newWaitingShard has acc-1 as its one member, and a catalogue that was read at
// kafkaNow.
func newWaitingShard(t *testing.T, catalogue *offer.Catalogue, records ...feed.Record) *waitingShard {
	t.Helper()
	w := &waitingShard{accounts: &bareAccounts{}, clock: new(handClock), queue: make(chan SavedBatch, 100)}
	ports := purePorts(t, catalogue)
	snapshot, _ := ports.Catalogue.Current()
	w.catalogue = &slowCatalogue{snapshot: snapshot, complete: rules.InstantOf(kafkaNow.Add(offer.PublicationLead))}
	w.clock.advance(time.Duration(kafkaNow.UnixNano()))
	ports.Catalogue, ports.Accounts, ports.DeadLetters, ports.Now = w.catalogue, w.accounts, &letterBox{}, w.clock.now
	options := DefaultOptions()
	options.AccountRefKey = make([]byte, 32)
	options.Topics = [rules.NumTopics]string{"facts", "referrals", "results", "transactions"}
	w.Shard = NewShard(&batchSource{records: records}, ports, options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(&w.log, nil)))
	w.members.add(memberHash("acc-1"))
	w.lastSave = w.clock.now()
	return w
}

// A terminal's clock may be five minutes ahead of Kafka's. Whatever such an event
// is of, nothing waits for the catalogue: it is known longer ahead.
func TestAFastClockHoldsNothingUp(t *testing.T) {
	t.Parallel()
	const partner, elsewhere = "0000000007", "999"
	furthest := kafkaNow.Add(5 * time.Minute)
	for _, r := range []feed.Record{
		clearingAt(0, "acc-1", partner, furthest),
		clearingAt(0, "acc-1", elsewhere, furthest),
		clearingAt(0, "acc-2", partner, furthest),
		clearingAt(0, "acc-2", elsewhere, furthest.Add(-15*time.Second)),
	} {
		s := newWaitingShard(t, aSale(1), r)
		if err := s.Decide(t.Context(), s.queue); err != nil {
			t.Fatal(err)
		}
		if s.catalogue.awaited != 0 || s.window.letters != nil || s.log.Len() > 0 {
			t.Errorf("%s: it waited %d times, dead letters %v, log %s", r.Value, s.catalogue.awaited, s.window.letters, s.log.String())
		}
	}
}

// Where Kafka's own timestamps are ahead too, a stranger's event still waits for
// nothing: who could become a member by it is known longer before.
func TestAStrangersEventNeverWaits(t *testing.T) {
	t.Parallel()
	ahead := clearingAt(0, "acc-2", "0000000007", kafkaNow.Add(10*time.Minute))
	ahead.Time += (5 * time.Minute).Milliseconds()
	s := newWaitingShard(t, aSale(1), ahead)
	if err := s.Decide(t.Context(), s.queue); err != nil {
		t.Fatal(err)
	}
	if s.catalogue.awaited != 0 || s.window.fates[rules.NoMember] != 1 {
		t.Errorf("it waited %d times, fates %v", s.catalogue.awaited, s.window.fates)
	}
	// With a catalogue of an hour ago, nobody knows who is a member by now.
	ahead.Offset = 1
	s.source.(*batchSource).records = []feed.Record{ahead}
	s.catalogue.complete = rules.InstantOf(kafkaNow.Add(-time.Hour))
	everyone := aSale(1)
	everyone.Programmes[0].Enrolment = offer.EnrolmentAutomatic
	s.catalogue.await = func() {
		s.catalogue.snapshot, _ = purePorts(t, everyone).Catalogue.Current()
		s.catalogue.complete = rules.InstantOf(kafkaNow.Add(time.Hour))
	}
	if err := s.Decide(t.Context(), s.queue); err != nil {
		t.Fatal(err)
	}
	if saved := s.accounts.saves[len(s.accounts.saves)-1]; s.catalogue.awaited != 1 || len(saved.Accounts) != 1 {
		t.Errorf("it waited %d times, and the save is %+v: the stranger is a member by the catalogue that was waited for", s.catalogue.awaited, saved)
	}
}

// What came before a purchase that must wait does not wait with it; the wait is
// progress, counted and said.
func TestWhatCameBeforeAWaitIsSavedFirst(t *testing.T) {
	t.Parallel()
	waits := clearingAt(2, "acc-1", "0000000007", kafkaNow.Add(9*time.Minute))
	waits.Time += (4 * time.Minute).Milliseconds()
	s := newWaitingShard(t, aSale(1),
		clearingAt(0, "acc-2", "0000000007", kafkaNow), // nobody's
		clearingAt(1, "acc-1", "0000000007", kafkaNow),
		waits,
		clearingAt(3, "acc-1", "0000000007", kafkaNow))
	s.clock.advance(time.Hour) // it has not moved since
	s.latest = kafkaNow.Add(time.Hour).UnixMilli()
	savedBefore := -1
	s.catalogue.await = func() {
		if savedBefore < 0 {
			savedBefore = len(s.accounts.saves)
		}
		s.clock.advance(time.Second)
		s.catalogue.complete = s.catalogue.complete.AddSeconds(60)
	}
	if err := s.Decide(t.Context(), s.queue); err != nil {
		t.Fatal(err)
	}
	if savedBefore != 1 || s.accounts.saves[0].After[rules.TopicTransactions] != 2 {
		t.Fatalf("%d batches were saved before it waited, the first up to %v", savedBefore, s.accounts.saves[0].After)
	}
	if last := s.accounts.saves[len(s.accounts.saves)-1]; len(s.accounts.saves) != 2 || last.After[rules.TopicTransactions] != 4 {
		t.Errorf("in the end there are %d batches, the last up to %v", len(s.accounts.saves), last.After)
	}
	counted := int64(0)
	for _, save := range s.accounts.saves {
		for _, n := range save.Fates {
			counted += n
		}
	}
	if counted != 4 {
		t.Errorf("%d fates of 4 records", counted)
	}
	if waits, seconds := valueOf(t, s.metrics.catalogueWaits), valueOf(t, s.metrics.catalogueWaitSeconds); waits != 1 || seconds < 3 {
		t.Errorf("counted %v waits of %v s", waits, seconds)
	}
	if idle := s.clock.now().Sub(time.Unix(0, s.pulse.progressedAt.Load())); idle > time.Second {
		t.Errorf("it seems to have stood still for %s", idle)
	}
	if log := s.log.String(); !strings.Contains(log, "topic=transactions offset=2 purchased_at=2026-11-30T12:09:00Z kafka_timestamp=2026-11-30T12:04:00Z") {
		t.Errorf("the log doesn't say what waits: %s", log)
	}
}

// A Redis that is away makes the shard wait without end: that is no progress.
func TestAWaitForARedisThatIsAwayIsAStall(t *testing.T) {
	t.Parallel()
	s := newWaitingShard(t, aSale(1), clearingAt(0, "acc-1", "0000000007", kafkaNow))
	s.catalogue.complete = rules.InstantOf(kafkaNow.Add(-time.Hour))
	ctx, stop := context.WithCancel(t.Context())
	s.catalogue.await = func() {
		if s.clock.advance(time.Minute); s.catalogue.awaited == 5 {
			stop()
		}
	}
	if err := s.Decide(ctx, s.queue); err == nil {
		t.Fatal("it went on without a catalogue")
	}
	if idle := s.clock.now().Sub(time.Unix(0, s.pulse.progressedAt.Load())); idle < 5*time.Minute {
		t.Errorf("it seems to have moved %s ago", idle)
	}
}

// A record that is read again, as its window was halved or as it had to wait, is
// counted once.
func TestLookAlikesOfARecordThatIsReadAgainCountOnce(t *testing.T) {
	t.Parallel()
	records := []feed.Record{enrolment("acc-1")}
	for i := range int64(8) {
		r := clearingAt(i, "acc-1", "0000000007", kafkaNow)
		r.Value = bytes.Replace(r.Value, fmt.Appendf(nil, `"transaction_id":"t%d"`, i), []byte(`"transaction_id":"4111111111111111"`), 1)
		records = append(records, r)
	}
	waits := clearingAt(8, "acc-1", "0000000007", kafkaNow.Add(9*time.Minute))
	waits.Time += (4 * time.Minute).Milliseconds()
	waits.Value = bytes.Replace(waits.Value, []byte(`"transaction_id":"t8"`), []byte(`"transaction_id":"4111111111111111"`), 1)
	s := newWaitingShard(t, aSale(1), append(records, waits)...)
	s.options.MaxSaveBytes = 1 // of one record alone
	s.catalogue.await = func() { s.catalogue.complete = s.catalogue.complete.AddSeconds(600) }
	if err := s.Decide(t.Context(), s.queue); err != nil {
		t.Fatal(err)
	}
	if len(s.accounts.saves) < 9 || s.catalogue.awaited == 0 {
		t.Fatalf("%d batches, %d waits: neither halved nor held", len(s.accounts.saves), s.catalogue.awaited)
	}
	if got := valueOf(t, s.metrics.lookAlikes.WithLabelValues("transaction_id")); got != 9 {
		t.Errorf("counted %v of 9", got)
	}
}
