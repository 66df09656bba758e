package processor

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Whatever was added is found, however the filter grows; what has other bits isn't.
func TestAFilterForgetsNothing(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var f filter
	added := map[uint64]bool{}
	bits := func(hash uint64) uint64 {
		slot, more := kept(hash)
		return uint64(more)<<32 | uint64(slot)
	}
	add := func(hash uint64) {
		if isNew := f.add(hash); isNew == added[bits(hash)] {
			t.Fatalf("%x is new: %v", hash, isNew)
		}
		added[bits(hash)] = true
	}
	var all []uint64
	for i := range uint64(20_000) {
		h := rng.Uint64()
		all = append(all, h, h^1<<32, i<<40, i<<32, i<<8) // near one another, and without some of the bits
	}
	for _, h := range all[:len(all)/2] {
		add(h)
	}
	f.addAll(all[len(all)/2:])
	for _, h := range all {
		if added[bits(h)] = true; !f.has(h) {
			t.Fatalf("%x was added and isn't found", h)
		}
	}
	if f.count != len(added) {
		t.Errorf("%d hashes are counted, want %d", f.count, len(added))
	}
	for range 100_000 {
		if h := rng.Uint64(); f.has(h) != added[bits(h)] {
			t.Fatalf("%x: %v", h, f.has(h))
		}
	}
	if f.clear(); f.has(all[0]) || f.count != 0 {
		t.Error("a filter that was cleared has something")
	}
}

// BenchmarkFilter asks for what is in the filter and for what isn't.
func BenchmarkFilter(b *testing.B) {
	for _, n := range []int{1 << 10, 3 << 20} {
		var f filter
		rng := rand.New(rand.NewPCG(1, 2))
		all := make([]uint64, n)
		for i := range all {
			all[i] = rng.Uint64()
		}
		f.addAll(all)
		for name, other := range map[string]uint64{"known": 0, "unknown": 1 << 20} {
			b.Run(fmt.Sprintf("%s of %d", name, n), func(b *testing.B) {
				found, i := 0, 0
				for b.Loop() {
					if f.has(all[i] ^ other) {
						found++
					}
					i = (i + 7919) % n
				}
			})
		}
	}
}
