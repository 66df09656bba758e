package invoice

import (
	"encoding/json"
	"fmt"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// Types of documents, of UNTDID 1001.
const (
	Invoice    = 380
	CreditNote = 381
)

// VAT categories, of UNTDID 5305.
const (
	StandardRate  = "S"
	ReverseCharge = "AE"
)

// Document is an invoice or a credit note, as it is stored: everything that is printed
// of it. All amounts are in minor units of Currency; those of a credit note are what is
// given back, over 0. Dates are of the programme's zone, such as 2026-03-01.
type Document struct {
	Number    string      `json:"number"`
	Type      int         `json:"type"`
	Language  string      `json:"language"` // "en" or "fr"
	IssuedOn  string      `json:"issued_on"`
	DueOn     string      `json:"due_on"`
	Programme string      `json:"programme"`
	Partner   string      `json:"partner"`
	Month     string      `json:"month"`     // whose bookings it is for, such as 2026-02; of a correction the corrected month
	ClosedIn  string      `json:"closed_in"` // the month with which it was closed
	Corrects  *Reference  `json:"corrects,omitempty"`
	Seller    offer.Party `json:"seller"`
	Buyer     offer.Party `json:"buyer"`
	Currency  string      `json:"currency"`
	// Sales are the purchases of the month, Returns those that became smaller in it, by
	// amounts under 0; of a correction both are empty.
	Sales    rules.Purchases `json:"sales"`
	Returns  rules.Purchases `json:"returns"`
	Lines    []Line          `json:"lines"`
	VAT      VAT             `json:"vat"` // one for all lines
	NetMinor int64           `json:"net_minor"`
	VATMinor int64           `json:"vat_minor"`
	// GrossMinor is net and VAT: what is to be paid.
	GrossMinor int64        `json:"gross_minor"`
	IBAN       string       `json:"iban,omitempty"`
	Notes      []offer.Note `json:"notes,omitempty"`
}

// Reference names an earlier document.
type Reference struct {
	Number   string `json:"number"`
	IssuedOn string `json:"issued_on"`
}

// VAT is how a document is taxed.
type VAT struct {
	Category       string `json:"category"`
	RateMillionths int64  `json:"rate_millionths"` // 200,000 = 20 %; 0 by reverse charge
}

// Kind is what a line is for.
type Kind string

// The kinds of lines.
const (
	Commission Kind = "commission" // on purchases
	TakenBack  Kind = "taken_back" // commission on purchases that became smaller
	Fee        Kind = "fee"        // of the month
	Correction Kind = "correction" // of the commission of a closed month
)

// Line is one of a document. Its amount is under 0 where it lowers the document's.
type Line struct {
	Kind     Kind  `json:"kind"`
	NetMinor int64 `json:"net_minor"`
}

// Sign is 1 for an invoice and -1 for a credit note: by what its amounts count for who
// owes them.
func (d *Document) Sign() int64 {
	if d.Type == CreditNote {
		return -1
	}
	return 1
}

// commissionMinor is the part of the net amount that the ledger has lines of.
func (d *Document) commissionMinor() (minor int64) {
	for i := range d.Lines {
		if d.Lines[i].Kind != Fee {
			minor += d.Lines[i].NetMinor
		}
	}
	return minor
}

// Read reads a stored document.
func Read(row *rules.InvoiceRow) (*Document, error) {
	var d Document
	if err := json.Unmarshal(row.Document, &d); err != nil {
		return nil, fmt.Errorf("read invoice %s: %w", row.Number, err)
	}
	return &d, nil
}
