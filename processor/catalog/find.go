package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// FindOffer finds the one offer that a person means, in whatever version.
func FindOffer(c *offer.Catalogue, name string) (offer.OfferRef, error) {
	refs := allOffers(c)
	var found []offer.OfferRef
	for _, ref := range refs {
		if ref.String() == name || ref.Offer == name {
			found = append(found, ref)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return offer.OfferRef{}, fmt.Errorf("there is no offer %q%s: write PARTNER/OFFER, or programme/OFFER for the programme's own", name, nearOffers(refs, name))
	}
	return offer.OfferRef{}, fmt.Errorf("%s are called %q: say which one, %s", offer.Counted(len(found), "offer"), name, listRefs(found))
}

// allOffers are all offers of all versions, each once, in order.
func allOffers(c *offer.Catalogue) []offer.OfferRef {
	var refs []offer.OfferRef
	add := func(partnerID string, offers []offer.Offer) {
		for i := range offers {
			refs = append(refs, offer.OfferRef{Partner: partnerID, Offer: offers[i].ID})
		}
	}
	for i := range c.Programmes {
		add("", c.Programmes[i].Offers)
	}
	for i := range c.Partners {
		add(c.Partners[i].ID, c.Partners[i].Offers)
	}
	slices.SortFunc(refs, func(a, b offer.OfferRef) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Offer, b.Offer))
	})
	return slices.Compact(refs)
}

// mostNamed is how many offers a message names.
const mostNamed = 5

func listRefs(refs []offer.OfferRef) string {
	texts := make([]string, 0, mostNamed)
	for _, ref := range refs[:min(len(refs), mostNamed)] {
		texts = append(texts, ref.String())
	}
	if len(refs) > mostNamed {
		texts = append(texts, "...")
	}
	return strings.Join(texts, ", ")
}

// nearOffers names what was perhaps meant: other offers of the partner, or those
// that have a part of the name in theirs.
func nearOffers(refs []offer.OfferRef, name string) string {
	partner, id, named := strings.Cut(name, "/")
	if !named {
		id = partner
	}
	var near []offer.OfferRef
	for _, ref := range refs {
		ofPartner := named && cmp.Or(ref.Partner, rules.ProgrammeWord) == partner
		if ofPartner || ref.Partner == name || len(id) > 2 && strings.Contains(ref.Offer, id) {
			near = append(near, ref)
		}
	}
	if len(near) == 0 {
		return ""
	}
	return " (did you mean " + listRefs(near) + "?)"
}
