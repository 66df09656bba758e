package rules

import "testing"

// TestCycleFactIDs holds ids that were given out: with another id a cycle would
// be closed a second time.
func TestCycleFactIDs(t *testing.T) {
	t.Parallel()
	if got, want := ownFactID(cycleFactPrefix, "lyon", "2026-02", "acc-1"), "CY-HK26XU42M7QVJXXN2DKUOQBS4E"; got != want {
		t.Errorf("the id is %s, was %s", got, want)
	}
	ids := map[string][3]string{}
	for _, of := range [][3]string{{"lyon", "2026-02", "acc-1"}, {"lyon", "2026-03", "acc-1"}, {"lyon", "2026-02", "acc-2"}, {"lyon2", "026-02", "acc-1"}, {"lyo", "n2026-02", "acc-1"}, {"lyon", "2026-02a", "cc-1"}} {
		id := ownFactID(cycleFactPrefix, of[0], of[1], of[2])
		if other, twice := ids[id]; twice {
			t.Errorf("%v and %v have one id", of, other)
		}
		ids[id] = of
	}
	asOf := InstantAt(1_772_319_600, 0)
	if f := ClosingOf("lyon", "2026-02", "acc-1", asOf); f.AsOfInstant() != asOf || f.At != asOf || f.AsOf != "2026-02-28T23:00:00Z" {
		t.Errorf("%+v", f)
	}
}
