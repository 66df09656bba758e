package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

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

func newDeadLettersListCommand() *cobra.Command {
	var o deadLettersOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters: where the record stood, what is wrong with it, what to do",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(o.config)
			if err != nil {
				return err
			}
			return listDeadLetters(cmd.Context(), cmd.OutOrStdout(), c, o)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.reason, "reason", "", "only those with this reason, such as card_number")
	cmd.Flags().IntVar(&o.limit, "limit", 1000, "at most so many; 0: all")
	outputFlag(cmd, &o.output)
	return cmd
}

// errEnough ends a listing that has reached its limit.
var errEnough = errors.New("enough")

func listDeadLetters(ctx context.Context, stdout io.Writer, c *config, o deadLettersOptions) error {
	config, err := c.Kafka.feed(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	encoder := json.NewEncoder(stdout)
	if o.output == "text" {
		fmt.Fprintln(table, "RECORDED\tTOPIC\tPARTITION\tOFFSET\tREASON\tFIELD\tBYTES\tWHAT IS WRONG")
	}
	listed := 0
	seen := make(map[string]bool) // after a crash a letter may have been written twice
	err = feed.ReadTopic(ctx, config, c.Kafka.Topics.DeadLetters, func(_ int32, r feed.Record) error {
		letter, err := deadletters.Decode(r.Value)
		if err != nil {
			return err
		}
		place := fmt.Sprintf("%s/%d/%d", letter.Topic, letter.Partition, letter.Offset)
		if seen[place] || o.reason != "" && letter.Reason != o.reason {
			return nil
		}
		seen[place] = true
		if listed++; o.output == "json" {
			err = encoder.Encode(json.RawMessage(r.Value))
		} else {
			err = writeLetterRow(table, &letter)
		}
		if err == nil && listed == o.limit {
			err = errEnough
		}
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return table.Flush()
}

func writeLetterRow(w io.Writer, l *rules.DeadLetter) error {
	_, err := fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%d\t%s\n",
		time.UnixMilli(l.Timestamp).UTC().Format(time.RFC3339), l.Topic, l.Partition, l.Offset, l.Reason, l.Field, l.Size, l.Detail)
	return err
}
