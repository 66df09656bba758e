package engine_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/engine"
)

// plainOffer is an offer as a first draft of the rules would have it: amounts
// in decimals, nothing compiled.
type plainOffer struct {
	id, group                    string
	rate, fixed, minimum         decimal.Decimal
	purchaseCap, monthCap, given decimal.Decimal // given: in the month so far
	ownFunds                     bool
}

func plainFive() []plainOffer {
	d := decimal.RequireFromString
	return []plainOffer{
		{id: "everyday", group: "default", rate: d("0.03"), purchaseCap: d("15"), monthCap: d("40"), given: d("2.31")},
		{id: "big", group: "default", rate: d("0.05"), minimum: d("100"), monthCap: d("100")},
		{id: "welcome", group: "default", fixed: d("1.00"), minimum: d("20")},
		{id: "bonus", group: "bonus", rate: d("0.01")},
		{id: "coffee", group: "coffee", fixed: d("0.20"), ownFunds: true},
	}
}

// plainWorth is rules/README.md, "What a purchase is worth", for one purchase and one
// world, written with shopspring/decimal as one would first write it.
func plainWorth(basis, commissionRate decimal.Decimal, offers []plainOffer) (total, commission decimal.Decimal) {
	best := map[string]decimal.Decimal{}
	winner := map[string]int{}
	for i, o := range offers {
		if basis.LessThan(o.minimum) {
			continue
		}
		award := basis.Mul(o.rate).Add(o.fixed).RoundBank(2)
		if !o.purchaseCap.IsZero() {
			award = decimal.Min(award, o.purchaseCap)
		}
		if !o.monthCap.IsZero() {
			award = decimal.Min(award, o.monthCap.Sub(o.given))
		}
		if led, ok := best[o.group]; !ok || award.GreaterThan(led) {
			best[o.group], winner[o.group] = award, i
		}
	}
	commission = basis.Mul(commissionRate).RoundBank(2)
	left, funds := basis, commission
	for group, award := range best {
		award = decimal.Min(award, left)
		left = left.Sub(award)
		if !offers[winner[group]].ownFunds {
			award = decimal.Min(award, funds)
			funds = funds.Sub(award)
		}
		total = total.Add(award)
	}
	return total, commission
}

// BenchmarkDecideAgainstDecimal tells how a whole decision (the set, both
// worlds, the ledger's lines and their ids) stands to the bare arithmetic of
// the same five offers in shopspring/decimal, in the same run: "x_decimal" is
// the time of the first over that of the second.
func BenchmarkDecideAgainstDecimal(b *testing.B) {
	e := engineOf(b, fiveOffers())
	state := ready(b, e, 3)
	event := parseEvent(rules.Authorization, []string{"new", "4200", "d2"}, nil, 1)
	basis, commission := decimal.RequireFromString("42.00"), decimal.RequireFromString("0.08")
	offers := plainFive()
	accounts := make([]*engine.Account, 64)
	for i := range accounts {
		accounts[i] = engine.NewAccount("acc")
	}
	var out rules.Output
	var decided, plain time.Duration
	for b.Loop() {
		for _, a := range accounts {
			if err := a.UnmarshalBinary(state); err != nil {
				b.Fatal(err)
			}
		}
		out.Reset()
		from := time.Now()
		for _, a := range accounts {
			if _, err := e.ApplyEvent(a, event, rules.Cause{Kind: rules.CauseEvent, ID: "cause"}, &out); err != nil {
				b.Fatal(err)
			}
		}
		decided += time.Since(from)
		from = time.Now()
		for range accounts {
			if total, owed := plainWorth(basis, commission, offers); total.IsZero() || owed.IsZero() {
				b.Fatal("worth nothing")
			}
		}
		plain += time.Since(from)
	}
	b.ReportMetric(float64(decided.Nanoseconds())/float64(b.N*len(accounts)), "ns/decision")
	b.ReportMetric(float64(plain.Nanoseconds())/float64(b.N*len(accounts)), "ns/decimal")
	b.ReportMetric(float64(decided)/float64(plain), "x_decimal")
}
