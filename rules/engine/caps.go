package engine

import (
	"math/bits"

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
			if e.used(w, p, &l.counter) >= l.most {
				return true
			}
			continue
		}
		if r := e.recordedOf(w, p, aw.offer); r != nil && r.minor > 0 {
			continue
		}
		if e.usedByAll(w, p, &l.counter) >= l.most {
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
		return max(0, l.most-e.used(w, p, &l.counter))
	}
	recorded := int64(0)
	if r := e.recordedOf(w, p, aw.offer); r != nil {
		recorded = r.minor
	}
	return max(0, recorded, l.most-(e.usedByAll(w, p, &l.counter)-recorded))
}

// used is how much of a counter is used in the purchase's period, as far as
// the purchases are worked out.
func (e *Engine) used(w world, p *purchase, c *counter) int64 {
	if c.per == offer.PerRolling {
		return e.rolling(c).endingAt(p.at).now[w]
	}
	return e.fills.at(fillKey(c.id, p.periods.of(c.per))).now[w]
}

// filled is used in both worlds, now and before this decision.
func (e *Engine) filled(p *purchase, c *counter) fill {
	if c.per == offer.PerRolling {
		return e.rolling(c).endingAt(p.at)
	}
	return *e.fills.at(fillKey(c.id, p.periods.of(c.per)))
}

// usedByAll is used with all purchases counted: of rolling periods the
// fullest in which the purchase lies.
func (e *Engine) usedByAll(w world, p *purchase, c *counter) int64 {
	if c.per == offer.PerRolling {
		return e.rolling(c).mostAround(w, p.at, e.lateTimes)
	}
	return e.used(w, p, c)
}

// use adds to a counter what the purchase uses now.
func (e *Engine) use(w world, p *purchase, c *counter, more int64) { e.fill(w, p, c, more, 0) }

// fill adds to a counter what a purchase uses now, and what it used before
// this decision.
func (e *Engine) fill(w world, p *purchase, c *counter, now, was int64) {
	if c.per == offer.PerRolling {
		e.rolling(c).add(w, p.at, now, was)
		return
	}
	e.fills.add(fillKey(c.id, p.periods.of(c.per)), w, now, was)
}

// fillsChanged reports whether some counter stands differently than before this
// decision.
func (e *Engine) fillsChanged() bool {
	for i := range e.rollings {
		if e.rollings[i].changed > 0 {
			return true
		}
	}
	return e.fills.changed > 0
}

// useAwards adds what an award gives, a member or their sponsor, to the counters
// that it fills.
func (e *Engine) useAwards(w world, p *purchase, fills []counter, units, awards int64) {
	for i := range fills {
		more := units
		if fills[i].measure.ofAwards() {
			more = awards
		}
		if more != 0 {
			e.use(w, p, &fills[i], more)
		}
	}
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
			e.useAwards(w, p, o.fills, aw.finalMinor, oneIf(aw.finalMinor > 0))
			if aw.won {
				for n := range o.sponsored {
					e.use(w, p, &o.sponsored[n], 1)
				}
			}
			if !aw.visit {
				continue
			}
			for n := range o.visits {
				e.use(w, p, &o.visits[n], 1)
			}
			for n := range o.goals {
				e.use(w, p, &o.goals[n].sum, aw.basisMinor)
			}
			if aw.goals == 0 {
				continue
			}
			for n := range o.goalsReached { // once a period, whatever each version asks for
				e.use(w, p, &o.goalsReached[n], 1)
			}
		}
	}
}

func oneIf(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// fill is how much of what fills up over purchases is used, in each world: now,
// as far as the purchases are worked out, and as it was before this decision.
type fill struct {
	now, was [numWorlds]int64
}

func (f *fill) changed() bool { return f.now != f.was }

// fills are the counters of one decision: what an account's offers gave, by
// counter and calendar period. Open addressing, emptied in one
// step: an account with thousands of purchases must not cost thousands of
// comparisons for each.
type fills struct {
	slots   []fillSlot
	used    int
	turn    uint32
	changed int // how many slots differ from what they were
}

type fillSlot struct {
	key  uint64
	turn uint32
	fill
}

func fillKey(counter, period int32) uint64 {
	return uint64(uint32(counter))<<32 | uint64(uint32(period))
}

func (f *fills) reset() {
	f.used, f.changed = 0, 0
	f.turn++
	if f.turn == 0 || f.slots == nil {
		f.slots = make([]fillSlot, max(64, len(f.slots)))
		f.turn = 1
	}
}

// at is the fill of a key, made where there is none. It is valid until the
// next call.
func (f *fills) at(key uint64) *fill {
	if f.used*2 >= len(f.slots) {
		f.grow()
	}
	for i := f.start(key); ; i++ {
		slot := &f.slots[i&uint64(len(f.slots)-1)]
		if slot.turn != f.turn {
			*slot = fillSlot{key: key, turn: f.turn}
			f.used++
			return &slot.fill
		}
		if slot.key == key {
			return &slot.fill
		}
	}
}

func (f *fills) start(key uint64) uint64 {
	hi, lo := bits.Mul64(key^0x9e3779b97f4a7c15, 0xd1b54a32d192ed03)
	return hi ^ lo
}

func (f *fills) grow() {
	old := f.slots
	f.slots = make([]fillSlot, 2*len(old))
	f.used = 0
	for i := range old {
		if old[i].turn == f.turn {
			*f.at(old[i].key) = old[i].fill
		}
	}
}

// add fills a counter and keeps count of those that changed.
func (f *fills) add(key uint64, w world, nowMinor, wasMinor int64) {
	counter := f.at(key)
	before := counter.changed()
	counter.now[w] += nowMinor
	counter.was[w] += wasMinor
	switch after := counter.changed(); {
	case after && !before:
		f.changed++
	case before && !after:
		f.changed--
	}
}
