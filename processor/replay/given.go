package replay

import (
	"slices"

	"ristourne/rules"
)

// Given are budgets that give what they gave for one record before: what was served
// first is not decided anew.
type Given struct {
	grants  []rules.Grant
	used    int  // grants of which Take has told
	unknown bool // it was asked for what no booked grant tells
}

// GivenBefore gives the grants of one record, in the order in which they were given.
func GivenBefore(grants []rules.Grant) *Given { return &Given{grants: grants} }

// Unknown reports that what a record has decided, grants by its output, was asked of
// budgets of which nothing is booked for it.
func (g *Given) Unknown(decided []rules.Grant) bool {
	return g.unknown || len(g.grants) == 0 && len(decided) > 0
}

// Take finds the grant that was asked the same, the earliest first: a record asks
// in the order in which its grants are booked.
func (g *Given) Take(key rules.BudgetKey, _, askMinor int64) int64 {
	for i := g.used; i < len(g.grants); i++ {
		x := &g.grants[i]
		kept := min(x.GrantedMinor-x.ChangeMinor, x.TargetMinor)
		if x.Budget == key && x.TargetMinor-kept == askMinor {
			g.used = i + 1
			return min(askMinor, max(0, x.GrantedMinor-kept))
		}
	}
	g.unknown = g.unknown || !g.has(key)
	return 0
}

// GiveBack is known where the record's grants are.
func (g *Given) GiveBack(key rules.BudgetKey, _ int64) { g.unknown = g.unknown || !g.has(key) }

func (g *Given) has(key rules.BudgetKey) bool {
	return slices.ContainsFunc(g.grants, func(x rules.Grant) bool { return x.Budget == key })
}
