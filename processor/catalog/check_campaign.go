package catalog

import "ristourne/rules/offer"

// checkCampaign checks what only the file of a campaign shows.
func (c *checker) checkCampaign(d *Document, in *offer.Programme) {
	for i := range d.campaign.boosts {
		b := &d.campaign.boosts[i]
		if given := b.given(); given != nil && given.ofPoints() && in.Points.Code != "" {
			c.checkPointsOf(d, path{"boosts", i, b.verb()}, *given, in)
		}
	}
	if b := d.campaign.budget; b != nil && b.amount.inPoints && in.Points.Code != "" {
		c.checkExact(d, path{"budget"}, b.amount, in)
	}
}

// checkPointsOf holds a rate in points to what the programme gives.
func (c *checker) checkPointsOf(d *Document, at path, given rate, in *offer.Programme) {
	if !isNone(given.per.currency) && !isNone(in.Currency) && given.per.currency != in.Currency {
		c.fault(d, at, "%s is for %s, but points are given for %s, the programme's currency: write it in %s", given, given.per.currency, in.Currency, in.Currency)
	}
	c.checkExactRate(d, at, given, in)
}

// checkExact holds points to the decimals of the programme's, where it gives any.
func (c *checker) checkExact(d *Document, at path, q quantity, in *offer.Programme) {
	if _, exact := q.units(in.Points.Decimals); !exact && in.Points.Code != "" {
		c.fault(d, at, "%s has more decimals than %s, which has %d: write it with those", q, in.Points.Code, in.Points.Decimals)
	}
}

func (c *checker) checkExactRate(d *Document, at path, given rate, in *offer.Programme) {
	if _, exact := given.millionths(in.Points.Decimals); !exact && in.Points.Code != "" {
		c.fault(d, at, "%s can't be counted exactly: for each minor unit of money it has to be a whole number of millionths of what %s are counted in (%d decimals)",
			given, in.Points.Code, in.Points.Decimals)
	}
}
