package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/bankresults"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/results"
)

func newResultsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "results",
		Short: "Take in what the bank says of instructions",
	}
	cmd.AddCommand(newResultsImportCommand())
	return cmd
}

type resultsOptions struct {
	config, output, by, reason string
	dryRun                     bool
}

func newResultsImportCommand() *cobra.Command {
	var o resultsOptions
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Post what files of the bank say to the topic of results",
		Long: `Post what files of the bank say of instructions to the topic of results:

  pain.002.001.03, .10   status reports: of each payment, of a block, of a message.
                         Where a report lists only what was rejected, its counts by
                         status say whether the others are accepted; without them
                         they stay as they are. Answers to the check of the payee
                         (RCVC, RVNM, ...) are no word on a payment
  camt.054.001.02, .08   returns of payments; all other bookings are left out
  CSV                    instruction_id, status (accepted, settled, rejected, or a
                         code such as RJCT), at (RFC 3339); reason, amount, currency

A file is taken whole or not at all; each fault is told as FILE:LINE:COLUMN. What
has no offset is by the clock of the programme. The same file again posts the same
results, which are duplicates. What contradicts an instruction (another amount, two
words on one in one file) is listed and not posted; so are ids that were never given
out. Each file, with its SHA-256, who imported it and why, stands in the audit trail.`,
		Example: `  ristourne results import /var/bank/in/*.xml --config ristourne.yaml --by ada --reason "daily files"
  ristourne results import pain002.xml --config ristourne.yaml --dry-run --output json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := needByAndReason(o.by, o.reason); err != nil && !o.dryRun {
				return usageError{err}
			}
			return importResults(cmd.Context(), cmd.OutOrStdout(), &o, given)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.by, "by", "", "who imports it, for the audit trail")
	flags.StringVar(&o.reason, "reason", "", "why, for the audit trail")
	flags.BoolVar(&o.dryRun, "dry-run", false, "tell what would be posted, and post nothing")
	outputFlag(cmd, &o.output)
	return cmd
}

func importResults(ctx context.Context, stdout io.Writer, o *resultsOptions, paths []string) (err error) {
	c, err := config.Load(o.config)
	if err != nil {
		return err
	}
	files, err := readResults(paths)
	if err != nil {
		return err
	}
	catalogue, err := catalogueNow(ctx, c)
	if err != nil {
		return err
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	asks := asksLedger(ledger, catalogue)
	plans := make([]*bankresults.Plan, len(files))
	for i, f := range files {
		if plans[i], err = asks.Plan(ctx, f, time.Now()); err == nil {
			err = takenResults(plans[i])
		}
		if err != nil {
			return fmt.Errorf("%w; nothing of any file was posted", err)
		}
	}
	var post func(*bankresults.File, *bankresults.Plan) (again string, err error)
	if !o.dryRun {
		writer, closeResults, err := openTopic(ctx, c, c.Kafka.Topics.Results, results.New)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeResults()) }()
		post = func(f *bankresults.File, plan *bankresults.Plan) (string, error) {
			return postResults(ctx, ledger, writer, o, f, plan)
		}
	}
	for i, f := range files {
		again := ""
		if post != nil {
			if again, err = post(f, plans[i]); err != nil {
				return fmt.Errorf("%s: %w; import it again: what is posted counts once", f.Name, err)
			}
		}
		if err := printImported(stdout, o, f, plans[i], again); err != nil {
			return err
		}
	}
	return nil
}

// takenResults refuses a plan with a result that would become a dead letter, as nobody
// would be told.
func takenResults(plan *bankresults.Plan) error {
	decoder, now := wire.NewDecoder(wire.Options{}), time.Now().UnixMilli()
	var value []byte
	var read rules.Result
	for i := range plan.Results {
		r := &plan.Results[i]
		value = results.Append(value[:0], r)
		if fault := decoder.Result(value, []byte(r.AccountID), now, &read); fault != nil {
			return fmt.Errorf("no account would take the result on %s: %s", r.InstructionID, fault)
		}
	}
	return nil
}

// readResults reads all files, or tells what is wrong with each.
func readResults(paths []string) (files []*bankresults.File, err error) {
	var faults []error
	for _, path := range paths {
		f, err := bankresults.ReadFile(path)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, f)
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%s refused, and nothing of any was posted:\n%w", offer.Counted(len(faults), "file"), errors.Join(faults...))
	}
	return files, nil
}

// asksLedger is what plans ask the ledger and the catalogue.
func asksLedger(ledger *clickhouse.Ledger, catalogue *engine.Snapshot) bankresults.Ledger {
	return bankresults.Ledger{
		Known: func(ctx context.Context, ids []string) (known []bankresults.Known, err error) {
			found, err := ledger.Instructed(ctx, clickhouse.InstructionFilter{IDs: ids, Limit: len(ids)})
			for i := range found {
				known = append(known, bankresults.Known{Instruction: found[i].Instruction, Said: found[i].Said})
			}
			return known, err
		},
		Filed: ledger.FiledInstructions,
		Zone: func(programme string) *time.Location {
			if v := catalogue.ProgrammeAt(programme, rules.InstantOf(time.Now())); v != nil {
				return v.Zone
			}
			return time.UTC
		},
	}
}

const (
	importAction  = "results import"
	resultsAtOnce = 5000
)

// importedFile is a file as the audit trail has it.
type importedFile struct {
	File      string `json:"file"`
	SHA256    string `json:"sha256"`
	Form      string `json:"form"`
	MessageID string `json:"message_id,omitempty"`
	Results   int    `json:"results"`
}

// postResults keeps a file in the audit trail, then posts what it says. again tells of
// when it was imported before.
func postResults(ctx context.Context, ledger *clickhouse.Ledger, writer *results.Writer, o *resultsOptions, f *bankresults.File, plan *bankresults.Plan) (again string, err error) {
	actions, err := ledger.Actions(ctx)
	if err != nil {
		return "", err
	}
	for i := range actions {
		var before importedFile
		if a := &actions[i]; a.Action == importAction && json.Unmarshal([]byte(a.Details), &before) == nil && before.SHA256 == f.SHA256 {
			again = fmt.Sprintf("%s by %s", time.UnixMilli(a.At).UTC().Format(time.RFC3339), printable(a.By))
		}
	}
	details, err := json.Marshal(importedFile{f.Name, f.SHA256, f.Form, f.MessageID, len(plan.Results)})
	if err != nil {
		return "", err
	}
	if err := ledger.RecordAction(ctx, &rules.OperatorAction{
		At: time.Now().UnixMilli(), Action: importAction, By: o.by, Reason: o.reason, Details: string(details),
	}); err != nil {
		return "", err
	}
	for some := range slices.Chunk(plan.Results, resultsAtOnce) {
		if err := writer.Post(ctx, some); err != nil {
			return "", err
		}
	}
	return again, nil
}

type importedSumJSON struct {
	Status      string `json:"status"`
	Reason      string `json:"reason"`
	Count       int    `json:"count"`
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
}

type findingJSON struct {
	Line          int    `json:"line"`
	Kind          string `json:"kind"`
	InstructionID string `json:"instruction_id,omitempty"`
	Text          string `json:"text"`
}

type importedJSON struct {
	importedFile
	Posted         bool              `json:"posted"`
	ImportedBefore string            `json:"imported_before,omitempty"`
	Others         int               `json:"other_bookings"`
	Sums           []importedSumJSON `json:"sums"`
	Findings       []findingJSON     `json:"findings"`
}

// maxShownFindings keeps a report of a strange file readable; --output json has all.
const maxShownFindings = 200

func printImported(w io.Writer, o *resultsOptions, f *bankresults.File, plan *bankresults.Plan, again string) error {
	if o.output == "json" {
		return printImportedJSON(w, o, f, plan, again)
	}
	verb := "posted"
	if o.dryRun {
		verb = "would be posted"
	}
	fmt.Fprintf(w, "%s (%s): %s %s\n", f.Name, f.Form, offer.Counted(len(plan.Results), "result"), verb)
	if again != "" {
		fmt.Fprintf(w, "  it was imported before, %s: what is posted again changes nothing\n", again)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range plan.Sums {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", s.Status, orDash(printable(s.Reason)), offer.Counted(s.Count, "instruction"), money.FormatMinor(s.AmountMinor, s.Currency))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if f.Others > 0 {
		fmt.Fprintf(w, "  %s that is no return, left out\n", offer.Counted(f.Others, "booking"))
	}
	kinds := map[bankresults.Kind]int{}
	for i := range plan.Findings {
		of := &plan.Findings[i]
		if kinds[of.Kind]++; i < maxShownFindings {
			fmt.Fprintf(w, "  line %d: %s: %s %s\n", of.Line, of.Kind, printable(of.InstructionID), printable(of.Text))
		}
	}
	for _, kind := range []bankresults.Kind{bankresults.Unknown, bankresults.Contradiction, bankresults.Open, bankresults.PayeeCheck, bankresults.NoWord, bankresults.Erased} {
		if n := kinds[kind]; n > 0 {
			fmt.Fprintf(w, "  %d %s\n", n, kind)
		}
	}
	return nil
}

func printImportedJSON(w io.Writer, o *resultsOptions, f *bankresults.File, plan *bankresults.Plan, again string) error {
	told := importedJSON{
		importedFile: importedFile{f.Name, f.SHA256, f.Form, f.MessageID, len(plan.Results)},
		Posted:       !o.dryRun, ImportedBefore: again, Others: f.Others, Sums: []importedSumJSON{}, Findings: []findingJSON{},
	}
	for _, s := range plan.Sums {
		told.Sums = append(told.Sums, importedSumJSON{s.Status.String(), s.Reason, s.Count, s.AmountMinor, s.Currency.String()})
	}
	for _, of := range plan.Findings {
		told.Findings = append(told.Findings, findingJSON{of.Line, string(of.Kind), of.InstructionID, of.Text})
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(told)
}
