package engine

import (
	"ristourne/rules"
)

// Apply takes a record of whatever kind into the account's set: as ApplyEvent,
// ApplyFact, ApplyReferral and ApplyResult say.
func (e *Engine) Apply(a *Account, r rules.Record, c rules.Cause, out *rules.Output) (Verdict, error) {
	switch {
	case r.Event != nil:
		return e.ApplyEvent(a, r.Event, c, out)
	case r.Fact != nil:
		return e.ApplyFact(a, r.Fact, c, out)
	case r.Result != nil:
		return e.ApplyResult(a, r.Result, c, out)
	}
	return e.ApplyReferral(a, r.Referral, c, out)
}

// Replay applies once more what the ledger has of the account, under the cause it
// had, and gives the record. The account keeps strings that point into the row's
// payload. What budgets gave must be adopted afterwards (AdoptGrants): a replay
// asks none.
func (e *Engine) Replay(a *Account, row *rules.SetRow, out *rules.Output) (rules.Record, error) {
	r, err := row.Record(a.id)
	if err != nil {
		return r, err
	}
	a.payments.date(row.Cause, r)
	e.replaying = true
	_, err = e.Apply(a, r, row.Cause, out)
	e.replaying = false
	return r, err
}

// Repair books what is due less what is booked, and instructs what is
// confirmed less what was instructed, without a new record: what a person has
// approved. c is the newest cause of the account. number, over 0, is the
// repair's own: the ids of what it books hold it, so that they are neither those
// of the cause's own lines nor those of another repair, whose amounts may be
// others.
func (e *Engine) Repair(a *Account, c rules.Cause, number int64, out *rules.Output) error {
	if a.fold != nil {
		return ErrFolded
	}
	e.bindSnapshot(a)
	e.matchRefunds(a)
	a.needsFullRun = true
	_, err := e.decide(a, decision{cause: c, facts: true, event: noEvent, repair: number}, out)
	return err
}
