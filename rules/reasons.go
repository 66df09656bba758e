package rules

import "math/bits"

// reasons is a set of codes that say why an award is what it is. They are
// written on lines and in explanations, for the person at the bank whom a
// cardholder asks.
type reasons uint32

// The codes. Their names are kept in ClickHouse: rename none.
const (
	whyNoBasis     reasons = 1 << iota // nothing authorised or cleared is left
	whyCurrency                        // an amount that counts is not stated in the offer's currency
	whyMinimum                         // the basis is under the minimum spend
	whyWindow                          // the offer was not in force at purchase time
	whyNotMember                       // no member of the partner's programme at purchase time
	whyCard                            // the card was not linked at purchase time
	whyExpired                         // the authorization expired
	whyCapPurchase                     // limited per purchase
	whyCapMonth                        // limited per month
	whyGroup                           // another award of its group is worth more
	whyCeiling                         // limited to the programme's share of the basis
	whyMargin                          // limited to the commission
	whyRefund                          // a refund, chargeback or reversal lowered the basis
	whyLate                            // an event more than H days after the purchase: its recorded terms
	whyMoved                           // the purchase moved to another version or store
	whyRounded                         // rounded to nothing
	whyAdjustment                      // booked by an adjustment
	whySpent                           // points or wallet spent
	whyRepaired                        // booked when sums were compared with what was deserved
)

var reasonNames = [...]string{
	"basis", "currency", "min_spend", "window", "not_member", "card", "expired", "cap:purchase", "cap:month",
	"group", "ceiling", "margin", "refund", "late", "moved", "rounding", "adjustment", "spent", "repair",
}

// whyNoAward are the reasons for which an offer does not apply at all.
const whyNoAward = whyNoBasis | whyCurrency | whyMinimum | whyWindow

// names are the codes of the set, in a fixed order.
func (r reasons) names() []string {
	if r == 0 {
		return nil
	}
	names := make([]string, 0, bits.OnesCount32(uint32(r)))
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
