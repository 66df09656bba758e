// Package deadletters keeps the records that broke a rule in a Kafka topic of
// their own: which record it was, what is wrong with it, and its bytes where
// they may be kept; and sends them again.
package deadletters

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
	"ristourne/sinks/internal/topic"
)

// Options say where to write. Topic is needed.
type Options = topic.Options

// Writer writes dead letters. It may be used by many goroutines.
type Writer struct{ out *topic.Writer }

// New makes a writer; it connects with the first letter.
func New(o Options) *Writer { return &Writer{out: topic.New(o)} }

// Close waits for what is on its way.
func (w *Writer) Close() error { return w.out.Close() }

// Write returns when every letter is acknowledged by all replicas in sync. An
// error means that some may be written and some not: write all again. A reader
// tells repeats by the letter's id.
func (w *Writer) Write(ctx context.Context, letters []rules.DeadLetter) error {
	messages := make([]kafka.Message, len(letters))
	for n := range letters {
		messages[n] = messageOf(&letters[n])
	}
	if err := w.out.Write(ctx, messages); err != nil {
		return fmt.Errorf("write %d dead letters: %w", len(letters), err)
	}
	return nil
}
