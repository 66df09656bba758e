package rules_test

import (
	"testing"

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
