package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
)

func newOutboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "outbox",
		Short: "See what was decided and is not carried out yet, and get a shard past what is refused",
		Long: `See what was decided and is not carried out yet, and get a shard past what is refused.

The outbox of a shard holds its decided batches until ClickHouse and Kafka have
them. Most of what is refused is mended where it comes from: the shard then goes on
by itself. An instruction or a referral that no version of this program can write
is set aside with "outbox set-aside": it is kept, and a person carries it out.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSetAsideCommand())
	return cmd
}

func newSetAsideCommand() *cobra.Command {
	var configPath string
	var shard int32
	var sure bool
	cmd := &cobra.Command{
		Use:   "set-aside --config FILE --shard N",
		Short: "Carry a shard's outbox out, and make dead letters of what is refused for good",
		Long: `Carry out what a shard has decided. What ClickHouse takes, and Kafka refuses for good
one by one, becomes a dead letter with its whole content: an instruction or a
referral that then no processor sends any more. The ledger counts an instruction
that was set aside as given to the bank: a person gives it.

Without --yes it only says what is refused. The processor that owns the shard is
shut out meanwhile, and acquires it anew some seconds later. What ClickHouse itself
refuses is never set aside: the ledger must have all that was decided.`,
		Example: `  ristourne outbox set-aside --config ristourne.yaml --shard 3
  ristourne outbox set-aside --config ristourne.yaml --shard 3 --yes`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(configPath)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), c.Log)
			logRedis(log)
			return setAside(cmd.Context(), cmd.OutOrStdout(), c, shard, sure, log)
		},
	}
	configFlag(cmd, &configPath)
	cmd.Flags().Int32Var(&shard, "shard", -1, "partition number")
	cmd.Flags().BoolVar(&sure, "yes", false, "set aside what is refused, rather than only name it")
	return cmd
}

func setAside(ctx context.Context, stdout io.Writer, c *config.Config, shard int32, sure bool, log *slog.Logger) error {
	if shard < 0 {
		return usageError{errors.New("--shard is needed: shards are numbered from 0")}
	}
	w, err := openShards(ctx, c, shard, log)
	if err != nil {
		return err
	}
	defer w.close()
	s, err := w.shard(ctx, shard)
	if err != nil {
		return err
	}
	refused, err := s.SetAside(ctx, sure)
	if err != nil {
		return err
	}
	return printRefused(stdout, shard, refused, sure)
}

func printRefused(stdout io.Writer, shard int32, refused []processor.Refused, sure bool) error {
	if len(refused) == 0 {
		_, err := fmt.Fprintf(stdout, "shard %d: nothing is refused, its outbox is carried out\n", shard)
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BATCH\tWHAT\tID\tWHY")
	for i := range refused {
		r := &refused[i]
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", r.Batch, r.What, r.ID, r.Err)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !sure {
		return errors.New("nothing was set aside: call it with --yes to make dead letters of these and carry out the rest")
	}
	_, err := fmt.Fprintf(stdout, "shard %d: these are dead letters now (ristourne deadletters list --reason refused), all else is carried out.\nSee to each by hand: nobody sends it any more.\n", shard)
	return err
}
