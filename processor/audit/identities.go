package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ristourne/processor/replay"
	"ristourne/rules"
	"ristourne/rules/money"
)

// This file holds the rows of an account to what must be so whatever the rules say: by
// plain sums, without the engine, whose own faults it would not show.

// balanceKey is what is paid together.
type balanceKey struct{ programme, currency string }

// held is how an account stands in a balance.
type held struct {
	confirmedMinor  int64
	instructedMinor int64 // credits less debits, without the rejected
	rejectedMinor   int64 // credits less debits that came back
	shadowMinor     int64 // of what is instructed
}

// identities holds the account's rows to what must be so, adds them to the sums of
// the ledger, and gives how it stands.
func (a *audited) identities() map[balanceKey]*held {
	a.checkLines()
	a.checkGrants()
	words := a.checkResults()
	balances := a.walk(words)
	for key, s := range balances {
		b := a.balances[key]
		if b == nil {
			b = &Balance{Programme: key.programme, Currency: key.currency}
			a.balances[key] = b
		}
		b.ConfirmedMinor += s.confirmedMinor
		b.InstructedMinor += s.instructedMinor
		b.RejectedMinor += s.rejectedMinor
		b.ShadowMinor += s.shadowMinor
		b.CarriedMinor += max(0, s.confirmedMinor-s.instructedMinor)
		b.DebtMinor += max(0, s.instructedMinor-s.confirmedMinor)
	}
	return balances
}

// checkLines looks at each line by itself, at what they sum up to by purchase, and at
// what is left of points and of the wallet.
func (a *audited) checkLines() {
	booked := Sums{}
	awards := map[rules.LineKey]int64{} // of both stages and with what expired, over all versions
	type pool struct {
		kind rules.Kind
		unit string
	}
	left, spent := map[pool]int64{}, map[pool]int64{}
	for i := range a.lines {
		l := &a.lines[i]
		a.sum(l)
		booked.add(l)
		if what := malformed(l); what != "" {
			a.add(a.ofLine(LineMalformed, l, "line %x, %s: %s", l.ID, lineText(l), what))
		}
		saved := (l.Kind == rules.Points || l.Kind == rules.Wallet) && l.Stage == rules.Confirmed && l.Role != rules.RolePartner
		if saved {
			left[pool{l.Kind, l.Unit}] += l.RewardMinor
		}
		if l.TransactionID == "" {
			if saved {
				spent[pool{l.Kind, l.Unit}] -= l.RewardMinor
			}
			continue
		}
		key := l.Key()
		if key.Role == rules.RoleExpiry {
			key.Role = rules.RoleMember
		}
		if key.Stage = rules.Confirmed; l.Stage == rules.Confirmed {
			awards[key] += l.RewardMinor + l.CommissionMinor
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(awards), compareKeys) {
		if minor := awards[key]; minor < 0 {
			a.add(Difference{
				Class: AwardNegative, TransactionID: key.TransactionID, PartnerID: key.PartnerID,
				What: fmt.Sprintf("the lines of %s %s of %s/%s for purchase %s come to %s confirmed", key.Role, key.Kind, key.PartnerID, key.OfferID, key.TransactionID, inUnit(minor, key.Unit)),
			})
		}
	}
	losses := a.agreed.lossesOf(booked)
	for _, p := range slices.SortedFunc(maps.Keys(losses), func(x, y purchaseAt) int { return cmp.Compare(x.transaction, y.transaction) }) {
		a.add(Difference{
			Class: PurchaseLoss, TransactionID: p.transaction, PartnerID: p.partner,
			What: fmt.Sprintf("purchase %s costs %d minor units more than partner %s owes for it, and no offer says that the programme pays", p.transaction, losses[p], p.partner),
		})
	}
	for _, p := range slices.SortedFunc(maps.Keys(left), func(x, y pool) int { return cmp.Compare(x.unit, y.unit) }) {
		switch minor := left[p]; {
		case minor+spent[p] < 0:
			a.add(Difference{Class: Overspent, What: fmt.Sprintf("the %s in %s has %s, and %s was spent: what was put in is under 0", p.kind, p.unit, inUnit(minor, p.unit), inUnit(spent[p], p.unit))})
		case minor < 0:
			a.notice(Difference{Class: Overspent, What: fmt.Sprintf("the %s in %s has %s: more was spent, %s, than is in it; what comes in is taken for it", p.kind, p.unit, inUnit(minor, p.unit), inUnit(spent[p], p.unit))})
		}
	}
}

// malformed says what is wrong with a line by itself; empty: nothing.
func malformed(l *rules.Accrual) string {
	switch isMoney := l.Kind == rules.Cash || l.Kind == rules.Wallet; {
	case l.Role == rules.RolePartner && (l.RewardMinor != 0 || l.CostMinor != 0):
		return "a partner gets no reward"
	case l.Role == rules.RolePartner && l.Kind != rules.CommissionKind, l.Role != rules.RolePartner && l.CommissionMinor != 0:
		return "a partner alone owes commission"
	case isMoney && l.CostMinor != l.RewardMinor && (l.Kind == rules.Cash || l.TransactionID != ""): // what is spent was cost when it was given
		return fmt.Sprintf("it costs %s", inUnit(l.CostMinor, l.Currency.String()))
	case isMoney && l.Unit != l.Currency.String():
		return fmt.Sprintf("its unit is %s and its currency %s", l.Unit, l.Currency)
	}
	return ""
}

// sum adds a line to the sums that are held against the store's own.
func (a *audited) sum(l *rules.Accrual) {
	name := rules.LedgerSum{Programme: l.Programme, PartnerID: l.PartnerID, Currency: l.Currency.String(), Stage: l.Stage, Role: l.Role}
	s := a.sums[name]
	if s == nil {
		of := name
		s = &of
		a.sums[name] = s
	}
	s.Lines++
	if l.Kind != rules.Points {
		s.RewardMinor += l.RewardMinor
	}
	s.CommissionMinor += l.CommissionMinor
	s.CostMinor += l.CostMinor
}

// checkGrants follows what each purchase has of each budget from grant to grant.
func (a *audited) checkGrants() {
	has := map[grantKey]int64{}
	for i := range a.grants {
		g := &a.grants[i]
		key := grantKey{budget: g.Budget, transaction: g.TransactionID}
		if has[key]+g.ChangeMinor != g.GrantedMinor || g.GrantedMinor < 0 || g.GrantedMinor > g.TargetMinor {
			a.add(a.ofGrant(GrantAltered, g, "purchase %s had %s of budget %s, got %s by %s %q, and has %s of the %s that it deserves", g.TransactionID,
				inUnit(has[key], g.Unit), g.Budget, inUnit(g.ChangeMinor, g.Unit), g.Cause.Kind, g.Cause.ID, inUnit(g.GrantedMinor, g.Unit), inUnit(g.TargetMinor, g.Unit)))
		}
		has[key] = g.GrantedMinor
	}
}

// word is what the bank said of an instruction, as part of the account's records.
type word struct {
	place         int // of the record
	instructionID string
	status        rules.ResultStatus
	reason        string
	at            rules.Instant
}

// checkResults holds what the bank said against the instructions and against the
// records of it that changed something.
func (a *audited) checkResults() (words []word) {
	at := func(c *rules.Cause) position { return position{partition: c.Partition, offset: c.Offset} } // these rows name no cause
	said := make(map[position]*rules.ResultRow, len(a.results))
	for i := range a.results {
		r := &a.results[i]
		said[at(&r.Cause)] = r
		if !a.everGiven[r.Result.InstructionID] {
			a.add(Difference{
				Class: ResultUnknown, InstructionID: r.Result.InstructionID, CauseID: r.Cause.ID,
				What: fmt.Sprintf("the bank says %s of instruction %s, which the account was never given", r.Result.Status, r.Result.InstructionID),
			})
		}
	}
	for i := range a.set {
		row := &a.set[i]
		if row.Cause.Kind != rules.CauseResult {
			continue
		}
		var r rules.Result
		if r.UnmarshalBinary(row.Payload) != nil {
			continue // to work the account out tells
		}
		words = append(words, word{i, r.InstructionID, r.Status, r.Reason, r.At})
		d := Difference{Class: ResultAltered, InstructionID: r.InstructionID, CauseID: row.Cause.ID}
		switch of := said[at(&row.Cause)]; {
		case of == nil:
			d.Class = ResultMissing
			d.What = fmt.Sprintf("the account took the bank's word %s on instruction %s, and results_log has none of it", r.Status, r.InstructionID)
			a.add(d)
		case of.Result.InstructionID != r.InstructionID || of.Result.Status != r.Status || of.Result.Reason != r.Reason || of.Result.At != r.At:
			d.What = fmt.Sprintf("the account took the bank's word %s %s on instruction %s, and results_log says %s %s of %s",
				r.Status, r.Reason, r.InstructionID, of.Result.Status, of.Result.Reason, of.Result.InstructionID)
			a.add(d)
		}
	}
	return words
}

// counts is the word that says how an instruction stands: the latest; at one instant a
// rejection before a settlement before an acceptance.
func counts(words []word) (last word, any bool) {
	for i, x := range words {
		if i == 0 || cmp.Or(x.at.Compare(last.at), cmp.Compare(x.status, last.status), cmp.Compare(last.reason, x.reason)) > 0 {
			last = x
		}
	}
	return last, len(words) > 0
}

// cameBack reports that the money of an instruction stayed in the house. What the bank
// has seen before (AM05) was paid then.
func cameBack(words []word) bool {
	last, any := counts(words)
	return any && last.status == rules.Rejected && last.reason != rules.ReasonDuplicate
}

// move is one change of a balance, by the record at a place.
type move struct {
	place, order int // order within the record: the bank's word, lines, debits, credits
	key          balanceKey
	line         *rules.Accrual
	instruction  *rules.Instruction
	word         *word
}

const (
	byWord = iota
	byLine
	byDebit
	byCredit
)

// walk goes through what changed the account's balances, record by record. After each
// credit no more is instructed than is confirmed, and no record gives two instructions
// of one balance: but for a repair, which books behind what came after it, and a
// programme that doesn't look at all that was earned.
func (a *audited) walk(words []word) map[balanceKey]*held {
	moves := a.moves(words)
	slices.SortStableFunc(moves, func(x, y move) int { return cmp.Or(cmp.Compare(x.place, y.place), cmp.Compare(x.order, y.order)) })
	balances := map[balanceKey]*held{}
	said := map[string][]word{}
	type due struct {
		balanceKey
		cause replay.CauseKey
	}
	first := map[due]string{}
	for i := range moves {
		m := &moves[i]
		s := balances[m.key]
		if s == nil {
			s = &held{}
			balances[m.key] = s
		}
		switch m.order {
		case byLine:
			s.confirmedMinor += m.line.RewardMinor
			continue
		case byWord:
			before := cameBack(said[m.word.instructionID])
			said[m.word.instructionID] = append(said[m.word.instructionID], *m.word)
			s.stand(m.instruction.SignedMinor(), before, cameBack(said[m.word.instructionID]))
			continue
		}
		x := m.instruction
		a.sumInstruction(x)
		s.instructedMinor += x.SignedMinor()
		if x.IsShadow() {
			s.shadowMinor += x.SignedMinor()
		}
		if other := first[due{m.key, replay.KeyOf(&x.Cause)}]; other != "" && other != x.ID && !a.repaired {
			a.add(a.ofInstruction(InstructionTwice, x, "%s %q gave two instructions: %s and %s, %s", x.Cause.Kind, x.Cause.ID, other, x.ID, instructionText(x)))
		}
		first[due{m.key, replay.KeyOf(&x.Cause)}] = x.ID
		if m.order == byCredit && s.instructedMinor > s.confirmedMinor && !a.payFrom[x.Programme] && !a.repaired {
			a.add(a.ofInstruction(Overpaid, x, "with instruction %s, %s, the account has %s and was confirmed %s", x.ID, instructionText(x),
				inUnit(s.instructedMinor, m.key.currency), inUnit(s.confirmedMinor, m.key.currency)))
		}
	}
	return balances
}

// stand counts an instruction as it stands now.
func (s *held) stand(minor int64, was, is bool) {
	switch {
	case is && !was:
		s.instructedMinor -= minor
		s.rejectedMinor += minor
	case was && !is:
		s.instructedMinor += minor
		s.rejectedMinor -= minor
	}
}

func (a *audited) moves(words []word) (moves []move) {
	place := func(c *rules.Cause) int {
		if at, known := a.places.of(c); known {
			return at
		}
		return -1 // of no record: before all others, as what was put back
	}
	for i := range a.lines {
		if l := &a.lines[i]; l.Kind == rules.Cash && l.Stage == rules.Confirmed && l.Role != rules.RolePartner {
			moves = append(moves, move{place: place(&l.Cause), order: byLine, key: balanceKey{l.Programme, l.Unit}, line: l})
		}
	}
	given := make(map[string]*rules.Instruction, len(a.instructions))
	for i := range a.instructions {
		x := &a.instructions[i]
		given[x.ID] = x
		order := byCredit
		if x.Direction == rules.Debit {
			order = byDebit
		}
		moves = append(moves, move{place: place(&x.Cause), order: order, key: balanceKey{x.Programme, x.Currency.String()}, instruction: x})
	}
	for i := range words {
		if x := given[words[i].instructionID]; x != nil {
			moves = append(moves, move{place: words[i].place, order: byWord, key: balanceKey{x.Programme, x.Currency.String()}, instruction: x, word: &words[i]})
		}
	}
	return moves
}

// sumInstruction adds one to the sums that are held against the store's own.
func (a *audited) sumInstruction(x *rules.Instruction) {
	name := rules.InstructedSum{Programme: x.Programme, Currency: x.Currency.String(), Direction: x.Direction}
	s := a.instructed[name]
	if s == nil {
		of := name
		s = &of
		a.instructed[name] = s
	}
	s.Instructions++
	s.AmountMinor += x.AmountMinor
}

// compareBalances holds the plain sums against what the engine takes for confirmed and
// instructed: by which the next payment is worked out.
func (a *audited) compareBalances(decided *replay.Decided, plain map[balanceKey]*held) {
	if a.Programme != "" {
		return // the engine's are over all programmes
	}
	sums := map[string]held{}
	for key, s := range plain {
		sum := sums[key.currency]
		sum.confirmedMinor += s.confirmedMinor
		sum.instructedMinor += s.instructedMinor
		sums[key.currency] = sum
	}
	for code, s := range sums {
		confirmed, instructed := decided.Account.ConfirmedCash(currencyOf(code))
		if confirmed != s.confirmedMinor || instructed != s.instructedMinor {
			a.add(Difference{Class: BalanceDiffers, What: fmt.Sprintf("the rows come to %s confirmed and %s instructed, the records to %s and %s",
				inUnit(s.confirmedMinor, code), inUnit(s.instructedMinor, code), inUnit(confirmed, code), inUnit(instructed, code))})
		}
	}
}

// notice keeps what a person should see.
func (a *audited) notice(d Difference) {
	d.AccountRef, d.AccountID = a.ref, a.id
	a.noticed++
	if len(a.notices) < a.Limit {
		a.notices = append(a.notices, d)
	}
}

func currencyOf(code string) (c money.Currency) {
	c, _ = money.ParseCurrency(code) // of a line or an instruction: known
	return c
}
