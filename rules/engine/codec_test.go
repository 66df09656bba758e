package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/codec"
	"ristourne/rules/internal/sample"
	"ristourne/rules/ledgertest"
	"ristourne/rules/money"
)

func TestEventRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.StringN(0, 12, 64).Draw(t, name) }
		amount := rapid.Int64Range(0, money.MaxAmountMinor)
		at := func(name string) rules.Instant {
			return rules.Instant{Sec: rapid.Int64Range(-62_167_219_200, 253_402_300_799).Draw(t, name), Nsec: rapid.Int32Range(0, 999_999_999).Draw(t, name)}
		}
		e := rules.Event{
			ID: text("id"), Type: rules.EventType(rapid.IntRange(1, int(rules.NumEventTypes)-1).Draw(t, "type")), TransactionID: text("tx"),
			OriginalTransactionID: text("orig"), CardToken: text("card"), AmountMinor: amount.Draw(t, "amount"), Currency: sample.EUR,
			BillingAmountMinor: amount.Draw(t, "billing"), BillingCurrency: sample.USD, OccurredAt: at("occurred"), Declined: rapid.Bool().Draw(t, "declined"),
			Merchant:    rules.Merchant{ID: text("mid"), AcquirerID: text("acq"), Network: text("net"), NetworkMerchantID: text("nmid"), SubMerchantID: text("sub"), TerminalID: text("term"), Name: text("name"), MCC: text("mcc"), Country: text("country")},
			CardProduct: text("product"), Channel: rules.Channel(rapid.IntRange(0, 3).Draw(t, "channel")), ContentHash: rapid.Uint64().Draw(t, "hash"),
		}
		if e.HasPurchasedAt = rapid.Bool().Draw(t, "has"); e.HasPurchasedAt {
			e.PurchasedAt = at("purchased")
		}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			e.Items = append(e.Items, rules.Item{AmountMinor: rapid.Int64Range(-1<<53+1, 1<<53-1).Draw(t, "item"), Quantity: text("q"), SKU: text("sku"), Category: text("cat")})
		}
		var got rules.Event
		if err := got.UnmarshalBinary(e.AppendBinary(nil)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(e, got) {
			t.Fatalf("\n got %+v\nwant %+v", got, e)
		}
	})
}

func TestFactRoundTrip(t *testing.T) {
	t.Parallel()
	at := rules.Instant{Sec: 1_772_366_400, Nsec: 123_456_789}
	for _, f := range []rules.Fact{
		{ID: "1", Type: rules.Enrolled, At: at, MemberID: "m", Programme: "p", CardTokens: []string{"a", "b"}, Level: "gold", Segments: []string{"s", "t"}, SponsorAccountID: "x", ContentHash: 1 << 63},
		{ID: "2", Type: rules.Left, At: at},
		{ID: "3", Type: rules.CardLinked, At: at, CardToken: "a"},
		{ID: "4", Type: rules.CardUnlinked, At: at, CardToken: "a"},
		{ID: "5", Type: rules.LevelChanged, At: at, Level: "l"},
		{ID: "6", Type: rules.OfferActivated, At: at, OfferID: "o"},
		{ID: "7", Type: rules.OfferDeactivated, At: at, OfferID: "o"},
		{ID: "8", Type: rules.SegmentAdded, At: at, Segment: "s"},
		{ID: "9", Type: rules.SegmentRemoved, At: at, Segment: "s"},
		{ID: "10", Type: rules.AuthorizationExpired, At: at, TransactionID: "t"},
		{ID: "11", Type: rules.CycleClosed, At: at, Programme: "p", Cycle: "c", AsOf: "2026-03-31T00:00:00Z"},
		{ID: "17", Type: rules.CycleClosed, At: at, Programme: "p", Cycle: "c", AsOf: "2026-03-31T00:00:00Z", Closed: []rules.Debt{}},
		{ID: "18", Type: rules.CycleClosed, At: at, Programme: "p", Closed: []rules.Debt{{Currency: sample.EUR, Since: at, WrittenOffMinor: 5}, {Currency: sample.USD}}},
		{ID: "19", Type: rules.Adjustment, At: at, Programme: "p", AmountMinor: -5, Currency: sample.EUR, Reason: "r", ApprovedBy: "u"},
		{ID: "20", Type: rules.PayoutMethod, At: at, Method: rules.ByTransfer, IBAN: "FR76", Name: "n", Handle: "h"},
		{ID: "21", Type: rules.PayoutReleased, At: at, Programme: "p"},
		{ID: "22", Type: rules.VoucherRedeemed, At: at, VoucherID: "v"},
		{ID: "12", Type: rules.PointsSpent, At: at, AmountMinor: 5, Unit: "PTS"},
		{ID: "13", Type: rules.WalletSpent, At: at, AmountMinor: 5, Unit: "EUR"},
		{ID: "14", Type: rules.Adjustment, At: at, AmountMinor: -5, Currency: sample.EUR, Reason: "goodwill", ApprovedBy: "ann"},
		{ID: "15", Type: rules.Erased, At: at},
	} {
		var got rules.Fact
		if err := got.UnmarshalBinary(f.AppendBinary(nil)); err != nil {
			t.Fatalf("%s: %v", f.Type, err)
		}
		if !reflect.DeepEqual(f, got) {
			t.Errorf("%s:\n got %+v\nwant %+v", f.Type, got, f)
		}
	}
}

// randomState is the state of one account of a random life.
func randomState(t testing.TB, seed uint64) []byte {
	t.Helper()
	g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 1, Language: ledgertest.Language(seed % 3), Budgets: true})
	l, err := newLedger(g.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	l.engine.SetBudgets(pot{})
	var state []byte
	for n, r := range g.Records(60) {
		if err := l.apply(n, r); err != nil {
			t.Fatal(err)
		}
		state = l.states[r.AccountID()]
	}
	return state
}

func TestAccountRoundTrip(t *testing.T) {
	t.Parallel()
	a := engine.NewAccount("acc")
	for seed := range seeds(100) {
		state := randomState(t, seed)
		if err := a.UnmarshalBinary(state); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again := a.AppendBinary(nil); !bytes.Equal(again, state) {
			t.Fatalf("seed %d: the state changes when it is read and written", seed)
		}
	}
}

// Every cut and many flips of a state are refused, or are states themselves.
func TestBrokenStates(t *testing.T) {
	t.Parallel()
	state := randomState(t, 7)
	a := engine.NewAccount("acc")
	for n := range state {
		if err := a.UnmarshalBinary(state[:n]); !errors.Is(err, codec.ErrCorrupt) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if !a.IsEmpty() {
			t.Fatal("a refused state leaves something behind")
		}
		flipped := bytes.Clone(state)
		flipped[n] ^= 0x41
		reread(t, flipped)
	}
	if err := a.UnmarshalBinary(append(bytes.Clone(state), 0)); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("a byte too many: %v", err)
	}
	if err := a.UnmarshalBinary([]byte{99}); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("unknown format: %v", err)
	}
}

// reread checks that what is accepted is written in a way that is accepted as
// the same.
func reread(t *testing.T, state []byte) {
	t.Helper()
	a := engine.NewAccount("acc")
	if a.UnmarshalBinary(state) != nil {
		return
	}
	first := a.AppendBinary(nil)
	b := engine.NewAccount("acc")
	if err := b.UnmarshalBinary(first); err != nil {
		t.Fatalf("%v of what was written from %x", err, state)
	}
	if second := b.AppendBinary(nil); !bytes.Equal(first, second) {
		t.Fatalf("%x is read as something else", state)
	}
}

func FuzzAccount(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomState(f, seed))
	}
	f.Fuzz(reread)
}

func FuzzEvent(f *testing.F) {
	f.Add(parseEvent(rules.Clearing, []string{"P", "100", "d1"}, map[string]string{"purchased": "d0", "bill": "5USD"}, 1).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, src []byte) {
		var e, again rules.Event
		if e.UnmarshalBinary(src) != nil {
			return
		}
		if err := again.UnmarshalBinary(e.AppendBinary(nil)); err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%v: %+v is read as %+v", err, e, again)
		}
	})
}

func FuzzReferral(f *testing.F) {
	f.Add((&rules.Referral{
		ID: "RF-1", Number: 2, BuyerAccountID: "buyer", TransactionID: "P", OfferID: "friends", Programme: "ristourne", Currency: sample.EUR,
		PurchasedAt: sample.At("d1"), At: sample.At("d2"), Channel: rules.Online, ConfirmedBasisMinor: 100, ConfirmedRewardMinor: 5, MatchedRefund: true,
	}).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, src []byte) {
		var x, again rules.Referral
		if x.UnmarshalBinary(src) != nil {
			return
		}
		if err := again.UnmarshalBinary(x.AppendBinary(nil)); err != nil || x != again {
			t.Fatalf("%v: %+v is read as %+v", err, x, again)
		}
	})
}

func FuzzFact(f *testing.F) {
	f.Add(parseFact(rules.Enrolled, []string{"d1"}, map[string]string{"cards": "a,b"}, 1).AppendBinary(nil))
	f.Add(parseFact(rules.Adjustment, []string{"d1"}, map[string]string{"amount": "-4"}, 1).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, src []byte) {
		var x, again rules.Fact
		if x.UnmarshalBinary(src) != nil {
			return
		}
		if err := again.UnmarshalBinary(x.AppendBinary(nil)); err != nil || !reflect.DeepEqual(x, again) {
			t.Fatalf("%v: %+v is read as %+v", err, x, again)
		}
	})
}

// A purchase of an authorization and a clearing, with ids of 16 bytes, takes
// what the state was planned for.
func TestStateIsSmall(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t)).play("enrolled d-300 cards=card")
	const purchases = 100
	for i := range purchases {
		for n, typ := range []string{"authorization", "clearing"} {
			s.play(fmt.Sprintf("%s txn-%012d 2550 d1+%dm id=evt-%d-%010d", typ, i, i*20+n, n, i))
		}
	}
	if size := len(s.account.AppendBinary(nil)) / purchases; size > 150 {
		t.Errorf("%d bytes a purchase", size)
	}
}

func TestLimitLeavesTheAccount(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t)).play("enrolled d0 cards=card")
	most := fmt.Sprint(int64(money.MaxAmountMinor))
	for i := range 3 {
		s.play(fmt.Sprintf("clearing P%d %s d1", i, most))
	}
	s.play(fmt.Sprintf("clearing P3 %d d1", money.MaxAmountMinor-100))
	before, lines := s.account.AppendBinary(nil), len(s.out.Accruals)
	_, err := s.apply(parseRecord("clearing P "+most+" d1", 999))
	if !errors.Is(err, engine.ErrLimit) {
		t.Fatalf("error %v, want the limit", err)
	}
	if !bytes.Equal(before, s.account.AppendBinary(nil)) || len(s.out.Accruals) != lines {
		t.Error("a refused event has left something behind")
	}
	if _, err := s.apply(parseRecord("clearing P 50 d1", 1000)); err != nil {
		t.Errorf("a small one after it: %v", err)
	}
	if !strings.Contains(s.member(), "P everyday confirmed 2") {
		t.Error("a small one after it earns")
	}
}

func TestResultRoundTrip(t *testing.T) {
	t.Parallel()
	want := rules.Result{InstructionID: "RI-1", Status: rules.Rejected, Reason: "AC04", At: rules.Instant{Sec: 1_772_366_400, Nsec: 1}}
	value := want.AppendBinary(nil)
	var got rules.Result
	if err := got.UnmarshalBinary(value); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for n := range value {
		if err := got.UnmarshalBinary(value[:n]); !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}
