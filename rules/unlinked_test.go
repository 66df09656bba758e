package rules_test

import (
	"fmt"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/ledgertest"
)

// What why tells is worked out beside the matching, by looking at every purchase:
// both must come to the same.
func TestWhyTellsWhatRefundsAreMatchedTo(t *testing.T) {
	by := map[string]int{}
	for seed := range uint64(150) {
		g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 1, Partners: 1})
		l, err := newLedger(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		records := g.Records(60)
		for n, r := range records {
			if err := l.apply(n, r); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range records {
			if r.Event == nil || r.Event.Type != rules.Refund {
				continue
			}
			l.account.Reset(r.AccountID())
			if err := l.account.UnmarshalBinary(l.states[r.AccountID()]); err != nil {
				t.Fatal(err)
			}
			x, err := l.engine.Explain(l.account, r.Event.TransactionID)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range x.Events {
				if e.EventID != r.ID() || e.Unlinked == nil {
					continue
				}
				options := e.Unlinked.Options
				switch {
				case x.Outcome == "waiting" && len(options) > 0:
					t.Errorf("seed %d: %s waits, and could be matched to %s", seed, e.EventID, options[0].TransactionID)
				case x.Outcome != "waiting" && (len(options) == 0 || options[0].TransactionID != x.TransactionID):
					t.Errorf("seed %d: %s is matched to %s, of %+v", seed, e.EventID, x.TransactionID, options)
				}
				by[e.Unlinked.DecidedBy]++
			}
		}
	}
	for _, reason := range []string{"", "only", "store", "card", "amount", "time"} {
		if by[reason] == 0 {
			t.Errorf("nothing was decided by %q: %v", reason, by)
		}
	}
}

// An account of n purchases at one store, each with an unlinked refund, all
// within the days that the programme looks back.
func refundedAccount(t testing.TB, n int) *scene {
	t.Helper()
	s := newScene(t, cafe(t, func(c *rules.Catalogue) { c.Programmes[0].UnlinkedRefundDays = 100 }))
	s.play("enrolled d0 cards=card")
	for i := range n {
		s.play(fmt.Sprintf("clearing P%06d %d d1+%dm\nrefund R%06d %d d50+%dm", i, 1000+i%100, i, i, 900+i%150, i))
	}
	return s
}

// Twice the purchases may take some more than twice the time, never four times:
// one refund must not hold a shard up.
func TestMatchingGrowsNoFasterThanTheAccount(t *testing.T) {
	const few = 300
	small, large := refundedAccount(t, few), refundedAccount(t, 2*few)
	n := 0
	cost := func(s *scene) time.Duration {
		best := time.Hour
		for range 5 {
			n++
			start := time.Now()
			s.play(fmt.Sprintf("refund X%d 1 d49", n))
			best = min(best, time.Since(start))
		}
		return best
	}
	var ratios []float64
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		ratio := float64(cost(large)) / float64(cost(small))
		if ratio < 3 {
			return
		}
		ratios = append(ratios, ratio)
	}
	t.Errorf("an account twice as large takes %v times as long", ratios)
}
