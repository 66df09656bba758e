package processor

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// repairWorld is a ledger of two accounts' purchases, and a shard with an empty
// Redis on it.
func repairWorld(t *testing.T) (*saleShard, *rowLedger, *memoryRedis, *paidAndTold) {
	t.Helper()
	catalogue := aTown()
	catalogue.Programmes[0].Enrolment, catalogue.Programmes[0].AllCards = offer.EnrolmentExplicit, true
	ledger, former := newRowLedger(), newShardOf(t, catalogue)
	former.on(ledger)
	for _, records := range crashBatches() {
		ledger.insert(decided(t, former, records...), wholeBatch)
	}
	s := newShardOf(t, catalogue)
	redis, world := s.on(ledger)
	return s, ledger, redis, world
}

func creditedMinor(instructions map[string]rules.Instruction) (sum int64) {
	for _, i := range instructions {
		sum += i.SignedMinor()
	}
	return sum
}

var someoneRepairs = &Repair{By: "ada", Reason: "rows were cut by month"}

// Instructions that ClickHouse has lost were paid. Neither a rebuild nor the
// records after it pay them again; a repair asks before it does.
func TestARebuildDoesNotPayWhatTheLedgerHasForgotten(t *testing.T) {
	t.Parallel()
	s, ledger, _, world := repairWorld(t)
	due := creditedMinor(ledger.instructions)
	clear(ledger.instructions)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(world.paid)+len(ledger.instructions) > 0 {
		t.Fatalf("the rebuild pays %+v", world.paid)
	}
	if differing := valueOf(t, s.metrics.differences); differing != 2 {
		t.Errorf("%v accounts are reported, want both", differing)
	}
	s.latest = 1 << 62
	s.members.add(memberHash("a"))
	s.window.reset(progress{positions: s.positions})
	next := decided(t, s, clearing("a", "e9", "p9", 10_000))
	if len(next.Instructions) != 1 || next.Instructions[0].AmountMinor != 300 {
		t.Errorf("the next purchase, of 3.00 EUR, pays %+v", next.Instructions)
	}

	s, ledger, _, world = repairWorld(t)
	clear(ledger.instructions)
	lines := len(ledger.accruals)
	found, err := s.AcquireAndRepair(t.Context(), someoneRepairs)
	if !errors.Is(err, ErrWouldPay) || len(world.paid)+len(ledger.instructions)+len(ledger.actions) > 0 || len(ledger.accruals) != lines {
		t.Fatalf("a repair that may not pay: %v, pays %+v", err, world.paid)
	}
	sum := int64(0)
	for _, d := range found.Differences {
		for _, p := range d.Instructions {
			sum += p.AmountMinor
		}
	}
	if sum != due || len(found.Differences) != 2 {
		t.Errorf("it says that %d would be paid to %d accounts, want %d to 2", sum, len(found.Differences), due)
	}
}

// What the bank was given is still in its topic: the ledger has it back from
// there, and nothing is due.
func TestARepairPutsInstructionsBackThatTheBankWasGiven(t *testing.T) {
	t.Parallel()
	s, ledger, _, world := repairWorld(t)
	given := maps.Clone(ledger.instructions)
	clear(ledger.instructions)
	repair := *someoneRepairs
	repair.Published = func(_ context.Context, each func(*rules.Instruction) error) error {
		for _, i := range given {
			if err := each(&i); err != nil {
				return err
			}
		}
		return nil
	}
	found, err := s.AcquireAndRepair(t.Context(), &repair)
	if err != nil || found.Refilled != len(given) || len(found.Differences) > 0 || len(world.paid) > 0 {
		t.Fatalf("%+v, %v, pays %+v", found, err, world.paid)
	}
	if creditedMinor(ledger.instructions) != creditedMinor(given) || len(ledger.instructions) != len(given) {
		t.Errorf("the ledger has %d instructions of %d", len(ledger.instructions), len(given))
	}
}

// Two repairs of one account after the same record share no id: what they book
// may come to different amounts.
func TestNoTwoRepairsShareAnID(t *testing.T) {
	t.Parallel()
	s, ledger, redis, world := repairWorld(t)
	clean := sumOfLines(ledger)
	lose := func(offers string) {
		for id, a := range ledger.accruals {
			if strings.Contains(offers, a.TransactionID) {
				delete(ledger.accruals, id)
			}
		}
	}
	seen := map[rules.AccrualID]int64{}
	repair := *someoneRepairs
	repair.MayPay = true
	for _, lost := range []string{"p1 p4", "p4"} {
		lose(lost)
		found, err := s.AcquireAndRepair(t.Context(), &repair)
		if err != nil || found.Number != redis.epoch || len(found.Differences) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		for _, a := range ledger.accruals {
			if amount, again := seen[a.ID]; again && amount != a.RewardMinor {
				t.Errorf("id %x has %d and %d", a.ID, amount, a.RewardMinor)
			}
			seen[a.ID] = a.RewardMinor
		}
		if got := sumOfLines(ledger); got != clean {
			t.Errorf("after the repair %d are booked, want %d", got, clean)
		}
	}
	if len(world.paid) > 0 {
		t.Errorf("pays %+v: all was paid", world.paid)
	}
	if n := len(ledger.actions); n != 4 || ledger.actions[3].Action != "repair done" || ledger.actions[2].By != "ada" || ledger.actions[2].Number != redis.epoch {
		t.Errorf("audit trail: %+v", ledger.actions)
	}
}

// A state that can't be read when a repair comes to it is made anew, and repaired.
func TestARepairMakesStatesAnewThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s, ledger, redis, world := repairWorld(t)
	clean := sumOfLines(ledger)
	for id, a := range ledger.accruals {
		if a.TransactionID == "p4" {
			delete(ledger.accruals, id)
		}
	}
	redis.damages = true
	found, err := s.AcquireAndRepair(t.Context(), someoneRepairs)
	if err != nil || len(found.Differences) != 1 || len(world.paid) > 0 {
		t.Fatalf("%+v, %v, pays %+v", found, err, world.paid)
	}
	if got := sumOfLines(ledger); got != clean {
		t.Errorf("after the repair %d are booked, want %d", got, clean)
	}
	if restored := valueOf(t, s.metrics.restored); restored != 1 {
		t.Errorf("%v accounts are counted as restored", restored)
	}
	if err := engine.NewAccount("a").UnmarshalBinary(redis.states["a"]); err != nil {
		t.Errorf("what is saved can't be read: %v", err)
	}
}

func sumOfLines(l *rowLedger) (sum int64) {
	for _, a := range l.accruals {
		sum += a.RewardMinor + a.CommissionMinor
	}
	return sum
}

// Purchases whose events the ledger has lost keep what was booked of them, until
// somebody approves that it is taken back.
func TestRecordsAfterARebuildTakeNothingBackThatTheLedgerHasForgottenTheEventsOf(t *testing.T) {
	t.Parallel()
	for name, catalogue := range map[string]*offer.Catalogue{"without budgets": aTown(), "with a budget": aSale(1_000_000)} {
		catalogue.Programmes[0].Enrolment, catalogue.Programmes[0].AllCards = offer.EnrolmentExplicit, true
		ledger, former := newRowLedger(), newShardOf(t, catalogue)
		former.on(ledger)
		for _, records := range crashBatches() {
			ledger.insert(decided(t, former, records...), wholeBatch)
		}
		for seq, row := range ledger.set {
			if row.TransactionID == "p4" {
				delete(ledger.set, seq)
			}
		}
		s := newShardOf(t, catalogue)
		s.on(ledger)
		if err := s.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.latest = 1 << 62
		s.members.add(memberHash("a"))
		s.window.reset(progress{positions: s.positions})
		next := decided(t, s, clearing("a", "e9", "p9", 10_000))
		for _, a := range next.Accruals {
			if a.TransactionID != "p9" {
				t.Errorf("%s: the next purchase books %+v", name, a)
			}
		}
		for _, i := range next.Instructions {
			if i.Direction != rules.Credit {
				t.Errorf("%s: the next purchase debits %d", name, i.AmountMinor)
			}
		}
	}
}

// A comparison alone finds the same, and touches neither Redis nor the bank.
func TestDifferencesAreFoundWithoutTouchingAnything(t *testing.T) {
	t.Parallel()
	s, ledger, _, _ := repairWorld(t)
	for id, a := range ledger.accruals {
		if a.TransactionID == "p2" && a.Role == rules.RoleMember {
			delete(ledger.accruals, id)
		}
	}
	s.ports.Accounts, s.ports.Instructions, s.ports.Referrals = nil, nil, nil
	var found []*Difference
	all, err := s.Differences(t.Context(), func(d *Difference) error { found = append(found, d); return nil })
	if err != nil || all.InFlight != 0 || len(all.Holes) != 0 || len(found) != 1 {
		t.Fatalf("%d differences, %+v, %v", len(found), all, err)
	}
	if d := found[0]; d.Ref != s.refs.ref("b") || len(d.Sums) != 1 || d.Sums[0].RewardMinor != 180 || len(d.Instructions) != 0 {
		t.Errorf("found %+v", d)
	}
}
