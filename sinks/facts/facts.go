// Package facts posts facts that the system itself states, such as that a cycle
// is closed, to the topic of facts, with the account's id as key.
package facts

import (
	"context"
	"fmt"
	"time"

	"ristourne/rules"
	"ristourne/sinks/internal/jsontext"
	"ristourne/sinks/internal/topic"
)

// Options say where to write. Topic is needed.
type Options = topic.Options

var form = topic.Form[rules.Fact]{
	UsualBytes: 300, Check: check, Append: appendValue,
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

func check(f *rules.Fact) error {
	if f.Type != rules.CycleClosed || f.ID == "" || f.AccountID == "" || f.Programme == "" || f.Cycle == "" || f.AsOf == "" {
		return fmt.Errorf("a fact %q of type %s isn't one that is posted here whole: a fault of the program", f.ID, f.Type)
	}
	return nil
}

// appendValue appends the value of a message: the fact as a JSON object.
func appendValue(dst []byte, f *rules.Fact) []byte {
	for _, field := range [...]struct{ name, text string }{
		{`{"fact_id":`, f.ID},
		{`,"type":`, f.Type.String()},
		{`,"account_id":`, f.AccountID},
		{`,"at":`, f.At.Time().Format(time.RFC3339Nano)},
		{`,"programme":`, f.Programme},
		{`,"cycle":`, f.Cycle},
		{`,"as_of":`, f.AsOf},
	} {
		dst = jsontext.AppendString(append(dst, field.name...), field.text)
	}
	return append(dst, '}')
}
