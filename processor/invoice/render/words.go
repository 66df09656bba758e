package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"ristourne/processor/invoice"
	"ristourne/rules/money"
)

// words are all that a document says, in one language.
type words struct {
	language                    string
	invoice, creditNote         string
	number, issued, due, period string
	corrects, billedTo          string
	what, amount                string
	net, vat, gross, credited   string
	vatReversed                 string
	sales, returns              string // with count and amount
	saleOne, returnOne          string // of one
	purchases                   string // heading of the two above
	commission, takenBack, fee  string // with the month
	correction                  string // with the month
	reverseCharge               string
	pay                         string // with the account, the day and the number
	payBack                     string
	page                        string
	siren, siret, vatID         string
	decimals, thousands         string
	currencyBefore              bool
	percent                     string // between number and sign
	months                      [12]string
	firstOfMonth                string // day 1
	symbols                     map[string]string
	regions                     display.Namer
	symbolSpace                 string // between symbol and number
}

const (
	noBreak       = "\u00a0"
	narrowNoBreak = "\u202f"
)

var languages = map[string]*words{
	"en": {
		language: "en", invoice: "Invoice", creditNote: "Credit note", number: "Number", issued: "Date", due: "Due", period: "Period",
		corrects: "Corrects", billedTo: "Billed to", what: "Description", amount: "Amount",
		net: "Total without VAT", vat: "VAT %s", vatReversed: "VAT: reverse charge", gross: "Total to pay", credited: "Total credited",
		purchases: "Members’ purchases", saleOne: "%s purchase of %s", sales: "%s purchases of %s together",
		returnOne: "%s purchase taken back by %s", returns: "%s purchases taken back by %s together",
		commission: "Commission on purchases booked in %s", takenBack: "Commission given back for refunds booked in %s",
		fee: "Subscription for %s", correction: "Correction of the commission of %s",
		reverseCharge: "Reverse charge: the VAT is owed by the customer.",
		pay:           "Please pay to %s by %s, naming %s.", payBack: "The amount is set against what you owe, or paid to you.",
		page: "Page %d", siren: "SIREN", siret: "SIRET", vatID: "VAT",
		decimals: ".", thousands: ",", currencyBefore: true, percent: "",
		months:  [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		symbols: map[string]string{"EUR": "€", "GBP": "£"}, symbolSpace: "", firstOfMonth: "1", regions: display.English.Regions(),
	},
	"fr": {
		language: "fr", invoice: "Facture", creditNote: "Avoir", number: "Numéro", issued: "Date", due: "Échéance", period: "Période",
		corrects: "Rectifie", billedTo: "Client", what: "Désignation", amount: "Montant",
		net: "Total HT", vat: "TVA %s", vatReversed: "TVA : autoliquidation", gross: "Total TTC à payer", credited: "Total TTC à votre crédit",
		purchases: "Achats des adhérents", saleOne: "%s achat de %s", sales: "%s achats pour %s en tout",
		returnOne: "%s achat diminué de %s", returns: "%s achats diminués de %s en tout",
		commission: "Commission sur les achats comptabilisés en %s", takenBack: "Commission rendue sur les remboursements comptabilisés en %s",
		fee: "Abonnement de %s", correction: "Rectification de la commission de %s",
		reverseCharge: "Autoliquidation : la TVA est due par le client.",
		pay:           "À régler sur le compte %s au plus tard le %s, en rappelant le numéro %s.", payBack: "Ce montant est déduit de ce que vous devez, ou vous est versé.",
		page: "Page %d", siren: "SIREN", siret: "SIRET", vatID: "TVA",
		decimals: ",", thousands: narrowNoBreak, percent: noBreak,
		months:  [12]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
		symbols: map[string]string{"EUR": "€", "GBP": "£"}, symbolSpace: noBreak, firstOfMonth: "1er", regions: display.French.Regions(),
	},
}

// money writes an amount: €1,234.50, or 1 234,50 €.
func (w *words) money(minor int64, code string) string {
	c, _ := money.ParseCurrency(code)
	exponent, _ := c.Exponent()
	text := decimal.New(minor, -int32(exponent)).Abs().StringFixed(int32(exponent))
	whole, rest, fraction := strings.Cut(text, ".")
	text = grouped(whole, w.thousands)
	if fraction {
		text += w.decimals + rest
	}
	symbol, has := w.symbols[code]
	switch {
	case !has && w.currencyBefore:
		text = code + noBreak + text
	case !has:
		text += noBreak + code
	case w.currencyBefore:
		text = symbol + w.symbolSpace + text
	default:
		text += w.symbolSpace + symbol
	}
	if minor < 0 {
		return "−" + text
	}
	return text
}

func grouped(digits, separator string) string {
	const size = 3
	for i := len(digits) - size; i > 0; i -= size {
		digits = digits[:i] + separator + digits[i:]
	}
	return digits
}

// rate writes a rate: 5.5%, or 5,5 %.
func (w *words) rate(millionths int64) string {
	return strings.ReplaceAll(strings.TrimSuffix(money.FormatPercent(millionths), "%"), ".", w.decimals) + w.percent + "%"
}

// date writes a day: 1 March 2026, or 1er mars 2026.
func (w *words) date(text string) string {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return text
	}
	return w.day(t)
}

func (w *words) day(t time.Time) string {
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		day = w.firstOfMonth
	}
	return fmt.Sprintf("%s %s %d", day, w.months[t.Month()-1], t.Year())
}

// month writes a month: March 2026.
func (w *words) month(text string) string {
	m, err := invoice.ParseMonth(text)
	if err != nil {
		return text
	}
	return fmt.Sprintf("%s %d", w.months[m.Month-1], m.Year)
}

// line says what a line is for.
func (w *words) line(d *invoice.Document, l *invoice.Line) string {
	form := map[invoice.Kind]string{
		invoice.Commission: w.commission, invoice.TakenBack: w.takenBack, invoice.Fee: w.fee, invoice.Correction: w.correction,
	}[l.Kind]
	text := fmt.Sprintf(form, w.month(d.Month))
	if w.language == "fr" {
		text = elided(text)
	}
	return text
}

// elided writes d'avril for de avril.
func elided(text string) string {
	return strings.NewReplacer(" de avril", " d’avril", " de août", " d’août", " de octobre", " d’octobre").Replace(text)
}

// country writes the name of a country by its code.
func (w *words) country(code string) string {
	region, err := language.ParseRegion(code)
	if err != nil {
		return code
	}
	return w.regions.Name(region)
}
