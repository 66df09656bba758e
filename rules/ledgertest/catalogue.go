package ledgertest

import (
	"time"

	"ristourne/rules"
)

// programmeAt is the version of the programme that is in force at t.
func (o oracle) programmeAt(id string, t rules.Instant) (*rules.Programme, bool) {
	var inForce *rules.Programme
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
func (o oracle) automaticAt(t rules.Instant) (*rules.Programme, bool) {
	for i := range o.cat.Programmes {
		p, ok := o.programmeAt(o.cat.Programmes[i].ID, t)
		if ok && p.Enrolment == rules.EnrolmentAutomatic {
			return p, true
		}
	}
	return nil, false
}

// partnersAt is every partner's version in force at t.
func (o oracle) partnersAt(t rules.Instant) []*rules.Partner {
	inForce := map[string]*rules.Partner{}
	for i := range o.cat.Partners {
		p := &o.cat.Partners[i]
		if p.Version.From.After(t) {
			continue
		}
		if other := inForce[p.ID]; other == nil || p.Version.From.After(other.Version.From) {
			inForce[p.ID] = p
		}
	}
	var partners []*rules.Partner
	for _, p := range inForce {
		if !p.Version.Ended {
			partners = append(partners, p)
		}
	}
	return partners
}

// place is a store as it was at one time.
type place struct {
	partner *rules.Partner
	store   *rules.Store
}

// match finds the store that the event's own merchant names: the first rank
// that has a key valid at the event's purchase time decides.
func (o oracle) match(e *rules.Event) (place, bool) {
	t := e.PurchaseTime()
	partners := o.partnersAt(t)
	for rank := 1; rank <= 4; rank++ {
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

func rankOf(k rules.Key) int {
	switch {
	case k.NetworkMerchantID != "":
		return 1
	case k.SubMerchantID != "":
		return 2
	case k.AcquirerID != "":
		return 3
	default:
		return 4
	}
}

func names(k rules.Key, m rules.Merchant) bool {
	if k.AcquirerID != "" && k.AcquirerID != m.AcquirerID {
		return false
	}
	if k.NetworkMerchantID != "" {
		return k.NetworkMerchantID == m.NetworkMerchantID && (k.Network == "" || k.Network == m.Network)
	}
	return k.MID == m.ID && k.SubMerchantID == m.SubMerchantID
}

// reached is the first instant at which the clock in zone shows l or more.
func reached(l rules.LocalTime, zone *time.Location) time.Time {
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

func (o oracle) offerRuns(offer *rules.Offer, at place, t rules.Instant) bool {
	if len(offer.Stores) > 0 {
		here := false
		for _, id := range offer.Stores {
			here = here || id == at.store.ID
		}
		if !here {
			return false
		}
	}
	when := t.Time()
	if !offer.From.IsZero() && when.Before(reached(offer.From, at.store.Zone)) {
		return false
	}
	return offer.Until.IsZero() || when.Before(reached(offer.Until, at.store.Zone))
}
