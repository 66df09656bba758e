package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"ristourne/processor/invoice"
	"ristourne/processor/invoice/render"
	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

type exportOptions struct {
	config, programme, out, language string
	formats                          []string
}

func newInvoicesExportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export NUMBER|MONTH --format FORMAT --out DIR",
		Short: "Print invoices into files: html, pdf, csv, xml",
		Long: `Print an invoice, or all that were closed with a month, into files. They are printed of
what is stored: the same invoice gives the same bytes each time.

  html, pdf  for people, in the partner's language or that of --language
  csv        for programs; of a month all its documents in one file
  xml        EN 16931, Cross Industry Invoice: for e-invoicing platforms

A file appears whole or not at all; one that is there is replaced.`,
		Example: `  ristourne invoices export 2026-02 --config ristourne.yaml --format pdf,xml --out invoices
  ristourne invoices export CL-2026-00001 --config ristourne.yaml --format html --language fr --out .`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			filter := clickhouse.InvoiceFilter{Number: given[0], Programme: o.programme}
			if month, err := invoice.ParseMonth(given[0]); err == nil {
				filter = clickhouse.InvoiceFilter{ClosedIn: month.String(), Programme: o.programme}
			}
			rows, err := storedInvoices(cmd.Context(), o.config, filter)
			switch {
			case err != nil:
				return err
			case len(rows) == 0:
				return fmt.Errorf("nothing was billed as %q: name a month that is closed and has invoices, or a number (see `ristourne invoices list`)", given[0])
			}
			written, err := o.export(rows, filter.ClosedIn)
			for _, name := range written {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s of %s\n", offer.Counted(len(written), "file"), offer.Counted(len(rows), "document"))
			return err
		},
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringSliceVar(&o.formats, "format", nil, "one or more of "+strings.Join(render.Formats, ", ")+" (needed)")
	flags.StringVar(&o.out, "out", "", "folder to write into; it is made where it is missing (needed)")
	flags.StringVar(&o.programme, "programme", "", "of a month: those of a programme")
	languageFlag(cmd, &o.language)
	return cmd
}

func (o *exportOptions) check() error {
	switch {
	case len(o.formats) == 0:
		return fmt.Errorf("say with --format what to write: one or more of %s", strings.Join(render.Formats, ", "))
	case o.out == "":
		return fmt.Errorf("say with --out into which folder")
	}
	for _, format := range o.formats {
		if !slices.Contains(render.Formats, format) {
			return fmt.Errorf("--format %q: write one or more of %s", format, strings.Join(render.Formats, ", "))
		}
	}
	return checkLanguage(o.language)
}

func checkLanguage(language string) error {
	if language != "" && !slices.Contains(render.Languages, language) {
		return fmt.Errorf("--language %q: %s", language, strings.Join(render.Languages, " or "))
	}
	return nil
}

// export writes each document in each format, and says which files it has written.
func (o *exportOptions) export(rows []rules.InvoiceRow, month string) (written []string, err error) {
	documents := make([]*invoice.Document, len(rows))
	for i := range rows {
		if documents[i], err = invoice.Read(&rows[i]); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, err
	}
	write := func(name string, printed []byte) error {
		name = filepath.Join(o.out, name)
		if err := renameio.WriteFile(name, printed, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		written = append(written, name)
		return nil
	}
	for _, format := range o.formats {
		if format == "csv" && month != "" {
			printed, err := render.Table(documents)
			if err == nil {
				err = write(cmp.Or(o.programme, "invoices")+"-"+month+".csv", printed)
			}
			if err != nil {
				return written, err
			}
			continue
		}
		for _, d := range documents {
			printed, err := render.Document(d, format, o.language)
			if err == nil {
				err = write(d.Number+"."+format, printed)
			}
			if err != nil {
				return written, err
			}
		}
	}
	return written, nil
}
