package ledgertest

import (
	"slices"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// The promises hold of the oracle whatever the case.
func TestTheOracleKeepsThePromises(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 120) {
		g := NewGenerator(seed, GenOptions{Language: Language(seed % 3), Budgets: seed%4 == 3})
		records := g.Records(100)
		r := Oracle(g.Catalogue(), records)
		if broken := append(r.Faults, BrokenPromises(g.Catalogue(), records, r.Sums)...); len(broken) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(broken, "\n"))
		}
	}
}

func TestARefundOfEverythingLeavesNoSum(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 90) {
		g := NewGenerator(seed, GenOptions{Language: Language(seed % 3), Budgets: seed%4 == 3})
		records := g.Records(80)
		back := RefundAll(g.Catalogue(), records)
		if d := leftAfter(Oracle(g.Catalogue(), slices.Concat(records, back))); d != "" {
			t.Fatalf("seed %d: a sum is left: %s", seed, d)
		}
	}
}

// leftAfter is the sum of a purchase that is not 0.
func leftAfter(r Result) string {
	for k := range r.Sums {
		if k.TransactionID != "" {
			return printKey(k)
		}
	}
	return ""
}

// What watches over the ledger has to bark.
func TestBrokenPromisesAreSeen(t *testing.T) {
	t.Parallel()
	cat := bakery(offers(offerWith("three", rate(30_000), capped(offer.Cap{Per: offer.PerMonth, AmountMinor: 50}, offer.Cap{Per: offer.PerWeek, Count: 1}))))
	records := []Record{enrolled(0), buy("t1", "2024-03-04T12:00:00Z"), buy("t2", "2024-03-05T12:00:00Z")}
	first := Oracle(cat, records)
	if broken := BrokenPromises(cat, records, first.Sums); len(broken) > 0 {
		t.Fatalf("nothing is broken: %s", broken)
	}
	mine := func(k Key) bool { return k.Role == rules.RoleMember && k.TransactionID == "t1" }
	for name, change := range map[string]struct {
		by   func(map[Key]Sums, Key, Sums)
		says string
	}{
		"a second in the week": {func(m map[Key]Sums, k Key, s Sums) {
			k.TransactionID = "t2"
			m[k] = Sums{Reward: 1, Cost: 1, Basis: 1000}
		}, "is the 2."},
		"above the month":      {func(m map[Key]Sums, k Key, s Sums) { m[k] = Sums{Reward: 51, Cost: 51, Basis: 1000} }, "makes 51"},
		"above the commission": {func(m map[Key]Sums, k Key, s Sums) { m[k] = Sums{Reward: 51, Cost: 51, Basis: 1000} }, "margin of -1"},
		"above the basis":      {func(m map[Key]Sums, k Key, s Sums) { m[k] = Sums{Reward: 1001, Cost: 1001, Basis: 1000} }, "ceiling"},
		"another cost":         {func(m map[Key]Sums, k Key, s Sums) { m[k] = Sums{Reward: 30, Cost: 29, Basis: 1000} }, "costs 29"},
		"under nothing":        {func(m map[Key]Sums, k Key, s Sums) { m[k] = Sums{Reward: -1, Cost: -1, Basis: 1000} }, "comes to"},
	} {
		sums := map[Key]Sums{}
		for k, s := range first.Sums {
			sums[k] = s
		}
		for k, s := range first.Sums {
			if mine(k) {
				change.by(sums, k, s)
			}
		}
		if broken := strings.Join(BrokenPromises(cat, records, sums), "\n"); !strings.Contains(broken, change.says) {
			t.Errorf("%s is not seen: %q", name, broken)
		}
	}
}

// The oracle holds grants against what it works out.
func TestGrantsThatCantBeAreSeen(t *testing.T) {
	t.Parallel()
	cat := withCampaigns(generous(offerWith("three", rate(30_000))), offer.Campaign{
		ID: "double", Budget: offer.Budget{AmountMinor: 50}, Unit: "EUR",
		Boosts: []offer.CampaignBoost{{Boost: offer.Boost{ID: "x2", Op: offer.MultiplyRate, FactorMillionths: 2_000_000}}},
	})
	records := []Record{enrolled(0), buy("t1", day(1)), buy("t2", day(2)), ev("r", rules.Refund, "t1", 500, 3)}
	g := func(purchase string, target, granted int64) []rules.Grant {
		return []rules.Grant{{Budget: "campaign/double", AccountID: "a", TransactionID: purchase, TargetMinor: target, GrantedMinor: granted}}
	}
	right := [][]rules.Grant{nil, g("t1", 30, 30), g("t2", 30, 20), g("t1", 15, 15)}
	got := OracleGiven(cat, records, right, nil)
	if want := "t1 three confirmed 30\nt2 three confirmed 50"; tell(got) != want || len(got.Faults) > 0 {
		t.Errorf("%s %s, want %s", tell(got), got.Faults, want)
	}
	if less := OracleGiven(cat, records, [][]rules.Grant{nil, g("t1", 30, 11), g("t2", 30, 0), g("t1", 15, 11)}, nil); tell(less) != "t1 three confirmed 26\nt2 three confirmed 30" || len(less.Faults) > 0 {
		t.Errorf("a budget may give less: %s %s", tell(less), less.Faults)
	}
	if end := OracleAtEnd(cat, records, slices.Concat(right[2], right[3])); tell(end) != tell(got) || len(end.Faults) > 0 {
		t.Errorf("in the end: %s %s, want %s", tell(end), end.Faults, tell(got))
	}
	for name, given := range map[string][][]rules.Grant{
		"above the limit":            {nil, g("t1", 30, 30), g("t2", 30, 30), g("t1", 15, 15)},
		"above the target":           {nil, g("t1", 30, 31), g("t2", 30, 19), g("t1", 15, 15)},
		"below nothing":              {nil, g("t1", 30, -1), g("t2", 30, 19), g("t1", 15, 15)},
		"another target":             {nil, g("t1", 31, 30), g("t2", 30, 20), g("t1", 15, 15)},
		"never asked":                {nil, nil, g("t2", 30, 20), g("t1", 15, 15)},
		"not given back":             {nil, g("t1", 30, 30), g("t2", 30, 20), nil},
		"of who asked nothing":       {nil, g("t1", 30, 30), slices.Concat(g("t2", 30, 20), g("t1", 30, 29)), g("t1", 15, 15)},
		"to somebody who is no part": {nil, g("t1", 30, 30), g("t9", 30, 20), g("t1", 15, 15)},
	} {
		if got := OracleGiven(cat, records, given, nil); len(got.Faults) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
}
