package paymentfiles

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"time"

	"ristourne/rules"
)

// csvColumns are the columns of a CSV file, which takes every instruction.
var csvColumns = []string{
	"instruction_id", "direction", "account_id", "amount", "currency", "method", "name", "iban", "handle", "statement_text", "programme", "cycle", "created_at",
}

func renderCSV(instructions []rules.Instruction) ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.Write(csvColumns); err != nil {
		return nil, fmt.Errorf("write CSV: %w", err)
	}
	for i := range instructions {
		in := &instructions[i]
		if err := w.Write([]string{
			in.ID, in.Direction.String(), in.AccountID, plainAmount(in.AmountMinor, in.Currency), in.Currency.String(), methodName(in.Method),
			in.Name, in.IBAN, in.Handle, in.StatementText, in.Programme, in.Cycle, time.UnixMilli(in.CreatedAt).UTC().Format(time.RFC3339Nano),
		}); err != nil {
			return nil, fmt.Errorf("write CSV: %w", err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("write CSV: %w", err)
	}
	return out.Bytes(), nil
}
