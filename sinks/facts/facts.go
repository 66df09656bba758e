// Package facts posts facts that the system itself states, or a person of the back
// office through it, to the topic of facts, with the account's id as key: that a cycle
// is closed, that payments are released, that money is adjusted.
package facts

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/internal/jsontext"
	"ristourne/sinks/internal/topic"
)

// Options say where to write. Topic is needed.
type Options = topic.Options

var form = topic.Form[rules.Fact]{
	UsualBytes: 300, Check: check, Append: Append,
	Key: func(f *rules.Fact) string { return f.AccountID },
}

// Writer writes facts to the topic. It may be used by many goroutines.
type Writer struct{ out *topic.Writer }

// New makes a writer; it connects with the first fact.
func New(o Options) *Writer { return &Writer{out: topic.New(o)} }

// LayOut says over how many shards accounts are laid out: facts go to no partition
// beyond them, which nobody reads.
func (w *Writer) LayOut(shards int) { w.out.Use(shards) }

// Close waits for what is on its way.
func (w *Writer) Close() error { return w.out.Close() }

// Post returns when every fact is acknowledged by all replicas in sync. An error
// means that some may be written and some not: post all again, accounts know
// repeats by their ids.
func (w *Writer) Post(ctx context.Context, facts []rules.Fact) error {
	messages, err := form.Messages(facts)
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	if err := w.out.Write(ctx, messages); err != nil {
		return fmt.Errorf("post %d facts: %w", len(facts), err)
	}
	return nil
}

// check refuses what accounts would not take: the types that are posted here, whole.
func check(f *rules.Fact) error {
	whole := false
	switch f.Type {
	case rules.CycleClosed:
		whole = f.Programme != "" && f.Cycle != "" && f.AsOf != ""
	case rules.PayoutReleased:
		whole = f.Programme != ""
	case rules.Adjustment:
		whole = f.AmountMinor != 0 && f.Currency != (money.Currency{}) && f.Reason != "" && f.ApprovedBy != ""
	}
	if !whole || f.ID == "" || f.AccountID == "" {
		return fmt.Errorf("a fact %q of type %s isn't one that is posted here whole: a fault of the program", f.ID, f.Type)
	}
	return nil
}

// Append appends the value of a message: the fact as a JSON object.
func Append(dst []byte, f *rules.Fact) []byte {
	currency := ""
	if f.Type == rules.Adjustment {
		currency = f.Currency.String()
		dst = append(dst, `{"amount_minor":`...)
		dst = append(strconv.AppendInt(dst, f.AmountMinor, 10), ',')
	} else {
		dst = append(dst, '{')
	}
	for n, field := range [...]struct{ name, text string }{
		{`"fact_id":`, f.ID},
		{`"type":`, f.Type.String()},
		{`"account_id":`, f.AccountID},
		{`"at":`, f.At.Time().Format(time.RFC3339Nano)},
		{`"programme":`, f.Programme},
		{`"cycle":`, f.Cycle},
		{`"as_of":`, f.AsOf},
		{`"currency":`, currency},
		{`"reason":`, f.Reason},
		{`"approved_by":`, f.ApprovedBy},
	} {
		if field.text == "" {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, field.name...), field.text)
	}
	return append(dst, '}')
}
