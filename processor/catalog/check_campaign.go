package catalog

import (
	"fmt"
	"slices"
	"strings"

	"ristourne/rules/offer"
)

// checkCampaign checks what the values of a campaign must be together.
func (c *checker) checkCampaign(d *Document, in *offer.Programme) {
	doc := d.campaign
	c.checkWindow(d, path{}, doc.from, doc.until)
	c.boostIDs(d, path{"boosts"}, doc.boosts)
	for i := range doc.boosts {
		b := &doc.boosts[i]
		c.checkBoost(d, path{"boosts", i}, b)
		if given := b.given(); given != nil && given.ofPoints() {
			c.checkPointsOf(d, path{"boosts", i, b.verb()}, *given, in)
		}
	}
	if b := doc.budget; b != nil {
		c.checkCampaignBudget(d, b, in)
	}
}

func (c *checker) checkCampaignBudget(d *Document, b *budgetDoc, in *offer.Programme) {
	switch {
	case !b.amount.written():
	case b.amount.isZero():
		c.fault(d, path{"budget"}, "a budget of %s leaves nothing of the campaign: write an amount over 0, or drop the budget", b.amount)
	case !b.amount.inPoints:
	case !c.givesPoints(in):
		c.faultNoPoints(d, path{"budget"}, in)
	default:
		if _, exact := b.amount.units(in.Points.Decimals); !exact {
			c.fault(d, path{"budget"}, "%s has more decimals than %s, which has %d: write it with those", b.amount, in.Points.Code, in.Points.Decimals)
		}
	}
}

// checkPointsOf holds a rate in points to what the programme gives.
func (c *checker) checkPointsOf(d *Document, at path, given rate, in *offer.Programme) {
	if !c.givesPoints(in) {
		c.faultNoPoints(d, at, in)
		return
	}
	if !isNone(given.per.currency) && !isNone(in.Currency) && given.per.currency != in.Currency {
		c.fault(d, at, "%s is for %s, but points are given for %s, the programme's currency: write it in %s", given, given.per.currency, in.Currency, in.Currency)
	}
	if _, exact := given.millionths(in.Points.Decimals); !exact {
		c.faultInexact(d, at, given, in)
	}
}

// givesPoints reports whether the programme gives points, as far as can be told.
func (c *checker) givesPoints(in *offer.Programme) bool {
	if in.Points.Code != "" || isNone(in.Currency) {
		return true
	}
	return slices.ContainsFunc(c.programmes[in.ID], func(d *Document) bool {
		return d.programme != nil && d.programme.points.broken
	})
}

func (c *checker) faultNoPoints(d *Document, at path, in *offer.Programme) {
	c.fault(d, at, "programme %s gives no points: write them in its file, such as `points: {code: MILES, value: 0.005 %s}`, or give money", in.ID, in.Currency)
}

func (c *checker) faultInexact(d *Document, at path, given rate, in *offer.Programme) {
	c.fault(d, at, "%s can't be counted exactly: for each minor unit of money it has to be a whole number of millionths of what %s are counted in (%d decimals)",
		given, in.Points.Code, in.Points.Decimals)
}

// checkReferences holds campaigns to offers that some version has: a campaign may
// come before the offers it raises.
func (c *checker) checkReferences(documents []*Document, catalogue *offer.Catalogue) {
	if len(catalogue.Campaigns) == 0 || !c.whole {
		return
	}
	shelf := shelfOf(catalogue)
	campaigns := documents[len(documents)-len(catalogue.Campaigns):]
	for n, d := range campaigns {
		if d.campaign == nil {
			continue
		}
		campaign := &catalogue.Campaigns[n]
		for i, b := range campaign.Boosts {
			seen := map[offer.OfferRef]bool{}
			for j, ref := range b.Offers {
				at := path{"boosts", i, "offers", j}
				switch what := shelf.missing(campaign.Programme, ref); {
				case what != "":
					c.fault(d, at, "%s", what)
				case seen[ref]:
					c.fault(d, at, "%s is named twice: keep one", refText(ref))
				}
				seen[ref] = true
			}
		}
	}
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

// missing says why a campaign's reference leads nowhere; empty: it doesn't.
func (s shelf) missing(programme string, ref offer.OfferRef) string {
	offers, known := s[programme][ref.Partner]
	partners := names(s[programme])
	switch {
	case !known:
		return fmt.Sprintf("programme %s has no partner %q%s: name one of its partners, or programme/OFFER for its own offers",
			programme, ref.Partner, didYouMean(ref.Partner, partners))
	case ref.Offer == "" && len(offers) == 0:
		return fmt.Sprintf("%s has no offer that could be raised: name another, or write the offer first", strings.TrimSuffix(refText(ref), "/*"))
	case ref.Offer != "" && !offers[ref.Offer]:
		return fmt.Sprintf("no version of %s has an offer %q%s: name one of its offers", strings.TrimSuffix(refText(ref), "/"+ref.Offer), ref.Offer, didYouMean(ref.Offer, names(offers)))
	}
	return ""
}
