package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
)

// Instructed is an instruction, and the bank's word on it that counts: the
// latest, at one instant a rejection before a settlement before an acceptance.
type Instructed struct {
	ID          string
	AccountID   string // empty: erased
	Direction   rules.Direction
	AmountMinor int64
	Currency    string
	Programme   string
	Cycle       string // empty: at once
	CauseID     string
	CreatedAt   int64              // Kafka timestamp of the cause, milliseconds since 1970
	Status      rules.ResultStatus // 0: none yet
	Reason      string             // of the status
	At          rules.Instant      // likewise
}

// InstructionFilter chooses instructions; an empty field chooses all.
type InstructionFilter struct {
	ID, AccountID, Programme, Cycle string
	Status                          string // "none": without a result
	Limit                           int    // of the newest
}

// Instructed lists instructions, the newest first.
func (l *Ledger) Instructed(ctx context.Context, f InstructionFilter) ([]Instructed, error) {
	all, err := query(ctx, l, "instructions", scanInstructed, `
		SELECT i.instruction_id, a.account_id, toInt8(i.direction), i.amount_minor, i.currency, i.programme, i.cycle, i.cause_id,
			toUnixTimestamp64Milli(i.created_at) AS created_ms, r.said.1 AS status, r.said.2, r.said.3, r.said.4
		FROM instructions AS i
		LEFT ANY JOIN accounts AS a ON a.account_ref = i.account_ref
		LEFT ANY JOIN (
			SELECT instruction_id, argMax((toInt8(status), reason, at_sec, at_nsec), (at_sec, at_nsec, toInt8(status))) AS said
			FROM results GROUP BY instruction_id
		) AS r ON r.instruction_id = i.instruction_id
		WHERE ($1 = '' OR i.instruction_id = $1) AND ($2 = '' OR a.account_id = $2) AND ($3 = '' OR i.programme = $3) AND ($4 = '' OR i.cycle = $4)
			AND ($5 = '' OR status = transform($5, ['none', 'accepted', 'settled', 'rejected'], [0, 1, 2, 3], -1))
		ORDER BY created_ms DESC, i.instruction_id LIMIT $6`,
		f.ID, f.AccountID, f.Programme, f.Cycle, f.Status, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list instructions: %w", err)
	}
	return all, nil
}

func scanInstructed(rows driver.Rows, i *Instructed) error {
	var direction, status int8
	err := rows.Scan(&i.ID, &i.AccountID, &direction, &i.AmountMinor, &i.Currency, &i.Programme, &i.Cycle, &i.CauseID,
		&i.CreatedAt, &status, &i.Reason, &i.At.Sec, &i.At.Nsec)
	i.Direction, i.Status = rules.Direction(direction), rules.ResultStatus(status)
	return err
}
