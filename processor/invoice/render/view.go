package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ristourne/processor/invoice"
	"ristourne/rules/offer"
)

// view is a document as people read it: texts alone, in their order.
type view struct {
	Language, Title, Number string
	IssuedOn                time.Time
	Seller                  party
	BilledTo                string
	Buyer                   party
	Facts                   []pair // number, dates, what it corrects
	What, Amount            string // headings of the lines
	Lines                   []pair
	Totals                  []pair // the last is what is to be paid
	Heading                 string // of the purchases
	Purchases               []string
	Notes                   []string
	page                    string
}

// pair is a label and its value.
type pair struct{ Label, Value string }

// party is a company with its address and its numbers.
type party struct {
	Name    string
	Address []string
	Numbers []string
}

func viewOf(d *invoice.Document, language string) (*view, error) {
	w := languages[language]
	issued, err := time.Parse(time.DateOnly, d.IssuedOn)
	if err != nil {
		return nil, err
	}
	month, err := invoice.ParseMonth(d.Month)
	if err != nil {
		return nil, err
	}
	v := &view{
		Language: language, Title: w.invoice, Number: d.Number, IssuedOn: issued,
		Seller: w.party(&d.Seller), BilledTo: w.billedTo, Buyer: w.party(&d.Buyer),
		What: w.what, Amount: w.amount, Heading: w.purchases, page: w.page,
	}
	if d.Type == invoice.CreditNote {
		v.Title = w.creditNote
	}
	v.Facts = []pair{
		{w.number, d.Number},
		{w.issued, w.day(issued)},
		{w.period, w.day(month.First()) + " – " + w.day(month.Last())},
	}
	if d.Type == invoice.Invoice {
		v.Facts = append(v.Facts, pair{w.due, w.date(d.DueOn)})
	}
	if d.Corrects != nil {
		v.Facts = append(v.Facts, pair{w.corrects, fmt.Sprintf("%s, %s", d.Corrects.Number, w.date(d.Corrects.IssuedOn))})
	}
	for i := range d.Lines {
		v.Lines = append(v.Lines, pair{w.line(d, &d.Lines[i]), w.money(d.Lines[i].NetMinor, d.Currency)})
	}
	v.Purchases = w.bought(d)
	v.Totals = w.totals(d)
	v.Notes = w.notes(d)
	return v, nil
}

func (w *words) party(p *offer.Party) party {
	shown := party{Name: p.Name, Address: []string{p.Street, strings.TrimSpace(p.PostCode + " " + p.City), w.country(p.Country)}}
	for _, number := range []pair{{w.siren, p.SIREN}, {w.siret, p.SIRET}, {w.vatID, p.VATID}} {
		if number.Value != "" {
			shown.Numbers = append(shown.Numbers, number.Label+" "+number.Value)
		}
	}
	return shown
}

// bought says what the month's purchases came to.
func (w *words) bought(d *invoice.Document) (says []string) {
	say := func(one, many string, count, minor int64) {
		form := many
		if count == 1 {
			form = one
		}
		if count > 0 {
			says = append(says, fmt.Sprintf(form, grouped(strconv.FormatInt(count, 10), w.thousands), w.money(minor, d.Currency)))
		}
	}
	say(w.saleOne, w.sales, d.Sales.Count, d.Sales.SpendMinor)
	say(w.returnOne, w.returns, d.Returns.Count, -d.Returns.SpendMinor)
	return says
}

func (w *words) totals(d *invoice.Document) []pair {
	gross := w.gross
	if d.Type == invoice.CreditNote {
		gross = w.credited
	}
	vat := fmt.Sprintf(w.vat, w.rate(d.VAT.RateMillionths))
	if d.VAT.Category == invoice.ReverseCharge {
		vat = w.vatReversed
	}
	return []pair{
		{w.net, w.money(d.NetMinor, d.Currency)},
		{vat, w.money(d.VATMinor, d.Currency)},
		{gross, w.money(d.GrossMinor, d.Currency)},
	}
}

func (w *words) notes(d *invoice.Document) (notes []string) {
	switch {
	case d.Type == invoice.CreditNote:
		notes = append(notes, w.payBack)
	case d.IBAN != "":
		notes = append(notes, fmt.Sprintf(w.pay, spaced(d.IBAN), w.date(d.DueOn), d.Number))
	}
	if d.VAT.Category == invoice.ReverseCharge {
		notes = append(notes, w.reverseCharge)
	}
	for _, n := range d.Notes {
		notes = append(notes, n.Text)
	}
	return notes
}

// spaced writes an IBAN in groups of four.
func spaced(iban string) string {
	const size = 4
	var groups []string
	for ; len(iban) > size; iban = iban[size:] {
		groups = append(groups, iban[:size])
	}
	return strings.Join(append(groups, iban), noBreak)
}
