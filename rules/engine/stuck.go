package engine

import (
	"ristourne/rules"
	"ristourne/rules/money"
)

// StuckPayments are payments of an account that wait for a person: no more of their
// direction go out until one was accepted after all, or somebody releases them.
type StuckPayments struct {
	Programme string
	Currency  money.Currency
	Direction rules.Direction
}

// Stuck tells which payments of the account are stuck at t, by the versions of its
// programmes that are in force then.
func (a *Account) Stuck(s *Snapshot, t rules.Instant) (all []StuckPayments, err error) {
	for i := range a.balances {
		b := &a.balances[i]
		attempts := s.payoutAt(b.programme, t).AttemptsAllowed()
		for _, direction := range [...]rules.Direction{rules.Credit, rules.Debit} {
			stuck, err := a.stuck(int32(i), direction == rules.Debit, attempts)
			if err != nil {
				return nil, err
			}
			if stuck {
				all = append(all, StuckPayments{b.programme, b.currency, direction})
			}
		}
	}
	return all, nil
}
