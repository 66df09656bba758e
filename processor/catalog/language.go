package catalog

import (
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// What an offer file can say. These tables are the language: a key that isn't
// here doesn't exist, and its doc is what a person is told who left it out.

// programmeDoc is a programme's file as it is written.
type programmeDoc struct {
	id              string
	effective       effective
	name            string
	currency        money.Currency
	zone            *time.Location
	rounding        money.Rounding
	enrolment       rules.Enrolment
	allCards        bool
	horizonDays     int
	ceiling         int64 // millionths; 0: not written
	cardTokenRanges []rules.TokenRange
}

// partnerDoc is a partner's file as it is written. Lists keep the positions of
// the file, whatever is broken in them.
type partnerDoc struct {
	id         string
	effective  effective
	name       string
	programme  string
	currency   money.Currency
	commission known[commission]
	stores     []storeDoc
	offers     []offerDoc
}

// commission is what the partner owes for a purchase.
type commission struct {
	rateMillionths int64
	fixed          amount
	on             rules.CommissionOn
}

type storeDoc struct {
	id, name string
	zone     *time.Location // nil: the programme's
	keys     []known[keyDoc]
}

type keyDoc struct {
	mid, acquirer, subMerchant string
	network, networkMerchantID string
	from, until                rules.LocalTime
}

type offerDoc struct {
	id, name    string
	stores      []string
	from, until rules.LocalTime
	currency    money.Currency
	reward      reward
	minSpend    amount
	caps        []capDoc
	group       string
	priority    int
	fundedBy    funding
}

// reward is what an offer gives. Form 0: none, or one that can't be read.
type reward struct {
	form           rules.RewardForm
	rateMillionths int64
	fixed          amount
}

type capDoc struct {
	per    rules.CapPeriod
	amount amount
}

// funding is who pays a reward, and whether the file says so.
type funding struct {
	by     rules.Funding
	stated bool
}

// Bounds on what one file may hold: far over what a chain of shops needs, far
// under what would stop a processor.
const (
	maxStores       = 50_000
	maxOffers       = 10_000
	maxKeysPerStore = 500
	maxCapsPerOffer = 10
	maxTokenRanges  = 100
	maxPriority     = 1_000_000
	maxHorizonDays  = 3660
)

// The values in one word.
var (
	idText       = scalar[string]{"an id of a-z 0-9 - _ .", parseID}
	plainText    = scalar[string]{"a text", parseText}
	midText      = scalar[string]{"a merchant id as card messages carry it", parseMID}
	keyText      = scalar[string]{"an id as card messages carry it", parseKeyText}
	currencyCode = scalar[money.Currency]{"a currency such as EUR", parseCurrency}
	zoneName     = scalar[*time.Location]{"a time zone such as Europe/Paris", parseZone}
	anAmount     = scalar[amount]{"an amount such as 12.50 EUR", parseAmount}
	aRate        = scalar[int64]{"a rate such as 3%", parseRate}
	aCeiling     = scalar[int64]{"a rate such as 50%", parseCeiling}
	aReward      = scalar[reward]{"a reward such as 3% or 2 EUR", parseReward}
	wallClock    = scalar[rules.LocalTime]{"a date such as 2026-01-31", parseWallClock}
	effectiveAt  = scalar[effective]{"a date such as 2026-01-31", parseEffective}
	prefixDigits = scalar[string]{"the first digits of a token, such as 4000", parsePrefix}

	roundings = oneOf(map[string]money.Rounding{
		"half_even": money.HalfEven, "half_up": money.HalfUp, "down": money.Down, "up": money.Up,
	}, "half_even", "half_up", "down", "up")
	enrolments = oneOf(map[string]rules.Enrolment{
		"explicit": rules.EnrolmentExplicit, "automatic": rules.EnrolmentAutomatic,
	}, "explicit", "automatic")
	cards = oneOf(map[string]bool{"linked": false, "all": true}, "linked", "all")
	owed  = oneOf(map[string]rules.CommissionOn{"award": rules.OnAward, "sale": rules.OnSale}, "award", "sale")
	payer = oneOf(map[string]funding{
		"commission": {rules.FundedByCommission, true}, "programme": {rules.FundedByProgramme, true},
	}, "commission", "programme")
	periods = oneOf(map[string]rules.CapPeriod{
		rules.PerPurchase.String(): rules.PerPurchase, rules.PerMonth.String(): rules.PerMonth,
	}, rules.PerPurchase.String(), rules.PerMonth.String())
)

var tokenRangeKeys = mapping[rules.TokenRange]{"a range of card tokens", []field[rules.TokenRange]{
	key("prefix", prefixDigits, func(r *rules.TokenRange) *string { return &r.Prefix }, "the first digits of the tokens, such as 4000").must(),
	key("length", number(8, 64), func(r *rules.TokenRange) *int { return &r.Length }, "how many digits the whole token has, such as 16").must(),
}}

var programmeKeys = mapping[programmeDoc]{"the programme", []field[programmeDoc]{
	key("programme", idText, func(d *programmeDoc) *string { return &d.id }, "the programme's id, such as cashback-lyon").must(),
	key("effective_from", effectiveAt, func(d *programmeDoc) *effective { return &d.effective }, "the day from which this version holds, such as 2026-01-31"),
	key("name", plainText, func(d *programmeDoc) *string { return &d.name }, "what members know the programme as"),
	key("currency", currencyCode, func(d *programmeDoc) *money.Currency { return &d.currency }, "the currency in which it counts, such as EUR").must(),
	key("zone", zoneName, func(d *programmeDoc) **time.Location { return &d.zone }, "whose days and months caps follow, such as Europe/Paris").must(),
	key("rounding", roundings, func(d *programmeDoc) *money.Rounding { return &d.rounding }, "how an award becomes whole cents"),
	key("enrolment", enrolments, func(d *programmeDoc) *rules.Enrolment { return &d.enrolment }, "whether members enrol, or every account is one"),
	key("cards", cards, func(d *programmeDoc) *bool { return &d.allCards }, "whether only linked cards earn, or all of a member's"),
	key("horizon_days", number(1, maxHorizonDays), func(d *programmeDoc) *int { return &d.horizonDays }, "after how many days a purchase is too late"),
	key("ceiling", aCeiling, func(d *programmeDoc) *int64 { return &d.ceiling }, "the most that a purchase earns, as a share of it"),
	key("card_token_ranges", list[rules.TokenRange]{"a list of token ranges", maxTokenRanges, tokenRangeKeys},
		func(d *programmeDoc) *[]rules.TokenRange { return &d.cardTokenRanges }, "card tokens that look like card numbers and are none"),
}}

var commissionKeys = mapping[commission]{"a commission", []field[commission]{
	key("percent", aRate, func(c *commission) *int64 { return &c.rateMillionths }, "a share of the purchase, such as 8%"),
	key("fixed", anAmount, func(c *commission) *amount { return &c.fixed }, "an amount for each purchase, such as 0.30 EUR"),
	key("on", owed, func(c *commission) *rules.CommissionOn { return &c.on }, "owed where an offer gave an award, or for every member's sale"),
}}

var aCommission = either[commission]{
	scalar[commission]{"a commission such as 8%, 0.30 EUR, or {percent: 8%, fixed: 0.30 EUR, on: sale}", parseCommission},
	commissionKeys,
}

var merchantKeys = mapping[keyDoc]{"a merchant key", []field[keyDoc]{
	key("mid", midText, func(k *keyDoc) *string { return &k.mid }, "the merchant id of the card message"),
	key("acquirer", keyText, func(k *keyDoc) *string { return &k.acquirer }, "the acquirer whose merchant id it is"),
	key("sub_merchant", keyText, func(k *keyDoc) *string { return &k.subMerchant }, "the store's id behind an aggregator's merchant id"),
	key("network", keyText, func(k *keyDoc) *string { return &k.network }, "the card network that gave the network merchant id"),
	key("network_merchant_id", keyText, func(k *keyDoc) *string { return &k.networkMerchantID }, "the store's id at the card network"),
	key("from", wallClock, func(k *keyDoc) *rules.LocalTime { return &k.from }, "the first day of the key"),
	key("until", wallClock, func(k *keyDoc) *rules.LocalTime { return &k.until }, "the day from which the key holds no more"),
}}

var storeKeys = mapping[storeDoc]{"a store", []field[storeDoc]{
	key("id", idText, func(s *storeDoc) *string { return &s.id }, "the store's id, unique in its partner").must(),
	key("name", plainText, func(s *storeDoc) *string { return &s.name }, "what people call the store"),
	key("zone", zoneName, func(s *storeDoc) **time.Location { return &s.zone }, "the store's time zone; the programme's where none is written"),
	key("keys", list[known[keyDoc]]{"a list of merchant keys", maxKeysPerStore, whetherKnown[keyDoc]{merchantKeys}},
		func(s *storeDoc) *[]known[keyDoc] { return &s.keys }, "by what card messages name the store, such as [{mid: \"0012345678\"}]").must(),
}}

var capKeys = mapping[capDoc]{"a cap", []field[capDoc]{
	key("per", periods, func(c *capDoc) *rules.CapPeriod { return &c.per }, "purchase or month").must(),
	key("amount", anAmount, func(c *capDoc) *amount { return &c.amount }, "the most that is given in it, such as 15 EUR").must(),
}}

var offerKeys = mapping[offerDoc]{"an offer", []field[offerDoc]{
	key("id", idText, func(o *offerDoc) *string { return &o.id }, "the offer's id, unique in its partner").must(),
	key("name", plainText, func(o *offerDoc) *string { return &o.name }, "what members read"),
	key("stores", list[string]{"a list of store ids", maxStores, idText},
		func(o *offerDoc) *[]string { return &o.stores }, "where it holds; all of the partner's stores where none is written"),
	key("from", wallClock, func(o *offerDoc) *rules.LocalTime { return &o.from }, "the first day, on the store's clock"),
	key("until", wallClock, func(o *offerDoc) *rules.LocalTime { return &o.until }, "the day from which it holds no more"),
	key("currency", currencyCode, func(o *offerDoc) *money.Currency { return &o.currency }, "in what it counts; the programme's currency where none is written"),
	key("reward", aReward, func(o *offerDoc) *reward { return &o.reward }, "what the member gets, such as 3% or 2 EUR").must(),
	key("min_spend", anAmount, func(o *offerDoc) *amount { return &o.minSpend }, "the least purchase that earns, such as 20 EUR"),
	key("caps", list[capDoc]{"a list of caps", maxCapsPerOffer, capKeys},
		func(o *offerDoc) *[]capDoc { return &o.caps }, "the most it gives, such as [{per: month, amount: 40 EUR}]"),
	key("group", idText, func(o *offerDoc) *string { return &o.group }, "offers of one group don't add up: the best wins"),
	key("priority", number(-maxPriority, maxPriority), func(o *offerDoc) *int { return &o.priority }, "which of two equal awards wins: the higher"),
	key("funded_by", payer, func(o *offerDoc) *funding { return &o.fundedBy }, "commission, or programme where the bank itself pays"),
}}

var partnerKeys = mapping[partnerDoc]{"a partner", []field[partnerDoc]{
	key("partner", idText, func(d *partnerDoc) *string { return &d.id }, "the partner's id, such as cafe-du-coin").must(),
	key("effective_from", effectiveAt, func(d *partnerDoc) *effective { return &d.effective }, "the day from which this version holds, such as 2026-01-31"),
	key("name", plainText, func(d *partnerDoc) *string { return &d.name }, "what members know the partner as"),
	key("programme", idText, func(d *partnerDoc) *string { return &d.programme }, "the programme's id; needed only where there are several"),
	key("currency", currencyCode, func(d *partnerDoc) *money.Currency { return &d.currency }, "of the partner's terms; the programme's where none is written"),
	key("commission", whetherKnown[commission]{aCommission}, func(d *partnerDoc) *known[commission] { return &d.commission }, "what the partner owes for a purchase; nothing where none is written"),
	key("stores", list[storeDoc]{"a list of stores", maxStores, storeKeys},
		func(d *partnerDoc) *[]storeDoc { return &d.stores }, "the partner's stores").must(),
	key("offers", list[offerDoc]{"a list of offers", maxOffers, offerKeys},
		func(d *partnerDoc) *[]offerDoc { return &d.offers }, "what the partner gives"),
}}
