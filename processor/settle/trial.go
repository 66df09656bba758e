package settle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
)

// Trial works out what a settlement would do, by the states of the accounts as
// they are now. It changes nothing, and disturbs no owner of a shard.
type Trial struct {
	Ledger Ledger
	// State reads the state of an account, and the pages of what is put away of it;
	// false where it has none.
	State    func(ctx context.Context, accountID string) (state []byte, pages [][]byte, ok bool, err error)
	Snapshot *engine.Snapshot
	Now      func() time.Time
	Progress func(accounts int) // nil: nobody is told
}

// TrySums is what would happen in one currency.
type TrySums struct {
	Currency        string `json:"currency"`
	Credits         int    `json:"credits"`
	CreditMinor     int64  `json:"credit_minor"`
	Debits          int    `json:"debits"`
	DebitMinor      int64  `json:"debit_minor"`
	WrittenOff      int    `json:"written_off"`
	WrittenOffMinor int64  `json:"written_off_minor"`
}

// Tried is what a trial has found.
type Tried struct {
	Accounts int
	// Unknown are accounts that the ledger knows and Redis doesn't.
	Unknown int
	Sums    []TrySums // by currency
}

// Close tries to close a cycle for every account that may have something due.
func (t *Trial) Close(ctx context.Context, c Cycle) (found Tried, err error) {
	earlier, err := trail(ctx, t.Ledger)
	if err != nil {
		return found, err
	}
	since, _ := c.before(earlier)
	decider, sums := engine.New(t.Snapshot), map[money.Currency]*TrySums{}
	var out rules.Output
	account := engine.NewAccount("")
	err = t.Ledger.AccountsDue(ctx, c.Programme, since, c.Lapses, func(accountID string) error {
		found.Accounts++
		if t.Progress != nil {
			t.Progress(1)
		}
		state, pages, ok, err := t.State(ctx, accountID)
		if err != nil || !ok {
			found.Unknown++
			return err
		}
		account.Reset(accountID)
		if err := errors.Join(account.UnmarshalBinary(state), account.Unfold(pages)); err != nil {
			return fmt.Errorf("read the state of an account: %w", err)
		}
		out.Reset()
		fact := rules.ClosingOf(c.Programme, c.Name, accountID, c.AsOf)
		cause := rules.Cause{Kind: rules.CauseFact, ID: fact.ID, RecordedAt: t.Now().UnixMilli()}
		if _, err := decider.ApplyFact(account, &fact, cause, &out); err != nil {
			return fmt.Errorf("try to close a cycle: %w", err)
		}
		count(sums, &out)
		return nil
	})
	for _, currency := range slices.SortedFunc(maps.Keys(sums), func(a, b money.Currency) int { return cmp.Compare(a.String(), b.String()) }) {
		found.Sums = append(found.Sums, *sums[currency])
	}
	return found, err
}

func count(sums map[money.Currency]*TrySums, out *rules.Output) {
	of := func(c money.Currency) *TrySums {
		if sums[c] == nil {
			sums[c] = &TrySums{Currency: c.String()}
		}
		return sums[c]
	}
	for i := range out.Instructions {
		in := &out.Instructions[i]
		if s := of(in.Currency); in.Direction == rules.Credit {
			s.Credits, s.CreditMinor = s.Credits+1, s.CreditMinor+in.AmountMinor
		} else {
			s.Debits, s.DebitMinor = s.Debits+1, s.DebitMinor+in.AmountMinor
		}
	}
	for i := range out.Accruals {
		if a := &out.Accruals[i]; slices.Contains(a.Reasons, "write_off") {
			s := of(a.Currency)
			s.WrittenOff, s.WrittenOffMinor = s.WrittenOff+1, s.WrittenOffMinor+a.RewardMinor
		}
	}
}
