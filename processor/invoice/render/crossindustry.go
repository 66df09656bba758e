package render

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"ristourne/processor/invoice"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// What EN 16931 asks of a Cross Industry Invoice (UN/CEFACT D16B, syntax binding CEN/TS
// 16931-3-3). BT and BG are the terms of its semantic model. The order of fields is
// that of the schema.

type ciiInvoice struct {
	XMLName  xml.Name    `xml:"rsm:CrossIndustryInvoice"`
	RSM      string      `xml:"xmlns:rsm,attr"`
	RAM      string      `xml:"xmlns:ram,attr"`
	QDT      string      `xml:"xmlns:qdt,attr"`
	UDT      string      `xml:"xmlns:udt,attr"`
	Process  string      `xml:"rsm:ExchangedDocumentContext>ram:BusinessProcessSpecifiedDocumentContextParameter>ram:ID"` // BT-23
	Profile  string      `xml:"rsm:ExchangedDocumentContext>ram:GuidelineSpecifiedDocumentContextParameter>ram:ID"`       // BT-24
	Document ciiDocument `xml:"rsm:ExchangedDocument"`
	Trade    ciiTrade    `xml:"rsm:SupplyChainTradeTransaction"`
}

type ciiDocument struct {
	ID     string    `xml:"ram:ID"`            // BT-1
	Type   int       `xml:"ram:TypeCode"`      // BT-3
	Issued ciiDate   `xml:"ram:IssueDateTime"` // BT-2
	Notes  []ciiNote `xml:"ram:IncludedNote"`  // BG-1
}

type ciiNote struct {
	Content string `xml:"ram:Content"`               // BT-22
	Code    string `xml:"ram:SubjectCode,omitempty"` // BT-21
}

// ciiDate is a day in format 102 of UNTDID 2379: 20260301.
type ciiDate struct {
	Day ciiDay `xml:"udt:DateTimeString"`
}

type ciiDay struct {
	Format string `xml:"format,attr"`
	Text   string `xml:",chardata"`
}

type ciiTrade struct {
	Lines      []ciiLine     `xml:"ram:IncludedSupplyChainTradeLineItem"` // BG-25
	Agreement  ciiAgreement  `xml:"ram:ApplicableHeaderTradeAgreement"`
	Delivered  ciiDate       `xml:"ram:ApplicableHeaderTradeDelivery>ram:ActualDeliverySupplyChainEvent>ram:OccurrenceDateTime"` // BT-72
	Settlement ciiSettlement `xml:"ram:ApplicableHeaderTradeSettlement"`
}

type ciiLine struct {
	ID       int         `xml:"ram:AssociatedDocumentLineDocument>ram:LineID"`                                                          // BT-126
	Name     string      `xml:"ram:SpecifiedTradeProduct>ram:Name"`                                                                     // BT-153
	Price    string      `xml:"ram:SpecifiedLineTradeAgreement>ram:NetPriceProductTradePrice>ram:ChargeAmount"`                         // BT-146: never under 0
	Quantity ciiQuantity `xml:"ram:SpecifiedLineTradeDelivery>ram:BilledQuantity"`                                                      // BT-129
	Tax      ciiLineTax  `xml:"ram:SpecifiedLineTradeSettlement>ram:ApplicableTradeTax"`                                                // BG-30
	Net      string      `xml:"ram:SpecifiedLineTradeSettlement>ram:SpecifiedTradeSettlementLineMonetarySummation>ram:LineTotalAmount"` // BT-131
}

type ciiQuantity struct {
	Unit string `xml:"unitCode,attr"` // of UNECE Recommendation 20: C62 is one
	Text string `xml:",chardata"`
}

type ciiLineTax struct {
	Type     string `xml:"ram:TypeCode"`
	Category string `xml:"ram:CategoryCode"`          // BT-151
	Rate     string `xml:"ram:RateApplicablePercent"` // BT-152
}

type ciiAgreement struct {
	Seller ciiParty `xml:"ram:SellerTradeParty"` // BG-4
	Buyer  ciiParty `xml:"ram:BuyerTradeParty"`  // BG-7
}

type ciiParty struct {
	Establishment *ciiID     `xml:"ram:GlobalID"`                   // BT-29, BT-46
	Name          string     `xml:"ram:Name"`                       // BT-27, BT-44
	Registered    *ciiNumber `xml:"ram:SpecifiedLegalOrganization"` // BT-30, BT-47
	Address       ciiAddress `xml:"ram:PostalTradeAddress"`         // BG-5, BG-8
	Electronic    *ciiURI    `xml:"ram:URIUniversalCommunication"`  // BT-34, BT-49
	VATID         *ciiNumber `xml:"ram:SpecifiedTaxRegistration"`   // BT-31, BT-48
}

type ciiID struct {
	Scheme string `xml:"schemeID,attr"`
	Text   string `xml:",chardata"`
}

type ciiNumber struct {
	ID ciiID `xml:"ram:ID"`
}

type ciiURI struct {
	ID ciiID `xml:"ram:URIID"`
}

type ciiAddress struct {
	PostCode string `xml:"ram:PostcodeCode,omitempty"` // BT-38, BT-53
	Street   string `xml:"ram:LineOne"`                // BT-35, BT-50
	City     string `xml:"ram:CityName"`               // BT-37, BT-52
	Country  string `xml:"ram:CountryID"`              // BT-40, BT-55
}

type ciiSettlement struct {
	PaymentReference string        `xml:"ram:PaymentReference"`                                // BT-83
	Currency         string        `xml:"ram:InvoiceCurrencyCode"`                             // BT-5
	Means            *ciiMeans     `xml:"ram:SpecifiedTradeSettlementPaymentMeans"`            // BG-16
	Tax              ciiTax        `xml:"ram:ApplicableTradeTax"`                              // BG-23
	Period           ciiPeriod     `xml:"ram:BillingSpecifiedPeriod"`                          // BG-14
	Due              ciiDate       `xml:"ram:SpecifiedTradePaymentTerms>ram:DueDateDateTime"`  // BT-9
	Sums             ciiSums       `xml:"ram:SpecifiedTradeSettlementHeaderMonetarySummation"` // BG-22
	Corrects         *ciiReference `xml:"ram:InvoiceReferencedDocument"`                       // BG-3
}

type ciiMeans struct {
	Type string `xml:"ram:TypeCode"`                                      // BT-81, of UNTDID 4461
	IBAN string `xml:"ram:PayeePartyCreditorFinancialAccount>ram:IBANID"` // BT-84
}

type ciiTax struct {
	Tax        string `xml:"ram:CalculatedAmount"` // BT-117
	Type       string `xml:"ram:TypeCode"`
	Reason     string `xml:"ram:ExemptionReason,omitempty"`     // BT-120
	Basis      string `xml:"ram:BasisAmount"`                   // BT-116
	Category   string `xml:"ram:CategoryCode"`                  // BT-118
	ReasonCode string `xml:"ram:ExemptionReasonCode,omitempty"` // BT-121
	Rate       string `xml:"ram:RateApplicablePercent"`         // BT-119
}

type ciiPeriod struct {
	Start ciiDate `xml:"ram:StartDateTime"` // BT-73
	End   ciiDate `xml:"ram:EndDateTime"`   // BT-74
}

type ciiSums struct {
	Lines string    `xml:"ram:LineTotalAmount"`     // BT-106
	Net   string    `xml:"ram:TaxBasisTotalAmount"` // BT-109
	Tax   ciiAmount `xml:"ram:TaxTotalAmount"`      // BT-110
	Gross string    `xml:"ram:GrandTotalAmount"`    // BT-112
	Due   string    `xml:"ram:DuePayableAmount"`    // BT-115
}

type ciiAmount struct {
	Currency string `xml:"currencyID,attr"`
	Text     string `xml:",chardata"`
}

type ciiReference struct {
	Number string  `xml:"ram:IssuerAssignedID"`                          // BT-25
	Issued ciiDayQ `xml:"ram:FormattedIssueDateTime>qdt:DateTimeString"` // BT-26
}

type ciiDayQ ciiDay

const (
	ciiProfile = "urn:cen.eu:en16931:2017"
	// ciiServices is what French platforms ask for in BT-23: an invoice of services that
	// nobody has paid yet.
	ciiServices = "S1"
	ciiOne      = "C62"
	ciiVAT      = "VAT"
	// ciiSEPATransfer is a credit transfer of SEPA, of UNTDID 4461.
	ciiSEPATransfer = "58"
	// Schemes of ISO/IEC 6523: SIREN, SIRET, and the French address of electronic
	// invoices, which is the SIREN again; VA is the VAT id.
	schemeSIREN, schemeSIRET, schemeFrenchAddress, schemeVAT = "0002", "0009", "0225", "VA"
	// reverseChargeCode is the reason of VATEX for that no VAT is charged.
	reverseChargeCode = "VATEX-EU-AE"
)

// mostDecimals is what EN 16931 allows for amounts.
const mostDecimals = 2

// crossIndustry prints a document as a Cross Industry Invoice, in the document's own
// language.
func crossIndustry(d *invoice.Document) ([]byte, error) {
	currency, _ := money.ParseCurrency(d.Currency)
	if exponent, ok := currency.Exponent(); !ok || exponent > mostDecimals {
		return nil, fmt.Errorf("amounts in %s have more than the %d decimals that EN 16931 allows: print it as another format", d.Currency, mostDecimals)
	}
	month, err := invoice.ParseMonth(d.Month)
	if err != nil {
		return nil, err
	}
	w := languages[d.Language]
	if w == nil {
		return nil, fmt.Errorf("there are no words of language %q", d.Language)
	}
	x := ciiInvoice{
		RSM:     "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
		RAM:     "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
		QDT:     "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
		UDT:     "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
		Process: ciiServices, Profile: ciiProfile,
		Document: ciiDocument{ID: d.Number, Type: d.Type, Issued: ciiDateOf(d.IssuedOn)},
		Trade: ciiTrade{
			Lines:     ciiLines(d, w),
			Agreement: ciiAgreement{ciiPartyOf(&d.Seller), ciiPartyOf(&d.Buyer)},
			Delivered: ciiDateOf(month.Last().Format(time.DateOnly)),
			Settlement: ciiSettlement{
				PaymentReference: d.Number, Currency: d.Currency, Tax: ciiTaxOf(d, w), Due: ciiDateOf(d.DueOn),
				Period: ciiPeriod{ciiDateOf(month.First().Format(time.DateOnly)), ciiDateOf(month.Last().Format(time.DateOnly))},
				Sums: ciiSums{
					Lines: plain(d.NetMinor, d.Currency), Net: plain(d.NetMinor, d.Currency), Tax: ciiAmount{d.Currency, plain(d.VATMinor, d.Currency)},
					Gross: plain(d.GrossMinor, d.Currency), Due: plain(d.GrossMinor, d.Currency),
				},
			},
		},
	}
	for _, note := range d.Notes {
		x.Document.Notes = append(x.Document.Notes, ciiNote{Content: note.Text, Code: note.Code})
	}
	if d.IBAN != "" {
		x.Trade.Settlement.Means = &ciiMeans{ciiSEPATransfer, d.IBAN}
	}
	if d.Corrects != nil {
		x.Trade.Settlement.Corrects = &ciiReference{d.Corrects.Number, ciiDayQ(ciiDayOf(d.Corrects.IssuedOn))}
	}
	b := bytes.NewBufferString(xml.Header)
	encoder := xml.NewEncoder(b)
	encoder.Indent("", "  ")
	if err := encoder.Encode(x); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func ciiDateOf(day string) ciiDate { return ciiDate{ciiDayOf(day)} }

func ciiDayOf(day string) ciiDay { return ciiDay{"102", strings.ReplaceAll(day, "-", "")} }

func ciiLines(d *invoice.Document, w *words) (lines []ciiLine) {
	for i := range d.Lines {
		l := &d.Lines[i]
		// What lowers the document is less than nothing of something, not something at
		// less than nothing.
		quantity, price := "1", l.NetMinor
		if price < 0 {
			quantity, price = "-1", -price
		}
		lines = append(lines, ciiLine{
			ID: i + 1, Name: w.line(d, l), Price: plain(price, d.Currency), Quantity: ciiQuantity{ciiOne, quantity},
			Tax: ciiLineTax{ciiVAT, d.VAT.Category, percent(d.VAT.RateMillionths)}, Net: plain(l.NetMinor, d.Currency),
		})
	}
	return lines
}

func ciiPartyOf(p *offer.Party) ciiParty {
	of := ciiParty{Name: p.Name, Address: ciiAddress{p.PostCode, p.Street, p.City, p.Country}}
	siren := p.SIREN
	if p.SIRET != "" {
		of.Establishment = &ciiID{schemeSIRET, p.SIRET}
		siren = p.SIRET[:min(len(p.SIRET), 9)]
	}
	if siren != "" {
		of.Registered, of.Electronic = &ciiNumber{ciiID{schemeSIREN, siren}}, &ciiURI{ciiID{schemeFrenchAddress, siren}}
	}
	if p.VATID != "" {
		of.VATID = &ciiNumber{ciiID{schemeVAT, p.VATID}}
	}
	return of
}

func ciiTaxOf(d *invoice.Document, w *words) ciiTax {
	tax := ciiTax{
		Tax: plain(d.VATMinor, d.Currency), Type: ciiVAT, Basis: plain(d.NetMinor, d.Currency),
		Category: d.VAT.Category, Rate: percent(d.VAT.RateMillionths),
	}
	if d.VAT.Category == invoice.ReverseCharge {
		tax.Reason, tax.ReasonCode = w.reverseCharge, reverseChargeCode
	}
	return tax
}
