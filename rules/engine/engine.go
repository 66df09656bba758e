package engine

import (
	"errors"
	"fmt"
	"slices"

	"ristourne/rules"
	"ristourne/rules/reason"
)

// Engine decides records against accounts. It holds scratch memory that is
// reused from record to record, so one engine serves one goroutine. The same
// account, snapshot, budgets and records give the same output, always.
//
// The order of calls is New, SetBudgets where budgets are asked, then for each
// record Apply (or one of ApplyEvent, ApplyFact, ApplyReferral); Use between two
// records goes over to another snapshot. An account may be decided by one engine
// after another. One that is made anew from the ledger takes Replay for each row,
// with no budgets set, then AdoptBooked, AdoptInstructed, AdoptGrants and
// AdoptPublished, and then Restored, where what was adopted is how things stand,
// or Repair, where the difference is to be booked.
//
// What an error leaves behind: errForeign and ErrLimit come before anything is
// changed. After any other error of an Apply or a Repair both the account and the
// output may be half changed, and budgets may have given something to what will
// never be booked: the caller throws account and output away, saves nothing, and
// stops.
//
// One record is decided in these steps, in this order:
//
//	bindSnapshot                forget what the account remembers of another snapshot
//	insertEvent or insertFact,  change the set, and mark purchases dirty
//	matchRefunds, dropWaiting
//	begin                       forget the decision before
//	valuer.value                for each purchase that the change reaches, in filling order: its worth,
//	counters.add                  what it uses of what fills up, and leaves to those after it,
//	demands.add                   what it asks of budgets, where all purchases are valued,
//	booking.entitle               and what is due by it
//	demands.allocate            ask the budgets; where they give less, restart, and value all under
//	                            what they gave
//	booking.book...             the difference to what is booked, the referrals to publish, and what
//	                            is to be paid by it
//
// Each of these types keeps memory from one use to the next and says how long what
// it gives is valid: a worth until the next purchase is valued; counters, history
// and what is due until a run begins; demands, which the second run reads, until
// the next decision.
type Engine struct {
	termsFinder // lastTerms holds for one decision: facts may change between two
	budgets     Budgets
	matcher     refundMatcher
	refundNotes []refundNote // of the account's unlinked refunds, before the record at hand
	counters    counters     // filled by the runs, read by valuer and referrals
	valuer      valuer
	referrals   referralValuer
	demands     demands
	booking     booking
	folding     foldLimits
	holdouts    []rules.HoldoutDraw // of the purchase of the event at hand; memory of valuer
	replaying   bool                // what was decided before is known to the ledger
}

// New decides by s.
func New(s *Snapshot) *Engine {
	e := &Engine{termsFinder: termsFinder{snapshot: s}, folding: usualFold}
	e.valuer.termsFinder, e.valuer.counters = &e.termsFinder, &e.counters
	e.referrals.termsFinder, e.referrals.counters = &e.termsFinder, &e.counters
	e.booking.reasons = reason.Cache{}
	return e
}

// Use goes over to another snapshot, between batches. Accounts that were
// decided by the former one may go on.
func (e *Engine) Use(s *Snapshot) { e.snapshot = s }

// Verdict is what became of a record. Its fate is DeadLettered only with
// Conflict: an id came again with other content, and the first accepted stands.
type Verdict struct {
	Fate     rules.Fate
	Conflict bool
}

// ErrLimit is a record that would take its account beyond its bounds: 2^55
// minor units in all, 40 MiB of events, 2^16 sums of item categories, 2^8 lists of
// items a purchase, 2^12 facts with 4 MiB of text, 2^17 referrals
// with 24 MiB of text, 2^16 results. The account and the output are unchanged: the record is a
// dead letter, and the stream goes on.
var ErrLimit = errors.New("the account is at its limit")

// errForeign is a record of another account: a fault of the caller.
var errForeign = errors.New("the record is of another account")

// ApplyEvent takes an event into the account's set, finds what changes,
// and appends the differences to out. Strings in out point into the account,
// the snapshot and ev.
//
// An error that is ErrLimit leaves account and output as they were: the caller
// makes the record a dead letter. Any other error is a broken invariant, never
// a property of the record: the caller throws account and output away, saves
// nothing, and stops.
func (e *Engine) ApplyEvent(a *Account, ev *rules.Event, c rules.Cause, out *rules.Output) (Verdict, error) {
	if ev.AccountID != "" && ev.AccountID != a.id {
		return Verdict{}, fmt.Errorf("event: %w", errForeign)
	}
	if ev.Declined {
		return Verdict{Fate: rules.Declined}, nil
	}
	member := e.snapshot.takesEvents(a, ev.PurchaseTime())
	if !member && len(a.purchases) == 0 {
		return Verdict{Fate: rules.NoMember}, nil
	}
	if hash, known := a.hashByID(ev.ID); known {
		return sameID(hash == ev.ContentHash), nil
	}
	purchaseID := a.resolve(ev.TransactionID, ev.OriginalTransactionID, link{})
	known := a.knowsWith(ev, purchaseID)
	m, matches := e.matchOf(ev)
	fate := rules.NoMember // but for what changes a purchase of when the account was one
	if member || known {
		fate = e.admit(a, ev, known, matches)
	}
	mayMatch := ev.Type == rules.Refund && matches && !known
	if !fate.InSet() && !mayMatch {
		return Verdict{Fate: fate}, nil
	}
	if a.isFull(ev, purchaseID) {
		return Verdict{}, fmt.Errorf("event %s: %w", ev.ID, ErrLimit)
	}
	e.bindSnapshot(a)
	e.noteBalances(a, ev.OccurredAt)
	e.noteRefunds(a)
	at, newest := int32(len(a.events)), a.newest
	e.insertEvent(a, ev, m, ev.Type.Opens() && e.snapshot.matchesOwn(ev), purchaseID)
	if e.matchRefunds(a); mayMatch {
		if fate = e.whetherMatched(a, fate); !fate.InSet() {
			a.newest = newest
			return Verdict{Fate: fate}, nil
		}
	}
	e.dropWaiting(a)
	e.reportRefunds(a, out)
	booked, err := e.decide(a, decision{cause: c, at: ev.OccurredAt, event: at}, out)
	if booked && fate == rules.NoChange {
		fate = rules.Booked
	}
	return Verdict{Fate: fate}, err
}

// matchOf is where the merchant of an event that opens purchases is found, or of
// a refund that may be matched to one.
func (e *Engine) matchOf(ev *rules.Event) (Match, bool) {
	switch {
	case ev.Type.Opens():
		return e.snapshot.Match(ev)
	case ev.Type == rules.Refund && e.snapshot.unlinkedRefunds:
		return e.snapshot.matchStore(ev)
	}
	return Match{}, false
}

// whetherMatched is the fate of the event that was put into the set last, a
// refund whose purchase is unknown: where it is matched to none and has waited
// too long as it comes, it is taken out again.
func (e *Engine) whetherMatched(a *Account, fate rules.Fate) rules.Fate {
	last := int32(len(a.events) - 1)
	switch {
	case a.events[last].matched:
		return rules.NoChange
	case !fate.InSet():
		e.removeEvent(a, last)
		e.matchRefunds(a)
	}
	return fate
}

// isFull reports that the event would take the account beyond its bounds.
func (a *Account) isFull(ev *rules.Event, purchaseID string) bool {
	switch {
	case volumeOf(ev) > maxAccountVolumeMinor-a.volume, a.eventBytes > maxAccountEventBytes, len(a.dropped) >= maxDroppedEvents:
		return true
	case len(ev.Items) == 0:
		return false
	case a.items+len(ev.Items) > maxAccountItems:
		return true
	}
	lists := 0
	if i := a.find(purchaseID); i >= 0 {
		for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
			lists += int(oneIf(a.events[n].listsItems))
		}
	}
	return lists >= maxItemLists
}

// admit decides whether an event that is new to the account enters its set.
// NoChange stands for yes.
func (e *Engine) admit(a *Account, ev *rules.Event, known, matches bool) rules.Fate {
	switch {
	case known:
		return rules.NoChange
	case ev.Type.Opens() && !matches:
		return rules.Unmatched
	case ev.Type.Opens() && e.tooLate(a, ev.OccurredAt, ev.PurchaseTime()):
		return rules.TooLate
	case ev.Type.Opens():
		return rules.NoChange
	case olderThan(ev.OccurredAt, WaitingDays, a.newest):
		return rules.TooLate
	}
	return rules.Waiting
}

// tooLate reports whether what is dated t is more than H days before the
// newest event of the set; H is that of the terms in force at the time `at`.
func (e *Engine) tooLate(a *Account, t, at rules.Instant) bool {
	// H is at least a day: most records need not look it up.
	return olderThan(t, 1, a.newest) && olderThan(t, e.snapshot.horizonDays(a, at), a.newest)
}

func sameID(sameContent bool) Verdict {
	if sameContent {
		return Verdict{Fate: rules.Duplicate}
	}
	return Verdict{Fate: rules.DeadLettered, Conflict: true}
}

// ApplyFact takes a fact into the account's set; as ApplyEvent.
func (e *Engine) ApplyFact(a *Account, f *rules.Fact, c rules.Cause, out *rules.Output) (Verdict, error) {
	if f.AccountID != "" && f.AccountID != a.id {
		return Verdict{}, fmt.Errorf("fact: %w", errForeign)
	}
	for i := range a.facts {
		if a.facts[i].ID == f.ID {
			return sameID(a.facts[i].ContentHash == f.ContentHash), nil
		}
	}
	if e.tooLate(a, f.At, f.At) {
		return Verdict{Fate: rules.TooLate}, nil
	}
	volume := max(f.AmountMinor, -f.AmountMinor)
	if volume > maxAccountVolumeMinor-a.volume || len(a.facts) >= maxAccountFacts || a.factBytes()+f.Bytes() > maxAccountFactBytes {
		return Verdict{}, fmt.Errorf("fact %s: %w", f.ID, ErrLimit)
	}
	e.bindSnapshot(a)
	e.noteBalances(a, f.At)
	d := decision{cause: c, at: f.At, facts: true, event: noEvent}
	taken := e.prepare(a, f, &d)
	a.volume += volume
	a.insertFact(f)
	e.markByFact(a, f)
	if f.Type == rules.Enrolled { // in another programme refunds may be matched otherwise
		e.noteRefunds(a)
		e.matchRefunds(a)
		e.dropWaiting(a)
		e.reportRefunds(a, out)
	}
	booked, err := e.decide(a, d, out)
	if booked || taken {
		return Verdict{Fate: rules.Booked}, err
	}
	return Verdict{Fate: rules.NoChange}, err
}

// prepare makes ready for a fact of payments, and reports whether it is booked
// whatever it changes.
func (e *Engine) prepare(a *Account, f *rules.Fact, d *decision) (taken bool) {
	switch f.Type {
	case rules.CycleClosed:
		known := f.Closed != nil && e.replaying
		if !known {
			f.Closed = nil
		}
		last := a.lastClosed(f.Programme)
		if !known && last != nil && !f.AsOfInstant().After(last.AsOfInstant()) {
			return false
		}
		if !known {
			f.Closed = []rules.Debt{}
		}
		d.at = f.AsOfInstant()
		d.closing = &closing{fact: f, replay: known}
		if last != nil {
			before := *last // facts may move
			d.closing.last = &before
		}
		return true
	case rules.PayoutReleased:
		d.released = f
		return true
	case rules.PayoutMethod:
		return true
	default:
		return false
	}
}

// markByFact marks the purchases that a new fact can change.
func (e *Engine) markByFact(a *Account, f *rules.Fact) {
	switch f.Type {
	case rules.AuthorizationExpired:
		if i := a.find(a.resolve("", f.TransactionID, link{})); i >= 0 {
			a.purchases[i].expired, a.purchases[i].dirty = true, true
		}
	case rules.Enrolled:
		e.reassignAll(a)
		a.markFrom(f.At)
	case rules.Left, rules.CardLinked, rules.CardUnlinked, rules.LevelChanged, rules.OfferActivated, rules.OfferDeactivated, rules.SegmentAdded, rules.SegmentRemoved:
		a.markFrom(f.At)
	case rules.CycleClosed, rules.PointsSpent, rules.WalletSpent, rules.Adjustment, rules.Erased,
		rules.PayoutMethod, rules.PayoutReleased, rules.VoucherRedeemed:
	}
}

// reassignAll looks anew at all purchases: which events are late depends on the
// horizon of the programme that the account is in.
func (e *Engine) reassignAll(a *Account) {
	changed := false
	for i := range a.purchases {
		p := &a.purchases[i]
		before := *p
		e.markLate(a, p)
		a.chooseAnchor(p)
		p.termsFound = false
		changed = changed || before.late || p.late
	}
	if changed {
		slices.SortFunc(a.purchases, func(x, y purchase) int { return inFillingOrder(&x, &y) })
		a.markFrom(rules.MinInstant)
	}
}

// markFrom marks all purchases made at t or later.
func (a *Account) markFrom(t rules.Instant) {
	for i := range a.purchases {
		if p := &a.purchases[i]; p.known() && !p.at.Before(t) {
			p.dirty, p.termsFound = true, false
		}
	}
}

// bindSnapshot makes ready for a record: what the account remembers of another snapshot
// is void.
func (e *Engine) bindSnapshot(a *Account) {
	a.compact()
	if a.snapshot == e.snapshot {
		return
	}
	a.snapshot = e.snapshot
	a.bindFold(e.snapshot)
	a.draws.reset()
	for i := range a.purchases {
		a.purchases[i].termsFound = false
	}
}

// SetBudgets gives the engine the budgets to ask. Nil is for replaying what was
// decided before: no budget is asked and none limits anything, and what is
// booked so must be replaced by the ledger's word (AdoptBooked, AdoptGrants).
func (e *Engine) SetBudgets(b Budgets) { e.budgets = b }
