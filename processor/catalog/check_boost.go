package catalog

import (
	"ristourne/rules"
	"ristourne/rules/offer"
)

// boosts checks what raises an offer.
func (c *offerChecker) boosts(at path, o *offerDoc, offer *offer.Offer) {
	c.boostIDs(c.doc, at, o.boosts)
	for i := range o.boosts {
		b := &o.boosts[i]
		c.checkBoost(c.doc, at.to(i), b)
		if b.given() != nil && !o.reward.broken && offer.Reward.Form != 0 {
			c.fits(at.to(i, b.verb()), b, offer)
		}
	}
}

// fits holds a boost to a rate of the offer's kind.
func (c *offerChecker) fits(at path, b *boostDoc, agreed *offer.Offer) {
	given := b.given()
	c.rate(at, *given, agreed)
	switch points := agreed.Reward.Kind == rules.Points; {
	case agreed.Reward.Form == offer.FixedReward || agreed.Reward.Form == offer.PerFullReward:
		c.fault(at, "this offer gives an amount, and has no rate to %s: write `multiply: 2`, or an amount as an offer of its own", b.verb())
	case points && !given.ofPoints():
		c.fault(at, "%s is money, but the offer gives points: write it such as 3 points per %s", given, agreed.Currency)
	case !points && given.ofPoints():
		c.fault(at, "%s are points, but the offer gives money: write it such as 6%%", given)
	}
}

// given is the rate of a boost that sets or adds one.
func (b *boostDoc) given() *rate {
	if b.set != nil {
		return b.set
	}
	return b.add
}

// verb is what the boost does, as its key says it.
func (b *boostDoc) verb() string {
	switch {
	case b.set != nil:
		return "set"
	case b.add != nil:
		return "add"
	}
	return "multiply"
}

func (c *checker) boostIDs(d *Document, at path, boosts []boostDoc) {
	first := map[string]int{}
	for i := range boosts {
		id := boosts[i].id
		if n, twice := first[id]; twice && id != "" {
			c.fault(d, at.to(i, "id"), "boost %q is here twice, first as number %d of the list: give each an id of its own", id, n+1)
			continue
		}
		first[id] = i
	}
}

// checkBoost checks what a boost is by itself, of an offer or of a campaign.
func (c *checker) checkBoost(d *Document, at path, b *boostDoc) {
	c.checkWindow(d, at, b.from, b.until)
	given := b.given()
	if given == nil {
		return
	}
	if given.percentMillionths > wholeMillionths {
		c.fault(d, at.to(b.verb()), "%s of the purchase is too much: write at most 100%%", given)
	}
}
