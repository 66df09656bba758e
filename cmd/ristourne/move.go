package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
	"ristourne/processor/feed"
	"ristourne/rules"
)

type moveOptions struct {
	config, output, since, by, reason string
	dryRun                            bool
}

func newMoveCommand() *cobra.Command {
	var o moveOptions
	cmd := &cobra.Command{
		Use:   "move --config FILE --by NAME --reason TEXT [--since TIME] [--dry-run]",
		Short: "Go on in another Kafka cluster, or in topics that were made anew",
		Long: `Go on in another Kafka cluster, or in input topics that were made anew: the offsets
that are known mean nothing there, so processors refuse to start until you say so.

Account states stay as they are. Topics that are others than before are read from
their start, or from the first record at or after --since; the rest goes on where it
was. A record that comes again is known by its id and changes nothing. What was in the
former topics and was not decided must be in the new ones. Referrals are told again
in a new topic of referrals. Who asked for it, when and why is kept in ClickHouse, view
operator_actions.

Processors must be stopped. Broken off, say it again.`,
		Example: `  ristourne move --config ristourne.yaml --dry-run
  ristourne move --config ristourne.yaml --by ada --reason "new cluster, ticket 4711"`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			since, err := o.check()
			if err != nil {
				return usageError{err}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), c.Log)
			if o.dryRun {
				log = warnings(cmd)
			}
			logRedis(log)
			return moveShards(cmd.Context(), cmd.OutOrStdout(), c, &o, since, log)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.since, "since", "", "begin at the first record at or after this instant (RFC 3339), by Kafka's timestamps")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "change nothing, and say where each shard would begin")
	cmd.Flags().StringVar(&o.by, "by", "", "who decides it, for the audit trail")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the audit trail")
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *moveOptions) check() (since time.Time, err error) {
	if o.since != "" {
		if since, err = time.Parse(time.RFC3339, o.since); err != nil {
			return since, fmt.Errorf("--since %q: it must be an instant of RFC 3339, as 2006-01-02T15:04:05Z", o.since)
		}
	}
	if o.dryRun {
		return since, nil
	}
	return since, needByAndReason(o.by, o.reason)
}

// movedJSON is where one shard goes on in one topic, in --output json.
type movedJSON struct {
	Shard    int32  `json:"shard"`
	Topic    string `json:"topic"`
	Moved    bool   `json:"moved"`
	Decided  int64  `json:"decided"` // up to this offset of the former topic; -1: nothing
	BeginsAt int64  `json:"begins_at"`
	DryRun   bool   `json:"dry_run"`
}

func moveShards(ctx context.Context, stdout io.Writer, c *config.Config, o *moveOptions, since time.Time, log *slog.Logger) error {
	w, err := connectShards(ctx, c, everyShard, log)
	if err != nil {
		return err
	}
	defer w.close()
	source, err := feed.Identity(ctx, w.feed)
	if err != nil {
		return err
	}
	held, err := w.ledger.Sources(ctx)
	if err != nil {
		return err
	}
	moved := 0
	for _, shard := range w.numbers {
		before, known := held[shard]
		if !known || source.Differs(&before) == "" {
			continue
		}
		moved++
		m := &processor.Move{By: o.by, Reason: o.reason, Moved: source.Moved(&before), From: before, To: source}
		heads, err := w.move(ctx, shard, m, since, o.dryRun)
		if err != nil {
			return err
		}
		if err := printMoved(stdout, shard, m, heads, o); err != nil {
			return err
		}
	}
	if moved == 0 && o.output != "json" {
		_, err = fmt.Fprintln(stdout, "nothing has moved: cluster and topics are those that the ledger was booked from")
	}
	return err
}

// move gives the heads that were.
func (w *openedShards) move(ctx context.Context, shard int32, m *processor.Move, since time.Time, dryRun bool) (rules.Positions, error) {
	begin, _, err := feed.Ends(ctx, w.feed, shard)
	if err == nil && !since.IsZero() {
		begin, err = feed.Since(ctx, w.feed, shard, since.UnixMilli())
	}
	if err != nil {
		return rules.NoPositions, err
	}
	m.Begin = begin
	if dryRun {
		head, err := w.accounts.Head(ctx, shard)
		return head.Positions, err
	}
	m.Commit = func(ctx context.Context, heads rules.Positions, batch uint64) error {
		offsets := heads
		for topic, moved := range m.Moved {
			if !moved {
				offsets[topic] = -1
			}
		}
		err := feed.SetCommitted(ctx, w.feed, shard, offsets, batch)
		if errors.Is(err, feed.ErrGroupRuns) {
			return fmt.Errorf("%w: %w", processor.ErrStop, err)
		}
		return err
	}
	m.Keep = func(ctx context.Context, afterBatch uint64) error {
		return w.ledger.MoveSource(ctx, shard, &m.To, afterBatch)
	}
	commits, err := feed.CommittedBy(ctx, w.feed, shard)
	if err != nil {
		return rules.NoPositions, err
	}
	// Of topics that have moved, what is committed is of the former ones, or of nobody.
	for topic, moved := range m.Moved {
		if moved {
			commits.Batches[topic] = 0
		}
	}
	commits.Offsets, commits.Foreign = rules.NoPositions, [rules.NumTopics]bool{}
	return w.idle(idleSource{shard, commits}).AcquireAndMove(ctx, m)
}

func printMoved(out io.Writer, shard int32, m *processor.Move, heads rules.Positions, o *moveOptions) error {
	for topic, moved := range m.Moved {
		told := movedJSON{Shard: shard, Topic: m.To.Topics[topic], Moved: moved, Decided: heads[topic], BeginsAt: heads[topic], DryRun: o.dryRun}
		if moved {
			told.BeginsAt = m.Begin[topic]
		}
		if o.output == "json" {
			if err := json.NewEncoder(out).Encode(told); err != nil {
				return err
			}
			continue
		}
		if err := told.print(out); err != nil {
			return err
		}
	}
	return nil
}

func (m *movedJSON) print(out io.Writer) error {
	verb := "begins"
	if m.DryRun {
		verb = "would begin"
	}
	if !m.Moved {
		_, err := fmt.Fprintf(out, "shard %d goes on in %s, which is the same\n", m.Shard, m.Topic)
		return err
	}
	_, err := fmt.Fprintf(out, "shard %d %s in %s at offset %d (the former one was decided up to %d)\n", m.Shard, verb, m.Topic, m.BeginsAt, max(m.Decided, 0))
	return err
}
