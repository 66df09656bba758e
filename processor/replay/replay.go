// Package replay works accounts out anew from what the ledger has of them, and
// tells of their purchases: why each line is as it is, and what was paid by it.
package replay

import (
	"fmt"
	"slices"
	"time"

	"ristourne/processor/ledgerjson"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/explain"
)

// History is what the ledger has of an account.
type History struct {
	Set          []rules.SetRow      // in the order of Seq
	Grants       []rules.Grant       // what each purchase has of each budget
	Accruals     []rules.Accrual     // in the order of their causes
	Instructions []rules.Instruction // of all purchases
}

// Purchase is one purchase as it is told.
type Purchase struct {
	*explain.Explanation
	Lines        []ledgerjson.Accrual `json:"lines"`
	Instructions []Instruction        `json:"instructions,omitempty"`
}

// Instruction is what was paid by a line.
type Instruction struct {
	InstructionID string `json:"instruction_id"`
	Direction     string `json:"direction"`
	AmountMinor   int64  `json:"amount_minor"`
	Currency      string `json:"currency"`
	CauseID       string `json:"cause_id"`
	CreatedAt     string `json:"created_at"`
}

// Explain works an account out anew by a catalogue and explains the given
// transactions beside what is booked of them; all of the account where none is
// given.
func Explain(snapshot *engine.Snapshot, accountID string, h *History, transactions []string) ([]Purchase, error) {
	if len(h.Set) == 0 {
		return nil, fmt.Errorf("nothing is known of account %q", accountID)
	}
	decider := engine.New(snapshot)
	account, err := Account(decider, accountID, h.Set, h.Grants)
	if err != nil {
		return nil, err
	}
	if len(transactions) == 0 {
		transactions = TransactionsOf(h.Set)
	}
	var told []Purchase
	for _, transactionID := range transactions {
		x, err := decider.Explain(account, transactionID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(told, func(e Purchase) bool { return e.TransactionID == x.TransactionID }) {
			continue // two ids of one purchase
		}
		told = append(told, withLedger(x, h))
	}
	return told, nil
}

// TransactionsOf are the purchases of an account, and those of members whom it
// referred.
func TransactionsOf(set []rules.SetRow) []string {
	var ids []string
	for i := range set {
		id := set[i].TransactionID
		if set[i].Cause.Kind == rules.CauseReferral {
			var r rules.Referral
			if r.UnmarshalBinary(set[i].Payload) == nil { // else its replay has failed already
				id = r.TransactionID
			}
		}
		if kind := set[i].Cause.Kind; kind != rules.CauseFact && kind != rules.CauseResult && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Account works an account out from its set, with what budgets gave it.
func Account(e *engine.Engine, accountID string, set []rules.SetRow, grants []rules.Grant) (*engine.Account, error) {
	account := engine.NewAccount(accountID)
	var out rules.Output
	for i := range set {
		out.Reset()
		if _, err := e.Replay(account, &set[i], &out); err != nil {
			return nil, fmt.Errorf("work out %s %q: %w", set[i].Cause.Kind, set[i].Cause.ID, err)
		}
	}
	account.AdoptGrants(grants)
	return account, nil
}

// withLedger adds what is booked of the purchase, and what its events paid.
func withLedger(x *explain.Explanation, h *History) Purchase {
	e := Purchase{Explanation: x, Lines: []ledgerjson.Accrual{}}
	causes := make(map[string]bool)
	for i := range h.Accruals {
		if h.Accruals[i].TransactionID == x.TransactionID {
			e.Lines = append(e.Lines, ledgerjson.Of(&h.Accruals[i]))
			causes[h.Accruals[i].Cause.ID] = true
		}
	}
	for _, i := range h.Instructions {
		if causes[i.Cause.ID] {
			e.Instructions = append(e.Instructions, Instruction{
				InstructionID: i.ID, Direction: i.Direction.String(), AmountMinor: i.AmountMinor, Currency: i.Currency.String(),
				CauseID: i.Cause.ID, CreatedAt: time.UnixMilli(i.CreatedAt).UTC().Format(time.RFC3339),
			})
		}
	}
	return e
}

// DecimalsOf are those of the points in the lines; 0 of what is money.
func (x *Purchase) DecimalsOf(unit string) int {
	for i := range x.Booked {
		if x.Booked[i].Unit == unit {
			return x.Booked[i].UnitDecimals
		}
	}
	return 0
}
