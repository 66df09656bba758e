package processor

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// purePorts have no Redis, ClickHouse or Kafka: whatever touches one panics.
func purePorts(tb testing.TB, c *offer.Catalogue) Ports {
	tb.Helper()
	snapshot, err := engine.Compile(c)
	if err != nil {
		tb.Fatal(err)
	}
	return Ports{Catalogue: wholeCatalogue{snapshot}, Now: time.Now}
}

type wholeCatalogue struct{ snapshot *engine.Snapshot }

func (c wholeCatalogue) Current() (*engine.Snapshot, rules.Instant) {
	return c.snapshot, rules.MaxInstant
}
func (wholeCatalogue) Await(context.Context, rules.Instant) error { return nil }

// shardZero is a source that is never read.
type shardZero struct{ Source }

func (shardZero) Shard() int32 { return 0 }

// aTown has a programme and a partner with 1,000 stores.
func aTown() *offer.Catalogue {
	eur := money.Currency{'E', 'U', 'R'}
	partner := offer.Partner{
		ID: "bakery", Version: offer.Version{ID: "1", From: rules.MinInstant}, Programme: "town", Currency: eur,
		Commission: offer.Commission{RateMillionths: 80_000},
		Offers: []offer.Offer{{
			ID: "everyday", Currency: eur, Group: offer.DefaultGroup,
			Reward: offer.Reward{Form: offer.RateReward, RateMillionths: 30_000},
		}},
	}
	for i := range 1000 {
		partner.Stores = append(partner.Stores, offer.Store{
			ID: fmt.Sprintf("s%d", i), Zone: time.UTC,
			Keys: []offer.Key{{MID: fmt.Sprintf("%010d", i), From: rules.MinInstant, Until: rules.MaxInstant}},
		})
	}
	return &offer.Catalogue{
		Programmes: []offer.Programme{{
			ID: "town", Version: offer.Version{ID: "1", From: rules.MinInstant}, Currency: eur, Zone: time.UTC,
			HorizonDays: offer.DefaultHorizonDays, CeilingMillionths: 1_000_000,
		}},
		Partners: []offer.Partner{partner},
	}
}

func newPureShard(tb testing.TB) *Shard {
	tb.Helper()
	options := DefaultOptions()
	options.AccountRefKey = make([]byte, 32)
	s := NewShard(shardZero{}, purePorts(tb, aTown()), options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	s.latest = math.MaxInt64
	return s
}

// authorizations of one member each, at the merchant of the given MID.
func authorizations(n int, mid func(int) string) []feed.Record {
	records := make([]feed.Record, n)
	for i := range records {
		account := fmt.Sprintf("acc-%09d", i%1000)
		records[i] = feed.Record{
			Topic: rules.TopicTransactions, Offset: int64(i), Time: 1_800_000_000_000, Key: []byte(account),
			Value: fmt.Appendf(nil, `{"event_id":"au-%010d","type":"authorization","transaction_id":"txn-%010d","account_id":%q,"card_token":"tok-%09d","amount_minor":%d,"currency":"EUR","occurred_at":"2026-10-05T12:34:56.789Z","approved":true,"merchant":{"id":%q,"acquirer_id":"30004","network":"visa","terminal_id":"T%07d","name":"BOULANGERIE DU MARCHE %04d","mcc":"5462","country":"FR"},"channel":"in_store","card_product":"gold debit"}`,
				i, i, account, i%1000, 100+i, mid(i), i, i%10_000),
		}
	}
	return records
}

func (s *Shard) enrolForTest(members int) {
	for i := range members {
		s.members.add(memberHash(fmt.Sprintf("acc-%09d", i)))
	}
}

// Most events of a bank are at no partner: each costs a decode, a look into
// two tables, and nothing else.
func TestAnUnmatchedEventDoesNoIOAndAllocatesNothing(t *testing.T) {
	s := newPureShard(t)
	s.enrolForTest(1000)
	s.layout = feed.NewLayout(1)
	records := authorizations(1000, func(i int) string { return fmt.Sprintf("9%09d", i) })
	take := func() {
		s.decoder.Reset()
		if n, err := s.match(t.Context(), &s.window, records, windowLimits{1 << 30, 1 << 30}); n != len(records) || err != nil {
			t.Fatalf("took %d of %d: %v", n, len(records), err)
		}
	}
	take()
	if allocated := testing.AllocsPerRun(10, take); allocated != 0 {
		t.Errorf("1,000 unmatched events allocated %v times", allocated)
	}
	if got := s.window.fates[rules.Unmatched]; got == 0 || len(s.window.work) != 0 {
		t.Errorf("%d unmatched, %d to be worked on", got, len(s.window.work))
	}
}

// A programme that gives something on every purchase makes all events of its
// members matter, and still none of anybody else's.
func TestAnEventOfANonMemberCostsNothingWhateverTheProgrammeOffers(t *testing.T) {
	c := aTown()
	c.Programmes[0].Offers = []offer.Offer{{
		ID: "all", Currency: c.Programmes[0].Currency, Group: offer.DefaultGroup, FundedBy: offer.FundedByProgramme,
		Reward: offer.Reward{Form: offer.RateReward, RateMillionths: 10_000},
	}}
	options := DefaultOptions()
	options.AccountRefKey = make([]byte, 32)
	s := NewShard(shardZero{}, purePorts(t, c), options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	s.latest = math.MaxInt64
	records := authorizations(1000, func(i int) string { return fmt.Sprintf("9%09d", i) })
	take := func() {
		s.decoder.Reset()
		s.window.reset(progress{positions: s.positions})
		if n, err := s.match(t.Context(), &s.window, records, windowLimits{1 << 30, 1 << 30}); n != len(records) || err != nil {
			t.Fatalf("took %d of %d: %v", n, len(records), err)
		}
	}
	take()
	if allocated := testing.AllocsPerRun(10, take); allocated != 0 {
		t.Errorf("1,000 events of non-members allocated %v times", allocated)
	}
	if got := s.window.fates[rules.NoMember]; got != 1000 || len(s.window.work) != 0 {
		t.Errorf("%d of non-members, %d to be worked on", got, len(s.window.work))
	}
	s.enrolForTest(10)
	take()
	if got := len(s.window.work); got != 10 {
		t.Errorf("%d events of the 10 members are worked on", got)
	}
}

// What a window holds stays where it is while more comes, and its memory serves the
// next window: what is kept of an event costs no allocation either.
func TestAWindowsRecordsStayWhereTheyAre(t *testing.T) {
	s := newPureShard(t)
	s.enrolForTest(1000)
	records := authorizations(1000, func(i int) string { return fmt.Sprintf("%010d", i%1000) })
	take := func() {
		s.decoder.Reset()
		s.window.reset(progress{positions: s.positions})
		if n, err := s.match(t.Context(), &s.window, records, windowLimits{1 << 30, 1 << 30}); n != len(records) || err != nil {
			t.Fatalf("took %d of %d: %v", n, len(records), err)
		}
	}
	take()
	for i, item := range s.window.work {
		if want := fmt.Sprintf("au-%010d", i); item.record.Event.ID != want || item.match.StoreID != fmt.Sprintf("s%d", i) {
			t.Fatalf("record %d is %q at store %q, want %q", i, item.record.Event.ID, item.match.StoreID, want)
		}
	}
	if len(s.window.work) != len(records) {
		t.Errorf("%d of %d events are worked on", len(s.window.work), len(records))
	}
	if allocated := testing.AllocsPerRun(10, take); allocated != 0 {
		t.Errorf("1,000 matched events allocated %v times", allocated)
	}
}

// The filters only spare a look at the account: an event that may concern a
// member's purchase always gets it.
func TestAnEventThatMayBelongIsNeverStoppedByAFilter(t *testing.T) {
	t.Parallel()
	s := newPureShard(t)
	s.enrolForTest(1)
	at := func(typ, event, txn, original, mid string) feed.Record {
		return feed.Record{Topic: rules.TopicTransactions, Time: 1_800_000_000_000, Key: []byte("acc-000000000"), Value: fmt.Appendf(nil,
			`{"event_id":%q,"type":%q,"transaction_id":%q,"original_transaction_id":%s,"account_id":"acc-000000000","card_token":"t","amount_minor":1,"currency":"EUR","occurred_at":"2026-10-05T12:34:56Z","merchant":{"id":%q}}`,
			event, typ, txn, original, mid)}
	}
	known, elsewhere := "0000000007", "999"
	for _, c := range []struct {
		name   string
		record feed.Record
		works  bool
	}{
		{"an authorization that matches", at("authorization", "e1", "t1", "null", known), true},
		{"one that doesn't", at("authorization", "e2", "t2", "null", elsewhere), false},
		{"a clearing elsewhere of a purchase that was seen in this batch", at("clearing", "e3", "t1", "null", elsewhere), true},
		{"a clearing with an id of its own that names it", at("clearing", "e4", "t4", `"t1"`, elsewhere), true},
		{"an update that names the clearing", at("authorization_update", "e5", "t5", `"t4"`, elsewhere), true},
		{"a known event id with other content", at("authorization", "e1", "t9", "null", elsewhere), true},
		{"a refund of nobody knows what", at("refund", "e6", "t6", "null", elsewhere), true},
	} {
		before := len(s.window.work)
		if _, err := s.match(t.Context(), &s.window, []feed.Record{c.record}, windowLimits{1 << 30, 1 << 30}); err != nil {
			t.Fatal(err)
		}
		if works := len(s.window.work) > before; works != c.works {
			t.Errorf("%s: worked on = %v, want %v (dead letters %v)", c.name, works, c.works, s.window.letters)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, share := range []struct {
		name string
		mid  func(int) string
	}{
		{"unmatched", func(i int) string { return fmt.Sprintf("9%09d", i) }},
		{"matched", func(i int) string { return fmt.Sprintf("%010d", i%1000) }},
	} {
		b.Run(share.name, func(b *testing.B) {
			s := newPureShard(b)
			s.enrolForTest(1000)
			records := authorizations(1000, share.mid)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				s.decoder.Reset()
				s.window.reset(progress{positions: s.positions})
				if _, err := s.match(b.Context(), &s.window, records, windowLimits{1 << 30, 1 << 30}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/event")
		})
	}
}

func TestAFilterNeverSaysNoWrongly(t *testing.T) {
	t.Parallel()
	var f filter
	for i := range 100_000 {
		f.add(memberHash(fmt.Sprint(i)))
	}
	f.addAll([]uint64{0, 0, 1 << 39})
	for i := range 100_000 {
		if !f.has(memberHash(fmt.Sprint(i))) {
			t.Fatalf("%d was added and is not in", i)
		}
	}
	if !f.has(0) || !f.has(1<<39) {
		t.Error("a hash of addAll is not in")
	}
	if want := 100_002; f.count != want {
		t.Errorf("counts %d, want %d", f.count, want)
	}
	wrong := 0
	for i := range 100_000 {
		if f.has(memberHash(fmt.Sprint("other", i))) {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("said yes wrongly %d times of 100,000: hashes of 40 bits should not collide so soon", wrong)
	}
}
