// Package render prints invoices and credit notes as they are stored: as HTML and PDF for
// people, CSV for programs, and as a Cross Industry Invoice of UN/CEFACT, as EN 16931 has
// it, for the platforms by which companies send them to one another.
//
// The same document gives the same bytes, whenever and wherever it is printed.
package render

import (
	"fmt"
	"slices"

	"ristourne/processor/invoice"
)

// Formats are what a document can be printed as, each a file's extension.
var Formats = []string{"html", "pdf", "csv", "xml"}

// Languages are those in which documents for people are written.
var Languages = []string{"en", "fr"}

// Document prints one in a format. language is that of HTML and PDF; empty: the
// document's own.
func Document(d *invoice.Document, format, language string) ([]byte, error) {
	if language == "" {
		language = d.Language
	}
	if !slices.Contains(Languages, language) {
		return nil, fmt.Errorf("print %s: there are no words of language %q", d.Number, language)
	}
	var printed []byte
	var err error
	switch format {
	case "html":
		printed, err = page(d, language)
	case "pdf":
		printed, err = portable(d, language)
	case "csv":
		printed, err = Table([]*invoice.Document{d})
	case "xml":
		printed, err = crossIndustry(d)
	default:
		err = fmt.Errorf("%q is no format that is known", format)
	}
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", d.Number, err)
	}
	return printed, nil
}
