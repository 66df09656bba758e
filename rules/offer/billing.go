package offer

// Billing is how a programme bills its partners. Nothing is decided by it: it says
// what stands on invoices. The zero value: they are billed elsewhere.
type Billing struct {
	Seller Party
	// Series begins the numbers of invoices: SERIES-2026-00001. Programmes of one
	// seller may share it, and then count together.
	Series      string
	VAT         VAT    // of partners that state none
	PaymentDays int    // from the date of an invoice until it is due, where the partner states none
	Language    string // of documents, where the partner states none: "en" or "fr"
	IBAN        string // where partners pay; empty: not printed
	Notes       []Note
}

// Note is what the law wants said on an invoice.
type Note struct {
	Code string `json:"code,omitempty"` // what it is of, of UNTDID 4451, such as PMD; empty: not said
	Text string `json:"text"`
}

// Stated reports whether the programme bills its partners.
func (b *Billing) Stated() bool { return b.Series != "" }

// BillingTerms are a partner's own. Zero values are as the programme has it.
type BillingTerms struct {
	Buyer       Party
	VAT         VAT
	PaymentDays int
	Language    string
}

// Stated reports whether the partner can be billed.
func (b *BillingTerms) Stated() bool { return b.Buyer.Name != "" }

// Party is who bills, or is billed: what the law wants on an invoice.
type Party struct {
	Name     string `json:"name"` // as it is registered
	Street   string `json:"street"`
	PostCode string `json:"post_code,omitempty"`
	City     string `json:"city"`
	Country  string `json:"country"`          // ISO 3166-1 alpha-2
	SIREN    string `json:"siren,omitempty"`  // 9 digits: a French company
	SIRET    string `json:"siret,omitempty"`  // 14 digits: one of its establishments
	VATID    string `json:"vat_id,omitempty"` // with the country before it, as VIES has it
}

// VAT is how a partner is taxed: at a rate, or by reverse charge, where the buyer
// owes the tax. The zero value: not stated.
type VAT struct {
	ReverseCharge  bool
	RateMillionths int64 // over 0 unless it is reversed: 200,000 = 20 %
}

// Stated reports whether it says anything.
func (v VAT) Stated() bool { return v.ReverseCharge || v.RateMillionths > 0 }
