package main

import (
	"bytes"
	"cmp"
	"context"
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

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/sinks/deadletters"
)

func newDeadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletters",
		Short: "Look at the records that broke a rule",
	}
	cmd.AddCommand(newDeadLettersListCommand())
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
		Long: `List the newest dead letters, oldest first: where the record stood, what is
wrong with it, and what to do. --output json has the record's bytes too, in
base64, where they may be kept: those of a record that may hold a card number
are not.`,
		Example: `  ristourne deadletters list --config ristourne.yaml
  ristourne deadletters list --config ristourne.yaml --reason card_number --limit 20 --output json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.limit < 1 || o.limit > maxListed {
				return usageError{fmt.Errorf("--limit %d: 1 to %d", o.limit, maxListed)}
			}
			c, err := loadConfig(o.config)
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

func listDeadLetters(ctx context.Context, stdout io.Writer, c *config, o deadLettersOptions, log *slog.Logger) error {
	config, err := c.Kafka.feed(log)
	if err != nil {
		return err
	}
	topic := c.Kafka.Topics.DeadLetters
	if err := c.Kafka.look(ctx, topic); err != nil {
		return err
	}
	letters := newestLetters{limit: o.limit}
	err = feed.ReadTopic(ctx, config, topic, func(partition int32, r feed.Record) error {
		letter, err := deadletters.Decode(r.Value)
		if err != nil {
			log.Warn("a record in the topic is no dead letter", "topic", topic, "partition", partition, "offset", r.Offset, "error", err)
			return nil
		}
		if o.reason == "" || letter.Reason == o.reason {
			letters.add(letter, r.Value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	letters.trim()
	if o.output == "json" {
		encoder := json.NewEncoder(stdout)
		encoder.SetEscapeHTML(false)
		for i := range letters.kept {
			if err := encoder.Encode(letters.kept[i].raw); err != nil {
				return err
			}
		}
		return nil
	}
	return printLetters(stdout, letters.kept)
}

type listedLetter struct {
	rules.DeadLetter
	raw json.RawMessage // as it stands in the topic
}

// newestLetters keeps the newest letters, each once: after a crash one may have
// been written twice.
type newestLetters struct {
	limit int
	kept  []listedLetter
}

func (n *newestLetters) add(letter rules.DeadLetter, raw []byte) {
	letter.Key, letter.Value = nil, nil // they are in raw
	if n.kept = append(n.kept, listedLetter{letter, bytes.Clone(raw)}); len(n.kept) >= 2*n.limit {
		n.trim()
	}
}

// trim sorts by time and drops what is too much.
func (n *newestLetters) trim() {
	order := func(a, b listedLetter) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.Topic, b.Topic),
			cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	}
	slices.SortStableFunc(n.kept, order)
	n.kept = slices.CompactFunc(n.kept, func(a, b listedLetter) bool { return order(a, b) == 0 })
	n.kept = slices.Delete(n.kept, 0, max(0, len(n.kept)-n.limit))
}

func printLetters(w io.Writer, letters []listedLetter) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RECORDED\tTOPIC\tPARTITION\tOFFSET\tREASON\tFIELD\tBYTES\tWHAT IS WRONG")
	for i := range letters {
		l := &letters[i]
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%d\t%s\n", time.UnixMilli(l.Timestamp).UTC().Format(time.RFC3339),
			l.Topic, l.Partition, l.Offset, l.Reason, orDash(printable(l.Field)), l.Size, printable(l.Detail))
	}
	return table.Flush()
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
