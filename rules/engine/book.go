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

// booking is what one decision books: what is due, as entitle has noted it purchase
// by purchase, against what the account has, under the cause and into the output
// of the decision. It values nothing. Its slices are used again by the next.
type booking struct {
	decision
	snapshot *Snapshot
	account  *Account
	out      *rules.Output

	valued       []valuedPurchase
	entitlements []entitlement
	unawarded    []unawarded
	referralsDue []publishedReferral
	campaigns    []string
	nets         []net
	before       []int64                  // by balance, what of it counts before the record, where not all does
	dueNumbers   numbering[programmeLine] // of the chain at hand, where much is due by it
	reasons      reason.Cache
	buf          []byte // to hash ids from
}

func (b *booking) begin(s *Snapshot, a *Account, d decision, out *rules.Output) {
	b.decision, b.snapshot, b.account, b.out = d, s, a, out
	b.nets = b.nets[:0]
	b.restart()
}

// restart forgets what the first run of a decision has found due.
func (b *booking) restart() {
	b.valued, b.entitlements, b.unawarded = b.valued[:0], b.entitlements[:0], b.unawarded[:0]
	b.referralsDue, b.campaigns = b.referralsDue[:0], b.campaigns[:0]
}

// takeBack notes that nothing is due by purchase i, whose events have moved.
func (b *booking) takeBack(i int) {
	b.valued = append(b.valued, valuedPurchase{index: int32(i), why: reason.Moved})
}

// bookPurchases writes the difference between what is due by the valued purchases
// and what is booked, key by key, and publishes what they give sponsors.
//
// A difference in the basis alone is booked too: it is an amount of the line,
// and its sum would depend on the order of arrival otherwise.
func (b *booking) bookPurchases() {
	for i := range b.valued {
		v := &b.valued[i]
		b.bookPurchase(v)
		b.publishReferrals(&b.account.purchases[v.index], b.referralsDue[v.referrals.from:v.referrals.to])
	}
}

func (b *booking) bookPurchase(v *valuedPurchase) {
	a := b.account
	p := &a.purchases[v.index]
	about := rules.Accrual{
		AccountID: a.id, TransactionID: p.id, PurchasedAt: p.at, MemberID: v.memberID, Level: v.level,
	}
	if p.known() {
		anchor := &a.events[p.anchor]
		about.Channel, about.MCC = anchor.channel, anchor.mcc
	}
	b.bookChain(&chain{head: &p.lines, due: b.entitlements[v.start:v.end], about: &about, valued: v})
}

// chain is the booked lines of one purchase, referral or of all facts, and what
// they are to become.
type chain struct {
	head   *int32
	due    []entitlement
	about  *rules.Accrual // what all its accruals have in common
	valued *valuedPurchase
	expiry bool // of the lines of lots that are gone alone; else of all others
}

// bookChain makes the booked lines of one chain what the entitlements say.
func (b *booking) bookChain(c *chain) {
	a, due := b.account, c.due
	b.numberDue(due)
	for at := c.head; *at >= 0; {
		l := &a.lines[*at]
		if l.role == rules.RoleExpiry != c.expiry {
			at = &l.next
			continue
		}
		should := entitlement{lineKey: l.lineKey, programme: l.programme}
		if i := b.dueBy(due, l.lineKey, l.programme); i >= 0 {
			due[i].found = true
			should = due[i]
		} else {
			should.why = b.takenBack(l, c)
		}
		if difference := should.minus(l.sums); difference != (sums{}) {
			should.campaigns = cmp.Or(should.campaigns, l.campaigns)
			b.accrue(c, &should, difference)
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
	for i := range due {
		should := &due[i]
		if should.found {
			continue
		}
		b.accrue(c, should, should.sums)
		*c.head = a.newLine(line{
			lineKey: should.lineKey, sums: should.sums, programme: should.programme, campaigns: should.campaigns, next: *c.head,
		})
	}
}

// programmeLine is a key of the ledger, and where it was booked.
type programmeLine struct {
	lineKey
	programme string
}

// numberDue numbers what is due by a chain, where it is much. No two entitlements
// of a chain have one key, so that the numbers are their places.
func (b *booking) numberDue(due []entitlement) {
	if len(due) <= fewNumbered {
		return
	}
	b.dueNumbers.reset()
	for i := range due {
		b.dueNumbers.of(programmeLine{due[i].lineKey, due[i].programme})
	}
}

// dueBy is where the line is among what is due; -1: nothing is due by it.
func (b *booking) dueBy(due []entitlement, key lineKey, programme string) int {
	if len(due) > fewNumbered {
		return b.dueNumbers.find(programmeLine{key, programme})
	}
	return slices.IndexFunc(due, func(l entitlement) bool { return l.lineKey == key && l.programme == programme })
}

// takenBack is why a booked line is no longer due: the reasons of its own
// offer, beside those of the purchase as a whole.
func (b *booking) takenBack(l *line, c *chain) reason.Set {
	why := c.valued.why
	for _, u := range b.unawarded[c.valued.unawarded.from:c.valued.unawarded.to] {
		if u.offer == l.offer && u.role == l.role {
			why |= u.why
		}
	}
	for i := range c.due {
		if d := &c.due[i]; d.role == l.role && d.offer == l.offer && (d.partner != l.partner || d.store != l.store || d.version != l.version) {
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

// accrue appends one ledger line, of the sums by which l differs from what is
// booked, and keeps the account's totals.
func (b *booking) accrue(c *chain, l *entitlement, s sums) {
	a, out := b.account, b.out
	out.Accruals = append(out.Accruals, *c.about)
	x := &out.Accruals[len(out.Accruals)-1]
	x.Programme, x.BeneficiaryID = l.programme, a.id
	if l.role == rules.RolePartner {
		x.BeneficiaryID = l.partner
	}
	x.Role, x.Kind, x.Stage, x.Unit = l.role, l.kind, l.stage, l.unit
	x.PartnerID, x.StoreID, x.OfferID, x.OfferVersion = l.partner, l.store, l.offer, l.version
	x.BasisMinor, x.RewardMinor, x.CommissionMinor, x.CostMinor = s.basisMinor, s.rewardMinor, s.commissionMinor, s.costMinor
	x.Currency = b.snapshot.currencyOfLine(l)
	x.Cause = b.cause
	if l.campaigns != "" {
		x.CampaignIDs = strings.Split(l.campaigns, campaignSeparator)
	}
	if l.kind == rules.Wallet && l.offer != "" {
		b.snapshot.dateWallet(x)
	}
	why := l.why
	if b.repair > 0 {
		why |= reason.Repaired
	}
	x.Reasons = b.reasons.Names(why)
	x.ID = b.accrualID(x)
	if l.isCash() {
		balance := a.balanceOf(l.programme, x.Currency)
		a.balances[balance].confirmedMinor += s.rewardMinor
		b.addNet(balance, s.rewardMinor, c.valued)
	}
}

// currencyOfLine is the currency of a line's money: that of the offer's
// programme where the unit is points.
func (s *Snapshot) currencyOfLine(l *entitlement) money.Currency {
	if l.currency != (money.Currency{}) {
		return l.currency
	}
	if c, ok := money.ParseCurrency(l.unit); ok {
		return c
	}
	if o := s.bookedOffer(l.programme, l.partner, l.offer, l.version); o != nil {
		return o.Currency
	}
	return money.Currency{}
}

// dateWallet says from when to when a wallet's money can be spent.
func (s *Snapshot) dateWallet(x *rules.Accrual) {
	o := s.bookedOffer(x.Programme, x.PartnerID, x.OfferID, x.OfferVersion)
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
func (b *booking) accrualID(x *rules.Accrual) rules.AccrualID {
	buf := b.buf[:0]
	for _, s := range [...]string{
		x.AccountID, x.TransactionID, x.OfferID, x.OfferVersion, x.PartnerID, x.StoreID, x.BeneficiaryID, x.Unit, x.Programme, x.Cause.ID,
	} {
		buf = codec.AppendString(buf, s)
	}
	buf = b.appendRepair(append(buf, byte(x.Role), byte(x.Kind), byte(x.Stage), byte(x.Cause.Kind)))
	b.buf = buf
	sum := sha256.Sum256(buf)
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
func (b *booking) bookFacts() {
	a := b.account
	b.entitlements = b.entitlements[:0]
	var met numbering[programmeLine]
	about, valued := rules.Accrual{AccountID: a.id}, valuedPurchase{}
	b.snapshot.factLinesOf(a, func(l entitlement, at rules.Instant) {
		valued.statement = b.snapshot.programmeTitle(l.programme, at)
		standing := a.standingAt(at)
		about.PurchasedAt, about.MemberID, about.Level = at, standing.memberID, standing.level
		i, known := met.of(programmeLine{l.lineKey, l.programme})
		if !known {
			b.entitlements = append(b.entitlements, l)
			return
		}
		b.entitlements[i].sums = b.entitlements[i].plus(l.sums)
	})
	if b.closing != nil {
		about.PurchasedAt = b.at
		for i := range b.entitlements {
			if l := &b.entitlements[i]; l.isCash() {
				l.why = reason.WriteOff
			}
		}
	}
	b.entitlements = slices.DeleteFunc(b.entitlements, func(l entitlement) bool { return l.sums == (sums{}) })
	if a.factSumsDiffer(b.entitlements) {
		b.bookChain(&chain{head: &a.factLines, due: b.entitlements, about: &about, valued: &valued})
	}
}

// factSumsDiffer reports whether some key of the ledger should sum up to
// something else. The programme is no part of a key: a fact that only moves
// what was booked before it to another programme books nothing, but for cash,
// which each programme pays by itself.
func (a *Account) factSumsDiffer(due []entitlement) bool {
	lacks := make(map[programmeLine]sums, len(due))
	of := func(k *lineKey, programme string) programmeLine {
		if !k.isCash() {
			programme = ""
		}
		return programmeLine{*k, programme}
	}
	for i := range due {
		k := of(&due[i].lineKey, due[i].programme)
		lacks[k] = lacks[k].plus(due[i].sums)
	}
	for i := a.factLines; i >= 0; i = a.lines[i].next {
		k := of(&a.lines[i].lineKey, a.lines[i].programme)
		lacks[k] = lacks[k].minus(a.lines[i].sums)
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
func (s *Snapshot) programmeOf(a *Account, t rules.Instant) string {
	if s := a.standingAt(t); s.programme != "" {
		return s.programme
	}
	if v := s.automaticAt(t); v != nil {
		return v.ID
	}
	return a.firstProgramme()
}

// ConfirmedCash is what the account was confirmed in the currency, and what
// of it the bank was told to pay: credits less debits.
func (a *Account) ConfirmedCash(c money.Currency) (confirmedMinor, instructedMinor int64) {
	for i := range a.balances {
		if p := &a.balances[i]; p.currency == c {
			confirmedMinor += p.confirmedMinor
			instructedMinor += p.instructedMinor
		}
	}
	return confirmedMinor, instructedMinor
}

// bookReferrals books what referrals give the account, each with its award.
func (b *booking) bookReferrals(awards []sponsoredAward) {
	a := b.account
	for i := range awards {
		r, s := &a.referrals[i], &awards[i]
		standing := &a.standings[s.standing]
		b.entitlements = b.entitlements[:0]
		valued := valuedPurchase{memberID: standing.memberID, level: standing.level, why: whyOf(&r.Referral)}
		if s.programme != nil {
			valued.statement = b.snapshot.programmeTitle(s.programme.ID, r.PurchasedAt)
			b.entitleToReferral(r, s)
		}
		about := rules.Accrual{
			AccountID: r.BuyerAccountID, TransactionID: r.TransactionID, PurchasedAt: r.PurchasedAt,
			MemberID: standing.memberID, Level: standing.level, Channel: r.Channel, MCC: r.MCC,
		}
		b.bookChain(&chain{head: &r.lines, due: b.entitlements, about: &about, valued: &valued})
	}
}

// whyOf is what a referral itself has to do with its lines being as they are.
func whyOf(r *rules.Referral) reason.Set {
	if r.MatchedRefund {
		return reason.Referral | reason.MatchedRefund
	}
	return reason.Referral
}
