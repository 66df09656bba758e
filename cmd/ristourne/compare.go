package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/audit"
	"ristourne/processor/compare"
	"ristourne/rules"
	"ristourne/rules/offer"
)

type compareOptions struct {
	config, output, programme string
	limit                     int
}

func newCompareCommand() *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare FILE.csv --config FILE",
		Short: "Hold what another system has paid against what is due here, and tell why",
		Long: `Hold what another system has paid against what is due here: for a bank that lets
Ristourne work in the shadow (payout: {pay: shadow}) of the system that pays.

The file is CSV with a header. Columns account, amount (12.50; under 0: taken back)
and currency are needed, and one of
  transaction  the purchase: held against what is confirmed of it
  cycle        such as 2026-02: held against what that cycle instructs
  date         2026-02-28, of the payout: held against what is instructed between the
               first and the last day of the file, by the clock of the programme; beside
               transaction it is the purchase's, and purchases of other days are left out
Rows of one account, and one transaction or cycle, add up. The file is held in memory:
5,000,000 rows at most.

Each difference is told with what ours follows from: the instructions, or of a purchase
each offer with what it gave and why no more; --output json has the lines and the trace.
It changes nothing, and may run beside processors.

Exit code 0: both pay alike. 1: they differ, or the file has faults, told by line.`,
		Example: `  ristourne compare february.csv --config ristourne.yaml
  ristourne compare february.csv --config ristourne.yaml --programme lyon --output json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if o.limit < 1 || o.limit > maxDifferences {
				return usageError{fmt.Errorf("--limit %d: 1 to %d", o.limit, maxDifferences)}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			return compareFile(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c, given[0], o)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.programme, "programme", "", "programme whose payouts the file has; may be left out where there is one")
	flags.IntVar(&o.limit, "limit", usualDifferences, fmt.Sprintf("so many differences are listed, 1 to %d; all are counted", maxDifferences))
	outputFlag(cmd, &o.output)
	return cmd
}

var errPaysOtherwise = errors.New("the two systems differ")

func compareFile(ctx context.Context, stdout, stderr io.Writer, c *config.Config, path string, o compareOptions) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	file, err := compare.Read(in, path)
	if err != nil {
		return err
	}
	loaded, err := publishedNow(ctx, c)
	if err != nil {
		return err
	}
	programme, err := soleProgramme(loaded.Snapshot, o.programme)
	if err != nil {
		return usageError{err}
	}
	terms := loaded.Snapshot.ProgrammeAt(programme, rules.MaxInstant)
	if terms == nil {
		return fmt.Errorf("programme %s has ended: its clock is not known", programme)
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	bar := accountsBar(stderr, "comparing")
	comparison := compare.Comparison{
		Store: ledger, Snapshot: loaded.Snapshot, File: file, Programme: programme, Zone: terms.Zone, Limit: o.limit,
		Progress: func() { _ = bar.Add(1) },
	}
	found, err := comparison.Run(ctx)
	fmt.Fprintln(stderr)
	if err != nil {
		return err
	}
	if o.output == "json" {
		err = json.NewEncoder(stdout).Encode(found)
	} else {
		err = printCompared(stdout, found)
	}
	if err == nil && found.Differing > 0 {
		return fmt.Errorf("%w: %s", errPaysOtherwise, offer.Counted(found.Differing, "difference"))
	}
	return err
}

func printCompared(w io.Writer, f *compare.Found) error {
	fmt.Fprintf(w, "%s of the file, by %s, held against %s\n\n", offer.Counted(f.Rows, "row"), f.By, offer.Counted(f.Accounts, "account"))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CURRENCY\tTHEY PAID\tDUE HERE\tALIKE\tDIFFERENT")
	for i := range f.Summaries {
		s := &f.Summaries[i]
		var kinds []string
		for kind, n := range s.Differing {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
		}
		slices.Sort(kinds)
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", s.Currency, inUnit(s.TheirsMinor, s.Currency), inUnit(s.OursMinor, s.Currency), s.Same, orDash(strings.Join(kinds, ", ")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i := range f.Differences {
		d := &f.Differences[i]
		of := ""
		if d.Transaction+d.Cycle != "" {
			of = ", " + string(f.By) + " " + printable(d.Transaction+d.Cycle)
		}
		fmt.Fprintf(w, "\n%s: account %s%s: they paid %s, due here %s\n", d.Kind, printable(d.AccountID), of, inUnit(d.TheirsMinor, d.Currency), inUnit(d.OursMinor, d.Currency))
		for _, why := range d.Why {
			fmt.Fprintf(w, "    %s\n", printable(why))
		}
	}
	if more := f.Differing - int64(len(f.Differences)); more > 0 {
		fmt.Fprintf(w, "\nand %s more: --limit lists them\n", audit.Grouped(more))
	}
	return nil
}
