package engine

import (
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// rateAndCap is steps 3 to 5, offer by offer: what the form gives under its
// boosts, rounded once, then the caps, then the grants.
func (v *valuer) rateAndCap(w world, a *Account, p *purchase, c ceilings) error {
	for i := range v.in[w].awards {
		aw := &v.in[w].awards[i]
		if aw.why&reason.NoAward != 0 {
			continue
		}
		if v.atCountLimit(w, p, aw) {
			aw.why |= reason.CapCount
			continue
		}
		var err error
		aw.roundedMinor, aw.qualifies, err = v.rewardOf(a, p, aw, aw.boosts)
		switch {
		case err != nil:
			return err
		case !aw.qualifies:
			aw.why |= reason.Tier
			continue
		case aw.roundedMinor == 0 && aw.offer.Reward.Form != 0:
			aw.why |= reason.Rounded
		}
		if len(aw.boosts) > 0 {
			aw.why |= reason.Boost
		}
		aw.cappedMinor = v.capped(w, p, aw, aw.roundedMinor, true)
		if err := v.splitByCampaign(w, a, p, aw); err != nil {
			return err
		}
		if c.demands != nil {
			c.limit(aw)
		}
	}
	return nil
}

// atCountLimit reports that a cap in number leaves the offer nothing to give.
// An award that it gave without late events stays one.
func (v *valuer) atCountLimit(w world, p *purchase, aw *award) bool {
	for i := range aw.offer.limits {
		l := &aw.offer.limits[i]
		if l.measure != awardsGiven {
			continue
		}
		if !v.terms.tally.withLate {
			if v.counters.used(w, p, &l.counter) >= l.most {
				return true
			}
			continue
		}
		if aw.withoutLate != nil && aw.withoutLate.minor > 0 {
			continue
		}
		if v.counters.usedByAll(w, p, &l.counter) >= l.most {
			return true
		}
	}
	return false
}

// capped is what the caps leave of an award. noted: why is to be noted, and how
// much room the purchase asked for.
func (v *valuer) capped(w world, p *purchase, aw *award, units int64, noted bool) int64 {
	var why reason.Set
	if most := aw.offer.purchaseCapMinor; most > 0 && units > most {
		units, why = most, reason.CapPurchase
	}
	for i := range aw.offer.limits {
		l := &aw.offer.limits[i]
		if l.measure != unitsGiven {
			continue
		}
		room := v.roomFor(w, p, aw, l)
		if noted {
			p.wantedMinor = max(p.wantedMinor, units)
			if aw.roomMinor < 0 || room < aw.roomMinor {
				aw.roomMinor = room
			}
		}
		if units > room {
			units = room
			why |= offer.CapReasons[l.per]
			p.bound = p.bound || noted
		}
	}
	if noted {
		aw.why |= why
	}
	return units
}

// roomFor is what a cap of the version in force leaves. With late events a
// purchase has the room that all others leave, younger ones too, and what it
// had without them is not taken from it.
func (v *valuer) roomFor(w world, p *purchase, aw *award, l *limit) int64 {
	if !v.terms.tally.withLate {
		return max(0, l.most-v.counters.used(w, p, &l.counter))
	}
	recorded := int64(0)
	if aw.withoutLate != nil {
		recorded = aw.withoutLate.minor
	}
	return max(0, recorded, l.most-(v.counters.usedByAll(w, p, &l.counter)-recorded))
}
