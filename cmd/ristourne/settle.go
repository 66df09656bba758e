package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/feed"
	"ristourne/processor/settle"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

type settleOptions struct {
	config, output         string
	programme, cycle, asOf string
	by, reason             string
	dryRun                 bool
	activate               bool
	from                   string
}

func newSettleCommand() *cobra.Command {
	var o settleOptions
	cmd := &cobra.Command{
		Use:   "settle --cycle NAME --by WHO --reason WHY",
		Short: "Close a cycle of a programme: have what is due paid",
		Long: `Close a cycle of a programme: post a cycle_closed fact for each account that may
have something due. The account's shard decides by it what is paid, taken or
given up, and writes the instructions.

A month is named by the one in which it begins, such as 2026-02; a day, or the
week that begins on it, such as 2026-02-03. A cycle by hand has any name, and
--as-of says when it ends; so does one of a programme that pays at once, which
then pays or takes what is left over. A cycle that hasn't ended is refused.

Settling twice, in parallel or after a crash is one settlement: each fact's id
follows from programme, cycle and account. Who asked for it, when and why is kept in
ClickHouse, view operator_actions.

With --activate it closes nothing, and tells what to publish so that a programme that
works in the shadow of another system (pay: shadow) pays from a day on; once that is
published, it says so. The catalogue alone says who pays.`,
		Example: `  ristourne settle --config ristourne.yaml --cycle 2026-02 --by ada --reason "monthly run"
  ristourne settle --config ristourne.yaml --cycle spring --as-of 2026-03-20T00:00:00+01:00 --dry-run
  ristourne settle --config ristourne.yaml --activate --from 2026-07-01`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			if o.activate {
				return tellActivation(cmd.Context(), cmd.OutOrStdout(), c, &o)
			}
			return settleCycle(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c, o)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.cycle, "cycle", "", "name of the cycle (needed)")
	flags.StringVar(&o.asOf, "as-of", "", "when it ends, RFC 3339, where its name doesn't say it")
	flags.StringVar(&o.programme, "programme", "", "programme whose cycle it is; may be left out where there is one")
	flags.StringVar(&o.by, "by", "", "who asks for it, for the audit trail")
	flags.StringVar(&o.reason, "reason", "", "why, for the audit trail")
	flags.BoolVar(&o.activate, "activate", false, "tell what to publish so that a programme in the shadow pays")
	flags.StringVar(&o.from, "from", "", "with --activate: the day from which it is to pay, such as 2026-07-01")
	flags.BoolVar(&o.dryRun, "dry-run", false, "tell what it would pay, take and give up, and post nothing")
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *settleOptions) check() error {
	switch {
	case o.activate && o.from == "":
		return errors.New("name the day with --from, such as 2026-07-01")
	case o.activate && (o.cycle != "" || o.asOf != "" || o.dryRun):
		return errors.New("--activate closes no cycle: leave --cycle, --as-of and --dry-run out")
	case o.activate:
		return nil
	case o.from != "":
		return errors.New("--from goes with --activate; the end of a cycle is --as-of")
	}
	if o.cycle == "" {
		return errors.New("name the cycle with --cycle, such as 2026-02")
	}
	if o.dryRun {
		return nil
	}
	return needByAndReason(o.by, o.reason)
}

func settleCycle(ctx context.Context, stdout, stderr io.Writer, c *config.Config, o settleOptions) error {
	catalogue, err := catalogueNow(ctx, c)
	if err != nil {
		return err
	}
	cycle, err := o.find(catalogue, rules.InstantOf(time.Now()))
	if err != nil {
		return err
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	if o.dryRun {
		return trySettling(ctx, stdout, stderr, c, catalogue, ledger, cycle, o.output)
	}
	writer, closeFacts, err := openFacts(ctx, c)
	if err != nil {
		return err
	}
	bar := accountsBar(stderr, "settling")
	settlement := settle.Settlement{Ledger: ledger, Poster: writer, Now: time.Now, Progress: func(n int) { _ = bar.Add(n) }}
	settled, err := settlement.Close(ctx, cycle, settle.Order{By: o.by, Reason: o.reason})
	fmt.Fprintln(stderr)
	if err := errors.Join(err, closeFacts()); err != nil {
		return err
	}
	return printSettled(stdout, cycle, settled, o.output)
}

// accountsBar counts accounts, and says how many a second.
func accountsBar(stderr io.Writer, what string) *progressbar.ProgressBar {
	const unknown = -1
	// Without a spinner: it is drawn by a goroutine that nothing waits for.
	return progressbar.NewOptions(unknown, progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("accounts"), progressbar.OptionThrottle(200*time.Millisecond))
}

func (o *settleOptions) find(catalogue *engine.Snapshot, now rules.Instant) (settle.Cycle, error) {
	programme, err := soleProgramme(catalogue, o.programme)
	if err != nil {
		return settle.Cycle{}, usageError{err}
	}
	var asOf *rules.Instant
	if o.asOf != "" {
		at, err := time.Parse(time.RFC3339Nano, o.asOf)
		if err != nil {
			return settle.Cycle{}, usageError{fmt.Errorf("--as-of %q: write RFC 3339, such as 2026-03-01T00:00:00+01:00", o.asOf)}
		}
		instant := rules.InstantOf(at)
		asOf = &instant
	}
	return settle.Find(catalogue, programme, o.cycle, asOf, now)
}

// soleProgramme is the programme that is asked for, or the only one that there is.
func soleProgramme(catalogue *engine.Snapshot, asked string) (string, error) {
	ids := catalogue.Programmes()
	switch {
	case asked == "" && len(ids) == 1:
		return ids[0], nil
	case asked == "":
		return "", fmt.Errorf("name the programme with --programme: the catalogue has %s", strings.Join(ids, ", "))
	case !slices.Contains(ids, asked):
		return "", fmt.Errorf("--programme %q is not in the catalogue, which has %s", asked, strings.Join(ids, ", "))
	}
	return asked, nil
}

// trySettling tells what a settlement would do by the states of the accounts as
// they are now.
func trySettling(ctx context.Context, stdout, stderr io.Writer, c *config.Config, catalogue *engine.Snapshot, ledger *clickhouse.Ledger, cycle settle.Cycle, output string) error {
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return err
	}
	defer closeStore()
	shards, err := store.Shards(ctx)
	if err != nil {
		return err
	}
	layout, bar := feed.NewLayout(shards), accountsBar(stderr, "settling")
	trial := settle.Trial{Ledger: ledger, Snapshot: catalogue, Now: time.Now, Progress: func(n int) { _ = bar.Add(n) }}
	trial.State = func(ctx context.Context, accountID string) ([]byte, [][]byte, bool, error) {
		return store.State(ctx, layout.Shard([]byte(accountID)), accountID)
	}
	found, err := trial.Close(ctx, cycle)
	fmt.Fprintln(stderr)
	if err != nil {
		return err
	}
	return printTried(stdout, cycle, found, output)
}

type settledJSON struct {
	Programme string  `json:"programme"`
	Cycle     string  `json:"cycle"`
	AsOf      string  `json:"as_of"`
	Accounts  int     `json:"accounts"`
	Again     bool    `json:"again"`
	Seconds   float64 `json:"seconds"`
}

func printSettled(w io.Writer, cycle settle.Cycle, s settle.Settled, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(settledJSON{cycle.Programme, cycle.Name, cycle.AsOf.String(), s.Accounts, s.Again, s.Took.Seconds()})
	}
	again := ""
	if s.Again {
		again = " (it was settled before: what is posted again changes nothing)"
	}
	rate := float64(s.Accounts) / max(s.Took.Seconds(), 0.001)
	_, err := fmt.Fprintf(w, "cycle %s of programme %s, which ended at %s: posted for %s in %s, %.0f a second%s\n",
		cycle.Name, cycle.Programme, cycle.AsOf, offer.Counted(s.Accounts, "account"), s.Took.Round(time.Millisecond), rate, again)
	return err
}

type triedJSON struct {
	Programme string           `json:"programme"`
	Cycle     string           `json:"cycle"`
	AsOf      string           `json:"as_of"`
	Accounts  int              `json:"accounts"`
	Unknown   int              `json:"accounts_without_state"`
	Sums      []settle.TrySums `json:"sums"`
}

func printTried(w io.Writer, cycle settle.Cycle, t settle.Tried, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(triedJSON{cycle.Programme, cycle.Name, cycle.AsOf.String(), t.Accounts, t.Unknown, append([]settle.TrySums{}, t.Sums...)})
	}
	fmt.Fprintf(w, "cycle %s of programme %s, which ended at %s: %s looked at, nothing is posted\n",
		cycle.Name, cycle.Programme, cycle.AsOf, offer.Counted(t.Accounts, "account"))
	if t.Unknown > 0 {
		fmt.Fprintf(w, "  %s without a state in Redis: their shard must be rebuilt first\n", offer.Counted(t.Unknown, "account"))
	}
	for _, s := range t.Sums {
		currency, _ := money.ParseCurrency(s.Currency)
		fmt.Fprintf(w, "  would pay %s to %s, take %s from %s, give up %s of %s\n",
			money.FormatMinor(s.CreditMinor, currency), offer.Counted(s.Credits, "account"),
			money.FormatMinor(s.DebitMinor, currency), offer.Counted(s.Debits, "account"),
			money.FormatMinor(s.WrittenOffMinor, currency), offer.Counted(s.WrittenOff, "account"))
	}
	if len(t.Sums) == 0 {
		fmt.Fprintln(w, "  nothing would be paid, taken or given up")
	}
	return nil
}
