package catalog

import (
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// activatable is one offer that members activate, as one version has it.
type activatable struct {
	doc         *Document
	index       int // of the offer
	of          string
	from, until rules.Instant
	shared      bool
}

// checkActivations refuses one id for offers of several partners that members
// activate: a fact that names the id alone would mean each of them. Unless all of
// them say that it does.
func (c *checker) checkActivations(documents []*Document, catalogue *offer.Catalogue) {
	byID := map[string][]activatable{}
	look := func(d *Document, of string, offers []offer.Offer) {
		from, until := c.inForceWithin(d)
		for i := range offers {
			o := &offers[i]
			switch {
			case o.Audience.Activated:
				byID[o.ID] = append(byID[o.ID], activatable{d, i, of, from, until, o.ActivationShared})
			case o.ActivationShared:
				c.fault(d, path{"offers", i, "activation"}, "no member activates this offer: write for: {activated: true}, or remove activation")
			}
		}
	}
	for i, d := range documents[:len(catalogue.Programmes)] {
		look(d, programmeWord, catalogue.Programmes[i].Offers)
	}
	for i, d := range documents[len(catalogue.Programmes):][:len(catalogue.Partners)] {
		look(d, d.Subject.ID, catalogue.Partners[i].Offers)
	}
	ids := names(byID)
	slices.Sort(ids)
	for _, id := range ids {
		c.refuseUnshared(id, byID[id])
	}
}

func (c *checker) refuseUnshared(id string, all []activatable) {
	for i, o := range all {
		if o.shared {
			continue
		}
		var others []string
		for n, other := range all {
			together := o.from.Before(other.until) && other.from.Before(o.until)
			if n != i && other.of != o.of && together && !slices.Contains(others, other.of) {
				others = append(others, other.of)
			}
		}
		if len(others) > 0 {
			c.fault(o.doc, path{"offers", o.index, "id"},
				"members activate an offer %q of %s too, and the fact offer_activated may name the id alone: give one of them another id, "+
					"or write activation: shared in all of them, if the id is to activate all (then %s/%s activates this one alone)",
				id, strings.Join(others, ", "), o.of, id)
		}
	}
}

// inForceWithin is when the version holds.
func (c *checker) inForceWithin(d *Document) (from, until rules.Instant) {
	from, until = d.Version.From, rules.MaxInstant
	versions := c.versions[d.Subject]
	if i := slices.Index(versions, d); i >= 0 && i+1 < len(versions) {
		until = versions[i+1].Version.From
	}
	return from, until
}
