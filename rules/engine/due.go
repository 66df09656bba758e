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

func (b *booking) addNet(programme string, c money.Currency, minor int64, valued *valuedPurchase) {
	for i := range b.nets {
		n := &b.nets[i]
		if n.programme != programme || n.currency != c {
			continue
		}
		n.minor += minor
		if n.statement == "" {
			n.statement = valued.statement
		}
		n.several = n.several || (valued.statement != "" && n.statement != valued.statement)
		return
	}
	b.nets = append(b.nets, net{programme, c, minor, valued.statement, false})
}

// instruct makes what is due an instruction.
func (b *booking) instruct() {
	a, out := b.account, b.out
	if a.needsFullRun {
		b.netsOfTotals()
	}
	// What is taken back goes first: a record that moves money from one
	// programme to another must not pay before it has made the room.
	slices.SortStableFunc(b.nets, func(x, y net) int { return cmp.Compare(sign(x.minor), sign(y.minor)) })
	for i := range b.nets {
		n := &b.nets[i]
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
		out.Instructions = append(out.Instructions, b.instruction(n))
	}
}

func sign(minor int64) int { return cmp.Compare(minor, 0) }

// netsOfTotals makes what is confirmed and not instructed due, where sums came
// from elsewhere and the lines of this decision don't tell the whole.
func (b *booking) netsOfTotals() {
	a := b.account
	programme := b.snapshot.programmeOf(a, rules.MaxInstant)
	if len(b.nets) > 0 {
		programme = b.nets[0].programme
	}
	b.nets = b.nets[:0]
	for i := range a.cash {
		total := &a.cash[i]
		b.nets = append(b.nets, net{
			programme: programme, currency: total.currency, minor: total.confirmedMinor - total.instructedMinor,
		})
	}
}

func (b *booking) instruction(n *net) rules.Instruction {
	x := rules.Instruction{
		Direction: rules.Credit, AccountID: b.account.id, AmountMinor: n.minor, Currency: n.currency, StatementText: n.statement,
		Programme: n.programme, Reason: "cashback", CreatedAt: b.cause.RecordedAt, Cause: b.cause,
	}
	if n.several || n.statement == "" {
		x.StatementText = b.snapshot.programmeTitle(n.programme, rules.InstantOfMillis(b.cause.RecordedAt))
	}
	x.StatementText = cutStatement(b.snapshot.inLettersOf(n.programme, b.statedAt(), x.StatementText))
	if n.minor < 0 {
		x.Direction, x.AmountMinor, x.Reason = rules.Debit, -n.minor, "take_back"
	}
	x.ID = b.instructionID(n)
	return x
}

var instructionEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// instructionID hashes what the instruction is for. The amount is no part of
// it: one id has one amount because the same cause, or the same repair, always
// gives the same.
func (b *booking) instructionID(n *net) string {
	buf := codec.AppendString(b.buf[:0], b.account.id)
	buf = codec.AppendString(buf, n.programme)
	buf = append(buf, n.currency[:]...)
	buf = codec.AppendString(buf, b.cause.ID)
	buf = b.appendRepair(append(buf, byte(b.cause.Kind)))
	b.buf = buf
	sum := sha256.Sum256(buf)
	var id [len(instructionPrefix) + 26]byte
	copy(id[:], instructionPrefix)
	instructionEncoding.Encode(id[len(instructionPrefix):], sum[:16])
	return string(id[:])
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
