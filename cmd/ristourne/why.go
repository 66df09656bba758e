package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
	"ristourne/processor/catalog"
	"ristourne/processor/catalog/published"
	"ristourne/processor/replay"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

type whyOptions struct {
	config, account, output string
}

func newWhyCommand() *cobra.Command {
	var o whyOptions
	cmd := &cobra.Command{
		Use:   "why [TRANSACTION]",
		Short: "Tell what was seen of a purchase and why it earned what it earned, or nothing",
		Long: `Tell what was seen of a purchase, step by step why it earned what it earned or
nothing, what is booked of it, and which credit instructions that made.

The account's events and facts are read from ClickHouse and worked out anew by
the catalogue in Redis. With --account and no transaction, all purchases of the
account are told.`,
		Example: `  ristourne why txn-4711 --config ristourne.yaml
  ristourne why --account acc-17 --config ristourne.yaml --output json`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 0 && o.account == "" {
				return usageError{errors.New("name a transaction, or an account with --account")}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			return tellWhy(cmd.Context(), cmd.OutOrStdout(), c, o, given)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.account, "account", "", "account whose purchase it is, where several have the transaction id")
	outputFlag(cmd, &o.output)
	return cmd
}

// warnings is the log of a command that is there for its output: it says what
// the command waits for.
func warnings(cmd *cobra.Command) *slog.Logger {
	return newLogger(cmd.ErrOrStderr(), config.Log{Level: "warn", Format: "text"})
}

func tellWhy(ctx context.Context, stdout io.Writer, c *config.Config, o whyOptions, given []string) error {
	snapshot, err := catalogueNow(ctx, c)
	if err != nil {
		return err
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	accountIDs := []string{o.account}
	if o.account == "" {
		if accountIDs, err = accountsOf(ctx, ledger, given[0]); err != nil {
			return err
		}
	}
	for _, accountID := range accountIDs {
		told, err := explainAccount(ctx, ledger, snapshot, accountID, given)
		if err != nil {
			return err
		}
		for _, x := range told {
			if err := printExplained(stdout, x, o.output); err != nil {
				return err
			}
		}
	}
	return nil
}

// ledgerOf is lookIntoLedger of the configuration in a file, for who needs no more of it.
func ledgerOf(ctx context.Context, file string) (*clickhouse.Ledger, error) {
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	return lookIntoLedger(ctx, c)
}

// lookIntoLedger opens ClickHouse for reading: it neither makes tables nor waits
// until there are any.
func lookIntoLedger(ctx context.Context, c *config.Config) (*clickhouse.Ledger, error) {
	o, err := c.ClickHouse.Options()
	if err != nil {
		return nil, err
	}
	ledger, err := clickhouse.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, config.LookTimeout)
	defer cancel()
	if err := ledger.Ping(asking); err != nil {
		return nil, errors.Join(err, ledger.Close())
	}
	if err := checkInstallation(asking, c, ledger); err != nil {
		return nil, errors.Join(err, ledger.Close())
	}
	return ledger, nil
}

// checkInstallation refuses to tell of one bank's ledger by another's catalogue.
func checkInstallation(ctx context.Context, c *config.Config, ledger *clickhouse.Ledger) error {
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return err
	}
	defer closeStore()
	return processor.CheckInstallation(ctx, store, ledger, []byte(c.Privacy.AccountRefKey.Reveal()))
}

// catalogueNow is the newest catalogue in Redis, compiled.
func catalogueNow(ctx context.Context, c *config.Config) (*engine.Snapshot, error) {
	loaded, err := publishedNow(ctx, c)
	if err != nil {
		return nil, err
	}
	return loaded.Snapshot, nil
}

// publishedNow is the newest catalogue in Redis, with what was agreed in it.
func publishedNow(ctx context.Context, c *config.Config) (*catalog.Loaded, error) {
	client, err := c.Redis.Connect()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, config.LookTimeout)
	defer cancel()
	loaded, _, err := published.Read(ctx, client, c.Redis.Prefix)
	if err != nil {
		return nil, fmt.Errorf("look up the catalogue in Redis at %v: %w", c.Redis.Addresses, explainEmpty(err))
	}
	return loaded, nil
}

func accountsOf(ctx context.Context, ledger *clickhouse.Ledger, transactionID string) ([]string, error) {
	trace, err := ledger.Transaction(ctx, transactionID)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, row := range trace.Accounts {
		if row.AccountID != "" && !slices.Contains(ids, row.AccountID) {
			ids = append(ids, row.AccountID)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("nothing of transaction %q was kept: its events were declined, of no member, at no partner, too late, or dead letters (see `ristourne deadletters list`)", transactionID)
	}
	return ids, nil
}

// explainAccount works an account out anew from the ledger and explains the given
// transactions; all of the account where none is given.
func explainAccount(ctx context.Context, ledger *clickhouse.Ledger, snapshot *engine.Snapshot, accountID string, transactions []string) ([]replay.Purchase, error) {
	trace, err := ledger.Account(ctx, accountID)
	if err != nil {
		return nil, err
	}
	if trace.Truncated {
		return nil, fmt.Errorf("account %q has more events than can be told: ask ClickHouse", accountID)
	}
	return replay.Explain(snapshot, accountID, &replay.History{
		Set: trace.Set, Grants: trace.Grants, Accruals: trace.Accruals, Instructions: trace.Instructions,
	}, transactions)
}

func printExplained(w io.Writer, x replay.Purchase, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(x)
	}
	fmt.Fprintln(w, x.Text())
	if err := printLines(w, &x); err != nil {
		return err
	}
	for _, i := range x.Instructions {
		c, _ := money.ParseCurrency(i.Currency) // of an instruction: known
		fmt.Fprintf(w, "Instructed: %s %s by %s (%s)\n", i.Direction, money.FormatMinor(i.AmountMinor, c), i.CauseID, i.InstructionID)
	}
	fmt.Fprintln(w)
	return nil
}

// printLines tells of each booked line, in order: what became of the purchase
// with each record.
func printLines(w io.Writer, x *replay.Purchase) error {
	if len(x.Lines) == 0 {
		return nil
	}
	fmt.Fprintln(w, "Booked, in order:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range x.Lines {
		gives := "reward " + offer.FormatUnits(l.RewardMinor, l.Unit, x.DecimalsOf(l.Unit))
		switch {
		case l.Role == rules.RolePartner.String():
			gives = "commission " + inUnit(l.CommissionMinor, l.Currency)
		case l.Kind != rules.Cash.String():
			gives += ", cost " + inUnit(l.CostMinor, l.Currency)
		}
		if len(l.CampaignIDs) > 0 {
			gives += ", with campaign " + strings.Join(l.CampaignIDs, " and ")
		}
		if l.Role == rules.RoleSponsor.String() {
			gives += ", to sponsor " + orDash(l.BeneficiaryID)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\tby %s\t%v\n", l.Stage, l.Role, l.Kind, orDash(l.OfferID), gives, l.CauseID, l.Reasons)
	}
	return table.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
