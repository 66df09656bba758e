package render

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"

	"ristourne/processor/invoice"
)

// Text prints a document for a terminal. language as for Document.
func Text(d *invoice.Document, language string) ([]byte, error) {
	if language == "" {
		language = d.Language
	}
	v, err := viewOf(d, language)
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", d.Number, err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", v.Title, v.Number)
	fmt.Fprintf(&b, "  %s\n", v.Seller.line())
	fmt.Fprintf(&b, "  %s: %s\n\n", v.BilledTo, v.Buyer.line())
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, pairs := range [][]pair{v.Facts[1:], v.Lines, v.Totals} {
		for _, p := range pairs {
			fmt.Fprintf(table, "  %s\t%s\n", p.Label, p.Value)
		}
		fmt.Fprintln(table, "\t")
	}
	if err := table.Flush(); err != nil {
		return nil, err
	}
	for _, line := range append(v.Purchases, v.Notes...) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	text := strings.NewReplacer(noBreak, " ", narrowNoBreak, " ").Replace(b.String())
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return []byte(strings.Join(lines, "\n") + "\n"), nil
}

// line is a party in one line.
func (p *party) line() string {
	return strings.Join(append(append([]string{p.Name}, p.Address...), p.Numbers...), ", ")
}
