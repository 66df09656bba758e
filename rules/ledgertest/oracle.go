package ledgertest

// Where rules/README.md leaves a choice, the oracle makes this one:
//
//  1. A record's fate is what it met on arrival. What waits is `waiting` even
//     if the limit of 200 drops it at once, or if a link it brings moves money.
//  2. Waiting is a property of the set: a reversal, refund, chargeback or its
//     reversal waits while its purchase is not known. After each arrival, what
//     still waits and is too old, or is beyond the limit, is dropped, until
//     nothing more is; so a purchase that becomes known saves its refunds.
//  3. The purchase of an event is judged on the set with that event in it.
//     An opener of a known purchase is never too late, whatever its date.
//  4. An opener that doesn't match stays in the set without effect where links
//     re-resolve so that its purchase is no longer known.
//  5. authorization_expired names a purchase as original_transaction_id does
//     (links are followed); it counts for good, whatever its date.
//  6. Which events are late is judged by the purchase time over all events of
//     the purchase. Terms (time, store, card) come from the events that are
//     not late, unless there is no opener among them.
//  7. Any late event makes the authorised amount 0 for the purchase itself,
//     never for the others.
//  8. With late events on several purchases of one period, they are looked at
//     in order of (purchase time, transaction id); each leaves the others the
//     greater of what it had without its late events and what it has now: no
//     cap is exceeded, and a late refund changes no other purchase. What an
//     award had is not taken from it where the limit in force is used up.
//  9. An event "counts" in a world if its amount enters the sum that gives
//     that world's basis; one of amount 0 in a currency that can't be stated
//     still can't be.
// 10. basis_minor of a line is the basis of a world in which the line's reward
//     or commission is not 0; a difference in it alone is booked too, or its
//     sums would depend on the order of arrival.
// 11. Every award of an offer uses its monthly counter, also under a version
//     that states no limit; several caps of one period: the least.
// 12. `left` ends membership in an automatic programme too; its cards need no
//     link, ever. Where several programmes are automatic, the first listed.
// 13. Adjustments and spendings are booked whatever their date, once the
//     account is known as a member (an enrolled fact in the set, or automatic
//     enrolment in force at the fact's date); cost_minor of an adjustment is
//     its amount.
// 14. H is that of the programme's version in force at the date that is looked
//     at (the event's purchase time, the fact's date); the programme is the
//     one of the last enrolment not after it, else the one that takes everyone
//     then, else the one of the first.
// 15. A partner's offers and terms serve only members of its own programme;
//     its keys match for everyone.
// 16. A local time that the clock never shows is the moment after the gap: the
//     first instant at which the clock has reached it.
// 17. Awards of two currencies in one group are compared by the purchase's own
//     rate: the greater share of the basis is worth more.
// 18. What other purchases decide (first purchase, lapsed, rank, goal, a count's
//     limit) is judged at the purchase's place among all as they are without
//     late events, whether or not it had a basis there. A purchase that had no
//     visit without them has no turn and reaches no goal; one that had no award
//     gets none where all others have used up the count.
// 19. A goal was got in a period if any visit in it got one, by whatever period
//     that visit's version counted. A purchase has the clock of the store that
//     matched, whosever's partner that is.
// 20. Articles without a category are in none: they don't count when categories
//     are held against the basis.
// 21. If any grant of an account is below its target, all of the account is
//     worked out once more, with the grants that are below theirs as ceilings;
//     else the first working out holds. An award that the second time comes to
//     more than was asked for it is cut down to what was granted, last of all; one
//     that had not won its group the first time is held to its grants before.
// 22. A referral is told anew when its reward, basis, store, version or purchase
//     time changes, not for a channel or category. A sponsor's award without a
//     limit of purchases follows late events.
// 23. A purchase is an earlier one where it has a basis in the currency of the
//     offer that asks. Where not all that counts can be stated in it, it is one
//     if it has a basis in another currency that all of it has; where there is
//     none, if anything is left in any.
// 24. The programme whose setting holds for an unlinked refund is found as that
//     whose horizon holds (14), be the account a member at the refund's date or
//     not. Once given to a purchase, a refund has changed a sum, whether or not
//     that purchase earned anything.

import (
	"cmp"
	"maps"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// The contract's limits on what waits for its purchase.
const (
	waitingDays  = 90
	waitingLimit = 200
)

// Record is one input record.
type Record = rules.Record

// dateOf is when what the record tells happened: as a cause it has that version of
// the programme.
func dateOf(r Record) rules.Instant {
	switch {
	case r.Event != nil:
		return r.Event.OccurredAt
	case r.Fact != nil:
		return r.Fact.At
	case r.Result != nil:
		return r.Result.At
	default:
		return r.Referral.At
	}
}

// Key is what a sum of the ledger is kept by: rules/README.md, "Lines and their key".
type Key = rules.LineKey

// Sums are the balances of one key, in minor units.
type Sums struct{ Reward, Commission, Cost, Basis int64 }

// Add is the sum of two balances.
func (s Sums) Add(o Sums) Sums {
	return Sums{s.Reward + o.Reward, s.Commission + o.Commission, s.Cost + o.Cost, s.Basis + o.Basis}
}

// Payee is an account in one currency.
type Payee struct {
	AccountID string
	Currency  money.Currency
}

// Result is the ledger that follows from some records.
type Result struct {
	Sums map[Key]Sums // those that are 0 all over are left out
	// Fates has one entry for each record, in order of arrival.
	Fates []rules.Fate
	// Instructed is credits less debits, in minor units; 0 is left out.
	Instructed map[Payee]int64
	// Steps has for each record what its instructions move: credits less
	// debits; 0 is left out.
	Steps []map[Payee]int64
	// Instructions has for each record what it makes due, by programme and
	// currency.
	Instructions [][]order
	// Tells has for each record the referrals that it changes, as Substance
	// has them.
	Tells []map[ReferralKey]rules.Referral
	// Draws has for each record the holdouts that its purchase is under then, and
	// whether they hold its account out.
	Draws []map[string]bool
	// Faults are what can't be of the grants that were given.
	Faults []string
}

// Oracle works out the ledger of records, which are in order of arrival. It
// first walks that order to find what is in the set of each account, and works
// the ledger of the set out from nothing after each record. Budgets serve who is
// decided first, and what a purchase gives a sponsor is with them at once. It is
// quadratic at best: give it hundreds of records an account, not thousands.
func Oracle(cat *offer.Catalogue, records []Record) Result {
	return newLedgers(cat, nil).walk(records)
}

// OracleGiven is Oracle where the decisions of another ledger are given:
// grants[i] are those that its decision on records[i] gave, and records hold
// the referrals where they reached the sponsors. Faults says what of the grants
// can't be. ids[i] are the instructions that it gave out then: results name them
// by their ids, and what the oracle makes due itself is taken to have them. nil:
// there are no results.
func OracleGiven(cat *offer.Catalogue, records []Record, grants [][]rules.Grant, ids [][]rules.Instruction) Result {
	if len(grants) != len(records) {
		panic("ledgertest: there must be grants, or none, for each record")
	}
	b := newLedgers(cat, grants)
	b.ids = ids
	return b.walk(records)
}

// OracleAtEnd is what all records come to, whatever was in between: its Fates,
// Steps, Tells and Draws are empty. grants are the newest of each budget, account and
// transaction. Referrals are with the sponsors.
func OracleAtEnd(cat *offer.Catalogue, records []Record, grants []rules.Grant) Result {
	b := newLedgers(cat, [][]rules.Grant{grants})
	for _, r := range records {
		b.oracle.arrive(b.account(r.AccountID()), r)
	}
	for _, id := range slices.Sorted(maps.Keys(b.accounts)) {
		b.endWith(b.accounts[id], grants)
	}
	for _, id := range slices.Sorted(maps.Keys(b.accounts)) {
		for key := range b.accounts[id].told {
			sponsor := b.account(key.SponsorAccountID)
			sponsor.ledger = b.oracle.ledger(sponsor)
		}
	}
	res := b.result()
	for _, a := range b.accounts { // at once, all that is confirmed
		for _, c := range b.oracle.cashOf(a) {
			addTo(res.Instructed, Payee{a.id, c.currency}, c.minor)
		}
	}
	res.Fates, res.Steps, res.Instructions, res.Tells, res.Draws = nil, nil, nil, nil, nil
	return res
}

// ledgers are those of all accounts.
type ledgers struct {
	oracle   oracle
	accounts map[string]*account
	purse    *purse
	ids      [][]rules.Instruction
	Result
}

func newLedgers(cat *offer.Catalogue, grants [][]rules.Grant) *ledgers {
	return &ledgers{
		Result: Result{Instructed: map[Payee]int64{}},
		oracle: newOracle(cat), accounts: map[string]*account{},
		purse: &purse{given: map[rules.BudgetKey]int64{}, told: grants},
	}
}

func (b *ledgers) account(id string) *account {
	if b.accounts[id] == nil {
		b.accounts[id] = &account{
			id: id, grants: map[grantKey]grant{}, referrals: map[ReferralKey]*rules.Referral{},
			told: map[ReferralKey]rules.Referral{}, counted: map[*rules.Event]bool{}, kept: map[string]uint64{},
		}
	}
	return b.accounts[id]
}

func (b *ledgers) walk(records []Record) Result {
	for i, r := range records {
		b.take(i, r)
	}
	return b.result()
}

func (b *ledgers) result() Result {
	b.Sums = map[Key]Sums{}
	for _, a := range b.accounts {
		maps.Copy(b.Sums, a.ledger)
	}
	b.Faults = b.purse.faults
	return b.Result
}

// take decides one record.
func (b *ledgers) take(i int, r Record) {
	a := b.account(r.AccountID())
	before, cashBefore := a.ledger, b.oracle.cashOf(a)
	tells := map[ReferralKey]rules.Referral{}
	var due []order
	var fate rules.Fate
	if r.Result != nil {
		fate, due = b.oracle.takeResult(a, r.Result)
	} else {
		fate = b.oracle.arrive(a, r)
	}
	var draws map[string]bool
	if r.Result == nil && fate.InSet() {
		purchases := b.oracle.purchases(a)
		first := b.oracle.bothWorlds(a, purchases, nil)
		b.purse.decide(i, a, b.oracle.asks(first))
		b.oracle.settle(a, purchases, first)
		tells = b.oracle.withMatched(a, changes(a.told, a.last))
		if r.Event != nil {
			draws = b.oracle.drawsOf(a, purchases, r.Event)
		}
		due = b.oracle.pay(a, r, cashBefore)
	} else if b.purse.told != nil && len(b.purse.told[i]) > 0 {
		b.purse.fault("record %d is %s and grants %+v", i, fate, b.purse.told[i])
	}
	if fate == rules.NoChange &&
		(!maps.Equal(before, a.ledger) || b.oracle.alwaysBooked(a, r) || adjustmentsMoved(cashBefore, b.oracle.cashOf(a))) {
		fate = rules.Booked
	}
	b.give(i, a, dateOf(r), due)
	if b.purse.told == nil {
		due = append(due, b.deliver(i, dateOf(r), tells)...)
	}
	step := map[Payee]int64{}
	for _, x := range due {
		p := Payee{x.AccountID, x.Currency}
		addTo(step, p, x.Minor)
		addTo(b.Instructed, p, x.Minor)
	}
	b.Fates, b.Steps, b.Tells = append(b.Fates, fate), append(b.Steps, step), append(b.Tells, tells)
	b.Instructions, b.Draws = append(b.Instructions, due), append(b.Draws, draws)
}

// give notes what is given out, under the ids that were told for it.
func (b *ledgers) give(i int, a *account, date rules.Instant, due []order) {
	for _, x := range due {
		id := numbered(i, x)
		if b.ids != nil {
			n := slices.IndexFunc(b.ids[i], func(in rules.Instruction) bool { return in.Programme == x.Programme && in.Currency == x.Currency })
			if n >= 0 {
				id = b.ids[i][n].ID
			}
		}
		a.payout.given = append(a.payout.given, &instruction{order: x, id: id, dated: date})
	}
}

func addTo(sums map[Payee]int64, p Payee, minor int64) {
	if sums[p] += minor; sums[p] == 0 {
		delete(sums, p)
	}
}

// deliver hands to the sponsors what was told, and is what that makes due.
func (b *ledgers) deliver(i int, date rules.Instant, tells map[ReferralKey]rules.Referral) []order {
	var all []order
	for key, r := range tells {
		sponsor := b.account(key.SponsorAccountID)
		before := b.oracle.cashOf(sponsor)
		r.At = date
		sponsor.referrals[key] = &r
		sponsor.ledger = b.oracle.ledger(sponsor)
		due := b.oracle.pay(sponsor, Record{Referral: &r}, before)
		b.give(i, sponsor, date, due)
		all = append(all, due...)
	}
	return all
}

// endWith settles an account with the grants that it has in the end.
func (b *ledgers) endWith(a *account, grants []rules.Grant) {
	purchases := b.oracle.purchases(a)
	first := b.oracle.bothWorlds(a, purchases, nil)
	var its []rules.Grant
	for _, g := range grants {
		if g.AccountID == a.id {
			its = append(its, g)
		}
	}
	b.purse.told = [][]rules.Grant{its}
	b.purse.decide(0, a, b.oracle.asks(first))
	b.oracle.settle(a, purchases, first)
	for key, r := range a.told {
		b.account(key.SponsorAccountID).referrals[key] = &r
	}
}

// changes are the referrals of now that differ from those before; one that is
// no longer deserved says so.
func changes(now, before map[ReferralKey]rules.Referral) map[ReferralKey]rules.Referral {
	changed := map[ReferralKey]rules.Referral{}
	for key, r := range now {
		if before[key] != r {
			changed[key] = r
		}
	}
	for key, r := range before {
		if _, still := now[key]; !still {
			changed[key] = noLonger(r)
		}
	}
	return changed
}

// withMatched says of each whether a refund is matched to its purchase: no change
// of a referral by itself.
func (o oracle) withMatched(a *account, tells map[ReferralKey]rules.Referral) map[ReferralKey]rules.Referral {
	if len(tells) == 0 {
		return tells
	}
	for _, id := range o.matchesOf(a, a.events) {
		for key, r := range tells {
			if r.TransactionID == id {
				r.MatchedRefund = true
				tells[key] = r
			}
		}
	}
	return tells
}

// noLonger is a referral of which nothing is left.
func noLonger(r rules.Referral) rules.Referral {
	r.ConfirmedBasisMinor, r.ConfirmedRewardMinor, r.LateConfirmedRewardMinor, r.ClearedAt = 0, 0, 0, rules.Instant{}
	r.ExpectedBasisMinor, r.ExpectedRewardMinor, r.LateExpectedRewardMinor = 0, 0, 0
	return r
}

// saysNothing reports a referral of no reward, with late events and without.
func saysNothing(r *rules.Referral) bool {
	return r.ConfirmedRewardMinor == 0 && r.ExpectedRewardMinor == 0 && r.LateConfirmedRewardMinor == 0 && r.LateExpectedRewardMinor == 0
}

// oracle knows the catalogue, and remembers where events match: that follows
// from the catalogue alone.
type oracle struct {
	cat     *offer.Catalogue
	matches map[*rules.Event]matched
}

func newOracle(cat *offer.Catalogue) oracle {
	return oracle{cat, map[*rules.Event]matched{}}
}

// account is the set of one account, what it was granted, and the ledger that
// follows from both.
type account struct {
	id        string
	events    []*rules.Event
	counted   map[*rules.Event]bool // of the set, that were ever part of a purchase that was known
	kept      map[string]uint64     // contents of such that were dropped
	facts     []*rules.Fact
	referrals map[ReferralKey]*rules.Referral // of the members whom it referred: the newest of each
	grants    map[grantKey]grant
	own       map[Key]Sums // of its purchases
	confirmed []result     // likewise, in the confirmed world
	payout    payout
	ledger    map[Key]Sums
	told      map[ReferralKey]rules.Referral // to its sponsors
	last      map[ReferralKey]rules.Referral // told before the last record
}

func (o oracle) arrive(a *account, r Record) rules.Fate {
	switch {
	case r.Event != nil:
		return o.arriveEvent(a, r.Event)
	case r.Fact != nil:
		return o.arriveFact(a, r.Fact)
	case r.Result != nil:
		return rules.Unmatched // no part of the set
	default:
		return arriveReferral(a, r.Referral)
	}
}

// arriveReferral keeps the highest number of each key.
func arriveReferral(a *account, r *rules.Referral) rules.Fate {
	if known := a.referrals[KeyOfReferral(r)]; known != nil && r.Number <= known.Number {
		return rules.Duplicate
	}
	a.referrals[KeyOfReferral(r)] = r
	return rules.NoChange
}

// arriveEvent decides on the set alone. NoChange stands for "in the set": the
// ledger tells whether anything was booked.
func (o oracle) arriveEvent(a *account, e *rules.Event) rules.Fate {
	if e.Declined {
		return rules.Declined
	}
	for _, x := range a.events {
		if x.ID == e.ID {
			return sameID(x.ContentHash, e.ContentHash)
		}
	}
	if hash, kept := a.kept[e.ID]; kept {
		return sameID(hash, e.ContentHash)
	}
	with := append(slices.Clone(a.events), e)
	known := o.known(purchaseOf(e, with), a.events, with)
	newest, any := newestOf(a.events)

	_, given := o.matchesOf(a, with)[e]
	if !o.knownMember(a, e.PurchaseTime()) && !known && !given {
		return rules.NoMember
	}
	if e.Type.Opens() && !known {
		if _, matches := o.match(e); !matches {
			return rules.Unmatched
		}
		if any && moreThanDaysBefore(e.OccurredAt, o.horizon(a, e.PurchaseTime()), newest) {
			return rules.TooLate
		}
	}
	fate := rules.NoChange
	if !e.Type.Opens() && !known && !given {
		if any && moreThanDaysBefore(e.OccurredAt, waitingDays, newest) {
			return rules.TooLate
		}
		fate = rules.Waiting
	}
	a.events = with
	o.dropWaiting(a)
	o.noteCounted(a)
	return fate
}

func (o oracle) arriveFact(a *account, f *rules.Fact) rules.Fate {
	for _, x := range a.facts {
		if x.ID == f.ID {
			return sameID(x.ContentHash, f.ContentHash)
		}
	}
	newest, any := newestOf(a.events)
	if any && moreThanDaysBefore(f.At, o.horizon(a, f.At), newest) {
		return rules.TooLate
	}
	a.facts = append(a.facts, f)
	o.dropWaiting(a)
	o.noteCounted(a)
	return rules.NoChange
}

func sameID(first, second uint64) rules.Fate {
	if first == second {
		return rules.Duplicate
	}
	return rules.DeadLettered
}

func newestOf(events []*rules.Event) (newest rules.Instant, any bool) {
	for _, e := range events {
		if !any || e.OccurredAt.After(newest) {
			newest, any = e.OccurredAt, true
		}
	}
	return newest, any
}

func moreThanDaysBefore(t rules.Instant, days int, newest rules.Instant) bool {
	return t.AddDays(days).Before(newest)
}

// dropWaiting takes out of the set what has waited too long or is too much.
func (o oracle) dropWaiting(a *account) {
	for {
		newest, _ := newestOf(a.events)
		given := o.matchesOf(a, a.events)
		var waiting []*rules.Event
		for _, e := range a.events {
			if _, isGiven := given[e]; !isGiven && !e.Type.Opens() && !o.known(purchaseOf(e, a.events), a.events, a.events) {
				waiting = append(waiting, e)
			}
		}
		slices.SortFunc(waiting, byDate)
		if len(waiting) == 0 {
			return
		}
		oldest := waiting[0]
		if len(waiting) <= waitingLimit && !moreThanDaysBefore(oldest.OccurredAt, waitingDays, newest) {
			return
		}
		a.events = slices.DeleteFunc(slices.Clone(a.events), func(e *rules.Event) bool { return e == oldest })
		if a.counted[oldest] {
			a.kept[oldest.ID] = oldest.ContentHash
		}
	}
}

// noteCounted notes which events count in a purchase: what once did keeps its id.
func (o oracle) noteCounted(a *account) {
	for e := range o.matchesOf(a, a.events) {
		a.counted[e] = true
	}
	known := map[string]bool{}
	for _, e := range a.events {
		if _, matches := o.match(e); e.Type.Opens() && matches {
			known[purchaseOf(e, a.events)] = true
		}
	}
	for _, e := range a.events {
		a.counted[e] = a.counted[e] || known[purchaseOf(e, a.events)]
	}
}

func byDate(x, y *rules.Event) int {
	return cmp.Or(x.OccurredAt.Compare(y.OccurredAt), cmp.Compare(x.ID, y.ID))
}

// purchaseOf is the id of the purchase to which e belongs: two links at most.
func purchaseOf(e *rules.Event, set []*rules.Event) string {
	if e.OriginalTransactionID == "" {
		return e.TransactionID
	}
	return follow(e.OriginalTransactionID, set)
}

// follow is the purchase that the first event with this id of its own names,
// else the id itself.
func follow(id string, set []*rules.Event) string {
	var first *rules.Event
	for _, x := range set {
		names := x.TransactionID == id && x.OriginalTransactionID != "" && x.OriginalTransactionID != id
		if names && (first == nil || byDate(x, first) < 0) {
			first = x
		}
	}
	if first != nil {
		return first.OriginalTransactionID
	}
	return id
}

// known reports whether one of the candidates opens the purchase, where links
// are followed in set.
func (o oracle) known(purchase string, candidates, set []*rules.Event) bool {
	for _, x := range candidates {
		if !x.Type.Opens() || purchaseOf(x, set) != purchase {
			continue
		}
		if _, matches := o.match(x); matches {
			return true
		}
	}
	return false
}
