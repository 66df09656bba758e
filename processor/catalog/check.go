package catalog

import (
	"cmp"

	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// What a file's values must be together. A value that couldn't be read is its
// zero value here, and was a fault already: nothing more is said of it.

func (c *checker) checkProgramme(d *Document, p *offer.Programme) {
	doc := d.programme
	for i, r := range doc.cardTokenRanges {
		if r.Prefix != "" && r.Length > 0 && r.Length < len(r.Prefix) {
			c.fault(d, path{"card_token_ranges", i, "length"}, "a token of %d digits can't begin with %d digits: write the length of the whole token", r.Length, len(r.Prefix))
		}
	}
	if worth := doc.points.value.value.currency; !isNone(worth) && !isNone(doc.currency) && worth != doc.currency {
		c.fault(d, path{"points", "value"}, "the value of a point is in %s, but the programme counts in %s: write it in %s", worth, doc.currency, doc.currency)
	}
	if p.UnlinkedRefundDays > p.HorizonDays {
		c.fault(d, path{"unlinked_refunds"}, "a purchase of %d days before is beyond the horizon of %d days (horizon_days): write at most %d days", p.UnlinkedRefundDays, p.HorizonDays, p.HorizonDays)
	}
	c.checkPayout(d, p)
	check := offerChecker{checker: c, doc: d, programme: p, own: true}
	check.offers(doc.offers, p.Offers)
}

func (c *checker) checkPartner(d *Document, p *offer.Partner, in *offer.Programme) {
	if p.ID == programmeWord {
		c.fault(d, path{"partner"}, "a partner can't be called %q, since a campaign names the programme's own offers so: write another id", p.ID)
	}
	owed := &d.partner.commission
	c.checkCommission(d, path{"commission"}, &owed.value, p.Currency, "the partner's terms are")
	if owed := owed.value; owed.on.on == offer.OnSale && p.Commission.None() && owed.subscription.minor == 0 && !d.partner.commission.broken {
		c.fault(d, path{"commission", "on"}, "`on: sale` says when a commission is owed, but there is none: write percent or fixed beside it")
	}
	check := offerChecker{
		checker: c, doc: d, programme: in, stores: c.checkStores(d),
		owed: p.Commission, owedBroken: owed.broken, termsCurrency: p.Currency,
	}
	check.offers(d.partner.offers, p.Offers)
}

// checkCommission holds a commission to one form, in the currency of the terms.
func (c *checker) checkCommission(d *Document, at path, owed *commission, currency money.Currency, terms string) {
	c.checkCommissionForm(d, at, owed)
	if owed.rateMillionths > wholeMillionths {
		c.fault(d, at, "a commission of %s is more than the purchase itself: write at most 100%%", money.FormatPercent(owed.rateMillionths))
	}
	if cost := owed.costMillionths; cost != 0 && (cost < wholeMillionths || cost > maxCostMillionths) {
		c.fault(d, at.to("cost_plus"), "a commission of %s of the rewards' cost is not from 100%% to %s: write one that is, such as 120%%", money.FormatPercent(cost), money.FormatPercent(maxCostMillionths))
	}
	amounts := []placedAmount{{owed.fixed, at.to("fixed")}, {owed.subscription, at.to("subscription")}}
	for i, t := range owed.tiers {
		amounts = append(amounts, placedAmount{t.from, at.to("tiers", i, "from")}, placedAmount{t.fixed, at.to("tiers", i, "fixed")})
		if t.rateMillionths > wholeMillionths {
			c.fault(d, at.to("tiers", i, "percent"), "a commission of %s is more than the purchase itself: write at most 100%%", money.FormatPercent(t.rateMillionths))
		}
		if i > 0 && !isNone(t.from.currency) && t.from.minor <= owed.tiers[i-1].from.minor {
			c.fault(d, at.to("tiers", i, "from"), "this tier begins at %s, not after the one before at %s: write the tiers in rising order, each once", t.from, owed.tiers[i-1].from)
		}
	}
	for _, a := range amounts {
		if !isNone(a.currency) && !isNone(currency) && a.currency != currency {
			c.fault(d, a.at, "the commission is in %s, but %s in %s: write it in %s, or say `currency: %s`", a.currency, terms, currency, currency, a.currency)
		}
	}
}

// maxCostMillionths bounds cost-plus: eight times what the rewards cost.
const maxCostMillionths = 8 * wholeMillionths

type placedAmount struct {
	amount
	at path
}

// checkCommissionForm refuses keys of two forms beside each other.
func (c *checker) checkCommissionForm(d *Document, at path, owed *commission) {
	share := owed.rateMillionths != 0 || !isNone(owed.fixed.currency)
	forms := map[string]bool{
		"tiers": owed.tiers != nil, "cost_plus": owed.costMillionths != 0, "subscription": !isNone(owed.subscription.currency),
	}
	for _, form := range names(forms) {
		switch {
		case !forms[form]:
		case share:
			c.fault(d, at.to(form), "%q stands alone: keep it, or percent and fixed", form)
		default:
			share = true // what comes after it isn't alone
		}
	}
	if owed.on.stated && (forms["cost_plus"] || forms["subscription"]) {
		c.fault(d, at.to("on"), "`on` says for which sales a commission is owed, which cost_plus and subscription say themselves: drop it")
	}
}

func isNone(currency money.Currency) bool { return currency == money.Currency{} }

// checkStores gives the stores of the partner by id.
func (c *checker) checkStores(d *Document) map[string]int {
	stores := map[string]int{}
	changeable := !d.Stamped && !c.superseded(d)
	for i := range d.partner.stores {
		s := &d.partner.stores[i]
		if len(s.keys) == 0 && changeable && c.whole {
			c.fault(d, path{"stores", i, "keys"}, noKeys, s.id)
		}
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

// noKeys is said of a store that no purchase can match. What was published
// before this was a fault goes on.
const noKeys = "store %q has no key, so no purchase is ever found there: write its merchant ids, or end the last of them (until) where it is closed"

// checkKey holds a key to exactly one of the ways in which a card message can
// name a store.
func (c *checker) checkKey(d *Document, at path, k *keyDoc) {
	byNetwork := k.network != "" || k.networkMerchantID != ""
	byMID := k.mid != "" || k.acquirer != "" || k.subMerchant != "" || k.terminal != ""
	switch {
	case byNetwork && byMID:
		c.fault(d, at, "a key is either a merchant id (mid, acquirer, sub_merchant, terminal) or one of a network (network, network_merchant_id): make two keys of it")
	case k.network != "" && k.networkMerchantID == "":
		c.fault(d, at, "a network alone names no store: write network_merchant_id beside it")
	case byMID && k.mid == "":
		c.fault(d, at, "acquirer, sub_merchant and terminal name no store alone: write the mid beside them")
	case k.subMerchant != "" && k.terminal != "":
		c.fault(d, at, "a key names a sub-merchant or a terminal of its mid: keep one, or make two keys of it")
	case !byMID && !byNetwork:
		c.fault(d, at, "this key names nothing that a card message holds: write mid, or network_merchant_id")
	}
	c.checkWindow(d, at, k.from, k.until)
}

// checkWindow holds [from, until) to some time in it.
func (c *checker) checkWindow(d *Document, at path, from, until offer.LocalTime) {
	if !from.IsZero() && !until.IsZero() && compareLocal(from, until) >= 0 {
		c.fault(d, at.to("until"), "until is not after from, and until itself is no part of the window: write a later until")
	}
}

func compareLocal(a, b offer.LocalTime) int {
	return cmp.Or(cmp.Compare(a.Year, b.Year), cmp.Compare(a.Month, b.Month), cmp.Compare(a.Day, b.Day),
		cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Min, b.Min), cmp.Compare(a.Sec, b.Sec))
}

// to is the path one step further.
func (p path) to(steps ...any) path { return append(p[:len(p):len(p)], steps...) }
