package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

// waiting is an instruction that a person must look at, and why.
type waiting struct {
	clickhouse.Instructed
	why string
}

// Why a person must look.
const (
	whyStuck     = "stuck"     // payments of the account stand still
	whyDuplicate = "duplicate" // the bank says that it saw the id before (AM05)
	whySilent    = "silent"    // the bank has said nothing
)

// listStuck lists what waits for a person: payments that stand still, instructions
// that the bank saw before, and those that it has said nothing of for some days.
func listStuck(ctx context.Context, stdout io.Writer, o *instructionsOptions) error {
	c, err := config.Load(o.config)
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
	found, err := stuckPayments(ctx, c, catalogue, ledger, o.filter)
	if err != nil {
		return err
	}
	for _, more := range []struct {
		why    string
		filter clickhouse.InstructionFilter
	}{
		{whyDuplicate, clickhouse.InstructionFilter{Status: rules.Rejected.String(), Reason: rules.ReasonDuplicate}},
		{whySilent, clickhouse.InstructionFilter{Status: "none", CreatedBefore: time.Now().AddDate(0, 0, -o.silentDays)}},
	} {
		f := more.filter
		f.AccountID, f.Programme, f.Cycle, f.Limit = o.filter.AccountID, o.filter.Programme, o.filter.Cycle, o.filter.Limit
		listed, err := ledger.Instructed(ctx, f)
		if err != nil {
			return err
		}
		for i := range listed {
			if !listed[i].IsShadow() { // nobody has a word on what never left the house
				found = append(found, waiting{listed[i], more.why})
			}
		}
	}
	if o.output == "json" {
		return printWaitingJSON(stdout, found)
	}
	return printWaiting(stdout, found)
}

// stuckPayments asks the states of all accounts that ever had a rejection: they alone
// know what is stuck, as they pay by it.
func stuckPayments(ctx context.Context, c *config.Config, catalogue *engine.Snapshot, ledger *clickhouse.Ledger, only clickhouse.InstructionFilter) (found []waiting, err error) {
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return nil, err
	}
	defer closeStore()
	shards, err := store.Shards(ctx)
	if err != nil {
		return nil, err
	}
	layout, now := feed.NewLayout(shards), rules.InstantOf(time.Now())
	account := engine.NewAccount("")
	err = ledger.EachRejected(ctx, func(accountID string) error {
		if only.AccountID != "" && only.AccountID != accountID {
			return nil
		}
		state, _, ok, err := store.State(ctx, layout.Shard([]byte(accountID)), accountID)
		if err != nil || !ok {
			return err
		}
		account.Reset(accountID)
		if err := account.UnmarshalBinary(state); err != nil {
			return fmt.Errorf("read the state of an account: %w", err)
		}
		stuck, err := account.Stuck(catalogue, now)
		if err != nil {
			return err
		}
		for i := range stuck {
			if only.Programme != "" && only.Programme != stuck[i].Programme {
				continue
			}
			listed, err := ledger.Instructed(ctx, clickhouse.InstructionFilter{AccountID: accountID, Programme: stuck[i].Programme, Limit: maxInstructions})
			if err != nil {
				return err
			}
			found = append(found, rejectedInARow(listed, &stuck[i])...)
		}
		return nil
	})
	return found, err
}

// rejectedInARow are those of an account's instructions, the newest first, that were
// rejected since the last that wasn't: they made its payments stuck.
func rejectedInARow(listed []clickhouse.Instructed, stuck *engine.StuckPayments) (found []waiting) {
	for i := range listed {
		f := &listed[i]
		switch {
		case f.Currency != stuck.Currency || f.Direction != stuck.Direction || f.IsShadow() || f.Said.Status == 0:
		case f.Said.Status != rules.Rejected || f.Said.Reason == rules.ReasonDuplicate:
			return found
		default:
			found = append(found, waiting{*f, whyStuck})
		}
	}
	return found
}

func printWaiting(w io.Writer, found []waiting) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHY\tCREATED\tINSTRUCTION\tACCOUNT\tPROGRAMME\tDIRECTION\tAMOUNT\tSTATUS\tREASON\tSINCE")
	for i := range found {
		f := &found[i]
		status, since := statusOf(&f.Instructed)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.why, time.UnixMilli(f.CreatedAt).UTC().Format(time.RFC3339), f.ID,
			orDash(printable(f.AccountID)), f.Programme, f.Direction, money.FormatMinor(f.AmountMinor, f.Currency), status, orDash(printable(f.Said.Reason)), since)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s for a person to look at\n", offer.Counted(len(found), "instruction"))
	return err
}

func printWaitingJSON(w io.Writer, found []waiting) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for i := range found {
		if err := encoder.Encode(struct {
			Why string `json:"why"`
			instructedJSON
		}{found[i].why, toldOf(&found[i].Instructed)}); err != nil {
			return err
		}
	}
	return nil
}

const releaseAction = "release"

type releaseOptions struct{ config, output, programme, by, reason string }

func newInstructionsReleaseCommand() *cobra.Command {
	var o releaseOptions
	cmd := &cobra.Command{
		Use:   "release ACCOUNT --by WHO --reason WHY",
		Short: "Let payments of an account go on that are stuck",
		Long: `Let payments of an account go on that are stuck: post a payout_released fact.
Rejections of before no longer count; what is due is paid with the next cycle, or
now where the programme pays at once. See to the cause first: the account's way of
payment (fact payout_method), or what the bank says. Releasing twice, or what isn't
stuck, does no harm.`,
		Example: `  ristourne instructions release acc-17 --config ristourne.yaml --by ada --reason "new IBAN, ticket 4711"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := needByAndReason(o.by, o.reason); err != nil {
				return usageError{err}
			}
			return releasePayments(cmd.Context(), cmd.OutOrStdout(), &o, given[0])
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.programme, "programme", "", "programme that pays; may be left out where there is one")
	flags.StringVar(&o.by, "by", "", "who releases them, for the audit trail")
	flags.StringVar(&o.reason, "reason", "", "why, for the audit trail")
	outputFlag(cmd, &o.output)
	return cmd
}

func releasePayments(ctx context.Context, stdout io.Writer, o *releaseOptions, accountID string) (err error) {
	c, err := config.Load(o.config)
	if err != nil {
		return err
	}
	catalogue, err := catalogueNow(ctx, c)
	if err != nil {
		return err
	}
	programme, err := soleProgramme(catalogue, o.programme)
	if err != nil {
		return err
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	row, known, err := ledger.AccountOf(ctx, accountID)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("account %q: the ledger knows no such account", accountID)
	}
	now := time.Now()
	fact := rules.ReleaseOf(programme, accountID, rules.InstantOf(now))
	if err := takenFact(catalogue)(&fact); err != nil {
		return err
	}
	writer, closeFacts, err := openFacts(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFacts()) }()
	details, err := json.Marshal(map[string]string{"account_ref": uuid.UUID(row.Ref).String(), "programme": programme, "fact_id": fact.ID})
	if err != nil {
		return err
	}
	if err := ledger.RecordAction(ctx, &rules.OperatorAction{At: now.UnixMilli(), Action: releaseAction, By: o.by, Reason: o.reason, Details: string(details)}); err != nil {
		return err
	}
	if err := writer.Post(ctx, []rules.Fact{fact}); err != nil {
		return fmt.Errorf("%w; say it again: releasing twice does no harm", err)
	}
	if o.output == "json" {
		return json.NewEncoder(stdout).Encode(map[string]string{"fact_id": fact.ID, "account_id": accountID, "programme": programme, "at": fact.At.String()})
	}
	_, err = fmt.Fprintf(stdout, "payments of account %s in programme %s are released: rejections before %s no longer count\n",
		printable(accountID), programme, now.UTC().Format(time.RFC3339))
	return err
}
