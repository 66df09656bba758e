package rules

import "ristourne/rules/money"

// CommissionSum is the commission of a partner in one currency that was booked in
// one span of time: confirmed lines of role partner, by their recorded_at.
type CommissionSum struct {
	PartnerID       string
	Currency        money.Currency
	Span            int // of the spans that were asked for; -1: before all of them
	CommissionMinor int64
}

// SalesSum is what a partner's purchases of one span come to, in one currency.
// A purchase is one of Sales where its lines of the span add up to more, of Returns
// where they add up to less: it was made and brought back in another.
type SalesSum struct {
	PartnerID string
	Currency  money.Currency
	Sales     Purchases
	Returns   Purchases // amounts under 0
}

// Purchases are some of them, summed up.
type Purchases struct {
	Count           int64 `json:"count"`
	SpendMinor      int64 `json:"spend_minor"`
	CommissionMinor int64 `json:"commission_minor"`
}

// Closing is a booking month of a programme that was closed: for all partners, or
// for one. It is written once, together with its invoices, and never changed.
type Closing struct {
	Position  uint64 // 1 is the installation's first; there is one of each
	Programme string
	PartnerID string // empty: all that were not closed before
	Month     string // such as 2026-02
	// From and Until bound the month in the programme's zone, [From, Until), in
	// milliseconds since 1970, as Kafka's timestamps.
	From, Until int64
	ClosedAt    int64 // milliseconds since 1970
	By, Reason  string
	// Document names the closing before, and each invoice with its hash: JSON.
	Document []byte
	SHA256   [32]byte // of Document
}

// InvoiceRow is an invoice or credit note as it is stored.
type InvoiceRow struct {
	Number    string
	Position  uint64 // of its closing
	Programme string
	PartnerID string
	Month     string // whose bookings it is for: of a correction the corrected month
	ClosedIn  string // the month with which it was closed
	Type      uint16 // UNTDID 1001: 380 invoice, 381 credit note
	IssuedOn  string // 2026-03-01
	Corrects  string // number of the document that it corrects; empty: none
	Currency  money.Currency
	// Amounts are what the partner owes by it, those of a credit note under 0.
	CommissionMinor int64 // of the net amount; the rest is fees
	NetMinor        int64
	VATMinor        int64
	GrossMinor      int64
	Document        []byte   // JSON, of which it is printed
	SHA256          [32]byte // of Document
}
