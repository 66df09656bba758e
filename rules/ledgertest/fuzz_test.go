package ledgertest

import (
	"slices"
	"testing"

	"ristourne/rules/engine"
)

// FuzzEngine holds the engine to the oracle on lives that the fuzzer cuts up:
// the seed makes the catalogue and the records, and each byte of the plan takes
// one of them away, tells it twice, or tells it late. Which of these reach new
// code, the fuzzer finds out by itself.
func FuzzEngine(f *testing.F) {
	f.Add(uint64(1), uint8(0), []byte{})
	f.Add(uint64(2), uint8(1), []byte{1, 7, 200, 3, 90})
	f.Add(uint64(3), uint8(6), []byte{255, 254, 2, 2, 65})
	f.Add(uint64(287+2_000_000), uint8(3), []byte{0, 128})
	f.Fuzz(func(t *testing.T, seed uint64, shape uint8, plan []byte) {
		g := NewGenerator(seed, GenOptions{
			Language: languages[int(shape)%len(languages)], Budgets: shape&4 != 0, Accounts: 1 + int(shape>>3&1), Partners: 1 + int(shape>>4&1),
		})
		catalogue := g.Catalogue()
		if _, err := engine.Compile(catalogue); err != nil {
			t.Fatalf("a made-up catalogue is refused: %v", err)
		}
		records := replan(g.Records(12+int(shape>>5)), plan)
		compareWithOracle(t, seed, catalogue, records, how{reloads: int(shape&2) * 25, stingy: shape&8 != 0})
	})
}

// replan takes records away, repeats them or moves them to the end, as the
// bytes of a plan say: two bits what, six bits which.
func replan(records []Record, plan []byte) []Record {
	for _, b := range plan {
		if len(records) == 0 {
			break
		}
		i := int(b&63) % len(records)
		r := records[i]
		switch b >> 6 {
		case 0:
			records = slices.Delete(records, i, i+1)
		case 1:
			records = append(records, r)
		default:
			records = append(slices.Delete(records, i, i+1), r)
		}
	}
	return records
}
