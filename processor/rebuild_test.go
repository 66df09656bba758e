package processor

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"ristourne/processor/feed"
	"ristourne/processor/outbox"
	"ristourne/rules"
)

// bareLedger holds one account's history, and what was booked since.
type bareLedger struct {
	Ledger
	history  rules.AccountHistory
	unmarked *rules.Unmarked
	untold   []rules.Referral
	booked   []*rules.Decision
}

func (l *bareLedger) LastSeq(context.Context, int32) (seq uint64, err error) {
	for i := range l.history.Set {
		seq = max(seq, l.history.Set[i].Seq)
	}
	return seq, nil
}

func (l *bareLedger) Unmarked(context.Context, int32, uint64) (map[rules.AccountRef]*rules.Unmarked, error) {
	return map[rules.AccountRef]*rules.Unmarked{l.history.Ref: l.unmarked}, nil
}

func (*bareLedger) Marker(context.Context, int32) (m rules.Marker, found bool, err error) {
	return m, false, nil
}

func (l *bareLedger) Book(_ context.Context, d ...*rules.Decision) error {
	l.booked = append(l.booked, d...)
	return nil
}

func (*bareLedger) Holes(context.Context, int32, bool) ([]rules.Hole, error) { return nil, nil }

func (l *bareLedger) BookPart(ctx context.Context, d *rules.Decision) error { return l.Book(ctx, d) }

func (l *bareLedger) BookRest(ctx context.Context, d *rules.Decision) (uint64, bool, error) {
	if d.Empty() {
		return d.Batch - 1, false, nil
	}
	return d.Batch, true, l.Book(ctx, d)
}

func (l *bareLedger) Histories(_ context.Context, _ int32, each func(*rules.AccountHistory) error) error {
	return each(&l.history)
}

func (*bareLedger) InstructionsFrom(context.Context, int32, rules.Positions, func(rules.Instruction) error) error {
	return nil
}

func (l *bareLedger) ReferralsFrom(_ context.Context, _ int32, _ rules.Positions, each func(rules.Referral) error) error {
	for _, r := range l.untold {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// paidAndTold is a bank, and the sponsors' shards.
type paidAndTold struct {
	paid []rules.Instruction
	told []rules.Referral
}

func (p *paidAndTold) WriteInstructions(_ context.Context, i []rules.Instruction) error {
	p.paid = append(p.paid, i...)
	return nil
}

func (p *paidAndTold) Publish(_ context.Context, r []rules.Referral) error {
	p.told = append(p.told, r...)
	return nil
}

// restored is a Redis that is empty, and then has what a rebuild made.
type restored struct {
	bareAccounts
	states map[string][]byte
}

func (*restored) BeginRebuild(context.Context, int32, int64) error { return nil }

func (r *restored) Restore(_ context.Context, _ int32, _ int64, states []AccountState, _, _ []uint64) error {
	for _, s := range states {
		r.states[s.ID] = s.Value
	}
	return nil
}

func (*restored) FinishRebuild(context.Context, int32, int64, rules.Marker) error { return nil }

func (r *restored) Load(_ context.Context, _ int32, ids []string, values [][]byte) ([][]byte, error) {
	for _, id := range ids {
		values = append(values, r.states[id])
	}
	return values, nil
}

type uncommitted struct{ shardZero }

func (uncommitted) Committed() rules.Positions { return rules.NoPositions }

func (uncommitted) CommittedBatch(context.Context) (uint64, error) { return 0, nil }

// decided are the decisions of a clean shard on the records, and what it saved.
func decided(t *testing.T, s *saleShard, records ...feed.Record) *rules.Decision {
	t.Helper()
	if err := s.take(t, records...); err != nil {
		t.Fatal(err)
	}
	batch := <-s.saved
	d := new(rules.Decision)
	if err := outbox.Decode(batch.decided.outbox, d); err != nil {
		t.Fatal(err)
	}
	return d
}

func rewardMinor(lines []rules.Accrual) (sum int64) {
	for i := range lines {
		sum += lines[i].RewardMinor
	}
	return sum
}

// With the grants booked, the purchase has them: the lines that are missing are
// booked with what the budget gave, though less than it deserved.
func TestARebuildTakesTheLedgersWordForGrants(t *testing.T) {
	t.Parallel()
	lost := decided(t, newSaleShard(t, 100), enrolment("a"), purchase("a", "p1"))
	if rewardMinor(lost.Accruals) != 400 || len(lost.Grants) != 1 || lost.Grants[0].GrantedMinor != 100 {
		t.Fatalf("%d rewarded, grants %+v: the sale should give 100", rewardMinor(lost.Accruals), lost.Grants)
	}
	s := newSaleShard(t, 100)
	told := []rules.Referral{{ID: "RF-1", SponsorAccountID: "x", BuyerAccountID: "a"}, {ID: "RF-2", SponsorAccountID: "x"}}
	ledger := &bareLedger{untold: told, history: rules.AccountHistory{Ref: s.refs.ref("a"), AccountID: "a", Set: lost.Set, Grants: lost.Grants}}
	world, accounts := &paidAndTold{}, &restored{states: map[string][]byte{}}
	s.source = uncommitted{}
	s.ports.Ledger, s.ports.Instructions, s.ports.Referrals, s.ports.Accounts = ledger, world, world, accounts
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(ledger.booked) != 1 || rewardMinor(ledger.booked[0].Accruals) != 400 || len(ledger.booked[0].Grants) != 0 {
		t.Fatalf("the rebuild books %+v", ledger.booked)
	}
	if len(world.told) != 1 || world.told[0].ID != "RF-1" {
		t.Errorf("tells %+v again, want the one whose buyer is known", world.told)
	}
	// The state has the grant: a refund gives it back, and asks for nothing.
	s.latest = math.MaxInt64
	s.members.add(memberHash("a")) // as Acquire reads from the filters
	s.window.reset(progress{positions: s.positions})
	refund := purchase("a", "p1")
	refund.Value = []byte(`{"event_id":"r1","type":"refund","transaction_id":"p1","account_id":"a","card_token":"t","amount_minor":10000,"currency":"EUR","occurred_at":"2026-10-06T12:34:56Z","merchant":{"id":"0000000007"}}`)
	back := decided(t, s, refund)
	if rewardMinor(back.Accruals) != -400 || len(back.Grants) != 1 || back.Grants[0].ChangeMinor != -100 {
		t.Errorf("the refund gives %d and the grants %+v", rewardMinor(back.Accruals), back.Grants)
	}
}

// brokenLedger breaks off its histories once, after the first account.
type brokenLedger struct {
	bareLedger
	accounts []*rules.AccountHistory
	reads    int
}

func (l *brokenLedger) Histories(_ context.Context, _ int32, each func(*rules.AccountHistory) error) error {
	l.reads++
	for i, h := range l.accounts {
		if l.reads < 3 && i == l.reads {
			return errors.New("read: connection reset by peer")
		}
		if err := each(h); err != nil {
			return err
		}
	}
	return nil
}

// A hiccup of ClickHouse costs a rebuild the reading, not what it has done: each
// account is taken once, and what it lacks is booked once.
func TestARebuildGoesOnAfterAReadingThatBrokeOff(t *testing.T) {
	t.Parallel()
	l := &brokenLedger{}
	for _, id := range []string{"a", "b", "c"} {
		d := decided(t, newSaleShard(t, 0), enrolment(id), purchase(id, "p1"))
		l.accounts = append(l.accounts, &rules.AccountHistory{Ref: newSaleShard(t, 0).refs.ref(id), AccountID: id, Set: d.Set})
	}
	s := newSaleShard(t, 0)
	world, accounts := &paidAndTold{}, &restored{states: map[string][]byte{}}
	s.source, s.options.RetryMax = uncommitted{}, time.Millisecond
	s.ports.Ledger, s.ports.Instructions, s.ports.Referrals, s.ports.Accounts = l, world, world, accounts
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.reads != 3 || len(accounts.states) != 3 || len(world.paid) != 3 {
		t.Errorf("%d readings, %d states, %d instructions", l.reads, len(accounts.states), len(world.paid))
	}
}

// Without a marker the tail is all that was ever decided: it is delivered in parts,
// whose marker promises no more than the one before.
func TestALongTailIsDeliveredInParts(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 0)
	ledger, world := &bareLedger{}, &paidAndTold{}
	s.ports.Ledger, s.ports.Instructions, s.ports.Referrals = ledger, world, world
	r := rebuild{shard: s.Shard, marker: rules.Marker{Batch: 7, LastSeq: 100}, tail: rules.Decision{Batch: 7, LastSeq: 900}}
	for range 3 {
		r.tail.Accruals = append(r.tail.Accruals, make([]rules.Accrual, tailLines/2)...)
		r.tail.Instructions = append(r.tail.Instructions, rules.Instruction{ID: "x"})
		if err := r.boundTail(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(ledger.booked) != 1 || ledger.booked[0].LastSeq != 100 || ledger.booked[0].Batch != 8 || len(ledger.booked[0].Accruals) != tailLines || len(world.paid) != 2 {
		t.Fatalf("%d parts are booked, %d paid", len(ledger.booked), len(world.paid))
	}
	if len(r.tail.Accruals) != tailLines/2 || r.tail.LastSeq != 900 {
		t.Errorf("left are %d lines up to %d", len(r.tail.Accruals), r.tail.LastSeq)
	}
}
