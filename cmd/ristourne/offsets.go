package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

func newOffsetsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "offsets",
		Short: "Look at how far each shard has come, and leave records out on purpose",
	}
	cmd.AddCommand(newOffsetsShowCommand(), newOffsetsSkipCommand())
	return cmd
}

func newOffsetsShowCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "show --config FILE",
		Short: "Show by shard and topic what is committed, decided, booked, kept and waiting",
		Long: `Show by shard and topic the next offset that is committed in the consumer group,
decided (the head in Redis), and booked (the marker in ClickHouse), the oldest and
the next offset that the topic has, and how many records wait. -1: none yet.

A committed offset beyond what is decided was not set by a processor: such a shard
is refused. Records that were deleted unread are counted as waiting.`,
		Example: "  ristourne offsets show --config ristourne.yaml",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			return showOffsets(cmd.Context(), cmd.OutOrStdout(), c, output, warnings(cmd))
		},
	}
	configFlag(cmd, &file)
	outputFlag(cmd, &output)
	return cmd
}

// offsetsJSON is how far one shard has come in one topic.
type offsetsJSON struct {
	Shard         int32  `json:"shard"`
	Topic         string `json:"topic"`
	Committed     int64  `json:"committed"`
	SetElsewhere  bool   `json:"committed_elsewhere"` // by no processor
	Head          int64  `json:"head"`
	Marker        int64  `json:"marker"`
	LogStart      int64  `json:"log_start"`
	LogEnd        int64  `json:"log_end"`
	Lag           int64  `json:"lag"`
	DeletedUnread int64  `json:"deleted_unread"`
	Unread        bool   `json:"belongs_to_no_shard"`
}

func showOffsets(ctx context.Context, stdout io.Writer, c *config.Config, output string, log *slog.Logger) error {
	all, err := readOffsets(ctx, c, log)
	if err != nil {
		return err
	}
	if output == "json" {
		encoder := json.NewEncoder(stdout)
		for i := range all {
			if err := encoder.Encode(all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SHARD\tTOPIC\tCOMMITTED\tHEAD\tMARKER\tLOG START\tLOG END\tLAG\t")
	for i := range all {
		o := &all[i]
		fmt.Fprintf(table, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n",
			o.Shard, o.Topic, o.Committed, o.Head, o.Marker, o.LogStart, o.LogEnd, o.Lag, o.remark())
	}
	return table.Flush()
}

// remark says what is wrong.
func (o *offsetsJSON) remark() string {
	switch decided := max(o.Head, o.Marker, 0); {
	case o.Unread:
		return "it was added after accounts had been laid out: no shard reads it"
	case o.DeletedUnread > 0:
		return fmt.Sprintf("%d records were deleted unread", o.DeletedUnread)
	case o.Committed > decided && o.SetElsewhere:
		return fmt.Sprintf("set forward by somebody else over %d records that nobody decided", o.Committed-decided)
	case max(o.Head, o.Committed) > o.LogEnd:
		return "beyond the end of the topic: was it made anew?"
	}
	return ""
}

func readOffsets(ctx context.Context, c *config.Config, log *slog.Logger) (all []offsetsJSON, err error) {
	feedConfig, err := c.Kafka.Feed(log)
	if err != nil {
		return nil, err
	}
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return nil, err
	}
	defer closeStore()
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return nil, err
	}
	defer ledger.Close()
	feedConfig.HoldShards = knownLayout(store, ledger)
	shards, err := feed.Shards(ctx, feedConfig)
	if err != nil {
		return nil, err
	}
	for shard := range int32(shards) {
		commits, err := feed.CommittedBy(ctx, feedConfig, shard)
		if err != nil {
			return nil, err
		}
		start, end, err := feed.Ends(ctx, feedConfig, shard)
		if err != nil {
			return nil, err
		}
		head, err := store.Head(ctx, shard)
		if err != nil {
			return nil, err
		}
		marker, found, err := ledger.Marker(ctx, shard)
		if err != nil {
			return nil, err
		}
		if !found {
			marker.Positions = rules.NoPositions
		}
		for topic, name := range feedConfig.Topics {
			o := offsetsJSON{
				Shard: shard, Topic: name, Committed: commits.Offsets[topic], SetElsewhere: commits.Foreign[topic],
				Head: head.Positions[topic], Marker: marker.Positions[topic], LogStart: start[topic], LogEnd: end[topic],
			}
			next := max(o.Head, o.Marker)
			if next < 0 {
				next = o.LogStart
			}
			o.Lag, o.DeletedUnread = max(0, o.LogEnd-next), max(0, o.LogStart-next)
			all = append(all, o)
		}
	}
	unread, err := feed.UnreadPartitions(ctx, feedConfig, shards)
	for _, of := range unread {
		all = append(all, offsetsJSON{
			Shard: of.Partition, Topic: of.Topic, Committed: -1, Head: -1, Marker: -1,
			LogStart: of.LogStart, LogEnd: of.LogEnd, Lag: of.Records(), Unread: true,
		})
	}
	return all, err
}

// knownLayout is how many shards there are, for who only looks: by the layout that is
// held, or else by the topics.
func knownLayout(store *accounts.Store, ledger *clickhouse.Ledger) func(context.Context, int) (int, error) {
	return func(ctx context.Context, partitions int) (int, error) {
		shards, err := processor.KnownLayout(ctx, store, ledger)
		return cmp.Or(shards, partitions), err
	}
}

type skipOptions struct {
	config, topic, by, reason string
	shard                     int32
	to                        int64
}

func newOffsetsSkipCommand() *cobra.Command {
	var o skipOptions
	cmd := &cobra.Command{
		Use:   "skip --config FILE --shard N --topic NAME --to OFFSET --by NAME --reason TEXT",
		Short: "Leave records out on purpose: nobody will ever decide them",
		Long: `Move a shard of a topic forward to an offset. The records before it that were not
decided yet are left out for good: nobody earns or owes anything by them. That is
for records that were deleted before they were read, or that must not be taken.
Who asked for it, when and why is kept in ClickHouse, view operator_actions.

A processor that runs beside it waits, says for whom, and reads on at the offset.`,
		Example: `  ristourne offsets skip --config ristourne.yaml --shard 3 --topic card.transactions --to 120000 \
    --by ada --reason "ticket 4711"`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needByAndReason(o.by, o.reason); err != nil {
				return usageError{err}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), c.Log)
			logRedis(log)
			return skipRecords(cmd.Context(), cmd.OutOrStdout(), c, o, log)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().Int32Var(&o.shard, "shard", -1, "partition number")
	cmd.Flags().StringVar(&o.topic, "topic", "", "input topic")
	cmd.Flags().Int64Var(&o.to, "to", -1, "offset of the next record that is read")
	cmd.Flags().StringVar(&o.by, "by", "", "who decides it, for the audit trail")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the audit trail")
	for _, flag := range []string{"shard", "topic", "to"} {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // the flag was added above
		}
	}
	return cmd
}

func skipRecords(ctx context.Context, stdout io.Writer, c *config.Config, o skipOptions, log *slog.Logger) error {
	inputs := c.Kafka.Topics.Inputs()
	topic := slices.Index(inputs[:], o.topic)
	if topic < 0 {
		return usageError{fmt.Errorf("--topic %q: the input topics are %v", o.topic, inputs)}
	}
	if o.shard < 0 {
		return usageError{fmt.Errorf("--shard %d: shards are numbered from 0", o.shard)}
	}
	w, err := openShards(ctx, c, o.shard, log)
	if err != nil {
		return err
	}
	defer w.close()
	_, end, err := feed.Ends(ctx, w.feed, o.shard)
	if err != nil {
		return err
	}
	if o.to < 0 || o.to > end[topic] {
		return usageError{fmt.Errorf("--to %d: partition %d of %s ends at offset %d: records that are to come can't be left out", o.to, o.shard, o.topic, end[topic])}
	}
	s, err := w.shard(ctx, o.shard)
	if err != nil {
		return err
	}
	from, err := s.AcquireAndSkip(ctx, &processor.Skip{By: o.by, Reason: o.reason, Topic: topic, To: o.to})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "shard %d reads %s on at offset %d: the records from %d to %d are left out\n", o.shard, o.topic, o.to, max(from, 0), o.to-1)
	return err
}
