// Command sandbox runs everything on one machine: Kafka, Redis and ClickHouse,
// the processor as it runs in production, and a bank's card traffic to feed it.
// In the end it draws up a balance sheet and exits 1 if anything doesn't add up.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes: 1 something failed or did not add up, 2 the command line was
// wrong, 130 stopped by hand before there was anything to add up.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

type options struct {
	duration   time.Duration
	rate       int
	seed       uint64
	hits       float64 // percent
	members    int
	partitions int
	processors int
	days       int
	data       string
	catalogue  string
	cache      string
	stay       bool
}

// usageError is a fault of the command line itself.
type usageError struct{ error }

func main() {
	stop := watchSignals()
	err := newCommand(stop).ExecuteContext(stop.hard)
	os.Exit(exitCode(os.Stderr, err, stop))
}

func exitCode(stderr io.Writer, err error, stop *stopper) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "sandbox: %v\nTry --help.\n", err)
		return exitUsage
	case errors.Is(err, errNotBalanced):
		return exitFailed // said already
	case stop.soft.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "sandbox: stopped; everything that was started has ended")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "sandbox: %v\n", err)
	return exitFailed
}

func newCommand(stop *stopper) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run Ristourne on this machine, with generated card traffic",
		Long: `Run Ristourne on this machine: Kafka, Redis and ClickHouse, the processor as it
runs in production, and the card traffic of a bank in Lyon. The traffic runs
through the last days (--days) at a speed that fits.

It runs until Ctrl-C, or for --duration. Then the traffic stops, and what came
in is held against what came out: the balance sheet. It exits 1 if anything
doesn't add up. A second Ctrl-C ends everything at once.

The first start fetches ClickHouse by npm (180 MB, once) where no program
"clickhouse" is on PATH. Later starts take seconds and need no network.`,
		Example: `  sandbox --duration 30s
  sandbox --rate 0 --duration 1m            as fast as it goes
  sandbox --data /tmp/lyon --processors 2   keep the data, run two processors`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return usageError{err}
			}
			terminal := isTerminal(cmd.OutOrStdout())
			if !cmd.Flags().Changed("stay") {
				o.stay = terminal && o.duration == 0
			}
			return run(stop, o, newScreen(cmd.OutOrStdout(), terminal))
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.DurationVar(&o.duration, "duration", 0, "end by itself after this time of traffic; 0: run until Ctrl-C")
	flags.IntVar(&o.rate, "rate", 1000, "records a second; 0: as fast as it goes")
	flags.Float64Var(&o.hits, "hits", 5, "percent of purchases at partner shops")
	flags.IntVar(&o.members, "members", 5000, "enrolled accounts")
	flags.IntVar(&o.days, "days", 40, "how many days the traffic runs through, up to now")
	flags.Uint64Var(&o.seed, "seed", 1, "the same seed makes the same shops, members and stories")
	flags.IntVar(&o.partitions, "partitions", 4, "partitions of each topic: shards")
	flags.IntVar(&o.processors, "processors", 1, "processors that share the shards")
	flags.StringVar(&o.data, "data", "", "folder that keeps the data for the next start, with the same offers and partitions; empty: thrown away")
	flags.StringVar(&o.catalogue, "catalog", "testdata/catalogue/lyon", "folder of the offer files")
	flags.StringVar(&o.cache, "cache", "", "folder of what is fetched once; empty: ristourne in the user's cache folder")
	flags.BoolVar(&o.stay, "stay", false, "leave the servers running after the balance sheet until Ctrl-C (without --duration, on a terminal: yes)")
	return cmd
}

func (o options) validate() error {
	var faults []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	refuse(o.duration < 0, "--duration %s: must not be negative", o.duration)
	refuse(o.rate < 0 || o.rate > 1_000_000, "--rate %d: 0 to 1000000 records a second are possible", o.rate)
	refuse(o.hits < 0 || o.hits > 100, "--hits %g: 0 to 100 percent are possible", o.hits)
	refuse(o.members < 1 || o.members > 10_000_000, "--members %d: 1 to 10000000 are possible", o.members)
	refuse(o.days < 1 || o.days > 300, "--days %d: 1 to 300 are possible", o.days)
	refuse(o.partitions < 1 || o.partitions > 256, "--partitions %d: 1 to 256 are possible", o.partitions)
	refuse(o.processors < 1 || o.processors > o.partitions, "--processors %d: 1 to as many as there are partitions (%d) are possible", o.processors, o.partitions)
	return errors.Join(faults...)
}

// stopper turns Ctrl-C and SIGTERM into an end in steps.
type stopper struct {
	soft    context.Context // the first: no more traffic, draw up the balance sheet
	hard    context.Context // the second, or one after the traffic: end everything at once
	endSoft context.CancelFunc
}

func watchSignals() *stopper {
	s := new(stopper)
	var endHard context.CancelFunc
	s.soft, s.endSoft = context.WithCancel(context.Background())
	s.hard, endHard = context.WithCancel(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range signals {
			switch {
			case s.soft.Err() == nil:
				s.endSoft()
			case s.hard.Err() == nil:
				endHard()
			default:
				os.Exit(exitInterrupted) // the kernel ends the children
			}
		}
	}()
	return s
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
