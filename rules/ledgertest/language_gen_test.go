package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/offer"
)

var languages = []Language{MixedLanguage, WholeLanguage}

// What the generator never makes, no comparison can find a fault in: each form,
// kind and role has to earn, each condition to be the one that refuses.
func TestTheGeneratorSpeaksTheWholeLanguage(t *testing.T) {
	needsMany(t)
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(80) {
		g := NewGenerator(seed, GenOptions{Language: languages[seed%2], Budgets: seed%3 == 0})
		records := g.Records(120)
		r := Oracle(g.Catalogue(), records)
		if len(r.Faults) > 0 {
			t.Fatalf("seed %d: %s", seed, r.Faults)
		}
		for k, s := range r.Sums {
			seen[fmt.Sprintf("line %s %s %s", k.Role, k.Kind, k.Stage)]++
			if k.Role == rules.RolePartner && k.OfferID != "" {
				seen["own commission"]++
			}
			if k.Role == rules.RoleMember && k.TransactionID != "" && k.PartnerID == "" {
				seen["programme's own"]++
			}
			if k.Kind == rules.Points && s.Cost != 0 {
				seen["points with a cost"]++
			}
		}
		for _, tells := range r.Tells {
			for _, told := range tells {
				if saysNothing(&told) {
					seen["referral taken back"]++
				}
			}
		}
		for _, draws := range r.Draws {
			for id, held := range draws {
				kind := strings.TrimRight(strings.Split(id, "/")[0], "0123456789")
				seen[fmt.Sprintf("%s holds out %t", kind, held)]++
			}
		}
		watchOutcomes(g.Catalogue(), records, seen)
	}
	for _, line := range []string{
		"member cash", "member points", "member wallet", "member voucher", "sponsor cash", "partner commission",
	} {
		want(t, seen, "line "+line+" confirmed", "line "+line+" expected")
	}
	for f := offer.RateReward; f <= offer.CategoryReward; f++ {
		want(t, seen, fmt.Sprintf("form %d earns", f))
	}
	want(t, seen, "own commission", "programme's own", "points with a cost", "referral taken back", "short", "granted", "boost",
		"campaign", "budgeted campaign", "lost its group", "visit not its turn", "visit its turn", "goal not reached", "goal reached",
		"no sponsor any more", "sponsor alone", "scaled articles", "late visit")
	for _, who := range []string{"partner", "programme", "campaign", programmeID} {
		want(t, seen, who+" holds out true", who+" holds out false")
	}
}

// watchOutcomes counts what happens on the way.
func watchOutcomes(cat *offer.Catalogue, records []Record, seen map[string]int) {
	b := newLedgers(cat, nil)
	for i, r := range records {
		b.take(i, r)
	}
	for _, a := range b.accounts {
		for _, g := range a.grants {
			if g.granted < g.target {
				seen["short"]++
			}
			if g.granted > 0 {
				seen["granted"]++
			}
		}
		for _, r := range b.oracle.bothWorlds(a, b.oracle.purchases(a), nil)[expectedWorld] {
			if r.final != nil {
				watchOutcome(b.oracle, a, r, seen)
			}
		}
	}
}

func watchOutcome(o oracle, a *account, r result, seen map[string]int) {
	x := r.final
	for _, v := range x.visits {
		offer := offerOf(x, v.key)
		if r.purchase.late {
			seen["late visit"]++
		}
		if offer.Every.N > 0 {
			seen[map[bool]string{true: "visit its turn", false: "visit not its turn"}[v.ranked]]++
		}
		if offer.Goal.AmountMinor > 0 {
			seen[map[bool]string{true: "goal reached", false: "goal not reached"}[v.reached]]++
		}
		if offer.Reward.Form == 0 {
			seen["sponsor alone"]++
		}
		if !offer.Sponsor.None() && x.referred[v.key] && !x.early[v.key] {
			seen["no sponsor any more"]++
		}
	}
	for _, aw := range x.awards {
		if aw.lost {
			seen["lost its group"]++
		}
		if aw.minor > 0 {
			seen[fmt.Sprintf("form %d earns", aw.offer.Reward.Form)]++
		}
		s := o.saleOf(a, x.view, x.member)
		free, budgeted := o.boostsFor(s, aw.offer, aw.key.partner, aw.unit)
		for _, b := range free {
			seen[map[bool]string{true: "boost", false: "campaign"}[b.campaign == nil]]++
		}
		if len(budgeted) > 0 {
			seen["budgeted campaign"]++
		}
		if aw.offer.Reward.Form == offer.CategoryReward {
			for _, amount := range x.view.categories(aw.basis, aw.currency) {
				if !amount.IsInt() {
					seen["scaled articles"]++
				}
			}
		}
	}
}

func offerOf(x *outcome, key offerKey) *offer.Offer {
	offers := x.member.programme.Offers
	if key.partner != "" {
		offers = x.view.at.partner.Offers
	}
	for i := range offers {
		if offers[i].ID == key.offer {
			return &offers[i]
		}
	}
	panic("ledgertest: an outcome of no offer")
}

// Without budgets the ledger of the whole language has no order either.
func TestTheWholeLanguageHasOneLedger(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 60) {
		g := NewGenerator(seed, GenOptions{Orderless: true, Language: languages[seed%2]})
		records := g.Records(70)
		first := Oracle(g.Catalogue(), records)
		rng := rand.New(rand.NewPCG(seed, 1))
		other := Oracle(g.Catalogue(), Duplicate(rng, Shuffle(rng, records), 20))
		other.Fates, other.Steps, other.Instructions, other.Tells, other.Draws = nil, nil, nil, nil, nil
		if d := Difference(first, other); d != "" {
			t.Fatalf("seed %d: the order of arrival changes the sums:\n%s", seed, d)
		}
		atEnd := OracleAtEnd(g.Catalogue(), records, nil)
		if d := Difference(first, atEnd); d != "" {
			t.Fatalf("seed %d: the end alone has other sums:\n%s", seed, d)
		}
	}
}
