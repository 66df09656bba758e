package engine_test

import (
	"bytes"
	"fmt"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/offer"
)

// One record may move money from one programme to another: what it takes back
// makes the room for what it gives, whichever purchase comes first.
func TestALateEnrolmentElsewhereTakesBackBeforeItPays(t *testing.T) {
	t.Parallel()
	catalogue := sample.Cafe(t, func(c *offer.Catalogue) {
		p := c.Programmes[0]
		p.ID, p.Version.ID = "other", "o1"
		c.Programmes = append(c.Programmes, p)
		q := c.Partners[0]
		q.ID, q.Version.ID, q.Programme = "bar", "b1", "other"
		q.Stores = []offer.Store{{ID: "bar1", Zone: q.Stores[0].Zone, Keys: []offer.Key{sample.Mid("BAR1")}}}
		q.Offers = []offer.Offer{sample.PercentOffer("bar", 30_000)}
		c.Partners = append(c.Partners, q)
	})
	snapshot, err := engine.Compile(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	engine, account := engine.New(snapshot), engine.NewAccount("acc")
	var out rules.Output
	enrol := func(id, at, programme string) {
		t.Helper()
		f := &rules.Fact{ID: id, Type: rules.Enrolled, At: sample.At(at), MemberID: "m", Programme: programme, CardTokens: []string{"card"}}
		if _, err := engine.ApplyFact(account, f, rules.Cause{Kind: rules.CauseFact, ID: id}, &out); err != nil {
			t.Fatal(err)
		}
	}
	clear := func(id, merchant, at string) {
		t.Helper()
		ev := &rules.Event{
			ID: id, Type: rules.Clearing, TransactionID: "t" + id, AccountID: "acc", CardToken: "card",
			AmountMinor: 10_000, Currency: sample.EUR, OccurredAt: sample.At(at), Merchant: rules.Merchant{ID: merchant},
		}
		if _, err := engine.ApplyEvent(account, ev, rules.Cause{Kind: rules.CauseEvent, ID: id}, &out); err != nil {
			t.Fatal(err)
		}
	}
	enrol("f1", "d0", "ristourne")
	clear("e1", "BAR1", "d5")  // of the other programme: nothing yet
	clear("e2", "CAFE1", "d6") // 3 %
	enrol("f2", "d4", "other") // late: now the bar pays and the café doesn't

	var got []string
	for _, i := range out.Instructions {
		got = append(got, fmt.Sprintf("%s %d %s", i.Direction, i.AmountMinor, i.Programme))
	}
	want := []string{"credit 300 ristourne", "debit 300 ristourne", "credit 300 other"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("instructed %q, want %q", got, want)
	}
}

// A rebuild takes an account's whole history through one state; what was
// dropped from waiting on the way is no part of its size.
func TestWhatWasDroppedFromWaitingDoesNotCountAgainstTheLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("long: make test-long runs this")
	}
	t.Parallel()
	snapshot, err := engine.Compile(sample.Cafe(t))
	if err != nil {
		t.Fatal(err)
	}
	e, account := engine.New(snapshot), engine.NewAccount("acc")
	var out rules.Output
	f := &rules.Fact{ID: "f1", Type: rules.Enrolled, At: sample.At("d0"), MemberID: "m", Programme: "ristourne", CardTokens: []string{"card"}}
	if _, err := e.ApplyFact(account, f, rules.Cause{Kind: rules.CauseFact, ID: "f1"}, &out); err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // they stay, among all that is dropped
		bought := parseEvent(rules.Clearing, []string{fmt.Sprint("P", i), "1000", "d0"}, nil, i)
		if _, err := e.ApplyEvent(account, bought, rules.Cause{Kind: rules.CauseEvent, ID: bought.ID}, &out); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1<<15 + 300 {
		ev := &rules.Event{
			ID: fmt.Sprint("r", i), Type: rules.Refund, TransactionID: fmt.Sprint("t", i), AccountID: "acc", CardToken: "card",
			AmountMinor: 1, Currency: sample.EUR, OccurredAt: sample.At("d1").AddSeconds(int64(i)), Merchant: rules.Merchant{ID: "ELSEWHERE"},
		}
		if _, err := e.ApplyEvent(account, ev, rules.Cause{Kind: rules.CauseEvent, ID: ev.ID}, &out); err != nil {
			t.Fatalf("refund %d: %v", i, err)
		}
	}
	if account.Events() > engine.WaitingLimit+3 {
		t.Errorf("%d events wait, more than %d", account.Events(), engine.WaitingLimit)
	}
	stored := engine.NewAccount("acc")
	if err := stored.UnmarshalBinary(account.AppendBinary(nil)); err != nil {
		t.Fatal(err)
	}
	refund := parseEvent(rules.Refund, []string{"P1", "400", "d2"}, nil, 4)
	for _, a := range [...]*engine.Account{account, stored} {
		out.Reset()
		if _, err := e.ApplyEvent(a, refund, rules.Cause{Kind: rules.CauseEvent, ID: refund.ID}, &out); err != nil || len(out.Accruals) == 0 {
			t.Errorf("a refund of a purchase that stayed books %d lines, %v", len(out.Accruals), err)
		}
	}
	if !bytes.Equal(account.AppendBinary(nil), stored.AppendBinary(nil)) {
		t.Error("an account that was never written is another than the one that was")
	}
}
