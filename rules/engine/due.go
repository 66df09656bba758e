package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"slices"

	"ristourne/rules"
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
)

// This file says what is due. In the programme as it is, what is confirmed is
// due at once: one instruction for what one record has booked. Cycles, holds
// and thresholds belong here: due is then what is confirmed and past its hold,
// less what was instructed.

const (
	instructionPrefix    = "RI-"
	defaultProgrammeName = "Cashback"
)

// net is what a record has confirmed in one programme and currency.
type net struct {
	programme string
	currency  money.Currency
	minor     int64
	statement string // what the cardholder reads
	several   bool   // more than one statement: none can name its partner
}

func (e *Engine) addNet(programme string, c money.Currency, minor int64, worked *valuedPurchase) {
	for i := range e.nets {
		n := &e.nets[i]
		if n.programme != programme || n.currency != c {
			continue
		}
		n.minor += minor
		if n.statement == "" {
			n.statement = worked.statement
		}
		n.several = n.several || (worked.statement != "" && n.statement != worked.statement)
		return
	}
	e.nets = append(e.nets, net{programme, c, minor, worked.statement, false})
}

// instruct makes what is due an instruction.
func (e *Engine) instruct(a *Account, d decision, out *rules.Output) {
	if a.needsFullRun {
		e.netsOfTotals(a)
	}
	// What is taken back goes first: a record that moves money from one
	// programme to another must not pay before it has made the room.
	slices.SortStableFunc(e.nets, func(x, y net) int { return cmp.Compare(sign(x.minor), sign(y.minor)) })
	for i := range e.nets {
		n := &e.nets[i]
		if n.minor == 0 {
			continue
		}
		total := a.cashIn(n.currency)
		if n.minor > 0 {
			// Credits never exceed what is confirmed, also where the ledger has lost
			// lines whose money was paid.
			if n.minor = min(n.minor, total.confirmedMinor-total.instructedMinor); n.minor <= 0 {
				continue
			}
		}
		total.instructedMinor += n.minor
		out.Instructions = append(out.Instructions, e.instruction(a, n, d))
	}
}

func sign(minor int64) int { return cmp.Compare(minor, 0) }

// netsOfTotals makes what is confirmed and not instructed due, where sums came
// from elsewhere and the lines of this decision don't tell the whole.
func (e *Engine) netsOfTotals(a *Account) {
	programme := e.programmeOf(a, rules.MaxInstant)
	if len(e.nets) > 0 {
		programme = e.nets[0].programme
	}
	e.nets = e.nets[:0]
	for i := range a.cash {
		total := &a.cash[i]
		e.nets = append(e.nets, net{
			programme: programme, currency: total.currency, minor: total.confirmedMinor - total.instructedMinor,
		})
	}
}

func (e *Engine) instruction(a *Account, n *net, d decision) rules.Instruction {
	x := rules.Instruction{
		Direction: rules.Credit, AccountID: a.id, AmountMinor: n.minor, Currency: n.currency, StatementText: n.statement,
		Programme: n.programme, Reason: "cashback", CreatedAt: d.cause.RecordedAt, Cause: d.cause,
	}
	if n.several || n.statement == "" {
		x.StatementText = e.snapshot.programmeTitle(n.programme, rules.InstantOfMillis(d.cause.RecordedAt))
	}
	x.StatementText = cutStatement(e.snapshot.inLettersOf(n.programme, d.statedAt(), x.StatementText))
	if n.minor < 0 {
		x.Direction, x.AmountMinor, x.Reason = rules.Debit, -n.minor, "take_back"
	}
	x.ID = e.instructionID(a, n, d)
	return x
}

var instructionEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// instructionID hashes what the instruction is for. The amount is no part of
// it: one id has one amount because the same cause, or the same repair, always
// gives the same.
func (e *Engine) instructionID(a *Account, n *net, d decision) string {
	b := codec.AppendString(e.buf[:0], a.id)
	b = codec.AppendString(b, n.programme)
	b = append(b, n.currency[:]...)
	b = codec.AppendString(b, d.cause.ID)
	b = d.appendRepair(append(b, byte(d.cause.Kind)))
	e.buf = b
	sum := sha256.Sum256(b)
	var id [len(instructionPrefix) + 26]byte
	copy(id[:], instructionPrefix)
	instructionEncoding.Encode(id[len(instructionPrefix):], sum[:16])
	return string(id[:])
}

// Repair books what is due less what is booked, and instructs what is
// confirmed less what was instructed, without a new record: what a person has
// approved. c is the newest cause of the account. number, over 0, is the
// repair's own: the ids of what it books hold it, so that they are neither those
// of the cause's own lines nor those of another repair, whose amounts may be
// others.
func (e *Engine) Repair(a *Account, c rules.Cause, number int64, out *rules.Output) error {
	e.bindSnapshot(a)
	e.matchRefunds(a)
	a.needsFullRun = true
	_, err := e.decide(a, decision{cause: c, facts: true, repair: number}, out)
	return err
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
