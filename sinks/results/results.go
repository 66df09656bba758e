// Package results posts what a bank has said of instructions in files to the topic of
// results, with the account's id as key, as a bank that has Kafka does itself.
package results

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

var form = topic.Form[rules.Result]{
	UsualBytes: 250, Check: check, Append: Append,
	Key: func(r *rules.Result) string { return r.AccountID },
}

// Writer writes results to the topic. It may be used by many goroutines.
type Writer struct{ out *topic.Writer }

// New makes a writer; it connects with the first result.
func New(o Options) *Writer { return &Writer{out: topic.New(o)} }

// Close waits for what is on its way.
func (w *Writer) Close() error { return w.out.Close() }

// Post returns when every result is acknowledged by all replicas in sync. An error
// means that some may be written and some not: post all again, accounts know the same
// word on an instruction.
func (w *Writer) Post(ctx context.Context, results []rules.Result) error {
	messages, err := form.Messages(results)
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	if err := w.out.Write(ctx, messages); err != nil {
		return fmt.Errorf("post %d results: %w", len(results), err)
	}
	return nil
}

func check(r *rules.Result) error {
	if r.InstructionID == "" || r.AccountID == "" || r.Status == 0 || r.At == (rules.Instant{}) {
		return fmt.Errorf("a result on instruction %q isn't whole: a fault of the program", r.InstructionID)
	}
	return nil
}

// Append appends the value of a message: the result as a JSON object.
func Append(dst []byte, r *rules.Result) []byte {
	dst = append(dst, '{')
	for n, field := range [...]struct{ name, text string }{
		{`"instruction_id":`, r.InstructionID},
		{`"account_id":`, r.AccountID},
		{`"status":`, r.Status.String()},
		{`"at":`, r.At.Time().Format(time.RFC3339Nano)},
		{`"reason":`, r.Reason},
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
