package traffic

// Kind is what a record is there to show.
type Kind uint8

// The kinds. Those from BrokenJSON on break a rule of the wire on purpose.
const (
	Enrolment Kind = iota + 1
	Leave
	CardLink
	CardUnlink
	LevelChange
	SegmentChange
	OfferActivation
	Expiry // authorization_expired: nothing ever cleared it

	Authorization
	Increment // authorization_update with a higher total, or authorization_increment with what is more
	Clearing
	SplitClearing // one of several of a purchase
	Tip           // cleared above what was authorised
	Fuel          // authorised for a fixed amount, cleared for what was filled in
	Foreign       // not in the cardholder's currency
	PartialReversal
	FullReversal
	Refund
	RefundBeforeClearing
	RefundBeforePurchase // the refund is the first that is heard of the purchase
	RefundAtDesk         // under the merchant id of the chain's returns desk
	RefundLinked         // under an id of its own that names the purchase's
	RefundUnlinked       // under an id of its own that names nothing
	Chargeback
	ChargebackReversal
	Declined
	Duplicate // the same bytes again
	Conflict  // an event id that came before with another amount
	Disorder  // an authorization that comes after its clearing
	NonMember // of a customer who never enrolled

	BrokenJSON
	MissingField
	WrongType
	NegativeAmount
	UnknownCurrency
	TimeWithoutOffset
	WrongKey
	TooLarge
	CardNumber // once in a generator's life
	NumKinds   // one more than the last
)

var kindNames = [NumKinds]string{
	"", "enrolment", "leave", "card link", "card unlink", "level change", "segment change", "offer activation", "expiry",
	"authorization", "increment", "clearing", "split clearing", "tip", "fuel", "foreign", "partial reversal", "full reversal",
	"refund", "refund before clearing", "refund before purchase", "refund at desk", "refund linked", "refund unlinked",
	"chargeback", "chargeback reversal", "declined", "duplicate", "conflict", "disorder", "non-member",
	"broken JSON", "missing field", "wrong type", "negative amount", "unknown currency", "time without offset", "wrong key",
	"too large", "card number",
}

func (k Kind) String() string { return kindNames[k] }

// Broken reports that the record must become a dead letter.
func (k Kind) Broken() bool { return k >= BrokenJSON }
