package engine_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/ledgertest"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// TestRepairBooksWhatIsMissing loses a part of what was booked and instructed,
// rebuilds the account from its set and what is left, and finds the sums whole.
func TestRepairBooksWhatIsMissing(t *testing.T) {
	t.Parallel()
	for seed := range seeds(60) {
		g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 1})
		records := g.Records(40)
		want, err := runEngine(g.Catalogue(), records, true)
		if err != nil {
			t.Fatal(err)
		}
		l, err := newLedger(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(seed, 3))
		id := records[0].AccountID()
		a := engine.NewAccount(id)
		var kept []rules.Accrual
		instructed := map[money.Currency]int64{}
		var given []rules.Instruction
		for n, r := range records {
			var out rules.Output
			c := rules.Cause{Kind: rules.CauseEvent, ID: r.ID(), Offset: int64(n)}
			if r.Event != nil {
				_, err = l.engine.ApplyEvent(a, r.Event, c, &out)
			} else {
				_, err = l.engine.ApplyFact(a, r.Fact, c, &out)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range out.Accruals {
				if n < len(records)*3/4 || rng.IntN(2) == 0 {
					kept = append(kept, x)
				}
			}
			for _, x := range out.Instructions {
				if n < len(records)/2 || rng.IntN(2) == 0 {
					instructed[x.Currency] += x.SignedMinor()
					given = append(given, x)
				}
			}
		}
		a.AdoptBooked(kept)
		if err := a.AdoptInstructed(given); err != nil {
			t.Fatal(err)
		}
		state := a.AppendBinary(nil)
		if err := a.UnmarshalBinary(state); err != nil {
			t.Fatal(err)
		}
		l.out = rules.Output{Accruals: kept}
		if err := l.engine.Repair(a, rules.Cause{Kind: rules.CauseEvent, ID: "last"}, 1, &l.out); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, x := range l.out.Instructions {
			sign := int64(1)
			if x.Direction == rules.Debit {
				sign = -1
			}
			instructed[x.Currency] += sign * x.AmountMinor
		}
		l.out.Instructions = nil
		if err := l.collect(0); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for p, minor := range want.Instructed {
			if instructed[p.Currency] != minor {
				t.Errorf("seed %d: instructed %d %s, want %d", seed, instructed[p.Currency], p.Currency, minor)
			}
		}
		got := l.result
		want.Fates, want.Steps, want.Instructed, got.Steps, got.Instructed = nil, nil, nil, nil, nil
		if d := ledgertest.Difference(want, got); d != "" {
			t.Fatalf("seed %d:\n%s", seed, d)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	change := sample.Offers(sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerMonth, 500)), sample.FixedOffer("big", 900, sample.Minimum(50_000)))
	s := newScene(t, sample.Cafe(t, change)).play(`
		enrolled d0 cards=card level=gold
		clearing A 10000 d1
		authorization P 12050 d2 id=a
		authorization_update P 11050 d2+1h id=u
		clearing C 11050 d3 orig=P id=c
		refund P 1000 d4 id=r
		refund W 100 d4
		authorization X 5000 d5 card=other`)
	before := s.account.AppendBinary(nil)
	for _, c := range []struct {
		id   string
		want []string
	}{
		{"P", []string{
			"Purchase P of account acc earns 2.00 EUR.", "authorization a: 120.50 EUR, ignored (a later authorization",
			"gives time, store and card", "refund r: 10.00 EUR, cleared",
			"Made on Tuesday 2026-03-03 13:00 (Europe/Paris) at store bastille of cafe, as event a says.",
			"The terms of then count: partner cafe c1, programme ristourne r1.",
			"Member m1, enrolled in ristourne since 2026-03-01T13:00:00+01:00; level gold; the card is linked.", "Cleared: 100.50 EUR",
			"Offer everyday, of cafe (version c1): the member gets 2.00 EUR [cap:month]", "gives     3% of the purchase",
			"3% of 100.50 EUR = 3.015 EUR, rounded (half_even) to 3.02 EUR",
			"at most 5.00 EUR per month: 3.00 EUR used before, 2.00 EUR left", "leaves    2.00 EUR", "costs     2.00 EUR, paid by the commission",
			"Offer big, of cafe (version c1): does not apply [min_spend]", "a purchase of at least 500.00 EUR: DOES NOT HOLD, it is 100.50 EUR",
			"The partner owes 8.04 EUR: 8% of the purchase.", "The programme keeps 6.04 EUR: commission of 8.04 EUR less rewards of 2.00 EUR.",
			"confirmed member cash of offer everyday (c1): reward 2.00 EUR, cost 2.00 EUR, on 100.50 EUR",
		}},
		{"C", []string{"Purchase P of account acc earns"}},
		{"W", []string{"Purchase W of account acc is waiting", "refund e007: 1.00 EUR"}},
		{"X", []string{"earns nothing [card]", "the card is not linked"}},
		{"nope", []string{"Purchase nope of account acc is unknown."}},
	} {
		x, err := s.engine.Explain(s.account, c.id)
		if err != nil {
			t.Fatal(err)
		}
		text := x.Text()
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", c.id, want, text)
			}
		}
		written, err := json.Marshal(x)
		if err != nil || !strings.Contains(string(written), `"account_id":"acc"`) {
			t.Errorf("%s: %s, %v", c.id, written, err)
		}
	}
	if string(before) != string(s.account.AppendBinary(nil)) {
		t.Error("explaining has changed the account")
	}
}

// An enrolment in a programme that the catalogue doesn't have is told as what it
// is: nothing else says why a member earns nothing.
func TestExplainAnEnrolmentInAnUnknownProgramme(t *testing.T) {
	t.Parallel()
	change := sample.Offers(sample.PercentOffer("everyday", 30_000))
	s := newScene(t, sample.Cafe(t, change)).play(`
		enrolled d0 cards=card programme=rist0urne
		clearing P 12050 d2`)
	x, err := s.engine.Explain(s.account, "P")
	if err != nil {
		t.Fatal(err)
	}
	want := `Member m1, enrolled in programme "rist0urne" since 2026-03-01T12:00:00Z, which the catalogue doesn't know or which is not in force then: nothing earns in it.`
	if text := x.Text(); !strings.Contains(text, want) || !x.Member.ProgrammeUnknown {
		t.Errorf("no %q in\n%s", want, text)
	}
}

// A purchase that gives everything back leaves nothing, in any of its sums.
func TestFullRefundLeavesNothing(t *testing.T) {
	t.Parallel()
	for seed := range seeds(60) {
		g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 1, Orderless: true})
		l, err := newLedger(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		records := g.Records(30)
		purchases := map[string]*rules.Event{}
		n := 0
		for _, r := range records {
			if r.Fact != nil && (r.Fact.Type == rules.Adjustment || r.Fact.Type == rules.PointsSpent || r.Fact.Type == rules.WalletSpent) {
				continue
			}
			if err := l.apply(n, r); err != nil {
				t.Fatal(err)
			}
			if n++; r.Event != nil {
				purchases[r.Event.ID] = r.Event
			}
		}
		for _, e := range purchases {
			back := *e
			back.ID, back.Type = e.ID+"-back", rules.Refund
			if e.Type != rules.Clearing && e.Type != rules.ChargebackReversal {
				back.Type = rules.Reversal
				back.OccurredAt = rules.InstantOf(back.OccurredAt.Time().AddDate(0, 0, 15))
			}
			if err := l.apply(n, ledgertest.Record{Event: &back}); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if len(l.result.Sums) > 0 || len(l.result.Instructed) > 0 {
			t.Fatalf("seed %d: left %v %v", seed, l.result.Sums, l.result.Instructed)
		}
	}
}

// What must hold of every ledger, whatever the oracle says.
func TestInvariants(t *testing.T) {
	t.Parallel()
	for seed := range seeds(80) {
		g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 2})
		l, err := newLedger(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		records := g.Records(60)
		purchases, linked := map[[2]string]bool{}, map[[2]string]bool{}
		n := 0
		for _, r := range records {
			if err := l.apply(n, r); err != nil {
				t.Fatal(err)
			}
			n++
			if r.Event != nil && l.result.Fates[n-1].InSet() {
				purchases[[2]string{r.AccountID(), r.Event.TransactionID}] = true
				purchases[[2]string{r.AccountID(), r.Event.OriginalTransactionID}] = true
				// What names it then names another: no fact can expire it.
				if r.Event.OriginalTransactionID != "" && r.Event.OriginalTransactionID != r.Event.TransactionID {
					linked[[2]string{r.AccountID(), r.Event.TransactionID}] = true
				}
			}
			checkCuts(t, seed, g.Catalogue(), l.result.Sums)
		}
		for p := range purchases {
			l.account.Reset(p[0])
			if err := l.account.UnmarshalBinary(l.states[p[0]]); err != nil {
				t.Fatal(err)
			}
			f := &rules.Fact{ID: "x" + p[1], Type: rules.AuthorizationExpired, AccountID: p[0], TransactionID: p[1], At: rules.InstantOf(sample.DayZero.AddDate(60, 0, 0))}
			if err := l.apply(n, ledgertest.Record{Fact: f}); err != nil {
				t.Fatal(err)
			}
			n++
		}
		for k, s := range l.result.Sums {
			if k.Stage == rules.Expected && !linked[[2]string{k.AccountID, k.TransactionID}] {
				t.Errorf("seed %d: all is cleared or expired, and %+v has %+v", seed, k, s)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// checkCuts: the confirmed awards of a purchase are within the ceiling, and
// those that the commission funds within the commission.
func checkCuts(t *testing.T, seed uint64, c *offer.Catalogue, sums map[ledgertest.Key]ledgertest.Sums) {
	t.Helper()
	ceiling := int64(0)
	for _, p := range c.Programmes {
		ceiling = max(ceiling, p.CeilingMillionths)
	}
	type purchase struct{ account, id, unit string }
	rewards, funded, commission, basis := map[purchase]int64{}, map[purchase]int64{}, map[purchase]int64{}, map[purchase]int64{}
	for k, s := range sums {
		if k.Stage != rules.Confirmed || k.TransactionID == "" {
			continue
		}
		p := purchase{k.AccountID, k.TransactionID, k.Unit}
		switch k.Role {
		case rules.RolePartner:
			commission[p] += s.Commission
		case rules.RoleMember:
			rewards[p] += s.Reward
			basis[p] = s.Basis
			if fundedByCommission(c, k) {
				funded[p] += s.Reward
			}
		}
		if s.Reward < 0 || s.Commission < 0 || s.Basis < 0 {
			t.Errorf("seed %d: confirmed sums under 0: %+v %+v", seed, k, s)
		}
	}
	for p, minor := range rewards {
		if minor*money.One > basis[p]*ceiling {
			t.Errorf("seed %d: %v is given %d on %d", seed, p, minor, basis[p])
		}
		if funded[p] > commission[p] {
			t.Errorf("seed %d: %v is given %d for a commission of %d", seed, p, funded[p], commission[p])
		}
	}
}

func fundedByCommission(c *offer.Catalogue, k ledgertest.Key) bool {
	for _, p := range c.Partners {
		for _, o := range p.Offers {
			if p.ID == k.PartnerID && p.Version.ID == k.OfferVersion && o.ID == k.OfferID {
				return o.FundedBy == offer.FundedByCommission
			}
		}
	}
	return false
}
