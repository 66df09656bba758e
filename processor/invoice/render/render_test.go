package render_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"ristourne/deploy/localservers"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/invoice"
	"ristourne/processor/invoice/render"
	"ristourne/rules"
	"ristourne/rules/offer"
)

var update = flag.Bool("update", false, "rewrite the expected texts under testdata")

var (
	bank = offer.Party{Name: "Banque de Lyon SA", Street: "12 rue de la République", PostCode: "69002", City: "Lyon", Country: "FR", SIREN: "732829320", SIRET: "73282932000074", VATID: "FR44732829320"}
	cafe = offer.Party{Name: "Café du Coin & Fils SARL", Street: "2 place du Marché", PostCode: "69001", City: "Lyon", Country: "FR", SIREN: "404833048", VATID: "FR83404833048"}
	// notes are what French law wants said between companies.
	notes = []offer.Note{
		{Code: "PMD", Text: "Pénalités de retard : trois fois le taux d'intérêt légal."},
		{Code: "PMT", Text: "Indemnité forfaitaire pour frais de recouvrement : 40 €."},
		{Code: "AAB", Text: "Pas d'escompte pour paiement anticipé."},
		{Text: "Banque de Lyon SA au capital de 1 000 000 €, RCS Lyon 732 829 320."},
	}
)

// samples are one document of each sort.
func samples() map[string]*invoice.Document {
	invoiceOf := func() *invoice.Document {
		return &invoice.Document{
			Number: "CL-2026-00001", Type: invoice.Invoice, Language: "fr", IssuedOn: "2026-03-02", DueOn: "2026-04-01",
			Programme: "cashback-lyon", Partner: "cafe-du-coin", Month: "2026-02", ClosedIn: "2026-02", Seller: bank, Buyer: cafe, Currency: "EUR",
			Sales:   rules.Purchases{Count: 1234, SpendMinor: 15_678_910, CommissionMinor: 1_254_313},
			Returns: rules.Purchases{Count: 1, SpendMinor: -3_000, CommissionMinor: -240},
			Lines:   []invoice.Line{{Kind: invoice.Commission, NetMinor: 1_254_313}, {Kind: invoice.TakenBack, NetMinor: -240}, {Kind: invoice.Fee, NetMinor: 4_900}},
			VAT:     invoice.VAT{Category: invoice.StandardRate, RateMillionths: 200_000}, NetMinor: 1_258_973, VATMinor: 251_795, GrossMinor: 1_510_768,
			IBAN: "FR7630006000011234567890189", Notes: notes,
		}
	}
	correction := invoiceOf()
	correction.Number, correction.Type, correction.IssuedOn, correction.DueOn, correction.ClosedIn = "CL-2026-00007", invoice.CreditNote, "2026-04-01", "2026-05-01", "2026-03"
	correction.Corrects = &invoice.Reference{Number: "CL-2026-00001", IssuedOn: "2026-03-02"}
	correction.Sales, correction.Returns, correction.IBAN = rules.Purchases{}, rules.Purchases{}, ""
	correction.Lines = []invoice.Line{{Kind: invoice.Correction, NetMinor: 333}}
	correction.NetMinor, correction.VATMinor, correction.GrossMinor = 333, 67, 400

	more := invoiceOf()
	more.Number, more.IssuedOn, more.DueOn, more.ClosedIn, more.Corrects = "CL-2026-00008", "2026-04-01", "2026-05-01", "2026-03", correction.Corrects
	more.Sales, more.Returns = rules.Purchases{}, rules.Purchases{}
	more.Lines = []invoice.Line{{Kind: invoice.Correction, NetMinor: 250}}
	more.NetMinor, more.VATMinor, more.GrossMinor = 250, 50, 300

	returns := invoiceOf()
	returns.Number, returns.Type, returns.Month, returns.Corrects, returns.IBAN = "CL-2026-00009", invoice.CreditNote, "2026-04", correction.Corrects, ""
	returns.IssuedOn, returns.DueOn, returns.ClosedIn = "2026-05-04", "2026-06-03", "2026-04"
	returns.Sales, returns.Returns = rules.Purchases{Count: 1, SpendMinor: 1_000, CommissionMinor: 80}, rules.Purchases{Count: 2, SpendMinor: -10_000, CommissionMinor: -800}
	returns.Lines = []invoice.Line{{Kind: invoice.Commission, NetMinor: -80}, {Kind: invoice.TakenBack, NetMinor: 800}}
	returns.NetMinor, returns.VATMinor, returns.GrossMinor = 720, 144, 864

	reversed := invoiceOf()
	reversed.Number, reversed.Language, reversed.Partner = "CL-2026-00010", "en", "baeckerei"
	reversed.Buyer = offer.Party{Name: "Bäckerei am Rhein GmbH", Street: "Rheinweg 1", PostCode: "50667", City: "Köln", Country: "DE", VATID: "DE123456788"}
	reversed.VAT = invoice.VAT{Category: invoice.ReverseCharge}
	reversed.VATMinor, reversed.GrossMinor = 0, reversed.NetMinor

	yen := invoiceOf()
	yen.Number, yen.Language, yen.Currency = "CL-2026-00011", "en", "JPY"
	yen.Seller = offer.Party{Name: "Banque du Luxembourg SA", Street: "1 rue du Parc", City: "Luxembourg", Country: "LU", VATID: "LU12345613"}
	yen.Sales, yen.Returns = rules.Purchases{Count: 1, SpendMinor: 15_005, CommissionMinor: 1_501}, rules.Purchases{}
	yen.Lines = []invoice.Line{{Kind: invoice.Commission, NetMinor: 1_501}}
	yen.NetMinor, yen.VATMinor, yen.GrossMinor = 1_501, 300, 1_801

	nothing := invoiceOf()
	nothing.Number, nothing.Sales = "CL-2026-00012", rules.Purchases{}
	nothing.Lines = []invoice.Line{{Kind: invoice.TakenBack, NetMinor: -4_900}, {Kind: invoice.Fee, NetMinor: 4_900}}
	nothing.NetMinor, nothing.VATMinor, nothing.GrossMinor = 0, 0, 0
	return map[string]*invoice.Document{"nothing": nothing, "invoice": invoiceOf(), "correction": correction, "more": more, "returns": returns, "reversed": reversed, "yen": yen}
}

// TestInvoicesAreSoundByEN16931 has the rules of EN 16931, and those of France, judge one
// document of each sort, all in one process; and see that they judge at all.
func TestInvoicesAreSoundByEN16931(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []string
	write := func(name string, d *invoice.Document, old, with string) {
		text, err := render.Document(d, "xml", "")
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(dir, name+".xml")
		if err := os.WriteFile(name, bytes.Replace(text, []byte(old), []byte(with), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	for name, d := range samples() {
		write(name, d, "", "")
	}
	bad := samples()["invoice"]
	write("bad-sum", bad, "<ram:GrandTotalAmount>15107.68<", "<ram:GrandTotalAmount>15107.67<")
	write("bad-vat", bad, "<ram:CalculatedAmount>2517.95<", "<ram:CalculatedAmount>2517.94<")
	write("bad-order", bad, "<ram:TypeCode>380</ram:TypeCode>", "")

	faults, err := localservers.JudgeInvoices(t.Context(), localserverstest.Options(t), files...)
	if err != nil {
		t.Fatal(err)
	}
	for want, rule := range map[string]string{"bad-sum": "BR-CO-15", "bad-vat": "BR-CO-14", "bad-order": "schema"} {
		found := false
		for _, f := range faults {
			found = found || strings.Contains(f, want+".xml: ") && strings.Contains(f, rule)
		}
		if !found {
			t.Errorf("%s is not refused by %s: %v", want, rule, faults)
		}
	}
	for _, f := range faults {
		if !strings.HasPrefix(filepath.Base(f), "bad-") && !strings.Contains(f, dir+"/bad-") {
			t.Error(f)
		}
	}
}

// TestSumsOfAnInvoice adds up what is printed as XML, by decimals: lines, basis, VAT rounded
// half away from zero, total.
func TestSumsOfAnInvoice(t *testing.T) {
	t.Parallel()
	type amount = string
	var x struct {
		Lines []amount `xml:"SupplyChainTradeTransaction>IncludedSupplyChainTradeLineItem>SpecifiedLineTradeSettlement>SpecifiedTradeSettlementLineMonetarySummation>LineTotalAmount"`
		Basis amount   `xml:"SupplyChainTradeTransaction>ApplicableHeaderTradeSettlement>ApplicableTradeTax>BasisAmount"`
		Tax   amount   `xml:"SupplyChainTradeTransaction>ApplicableHeaderTradeSettlement>ApplicableTradeTax>CalculatedAmount"`
		Rate  amount   `xml:"SupplyChainTradeTransaction>ApplicableHeaderTradeSettlement>ApplicableTradeTax>RateApplicablePercent"`
		Total amount   `xml:"SupplyChainTradeTransaction>ApplicableHeaderTradeSettlement>SpecifiedTradeSettlementHeaderMonetarySummation>GrandTotalAmount"`
	}
	number := func(s string) decimal.Decimal {
		d, err := decimal.NewFromString(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, d := range samples() {
		text, err := render.Document(d, "xml", "")
		if err != nil {
			t.Fatal(err)
		}
		x.Lines = nil
		if err := xml.Unmarshal(text, &x); err != nil {
			t.Fatal(err)
		}
		net := decimal.Zero
		for _, line := range x.Lines {
			net = net.Add(number(line))
		}
		places := int32(2)
		if d.Currency == "JPY" {
			places = 0
		}
		tax := net.Mul(number(x.Rate)).Shift(-2).Round(places) // half away from zero
		if len(x.Lines) == 0 || !net.Equal(number(x.Basis)) || !tax.Equal(number(x.Tax)) || !net.Add(tax).Equal(number(x.Total)) {
			t.Errorf("%s: lines %v, basis %s, tax %s at %s%%, total %s", name, x.Lines, x.Basis, x.Tax, x.Rate, x.Total)
		}
	}
}

// TestPrintingAgainGivesTheSameBytes, of every sort in every format and language.
func TestPrintingAgainGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	for name := range samples() {
		for _, format := range render.Formats {
			for _, language := range render.Languages {
				first, err := render.Document(samples()[name], format, language)
				if err != nil {
					t.Fatal(err)
				}
				if again, err := render.Document(samples()[name], format, language); err != nil || !bytes.Equal(first, again) {
					t.Errorf("%s as %s differs from time to time (%v)", name, format, err)
				}
				if format == "pdf" && (!bytes.HasPrefix(first, []byte("%PDF-")) || !bytes.Contains(first, []byte("(D:"+strings.ReplaceAll(samples()[name].IssuedOn, "-", "")+"120000"))) {
					t.Errorf("%s: no PDF of the day of the document", name)
				}
			}
		}
	}
}

// TestPrintedIsWhatIsExpected holds what people and programs read to files. Run with
// -update to write them anew.
func TestPrintedIsWhatIsExpected(t *testing.T) {
	t.Parallel()
	all := samples()
	for _, c := range []struct{ sample, format, language string }{
		{"invoice", "html", "fr"},
		{"invoice", "html", "en"},
		{"correction", "html", "fr"},
		{"returns", "html", "en"},
		{"reversed", "html", ""},
		{"invoice", "xml", ""},
		{"correction", "xml", ""},
		{"reversed", "xml", ""},
		{"invoice", "csv", ""},
		{"yen", "html", ""},
	} {
		got, err := render.Document(all[c.sample], c.format, c.language)
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, strings.Trim(c.sample+"."+c.language, ".")+"."+c.format, got)
	}
	text, err := render.Text(all["invoice"], "en")
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, "invoice.txt", text)
}

func wantFile(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v: go test -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (go test -update rewrites it)\n got:\n%s\nwant:\n%s", name, got, want)
	}
}

// TestTableAddsUp: columns of CSV can be summed over documents of both sorts.
func TestTableAddsUp(t *testing.T) {
	t.Parallel()
	all := samples()
	text, err := render.Table([]*invoice.Document{all["invoice"], all["correction"], all["returns"]})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]decimal.Decimal{}
	for _, row := range rows[1:] {
		for i, column := range rows[0] {
			if n, err := decimal.NewFromString(row[i]); err == nil {
				sums[column] = sums[column].Add(n)
			}
		}
	}
	for column, want := range map[string]string{"net": "12579.2", "document_net": "12579.2", "document_vat": "2515.84", "document_gross": "15095.04", "purchases": "1235"} {
		if got := sums[column].String(); got != want {
			t.Errorf("column %s adds up to %s, want %s", column, got, want)
		}
	}
}

// TestAmountsThatNoElectronicInvoiceCanSay are refused, not rounded.
func TestAmountsThatNoElectronicInvoiceCanSay(t *testing.T) {
	t.Parallel()
	d := samples()["invoice"]
	d.Currency = "TND"
	if _, err := render.Document(d, "xml", ""); err == nil || !strings.Contains(err.Error(), "decimals") {
		t.Errorf("three decimals: %v", err)
	}
	if _, err := render.Document(d, "html", ""); err != nil {
		t.Error(err)
	}
	if _, err := render.Document(d, "html", "de"); err == nil {
		t.Error("there are words of German")
	}
	if _, err := render.Document(d, "doc", ""); err == nil {
		t.Error("there is a format doc")
	}
}
