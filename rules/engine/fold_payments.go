package engine

import (
	"fmt"
	"slices"

	"ristourne/rules"
)

// This file is what a fold keeps of payments: an account that is paid at once has one
// for each purchase. Those that the bank has had its word on, or has had time for,
// are put away beside the purchases. Their sums stay in the balances; whether
// payments are stuck, and what a cycle finds mature, is told by what stays here. A
// word on one that is put away makes the account whole.

// mostPagePayments is how many payments lie in one page at most.
const mostPagePayments = 128

// foldedPayments are what those that are put away leave for what comes.
type foldedPayments struct {
	count   int
	results int // the bank's words on all of them
	// rejections are those that still count where payments may be stuck, in the order
	// in which their instructions were given out.
	rejections []foldedRejection
}

// foldedRejection is one of those that stand in a row at the end of what was given
// out of a balance in one direction.
type foldedRejection struct {
	balance     int32
	debit       bool
	needsPerson bool
	at          rules.Instant // of the bank's word
}

func (r *foldedRejection) isOf(balance int32, debit bool) bool {
	return r.balance == balance && r.debit == debit
}

// add counts a payment that is put away after all others. What a person has had a
// look at since counts no more, and never will again.
func (f *foldedPayments) add(a *Account, x *payment) {
	f.count++
	f.results += len(x.results)
	last, debit := x.counts(), x.minor < 0
	switch {
	case last == nil, x.shadow:
	case !isLost(last):
		f.rejections = slices.DeleteFunc(f.rejections, func(r foldedRejection) bool { return r.isOf(x.balance, debit) })
	default:
		if released, ever := a.latestRelease(a.balances[x.balance].programme); ever && last.At.Before(released) {
			return
		}
		f.rejections = append(f.rejections, foldedRejection{x.balance, debit, needsPerson(last), last.At})
	}
}

// foldablePayments is how many of the first payments nothing more is expected of.
func (a *Account) foldablePayments(l *foldLimits) (int, error) {
	if err := a.payments.open(); err != nil {
		return 0, err
	}
	list := a.payments.list
	n := 0
	for n < len(list)-l.kept && a.isAnswered(&list[n], l.answerDays) {
		n++
	}
	return n, nil
}

// isAnswered reports that the bank has said what became of a payment, or says nothing.
func (a *Account) isAnswered(x *payment, answerDays int) bool {
	last := x.counts()
	return x.shadow || last != nil && last.Status != rules.Accepted || olderThan(x.at, answerDays, a.newest)
}

// foldPayments takes the first n payments out of the account.
func (a *Account) foldPayments(f *foldedPayments, n int) {
	f.rejections = slices.Clone(f.rejections)
	for i := range n {
		f.add(a, &a.payments.list[i])
	}
	a.payments.list = slices.Delete(a.payments.list, 0, n)
}

// unfoldPayments puts those that were put away before those that stayed.
func (a *Account) unfoldPayments(away []payment) error {
	results := 0
	for i := range away {
		results += len(away[i].results)
	}
	if f := &a.fold.payments; len(away) != f.count || results != f.results {
		return fmt.Errorf("pages of an account with %d instructions and %d results on them in place of %d and %d", len(away), results, f.count, f.results)
	}
	if err := a.payments.open(); err != nil {
		return err
	}
	a.payments.list = slices.Insert(a.payments.list, 0, away...)
	return nil
}

// allPayments makes sure that the list has all that were given out.
func (a *Account) allPayments() error {
	if a.hasFoldedPayments() {
		return ErrFolded
	}
	return a.payments.open()
}

func (a *Account) hasFoldedPayments() bool { return a.fold != nil && a.fold.payments.count > 0 }

// foldedEarned is what purchases that are put away have earned: they may be many, and a
// cycle asks for little more than their sum.
type foldedEarned struct {
	known     bool          // not of a state of before
	cashMinor []int64       // confirmed, by balance
	cleared   rules.Instant // the latest clearing of those that were confirmed any
	points    bool          // some earned points
	wallet    bool          // some put money into a wallet
}

// foldEarned adds a purchase that is put away.
func (a *Account) foldEarned(c *foldedEarned, p *purchase) {
	any := false
	for i := p.lines; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		c.points, c.wallet = c.points || l.kind == rules.Points, c.wallet || l.kind == rules.Wallet
		if !l.isCash() {
			continue
		}
		balance := slices.IndexFunc(a.balances, func(b balance) bool { return b.programme == l.programme && b.currency.String() == l.unit })
		if balance < 0 {
			c.known = false
			return
		}
		for len(c.cashMinor) <= balance {
			c.cashMinor = append(c.cashMinor, 0)
		}
		c.cashMinor[balance] += l.rewardMinor
		any = true
	}
	if any {
		c.cleared = rules.Later(c.cleared, a.latestClearing(p))
	}
}

// foldedCashOf is what purchases that are put away were confirmed in a balance, where
// all of it is mature; else they are needed.
func (a *Account) foldedCashOf(balance int32, m *maturity) (int64, error) {
	switch {
	case a.fold == nil:
		return 0, nil
	case !a.fold.earned.known || !m.has(a.fold.earned.cleared):
		return 0, ErrFolded
	case int(balance) >= len(a.fold.earned.cashMinor):
		return 0, nil
	}
	return a.fold.earned.cashMinor[balance], nil
}

// asksAllLines reports that a decision looks at what is booked of all purchases,
// whatever the record: where part of it isn't paid, or what isn't spent is lost once.
func (s *Snapshot) asksAllLines(a *Account) bool {
	if s.paysFrom && slices.ContainsFunc(a.balances, func(b balance) bool { return s.paysPartOf(b.programme) }) {
		return true
	}
	if a.fold == nil {
		return false
	}
	earned := &a.fold.earned
	return s.pointsExpire && (earned.points || !earned.known) || s.walletsExpire && (earned.wallet || !earned.known)
}

// paysPartOf reports that some version of the programme doesn't look at all that was
// earned.
func (s *Snapshot) paysPartOf(programme string) bool {
	i, ok := s.programmeIndex[programme]
	return ok && s.programmes[i].paysFrom
}

// mayExpire reports that something that the purchase gave is lost once it isn't spent
// in time: which of it is, follows from all such purchases.
func (s *Snapshot) mayExpire(a *Account, p *purchase) bool {
	if !s.expires() {
		return false
	}
	for i := p.lines; i >= 0; i = a.lines[i].next {
		if k := a.lines[i].kind; k == rules.Points && s.pointsExpire || k == rules.Wallet && s.walletsExpire {
			return true
		}
	}
	return false
}
