package rules

import (
	"time"

	"ristourne/rules/money"
)

// A Catalogue is everything that was ever agreed: for each subject (the
// programme, a partner) the versions it went through. At any instant the
// version with the latest From not after it is in force; the version in force
// at purchase time decides, whenever an event arrives.
type Catalogue struct {
	Programmes []Programme
	Partners   []Partner
}

// Version names one version of a subject: its content hash tells two versions
// apart, From says when it comes into force.
type Version struct {
	ID   string  // short and stable: what offer_version says on a line
	From Instant // MinInstant: from ever
	// Ended: from From on the subject is no more (a partner that was removed).
	Ended bool
}

// Enrolment is how accounts become members.
type Enrolment uint8

// The ways of enrolment.
const (
	EnrolmentExplicit  Enrolment = iota // by an enrolled fact
	EnrolmentAutomatic                  // every account is a member from ever, with all its cards
)

// DefaultHorizonDays is H of the contract where the programme states none.
const DefaultHorizonDays = 400

// Programme is one version of the bank's own settings.
type Programme struct {
	ID          string
	Version     Version
	Name        string
	Currency    money.Currency
	Zone        *time.Location // days, weeks and months of caps; windows of purchases without a store
	Rounding    money.Rounding
	Enrolment   Enrolment
	AllCards    bool // cards: all; a purchase's card need not be linked
	HorizonDays int  // H: 1 to 3660
	// CeilingMillionths bounds the member's money awards of one purchase as a
	// share of its basis: 1,000,000 (the whole basis) where none is stated.
	CeilingMillionths int64
	CardTokenRanges   []TokenRange // card tokens that look like card numbers and are allowed
}

// TokenRange allows card tokens by their first digits.
type TokenRange struct {
	Prefix string // digits
	Length int    // of the whole token, in digits
}

// CommissionOn is for which purchases a partner owes commission.
type CommissionOn uint8

// Commission is owed where an offer of the partner has an award, or for every
// member's purchase.
const (
	OnAward CommissionOn = iota
	OnSale
)

// Commission is what the partner owes for one purchase, by its own terms:
// exactly RateMillionths of the basis plus FixedMinor, rounded once.
type Commission struct {
	RateMillionths int64 // 50,000 = 5 %
	FixedMinor     int64
	On             CommissionOn
}

// None reports that the partner owes nothing per sale.
func (c Commission) None() bool { return c.RateMillionths == 0 && c.FixedMinor == 0 }

// Partner is one version of a shop chain: its terms, its stores, its offers.
type Partner struct {
	ID         string
	Version    Version
	Programme  string
	Name       string
	Currency   money.Currency // of its terms; the programme's where none is stated
	Commission Commission
	Stores     []Store
	Offers     []Offer
}

// Store is one physical or online place.
type Store struct {
	ID   string
	Name string
	Zone *time.Location
	Keys []Key
}

// Key is one way in which a card message can name a store: exactly one of the
// ranks network merchant id, MID + sub-merchant, MID + acquirer, MID.
type Key struct {
	Network           string // optional, with NetworkMerchantID
	NetworkMerchantID string
	MID               string
	SubMerchantID     string
	AcquirerID        string
	// Validity, [From, Until), local dates of the store's zone already turned
	// into instants; MinInstant and MaxInstant where open.
	From, Until Instant
}

// LocalTime is a wall-clock time without a zone: an offer's window means it in
// the zone of whichever store the purchase was made in.
type LocalTime struct {
	Year           int
	Month          time.Month
	Day            int
	Hour, Min, Sec int
}

// IsZero reports an open end.
func (l LocalTime) IsZero() bool { return l == LocalTime{} }

// In is the first instant at which the wall clock in zone has reached l: the
// first one where it shows l twice, the moment after the gap where it never
// does.
func (l LocalTime) In(zone *time.Location) Instant {
	wall := time.Date(l.Year, l.Month, l.Day, l.Hour, l.Min, l.Sec, 0, time.UTC)
	// No zone is a day off UTC, so the clock shows less than l here. From one
	// change of its offset to the next, the clock runs straight.
	for from := wall.Add(-24 * time.Hour).In(zone); ; {
		_, offsetSeconds := from.Zone()
		_, until := from.ZoneBounds()
		at := wall.Add(-time.Duration(offsetSeconds) * time.Second)
		if until.IsZero() || at.Before(until) {
			return later(InstantOf(at), InstantOf(from))
		}
		from = until
	}
}

// RewardForm is how an award is worked out from the basis.
type RewardForm uint8

// The forms of a reward.
const (
	PercentReward RewardForm = iota + 1
	FixedReward
)

// Reward is what an offer gives for one purchase.
type Reward struct {
	Form           RewardForm
	RateMillionths int64 // PercentReward: 30,000 = 3 %
	FixedMinor     int64 // FixedReward: minor units of the offer's currency
}

// CapPeriod is over what a cap counts.
type CapPeriod uint8

// The periods of a cap.
const (
	PerPurchase CapPeriod = iota + 1
	PerMonth              // calendar month of the programme's zone, per account
)

var capPeriodNames = [...]string{"", "purchase", "month"}

func (p CapPeriod) String() string { return capPeriodNames[p] }

// ParseCapPeriod reads the word of an offer file.
func ParseCapPeriod(s string) (CapPeriod, bool) { return parseName[CapPeriod](s, capPeriodNames[:]) }

// Cap is the most an offer gives a member in one period.
type Cap struct {
	Per         CapPeriod
	AmountMinor int64 // minor units of the offer's currency, over 0
}

// Funding is who pays a reward.
type Funding uint8

// A reward is paid from the partner's commission, which it then can't exceed,
// or by the programme, whose margin it may make negative.
const (
	FundedByCommission Funding = iota
	FundedByProgramme
)

// DefaultGroup is the group of offers that name none: the best of them wins.
const DefaultGroup = "default"

// Offer is one version of what a partner gives. Its version is that of the
// partner's document.
type Offer struct {
	ID            string
	Name          string
	Stores        []string       // store ids; empty: all of the partner's
	From, Until   LocalTime      // [From, Until) by the wall clock of the store's zone; zero: open
	Currency      money.Currency // of basis, minimum, caps and award
	Reward        Reward
	MinSpendMinor int64 // inclusive; 0: none
	Caps          []Cap
	Group         string // DefaultGroup where none is stated
	Priority      int
	FundedBy      Funding
}
