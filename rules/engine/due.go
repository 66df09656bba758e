package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// This file says what becomes an instruction: at once what one record has changed
// of what is confirmed, and in cycles (cycle.go) what is mature.

const (
	instructionPrefix    = "RI-"
	defaultProgrammeName = "Cashback"
)

// net is what a record has changed of what is confirmed in one balance.
type net struct {
	balance   int32
	minor     int64
	statement string // what the cardholder reads
	several   bool   // more than one statement: none can name its partner
}

func (b *booking) addNet(balance int32, minor int64, valued *valuedPurchase) {
	for i := range b.nets {
		n := &b.nets[i]
		if n.balance != balance {
			continue
		}
		n.minor += minor
		if n.statement == "" {
			n.statement = valued.statement
		}
		n.several = n.several || (valued.statement != "" && n.statement != valued.statement)
		return
	}
	b.nets = append(b.nets, net{balance, minor, valued.statement, false})
}

// payoutTerms are a programme's at one time, and the currency that their amounts
// are in; none: nothing is too little to pay, and nothing is written off.
type payoutTerms struct {
	*offer.Payout
	currency money.Currency
}

var defaultPayout offer.Payout

// payoutAt are the terms in force at t. Of a programme that is none then, the
// defaults hold.
func (s *Snapshot) payoutAt(programme string, t rules.Instant) payoutTerms {
	if v := s.ProgrammeAt(programme, t); v != nil {
		return payoutTerms{&v.Payout, v.Currency}
	}
	return payoutTerms{Payout: &defaultPayout}
}

// noteBalances remembers what the balances of programmes that don't look at all that
// was earned have before the account changes.
func (e *Engine) noteBalances(a *Account, at rules.Instant) {
	b := &e.booking
	b.before = b.before[:0]
	if !e.snapshot.paysFrom {
		return
	}
	for i := range a.balances {
		minor := int64(0)
		if terms := e.snapshot.payoutAt(a.balances[i].programme, at); terms.PayFrom != (rules.Instant{}) {
			minor = e.snapshot.earnedBy(a, int32(i), terms.PayFrom, nil)
		}
		b.before = append(b.before, minor)
	}
}

// instruct makes what is due at once an instruction.
func (b *booking) instruct() error {
	a := b.account
	switch {
	case a.needsFullRun:
		b.netsOfTotals()
	case b.snapshot.paysFrom:
		b.netsOfPart()
	}
	// What is taken back goes first: a record that moves money from one
	// programme to another must not pay before it has made the room.
	slices.SortStableFunc(b.nets, func(x, y net) int { return cmp.Compare(sign(x.minor), sign(y.minor)) })
	for i := range b.nets {
		n := &b.nets[i]
		if n.minor == 0 {
			continue
		}
		terms := b.snapshot.payoutAt(a.balances[n.balance].programme, b.statedAt())
		if terms.Cycle.Kind != offer.AtOnce {
			continue
		}
		if err := b.payAtOnce(n, &terms); err != nil {
			return err
		}
	}
	return nil
}

// payAtOnce instructs what a balance has changed by. Credits never exceed what is
// confirmed and debits what was paid, also where the ledger has lost lines, or
// some of the money was never paid.
func (b *booking) payAtOnce(n *net, terms *payoutTerms) error {
	confirmed, instructed, err := b.totalsOf(n.balance, terms.PayFrom)
	if err != nil {
		return err
	}
	minor := min(n.minor, confirmed-instructed)
	if n.minor < 0 {
		if _, debits := terms.Debits(); !debits {
			return nil
		}
		if minor = max(n.minor, confirmed-instructed); minor >= 0 {
			return nil
		}
	} else if minor <= 0 {
		return nil
	}
	n.minor = minor
	return b.payUnlessStuck(n, terms, "", rules.MaxInstant)
}

// totalsOf are what is confirmed in a balance and what of it is instructed, of what
// is not before `from`; zero: all.
func (b *booking) totalsOf(balance int32, from rules.Instant) (confirmedMinor, instructedMinor int64, err error) {
	a := b.account
	if from == (rules.Instant{}) {
		p := &a.balances[balance]
		return p.confirmedMinor, p.instructedMinor, nil
	}
	if a.fold != nil {
		return 0, 0, ErrFolded
	}
	if err := a.payments.open(); err != nil {
		return 0, 0, err
	}
	for i := range a.payments.list {
		if x := &a.payments.list[i]; x.balance == balance && !x.at.Before(from) && x.instructed() {
			instructedMinor += x.minor
		}
	}
	return b.snapshot.earnedBy(a, balance, from, nil), instructedMinor, nil
}

func sign(minor int64) int { return cmp.Compare(minor, 0) }

// netsOfTotals makes what is confirmed and not instructed due, where sums came
// from elsewhere and the lines of this decision don't tell the whole.
func (b *booking) netsOfTotals() {
	b.nets = b.nets[:0]
	for i := range b.account.balances {
		p := &b.account.balances[i]
		b.nets = append(b.nets, net{balance: int32(i), minor: p.confirmedMinor - p.instructedMinor})
	}
}

// netsOfPart are what the record has changed where what was earned before a day is
// not looked at: a purchase may have moved over that day.
func (b *booking) netsOfPart() {
	for i := range b.account.balances {
		terms := b.snapshot.payoutAt(b.account.balances[i].programme, b.statedAt())
		if terms.PayFrom == (rules.Instant{}) {
			continue
		}
		minor := b.snapshot.earnedBy(b.account, int32(i), terms.PayFrom, nil)
		if i < len(b.before) {
			minor -= b.before[i]
		}
		at := slices.IndexFunc(b.nets, func(n net) bool { return n.balance == int32(i) })
		if at < 0 {
			at = len(b.nets)
			b.nets = append(b.nets, net{balance: int32(i)})
		}
		b.nets[at].minor = minor
	}
}

// issue gives an instruction out; the method is that of the facts until methodAt.
func (b *booking) issue(n *net, terms *payoutTerms, cycle string, methodAt rules.Instant) {
	a := b.account
	p := &a.balances[n.balance]
	method := a.method(methodAt)
	x := rules.Instruction{
		Direction: rules.Credit, AccountID: a.id, AmountMinor: n.minor, Currency: p.currency, StatementText: n.statement,
		Programme: p.programme, Cycle: cycle, Reason: "cashback", CreatedAt: b.cause.RecordedAt, Cause: b.cause,
		Method: method.Method, IBAN: method.IBAN, Name: method.Name, Handle: method.Handle,
	}
	if n.several || n.statement == "" {
		x.StatementText = b.snapshot.programmeTitle(p.programme, rules.InstantOfMillis(b.cause.RecordedAt))
	}
	x.StatementText = cutStatement(b.snapshot.inLettersOf(p.programme, b.statedAt(), x.StatementText))
	if n.minor < 0 {
		x.Direction, x.AmountMinor, x.Reason = rules.Debit, -n.minor, "take_back"
	}
	if terms.Shadow {
		x.Reason = rules.ShadowReason
	}
	id := b.instructionID(p)
	x.ID = id.String()
	b.out.Instructions = append(b.out.Instructions, x)
	p.instructedMinor += n.minor
	a.payments.list = append(a.payments.list, payment{id: id, balance: n.balance, minor: n.minor, at: b.at, shadow: terms.Shadow})
}

var instructionEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

const hashLetters = 26 // of the encoding of 16 bytes

func (h instructionHash) String() string {
	var id [len(instructionPrefix) + hashLetters]byte
	copy(id[:], instructionPrefix)
	instructionEncoding.Encode(id[len(instructionPrefix):], h[:])
	return string(id[:])
}

// parseInstructionID reads what String has written.
func parseInstructionID(id string) (h instructionHash, ok bool) {
	text, ours := strings.CutPrefix(id, instructionPrefix)
	if !ours || len(text) != hashLetters {
		return h, false
	}
	var room [len(h)]byte
	n, err := instructionEncoding.Decode(room[:], []byte(text))
	h = room
	return h, err == nil && n == len(h) && h.String() == id
}

// instructionID hashes what the instruction is for. The amount is no part of
// it: one id has one amount because the same cause, or the same repair, always
// gives the same.
func (b *booking) instructionID(p *balance) instructionHash {
	buf := codec.AppendString(b.buf[:0], b.account.id)
	buf = codec.AppendString(buf, p.programme)
	buf = append(buf, p.currency[:]...)
	buf = codec.AppendString(buf, b.cause.ID)
	buf = b.appendRepair(append(buf, byte(b.cause.Kind)))
	b.buf = buf
	sum := sha256.Sum256(buf)
	return instructionHash(sum[:16])
}

// programmeTitle is what a statement calls the programme at t.
func (s *Snapshot) programmeTitle(id string, t rules.Instant) string {
	if i, ok := s.programmeIndex[id]; ok {
		return s.programmeName(i, t)
	}
	return defaultProgrammeName
}

// statementText is what a cardholder reads of a partner's rewards.
func statementText(programme, partner string) string {
	text := programme
	if partner != "" {
		text += ": " + partner
	}
	return text
}
