package clickhouse_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
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

// historiesOfSome asks for every other account, which alone it leaves in want, and
// for one that nobody knows.
func historiesOfSome(tb fataler, w world, shard int32, want map[string]*rules.AccountHistory) map[string]*rules.AccountHistory {
	tb.Helper()
	refs := []rules.AccountRef{{1: 200, 15: 200}}
	for i, account := range slices.Sorted(maps.Keys(want)) {
		if i%2 == 0 {
			refs = append(refs, refOf(account))
		} else {
			delete(want, account)
		}
	}
	all := map[string]*rules.AccountHistory{}
	err := w.ledger.HistoriesOf(context.Background(), shard, refs, func(h *rules.AccountHistory) error {
		all[cmp.Or(h.AccountID, fmt.Sprintf("%x", h.Ref))] = h
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
		for _, r := range d.Referrals {
			h.Told = slices.DeleteFunc(h.Told, func(o rules.Referral) bool { return toldKey(o) == toldKey(r) })
			h.Told = append(h.Told, r)
		}
		for _, g := range d.Grants {
			h.Grants = slices.DeleteFunc(h.Grants, func(o rules.Grant) bool { return grantKey(o) == grantKey(g) })
			h.Grants = append(h.Grants, g)
		}
		h.Instructed = append(h.Instructed, d.Instructions...)
	}
	for key, sum := range sums {
		if sum.BasisMinor != 0 || sum.RewardMinor != 0 || sum.CommissionMinor != 0 || sum.CostMinor != 0 {
			keeper := key.AccountID
			if key.Role == rules.RoleSponsor {
				keeper = key.BeneficiaryID
			}
			h := all[keeper]
			h.Booked = append(h.Booked, sum)
		}
	}
	return all
}

func toldKey(r rules.Referral) string {
	return fmt.Sprint(r.BuyerAccountID, r.TransactionID, r.PartnerID, r.OfferID, r.SponsorAccountID)
}

func grantKey(g rules.Grant) string { return fmt.Sprint(g.Budget, g.TransactionID) }

func compareHistories(tb fataler, got, want map[string]*rules.AccountHistory) {
	tb.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		tb.Fatalf("accounts: got %v, want %v", g, w)
	}
	for account, w := range want {
		g := got[account]
		for _, h := range []*rules.AccountHistory{g, w} {
			slices.SortFunc(h.Booked, func(a, b rules.Accrual) int { return cmp.Compare(fmt.Sprint(a.Key()), fmt.Sprint(b.Key())) })
			slices.SortFunc(h.Told, func(a, b rules.Referral) int { return cmp.Compare(toldKey(a), toldKey(b)) })
			slices.SortFunc(h.Grants, func(a, b rules.Grant) int { return cmp.Compare(grantKey(a), grantKey(b)) })
			slices.SortFunc(h.Instructed, func(a, b rules.Instruction) int { return cmp.Compare(a.ID, b.ID) })
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
	t.Parallel()
	// Each check makes parts that nothing merges, for all that come after it.
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	stopMerges(t, w)
	shard := int32(0)
	rapid.Check(t, func(t *rapid.T) {
		shard += 2 // two that no other check has used
		var decisions []*rules.Decision
		told := map[string]int64{} // the highest number of each key
		granted := map[string]int64{}
		for range rapid.IntRange(1, 40).Draw(t, "batches") {
			// Many accounts, so that their references lie in every order.
			account := fmt.Sprintf("a%d", rapid.IntRange(0, 12).Draw(t, "account"))
			basis := rapid.SampledFrom([]int64{10_000, -10_000, 20_000, 0}).Draw(t, "basis")
			transaction := fmt.Sprintf("%s-T%d", account, rapid.IntRange(0, 2).Draw(t, "transaction"))
			d := decision(uint64(len(decisions)+1), account, transaction, "bakery", basis)
			d.Instructions[0].Direction = rapid.SampledFrom([]rules.Direction{rules.Credit, rules.Debit}).Draw(t, "direction")
			sponsor := fmt.Sprintf("a%d", rapid.IntRange(0, 12).Draw(t, "sponsor"))
			for range rapid.IntRange(0, 2).Draw(t, "told") { // twice on a purchase in one batch, too
				r := referral(d, sponsor, 1, rapid.Int64Range(0, 9).Draw(t, "reward"))
				told[toldKey(r)]++
				d.Referrals = append(d.Referrals, referral(d, sponsor, told[toldKey(r)], r.ConfirmedRewardMinor))
			}
			for range rapid.IntRange(0, 2).Draw(t, "grants") {
				g := grant(d, rapid.SampledFrom([]rules.BudgetKey{"campaign/spring", "offer/bakery/x"}).Draw(t, "budget"), 0, 0)
				g.GrantedMinor = rapid.Int64Range(0, 9).Draw(t, "granted")
				g.ChangeMinor = g.GrantedMinor - granted[grantKey(g)]
				granted[grantKey(g)] = g.GrantedMinor
				d.Grants = append(d.Grants, g)
			}
			batch := []*rules.Decision{d}
			if sponsor != account && rapid.Bool().Draw(t, "sponsored") {
				batch = append(batch, sponsored(d.Batch+1, sponsor, account, transaction, "bakery", basis))
			}
			for _, d := range batch {
				for i := range d.Accruals { // what every line of a purchase has in common
					d.Accruals[i].PurchasedAt = rules.Instant{Sec: base, Nsec: 7}
				}
				// An account lives in one shard.
				d.Shard = shard + int32(refOf(d.Accounts[0].AccountID)[0]%2)
			}
			decisions = append(decisions, batch...)
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
			want := expected(of, decisions)
			compareHistories(t, histories(t, w, of), want)
			compareHistories(t, historiesOfSome(t, w, of, want), want) // which it halves
		}
		for _, budget := range []rules.BudgetKey{"campaign/spring", "offer/bakery/x"} {
			compareGranted(t, w, budget, shard, decisions)
		}
	})
}

// compareGranted asks for the sums of shard and the one after it.
func compareGranted(tb fataler, w world, budget rules.BudgetKey, shard int32, decisions []*rules.Decision) {
	tb.Helper()
	got, err := w.ledger.Spent(context.Background(), budget)
	if err != nil {
		tb.Fatal(err)
	}
	maps.DeleteFunc(got, func(of int32, _ int64) bool { return of < shard }) // other checks'
	want := map[int32]int64{}
	for _, d := range decisions {
		for _, g := range d.Grants {
			if g.Budget == budget {
				want[d.Shard] += g.ChangeMinor
			}
		}
	}
	if !maps.Equal(got, want) {
		tb.Fatalf("budget %s: granted by shard %v, want %v", budget, got, want)
	}
}

func TestSponsorsLineIsKeptWithHisAccountAndNamesItsBuyer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book(t, decision(1, "buyer", "T1", "bakery", 10_000))
	told := sponsored(2, "sponsor", "buyer", "T1", "bakery", 10_000)
	w.book(t, told, told)
	ofBuyer, ofSponsor := histories(t, w, 3), histories(t, w, 4)
	want(t, "accounts of the buyer's shard", len(ofBuyer), 1)
	want(t, "buyer's lines", len(ofBuyer["buyer"].Booked), 2)
	want(t, "accounts of the sponsor's shard", len(ofSponsor), 1)
	want(t, "sponsor's lines", len(ofSponsor["sponsor"].Booked), 1)
	line := told.Accruals[0]
	line.ID, line.Cause, line.Reasons, line.CampaignIDs = rules.AccrualID{}, rules.Cause{}, nil, []string{}
	if got := ofSponsor["sponsor"].Booked[0]; !reflect.DeepEqual(got, line) {
		t.Errorf("got %+v, want %+v", got, line)
	}
	if got := ofSponsor["sponsor"].Set; !reflect.DeepEqual(got, told.Set) {
		t.Errorf("set: got %+v, want %+v", got, told.Set)
	}

	w.exec(t, "DELETE FROM accounts_log WHERE account_id = 'buyer'")
	want(t, "the buyer of an erased account", histories(t, w, 4)["sponsor"].Booked[0].AccountID, "")
	w.exec(t, "DELETE FROM accounts_log WHERE account_id = 'sponsor'")
	h := histories(t, w, 4)[fmt.Sprintf("%x", refOf("sponsor"))]
	if h == nil || len(h.Booked) != 1 || h.Booked[0].BeneficiaryID != "" || h.Booked[0].RewardMinor != 100 {
		t.Errorf("an erased sponsor: got %+v", h)
	}
}

func TestDatesOfAWalletComeBackWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := decision(1, "a", "T1", "bakery", 10_000)
	wallet := &d.Accruals[0]
	wallet.Kind = rules.Wallet
	wallet.UsableFrom, wallet.ExpiresAt = rules.Instant{Sec: base + 86_400, Nsec: 5}, rules.Instant{Sec: 253_402_300_799, Nsec: 999_999_999}
	w.book(t, d)
	const dates = "SELECT concat_ws(' ', toString(usable_from), toString(expires_at)) FROM accruals WHERE role = "
	want(t, "dates", w.text(t, dates+"'member'"), "2026-03-11 12:00:00.000 2105-12-31 23:59:59.999")
	want(t, "lines without dates", w.number(t, "SELECT count() FROM accruals WHERE role = 'partner' AND usable_from IS NULL AND expires_at IS NULL"), 1)
	booked := histories(t, w, 3)["a"].Booked
	i := slices.IndexFunc(booked, func(a rules.Accrual) bool { return a.Kind == rules.Wallet })
	want(t, "usable from", booked[i].UsableFrom, wallet.UsableFrom)
	want(t, "expires at", booked[i].ExpiresAt, wallet.ExpiresAt)
	trace, err := w.ledger.Account(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	sameLines(t, trace.Accruals, d.Accruals)
}

// Redis loses a batch that was booked but for its marker: the number of the
// batch is given again, to one that changes the same grant.
func TestNewestGrantIsToldThoughABatchNumberWasUsedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost, after := decision(8, "a", "T1", "bakery", 10_000), decision(8, "a", "T1", "bakery", 20_000)
	after.LastSeq, after.Set[0].Seq = 9, 9
	lost.Grants = []rules.Grant{grant(lost, "offer/bakery/x", 1, 1), grant(lost, "campaign/spring", 100, 100)}
	after.Grants = []rules.Grant{grant(after, "campaign/spring", 30, -70)}
	w.book(t, after)
	w.book(t, lost)
	w.exec(t, "OPTIMIZE TABLE grants_log FINAL")
	want(t, "newest grant", histories(t, w, 3)["a"].Grants[0], after.Grants[0])
	compareGranted(t, w, "campaign/spring", 0, []*rules.Decision{lost, after})
}

func TestHistoriesOfManyShardsAtOnceDoNotWaitForOneAnotherForEver(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	w := newWorld(t)
	w.book(t, decision(1, "alice", "T1", "bakery", 10_000))
	w.exec(t, "DELETE FROM accounts_log WHERE account_id = 'alice'")
	h := histories(t, w, 3)[fmt.Sprintf("%x", refOf("alice"))]
	if h == nil || h.AccountID != "" || h.MemberID != "" || len(h.Set) != 1 || len(h.Booked) != 2 || h.Booked[0].AccountID != "" {
		t.Errorf("got %+v", h)
	}
}

func TestOnePlaceInTheSetWithTwoContentsStopsTheRebuild(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	w := newWorld(t)
	var booked []rules.Instruction
	for n := uint64(1); n <= 6; n++ {
		d := decision(n, "alice", fmt.Sprintf("T%d", n), "bakery", 10_000)
		d.Instructions[0].Cycle, d.Instructions[0].StatementText = "2026-03", "Merci, Boulangerie « Dupont »"
		switch n {
		case 4:
			d.Instructions[0].Cause.Kind = rules.CauseReferral
		case 5, 6:
			d.Instructions[0].Cause.Kind = rules.CauseFact
		}
		booked = append(booked, d.Instructions...)
		w.book(t, d, d)
	}
	other := decision(9, "bob", "T9", "bakery", 10_000)
	other.Shard = 4
	w.book(t, other)
	for _, c := range []struct {
		from rules.Positions
		want []rules.Instruction
	}{
		{rules.NoPositions, slices.Concat(booked[4:], booked[3:4], booked[:3])},
		{rules.Positions{6, 4, 0, 3}, slices.Concat(booked[5:], booked[3:4], booked[2:3])},
		{rules.Positions{7, 5, 0, 3}, booked[2:3]},
		{rules.Positions{7, 4, 0, 4}, booked[3:4]},
		{rules.Positions{7, 5, 0, 4}, nil},
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

func TestReferralsFromTheCommittedOffsetsOnComeBackAsTheyWereBooked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var booked []rules.Referral
	for n := uint64(1); n <= 4; n++ {
		d := decision(n, "alice", "T1", "bakery", 10_000)
		d.Referrals = []rules.Referral{referral(d, "sponsor", int64(n), int64(4-n))}
		if n > 2 {
			d.Referrals[0].Cause.Kind = rules.CauseFact
		}
		booked = append(booked, d.Referrals...)
		w.book(t, d, d)
	}
	other := decision(9, "bob", "T9", "bakery", 10_000)
	other.Shard = 4
	other.Referrals = []rules.Referral{referral(other, "sponsor", 1, 1)}
	w.book(t, other)
	from := func(heads rules.Positions) (got []rules.Referral) {
		t.Helper()
		if err := w.ledger.ReferralsFrom(t.Context(), 3, heads, func(r rules.Referral) error {
			got = append(got, r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		from rules.Positions
		want []rules.Referral
	}{
		{rules.NoPositions, booked},
		{rules.Positions{4, 0, 0, 2}, []rules.Referral{booked[1], booked[3]}},
		{rules.Positions{5, 0, 0, 3}, nil},
	} {
		if got := from(c.from); !reflect.DeepEqual(got, c.want) {
			t.Errorf("from %v:\n got %+v\nwant %+v", c.from, got, c.want)
		}
	}
	want(t, "referrals that hold", w.number(t, "SELECT count() FROM referrals_told"), 2)
	want(t, "what holds of alice's", w.number(t, "SELECT expected_reward_minor FROM referrals_told WHERE shard = 3"), 0)
	w.exec(t, "DELETE FROM accounts_log WHERE account_id = 'alice'")
	want(t, "an erased buyer", from(rules.NoPositions)[0].BuyerAccountID, "")
	stop := errors.New("enough")
	if err := w.ledger.ReferralsFrom(t.Context(), 3, rules.NoPositions, func(rules.Referral) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("broken off: got %v", err)
	}
}

func TestAnIDWithTwoContentsRaisesAnAlarmEvenAfterMerges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := func() *rules.Decision {
		d := decision(1, "a", "T1", "bakery", 10_000)
		d.Grants = []rules.Grant{grant(d, "campaign/spring", 100, 100)}
		d.Referrals = []rules.Referral{referral(d, "sponsor", 1, 100)}
		return d
	}
	clean := batch()
	w.book(t, clean)
	w.book(t, clean, decision(2, "a", "T2", "bakery", 10_000))
	if conflicts, err := w.ledger.Conflicts(t.Context()); err != nil || len(conflicts) != 0 {
		t.Fatalf("a replay raises an alarm: %v, %v", conflicts, err)
	}
	forged := batch()
	forged.Accruals[0].RewardMinor++
	forged.Instructions[0].AmountMinor++
	forged.Set[0].Cause.ID = "another"
	forged.Grants[0].ChangeMinor++
	forged.Referrals[0].ConfirmedRewardMinor++
	w.book(t, forged)
	for _, table := range []string{"accruals_log", "instructions_log", "grants_log", "referrals_told_log", "set_log"} {
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
	wanted := []string{
		fmt.Sprintf("accruals_log %x 2", clean.Accruals[0].ID), "instructions_log I1 2",
		"grants_log 3/1/1/0 2", "referrals_told_log F-a-T1-sponsor-1 2", "set_log 3/1 2",
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("got %v, want %v", got, wanted)
	}
}

func TestCatalogueVersionsArePutTwiceAndReadInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	versions := []clickhouse.CatalogueVersion{
		{Hash: "h1", EffectiveFrom: rules.MinInstant, PublishedAt: rules.Instant{Sec: base}, Body: []byte("{\"a\": '\\'}\x00\xff")},
		{Hash: "h2", Previous: "h1", EffectiveFrom: rules.Instant{Sec: base + 60, Nsec: 5}, PublishedAt: rules.Instant{Sec: base, Nsec: 1}, Body: []byte{}},
		{Hash: "h3", Previous: "h2", EffectiveFrom: rules.Instant{Sec: base + 60, Nsec: 5}, PublishedAt: rules.Instant{Sec: base + 1}, Body: incompressible(1 << 20)},
	}
	for _, v := range append(slices.Clone(versions), versions...) {
		if err := w.ledger.PutCatalogueVersion(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.ledger.CatalogueVersions(t.Context())
	if err != nil || len(got) != len(versions) {
		t.Fatalf("%d versions, %v", len(got), err)
	}
	got[1].Body = append([]byte{}, got[1].Body...)
	if !reflect.DeepEqual(got, versions) {
		t.Errorf("got %+v, want %+v", got, versions)
	}
}

// incompressible is what an archive of thousands of partners is like.
func incompressible(bytes int) []byte {
	b := make([]byte, bytes)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

func TestTotalsCountsAndTraces(t *testing.T) {
	t.Parallel()
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
	// A sponsor's line is found by its transaction and with the sponsor, wherever
	// their account lives, and not with the buyer.
	bySponsor := sponsored(5, "a9", "a0", "T2", "bakery", 10_000)
	w.book(t, bySponsor)
	if trace, err = w.ledger.Transaction(t.Context(), "T2"); err != nil {
		t.Fatal(err)
	}
	sameLines(t, trace.Accruals, append(d.Accruals, bySponsor.Accruals...))
	if trace, err = w.ledger.Account(t.Context(), "a9"); err != nil {
		t.Fatal(err)
	}
	sameLines(t, trace.Accruals, bySponsor.Accruals)
	if !reflect.DeepEqual(trace.Set, bySponsor.Set) {
		t.Errorf("set of the sponsor: got %+v", trace.Set)
	}
	if trace, err = w.ledger.Account(t.Context(), "a0"); err != nil {
		t.Fatal(err)
	}
	want(t, "accruals of the buyer", len(trace.Accruals), 4)
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
