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

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

func newInstructionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "instructions",
		Short: "Look up what the bank was told to pay, and what became of it",
	}
	cmd.AddCommand(newInstructionsListCommand(), newInstructionsShowCommand(), newInstructionsReleaseCommand(),
		newInstructionsExportCommand(), newInstructionsFilesCommand(), newInstructionsWithdrawCommand())
	return cmd
}

type instructionsOptions struct {
	config, output string
	filter         clickhouse.InstructionFilter
	stuck          bool
	silentDays     int
}

// instructionStatuses are what --status takes.
var instructionStatuses = []string{"none", rules.Accepted.String(), rules.Settled.String(), rules.Rejected.String()}

const (
	maxInstructions = 100_000 // of one list
	maxSilentDays   = 3660
)

func newInstructionsListCommand() *cobra.Command {
	var o instructionsOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List instructions with the bank's latest word on each",
		Long: `List instructions, the newest first, with the bank's word that counts: the latest
by its own date, at one instant a rejection before a settlement before an
acceptance. "none" is one of which the bank has said nothing.

--stuck lists those that a person must look at, and why:

  stuck      payments of the account stand still: so many were rejected in a row as
             the programme allows attempts, or one with AC04, AC06 or MD07. Mend the
             cause, then ristourne instructions release
  duplicate  rejected with AM05, the bank saw the id before: it stays paid, find out
             by what
  silent     without a result for --silent-days`,
		Example: `  ristourne instructions list --config ristourne.yaml --cycle 2026-02 --status rejected
  ristourne instructions list --config ristourne.yaml --account acc-17 --output json
  ristourne instructions list --config ristourne.yaml --stuck --silent-days 10`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			if o.stuck {
				return listStuck(cmd.Context(), cmd.OutOrStdout(), &o)
			}
			return lookUpInstructions(cmd.Context(), cmd.OutOrStdout(), &o)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.filter.AccountID, "account", "", "those of an account")
	flags.StringVar(&o.filter.Programme, "programme", "", "those of a programme")
	flags.StringVar(&o.filter.Cycle, "cycle", "", "those of a cycle, such as 2026-02")
	flags.StringVar(&o.filter.Status, "status", "", "those of this status: "+strings.Join(instructionStatuses, ", "))
	flags.BoolVar(&o.stuck, "stuck", false, "those that a person must look at")
	flags.IntVar(&o.silentDays, "silent-days", 5, fmt.Sprintf("with --stuck: also those without a result for so many days, 1 to %d", maxSilentDays))
	flags.IntVar(&o.filter.Limit, "limit", 1000, fmt.Sprintf("so many of the newest, 1 to %d", maxInstructions))
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *instructionsOptions) check() error {
	if o.filter.Limit < 1 || o.filter.Limit > maxInstructions {
		return fmt.Errorf("--limit %d: 1 to %d", o.filter.Limit, maxInstructions)
	}
	if o.silentDays < 1 || o.silentDays > maxSilentDays {
		return fmt.Errorf("--silent-days %d: 1 to %d", o.silentDays, maxSilentDays)
	}
	if o.stuck && o.filter.Status != "" {
		return errors.New("--stuck chooses by more than the status: leave --status out")
	}
	if s := o.filter.Status; s != "" && !slices.Contains(instructionStatuses, s) {
		return fmt.Errorf("--status %q: write %s", s, strings.Join(instructionStatuses, ", "))
	}
	return nil
}

func newInstructionsShowCommand() *cobra.Command {
	o := instructionsOptions{filter: clickhouse.InstructionFilter{Limit: 1}}
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show one instruction with the bank's latest word on it",
		Example: "  ristourne instructions show RI-1F2E3D4C --config ristourne.yaml",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			o.filter.ID = given[0]
			return lookUpInstructions(cmd.Context(), cmd.OutOrStdout(), &o)
		},
	}
	configFlag(cmd, &o.config)
	outputFlag(cmd, &o.output)
	return cmd
}

func lookUpInstructions(ctx context.Context, stdout io.Writer, o *instructionsOptions) error {
	ledger, err := ledgerOf(ctx, o.config)
	if err != nil {
		return err
	}
	defer ledger.Close()
	found, err := ledger.Instructed(ctx, o.filter)
	switch {
	case err != nil:
		return err
	case len(found) == 0 && o.filter.ID != "":
		return fmt.Errorf("no instruction has the id %q: the bank's files carry it as EndToEndId", o.filter.ID)
	case o.output == "json":
		return printInstructionsJSON(stdout, found)
	default:
		return printInstructions(stdout, found)
	}
}

func printInstructions(w io.Writer, found []clickhouse.Instructed) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CREATED\tINSTRUCTION\tACCOUNT\tPROGRAMME\tCYCLE\tDIRECTION\tAMOUNT\tSTATUS\tREASON\tSINCE")
	for i := range found {
		f := &found[i]
		status, since := statusOf(f)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", time.UnixMilli(f.CreatedAt).UTC().Format(time.RFC3339), f.ID,
			orDash(printable(f.AccountID)), f.Programme, orDash(f.Cycle), f.Direction, money.FormatMinor(f.AmountMinor, f.Currency),
			status, orDash(printable(f.Said.Reason)), since)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", offer.Counted(len(found), "instruction"))
	return err
}

// statusOf is the bank's word that counts, and since when it does.
func statusOf(f *clickhouse.Instructed) (status, since string) {
	if f.Said.Status == 0 {
		return "none", "-"
	}
	return f.Said.Status.String(), f.Said.At.Time().Format(time.RFC3339)
}

// instructedJSON is an instruction as --output json has it, one a line.
type instructedJSON struct {
	InstructionID string `json:"instruction_id"`
	AccountID     string `json:"account_id"` // empty: erased
	Direction     string `json:"direction"`
	AmountMinor   int64  `json:"amount_minor"`
	Currency      string `json:"currency"`
	Programme     string `json:"programme"`
	Cycle         string `json:"cycle"`
	CauseID       string `json:"cause_id"`
	CreatedAt     string `json:"created_at"`
	Status        string `json:"status,omitempty"` // none: absent
	StatusReason  string `json:"status_reason,omitempty"`
	StatusAt      string `json:"status_at,omitempty"`
}

func printInstructionsJSON(w io.Writer, found []clickhouse.Instructed) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for i := range found {
		if err := encoder.Encode(toldOf(&found[i])); err != nil {
			return err
		}
	}
	return nil
}

func toldOf(f *clickhouse.Instructed) instructedJSON {
	told := instructedJSON{
		InstructionID: f.ID, AccountID: f.AccountID, Direction: f.Direction.String(), AmountMinor: f.AmountMinor, Currency: f.Currency.String(),
		Programme: f.Programme, Cycle: f.Cycle, CauseID: f.Cause.ID, CreatedAt: time.UnixMilli(f.CreatedAt).UTC().Format(time.RFC3339Nano),
	}
	if f.Said.Status != 0 {
		told.Status, told.StatusReason, told.StatusAt = f.Said.Status.String(), f.Said.Reason, f.Said.At.String()
	}
	return told
}
