package processor

import (
	"fmt"
	"maps"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
)

// restore gives the state of one account, of whose set rows the first marked ones
// are booked with all that follows from them.
func (r *rebuild) restore(h *rules.AccountHistory, marked int) (*engine.Account, error) {
	a, err := r.replay(h, marked)
	if err != nil {
		return nil, err
	}
	behind, booked := h.Set[marked:], h
	u := r.unmarked[h.Ref]
	if len(behind) > 0 && u != nil {
		booked = beforeTail(h, behind, u)
	}
	adopted := len(booked.Grants) > 0 || !agrees(a, booked)
	if adopted {
		adopt(a, booked)
	} else {
		// A repair, once, may have told more than the set does.
		a.AdoptPublished(booked.Told)
	}
	instructed := maps.Clone(booked.InstructedMinor)
	if len(behind) > 0 {
		t := tail{r: r, h: h, rows: behind, booked: u}
		switch t.work(a); {
		case t.err != nil:
			return nil, t.err
		case t.unsound != "":
			return r.restoreAsBooked(h, t.unsound)
		case t.unfinished > 0:
			r.finishLater(h, behind[len(behind)-t.unfinished:])
			r.take(h, &t.out)
			return t.account, nil
		}
		a = t.account
		r.take(h, &t.out)
		instructed = plus(instructed, t.out.Instructions)
	}
	if !adopted {
		return a, nil
	}
	return a, r.compare(a, h, instructed)
}

// restoreAsBooked takes the ledger's word for all of an account whose rows behind
// the marker don't give what was booked of them: another engine has decided them.
func (r *rebuild) restoreAsBooked(h *rules.AccountHistory, why string) (*engine.Account, error) {
	r.shard.log.Error("what is booked behind the marker is not what its records decide: the ledger's word is taken",
		"account_ref", fmt.Sprintf("%x", h.Ref), "why", why)
	a, err := r.replay(h, len(h.Set))
	if err != nil {
		return nil, err
	}
	adopt(a, h)
	return a, r.compare(a, h, h.InstructedMinor)
}

// replay gives the state that the first rows make, as if budgets had no end.
func (r *rebuild) replay(h *rules.AccountHistory, rows int) (*engine.Account, error) {
	a := engine.NewAccount(h.AccountID)
	var out rules.Output
	r.shard.engine.SetBudgets(nil)
	for i := range h.Set[:rows] {
		out.Reset()
		if err := r.apply(a, &h.Set[i], &out); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// apply applies a row, and keeps what the filters must know of it.
func (r *rebuild) apply(a *engine.Account, row *rules.SetRow, out *rules.Output) error {
	record, err := r.shard.engine.Replay(a, row, out)
	if err != nil {
		return fmt.Errorf("%s at offset %d: %w", row.Cause.Kind, row.Cause.Offset, err) // no id: it may look like a card number
	}
	member := memberHash(a.ID())
	switch {
	case record.Event != nil:
		r.known = appendKnown(r.known, member, record.Event)
	case record.Fact != nil && record.Fact.Type == rules.Enrolled:
		r.members = append(r.members, member)
	}
	return nil
}

// adopt takes the ledger's word for what is booked, granted and told. Of what was
// paid, whichever says more counts, up to what is confirmed: instructions that
// the ledger has lost were paid all the same, and a rebuild must not be how they
// are paid again.
func adopt(a *engine.Account, h *rules.AccountHistory) {
	replayed := a.InstructedMinor()
	a.AdoptBooked(h.Booked)
	instructed := maps.Clone(h.InstructedMinor)
	for c, minor := range replayed {
		if confirmed, _ := a.ConfirmedCash(c); min(minor, confirmed) > instructed[c] {
			if instructed == nil {
				instructed = make(map[money.Currency]int64, 1)
			}
			instructed[c] = min(minor, confirmed)
		}
	}
	a.AdoptInstructed(instructed)
	a.AdoptGrants(h.Grants)
	a.AdoptPublished(h.Told)
	a.Restored()
}

// take keeps what is to be booked and sent again. Grants are not: those
// that are known are booked, each of a record's with the others.
func (r *rebuild) take(h *rules.AccountHistory, out *rules.Output) {
	r.shard.refs.fill(out, lengths{}, h.AccountID, h.Ref)
	r.tail.Accruals = append(r.tail.Accruals, out.Accruals...)
	r.tail.Instructions = append(r.tail.Instructions, out.Instructions...)
	r.tail.Referrals = append(r.tail.Referrals, out.Referrals...)
}

// agrees reports whether what the state takes to be booked and instructed is
// what the ledger has.
func agrees(a *engine.Account, h *rules.AccountHistory) bool {
	instructed := maps.Clone(h.InstructedMinor)
	maps.DeleteFunc(instructed, func(_ money.Currency, minor int64) bool { return minor == 0 })
	return maps.Equal(bookedSums(a.Booked()), bookedSums(h.Booked)) && maps.Equal(a.InstructedMinor(), instructed)
}

func bookedSums(lines []rules.Accrual) map[rules.LineKey]rules.Sums {
	sums := make(map[rules.LineKey]rules.Sums, len(lines))
	for i := range lines {
		key := lines[i].Key()
		sum := sums[key].Plus(&lines[i])
		if sum == (rules.Sums{}) {
			delete(sums, key)
			continue
		}
		sums[key] = sum
	}
	return sums
}

// plus adds instructions to what was instructed.
func plus(instructedMinor map[money.Currency]int64, more []rules.Instruction) map[money.Currency]int64 {
	if instructedMinor == nil {
		instructedMinor = make(map[money.Currency]int64, 1)
	}
	for i := range more {
		instructedMinor[more[i].Currency] += signedMinor(&more[i])
	}
	return instructedMinor
}

func signedMinor(i *rules.Instruction) int64 {
	if i.Direction == rules.Debit {
		return -i.AmountMinor
	}
	return i.AmountMinor
}
