package credits

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"ristourne/rules"
	"ristourne/sinks/internal/jsontext"
)

// Append appends the value of a message: a JSON object with the fields of the
// contract, all of them, in its order.
func Append(dst []byte, i *rules.Instruction) []byte {
	dst = append(dst, `{"instruction_id":`...)
	dst = jsontext.AppendString(dst, i.ID)
	dst = append(dst, `,"direction":`...)
	dst = jsontext.AppendString(dst, i.Direction.String())
	dst = append(dst, `,"account_id":`...)
	dst = jsontext.AppendString(dst, i.AccountID)
	dst = append(dst, `,"amount_minor":`...)
	dst = strconv.AppendInt(dst, i.AmountMinor, 10)
	dst = append(dst, `,"currency":`...)
	dst = jsontext.AppendString(dst, i.Currency.String())
	dst = append(dst, `,"statement_text":`...)
	dst = jsontext.AppendString(dst, statement(i.StatementText))
	dst = append(dst, `,"programme":`...)
	dst = jsontext.AppendString(dst, i.Programme)
	dst = append(dst, `,"cycle":`...)
	dst = jsontext.AppendString(dst, i.Cycle)
	dst = append(dst, `,"reason":`...)
	dst = jsontext.AppendString(dst, i.Reason)
	dst = append(dst, `,"created_at":"`...)
	dst = createdAt(i.CreatedAt).AppendFormat(dst, timeForm)
	return append(dst, `"}`...)
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

// Decode reads a value of Append and refuses what none may be: see
// processor/wire/README.md, "What comes out". The account reference and the cause are empty: they don't cross the border.
func Decode(value []byte) (i rules.Instruction, err error) {
	var v struct {
		InstructionID string `json:"instruction_id"`
		Direction     string `json:"direction"`
		AccountID     string `json:"account_id"`
		AmountMinor   int64  `json:"amount_minor"`
		Currency      string `json:"currency"`
		StatementText string `json:"statement_text"`
		Programme     string `json:"programme"`
		Cycle         string `json:"cycle"`
		Reason        string `json:"reason"`
		CreatedAt     string `json:"created_at"`
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return i, fmt.Errorf("decode instruction: %w", err)
	}
	created, err := time.Parse(time.RFC3339, v.CreatedAt)
	if err != nil {
		return i, fmt.Errorf("decode instruction %q: created_at: %w", v.InstructionID, err)
	}
	i = rules.Instruction{
		ID: v.InstructionID, AccountID: v.AccountID, AmountMinor: v.AmountMinor, StatementText: v.StatementText,
		Programme: v.Programme, Cycle: v.Cycle, Reason: v.Reason, CreatedAt: created.UnixMilli(),
	}
	i.Direction, _ = rules.ParseDirection(v.Direction)
	if len(v.Currency) == len(i.Currency) {
		copy(i.Currency[:], v.Currency)
	}
	if err := check(&i); err != nil {
		return rules.Instruction{}, fmt.Errorf("decode: %w", err)
	}
	return i, nil
}
