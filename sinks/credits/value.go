package credits

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"ristourne/rules"
)

// Append appends the value of a message: a JSON object with the fields of the
// contract, all of them, in its order.
func Append(dst []byte, i *rules.Instruction) []byte {
	dst = append(dst, `{"instruction_id":`...)
	dst = appendString(dst, i.ID)
	dst = append(dst, `,"direction":`...)
	dst = appendString(dst, i.Direction.String())
	dst = append(dst, `,"account_id":`...)
	dst = appendString(dst, i.AccountID)
	dst = append(dst, `,"amount_minor":`...)
	dst = strconv.AppendInt(dst, i.AmountMinor, 10)
	dst = append(dst, `,"currency":`...)
	dst = appendString(dst, i.Currency.String())
	dst = append(dst, `,"statement_text":`...)
	dst = appendString(dst, i.StatementText)
	dst = append(dst, `,"programme":`...)
	dst = appendString(dst, i.Programme)
	dst = append(dst, `,"cycle":`...)
	dst = appendString(dst, i.Cycle)
	dst = append(dst, `,"reason":`...)
	dst = appendString(dst, i.Reason)
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

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Bytes that are no UTF-8 become U+FFFD,
// as JSON has no way to write them.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0 // s[from:at] needs no escape and is not yet written
	for at := 0; at < len(s); {
		c := s[at]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[at:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[from:at]...)
				dst = append(dst, `\ufffd`...)
				from = at + 1
			}
			at += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			at++
			continue
		}
		dst = append(dst, s[from:at]...)
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		at++
		from = at
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// Decode reads a value of Append and refuses what breaks the contract. The
// account reference and the cause are empty: they don't cross the border.
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
