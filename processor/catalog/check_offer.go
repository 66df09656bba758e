package catalog

import (
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// What the values of one offer must be together.

// offerChecker checks the offers of one file.
type offerChecker struct {
	*checker
	doc       *Document
	programme *offer.Programme // as it is when the file comes into force
	own       bool             // the offers are the programme's
	// Of a partner: its stores by id, what it owes and in what.
	stores        map[string]int
	owed          offer.Commission
	owedBroken    bool
	termsCurrency money.Currency
}

func (c *offerChecker) fault(at path, format string, args ...any) {
	c.checker.fault(c.doc, at, format, args...)
}

func (c *offerChecker) offers(docs []offerDoc, offers []offer.Offer) {
	first := map[string]int{}
	for i := range docs {
		o, at := &docs[i], path{"offers", i}
		if n, twice := first[o.id]; twice && o.id != "" {
			c.fault(at.to("id"), "offer %q is here twice, first as number %d of the list: give each an id of its own", o.id, n+1)
		} else {
			first[o.id] = i
		}
		c.offer(at, o, &offers[i])
	}
}

func (c *offerChecker) offer(at path, o *offerDoc, offer *offer.Offer) {
	c.checkWindow(c.doc, at, o.from, o.until)
	c.named(at.to("stores"), o)
	c.reward(at.to("reward"), o, offer)
	c.kind(at, o, offer)
	c.conditions(at, o, offer)
	c.boosts(at.to("boosts"), o, offer)
	c.caps(at.to("caps"), o.caps, offer, offer.Reward.Kind)
	c.budgets(at, o, offer)
	c.funding(at, o, offer)
	c.commission(at.to("commission"), o, offer)
	c.sponsor(at.to("sponsor"), o, offer)
}

// named holds an offer to stores of its partner.
func (c *offerChecker) named(at path, o *offerDoc) {
	seen := map[string]bool{}
	for i, id := range o.stores {
		_, known := c.stores[id]
		switch {
		case id == "":
		case !known:
			c.fault(at.to(i), "the partner has no store %q%s: write the id of one of its stores", id, didYouMean(id, names(c.stores)))
		case seen[id]:
			c.fault(at.to(i), "store %q is named twice: keep one", id)
		}
		seen[id] = true
	}
	if o.stores != nil && len(o.stores) == 0 {
		c.fault(at, "the list of stores is empty: name some, or drop the key if the offer holds in all of them")
	}
}

// reward checks what an offer gives.
func (c *offerChecker) reward(at path, o *offerDoc, agreed *offer.Offer) {
	r := &o.reward.value
	if o.reward.broken {
		return
	}
	switch r.formOf() {
	case offer.FixedReward, offer.PerFullReward:
		if r.fixed.isZero() {
			c.fault(at, "a reward of %s gives nothing: write an amount over 0, or remove the offer", r.fixed)
		}
		c.quantity(at, r.fixed, agreed, agreed.Reward.Kind)
		c.amount(at, r.per, agreed)
	case offer.TieredReward:
		c.tiers(at.to("tiers"), r, agreed)
	}
	if r.categories == nil && r.rest != (rate{}) {
		c.fault(at.to("rest"), "`rest` is what has no listed category, and there are no categories: write categories beside it, or drop it")
	}
	if r.marginal && r.tiers == nil {
		c.fault(at.to("apply_to"), "`apply_to` says how tiers count, and there are none: write tiers beside it, or drop it")
	}
	c.rates(at, r, agreed)
}

// rates checks what a reward gives for each unit of money.
func (c *offerChecker) rates(at path, r *reward, offer *offer.Offer) {
	rates := r.rates()
	var highest rate
	for _, given := range rates {
		if !given.isZero() {
			highest = given.rate
		}
		place := append(at[:len(at):len(at)], given.at...)
		if given.ofPoints() != r.givesPoints() {
			c.fault(place, "one reward is either money or points, and here are both: write all its rates in per cent, or all in points")
			continue
		}
		c.rate(place, given.rate, offer)
		if given.percentMillionths > wholeMillionths {
			c.fault(place, "a reward of %s is more than the purchase itself: write at most 100%%", given.rate)
		}
	}
	if len(rates) > 0 && highest.isZero() {
		c.fault(at, "a reward of %s gives nothing: write a rate over 0%%, or remove the offer", rates[0].rate)
	}
}

func (c *offerChecker) tiers(at path, r *reward, offer *offer.Offer) {
	for i, t := range r.tiers {
		c.amount(at.to(i, "from"), t.from, offer)
		if i > 0 && !isNone(t.from.currency) && t.from.minor <= r.tiers[i-1].from.minor {
			c.fault(at.to(i, "from"), "this tier begins at %s, not after the one before at %s: write the tiers in rising order, each once", t.from, r.tiers[i-1].from)
		}
	}
}

// rate holds a rate in points to the offer's currency and to what can be counted.
func (c *offerChecker) rate(at path, given rate, offer *offer.Offer) {
	if !given.ofPoints() {
		return
	}
	c.amount(at, given.per, offer)
	if _, exact := given.millionths(c.programme.Points.Decimals); !exact && c.programme.Points.Code != "" {
		c.faultInexact(c.doc, at, given, c.programme)
	}
}

// amount holds money to the offer's currency.
func (c *offerChecker) amount(at path, a amount, offer *offer.Offer) {
	if !isNone(a.currency) && !isNone(offer.Currency) && a.currency != offer.Currency {
		c.fault(at, "%s is in %s, but the offer counts in %s: write it in %s, or say `currency: %s` in the offer",
			a, a.currency, offer.Currency, offer.Currency, a.currency)
	}
}

// quantity holds what is given or bounded to the kind of the reward.
func (c *offerChecker) quantity(at path, q quantity, offer *offer.Offer, kind rules.Kind) {
	switch points := kind == rules.Points; {
	case !q.written():
	case points && !q.inPoints:
		c.fault(at, "%s is money, but the offer gives points: write it such as 500 points", q)
	case !points && q.inPoints:
		c.fault(at, "%s are points, but the offer gives money: write it such as 15 %s", q, offer.Currency)
	case points:
		if _, exact := q.units(c.programme.Points.Decimals); !exact && c.programme.Points.Code != "" {
			c.fault(at, "%s has more decimals than %s, which has %d: write it with those", q, c.programme.Points.Code, c.programme.Points.Decimals)
		}
	default:
		c.amount(at, q.amount, offer)
	}
}

// kind checks as what a reward is paid.
func (c *offerChecker) kind(at path, o *offerDoc, offer *offer.Offer) {
	points := o.reward.value.givesPoints()
	switch {
	case !points || isNone(c.programme.Currency):
	case !c.givesPoints(c.programme):
		c.faultNoPoints(c.doc, at.to("reward"), c.programme)
	case offer.Currency != c.programme.Currency:
		c.fault(at.to("reward"), "points are given for %s, the programme's currency, but the offer counts in %s: drop its currency, or give money", c.programme.Currency, offer.Currency)
	}
	if points && o.pays != 0 {
		c.fault(at.to("pays"), "the reward is in points already: drop `pays`, or write the reward in money")
	}
	if o.wallet != nil && o.pays != rules.Wallet {
		c.fault(at.to("wallet"), "these are the terms of a wallet, but the offer doesn't pay into one: write `pays: wallet` beside it, or drop it")
	}
	if w := o.wallet; w != nil && w.ExpiresAfterDays != 0 && w.ExpiresAfterDays <= w.UsableAfterDays {
		c.fault(at.to("wallet", "expires_after"), "it is lost before it can be spent: write more than %d days", w.UsableAfterDays)
	}
	if o.voucherFor != "" && o.pays != rules.Voucher {
		c.fault(at.to("voucher_for"), "this is what a voucher is for, but the offer gives none: write `pays: voucher` beside it, or drop it")
	}
}

func (c *offerChecker) conditions(at path, o *offerDoc, agreed *offer.Offer) {
	c.amount(at.to("min_spend"), o.minSpend, agreed)
	c.amount(at.to("max_spend"), o.maxSpend, agreed)
	if o.maxSpend.minor == 0 && !isNone(o.maxSpend.currency) {
		c.fault(at.to("max_spend"), "no purchase is at most %s: write an amount over 0, or drop the key", o.maxSpend)
	}
	if o.goal != nil {
		c.amount(at.to("goal", "spend"), o.goal.spend, agreed)
		if o.goal.spend.minor == 0 && !isNone(o.goal.spend.currency) {
			c.fault(at.to("goal", "spend"), "a goal of %s is reached by everybody: write an amount over 0, or drop the goal", o.goal.spend)
		}
		if o.every != nil {
			c.fault(at.to("every"), "an offer has either a goal or an nth visit: keep one, or make two offers of it")
		}
	}
	if o.every != nil && o.every.OnceADay && o.every.Per == offer.PerDay {
		c.fault(at.to("every", "once_a"), "with one visit a day no day has a second one: count over a longer period, or drop `once_a`")
	}
}

// caps checks what bounds the awards of one member, or of one sponsor.
func (c *offerChecker) caps(at path, caps []capDoc, agreed *offer.Offer, kind rules.Kind) {
	type limit struct {
		period
		byCount bool
	}
	seen := map[limit]bool{}
	for i, one := range caps {
		if one.amount.written() && one.amount.isZero() {
			c.fault(at.to(i, "amount"), "a cap of %s leaves nothing of the offer: write an amount over 0, or remove the cap", one.amount)
		}
		c.quantity(at.to(i, "amount"), one.amount, agreed, kind)
		if one.count > 0 && one.per.per == offer.PerPurchase {
			c.fault(at.to(i, "count"), "an offer gives once for each purchase: bound it by an amount, or count over a longer period")
		}
		name := limit{one.per, one.count > 0}
		if one.per.per != 0 && seen[name] {
			c.fault(at.to(i), "there is another cap per %s in this offer: keep the one that is meant", one.per)
		}
		seen[name] = true
	}
}

func (c *offerChecker) budgets(at path, o *offerDoc, offer *offer.Offer) {
	if o.budget != nil && o.budgets != nil {
		c.fault(at.to("budget"), "`budget` and `budgets` exclude each other: write all of them under `budgets`")
	}
	if o.budget != nil {
		c.budget(at.to("budget"), o.budget, offer)
	}
	seen := map[bool]bool{}
	for i := range o.budgets {
		b := &o.budgets[i]
		c.budget(at.to("budgets", i), b, offer)
		if !b.amount.written() {
			continue
		}
		if seen[b.perStoreAndDay] {
			c.fault(at.to("budgets", i), "there is another budget of this kind in this offer: keep one in all, and one per store and day")
		}
		seen[b.perStoreAndDay] = true
	}
}

func (c *offerChecker) budget(at path, b *budgetDoc, offer *offer.Offer) {
	if b.amount.written() && b.amount.isZero() {
		c.fault(at, "a budget of %s leaves nothing of the offer: write an amount over 0, or drop the budget", b.amount)
	}
	c.quantity(at, b.amount, offer, offer.Reward.Kind)
}

// funding refuses what only the programme can pay, unless the file says that it
// does.
func (c *offerChecker) funding(at path, o *offerDoc, agreed *offer.Offer) {
	if agreed.FundedBy == offer.FundedByProgramme || agreed.Reward.Form == 0 {
		return
	}
	at = at.to("funded_by")
	adds := !agreed.Commission.None() || o.commission.broken
	switch owed := &c.owed; {
	case c.own && o.fundedBy.stated:
		c.fault(at, "no partner owes a commission that could pay offer %q of the programme: say `funded_by: programme`", agreed.ID)
	case c.own:
		c.fault(at, "the bank pays offer %q of its programme: say so with `funded_by: programme`", agreed.ID)
	case owed.None() && !c.owedBroken && !adds:
		c.fault(at, "the partner owes no commission that could pay offer %q: write the partner's commission, or say `funded_by: programme` if the bank pays it", agreed.ID)
	case agreed.Reward.Kind == rules.Points && owed.Form != offer.CostPlusCommission && !c.owedBroken:
		c.fault(at, "points of offer %q aren't paid by a commission: say `funded_by: programme` if the bank pays them, or agree on a commission that is cost_plus", agreed.ID)
	case !isNone(agreed.Currency) && !isNone(c.termsCurrency) && agreed.Currency != c.termsCurrency:
		c.fault(at, "offer %q counts in %s, which the partner's commission in %s can't pay: say `currency: %s` in the offer, or `funded_by: programme` if the bank pays it",
			agreed.ID, agreed.Currency, c.termsCurrency, c.termsCurrency)
	}
}

// commission checks what the partner owes for this offer beside its terms.
func (c *offerChecker) commission(at path, o *offerDoc, offer *offer.Offer) {
	owed := &o.commission
	c.checkCommission(c.doc, at, &owed.value, offer.Currency, "the offer counts")
}

func (c *offerChecker) sponsor(at path, o *offerDoc, offer *offer.Offer) {
	s := o.sponsor
	if s == nil {
		return
	}
	given := s.reward
	switch {
	case given.percentMillionths > wholeMillionths:
		c.fault(at.to("reward"), "a reward of %s is more than the purchase itself: write at most 100%%", money.FormatPercent(given.percentMillionths))
	case !isNone(given.fixed.currency) && given.fixed.minor == 0:
		c.fault(at.to("reward"), "a reward of %s gives nothing: write an amount over 0, or drop the sponsor's reward", given.fixed)
	}
	c.amount(at.to("reward"), given.fixed, offer)
	c.caps(at.to("caps"), s.caps, offer, rules.Cash)
}
