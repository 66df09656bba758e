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

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/credits"
)

type repairOptions struct {
	config, output  string
	shard           int32
	approve, mayPay bool
	acceptHoles     bool
	by, reason      string
}

func newRepairCommand() *cobra.Command {
	var o repairOptions
	cmd := &cobra.Command{
		Use:   "repair --config FILE --approve --by NAME --reason TEXT",
		Short: "Book what recomputing accounts from their events changes",
		Long: `Book the difference between what accounts deserve by their events and what is
booked of them: after rows of ClickHouse were lost, or where a mended engine comes
to other sums. Without --approve it lists the differences, as rebuild --dry-run
does, and changes nothing.

With --approve each shard is rebuilt first and then repaired. Credit instructions
that ClickHouse has lost are looked for in the topic of instructions and put back:
their money is not due again. A repair that would instruct the bank after that
stops, lists whom with which sum, and books nothing at all, unless --pay-repairs is
given.

A ledger that has lost what was booked into it is refused, with every hole named.
Where the rows are gone for good, --accept-holes goes on from what is left, and
takes that for whole afterwards; without a hole it changes nothing.

What is booked has the reason "repaired" and ids that hold the repair's
number. Who asked for it, when and why is kept in ClickHouse, view operator_actions.`,
		Example: `  ristourne repair --config ristourne.yaml --shard 3
  ristourne repair --config ristourne.yaml --shard 3 --approve --by ada --reason "accruals_log was cut by month, ticket 4711"`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			if !o.approve {
				err := compareShards(cmd.Context(), cmd.OutOrStdout(), c, rebuildOptions{output: o.output, shard: o.shard}, warnings(cmd))
				if errors.Is(err, errReported) {
					fmt.Fprintln(cmd.ErrOrStderr(), "nothing is booked: book it with --approve, --by and --reason")
				}
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), c.Log)
			logRedis(log)
			return repairShards(cmd.Context(), cmd.OutOrStdout(), c, o, log)
		},
	}
	configFlag(cmd, &o.config)
	cmd.Flags().Int32Var(&o.shard, "shard", everyShard, "partition number; all of them, if it is left out")
	cmd.Flags().BoolVar(&o.approve, "approve", false, "book the differences")
	cmd.Flags().BoolVar(&o.mayPay, "pay-repairs", false, "tell the bank what the repair makes due, too")
	cmd.Flags().BoolVar(&o.acceptHoles, "accept-holes", false, "go on though ClickHouse has lost rows that can't be restored")
	cmd.Flags().StringVar(&o.by, "by", "", "who approves it, for the audit trail")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the audit trail")
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *repairOptions) check() error {
	if o.approve {
		return needByAndReason(o.by, o.reason)
	}
	if o.mayPay || o.acceptHoles || o.by != "" || o.reason != "" {
		return errors.New("--pay-repairs, --accept-holes, --by and --reason go with --approve")
	}
	return nil
}

// maxAuditText bounds what a person writes into the audit trail.
const maxAuditText = 1000

// needByAndReason refuses what would leave the audit trail without a name or a
// reason.
func needByAndReason(by, reason string) error {
	for _, given := range []struct{ flag, text string }{{"--by", by}, {"--reason", reason}} {
		if strings.TrimSpace(given.text) == "" {
			return fmt.Errorf("%s is needed: it is kept in the audit trail", given.flag)
		}
		if len(given.text) > maxAuditText {
			return fmt.Errorf("%s has %d bytes, over the limit of %d", given.flag, len(given.text), maxAuditText)
		}
	}
	return nil
}

func repairShards(ctx context.Context, stdout io.Writer, c *config.Config, o repairOptions, log *slog.Logger) error {
	w, err := openShards(ctx, c, o.shard, log)
	if err != nil {
		return err
	}
	defer w.close()
	repair := &processor.Repair{
		By: o.by, Reason: o.reason, MayPay: o.mayPay, AcceptHoles: o.acceptHoles,
		Published: func(ctx context.Context, each func(*rules.Instruction) error) error { return w.instructed(ctx, each) },
	}
	refused := false
	for _, shard := range w.numbers {
		s, err := w.shard(ctx, shard)
		if err != nil {
			return err
		}
		found, err := s.AcquireAndRepair(ctx, repair)
		wouldPay := errors.Is(err, processor.ErrWouldPay)
		if err != nil && !wouldPay {
			return err
		}
		refused = refused || wouldPay
		if err := printRepaired(stdout, shard, found, wouldPay, o.output == "json"); err != nil {
			return err
		}
	}
	if refused {
		return errors.New("a repair would instruct the bank, and nothing of that shard was booked: look at the list, ask the bank what it has paid, and say --pay-repairs if it is right")
	}
	return nil
}

// instructed streams what the topic of instructions holds.
func (w *openedShards) instructed(ctx context.Context, each func(*rules.Instruction) error) error {
	topic := w.config.Kafka.Topics.Instructions
	if err := w.config.Kafka.Look(ctx, topic); err != nil {
		return err
	}
	return feed.ReadTopic(ctx, w.feed, topic, func(partition int32, r feed.Record) error {
		i, err := credits.Decode(r.Value)
		if err != nil {
			w.log.Warn("a record in the topic is no instruction", "topic", topic, "partition", partition, "offset", r.Offset, "error", err)
			return nil
		}
		return each(&i)
	})
}

// repairedJSON is what became of one shard, in --output json.
type repairedJSON struct {
	Shard    int32         `json:"shard"`
	Number   int64         `json:"repair"` // 0: nothing was booked
	Accounts int           `json:"accounts"`
	Lines    int           `json:"lines"`
	Refilled int           `json:"instructions_refilled"`
	Payments []paymentJSON `json:"payments"`
	Holes    []rules.Hole  `json:"holes_accepted"`
}

func printRepaired(out io.Writer, shard int32, found *processor.Repaired, refused, asJSON bool) error {
	if refused {
		list := differenceList{out: out, asJSON: asJSON}
		for _, d := range found.Differences {
			if err := list.add(shard, d); err != nil {
				return err
			}
		}
		return list.end()
	}
	if asJSON {
		told := repairedJSON{
			Shard: shard, Number: found.Number, Accounts: len(found.Differences), Lines: found.Lines, Refilled: found.Refilled,
			Payments: paymentsJSON(found.Payments), Holes: append([]rules.Hole{}, found.Holes...),
		}
		return json.NewEncoder(out).Encode(told)
	}
	for i := range found.Holes {
		fmt.Fprintf(out, "accepted: %s\n", found.Holes[i])
	}
	if found.Refilled > 0 {
		fmt.Fprintf(out, "shard %d: %s that ClickHouse had lost %s put back from the topic of instructions\n",
			shard, offer.Counted(found.Refilled, "instruction"), wasOrWere(found.Refilled))
	}
	if found.Number == 0 {
		_, err := fmt.Fprintf(out, "shard %d: nothing to repair\n", shard)
		return err
	}
	_, err := fmt.Fprintf(out, "shard %d: repair %d has booked %s for %s%s\n",
		shard, found.Number, offer.Counted(found.Lines, "line"), offer.Counted(len(found.Differences), "account"), paymentsText(", and told the bank to ", found.Payments))
	return err
}

func wasOrWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

type sumJSON struct {
	Stage           string `json:"stage"`
	Kind            string `json:"kind"`
	Unit            string `json:"unit"`
	RewardMinor     int64  `json:"reward_minor"`
	CommissionMinor int64  `json:"commission_minor"`
	CostMinor       int64  `json:"cost_minor"`
}

type paymentJSON struct {
	Direction   string `json:"direction"`
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
}

func paymentsJSON(payments []processor.DifferencePayment) []paymentJSON {
	told := make([]paymentJSON, len(payments))
	for i, p := range payments {
		told[i] = paymentJSON{p.Direction.String(), p.AmountMinor, p.Currency.String()}
	}
	return told
}

// differenceJSON is one account of which recomputing would change something, in
// --output json: a line each.
type differenceJSON struct {
	Shard        int32         `json:"shard"`
	AccountRef   string        `json:"account_ref"`
	Lines        int           `json:"lines"`
	Sums         []sumJSON     `json:"sums"`
	Instructions []paymentJSON `json:"instructions"`
	Referrals    int           `json:"referrals"`
	AsksBudgets  bool          `json:"asks_budgets"`
}

// differenceList tells differences as they are found, and their sums at the end.
type differenceList struct {
	out    io.Writer
	asJSON bool

	accounts, lines, compared, inFlight, holes int

	payments []processor.DifferencePayment
	asked    bool
}

func (l *differenceList) add(shard int32, d *processor.Difference) error {
	l.accounts, l.lines, l.asked = l.accounts+1, l.lines+d.Lines, l.asked || d.AsksBudgets
	for _, p := range d.Instructions {
		l.pay(p)
	}
	if l.asJSON {
		told := differenceJSON{
			Shard: shard, AccountRef: uuid.UUID(d.Ref).String(), Lines: d.Lines, Sums: []sumJSON{},
			Instructions: paymentsJSON(d.Instructions), Referrals: d.Referrals, AsksBudgets: d.AsksBudgets,
		}
		for _, s := range d.Sums {
			told.Sums = append(told.Sums, sumJSON{s.Stage.String(), s.Kind.String(), s.Unit, s.RewardMinor, s.CommissionMinor, s.CostMinor})
		}
		return json.NewEncoder(l.out).Encode(told)
	}
	_, err := fmt.Fprintf(l.out, "shard %d  account %s  %s%s\n", shard, uuid.UUID(d.Ref), differenceText(d), paymentsText("  would ", d.Instructions))
	return err
}

// lost tells what a shard's ledger has lost.
func (l *differenceList) lost(holes []rules.Hole) error {
	l.holes += len(holes)
	for i := range holes {
		if l.asJSON {
			if err := json.NewEncoder(l.out).Encode(map[string]rules.Hole{"hole": holes[i]}); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(l.out, "lost: %s\n", holes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *differenceList) pay(p processor.DifferencePayment) {
	at := slices.IndexFunc(l.payments, func(o processor.DifferencePayment) bool {
		return o.Direction == p.Direction && o.Currency == p.Currency
	})
	if at < 0 {
		at = len(l.payments)
		l.payments = append(l.payments, processor.DifferencePayment{Direction: p.Direction, Currency: p.Currency})
	}
	l.payments[at].AmountMinor += p.AmountMinor
}

func differenceText(d *processor.Difference) string {
	var parts []string
	for _, s := range d.Sums {
		unit := func(minor int64) string {
			if c, ok := money.ParseCurrency(s.Unit); ok && s.Kind != rules.Points {
				return money.FormatMinor(minor, c)
			}
			return fmt.Sprintf("%d %s", minor, s.Unit)
		}
		what := []string{}
		if s.RewardMinor != 0 {
			what = append(what, "reward "+unit(s.RewardMinor))
		}
		if s.CommissionMinor != 0 {
			what = append(what, "commission "+unit(s.CommissionMinor))
		}
		if len(what) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", s.Stage, strings.Join(what, ", ")))
		}
	}
	if d.Referrals > 0 {
		parts = append(parts, offer.Counted(d.Referrals, "referral"))
	}
	if len(parts) == 0 {
		return offer.Counted(d.Lines, "line")
	}
	return fmt.Sprintf("%s: %s", offer.Counted(d.Lines, "line"), strings.Join(parts, "; "))
}

func paymentsText(before string, payments []processor.DifferencePayment) string {
	var parts []string
	for _, p := range payments {
		parts = append(parts, fmt.Sprintf("%s %s", p.Direction, money.FormatMinor(p.AmountMinor, p.Currency)))
	}
	if len(parts) == 0 {
		return ""
	}
	return before + strings.Join(parts, " and ")
}

// end tells the sums, but to a program, which can add them up.
func (l *differenceList) end() error {
	if l.asJSON {
		return nil
	}
	if l.inFlight > 0 {
		fmt.Fprintf(l.out, "%s left out: something of theirs is being booked just now\n", offer.Counted(l.inFlight, "account"))
	}
	if l.accounts == 0 {
		_, err := fmt.Fprintf(l.out, "%s compared: recomputing would change nothing\n", offer.Counted(l.compared, "account"))
		return err
	}
	if l.asked {
		fmt.Fprintln(l.out, "Budgets are asked for some of it: it comes to less where they have less.")
	}
	_, err := fmt.Fprintf(l.out, "%s: recomputing would book %s%s\n", offer.Counted(l.accounts, "account"), offer.Counted(l.lines, "line"), paymentsText(", and ", l.payments))
	return err
}
