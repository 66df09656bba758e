package engine

import (
	"math/bits"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// counters are what fills up over purchases, as far as a decision has got: how
// much of what offers give is used, in each period and world. The runs fill them
// purchase by purchase, in filling order, and the valuer only reads them; sponsors'
// counters, which are others, are filled by the referralValuer.
type counters struct {
	fills          fills
	rollings       []rollingFill
	rollingNumbers numbering[int32] // in rollings, by counter
	lateTimes      []rules.Instant  // of the purchases, or referrals, that have late events, in order
}

// reset empties the counters before a run.
func (k *counters) reset() {
	k.fills.reset()
	k.rollings, k.lateTimes = k.rollings[:0], k.lateTimes[:0]
	k.rollingNumbers.reset()
}

// used is how much of a counter is used in the purchase's period, as far as
// the purchases are valued.
func (k *counters) used(w world, p *purchase, c *counter) int64 {
	if c.per == offer.PerRolling {
		return k.rolling(c).endingAt(p.at).now[w]
	}
	return k.fills.at(fillKey(c.id, p.periods.of(c.per))).now[w]
}

// filled is used in both worlds, now and before this decision.
func (k *counters) filled(p *purchase, c *counter) fill {
	if c.per == offer.PerRolling {
		return k.rolling(c).endingAt(p.at)
	}
	return *k.fills.at(fillKey(c.id, p.periods.of(c.per)))
}

// usedByAll is used with all purchases counted: of rolling periods the
// fullest in which the purchase lies.
func (k *counters) usedByAll(w world, p *purchase, c *counter) int64 {
	if c.per == offer.PerRolling {
		return k.rolling(c).mostAround(w, p.at, k.lateTimes)
	}
	return k.used(w, p, c)
}

// use adds to a counter what the purchase uses now.
func (k *counters) use(w world, p *purchase, c *counter, more int64) { k.fill(w, p, c, more, 0) }

// fill adds to a counter what a purchase uses now, and what it used before
// this decision.
func (k *counters) fill(w world, p *purchase, c *counter, now, was int64) {
	if c.per == offer.PerRolling {
		k.rolling(c).add(w, p.at, now, was)
		return
	}
	k.fills.add(fillKey(c.id, p.periods.of(c.per)), w, now, was)
}

// changed reports whether some counter stands differently than before this
// decision.
func (k *counters) changed() bool {
	for i := range k.rollings {
		if k.rollings[i].changed > 0 {
			return true
		}
	}
	return k.fills.changed > 0
}

// useAwards adds what an award gives, a member or their sponsor, to the counters
// that it fills.
func (k *counters) useAwards(w world, p *purchase, fills []counter, units, awards int64) {
	for i := range fills {
		more := units
		if fills[i].measure.ofAwards() {
			more = awards
		}
		if more != 0 {
			k.use(w, p, &fills[i], more)
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
// as far as the purchases are valued, and as it was before this decision.
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

// add counts what a purchase uses now.
func (k *counters) add(x *worth) {
	p := x.terms.purchase
	for w := range numWorlds {
		for i := range x.in[w].awards {
			aw := &x.in[w].awards[i]
			o := aw.offer
			if !o.counted {
				continue
			}
			k.useAwards(w, p, o.fills, aw.finalMinor, oneIf(aw.finalMinor > 0))
			if aw.won {
				for n := range o.sponsored {
					k.use(w, p, &o.sponsored[n], 1)
				}
			}
			if !aw.visit {
				continue
			}
			for n := range o.visits {
				k.use(w, p, &o.visits[n], 1)
			}
			for n := range o.goals {
				k.use(w, p, &o.goals[n].sum, aw.basisMinor)
			}
			if aw.goals == 0 {
				continue
			}
			for n := range o.goalsReached { // once a period, whatever each version asks for
				k.use(w, p, &o.goalsReached[n], 1)
			}
		}
	}
}

// addRaised counts what late events raise. What they lower stays counted: room
// that they free is given to no other purchase.
func (k *counters) addRaised(x *worth) {
	p := x.terms.purchase
	for w := range numWorlds {
		for i := range x.in[w].awards {
			aw := &x.in[w].awards[i]
			before := int64(0)
			if aw.withoutLate != nil {
				before = aw.withoutLate.minor
			}
			if more := aw.finalMinor - before; more > 0 {
				k.useAwards(w, p, aw.offer.fills, more, oneIf(before == 0))
			}
		}
	}
}
