package engine

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
)

// This file takes the word of the ledger's store for what an account has: what is
// booked, granted, published and paid.

// AdoptBooked takes the sums that the ledger's store holds for the ones the
// account believes to be booked, purchase by purchase; Repair then books what
// is missing. Lines of one key may come in parts. Only the fields of the key,
// the programme and the amounts are read. Strings are kept as they are.
func (a *Account) AdoptBooked(booked []rules.Accrual) {
	a.needsFullRun = true
	a.lines, a.free, a.factLines = a.lines[:0], -1, -1
	for i := range a.purchases {
		a.purchases[i].lines = -1
	}
	for i := range a.referrals {
		a.referrals[i].lines = -1
	}
	for i := range a.balances {
		a.balances[i].confirmedMinor = 0
	}
	places := a.adoption()
	for i := range booked {
		places.adoptLine(&booked[i])
	}
	places.sort()
	a.dropEmptyPurchases()
}

// adoption finds where what the store holds belongs, each in one step: an
// account of thousands of purchases has thousands of rows. What isn't found gets a
// place at the end, until all is sorted.
type adoption struct {
	account *Account
	known   int // how many purchases are known: those without events come after
	// How many purchases and referrals the account had, which are in order.
	purchasesBefore, referralsBefore int

	purchases map[string]int
	referrals map[referralKey]int     // made where a sponsor's line is met
	factLines map[programmeLine]int32 // in Account.lines
}

// referralKey is what a sponsor's line says of its referral. The buyer is empty
// where they may have been erased: then their purchase tells.
type referralKey struct{ buyer, transaction, partner, offer string }

func (a *Account) adoption() *adoption {
	x := &adoption{
		account: a, known: a.Purchases(), purchasesBefore: len(a.purchases), referralsBefore: len(a.referrals),
		purchases: make(map[string]int, len(a.purchases)), factLines: map[programmeLine]int32{},
	}
	for i := range a.purchases {
		x.purchases[a.purchases[i].id] = i
	}
	return x
}

// chainOf is the head of the chain to which a booked line belongs, valid until the
// next call.
func (x *adoption) chainOf(l *rules.Accrual) *int32 {
	switch {
	case l.TransactionID == "":
		return &x.account.factLines
	case l.Role == rules.RoleSponsor:
		return &x.referral(l).lines
	}
	return &x.purchase(l.TransactionID, l.PurchasedAt).lines
}

func (x *adoption) knows(purchaseID string) bool {
	_, ok := x.purchases[purchaseID]
	return ok
}

// purchase is that of the id; at is when it was made, where it is not known.
func (x *adoption) purchase(id string, at rules.Instant) *purchase {
	a := x.account
	i, ok := x.purchases[id]
	if !ok {
		p := unknownPurchase(id)
		p.at = at
		i = len(a.purchases)
		a.purchases, x.purchases[id] = append(a.purchases, p), i
	}
	return &a.purchases[i]
}

// referral is the one behind a sponsor's line.
func (x *adoption) referral(l *rules.Accrual) *referralState {
	a := x.account
	if x.referrals == nil {
		x.referrals = make(map[referralKey]int, 2*len(a.referrals))
		for i := range a.referrals {
			x.note(i)
		}
	}
	i, ok := x.referrals[referralKey{l.AccountID, l.TransactionID, l.PartnerID, l.OfferID}]
	if !ok {
		i = len(a.referrals)
		a.referrals = append(a.referrals, referralState{rules.Referral{
			BuyerAccountID: l.AccountID, TransactionID: l.TransactionID, PartnerID: l.PartnerID, OfferID: l.OfferID,
			Programme: l.Programme, PurchasedAt: l.PurchasedAt, Currency: l.Currency,
		}, -1})
		x.note(i)
	}
	return &a.referrals[i]
}

// note remembers where one is: with its buyer, and the first without.
func (x *adoption) note(i int) {
	r := &x.account.referrals[i]
	for _, buyer := range [...]string{r.BuyerAccountID, ""} {
		place := referralKey{buyer, r.TransactionID, r.PartnerID, r.OfferID}
		if _, ok := x.referrals[place]; !ok {
			x.referrals[place] = i
		}
	}
}

func (x *adoption) adoptLine(l *rules.Accrual) {
	a, head := x.account, x.chainOf(l)
	key := lineKey{
		partner: l.PartnerID, store: l.StoreID, offer: l.OfferID, version: l.OfferVersion,
		unit: l.Unit, role: l.Role, kind: l.Kind, stage: l.Stage,
	}
	s := sums{l.BasisMinor, l.RewardMinor, l.CommissionMinor, l.CostMinor}
	if key.isCash() {
		if c, ok := money.ParseCurrency(l.Unit); ok {
			a.balances[a.balanceOf(l.Programme, c)].confirmedMinor += l.RewardMinor
		}
	}
	if i := x.lineOf(head, programmeLine{key, l.Programme}); i >= 0 {
		a.lines[i].sums = a.lines[i].plus(s)
		return
	}
	*head = a.newLine(line{
		lineKey: key, sums: s, programme: l.Programme, campaigns: strings.Join(l.CampaignIDs, campaignSeparator), next: *head,
	})
	if head == &a.factLines {
		x.factLines[programmeLine{key, l.Programme}] = *head
	}
}

// lineOf is the line of a chain that was adopted before; -1: none.
func (x *adoption) lineOf(head *int32, key programmeLine) int32 {
	a := x.account
	if head == &a.factLines { // one for each unit that was ever spent
		if i, ok := x.factLines[key]; ok {
			return i
		}
		return -1
	}
	for i := *head; i >= 0; i = a.lines[i].next {
		if a.lines[i].lineKey == key.lineKey && a.lines[i].programme == key.programme {
			return i
		}
	}
	return -1
}

// sort puts what was added where it belongs.
func (x *adoption) sort() {
	a := x.account
	if len(a.purchases) > x.purchasesBefore {
		slices.SortFunc(a.purchases[x.known:], func(p, o purchase) int { return inFillingOrder(&p, &o) })
	}
	if len(a.referrals) > x.referralsBefore {
		slices.SortFunc(a.referrals, func(r, o referralState) int { return sponsorsOrder(&r, &o) })
	}
}

// Restored says that what was adopted is how things stand, not how they should:
// the account goes on from there, and what recomputing it would change is booked
// by nobody but a repair.
func (a *Account) Restored() { a.needsFullRun = false }

// AdoptInstructed takes the instructions that the ledger's store holds for those
// that the account believes to have given out; Repair then instructs what is due.
// The bank's words on them stay. A replay before has told what their causes are
// dated, and in which order they came.
func (a *Account) AdoptInstructed(instructed []rules.Instruction) error {
	if err := a.allPayments(); err != nil {
		return err
	}
	a.needsFullRun = true
	for i := range a.balances {
		a.balances[i].instructedMinor, a.balances[i].rejected = 0, false
	}
	before := &a.payments
	known := make(map[instructionHash]int, len(before.list))
	words := make(map[instructionHash][]rules.Result, len(before.list))
	for i := range before.list {
		known[before.list[i].id], words[before.list[i].id] = i, before.list[i].results
	}
	for _, r := range before.strays {
		if id, ok := parseInstructionID(r.InstructionID); ok {
			words[id] = append(words[id], rules.Result{Status: r.Status, Reason: r.Reason, At: r.At})
		}
	}
	list := make([]adoptedPayment, 0, len(instructed))
	for i := range instructed {
		x := a.adoptPayment(&instructed[i], known)
		x.results = words[x.id]
		list = append(list, x)
	}
	slices.SortStableFunc(list, func(x, y adoptedPayment) int { return cmp.Compare(x.order, y.order) })
	a.payments = payments{}
	for i := range list {
		x := &list[i].payment
		a.payments.list = append(a.payments.list, *x)
		p := &a.balances[x.balance]
		if x.instructed() {
			p.instructedMinor += x.minor
		}
		for n := range x.results {
			p.rejected = p.rejected || x.results[n].Status == rules.Rejected
		}
	}
	return nil
}

// adoptedPayment is an instruction, and where it stands among the others.
type adoptedPayment struct {
	payment
	order int
}

func (a *Account) adoptPayment(i *rules.Instruction, known map[instructionHash]int) adoptedPayment {
	x := adoptedPayment{order: math.MaxInt}
	x.id, _ = parseInstructionID(i.ID)
	x.balance, x.minor, x.shadow = a.balanceOf(i.Programme, i.Currency), i.SignedMinor(), i.IsShadow()
	x.at = rules.InstantOfMillis(i.CreatedAt)
	n, ok := known[x.id]
	if ok {
		x.at, x.order = a.payments.list[n].at, n
	}
	if a.payments.dates != nil {
		x.order = math.MaxInt
		if date, ok := a.payments.dates[causeKey{i.Cause.Kind, i.Cause.ID}]; ok {
			x.at, x.order = date.at, date.order
		}
	}
	return x
}

// AdoptGrants takes the grants that the ledger's store holds for the account's
// own, before Repair. While an account is replayed no budget is asked.
func (a *Account) AdoptGrants(grants []rules.Grant) {
	a.grants = a.grants[:0]
	for i := range a.purchases {
		a.purchases[i].grants = -1
	}
	places := a.adoption()
	for i := range grants {
		g := &grants[i]
		if !places.knows(g.TransactionID) && g.GrantedMinor == 0 && g.TargetMinor == 0 {
			continue
		}
		p := places.purchase(g.TransactionID, rules.Instant{})
		grant := a.grantOf(p, g.Budget)
		if grant < 0 {
			grant = a.newGrant(p, g.Budget, g.Unit)
		}
		a.grants[grant].targetMinor, a.grants[grant].grantedMinor = g.TargetMinor, g.GrantedMinor
	}
	places.sort()
}

// AdoptPublished takes the referrals that the ledger's store holds for those that
// the account believes to have published, before Repair.
func (a *Account) AdoptPublished(published []rules.Referral) {
	a.published = a.published[:0]
	for i := range a.purchases {
		a.purchases[i].published = -1
	}
	places := a.adoption()
	for i := range published {
		r := &published[i]
		p := places.purchase(r.TransactionID, rules.Instant{})
		a.published = append(a.published, publishedReferral{
			sponsor: r.SponsorAccountID, partner: r.PartnerID, store: r.StoreID, offer: r.OfferID, version: r.OfferVersion,
			programme: r.Programme, number: r.Number, currency: r.Currency, mcc: r.MCC, channel: r.Channel, at: r.PurchasedAt,
			basisMinor:  [numWorlds]int64{r.ConfirmedBasisMinor, r.ExpectedBasisMinor},
			rewardMinor: [numWorlds]int64{r.ConfirmedRewardMinor, r.ExpectedRewardMinor},
			lateMinor:   [numWorlds]int64{r.LateConfirmedRewardMinor, r.LateExpectedRewardMinor}, next: p.published,
		})
		p.published = int32(len(a.published) - 1)
		t := &a.published[p.published] // each clearing is told
		t.clearedAt = a.cleared(p, t)
	}
	places.sort()
}
