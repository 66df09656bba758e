// Package adjust is how a person gives a member money, or takes it, that no purchase
// has earned: an adjustment fact, asked for by one and, where the programme says so,
// approved by another. Who asked, who approved and why stands in the audit trail, by
// the account's reference, so that it outlasts the account's ids.
//
// Of one amount for one reason there is one adjustment: its id follows from what it
// says, so that asking again after a crash, or twice at once, books it once.
package adjust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Ledger keeps the audit trail and the map of accounts.
type Ledger interface {
	Actions(ctx context.Context) ([]rules.OperatorAction, error)
	RecordAction(ctx context.Context, a *rules.OperatorAction) error
	// AccountOf is the row of the map that has the account's id; false: none has.
	AccountOf(ctx context.Context, accountID string) (rules.AccountRow, bool, error)
	// AccountsOf are the rows of the references that are not erased.
	AccountsOf(ctx context.Context, refs []rules.AccountRef) ([]rules.AccountRow, error)
}

// Poster posts facts; it returns when they are acknowledged.
type Poster interface {
	Post(ctx context.Context, facts []rules.Fact) error
}

// State is how far an adjustment has come.
type State string

// The states. Posted is what a person did; whether it was booked is for the ledger to
// say.
const (
	Waiting  State = "waiting" // for a second person
	Posted   State = "posted"
	Rejected State = "rejected"
)

// Names of what people decide, in the audit trail.
const (
	actionPost    = "adjust"
	actionPropose = "adjust propose"
	actionApprove = "adjust approve"
	actionReject  = "adjust reject"
)

// Request is what somebody asks for.
type Request struct {
	AccountID, Programme string
	AmountMinor          int64 // not 0; under 0: taken
	Currency             money.Currency
	Reason, By           string
}

// Adjustment is one as the audit trail has it.
type Adjustment struct {
	ID          string
	AccountID   string // empty: erased
	Ref         rules.AccountRef
	Programme   string
	AmountMinor int64
	Currency    money.Currency
	Reason, By  string // of who asked for it
	Asked       rules.Instant
	State       State
	// DecidedBy is who approved or rejected it, or asked for it where one person is
	// enough, and At when: the fact's own date.
	DecidedBy string
	At        rules.Instant
}

// details are what the audit trail has beside who and why.
type details struct {
	ID          string `json:"adjustment_id"`
	AccountRef  string `json:"account_ref,omitempty"`
	Programme   string `json:"programme,omitempty"`
	AmountMinor int64  `json:"amount_minor,omitempty"`
	Currency    string `json:"currency,omitempty"`
}

// Desk is where adjustments are asked for and approved.
type Desk struct {
	Ledger Ledger
	Poster Poster
	Now    func() time.Time
	// Check refuses a fact that no account would take; nil: none is.
	Check func(*rules.Fact) error
}

// errUnknownAccount says that the ledger has no account of the id.
var errUnknownAccount = errors.New("the ledger knows no such account")

// List are all adjustments, in the order in which they were asked for.
func (d *Desk) List(ctx context.Context) ([]Adjustment, error) {
	actions, err := d.Ledger.Actions(ctx)
	if err != nil {
		return nil, err
	}
	all := fold(actions)
	var refs []rules.AccountRef
	for i := range all {
		refs = append(refs, all[i].Ref)
	}
	rows, err := d.Ledger.AccountsOf(ctx, refs)
	if err != nil {
		return nil, err
	}
	ids := map[rules.AccountRef]string{}
	for i := range rows {
		ids[rows[i].Ref] = rows[i].AccountID
	}
	for i := range all {
		all[i].AccountID = ids[all[i].Ref]
	}
	return all, nil
}

// fold reads the trail: of one id the first that asks stands, and the first that
// decides, whichever clock they were written by.
func fold(actions []rules.OperatorAction) (all []Adjustment) {
	index := map[string]int{}
	each := func(names []string, take func(a *rules.OperatorAction, of *details)) {
		for i := range actions {
			var of details
			if a := &actions[i]; slices.Contains(names, a.Action) && json.Unmarshal([]byte(a.Details), &of) == nil {
				take(a, &of)
			}
		}
	}
	each([]string{actionPost, actionPropose}, func(a *rules.OperatorAction, of *details) {
		if _, asked := index[of.ID]; asked {
			return
		}
		ref, _ := uuid.Parse(of.AccountRef)
		currency, _ := money.ParseCurrency(of.Currency)
		x := Adjustment{
			ID: of.ID, Ref: rules.AccountRef(ref), Programme: of.Programme, AmountMinor: of.AmountMinor, Currency: currency,
			Reason: a.Reason, By: a.By, Asked: rules.InstantOf(time.UnixMilli(a.At)), State: Waiting,
		}
		if a.Action == actionPost {
			x.State, x.DecidedBy, x.At = Posted, a.By, x.Asked
		}
		index[of.ID] = len(all)
		all = append(all, x)
	})
	each([]string{actionApprove, actionReject}, func(a *rules.OperatorAction, of *details) {
		n, asked := index[of.ID]
		if !asked || all[n].State != Waiting || a.Action == actionApprove && samePerson(a.By, all[n].By) {
			return
		}
		x := &all[n]
		x.State, x.DecidedBy, x.At = Rejected, a.By, rules.InstantOf(time.UnixMilli(a.At))
		if a.Action == actionApprove {
			x.State = Posted
		}
	})
	return all
}

func (d *Desk) find(ctx context.Context, id string) (*Adjustment, error) {
	all, err := d.List(ctx)
	if err != nil {
		return nil, err
	}
	if n := slices.IndexFunc(all, func(x Adjustment) bool { return x.ID == id }); n >= 0 {
		return &all[n], nil
	}
	return nil, nil
}

// Ask posts an adjustment, or, where a second person is needed, keeps it until one
// approves it. again says that it had been asked for before: what was posted then is
// posted as it was, which changes nothing.
func (d *Desk) Ask(ctx context.Context, r Request, fourEyes bool) (a *Adjustment, again bool, err error) {
	row, known, err := d.Ledger.AccountOf(ctx, r.AccountID)
	if err != nil {
		return nil, false, err
	}
	if !known {
		return nil, false, fmt.Errorf("account %q: %w", r.AccountID, errUnknownAccount)
	}
	id := rules.AdjustmentID(r.Programme, r.AccountID, r.AmountMinor, r.Currency, r.Reason)
	if err := d.check(&Adjustment{
		ID: id, AccountID: r.AccountID, Programme: r.Programme, AmountMinor: r.AmountMinor, Currency: r.Currency,
		Reason: r.Reason, DecidedBy: r.By, At: rules.InstantOf(d.Now()),
	}); err != nil {
		return nil, false, err
	}
	if a, err = d.find(ctx, id); err != nil {
		return nil, false, err
	}
	if again = a != nil; !again {
		action := actionPost
		if fourEyes {
			action = actionPropose
		}
		of := details{id, uuid.UUID(row.Ref).String(), r.Programme, r.AmountMinor, r.Currency.String()}
		if a, err = d.keep(ctx, action, r.By, r.Reason, of); err != nil {
			return nil, false, err
		}
	}
	switch a.State {
	case Rejected:
		return a, again, fmt.Errorf("adjustment %s was rejected by %s: one more for the same amount needs another reason", id, a.DecidedBy)
	case Waiting:
		return a, again, nil
	}
	return a, again, d.post(ctx, a)
}

// Approve posts an adjustment that waits. Who approves must be another than who asked.
func (d *Desk) Approve(ctx context.Context, id, by string) (*Adjustment, error) {
	a, err := d.find(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, fmt.Errorf("there is no adjustment %q: `ristourne adjust list` has them", id)
	case a.State == Rejected:
		return nil, fmt.Errorf("adjustment %s was rejected by %s", id, a.DecidedBy)
	case a.State == Waiting && samePerson(a.By, by):
		return nil, fmt.Errorf("adjustment %s was asked for by %s: another person must approve it", id, a.By)
	}
	if a.State == Waiting {
		if a.AccountID == "" {
			return nil, fmt.Errorf("the account of adjustment %s was erased: nothing can be posted for it", id)
		}
		if a, err = d.keep(ctx, actionApprove, by, a.Reason, details{ID: id}); err != nil {
			return nil, err
		}
	}
	return a, d.post(ctx, a)
}

// Reject ends an adjustment that waits, also by who asked for it.
func (d *Desk) Reject(ctx context.Context, id, by, reason string) (*Adjustment, error) {
	a, err := d.find(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, fmt.Errorf("there is no adjustment %q: `ristourne adjust list` has them", id)
	case a.State == Posted:
		return nil, fmt.Errorf("adjustment %s was posted already: take it back by one of the opposite amount", id)
	case a.State == Rejected:
		return a, nil
	}
	return d.keep(ctx, actionReject, by, reason, details{ID: id})
}

// samePerson compares names as a person reads them.
func samePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// keep writes what somebody decided, and gives the adjustment as the trail has it
// then: of two who decide at once, the first in the trail stands for both.
func (d *Desk) keep(ctx context.Context, action, by, reason string, of details) (*Adjustment, error) {
	text, err := json.Marshal(of)
	if err != nil {
		return nil, err
	}
	if err := d.Ledger.RecordAction(ctx, &rules.OperatorAction{
		At: d.Now().UnixMilli(), Action: action, By: by, Reason: reason, Details: string(text),
	}); err != nil {
		return nil, err
	}
	a, err := d.find(ctx, of.ID)
	if err == nil && a == nil {
		err = fmt.Errorf("adjustment %s isn't in the audit trail, where it was just written: is ClickHouse's replica behind?", of.ID)
	}
	return a, err
}

func (a *Adjustment) fact() rules.Fact {
	return rules.Fact{
		ID: a.ID, Type: rules.Adjustment, AccountID: a.AccountID, At: a.At, Programme: a.Programme,
		AmountMinor: a.AmountMinor, Currency: a.Currency, Reason: a.Reason, ApprovedBy: a.DecidedBy,
	}
}

func (d *Desk) check(a *Adjustment) error {
	if d.Check == nil {
		return nil
	}
	f := a.fact()
	return d.Check(&f)
}

func (d *Desk) post(ctx context.Context, a *Adjustment) error {
	if a.AccountID == "" {
		return fmt.Errorf("the account of adjustment %s was erased: nothing can be posted for it", a.ID)
	}
	if err := d.check(a); err != nil {
		return err
	}
	if err := d.Poster.Post(ctx, []rules.Fact{a.fact()}); err != nil {
		return fmt.Errorf("%w; say it again: adjustment %s counts once", err, a.ID)
	}
	return nil
}
