package credits

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/internal/jsontext"
)

// Append appends the value of a message: a JSON object with the fields of the
// contract, all of them, in its order.
func Append(dst []byte, i *rules.Instruction) []byte {
	told := *i
	told.StatementText, told.Method = statement(i.StatementText), cmp.Or(i.Method, rules.ByCard)
	dst = appendFields(dst, &told)
	dst = dst[:len(dst)-1] // the brace
	for _, detail := range [...]struct{ name, text string }{{`,"iban":`, i.IBAN}, {`,"name":`, i.Name}, {`,"handle":`, i.Handle}} {
		if detail.text != "" {
			dst = jsontext.AppendString(append(dst, detail.name...), detail.text)
		}
	}
	return append(dst, '}')
}

const timeForm = "2006-01-02T15:04:05.000Z07:00" // RFC 3339 with the milliseconds of Kafka

// The years that RFC 3339 can write.
var (
	minTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
)

// createdAt keeps a Kafka timestamp, which a producer may set to anything,
// within the years that a reader can parse: an odd date must hold no money up.
func createdAt(ms int64) time.Time {
	ms = min(max(ms, minTime.UnixMilli()), maxTime.UnixMilli())
	return time.UnixMilli(ms).UTC()
}

func appendMillis(dst []byte, ms int64) []byte {
	dst = createdAt(ms).AppendFormat(append(dst, '"'), timeForm)
	return append(dst, '"')
}

// parseCurrency is zero, as no currency is, where the code is none.
func parseCurrency(code string) (c money.Currency) {
	if len(code) == len(c) {
		copy(c[:], code)
	}
	return c
}

// named is the value that a name stands for; zero, as none is, where it has none.
func named[T any](value T, _ bool) T { return value }

// Decode reads a value of Append and refuses what none may be: see
// processor/wire/README.md, "What comes out". The account reference and the cause are empty: they don't cross the border.
func Decode(value []byte) (i rules.Instruction, err error) {
	var v struct {
		fields
		IBAN   string `json:"iban"`
		Name   string `json:"name"`
		Handle string `json:"handle"`
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return i, fmt.Errorf("decode instruction: %w", err)
	}
	created, err := time.Parse(time.RFC3339, v.CreatedAt)
	if err != nil {
		return i, fmt.Errorf("decode instruction %q: created_at: %w", v.InstructionID, err)
	}
	i = v.row()
	i.IBAN, i.Name, i.Handle = v.IBAN, v.Name, v.Handle
	i.CreatedAt = created.UnixMilli()
	if err := check(&i); err != nil {
		return rules.Instruction{}, fmt.Errorf("decode: %w", err)
	}
	return i, nil
}
