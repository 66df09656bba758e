package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
)

// This file is what the account remembers of its instructions and of the bank's
// words on them. It is asked for rarely, by a result, a cycle or a release: until
// then it stays in the bytes of the state, and the oldest are put away
// (fold_payments.go).

// balance is what the account was confirmed in one programme and currency, and what
// of it was instructed: credits less debits, without the rejected.
type balance struct {
	programme       string
	currency        money.Currency
	confirmedMinor  int64
	instructedMinor int64
	// rejected says that some instruction of it was, once: whether payments are
	// stuck has to be looked at.
	rejected bool
}

// instructionHash is what an instruction's id spells.
type instructionHash [16]byte

// payment is an instruction that was given out.
type payment struct {
	id      instructionHash
	balance int32 // in Account.balances
	minor   int64 // under 0: a debit
	at      rules.Instant
	// shadow: it never left the house, so that nobody has a word on it.
	shadow  bool
	results []rules.Result // without ids
}

// payments are those of an account that are not put away, in the order in which they
// were given out.
type payments struct {
	encoded []byte // of the first so many, while nobody has asked for them
	hidden  int    // how many those are
	list    []payment
	// strays are results of a replay on instructions that it has not given out.
	strays []rules.Result
	// dates are, in a replay, what causes are dated, and their order.
	dates map[causeKey]causeDate
}

type causeKey struct {
	kind rules.CauseKind
	id   string
}

type causeDate struct {
	at    rules.Instant
	order int
}

// maxAccountResults bounds the bank's words on the instructions of one account.
const maxAccountResults = 1 << 16

// count is how many they are.
func (p *payments) count() int { return p.hidden + len(p.list) }

// open decodes what is still bytes.
func (p *payments) open() error {
	if p.hidden == 0 {
		return nil
	}
	all := make([]payment, 0, p.count()+1)
	rest := p.encoded
	for range p.hidden {
		x, after, err := decodePayment(rest)
		if err != nil {
			return fmt.Errorf("instructions of the account: %w", err)
		}
		all, rest = append(all, x), after
	}
	p.list = append(all, p.list...)
	p.encoded, p.hidden = nil, 0
	return nil
}

// counts is the result that says how an instruction stands: the latest. Of those
// of one instant rejected counts before settled, settled before accepted, and of
// two rejections the smaller reason. Nil: there is none.
func (x *payment) counts() *rules.Result {
	var last *rules.Result
	for i := range x.results {
		r := &x.results[i]
		if last == nil || cmp.Or(r.At.Compare(last.At), cmp.Compare(r.Status, last.Status), cmp.Compare(last.Reason, r.Reason)) > 0 {
			last = r
		}
	}
	return last
}

// instructed reports whether the money is with the bank, or will be.
func (x *payment) instructed() bool { return !isLost(x.counts()) }

// isLost reports a rejection by which the money stayed in the house. What the bank
// has seen before was paid then.
func isLost(r *rules.Result) bool {
	return r != nil && r.Status == rules.Rejected && r.Reason != rules.ReasonDuplicate
}

// needsPerson reports a rejection that no other try mends.
func needsPerson(r *rules.Result) bool {
	return r.Reason == rules.ReasonClosed || r.Reason == rules.ReasonBlocked || r.Reason == rules.ReasonDeceased
}

// balanceOf is the index of a balance, made where there is none yet.
func (a *Account) balanceOf(programme string, c money.Currency) int32 {
	for i := range a.balances {
		if p := &a.balances[i]; p.currency == c && p.programme == programme {
			return int32(i)
		}
	}
	a.balances = append(a.balances, balance{programme: programme, currency: c})
	return int32(len(a.balances) - 1)
}

// stuck reports whether payments of a balance, credits or debits, must wait for a
// person: of the last of them so many were rejected in a row, or one in a way that
// no other try mends.
func (a *Account) stuck(balance int32, debits bool, attempts int) (bool, error) {
	if !a.balances[balance].rejected {
		return false, nil
	}
	if err := a.payments.open(); err != nil {
		return false, err
	}
	released, ever := a.latestRelease(a.balances[balance].programme)
	rejected := 0
	for _, x := range slices.Backward(a.payments.list) {
		if x.balance != balance || x.minor < 0 != debits || x.shadow {
			continue
		}
		switch last := x.counts(); {
		case last == nil:
		case !isLost(last):
			return false, nil
		case ever && last.At.Before(released):
		default:
			rejected++
			if rejected >= attempts || needsPerson(last) {
				return true, nil
			}
		}
	}
	if a.fold == nil {
		return false, nil
	}
	for _, r := range slices.Backward(a.fold.payments.rejections) {
		if !r.isOf(balance, debits) || ever && r.at.Before(released) {
			continue
		}
		rejected++
		if rejected >= attempts || r.needsPerson {
			return true, nil
		}
	}
	return false, nil
}

// latestRelease is when a person last had a look at payments that were stuck.
func (a *Account) latestRelease(programme string) (at rules.Instant, ever bool) {
	for _, f := range slices.Backward(a.facts) {
		if f.Type == rules.PayoutReleased && f.Programme == programme {
			return f.At, true
		}
	}
	return rules.Instant{}, false
}

// method is by which way an account is paid, by what its facts say up to t.
func (a *Account) method(t rules.Instant) rules.Fact {
	for _, f := range slices.Backward(a.factsUntil(t)) {
		if f.Type == rules.PayoutMethod {
			return f
		}
	}
	return rules.Fact{Method: rules.ByCard}
}

const (
	paymentDebit = 1 << iota
	paymentShadow
	paymentResults
)

func appendPayment(b []byte, x *payment) []byte {
	var flags byte
	minor := x.minor
	if minor < 0 {
		flags, minor = paymentDebit, -minor
	}
	flags |= mark(x.shadow)*paymentShadow | mark(len(x.results) > 0)*paymentResults
	w := codec.Encoder{Bytes: append(b, flags)}
	w.Uint(uint64(x.balance))
	w.Uint(uint64(minor))
	w.Instant(x.at.Parts())
	w.Bytes = append(w.Bytes, x.id[:]...)
	if len(x.results) > 0 {
		w.Count(len(x.results))
		for i := range x.results {
			r := &x.results[i]
			w.Byte(byte(r.Status))
			w.Instant(r.At.Parts())
			w.Unique(r.Reason)
		}
	}
	return w.Bytes
}

func decodePayment(b []byte) (x payment, rest []byte, err error) {
	d := codec.Decoder{Rest: b}
	flags := d.Byte()
	x.shadow = flags&paymentShadow != 0
	x.balance = int32(d.Uint() & math.MaxInt32)
	x.minor = int64(d.Uint())
	if flags&paymentDebit != 0 {
		x.minor = -x.minor
	}
	x.at = rules.InstantAt(d.Instant())
	if len(d.Rest) < len(x.id) {
		d.Fail("too short")
		return x, nil, d.Err
	}
	d.Rest = d.Rest[copy(x.id[:], d.Rest):]
	if flags&paymentResults != 0 {
		for range d.Count(minResultBytes) {
			r := rules.Result{Status: rules.ResultStatus(d.Enum(d.Byte(), byte(rules.Accepted), byte(rules.Rejected), "bad status"))}
			r.At, r.Reason = rules.InstantAt(d.Instant()), d.Unique()
			x.results = append(x.results, r)
		}
	}
	return x, d.Rest, d.Err
}

const (
	minResultBytes  = 3
	minPaymentBytes = 20
)

// date remembers of a record that is replayed what it is dated.
func (p *payments) date(c rules.Cause, r rules.Record) {
	if p.dates == nil {
		p.dates = make(map[causeKey]causeDate)
	}
	at := rules.Instant{}
	switch {
	case r.Event != nil:
		at = r.Event.OccurredAt
	case r.Fact != nil && r.Fact.Type == rules.CycleClosed:
		at = r.Fact.AsOfInstant()
	case r.Fact != nil:
		at = r.Fact.At
	case r.Result != nil:
		at = r.Result.At
	default:
		at = r.Referral.At
	}
	p.dates[causeKey{c.Kind, c.ID}] = causeDate{at, len(p.dates)}
}
