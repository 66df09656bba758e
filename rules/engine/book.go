package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
	"ristourne/rules/reason"
)

// book writes the difference between what is due and what is booked, key
// by key, and tells what is due by it. It reports whether a line was booked.
//
// A difference in the basis alone is booked too: it is an amount of the line,
// and its sum would depend on the order of arrival otherwise.
func (e *Engine) book(a *Account, d decision, out *rules.Output) bool {
	before := len(out.Accruals)
	e.nets = e.nets[:0]
	for i := range e.valued {
		w := &e.valued[i]
		e.bookPurchase(a, w, d, out)
		e.publishReferrals(a, &a.purchases[w.index], e.referralsDue[w.referrals.from:w.referrals.to], d, out)
	}
	if d.facts || a.needsFullRun {
		e.bookFacts(a, d, out)
	}
	if d.facts || d.referrals || a.needsFullRun {
		e.bookReferrals(a, d, out)
	}
	e.instruct(a, d, out)
	return len(out.Accruals) > before
}

func (e *Engine) bookPurchase(a *Account, worked *valuedPurchase, d decision, out *rules.Output) {
	p := &a.purchases[worked.index]
	about := rules.Accrual{
		AccountID: a.id, TransactionID: p.id, PurchasedAt: p.at, MemberID: worked.memberID, Level: worked.level,
	}
	if p.known() {
		anchor := &a.events[p.anchor]
		about.Channel, about.MCC = anchor.channel, anchor.mcc
	}
	e.bookChain(a, &p.lines, e.entitlements[worked.start:worked.end], &about, worked, d, out)
}

// bookChain makes the booked lines of one chain what the entitlements say. about is
// what all its accruals have in common.
func (e *Engine) bookChain(a *Account, head *int32, deserved []entitlement, about *rules.Accrual, worked *valuedPurchase, d decision, out *rules.Output) {
	index := indexEntitlements(deserved)
	for at := head; *at >= 0; {
		l := &a.lines[*at]
		should := entitlement{lineKey: l.lineKey, programme: l.programme}
		if i := index.of(deserved, l.lineKey, l.programme); i >= 0 {
			deserved[i].found = true
			should = deserved[i]
		} else {
			should.why = e.takenBack(l, deserved, worked)
		}
		if difference := should.minus(l.sums); difference != (sums{}) {
			should.campaigns = cmp.Or(should.campaigns, l.campaigns)
			e.accrue(a, about, l.programme, &should, difference, worked, d, out)
			l.sums, l.campaigns = should.sums, should.campaigns
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
		*head = a.newLine(line{
			lineKey: should.lineKey, sums: should.sums, programme: should.programme, campaigns: should.campaigns, next: *head,
		})
	}
}

// programmeLine is a key of the ledger, and where it was booked.
type programmeLine struct {
	lineKey
	programme string
}

// entitlementIndex is where each line is among many; nil: they are few.
type entitlementIndex map[programmeLine]int

func indexEntitlements(deserved []entitlement) entitlementIndex {
	if len(deserved) <= fewNumbered {
		return nil
	}
	index := make(entitlementIndex, len(deserved))
	for i := range deserved {
		index[programmeLine{deserved[i].lineKey, deserved[i].programme}] = i
	}
	return index
}

// of is where the line is; -1: none is due.
func (x entitlementIndex) of(deserved []entitlement, key lineKey, programme string) int {
	if x == nil {
		return slices.IndexFunc(deserved, func(l entitlement) bool { return l.lineKey == key && l.programme == programme })
	}
	if i, ok := x[programmeLine{key, programme}]; ok {
		return i
	}
	return -1
}

// takenBack is why a booked line is no longer due: the reasons of its own
// offer, beside those of the purchase as a whole.
func (e *Engine) takenBack(l *line, deserved []entitlement, worked *valuedPurchase) reason.Set {
	why := worked.why
	for _, u := range e.unawarded[worked.unawarded.from:worked.unawarded.to] {
		if u.offer == l.offer && u.role == l.role {
			why |= u.why
		}
	}
	for i := range deserved {
		if d := &deserved[i]; d.role == l.role && d.offer == l.offer && (d.partner != l.partner || d.store != l.store || d.version != l.version) {
			return why | reason.Moved
		}
	}
	return why
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
func (e *Engine) accrue(a *Account, about *rules.Accrual, programme string, l *entitlement, s sums, worked *valuedPurchase, d decision, out *rules.Output) {
	out.Accruals = append(out.Accruals, *about)
	x := &out.Accruals[len(out.Accruals)-1]
	x.Programme, x.BeneficiaryID = programme, a.id
	if l.role == rules.RolePartner {
		x.BeneficiaryID = l.partner
	}
	x.Role, x.Kind, x.Stage, x.Unit = l.role, l.kind, l.stage, l.unit
	x.PartnerID, x.StoreID, x.OfferID, x.OfferVersion = l.partner, l.store, l.offer, l.version
	x.BasisMinor, x.RewardMinor, x.CommissionMinor, x.CostMinor = s.basisMinor, s.rewardMinor, s.commissionMinor, s.costMinor
	x.Currency = e.currencyOfLine(l)
	x.Cause = d.cause
	if l.campaigns != "" {
		x.CampaignIDs = strings.Split(l.campaigns, campaignSeparator)
	}
	if l.kind == rules.Wallet && l.offer != "" {
		e.dateWallet(x)
	}
	why := l.why
	if d.repair > 0 {
		why |= reason.Repaired
	}
	x.Reasons = e.reasons.Names(why)
	x.ID = e.accrualID(x, d)
	if l.stage == rules.Confirmed && l.kind == rules.Cash && l.role != rules.RolePartner {
		a.cashIn(x.Currency).confirmedMinor += s.rewardMinor
		e.addNet(programme, x.Currency, s.rewardMinor, worked)
	}
}

// currencyOfLine is the currency of a line's money: that of the offer's
// programme where the unit is points.
func (e *Engine) currencyOfLine(l *entitlement) money.Currency {
	if l.currency != (money.Currency{}) {
		return l.currency
	}
	if c, ok := money.ParseCurrency(l.unit); ok {
		return c
	}
	if o := e.snapshot.bookedOffer(l.programme, l.partner, l.offer, l.version); o != nil {
		return o.Currency
	}
	return money.Currency{}
}

// dateWallet says from when to when a wallet's money can be spent.
func (e *Engine) dateWallet(x *rules.Accrual) {
	o := e.snapshot.bookedOffer(x.Programme, x.PartnerID, x.OfferID, x.OfferVersion)
	if o == nil {
		return
	}
	x.UsableFrom = x.PurchasedAt.AddDays(o.Reward.Wallet.UsableAfterDays)
	if days := o.Reward.Wallet.ExpiresAfterDays; days > 0 {
		x.ExpiresAt = x.PurchasedAt.AddDays(days)
	}
}

// bookedOffer is the offer in the version that a line names; nil: the
// catalogue has it no more, or the line names none.
func (s *Snapshot) bookedOffer(programmeID, partnerID, offerID, version string) *compiledOffer {
	var offers []compiledOffer
	if i, ok := s.partnerIndex[partnerID]; ok {
		for n := range s.partners[i].versions {
			if v := &s.partners[i].versions[n]; v.Version.ID == version {
				offers = v.offers
			}
		}
	} else if i, ok := s.programmeIndex[programmeID]; ok && partnerID == "" {
		for n := range s.programmes[i].versions {
			if v := &s.programmes[i].versions[n]; v.Version.ID == version {
				offers = v.offers
			}
		}
	}
	return offerNamed(offers, offerID)
}

func offerNamed(offers []compiledOffer, id string) *compiledOffer {
	for i := range offers {
		if offers[i].ID == id {
			return &offers[i]
		}
	}
	return nil
}

// accrualID hashes the line's key and cause. Strings carry their length, so
// that no two keys give the same bytes.
func (e *Engine) accrualID(x *rules.Accrual, d decision) rules.AccrualID {
	b := e.buf[:0]
	for _, s := range [...]string{
		x.AccountID, x.TransactionID, x.OfferID, x.OfferVersion, x.PartnerID, x.StoreID, x.BeneficiaryID, x.Unit, x.Programme, x.Cause.ID,
	} {
		b = codec.AppendString(b, s)
	}
	b = d.appendRepair(append(b, byte(x.Role), byte(x.Kind), byte(x.Stage), byte(x.Cause.Kind)))
	e.buf = b
	sum := sha256.Sum256(b)
	return rules.AccrualID(sum[:16])
}

// appendRepair tells the ids of a repair from those of its cause, and from those
// of every other repair.
func (d *decision) appendRepair(b []byte) []byte {
	if d.repair == 0 {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), d.repair)
}

func mark(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// bookFacts books the lines that facts entitle to by themselves. Their sums are
// kept by kind and unit, since that is all their key has.
func (e *Engine) bookFacts(a *Account, d decision, out *rules.Output) {
	e.entitlements = e.entitlements[:0]
	var met numbering[programmeLine]
	about, worked := rules.Accrual{AccountID: a.id}, valuedPurchase{}
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
		i, known := met.of(programmeLine{l.lineKey, l.programme})
		if !known {
			e.entitlements = append(e.entitlements, l)
			continue
		}
		e.entitlements[i].sums = e.entitlements[i].plus(l.sums)
	}
	e.entitlements = slices.DeleteFunc(e.entitlements, func(l entitlement) bool { return l.sums == (sums{}) })
	if a.factSumsDiffer(e.entitlements) {
		e.bookChain(a, &a.factLines, e.entitlements, &about, &worked, d, out)
	}
}

// factSumsDiffer reports whether some key of the ledger should sum up to
// something else. The programme is no part of a key: a fact that only moves
// what was booked before it to another programme books nothing.
func (a *Account) factSumsDiffer(deserved []entitlement) bool {
	lacks := make(map[lineKey]sums, len(deserved))
	for i := range deserved {
		lacks[deserved[i].lineKey] = lacks[deserved[i].lineKey].plus(deserved[i].sums)
	}
	for i := a.factLines; i >= 0; i = a.lines[i].next {
		lacks[a.lines[i].lineKey] = lacks[a.lines[i].lineKey].minus(a.lines[i].sums)
	}
	for _, s := range lacks {
		if s != (sums{}) {
			return true
		}
	}
	return false
}

// factLine is the line that a fact books by itself.
func factLine(f *rules.Fact) (l entitlement, ok bool) {
	l.role, l.stage = rules.RoleMember, rules.Confirmed
	switch f.Type {
	case rules.Adjustment:
		l.kind, l.unit, l.why = rules.Cash, f.Currency.String(), reason.Adjustment
		l.rewardMinor, l.costMinor = f.AmountMinor, f.AmountMinor
	case rules.PointsSpent:
		l.kind, l.unit, l.why = rules.Points, f.Unit, reason.Spent
		l.rewardMinor = -f.AmountMinor
	case rules.WalletSpent:
		l.kind, l.unit, l.why = rules.Wallet, f.Unit, reason.Spent
		l.rewardMinor = -f.AmountMinor
	default:
		return l, false
	}
	return l, true
}

// programmeOf is the programme to which a fact's money belongs: that of the
// account at the time, even once it left, else the first it was ever in.
func (e *Engine) programmeOf(a *Account, t rules.Instant) string {
	if s := a.standingAt(t); s.programme != "" {
		return s.programme
	}
	if v := e.snapshot.automaticAt(t); v != nil {
		return v.ID
	}
	return a.firstProgramme()
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
