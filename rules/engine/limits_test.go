package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/ledgertest"
)

// An account whose state no script could save would block its shard for ever.
func TestAnAccountTakesNoMoreFactsThanCanBeSaved(t *testing.T) {
	t.Parallel()
	snapshot, err := engine.Compile(ledgertest.NewGenerator(1, ledgertest.GenOptions{}).Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	e, account := engine.New(snapshot), engine.NewAccount("a")
	var out rules.Output
	long := strings.Repeat("x", 60_000)
	taken := 0
	for ; taken < 1000; taken++ {
		f := &rules.Fact{ID: fmt.Sprint(taken), Type: rules.SegmentAdded, Segment: long}
		if _, err = e.ApplyFact(account, f, rules.Cause{Kind: rules.CauseFact, ID: f.ID}, &out); err != nil {
			break
		}
	}
	if !errors.Is(err, engine.ErrLimit) {
		t.Fatalf("took %d facts of 60 kB; want ErrLimit: %v", taken, err)
	}
	if size := len(account.AppendBinary(nil)); size > 5<<20 {
		t.Errorf("the state has %d bytes", size)
	}
}

// Items in another currency are added up as fractions, whose parts grow with
// each list: a purchase must not cost seconds.
func TestAPurchaseTakesNoMoreListsOfItemsThanItsBound(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t)).play("enrolled d0 cards=card")
	clearing := func(i int) *rules.Event {
		ev := parseEvent(rules.Clearing, []string{"P", "100", "d1"}, nil, i)
		ev.Items = []rules.Item{{AmountMinor: 100, Category: "bread"}}
		return ev
	}
	taken := 0
	for ; taken < 1000; taken++ {
		ev := clearing(taken)
		if _, err := s.engine.ApplyEvent(s.account, ev, rules.Cause{Kind: rules.CauseEvent, ID: ev.ID}, &s.out); err != nil {
			if !errors.Is(err, engine.ErrLimit) {
				t.Fatal(err)
			}
			break
		}
	}
	if taken != 256 {
		t.Errorf("took %d lists of items, want 256", taken)
	}
}

// An ambassador's account takes what can be saved, and not more.
func TestASponsorTakesNoMoreReferralsThanCanBeSaved(t *testing.T) {
	t.Parallel()
	snapshot, err := engine.Compile(ledgertest.NewGenerator(1, ledgertest.GenOptions{}).Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	e, account := engine.New(snapshot), engine.NewAccount("a")
	var out rules.Output
	long := strings.Repeat("x", 100_000)
	taken := 0
	for ; taken < 1000; taken++ {
		r := &rules.Referral{ID: fmt.Sprint(taken), Number: 1, BuyerAccountID: fmt.Sprint(taken), TransactionID: long, OfferID: "o", Programme: "p"}
		if _, err = e.ApplyReferral(account, r, rules.Cause{Kind: rules.CauseReferral, ID: r.ID}, &out); err != nil {
			break
		}
	}
	if !errors.Is(err, engine.ErrLimit) || taken < 200 {
		t.Fatalf("took %d referrals of 100 kB: %v", taken, err)
	}
	if size := len(account.AppendBinary(nil)); size > 25<<20 {
		t.Errorf("the state has %d bytes", size)
	}
}
