package catalog

import (
	"fmt"
	"regexp"
	"strings"

	"ristourne/rules/offer"
)

// What a campaign, and the levels of members, can say.

// programmeWord names the programme itself where a partner could stand.
const programmeWord = "programme"

// campaignDoc is a campaign's file as it is written.
type campaignDoc struct {
	id          string
	effective   effective
	name        string
	programme   string
	from, until offer.LocalTime
	when        whenDoc
	audience    offer.Audience
	budget      *budgetDoc
	holdout     holdoutDoc
	boosts      []boostDoc
}

// levelsDoc is the file of the members' levels as it is written. The rules know
// nothing of it: it says which names exist.
type levelsDoc struct {
	programme string
	effective effective
	levels    []levelDoc
}

type levelDoc struct{ id, name string }

// Bounds on what one file may hold.
const (
	maxBoostsPerCampaign = 200
	maxOffersPerBoost    = 10_000
	maxLevels            = 100
)

var offerRefForm = regexp.MustCompile(`^([a-z0-9._-]{1,64})/(\*|[a-z0-9._-]{1,64})$`)

// parseOfferRef reads `cafe-du-coin/everyday`, `bookshop/*` or
// `programme/groceries`.
func parseOfferRef(text string) (offer.OfferRef, error) {
	m := offerRefForm.FindStringSubmatch(text)
	if m == nil {
		return offer.OfferRef{}, fmt.Errorf("%q names no offer: write PARTNER/OFFER, PARTNER/* for all of a partner's, or programme/OFFER for the programme's own", clip(text))
	}
	ref := offer.OfferRef{Partner: m[1], Offer: strings.TrimPrefix(m[2], "*")}
	if ref.Partner == programmeWord {
		ref.Partner = ""
	}
	return ref, nil
}

var offerRef = scalar[offer.OfferRef]{form: "an offer such as cafe-du-coin/everyday, bookshop/* or programme/groceries", pattern: offerRefForm, parse: parseOfferRef}

var campaignBoostKeys = mapping[boostDoc]{
	what: "a boost of a campaign",
	fields: append([]field[boostDoc]{
		boostKeys.fields[0],
		key("offers", oneOrMany[offer.OfferRef]{list[offer.OfferRef]{what: "a list of offers", max: maxOffersPerBoost, of: offerRef, filled: true}},
			func(b *boostDoc) *[]offer.OfferRef { return &b.offers }, "which offers it raises, such as [cafe-du-coin/everyday, bookshop/*]; every offer where none is written"),
	}, boostKeys.fields[1:]...),
	choices: boostKeys.choices,
}

var campaignBudgetKeys = budgetKeys.without("a budget of a campaign", "per")

var campaignKeys = mapping[campaignDoc]{what: "a campaign", fields: []field[campaignDoc]{
	key("campaign", idText, func(d *campaignDoc) *string { return &d.id }, "the campaign's id, such as black-friday").must(),
	key("effective_from", effectiveAt, func(d *campaignDoc) *effective { return &d.effective }, "the day from which this version holds, such as 2026-01-31"),
	key("name", plainText, func(d *campaignDoc) *string { return &d.name }, "what members know the campaign as"),
	key("programme", idText, func(d *campaignDoc) *string { return &d.programme }, "the programme's id; needed only where there are several"),
	key("from", wallClock, func(d *campaignDoc) *offer.LocalTime { return &d.from }, "the first day, on the store's clock"),
	key("until", wallClock, func(d *campaignDoc) *offer.LocalTime { return &d.until }, "the day from which it holds no more"),
	key("when", whenKeys, func(d *campaignDoc) *whenDoc { return &d.when }, "at which times, such as {weekdays: [wed], hours: 16:00-19:00}"),
	key("for", everyMember, func(d *campaignDoc) *offer.Audience { return &d.audience }, "for which members, such as {levels: [loyal]}"),
	key("budget", ifWritten[budgetDoc]{either[budgetDoc]{budgetPhrase, campaignBudgetKeys}}, func(d *campaignDoc) **budgetDoc { return &d.budget },
		"the most that it adds to all awards together, such as 5000 EUR"),
	key("holdout", aHoldout, func(d *campaignDoc) *holdoutDoc { return &d.holdout }, "for whom its boosts don't apply, so that its effect can be measured, such as 10% of all accounts"),
	key("boosts", list[boostDoc]{what: "a list of boosts", max: maxBoostsPerCampaign, of: campaignBoostKeys, filled: true},
		func(d *campaignDoc) *[]boostDoc { return &d.boosts }, "what it raises, such as [{id: double, offers: [bookshop/*], multiply: 2}]").must(),
}}

var levelKeys = mapping[levelDoc]{what: "a level", fields: []field[levelDoc]{
	key("id", plainText, func(l *levelDoc) *string { return &l.id }, "the level as the bank's facts name it, such as loyal").must(),
	key("name", plainText, func(l *levelDoc) *string { return &l.name }, "what members know it as"),
}}

var levelWord = scalar[levelDoc]{
	form: "a level such as loyal, or {id: loyal, name: Loyal members}", pattern: textForm, bare: true,
	parse: func(text string) (levelDoc, error) {
		id, err := parseText(text)
		return levelDoc{id: id}, err
	},
}

var levelsKeys = mapping[levelsDoc]{what: "the levels", fields: []field[levelsDoc]{
	key("levels", list[levelDoc]{what: "a list of levels", max: maxLevels, of: either[levelDoc]{levelWord, levelKeys}, filled: true},
		func(d *levelsDoc) *[]levelDoc { return &d.levels }, "the levels that members can have, such as [usual, loyal, premium]").must(),
	key("effective_from", effectiveAt, func(d *levelsDoc) *effective { return &d.effective }, "the day from which this version holds, such as 2026-01-31"),
	key("programme", idText, func(d *levelsDoc) *string { return &d.programme }, "the programme's id; needed only where there are several"),
}}
