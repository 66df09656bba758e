package rules

// Budgets is what budgets have left for the accounts that one engine decides.
// It is asked in the order in which records are decided: first decided, first
// served.
type Budgets interface {
	// Take asks for askMinor of a budget whose limit in force is limitMinor and
	// gives 0 to askMinor of it. limitMinor bounds what is given over all
	// accounts and all time.
	Take(key BudgetKey, limitMinor, askMinor int64) int64
	// GiveBack returns what was taken before; later decisions may have it.
	GiveBack(key BudgetKey, minor int64)
}

// SetBudgets gives the engine the budgets to ask. Nil is for replaying what was
// decided before: no budget is asked and none limits anything, and what is
// booked so must be replaced by the ledger's word (AdoptBooked, AdoptGrants).
func (e *Engine) SetBudgets(b Budgets) { e.budgets = b }
