package processor

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"ristourne/rules"
)

// filter is a set of 64-bit hashes: who is a member, which ids of which
// account are known. A collision makes it say yes wrongly, which costs one
// look at the account's state; it never says no wrongly, which would lose an
// event. Open addressing, 8 bytes a slot, at most 3/4 full: 1 M members take
// 16 MB.
type filter struct {
	slots []uint64 // a power of two of them; 0: free
	count int
}

const filterMinSlots = 1 << 10

func (f *filter) has(hash uint64) bool {
	if len(f.slots) == 0 {
		return false
	}
	hash = nonZero(hash)
	mask := uint64(len(f.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch f.slots[i] {
		case hash:
			return true
		case 0:
			return false
		}
	}
}

// add reports whether the hash is new.
func (f *filter) add(hash uint64) bool {
	if f.count >= len(f.slots)/4*3 {
		f.grow(f.count + 1)
	}
	if !f.put(nonZero(hash)) {
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

func (f *filter) put(hash uint64) bool {
	mask := uint64(len(f.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch f.slots[i] {
		case hash:
			return false
		case 0:
			f.slots[i] = hash
			return true
		}
	}
}

func (f *filter) grow(want int) {
	slots := max(filterMinSlots, 1<<bits.Len(uint(want+want/3)))
	if slots <= len(f.slots) {
		return
	}
	old := f.slots
	f.slots = make([]uint64, slots)
	for _, h := range old {
		if h != 0 {
			f.put(h)
		}
	}
}

func (f *filter) clear() { f.slots, f.count = nil, 0 }

func nonZero(hash uint64) uint64 {
	if hash == 0 {
		return 1
	}
	return hash
}

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
