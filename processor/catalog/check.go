package catalog

import (
	"cmp"

	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// What only a file shows: whether its values can be said in the terms of the
// rules. What they must be together is for the rules to say. A value that
// couldn't be read is its zero value here.

func (c *checker) checkProgramme(d *Document, p *offer.Programme) {
	doc := d.programme
	if worth := doc.points.value.currency; !isNone(worth) && !isNone(doc.currency) && worth != doc.currency {
		c.fault(d, path{"points", "value"}, "the value of a point is in %s, but the programme counts in %s: write it in %s", worth, doc.currency, doc.currency)
	}
	c.checkPayout(d, p)
	c.checkBilling(d)
	check := offerChecker{checker: c, doc: d, programme: p}
	check.offers(doc.offers, p.Offers)
}

func (c *checker) checkPartner(d *Document, p *offer.Partner, in *offer.Programme) {
	owed := &d.partner.commission
	c.checkCommission(d, path{"commission"}, owed, p.Currency, "the partner's terms are")
	if owed.on.on == offer.OnSale && p.Commission.None() && owed.subscription.minor == 0 && !d.unreadIn(path{"commission"}) {
		c.fault(d, path{"commission", "on"}, "`on: sale` says when a commission is owed, but there is none: write percent or fixed beside it")
	}
	c.checkBilled(d, p, in)
	c.checkStores(d)
	check := offerChecker{checker: c, doc: d, programme: in}
	check.offers(d.partner.offers, p.Offers)
}

// checkCommission holds a commission to one form, in the currency of the terms.
func (c *checker) checkCommission(d *Document, at path, owed *commission, currency money.Currency, terms string) {
	c.checkCommissionForm(d, at, owed)
	amounts := []placedAmount{{owed.fixed, at.to("fixed")}, {owed.subscription, at.to("subscription")}}
	for i, t := range owed.tiers {
		amounts = append(amounts, placedAmount{t.from, at.to("tiers", i, "from")}, placedAmount{t.fixed, at.to("tiers", i, "fixed")})
	}
	for _, a := range amounts {
		if !isNone(a.currency) && !isNone(currency) && a.currency != currency {
			c.fault(d, a.at, "the commission is in %s, but %s in %s: write it in %s, or say `currency: %s`", a.currency, terms, currency, currency, a.currency)
		}
	}
}

type placedAmount struct {
	amount
	at path
}

// checkCommissionForm refuses keys of two forms beside each other.
func (c *checker) checkCommissionForm(d *Document, at path, owed *commission) {
	share := owed.rateMillionths != 0 || !isNone(owed.fixed.currency)
	forms := map[string]bool{"tiers": owed.tiers != nil, "cost_plus": owed.costMillionths != 0}
	for _, form := range names(forms) {
		switch {
		case !forms[form]:
		case share:
			c.fault(d, at.to(form), "%q stands alone: keep it, or percent and fixed", form)
		default:
			share = true // what comes after it isn't alone
		}
	}
	alone := !isNone(owed.subscription.currency) && !share
	if owed.on.stated && (forms["cost_plus"] || alone) {
		c.fault(d, at.to("on"), "`on` says for which sales a commission is owed, which cost_plus and subscription say themselves: drop it")
	}
}

func isNone(currency money.Currency) bool { return currency == money.Currency{} }

func (c *checker) checkStores(d *Document) {
	if d.Stamped || c.superseded(d) || !c.whole {
		return
	}
	for i := range d.partner.stores {
		if s := &d.partner.stores[i]; len(s.keys) == 0 {
			c.fault(d, path{"stores", i, "keys"}, noKeys, s.id)
		}
	}
}

// noKeys is said of a store that no purchase can match. What was published
// before this was a fault goes on.
const noKeys = "store %q has no key, so no purchase is ever found there: write its merchant ids, or end the last of them (until) where it is closed"

func compareLocal(a, b offer.LocalTime) int {
	return cmp.Or(cmp.Compare(a.Year, b.Year), cmp.Compare(a.Month, b.Month), cmp.Compare(a.Day, b.Day),
		cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Min, b.Min), cmp.Compare(a.Sec, b.Sec))
}
