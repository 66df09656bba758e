package engine

import (
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// This file closes cycles: what is mature is paid, and what was paid too much is
// taken back or given up. It goes by what the account's set holds at that moment;
// what comes later is the next cycle's.

// maturity is what is mature: hold days before t at the latest.
type maturity struct {
	t        rules.Instant
	holdDays int
}

func (m *maturity) has(cleared rules.Instant) bool {
	return m == nil || !cleared.AddDays(m.holdDays).After(m.t)
}

// earnedBy is the confirmed cash of a balance that was not earned before `from`
// (zero: all), and, where it is asked for, is mature; of purchases that are not put
// away.
func (s *Snapshot) earnedBy(a *Account, balance int32, from rules.Instant, m *maturity) int64 {
	p := &a.balances[balance]
	unit, total := p.currency.String(), int64(0)
	counts := func(at rules.Instant) bool { return from == (rules.Instant{}) || !at.Before(from) }
	for i := range a.purchases {
		if x := &a.purchases[i]; x.lines >= 0 && counts(x.at) && m.has(a.latestClearing(x)) {
			total += a.cashOf(x.lines, p.programme, unit)
		}
	}
	for i := range a.referrals {
		if r := &a.referrals[i]; r.lines >= 0 && counts(r.PurchasedAt) && m.has(r.MatureFrom()) {
			total += a.cashOf(r.lines, p.programme, unit)
		}
	}
	s.factLinesOf(a, func(l entitlement, at rules.Instant) {
		if l.kind == rules.Cash && l.programme == p.programme && l.unit == unit && counts(at) && (m == nil || !at.After(m.t)) {
			total += l.rewardMinor
		}
	})
	return total
}

// cashOf is the confirmed cash of a chain's lines in a balance.
func (a *Account) cashOf(head int32, programme, unit string) int64 {
	total := int64(0)
	for i := head; i >= 0; i = a.lines[i].next {
		if l := &a.lines[i]; l.isCash() && l.programme == programme && l.unit == unit {
			total += l.rewardMinor
		}
	}
	return total
}

// isCash reports a line of money that the account is confirmed.
func (k *lineKey) isCash() bool {
	return k.stage == rules.Confirmed && k.kind == rules.Cash && k.role != rules.RolePartner
}

// latestClearing is when a purchase was cleared last; of one without a clearing,
// which a ledger may have kept without its events, when it was made.
func (a *Account) latestClearing(p *purchase) rules.Instant {
	last, any := rules.MinInstant, false
	for i := p.events; i >= 0; i = a.events[i].next {
		if a.events[i].typ == rules.Clearing {
			last, any = rules.Later(last, a.events[i].occurredAt), true
		}
	}
	if !any {
		return p.at
	}
	return last
}

// lastClosed is the cycle of a programme that closed last; nil: none has.
func (a *Account) lastClosed(programme string) *rules.Fact {
	var last *rules.Fact
	for i := range a.facts {
		f := &a.facts[i]
		if f.Type == rules.CycleClosed && f.Closed != nil && f.Programme == programme &&
			(last == nil || f.AsOfInstant().After(last.AsOfInstant())) {
			last = f
		}
	}
	return last
}

// closing is a cycle that closes: the last one before it, and what is found.
type closing struct {
	fact   *rules.Fact
	last   *rules.Fact // a copy; nil: none
	replay bool        // what was found is known
}

// closeCycle pays what is due by the closing, and takes back what was paid too much.
func (b *booking) closeCycle(c *closing) error {
	a, t := b.account, c.fact.AsOfInstant()
	terms := b.snapshot.payoutAt(c.fact.Programme, t)
	b.nets = b.nets[:0]
	for i := range a.balances {
		if a.balances[i].programme != c.fact.Programme {
			continue
		}
		if err := b.closeBalance(int32(i), c, &terms, t); err != nil {
			return err
		}
	}
	if c.replay {
		return nil
	}
	for i := range a.facts {
		if f := &a.facts[i]; f.ID == c.fact.ID {
			f.Closed = c.fact.Closed
		}
	}
	b.nets = b.nets[:0]
	b.bookFacts() // what is written off
	return nil
}

func (b *booking) closeBalance(balance int32, c *closing, terms *payoutTerms, t rules.Instant) error {
	confirmed, instructed, err := b.totalsOf(balance, terms.PayFrom)
	if err != nil {
		return err
	}
	if debt := instructed - confirmed; debt > 0 {
		return b.closeDebt(balance, debt, c, terms, t)
	}
	due := confirmed - instructed // at once it pays what versions, rejections and releases left
	if terms.Cycle.Kind != offer.AtOnce {
		mature, err := b.matureOf(balance, terms, t)
		if err != nil {
			return err
		}
		due = min(mature, confirmed) - instructed
	}
	if due <= 0 || due < b.leastOf(balance, terms, t) {
		return nil
	}
	return b.payInCycle(&net{balance: balance, minor: due}, c, terms, t)
}

// matureOf is what a balance was confirmed that is mature when a cycle closes.
func (b *booking) matureOf(balance int32, terms *payoutTerms, t rules.Instant) (int64, error) {
	m := &maturity{t, terms.HoldDays}
	putAway, err := b.account.foldedCashOf(balance, m)
	if err != nil {
		return 0, err
	}
	return putAway + b.snapshot.earnedBy(b.account, balance, terms.PayFrom, m), nil
}

// payInCycle pays or takes by the closing of a cycle. What is paid at once is of no
// cycle, and goes the way that the set knows.
func (b *booking) payInCycle(n *net, c *closing, terms *payoutTerms, t rules.Instant) error {
	if terms.Cycle.Kind == offer.AtOnce {
		return b.payUnlessStuck(n, terms, "", rules.MaxInstant)
	}
	return b.payUnlessStuck(n, terms, c.fact.Cycle, t)
}

// leastOf is the least that a cycle pays: of the programme's own currency, and to
// who is still its member.
func (b *booking) leastOf(balance int32, terms *payoutTerms, t rules.Instant) int64 {
	p := &b.account.balances[balance]
	if p.currency != terms.currency || terms.FromMinor == 0 {
		return 0
	}
	standing := b.account.standingAt(t)
	if v := b.snapshot.programmeFor(b.account, &standing, t); v == nil || v.ID != p.programme {
		return 0
	}
	return terms.FromMinor
}

// closeDebt gives up what was paid too much, or takes it back, or leaves it to
// coming rewards.
func (b *booking) closeDebt(balance int32, minor int64, c *closing, terms *payoutTerms, t rules.Instant) error {
	p := &b.account.balances[balance]
	debt := rules.Debt{Currency: p.currency, Since: debtSince(c, p.currency, t)}
	w := terms.WriteOff
	if minor <= w.UpToMinor && p.currency == terms.currency && !debt.Since.AddDays(w.AfterDays).After(t) && !c.replay {
		debt.WrittenOffMinor = minor
		c.fact.Closed = append(c.fact.Closed, debt)
		return nil
	}
	if !c.replay {
		c.fact.Closed = append(c.fact.Closed, debt)
	}
	afterDays, debits := terms.Debits()
	if !debits || debt.Since.AddDays(afterDays).After(t) {
		return nil
	}
	return b.payInCycle(&net{balance: balance, minor: -minor}, c, terms, t)
}

// debtSince is since when there is a debt: the cycle before may have met it.
func debtSince(c *closing, currency money.Currency, t rules.Instant) rules.Instant {
	if c.last != nil {
		for _, debt := range c.last.Closed {
			if debt.Currency == currency {
				return debt.Since
			}
		}
	}
	return t
}

func (b *booking) payUnlessStuck(n *net, terms *payoutTerms, cycle string, methodAt rules.Instant) error {
	stuck, err := b.account.stuck(n.balance, n.minor < 0, terms.AttemptsAllowed())
	if err == nil && !stuck {
		b.issue(n, terms, cycle, methodAt)
	}
	return err
}

// release instructs what payments that were stuck have left, where the programme
// pays at once.
func (b *booking) release(f *rules.Fact) error {
	terms := b.snapshot.payoutAt(f.Programme, f.At)
	if terms.Cycle.Kind != offer.AtOnce {
		return nil
	}
	for i := range b.account.balances {
		if b.account.balances[i].programme != f.Programme {
			continue
		}
		confirmed, instructed, err := b.totalsOf(int32(i), terms.PayFrom)
		if err != nil {
			return err
		}
		if due := confirmed - instructed; due > 0 {
			if err := b.payUnlessStuck(&net{balance: int32(i), minor: due}, &terms, "", rules.MaxInstant); err != nil {
				return err
			}
		}
	}
	return nil
}

// writtenOff is the line by which a debt was given up.
func writtenOff(f *rules.Fact, debt *rules.Debt) entitlement {
	var l entitlement
	l.role, l.stage, l.kind, l.unit, l.why = rules.RoleMember, rules.Confirmed, rules.Cash, debt.Currency.String(), reason.WriteOff
	l.programme, l.rewardMinor, l.costMinor = f.Programme, debt.WrittenOffMinor, debt.WrittenOffMinor
	return l
}

// factLinesOf calls each with the lines that facts entitle to by themselves, and
// their dates.
func (s *Snapshot) factLinesOf(a *Account, each func(l entitlement, at rules.Instant)) {
	for i := range a.facts {
		f := &a.facts[i]
		for n := range f.Closed {
			if debt := &f.Closed[n]; debt.WrittenOffMinor > 0 {
				each(writtenOff(f, debt), f.AsOfInstant())
			}
		}
		if l, ok := factLine(f); ok && s.takesEvents(a, f.At) {
			if l.programme = f.Programme; l.programme == "" {
				l.programme = s.programmeOf(a, f.At)
			}
			each(l, f.At)
		}
	}
}
