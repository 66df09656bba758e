package catalog

import (
	"cmp"

	"ristourne/rules"
	"ristourne/rules/money"
)

// What a file's values must be together. A value that couldn't be read is its
// zero value here, and was a fault already: nothing more is said of it.

func (c *checker) checkProgramme(d *document) {
	doc := d.programme
	for i, r := range doc.cardTokenRanges {
		if r.Prefix != "" && r.Length > 0 && r.Length < len(r.Prefix) {
			c.fault(d, path{"card_token_ranges", i, "length"}, "a token of %d digits can't begin with %d digits: write the length of the whole token", r.Length, len(r.Prefix))
		}
	}
}

func (c *checker) checkPartner(d *document, p *rules.Partner) {
	c.checkCommission(d, p)
	stores := c.checkStores(d)
	offers := map[string]int{}
	for i := range d.partner.offers {
		o := &d.partner.offers[i]
		if first, twice := offers[o.id]; twice && o.id != "" {
			c.fault(d, path{"offers", i, "id"}, "offer %q is here twice, first as number %d of the list: give each an id of its own", o.id, first+1)
		} else {
			offers[o.id] = i
		}
		c.checkOffer(d, path{"offers", i}, o, &p.Offers[i], p, stores)
	}
}

func (c *checker) checkCommission(d *document, p *rules.Partner) {
	commission := d.partner.commission.value
	if commission.rateMillionths > wholeMillionths {
		c.fault(d, path{"commission"}, "a commission of %s is more than the purchase itself: write at most 100%%", money.FormatPercent(commission.rateMillionths))
	}
	if fixed := commission.fixed; !isNone(fixed.currency) && !isNone(p.Currency) && fixed.currency != p.Currency {
		c.fault(d, path{"commission"}, "the commission is in %s, but the partner's terms are in %s: write it in %s, or say `currency: %s`",
			fixed.currency, p.Currency, p.Currency, fixed.currency)
	}
	if p.Commission.None() && !d.partner.commission.broken && commission.on == rules.OnSale {
		c.fault(d, path{"commission", "on"}, "`on: sale` says when a commission is owed, but there is none: write percent or fixed beside it")
	}
}

func isNone(currency money.Currency) bool { return currency == money.Currency{} }

// checkStores gives the stores of the partner by id.
func (c *checker) checkStores(d *document) map[string]int {
	stores := map[string]int{}
	for i := range d.partner.stores {
		s := &d.partner.stores[i]
		if first, twice := stores[s.id]; twice && s.id != "" {
			c.fault(d, path{"stores", i, "id"}, "store %q is here twice, first as number %d of the list: give each an id of its own, or join their keys", s.id, first+1)
		} else {
			stores[s.id] = i
		}
		for j := range s.keys {
			if k := &s.keys[j]; !k.broken {
				c.checkKey(d, path{"stores", i, "keys", j}, &k.value)
			}
		}
	}
	return stores
}

// checkKey holds a key to exactly one of the ways in which a card message can
// name a store.
func (c *checker) checkKey(d *document, at path, k *keyDoc) {
	byNetwork := k.network != "" || k.networkMerchantID != ""
	byMID := k.mid != "" || k.acquirer != "" || k.subMerchant != ""
	switch {
	case byNetwork && byMID:
		c.fault(d, at, "a key is either a merchant id (mid, acquirer, sub_merchant) or one of a network (network, network_merchant_id): make two keys of it")
	case k.network != "" && k.networkMerchantID == "":
		c.fault(d, at, "a network alone names no store: write network_merchant_id beside it")
	case byMID && k.mid == "":
		c.fault(d, at, "acquirer and sub_merchant name no store alone: write the mid beside them")
	case !byMID && !byNetwork:
		c.fault(d, at, "this key names nothing that a card message holds: write mid, or network_merchant_id")
	}
	c.checkWindow(d, at, k.from, k.until)
}

// checkWindow holds [from, until) to some time in it.
func (c *checker) checkWindow(d *document, at path, from, until rules.LocalTime) {
	if !from.IsZero() && !until.IsZero() && compareLocal(from, until) >= 0 {
		c.fault(d, at.to("until"), "until is not after from, and until itself is no part of the window: write a later until")
	}
}

func compareLocal(a, b rules.LocalTime) int {
	return cmp.Or(cmp.Compare(a.Year, b.Year), cmp.Compare(a.Month, b.Month), cmp.Compare(a.Day, b.Day),
		cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Min, b.Min), cmp.Compare(a.Sec, b.Sec))
}

// to is the path one step further.
func (p path) to(steps ...any) path { return append(p[:len(p):len(p)], steps...) }

func (c *checker) checkOffer(d *document, at path, o *offerDoc, offer *rules.Offer, p *rules.Partner, stores map[string]int) {
	c.checkWindow(d, at, o.from, o.until)
	c.checkReward(d, at.to("reward"), o, offer)
	c.checkAmount(d, at.to("min_spend"), o.minSpend, offer)
	c.checkCaps(d, at.to("caps"), o, offer)
	c.checkFunding(d, at, o, offer, p)
	named := map[string]bool{}
	for i, id := range o.stores {
		_, known := stores[id]
		switch {
		case id == "":
		case !known:
			c.fault(d, at.to("stores", i), "the partner has no store %q%s: write the id of one of its stores", id, didYouMean(id, names(stores)))
		case named[id]:
			c.fault(d, at.to("stores", i), "store %q is named twice: keep one", id)
		}
		named[id] = true
	}
	if o.stores != nil && len(o.stores) == 0 {
		c.fault(d, at.to("stores"), "the list of stores is empty: name some, or drop the key if the offer holds in all of them")
	}
}

func (c *checker) checkReward(d *document, at path, o *offerDoc, offer *rules.Offer) {
	switch r := o.reward; r.form {
	case rules.RateReward:
		if r.rateMillionths == 0 {
			c.fault(d, at, "a reward of 0%% gives nothing: write a rate over 0%%, or remove the offer")
		}
		if r.rateMillionths > wholeMillionths {
			c.fault(d, at, "a reward of %s is more than the purchase itself: write at most 100%%", money.FormatPercent(r.rateMillionths))
		}
	case rules.FixedReward:
		if r.fixed.minor == 0 && !isNone(r.fixed.currency) {
			c.fault(d, at, "a reward of %s gives nothing: write an amount over 0, or remove the offer", r.fixed)
		}
		c.checkAmount(d, at, r.fixed, offer)
	}
}

// checkAmount holds an amount to the offer's currency.
func (c *checker) checkAmount(d *document, at path, a amount, offer *rules.Offer) {
	if !isNone(a.currency) && !isNone(offer.Currency) && a.currency != offer.Currency {
		c.fault(d, at, "%s is in %s, but the offer counts in %s: write it in %s, or say `currency: %s` in the offer",
			a, a.currency, offer.Currency, offer.Currency, a.currency)
	}
}

func (c *checker) checkCaps(d *document, at path, o *offerDoc, offer *rules.Offer) {
	seen := map[rules.CapPeriod]bool{}
	for i, limit := range o.caps {
		if limit.amount.minor == 0 && !isNone(limit.amount.currency) {
			c.fault(d, at.to(i, "amount"), "a cap of %s leaves nothing of the offer: write an amount over 0, or remove the cap", limit.amount)
		}
		c.checkAmount(d, at.to(i, "amount"), limit.amount, offer)
		if limit.per != 0 && seen[limit.per] {
			c.fault(d, at.to(i), "there is another cap per %s in this offer: keep the one that is meant", limit.per)
		}
		seen[limit.per] = true
	}
}

// checkFunding refuses what only the programme can pay, unless the file says
// that it does.
func (c *checker) checkFunding(d *document, at path, o *offerDoc, offer *rules.Offer, p *rules.Partner) {
	if offer.FundedBy == rules.FundedByProgramme {
		return
	}
	switch {
	case p.Commission.None() && !d.partner.commission.broken:
		c.fault(d, at.to("funded_by"), "the partner owes no commission that could pay offer %q: write the partner's commission, or say `funded_by: programme` if the bank pays it", offer.ID)
	case !isNone(offer.Currency) && !isNone(p.Currency) && offer.Currency != p.Currency:
		c.fault(d, at.to("funded_by"), "offer %q counts in %s, which the partner's commission in %s can't pay: say `currency: %s` in the offer, or `funded_by: programme` if the bank pays it",
			offer.ID, offer.Currency, p.Currency, p.Currency)
	}
}

func (o *offerDoc) toRules(programmeCurrency money.Currency) rules.Offer {
	offer := rules.Offer{
		ID: o.id, Name: cmp.Or(o.name, o.id), Stores: o.stores, From: o.from, Until: o.until,
		Currency: cmp.Or(o.currency, programmeCurrency),
		Reward: rules.Reward{
			Form: o.reward.form, RateMillionths: o.reward.rateMillionths, FixedMinor: o.reward.fixed.minor,
		},
		Conditions: rules.Conditions{MinSpendMinor: o.minSpend.minor}, Group: cmp.Or(o.group, rules.DefaultGroup), Priority: o.priority, FundedBy: o.fundedBy.by,
	}
	for _, limit := range o.caps {
		offer.Caps = append(offer.Caps, rules.Cap{Per: limit.per, AmountMinor: limit.amount.minor})
	}
	return offer
}
