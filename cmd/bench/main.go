// Command bench measures the stream on one machine: Ristourne at several
// shares of events at partner shops, against kafka-go's group Reader on the
// same broker and the same events, in one run.
//
// Machines are shared and noisy: look at the ratios.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the stream against kafka-go's group Reader",
		Long: `Measure events a second, CPU microseconds an event of the measured process
alone, and allocations an event.

  reader      kafka-go's group Reader, reading only, committing each second
  ristourne   the whole stream, Redis and ClickHouse included, with the given
              share of events at partner shops

Both read the same events of about 450 bytes from the same broker.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
		},
	}
	self, err := os.Executable()
	if err != nil {
		self = "."
	}
	flags := cmd.Flags()
	flags.IntVar(&o.events, "events", 1_000_000, "events of each share")
	flags.IntVar(&o.members, "members", 100_000, "enrolled accounts")
	flags.IntVar(&o.stores, "stores", 100_000, "store keys in the catalogue")
	flags.IntVar(&o.partitions, "partitions", 4, "partitions of each topic")
	flags.IntSliceVar(&o.shares, "shares", []int{0, 5, 20, 100}, "percent of events at partner shops")
	flags.StringVar(&o.kind, "parts", "real", "real: Apache Kafka and redis-server; embedded: Kafka in this process")
	flags.StringVar(&o.ristourne, "ristourne", filepath.Join(filepath.Dir(self), "ristourne"), "binary to measure")
	flags.StringVar(&o.keep, "keep", "", "folder for the logs and heap profiles of the processors")
	flags.StringVar(&o.memoryLimit, "memory-limit", "", "GOMEMLIMIT of the processor, such as 400MiB; empty: none")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	cmd.AddCommand(newReaderCommand())
	return cmd
}

// newReaderCommand is the child process in which the group Reader is measured.
func newReaderCommand() *cobra.Command {
	var brokers []string
	var topic, group string
	var events int
	cmd := &cobra.Command{
		Use:    "read",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := readWithGroup(cmd.Context(), brokers, topic, group, events)
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(m)
		},
	}
	cmd.Flags().StringSliceVar(&brokers, "brokers", nil, "")
	cmd.Flags().StringVar(&topic, "topic", "", "")
	cmd.Flags().StringVar(&group, "group", "", "")
	cmd.Flags().IntVar(&events, "events", 0, "")
	return cmd
}
