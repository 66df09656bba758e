package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/feed"
	"ristourne/rules/offer"
	"ristourne/sinks/deadletters"
)

type replayOptions struct {
	config, since, until, output string
	reasons, topics              []string
	partitions                   []int32
	all, rekey, dryRun           bool
	limit                        int
}

const (
	defaultReplayed = 1_000_000
	// maxReplayed bounds --limit: what each record says is remembered in 16 bytes.
	maxReplayed = 20_000_000
)

func newDeadLettersReplayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Send the records of dead letters again, once what was wrong is mended",
		Long: `Send the records of dead letters again, each to the topic it came from, with its
own key and value: after a release that reads them, a mended catalogue, or, with
--reason ahead, an hour of a feed whose Kafka timestamps were wrong.

A record that is sent again gets a new Kafka timestamp: that of the replay, or
the broker's where the topic stamps its records. So a timestamp that was wrong no
longer is; a date that is ahead of the replay, too, is refused again.

Replaying twice is safe: a record that was taken is a duplicate by its event_id
or fact_id. Facts go first, so that purchases find their members. What is refused
again is a new dead letter. Letters that are written while the replay runs are
left out.

Not replayed, and counted with the cause: records whose bytes are not kept (they
were not read whole, or may hold a card number), and those whose key is wrong or
not kept, unless --rekey keys them by the account_id that they state.`,
		Example: `  ristourne deadletters replay --config ristourne.yaml --reason ahead --dry-run
  ristourne deadletters replay --config ristourne.yaml --reason ahead \
    --since 2026-11-22T10:00:00Z --until 2026-11-22T11:00:00Z
  ristourne deadletters replay --config ristourne.yaml --reason key,card_number --rekey --output json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			selection, err := o.selection(time.Now())
			if err != nil {
				return usageError{err}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			return replayDeadLetters(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c, o, selection, warnings(cmd))
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringSliceVar(&o.reasons, "reason", nil, "those with one of these reasons, as list shows them (this, or --all, is needed)")
	flags.BoolVar(&o.all, "all", false, "whatever the reason")
	flags.StringSliceVar(&o.topics, "topic", nil, "those of records of these topics")
	flags.Int32SliceVar(&o.partitions, "partition", nil, "those of records of these partitions")
	flags.StringVar(&o.since, "since", "", "those that were refused at this time or later, RFC 3339")
	flags.StringVar(&o.until, "until", "", "those that were refused before this time, RFC 3339 (now)")
	flags.BoolVar(&o.rekey, "rekey", false, "key each record by its account_id, in place of the key it had")
	flags.BoolVar(&o.dryRun, "dry-run", false, "count, and send nothing")
	flags.IntVar(&o.limit, "limit", defaultReplayed, fmt.Sprintf("refuse to send more records than so many, 1 to %d", maxReplayed))
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *replayOptions) selection(now time.Time) (s deadletters.Selection, err error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(o.reasons) == 0 && !o.all || len(o.reasons) > 0 && o.all {
		fault("name the reasons with --reason (ristourne deadletters list shows them), or take --all")
	}
	if o.limit < 1 || o.limit > maxReplayed {
		fault("--limit %d: 1 to %d", o.limit, maxReplayed)
	}
	instant := func(flag, text string, absent time.Time) time.Time {
		if text == "" {
			return absent
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			fault("--%s %q: write RFC 3339, such as %s", flag, text, now.UTC().Format(time.RFC3339))
		}
		return at
	}
	s = deadletters.Selection{Reasons: o.reasons, Topics: o.topics, Partitions: o.partitions}
	s.Since, s.Until = instant("since", o.since, time.Time{}), instant("until", o.until, now)
	if len(faults) == 0 && !s.Since.Before(s.Until) {
		fault("--since %s is not before --until %s", s.Since.Format(time.RFC3339), s.Until.Format(time.RFC3339))
	}
	return s, errors.Join(faults...)
}

func replayDeadLetters(ctx context.Context, stdout, stderr io.Writer, c *config.Config, o replayOptions, selection deadletters.Selection, log *slog.Logger) error {
	config, err := c.Kafka.Feed(log)
	if err != nil {
		return err
	}
	letters := c.Kafka.Topics.DeadLetters
	if err := c.Kafka.Look(ctx, letters); err != nil {
		return err
	}
	topics := c.Kafka.Topics.Inputs()
	for _, name := range o.topics {
		if !slices.Contains(topics[:], name) {
			return usageError{fmt.Errorf("--topic %q: the input topics are %s", name, strings.Join(topics[:], ", "))}
		}
	}
	replay := deadletters.Replay{Topics: topics[:], Selection: selection, Rekey: o.rekey, Limit: o.limit}
	replay.Read = func(ctx context.Context, each func(kafka.Message) error) error {
		return feed.ReadTopic(ctx, config, letters, func(_ int32, r feed.Record) error {
			message, err := r.Message()
			if err != nil {
				return err
			}
			return each(message)
		})
	}
	report, err := replay.Survey(ctx)
	if err != nil {
		return fmt.Errorf("nothing is sent: %w", err)
	}
	sent := 0
	if !o.dryRun && report.Total() > 0 {
		if sent, err = sendReplay(ctx, stderr, c, &replay, report); err != nil {
			return fmt.Errorf("%d of %s sent: %w; start the same replay again: what was taken already changes nothing",
				sent, offer.Counted(report.Total(), "record"), err)
		}
	}
	if o.output == "json" {
		return printReplayJSON(stdout, report, o.dryRun, sent)
	}
	return printReplay(stdout, topics[:], report, o.dryRun)
}

func sendReplay(ctx context.Context, stderr io.Writer, c *config.Config, replay *deadletters.Replay, report *deadletters.Report) (int, error) {
	transport, err := c.Kafka.Transport()
	if err != nil {
		return 0, err
	}
	defer transport.CloseIdleConnections()
	shards, err := heldShards(ctx, c)
	if err != nil {
		return 0, err // they might go where nobody reads them
	}
	bar := progressbar.NewOptions(report.Total(), progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription("replaying"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(stderr) }))
	replay.Progress = func(records int) { _ = bar.Add(records) } // a bar that can't be drawn stops nothing
	sent, err := replay.Send(ctx, deadletters.Options{Brokers: c.Kafka.Brokers, Transport: transport, Partitions: shards}, report)
	if err != nil {
		fmt.Fprintln(stderr)
	}
	return sent, err
}

func printReplay(w io.Writer, topics []string, report *deadletters.Report, dryRun bool) error {
	did := "sent"
	if dryRun {
		did = "would be sent"
	}
	fmt.Fprintf(w, "%s found", offer.Counted(report.Found, "dead letter"))
	if report.Repeated > 0 {
		fmt.Fprintf(w, ", %d of them with what another one holds", report.Repeated)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, topic := range topics {
		if n := report.Sendable[topic]; n > 0 {
			fmt.Fprintf(table, "  %d\t%s to %s\n", n, did, topic)
		}
	}
	for _, r := range report.Refused {
		fmt.Fprintf(table, "  %d\tnot replayable: %s (such as %s)\n", r.Letters, r.Why, printable(r.Example))
	}
	return table.Flush()
}

type replayJSON struct {
	Found         int             `json:"found"`
	Repeated      int             `json:"repeated"`
	DryRun        bool            `json:"dry_run"`
	Replayable    map[string]int  `json:"replayable"` // by topic
	Sent          int             `json:"sent"`
	NotReplayable []refusalOfJSON `json:"not_replayable"`
}

type refusalOfJSON struct {
	Why     string `json:"why"`
	Letters int    `json:"letters"`
	Example string `json:"example"`
}

func printReplayJSON(w io.Writer, report *deadletters.Report, dryRun bool, sent int) error {
	told := replayJSON{
		Found: report.Found, Repeated: report.Repeated, DryRun: dryRun, Replayable: report.Sendable, Sent: sent,
		NotReplayable: []refusalOfJSON{},
	}
	for _, r := range report.Refused {
		told.NotReplayable = append(told.NotReplayable, refusalOfJSON(r))
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(told)
}
