package clickhouse

import (
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
	"ristourne/rules/money"
)

// idBytes and currencyCode take the bytes of a column, with no string between.
type (
	idBytes      rules.AccrualID
	currencyCode money.Currency
)

func (id *idBytes) UnmarshalBinary(column []byte) error {
	copy(id[:], column)
	return nil
}

func (c *currencyCode) UnmarshalBinary(column []byte) error {
	copy(c[:], column)
	return nil
}

// scanned scans rows of a type by where their columns go.
func scanned[T any](into func([]any, *T) []any) func(driver.Rows, *T) error {
	return func(rows driver.Rows, row *T) error { return rows.Scan(into(nil, row)...) }
}

// scanInstruction reads instructionColumns and account_id.
func scanInstruction(rows driver.Rows, i *rules.Instruction) error {
	return rows.Scan(append(instructionInto(nil, i), &i.AccountID)...)
}

// withAccountIDs joins the map to what is to its left.
const withAccountIDs = ` LEFT ANY JOIN (SELECT account_ref, account_id FROM accounts) AS a USING (account_ref) `
