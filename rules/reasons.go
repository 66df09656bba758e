package rules

import "math/bits"

// reasons is a set of codes that say why an award is what it is. They are
// written on lines and in explanations, for the person at the bank whom a
// cardholder asks.
type reasons uint64

// The codes. Their names are kept in ClickHouse: rename none.
const (
	whyNoBasis       reasons = 1 << iota // nothing authorised or cleared is left
	whyCurrency                          // an amount that counts is not stated in the offer's currency
	whyMinimum                           // the basis is under the minimum spend
	whyWindow                            // the offer was not in force at purchase time
	whyNotMember                         // no member of the partner's programme at purchase time
	whyCard                              // the card was not linked at purchase time
	whyExpired                           // the authorization expired
	whyCapPurchase                       // limited per purchase
	whyCapMonth                          // limited per month
	whyGroup                             // another award of its group is worth more
	whyCeiling                           // limited to the programme's share of the basis
	whyMargin                            // limited to the commission
	whyRefund                            // a refund, chargeback or reversal lowered the basis
	whyLate                              // an event more than H days after the purchase: its recorded terms
	whyMoved                             // the purchase moved to another version or store
	whyRounded                           // rounded to nothing
	whyAdjustment                        // booked by an adjustment
	whySpent                             // points or wallet spent
	whyRepaired                          // booked when sums were compared with what was deserved
	whyMaximum                           // the basis is over the maximum spend
	whyHours                             // not at the offer's weekdays, hours or dates
	whyChannel                           // another channel, or none stated
	whyMCC                               // another merchant category, an excluded one, or none stated
	whyCardProduct                       // another card product, or none stated
	whyLevel                             // another level, or none
	whySegment                           // in none of the segments
	whyActivation                        // the member has not activated the offer
	whyEnrolled                          // enrolled too early, too late, or it is not known when
	whyFirst                             // not the first purchase at the partner
	whyLapsed                            // no purchase before, or one too lately
	whyVisit                             // not the visit that earns
	whyGoal                              // not the purchase that reaches the goal
	whyTier                              // below the first tier, or nothing at this rate
	whyCapDay                            // limited per day
	whyCapWeek                           // limited per week
	whyCapQuarter                        // limited per quarter
	whyCapYear                           // limited per year
	whyCapRolling                        // limited per so many days
	whyCapLife                           // limited once and for all
	whyCapCount                          // limited in number: the offer doesn't apply
	whyBudget                            // limited to what was left of a budget
	whyBoost                             // raised by a boost
	whyReferral                          // a sponsor's
	whyMatchedRefund                     // a refund that named no purchase was matched to this one
	whyCountry                           // a merchant in another country, or none stated
	whyPaidIn                            // paid in another currency
	whyHoldout                           // the account is held out of it
)

var reasonNames = [...]string{
	"basis", "currency", "min_spend", "window", "not_member", "card", "expired", "cap:purchase", "cap:month",
	"group", "ceiling", "margin", "refund", "late", "moved", "rounding", "adjustment", "spent", "repair",
	"max_spend", "hours", "channel", "mcc", "card_product", "level", "segment", "activation", "enrolled",
	"first_purchase", "lapsed", "visit", "goal", "tier", "cap:day", "cap:week", "cap:quarter", "cap:year", "cap:rolling",
	"cap:life", "cap:count", "budget", "boost", "referral", "matched_refund", "country", "paid_in",
	HoldoutCode,
}

// HoldoutCode is the reason for which an offer or a boost doesn't apply to who is
// held out of it.
const HoldoutCode = "holdout"

// whyNoAward are the reasons for which an offer does not apply at all.
const whyNoAward = whyNoBasis | whyCurrency | whyMinimum | whyWindow | whyMaximum | whyHours | whyChannel | whyMCC |
	whyCardProduct | whyLevel | whySegment | whyActivation | whyEnrolled | whyRanked | whyTier | whyCountry | whyPaidIn | whyHoldout

// whyRanked are those that depend on other purchases: events more than H days
// after their purchase leave them as they were.
const whyRanked = whyFirst | whyLapsed | whyVisit | whyGoal

// names are the codes of the set, in a fixed order.
func (r reasons) names() []string {
	if r == 0 {
		return nil
	}
	names := make([]string, 0, bits.OnesCount64(uint64(r)))
	for i, name := range reasonNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// reasonCache keeps the few combinations that occur, so that a line costs no
// allocation for them.
type reasonCache map[reasons][]string

func (c reasonCache) names(r reasons) []string {
	names, ok := c[r]
	if !ok {
		names = r.names()
		c[r] = names
	}
	return names
}
