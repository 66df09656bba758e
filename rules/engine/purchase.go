package engine

import (
	"ristourne/rules"
	"ristourne/rules/money"
)

// world is one of the two in which awards are worked out: on what is cleared,
// and on what is expected to be.
type world int

const (
	confirmedWorld world = iota
	expectedWorld
	numWorlds
)

// tally is what a purchase's events say of it whatever the currency.
type tally struct {
	withLate bool  // late events are looked at too
	latest   int32 // of the authorizations and updates, which state the total; -1: none
	raised   bool  // there is an increment
	cleared  bool  // there is a clearing
	expired  bool  // the authorised amount is 0 for good
	lowered  bool  // something was given back
	matched  bool  // by a refund that named no purchase
	late     bool  // a late event is looked at
}

// tallyOf looks at the events of p, at those that are late too or not.
func (a *Account) tallyOf(p *purchase, withLate bool) tally {
	t := tally{withLate: withLate, latest: -1, expired: p.expired}
	for i := p.events; i >= 0; i = a.events[i].next {
		e := &a.events[i]
		if e.late {
			if !withLate {
				continue
			}
			t.expired, t.late = true, true
		}
		switch e.typ {
		case rules.Authorization, rules.AuthorizationUpdate:
			if t.latest < 0 || a.events[t.latest].byDate(e) < 0 {
				t.latest = i
			}
		case rules.AuthorizationIncrement:
			t.raised = true
		case rules.Clearing:
			t.cleared = true
		case rules.Refund, rules.Chargeback, rules.Reversal:
			t.lowered = true
			t.matched = t.matched || e.matched
		}
	}
	return t
}

// basis is what a purchase comes to in one currency, in each world. Where
// stated is false, an amount that counts is not stated in that currency.
type basis struct {
	currency money.Currency
	minor    [numWorlds]int64
	stated   [numWorlds]bool
	trace    amounts
}

// amounts are the sums behind a basis, before the floors at 0.
type amounts struct {
	authorisedMinor, reversedMinor        int64
	clearedMinor, refundedMinor           int64
	chargedBackMinor, chargebackBackMinor int64
	authorisedStated, clearedStated       bool
}

// basisIn states the purchase's events in the currency and adds them up. Sums
// are within the account's volume, which is within int64.
func (a *Account) basisIn(c money.Currency, p *purchase, t tally) basis {
	s := amounts{authorisedStated: true, clearedStated: true}
	for i := p.events; i >= 0; i = a.events[i].next {
		e := &a.events[i]
		if e.late && !t.withLate {
			continue
		}
		minor, stated := e.in(c)
		switch e.typ {
		case rules.Authorization, rules.AuthorizationUpdate:
			if i == t.latest {
				s.authorisedMinor += minor
				s.authorisedStated = s.authorisedStated && stated
			}
		case rules.AuthorizationIncrement:
			if a.onTop(e, t) {
				s.authorisedMinor += minor
				s.authorisedStated = s.authorisedStated && stated
			}
		case rules.Reversal:
			if a.onTop(e, t) {
				s.reversedMinor += minor
				s.authorisedStated = s.authorisedStated && stated
			}
		case rules.Clearing:
			s.clearedMinor += minor
			s.clearedStated = s.clearedStated && stated
		case rules.Refund:
			s.refundedMinor += minor
			s.clearedStated = s.clearedStated && stated
		case rules.Chargeback:
			s.chargedBackMinor += minor
			s.clearedStated = s.clearedStated && stated
		case rules.ChargebackReversal:
			s.chargebackBackMinor += minor
			s.clearedStated = s.clearedStated && stated
		}
	}
	return s.basis(c, t)
}

// onTop reports whether an increment or a reversal is not in the latest total
// already: it is not dated before it, or no total was stated.
func (a *Account) onTop(e *setEvent, t tally) bool {
	return t.latest < 0 || !e.occurredAt.Before(a.events[t.latest].occurredAt)
}

func (s amounts) basis(c money.Currency, t tally) basis {
	b := basis{currency: c, trace: s, stated: [numWorlds]bool{true, true}}
	if t.cleared {
		// Once something was cleared, the uncleared rest is no longer expected.
		// Without a clearing nothing can be over 0, whatever was refunded.
		minor := max(0, s.clearedMinor-s.refundedMinor-max(0, s.chargedBackMinor-s.chargebackBackMinor))
		b.minor = [numWorlds]int64{minor, minor}
		b.stated = [numWorlds]bool{s.clearedStated, s.clearedStated}
		return b
	}
	if !t.expired {
		b.minor[expectedWorld] = max(0, s.authorisedMinor-s.reversedMinor)
		b.stated[expectedWorld] = s.authorisedStated
	}
	return b
}

// in is the event's amount in the currency, and whether the event states it.
func (e *setEvent) in(c money.Currency) (minor int64, stated bool) {
	switch c {
	case e.currency:
		return e.amountMinor, true
	case e.billing:
		return e.billingMinor, true
	}
	return 0, false
}
