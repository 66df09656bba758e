package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"ristourne/processor"
	"ristourne/processor/feed"
)

func newRebuildCommand() *cobra.Command {
	var configPath string
	var shard int32
	cmd := &cobra.Command{
		Use:   "rebuild --config FILE --shard N",
		Short: "Rebuild a shard's account states from ClickHouse",
		Long: `Rebuild the account states of a shard in Redis from what ClickHouse holds. A
processor does so by itself when it finds Redis empty or behind; this is for
when you don't trust what Redis holds.

The processor that owns the shard is shut out. It claims the shard anew some
seconds later, and then goes on where it was.`,
		Example: "  ristourne rebuild --config ristourne.yaml --shard 3",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(configPath)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), c.Log)
			logRedis(log)
			return rebuildShard(cmd.Context(), cmd.OutOrStdout(), c, shard, log)
		},
	}
	configFlag(cmd, &configPath)
	cmd.Flags().Int32Var(&shard, "shard", -1, "partition number")
	if err := cmd.MarkFlagRequired("shard"); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

func rebuildShard(ctx context.Context, stdout io.Writer, c *config, shard int32, log *slog.Logger) error {
	if shard < 0 {
		return usageError{fmt.Errorf("--shard %d: shards are numbered from 0", shard)}
	}
	feedConfig, err := c.Kafka.feed(log)
	if err != nil {
		return err
	}
	partitions, err := feed.Partitions(ctx, feedConfig)
	if err != nil {
		return err
	}
	if int(shard) >= partitions {
		return usageError{fmt.Errorf("--shard %d: the topics have the shards 0 to %d", shard, partitions-1)}
	}
	committed, err := feed.Committed(ctx, feedConfig, shard)
	if err != nil {
		return err
	}
	e, err := openEdges(ctx, c, log)
	if err != nil {
		return err
	}
	defer e.close(log)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go e.watcher.Run(watching) //nolint:errcheck // Wait gives its error
	if err := e.watcher.Wait(ctx); err != nil {
		return err
	}
	s := processor.NewShard(idleSource{shard, committed}, e.edges(), c.processorOptions(), processor.NewMetrics(prometheus.NewRegistry()), log)
	if err := s.ClaimAndRebuild(ctx); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "shard %d is rebuilt\n", shard)
	return nil
}

// idleSource is a shard that nobody reads: what a rebuild needs of the feed.
type idleSource struct {
	shard     int32
	committed feed.Offsets
}

func (s idleSource) Shard() int32                                { return s.shard }
func (s idleSource) Committed() feed.Offsets                     { return s.committed }
func (idleSource) Seek(feed.Offsets)                             {}
func (idleSource) Next(ctx context.Context, _ *feed.Batch) error { <-ctx.Done(); return ctx.Err() }
func (idleSource) Commit(context.Context, feed.Offsets) error    { return nil }
