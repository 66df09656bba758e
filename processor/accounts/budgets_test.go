package accounts

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"ristourne/processor"
	"ristourne/rules"
)

const campaign rules.BudgetKey = "campaign/{black} friday"

// sharers are shards that share the campaign's budget, each with its owner.
type sharers struct {
	*world
	ledger map[int32]int64
	epochs map[int32]int64
	stores map[int32]*Store
}

func (w *world) share(shards int32) *sharers {
	w.Helper()
	s := &sharers{world: w, ledger: map[int32]int64{}, epochs: map[int32]int64{}, stores: map[int32]*Store{}}
	w.must(w.store.HoldShards(w.Context(), int(shards))) // one for all: the others read what is held
	for shard := range shards {
		s.stores[shard] = w.another()
		acquired, err := s.stores[shard].Acquire(w.Context(), shard)
		w.must(err)
		s.epochs[shard] = acquired.Epoch
	}
	return s
}

func (s *sharers) booked(context.Context) (map[int32]int64, error) { return maps.Clone(s.ledger), nil }

func (s *sharers) reserve(shard int32, limitMinor, wantMinor int64) processor.Reserved {
	s.Helper()
	reserved, err := s.stores[shard].Reserve(s.Context(), processor.Reservation{
		Shard: shard, Epoch: s.epochs[shard], Budget: campaign, LimitMinor: limitMinor, WantMinor: wantMinor,
	}, s.booked)
	s.must(err)
	return reserved
}

// spend saves the shard's first batch, which has spent so much in all.
func (s *sharers) spend(shard int32, grantedMinor int64) error {
	return s.stores[shard].Save(s.Context(), &processor.Save{
		Shard: shard, Epoch: s.epochs[shard], Before: rules.NoPositions, Batch: 1, After: rules.Positions{-1, -1, -1, 1}, Outbox: []byte("blob"),
		Accounts: []processor.AccountState{{ID: "a", Value: []byte("a")}, {ID: "b", Value: []byte("b")}},
		Spent:    []processor.BudgetSpent{{Budget: campaign, Minor: grantedMinor}},
	})
}

func (s *sharers) wantReserved(got processor.Reserved, grantedMinor, reservedMinor, othersMinor int64) {
	s.Helper()
	if want := (processor.Reserved{SpentMinor: grantedMinor, ReservedMinor: reservedMinor, OthersMinor: othersMinor}); got != want {
		s.Fatalf("reserved %+v, want %+v", got, want)
	}
}

func TestShardsReserveChunksOfABudget(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.share(2)
		s.wantReserved(s.reserve(0, 32_000, 10), 0, 1_000, 0) // a 32nd
		s.wantReserved(s.reserve(1, 32_000, 5_000), 0, 5_000, 1_000)
		s.wantReserved(s.reserve(0, 32_000, 500), 0, 1_000, 5_000) // it has enough
		w.must(s.spend(0, 700))
		s.wantReserved(s.reserve(0, 32_000, 500), 700, 2_000, 5_000)
		s.wantReserved(s.reserve(1, 32_000, 31_000), 0, 30_000, 2_000) // the rest
		s.wantReserved(s.reserve(0, 32_000, 1_500), 700, 2_000, 30_000)
	})
}

// TestTheLastUnitsAreDrawnSingly: what one shard holds, the others can't give.
func TestTheLastUnitsAreDrawnSingly(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.share(2)
		s.reserve(0, 1_000, 960)
		s.wantReserved(s.reserve(1, 1_000, 1), 0, 5, 960) // an eighth of the 40 that were left
		s.wantReserved(s.reserve(1, 1_000, 35), 0, 35, 960)
		s.wantReserved(s.reserve(1, 1_000, 40), 0, 40, 960)
		s.wantReserved(s.reserve(1, 1_000, 41), 0, 40, 960)
	})
}

func TestWhatRedisForgetsOfABudgetTheOthersRemember(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.share(2)
		s.reserve(0, 1_000, 400)
		w.must(s.spend(0, 400))
		held := s.reserve(0, 1_000, 0)
		w.must(w.client.Del(t.Context(), w.store.allocationsKey(campaign)).Err())
		if reserved := s.reserve(1, 1_000, 1_000); reserved.OthersMinor < 400 || reserved.ReservedMinor+reserved.OthersMinor > 1_000 {
			t.Fatalf("a forgotten pool gives %+v, though the other shard has %+v", reserved, held)
		}
		// With the other's part forgotten as well, the ledger knows.
		s.ledger[0] = 400
		for _, key := range []string{w.store.allocationsKey(campaign), w.partOf(0), w.partOf(1)} {
			w.must(w.client.Del(t.Context(), key).Err())
		}
		s.wantReserved(s.reserve(1, 1_000, 1_000), 0, 600, 400)
		s.wantReserved(s.reserve(0, 1_000, 100), 400, 400, 600)
	})
}

func (w *world) partOf(shard int32) string {
	k := keysOf(w.prefix, shard)
	return k.shardAllocation(campaign)
}

func TestABatchGrantsNoMoreThanWasDrawn(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.share(1)
		reserved := s.reserve(0, 10_000, 100)
		err := s.spend(0, reserved.ReservedMinor+1)
		w.wantError(err, processor.ErrStateBehindLedger)
		if !strings.Contains(err.Error(), string(campaign)) {
			t.Errorf("error %q does not name the budget", err)
		}
		w.must(s.spend(0, reserved.ReservedMinor))
		w.must(s.spend(0, reserved.ReservedMinor)) // its answer was lost
		if states, err := s.stores[0].Load(t.Context(), 0, []string{"a", "b"}, nil); err != nil || string(states[0])+string(states[1]) != "ab" {
			t.Errorf("states %q, %v", states, err)
		}
		if left := w.client.TTL(t.Context(), w.partOf(0)).Val(); left < budgetLife-time.Hour {
			t.Errorf("the part of a budget lives for %s", left)
		}
	})
}

// TestADrawOfAFormerOwner must not make room for what the new one does not know.
func TestADrawOfAFormerOwner(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.share(1)
		s.reserve(0, 10_000, 100)
		_, err := w.another().Acquire(t.Context(), 0)
		w.must(err)
		_, err = s.stores[0].Reserve(t.Context(), processor.Reservation{Shard: 0, Epoch: s.epochs[0], Budget: campaign, LimitMinor: 10_000, WantMinor: 5_000}, s.booked)
		w.wantError(err, processor.ErrFenced)
	})
}

// TestARebuiltShardHasGrantedWhatIsBooked: its part told of states that are no more.
func TestARebuiltShardHasGrantedWhatIsBooked(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		s := w.share(1)
		s.reserve(0, 10_000, 500)
		w.must(s.spend(0, 300))
		w.must(s.stores[0].BeginRebuild(t.Context(), 0, s.epochs[0]))
		_, err := s.stores[0].Reserve(t.Context(), processor.Reservation{Shard: 0, Epoch: s.epochs[0], Budget: campaign, LimitMinor: 10_000, WantMinor: 10}, s.booked)
		w.wantError(err, processor.ErrStateBehindLedger) // what it has granted is not known yet
		w.must(s.stores[0].FinishRebuild(t.Context(), 0, s.epochs[0], rules.Marker{Positions: rules.NoPositions}))
		s.ledger[0] = 200
		if reserved := s.reserve(0, 10_000, 10); reserved.SpentMinor != 200 {
			t.Fatalf("after a rebuild it draws %+v", reserved)
		}
	})
}

// A budget is shared by the shards that Redis holds the number of, whoever has put it
// there: where it holds none, nothing can be reserved.
func TestAReservationNeedsTheLedgerAndTheNumberOfShards(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		r := processor.Reservation{Shard: shard12, Epoch: w.acquired.Epoch, Budget: campaign, LimitMinor: 32_000, WantMinor: 10}
		nothing := func(context.Context) (map[int32]int64, error) { return nil, nil }
		if _, err := w.store.Reserve(t.Context(), r, nothing); err == nil || !strings.Contains(err.Error(), "no number of shards") {
			t.Errorf("without the number of shards: %v", err)
		}
		w.must(w.another().HoldShards(t.Context(), 16))
		away := errors.New("ClickHouse is away")
		_, err := w.store.Reserve(t.Context(), r, func(context.Context) (map[int32]int64, error) { return nil, away })
		w.wantError(err, away)
		got, err := w.store.Reserve(t.Context(), r, nothing)
		w.must(err)
		if want := (processor.Reserved{ReservedMinor: 125}); got != want { // a 256th
			t.Errorf("reserved %+v, want %+v", got, want)
		}
	})
}
