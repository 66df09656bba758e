package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/feed"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/sinks/deadletters"
)

func newDeadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletters",
		Short: "Look at the records that broke a rule, and send them again",
	}
	cmd.AddCommand(newDeadLettersListCommand(), newDeadLettersReplayCommand())
	return cmd
}

type deadLettersOptions struct {
	config, reason, output string
	limit                  int
}

// maxListed bounds --limit: the listed letters are held in memory, each with up
// to 256 KiB.
const maxListed = 10_000

func newDeadLettersListCommand() *cobra.Command {
	var o deadLettersOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters: where the record stood, what is wrong with it, what to do",
		Long: `List the newest dead letters, oldest first: when the record was refused, where
it stood, what is wrong with it, and what to do. --output json has the record's
key and value too, in base64, where they may be kept: what may hold a card
number is withheld.

In the topic a dead letter has the record's key and value; what is wrong stands
in headers, __ristourne.errors.reason and others. Letters of the form before,
one JSON object, are listed too.`,
		Example: `  ristourne deadletters list --config ristourne.yaml
  ristourne deadletters list --config ristourne.yaml --reason card_number --limit 20 --output json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.limit < 1 || o.limit > maxListed {
				return usageError{fmt.Errorf("--limit %d: 1 to %d", o.limit, maxListed)}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			return listDeadLetters(cmd.Context(), cmd.OutOrStdout(), c, o, warnings(cmd))
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.reason, "reason", "", "only those with this reason, such as card_number")
	cmd.Flags().IntVar(&o.limit, "limit", 1000, fmt.Sprintf("so many of the newest, 1 to %d", maxListed))
	outputFlag(cmd, &o.output)
	return cmd
}

func listDeadLetters(ctx context.Context, stdout io.Writer, c *config.Config, o deadLettersOptions, log *slog.Logger) error {
	config, err := c.Kafka.Feed(log)
	if err != nil {
		return err
	}
	topic := c.Kafka.Topics.DeadLetters
	if err := c.Kafka.Look(ctx, topic); err != nil {
		return err
	}
	letters := newestLetters{limit: o.limit}
	err = feed.ReadTopic(ctx, config, topic, func(partition int32, r feed.Record) error {
		message, err := r.Message()
		if err != nil {
			return err
		}
		letter, err := deadletters.Decode(message)
		if err != nil {
			log.Warn("a record in the topic is no dead letter", "topic", topic, "partition", partition, "offset", r.Offset, "error", err)
			return nil
		}
		if o.reason == "" || letter.Reason == o.reason {
			letters.add(listedLetter{letter, r.Time})
		}
		return nil
	})
	if err != nil {
		return err
	}
	letters.trim()
	if o.output == "json" {
		return printLettersJSON(stdout, letters.kept)
	}
	return printLetters(stdout, letters.kept)
}

type listedLetter struct {
	rules.DeadLetter
	refusedAt int64 // Kafka timestamp of the letter: the record's own may be what is wrong
}

// newestLetters keeps the newest letters, each once: after a crash one may have
// been written twice.
type newestLetters struct {
	limit int
	kept  []listedLetter
}

func (n *newestLetters) add(letter listedLetter) {
	// The record's buffer is used again. A letter of the form before may have
	// kept a key that must not be shown.
	letter.Key, letter.Value = bytes.Clone(letter.Key), bytes.Clone(letter.Value)
	if !wire.KeepKey(letter.Key) {
		letter.Key, letter.KeyWithheld = nil, true
	}
	if n.kept = append(n.kept, letter); len(n.kept) >= 2*n.limit {
		n.trim()
	}
}

// trim sorts by time and drops what is too much.
func (n *newestLetters) trim() {
	place := func(a, b listedLetter) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	}
	slices.SortFunc(n.kept, func(a, b listedLetter) int { return cmp.Or(place(a, b), cmp.Compare(a.refusedAt, b.refusedAt)) })
	n.kept = slices.CompactFunc(n.kept, func(a, b listedLetter) bool { return place(a, b) == 0 })
	slices.SortFunc(n.kept, func(a, b listedLetter) int { return cmp.Or(cmp.Compare(a.refusedAt, b.refusedAt), place(a, b)) })
	n.kept = slices.Delete(n.kept, 0, max(0, len(n.kept)-n.limit))
}

func printLetters(w io.Writer, letters []listedLetter) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REFUSED\tTOPIC\tPARTITION\tOFFSET\tREASON\tFIELD\tBYTES\tWHAT IS WRONG")
	for i := range letters {
		l := &letters[i]
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%d\t%s\n", time.UnixMilli(l.refusedAt).UTC().Format(time.RFC3339),
			printable(l.Topic), l.Partition, l.Offset, printable(l.Reason), orDash(printable(l.Field)), l.Size, printable(l.Detail))
	}
	return table.Flush()
}

type letterJSON struct {
	ID            string `json:"id"`
	RefusedAt     int64  `json:"refused_at"` // milliseconds since 1970
	Reason        string `json:"reason"`
	Field         string `json:"field"`
	Detail        string `json:"detail"`
	Topic         string `json:"topic"`
	Partition     int32  `json:"partition"`
	Offset        int64  `json:"offset"`
	Timestamp     int64  `json:"timestamp"` // Kafka's of the record, milliseconds since 1970
	Size          int    `json:"size"`
	SHA256        string `json:"sha256"`
	Key           []byte `json:"key,omitzero"`
	Value         []byte `json:"value,omitzero"`
	KeyWithheld   bool   `json:"key_withheld,omitempty"`
	ValueWithheld bool   `json:"value_withheld,omitempty"`
}

func printLettersJSON(w io.Writer, letters []listedLetter) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // people read it
	for i := range letters {
		l := &letters[i]
		err := encoder.Encode(letterJSON{
			ID: deadletters.ID(&l.DeadLetter), RefusedAt: l.refusedAt, Reason: l.Reason, Field: l.Field, Detail: l.Detail,
			Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Timestamp: l.Timestamp,
			Size: l.Size, SHA256: hex.EncodeToString(l.SHA256[:]), Key: l.Key, Value: l.Value,
			KeyWithheld: l.KeyWithheld, ValueWithheld: l.ValueWithheld,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// printable keeps what a record brought along from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
