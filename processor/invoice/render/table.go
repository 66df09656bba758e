package render

import (
	"bytes"
	"encoding/csv"
	"strconv"

	"github.com/shopspring/decimal"

	"ristourne/processor/invoice"
	"ristourne/rules/money"
)

// tableColumns are those of CSV: a row is a line of a document. What is said of all of the
// document, its sums and its purchases, stands in its first row alone, so that a column
// can be summed. It is for programs, so it has no language: points before decimals, dates
// of ISO 8601. Amounts are what the partner owes: those of credit notes are under 0.
var tableColumns = []string{
	"number", "type", "issued_on", "due_on", "programme", "partner", "month", "closed_in", "corrects",
	"seller", "seller_vat_id", "buyer", "buyer_vat_id", "currency",
	"line", "kind", "net", "vat_category", "vat_percent",
	"document_net", "document_vat", "document_gross",
	"purchases", "spend", "purchases_taken_back", "spend_taken_back",
}

// Table prints documents as one CSV with a header (RFC 4180).
func Table(documents []*invoice.Document) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.Write(tableColumns); err != nil {
		return nil, err
	}
	for _, d := range documents {
		corrects := ""
		if d.Corrects != nil {
			corrects = d.Corrects.Number
		}
		signed := func(minor int64) string { return plain(d.Sign()*minor, d.Currency) }
		for i := range d.Lines {
			l := &d.Lines[i]
			of := make([]string, 7)
			if i == 0 {
				of = []string{
					signed(d.NetMinor), signed(d.VATMinor), signed(d.GrossMinor),
					strconv.FormatInt(d.Sales.Count, 10), plain(d.Sales.SpendMinor, d.Currency),
					strconv.FormatInt(d.Returns.Count, 10), plain(-d.Returns.SpendMinor, d.Currency),
				}
			}
			if err := w.Write(append([]string{
				d.Number, strconv.Itoa(d.Type), d.IssuedOn, d.DueOn, d.Programme, d.Partner, d.Month, d.ClosedIn, corrects,
				d.Seller.Name, d.Seller.VATID, d.Buyer.Name, d.Buyer.VATID, d.Currency,
				strconv.Itoa(i + 1), string(l.Kind), signed(l.NetMinor), d.VAT.Category, percent(d.VAT.RateMillionths),
			}, of...)); err != nil {
				return nil, err
			}
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// plain is an amount in digits, with as many decimals as its currency has.
func plain(minor int64, code string) string {
	c, _ := money.ParseCurrency(code)
	exponent, _ := c.Exponent()
	return decimal.New(minor, -int32(exponent)).StringFixed(int32(exponent))
}

// percent is a rate in digits: 20, or 5.5.
func percent(millionths int64) string { return decimal.New(millionths, -4).String() }
