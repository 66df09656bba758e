package rules

import (
	"math/bits"
	"time"
)

// fill is how much of what fills up over purchases is used, in each world: now,
// as far as the purchases are worked out, and as it was before this decision.
type fill struct {
	now, was [numWorlds]int64
}

func (f *fill) changed() bool { return f.now != f.was }

// fills are the counters of one decision: what a member's offers gave, by
// offer (over all its versions) and period. Open addressing, emptied in one
// step: an account with thousands of purchases must not cost thousands of
// comparisons for each.
type fills struct {
	slots      []fillSlot
	used       int
	generation uint32
	changed    int // how many slots differ from what they were
}

type fillSlot struct {
	key        uint64
	generation uint32
	fill
}

func fillKey(counter, month int32) uint64 { return uint64(uint32(counter))<<32 | uint64(uint32(month)) }

func (f *fills) reset() {
	f.used, f.changed = 0, 0
	f.generation++
	if f.generation == 0 || f.slots == nil {
		f.slots = make([]fillSlot, max(64, len(f.slots)))
		f.generation = 1
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
		if slot.generation != f.generation {
			*slot = fillSlot{key: key, generation: f.generation}
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
		if old[i].generation == f.generation {
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

// months finds the calendar month of an instant in a zone; it remembers the
// last one, since purchases come in order of time.
type months struct {
	zone     *time.Location
	from, to Instant
	month    int32 // months since year 0
}

func (m *months) of(t Instant, zone *time.Location) int32 {
	if m.zone == zone && !t.Before(m.from) && t.Before(m.to) {
		return m.month
	}
	year, month, _ := t.Time().In(zone).Date()
	m.zone = zone
	m.from = InstantOf(time.Date(year, month, 1, 0, 0, 0, 0, zone))
	m.to = InstantOf(time.Date(year, month+1, 1, 0, 0, 0, 0, zone))
	m.month = int32(year)*12 + int32(month) - 1
	if t.Before(m.from) || !t.Before(m.to) {
		// A clock set back over midnight shows the month's end twice: such an
		// instant is of the month its date says, and nothing is remembered.
		m.zone = nil
	}
	return m.month
}
