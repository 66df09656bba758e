package clickhouse_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/clickhouse"
)

// fataler is what a helper needs of a testing.T or a rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func histories(tb fataler, w world, shard int32) map[string]*rules.AccountHistory {
	tb.Helper()
	all := map[string]*rules.AccountHistory{}
	err := w.ledger.Histories(context.Background(), shard, func(h *rules.AccountHistory) error {
		key := cmp.Or(h.AccountID, fmt.Sprintf("%x", h.Ref))
		if all[key] != nil {
			return fmt.Errorf("account %s came twice: the streams are not in one order", key)
		}
		all[key] = h
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// expected works the histories of decisions out in memory: each decision once.
func expected(shard int32, decisions []*rules.Decision) map[string]*rules.AccountHistory {
	all := map[string]*rules.AccountHistory{}
	of := func(account string) *rules.AccountHistory {
		if all[account] == nil {
			all[account] = &rules.AccountHistory{Ref: refOf(account), AccountID: account, MemberID: "member of " + account}
		}
		return all[account]
	}
	sums := map[rules.LineKey]rules.Accrual{}
	for _, d := range decisions {
		if d.Shard != shard {
			continue
		}
		account := d.Accounts[0].AccountID
		h := of(account)
		h.Set = append(h.Set, d.Set...)
		for _, a := range d.Accruals {
			sum, there := sums[a.Key()]
			if !there {
				sum = a
				sum.ID, sum.Cause, sum.Reasons = rules.AccrualID{}, rules.Cause{}, nil
				sum.BasisMinor, sum.RewardMinor, sum.CommissionMinor, sum.CostMinor = 0, 0, 0, 0
			}
			sum.BasisMinor += a.BasisMinor
			sum.RewardMinor += a.RewardMinor
			sum.CommissionMinor += a.CommissionMinor
			sum.CostMinor += a.CostMinor
			sums[a.Key()] = sum
		}
		for _, i := range d.Instructions {
			if h.InstructedMinor == nil {
				h.InstructedMinor = map[money.Currency]int64{}
			}
			if i.Direction == rules.Debit {
				i.AmountMinor = -i.AmountMinor
			}
			h.InstructedMinor[i.Currency] += i.AmountMinor
		}
	}
	for key, sum := range sums {
		if sum.BasisMinor != 0 || sum.RewardMinor != 0 || sum.CommissionMinor != 0 || sum.CostMinor != 0 {
			h := all[key.AccountID]
			h.Booked = append(h.Booked, sum)
		}
	}
	return all
}

func compareHistories(tb fataler, got, want map[string]*rules.AccountHistory) {
	tb.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		tb.Fatalf("accounts: got %v, want %v", g, w)
	}
	for account, w := range want {
		g := got[account]
		for _, h := range []*rules.AccountHistory{g, w} {
			slices.SortFunc(h.Booked, func(a, b rules.Accrual) int { return cmp.Compare(fmt.Sprint(a.Key()), fmt.Sprint(b.Key())) })
			for i := range h.Booked {
				if len(h.Booked[i].CampaignIDs) == 0 {
					h.Booked[i].CampaignIDs = nil
				}
			}
		}
		if !reflect.DeepEqual(g, w) {
			tb.Fatalf("account %s:\n got %+v\nwant %+v", account, g, w)
		}
	}
}

func TestHistoriesTellWhatWasBookedHoweverOftenAndInWhateverBatches(t *testing.T) {
	w := newWorld(t)
	stopMerges(t, w)
	shard := int32(0)
	rapid.Check(t, func(t *rapid.T) {
		shard += 2 // two that no other check has used
		var decisions []*rules.Decision
		for n := range rapid.IntRange(1, 40).Draw(t, "batches") {
			// Many accounts, so that their references lie in every order.
			account := fmt.Sprintf("a%d", rapid.IntRange(0, 12).Draw(t, "account"))
			basis := rapid.SampledFrom([]int64{10_000, -10_000, 20_000, 0}).Draw(t, "basis")
			transaction := fmt.Sprintf("%s-T%d", account, rapid.IntRange(0, 2).Draw(t, "transaction"))
			d := decision(uint64(n+1), account, transaction, "bakery", basis)
			d.Instructions[0].Direction = rapid.SampledFrom([]rules.Direction{rules.Credit, rules.Debit}).Draw(t, "direction")
			for i := range d.Accruals { // what every line of a purchase has in common
				d.Accruals[i].PurchasedAt = rules.Instant{Sec: base, Nsec: 7}
			}
			// An account lives in one shard.
			d.Shard = shard + int32(refOf(account)[0]%2)
			decisions = append(decisions, d)
		}
		if err := w.ledger.Book(context.Background(), decisions...); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 3).Draw(t, "replays") {
			from := rapid.IntRange(0, len(decisions)-1).Draw(t, "from")
			to := rapid.IntRange(from, len(decisions)).Draw(t, "to")
			if err := w.ledger.Book(context.Background(), decisions[from:to]...); err != nil {
				t.Fatal(err)
			}
		}
		for _, of := range []int32{shard, shard + 1} {
			compareHistories(t, histories(t, w, of), expected(of, decisions))
		}
	})
}

func TestHistoriesOfManyShardsAtOnceDoNotWaitForOneAnotherForEver(t *testing.T) {
	w := newWorld(t)
	for shard := range int32(12) {
		d := decision(1, fmt.Sprintf("a%d", shard), "T1", "bakery", 10_000)
		d.Shard = shard
		w.book(t, d)
	}
	var wait sync.WaitGroup
	for shard := range int32(12) {
		wait.Go(func() {
			seen := 0
			err := w.ledger.Histories(context.Background(), shard, func(h *rules.AccountHistory) error {
				seen++
				// The ledger still answers others while a rebuild reads.
				_, _, err := w.ledger.Marker(context.Background(), shard)
				return err
			})
			if err != nil || seen != 1 {
				t.Errorf("shard %d: %d accounts, %v", shard, seen, err)
			}
		})
	}
	wait.Wait()
}

func TestHistoryThatIsBrokenOffEndsWithTheCallersError(t *testing.T) {
	w := newWorld(t)
	w.book(t, decision(1, "a", "T1", "bakery", 10_000), decision(2, "b", "T2", "bakery", 10_000))
	stop := errors.New("enough")
	if err := w.ledger.Histories(t.Context(), 3, func(*rules.AccountHistory) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if got := histories(t, w, 3); len(got) != 2 {
		t.Errorf("%d accounts afterwards, want 2", len(got))
	}
}

func TestErasedAccountsHistoryStaysWithoutItsIDs(t *testing.T) {
	w := newWorld(t)
	w.book(t, decision(1, "alice", "T1", "bakery", 10_000))
	w.exec(t, "DELETE FROM accounts_log WHERE account_id = 'alice'")
	h := histories(t, w, 3)[fmt.Sprintf("%x", refOf("alice"))]
	if h == nil || h.AccountID != "" || h.MemberID != "" || len(h.Set) != 1 || len(h.Booked) != 2 || h.Booked[0].AccountID != "" {
		t.Errorf("got %+v", h)
	}
}

func TestOnePlaceInTheSetWithTwoContentsStopsTheRebuild(t *testing.T) {
	w := newWorld(t)
	stopMerges(t, w)
	w.book(t, decision(1, "a", "T1", "bakery", 10_000))
	other := decision(1, "a", "T1", "bakery", 10_000)
	other.Set[0].Cause.ID = "another"
	w.book(t, other)
	err := w.ledger.Histories(t.Context(), 3, func(*rules.AccountHistory) error { return nil })
	if !errors.Is(err, clickhouse.ErrPermanent) {
		t.Errorf("got %v, want an error that needs a person", err)
	}
}

func TestInstructionsFromTheCommittedOffsetsOnComeBackAsTheyWereBooked(t *testing.T) {
	w := newWorld(t)
	var booked []rules.Instruction
	for n := uint64(1); n <= 6; n++ {
		d := decision(n, "alice", fmt.Sprintf("T%d", n), "bakery", 10_000)
		d.Instructions[0].Cycle, d.Instructions[0].StatementText = "2026-03", "Merci, Boulangerie « Dupont »"
		if n > 4 {
			d.Instructions[0].Cause.Kind = rules.CauseFact
		}
		booked = append(booked, d.Instructions...)
		w.book(t, d, d)
	}
	other := decision(9, "bob", "T9", "bakery", 10_000)
	other.Shard = 4
	w.book(t, other)
	for _, c := range []struct {
		from rules.Heads
		want []rules.Instruction
	}{
		{rules.NoHeads, append(slices.Clone(booked[4:]), booked[:4]...)},
		{rules.Heads{6, 0, 0, 3}, append(slices.Clone(booked[5:]), booked[2:4]...)},
		{rules.Heads{7, 0, 0, 4}, booked[3:4]},
		{rules.Heads{7, 0, 0, 5}, nil},
	} {
		var got []rules.Instruction
		err := w.ledger.InstructionsFrom(t.Context(), 3, c.from, func(i rules.Instruction) error {
			got = append(got, i)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("from %v:\n got %+v\nwant %+v", c.from, got, c.want)
		}
	}
}

func TestAnIDWithTwoContentsRaisesAnAlarmEvenAfterMerges(t *testing.T) {
	w := newWorld(t)
	clean := decision(1, "a", "T1", "bakery", 10_000)
	w.book(t, clean)
	w.book(t, clean, decision(2, "a", "T2", "bakery", 10_000))
	if conflicts, err := w.ledger.Conflicts(t.Context()); err != nil || len(conflicts) != 0 {
		t.Fatalf("a replay raises an alarm: %v, %v", conflicts, err)
	}
	forged := decision(1, "a", "T1", "bakery", 10_000)
	forged.Accruals[0].RewardMinor++
	forged.Instructions[0].AmountMinor++
	forged.Set[0].Cause.ID = "another"
	w.book(t, forged)
	for _, table := range []string{"accruals_log", "instructions_log", "set_log"} {
		w.exec(t, "OPTIMIZE TABLE "+table+" FINAL")
	}
	conflicts, err := w.ledger.Conflicts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range conflicts {
		got = append(got, fmt.Sprintf("%s %s %d", c.Table, c.ID, len(c.Contents)))
	}
	wanted := []string{fmt.Sprintf("accruals_log %x 2", clean.Accruals[0].ID), "instructions_log I1 2", "set_log 3/1 2"}
	if !slices.Equal(got, wanted) {
		t.Errorf("got %v, want %v", got, wanted)
	}
}

func TestCatalogueVersionsArePutTwiceAndReadInOrder(t *testing.T) {
	w := newWorld(t)
	versions := []clickhouse.CatalogueVersion{
		{Hash: "h1", EffectiveFrom: rules.MinInstant, PublishedAt: rules.Instant{Sec: base}, Body: []byte("{\"a\": '\\'}\x00\xff")},
		{Hash: "h2", Previous: "h1", EffectiveFrom: rules.Instant{Sec: base + 60, Nsec: 5}, PublishedAt: rules.Instant{Sec: base, Nsec: 1}, Body: []byte{}},
	}
	for _, v := range append(slices.Clone(versions), versions...) {
		if err := w.ledger.PutCatalogueVersion(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.ledger.CatalogueVersions(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatalf("%d versions, %v", len(got), err)
	}
	got[1].Body = append([]byte{}, got[1].Body...)
	if !reflect.DeepEqual(got, versions) {
		t.Errorf("got %+v, want %+v", got, versions)
	}
}

func TestTotalsCountsAndTraces(t *testing.T) {
	w := newWorld(t)
	for n := uint64(1); n <= 4; n++ {
		d := decision(n, fmt.Sprintf("a%d", n%2), fmt.Sprintf("T%d", n), []string{"bakery", "cinema"}[n/3], 10_000)
		w.book(t, d, d)
	}
	byOffer, err := w.ledger.TotalsByOffer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wanted := []clickhouse.Total{
		{PartnerID: "bakery", Stage: rules.Confirmed, Currency: "EUR", Lines: 2, CommissionMinor: 1000},
		{PartnerID: "bakery", OfferID: "bakery-offer", Stage: rules.Confirmed, Currency: "EUR", Lines: 2, RewardMinor: 600, CostMinor: 600},
		{PartnerID: "cinema", Stage: rules.Confirmed, Currency: "EUR", Lines: 2, CommissionMinor: 1000},
		{PartnerID: "cinema", OfferID: "cinema-offer", Stage: rules.Confirmed, Currency: "EUR", Lines: 2, RewardMinor: 600, CostMinor: 600},
	}
	if !slices.Equal(byOffer, wanted) {
		t.Errorf("by offer: got %+v", byOffer)
	}
	all, err := w.ledger.Totals(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("totals: %v, %v", all, err)
	}
	want(t, "total", all[0], clickhouse.Total{Stage: rules.Confirmed, Currency: "EUR", Lines: 8, RewardMinor: 1200, CommissionMinor: 2000, CostMinor: 1200})
	want(t, "margin", all[0].MarginMinor(), 800)
	counts, err := w.ledger.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "counts", counts, clickhouse.Counts{Accruals: 8, Events: 4, Instructions: 4, Accounts: 2, CreditMinor: 1200})

	d := decision(2, "a0", "T2", "bakery", 10_000)
	trace, err := w.ledger.Transaction(t.Context(), "T2")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(trace.Set, d.Set) || !reflect.DeepEqual(trace.Instructions, d.Instructions) || trace.Truncated {
		t.Errorf("trace of T2: got %+v", trace)
	}
	sameLines(t, trace.Accruals, d.Accruals)
	trace, err = w.ledger.Account(t.Context(), "a0")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "events of a0", len(trace.Set), 2)
	want(t, "accruals of a0", len(trace.Accruals), 4)
	want(t, "instructions of a0", len(trace.Instructions), 2)
	want(t, "accounts of a0", len(trace.Accounts), 1)
	nothing, err := w.ledger.Transaction(t.Context(), "never seen")
	if err != nil || len(nothing.Accounts)+len(nothing.Set)+len(nothing.Accruals)+len(nothing.Instructions) != 0 {
		t.Errorf("an unknown transaction: %+v, %v", nothing, err)
	}
}

func sameLines(t *testing.T, got, want []rules.Accrual) {
	t.Helper()
	for _, lines := range [][]rules.Accrual{got, want} {
		for i := range lines {
			if len(lines[i].CampaignIDs) == 0 {
				lines[i].CampaignIDs = nil
			}
			if len(lines[i].Reasons) == 0 {
				lines[i].Reasons = nil
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("lines:\n got %+v\nwant %+v", got, want)
	}
}
