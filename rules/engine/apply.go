package engine

import (
	"ristourne/rules"
)

// Apply takes a record of whatever kind into the account's set: as ApplyEvent,
// ApplyFact and ApplyReferral say.
func (e *Engine) Apply(a *Account, r rules.Record, c rules.Cause, out *rules.Output) (Verdict, error) {
	switch {
	case r.Event != nil:
		return e.ApplyEvent(a, r.Event, c, out)
	case r.Fact != nil:
		return e.ApplyFact(a, r.Fact, c, out)
	}
	return e.ApplyReferral(a, r.Referral, c, out)
}

// Replay applies once more what the ledger has of the account, under the cause it
// had, and gives the record. The account keeps strings that point into the row's
// payload. What budgets gave must be adopted afterwards (AdoptGrants): a replay
// asks none.
func (e *Engine) Replay(a *Account, row *rules.SetRow, out *rules.Output) (rules.Record, error) {
	r, err := row.Record(a.id)
	if err == nil {
		_, err = e.Apply(a, r, row.Cause, out)
	}
	return r, err
}
