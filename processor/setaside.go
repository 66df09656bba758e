package processor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ristourne/processor/outbox"
	"ristourne/rules"
)

// Refused is an instruction or a referral of a decided batch that its sink
// refuses for good.
type Refused struct {
	Batch  uint64
	What   string // "instruction" or "referral"
	ID     string
	Err    error
	letter rules.DeadLetter
}

// SetAside acquires the shard and carries out what its outbox holds, one by one
// where a batch is refused as a whole, and gives what is refused even so. Where
// sure is false that is all: the outbox stays. Else what is refused becomes dead
// letters with its whole content, and the outbox is cleared: nothing is lost, and
// the shard goes on.
//
// What the ledger refuses is never set aside: it must have all that was decided.
func (s *Shard) SetAside(ctx context.Context, sure bool) (_ []Refused, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	acquired, err := s.acquireEpoch(ctx, func(ctx context.Context) (Acquired, error) {
		return s.ports.Accounts.AcquireLeased(ctx, s.source.Shard(), holder("ristourne outbox set-aside"), leaseTime)
	})
	if err != nil {
		return nil, err
	}
	go s.keepLease(ctx, acquired.Epoch, cancel)
	defer func() {
		giving, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		err = errors.Join(err, s.ports.Accounts.RenewLease(giving, s.source.Shard(), acquired.Epoch, 0))
	}()
	decisions := make([]*rules.Decision, len(acquired.Outbox))
	for i, blob := range acquired.Outbox {
		decisions[i] = new(rules.Decision)
		if err := outbox.Decode(blob, decisions[i]); err != nil {
			return nil, err
		}
	}
	if len(decisions) == 0 {
		return nil, nil
	}
	if err := errors.Join(s.checkWhole(ctx, false), s.checkFollows(ctx, decisions[0])); err != nil {
		return nil, err
	}
	if err := s.book(ctx, decisions, unchecked); err != nil {
		return nil, err
	}
	var refused []Refused
	for _, d := range decisions {
		of, err := s.carryOneByOne(ctx, d)
		if err != nil {
			return refused, err
		}
		refused = append(refused, of...)
	}
	if len(refused) > 0 && !sure {
		return refused, nil
	}
	if err := s.keepRefused(ctx, refused); err != nil {
		return refused, err
	}
	return refused, s.clear(ctx, decisions[len(decisions)-1].Batch)
}

// carryOneByOne writes what instructions and referrals a decision holds.
func (s *Shard) carryOneByOne(ctx context.Context, d *rules.Decision) ([]Refused, error) {
	var refused []Refused
	for i := range d.Instructions {
		x := &d.Instructions[i]
		err, fatal := s.unlessRefused(ctx, "pay", func(ctx context.Context) error {
			return s.ports.Instructions.WriteInstructions(ctx, d.Instructions[i:i+1])
		})
		if fatal != nil {
			return refused, fatal
		}
		if err != nil {
			refused = append(refused, Refused{d.Batch, "instruction", x.ID, err, s.refusedLetter("instruction", err, &x.Cause, map[string]any{
				"instruction_id": x.ID, "direction": x.Direction.String(), "account_id": x.AccountID, "amount_minor": x.AmountMinor, "currency": x.Currency.String(),
				"statement_text": x.StatementText, "programme": x.Programme, "cycle": x.Cycle, "reason": x.Reason,
			})})
		}
	}
	for i := range d.Referrals {
		x := &d.Referrals[i]
		err, fatal := s.unlessRefused(ctx, "tell", func(ctx context.Context) error { return s.ports.Referrals.Publish(ctx, d.Referrals[i:i+1]) })
		if fatal != nil {
			return refused, fatal
		}
		if err != nil {
			refused = append(refused, Refused{d.Batch, "referral", x.ID, err, s.refusedLetter("referral", err, &x.Cause, x)})
		}
	}
	return refused, nil
}

// unlessRefused tries until it succeeds or is refused for good.
func (s *Shard) unlessRefused(ctx context.Context, step string, do func(context.Context) error) (refused, fatal error) {
	fatal = s.retry(ctx, step, func(ctx context.Context) error {
		refused = do(ctx)
		if errors.Is(refused, rules.ErrNeedsPerson) {
			return nil
		}
		return refused
	})
	return refused, fatal
}

// refusedLetter keeps what is refused: under the place of the record that caused
// it.
func (s *Shard) refusedLetter(what string, refused error, cause *rules.Cause, content any) rules.DeadLetter {
	value, err := json.Marshal(content)
	if err != nil {
		panic(fmt.Sprintf("a %s can't be written as JSON: %v", what, err)) // it holds texts and numbers alone
	}
	return rules.DeadLetter{
		Topic: s.options.Topics[cause.Kind.Topic()], Partition: cause.Partition, Offset: cause.Offset, Timestamp: cause.RecordedAt,
		Reason: "refused", Field: what, Detail: "it was decided and could not be sent: " + refused.Error() + "; carry it out by hand",
		Value: value, Size: len(value), SHA256: sha256.Sum256(value),
	}
}

func (s *Shard) keepRefused(ctx context.Context, refused []Refused) error {
	if len(refused) == 0 {
		return nil
	}
	letters := make([]rules.DeadLetter, len(refused))
	for i := range refused {
		letters[i] = refused[i].letter
		s.log.Error("set aside: a person carries it out", "batch", refused[i].Batch, "what", refused[i].What, "id", refused[i].ID, "error", refused[i].Err)
	}
	return s.retry(ctx, "dead letters", func(ctx context.Context) error { return s.ports.DeadLetters.Write(ctx, letters) })
}
