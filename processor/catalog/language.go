package catalog

import (
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
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
	enrolment       offer.Enrolment
	allCards        bool
	horizonDays     int
	unlinkedRefunds int   // days; 0: not written
	ceiling         int64 // millionths; 0: not written
	cardTokenRanges []rules.TokenRange
	points          pointsDoc
	payout          payoutDoc
	billing         billingDoc
	holdout         holdoutDoc
	sepa            bool
	offers          []offerDoc
}

// holdoutDoc is whom an offer, a campaign or a programme holds out.
type holdoutDoc struct {
	millionths int64
	salt       string // empty: not written
	none       bool   // of an offer: the programme's doesn't reach it
}

// pointsDoc is the points of a programme. No code: it gives none.
type pointsDoc struct {
	code         string
	decimals     int
	value        pointValue
	expiresAfter int // days; 0: never
}

// partnerDoc is a partner's file as it is written. Lists keep the positions of
// the file, whatever is broken in them.
type partnerDoc struct {
	id         string
	effective  effective
	name       string
	programme  string
	currency   money.Currency
	commission commission
	billing    *billedDoc // nil: not written
	stores     []storeDoc
	offers     []offerDoc
}

// commission is what the partner owes for a purchase: a share and an amount,
// one of both by tiers, or a share of the rewards' cost; and beside it, or alone,
// a fee by the month.
type commission struct {
	rateMillionths int64
	fixed          amount
	tiers          []commissionTier
	costMillionths int64
	subscription   amount
	on             owing
}

type commissionTier struct {
	from           amount
	rateMillionths int64
	fixed          amount
}

// owing is for which purchases a commission is owed, and whether the file says
// so.
type owing struct {
	on     offer.CommissionOn
	stated bool
}

type storeDoc struct {
	id, name string
	zone     *time.Location // nil: the programme's
	keys     []keyDoc
}

type keyDoc struct {
	mid, acquirer, subMerchant, terminal string
	network, networkMerchantID           string
	from, until                          offer.LocalTime
}

// Bounds on what one file may hold: far over what a chain of shops needs, far
// under what would stop a processor.
const (
	maxStores       = 50_000
	maxOffers       = 10_000
	maxKeysPerStore = 500
	maxTokenRanges  = 100
	maxPriority     = 1_000_000
	maxHorizonDays  = 3660
)

// The values in one word.
var (
	idText           = scalar[string]{form: "an id of a-z 0-9 - _ .", pattern: idForm, parse: parseID, bare: true}
	plainText        = scalar[string]{form: "a text", pattern: textForm, parse: parseText, bare: true}
	midText          = scalar[string]{form: "a merchant id as card messages carry it", pattern: keyPartForm, parse: parseMID, bare: true}
	keyText          = scalar[string]{form: "an id as card messages carry it", pattern: keyPartForm, parse: parseKeyText, bare: true}
	currencyCode     = scalar[money.Currency]{form: "a currency such as EUR", pattern: currencyForm, parse: parseCurrency}
	zoneName         = scalar[*time.Location]{form: "a time zone such as Europe/Paris", pattern: zoneForm, parse: parseZone}
	anAmount         = scalar[amount]{form: "an amount such as 12.50 EUR", pattern: amountForm, parse: parseAmount}
	aRate            = scalar[int64]{form: "a rate such as 3%", pattern: rateForm, parse: parseRate}
	aShareOfAccounts = scalar[int64]{form: "a share of all accounts such as 10%", pattern: shareOfAccountsForm, parse: parseShareOfAccounts, choice: schemaNode{
		"type": []string{"string", "number"}, "minimum": 0, "maximum": 100, "pattern": shareOfAccountsForm.String(),
	}}
	aCeiling     = scalar[int64]{form: "a rate such as 50%", pattern: rateForm, parse: parseCeiling}
	wallClock    = scalar[offer.LocalTime]{form: "a date such as 2026-01-31", pattern: dateForm, parse: parseWallClock}
	effectiveAt  = scalar[effective]{form: "a date such as 2026-01-31", pattern: instantForm, parse: parseEffective}
	prefixDigits = scalar[string]{form: "the first digits of a token, such as 4000", pattern: prefixForm, parse: parsePrefix, digits: &[2]int64{0, 999_999_999_999}}
	pointsCode   = scalar[string]{form: "a code such as MILES", pattern: pointsCodeForm, parse: parsePointsCode, digits: &[2]int64{10, 999_999_999_999}}
	worthOfPoint = scalar[pointValue]{form: "what one point costs, such as 0.005 EUR", pattern: amountForm, parse: parsePointValue}

	roundings = oneOf(map[string]money.Rounding{
		"half_even": money.HalfEven, "half_up": money.HalfUp, "down": money.Down, "up": money.Up,
	}, "half_even", "half_up", "down", "up")
	enrolments = oneOf(map[string]offer.Enrolment{
		"explicit": offer.EnrolmentExplicit, "automatic": offer.EnrolmentAutomatic,
	}, "explicit", "automatic")
	letters = oneOf(map[string]bool{"any": false, "sepa": true}, "any", "sepa")
	cards   = oneOf(map[string]bool{"linked": false, "all": true}, "linked", "all")
	owed    = oneOf(map[string]owing{"award": {offer.OnAward, true}, "sale": {offer.OnSale, true}}, "award", "sale")
	payer   = oneOf(map[string]funding{
		"commission": {offer.FundedByCommission, true}, "programme": {offer.FundedByProgramme, true},
	}, "commission", "programme")
)

var tokenRangeKeys = mapping[rules.TokenRange]{what: "a range of card tokens", fields: []field[rules.TokenRange]{
	key("prefix", prefixDigits, func(r *rules.TokenRange) *string { return &r.Prefix }, "the first digits of the tokens, such as 4000").must(),
	key("length", number(8, 64), func(r *rules.TokenRange) *int { return &r.Length }, "how many digits the whole token has, such as 16").must(),
}}

var programmeKeys = mapping[programmeDoc]{what: "the programme", fields: []field[programmeDoc]{
	key("programme", idText, func(d *programmeDoc) *string { return &d.id }, "the programme's id, such as cashback-lyon").must(),
	key("effective_from", effectiveAt, func(d *programmeDoc) *effective { return &d.effective }, "the day from which this version holds, such as 2026-01-31"),
	key("name", plainText, func(d *programmeDoc) *string { return &d.name }, "what members know the programme as"),
	key("currency", currencyCode, func(d *programmeDoc) *money.Currency { return &d.currency }, "the currency in which it counts, such as EUR").must(),
	key("zone", zoneName, func(d *programmeDoc) **time.Location { return &d.zone }, "whose days and months caps follow, such as Europe/Paris").must(),
	key("rounding", roundings, func(d *programmeDoc) *money.Rounding { return &d.rounding }, "how an award becomes whole cents"),
	key("enrolment", enrolments, func(d *programmeDoc) *offer.Enrolment { return &d.enrolment }, "whether members enrol, or every account is one"),
	key("cards", cards, func(d *programmeDoc) *bool { return &d.allCards }, "whether only linked cards earn, or all of a member's"),
	key("horizon_days", number(1, maxHorizonDays), func(d *programmeDoc) *int { return &d.horizonDays }, "after how many days a purchase is too late"),
	key("unlinked_refunds", someDays, func(d *programmeDoc) *int { return &d.unlinkedRefunds }, "how old a purchase may be that a refund without a link is matched to, such as 60 days; none where none is written"),
	key("ceiling", aCeiling, func(d *programmeDoc) *int64 { return &d.ceiling }, "the most that a purchase earns, as a share of it"),
	key("card_token_ranges", list[rules.TokenRange]{what: "a list of token ranges", max: maxTokenRanges, of: tokenRangeKeys},
		func(d *programmeDoc) *[]rules.TokenRange { return &d.cardTokenRanges }, "card tokens that look like card numbers and are none"),
	key("statement_text", letters, func(d *programmeDoc) *bool { return &d.sepa }, "sepa: what cardholders read on statements is written in the letters that every bank of SEPA takes"),
	key("holdout", aHoldout, func(d *programmeDoc) *holdoutDoc { return &d.holdout }, "whom all offers but those that say `holdout: none` hold out, such as 5%"),
	key("points", pointsKeys, func(d *programmeDoc) *pointsDoc { return &d.points }, "the points that it gives, such as {code: MILES, value: 0.005 EUR}"),
	key("payout", payoutKeys, func(d *programmeDoc) *payoutDoc { return &d.payout }, "when what members earn is paid; at once where none is written"),
	key("billing", billingKeys, func(d *programmeDoc) *billingDoc { return &d.billing }, "who bills the partners each month, and how; nobody where none is written"),
	key("offers", list[offerDoc]{what: "a list of the programme's own offers", max: maxOffers, of: ownOfferKeys},
		func(d *programmeDoc) *[]offerDoc { return &d.offers }, "what the programme itself gives, at a partner's store or not"),
}}

var holdoutKeys = mapping[holdoutDoc]{what: "a holdout", fields: []field[holdoutDoc]{
	key("percent", aShareOfAccounts, func(h *holdoutDoc) *int64 { return &h.millionths }, "how many of all accounts get nothing of it, such as 10%").must(),
	key("salt", plainText, func(h *holdoutDoc) *string { return &h.salt }, "what decides with the account id who they are; the id of what holds them out where none is written"),
}}

var (
	holdoutPhrase = scalar[holdoutDoc]{
		form: "a share of all accounts such as 10%, or {percent: 10%, salt: autumn}", pattern: shareOfAccountsForm,
		parse: func(text string) (holdoutDoc, error) {
			millionths, err := parseShareOfAccounts(text)
			return holdoutDoc{millionths: millionths}, err
		},
	}
	aHoldout      = either[holdoutDoc]{holdoutPhrase, holdoutKeys}
	offersHoldout = either[holdoutDoc]{scalar[holdoutDoc]{
		form: "a share of all accounts such as 10%, {percent: 10%, salt: autumn}, or none", pattern: offersHoldoutForm,
		parse: func(text string) (holdoutDoc, error) {
			if text == noHoldout {
				return holdoutDoc{none: true}, nil
			}
			return holdoutPhrase.parse(text)
		},
	}, holdoutKeys}
)

var pointsKeys = mapping[pointsDoc]{what: "points", fields: []field[pointsDoc]{
	key("code", pointsCode, func(p *pointsDoc) *string { return &p.code }, "the unit of the points, such as MILES").must(),
	key("decimals", number(0, pointsDecimals), func(p *pointsDoc) *int { return &p.decimals }, "into how fine parts a point is counted; 0: whole points"),
	key("value", worthOfPoint, func(p *pointsDoc) *pointValue { return &p.value }, "what one point costs the programme, such as 0.005 EUR"),
	key("expires_after", someDays, func(p *pointsDoc) *int { return &p.expiresAfter }, "how long after the purchase points are lost, such as 730 days; never where none is written"),
}}

var commissionTierKeys = mapping[commissionTier]{
	what: "a tier of a commission",
	fields: []field[commissionTier]{
		key("from", anAmount, func(t *commissionTier) *amount { return &t.from }, "the purchase from which the tier is owed, such as 100 EUR").must(),
		key("percent", aRate, func(t *commissionTier) *int64 { return &t.rateMillionths }, "a share of the whole purchase, such as 8%"),
		key("fixed", anAmount, func(t *commissionTier) *amount { return &t.fixed }, "an amount for each purchase, such as 0.30 EUR"),
	},
	choices: []choice{{keys: []string{"percent", "fixed"}, doc: "what is owed in it, such as percent: 8%"}},
}

const maxTiers = 20

var commissionKeys = mapping[commission]{
	what: "a commission",
	fields: []field[commission]{
		key("percent", aRate, func(c *commission) *int64 { return &c.rateMillionths }, "a share of the purchase, such as 8%"),
		key("fixed", anAmount, func(c *commission) *amount { return &c.fixed }, "an amount for each purchase, such as 0.30 EUR"),
		key("tiers", list[commissionTier]{what: "a list of tiers", max: maxTiers, of: commissionTierKeys, filled: true},
			func(c *commission) *[]commissionTier { return &c.tiers }, "by the size of the purchase, such as [{from: 0 EUR, percent: 8%}, {from: 100 EUR, percent: 6%}]"),
		key("cost_plus", aRate, func(c *commission) *int64 { return &c.costMillionths }, "a share of what the rewards cost, such as 120%"),
		key("subscription", anAmount, func(c *commission) *amount { return &c.subscription }, "a fee by the month, such as 49 EUR, beside the others or alone; alone, sales carry none"),
		key("on", owed, func(c *commission) *owing { return &c.on }, "owed where an offer gave an award, or for every member's sale"),
	},
	choices: []choice{
		{keys: []string{"percent", "fixed", "tiers", "cost_plus", "subscription"}, doc: "what the partner owes, such as percent: 8%"},
	},
}

var commissionPhrase = scalar[commission]{
	form: "a commission such as 8%, 0.30 EUR, or {percent: 8%, fixed: 0.30 EUR, on: sale}", pattern: owedForm, parse: parseCommission,
}

var aCommission = either[commission]{commissionPhrase, commissionKeys}

var merchantKeys = mapping[keyDoc]{what: "a merchant key", fields: []field[keyDoc]{
	key("mid", midText, func(k *keyDoc) *string { return &k.mid }, "the merchant id of the card message"),
	key("acquirer", keyText, func(k *keyDoc) *string { return &k.acquirer }, "the acquirer whose merchant id it is"),
	key("sub_merchant", keyText, func(k *keyDoc) *string { return &k.subMerchant }, "the store's id behind an aggregator's merchant id"),
	key("terminal", keyText, func(k *keyDoc) *string { return &k.terminal }, "the terminal, where one merchant id serves several stores"),
	key("network", keyText, func(k *keyDoc) *string { return &k.network }, "the card network that gave the network merchant id"),
	key("network_merchant_id", keyText, func(k *keyDoc) *string { return &k.networkMerchantID }, "the store's id at the card network"),
	key("from", wallClock, func(k *keyDoc) *offer.LocalTime { return &k.from }, "the first day of the key"),
	key("until", wallClock, func(k *keyDoc) *offer.LocalTime { return &k.until }, "the day from which the key holds no more"),
}}

var storeKeys = mapping[storeDoc]{what: "a store", fields: []field[storeDoc]{
	key("id", idText, func(s *storeDoc) *string { return &s.id }, "the store's id, unique in its partner").must(),
	key("name", plainText, func(s *storeDoc) *string { return &s.name }, "what people call the store"),
	key("zone", zoneName, func(s *storeDoc) **time.Location { return &s.zone }, "the store's time zone; the programme's where none is written"),
	key("keys", list[keyDoc]{what: "a list of merchant keys", max: maxKeysPerStore, of: merchantKeys},
		func(s *storeDoc) *[]keyDoc { return &s.keys }, "by what card messages name the store, such as [{mid: \"0012345678\"}]").must(),
}}

var partnerKeys = mapping[partnerDoc]{what: "a partner", fields: []field[partnerDoc]{
	key("partner", idText, func(d *partnerDoc) *string { return &d.id }, "the partner's id, such as cafe-du-coin").must(),
	key("effective_from", effectiveAt, func(d *partnerDoc) *effective { return &d.effective }, "the day from which this version holds, such as 2026-01-31"),
	key("name", plainText, func(d *partnerDoc) *string { return &d.name }, "what members know the partner as"),
	key("programme", idText, func(d *partnerDoc) *string { return &d.programme }, "the programme's id; needed only where there are several"),
	key("currency", currencyCode, func(d *partnerDoc) *money.Currency { return &d.currency }, "of the partner's terms; the programme's where none is written"),
	key("commission", aCommission, func(d *partnerDoc) *commission { return &d.commission }, "what the partner owes for a purchase; nothing where none is written"),
	key("billing", ifWritten[billedDoc]{billedKeys}, func(d *partnerDoc) **billedDoc { return &d.billing }, "which company is billed, and how"),
	key("stores", list[storeDoc]{what: "a list of stores", max: maxStores, of: storeKeys},
		func(d *partnerDoc) *[]storeDoc { return &d.stores }, "the partner's stores").must(),
	key("offers", list[offerDoc]{what: "a list of offers", max: maxOffers, of: offerKeys},
		func(d *partnerDoc) *[]offerDoc { return &d.offers }, "what the partner gives"),
}}
