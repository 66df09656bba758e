package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ristourne/processor/catalog"
	"ristourne/processor/ledgerjson"
	"ristourne/processor/simulate"
	"ristourne/processor/sourcefile"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/credits"
)

type simulateOptions struct {
	catalogue, facts, records, output string
	summary, instructions             bool
}

// validate asks for the inputs of one of the two forms.
func (o *simulateOptions) validate(events []string) error {
	inputs := append(slices.Clone(events), o.facts)
	switch {
	case o.summary && o.instructions:
		return usageError{errors.New("--summary and --instructions exclude each other: keep one")}
	case o.records != "" && (o.facts != "" || len(events) > 0):
		return usageError{errors.New("--records names all that comes in: leave out --facts and files of events")}
	case o.records != "":
	case o.facts == "":
		return usageError{errors.New(`required flag(s) "facts" not set, or "records" for everything in the order in which it came`)}
	case len(events) == 0:
		return usageError{errors.New("no file of events is named: write it behind the flags, or use --records")}
	case len(inputs)-len(slices.DeleteFunc(inputs, func(name string) bool { return name == "-" })) > 1:
		return usageError{errors.New("standard input (-) can be read once only")}
	}
	return nil
}

func newSimulateCommand() *cobra.Command {
	var o simulateOptions
	cmd := &cobra.Command{
		Use:   "simulate --catalog DIR {--facts FILE EVENTS.jsonl... | --records FILE.jsonl}",
		Short: "Work out what events would earn, without Kafka, Redis or ClickHouse",
		Long: `Work out what events would earn: the pure engine, facts first, events in the
given order. Files hold one JSON object a line; one of them may be -, which is
standard input.

With --records it is one file instead, of records in the order in which they
came, facts not first. A line of it is
  {"topic": "card.transactions", "timestamp": "2026-03-02T11:31:08Z", "value": {...}}
where the topic may also be programme.facts or credit.results, and the Kafka
timestamp, where it is left out, is the latest instant in the value. What a
purchase gives a sponsor reaches them directly after the record that caused it.

Accruals go to standard output, one a line, or with --summary their sums, or with
--instructions the credit instructions in place of them. With --records and for
instructions that is JSON, where --output doesn't say otherwise.
Records that broke a rule, as FILE:LINE, and how many records had which fate go
to standard error; they are no failure: exit code 0.`,
		Example: `  ristourne simulate --catalog testdata/catalogue/lyon --facts facts.jsonl events.jsonl
  ristourne simulate --catalog DIR --facts facts.jsonl --output json --summary events.jsonl
  ristourne simulate --catalog DIR --records records.jsonl --instructions`,
		RunE: func(cmd *cobra.Command, events []string) error {
			if err := o.validate(events); err != nil {
				return err
			}
			if o.records != "" && !cmd.Flags().Changed("output") {
				o.output = "json" // as the records are
			}
			return runSimulate(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o, events)
		},
	}
	cmd.Flags().StringVar(&o.catalogue, "catalog", "", "folder of the offer files")
	cmd.Flags().StringVar(&o.facts, "facts", "", "file of the facts, one JSON object a line")
	cmd.Flags().StringVar(&o.records, "records", "", "file of records of all topics, one JSON object a line, in the order in which they came")
	cmd.Flags().BoolVar(&o.instructions, "instructions", false, "print credit instructions instead of accruals")
	cmd.Flags().BoolVar(&o.summary, "summary", false, "print the sums instead of the lines")
	outputFlag(cmd, &o.output)
	if err := cmd.MarkFlagRequired("catalog"); err != nil {
		panic(err) // the flag was added above
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
		what := printable(letter.Detail)
		if letter.Field != "" {
			what = printable(letter.Field) + ": " + what
		}
		fmt.Fprintf(stderr, "%s:%d: dead letter: %s: %s\n", letter.Topic, letter.Offset+1, letter.Reason, what)
	}
	var unread error
	if o.records != "" {
		unread = takeRecords(stdin, stderr, world, o.records)
	} else {
		unread = takeFiles(stdin, world, o.facts, events)
	}
	printFates(stderr, &world.Fates)
	return errors.Join(printer.finish(), out.Flush(), unread)
}

// takeFiles applies a file of facts, then those of events.
func takeFiles(stdin io.Reader, world *simulate.World, facts string, events []string) error {
	if err := eachLine(stdin, facts, world.Fact); err != nil {
		return err
	}
	for _, file := range events {
		if err := eachLine(stdin, file, world.Event); err != nil {
			return err
		}
	}
	return nil
}

// loadSnapshot reads and compiles a folder of offer files.
func loadSnapshot(dir string) (*engine.Snapshot, error) {
	loaded, err := catalog.Load(dir)
	var faults *sourcefile.Faults
	if errors.As(err, &faults) {
		return nil, fmt.Errorf("%s in %s:\n%w", offer.Counted(len(faults.List), "fault"), dir, err)
	}
	if err != nil {
		return nil, err
	}
	return loaded.Snapshot, nil
}

// maxLineBytes is what is kept of a line: more than any record may have, so that
// the decoder refuses what was cut off.
const maxLineBytes = 2 * wire.DefaultMaxBytes

// eachLine hands over the lines of a JSON Lines file. A line that is too long
// is handed over too, cut: the decoder says so, and the file goes on.
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
		text, err := readLine(reader)
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

// readLine reads a line of any length, keeps the beginning of it, and may give
// both a line and an error.
func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part[:min(len(part), maxLineBytes-len(line))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
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
	money   map[simulate.Balance]string // the currency of each row's commission and cost
	rows    int                         // in the table since it was flushed
	err     error                       // the first of writing
}

// tableRows are printed in columns of the same width; a table is in memory until
// it is printed.
const tableRows = 10_000

func newSimulatePrinter(w io.Writer, o simulateOptions) *simulatePrinter {
	p := &simulatePrinter{options: o, json: json.NewEncoder(w), summary: simulate.Summary{}, money: map[simulate.Balance]string{}}
	p.json.SetEscapeHTML(false)
	p.table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if o.output == "text" && !o.instructions {
		if o.summary {
			fmt.Fprintln(p.table, "ACCOUNT\tTRANSACTION\tOFFER\tROLE\tBENEFICIARY\tSTAGE\tKIND\tREWARD\tCOMMISSION\tCOST")
		} else {
			fmt.Fprintln(p.table, "ACCOUNT\tTRANSACTION\tPARTNER\tOFFER\tROLE\tSTAGE\tKIND\tBASIS\tREWARD\tCOMMISSION\tCOST\tCAUSE\tREASONS")
		}
	}
	return p
}

func (p *simulatePrinter) lines(out *rules.Output) {
	if p.options.instructions {
		for i := range out.Instructions {
			if out.Instructions[i].IsShadow() {
				continue // another system pays it
			}
			p.encode(json.RawMessage(credits.Append(nil, &out.Instructions[i])))
		}
		return
	}
	for i := range out.Accruals {
		a := &out.Accruals[i]
		switch {
		case p.options.summary:
			row := p.summary.Add(a)
			p.money[row] = cmp.Or(p.money[row], a.Currency.String())
		case p.options.output == "json":
			p.encode(ledgerjson.Of(a))
		default:
			p.row(a.AccountID, a.TransactionID, a.PartnerID, orDash(a.OfferID), a.Role, a.Stage, a.Kind,
				inUnit(a.BasisMinor, a.Currency.String()), inUnit(a.RewardMinor, a.Unit),
				inUnit(a.CommissionMinor, a.Currency.String()), inUnit(a.CostMinor, a.Currency.String()),
				a.Cause.ID, orDash(strings.Join(a.Reasons, ",")))
		}
	}
}

func (p *simulatePrinter) encode(value any) {
	if p.err == nil {
		p.err = p.json.Encode(value)
	}
}

// row prints the cells of a line; nothing is printed after an error.
func (p *simulatePrinter) row(cells ...any) {
	if p.err != nil {
		return
	}
	line := strings.TrimSuffix(strings.Repeat("%v\t", len(cells)), "\t") + "\n"
	if _, p.err = fmt.Fprintf(p.table, line, cells...); p.err != nil {
		return
	}
	if p.rows++; p.rows == tableRows {
		p.rows, p.err = 0, p.table.Flush()
	}
}

func (p *simulatePrinter) finish() error {
	for _, row := range p.summary.Rows() {
		sums := p.summary[row]
		if p.options.output == "json" {
			p.encode(newSummaryJSON(row, sums))
			continue
		}
		p.row(row.AccountID, row.TransactionID, orDash(row.OfferID), row.Role, row.BeneficiaryID, row.Stage, row.Kind,
			inUnit(sums.RewardMinor, row.Unit), inUnit(sums.CommissionMinor, p.money[row]), inUnit(sums.CostMinor, p.money[row]))
	}
	return errors.Join(p.err, p.table.Flush())
}

// inUnit is an amount as people write it: with its decimals where the unit is a
// currency.
func inUnit(minor int64, unit string) string {
	if c, ok := money.ParseCurrency(unit); ok {
		return money.FormatMinor(minor, c)
	}
	return strings.TrimSuffix(fmt.Sprintf("%d %s", minor, unit), " ")
}

// summaryJSON is a row of simulate --summary: see rules/README.md, "What leaves".
type summaryJSON struct {
	AccountID       string `json:"account_id"`
	TransactionID   string `json:"transaction_id"`
	OfferID         string `json:"offer_id"`
	Role            string `json:"role"`
	BeneficiaryID   string `json:"beneficiary_id"`
	Stage           string `json:"stage"`
	Kind            string `json:"kind"`
	Unit            string `json:"unit"`
	RewardMinor     int64  `json:"reward_minor"`
	CommissionMinor int64  `json:"commission_minor"`
	CostMinor       int64  `json:"cost_minor"`
}

func newSummaryJSON(row simulate.Balance, sums rules.Sums) summaryJSON {
	return summaryJSON{
		AccountID: row.AccountID, TransactionID: row.TransactionID, OfferID: row.OfferID, Role: row.Role.String(),
		BeneficiaryID: row.BeneficiaryID, Stage: row.Stage.String(), Kind: row.Kind.String(), Unit: row.Unit,
		RewardMinor: sums.RewardMinor, CommissionMinor: sums.CommissionMinor, CostMinor: sums.CostMinor,
	}
}
