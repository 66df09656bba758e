package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"ristourne/rules/money"
)

// book writes the difference between what is deserved and what is booked, key
// by key, and tells what is due by it. It reports whether a line was booked.
//
// A difference in the basis alone is booked too: it is an amount of the line,
// and its sum would depend on the order of arrival otherwise.
func (e *Engine) book(a *Account, d decision, out *Output) (bool, error) {
	before := len(out.Accruals)
	e.nets = e.nets[:0]
	for i := range e.worked {
		e.bookPurchase(a, &e.worked[i], d, out)
	}
	if d.facts || a.unsettled {
		e.bookFacts(a, d, out)
	}
	err := e.pay(a, d, out)
	return len(out.Accruals) > before, err
}

func (e *Engine) bookPurchase(a *Account, worked *workedPurchase, d decision, out *Output) {
	p := &a.purchases[worked.index]
	about := Accrual{
		TransactionID: p.id, PurchasedAt: p.at, MemberID: worked.memberID, Level: worked.level,
	}
	if p.known() {
		giver := &a.events[p.giver]
		about.Channel, about.MCC = giver.channel, giver.mcc
	}
	e.bookChain(a, &p.lines, e.deserved[worked.start:worked.end], &about, worked, d, out)
}

// bookChain makes the booked lines of one chain what is deserved. about is
// what all its accruals have in common.
func (e *Engine) bookChain(a *Account, head *int32, deserved []deservedLine, about *Accrual, worked *workedPurchase, d decision, out *Output) {
	for at := head; *at >= 0; {
		l := &a.lines[*at]
		should := deservedLine{lineKey: l.lineKey, programme: l.programme, why: takenBack(l, deserved, worked)}
		for i := range deserved {
			if deserved[i].lineKey == l.lineKey {
				deserved[i].found = true
				should = deserved[i]
				break
			}
		}
		if difference := should.minus(l.sums); difference != (sums{}) {
			e.accrue(a, about, l.programme, &should, difference, worked, d, out)
			l.sums = should.sums
		}
		if l.sums == (sums{}) {
			freed := *at
			*at = l.next
			a.freeLine(freed)
			continue
		}
		at = &l.next
	}
	for i := range deserved {
		should := &deserved[i]
		if should.found {
			continue
		}
		e.accrue(a, about, should.programme, should, should.sums, worked, d, out)
		*head = a.newLine(line{lineKey: should.lineKey, sums: should.sums, programme: should.programme, next: *head})
	}
}

// takenBack is why a booked line is no longer deserved.
func takenBack(l *line, deserved []deservedLine, worked *workedPurchase) reasons {
	for i := range deserved {
		if d := &deserved[i]; d.partner != l.partner || d.store != l.store || d.version != l.version {
			return worked.why | whyMoved
		}
	}
	return worked.why
}

func (a *Account) newLine(l line) int32 {
	if a.free < 0 {
		a.lines = append(a.lines, l)
		return int32(len(a.lines) - 1)
	}
	i := a.free
	a.free = a.lines[i].next
	a.lines[i] = l
	return i
}

func (a *Account) freeLine(i int32) {
	a.lines[i] = line{next: a.free}
	a.free = i
}

// accrue appends one ledger line and keeps the account's totals.
func (e *Engine) accrue(a *Account, about *Accrual, programme string, l *deservedLine, s sums, worked *workedPurchase, d decision, out *Output) {
	out.Accruals = append(out.Accruals, *about)
	x := &out.Accruals[len(out.Accruals)-1]
	x.Programme, x.AccountID, x.BeneficiaryID = programme, a.id, a.id
	if l.role == RolePartner {
		x.BeneficiaryID = l.partner
	}
	x.Role, x.Kind, x.Stage, x.Unit = l.role, l.kind, l.stage, l.unit
	x.PartnerID, x.StoreID, x.OfferID, x.OfferVersion = l.partner, l.store, l.offer, l.version
	x.BasisMinor, x.RewardMinor, x.CommissionMinor, x.CostMinor = s.basisMinor, s.rewardMinor, s.commissionMinor, s.costMinor
	x.Currency, _ = money.ParseCurrency(l.unit)
	x.Cause = d.cause
	why := l.why
	if d.repair {
		why |= whyRepaired
	}
	x.Reasons = e.reasons.names(why)
	x.ID = e.accrualID(x, d)
	if l.stage == Confirmed && l.kind == Cash && l.role == RoleMember {
		a.cashIn(x.Currency).confirmedMinor += s.rewardMinor
		e.net(programme, x.Currency, s.rewardMinor, worked)
	}
}

// accrualID hashes the line's key and cause. Strings carry their length, so
// that no two keys give the same bytes.
func (e *Engine) accrualID(x *Accrual, d decision) AccrualID {
	b := e.buf[:0]
	for _, s := range [...]string{
		x.AccountID, x.TransactionID, x.OfferID, x.OfferVersion, x.PartnerID, x.StoreID, x.BeneficiaryID, x.Unit, x.Cause.ID,
	} {
		b = appendString(b, s)
	}
	b = append(b, byte(x.Role), byte(x.Kind), byte(x.Stage), byte(x.Cause.Kind), mark(d.repair))
	e.buf = b
	sum := sha256.Sum256(b)
	return AccrualID(sum[:16])
}

func mark(repair bool) byte {
	if repair {
		return 1
	}
	return 0
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// bookFacts books the lines that facts deserve by themselves. Their sums are
// kept by kind and unit, since that is all their key has.
func (e *Engine) bookFacts(a *Account, d decision, out *Output) {
	e.deserved = e.deserved[:0]
	about, worked := Accrual{}, workedPurchase{}
	for i := range a.facts {
		f := &a.facts[i]
		l, ok := factLine(f)
		if !ok || !e.snapshot.takesEvents(a, f.At) {
			continue
		}
		l.programme = e.programmeOf(a, f.At)
		worked.statement = e.snapshot.programmeTitle(l.programme, f.At)
		standing := a.standingAt(f.At)
		about.PurchasedAt, about.MemberID, about.Level = f.At, standing.memberID, standing.level
		e.addDeserved(l)
	}
	e.deserved = slices.DeleteFunc(e.deserved, func(l deservedLine) bool { return l.sums == (sums{}) })
	e.bookChain(a, &a.factLines, e.deserved, &about, &worked, d, out)
}

func (e *Engine) addDeserved(l deservedLine) {
	for i := range e.deserved {
		if e.deserved[i].lineKey == l.lineKey {
			e.deserved[i].sums = e.deserved[i].plus(l.sums)
			return
		}
	}
	e.deserved = append(e.deserved, l)
}

// factLine is the line that a fact books by itself.
func factLine(f *Fact) (l deservedLine, ok bool) {
	l.role, l.stage = RoleMember, Confirmed
	switch f.Type {
	case Adjustment:
		l.kind, l.unit, l.why = Cash, f.Currency.String(), whyAdjustment
		l.rewardMinor, l.costMinor = f.AmountMinor, f.AmountMinor
	case PointsSpent:
		l.kind, l.unit, l.why = Points, f.Unit, whySpent
		l.rewardMinor = -f.AmountMinor
	case WalletSpent:
		l.kind, l.unit, l.why = Wallet, f.Unit, whySpent
		l.rewardMinor = -f.AmountMinor
	default:
		return l, false
	}
	return l, true
}

// programmeOf is the programme to which a fact's money belongs: that of the
// account at the time, even once it left, else the first it was ever in.
func (e *Engine) programmeOf(a *Account, t Instant) string {
	if s := a.standingAt(t); s.programme != "" {
		return s.programme
	}
	if v := e.snapshot.automaticAt(t); v != nil {
		return v.ID
	}
	for i := range a.facts {
		if a.facts[i].Type == Enrolled {
			return a.facts[i].Programme
		}
	}
	return ""
}

// AdoptBooked takes the sums that the ledger's store holds for the ones the
// account believes to be booked, purchase by purchase; Repair then books what
// is missing. Lines of one key may come in parts. Only the fields of the key,
// the programme and the amounts are read. Strings are kept as they are.
func (a *Account) AdoptBooked(booked []Accrual) {
	a.unsettled = true
	a.lines, a.free, a.factLines = a.lines[:0], -1, -1
	for i := range a.purchases {
		a.purchases[i].lines = -1
	}
	for i := range a.cash {
		a.cash[i].confirmedMinor = 0
	}
	for i := range booked {
		a.adoptLine(&booked[i])
	}
	a.dropEmptyPurchases()
}

func (a *Account) adoptLine(x *Accrual) {
	head := &a.factLines
	if x.TransactionID != "" {
		i := a.find(x.TransactionID)
		if i < 0 {
			i = a.insertPurchase(purchase{id: x.TransactionID, giver: -1, events: -1, lines: -1, at: x.PurchasedAt})
		}
		head = &a.purchases[i].lines
	}
	key := lineKey{
		partner: x.PartnerID, store: x.StoreID, offer: x.OfferID, version: x.OfferVersion,
		unit: x.Unit, role: x.Role, kind: x.Kind, stage: x.Stage,
	}
	s := sums{x.BasisMinor, x.RewardMinor, x.CommissionMinor, x.CostMinor}
	if key.stage == Confirmed && key.kind == Cash && key.role == RoleMember {
		if c, ok := money.ParseCurrency(x.Unit); ok {
			a.cashIn(c).confirmedMinor += x.RewardMinor
		}
	}
	for i := *head; i >= 0; i = a.lines[i].next {
		if a.lines[i].lineKey == key {
			a.lines[i].sums = a.lines[i].plus(s)
			return
		}
	}
	*head = a.newLine(line{lineKey: key, sums: s, programme: x.Programme, next: *head})
}

// AdoptInstructed takes what the bank was told to pay, credits less debits by
// currency, for what the account believes; Repair then instructs what is due.
func (a *Account) AdoptInstructed(instructedMinor map[money.Currency]int64) {
	a.unsettled = true
	for i := range a.cash {
		a.cash[i].instructedMinor = 0
	}
	for c, minor := range instructedMinor {
		a.cashIn(c).instructedMinor = minor
	}
	slices.SortFunc(a.cash, func(x, y cashTotal) int { return cmp.Compare(x.currency.String(), y.currency.String()) })
}

// ConfirmedCash is what the account was confirmed in the currency, and what
// of it the bank was told to pay: credits less debits.
func (a *Account) ConfirmedCash(c money.Currency) (confirmedMinor, instructedMinor int64) {
	for i := range a.cash {
		if a.cash[i].currency == c {
			return a.cash[i].confirmedMinor, a.cash[i].instructedMinor
		}
	}
	return 0, 0
}
