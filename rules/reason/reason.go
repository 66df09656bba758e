// Package reason has the codes that say why an award is what it is: they are
// written on ledger lines and in explanations.
package reason

import (
	"math/bits"
)

// Set is a set of codes that say why an award is what it is. They are
// written on lines and in explanations, for the person at the bank whom a
// cardholder asks.
type Set uint64

// The codes. Their names are kept in ClickHouse: rename none.
const (
	NoBasis       Set = 1 << iota // nothing authorised or cleared is left
	Currency                      // an amount that counts is not stated in the offer's currency
	Minimum                       // the basis is under the minimum spend
	Window                        // the offer was not in force at purchase time
	NotMember                     // no member of the partner's programme at purchase time
	Card                          // the card was not linked at purchase time
	Expired                       // the authorization expired
	CapPurchase                   // limited per purchase
	CapMonth                      // limited per month
	Group                         // another award of its group is worth more
	Ceiling                       // limited to the programme's share of the basis
	Margin                        // limited to the commission
	Refund                        // a refund, chargeback or reversal lowered the basis
	Late                          // an event more than H days after the purchase: its recorded terms
	Moved                         // the purchase moved to another version or store
	Rounded                       // rounded to nothing
	Adjustment                    // booked by an adjustment
	Spent                         // points or wallet spent
	Repaired                      // booked when sums were compared with what was deserved
	Maximum                       // the basis is over the maximum spend
	Hours                         // not at the offer's weekdays, hours or dates
	Channel                       // another channel, or none stated
	MCC                           // another merchant category, an excluded one, or none stated
	CardProduct                   // another card product, or none stated
	Level                         // another level, or none
	Segment                       // in none of the segments
	Activation                    // the member has not activated the offer
	Enrolled                      // enrolled too early, too late, or it is not known when
	First                         // not the first purchase at the partner
	Lapsed                        // no purchase before, or one too lately
	Visit                         // not the visit that earns
	Goal                          // not the purchase that reaches the goal
	Tier                          // below the first tier, or nothing at this rate
	CapDay                        // limited per day
	CapWeek                       // limited per week
	CapQuarter                    // limited per quarter
	CapYear                       // limited per year
	CapRolling                    // limited per so many days
	CapLife                       // limited once and for all
	CapCount                      // limited in number: the offer doesn't apply
	Budget                        // limited to what was left of a budget
	Boost                         // raised by a boost
	Referral                      // a sponsor's
	MatchedRefund                 // a refund that named no purchase was matched to this one
	Country                       // a merchant in another country, or none stated
	PaidIn                        // paid in another currency
	Holdout                       // the account is held out of it
	WriteOff                      // a debt that was given up
)

var codes = [...]string{
	"basis", "currency", "min_spend", "window", "not_member", "card", "expired", "cap:purchase", "cap:month",
	"group", "ceiling", "margin", "refund", "late", "moved", "rounding", "adjustment", "spent", "repair",
	"max_spend", "hours", "channel", "mcc", "card_product", "level", "segment", "activation", "enrolled",
	"first_purchase", "lapsed", "visit", "goal", "tier", "cap:day", "cap:week", "cap:quarter", "cap:year", "cap:rolling",
	"cap:life", "cap:count", "budget", "boost", "referral", "matched_refund", "country", "paid_in",
	HoldoutCode, "write_off",
}

// HoldoutCode is the reason for which an offer or a boost doesn't apply to who is
// held out of it.
const HoldoutCode = "holdout"

// NoAward are the reasons for which an offer does not apply at all.
const NoAward = NoBasis | Currency | Minimum | Window | Maximum | Hours | Channel | MCC |
	CardProduct | Level | Segment | Activation | Enrolled | Ranked | Tier | Country | PaidIn | Holdout

// Ranked are those that depend on other purchases: events more than H days
// after their purchase leave them as they were.
const Ranked = First | Lapsed | Visit | Goal

// Names are the codes of the set, in a fixed order.
func (r Set) Names() []string {
	if r == 0 {
		return nil
	}
	names := make([]string, 0, bits.OnesCount64(uint64(r)))
	for i, name := range codes {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Cache keeps the few combinations that occur, so that a line costs no
// allocation for them.
type Cache map[Set][]string

func (c Cache) Names(r Set) []string {
	names, ok := c[r]
	if !ok {
		names = r.Names()
		c[r] = names
	}
	return names
}
