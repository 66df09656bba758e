package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/audit"
	"ristourne/rules/offer"
)

type auditOptions struct {
	config, output  string
	programme, asOf string
	accept          []string
	limit           int
}

const (
	usualDifferences = 100
	maxDifferences   = 10_000 // listed under one line, and held in memory
)

func newAuditCommand() *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit --config FILE",
		Short: "Prove the ledger: work it out anew from its records and compare",
		Long: `Prove the ledger: work every account out anew from the events and facts that are
stored in ClickHouse, and hold what comes of it against what is booked, row by row:
records to lines, lines to instructions and what is carried forward, instructions to
the bank's results, commission to rewards and margin, budgets, kitties.

What must hold whatever the rules say is summed up apart from the engine that
decided, so that its own faults show too. Three things are not worked out anew, and
are held to what must be so in their place: how much a budget gave to whom, which
follows from who came first; accounts of a shard that was repaired, which are
compared by their sums; and accounts that were erased.

It changes nothing, and may run beside processors: what is being booked meanwhile is
left out. --as-of leaves out what came later: each account is looked at up to the first
record that Kafka took after it. Budgets are looked at as they are now.

Exit code 0: everything adds up. 1: differences, each told with its class, its ids and
what may have caused it.`,
		Example: `  ristourne audit --config ristourne.yaml
  ristourne audit --config ristourne.yaml --as-of 2026-03-01T00:00:00+01:00 --programme lyon --output json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			proof, accepted, err := o.proof()
			if err != nil {
				return usageError{err}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			return auditLedger(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c, proof, accepted, o.output)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.asOf, "as-of", "", "leave out what Kafka took later than this, RFC 3339")
	flags.StringVar(&o.programme, "programme", "", "look at the rows of one programme")
	flags.IntVar(&o.limit, "limit", usualDifferences, fmt.Sprintf("so many differences are listed under each line, 1 to %d; all are counted", maxDifferences))
	flags.StringSliceVar(&o.accept, "accept", nil, "classes of differences that somebody has looked at: listed, and no reason to exit 1")
	outputFlag(cmd, &o.output)
	return cmd
}

// proof is what is asked for, without its parts.
func (o *auditOptions) proof() (*audit.Proof, []audit.Class, error) {
	p := &audit.Proof{Programme: o.programme, Limit: o.limit}
	if o.limit < 1 || o.limit > maxDifferences {
		return nil, nil, fmt.Errorf("--limit %d: 1 to %d", o.limit, maxDifferences)
	}
	if o.asOf != "" {
		at, err := time.Parse(time.RFC3339Nano, o.asOf)
		if err != nil || at.UnixMilli() <= 0 {
			return nil, nil, fmt.Errorf("--as-of %q: write RFC 3339, such as 2026-03-01T00:00:00+01:00", o.asOf)
		}
		p.AsOf = at.UnixMilli()
	}
	var accepted []audit.Class
	for _, name := range o.accept {
		if !slices.Contains(audit.Classes(), name) {
			return nil, nil, fmt.Errorf("--accept %q: there is no such class, but %s", name, strings.Join(audit.Classes(), ", "))
		}
		accepted = append(accepted, audit.Class(name))
	}
	return p, accepted, nil
}

func auditLedger(ctx context.Context, stdout, stderr io.Writer, c *config.Config, p *audit.Proof, accepted []audit.Class, output string) error {
	loaded, err := publishedNow(ctx, c)
	if err != nil {
		return err
	}
	p.Snapshot, p.Catalogue = loaded.Snapshot, loaded.Catalogue
	if p.Programme != "" && !slices.Contains(p.Snapshot.Programmes(), p.Programme) {
		return usageError{fmt.Errorf("--programme %q is not in the catalogue, which has %s", p.Programme, strings.Join(p.Snapshot.Programmes(), ", "))}
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	bar := accountsBar(stderr, "auditing")
	p.Store, p.Progress = ledger, func() { _ = bar.Add(1) }
	began := time.Now()
	sheet, err := p.Run(ctx)
	fmt.Fprintln(stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s accounts in %s\n", audit.Grouped(sheet.Compared.Accounts), time.Since(began).Round(time.Millisecond))
	if output == "json" {
		err = json.NewEncoder(stdout).Encode(sheet)
	} else {
		err = printSheet(stdout, sheet)
	}
	if err != nil {
		return err
	}
	if n := sheet.Differing(accepted); n > 0 {
		return fmt.Errorf("%w: %s", errNotProven, offer.Counted(n, "difference"))
	}
	return nil
}

var errNotProven = errors.New("the ledger does not add up")

const shownRows = 50 // of a table; JSON has all

func printSheet(w io.Writer, s *audit.Sheet) error {
	if err := printBalances(w, s); err != nil {
		return err
	}
	fmt.Fprintln(w, "Balance sheet")
	for i := range s.Checks {
		check := &s.Checks[i]
		mark := "✓"
		if check.Count > 0 {
			mark = "✗"
		}
		fmt.Fprintf(w, "  %s %s: %s\n", mark, check.What, check.Detail)
		printDifferences(w, check.Differences, check.Count)
	}
	if s.NoticeCount > 0 {
		fmt.Fprintln(w, "Right, and to be seen by a person")
		printDifferences(w, s.Notices, s.NoticeCount)
	}
	if s.Compared.InFlight > 0 {
		fmt.Fprintf(w, "%s not looked at: later, or being booked.\n", offer.Counted(s.Compared.InFlight, "record"))
	}
	if len(s.ByClass) > 0 {
		return nil // the error says so
	}
	_, err := fmt.Fprintln(w, "Everything adds up.")
	return err
}

func printDifferences(w io.Writer, listed []audit.Difference, all int64) {
	for i := range listed {
		d := &listed[i]
		account := ""
		if d.AccountRef != "" {
			account = "account " + printable(d.AccountID) + " (" + d.AccountRef + "): "
		}
		fmt.Fprintf(w, "      %s: %s%s\n", d.Class, account, printable(d.What))
		if d.MayBe != "" {
			fmt.Fprintf(w, "          may be: %s\n", d.MayBe)
		}
	}
	if more := all - int64(len(listed)); more > 0 {
		fmt.Fprintf(w, "      and %s more: --limit lists them\n", audit.Grouped(more))
	}
}

func printBalances(w io.Writer, s *audit.Sheet) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROGRAMME\tCONFIRMED\tINSTRUCTED\tCAME BACK\tCARRIED FORWARD\tDEBTS")
	for i := range s.Balances {
		b := &s.Balances[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", b.Programme, inUnit(b.ConfirmedMinor, b.Currency), inUnit(b.InstructedMinor, b.Currency),
			inUnit(b.RejectedMinor, b.Currency), inUnit(b.CarriedMinor, b.Currency), inUnit(b.DebtMinor, b.Currency))
	}
	fmt.Fprintln(table, "\nPARTNER\tCOMMISSION\tREWARDS\tMARGIN")
	for i := range s.Partners[:min(len(s.Partners), shownRows)] {
		p := &s.Partners[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.PartnerID, inUnit(p.CommissionMinor, p.Currency), inUnit(p.CostMinor, p.Currency), inUnit(p.MarginMinor, p.Currency))
	}
	printMore(table, len(s.Partners))
	if len(s.Budgets) > 0 {
		fmt.Fprintln(table, "\nBUDGET\tGAVE\tOF")
	}
	for i := range s.Budgets[:min(len(s.Budgets), shownRows)] {
		b := &s.Budgets[i]
		fmt.Fprintf(table, "%s\t%s\t%s\n", b.Key, inUnit(b.GivenMinor, b.Unit), inUnit(b.AgreedMinor, b.Unit))
	}
	printMore(table, len(s.Budgets))
	fmt.Fprintln(table)
	return table.Flush()
}

func printMore(w io.Writer, rows int) {
	if more := rows - shownRows; more > 0 {
		fmt.Fprintf(w, "and %d more: --output json has all\n", more)
	}
}
