package clickhouse

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
)

// Instructed is an instruction, and the bank's word on it that counts: the
// latest, at one instant a rejection before a settlement before an acceptance.
type Instructed struct {
	rules.Instruction              // an AccountID that is empty: erased
	Said              rules.Result // Status 0: nothing yet; its ids are empty
}

// InstructionFilter chooses instructions; an empty field chooses all.
type InstructionFilter struct {
	ID, AccountID, Programme, Cycle string
	IDs                             []string // at most maxInstructionIDs
	Status                          string   // "none": without a result
	Reason                          string   // of the result that counts
	CreatedBefore                   time.Time
	Limit                           int // of the newest
}

// maxInstructionIDs bounds the ids of one filter.
const maxInstructionIDs = 5000

// Instructed lists instructions, the newest first.
func (l *Ledger) Instructed(ctx context.Context, f InstructionFilter) ([]Instructed, error) {
	before := int64(math.MaxInt64)
	if !f.CreatedBefore.IsZero() {
		before = f.CreatedBefore.UnixMilli()
	}
	all, err := query(ctx, l, "instructions", scanInstructed, `
		SELECT `+instructionColumns+`, account_id, toUInt8(said.1), said.2, said.3, said.4
		FROM instructions_log AS i FINAL`+withAccountIDs+`
		LEFT ANY JOIN (
			SELECT account_ref, instruction_id, argMax((toInt8(status), reason, at_sec, at_nsec), (at_sec, at_nsec, toInt8(status))) AS said
			FROM results GROUP BY account_ref, instruction_id
		) AS r USING (account_ref, instruction_id)
		WHERE ($1 = '' OR instruction_id = $1) AND ($2 = '' OR account_id = $2) AND ($3 = '' OR programme = $3) AND ($4 = '' OR cycle = $4)
			AND ($5 = '' OR said.1 = transform($5, ['none', 'accepted', 'settled', 'rejected'], [0, 1, 2, 3], -1))
			AND ($7 = '' OR said.2 = $7) AND created_ms < $8 AND ($9 = 0 OR instruction_id IN ($10))
		ORDER BY created_ms DESC, instruction_id LIMIT $6`,
		f.ID, f.AccountID, f.Programme, f.Cycle, f.Status, f.Limit, f.Reason, before, len(f.IDs), append([]string{""}, f.IDs...))
	if err != nil {
		return nil, fmt.Errorf("list instructions: %w", err)
	}
	return all, nil
}

// EachRejected streams the ids of the accounts of which the bank has ever rejected an
// instruction.
func (l *Ledger) EachRejected(ctx context.Context, each func(accountID string) error) error {
	accounts, err := query(ctx, l, "accounts with rejections", func(rows driver.Rows, id *string) error { return rows.Scan(id) },
		`SELECT account_id FROM accounts WHERE account_id != '' AND account_ref IN (SELECT account_ref FROM results WHERE status = 'rejected') ORDER BY account_id`)
	if err != nil {
		return err
	}
	for _, id := range accounts {
		if err := each(id); err != nil {
			return err
		}
	}
	return nil
}

func scanInstructed(rows driver.Rows, i *Instructed) error {
	said := &i.Said
	return rows.Scan(append(instructionInto(nil, &i.Instruction), &i.AccountID, (*uint8)(&said.Status), &said.Reason, &said.At.Sec, &said.At.Nsec)...)
}
