package engine

import (
	"fmt"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// ApplyResult takes the bank's word on an instruction of the account; as ApplyFact.
// Unmatched: no such instruction was given out. What was rejected is due again, at
// once where the programme pays at once.
func (e *Engine) ApplyResult(a *Account, r *rules.Result, c rules.Cause, out *rules.Output) (Verdict, error) {
	if r.AccountID != "" && r.AccountID != a.id {
		return Verdict{}, fmt.Errorf("result: %w", errForeign)
	}
	id, ok := parseInstructionID(r.InstructionID)
	if !ok || a.payments.count() == 0 && !a.hasFoldedPayments() && !e.replaying {
		return Verdict{Fate: rules.Unmatched}, nil
	}
	if err := a.payments.open(); err != nil {
		return Verdict{}, err
	}
	i := slices.IndexFunc(a.payments.list, func(x payment) bool { return x.id == id && !x.shadow })
	if i < 0 && a.hasFoldedPayments() {
		return Verdict{}, ErrFolded // it may be one that is put away
	}
	if i < 0 {
		if !e.replaying {
			return Verdict{Fate: rules.Unmatched}, nil
		}
		a.payments.strays = append(a.payments.strays, *r) // the ledger knows its instruction
		return Verdict{Fate: rules.NoChange}, nil
	}
	x := &a.payments.list[i]
	word := rules.Result{Status: r.Status, Reason: strings.Clone(r.Reason), At: r.At}
	switch {
	case slices.Contains(x.results, word):
		return Verdict{Fate: rules.Duplicate}, nil
	case a.resultCount() >= maxAccountResults:
		return Verdict{}, fmt.Errorf("result on %s: %w", r.InstructionID, ErrLimit)
	}
	e.bindSnapshot(a)
	before, was := x.counts(), rules.Result{}
	if before != nil {
		was = *before
	}
	x.results = append(x.results, word)
	a.balances[x.balance].rejected = a.balances[x.balance].rejected || word.Status == rules.Rejected
	now := x.counts()
	if now.Status == was.Status && now.Reason == was.Reason {
		return Verdict{Fate: rules.NoChange}, nil
	}
	e.booking.begin(e.snapshot, a, decision{cause: c, at: r.At, event: noEvent}, out)
	return Verdict{Fate: rules.Booked}, e.booking.standsAnew(i, was)
}

func (a *Account) resultCount() int {
	n := 0
	if a.fold != nil {
		n = a.fold.payments.results
	}
	for i := range a.payments.list {
		n += len(a.payments.list[i].results)
	}
	return n
}

// standsAnew counts an instruction as it stands now, and instructs anew what it
// has lost where its programme pays at once.
func (b *booking) standsAnew(i int, was rules.Result) error {
	a := b.account
	x := a.payments.list[i]
	now := x.counts()
	p := &a.balances[x.balance]
	switch lost := isLost(now); {
	case lost == isLost(&was):
		return nil
	case !lost:
		p.instructedMinor += x.minor
		return nil
	}
	p.instructedMinor -= x.minor
	terms := b.snapshot.payoutAt(p.programme, b.at)
	if terms.Cycle.Kind != offer.AtOnce {
		return nil
	}
	return b.payAtOnce(&net{balance: x.balance, minor: max(x.minor, -x.minor)}, &terms)
}
