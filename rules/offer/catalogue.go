package offer

import (
	"cmp"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// A Catalogue is everything that was ever agreed: for each subject (the
// programme, a partner, a campaign) the versions it went through. At any
// instant the version with the latest From not after it is in force; the
// version in force at purchase time decides, whenever an event arrives.
type Catalogue struct {
	Programmes []Programme
	Partners   []Partner
	Campaigns  []Campaign
}

// Version names one version of a subject: its content hash tells two versions
// apart, From says when it comes into force.
type Version struct {
	ID   string        // short and stable: what offer_version says on a line
	From rules.Instant // MinInstant: from ever
	// Ended: from From on the subject is no more (a partner that was removed).
	Ended bool
}

// Publishing runs ahead of purchases: whoever has read the catalogue at t knows
// all that comes into force before t + PublicationLead, and before
// t + AutomaticLead of what makes strangers members. The first is longer than a
// sender's clock may be ahead (5 minutes), so that no purchase has to wait for the
// catalogue where Kafka's clock is right; the second holds where that is as much
// ahead as is believed, so that an event of no member never waits.
const (
	PublicationLead = 6 * time.Minute
	AutomaticLead   = 11 * time.Minute
)

// Enrolment is how accounts become members.
type Enrolment uint8

// The ways of enrolment.
const (
	EnrolmentExplicit  Enrolment = iota // by an enrolled fact
	EnrolmentAutomatic                  // every account is a member from ever, with all its cards
)

// DefaultHorizonDays is the horizon where the programme states none.
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
	// UnlinkedRefundDays is N: a refund that names no known purchase is matched
	// to one made at most N x 24 h before it. 0: it waits; at most HorizonDays.
	UnlinkedRefundDays int
	// CeilingMillionths bounds the member's money awards of one purchase as a
	// share of its basis: 1,000,000 (the whole basis) where none is stated.
	CeilingMillionths int64
	CardTokenRanges   []rules.TokenRange // card tokens that look like card numbers and are allowed
	// SEPAStatements says that what cardholders read is in the letters that every
	// bank of SEPA takes.
	SEPAStatements bool
	// Holdout is for all offers of the programme and its partners but those that
	// say otherwise.
	Holdout Holdout
	Points  PointsUnit // zero: the programme gives no points
	Payout  Payout
	Billing Billing
	// Offers are the programme's own: for every purchase of its members, at a
	// partner's store or not. Their Stores are empty, they are funded by the
	// programme, and their lines carry neither partner nor store.
	Offers []Offer
}

// PointsUnit is the points that a programme gives.
type PointsUnit struct {
	Code     string // 2 to 12 of A-Z 0-9 _, no currency's code: the unit on lines
	Decimals int    // 0 to 4: amounts of points are counted in 10^-Decimals of a point
	// ValueMillionths is what one whole point costs the programme, in millionths
	// of a minor unit of its currency; 0: none is stated.
	ValueMillionths int64
	// ExpiresAfterDays is x 24 h from purchase time until points are lost; 0: never.
	ExpiresAfterDays int
}

// CommissionOn is for which purchases a partner owes commission.
type CommissionOn uint8

// Commission is owed where an offer of the partner has an award, or for every
// member's purchase.
const (
	OnAward CommissionOn = iota
	OnSale
)

// CommissionForm is how a commission is worked out.
type CommissionForm uint8

// The forms of a commission.
const (
	ShareCommission    CommissionForm = iota // RateMillionths of the basis plus FixedMinor; both 0: nothing per sale
	TieredCommission                         // that of the highest tier that this purchase's basis reaches
	CostPlusCommission                       // CostMillionths of the cost of the rewards
)

// Commission is what the partner owes for one purchase, rounded once.
type Commission struct {
	Form           CommissionForm
	RateMillionths int64 // ShareCommission: 50,000 = 5 %
	FixedMinor     int64 // ShareCommission
	Tiers          []CommissionTier
	// CostMillionths is the share of what the member's rewards from the
	// partner's offers cost, as they are in the end and as far as the programme
	// doesn't fund them: at least 1,000,000.
	CostMillionths int64
	On             CommissionOn // ShareCommission and TieredCommission
}

// CommissionTier is owed for purchases from FromMinor on: for the whole basis.
type CommissionTier struct {
	FromMinor      int64 // inclusive; tiers are in rising order
	RateMillionths int64
	FixedMinor     int64
}

// None reports that the partner owes nothing per sale, as with a subscription
// alone.
func (c *Commission) None() bool {
	return c.Form == ShareCommission && c.RateMillionths == 0 && c.FixedMinor == 0
}

// Partner is one version of a shop chain: its terms, its stores, its offers.
type Partner struct {
	ID         string
	Version    Version
	Programme  string
	Name       string
	Currency   money.Currency // of its terms; the programme's where none is stated
	Commission Commission
	// MonthlyFeeMinor is owed for each month at whose end this version is in force,
	// in Currency; no line of the ledger says it.
	MonthlyFeeMinor int64
	Billing         BillingTerms
	Stores          []Store
	Offers          []Offer
}

// Store is one physical or online place.
type Store struct {
	ID   string
	Name string
	Zone *time.Location
	// OfProgramme says that the store states no zone: it has that of its
	// programme, in the version in force at purchase time. Zone is what that was
	// when the store's version came into force.
	OfProgramme bool
	Keys        []Key
}

// Key is one way in which a card message can name a store: exactly one of the
// ranks network merchant id, MID + sub-merchant, MID + terminal, MID + acquirer,
// MID.
type Key struct {
	Network           string // optional, with NetworkMerchantID
	NetworkMerchantID string
	MID               string
	SubMerchantID     string
	TerminalID        string // with MID: one MID may serve a whole chain
	AcquirerID        string // optional, with MID
	// Validity, [From, Until), local dates of the store's zone already turned
	// into instants; MinInstant and MaxInstant where open.
	From, Until rules.Instant
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
func (l LocalTime) In(zone *time.Location) rules.Instant {
	wall := time.Date(l.Year, l.Month, l.Day, l.Hour, l.Min, l.Sec, 0, time.UTC)
	// No zone is a day off UTC, so the clock shows less than l here. From one
	// change of its offset to the next, the clock runs straight.
	for from := wall.Add(-24 * time.Hour).In(zone); ; {
		_, offsetSeconds := from.Zone()
		_, until := from.ZoneBounds()
		at := wall.Add(-time.Duration(offsetSeconds) * time.Second)
		if until.IsZero() || at.Before(until) {
			return rules.Later(rules.InstantOf(at), rules.InstantOf(from))
		}
		from = until
	}
}

// RewardForm is how an award is worked out from the basis.
type RewardForm uint8

// The forms of a reward. The zero value is no reward: an offer for sponsors
// alone.
const (
	RateReward     RewardForm = iota + 1 // percent, or points per unit of money
	FixedReward                          // an amount for each purchase
	PerFullReward                        // FixedMinor for each full PerMinor of the basis
	TieredReward                         // a rate by the size of the basis
	CategoryReward                       // a rate by article category
)

var RewardFormNames = [...]string{"sponsors alone", "percent", "fixed", "per full", "tiers", "categories"}

// Reward is what an offer gives for one purchase. Rewards are counted in the
// units of their kind: minor units of the offer's currency; for points 10^-d of
// a point, d the decimals of the programme's points. A rate is units of the
// kind for each minor unit of the basis, in millionths: 30,000 is 3 %, or with
// points of no decimals 3 points for each euro.
type Reward struct {
	Form           RewardForm
	Kind           rules.Kind // Cash (also the zero value), Points, Wallet or Voucher
	RateMillionths int64
	FixedMinor     int64 // FixedReward, PerFullReward
	PerMinor       int64 // PerFullReward: over 0
	Tiers          []Tier
	Marginal       bool // tiers: each rate for the part above its threshold, not the highest reached for all
	Categories     []CategoryRate
	RestMillionths int64       // CategoryReward: the rate of what has no listed category; 0: none
	Wallet         WalletTerms // of Kind Wallet
	VoucherFor     string      // of Kind Voucher: what it is for, in the partner's words
}

// Tier is the rate from a basis on.
type Tier struct {
	FromMinor      int64 // inclusive; tiers are in rising order
	RateMillionths int64
}

// CategoryRate is the rate of one article category. A rate of 0 says that its
// articles earn nothing, and no boost changes that.
type CategoryRate struct {
	Category       string
	RateMillionths int64
}

// WalletTerms is when what is put in a member's wallet can be spent, counted from
// purchase time in days of 24 hours.
type WalletTerms struct {
	UsableAfterDays  int // 0: at once
	ExpiresAfterDays int // 0: never
}

// CapPeriod is over what a cap, a visit or a goal counts, per account. Calendar
// periods are those of the programme's zone; weeks begin on Monday.
type CapPeriod uint8

// The periods.
const (
	PerPurchase CapPeriod = iota + 1
	PerDay
	PerWeek
	PerMonth
	PerQuarter
	PerYear
	PerRolling // the N x 24 h that end with the purchase
	PerLife    // of the offer, over all its versions
)

var capPeriodNames = [...]string{"", "purchase", "day", "week", "month", "quarter", "year", "rolling", "life"}

func (p CapPeriod) String() string { return capPeriodNames[p] }

// ParseCapPeriod reads the word of an offer file.
func ParseCapPeriod(s string) (CapPeriod, bool) {
	return rules.ParseName[CapPeriod](s, capPeriodNames[:])
}

// Cap is the most an offer gives a member in one period: an amount in units of
// the reward, or a number of awards. Exactly one of the two is over 0.
type Cap struct {
	Per         CapPeriod
	Days        int   // PerRolling: N, 1 to 3660
	AmountMinor int64 // in units of the reward
	Count       int64 // of awards over 0; not with PerPurchase
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

// Offer is one version of what a partner, or the programme itself, gives. Its
// version is that of the partner's, or the programme's, document.
type Offer struct {
	ID          string
	Name        string
	Stores      []string       // store ids; empty: all of the partner's
	From, Until LocalTime      // [From, Until) by the wall clock of the store's zone; zero: open
	Currency    money.Currency // of basis, minimum, goal, and of rewards that are money
	Reward      Reward
	Conditions
	Boosts   []Boost
	Caps     []Cap
	Budgets  []Budget
	Group    string // DefaultGroup where none is stated
	Priority int
	// ActivationShared says that offers of other partners have this id too, and a
	// member who activates it by the id alone activates all of them.
	ActivationShared bool
	Holdout          Holdout
	// NotOfProgrammes says that the programme's holdout doesn't reach the offer.
	// One with a holdout of its own is under the programme's too.
	NotOfProgrammes bool
	FundedBy        Funding
	Commission      Commission // of its own, beside the partner's; in the offer's currency, never CostPlus, On is not looked at
	Sponsor         Sponsor
}

// Conditions are what must hold of a purchase for an offer to apply. Zero
// values ask nothing. A condition on something unknown doesn't hold.
type Conditions struct {
	MinSpendMinor int64 // inclusive; 0: none
	MaxSpendMinor int64 // inclusive; 0: none
	When          When
	Channels      []rules.Channel
	// The merchant's category is one of MCCs, and none of NotMCCs.
	MCCs          []MCCRange
	NotMCCs       []MCCRange
	Countries     []string         // any of them: of the merchant, ISO 3166-1 alpha-2
	PaidIn        []money.Currency // any of them: of the event that gives the purchase its time
	Audience      Audience
	FirstPurchase bool // no earlier purchase with a basis at any store of the partner
	LapsedDays    int  // there was one, the last at least so many x 24 h before; 0: not asked
	Every         Every
	Goal          Goal
}

// When is at which times of the store's clock something holds: each part that
// is stated must.
type When struct {
	Weekdays Weekdays
	Hours    []Hours // any of them
	Dates    []Dates // any of them
}

// Weekdays is a set of days: bit n is time.Weekday(n). Empty: every day.
type Weekdays uint8

// Has reports whether the day is in the set.
func (w Weekdays) Has(day time.Weekday) bool { return w&(1<<day) != 0 }

// Hours are times of day [From, Until), in seconds since midnight by the wall
// clock. Until <= From: they go over midnight, and what is after it belongs to
// the weekday on which they began.
type Hours struct{ FromSec, UntilSec int32 } // From 0 to 86,399, Until 1 to 86,400

// Dates are [From, Until) by the wall clock; a zero one is open.
type Dates struct{ From, Until LocalTime }

// MCCRange is merchant category codes (ISO 18245) From to To, both inclusive.
type MCCRange struct{ From, To uint16 }

// Audience is for which members something holds: each part that is stated
// must. All is as of purchase time.
type Audience struct {
	Levels       []string // any of them
	Segments     []string // any of them
	CardProducts []string // any of them, in the bank's own words
	Activated    bool     // the member has activated the offer
	// Of the latest enrolment: not before EnrolledSince (of the programme's
	// zone), at least EnrolledForDays x 24 h ago, less than EnrolledWithinDays
	// x 24 h ago.
	EnrolledSince      LocalTime
	EnrolledForDays    int
	EnrolledWithinDays int
}

// Every makes only the Nth, 2Nth, ... visit of each period earn. A visit is a
// purchase on which all other conditions of the offer hold; with OnceADay only
// the first such purchase of each day.
type Every struct {
	N        int       // at least 2; 0: not asked
	Per      CapPeriod // PerDay to PerYear, or PerLife
	OnceADay bool
}

// Goal gives the award to the purchase with which the sum of bases of visits
// reaches the target, once a period.
type Goal struct {
	AmountMinor int64     // 0: not asked
	Per         CapPeriod // PerDay to PerYear, or PerLife
	// Again: once for each full multiple of the target. A purchase that reaches
	// several gets the award so many times.
	Again bool
}

// BoostOp is what a boost does to an award.
type BoostOp uint8

// The operations, in the order in which they apply: of several boosts that set
// or multiply the highest counts, those that add add up. A boost never lowers.
const (
	SetRate      BoostOp = iota + 1
	MultiplyRate         // the only one that touches fixed and per-full amounts
	AddRate
)

// Boost raises what an offer gives.
type Boost struct {
	ID               string
	From, Until      LocalTime // [From, Until) by the store's wall clock; zero: open
	When             When
	Audience         Audience // Activated is not looked at
	Op               BoostOp
	RateMillionths   int64 // SetRate, AddRate
	OfPoints         bool  // RateMillionths is of points: it touches offers that give points, else those that give money
	FactorMillionths int64 // MultiplyRate: 1,000,000 (nothing changes) to 100,000,000
}

// Budget bounds what is given over all members.
type Budget struct {
	AmountMinor int64 // 0: no budget; in units of what it pays for
	// PerStoreAndDay: so much for each store on each day of the programme's zone.
	PerStoreAndDay bool
	// Whole: what the rest doesn't cover wholly is not given at all; otherwise
	// the last award is partial.
	Whole bool
}

// Sponsor is what the sponsor of a referred member gets when that member buys:
// always cash, in the offer's currency, at the programme's cost.
type Sponsor struct {
	RateMillionths int64 // of the buyer's basis; or
	FixedMinor     int64
	// FirstPurchases is for how many purchases, ever, of one referred member;
	// 0: no limit.
	FirstPurchases int
	WithinDays     int   // x 24 h after the buyer's latest enrolment; 0: no limit
	Caps           []Cap // per sponsor, over all members they referred
}

// None reports that the sponsor gets nothing.
func (s *Sponsor) None() bool { return s.RateMillionths == 0 && s.FixedMinor == 0 }

// Campaign is one version of a bundle of boosts over many offers.
type Campaign struct {
	ID      string
	Version Version
	// StoppedAt, of a version that is Ended, is when that was made known; zero:
	// unknown. An end comes into force PublicationLead after it is published, so that
	// no purchase is decided without it; the budget pays for no purchase made
	// from then on, as soon as it is known.
	StoppedAt   rules.Instant
	Programme   string
	Name        string
	From, Until LocalTime // [From, Until) by the store's wall clock; zero: open
	When        When      // these hold beside each boost's own
	Audience    Audience
	// Budget pays what the campaign adds to awards, in Unit: a currency's code
	// or the points'. A campaign with a budget touches only offers whose awards
	// are in Unit.
	Budget  Budget
	Unit    string
	Boosts  []CampaignBoost
	Holdout Holdout // for whom it holds out, the boosts don't apply
}

// CampaignBoost is a boost on the offers that it names.
type CampaignBoost struct {
	Boost
	Offers []OfferRef // empty: every offer of the programme and its partners
}

// Holdout keeps a share of all accounts away from what it is agreed for, so that
// what they do can be compared with what all others do. Who is held out follows
// from the salt and the account id alone.
type Holdout struct {
	Millionths int64  // of all accounts; 0: nobody
	Salt       string // empty: the id of the offer (see HoldoutID), campaign or programme
}

// HoldoutID is the id of an offer as a default salt and as what analysts read:
// "partner/offer", of a programme's own "programme/offer".
func HoldoutID(partnerID, offerID string) string {
	return OfferRef{Partner: partnerID, Offer: offerID}.String()
}

// OfferRef names an offer: of a partner, or where Partner is empty the
// programme's own. An empty Offer is all of them.
type OfferRef struct{ Partner, Offer string }

// String is "partner/offer", of a programme's own offer "programme/offer".
func (r OfferRef) String() string { return cmp.Or(r.Partner, rules.ProgrammeWord) + "/" + r.Offer }

// Of is the commission on a basis; 0 where it follows from what rewards cost.
func (c *Commission) Of(basisMinor int64, rounding money.Rounding) (int64, error) {
	switch c.Form {
	case ShareCommission:
		return money.Share(basisMinor, c.RateMillionths, c.FixedMinor, rounding)
	case TieredCommission:
		for i := len(c.Tiers) - 1; i >= 0; i-- {
			if t := &c.Tiers[i]; basisMinor >= t.FromMinor {
				return money.Share(basisMinor, t.RateMillionths, t.FixedMinor, rounding)
			}
		}
	case CostPlusCommission:
	}
	return 0, nil
}

// AsksMCC reports that the merchant's category matters.
func (c *Conditions) AsksMCC() bool { return len(c.MCCs)+len(c.NotMCCs) > 0 }

// TakesMCC reports whether the merchant category code, four digits or empty,
// is one that is asked for, and none that is excluded. Of an unknown one nobody
// can say that.
func (c *Conditions) TakesMCC(mcc string) bool {
	if !c.AsksMCC() {
		return true
	}
	if len(mcc) != 4 {
		return false
	}
	code := uint16(0)
	for i := range 4 {
		if mcc[i] < '0' || mcc[i] > '9' {
			return false
		}
		code = code*10 + uint16(mcc[i]-'0')
	}
	return (len(c.MCCs) == 0 || inRanges(c.MCCs, code)) && !inRanges(c.NotMCCs, code)
}

// ReachedWith is how often a goal is reached with a purchase: where it isn't
// given again, once for good from the target on.
func (g *Goal) ReachedWith(beforeMinor, basisMinor int64) int64 {
	if !g.Again {
		if beforeMinor+basisMinor < g.AmountMinor {
			return 0
		}
		return 1
	}
	return (beforeMinor+basisMinor)/g.AmountMinor - beforeMinor/g.AmountMinor
}

func (u *PointsUnit) Cost(units int64, rounding money.Rounding) (int64, error) {
	perUnit := u.ValueMillionths * money.One // of 10^-12
	for range u.Decimals {
		perUnit /= 10
	}
	exact, err := money.Exact{}.Plus(units, perUnit)
	if err != nil {
		return 0, err
	}
	return exact.Round(rounding)
}

// UnitOf is what the offer gives: the code of the programme's points, or a currency.
func (o *Offer) UnitOf(pointsCode string) string {
	if o.Reward.Kind == rules.Points {
		return pointsCode
	}
	return o.Currency.String()
}

func inRanges(ranges []MCCRange, code uint16) bool {
	for _, r := range ranges {
		if code >= r.From && code <= r.To {
			return true
		}
	}
	return false
}
