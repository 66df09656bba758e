package offer

import (
	"fmt"
	"strings"

	"ristourne/rules/money"
)

// texts are plain words for the codes, filled with their arguments.
var texts = [CodeCount]string{
	FaultID:               fmt.Sprintf("an id has 1 to %d bytes", maxIDLength),
	FaultIDSeparator:      "%q has one of " + idSeparators + ", which separate ids where they are joined; leave it out",
	FaultVersionName:      fmt.Sprintf("a version has a name of 1 to %d bytes", maxIDLength),
	FaultVersionTwice:     "two versions come into force at %s; give one of them another date",
	FaultReservedID:       "a partner can't have the name of the programme's own offers; give it another id",
	FaultUnknownProgramme: "unknown programme %q; name one of the catalogue",
	FaultCurrency:         "%q is no ISO 4217 currency; write one such as EUR",
	FaultZone:             "no time zone; write one such as Europe/Paris",
	FaultTooMany:          "more than %d %s",

	FaultRounding:        "unknown rounding; write half_even, half_up, down or up",
	FaultHorizon:         "%d is not within 1 to " + fmt.Sprint(maxHorizonDays) + " days",
	FaultUnlinkedRefunds: "%d is not within 0 days and the horizon of %d",
	FaultTwoAutomatic:    "programme %s enrols every account at that time too; only one can",
	FaultCeiling:         "%s is not over 0%% and up to " + escaped(maxCeilingMillionths) + " of the basis",
	FaultTokenRange:      "a token of %d digits can't begin with %d digits",
	FaultHoldout:         "%s is not within 0%% and 100%% of all accounts",
	FaultSalt:            fmt.Sprintf("a salt is at most %d bytes without a zero byte", maxSaltLength),
	FaultHoldoutAndNone:  "an offer has a holdout of its own or is outside of the programme's; keep one of them",
	FaultPointsCode:      "%q is no code of points; write 2 to 12 of A-Z 0-9 _ that are no currency",
	FaultPointsDecimals:  "%d is not within 0 to " + fmt.Sprint(maxPointsDecimals),
	FaultPointsValue:     fmt.Sprintf("a point is worth 0 to %d minor units", int64(maxPointValueMillionths/money.One)),
	FaultPointsRescaled:  "%s has %d decimals elsewhere, and balances in both would be added up; write the same, or give the points another code",
	FaultPointsRenamed:   "the programme's points are %s in another version; what members have of them can't be renamed",

	FaultCycle:       "unknown cycle; write at once, daily, weekly on friday, monthly on 1 (to 28) or by hand",
	FaultNegative:    "unknown way to take a debt; write net, debit or debit after 30 days",
	FaultHoldAtOnce:  "what is paid at once can't be held: name a cycle, such as `cycle: monthly on 1`, or drop hold",
	FaultFromAtOnce:  "what is paid at once waits for no sum: name a cycle, such as `cycle: monthly on 1`, or drop from",
	FaultDebitAtOnce: "days are counted from cycle to cycle: name a cycle, such as `cycle: monthly on 1`, or write debit or net",

	FaultStoreTwice:      "two stores have the id %q; give one of them another",
	FaultKeyTwoWays:      "a key names a mid or a network merchant id with what belongs to it, not both; write two keys",
	FaultKeyNetworkAlone: "a network names no store alone; write a network merchant id",
	FaultKeyNoMID:        "an acquirer, a sub-merchant and a terminal name no store alone; write a mid",
	FaultKeyPartTwice:    "a key names a sub-merchant or a terminal of its mid, not both; write two keys",
	FaultKeyNothing:      "a key names a mid or a network merchant id",
	FaultKeyLong:         "mid %q is longer than " + fmt.Sprint(maxMerchantID) + " characters",
	FaultKeyBlank:        "mid %q names nothing",
	FaultSameKey:         "store %s of partner %s has the same key at the same time (from %s until %s); end one of them with until",

	FaultOfferTwice:      "two offers have the id %q; give one of them another",
	FaultUnknownStore:    "the partner has no store %q",
	FaultStoreNamedTwice: "store %q is named twice; keep one",
	FaultWindow:          "it ends before it begins; from is inclusive, until is not",

	FaultRewardKind:     "unknown kind; write cash, points, wallet or voucher",
	FaultRewardForm:     "no reward; write a percentage or an amount",
	FaultRewardNothing:  "it gives nothing; write a rate or an amount over 0",
	FaultRewardBoth:     "a reward has a rate or an amount, not both",
	FaultRate:           "%s is not within 0%% to 100%%",
	FaultPointsRate:     fmt.Sprintf("so many points for each minor unit are more than %d of their smallest part; write fewer, or points of fewer decimals", maxPointsRateMillionths/money.One),
	FaultFixedAmount:    "a fixed amount of %d is not within 0 to " + fmt.Sprint(int64(maxFixedMinor)) + " minor units",
	FaultPerFull:        "the amount that has to be full is from 1 to 2^53-1 minor units",
	FaultTierCount:      "%d tiers are not within 1 to " + fmt.Sprint(maxTiers),
	FaultTierOrder:      "tiers are in rising order, each once",
	FaultCategoryCount:  "%d categories are not within 1 to " + fmt.Sprint(maxCategories),
	FaultCategory:       fmt.Sprintf("a category has a name of 1 to %d bytes, and one rate", maxCategoryBytes),
	FaultNoPoints:       "programme %s gives no points in version %s; write points there, or give money",
	FaultPointsCurrency: "points are given for %s, the currency of programme %s, and the offer counts in %s; use one currency",
	FaultWalletKind:     "terms of a wallet go with rewards of its kind",
	FaultWalletExpiry:   "what is in a wallet expires after it can be used, here after %d days",
	FaultVoucherKind:    "what a voucher is for goes with vouchers",

	FaultAmount:       "%d is not within 0 to 2^53-1 minor units",
	FaultDays:         "%d is not within 0 to " + fmt.Sprint(maxOfferDays) + " days",
	FaultTimes:        "%d is not within %d to %d times",
	FaultWeekday:      "unknown weekday",
	FaultHours:        "a time of day is not within 00:00 to 24:00",
	FaultChannel:      "unknown channel; write in_store, online or other",
	FaultMCC:          "%04d-%04d is no range of merchant category codes",
	FaultCountry:      "%q is no country of ISO 3166-1; write its two capital letters, such as FR",
	FaultGoal:         "a goal is from 1 to 2^53-1 minor units",
	FaultPeriod:       "visits and goals count per day to year or life",
	FaultOnceADay:     "with one visit a day no day has a second one; count over a longer period",
	FaultEveryAndGoal: "an offer has either a goal or an nth visit; keep one",
	FaultActivated:    "an offer is activated, a boost or a campaign is not; say so in the offer",

	FaultBoostTwice:      "two boosts have the id %q; give one of them another",
	FaultBoostOp:         "it does nothing; write set, add or multiply",
	FaultFactor:          fmt.Sprintf("a factor is from 1 to %d", maxFactorMillionths/money.One),
	FaultBoostFit:        "it sets or adds what the offer doesn't give; amounts can only be multiplied, and rates are of money or of points as the reward is",
	FaultCapPeriod:       "unknown period",
	FaultCapDays:         fmt.Sprintf("a rolling period has 1 to %d days, and no other has any", maxOfferDays),
	FaultCapAndCount:     "a cap is an amount or a count, not both",
	FaultCapNothing:      "a cap is an amount or a count over 0",
	FaultCountByPurchase: "a count is over more than one purchase; cap its amount",
	FaultCapTwice:        "there is another cap of this kind over this period; keep one",
	FaultBudgetNothing:   "a budget is over 0",
	FaultBudgetTwice:     "an offer has one budget, and one per store and day",

	FaultCommissionOn:    "unknown; write award or sale",
	FaultCommissionForm:  "unknown form of a commission",
	FaultCostPlus:        "%s is not from 100%% to " + escaped(maxCostMillionths) + " of the rewards' cost",
	FaultOfferCommission: "an offer of a partner may add a share, an amount or tiers of both; drop it, or write one of these",
	FaultFunding:         "unknown; write commission or programme",
	FaultFundingOwn:      "no partner owes a commission for the programme's own offers; write funded_by: programme",
	FaultFundingNone:     "the partner owes no commission per sale that could fund it; write funded_by: programme, or agree on a commission",
	FaultFundingPoints:   "points are paid by no commission but cost_plus; write funded_by: programme, or agree on cost_plus",
	FaultFundingCurrency: "its currency %s is not that of the partner's commission, %s; write funded_by: programme, or use one currency",
	FaultSponsorBoth:     "a sponsor gets a rate or an amount, not both",

	FaultCampaignBudget:  "a campaign's budget is for all stores and days",
	FaultCampaignUnit:    "%q is neither a currency nor the points of the programme",
	FaultUnknownOffer:    "programme %s has no such offer; name one that some version of a partner has",
	FaultOfferNamedTwice: "%s is named twice; keep one",
	FaultOfferFit:        "it sets or adds what the offer doesn't give; amounts can only be multiplied, and rates are of money or of points as the reward is",
	FaultOfferUnit:       "it gives %s, and the campaign's budget is in %s; name it in a campaign of its own",

	FaultTogetherRate:    "%sits rate could come to %s, over %s; lower the reward, or what raises it",
	FaultTogetherPoints:  "%sit could give more than %d of the smallest part of a point for each minor unit; lower the reward, or what raises it",
	FaultTogetherPerFull: "%sit could give more than %d times the amount that has to be full; lower the reward, or what raises it",
	FaultTogetherWorth:   "%sits points could be worth more than %s of the purchase, or a fortune; lower the reward, or what raises it",
	FaultTogetherAgain:   "%sits points, given again and again, could leave all bounds with a purchase of %d minor units; cap their amount, or raise the goal",
	FaultGroups:          "its groups add up, and could give more than %d times a purchase together; put offers into one group, of which the best wins",
}

// escaped is a share for a format.
func escaped(millionths int64) string {
	return strings.ReplaceAll(money.FormatPercent(millionths), "%", "%%")
}

// Text is what is wrong, and what to do, without its place.
func (f *Fault) Text() string { return Words(texts[f.Code], f.Args) }

// Words fills a text with what a code names. A text without verbs says nothing of
// it.
func Words(text string, args []any) string {
	if !strings.Contains(text, "%") {
		return text
	}
	return fmt.Sprintf(text, args...)
}

func (f Fault) Error() string {
	where := f.Subject.String() + " " + f.ID
	if f.Path != "" {
		where += " " + f.Path
	}
	return where + ": " + f.Text()
}

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

func (s Subject) String() string { return [...]string{"programme", "partner", "campaign"}[s] }

// String begins a sentence with what comes together; empty: no boost does.
func (t together) String() string {
	switch {
	case !t.boosted:
		return ""
	case len(t.campaigns) == 0:
		return "with its boosts together "
	}
	return "with its boosts and those of campaign " + strings.Join(t.campaigns, ", ") + " together "
}
