// Command bench measures the whole stream on one machine, in one run: kafka-go's
// group Reader, Ristourne at several shares of events at partner shops and over
// several shapes of accounts, the time from a record's Kafka timestamp to its
// booking, and, where asked, a Kafka Streams application that does the same
// work. All read the same events from the same broker.
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

// options is what one run measures.
type options struct {
	events, members, stores, partitions int
	shares                              []int // percent of events at partner shops
	purchases                           []int // purchases an account at the end, one case each
	zipf                                bool
	rates                               []int // events a second at which the time to booked is measured
	rateShare, rateSeconds              int
	peers                               bool
	laps                                int
	parts, ristourne, keep, memoryLimit string
	profile                             bool
	json                                bool
	trial                               bool // whether each case works, not what it takes, is the question
}

func newCommand() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the stream against kafka-go's group Reader and Kafka Streams",
		Long: `Measure, in one run and on the same events of about 450 bytes:

  reader       kafka-go's group Reader, reading only, committing each second
  ristourne    the whole stream, Redis and ClickHouse included, with each of
               --shares per cent of events at partner shops; with accounts as
               skewed as a Zipf distribution; with accounts of each of
               --purchases; and at each of --rates events a second the time from
               Kafka timestamp to booked
  streams      with --peers: a Kafka Streams application that does the same work
               with static offers, local state, no ClickHouse and no Redis, built
               by Maven from cmd/bench/peers

CPU is that of each process, user and system, from /proc. Counting begins when
5 % of the events are done, and ends when all are booked and committed.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
		},
	}
	self, err := os.Executable()
	if err != nil {
		self = "."
	}
	flags := cmd.Flags()
	flags.IntVar(&o.events, "events", 1_000_000, "events of a case in which most match no partner; a case in which more than half do has a quarter of them")
	flags.IntVar(&o.members, "members", 100_000, "enrolled accounts")
	flags.IntVar(&o.stores, "stores", 100_000, "store keys in the catalogue")
	flags.IntVar(&o.partitions, "partitions", 4, "partitions of each topic")
	flags.IntSliceVar(&o.shares, "shares", []int{0, 1, 5, 20, 100}, "per cent of events at partner shops, a case each")
	flags.BoolVar(&o.zipf, "zipf", true, "a case with skewed accounts, at the last of the shares")
	flags.IntSliceVar(&o.purchases, "purchases", []int{10, 100, 1000}, "purchases that each account has in the end, a case each; all at partner shops")
	flags.IntSliceVar(&o.rates, "rates", []int{1000}, "events a second at which the time to booked is measured")
	flags.IntVar(&o.rateShare, "rate-share", 20, "per cent of those events that are at partner shops")
	flags.IntVar(&o.rateSeconds, "rate-seconds", 20, "how long each rate is held, seconds")
	flags.BoolVar(&o.peers, "peers", false, "measure Kafka Streams too (needs Maven and a JDK)")
	flags.IntVar(&o.laps, "laps", 3, "runs of a peer in one JVM: the first is cold, the last is told")
	flags.StringVar(&o.parts, "parts", "real", "real: Apache Kafka; embedded: Kafka in this process")
	flags.StringVar(&o.ristourne, "ristourne", filepath.Join(filepath.Dir(self), "ristourne"), "binary to measure")
	flags.StringVar(&o.keep, "keep", "", "folder for the logs of the processes, made where it isn't there")
	flags.BoolVar(&o.profile, "profile", false, "with --keep: a CPU profile and a heap profile of each case of Ristourne (profiling costs a few per cent)")
	flags.StringVar(&o.memoryLimit, "memory-limit", "", "GOMEMLIMIT of the processor, such as 400MiB; empty: none")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	cmd.AddCommand(newReaderCommand())
	return cmd
}

func (o *options) check() error {
	for _, limit := range []struct {
		name           string
		value, at, max int
	}{
		{"events", o.events, 10_000, 100_000_000},
		{"members", o.members, 1, 10_000_000},
		{"stores", o.stores, 1, 1_000_000},
		{"partitions", o.partitions, 1, 100},
		{"laps", o.laps, 1, 20},
		{"rate-share", o.rateShare, 0, 100},
		{"rate-seconds", o.rateSeconds, 5, 3600},
	} {
		if limit.value < limit.at || limit.value > limit.max {
			return fmt.Errorf("--%s %d: write %d to %d", limit.name, limit.value, limit.at, limit.max)
		}
	}
	for _, share := range o.shares {
		if share < 0 || share > 100 {
			return fmt.Errorf("--shares %d: write 0 to 100 per cent", share)
		}
	}
	for _, n := range append(append([]int{}, o.purchases...), o.rates...) {
		if n < 1 || n > 1_000_000 {
			return fmt.Errorf("--purchases and --rates take 1 to 1000000, not %d", n)
		}
	}
	if o.profile && o.keep == "" {
		return fmt.Errorf("--profile needs a folder: write --keep DIR")
	}
	return nil
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
