package catalog

import (
	"strings"

	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// mostHeldOut is the largest share of accounts that anybody surely means: above
// it those who are left are the smaller group.
const mostHeldOut = wholeMillionths / 2

// holdout warns of one that keeps more accounts away than it lets in.
func (w *warner) holdout(at path, what string, h offer.Holdout) {
	if h.Millionths > mostHeldOut {
		w.warn(at.to("percent"), "%s holds out %s of all accounts, so most get nothing of it: is %s meant? Write how many are to get nothing",
			what, money.FormatPercent(h.Millionths), money.FormatPercent(wholeMillionths-h.Millionths))
	}
}

// salted is what draws under one salt.
type salted struct {
	doc  *Document
	at   path
	what string
}

// warnOfSalts tells where two holdouts that may be in force at one time draw
// under one salt: they hold out the same accounts, and what one of them does to
// those can't be told from what the other does.
func (c *checker) warnOfSalts(documents []*Document, catalogue *offer.Catalogue) {
	bySalt := map[string][]salted{}
	look := func(d *Document, at path, id string, h offer.Holdout) {
		if h.Millionths == 0 || !c.newest(d) {
			return
		}
		salt := h.Salt
		if salt == "" {
			salt = id
		}
		bySalt[salt] = append(bySalt[salt], salted{d, at.to("salt"), id})
	}
	offers := func(d *Document, partnerID string, offers []offer.Offer) {
		for i := range offers {
			look(d, path{"offers", i, "holdout"}, offer.HoldoutID(partnerID, offers[i].ID), offers[i].Holdout)
		}
	}
	programmes, partners := len(catalogue.Programmes), len(catalogue.Partners)
	for i, d := range documents[:programmes] {
		look(d, path{"holdout"}, d.Subject.ID, catalogue.Programmes[i].Holdout)
		offers(d, "", catalogue.Programmes[i].Offers)
	}
	for i, d := range documents[programmes:][:partners] {
		offers(d, d.Subject.ID, catalogue.Partners[i].Offers)
	}
	campaigns := documents[len(documents)-len(catalogue.Campaigns):]
	for i, d := range campaigns {
		look(d, path{"holdout"}, d.Subject.ID, catalogue.Campaigns[i].Holdout)
	}
	for _, salt := range names(bySalt) {
		c.warnOfSalt(salt, bySalt[salt])
	}
}

func (c *checker) warnOfSalt(salt string, all []salted) {
	for i, s := range all[min(1, len(all)):] {
		var others []string
		for _, other := range all[:i+1] {
			others = append(others, other.what+" ("+other.doc.File+")")
		}
		c.warn(s.doc, s.at, "%s draws under the salt %q, as %s: the same accounts are held out of both, so neither effect can be measured alone; write a salt of its own, unless that is meant",
			s.what, salt, strings.Join(others, ", "))
	}
}
