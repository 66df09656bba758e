package rules

import (
	"ristourne/rules/money"
)

// PaymentFormat is how a file of instructions is written.
type PaymentFormat uint8

// The formats.
const (
	Pain001 PaymentFormat = iota + 1 // ISO 20022 pain.001.001.09
	PaymentCSV
)

var paymentFormatNames = [...]string{"", "pain.001", "csv"}

func (f PaymentFormat) String() string { return paymentFormatNames[f] }

// ParsePaymentFormat reads its name.
func ParsePaymentFormat(s string) (PaymentFormat, bool) {
	return ParseName[PaymentFormat](s, paymentFormatNames[:])
}

// Debtor is whose account pays.
type Debtor struct {
	Name string `json:"name"` // 1 to 70 letters of EPC217-08
	IBAN string `json:"iban"`
	BIC  string `json:"bic,omitempty"` // of the account's bank; empty: it goes by the IBAN
	// ServiceLevel is by which rules it is paid: SEPA, or URGP and NURG (urgent and
	// not) of ISO 20022's ExternalServiceLevel1Code.
	ServiceLevel string  `json:"service_level"`
	Address      Address `json:"address,omitzero"`
}

// Address is where the debtor is, part by part: since November 2026 SEPA takes no
// address in free lines. All empty: none is told.
type Address struct {
	Street   string `json:"street,omitempty"`
	Building string `json:"building,omitempty"` // number
	Postcode string `json:"postcode,omitempty"`
	Town     string `json:"town,omitempty"`
	Country  string `json:"country,omitempty"` // ISO 3166 alpha-2
}

// PaymentFile is a file of instructions for the bank. Its name and its content follow
// from what stands here and from the instructions: whoever writes it, and however
// often, writes the same bytes.
type PaymentFile struct {
	// ID is the message's and the block's (MsgId, PmtInfId): 1 to 35 of A-Z 0-9 -.
	ID            string
	Format        PaymentFormat
	Name          string // without a folder
	SHA256        string // of the bytes, in hex
	Debtor        Debtor // empty of CSV
	ExecutionDate string // 2026-03-02; empty of CSV
	Currency      money.Currency
	SumMinor      int64 // of all instructions; of CSV credits less debits
	// InstructionIDs are those in the file, in its order.
	InstructionIDs []string
	CreatedAt      int64 // milliseconds since 1970
	By             string
}
