package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/simulate"
	"ristourne/rules"
	"ristourne/rules/money"
)

type simulateOptions struct {
	catalogue, facts, output string
	summary                  bool
}

func newSimulateCommand() *cobra.Command {
	var o simulateOptions
	cmd := &cobra.Command{
		Use:   "simulate --catalog DIR --facts FILE EVENTS.jsonl...",
		Short: "Work out what events would earn, without Kafka, Redis or ClickHouse",
		Long: `Work out what events would earn: the pure engine, facts first, events in the
given order. Files hold one JSON object a line; - is standard input.

Accruals go to standard output, one a line. Records that broke a rule, and how
many records had which fate, go to standard error.`,
		Example: `  ristourne simulate --catalog testdata/catalogue/lyon --facts facts.jsonl events.jsonl
  ristourne simulate --catalog DIR --facts facts.jsonl --output json --summary events.jsonl`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, events []string) error {
			return runSimulate(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o, events)
		},
	}
	cmd.Flags().StringVar(&o.catalogue, "catalog", "", "folder of the offer files")
	cmd.Flags().StringVar(&o.facts, "facts", "", "file of the facts, one JSON object a line")
	cmd.Flags().BoolVar(&o.summary, "summary", false, "print the sums instead of the lines")
	outputFlag(cmd, &o.output)
	for _, name := range []string{"catalog", "facts"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flags were added above
		}
	}
	return cmd
}

func runSimulate(stdin io.Reader, stdout, stderr io.Writer, o simulateOptions, events []string) error {
	snapshot, err := loadSnapshot(o.catalogue)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(stdout, 1<<16)
	printer := newSimulatePrinter(out, o)
	world := simulate.NewWorld(snapshot, false)
	world.Lines = printer.lines
	world.DeadLetter = func(letter *rules.DeadLetter) {
		fmt.Fprintf(stderr, "%s:%d: dead letter: %s: %s %s\n", letter.Topic, letter.Offset+1, letter.Reason, letter.Field, letter.Detail)
	}
	if err := eachLine(stdin, o.facts, world.Fact); err != nil {
		return err
	}
	for _, file := range events {
		if err := eachLine(stdin, file, world.Event); err != nil {
			return err
		}
	}
	printFates(stderr, &world.Fates)
	return errors.Join(printer.finish(), out.Flush())
}

// loadSnapshot reads and compiles a folder of offer files.
func loadSnapshot(dir string) (*rules.Snapshot, error) {
	loaded, err := catalog.Load(dir)
	if err != nil {
		return nil, err
	}
	return rules.Compile(loaded.Catalogue)
}

// eachLine hands over the lines of a JSON Lines file. A line that is too long
// is handed over too: the decoder says so, and the file goes on.
func eachLine(stdin io.Reader, name string, each func(key, value []byte, at simulate.Place) error) error {
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	reader := bufio.NewReaderSize(in, 1<<16)
	for line := int64(0); ; line++ {
		text, err := reader.ReadBytes('\n')
		if value := bytes.TrimSpace(text); len(value) > 0 {
			place := simulate.Place{Topic: name, Offset: line, RecordedAt: -1}
			if err := each(nil, value, place); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
}

func printFates(w io.Writer, fates *[rules.NumFates]int64) {
	var total int64
	for _, n := range fates {
		total += n
	}
	fmt.Fprintf(w, "%d records:", total)
	for fate := rules.Booked; fate < rules.NumFates; fate++ {
		if fates[fate] > 0 {
			fmt.Fprintf(w, " %d %s", fates[fate], fate)
		}
	}
	fmt.Fprintln(w)
}

// simulatePrinter prints lines as they come, or their sums in the end.
type simulatePrinter struct {
	options simulateOptions
	json    *json.Encoder
	table   *tabwriter.Writer
	summary simulate.Summary
	err     error
}

func newSimulatePrinter(w io.Writer, o simulateOptions) *simulatePrinter {
	p := &simulatePrinter{options: o, json: json.NewEncoder(w), summary: simulate.Summary{}}
	p.json.SetEscapeHTML(false)
	p.table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if o.output == "text" {
		if o.summary {
			fmt.Fprintln(p.table, "ACCOUNT\tTRANSACTION\tOFFER\tROLE\tBENEFICIARY\tSTAGE\tKIND\tREWARD\tCOMMISSION\tCOST\tUNIT")
		} else {
			fmt.Fprintln(p.table, "ACCOUNT\tTRANSACTION\tPARTNER\tOFFER\tROLE\tSTAGE\tKIND\tBASIS\tREWARD\tCOMMISSION\tCOST\tUNIT\tCAUSE\tREASONS")
		}
	}
	return p
}

func (p *simulatePrinter) lines(out *rules.Output) {
	for i := range out.Accruals {
		a := &out.Accruals[i]
		switch {
		case p.options.summary:
			p.summary.Add(a)
		case p.options.output == "json":
			p.err = errors.Join(p.err, p.json.Encode(newAccrualJSON(a)))
		default:
			fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%v\n",
				a.AccountID, a.TransactionID, a.PartnerID, a.OfferID, a.Role, a.Stage, a.Kind,
				money.FormatMinor(a.BasisMinor, a.Currency), money.FormatMinor(a.RewardMinor, a.Currency),
				money.FormatMinor(a.CommissionMinor, a.Currency), money.FormatMinor(a.CostMinor, a.Currency), a.Unit, a.Cause.ID, a.Reasons)
		}
	}
}

func (p *simulatePrinter) finish() error {
	if p.options.summary {
		for _, row := range p.summary.Rows() {
			sums := p.summary[row]
			if p.options.output == "json" {
				p.err = errors.Join(p.err, p.json.Encode(newSummaryJSON(row, sums)))
				continue
			}
			fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n",
				row.AccountID, row.TransactionID, row.OfferID, row.Role, row.BeneficiaryID, row.Stage, row.Kind,
				sums.RewardMinor, sums.CommissionMinor, sums.CostMinor, row.Unit)
		}
	}
	return errors.Join(p.err, p.table.Flush())
}
