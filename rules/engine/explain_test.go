package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/explain"
	"ristourne/rules/ledgertest"
)

// What is explained is what decides: on accounts' lives under the whole
// language, the conditions that are told hold where the offer applies and one
// doesn't where it doesn't, tiers and categories add up, caps leave what is told
// to be left, and the awards are those that are booked.
func TestExplanationsSayWhatIsDecided(t *testing.T) {
	t.Parallel()
	explained, applied, raised, lined := 0, 0, 0, 0
	for seed := range seeds(90) {
		g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 1, Orderless: true, Language: ledgertest.WholeLanguage})
		l, err := newLedger(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		for n, r := range g.Records(40) {
			if err := l.apply(n, r); err != nil {
				t.Fatal(err)
			}
			if r.Event == nil {
				continue
			}
			a, err := l.load(r.AccountID())
			if err != nil {
				t.Fatal(err)
			}
			x, err := l.engine.Explain(a, r.Event.TransactionID)
			if err != nil {
				t.Fatal(err)
			}
			if x.Confirmed == nil {
				continue
			}
			explained++
			late := strings.Contains(x.Text(), "more than H days")
			for _, w := range []*explain.ExplainedWorld{x.Confirmed, x.Expected} {
				for i := range w.Offers {
					o := &w.Offers[i]
					checkExplained(t, o, late)
					applied, raised, lined = applied+one(o.Applies), raised+one(o.Raised != ""), lined+one(len(o.Lines) > 0)
				}
			}
			checkBooked(t, x)
			if t.Failed() {
				t.Fatalf("seed %d, record %d:\n%s", seed, n, x.Text())
			}
		}
	}
	if enough := int(seeds(50)); min(explained, applied, raised, lined) < enough {
		t.Errorf("%d purchases explained, %d awards that apply, %d raised, %d by tier or category: too few to mean anything", explained, applied, raised, lined)
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// conditionCodes are the reasons for which a condition keeps an offer away.
var conditionCodes = []string{
	"basis", "currency", "min_spend", "max_spend", "window", "hours", "channel", "mcc", "card_product", "level", "segment",
	"activation", "enrolled", "first_purchase", "lapsed", "visit", "goal", "country", "paid_in", "holdout",
}

func checkExplained(t *testing.T, o *explain.ExplainedOffer, late bool) {
	t.Helper()
	var failing []string
	for _, c := range o.Conditions {
		if !c.Holds && !c.Skipped {
			failing = append(failing, c.Code)
		}
	}
	for _, why := range o.Why {
		if slices.Contains(conditionCodes, why) && !slices.Contains(failing, why) {
			t.Errorf("offer %s is kept away by %s, and every such condition is told to hold", o.OfferID, why)
		}
	}
	if o.Applies && len(failing) > 0 {
		t.Errorf("offer %s applies, and %v is told not to hold", o.OfferID, failing)
	}
	if o.CappedMinor > o.RoundedMinor || o.CeilingMinor > o.CappedMinor || o.AwardMinor > o.CeilingMinor {
		t.Errorf("offer %s grows on its way: %d, %d, %d, %d", o.OfferID, o.RoundedMinor, o.CappedMinor, o.CeilingMinor, o.AwardMinor)
	}
	for _, c := range o.Caps {
		if left := max(0, c.Minor-c.UsedMinor); c.Count == 0 && o.CappedMinor > left && !late {
			t.Errorf("offer %s gives %d, and %s leaves %d", o.OfferID, o.CappedMinor, c.Text, left)
		}
	}
	sum := decimal.Zero
	for _, l := range o.Lines {
		if l.Exact != "" {
			sum = sum.Add(decimal.RequireFromString(l.Exact))
		}
	}
	if o.Exact != "" && len(o.Lines) > 0 && !sum.Equal(decimal.RequireFromString(o.Exact)) {
		t.Errorf("offer %s gives %s, and its lines %s", o.OfferID, o.Exact, sum)
	}
}

// checkBooked compares the awards with what is booked of them.
func checkBooked(t *testing.T, x *explain.Explanation) {
	t.Helper()
	type key struct{ offer, version, stage string }
	booked := map[key]int64{}
	for _, l := range x.Booked {
		if l.Role == rules.RoleMember.String() {
			booked[key{l.OfferID, l.OfferVersion, l.Stage}] += l.RewardMinor
		}
	}
	for i := range x.Confirmed.Offers {
		c, e := &x.Confirmed.Offers[i], &x.Expected.Offers[i]
		for stage, minor := range map[string]int64{"confirmed": c.AwardMinor, "expected": e.AwardMinor - c.AwardMinor} {
			if got := booked[key{c.OfferID, c.OfferVersion, stage}]; got != minor {
				t.Errorf("offer %s: %d are explained as %s, %d are booked", c.OfferID, minor, stage, got)
			}
		}
	}
}
