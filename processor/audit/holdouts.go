package audit

import (
	"fmt"
	"slices"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// HeldOut is what ClickHouse tells of the holdouts that the purchase of an event
// is under.
type HeldOut struct {
	Account, Event string
	Holdouts, Held []string
}

// readAgreedHoldouts notes what is agreed by id. A catalogue that changes one
// from version to version is beyond what is checked here.
func (b *Books) readAgreedHoldouts(c *offer.Catalogue) {
	b.holdouts = map[string]offer.Holdout{}
	note := func(id string, h offer.Holdout) {
		if h.Salt == "" {
			h.Salt = id
		}
		if h.Millionths > 0 {
			b.holdouts[id] = h
		}
	}
	for i := range c.Programmes {
		p := &c.Programmes[i]
		note(p.ID, p.Holdout)
		for n := range p.Offers {
			note(offer.HoldoutID("", p.Offers[n].ID), p.Offers[n].Holdout)
		}
	}
	for i := range c.Partners {
		p := &c.Partners[i]
		for n := range p.Offers {
			note(offer.HoldoutID(p.ID, p.Offers[n].ID), p.Offers[n].Holdout)
		}
	}
	for i := range c.Campaigns {
		note(c.Campaigns[i].ID, c.Campaigns[i].Holdout)
	}
}

// checkHoldouts draws again, and looks for an award by an offer that the account
// is held out of.
func (b *Books) checkHoldouts() Finding {
	f := Finding{What: "who is held out follows from salt and account, and gets nothing"}
	under, out := map[string]bool{}, map[string]bool{}
	for _, r := range b.Held {
		for _, id := range r.Holdouts {
			h, agreed := b.holdouts[id]
			held := agreed && engine.Draw(h.Salt, r.Account) < h.Millionths
			if !agreed || held != slices.Contains(r.Held, id) {
				f.Differences = append(f.Differences, fmt.Sprintf("event %s of account %s: %s holds out %v, and its draw is %d under %d",
					r.Event, r.Account, id, r.Held, engine.Draw(h.Salt, r.Account), h.Millionths))
			}
			under[r.Account] = true
			out[r.Account] = out[r.Account] || held
		}
	}
	for k, sum := range b.Ledger {
		h, agreed := b.holdouts[offer.HoldoutID(k.PartnerID, k.OfferID)]
		if agreed && k.Role == rules.RoleMember && sum.RewardMinor != 0 && engine.Draw(h.Salt, k.AccountID) < h.Millionths {
			f.Differences = append(f.Differences, fmt.Sprintf("%s: it is held out and has %s", describeKey(k), describeSums(sum)))
		}
	}
	slices.Sort(f.Differences)
	held := 0
	for _, is := range out {
		if is {
			held++
		}
	}
	f.Detail = fmt.Sprintf("%s of %s accounts", Grouped(int64(held)), Grouped(int64(len(under))))
	return f
}
