package engine_test

import (
	"testing"

	"ristourne/rules"
	"ristourne/rules/internal/sample"
	"ristourne/rules/ledgertest"
	"ristourne/rules/offer"
)

// What why tells is worked out beside the matching, by looking at every purchase:
// both must come to the same.
func TestWhyTellsWhatRefundsAreMatchedTo(t *testing.T) {
	t.Parallel()
	by := map[string]int{}
	for seed := range seeds(150) {
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

// A refund that is looked at and not kept leaves no trace, not even its date: an
// account that is kept in memory must be the one that is read back.
func TestARefundThatIsNotKeptLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, sample.Programme(func(p *offer.Programme) { p.Enrolment, p.UnlinkedRefundDays = offer.EnrolmentAutomatic, 30 }), func(c *offer.Catalogue) {
		later := c.Programmes[0]
		later.Version, later.Enrolment = offer.Version{ID: "r2", From: sample.At("d10")}, offer.EnrolmentExplicit
		c.Programmes = append(c.Programmes, later)
	}))
	apply := func(text, fate string) {
		t.Helper()
		s.n++
		if v, err := s.apply(parseRecord(text, s.n)); err != nil || v.Fate.String() != fate {
			t.Errorf("%s: %s, %v; want %s", text, v.Fate, err, fate)
		}
	}
	apply("clearing P1 10000 d1", "booked")
	apply("refund P1 1000 d12", "booked") // whatever the programme has become
	apply("refund R1 1000 d900", "no_member")
	apply("enrolled d20 cards=card", "no_change") // not too late
}
