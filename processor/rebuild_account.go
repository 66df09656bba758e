package processor

import (
	"fmt"
	"maps"
	"slices"

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
		if err := adopt(a, booked); err != nil {
			return nil, err
		}
	} else {
		// A repair, once, may have told more than the set does.
		a.AdoptPublished(booked.Told)
	}
	instructed := slices.Clone(booked.Instructed)
	if len(behind) > 0 {
		t := tail{r: r, h: h, rows: behind, booked: u}
		switch t.work(a); {
		case t.err != nil:
			return nil, t.err
		case t.unsound != "":
			return r.restoreAsBooked(h, t.unsound)
		case t.unfinished > 0:
			if err := r.finishLater(h, behind[len(behind)-t.unfinished:]); err != nil {
				return nil, err
			}
			r.take(h, &t.out)
			return t.account, nil
		}
		a = t.account
		r.take(h, &t.out)
		instructed = append(instructed, t.out.Instructions...)
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
	if err := adopt(a, h); err != nil {
		return nil, err
	}
	return a, r.compare(a, h, h.Instructed)
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
	r.know(a.ID(), record)
	return nil
}

// know keeps what the filters must know of a record of the account's set.
func (r *rebuild) know(accountID string, record rules.Record) {
	member := memberHash(accountID)
	switch {
	case record.Event != nil:
		r.known = appendKnown(r.known, member, record.Event)
	case record.Fact != nil && record.Fact.Type == rules.Enrolled:
		r.members = append(r.members, member)
	}
}

// adopt takes the ledger's word for what is booked, granted and told. Of what was
// paid, whichever says more counts, up to what is confirmed: instructions that
// the ledger has lost were paid all the same, and a rebuild must not be how they
// are paid again.
func adopt(a *engine.Account, h *rules.AccountHistory) error {
	replayed, err := a.Instructed()
	if err != nil {
		return err
	}
	a.AdoptBooked(h.Booked)
	if err := a.AdoptInstructed(withLost(a, h.Instructed, replayed)); err != nil {
		return err
	}
	a.AdoptGrants(h.Grants)
	a.AdoptPublished(h.Told)
	a.Restored()
	return nil
}

// withLost are the ledger's instructions, and of those of a replay that the ledger
// doesn't know as many as what is confirmed has room for.
func withLost(a *engine.Account, known, replayed []rules.Instruction) []rules.Instruction {
	all, room := slices.Clone(known), map[money.Currency]int64{}
	for i := range replayed {
		room[replayed[i].Currency] += replayed[i].SignedMinor()
	}
	for c, minor := range room {
		confirmed, _ := a.ConfirmedCash(c)
		room[c] = min(minor, confirmed)
	}
	ids := make(map[string]bool, len(known))
	for i := range known {
		ids[known[i].ID] = true
		room[known[i].Currency] -= known[i].SignedMinor()
	}
	for _, x := range replayed {
		if x.AmountMinor = min(x.AmountMinor, room[x.Currency]); x.Direction == rules.Credit && x.AmountMinor > 0 && !ids[x.ID] {
			room[x.Currency] -= x.AmountMinor
			all = append(all, x)
		}
	}
	return all
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
	instructed, err := a.Instructed()
	return err == nil && maps.Equal(bookedSums(a.Booked()), bookedSums(h.Booked)) && maps.Equal(amountsOf(instructed), amountsOf(h.Instructed))
}

// amountsOf are instructions by id.
func amountsOf(instructed []rules.Instruction) map[string]int64 {
	amounts := make(map[string]int64, len(instructed))
	for i := range instructed {
		amounts[instructed[i].ID] = instructed[i].SignedMinor()
	}
	return amounts
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
