package rules

import (
	"time"

	"ristourne/rules/money"
)

// FactType is what a dated truth about a member says.
type FactType uint8

// The types of a fact.
const (
	Enrolled FactType = iota + 1
	Left
	CardLinked
	CardUnlinked
	LevelChanged
	OfferActivated
	OfferDeactivated
	SegmentAdded
	SegmentRemoved
	AuthorizationExpired
	CycleClosed
	PointsSpent
	WalletSpent
	Adjustment
	Erased
	PayoutMethod
	PayoutReleased
	VoucherRedeemed
	NumFactTypes // one more than the last
)

var factTypeNames = [...]string{
	"", "enrolled", "left", "card_linked", "card_unlinked", "level_changed", "offer_activated", "offer_deactivated",
	"segment_added", "segment_removed", "authorization_expired", "cycle_closed", "points_spent", "wallet_spent",
	"adjustment", "erased", "payout_method", "payout_released", "voucher_redeemed",
}

func (t FactType) String() string { return factTypeNames[t] }

// ParseFactType reads the name of the wire.
func ParseFactType(s string) (FactType, bool) { return ParseName[FactType](s, factTypeNames[:]) }

// Fact is a dated truth about a member. It counts from At on, inclusive; facts
// of one instant apply in the order of their ids. Which fields mean something
// depends on the type; the others are empty.
type Fact struct {
	ID        string
	Type      FactType
	AccountID string
	At        Instant

	MemberID         string         // enrolled
	Programme        string         // enrolled, cycle_closed, payout_released; adjustment: empty, that of the latest enrolment
	CardTokens       []string       // enrolled
	Level            string         // enrolled, level_changed
	Segments         []string       // enrolled
	SponsorAccountID string         // enrolled
	CardToken        string         // card_linked, card_unlinked
	OfferID          string         // offer_activated, offer_deactivated
	Segment          string         // segment_added, segment_removed
	TransactionID    string         // authorization_expired
	Cycle            string         // cycle_closed
	AsOf             string         // cycle_closed: RFC 3339 in UTC, as Instant.String has it
	AmountMinor      int64          // points_spent, wallet_spent: over 0; adjustment: not 0
	Unit             string         // points_spent, wallet_spent
	Currency         money.Currency // adjustment
	Reason           string         // adjustment
	ApprovedBy       string         // adjustment
	Method           PayMethod      // payout_method
	IBAN             string         // payout_method: of a transfer
	Name             string         // payout_method: of a transfer, a cheque
	Handle           string         // payout_method: of an e-wallet
	VoucherID        string         // voucher_redeemed

	ContentHash uint64 // as Event.ContentHash

	// Closed is what the account owed when it took a cycle_closed, which depends on
	// what it had by then: part of its set, and of no content. Nil: it was not taken,
	// or changed nothing.
	Closed []Debt
}

// Debt is what was instructed beyond what is confirmed, in one currency of the
// programme whose cycle closed.
type Debt struct {
	Currency        money.Currency
	Since           Instant // the as_of of the first cycle in a row at which there was one
	WrittenOffMinor int64
}

// AsOfInstant is the end of the cycle that a cycle_closed fact closes.
func (f *Fact) AsOfInstant() Instant {
	t, err := time.Parse(time.RFC3339Nano, f.AsOf)
	if err != nil {
		return f.At // they are one instant; the decoder takes no other text
	}
	return InstantOf(t)
}

func (f *Fact) texts() [19]*string {
	return [...]*string{
		&f.ID, &f.AccountID, &f.MemberID, &f.Programme, &f.Level, &f.SponsorAccountID, &f.CardToken, &f.OfferID, &f.Segment,
		&f.TransactionID, &f.Cycle, &f.AsOf, &f.Unit, &f.Reason, &f.ApprovedBy,
		&f.IBAN, &f.Name, &f.Handle, &f.VoucherID,
	}
}

// Bytes is the size of the fact's texts.
func (f *Fact) Bytes() int {
	n := 0
	for _, s := range f.texts() {
		n += len(*s)
	}
	for _, list := range [...][]string{f.CardTokens, f.Segments} {
		for _, s := range list {
			n += len(s)
		}
	}
	return n
}

// ProgrammeWord stands for the programme where an offer is named with its partner.
const ProgrammeWord = "programme"
