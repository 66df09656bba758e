package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
)

// FiledState is how far a file of instructions has come.
type FiledState uint8

// The states. What was sealed stands over what was withdrawn.
const (
	FileRecorded FiledState = iota + 1
	FileWithdrawn
	FileSealed
	FileWritten
	FileGivenUp // by a person, after it was sealed
)

var filedStateNames = [...]string{"", "recorded", "withdrawn", "sealed", "written", "given_up"}

func (s FiledState) String() string { return filedStateNames[s] }

// FiledPayments is a file as it stands.
type FiledPayments struct {
	rules.PaymentFile
	State   FiledState
	StateAt int64 // milliseconds since 1970
}

// Stands reports that the file's instructions are in no other.
func (f *FiledPayments) Stands() bool { return f.State != FileWithdrawn && f.State != FileGivenUp }

// RecordPaymentFile keeps a file, whole, before it is written. When it returns, every
// later read has it.
func (l *Ledger) RecordPaymentFile(ctx context.Context, f *rules.PaymentFile) error {
	debtor, err := json.Marshal(&f.Debtor)
	if err != nil {
		return err
	}
	// A batch, as the ids of a large file are more than a statement holds: one block.
	batch, err := l.reads.PrepareBatch(ctx, `
		INSERT INTO payment_files_log (file_id, state, at_ms, by, format, name, sha256, debtor, execution_date, currency, sum_minor, instruction_ids)`)
	if err == nil {
		if err = batch.Append(f.ID, FileRecorded.String(), f.CreatedAt, f.By, f.Format.String(), f.Name, f.SHA256, string(debtor), f.ExecutionDate,
			f.Currency.String(), f.SumMinor, f.InstructionIDs); err == nil {
			err = batch.Send()
		}
		err = errors.Join(err, batch.Close())
	}
	if err != nil {
		return fmt.Errorf("record payment file %s: %w", f.ID, explain(err))
	}
	return nil
}

// MarkPaymentFile says that a file has come to a state.
func (l *Ledger) MarkPaymentFile(ctx context.Context, id string, state FiledState, at time.Time, by string) error {
	err := l.reads.Exec(ctx, `INSERT INTO payment_files_log (file_id, state, at_ms, by) SELECT $1, $2, $3, $4`, id, state.String(), at.UnixMilli(), by)
	if err != nil {
		return fmt.Errorf("mark payment file %s %s: %w", id, state, explain(err))
	}
	return nil
}

// PaymentFileFilter chooses files; an empty field chooses all.
type PaymentFileFilter struct {
	ID        string
	Unwritten bool // recorded or sealed
	// Sharing: those that stand and have an instruction of the file of this
	// id, which itself is left out.
	Sharing string
	Limit   int // of the newest
}

// PaymentFiles lists files, the newest first.
func (l *Ledger) PaymentFiles(ctx context.Context, f PaymentFileFilter) ([]FiledPayments, error) {
	return query(ctx, l, "payment files", func(rows driver.Rows, x *FiledPayments) error {
		var debtor string
		if err := rows.Scan(&x.ID, (*uint8)(&x.State), (*uint8)(&x.Format), &x.Name, &x.SHA256, &debtor, &x.ExecutionDate,
			(*currencyCode)(&x.Currency), &x.SumMinor, &x.InstructionIDs, &x.By, &x.CreatedAt, &x.StateAt); err != nil {
			return err
		}
		return json.Unmarshal([]byte(debtor), &x.Debtor)
	}, `
		SELECT file_id, toUInt8(state), toUInt8(format), name, sha256, debtor, execution_date, currency, sum_minor, instruction_ids, by,
			toUnixTimestamp64Milli(recorded_at), toUnixTimestamp64Milli(state_at)
		FROM payment_files
		WHERE ($1 = '' OR file_id = $1) AND (NOT $2 OR state IN ('recorded', 'sealed'))
			AND ($3 = '' OR file_id != $3 AND state NOT IN ('withdrawn', 'given_up')
				AND file_id IN (
					SELECT file_id FROM (SELECT file_id, arrayJoin(instruction_ids) AS id FROM payment_files_log WHERE state = 'recorded')
					WHERE id IN (SELECT arrayJoin(instruction_ids) FROM payment_files_log WHERE file_id = $3 AND state = 'recorded')))
		ORDER BY recorded_at DESC, file_id LIMIT $4`,
		f.ID, f.Unwritten, f.Sharing, f.Limit)
}

// FiledInstructions are the ids of the instructions in the file of an id; none: there
// is none, or it was withdrawn.
func (l *Ledger) FiledInstructions(ctx context.Context, fileID string) (ids []string, err error) {
	files, err := l.PaymentFiles(ctx, PaymentFileFilter{ID: fileID, Limit: 1})
	if err != nil || len(files) == 0 || !files[0].Stands() {
		return nil, err
	}
	return files[0].InstructionIDs, nil
}

// payeeColumns are what instructions have beside instructionColumns where their payees
// are joined.
const (
	payeeColumns   = `, account_id, p.iban, p.name, p.handle`
	withPayees     = ` LEFT ANY JOIN (SELECT instruction_id, iban, name, handle FROM payees_log FINAL) AS p USING (instruction_id) `
	unfiledHorizon = 400 * 24 * time.Hour // for so long the bank knows an id again
)

func scanPayee(rows driver.Rows, i *rules.Instruction) error {
	return rows.Scan(append(instructionInto(nil, i), &i.AccountID, &i.IBAN, &i.Name, &i.Handle)...)
}

// UnfiledFilter chooses instructions; an empty field chooses all.
type UnfiledFilter struct {
	Programme, Cycle string
	TransfersAlone   bool // credits by transfer
}

// Unfiled streams the instructions that are in no file that stands, of which the bank
// has said nothing, and that are so young that it knows an id again, the oldest first.
// What never leaves the house is not among them.
func (l *Ledger) Unfiled(ctx context.Context, f UnfiledFilter, now time.Time, each func(*rules.Instruction) error) error {
	ctx, cancel := context.WithCancel(ctx) // a stream that is broken off would be drained otherwise
	defer cancel()
	rows, err := l.reads.Query(ctx, `
		SELECT `+instructionColumns+payeeColumns+`
		FROM instructions_log AS i FINAL`+withAccountIDs+withPayees+`
		WHERE ($1 = '' OR programme = $1) AND ($2 = '' OR cycle = $2) AND created_ms >= $3 AND reason != $4
			AND (NOT $5 OR direction = 'credit' AND method = 'transfer')
			AND (account_ref, instruction_id) NOT IN (SELECT account_ref, instruction_id FROM results)
			AND instruction_id NOT IN (SELECT arrayJoin(instruction_ids) FROM payment_files WHERE state NOT IN ('withdrawn', 'given_up'))
		ORDER BY created_ms, instruction_id`,
		f.Programme, f.Cycle, now.Add(-unfiledHorizon).UnixMilli(), rules.ShadowReason, f.TransfersAlone)
	if err != nil {
		return fmt.Errorf("read instructions that are in no file: %w", explain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var i rules.Instruction
		if err := scanPayee(rows, &i); err != nil {
			return fmt.Errorf("read instructions that are in no file: %w", err)
		}
		if err := each(&i); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read instructions that are in no file: %w", explain(err))
	}
	return nil
}

// Answered is of how many of the instructions the bank has said anything. What it said
// of another account's is none of it.
func (l *Ledger) Answered(ctx context.Context, ids []string) (answered int, err error) {
	for some := range slices.Chunk(ids, maxInstructionIDs) {
		counts, err := query(ctx, l, "answers on the instructions of a file", func(rows driver.Rows, n *uint64) error { return rows.Scan(n) }, `
			SELECT count() FROM instructions_log FINAL
			WHERE instruction_id IN ($1) AND (account_ref, instruction_id) IN (SELECT account_ref, instruction_id FROM results WHERE instruction_id IN ($1))`, some)
		if err != nil {
			return 0, err
		}
		answered += int(counts[0])
	}
	return answered, nil
}

// InstructionsOf are the instructions of the ids, in their order, with their payees.
func (l *Ledger) InstructionsOf(ctx context.Context, ids []string) ([]rules.Instruction, error) {
	byID := make(map[string]rules.Instruction, len(ids))
	for some := range slices.Chunk(ids, maxInstructionIDs) {
		found, err := query(ctx, l, "instructions of a file", scanPayee, `
			SELECT `+instructionColumns+payeeColumns+`
			FROM instructions_log AS i FINAL`+withAccountIDs+withPayees+`
			WHERE instruction_id IN ($1)`, some)
		if err != nil {
			return nil, err
		}
		for i := range found {
			byID[found[i].ID] = found[i]
		}
	}
	all := make([]rules.Instruction, 0, len(ids))
	for _, id := range ids {
		i, known := byID[id]
		if !known {
			return nil, fmt.Errorf("the ledger has no instruction %s, which is in a file of payments: have rows of instructions_log been lost?", id)
		}
		all = append(all, i)
	}
	return all, nil
}
