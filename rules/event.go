package rules

import "ristourne/rules/money"

// EventType is what a transaction event says about its purchase. The type
// gives the sign of the amount.
type EventType uint8

// The types of a transaction event. Their numbers are stored: new ones come
// last.
const (
	Authorization EventType = iota + 1
	AuthorizationUpdate
	Reversal
	Clearing
	Refund
	Chargeback
	ChargebackReversal
	AuthorizationIncrement
	NumEventTypes // one more than the last
)

var eventTypeNames = [...]string{
	"", "authorization", "authorization_update", "reversal", "clearing", "refund", "chargeback", "chargeback_reversal",
	"authorization_increment",
}

func (t EventType) String() string { return eventTypeNames[t] }

// Opens reports whether an event of this type can open a purchase at a
// merchant that matches. The others wait for a purchase they can belong to.
func (t EventType) Opens() bool {
	return t == Authorization || t == AuthorizationUpdate || t == AuthorizationIncrement || t == Clearing
}

// ParseEventType reads the name of the wire.
func ParseEventType(s string) (EventType, bool) { return ParseName[EventType](s, eventTypeNames[:]) }

// Channel is where a purchase was made.
type Channel uint8

// Channels; the zero value is "not stated".
const (
	ChannelUnknown Channel = iota
	InStore
	Online
	OtherChannel
)

var channelNames = [...]string{"", "in_store", "online", "other"}

func (c Channel) String() string { return channelNames[c] }

// ParseChannel reads the name of the wire.
func ParseChannel(s string) (Channel, bool) { return ParseName[Channel](s, channelNames[:]) }

// Merchant is the acceptor as the card message names it.
type Merchant struct {
	ID                string // card acceptor id, 1 to 64 characters (15 in ISO 8583 field 42), trailing spaces dropped
	AcquirerID        string
	Network           string
	NetworkMerchantID string
	SubMerchantID     string
	TerminalID        string
	Name              string
	MCC               string // merchant category code, ISO 18245, 4 digits
	Country           string // ISO 3166-1 alpha-2
}

// Item is a line of the basket, where the bank has it.
type Item struct {
	AmountMinor int64  // the line's total in the event's currency; negative for a discount
	Quantity    string // as written; a number
	SKU         string
	Category    string
}

// Event is one transaction event, parsed and valid by itself. Its strings may
// point into the buffer of the batch it came in: whoever keeps an event beyond
// the batch makes them its own (Record.Own).
type Event struct {
	ID                    string // unique within the account
	Type                  EventType
	TransactionID         string
	OriginalTransactionID string // empty: none
	AccountID             string
	CardToken             string
	AmountMinor           int64 // 0 to 2^53-1, minor units of Currency
	Currency              money.Currency
	BillingAmountMinor    int64
	BillingCurrency       money.Currency // zero: no billing amount was stated
	OccurredAt            Instant
	PurchasedAt           Instant // meaningful where HasPurchasedAt
	HasPurchasedAt        bool
	Declined              bool // approved: false
	Merchant              Merchant
	Channel               Channel
	CardProduct           string
	Items                 []Item
	// ContentHash is over all known fields after parsing (instants as
	// instants, defaults and nulls as absent): events of one id are the same
	// when it is equal. 64 bits suffice: a collision would take a conflict
	// for a duplicate, which changes no sum.
	ContentHash uint64
}

// PurchaseTime is when the purchase of this event happened as far as the event
// itself knows: purchased_at, else occurred_at.
func (e *Event) PurchaseTime() Instant {
	if e.HasPurchasedAt {
		return e.PurchasedAt
	}
	return e.OccurredAt
}

// TermsTime is the latest instant whose terms the event asks for: a refund is
// found at its store at its own purchase time, and may be matched to a purchase
// by the programme's version of when it happened.
func (e *Event) TermsTime() Instant {
	if e.Type == Refund {
		return Later(e.PurchaseTime(), e.OccurredAt)
	}
	return e.PurchaseTime()
}

func ParseName[T ~uint8](s string, names []string) (T, bool) {
	for i, name := range names[1:] {
		if s == name {
			return T(i + 1), true
		}
	}
	return 0, false
}

// TokenRange allows card tokens by their first digits.
type TokenRange struct {
	Prefix string // digits
	Length int    // of the whole token, in digits
}
