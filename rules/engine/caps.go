package engine

import (
	"ristourne/rules/offer"
	"ristourne/rules/reason"
)

// rateAndCap is steps 3 to 5, offer by offer: what the form gives under its
// boosts, rounded once, then the caps, then the grants.
func (e *Engine) rateAndCap(w world, a *Account, p *purchase) error {
	for i := range e.worth[w].awards {
		aw := &e.worth[w].awards[i]
		if aw.why&reason.NoAward != 0 {
			continue
		}
		if e.atCountLimit(w, p, aw) {
			aw.why |= reason.CapCount
			continue
		}
		var err error
		aw.roundedMinor, aw.qualifies, err = e.rewardOf(a, p, aw, aw.boosts)
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
		aw.cappedMinor = e.capped(w, p, aw, aw.roundedMinor, true)
		if err := e.splitByCampaign(w, a, p, aw); err != nil {
			return err
		}
		if e.ceilings {
			e.limitToGrants(w, a, p, aw)
		}
	}
	return nil
}

// atCountLimit reports that a cap in number leaves the offer nothing to give.
// An award that it gave without late events stays one.
func (e *Engine) atCountLimit(w world, p *purchase, aw *award) bool {
	for i := range aw.offer.limits {
		l := &aw.offer.limits[i]
		if l.measure != awardsGiven {
			continue
		}
		if !e.terms.tally.withLate {
			if e.counters.used(w, p, &l.counter) >= l.most {
				return true
			}
			continue
		}
		if r := e.recordedOf(w, p, aw.offer); r != nil && r.minor > 0 {
			continue
		}
		if e.counters.usedByAll(w, p, &l.counter) >= l.most {
			return true
		}
	}
	return false
}

// capped is what the caps leave of an award. noted: why is to be noted, and how
// much room the purchase asked for.
func (e *Engine) capped(w world, p *purchase, aw *award, units int64, noted bool) int64 {
	var why reason.Set
	if most := aw.offer.purchaseCapMinor; most > 0 && units > most {
		units, why = most, reason.CapPurchase
	}
	for i := range aw.offer.limits {
		l := &aw.offer.limits[i]
		if l.measure != unitsGiven {
			continue
		}
		room := e.roomFor(w, p, aw, l)
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
func (e *Engine) roomFor(w world, p *purchase, aw *award, l *limit) int64 {
	if !e.terms.tally.withLate {
		return max(0, l.most-e.counters.used(w, p, &l.counter))
	}
	recorded := int64(0)
	if r := e.recordedOf(w, p, aw.offer); r != nil {
		recorded = r.minor
	}
	return max(0, recorded, l.most-(e.counters.usedByAll(w, p, &l.counter)-recorded))
}

// fillValued counts what a purchase uses now.
func (e *Engine) fillValued(p *purchase) {
	for w := range numWorlds {
		for i := range e.worth[w].awards {
			aw := &e.worth[w].awards[i]
			o := aw.offer
			if !o.counted {
				continue
			}
			e.counters.useAwards(w, p, o.fills, aw.finalMinor, oneIf(aw.finalMinor > 0))
			if aw.won {
				for n := range o.sponsored {
					e.counters.use(w, p, &o.sponsored[n], 1)
				}
			}
			if !aw.visit {
				continue
			}
			for n := range o.visits {
				e.counters.use(w, p, &o.visits[n], 1)
			}
			for n := range o.goals {
				e.counters.use(w, p, &o.goals[n].sum, aw.basisMinor)
			}
			if aw.goals == 0 {
				continue
			}
			for n := range o.goalsReached { // once a period, whatever each version asks for
				e.counters.use(w, p, &o.goalsReached[n], 1)
			}
		}
	}
}
