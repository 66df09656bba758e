// Package credits gives credit instructions to the bank, through a Kafka topic
// with the account id as key.
package credits

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"ristourne/rules"
	"ristourne/sinks/internal/topic"
)

// defaultTopic is the usual name of the topic.
const defaultTopic = "credit.instructions"

// Options say where to write. Topic is needed.
type Options = topic.Options

var form = topic.Form[rules.Instruction]{
	UsualBytes: 400, Check: check, Append: Append,
	Key: func(i *rules.Instruction) string { return i.AccountID },
}

// Writer writes instructions to the topic. It may be used by many
// goroutines.
type Writer struct{ out *topic.Writer }

// New makes a writer; it connects with the first instruction.
func New(o Options) *Writer { return &Writer{out: topic.New(o)} }

// Close waits for what is on its way.
func (w *Writer) Close() error { return w.out.Close() }

// WriteInstructions returns when every instruction is acknowledged by all replicas
// in sync. The instructions of an account keep their order. An error means that some
// may be with the bank and some not: write all again, the bank dedupes by id. One that
// is not as processor/wire/README.md, "What comes out", has it is refused before any
// is sent.
func (w *Writer) WriteInstructions(ctx context.Context, instructions []rules.Instruction) error {
	messages, err := form.Messages(outOfHouse(instructions))
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := w.out.Write(ctx, messages); err != nil {
		return fmt.Errorf("write %d instructions: %w", len(instructions), err)
	}
	return nil
}

// outOfHouse are the instructions that leave the house: all but those of programmes
// that another system pays.
func outOfHouse(all []rules.Instruction) []rules.Instruction {
	isShadow := func(i rules.Instruction) bool { return i.IsShadow() }
	if !slices.ContainsFunc(all, isShadow) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), isShadow)
}

const (
	maxID        = 35  // what an ISO 20022 EndToEndId holds
	maxStatement = 140 // characters; what is longer is cut, never held back
)

// Check says what WriteInstructions would refuse for good.
func Check(i *rules.Instruction) error { return check(i) }

// check is the last look at an instruction before the bank executes it.
func check(i *rules.Instruction) error {
	fault := ""
	switch {
	case !validID(i.ID):
		fault = "its id is not 1 to 35 of A-Z a-z 0-9 -"
	case i.Direction != rules.Credit && i.Direction != rules.Debit:
		fault = "it is neither credit nor debit"
	case i.AccountID == "":
		fault = "it names no account"
	case i.AmountMinor <= 0:
		fault = fmt.Sprintf("its amount %d is not over 0", i.AmountMinor)
	case !validCurrency(i.Currency):
		fault = fmt.Sprintf("its currency %q is not three letters", i.Currency.String())
	default:
		return nil
	}
	return fmt.Errorf("%w: instruction %q breaks the contract: %s: a fault of the program; it is held back, and what comes after it in its shard", rules.ErrNeedsPerson, i.ID, fault)
}

// statement is a text cut to what a statement holds: an older version may have
// decided a longer one.
func statement(text string) string {
	if len(text) <= maxStatement || utf8.RuneCountInString(text) <= maxStatement {
		return text
	}
	return string([]rune(text)[:maxStatement])
}

func validID(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= maxID
}

func validCurrency(code [3]byte) bool {
	for _, c := range code {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}
