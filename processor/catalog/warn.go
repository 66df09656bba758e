package catalog

import (
	"time"

	"github.com/shopspring/decimal"

	"ristourne/rules"
	"ristourne/rules/money"
)

// What is legal but surely not meant. Only the newest version of a partner is
// looked at: nobody can change the older ones.

func (c *checker) warnOfPartner(d *document, p *rules.Partner) {
	versions := c.partners[d.subject.ID]
	if len(versions) == 0 || versions[len(versions)-1] != d {
		return
	}
	if len(p.Stores) == 0 {
		c.warn(d, path{"stores"}, "partner %s has no store, so none of its offers can ever apply: write its stores", p.ID)
	}
	for i, s := range p.Stores {
		if len(s.Keys) == 0 {
			c.warn(d, path{"stores", i, "keys"}, "store %q has no key, so no purchase is ever found there: write its merchant ids", s.ID)
		}
	}
	zones := zonesOf(p)
	for i := range p.Offers {
		o, at := &p.Offers[i], path{"offers", i}
		c.warnOfWindow(d, at, o, zones)
		c.warnOfCaps(d, at, o)
		c.warnOfMargin(d, at, o, p)
	}
}

func zonesOf(p *rules.Partner) []*time.Location {
	seen := map[string]bool{}
	var zones []*time.Location
	for _, s := range p.Stores {
		if !seen[s.Zone.String()] {
			seen[s.Zone.String()] = true
			zones = append(zones, s.Zone)
		}
	}
	return zones
}

func (c *checker) warnOfWindow(d *document, at path, o *rules.Offer, zones []*time.Location) {
	if o.Until.IsZero() || len(zones) == 0 {
		return
	}
	end := rules.MinInstant
	for _, zone := range zones {
		end = later(end, o.Until.In(zone))
	}
	switch {
	case !end.After(d.version.From):
		c.warn(d, at.to("until"), "offer %q ends before this version comes into force, so it never applies: correct until, or remove the offer", o.ID)
	case !end.After(c.now):
		c.warn(d, at.to("until"), "the window of offer %q is over already: correct until, or remove the offer", o.ID)
	}
}

func (c *checker) warnOfCaps(d *document, at path, o *rules.Offer) {
	purchase, month := capOf(o, rules.PerPurchase), capOf(o, rules.PerMonth)
	if purchase > 0 && month > 0 && purchase >= month {
		c.warn(d, at.to("caps"), "the cap per purchase, %s, can't be reached: the cap per month is %s", offerMoney(o, purchase), offerMoney(o, month))
	}
	if fixed := o.Reward.FixedMinor; o.Reward.Form == rules.FixedReward {
		for _, limit := range o.Caps {
			if limit.AmountMinor < fixed {
				c.warn(d, at.to("reward"), "offer %q never gives its %s: its cap per %s is %s", o.ID, offerMoney(o, fixed), limit.Per, offerMoney(o, limit.AmountMinor))
			}
		}
		if o.FundedBy == rules.FundedByProgramme && o.MinSpendMinor < fixed {
			c.warn(d, at.to("reward"), "offer %q gives no more than the purchase, so less than %s on a small one: write a min_spend of at least %s", o.ID, offerMoney(o, fixed), offerMoney(o, fixed))
		}
	}
	if o.FundedBy == rules.FundedByProgramme && len(o.Caps) == 0 {
		c.warn(d, at.to("funded_by"), "the bank pays offer %q and nothing bounds it: write caps, such as [{per: month, amount: 10 %s}]", o.ID, o.Currency)
	}
}

// capOf is the offer's cap per period, 0 where it has none.
func capOf(o *rules.Offer, per rules.CapPeriod) int64 {
	for _, limit := range o.Caps {
		if limit.Per == per {
			return limit.AmountMinor
		}
	}
	return 0
}

// warnOfMargin tells where an offer promises more than the commission that pays
// it, so that the cut to the margin leaves the member with less than he was told.
func (c *checker) warnOfMargin(d *document, at path, o *rules.Offer, p *rules.Partner) {
	if o.FundedBy == rules.FundedByProgramme || o.Currency != p.Currency {
		return
	}
	basisMinor := worstBasis(o, &p.Commission)
	promised, owed := promise(o, basisMinor), share(basisMinor, p.Commission.RateMillionths, p.Commission.FixedMinor)
	if !promised.GreaterThan(owed) {
		return
	}
	if rate := p.Commission.RateMillionths; o.Reward.Form == rules.FixedReward && rate > 0 {
		enough := promised.Sub(decimal.NewFromInt(p.Commission.FixedMinor)).Mul(million).Div(decimal.NewFromInt(rate)).Ceil()
		c.warn(d, at.to("reward"), "offer %q gives %s, and the partner's commission pays that only from a purchase of %s on: write it as min_spend, lower the reward, or say `funded_by: programme`",
			o.ID, offerMoney(o, promised.IntPart()), offerMoney(o, enough.IntPart()))
		return
	}
	c.warn(d, at.to("reward"), "offer %q promises more than the partner's commission pays: a purchase of %s would earn %s instead of %s; raise the commission, lower the reward, bound it (min_spend, caps), or say `funded_by: programme`",
		o.ID, offerMoney(o, basisMinor), offerMoney(o, owed.IntPart()), offerMoney(o, promised.IntPart()))
}

// exampleMinor is the purchase that a warning reckons with where any would do.
const exampleMinor = 10_000

// worstBasis is the purchase on which the commission falls shortest of the
// reward, or one on which it does fall short where there is no worst.
func worstBasis(o *rules.Offer, owed *rules.Commission) int64 {
	rate, limit := o.Reward.RateMillionths, capOf(o, rules.PerPurchase)
	switch {
	case o.Reward.Form == rules.FixedReward || rate <= owed.RateMillionths:
		return max(o.MinSpendMinor, 1) // the more is bought, the more is owed
	case limit > 0:
		// Up to the cap the reward grows faster than the commission, then not at all.
		full := decimal.NewFromInt(limit).Mul(million).Div(decimal.NewFromInt(rate)).Ceil()
		return max(o.MinSpendMinor, min(full.IntPart(), money.MaxAmountMinor))
	}
	even := decimal.NewFromInt(owed.FixedMinor).Mul(million).Div(decimal.NewFromInt(rate - owed.RateMillionths)).Ceil()
	return max(o.MinSpendMinor, exampleMinor, min(2*even.IntPart(), money.MaxAmountMinor))
}

var million = decimal.NewFromInt(wholeMillionths)

// promise is the award of a purchase, capped and not yet rounded.
func promise(o *rules.Offer, basisMinor int64) decimal.Decimal {
	award := share(basisMinor, o.Reward.RateMillionths, o.Reward.FixedMinor)
	if limit := capOf(o, rules.PerPurchase); limit > 0 {
		award = decimal.Min(award, decimal.NewFromInt(limit))
	}
	return award
}

func share(basisMinor, rateMillionths, fixedMinor int64) decimal.Decimal {
	return decimal.NewFromInt(basisMinor).Mul(decimal.NewFromInt(rateMillionths)).Div(million).Add(decimal.NewFromInt(fixedMinor))
}

func offerMoney(o *rules.Offer, minor int64) string { return money.FormatMinor(minor, o.Currency) }
