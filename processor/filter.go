package processor

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"ristourne/rules"
)

// filter is a set of hashes: who is a member, which ids of which account are known.
// It keeps 40 bits of each. Two that are the same make it say yes wrongly, which
// costs one look at the account's state: among ten million, one time in a hundred
// thousand. It never says no wrongly, which would lose an event. Open addressing, 5
// bytes a slot, at most 3/4 full: 1 M members take 10 MB.
type filter struct {
	slots []uint32 // a power of two of them; 0: free
	more  []uint8  // the other 8 bits of each
	count int
}

const filterMinSlots = 1 << 10

func (f *filter) has(hash uint64) bool {
	slots := f.slots
	if len(slots) == 0 {
		return false
	}
	slot, more := kept(hash)
	for i := int(slot) & (len(slots) - 1); ; i = (i + 1) & (len(slots) - 1) {
		switch slots[i] {
		case slot:
			if f.more[i] == more {
				return true
			}
		case 0:
			return false
		}
	}
}

// kept are the bits that the filter keeps of a hash.
func kept(hash uint64) (slot uint32, more uint8) {
	return max(1, uint32(hash)), uint8(hash >> 32)
}

// add reports whether the hash is new.
func (f *filter) add(hash uint64) bool {
	if f.count >= len(f.slots)/4*3 {
		f.grow(f.count + 1)
	}
	if !f.put(kept(hash)) {
		return false
	}
	f.count++
	return true
}

// addAll makes room once, then adds.
func (f *filter) addAll(hashes []uint64) {
	f.grow(f.count + len(hashes))
	for _, h := range hashes {
		f.add(h)
	}
}

func (f *filter) put(slot uint32, more uint8) bool {
	mask := len(f.slots) - 1
	for i := int(slot) & mask; ; i = (i + 1) & mask {
		switch {
		case f.slots[i] == 0:
			f.slots[i], f.more[i] = slot, more
			return true
		case f.slots[i] == slot && f.more[i] == more:
			return false
		}
	}
}

func (f *filter) grow(want int) {
	slots := max(filterMinSlots, 1<<bits.Len(uint(want+want/3)))
	if slots <= len(f.slots) {
		return
	}
	before := *f
	f.slots, f.more = make([]uint32, slots), make([]uint8, slots)
	for i, slot := range before.slots {
		if slot != 0 {
			f.put(slot, before.more[i])
		}
	}
}

func (f *filter) clear() { *f = filter{} }

// memberHash and knownHash name an account, and an id within it. They are kept
// in Redis, so they must never change.
func memberHash(accountID string) uint64 { return xxhash.Sum64String(accountID) }

func knownHash(member uint64, id string) uint64 {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], member)
	return xxhash.Sum64(seed[:]) ^ bits.RotateLeft64(xxhash.Sum64String(id), 31)
}

// linkHash names a transaction that an event of the account links elsewhere, where
// that event is put away.
func linkHash(member uint64, transactionID string) uint64 {
	return knownHash(member^linkSalt, transactionID)
}

const linkSalt = 0x9e3779b97f4a7c15

// appendKnown appends the hashes under which an event's ids are known: later
// events may carry any of them.
func appendKnown(hashes []uint64, member uint64, ev *rules.Event) []uint64 {
	hashes = append(hashes, knownHash(member, ev.ID), knownHash(member, ev.TransactionID))
	if ev.OriginalTransactionID != "" {
		hashes = append(hashes, knownHash(member, ev.OriginalTransactionID))
	}
	return hashes
}
