package catalog

import (
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// What an offer can say.

// offerDoc is an offer as it is written.
type offerDoc struct {
	id, name    string
	stores      []string
	from, until offer.LocalTime
	currency    money.Currency
	reward      reward
	pays        rules.Kind // 0: not written
	wallet      *offer.WalletTerms
	voucherFor  string
	conditionsDoc
	boosts     []boostDoc
	caps       []capDoc
	budget     *budgetDoc
	budgets    []budgetDoc
	group      string
	priority   int
	activation activation
	holdout    holdoutDoc
	fundedBy   funding
	commission commission
	sponsor    *sponsorDoc
}

// activation is whether one fact activates offers of several partners.
type activation bool

// reward is what an offer gives. Form 0: none, or one that can't be read.
type reward struct {
	form       offer.RewardForm // of a phrase; that of a mapping follows from its keys
	rate       rate
	fixed      quantity
	per        amount
	tiers      []tierDoc
	marginal   bool
	categories []entry[rate]
	rest       rate
}

type tierDoc struct {
	from amount
	give rate
}

type conditionsDoc struct {
	minSpend, maxSpend amount
	when               whenDoc
	channels           []rules.Channel
	mcc, exceptMCC     []offer.MCCRange
	countries          []string
	paidIn             []money.Currency
	audience           offer.Audience
	firstPurchase      bool
	lapsedDays         int
	every              *offer.Every
	goal               *goalDoc
}

type whenDoc struct {
	weekdays []offer.Weekdays
	hours    []offer.Hours
	dates    []offer.Dates
}

type goalDoc struct {
	spend amount
	per   offer.CapPeriod
	again bool
}

// boostDoc is a boost: of an offer, or of a campaign, which names offers.
type boostDoc struct {
	id          string
	from, until offer.LocalTime
	when        whenDoc
	audience    offer.Audience
	set, add    *rate
	factor      int64 // millionths; 0: not written
	offers      []offer.OfferRef
}

// capDoc is a cap: by amount, or by count.
type capDoc struct {
	per    period
	amount quantity
	count  int
}

type budgetDoc struct {
	amount         quantity
	perStoreAndDay bool
	whole          bool
}

type sponsorDoc struct {
	reward         shareOrAmount
	firstPurchases int
	withinDays     int
	caps           []capDoc
}

// funding is who pays a reward, and whether the file says so.
type funding struct {
	by     offer.Funding
	stated bool
}

// Bounds on what one offer may hold.
const (
	maxCapsPerOffer   = 20
	maxBoostsPerOffer = 50
	maxCategories     = 500
	maxHours          = 20
	maxDateWindows    = 400
	maxMCCs           = 500
	maxCountries      = 300
	maxCurrencies     = 200
	maxWords          = 500 // levels, segments, card products
	maxCount          = 1_000_000
	maxFactor         = 100
)

// The values in one word.
var (
	aQuantity  = scalar[quantity]{form: "an amount such as 12.50 EUR, or 500 points", pattern: quantityForm, parse: parseQuantity}
	aGivenRate = scalar[rate]{form: "a rate such as 3% or 2 points per EUR", pattern: givenForm, parse: parseGiven}
	aReward    = scalar[reward]{form: "a reward such as 3% or 2 EUR", pattern: rewardForm, parse: parseReward}
	aFactor    = scalar[int64]{form: "a factor such as 2 or 1.5", pattern: factorForm, parse: parseFactor, choice: schemaNode{
		"type": []string{"number", "string"}, "minimum": 1, "maximum": maxFactor, "pattern": factorForm.String(),
	}}
	aSponsorReward = scalar[shareOrAmount]{form: "a reward such as 5% or 10 EUR", pattern: owedForm, parse: parseShareOrAmount}
	aWeekday       = scalar[offer.Weekdays]{form: "a weekday such as wed, or mon-fri", pattern: weekdayForm, parse: parseWeekdays}
	someHours      = scalar[offer.Hours]{form: "times of day such as 16:00-19:00", pattern: hoursForm, parse: parseHours}
	someDates      = scalar[offer.Dates]{form: "dates such as 2026-11-27 to 2026-11-30", pattern: datesForm, parse: parseDates}
	someDays       = scalar[int]{form: "a number of days such as 30 days", pattern: daysForm, parse: parseDays}
	anMCC          = scalar[offer.MCCRange]{form: "a merchant category code such as 5411, or 5400-5499", pattern: mccForm, parse: parseMCC, digits: &[2]int64{1000, 9999}}
	aCountry       = scalar[string]{form: "a country such as FR", pattern: countryForm, parse: parseCountry}
	aCapPeriod     = scalar[period]{form: "a period such as month or 30 days", pattern: capPeriodForm, parse: parseCapPeriod}

	yesOrNo  = truth()
	channels = oneOf(map[string]rules.Channel{
		"in_store": rules.InStore, "online": rules.Online, "other": rules.OtherChannel,
	}, "in_store", "online", "other")
	activations = oneOf(map[string]activation{"shared": true}, "shared")
	payments    = oneOf(map[string]rules.Kind{
		"cash": rules.Cash, "wallet": rules.Wallet, "voucher": rules.Voucher,
	}, "cash", "wallet", "voucher")
	shares    = oneOf(map[string]bool{"whole": false, "marginal": true}, "whole", "marginal")
	lastAward = oneOf(map[string]bool{"partial": false, "none": true}, "partial", "none")
	shelves   = oneOf(map[string]bool{"store and day": true}, "store and day")
	onceADay  = oneOf(map[string]bool{"day": true}, "day")
	calendar  = oneOf(map[string]offer.CapPeriod{
		"day": offer.PerDay, "week": offer.PerWeek, "month": offer.PerMonth,
		"quarter": offer.PerQuarter, "year": offer.PerYear, "life": offer.PerLife,
	}, calendarPeriods...)
)

// truth is true or false, which YAML takes for such, and quoted for words.
func truth() scalar[bool] {
	s := oneOf(map[string]bool{"true": true, "false": false}, "true", "false")
	s.choice = schemaNode{"enum": []any{true, false, "true", "false"}}
	return s
}

func words(what string) oneOrMany[string] {
	return oneOrMany[string]{list[string]{what: what, max: maxWords, of: plainText, filled: true}}
}

var tierKeys = mapping[tierDoc]{what: "a tier", fields: []field[tierDoc]{
	key("from", anAmount, func(t *tierDoc) *amount { return &t.from }, "the purchase from which it is given, such as 100 EUR").must(),
	key("give", aGivenRate, func(t *tierDoc) *rate { return &t.give }, "what is given from there on, such as 5%").must(),
}}

var rewardKeys = mapping[reward]{
	what: "a reward",
	fields: []field[reward]{
		key("tiers", list[tierDoc]{what: "a list of tiers", max: maxTiers, of: tierKeys, filled: true},
			func(r *reward) *[]tierDoc { return &r.tiers }, "by the size of the purchase, such as [{from: 100 EUR, give: 5%}, {from: 200 EUR, give: 10%}]"),
		key("apply_to", shares, func(r *reward) *bool { return &r.marginal }, "the highest tier counts for the whole purchase, or each for the part above it (marginal)"),
		key("categories", table[rate]{what: "rates by article category, such as {bread: 10%, cheese: 5%}", max: maxCategories, word: plainText, of: aGivenRate},
			func(r *reward) *[]entry[rate] { return &r.categories }, "by article category, such as {bread: 10%, cheese: 5%}"),
		key("rest", aGivenRate, func(r *reward) *rate { return &r.rest }, "the rate of all articles in no listed category, such as 1%"),
	},
	choices: []choice{{keys: []string{"tiers", "categories"}, one: true, doc: "what is given, such as tiers: [{from: 100 EUR, give: 5%}]"}},
}

var walletKeys = mapping[offer.WalletTerms]{what: "a wallet", fields: []field[offer.WalletTerms]{
	key("usable_after", someDays, func(w *offer.WalletTerms) *int { return &w.UsableAfterDays }, "when it can be spent, such as 14 days; at once where none is written"),
	key("expires_after", someDays, func(w *offer.WalletTerms) *int { return &w.ExpiresAfterDays }, "when it is lost, such as 365 days; never where none is written"),
}}

var whenKeys = mapping[whenDoc]{
	what: "when",
	fields: []field[whenDoc]{
		key("weekdays", oneOrMany[offer.Weekdays]{list[offer.Weekdays]{what: "a list of weekdays", max: 7, of: aWeekday, filled: true}},
			func(w *whenDoc) *[]offer.Weekdays { return &w.weekdays }, "on which days, such as [wed, fri] or mon-fri"),
		key("hours", oneOrMany[offer.Hours]{list[offer.Hours]{what: "a list of times of day", max: maxHours, of: someHours, filled: true}},
			func(w *whenDoc) *[]offer.Hours { return &w.hours }, "at which times, such as 16:00-19:00; the end is no part of them"),
		key("dates", oneOrMany[offer.Dates]{list[offer.Dates]{what: "a list of dates", max: maxDateWindows, of: someDates, filled: true}},
			func(w *whenDoc) *[]offer.Dates { return &w.dates }, "on which dates, such as 2026-11-27 to 2026-11-30; the last day is part of them"),
	},
	choices: []choice{{keys: []string{"weekdays", "hours", "dates"}, doc: "when it holds, such as weekdays: [wed]"}},
}

// everyMember is the table of audiences that ask nothing of the offer itself.
var everyMember = mapping[offer.Audience]{
	what: "for",
	fields: []field[offer.Audience]{
		key("levels", words("a list of levels"), func(a *offer.Audience) *[]string { return &a.Levels }, "of one of these levels, such as [loyal]"),
		key("segments", words("a list of segments"), func(a *offer.Audience) *[]string { return &a.Segments }, "of one of these segments, such as [students]"),
		key("card_products", words("a list of card products"), func(a *offer.Audience) *[]string { return &a.CardProducts }, "who paid with one of these, such as [gold]"),
		key("enrolled_since", wallClock, func(a *offer.Audience) *offer.LocalTime { return &a.EnrolledSince }, "who enrolled on this day or later"),
		key("enrolled_for", someDays, func(a *offer.Audience) *int { return &a.EnrolledForDays }, "who enrolled at least so long ago, such as 30 days"),
		key("enrolled_within", someDays, func(a *offer.Audience) *int { return &a.EnrolledWithinDays }, "who enrolled less than so long ago, such as 30 days"),
	},
	choices: []choice{{
		keys: []string{"levels", "segments", "card_products", "enrolled_since", "enrolled_for", "enrolled_within"},
		doc:  "whom it is for, such as levels: [loyal]",
	}},
}

var audienceKeys = mapping[offer.Audience]{
	what: "for of an offer",
	fields: append(everyMember.fields[:len(everyMember.fields):len(everyMember.fields)],
		key("activated", yesOrNo, func(a *offer.Audience) *bool { return &a.Activated }, "true: only who has activated the offer")),
	choices: []choice{{
		keys: []string{"levels", "segments", "card_products", "activated", "enrolled_since", "enrolled_for", "enrolled_within"},
		doc:  "whom it is for, such as levels: [loyal]",
	}},
}

var everyKeys = mapping[offer.Every]{what: "every nth visit", fields: []field[offer.Every]{
	key("visit", number(2, 10_000), func(e *offer.Every) *int { return &e.N }, "which visits earn, such as 5 for the 5th, the 10th and so on").must(),
	key("per", calendar, func(e *offer.Every) *offer.CapPeriod { return &e.Per }, "within what visits are counted; life where none is written"),
	key("once_a", onceADay, func(e *offer.Every) *bool { return &e.OnceADay }, "day: of several purchases of one day only the first is a visit"),
}}

var goalKeys = mapping[goalDoc]{what: "a goal", fields: []field[goalDoc]{
	key("spend", anAmount, func(g *goalDoc) *amount { return &g.spend }, "what has to be spent, such as 200 EUR").must(),
	key("per", calendar, func(g *goalDoc) *offer.CapPeriod { return &g.per }, "within what it is summed; life where none is written"),
	key("again", yesOrNo, func(g *goalDoc) *bool { return &g.again }, "true: again with each further amount as large"),
}}

var boostKeys = mapping[boostDoc]{
	what: "a boost",
	fields: []field[boostDoc]{
		key("id", idText, func(b *boostDoc) *string { return &b.id }, "the boost's id, such as happy-hour").must(),
		key("from", wallClock, func(b *boostDoc) *offer.LocalTime { return &b.from }, "the first day, on the store's clock"),
		key("until", wallClock, func(b *boostDoc) *offer.LocalTime { return &b.until }, "the day from which it holds no more"),
		key("when", whenKeys, func(b *boostDoc) *whenDoc { return &b.when }, "at which times, such as {weekdays: [wed], hours: 16:00-19:00}"),
		key("for", everyMember, func(b *boostDoc) *offer.Audience { return &b.audience }, "for which members, such as {levels: [loyal]}"),
		key("set", ifWritten[rate]{aGivenRate}, func(b *boostDoc) **rate { return &b.set }, "the rate that is given instead, such as 6%"),
		key("add", ifWritten[rate]{aGivenRate}, func(b *boostDoc) **rate { return &b.add }, "what is given beside the rate, such as 2%"),
		key("multiply", aFactor, func(b *boostDoc) *int64 { return &b.factor }, "by what the reward is multiplied, such as 2"),
	},
	choices: []choice{{keys: []string{"set", "add", "multiply"}, one: true, doc: "what it does, such as set: 6%"}},
}

var capKeys = mapping[capDoc]{
	what: "a cap",
	fields: []field[capDoc]{
		key("per", aCapPeriod, func(c *capDoc) *period { return &c.per }, "purchase, day, week, month, quarter, year, life, or a number of days").must(),
		key("amount", aQuantity, func(c *capDoc) *quantity { return &c.amount }, "the most that is given in it, such as 15 EUR"),
		key("count", number(1, maxCount), func(c *capDoc) *int { return &c.count }, "how often it is given in it, such as 3"),
	},
	choices: []choice{{keys: []string{"amount", "count"}, one: true, doc: "the most that is given in it, such as amount: 15 EUR"}},
}

var someCaps = list[capDoc]{what: "a list of caps", max: maxCapsPerOffer, of: capKeys}

var budgetPhrase = scalar[budgetDoc]{
	form: "a budget such as 10000 EUR, or {amount: 50 EUR, per: store and day, last: none}", pattern: quantityForm,
	parse: func(text string) (budgetDoc, error) {
		q, err := parseQuantity(text)
		return budgetDoc{amount: q}, err
	},
}

var budgetKeys = mapping[budgetDoc]{what: "a budget", fields: []field[budgetDoc]{
	key("amount", aQuantity, func(b *budgetDoc) *quantity { return &b.amount }, "the most that is given to all members together, such as 10000 EUR").must(),
	key("last", lastAward, func(b *budgetDoc) *bool { return &b.whole }, "what is given where the rest doesn't cover all: that rest (partial), or none"),
	key("per", shelves, func(b *budgetDoc) *bool { return &b.perStoreAndDay }, "store and day: so much for each store on each day"),
}}

var (
	aBudget    = either[budgetDoc]{budgetPhrase, budgetKeys}
	allBudgets = list[budgetDoc]{what: "a list of budgets", max: 2, of: aBudget, filled: true}
)

var offerCommissionKeys = commissionKeys.only("a commission of an offer", "percent", "fixed", "tiers")

var sponsorKeys = mapping[sponsorDoc]{what: "a sponsor's reward", fields: []field[sponsorDoc]{
	key("reward", aSponsorReward, func(s *sponsorDoc) *shareOrAmount { return &s.reward }, "what the sponsor gets when a member whom they referred buys, such as 5% or 10 EUR").must(),
	key("first_purchases", number(1, maxCount), func(s *sponsorDoc) *int { return &s.firstPurchases }, "for how many purchases of one member, such as 3"),
	key("within", someDays, func(s *sponsorDoc) *int { return &s.withinDays }, "how long after the member enrolled, such as 90 days"),
	key("caps", someCaps, func(s *sponsorDoc) *[]capDoc { return &s.caps }, "the most one sponsor gets, such as [{per: year, amount: 100 EUR}]"),
}}

var offerKeys = mapping[offerDoc]{
	what: "an offer",
	fields: []field[offerDoc]{
		key("id", idText, func(o *offerDoc) *string { return &o.id }, "the offer's id, unique in its partner").must(),
		key("name", plainText, func(o *offerDoc) *string { return &o.name }, "what members read"),
		key("stores", list[string]{what: "a list of store ids", max: maxStores, of: idText},
			func(o *offerDoc) *[]string { return &o.stores }, "where it holds; all of the partner's stores where none is written"),
		key("from", wallClock, func(o *offerDoc) *offer.LocalTime { return &o.from }, "the first day, on the store's clock"),
		key("until", wallClock, func(o *offerDoc) *offer.LocalTime { return &o.until }, "the day from which it holds no more"),
		key("currency", currencyCode, func(o *offerDoc) *money.Currency { return &o.currency }, "in what it counts; the programme's currency where none is written"),
		key("reward", either[reward]{aReward, rewardKeys}, func(o *offerDoc) *reward { return &o.reward },
			"what the member gets, such as 3% or 2 EUR, 1 EUR per full 20 EUR, 2 points per EUR, or {tiers: [{from: 100 EUR, give: 5%}]}"),
		key("pays", payments, func(o *offerDoc) *rules.Kind { return &o.pays }, "as what money is given: cash on the card, into the wallet, or a voucher"),
		key("wallet", ifWritten[offer.WalletTerms]{walletKeys}, func(o *offerDoc) **offer.WalletTerms { return &o.wallet },
			"with pays: wallet, when it can be spent, such as {usable_after: 14 days, expires_after: 365 days}"),
		key("voucher_for", plainText, func(o *offerDoc) *string { return &o.voucherFor }, "with pays: voucher, what it is for, such as a free coffee"),
		key("min_spend", anAmount, func(o *offerDoc) *amount { return &o.minSpend }, "the least purchase that earns, such as 20 EUR"),
		key("max_spend", anAmount, func(o *offerDoc) *amount { return &o.maxSpend }, "the largest purchase that earns, such as 500 EUR"),
		key("when", whenKeys, func(o *offerDoc) *whenDoc { return &o.when }, "at which times, such as {weekdays: [wed], hours: 16:00-19:00}"),
		key("channels", oneOrMany[rules.Channel]{list[rules.Channel]{what: "a list of channels", max: 3, of: channels, filled: true}},
			func(o *offerDoc) *[]rules.Channel { return &o.channels }, "how it was bought, such as [in_store, online]"),
		key("mcc", oneOrMany[offer.MCCRange]{list[offer.MCCRange]{what: "a list of merchant category codes", max: maxMCCs, of: anMCC, filled: true}},
			func(o *offerDoc) *[]offer.MCCRange { return &o.mcc }, "the merchant's categories, such as [\"5411\", 5400-5499]"),
		key("except_mcc", oneOrMany[offer.MCCRange]{list[offer.MCCRange]{what: "a list of merchant category codes", max: maxMCCs, of: anMCC, filled: true}},
			func(o *offerDoc) *[]offer.MCCRange { return &o.exceptMCC }, "categories that earn nothing, such as [\"5541\", 7995]"),
		key("countries", oneOrMany[string]{list[string]{what: "a list of countries", max: maxCountries, of: aCountry, filled: true}},
			func(o *offerDoc) *[]string { return &o.countries }, "the merchant's countries, such as [FR, BE]"),
		key("paid_in", oneOrMany[money.Currency]{list[money.Currency]{what: "a list of currencies", max: maxCurrencies, of: currencyCode, filled: true}},
			func(o *offerDoc) *[]money.Currency { return &o.paidIn }, "in which currencies it was paid, such as [CHF, GBP]"),
		key("for", audienceKeys, func(o *offerDoc) *offer.Audience { return &o.audience }, "for which members, such as {levels: [loyal]}"),
		key("first_purchase", yesOrNo, func(o *offerDoc) *bool { return &o.firstPurchase }, "true: only for the first purchase at the partner"),
		key("lapsed", someDays, func(o *offerDoc) *int { return &o.lapsedDays }, "only for who bought there, but not for so long, such as 90 days"),
		key("every", ifWritten[offer.Every]{everyKeys}, func(o *offerDoc) **offer.Every { return &o.every }, "only for each nth visit, such as {visit: 5, per: month}"),
		key("goal", ifWritten[goalDoc]{goalKeys}, func(o *offerDoc) **goalDoc { return &o.goal }, "only when so much was spent, such as {spend: 200 EUR, per: month}"),
		key("boosts", list[boostDoc]{what: "a list of boosts", max: maxBoostsPerOffer, of: boostKeys},
			func(o *offerDoc) *[]boostDoc { return &o.boosts }, "when it gives more, such as [{id: happy-hour, when: {weekdays: [wed], hours: 16:00-19:00}, set: 6%}]"),
		key("caps", someCaps, func(o *offerDoc) *[]capDoc { return &o.caps }, "the most it gives one member, such as [{per: month, amount: 40 EUR}]"),
		key("budget", ifWritten[budgetDoc]{aBudget}, func(o *offerDoc) **budgetDoc { return &o.budget }, "the most it gives all members together, such as 10000 EUR"),
		key("budgets", allBudgets, func(o *offerDoc) *[]budgetDoc { return &o.budgets }, "several budgets, such as [10000 EUR, {amount: 50 EUR, per: store and day}]"),
		key("group", idText, func(o *offerDoc) *string { return &o.group }, "offers of one group don't add up: the best wins"),
		key("priority", number(-maxPriority, maxPriority), func(o *offerDoc) *int { return &o.priority }, "which of two equal awards wins: the higher"),
		key("activation", activations, func(o *offerDoc) *activation { return &o.activation },
			"shared: offers of several partners have this id, and a member who activates the id activates all of them"),
		key("holdout", offersHoldout, func(o *offerDoc) *holdoutDoc { return &o.holdout },
			"who gets nothing of it, so that its effect can be measured, such as 10% of all accounts; none: the programme's doesn't reach it"),
		key("funded_by", payer, func(o *offerDoc) *funding { return &o.fundedBy }, "commission, or programme where the bank itself pays"),
		key("commission", either[commission]{commissionPhrase, offerCommissionKeys},
			func(o *offerDoc) *commission { return &o.commission }, "what the partner owes for this offer beside its terms, such as 2%"),
		key("sponsor", ifWritten[sponsorDoc]{sponsorKeys}, func(o *offerDoc) **sponsorDoc { return &o.sponsor },
			"what the buyer's sponsor gets, such as {reward: 5%, first_purchases: 3, within: 90 days}"),
	},
	choices: []choice{{keys: []string{"reward", "sponsor"}, doc: "what the member gets, such as 3% or 2 EUR"}},
}

// ownOfferKeys are those of the programme's own offers: they hold everywhere,
// and no partner owes a commission for them.
var ownOfferKeys = offerKeys.without("an offer of the programme", "stores", "commission")
