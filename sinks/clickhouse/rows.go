package clickhouse

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"ristourne/rules"
)

// This file reads what an audit asks for: every row of an account, and sums of
// whole tables that are worked out by nobody else.

// lineStream gives each line, repeats once. Lines lie by partner, so the server
// sorts them by account, on its disk where they are many.
func lineStream() *stream {
	var row rules.Accrual
	var keeper rules.AccountRef
	return &stream{
		what:   "lines",
		keeper: lineKeeper,
		query: `
			SELECT ` + lineKeeper + ` AS keeper, ` + accrualColumns + `
			FROM accruals_log FINAL
			WHERE shard = $1
			ORDER BY keeper`,
		scan: into(&row, &keeper, accrualInto([]any{(*uuid.UUID)(&keeper)}, &row)),
		add: func(h *rules.AccountHistory) error {
			line := row
			withIDs(&line, "", h.AccountID, h.MemberID) // a sponsor's buyer lives in any shard: the reference tells
			h.Lines = append(h.Lines, line)
			return nil
		},
	}
}

func toldRowStream() *stream {
	s := toldStream()
	s.query = `SELECT ` + referralColumns + ` FROM referrals_told_log FINAL WHERE shard = $1 ORDER BY ` + referralKey + `, number`
	return s
}

func grantRowStream() *stream {
	s := grantStream()
	s.query = `SELECT ` + grantColumns + ` FROM grants_log FINAL WHERE shard = $1 ORDER BY account_ref, seq, batch, place`
	return s
}

// resultStream gives what the bank said, as it was read: unlike all other rows,
// results on nobody's instruction too. They are of no row of a set, so their batch
// says whether they are booked.
func resultStream(upToBatch uint64) *stream {
	var row rules.ResultRow
	return &stream{
		what: "results",
		query: fmt.Sprintf(`
			SELECT account_ref, instruction_id, toUInt8(status), reason, at_sec, at_nsec, cause_id, cause_partition, cause_offset, recorded_ms
			FROM results_log FINAL
			WHERE shard = $1 AND batch <= %d
			ORDER BY account_ref, cause_partition, cause_offset`, upToBatch),
		scan: into(&row, &row.AccountRef, []any{
			(*uuid.UUID)(&row.AccountRef), &row.Result.InstructionID, (*uint8)(&row.Result.Status), &row.Result.Reason, &row.Result.At.Sec, &row.Result.At.Nsec,
			&row.Cause.ID, &row.Cause.Partition, &row.Cause.Offset, &row.Cause.RecordedAt,
		}),
		add: func(h *rules.AccountHistory) error {
			said := row
			said.Result.AccountID, said.Cause.Kind = h.AccountID, rules.CauseResult
			h.Results = append(h.Results, said)
			return nil
		},
	}
}

// bookedUpTo is the condition that a row is of a batch that the markers have, or of a
// shard that none can have: whoever reads shard by shard would miss it. The numbers
// come from the program alone.
func bookedUpTo(upTo []rules.Marker) string {
	if len(upTo) == 0 {
		return "0"
	}
	var b strings.Builder
	b.WriteString("batch <= multiIf(")
	highest := int32(0)
	for i := range upTo {
		fmt.Fprintf(&b, "shard = %d, %d, ", upTo[i].Shard, upTo[i].Batch)
		highest = max(highest, upTo[i].Shard)
	}
	fmt.Fprintf(&b, "shard < 0 OR shard > %d, %d, 0)", highest, uint64(math.MaxUint64))
	return b.String()
}

// LedgerSums sums the lines of what the markers have by programme, partner, currency,
// stage and role.
func (l *Ledger) LedgerSums(ctx context.Context, upTo []rules.Marker) ([]rules.LedgerSum, error) {
	return query(asked(ctx), l, "sums of lines", func(rows driver.Rows, s *rules.LedgerSum) error {
		return rows.Scan(&s.Programme, &s.PartnerID, &s.Currency, (*uint8)(&s.Stage), (*uint8)(&s.Role), &s.Lines, &s.RewardMinor, &s.CommissionMinor, &s.CostMinor)
	}, `SELECT programme, partner_id, currency, toUInt8(stage), toUInt8(role), count(), sumIf(reward_minor, kind != 'points'), sum(commission_minor), sum(cost_minor)
		FROM accruals_log FINAL WHERE `+bookedUpTo(upTo)+` GROUP BY ALL`)
}

// InstructedSums sums the instructions of what the markers have by programme, currency
// and direction.
func (l *Ledger) InstructedSums(ctx context.Context, upTo []rules.Marker) ([]rules.InstructedSum, error) {
	return query(asked(ctx), l, "sums of instructions", func(rows driver.Rows, s *rules.InstructedSum) error {
		return rows.Scan(&s.Programme, &s.Currency, (*uint8)(&s.Direction), &s.Instructions, &s.AmountMinor)
	}, `SELECT programme, currency, toUInt8(direction), count(), sum(amount_minor) FROM instructions_log FINAL WHERE `+bookedUpTo(upTo)+` GROUP BY ALL`)
}

// BudgetsGiven streams what each budget has given, by what the markers have of its
// grants, in order of budgets.
func (l *Ledger) BudgetsGiven(ctx context.Context, upTo []rules.Marker, each func(budget rules.BudgetKey, unit string, givenMinor int64) error) error {
	ctx, cancel := context.WithCancel(asked(ctx)) // a stream that is broken off would be drained otherwise
	defer cancel()
	rows, err := l.reads.Query(ctx, `SELECT budget, any(unit), sum(change_minor) FROM grants_log FINAL WHERE `+bookedUpTo(upTo)+` GROUP BY budget ORDER BY budget`)
	if err != nil {
		return fmt.Errorf("read what budgets gave: %w", explain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var budget, unit string
		var givenMinor int64
		if err := rows.Scan(&budget, &unit, &givenMinor); err != nil {
			return fmt.Errorf("read what budgets gave: %w", explain(err))
		}
		if err := each(rules.BudgetKey(budget), unit, givenMinor); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read what budgets gave: %w", explain(err))
	}
	return nil
}
