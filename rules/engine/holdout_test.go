package engine

import (
	"fmt"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// twoShops is a programme with two partners, of which the second holds accounts
// out of its offer.
func twoShops(percent int64, salt string) *offer.Catalogue {
	euro := money.Currency([]byte("EUR"))
	shop := func(id string, h offer.Holdout) offer.Partner {
		return offer.Partner{
			ID: id, Version: offer.Version{ID: id, From: rules.MinInstant}, Programme: "p", Currency: euro, Commission: offer.Commission{RateMillionths: 80_000},
			Stores: []offer.Store{{ID: "s", Zone: time.UTC, Keys: []offer.Key{{MID: id, From: rules.MinInstant, Until: rules.MaxInstant}}}},
			Offers: []offer.Offer{{ID: "o", Currency: euro, Holdout: h, Reward: offer.Reward{Form: offer.RateReward, RateMillionths: 30_000}}},
		}
	}
	return &offer.Catalogue{
		Programmes: []offer.Programme{{
			ID: "p", Version: offer.Version{ID: "p", From: rules.MinInstant}, Currency: euro, Zone: time.UTC, HorizonDays: 400, CeilingMillionths: money.One,
			Enrolment: offer.EnrolmentAutomatic,
		}},
		Partners: []offer.Partner{shop("plain", offer.Holdout{}), shop("held", offer.Holdout{Millionths: percent * 10_000, Salt: salt})},
	}
}

func boughtAt(shop string, n int) *rules.Event {
	return &rules.Event{
		ID: fmt.Sprint("e", n), Type: rules.Clearing, TransactionID: fmt.Sprint("t", n), CardToken: "c", AmountMinor: 10_000,
		Currency: money.Currency([]byte("EUR")), OccurredAt: rules.Instant{Sec: 1_700_000_000 + int64(n)}, Merchant: rules.Merchant{ID: shop},
	}
}

// A hash costs as much as all else of a decision: it must not be worked out where
// nobody can be held out, and once where somebody can.
func TestDrawsOnlyWhereAHoldoutIsAgreed(t *testing.T) {
	t.Parallel()
	snapshot, err := Compile(twoShops(50, "autumn"))
	if err != nil {
		t.Fatal(err)
	}
	e, a, n := New(snapshot), NewAccount("acc-17"), 0
	buy := func(shop string) rules.Output {
		t.Helper()
		n++
		var out rules.Output
		if _, err := e.ApplyEvent(a, boughtAt(shop, n), rules.Cause{Kind: rules.CauseEvent, ID: fmt.Sprint("e", n)}, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for range 3 {
		if out := buy("plain"); len(a.draws.millionths) != 0 || len(out.Holdouts) != 0 {
			t.Fatalf("%v are drawn and %v told of a purchase that is under no holdout", a.draws.millionths, out.Holdouts)
		}
	}
	for range 3 {
		out := buy("held")
		if len(a.draws.millionths) != 1 || int64(a.draws.millionths[0]) != Draw("autumn", "acc-17") {
			t.Fatalf("drawn are %v, want %d once", a.draws.millionths, Draw("autumn", "acc-17"))
		}
		if len(out.Holdouts) != 1 || out.Holdouts[0] != (rules.HoldoutDraw{ID: "held/o"}) { // 675964 is not under 50 %
			t.Fatalf("told are %v", out.Holdouts)
		}
	}
}

// Draws are remembered by a number that means another salt in another snapshot.
func TestDrawsOfAnotherCatalogueAreForgotten(t *testing.T) {
	t.Parallel()
	e, a := (*Engine)(nil), NewAccount("acc-17") // draws 675964 under autumn, 564068 under cafe/everyday
	for n, c := range []struct {
		salt string
		held bool
	}{{"autumn", false}, {"cafe/everyday", true}, {"autumn", false}} {
		snapshot, err := Compile(twoShops(60, c.salt))
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			e = New(snapshot)
		}
		e.Use(snapshot)
		var out rules.Output
		if _, err := e.ApplyEvent(a, boughtAt("held", n), rules.Cause{Kind: rules.CauseEvent, ID: fmt.Sprint("e", n)}, &out); err != nil {
			t.Fatal(err)
		}
		if len(out.Holdouts) != 1 || out.Holdouts[0].Held != c.held {
			t.Errorf("under salt %q told are %v, want held %t", c.salt, out.Holdouts, c.held)
		}
	}
}

// halfBudgets give half of what they are asked for.
type halfBudgets struct{}

func (halfBudgets) Take(_ rules.BudgetKey, _, askMinor int64) int64 { return askMinor / 2 }
func (halfBudgets) GiveBack(rules.BudgetKey, int64)                 {}

// Where budgets refuse something, all is valued twice, and explained once.
func TestExplainsAHoldoutOnceThoughABudgetIsShort(t *testing.T) {
	t.Parallel()
	c := twoShops(70, "autumn") // 675964 is under 70 %
	paid := c.Partners[1].Offers[0]
	paid.ID, paid.Group, paid.Holdout, paid.Budgets = "paid", "paid", offer.Holdout{}, []offer.Budget{{AmountMinor: 1_000_000}}
	c.Partners[1].Offers = append(c.Partners[1].Offers, paid)
	snapshot, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	e, a := New(snapshot), NewAccount("acc-17")
	e.SetBudgets(halfBudgets{})
	var out rules.Output
	if _, err := e.ApplyEvent(a, boughtAt("held", 1), rules.Cause{Kind: rules.CauseEvent, ID: "e1"}, &out); err != nil {
		t.Fatal(err)
	}
	x, err := e.Explain(a, "t1")
	if err != nil {
		t.Fatal(err)
	}
	if len(x.HeldOut) != 1 || x.HeldOut[0] != "held/o" || len(out.Grants) != 1 || out.Grants[0].GrantedMinor != 150 {
		t.Errorf("told are %v after %+v, want held/o once", x.HeldOut, out.Grants)
	}
}
