package ledgertest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"ristourne/rules"
	"ristourne/rules/offer"
)

const seeds = 150

func TestASeedGivesTheSameCase(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		a, b := NewGenerator(seed, GenOptions{}), NewGenerator(seed, GenOptions{})
		if x, y := Print(a.Catalogue(), a.Records(100)), Print(b.Catalogue(), b.Records(100)); x != y {
			t.Fatalf("seed %d gives two cases", seed)
		}
	}
}

// What the generator never makes, no comparison can find a fault in.
func TestTheGeneratorReachesEverything(t *testing.T) {
	needsMany(t)
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(seeds) {
		g := NewGenerator(seed, GenOptions{})
		records := g.Records(120)
		r := Oracle(g.Catalogue(), records)
		for i, rec := range records {
			seen["fate "+r.Fates[i].String()]++
			if rec.Event != nil {
				seen["event "+rec.Event.Type.String()+" "+r.Fates[i].String()]++
			} else {
				seen["fact "+rec.Fact.Type.String()+" "+r.Fates[i].String()]++
			}
			if !json.Valid(JSON(rec)) {
				t.Fatalf("seed %d: not JSON: %s", seed, JSON(rec))
			}
		}
		for k, s := range r.Sums {
			seen[fmt.Sprintf("line %s %s", k.Kind, k.Stage)]++
			if k.Stage == rules.Expected && s.Reward < 0 {
				seen["line negative"]++
			}
		}
		o := newOracle(g.Catalogue())
		for _, a := range setsOf(o, records) {
			for _, p := range o.purchases(a) {
				if p.late {
					seen["late"]++
				}
			}
		}
	}
	for f := rules.Booked; f < rules.NumFates; f++ {
		want(t, seen, "fate "+f.String())
	}
	for e := rules.Authorization; e < rules.NumEventTypes; e++ {
		want(t, seen, "event "+e.String()+" booked", "event "+e.String()+" no_change")
	}
	for f := rules.Enrolled; f <= rules.Erased; f++ {
		if f != rules.CycleClosed { // TestPayoutsReachEverything
			want(t, seen, "fact "+f.String()+" no_change")
		}
	}
	for _, f := range []rules.FactType{
		rules.Enrolled, rules.Left, rules.CardLinked, rules.CardUnlinked, rules.AuthorizationExpired, rules.Adjustment,
	} {
		want(t, seen, "fact "+f.String()+" booked")
	}
	want(t, seen, "event authorization too_late", "event clearing too_late", "event refund too_late", "fact left too_late")
	want(t, seen, "late", "line negative", "line cash confirmed", "line cash expected", "line commission confirmed",
		"line commission expected", "line points confirmed", "line wallet confirmed")
}

func want(t *testing.T, seen map[string]int, names ...string) {
	t.Helper()
	for _, name := range names {
		if seen[name] == 0 {
			t.Errorf("never made: %s", name)
		}
	}
}

func setsOf(o oracle, records []Record) map[string]*account {
	accounts := map[string]*account{}
	for _, r := range records {
		if accounts[r.AccountID()] == nil {
			accounts[r.AccountID()] = &account{id: r.AccountID(), counted: map[*rules.Event]bool{}, kept: map[string]uint64{}}
		}
		o.arrive(accounts[r.AccountID()], r)
	}
	return accounts
}

func TestOrderlessRecordsHaveOneLedger(t *testing.T) {
	t.Parallel()
	late := 0
	for seed := range cases(t, seeds) {
		g := NewGenerator(seed, GenOptions{Orderless: true})
		records := g.Records(80)
		first := Oracle(g.Catalogue(), records)
		for i, f := range first.Fates {
			if f == rules.TooLate || f == rules.Unmatched || f == rules.DeadLettered {
				t.Fatalf("seed %d: an orderless record is %s: %s", seed, f, JSON(records[i]))
			}
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		other := Oracle(g.Catalogue(), Duplicate(rng, Shuffle(rng, records), 20))
		other.Fates, other.Steps, other.Instructions = nil, nil, nil
		if d := Difference(first, other); d != "" {
			t.Fatalf("seed %d: the order of arrival changes the sums:\n%s", seed, d)
		}
		o := newOracle(g.Catalogue())
		for _, a := range setsOf(o, records) {
			for _, p := range o.purchases(a) {
				if p.late {
					late++
				}
			}
		}
	}
	if late == 0 && !testing.Short() { // a few cases need not have one
		t.Error("no purchase has a late event")
	}
}

func TestInterleavingKeepsEachAccountsLedger(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		g := NewGenerator(seed, GenOptions{})
		records := g.Records(100)
		first := Oracle(g.Catalogue(), records)
		mixed := Interleave(rand.New(rand.NewPCG(seed, 2)), records)
		other := Oracle(g.Catalogue(), mixed)
		other.Fates, other.Steps, other.Instructions = nil, nil, nil
		if reflect.DeepEqual(records, mixed) {
			t.Fatalf("seed %d: nothing moved", seed)
		}
		if d := Difference(first, other); d != "" {
			t.Fatalf("seed %d: other accounts' records change the sums:\n%s", seed, d)
		}
	}
}

// The invariants hold whatever the case.
func TestWhatIsAlwaysTrueOfTheOracle(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, seeds) {
		g := NewGenerator(seed, GenOptions{})
		cat := g.Catalogue()
		r := Oracle(cat, g.Records(120))
		margins, rewards := map[Key]int64{}, map[Key]int64{}
		for k, s := range r.Sums {
			if k.TransactionID == "" {
				continue
			}
			if k.Stage == rules.Confirmed && (s.Reward < 0 || s.Commission < 0) {
				t.Fatalf("seed %d: %s is confirmed with %+v", seed, printKey(k), s)
			}
			if k.Role == rules.RoleMember && s.Reward != s.Cost {
				t.Fatalf("seed %d: cash costs what it is: %+v", seed, s)
			}
			bare := Key{AccountID: k.AccountID, TransactionID: k.TransactionID, Unit: k.Unit}
			if k.Stage == rules.Confirmed {
				rewards[bare] = max(rewards[bare], 0) + s.Reward
				if !programmeFunds(cat, k) {
					margins[bare] += s.Commission - s.Cost
				}
			}
		}
		for k, margin := range margins {
			if margin < 0 {
				t.Fatalf("seed %d: what the commission funds exceeds it by %d on %s", seed, -margin, printKey(k))
			}
		}
	}
}

func programmeFunds(cat *offer.Catalogue, k Key) bool {
	for _, p := range cat.Partners {
		for _, o := range p.Offers {
			if p.Version.ID == k.OfferVersion && o.ID == k.OfferID {
				return o.FundedBy == offer.FundedByProgramme
			}
		}
	}
	return false
}

func TestShrinkKeepsOnlyWhatMatters(t *testing.T) {
	t.Parallel()
	g := NewGenerator(7, GenOptions{})
	records := g.Records(200)
	first, last := records[10].ID(), records[190].ID()
	calls := 0
	small := Shrink(records, func(rs []Record) bool {
		calls++
		a, b := false, false
		for _, r := range rs {
			a, b = a || r.ID() == first, b || r.ID() == last
		}
		return a && b
	})
	if len(small) != 2 {
		t.Errorf("%d records are left of 200 after %d calls", len(small), calls)
	}
	cat := ShrinkCatalogue(g.Catalogue(), func(c *offer.Catalogue) bool { return len(c.Partners) > 0 })
	if len(cat.Partners) != 1 || len(cat.Partners[0].Offers) != 0 || len(cat.Programmes) != 1 {
		t.Errorf("left:\n%s", Print(cat, nil))
	}
}

func TestNoRecordIsAheadOfItsTimestamp(t *testing.T) {
	t.Parallel()
	g := NewGenerator(3, GenOptions{})
	records := g.Records(300)
	stamps := Timestamps(records)
	for i, r := range records {
		if i > 0 && stamps[i] < stamps[i-1] {
			t.Fatalf("the timestamp of record %d falls", i)
		}
		if r.Event != nil && r.Event.OccurredAt.After(rules.InstantOfMillis(stamps[i])) {
			t.Fatalf("record %d is ahead of its timestamp", i)
		}
	}
}
