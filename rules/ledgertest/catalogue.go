package ledgertest

import (
	"maps"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// programmeAt is the version of the programme that is in force at t.
func (o oracle) programmeAt(id string, t rules.Instant) (*offer.Programme, bool) {
	var inForce *offer.Programme
	for i := range o.cat.Programmes {
		p := &o.cat.Programmes[i]
		if p.ID != id || p.Version.From.After(t) {
			continue
		}
		if inForce == nil || p.Version.From.After(inForce.Version.From) {
			inForce = p
		}
	}
	return inForce, inForce != nil && !inForce.Version.Ended
}

// automaticAt is the programme that takes every account as a member at t.
func (o oracle) automaticAt(t rules.Instant) (*offer.Programme, bool) {
	for i := range o.cat.Programmes {
		p, ok := o.programmeAt(o.cat.Programmes[i].ID, t)
		if ok && p.Enrolment == offer.EnrolmentAutomatic {
			return p, true
		}
	}
	return nil, false
}

// wasAutomatic is the programme that last took every account as a member before t;
// empty: none did. The time at which one stopped is that of a later version.
func (o oracle) wasAutomatic(t rules.Instant) string {
	last, stopped := "", rules.MinInstant
	for i := range o.cat.Programmes {
		v := &o.cat.Programmes[i]
		if v.Version.From.After(t) || v.Version.From == rules.MinInstant {
			continue
		}
		just := rules.InstantOf(v.Version.From.Time().Add(-1))
		before, ok := o.programmeAt(v.ID, just)
		if ok && before.Enrolment == offer.EnrolmentAutomatic && v.Version.From.After(stopped) {
			last, stopped = v.ID, v.Version.From
		}
	}
	return last
}

// partnersAt is every partner's version in force at t.
func (o oracle) partnersAt(t rules.Instant) []*offer.Partner {
	inForce := map[string]*offer.Partner{}
	for i := range o.cat.Partners {
		p := &o.cat.Partners[i]
		if p.Version.From.After(t) {
			continue
		}
		if other := inForce[p.ID]; other == nil || p.Version.From.After(other.Version.From) {
			inForce[p.ID] = p
		}
	}
	var partners []*offer.Partner
	for _, p := range inForce {
		if !p.Version.Ended {
			partners = append(partners, p)
		}
	}
	return partners
}

// campaignsAt is every campaign's version in force at t, in order of id.
func (o oracle) campaignsAt(t rules.Instant) []*offer.Campaign {
	inForce := map[string]*offer.Campaign{}
	for i := range o.cat.Campaigns {
		c := &o.cat.Campaigns[i]
		if c.Version.From.After(t) {
			continue
		}
		if other := inForce[c.ID]; other == nil || c.Version.From.After(other.Version.From) {
			inForce[c.ID] = c
		}
	}
	var campaigns []*offer.Campaign
	for _, id := range slices.Sorted(maps.Keys(inForce)) {
		if !inForce[id].Version.Ended {
			campaigns = append(campaigns, inForce[id])
		}
	}
	return campaigns
}

// offerOfVersion is the offer as that version of its partner, or where there is
// none of its programme, had it.
func offerOfVersion(cat *offer.Catalogue, partner, programme, version, id string) (*offer.Offer, bool) {
	var offers []offer.Offer
	for i := range cat.Partners {
		if p := &cat.Partners[i]; p.ID == partner && p.Version.ID == version {
			offers = p.Offers
		}
	}
	for i := range cat.Programmes {
		if p := &cat.Programmes[i]; partner == "" && p.ID == programme && p.Version.ID == version {
			offers = p.Offers
		}
	}
	for i := range offers {
		if offers[i].ID == id {
			return &offers[i], true
		}
	}
	return nil, false
}

// place is a store as it was at one time; without a store where only the
// programme's own offers reach.
type place struct {
	partner *offer.Partner
	store   *offer.Store
}

// zoneOf is by whose clock a store is at t: its own, or that of its programme as
// it is then.
func (o oracle) zoneOf(at place, t rules.Instant) *time.Location {
	if at.store.OfProgramme {
		if p, ok := o.programmeAt(at.partner.Programme, t); ok {
			return p.Zone
		}
	}
	return at.store.Zone
}

// match finds where the event's own merchant is: in a store, or at least within
// reach of some programme's own offers.
func (o oracle) match(e *rules.Event) (place, bool) {
	if m, seen := o.matches[e]; seen {
		return m.at, m.ok
	}
	at, ok := o.matchStore(e)
	if !ok {
		ok = o.matchWide(e)
	}
	o.matches[e] = matched{at, ok}
	return at, ok
}

type matched struct {
	at place
	ok bool
}

// matchWide reports whether a programme has an offer of its own for the event's
// merchant category, or for any. One that is excluded is not what it is for.
func (o oracle) matchWide(e *rules.Event) bool {
	for i := range o.cat.Programmes {
		p, ok := o.programmeAt(o.cat.Programmes[i].ID, e.PurchaseTime())
		if !ok {
			continue
		}
		for n := range p.Offers {
			if ofCategory(p.Offers[n].Conditions, e.Merchant.MCC) {
				return true
			}
		}
	}
	return false
}

// matchStore finds the store that the event's own merchant names: the first
// rank that has a key valid at the event's purchase time decides.
func (o oracle) matchStore(e *rules.Event) (place, bool) {
	t := e.PurchaseTime()
	partners := o.partnersAt(t)
	for rank := 1; rank <= 5; rank++ {
		for _, partner := range partners {
			for i := range partner.Stores {
				for _, key := range partner.Stores[i].Keys {
					valid := !key.From.After(t) && t.Before(key.Until)
					if valid && rankOf(key) == rank && names(key, e.Merchant) {
						return place{partner, &partner.Stores[i]}, true
					}
				}
			}
		}
	}
	return place{}, false
}

func rankOf(k offer.Key) int {
	switch {
	case k.NetworkMerchantID != "":
		return 1
	case k.SubMerchantID != "":
		return 2
	case k.TerminalID != "":
		return 3
	case k.AcquirerID != "":
		return 4
	default:
		return 5
	}
}

func names(k offer.Key, m rules.Merchant) bool {
	if k.AcquirerID != "" && k.AcquirerID != m.AcquirerID {
		return false
	}
	if k.NetworkMerchantID != "" {
		return k.NetworkMerchantID == m.NetworkMerchantID && (k.Network == "" || k.Network == m.Network)
	}
	if k.TerminalID != "" && k.TerminalID != m.TerminalID {
		return false
	}
	return k.MID == m.ID && k.SubMerchantID == m.SubMerchantID
}

// reached is the first instant at which the clock in zone shows l or more.
func reached(l offer.LocalTime, zone *time.Location) time.Time {
	wall := time.Date(l.Year, l.Month, l.Day, l.Hour, l.Min, l.Sec, 0, time.UTC)
	t := wall.Add(-48 * time.Hour).In(zone)
	for {
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		shows := wall.Add(-time.Duration(offset) * time.Second)
		if shows.Before(t) {
			return t // the clock jumped over it
		}
		if end.IsZero() || shows.Before(end) {
			return shows
		}
		t = end.In(zone)
	}
}
