package catalog

import (
	"cmp"
	"fmt"
	"strings"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// wording is how the files' writer is told of a code.
type wording struct {
	text string                // filled with what the code names; or
	say  func(f *found) string // what looks at the file
	of   basis
}

// say is what is wrong, and what to write. What no file can say wrongly is told in
// the rules' own words.
func (f *found) say() string {
	switch w := &wordings[f.Code]; {
	case w.say != nil:
		return w.say(f)
	case w.text != "":
		return offer.Words(w.text, f.Args)
	}
	return f.Text()
}

// plainly is for what has no better words than the rules' own.
func plainly(f *found) string { return f.Text() }

var wordings = [offer.CodeCount]wording{
	offer.FaultVersionTwice:     {say: func(f *found) string { return together(f.other, f.doc) }, of: otherToo},
	offer.FaultReservedID:       {text: `a partner can't be called "programme", since a campaign names the programme's own offers so: write another id`},
	offer.FaultUnknownProgramme: {say: func(f *found) string { return f.noProgramme(f.programmeIDOf(f.doc)) }, of: someProgramme},
	offer.FaultCurrency:         {of: someProgramme | itsProgramme},

	offer.FaultUnlinkedRefunds: {text: "a purchase of %d days before is beyond the horizon of %[2]d days (horizon_days): write at most %[2]d days"},
	offer.FaultTwoAutomatic:    {text: "programme %s takes every account at that time too, and an account is in one programme: let members of one of the two enrol (enrolment: explicit)", of: dates},
	offer.FaultTokenRange:      {text: "a token of %d digits can't begin with %d digits: write the length of the whole token"},
	offer.FaultPointsValue:     {say: plainly},
	offer.FaultPointsRescaled:  {say: plainly},
	offer.FaultPointsRenamed:   {say: plainly},

	offer.FaultHoldAtOnce:  {say: plainly},
	offer.FaultFromAtOnce:  {say: plainly},
	offer.FaultDebitAtOnce: {say: plainly},

	offer.FaultStoreTwice:      {say: twice("store", "give each an id of its own, or join their keys")},
	offer.FaultKeyTwoWays:      {text: "a key is either a merchant id (mid, acquirer, sub_merchant, terminal) or one of a network (network, network_merchant_id): make two keys of it"},
	offer.FaultKeyNetworkAlone: {text: "a network alone names no store: write network_merchant_id beside it"},
	offer.FaultKeyNoMID:        {text: "acquirer, sub_merchant and terminal name no store alone: write the mid beside them"},
	offer.FaultKeyPartTwice:    {text: "a key names a sub-merchant or a terminal of its mid: keep one, or make two keys of it"},
	offer.FaultKeyNothing:      {text: "this key names nothing that a card message holds: write mid, or network_merchant_id"},
	offer.FaultSameKey:         {say: sameKey, of: otherToo | dates},

	offer.FaultOfferTwice:      {say: twice("offer", "give each an id of its own")},
	offer.FaultUnknownStore:    {say: unknownStore},
	offer.FaultStoreNamedTwice: {text: "store %q is named twice: keep one"},
	offer.FaultWindow:          {text: "until is not after from, and until itself is no part of the window: write a later until"},

	offer.FaultRewardNothing: {say: nothing},
	offer.FaultRate:          {say: tooHighARate},
	offer.FaultPointsRate:    {say: plainly},
	offer.FaultFixedAmount: {say: func(f *found) string {
		return f.written(f.at) + " is too much: write at most 10^12 of the smallest unit, such as cents"
	}},
	offer.FaultTierOrder:      {say: tierOrder},
	offer.FaultNoPoints:       {say: noPoints, of: itsProgramme | dates},
	offer.FaultPointsCurrency: {text: "points are given for %[1]s, the programme's currency, but the offer counts in %[3]s: drop its currency, or give money", of: itsProgramme | dates},
	offer.FaultWalletKind:     {text: "these are the terms of a wallet, but the offer doesn't pay into one: write `pays: wallet` beside it, or drop it"},
	offer.FaultWalletExpiry:   {text: "it is lost before it can be spent: write more than %d days"},
	offer.FaultVoucherKind:    {text: "this is what a voucher is for, but the offer gives none: write `pays: voucher` beside it, or drop it"},

	offer.FaultGoal: {say: func(f *found) string {
		return "a goal of " + f.quantity(f.at) + " is reached by everybody: write an amount over 0, or drop the goal"
	}},
	offer.FaultOnceADay:     {text: "with one visit a day no day has a second one: count over a longer period, or drop `once_a`"},
	offer.FaultEveryAndGoal: {text: "an offer has either a goal or an nth visit: keep one, or make two offers of it"},

	offer.FaultBoostTwice: {say: twice("boost", "give each an id of its own")},
	offer.FaultBoostFit:   {say: boostFit},
	offer.FaultCapNothing: {say: func(f *found) string {
		return "a cap of " + f.quantity(f.at) + " leaves nothing of the offer: write an amount over 0, or remove the cap"
	}},
	offer.FaultCountByPurchase: {text: "an offer gives once for each purchase: bound it by an amount, or count over a longer period"},
	offer.FaultCapTwice: {say: func(f *found) string {
		return "there is another cap per " + f.written(f.at.to("per")) + " in this offer: keep the one that is meant"
	}},
	offer.FaultBudgetNothing: {say: func(f *found) string {
		return fmt.Sprintf("a budget of %s leaves nothing of the %s: write an amount over 0, or drop the budget", f.quantity(f.at), f.holder())
	}},
	offer.FaultBudgetTwice: {text: "there is another budget of this kind in this offer: keep one in all, and one per store and day"},

	offer.FaultCostPlus:   {text: "a commission of %s of the rewards' cost is not from 100%% to 800%%: write one that is, such as 120%%"},
	offer.FaultFundingOwn: {say: fundingOwn},
	offer.FaultFundingNone: {say: func(f *found) string {
		return fmt.Sprintf("the partner owes no commission that could pay offer %q: write the partner's commission, or say `funded_by: programme` if the bank pays it", f.offer().id)
	}},
	offer.FaultFundingPoints: {say: func(f *found) string {
		return fmt.Sprintf("points of offer %q aren't paid by a commission: say `funded_by: programme` if the bank pays them, or agree on a commission that is cost_plus", f.offer().id)
	}},
	offer.FaultFundingCurrency: {say: func(f *found) string {
		return fmt.Sprintf("offer %q counts in %s, which the partner's commission in %[3]s can't pay: say `currency: %[3]s` in the offer, or `funded_by: programme` if the bank pays it", f.offer().id, f.Args[0], f.Args[1])
	}, of: itsProgramme},

	offer.FaultCampaignUnit:    {say: noPoints, of: itsProgramme | dates},
	offer.FaultUnknownOffer:    {say: unknownOffer, of: allFiles},
	offer.FaultOfferNamedTwice: {say: func(f *found) string { return refText(f.Args[0].(offer.OfferRef)) + " is named twice: keep one" }},
	offer.FaultOfferFit:        {say: plainly, of: allFiles},
	offer.FaultOfferUnit:       {say: plainly, of: allFiles},

	offer.FaultTogetherRate:    {say: plainly, of: allFiles},
	offer.FaultTogetherPoints:  {say: plainly, of: allFiles},
	offer.FaultTogetherPerFull: {say: plainly, of: allFiles},
	offer.FaultTogetherWorth:   {say: plainly, of: allFiles},
	offer.FaultTogetherAgain:   {say: plainly, of: allFiles},
	offer.FaultGroups:          {say: plainly, of: allFiles},
}

// written is a value of the file as it is written.
func (f *found) written(at path) string { return f.trees.find(f.doc, at).Value }

// quantity is money or points as it is written, in its usual form.
func (f *found) quantity(at path) string {
	text := f.written(at)
	if q, err := parseQuantity(text); err == nil {
		return q.String()
	}
	return text
}

// offer is the offer that is wrong.
func (f *found) offer() *offerDoc { return &f.doc.offers()[f.at[1].(int)] }

// holder is whose budget it is.
func (f *found) holder() string {
	if f.Subject == offer.SubjectCampaign {
		return "campaign"
	}
	return "offer"
}

// twice says that an id is in a list for the second time.
func twice(what, remedy string) func(*found) string {
	return func(f *found) string {
		return fmt.Sprintf("%s %q is here twice, first as number %d of the list: %s", what, f.Args[0], f.otherAt[len(f.otherAt)-1].(int)+1, remedy)
	}
}

// noProgramme says of a document's programme that there is none.
func (c *checker) noProgramme(id string) string {
	known := names(c.programmes)
	if id == "" {
		return fmt.Sprintf("the catalogue has several programmes: say `programme: ID` with one of %s", strings.Join(known, ", "))
	}
	return fmt.Sprintf("there is no programme %q: known are %s%s", id, strings.Join(known, ", "), didYouMean(id, known))
}

func sameKey(f *found) string {
	p := &f.catalogue.Partners[f.Index]
	at := parsePath(f.Path)
	store := &p.Stores[at[1].(int)]
	return fmt.Sprintf("%s names two stores %s: %q of partner %s here, and %q of partner %s in %s; end one before the other begins (until, from), or correct the key",
		describeKey(&store.Keys[at[3].(int)]), describeTime(f.Args[2].(rules.Instant), f.Args[3].(rules.Instant), store.Zone), store.ID, p.ID,
		f.Args[0], f.Args[1], f.writtenAt(f.other, f.otherAt))
}

func unknownStore(f *found) string {
	id, ids := f.Args[0].(string), []string{}
	for i := range f.doc.partner.stores {
		ids = append(ids, f.doc.partner.stores[i].id)
	}
	return fmt.Sprintf("the partner has no store %q%s: write the id of one of its stores", id, didYouMean(id, ids))
}

func nothing(f *found) string {
	r := &f.offer().reward
	if rates := r.rates(); len(rates) > 0 {
		return fmt.Sprintf("a reward of %s gives nothing: write a rate over 0%%, or remove the offer", rates[0].rate)
	}
	return fmt.Sprintf("a reward of %s gives nothing: write an amount over 0, or remove the offer", r.fixed)
}

func tooHighARate(f *found) string {
	text := "a reward of %s is more than the purchase itself: write at most 100%%"
	for _, step := range f.at {
		switch step {
		case "commission":
			text = "a commission of %s is more than the purchase itself: write at most 100%%"
		case "boosts":
			text = "%s of the purchase is too much: write at most 100%%"
		}
	}
	return offer.Words(text, f.Args)
}

func tierOrder(f *found) string {
	return fmt.Sprintf("this tier begins at %s, not after the one before at %s: write the tiers in rising order, each once",
		f.quantity(f.at), f.quantity(f.otherAt.to("from")))
}

// noPoints says that a programme gives none: in which of its files, where it has
// several.
func noPoints(f *found) string {
	in := f.programmeOf(f.doc)
	where, there := "", "in its file"
	if versions := f.programmes[in.ID]; len(versions) > 1 && f.Code == offer.FaultNoPoints {
		for _, d := range versions {
			if d.Version.ID == f.Args[1] {
				where, there = " in "+d.File, "there"
			}
		}
	}
	return fmt.Sprintf("programme %s gives no points%s: write them %s, such as `points: {code: MILES, value: 0.005 %s}`, or give money", in.ID, where, there, in.Currency)
}

func boostFit(f *found) string {
	o := f.offer()
	b := &o.boosts[f.at[3].(int)]
	switch points := o.reward.givesPoints(); {
	case o.reward.formOf() == offer.FixedReward || o.reward.formOf() == offer.PerFullReward:
		return fmt.Sprintf("this offer gives an amount, and has no rate to %s: write `multiply: 2`, or an amount as an offer of its own", b.verb())
	case points:
		return fmt.Sprintf("%s is money, but the offer gives points: write it such as 3 points per %s", b.given(), cmp.Or(o.currency, f.programmeOf(f.doc).Currency))
	}
	return fmt.Sprintf("%s are points, but the offer gives money: write it such as 6%%", b.given())
}

func fundingOwn(f *found) string {
	if f.offer().fundedBy.stated {
		return fmt.Sprintf("no partner owes a commission that could pay offer %q of the programme: say `funded_by: programme`", f.offer().id)
	}
	return fmt.Sprintf("the bank pays offer %q of its programme: say so with `funded_by: programme`", f.offer().id)
}

func refText(ref offer.OfferRef) string {
	partner, offer := ref.Partner, ref.Offer
	if partner == "" {
		partner = programmeWord
	}
	if offer == "" {
		offer = "*"
	}
	return partner + "/" + offer
}

// shelf is which offers there are, by programme and partner; the programme's own
// have an empty partner.
type shelf map[string]map[string]map[string]bool

func shelfOf(catalogue *offer.Catalogue) shelf {
	s := shelf{}
	for i := range catalogue.Programmes {
		p := &catalogue.Programmes[i]
		s.put(p.ID, "", p.Offers)
	}
	for i := range catalogue.Partners {
		p := &catalogue.Partners[i]
		s.put(p.Programme, p.ID, p.Offers)
	}
	return s
}

func (s shelf) put(programme, partner string, offers []offer.Offer) {
	if s[programme] == nil {
		s[programme] = map[string]map[string]bool{}
	}
	if s[programme][partner] == nil {
		s[programme][partner] = map[string]bool{}
	}
	for i := range offers {
		s[programme][partner][offers[i].ID] = true
	}
}

// unknownOffer says why a campaign's reference leads nowhere.
func unknownOffer(f *found) string {
	if f.offers == nil {
		f.offers = shelfOf(f.catalogue)
	}
	b := &f.doc.campaign.boosts[f.at[1].(int)]
	programme, ref, s := f.Args[0].(string), b.offers[f.at[3].(int)], f.offers
	offers, known := s[programme][ref.Partner]
	partners := names(s[programme])
	switch {
	case !known:
		return fmt.Sprintf("programme %s has no partner %q%s: name one of its partners, or programme/OFFER for its own offers",
			programme, ref.Partner, didYouMean(ref.Partner, partners))
	case ref.Offer == "":
		return fmt.Sprintf("%s has no offer that could be raised: name another, or write the offer first", strings.TrimSuffix(refText(ref), "/*"))
	}
	return fmt.Sprintf("no version of %s has an offer %q%s: name one of its offers", strings.TrimSuffix(refText(ref), "/"+ref.Offer), ref.Offer, didYouMean(ref.Offer, names(offers)))
}
