package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ristourne/cmd/internal/config"
	"ristourne/processor/invoice"
	"ristourne/processor/invoice/render"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

func newInvoicesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "invoices",
		Short: "Bill partners: close a month, and look at, or print, what was billed",
		Long: `Bill partners by the month: what was booked in it, by the programme's clock. A
month that is closed never changes. What is booked of it later, because records or
their timestamps came late, is billed with the next one, by a document that names the
month and its invoice.`,
	}
	cmd.AddCommand(newInvoicesCloseCommand(), newInvoicesListCommand(), newInvoicesShowCommand(), newInvoicesExportCommand())
	return cmd
}

type closeOptions struct {
	config, output string
	order          invoice.Order
	incomplete     bool
}

func newInvoicesCloseCommand() *cobra.Command {
	var o closeOptions
	cmd := &cobra.Command{
		Use:   "close MONTH --by WHO --reason WHY",
		Short: "Close a month: make its invoices, once and for good",
		Long: `Close a booking month of a programme: make an invoice for each partner that owes
something, or a credit note where it comes to less than nothing, and a document for each
closed month of which something else is booked by now than was billed. Numbers have no
gap: they are given here, once.

Closing again, at the same time or after a crash, changes nothing. A month is refused
that is not over, of which Kafka still holds records that aren't booked, or before which
something was booked that was never billed, unless you say that you mean it; and one that
comes after one that isn't closed. Who asked for it, when and
why is kept with the closing, and in the view operator_actions.`,
		Example: `  ristourne invoices close 2026-02 --config ristourne.yaml --by ada --reason "monthly run"
  ristourne invoices close 2026-02 --config ristourne.yaml --dry-run`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := o.check(given[0]); err != nil {
				return usageError{err}
			}
			c, err := config.Load(o.config)
			if err != nil {
				return err
			}
			return closeMonth(cmd, c, &o)
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.order.Programme, "programme", "", "programme whose month it is; may be left out where there is one")
	flags.StringVar(&o.order.Partner, "partner", "", "close it for this partner alone")
	flags.StringVar(&o.order.By, "by", "", "who asks for it, for the audit trail")
	flags.StringVar(&o.order.Reason, "reason", "", "why, for the audit trail")
	flags.BoolVar(&o.order.First, "first", false, "begin with this month: what was booked before it was billed elsewhere")
	flags.BoolVar(&o.order.Early, "early", false, "close it though it isn't over: what is booked of it from now on is a correction")
	flags.BoolVar(&o.incomplete, "incomplete", false, "close it though records of it aren't booked yet: they will be corrections")
	flags.BoolVar(&o.order.Dry, "dry-run", false, "tell what it would bill, and store nothing")
	outputFlag(cmd, &o.output)
	return cmd
}

func (o *closeOptions) check(month string) (err error) {
	if o.order.Month, err = invoice.ParseMonth(month); err != nil || o.order.Dry {
		return err
	}
	return needByAndReason(o.order.By, o.order.Reason)
}

func closeMonth(cmd *cobra.Command, c *config.Config, o *closeOptions) error {
	ctx := cmd.Context()
	published, err := publishedNow(ctx, c)
	if err != nil {
		return err
	}
	if o.order.Programme, err = programmeNamed(published.Catalogue, o.order.Programme); err != nil {
		return usageError{err}
	}
	ledger, err := lookIntoLedger(ctx, c)
	if err != nil {
		return err
	}
	defer ledger.Close()
	closer := invoice.Closer{Ledger: ledger, Catalogue: published.Catalogue, Now: time.Now, Whole: func(ctx context.Context, until int64) error {
		return bookedUntil(ctx, c, ledger, until, o.incomplete, warnings(cmd))
	}}
	closed, err := closer.Close(ctx, o.order)
	if err != nil {
		return err
	}
	return printClosed(cmd.OutOrStdout(), o, &closed)
}

// programmeNamed is the id of the programme, or of the only one.
func programmeNamed(catalogue *offer.Catalogue, id string) (string, error) {
	var ids []string
	for i := range catalogue.Programmes {
		if p := catalogue.Programmes[i].ID; len(ids) == 0 || ids[len(ids)-1] != p {
			ids = append(ids, p)
		}
	}
	switch {
	case id == "" && len(ids) == 1:
		return ids[0], nil
	case id == "":
		return "", fmt.Errorf("name the programme with --programme: the catalogue has %s", strings.Join(ids, ", "))
	}
	return id, nil
}

// invoiceJSON is a document as --output json lists it. Amounts are what the partner owes:
// of a credit note under 0.
type invoiceJSON struct {
	Number          string `json:"number"`
	Type            uint16 `json:"type"`
	IssuedOn        string `json:"issued_on"`
	Programme       string `json:"programme"`
	Partner         string `json:"partner"`
	Month           string `json:"month"`
	ClosedIn        string `json:"closed_in"`
	Corrects        string `json:"corrects,omitempty"`
	Currency        string `json:"currency"`
	CommissionMinor int64  `json:"commission_minor"`
	NetMinor        int64  `json:"net_minor"`
	VATMinor        int64  `json:"vat_minor"`
	GrossMinor      int64  `json:"gross_minor"`
}

func invoicesJSON(rows []rules.InvoiceRow) []invoiceJSON {
	told := make([]invoiceJSON, len(rows))
	for i := range rows {
		r := &rows[i]
		told[i] = invoiceJSON{
			r.Number, r.Type, r.IssuedOn, r.Programme, r.PartnerID, r.Month, r.ClosedIn, r.Corrects,
			r.Currency.String(), r.CommissionMinor, r.NetMinor, r.VATMinor, r.GrossMinor,
		}
	}
	return told
}

type closedJSON struct {
	Programme string        `json:"programme"`
	Month     string        `json:"month"`
	Again     bool          `json:"again"`
	DryRun    bool          `json:"dry_run"`
	Invoices  []invoiceJSON `json:"invoices"`
}

func printClosed(w io.Writer, o *closeOptions, closed *invoice.Closed) error {
	if o.output == "json" {
		return json.NewEncoder(w).Encode(closedJSON{o.order.Programme, o.order.Month.String(), closed.Again, o.order.Dry, invoicesJSON(closed.Invoices)})
	}
	said := "closed"
	switch {
	case closed.Again:
		at := time.UnixMilli(closed.Closing.ClosedAt).UTC().Format(time.RFC3339)
		_, err := fmt.Fprintf(w, "%s of programme %s was closed at %s by %s: nothing changes (ristourne invoices list --month %s)\n",
			o.order.Month, o.order.Programme, at, printable(closed.Closing.By), o.order.Month)
		return err
	case o.order.Dry:
		said = "would close"
	}
	documents := offer.Counted(len(closed.Invoices), "document")
	if _, err := fmt.Fprintf(w, "%s %s of programme %s: %s\n", said, o.order.Month, o.order.Programme, documents); err != nil || len(closed.Invoices) == 0 {
		return err
	}
	return printInvoices(w, closed.Invoices)
}

// typeNames are the types of documents in tables.
var typeNames = map[uint16]string{invoice.Invoice: "invoice", invoice.CreditNote: "credit note"}

func printInvoices(w io.Writer, rows []rules.InvoiceRow) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tISSUED\tTYPE\tPARTNER\tMONTH\tNET\tVAT\tTOTAL\tCORRECTS")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Number, r.IssuedOn, typeNames[r.Type], r.PartnerID, r.Month,
			money.FormatMinor(r.NetMinor, r.Currency), money.FormatMinor(r.VATMinor, r.Currency), money.FormatMinor(r.GrossMinor, r.Currency), orDash(r.Corrects))
	}
	return table.Flush()
}

type listInvoicesOptions struct {
	config, output string
	filter         clickhouse.InvoiceFilter
}

const maxInvoices = 100_000 // of one list

func newInvoicesListCommand() *cobra.Command {
	o := listInvoicesOptions{filter: clickhouse.InvoiceFilter{Bare: true}}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List invoices and credit notes",
		Long: `List invoices and credit notes in the order of their closing. Amounts are what the
partner owes: those of a credit note are under 0.`,
		Example: `  ristourne invoices list --config ristourne.yaml --month 2026-02
  ristourne invoices list --config ristourne.yaml --partner cafe-du-coin --output json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.filter.Limit < 1 || o.filter.Limit > maxInvoices {
				return usageError{fmt.Errorf("--limit %d: 1 to %d", o.filter.Limit, maxInvoices)}
			}
			rows, err := storedInvoices(cmd.Context(), o.config, o.filter)
			switch {
			case err != nil:
				return err
			case o.output == "json":
				encoder := json.NewEncoder(cmd.OutOrStdout())
				for _, told := range invoicesJSON(rows) {
					if err := encoder.Encode(told); err != nil {
						return err
					}
				}
				return nil
			}
			if err := printInvoices(cmd.OutOrStdout(), rows); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), offer.Counted(len(rows), "document"))
			return err
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.filter.Programme, "programme", "", "those of a programme")
	flags.StringVar(&o.filter.PartnerID, "partner", "", "those of a partner")
	flags.StringVar(&o.filter.ClosedIn, "month", "", "those that were closed with a month, such as 2026-02")
	flags.IntVar(&o.filter.Limit, "limit", 1000, fmt.Sprintf("so many of the newest, 1 to %d", maxInvoices))
	outputFlag(cmd, &o.output)
	return cmd
}

func storedInvoices(ctx context.Context, file string, f clickhouse.InvoiceFilter) ([]rules.InvoiceRow, error) {
	ledger, err := ledgerOf(ctx, file)
	if err != nil {
		return nil, err
	}
	rows, err := ledger.Invoices(ctx, f)
	return rows, errors.Join(err, ledger.Close())
}

func newInvoicesShowCommand() *cobra.Command {
	var file, language, output string
	cmd := &cobra.Command{
		Use:     "show NUMBER",
		Short:   "Show one invoice or credit note",
		Example: "  ristourne invoices show CL-2026-00001 --config ristourne.yaml --language en",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := checkLanguage(language); err != nil {
				return usageError{err}
			}
			rows, err := storedInvoices(cmd.Context(), file, clickhouse.InvoiceFilter{Number: given[0], Limit: 1})
			switch {
			case err != nil:
				return err
			case len(rows) == 0:
				return fmt.Errorf("no invoice has the number %q: `ristourne invoices list` has those that there are", given[0])
			case output == "json":
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", rows[0].Document)
				return err
			}
			document, err := invoice.Read(&rows[0])
			if err != nil {
				return err
			}
			text, err := render.Text(document, language)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	configFlag(cmd, &file)
	languageFlag(cmd, &language)
	outputFlag(cmd, &output)
	return cmd
}

func languageFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "language", "", "of what people read: "+strings.Join(render.Languages, " or ")+"; the partner's where none is given")
}
