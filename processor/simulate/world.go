// Package simulate is the stream without Kafka, Redis and ClickHouse: records
// in, ledger lines out, through the same decoder and the same rules.
package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// Place is where a record stands: a line of a file, or an offset of a topic.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
	// RecordedAt is the Kafka timestamp in milliseconds since 1970. Negative:
	// the record comes from a file; its own date stands in, and no date is
	// refused for being ahead.
	RecordedAt int64
	// AnyDate: no date is refused for being ahead of RecordedAt.
	AnyDate bool
}

// checked is the timestamp that a record's dates are held against; -1: none.
func (at Place) checked() int64 {
	if at.AnyDate {
		return -1
	}
	return at.RecordedAt
}

// World holds the accounts of a simulation. It is not safe for concurrent use.
type World struct {
	engine   *engine.Engine
	decoder  *wire.Decoder
	accounts map[string]*engine.Account
	out      rules.Output

	// Fates counts the records that were applied. The referrals that follow from
	// them reach their sponsors at once, and are not counted.
	Fates [rules.NumFates]int64
	// Lines is called for what a record has decided, its sponsors' lines among
	// it, if there is anything; it is valid until it returns.
	Lines func(out *rules.Output)
	// DeadLetter is called for a record that broke a rule.
	DeadLetter func(letter *rules.DeadLetter)
}

// NewWorld makes a world without accounts. keys says that records come with
// their Kafka key, which must be the account.
func NewWorld(snapshot *engine.Snapshot, keys bool) *World {
	e := engine.New(snapshot)
	e.SetBudgets(budgets{})
	return &World{
		engine:     e,
		decoder:    wire.NewDecoder(wire.Options{CardTokenRanges: snapshot.CardTokenRanges(), NoKeys: !keys}),
		accounts:   make(map[string]*engine.Account),
		Lines:      func(*rules.Output) {},
		DeadLetter: func(*rules.DeadLetter) {},
	}
}

// Fact applies one fact. value must not change afterwards. An error is a broken
// invariant of the rules, never a property of the record.
func (w *World) Fact(key, value []byte, at Place) error {
	f := new(rules.Fact)
	if fault := w.decoder.Fact(value, key, at.checked(), f); fault != nil {
		w.deadLetter(key, value, at, fault)
		return nil
	}
	verdict, err := w.engine.ApplyFact(w.account(f.AccountID), f, at.cause(rules.CauseFact, f.ID, f.At), &w.out)
	return w.conclude(key, value, at, "fact_id", verdict, err)
}

// Event applies one transaction event, as Fact does a fact.
func (w *World) Event(key, value []byte, at Place) error {
	ev := new(rules.Event)
	if fault := w.decoder.Event(value, key, at.checked(), ev); fault != nil {
		w.deadLetter(key, value, at, fault)
		return nil
	}
	wire.Seal(ev)
	// The decoder's lists are its own until Reset, which a world never calls.
	ev.Items = slices.Clone(ev.Items)
	verdict, err := w.engine.ApplyEvent(w.account(ev.AccountID), ev, at.cause(rules.CauseEvent, ev.ID, ev.OccurredAt), &w.out)
	return w.conclude(key, value, at, "event_id", verdict, err)
}

// Result applies one word of the bank, as Fact does a fact.
func (w *World) Result(key, value []byte, at Place) error {
	r := new(rules.Result)
	if fault := w.decoder.Result(value, key, at.checked(), r); fault != nil {
		w.deadLetter(key, value, at, fault)
		return nil
	}
	verdict, err := w.engine.ApplyResult(w.account(r.AccountID), r, at.cause(rules.CauseResult, r.CauseID(), r.At), &w.out)
	return w.conclude(key, value, at, "instruction_id", verdict, err)
}

func (w *World) account(id string) *engine.Account {
	a := w.accounts[id]
	if a == nil {
		a = engine.NewAccount(id)
		w.accounts[id] = a
	}
	return a
}

func (w *World) conclude(key, value []byte, at Place, idField string, verdict engine.Verdict, err error) error {
	switch {
	case errors.Is(err, engine.ErrLimit):
		w.deadLetter(key, value, at, wire.Limit(w.decoder.MayKeep(value)))
	case err != nil:
		return fmt.Errorf("record at %s:%d: %w", at.Topic, at.Offset+1, err)
	case verdict.Conflict:
		w.deadLetter(key, value, at, wire.Conflict(idField, w.decoder.MayKeep(value)))
	default:
		w.Fates[verdict.Fate]++
	}
	return w.hand(at)
}

// AdoptGrants takes what another has granted an account for what the world did,
// and books what its awards are with it. Nothing may be applied afterwards: the
// world's own budgets don't know of it.
func (w *World) AdoptGrants(accountID string, grants []rules.Grant) error {
	a := w.account(accountID)
	a.AdoptGrants(grants)
	if err := w.engine.Repair(a, rules.Cause{Kind: rules.CauseFact}, 1, &w.out); err != nil {
		return fmt.Errorf("work out account %s with other grants: %w", accountID, err)
	}
	return w.hand(Place{})
}

// hand gives what was decided to the sponsors and to whoever listens.
func (w *World) hand(at Place) error {
	if err := w.deliver(at); err != nil {
		return err
	}
	if len(w.out.Accruals)+len(w.out.Instructions)+len(w.out.Referrals)+len(w.out.Grants)+len(w.out.Refunds)+len(w.out.Holdouts) > 0 {
		w.Lines(&w.out)
		w.out.Reset()
	}
	return nil
}

// deliver gives the referrals of a record to their sponsors, in order.
func (w *World) deliver(at Place) error {
	for i := 0; i < len(w.out.Referrals); i++ {
		r := w.out.Referrals[i] // a copy: the list may move
		cause := rules.Cause{Kind: rules.CauseReferral, ID: r.ID, Partition: at.Partition, Offset: at.Offset, RecordedAt: r.Cause.RecordedAt}
		_, err := w.engine.ApplyReferral(w.account(r.SponsorAccountID), &r, cause, &w.out)
		switch {
		case errors.Is(err, engine.ErrLimit):
			w.DeadLetter(wire.Limit(false).Letter(at.Topic, at.Partition, at.Offset, at.RecordedAt, nil, nil))
		case err != nil:
			return fmt.Errorf("referral %s of record at %s:%d: %w", r.ID, at.Topic, at.Offset+1, err)
		}
	}
	return nil
}

func (w *World) deadLetter(key, value []byte, at Place, fault *wire.Fault) {
	w.Fates[rules.DeadLettered]++
	w.DeadLetter(fault.Letter(at.Topic, at.Partition, at.Offset, at.RecordedAt, key, value))
}

func (at Place) cause(kind rules.CauseKind, id string, own rules.Instant) rules.Cause {
	c := rules.Cause{Kind: kind, ID: id, Partition: at.Partition, Offset: at.Offset, RecordedAt: at.RecordedAt}
	if c.RecordedAt < 0 {
		c.RecordedAt = own.Sec*1000 + int64(own.Nsec)/1_000_000
	}
	return c
}

// budgets are what was granted of each, ever: one world is the only one that
// grants.
type budgets map[rules.BudgetKey]int64

func (b budgets) Take(key rules.BudgetKey, limitMinor, askMinor int64) int64 {
	given := max(0, min(askMinor, limitMinor-b[key]))
	b[key] += given
	return given
}

func (b budgets) GiveBack(key rules.BudgetKey, minor int64) { b[key] -= minor }

// Balance is the sum of the lines of one row of a summary.
type Balance struct {
	AccountID, TransactionID, OfferID string
	Role                              rules.Role
	BeneficiaryID                     string
	Stage                             rules.Stage
	Kind                              rules.Kind
	Unit                              string
}

// Summary adds lines up.
type Summary map[Balance]rules.Sums

// Add takes a line in and gives its row.
func (s Summary) Add(a *rules.Accrual) Balance {
	row := Balance{a.AccountID, a.TransactionID, a.OfferID, a.Role, a.BeneficiaryID, a.Stage, a.Kind, a.Unit}
	if sum := s[row].Plus(a); sum != (rules.Sums{}) {
		s[row] = sum
	} else {
		delete(s, row) // what is 0 all over is left out
	}
	return row
}

// Rows are the summary's rows, sorted by their fields in order.
func (s Summary) Rows() []Balance {
	rows := make([]Balance, 0, len(s))
	for row := range s {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b Balance) int {
		return cmp.Or(
			cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.TransactionID, b.TransactionID),
			cmp.Compare(a.OfferID, b.OfferID), cmp.Compare(a.Role.String(), b.Role.String()),
			cmp.Compare(a.BeneficiaryID, b.BeneficiaryID), cmp.Compare(a.Stage.String(), b.Stage.String()),
			cmp.Compare(a.Kind.String(), b.Kind.String()), cmp.Compare(a.Unit, b.Unit),
		)
	})
	return rows
}
