package replay

import (
	"fmt"
	"slices"

	"ristourne/rules"
	"ristourne/rules/engine"
)

// CauseKey names a record within its account.
type CauseKey struct {
	Kind rules.CauseKind
	ID   string
}

// KeyOf is the key of a cause.
func KeyOf(c *rules.Cause) CauseKey { return CauseKey{c.Kind, c.ID} }

// Decided is what the records of an account decide, worked out once more.
type Decided struct {
	Account *engine.Account
	// Out is what all of them decide, in their order.
	Out rules.Output
	// Ungiven are the records that ask budgets of which nothing is booked for them.
	Ungiven []rules.Cause
}

// Decide decides an account's records once more, one after another as the stream has
// taken them, with what budgets gave for each. What comes of it has the ids and
// amounts of what came of it then. each is told of every record; nil: nobody is.
func Decide(e *engine.Engine, accountID string, set []rules.SetRow, grants []rules.Grant, each func(*rules.SetRow, rules.Record)) (*Decided, error) {
	d := &Decided{Account: engine.NewAccount(accountID)}
	byCause := make(map[CauseKey][]rules.Grant)
	for i := range grants {
		key := KeyOf(&grants[i].Cause)
		byCause[key] = append(byCause[key], grants[i])
	}
	for i := range set {
		row := &set[i]
		given := GivenBefore(byCause[KeyOf(&row.Cause)])
		e.SetBudgets(given)
		before := len(d.Out.Grants)
		record, err := e.Replay(d.Account, row, &d.Out)
		if err != nil {
			return nil, fmt.Errorf("work out %s %q: %w", row.Cause.Kind, row.Cause.ID, err)
		}
		if given.Unknown(d.Out.Grants[before:]) {
			d.Ungiven = append(d.Ungiven, row.Cause)
		}
		if each != nil {
			each(row, record)
		}
	}
	return d, nil
}

// Changes is what a repair of an account would book, tell and instruct: nothing where
// what it has adopted is what it deserves. It gives the account what is instructed,
// and leaves it as it would be after the repair. asks: it asked budgets, which may give
// less. cause is the account's newest.
func Changes(e *engine.Engine, a *engine.Account, instructed []rules.Instruction, cause rules.Cause) (out *rules.Output, asks bool, err error) {
	if err := a.AdoptInstructed(instructed); err != nil {
		return nil, false, err
	}
	var budgets generous
	e.SetBudgets(&budgets)
	out = new(rules.Output)
	if err := e.Repair(a, cause, 1, out); err != nil {
		return nil, false, err
	}
	// Grants that a repair only looks at are none.
	out.Grants = slices.DeleteFunc(out.Grants, func(g rules.Grant) bool { return g.ChangeMinor == 0 })
	return out, budgets.asked, nil
}

// generous budgets give whatever is asked: what a budget would give is not known
// before anything is reserved of it.
type generous struct{ asked bool }

func (b *generous) Take(_ rules.BudgetKey, _, askMinor int64) int64 {
	b.asked = true
	return askMinor
}

func (*generous) GiveBack(rules.BudgetKey, int64) {}
