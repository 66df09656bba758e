package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/filing"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/paymentfiles"
)

type filesOptions struct {
	config, output, format, folder  string
	programme, cycle, executionDate string
	by, reason                      string
	all, dryRun                     bool
}

func newInstructionsExportCommand() *cobra.Command {
	var o filesOptions
	cmd := &cobra.Command{
		Use:   "export --out DIR (--cycle NAME | --all) --by WHO --reason WHY",
		Short: "Write instructions into files for the bank, each into one",
		Long: `Write instructions into files for the bank, each into one, for banks that take files
rather than Kafka. What is exported: what is in no file yet, of which the bank has said
nothing, of the last 400 days.

  pain.001  ISO 20022 pain.001.001.09: credits by transfer, one file per debtor's
            account, execution date, service level and currency, 50,000 payments at
            most. Names and texts are in the letters of SEPA. The debtor stands in the
            configuration, payout.debtors
  csv       everything, also debits, cards, cheques and wallets

A file is recorded in ClickHouse, with its name, SHA-256, count and sum, before it is
written; then it is written beside, synced and renamed. Where that breaks off, the next
export writes the same file, byte for byte, 3 minutes later at the earliest. Two exports
at once never put an instruction into two files.

An instruction that can't be in such a file (a wrong IBAN, no debtor) is left out and
listed, and the command exits 1 once the others are written. ristourne instructions
files lists files.`,
		Example: `  ristourne instructions export --config ristourne.yaml --out /var/bank/out --cycle 2026-02 --by ada --reason "monthly run"
  ristourne instructions export --config ristourne.yaml --format csv --out /var/bank/out --all --dry-run`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			return exportInstructions(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), &o)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.format, "format", "pain.001", "pain.001 or csv")
	flags.StringVar(&o.folder, "out", "", "folder that the files are written into (needed)")
	flags.StringVar(&o.programme, "programme", "", "instructions of this programme; empty: of all")
	flags.StringVar(&o.cycle, "cycle", "", "instructions of this cycle, such as 2026-02")
	flags.BoolVar(&o.all, "all", false, "all that is in no file, whatever the cycle")
	flags.StringVar(&o.executionDate, "execution-date", "", "day on which the bank pays, such as 2026-03-03; empty: today, by the programme's clock")
	flags.BoolVar(&o.dryRun, "dry-run", false, "tell which files would be written, and record and write nothing")
	flags.StringVar(&o.by, "by", "", "who exports, for the audit trail")
	flags.StringVar(&o.reason, "reason", "", "why, for the audit trail")
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *filesOptions) check() error {
	switch _, known := rules.ParsePaymentFormat(o.format); {
	case !known:
		return fmt.Errorf("--format %q: write pain.001 or csv", o.format)
	case o.folder == "" && !o.dryRun:
		return errors.New("name the folder with --out")
	case o.all == (o.cycle != ""):
		return errors.New("say which instructions: --cycle NAME, or --all")
	}
	if o.executionDate != "" {
		if _, err := time.Parse(time.DateOnly, o.executionDate); err != nil {
			return fmt.Errorf("--execution-date %q: write a day such as 2026-03-03", o.executionDate)
		}
	}
	if o.dryRun {
		return nil
	}
	return needByAndReason(o.by, o.reason)
}

func exportInstructions(ctx context.Context, stdout, stderr io.Writer, o *filesOptions) error {
	c, err := config.Load(o.config)
	if err != nil {
		return err
	}
	catalogue, err := catalogueNow(ctx, c)
	if err != nil {
		return err
	}
	programme, now := o.programme, time.Now()
	if programme != "" || len(catalogue.Programmes()) == 1 {
		if programme, err = soleProgramme(catalogue, programme); err != nil {
			return err
		}
	}
	if o.executionDate == "" {
		zone := time.UTC
		if v := catalogue.ProgrammeAt(programme, rules.InstantOf(now)); v != nil {
			zone = v.Zone
		}
		o.executionDate = now.In(zone).Format(time.DateOnly)
	}
	if !o.dryRun {
		if is, err := os.Stat(o.folder); err != nil || !is.IsDir() {
			return fmt.Errorf("--out %s: there is no such folder", o.folder)
		}
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	format, _ := rules.ParsePaymentFormat(o.format)
	if !o.dryRun {
		if err := recordExport(ctx, ledger, o, now); err != nil {
			return err
		}
	}
	export := filing.Export{Ledger: &filed{ledger, o, format}, Writer: fileWriter(o.folder), Now: time.Now}
	done, err := export.Run(ctx, filing.Order{
		Format: format, Debtor: c.Payout.DebtorOf, ExecutionDate: o.executionDate, By: o.by, DryRun: o.dryRun,
	})
	if err := errors.Join(err, printFiled(stdout, o, &done)); err != nil {
		return err
	}
	if len(done.LeftOut) > 0 {
		fmt.Fprintf(stderr, "ristourne: %s left out: mend the cause and export again, or pay them by another way\n", offer.Counted(len(done.LeftOut), "instruction"))
		return errReported
	}
	return nil
}

const filesAction = "instructions export"

func recordExport(ctx context.Context, ledger *clickhouse.Ledger, o *filesOptions, now time.Time) error {
	details, err := json.Marshal(map[string]string{"format": o.format, "folder": o.folder, "programme": o.programme, "cycle": o.cycle, "execution_date": o.executionDate})
	if err != nil {
		return err
	}
	return ledger.RecordAction(ctx, &rules.OperatorAction{At: now.UnixMilli(), Action: filesAction, By: o.by, Reason: o.reason, Details: string(details)})
}

func fileWriter(folder string) filing.Writer {
	return filing.Writer{
		Check:  func(i *rules.Instruction, d *rules.Debtor) error { return paymentfiles.Check(i, d.ServiceLevel) },
		Name:   paymentfiles.Name,
		Render: paymentfiles.Render,
		Write:  func(name string, content []byte) error { return paymentfiles.Write(folder, name, content) },
	}
}

// filed is the ledger as an export needs it.
type filed struct {
	ledger *clickhouse.Ledger
	o      *filesOptions
	format rules.PaymentFormat
}

// maxPaymentFiles bounds what is listed of files.
const maxPaymentFiles = 10_000

func (f *filed) Unfiled(ctx context.Context, each func(*rules.Instruction) error) error {
	return f.ledger.Unfiled(ctx, clickhouse.UnfiledFilter{
		Programme: f.o.programme, Cycle: f.o.cycle, TransfersAlone: f.format == rules.Pain001,
	}, time.Now(), each)
}

func (f *filed) InstructionsOf(ctx context.Context, ids []string) ([]rules.Instruction, error) {
	return f.ledger.InstructionsOf(ctx, ids)
}

func (f *filed) Record(ctx context.Context, of *rules.PaymentFile) error {
	return f.ledger.RecordPaymentFile(ctx, of)
}

func (f *filed) Unwritten(ctx context.Context) ([]filing.Recorded, error) {
	return f.files(ctx, clickhouse.PaymentFileFilter{Unwritten: true, Limit: maxPaymentFiles})
}

func (f *filed) Answered(ctx context.Context, ids []string) (int, error) {
	return f.ledger.Answered(ctx, ids)
}

func (f *filed) Sharing(ctx context.Context, id string) ([]filing.Recorded, error) {
	return f.files(ctx, clickhouse.PaymentFileFilter{Sharing: id, Limit: maxPaymentFiles})
}

func (f *filed) files(ctx context.Context, filter clickhouse.PaymentFileFilter) (all []filing.Recorded, err error) {
	found, err := f.ledger.PaymentFiles(ctx, filter)
	for i := range found {
		all = append(all, filing.Recorded{
			PaymentFile: found[i].PaymentFile, Sealed: found[i].State == clickhouse.FileSealed, Written: found[i].State == clickhouse.FileWritten,
		})
	}
	return all, err
}

func (f *filed) Sealed(ctx context.Context, id string) error {
	return f.ledger.MarkPaymentFile(ctx, id, clickhouse.FileSealed, time.Now(), f.o.by)
}

func (f *filed) Written(ctx context.Context, id string) error {
	return f.ledger.MarkPaymentFile(ctx, id, clickhouse.FileWritten, time.Now(), f.o.by)
}

func (f *filed) Withdrawn(ctx context.Context, id string) error {
	return f.ledger.MarkPaymentFile(ctx, id, clickhouse.FileWithdrawn, time.Now(), f.o.by)
}

// fileJSON is a file as --output json has it.
type fileJSON struct {
	FileID        string `json:"file_id"`
	Path          string `json:"path,omitempty"` // where this command has written it
	Name          string `json:"name"`
	Format        string `json:"format"`
	State         string `json:"state"`
	SHA256        string `json:"sha256"`
	Instructions  int    `json:"instructions"`
	SumMinor      int64  `json:"sum_minor"`
	Currency      string `json:"currency"`
	DebtorIBAN    string `json:"debtor_iban,omitempty"`
	ExecutionDate string `json:"execution_date,omitempty"`
	CreatedAt     string `json:"created_at"`
	By            string `json:"by"`
}

func toldFile(f *rules.PaymentFile, state string) fileJSON {
	return fileJSON{
		FileID: f.ID, Name: f.Name, Format: f.Format.String(), State: state, SHA256: f.SHA256, Instructions: len(f.InstructionIDs), SumMinor: f.SumMinor,
		Currency: f.Currency.String(), DebtorIBAN: f.Debtor.IBAN, ExecutionDate: f.ExecutionDate,
		CreatedAt: time.UnixMilli(f.CreatedAt).UTC().Format(time.RFC3339Nano), By: f.By,
	}
}

type leftOutJSON struct {
	InstructionID string `json:"instruction_id"`
	AccountID     string `json:"account_id"`
	AmountMinor   int64  `json:"amount_minor"`
	Currency      string `json:"currency"`
	Why           string `json:"left_out"`
}

func printFiled(w io.Writer, o *filesOptions, done *filing.Exported) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	said := map[bool]string{false: "written", true: "would be written"}[o.dryRun]
	tell := func(f *rules.PaymentFile, state, text string) error {
		if o.output == "json" {
			told := toldFile(f, state)
			if state == clickhouse.FileWritten.String() && !o.dryRun {
				told.Path = filepath.Join(o.folder, f.Name)
			}
			return encoder.Encode(told)
		}
		_, err := fmt.Fprintf(w, "%s: %s of %s, SHA-256 %.12s..., %s\n", f.Name, offer.Counted(len(f.InstructionIDs), "instruction"),
			money.FormatMinor(f.SumMinor, f.Currency), f.SHA256, text)
		return err
	}
	var faults []error
	for i := range done.Again {
		faults = append(faults, tell(&done.Again[i], clickhouse.FileWritten.String(), "written: it was recorded earlier, by an export that broke off"))
	}
	for i := range done.Files {
		faults = append(faults, tell(&done.Files[i], clickhouse.FileWritten.String(), said))
	}
	for i := range done.Withdrawn {
		faults = append(faults, tell(&done.Withdrawn[i], clickhouse.FileWithdrawn.String(), "not written: another export at the same time has instructions of it; export again"))
	}
	for i := range done.Waiting {
		faults = append(faults, tell(&done.Waiting[i], clickhouse.FileRecorded.String(), "of another export, which may be at it still; export again in 3 minutes"))
	}
	for i := range done.LeftOut {
		l := &done.LeftOut[i]
		if o.output == "json" {
			faults = append(faults, encoder.Encode(leftOutJSON{l.Instruction.ID, l.Instruction.AccountID, l.Instruction.AmountMinor, l.Instruction.Currency.String(), l.Why.Error()}))
			continue
		}
		fmt.Fprintf(w, "left out: %s of account %s: %v\n", l.Instruction.ID, printable(l.Instruction.AccountID), l.Why)
	}
	if n := len(done.Files) + len(done.Again); n+len(done.Waiting)+len(done.Withdrawn)+len(done.LeftOut) == 0 && o.output == "text" {
		fmt.Fprintln(w, "nothing to export: every instruction that there is stands in a file, or has a result")
	}
	return errors.Join(faults...)
}

func newInstructionsFilesCommand() *cobra.Command {
	var file, output string
	var limit int
	cmd := &cobra.Command{
		Use:   "files",
		Short: "List the files that instructions were written into",
		Long: `List the files that instructions were written into, the newest first, with their
SHA-256: recorded, sealed (no other file has its instructions), written, or withdrawn and
given_up (its instructions are in no file).`,
		Example: "  ristourne instructions files --config ristourne.yaml",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxPaymentFiles {
				return usageError{fmt.Errorf("--limit %d: 1 to %d", limit, maxPaymentFiles)}
			}
			return listPaymentFiles(cmd.Context(), cmd.OutOrStdout(), file, output, limit)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().IntVar(&limit, "limit", 100, fmt.Sprintf("so many of the newest, 1 to %d", maxPaymentFiles))
	outputFlag(cmd, &output)
	return cmd
}

func listPaymentFiles(ctx context.Context, stdout io.Writer, file, output string, limit int) error {
	ledger, err := ledgerOf(ctx, file)
	if err != nil {
		return err
	}
	defer ledger.Close()
	found, err := ledger.PaymentFiles(ctx, clickhouse.PaymentFileFilter{Limit: limit})
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	if output == "text" {
		fmt.Fprintln(table, "RECORDED\tFILE\tINSTRUCTIONS\tSUM\tSTATE\tBY\tSHA-256")
	}
	for i := range found {
		f := &found[i]
		if output == "json" {
			if err := json.NewEncoder(stdout).Encode(toldFile(&f.PaymentFile, f.State.String())); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", time.UnixMilli(f.CreatedAt).UTC().Format(time.RFC3339), f.Name, len(f.InstructionIDs),
			money.FormatMinor(f.SumMinor, f.Currency), f.State, printable(f.By), f.SHA256)
	}
	if output == "json" {
		return nil
	}
	return table.Flush()
}

func newInstructionsWithdrawCommand() *cobra.Command {
	var file, by, reason string
	cmd := &cobra.Command{
		Use:   "withdraw FILE-ID --by WHO --reason WHY",
		Short: "Give up a file that was sealed and can't be written any more",
		Long: `Give up a file that was sealed and can't be written any more, as an account of it was
erased since: its instructions can be exported anew. Look first that no folder has
it, and that the bank hasn't: it may have been written by an export that broke off
right after. One that is known to be written can't be withdrawn: what the bank
doesn't pay of it, it rejects, and a rejection makes the money due again.`,
		Example: `  ristourne instructions withdraw RF-GJ4XK2YBB7VQ6Q3ZPWFXN3MBYI --config ristourne.yaml --by ada --reason "acc-17 was erased"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := needByAndReason(by, reason); err != nil {
				return usageError{err}
			}
			return withdrawPaymentFile(cmd.Context(), cmd.OutOrStdout(), file, given[0], by, reason)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&by, "by", "", "who withdraws it, for the audit trail")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	return cmd
}

func withdrawPaymentFile(ctx context.Context, stdout io.Writer, file, id, by, reason string) error {
	ledger, err := ledgerOf(ctx, file)
	if err != nil {
		return err
	}
	defer ledger.Close()
	found, err := ledger.PaymentFiles(ctx, clickhouse.PaymentFileFilter{ID: id, Limit: 1})
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return fmt.Errorf("no file has the id %q: ristourne instructions files lists them", id)
	case !found[0].Stands():
		return fmt.Errorf("file %s is %s already", id, found[0].State)
	case found[0].State == clickhouse.FileRecorded:
		return fmt.Errorf("file %s isn't sealed: the next export withdraws it by itself", id)
	case found[0].State == clickhouse.FileWritten:
		return fmt.Errorf("file %s was written: the bank may have it. What it doesn't pay it rejects, and then the money is due again", id)
	case time.Since(time.UnixMilli(found[0].CreatedAt)) < filing.TakeOverAfter:
		return fmt.Errorf("file %s was recorded less than %s ago: its export may be about to write it", id, filing.TakeOverAfter)
	}
	details, err := json.Marshal(map[string]string{"file_id": id})
	if err != nil {
		return err
	}
	now := time.Now()
	if err := ledger.RecordAction(ctx, &rules.OperatorAction{At: now.UnixMilli(), Action: "instructions withdraw", By: by, Reason: reason, Details: string(details)}); err != nil {
		return err
	}
	if err := ledger.MarkPaymentFile(ctx, id, clickhouse.FileGivenUp, now, by); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "file %s is withdrawn: its %s can be exported anew\n", id, offer.Counted(len(found[0].InstructionIDs), "instruction"))
	return err
}
