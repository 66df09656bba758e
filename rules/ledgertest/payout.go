package ledgertest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// Money out: what of an account's confirmed cash becomes instructions. Other than
// the ledger it depends on the order of arrival, since a cycle takes what is there
// when it comes. All sums are added up anew from all that there is.
//
// Where the rules leave a choice, the oracle makes this one:
//
//  1. A programme without a version in force pays by the defaults.
//  2. An adjustment without a programme, dated before any enrolment, belongs where
//     the horizon comes from (choice 14 of the ledger).
//  3. A cycle that is taken at once pays all that is due, mature or not.
//  4. Which result counts is a matter of the set: its reason counts with it. Of two
//     rejections at one instant the one of the smaller reason.
//  5. A rejected debit pays what is due, if anything is.
//  6. The latest release is that of the set, whatever its date. Rejections before
//     it are passed over.
//  7. A result on what was worked out in shadow is on nothing that was given out.
//  8. Instructions before pay_from are not in I, and still in the row that gets
//     stuck.
//  9. What was spent is taken from all programmes' lots; they expire when a cycle of
//     their own programme closes.

// balance is what is paid by itself: an account's cash of one programme in one
// currency.
type balance struct {
	programme string
	currency  money.Currency
}

// cash is confirmed cash of one purchase by one line, or of one fact.
type cash struct {
	balance
	minor int64
	// dated is when the purchase was made, or what the adjustment says.
	dated rules.Instant
	// matures is the purchase's latest clearing, to which the hold is added; of an
	// adjustment its date, without a hold.
	matures    rules.Instant
	ofPurchase bool
}

// payout is what the account was instructed and told of it, in order.
type payout struct {
	given     []*instruction
	closings  []closing
	writeOffs []writeOff
}

// instruction is one that was given out.
type instruction struct {
	order
	id      string
	dated   rules.Instant // its cause's date
	results []*rules.Result
}

// closing is a cycle that was taken.
type closing struct {
	fact      *rules.Fact
	programme string
	asOf      rules.Instant
	indebted  map[money.Currency]bool
}

// writeOff is a debt that was given up.
type writeOff struct {
	balance
	minor int64
	at    rules.Instant
}

// order is what one record made due of one balance.
type order struct {
	AccountID string
	Programme string
	Currency  money.Currency
	Minor     int64 // under 0: a debit
	Cycle     string
	Shadow    bool
	Method    payoutMethod
}

// payoutMethod is by which way, and to where, an instruction pays.
type payoutMethod struct {
	Method             rules.PayMethod
	IBAN, Name, Handle string
}

func (g *instruction) balance() balance { return balance{g.Programme, g.Currency} }

// adjustmentsMoved reports that adjustments are of other programmes than before: no sum
// of the ledger changes by that, as its keys name none, and what each programme pays does.
func adjustmentsMoved(before, now []cash) bool {
	moved := map[balance]int64{}
	for _, c := range before {
		if !c.ofPurchase {
			moved[c.balance] -= c.minor
		}
	}
	for _, c := range now {
		if !c.ofPurchase {
			moved[c.balance] += c.minor
		}
	}
	for _, minor := range moved {
		if minor != 0 {
			return true
		}
	}
	return false
}

// cashOf is all confirmed cash of the account.
func (o oracle) cashOf(a *account) []cash {
	var all []cash
	for _, r := range a.confirmed {
		if r.final == nil {
			continue
		}
		for _, l := range r.final.lines {
			if l.key.Kind == rules.Cash && l.key.Role == rules.RoleMember {
				all = append(all, cash{
					balance{r.final.member.programme.ID, currency(l.key.Unit)}, l.sums.Reward, r.final.view.time, latestClearing(r.purchase.whole.events), true,
				})
			}
		}
	}
	for _, s := range o.sponsoredIn(confirmedWorld, a) {
		if s.minor > 0 {
			all = append(all, cash{balance{s.Programme, s.Currency}, s.minor, s.PurchasedAt, s.ClearedAt, true})
		}
	}
	for _, f := range a.facts {
		if _, ok := o.factLine(a, f); ok && f.Type == rules.Adjustment {
			all = append(all, cash{balance{o.adjusted(a, f), f.Currency}, f.AmountMinor, f.At, f.At, false})
		}
	}
	for _, w := range a.payout.writeOffs {
		all = append(all, cash{w.balance, w.minor, w.at, w.at, false})
	}
	return all
}

// latestClearing is the date of the last one; zero: there is none.
func latestClearing(events []*rules.Event) rules.Instant {
	latest := rules.Instant{}
	for _, e := range events {
		if isClearing(e) && e.OccurredAt.After(latest) {
			latest = e.OccurredAt
		}
	}
	return latest
}

// adjusted is the programme that the adjustment belongs to: its own word, or that
// of the latest enrolment by its date.
func (o oracle) adjusted(a *account, f *rules.Fact) string {
	if f.Programme != "" {
		return f.Programme
	}
	return o.programmeIDOf(a, f.At)
}

// confirmed is C: of the purchases made from payFrom on.
func confirmed(all []cash, b balance, t terms) int64 {
	sum := int64(0)
	for _, c := range all {
		if c.balance == b && !c.dated.Before(t.payFrom) {
			sum += c.minor
		}
	}
	return sum
}

// mature is M(T).
func mature(all []cash, b balance, t terms, asOf rules.Instant) int64 {
	sum := int64(0)
	for _, c := range all {
		if c.ofPurchase {
			c.matures = c.matures.AddDays(t.holdDays)
		}
		if c.balance == b && !c.dated.Before(t.payFrom) && !c.matures.After(asOf) {
			sum += c.minor
		}
	}
	return sum
}

// instructed is I.
func (p *payout) instructed(b balance, t terms) int64 {
	sum := int64(0)
	for _, g := range p.given {
		if g.balance() == b && !g.dated.Before(t.payFrom) && !g.rejected() {
			sum += g.Minor
		}
	}
	return sum
}

// counts is the result that counts: the one of the latest date, of one date
// rejected before settled before accepted; nil: there is none.
func (g *instruction) counts() *rules.Result {
	var counts *rules.Result
	for _, r := range g.results {
		if counts == nil || cmp.Or(r.At.Compare(counts.At), cmp.Compare(r.Status, counts.Status), cmp.Compare(counts.Reason, r.Reason)) > 0 {
			counts = r
		}
	}
	return counts
}

// seenBefore is the reason of an instruction that the bank had had already.
const seenBefore = "AM05"

// rejected reports whether the instruction was not carried out.
func (g *instruction) rejected() bool {
	r := g.counts()
	return r != nil && r.Status == rules.Rejected && r.Reason != seenBefore
}

// stuck reports whether a person has to look before more is given out in this
// direction.
func (p *payout) stuck(a *account, b balance, debits bool, t terms) bool {
	released := rules.MinInstant
	for _, f := range a.facts {
		if f.Type == rules.PayoutReleased && f.Programme == b.programme {
			released = rules.Later(released, f.At)
		}
	}
	inARow := 0
	for _, g := range slices.Backward(p.given) {
		if g.balance() != b || (g.Minor < 0) != debits || g.counts() == nil {
			continue
		}
		if !g.rejected() {
			break
		}
		r := g.counts()
		if r.At.Before(released) {
			continue
		}
		switch r.Reason {
		case "AC04", "AC06", "MD07":
			return true
		}
		inARow++
	}
	return inARow >= t.attempts
}

// pay is what the record makes due, once it is in the set. before is what the
// account's confirmed cash was without it.
func (o oracle) pay(a *account, r Record, before []cash) []order {
	now := o.cashOf(a)
	if f := r.Fact; f != nil && f.Type == rules.CycleClosed && f.At.After(a.payout.lastClosed(f.Programme)) {
		a.payout.closings = append(a.payout.closings, o.closingOf(a, f, now))
	}
	var all []order
	for _, b := range balancesOf(a, before, now) {
		t := o.termsAt(b, dateOf(r))
		x := order{AccountID: a.id, Programme: b.programme, Currency: b.currency, Shadow: t.shadow, Method: methodAt(a, rules.MaxInstant)}
		switch closes := o.alwaysBooked(a, r) && r.Fact.Programme == b.programme; {
		case closes && r.Fact.Type == rules.CycleClosed:
			if x.Minor = o.close(a, b, t, r.Fact, now); !t.atOnce {
				x.Cycle, x.Method = r.Fact.Cycle, methodAt(a, r.Fact.At)
			}
		case !t.atOnce:
		case closes && r.Fact.Type == rules.PayoutReleased:
			x.Minor = max(0, confirmed(now, b, t)-a.payout.instructed(b, t))
		default:
			x.Minor = o.changed(a, b, t, before, now)
		}
		if x.Minor != 0 && !a.payout.stuck(a, b, x.Minor < 0, t) {
			all = append(all, x)
		}
	}
	if len(a.payout.writeOffs) > 0 {
		a.ledger = o.ledger(a)
	}
	return all
}

// changed is what a change of confirmed cash makes due at once.
func (o oracle) changed(a *account, b balance, t terms, before, now []cash) int64 {
	change := confirmed(now, b, t) - confirmed(before, b, t)
	due := confirmed(now, b, t) - a.payout.instructed(b, t)
	switch {
	case change > 0:
		return max(0, min(change, due))
	case change < 0 && t.debits:
		return min(0, max(change, due))
	}
	return 0
}

// balancesOf are all that the account has or had anything of, in order.
func balancesOf(a *account, lists ...[]cash) []balance {
	seen := map[balance]bool{}
	for _, c := range slices.Concat(lists...) {
		seen[c.balance] = true
	}
	for _, g := range a.payout.given {
		seen[g.balance()] = true
	}
	return slices.SortedFunc(maps.Keys(seen), func(x, y balance) int {
		return cmp.Or(cmp.Compare(x.programme, y.programme), cmp.Compare(x.currency.String(), y.currency.String()))
	})
}

// close is what the end of a cycle pays, or where it is negative takes. It gives
// up a debt where that is agreed.
func (o oracle) close(a *account, b balance, t terms, f *rules.Fact, now []cash) int64 {
	c, i := confirmed(now, b, t), a.payout.instructed(b, t)
	if debt := i - c; debt > 0 {
		since := a.payout.indebtedSince(b)
		switch {
		case debt <= t.writeOffUpTo && !since.AddDays(t.writeOffAfterDays).After(f.At):
			a.payout.writeOffs = append(a.payout.writeOffs, writeOff{b, debt, f.At})
		case t.debits && !since.AddDays(t.debitAfterDays).After(f.At):
			return -debt
		}
		return 0
	}
	if t.atOnce {
		return c - i
	}
	amount := min(mature(now, b, t, f.At), c) - i
	if m := o.memberAt(a, f.At); amount < t.fromMinor && m.in && m.programme.ID == b.programme {
		return 0
	}
	return max(0, amount)
}

// indebtedSince is the end of the first cycle in a row, up to the last one, at which
// there was a debt.
func (p *payout) indebtedSince(b balance) rules.Instant {
	var since rules.Instant
	for _, c := range slices.Backward(p.closings) {
		if c.programme != b.programme {
			continue
		}
		if !c.indebted[b.currency] {
			break
		}
		since = c.asOf
	}
	return since
}

// lastClosed is the end of the last cycle of the programme.
func (p *payout) lastClosed(programme string) rules.Instant {
	last := rules.MinInstant
	for _, c := range p.closings {
		if c.programme == programme {
			last = rules.Later(last, c.asOf)
		}
	}
	return last
}

// closingOf is a cycle as it is found.
func (o oracle) closingOf(a *account, f *rules.Fact, now []cash) closing {
	c := closing{f, f.Programme, f.At, map[money.Currency]bool{}}
	for _, b := range balancesOf(a, now) {
		if b.programme == f.Programme {
			t := o.termsAt(b, f.At)
			c.indebted[b.currency] = a.payout.instructed(b, t) > confirmed(now, b, t)
		}
	}
	return c
}

// methodAt is how the member is paid: the latest word of the facts up to t.
func methodAt(a *account, t rules.Instant) payoutMethod {
	m := payoutMethod{Method: rules.ByCard}
	for _, f := range inOrder(a.facts) {
		if f.Type == rules.PayoutMethod && !f.At.After(t) {
			m = payoutMethod{f.Method, f.IBAN, f.Name, f.Handle}
		}
	}
	return m
}

// takeResult notes what the bank says of an instruction. What it makes due anew is
// an instruction of its own.
func (o oracle) takeResult(a *account, r *rules.Result) (rules.Fate, []order) {
	i := slices.IndexFunc(a.payout.given, func(g *instruction) bool { return g.id == r.InstructionID && !g.Shadow })
	if i < 0 {
		return rules.Unmatched, nil
	}
	g := a.payout.given[i]
	if slices.ContainsFunc(g.results, func(x *rules.Result) bool { return *x == *r }) {
		return rules.Duplicate, nil
	}
	was, wasRejected := g.counts(), g.rejected()
	g.results = append(g.results, r)
	is := g.counts()
	if was != nil && was.Status == is.Status && was.Reason == is.Reason {
		return rules.NoChange, nil
	}
	b := g.balance()
	t := o.termsAt(b, r.At)
	if wasRejected || !g.rejected() || !t.atOnce || a.payout.stuck(a, b, false, t) {
		return rules.Booked, nil
	}
	amount := g.Minor
	if amount < 0 {
		amount = -amount
	}
	if due := min(amount, confirmed(o.cashOf(a), b, t)-a.payout.instructed(b, t)); due > 0 {
		return rules.Booked, []order{{
			AccountID: a.id, Programme: b.programme, Currency: b.currency, Minor: due, Shadow: t.shadow, Method: methodAt(a, rules.MaxInstant),
		}}
	}
	return rules.Booked, nil
}

// numbered is the id of an instruction where no other ledger's are told.
func numbered(record int, x order) string {
	return fmt.Sprintf("%s-%s-%s-%d", x.AccountID, x.Programme, x.Currency, record)
}

// writtenOff are the lines of debts that were given up.
func (p *payout) writtenOff(a *account) []line {
	var lines []line
	for _, w := range p.writeOffs {
		lines = append(lines, adjustment(a, w.currency, w.minor))
	}
	return lines
}

// alwaysBooked reports a fact that changes what is paid from now on, whether or not
// anything is paid by it.
func (o oracle) alwaysBooked(a *account, r Record) bool {
	if r.Fact == nil {
		return false
	}
	switch r.Fact.Type {
	case rules.CycleClosed:
		return len(a.payout.closings) > 0 && a.payout.closings[len(a.payout.closings)-1].fact == r.Fact
	case rules.PayoutReleased, rules.PayoutMethod:
		return true
	}
	return false
}

// terms are a programme's payouts as they hold for one balance at one time.
type terms struct {
	atOnce            bool
	holdDays          int
	fromMinor         int64
	debits            bool // what a debt becomes, after debitAfterDays
	debitAfterDays    int
	writeOffUpTo      int64
	writeOffAfterDays int
	attempts          int
	shadow            bool
	payFrom           rules.Instant
}

// termsAt are those in force at t: amounts are in the programme's currency, and in
// another nothing is too little, and nothing given up.
func (o oracle) termsAt(b balance, t rules.Instant) terms {
	p, ok := o.programmeAt(b.programme, t)
	if !ok {
		return terms{atOnce: true, debits: true, attempts: 3, payFrom: rules.MinInstant}
	}
	x := &p.Payout
	its := terms{
		atOnce: x.Cycle.Kind == offer.AtOnce, holdDays: x.HoldDays, debits: x.Negative == offer.NegativeDebit,
		debitAfterDays: x.DebitAfterDays, attempts: x.Attempts, shadow: x.Shadow, payFrom: x.PayFrom,
	}
	if its.attempts == 0 {
		its.attempts = 3
	}
	if x.Negative == offer.NegativeDefault {
		its.debits = its.atOnce
	}
	if x.PayFrom == (rules.Instant{}) {
		its.payFrom = rules.MinInstant
	}
	if b.currency == p.Currency {
		its.fromMinor, its.writeOffUpTo, its.writeOffAfterDays = x.FromMinor, x.WriteOff.UpToMinor, x.WriteOff.AfterDays
	}
	return its
}
