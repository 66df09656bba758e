package processor

import (
	"slices"
	"strconv"

	"ristourne/processor/replay"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// tail is what the set rows of one account behind the marker decide. They are
// decided anew, from what was booked before them, by what their budgets gave
// then; and held against whatever of it is booked.
type tail struct {
	r      *rebuild
	h      *rules.AccountHistory
	rows   []rules.SetRow
	booked *rules.Unmarked // nil: nothing

	account    *engine.Account // after those rows that are decided
	out        rules.Output    // of those rows
	unfinished int             // rows, the last ones, that are not decided: nobody knows what budgets give for them
	unsound    string          // not empty: what is booked is not what the rows decide, and why
	err        error
}

func (t *tail) work(a *engine.Account) {
	t.account = a
	for i := range t.rows {
		row := &t.rows[i]
		before := t.account.AppendBinary(nil)
		given := replay.GivenBefore(t.grantsOf(&row.Cause))
		t.r.shard.engine.SetBudgets(given)
		var out rules.Output
		if t.err = t.r.apply(t.account, row, &out); t.err != nil {
			return
		}
		if given.Unknown(out.Grants) {
			t.leave(t.rows[i:], before)
			return
		}
		if t.unsound = t.contradiction(&row.Cause, &out); t.unsound != "" {
			return
		}
		t.out.Accruals = append(t.out.Accruals, out.Accruals...)
		t.out.Instructions = append(t.out.Instructions, out.Instructions...)
		t.out.Referrals = append(t.out.Referrals, out.Referrals...)
	}
}

// leave leaves rows to be decided once budgets can be reserved of. Nothing of them
// may be booked then, as they may come to something else.
func (t *tail) leave(rows []rules.SetRow, before []byte) {
	for i := range rows {
		if t.hasOf(&rows[i].Cause) {
			t.unsound = "lines of the " + rows[i].Cause.Kind.String() + " at offset " + strconv.FormatInt(rows[i].Cause.Offset, 10) + " are booked without what budgets gave"
			return
		}
	}
	t.account, t.unfinished = engine.NewAccount(t.h.AccountID), len(rows)
	t.err = t.account.UnmarshalBinary(before)
	t.account.Restored()
}

func sameCause(a, b *rules.Cause) bool { return a.Kind == b.Kind && a.ID == b.ID }

// grantsOf are the booked grants of a cause, in the order in which they were given.
func (t *tail) grantsOf(c *rules.Cause) (of []rules.Grant) {
	if t.booked == nil {
		return nil
	}
	for i := range t.booked.Grants {
		if g := &t.booked.Grants[i]; sameCause(&g.Cause, c) {
			of = append(of, *g)
		}
	}
	return of
}

// hasOf reports whether anything that follows from the cause is booked.
func (t *tail) hasOf(c *rules.Cause) bool {
	u := t.booked
	return u != nil && (slices.ContainsFunc(u.Grants, func(g rules.Grant) bool { return sameCause(&g.Cause, c) }) ||
		slices.ContainsFunc(u.Accruals, func(a rules.Accrual) bool { return sameCause(&a.Cause, c) }) ||
		slices.ContainsFunc(u.Instructions, func(i rules.Instruction) bool { return sameCause(&i.Cause, c) }) ||
		slices.ContainsFunc(u.Told, func(f rules.Referral) bool { return sameCause(&f.Cause, c) }))
}

// contradiction says what is booked of a cause and does not follow from it now;
// empty: nothing. One id has one content: it may not be booked anew.
func (t *tail) contradiction(c *rules.Cause, out *rules.Output) string {
	if t.booked == nil {
		return ""
	}
	lines := make(map[rules.AccrualID]*rules.Accrual, len(out.Accruals))
	for i := range out.Accruals {
		lines[out.Accruals[i].ID] = &out.Accruals[i]
	}
	for i := range t.booked.Accruals {
		b := &t.booked.Accruals[i]
		if !sameCause(&b.Cause, c) {
			continue
		}
		if d := lines[b.ID]; d == nil || d.RewardMinor != b.RewardMinor || d.CommissionMinor != b.CommissionMinor ||
			d.CostMinor != b.CostMinor || d.BasisMinor != b.BasisMinor {
			return "a line of " + c.Kind.String() + " " + c.ID
		}
	}
	for i := range t.booked.Instructions {
		b := &t.booked.Instructions[i]
		if sameCause(&b.Cause, c) && !slices.ContainsFunc(out.Instructions, func(d rules.Instruction) bool {
			return d.ID == b.ID && d.AmountMinor == b.AmountMinor && d.Direction == b.Direction
		}) {
			return "instruction " + b.ID
		}
	}
	if given := t.grantsOf(c); !slices.EqualFunc(given, out.Grants, sameGrant) {
		return "what budgets gave for " + c.Kind.String() + " " + c.ID
	}
	return ""
}

func sameGrant(a, b rules.Grant) bool {
	return a.Budget == b.Budget && a.TransactionID == b.TransactionID && a.TargetMinor == b.TargetMinor &&
		a.GrantedMinor == b.GrantedMinor && a.ChangeMinor == b.ChangeMinor
}

// beforeTail is the account's history as it was before the rows: without what is
// booked of them.
func beforeTail(h *rules.AccountHistory, rows []rules.SetRow, u *rules.Unmarked) *rules.AccountHistory {
	type causeKey struct {
		kind rules.CauseKind
		id   string
	}
	behind := make(map[causeKey]bool, len(rows))
	for i := range rows {
		behind[causeKey{rows[i].Cause.Kind, rows[i].Cause.ID}] = true
	}
	before := *h
	before.Booked = slices.Clone(h.Booked)
	for i := range u.Accruals {
		before.Booked = lessLine(before.Booked, u.Accruals[i], h)
	}
	before.Booked = slices.DeleteFunc(before.Booked, func(a rules.Accrual) bool {
		return a.BasisMinor == 0 && a.RewardMinor == 0 && a.CommissionMinor == 0 && a.CostMinor == 0
	})
	before.Instructed = slices.DeleteFunc(slices.Clone(h.Instructed), func(i rules.Instruction) bool {
		return slices.ContainsFunc(u.Instructions, func(tail rules.Instruction) bool { return tail.ID == i.ID })
	})
	isBehind := func(c *rules.Cause) bool { return behind[causeKey{c.Kind, c.ID}] }
	before.Grants, before.Told = grantsBefore(h, u, isBehind), toldBefore(h, u, isBehind)
	return &before
}

// grantsBefore are the newest grants that are not behind the marker.
func grantsBefore(h *rules.AccountHistory, u *rules.Unmarked, isBehind func(*rules.Cause) bool) (before []rules.Grant) {
	type key struct {
		budget        rules.BudgetKey
		transactionID string
	}
	newest := map[key]rules.Grant{}
	for i := range u.Grants {
		if g := &u.Grants[i]; !isBehind(&g.Cause) {
			newest[key{g.Budget, g.TransactionID}] = *g
		}
	}
	for i := range h.Grants { // in their order
		if g, ok := newest[key{h.Grants[i].Budget, h.Grants[i].TransactionID}]; ok {
			before = append(before, g)
		}
	}
	return before
}

// toldBefore are the newest referrals that are not behind the marker.
func toldBefore(h *rules.AccountHistory, u *rules.Unmarked, isBehind func(*rules.Cause) bool) (before []rules.Referral) {
	newest := map[[4]string]rules.Referral{}
	for i := range u.Told {
		if f := &u.Told[i]; !isBehind(&f.Cause) {
			newest[toldKey(f)] = *f
		}
	}
	for i := range h.Told {
		if f, ok := newest[toldKey(&h.Told[i])]; ok {
			before = append(before, f)
		}
	}
	return before
}

func toldKey(f *rules.Referral) [4]string {
	return [4]string{f.TransactionID, f.PartnerID, f.OfferID, f.SponsorAccountID}
}

// lessLine takes one line out of sums, which may leave a sum out that is 0.
func lessLine(sums []rules.Accrual, l rules.Accrual, h *rules.AccountHistory) []rules.Accrual {
	for i := range sums {
		if s := &sums[i]; sameLine(s, &l) {
			s.BasisMinor, s.RewardMinor = s.BasisMinor-l.BasisMinor, s.RewardMinor-l.RewardMinor
			s.CommissionMinor, s.CostMinor = s.CommissionMinor-l.CommissionMinor, s.CostMinor-l.CostMinor
			return sums
		}
	}
	l.BasisMinor, l.RewardMinor, l.CommissionMinor, l.CostMinor = -l.BasisMinor, -l.RewardMinor, -l.CommissionMinor, -l.CostMinor
	l.AccountID, l.MemberID, l.BeneficiaryID = h.AccountID, h.MemberID, h.AccountID
	switch l.Role {
	case rules.RolePartner:
		l.BeneficiaryID = l.PartnerID
	case rules.RoleSponsor:
		l.AccountID = "" // not known here: its purchase tells
	}
	return append(sums, l)
}

// sameLine reports that two lines add up to one sum of the ledger.
func sameLine(a, b *rules.Accrual) bool {
	return a.AccountRef == b.AccountRef && a.Programme == b.Programme && a.TransactionID == b.TransactionID && a.PartnerID == b.PartnerID &&
		a.StoreID == b.StoreID && a.OfferID == b.OfferID && a.OfferVersion == b.OfferVersion && a.BeneficiaryRef == b.BeneficiaryRef &&
		a.Role == b.Role && a.Kind == b.Kind && a.Unit == b.Unit && a.Stage == b.Stage
}
