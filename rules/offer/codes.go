package offer

// Code is what is wrong. The words for it are elsewhere: Fault.Error has plain
// ones, and whoever reads catalogues from files has better ones, which know what
// was written.
type Code uint8

// The codes, with what Fault.Args holds.
const (
	_ Code = iota

	// Of programmes, partners and campaigns, and of their versions.

	FaultID               // an id is empty or too long
	FaultIDSeparator      // an id has a character that joins ids: the id
	FaultVersionName      // a version's name is empty or too long
	FaultVersionTwice     // two versions from one time on (Other): the time
	FaultReservedID       // a partner has the name of the programme's own offers
	FaultUnknownProgramme // there is none of the id: the id
	FaultCurrency         // none of ISO 4217: its code
	FaultZone             // no time zone
	FaultTooMany          // elements of a list: how many there may be, of what

	// Of a programme's settings.

	FaultRounding        // none that is known
	FaultHorizon         // not within bounds: days
	FaultUnlinkedRefunds // beyond the horizon: days, the horizon's days
	FaultTwoAutomatic    // another takes every account at that time: the other
	FaultCeiling         // not within bounds: the share
	FaultTokenRange      // tokens shorter than their beginning: digits of the whole, of the beginning
	FaultHoldout         // not a share of all accounts: the share
	FaultSalt            // too long, or with a zero byte
	FaultHoldoutAndNone  // an offer has a holdout and is outside of the programme's
	FaultPointsCode      // none that points may have: the code
	FaultPointsDecimals  // not within bounds: how many
	FaultPointsValue     // not within bounds
	FaultPointsRescaled  // one code with other decimals elsewhere: the code, the decimals there
	FaultPointsRenamed   // another code in another version of the programme: that code

	// Of when it pays.

	FaultCycle       // none that is known
	FaultNegative    // no way to take a debt that is known
	FaultHoldAtOnce  // what is paid at once can't be held
	FaultFromAtOnce  // nor wait for a sum
	FaultDebitAtOnce // nor be debited after cycles

	// Of stores and keys.

	FaultStoreTwice      // two stores of one id (Other): the id
	FaultKeyTwoWays      // a key of a network and of an acquirer at once
	FaultKeyNetworkAlone // a network without a merchant id of it
	FaultKeyNoMID        // an acquirer, sub-merchant or terminal without the mid
	FaultKeyPartTwice    // a sub-merchant and a terminal
	FaultKeyNothing      // a key names nothing
	FaultKeyLong         // a mid is too long: the mid
	FaultKeyBlank        // a mid is blank, or has a zero byte: the mid
	FaultSameKey         // another store has it (Other): that store, its partner, from when, until when

	// Of an offer.

	FaultOfferTwice      // two offers of one id (Other): the id
	FaultUnknownStore    // the partner has none of the id: the id
	FaultStoreNamedTwice // by one offer: the id
	FaultWindow          // it ends before it begins

	// Of what it gives.

	FaultRewardKind     // none that an offer may give
	FaultRewardForm     // neither a reward nor one for sponsors
	FaultRewardNothing  // a reward of nothing
	FaultRewardBoth     // a rate beside an amount
	FaultRate           // not within 0 % and 100 %: the rate
	FaultPointsRate     // more points than can be counted
	FaultFixedAmount    // not within bounds: minor units
	FaultPerFull        // the amount that has to be full isn't within bounds
	FaultTierCount      // not within bounds: how many
	FaultTierOrder      // a tier doesn't begin after the one before (Other)
	FaultCategoryCount  // not within bounds: how many
	FaultCategory       // no name, too long a one, or one of another
	FaultNoPoints       // of a programme that gives none: the programme, its version
	FaultPointsCurrency // points for another currency than the programme's: that one, the programme, the offer's
	FaultWalletKind     // terms of a wallet for what isn't paid into one
	FaultWalletExpiry   // it is lost before it can be spent: days until then
	FaultVoucherKind    // a voucher's text for what is none

	// Of what it asks.

	FaultAmount       // not within bounds: minor units
	FaultDays         // not within bounds: days
	FaultTimes        // not within bounds: how often, how often there may be
	FaultWeekday      // none that is known
	FaultHours        // no time of day
	FaultChannel      // none that is known
	FaultMCC          // no range of codes: the first, the last
	FaultCountry      // none of ISO 3166-1: the country
	FaultGoal         // a goal isn't within bounds
	FaultPeriod       // visits and goals can't count over it
	FaultOnceADay     // one visit a day, counted by day
	FaultEveryAndGoal // both an nth visit and a goal
	FaultActivated    // what is activated is an offer, and no boost or campaign

	// Of boosts, caps and budgets.

	FaultBoostTwice      // two boosts of one id (Other): the id
	FaultBoostOp         // a boost does nothing
	FaultFactor          // not within bounds
	FaultBoostFit        // it sets or adds what the offer doesn't give
	FaultCapPeriod       // none that is known
	FaultCapDays         // a rolling period without days, or days of another
	FaultCapAndCount     // an amount beside a count
	FaultCapNothing      // neither an amount nor a count
	FaultCountByPurchase // a count of what comes once a purchase
	FaultCapTwice        // two caps of one kind over one period (Other)
	FaultBudgetNothing   // a budget of nothing
	FaultBudgetTwice     // two budgets of one kind (Other)

	// Of who pays.

	FaultCommissionOn    // none that is known
	FaultCommissionForm  // none that is known
	FaultCostPlus        // not within bounds: the share of the cost
	FaultOfferCommission // one that an offer can't add
	FaultFunding         // none that is known
	FaultFundingOwn      // of the programme's own offers, by no partner
	FaultFundingNone     // by a commission that nobody owes
	FaultFundingPoints   // points by a commission that doesn't follow their cost
	FaultFundingCurrency // by a commission in another currency: the offer's, the commission's
	FaultSponsorBoth     // a sponsor's rate beside an amount

	// Of campaigns.

	FaultCampaignBudget  // a campaign's budget by store and day
	FaultCampaignUnit    // neither a currency nor the programme's points: the unit
	FaultUnknownOffer    // the programme has none that is named so: the programme
	FaultOfferNamedTwice // by one boost: the offer
	FaultOfferFit        // a boost sets or adds what no version of the offer gives
	FaultOfferUnit       // it gives what the budget isn't in: the unit, the budget's

	// Of what an offer gives with all boosts that come together on it: which
	// (together), then a bound that is broken.

	FaultTogetherRate    // the rate, its bound
	FaultTogetherPoints  // the parts of a point for each minor unit
	FaultTogetherPerFull // how often what has to be full
	FaultTogetherWorth   // the share of the purchase that points may be worth
	FaultTogetherAgain   // the purchase that gives so much again and again
	FaultGroups          // what the groups of all offers may give together, as often as the purchase (alone)

	// CodeCount is one more than the last code.
	CodeCount
)
