package engine

import (
	"ristourne/rules"
)

// Budgets is what budgets have left for the accounts that one engine decides.
// It is asked in the order in which records are decided: first decided, first
// served.
type Budgets interface {
	// Take asks for askMinor of a budget whose limit in force is limitMinor and
	// gives 0 to askMinor of it. limitMinor bounds what is given over all
	// accounts and all time.
	Take(key rules.BudgetKey, limitMinor, askMinor int64) int64
	// GiveBack returns what was taken before; later decisions may have it.
	GiveBack(key rules.BudgetKey, minor int64)
}
