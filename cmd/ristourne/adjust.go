package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/adjust"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

type adjustOptions struct {
	config, output, programme, by, reason string
}

func newAdjustCommand() *cobra.Command {
	var o adjustOptions
	cmd := &cobra.Command{
		Use:   "adjust ACCOUNT AMOUNT CURRENCY --by WHO --reason WHY",
		Short: "Give a member money, or take it, that no purchase has earned",
		Long: `Give a member money, or take it, that no purchase has earned: post an adjustment
fact, which books one confirmed line of cash. It is paid, or netted, as the
programme pays everything else. An amount under 0 stands behind --.

Where the programme's payout says four_eyes_over, a larger adjustment waits until
another person has approved it. Both, and why, stand in the audit trail (view
operator_actions), and in the fact as approved_by. The names are those that people
give: who may run this command is for the machine that it runs on to say.

Of one amount for one reason there is one adjustment of an account: asked for again,
after a crash or by mistake, it is booked once. Name the ticket in the reason.`,
		Example: `  ristourne adjust acc-17 5.00 EUR --config ristourne.yaml --by ada --reason "ticket 4711: the shop's sign was wrong"
  ristourne adjust --config ristourne.yaml --by ada --reason "ticket 4712: paid at the counter" -- acc-17 -5.00 EUR
  ristourne adjust list --config ristourne.yaml
  ristourne adjust approve AD-GJ4XK2YBB7VQ6Q3ZPWFXN3MBYI --config ristourne.yaml --by bob`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) != 3 {
				return usageError{fmt.Errorf("want ACCOUNT AMOUNT CURRENCY, such as acc-17 5.00 EUR, not %q", strings.Join(given, " "))}
			}
			if err := needFactTexts(o.by, o.reason); err != nil {
				return usageError{err}
			}
			amountMinor, currency, err := parseAdjustment(given[1], given[2])
			if err != nil {
				return usageError{err}
			}
			r := adjust.Request{AccountID: given[0], Programme: o.programme, AmountMinor: amountMinor, Currency: currency, Reason: o.reason, By: o.by}
			return askForAdjustment(cmd.Context(), cmd.OutOrStdout(), &o, r)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.programme, "programme", "", "programme that pays it; may be left out where there is one")
	flags.StringVar(&o.by, "by", "", "who asks for it, for the audit trail")
	flags.StringVar(&o.reason, "reason", "", "why, for the audit trail and the ledger; names the ticket")
	outputFlag(cmd, &o.output)
	digit := regexp.MustCompile(`shorthand flag: '[0-9.]'`)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if digit.MatchString(err.Error()) {
			err = errors.New("an amount under 0 stands behind --, and flags before it: ristourne adjust --by ... --reason ... -- acc-17 -5.00 EUR")
		}
		return usageError{err}
	})
	cmd.AddCommand(newAdjustListCommand(), newAdjustApproveCommand(), newAdjustRejectCommand())
	return cmd
}

func parseAdjustment(amount, code string) (int64, money.Currency, error) {
	currency, ok := money.ParseCurrency(code)
	if !ok {
		return 0, currency, fmt.Errorf("%q is no currency of ISO 4217, such as EUR", code)
	}
	minor, err := money.ParseMinor(amount, currency)
	if err == nil && minor == 0 {
		err = errors.New("an adjustment of 0 changes nothing")
	}
	return minor, currency, err
}

// openDesk opens what adjustments need. closeDesk ends it.
func openDesk(ctx context.Context, c *config.Config, catalogue *engine.Snapshot) (desk *adjust.Desk, closeDesk func() error, err error) {
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	writer, closeFacts, err := openFacts(ctx, c)
	if err != nil {
		return nil, nil, errors.Join(err, ledger.Close())
	}
	return &adjust.Desk{Ledger: ledger, Poster: writer, Now: time.Now, Check: takenFact(catalogue)},
		func() error { return errors.Join(closeFacts(), ledger.Close()) }, nil
}

func askForAdjustment(ctx context.Context, stdout io.Writer, o *adjustOptions, r adjust.Request) (err error) {
	return withDesk(ctx, o.config, func(desk *adjust.Desk, catalogue *engine.Snapshot) error {
		if r.Programme, err = soleProgramme(catalogue, r.Programme); err != nil {
			return err
		}
		v := catalogue.ProgrammeAt(r.Programme, rules.InstantOf(time.Now()))
		if v == nil {
			return fmt.Errorf("programme %s has not begun", r.Programme)
		}
		a, again, err := desk.Ask(ctx, r, v.Payout.NeedsFourEyes(r.AmountMinor, r.Currency == v.Currency))
		if err != nil {
			return err
		}
		said := ""
		if again {
			said = " (it was asked for before: nothing is booked twice)"
		}
		return printAdjustment(stdout, a, said, o.output)
	})
}

func withDesk(ctx context.Context, file string, do func(*adjust.Desk, *engine.Snapshot) error) (err error) {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	catalogue, err := catalogueNow(ctx, c)
	if err != nil {
		return err
	}
	desk, closeDesk, err := openDesk(ctx, c, catalogue)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDesk()) }()
	return do(desk, catalogue)
}

func newAdjustListCommand() *cobra.Command {
	var file, output, state string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List adjustments, who asked for them and who approved",
		Example: "  ristourne adjust list --config ristourne.yaml --state waiting",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s := adjust.State(state); s != "" && s != adjust.Waiting && s != adjust.Posted && s != adjust.Rejected {
				return usageError{fmt.Errorf("--state %q: write waiting, posted or rejected", state)}
			}
			return listAdjustments(cmd.Context(), cmd.OutOrStdout(), file, adjust.State(state), output)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&state, "state", "", "those of this state: waiting, posted, rejected")
	outputFlag(cmd, &output)
	return cmd
}

func listAdjustments(ctx context.Context, stdout io.Writer, file string, state adjust.State, output string) error {
	ledger, err := ledgerOf(ctx, file)
	if err != nil {
		return err
	}
	defer ledger.Close()
	all, err := (&adjust.Desk{Ledger: ledger}).List(ctx)
	if err != nil {
		return err
	}
	table, listed := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0), 0
	if output == "text" {
		fmt.Fprintln(table, "ASKED\tADJUSTMENT\tACCOUNT\tPROGRAMME\tAMOUNT\tBY\tSTATE\tDECIDED BY\tREASON")
	}
	for i := range all {
		a := &all[i]
		if state != "" && a.State != state {
			continue
		}
		listed++
		if output == "json" {
			if err := json.NewEncoder(stdout).Encode(adjustmentOf(a)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Asked.Time().Format(time.RFC3339), a.ID, orDash(printable(a.AccountID)), a.Programme,
			money.FormatMinor(a.AmountMinor, a.Currency), printable(a.By), a.State, orDash(printable(a.DecidedBy)), printable(a.Reason))
	}
	if output == "json" {
		return nil
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, offer.Counted(listed, "adjustment"))
	return err
}

func newAdjustApproveCommand() *cobra.Command {
	var file, output, by string
	cmd := &cobra.Command{
		Use:     "approve ID --by WHO",
		Short:   "Approve an adjustment that waits, which posts it",
		Long:    "Approve an adjustment that waits, which posts it. Who approves must be another than who asked for it.",
		Example: "  ristourne adjust approve AD-GJ4XK2YBB7VQ6Q3ZPWFXN3MBYI --config ristourne.yaml --by bob",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := needFactTexts(by, "approved"); err != nil {
				return usageError{err}
			}
			return withDesk(cmd.Context(), file, func(desk *adjust.Desk, _ *engine.Snapshot) error {
				a, err := desk.Approve(cmd.Context(), given[0], by)
				if err != nil {
					return err
				}
				return printAdjustment(cmd.OutOrStdout(), a, "", output)
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&by, "by", "", "who approves it, for the audit trail and the ledger")
	outputFlag(cmd, &output)
	return cmd
}

func newAdjustRejectCommand() *cobra.Command {
	var file, output, by, reason string
	cmd := &cobra.Command{
		Use:     "reject ID --by WHO --reason WHY",
		Short:   "End an adjustment that waits, which posts nothing",
		Example: `  ristourne adjust reject AD-GJ4XK2YBB7VQ6Q3ZPWFXN3MBYI --config ristourne.yaml --by bob --reason "the shop has paid"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := needByAndReason(by, reason); err != nil {
				return usageError{err}
			}
			return withDesk(cmd.Context(), file, func(desk *adjust.Desk, _ *engine.Snapshot) error {
				a, err := desk.Reject(cmd.Context(), given[0], by, reason)
				if err != nil {
					return err
				}
				return printAdjustment(cmd.OutOrStdout(), a, "", output)
			})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&by, "by", "", "who rejects it, for the audit trail")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	outputFlag(cmd, &output)
	return cmd
}

type adjustmentJSON struct {
	AdjustmentID string `json:"adjustment_id"` // the fact's id
	AccountID    string `json:"account_id"`    // empty: erased
	AccountRef   string `json:"account_ref"`
	Programme    string `json:"programme"`
	AmountMinor  int64  `json:"amount_minor"`
	Currency     string `json:"currency"`
	Reason       string `json:"reason"`
	By           string `json:"by"`
	AskedAt      string `json:"asked_at"`
	State        string `json:"state"`
	DecidedBy    string `json:"decided_by,omitempty"`
	DecidedAt    string `json:"decided_at,omitempty"`
}

func adjustmentOf(a *adjust.Adjustment) adjustmentJSON {
	told := adjustmentJSON{
		AdjustmentID: a.ID, AccountID: a.AccountID, AccountRef: uuid.UUID(a.Ref).String(), Programme: a.Programme, AmountMinor: a.AmountMinor,
		Currency: a.Currency.String(), Reason: a.Reason, By: a.By, AskedAt: a.Asked.String(), State: string(a.State), DecidedBy: a.DecidedBy,
	}
	if a.State != adjust.Waiting {
		told.DecidedAt = a.At.String()
	}
	return told
}

func printAdjustment(w io.Writer, a *adjust.Adjustment, said, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(adjustmentOf(a))
	}
	what := fmt.Sprintf("adjustment %s of %s for account %s", a.ID, money.FormatMinor(a.AmountMinor, a.Currency), printable(a.AccountID))
	switch a.State {
	case adjust.Waiting:
		what += fmt.Sprintf(" waits for a second person: ristourne adjust approve %s --by ...", a.ID)
	case adjust.Rejected:
		what += " is rejected by " + printable(a.DecidedBy)
	default:
		what += " is posted, approved by " + printable(a.DecidedBy)
	}
	_, err := fmt.Fprintln(w, what+said)
	return err
}

var _ adjust.Ledger = (*clickhouse.Ledger)(nil)
