package rules

import (
	"slices"
	"strings"

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
)

var factTypeNames = [...]string{
	"", "enrolled", "left", "card_linked", "card_unlinked", "level_changed", "offer_activated", "offer_deactivated",
	"segment_added", "segment_removed", "authorization_expired", "cycle_closed", "points_spent", "wallet_spent",
	"adjustment", "erased",
}

func (t FactType) String() string { return factTypeNames[t] }

// ParseFactType reads the name of the wire.
func ParseFactType(s string) (FactType, bool) { return parseName[FactType](s, factTypeNames[:]) }

// Fact is a dated truth about a member. It counts from At on, inclusive; facts
// of one instant apply in the order of their ids. Which fields mean something
// depends on the type; the others are empty.
type Fact struct {
	ID        string
	Type      FactType
	AccountID string
	At        Instant

	MemberID         string         // enrolled
	Programme        string         // enrolled, cycle_closed
	CardTokens       []string       // enrolled
	Level            string         // enrolled, level_changed
	Segments         []string       // enrolled
	SponsorAccountID string         // enrolled
	CardToken        string         // card_linked, card_unlinked
	OfferID          string         // offer_activated, offer_deactivated
	Segment          string         // segment_added, segment_removed
	TransactionID    string         // authorization_expired
	Cycle            string         // cycle_closed
	AsOf             string         // cycle_closed, as written
	AmountMinor      int64          // points_spent, wallet_spent: over 0; adjustment: not 0
	Unit             string         // points_spent, wallet_spent
	Currency         money.Currency // adjustment
	Reason           string         // adjustment
	ApprovedBy       string         // adjustment

	ContentHash uint64 // as Event.ContentHash
}

// Clone is a copy of f that shares no memory with it.
func (f *Fact) Clone() *Fact {
	c := *f
	for _, s := range [...]*string{
		&c.ID, &c.AccountID, &c.MemberID, &c.Programme, &c.Level, &c.SponsorAccountID, &c.CardToken, &c.OfferID, &c.Segment,
		&c.TransactionID, &c.Cycle, &c.AsOf, &c.Unit, &c.Reason, &c.ApprovedBy,
	} {
		*s = strings.Clone(*s)
	}
	c.CardTokens, c.Segments = slices.Clone(f.CardTokens), slices.Clone(f.Segments)
	for i := range c.CardTokens {
		c.CardTokens[i] = strings.Clone(c.CardTokens[i])
	}
	for i := range c.Segments {
		c.Segments[i] = strings.Clone(c.Segments[i])
	}
	return &c
}
