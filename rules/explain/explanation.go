package explain

// Explanation tells what was seen of a purchase and why it earned what it
// earned, or nothing. It is made for a person, through JSON or Text.
type Explanation struct {
	AccountID     string `json:"account_id"`
	TransactionID string `json:"transaction_id"` // of the purchase; what was asked for may have been linked to it
	// Outcome is one of "unknown" (nothing was kept of it), "waiting" (for an
	// event that opens the purchase), "earns nothing", "earns", "referral" (the
	// account gets something as the sponsor of another, who bought).
	Outcome   string            `json:"outcome"`
	Why       []string          `json:"why,omitempty"` // reason codes for a purchase that earns nothing as a whole
	Events    []ExplainedEvent  `json:"events,omitempty"`
	Purchase  *ExplainedMatch   `json:"purchase,omitempty"`
	Member    *ExplainedMember  `json:"member,omitempty"`
	Confirmed *ExplainedWorld   `json:"confirmed,omitempty"`
	Expected  *ExplainedWorld   `json:"expected,omitempty"`
	Booked    []ExplainedAmount `json:"booked,omitempty"`
	// HeldOut is what the account is held out of, of all that would be in force
	// for the purchase: ids of offers, campaigns and the programme.
	HeldOut []string `json:"held_out,omitempty"`
	// Referrals are what the account gets as the sponsor of whoever bought.
	Referrals []ExplainedReferral `json:"referrals,omitempty"`
}

// ExplainedReferral is what one offer gives the account for the purchase of a
// member whom it referred.
type ExplainedReferral struct {
	BuyerAccountID string            `json:"buyer_account_id"`
	PartnerID      string            `json:"partner_id"` // empty: an offer of the programme's own
	OfferID        string            `json:"offer_id"`
	OfferVersion   string            `json:"offer_version"`
	PurchasedAt    string            `json:"purchased_at"`
	Currency       string            `json:"currency"`
	ConfirmedMinor int64             `json:"confirmed_minor"` // before the account's own caps
	ExpectedMinor  int64             `json:"expected_minor"`
	Caps           []string          `json:"caps,omitempty"` // per sponsor, in words
	Booked         []ExplainedAmount `json:"booked,omitempty"`
}

// ExplainedEvent is one event of the set and its part in the purchase.
type ExplainedEvent struct {
	EventID            string `json:"event_id"`
	Type               string `json:"type"`
	OccurredAt         string `json:"occurred_at"`
	PurchasedAt        string `json:"purchased_at"` // its own purchase time
	AmountMinor        int64  `json:"amount_minor"`
	Currency           string `json:"currency"`
	BillingAmountMinor int64  `json:"billing_amount_minor,omitempty"`
	BillingCurrency    string `json:"billing_currency,omitempty"`
	StoreID            string `json:"store_id,omitempty"` // that its own merchant matched
	// Part is "authorised", "cleared" or "ignored"; Note says why, where it
	// needs saying.
	Part string `json:"part"`
	Note string `json:"note,omitempty"`
	// Unlinked is of a refund that names no purchase that is known: what it was
	// matched to, and by what.
	Unlinked *ExplainedUnlinked `json:"unlinked,omitempty"`
	// GivesPurchaseTime: time, store and card of the purchase are this event's.
	GivesPurchaseTime bool `json:"gives_purchase_time,omitempty"`
}

// ExplainedMatch is where and when the purchase was made, and the terms in
// force then.
type ExplainedMatch struct {
	PurchasedAt      string `json:"purchased_at"`
	LocalTime        string `json:"local_time"` // by the clock of the store: "Wednesday 2026-11-25 17:30 (Europe/Paris)"
	GivenBy          string `json:"given_by"`   // event id
	PartnerID        string `json:"partner_id"` // empty: at no partner's store
	PartnerName      string `json:"partner_name,omitempty"`
	StoreID          string `json:"store_id"`
	PartnerVersion   string `json:"partner_version,omitempty"`
	Programme        string `json:"programme,omitempty"`
	ProgrammeVersion string `json:"programme_version,omitempty"`
	Rounding         string `json:"rounding,omitempty"`
	Channel          string `json:"channel,omitempty"`
	MCC              string `json:"mcc,omitempty"`
	Country          string `json:"country,omitempty"`
	CardProduct      string `json:"card_product,omitempty"`
}

// ExplainedMember is what the account was at purchase time.
type ExplainedMember struct {
	MemberID   string `json:"member_id,omitempty"`
	Programme  string `json:"programme,omitempty"`
	Level      string `json:"level,omitempty"`
	Enrolled   bool   `json:"enrolled"` // at purchase time
	EnrolledAt string `json:"enrolled_at,omitempty"`
	// ProgrammeUnknown: the catalogue has no programme of that name, or none that
	// is in force then, so nothing earns.
	ProgrammeUnknown bool   `json:"programme_unknown,omitempty"`
	Left             bool   `json:"left,omitempty"`
	SponsorAccountID string `json:"sponsor_account_id,omitempty"`
	CardLinked       bool   `json:"card_linked"` // the card of the purchase
	CardNeeded       bool   `json:"card_needed"` // the programme counts linked cards alone
}

// ExplainedWorld is one world's bases, offers step by step, and commission.
type ExplainedWorld struct {
	Bases      []ExplainedBasis    `json:"bases,omitempty"`
	Offers     []ExplainedOffer    `json:"offers,omitempty"`
	Commission ExplainedCommission `json:"commission"` // by the partner's terms
	// OfferCommissions are those that offers add.
	OfferCommissions []ExplainedCommission `json:"offer_commissions,omitempty"`
	// Margins are what the programme keeps, currency by currency.
	Margins []ExplainedMargin `json:"margins,omitempty"`
}

// ExplainedMargin is the commission less what the rewards cost.
type ExplainedMargin struct {
	Currency        string `json:"currency"`
	CommissionMinor int64  `json:"commission_minor"`
	CostMinor       int64  `json:"cost_minor"`         // of the member's rewards
	SponsorMinor    int64  `json:"sponsor_cost_minor"` // of the sponsor's, before the sponsor's own caps
	MarginMinor     int64  `json:"margin_minor"`
}

// ExplainedBasis is the purchase in one currency, in minor units.
type ExplainedBasis struct {
	Currency   string `json:"currency"`
	BasisMinor int64  `json:"basis_minor"`
	Stated     bool   `json:"stated"` // every amount that counts is stated in the currency
	// AuthorisedMinor and ClearedMinor are the sums before they are held at 0;
	// HeldMinor is what would have gone under.
	AuthorisedMinor int64 `json:"authorised_minor"`
	ClearedMinor    int64 `json:"cleared_minor"`
	HeldMinor       int64 `json:"held_minor,omitempty"`
}

// ExplainedOffer is one offer on its way through the steps. Its amounts are in
// units of the award, but for the basis and what is compared with it.
type ExplainedOffer struct {
	PartnerID    string               `json:"partner_id"` // empty: the programme's own
	OfferID      string               `json:"offer_id"`
	Name         string               `json:"name,omitempty"`
	OfferVersion string               `json:"offer_version"`
	Group        string               `json:"group"`
	Kind         string               `json:"kind"`
	Unit         string               `json:"unit"` // of the award: the currency, or the points' code
	UnitDecimals int                  `json:"unit_decimals"`
	Currency     string               `json:"currency"`
	FundedBy     string               `json:"funded_by"`
	Applies      bool                 `json:"applies"` // its conditions hold
	Conditions   []ExplainedCondition `json:"conditions,omitempty"`
	BasisMinor   int64                `json:"basis_minor"`
	MinSpend     int64                `json:"min_spend_minor,omitempty"`
	Reward       string               `json:"reward"`           // in words, as it is agreed
	Form         string               `json:"form,omitempty"`   // "percent", "fixed", "per full", "tiers", "categories"
	Rate         string               `json:"rate,omitempty"`   // "3%"
	Boosts       []string             `json:"boosts,omitempty"` // in force: "black-friday/double" or, of the offer's own, "happy-hour"
	Raises       []ExplainedBoost     `json:"raises,omitempty"` // all boosts that name the offer, in force or not
	BoostedRate  string               `json:"boosted_rate,omitempty"`
	Raised       string               `json:"raised,omitempty"`      // how the boosts made it: "set to 6%, times 2"
	FixedMinor   int64                `json:"fixed_minor,omitempty"` // of a fixed reward
	Lines        []ExplainedLine      `json:"lines,omitempty"`       // tier by tier, or category by category
	Exact        string               `json:"exact,omitempty"`       // before rounding, in minor units
	Times        int64                `json:"times,omitempty"`       // that a goal is reached with it, where more than once
	RoundedMinor int64                `json:"rounded_minor"`         // all times together
	PurchaseCap  int64                `json:"purchase_cap_minor,omitempty"`
	Caps         []ExplainedCap       `json:"caps,omitempty"`
	RoomMinor    int64                `json:"room_minor,omitempty"` // the least that caps in amount left for it
	Budgets      []ExplainedBudget    `json:"budgets,omitempty"`
	CappedMinor  int64                `json:"capped_minor"`
	WonGroup     bool                 `json:"won_group"`
	LostTo       string               `json:"lost_to,omitempty"` // the offer that won the group
	CeilingMinor int64                `json:"after_ceiling_minor"`
	MarginMinor  int64                `json:"after_margin_minor"`
	AwardMinor   int64                `json:"award_minor"`
	CostMinor    int64                `json:"cost_minor"` // of the award, in Currency
	Sponsor      *ExplainedSponsor    `json:"sponsor,omitempty"`
	WhyNotMore   []string             `json:"why_not_more"` // in words
	// Why are reason codes: what limited the award, or kept the offer away.
	Why []string `json:"why,omitempty"`
}

// ExplainedCondition is one thing that an offer asks of a purchase.
type ExplainedCondition struct {
	Code  string `json:"code"`  // the reason code for which an offer doesn't apply without it
	Asks  string `json:"asks"`  // in words
	Found string `json:"found"` // what there was, in words
	Holds bool   `json:"holds"`
	// Skipped: it wasn't looked at, since it counts visits and this is none.
	Skipped bool `json:"skipped,omitempty"`
}

// ExplainedBoost is one boost that names the offer.
type ExplainedBoost struct {
	ID       string `json:"id"`
	Campaign string `json:"campaign,omitempty"` // empty: the offer's own
	Does     string `json:"does"`               // in words
	InForce  bool   `json:"in_force"`
	// Counts: it is part of the rate; of several that set or multiply, only the
	// highest is.
	Counts bool     `json:"counts"`
	Why    []string `json:"why,omitempty"` // why it is not in force
	// Holdout: its campaign holds accounts out.
	Holdout bool `json:"holdout,omitempty"`
}

// ExplainedLine is a tier or a category: what of the basis is in it, and what
// it gives.
type ExplainedLine struct {
	Of         string `json:"of"`
	BasisMinor int64  `json:"basis_minor"` // rounded, where articles are in another currency
	Rate       string `json:"rate"`        // boosted
	Exact      string `json:"exact,omitempty"`
}

// ExplainedCap is one cap.
type ExplainedCap struct {
	Per       string `json:"per"`
	Days      int    `json:"days,omitempty"`
	Minor     int64  `json:"minor,omitempty"` // in units of the award
	Count     int64  `json:"count,omitempty"` // of awards
	UsedMinor int64  `json:"used_minor"`      // before this purchase: units, or awards
	Text      string `json:"text"`            // "at most 15.00 EUR per month"
}

// ExplainedBudget is what a budget had to give for the award.
type ExplainedBudget struct {
	Budget     string `json:"budget"`
	AskedMinor int64  `json:"asked_minor"`
	GivenMinor int64  `json:"given_minor"`
	Text       string `json:"text"`
}

// ExplainedSponsor is what the sponsor of the member gets, before the caps of
// their own.
type ExplainedSponsor struct {
	Reward           string `json:"reward"` // in words, as it is agreed
	SponsorAccountID string `json:"sponsor_account_id,omitempty"`
	RewardMinor      int64  `json:"reward_minor"`
}

// ExplainedCommission is what the partner owes for the purchase.
type ExplainedCommission struct {
	OfferID    string   `json:"offer_id,omitempty"`
	Terms      string   `json:"terms,omitempty"` // in words, as they are agreed
	Owed       bool     `json:"owed"`
	Rate       string   `json:"rate,omitempty"`
	FixedMinor int64    `json:"fixed_minor,omitempty"`
	BasisMinor int64    `json:"basis_minor"`
	Currency   string   `json:"currency"`
	Minor      int64    `json:"commission_minor"`
	Why        []string `json:"why,omitempty"`
}

// ExplainedAmount is one sum of the ledger as it is booked.
type ExplainedAmount struct {
	Role            string   `json:"role"`
	OfferID         string   `json:"offer_id,omitempty"`
	OfferVersion    string   `json:"offer_version,omitempty"`
	CampaignIDs     []string `json:"campaign_ids,omitempty"`
	Stage           string   `json:"stage"`
	Kind            string   `json:"kind"`
	Unit            string   `json:"unit"`
	UnitDecimals    int      `json:"unit_decimals"`
	BasisMinor      int64    `json:"basis_minor"`
	RewardMinor     int64    `json:"reward_minor"`
	CommissionMinor int64    `json:"commission_minor"`
	CostMinor       int64    `json:"cost_minor"`
	Currency        string   `json:"currency,omitempty"` // of basis, commission and cost
}

// ExplainedUnlinked is what became of a refund that names no purchase that is
// known.
type ExplainedUnlinked struct {
	NamedTransactionID string `json:"named_transaction_id"`
	StoreID            string `json:"store_id"`
	PartnerID          string `json:"partner_id"`
	// WithinDays is how far back the programme looked at the refund's own date;
	// 0: it matches no such refunds.
	WithinDays int `json:"within_days"`
	// DecidedBy is the first of the reasons, in their order, by which the
	// purchase goes before the next best one: "store", "card", "amount", "time",
	// "id", or "only" where there was no other.
	DecidedBy string `json:"decided_by,omitempty"`
	// Options are the purchases that it could be matched to, the best first: it
	// is matched to the first of them. Where it is matched to none, there is none.
	Options     []ExplainedRefundOption `json:"options,omitempty"`
	MoreOptions int                     `json:"more_options,omitempty"` // that are not listed
}

// ExplainedRefundOption is a purchase that an unlinked refund could be matched
// to, as it was when its turn came.
type ExplainedRefundOption struct {
	TransactionID string `json:"transaction_id"`
	PurchasedAt   string `json:"purchased_at"`
	StoreID       string `json:"store_id"`
	SameStore     bool   `json:"same_store"`
	SameCard      bool   `json:"same_card"`
	LeftMinor     int64  `json:"left_minor"`
	ExactAmount   bool   `json:"exact_amount"` // of which exactly the refund was left
}
