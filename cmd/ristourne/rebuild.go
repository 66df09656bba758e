package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
	"ristourne/processor/feed"
	"ristourne/rules"
)

type rebuildOptions struct {
	config, output string
	shard          int32
	dryRun         bool
}

func newRebuildCommand() *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use:   "rebuild --config FILE [--shard N] [--dry-run]",
		Short: "Rebuild a shard's account states from ClickHouse, or say what recomputing would change",
		Long: `Rebuild the account states of a shard in Redis from what ClickHouse holds. A
processor does so by itself when it finds Redis empty or behind; this is for
when you don't trust what Redis holds. A processor that runs beside it waits, says
for whom, and goes on when it has ended.

A rebuild restores what was decided and decides nothing. Where recomputing an
account from its events would change what is booked, it says so in the log, and
--dry-run lists it: per account reference the sums of the lines and what the bank
would be told to credit or debit. With --dry-run nothing is written and no owner
disturbed, --shard may be left out for all shards, and the exit code is 1 where
there are differences. They are booked by ` + "`ristourne repair --approve`" + ` alone.

A ledger that has lost what was booked into it is refused, with every hole named;
--dry-run lists holes and what recomputing from the rest would change.`,
		Example: `  ristourne rebuild --config ristourne.yaml --shard 3
  ristourne rebuild --config ristourne.yaml --dry-run --output json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.shard < 0 && !o.dryRun {
				return usageError{errors.New("--shard is needed: shards are numbered from 0")}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), c.Log)
			logRedis(log)
			if o.dryRun {
				return compareShards(cmd.Context(), cmd.OutOrStdout(), c, o, warnings(cmd))
			}
			return rebuildShard(cmd.Context(), cmd.OutOrStdout(), c, o.shard, log)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().Int32Var(&o.shard, "shard", everyShard, "partition number; with --dry-run all of them, if it is left out")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "write nothing, and list what recomputing would change")
	outputFlag(cmd, &o.output)
	return cmd
}

func rebuildShard(ctx context.Context, stdout io.Writer, c *config.Config, shard int32, log *slog.Logger) error {
	w, err := openShards(ctx, c, shard, log)
	if err != nil {
		return err
	}
	defer w.close()
	s, err := w.shard(ctx, shard)
	if err != nil {
		return err
	}
	if err := s.AcquireAndRebuild(ctx, "ristourne rebuild"); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "shard %d is rebuilt\n", shard)
	return nil
}

// compareShards lists what recomputing would change.
func compareShards(ctx context.Context, stdout io.Writer, c *config.Config, o rebuildOptions, log *slog.Logger) error {
	w, err := openShards(ctx, c, o.shard, log)
	if err != nil {
		return err
	}
	defer w.close()
	list := differenceList{out: stdout, asJSON: o.output == "json"}
	for _, shard := range w.numbers {
		s, err := w.shard(ctx, shard)
		if err != nil {
			return err
		}
		found, err := s.Differences(ctx, func(d *processor.Difference) error { return list.add(shard, d) })
		if err != nil {
			return err
		}
		list.compared, list.inFlight = list.compared+found.Compared, list.inFlight+found.InFlight
		behind, err := w.behind(ctx, shard)
		if err != nil {
			return err
		}
		if err := list.lost(append(found.Holes, behind...)); err != nil {
			return err
		}
	}
	if err := list.end(); err != nil {
		return err
	}
	if list.accounts > 0 || list.holes > 0 {
		return errReported
	}
	return nil
}

// behind is what Redis, or the group's commits, know to be booked and ClickHouse
// doesn't have.
func (w *openedShards) behind(ctx context.Context, shard int32) ([]rules.Hole, error) {
	commits, err := feed.CommittedBy(ctx, w.feed, shard)
	if err != nil {
		return nil, err
	}
	head, err := w.accounts.Head(ctx, shard)
	if err != nil {
		return nil, err
	}
	marker, _, err := w.ledger.Marker(ctx, shard)
	return holeBehind(shard, &head, &commits, &marker), err
}

// everyShard stands for all shards, where a command can take all.
const everyShard = -1

// openedShards are what a command needs to work on shards.
type openedShards struct {
	*openedPorts
	config  *config.Config
	feed    feed.Config
	shards  int     // how many there are
	numbers []int32 // of those that are meant
	log     *slog.Logger
	stop    context.CancelFunc
}

func (w *openedShards) close() {
	w.stop()
	w.openedPorts.close(w.log)
}

// holdSource makes sure that the topics are those that the ledger was booked from.
func (w *openedShards) holdSource(ctx context.Context) error {
	source, err := feed.Identity(ctx, w.feed)
	if err != nil {
		return err
	}
	return holdSource(ctx, w.config, w.ledger, source, w.shards, w.log)
}

// openShards connects to everything, and holds the shard, or all of them, against
// the topics.
func openShards(ctx context.Context, c *config.Config, shard int32, log *slog.Logger) (*openedShards, error) {
	w, err := connectShards(ctx, c, shard, log)
	if err != nil {
		return nil, err
	}
	if err := w.holdSource(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// connectShards is openShards for topics that may be others than before.
func connectShards(ctx context.Context, c *config.Config, shard int32, log *slog.Logger) (*openedShards, error) {
	feedConfig, err := c.Kafka.Feed(log)
	if err != nil {
		return nil, err
	}
	e, err := openPorts(ctx, c, log)
	if err != nil {
		return nil, err
	}
	w := &openedShards{openedPorts: e, config: c, feed: feedConfig, numbers: []int32{shard}, log: log, stop: e.watcher.Start(ctx)}
	w.feed.HoldShards = e.holdLayout
	shards, err := feed.Shards(ctx, w.feed)
	if err == nil && (int(shard) >= shards || shard < everyShard) {
		err = usageError{fmt.Errorf("--shard %d: the topics have the shards 0 to %d", shard, shards-1)}
	}
	if err == nil {
		err = e.watcher.Wait(ctx)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	w.shards = shards
	if shard == everyShard {
		w.numbers = w.numbers[:0]
		for n := range shards {
			w.numbers = append(w.numbers, int32(n))
		}
	}
	return w, nil
}

func (w *openedShards) shard(ctx context.Context, number int32) (*processor.Shard, error) {
	commits, err := feed.CommittedBy(ctx, w.feed, number)
	if err != nil {
		return nil, err
	}
	return w.idle(idleSource{number, commits}), nil
}

func (w *openedShards) idle(source idleSource) *processor.Shard {
	return processor.NewShard(source, w.ports(), w.config.ProcessorOptions(), processor.NewMetrics(prometheus.NewRegistry()), w.log)
}

// idleSource is a shard that nobody reads: what a rebuild needs of the feed.
type idleSource struct {
	shard   int32
	commits feed.Commits
}

func (s idleSource) Shard() int32               { return s.shard }
func (s idleSource) Committed() rules.Positions { return s.commits.Offsets }
func (s idleSource) SetElsewhere(context.Context) ([rules.NumTopics]bool, error) {
	return s.commits.Foreign, nil
}

func (s idleSource) CommittedBatch(context.Context) (uint64, error) {
	return s.commits.Batch(), nil
}
func (idleSource) Seek(rules.Positions)                                  {}
func (idleSource) Next(ctx context.Context, _ *feed.Batch) error         { <-ctx.Done(); return ctx.Err() }
func (idleSource) Commit(context.Context, rules.Positions, uint64) error { return nil }
