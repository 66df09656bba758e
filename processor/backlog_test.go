package processor

import (
	"testing"
)

// A gauge that sticks would make an idle processor look stalled, and an
// orchestrator would restart it for ever.
func TestNothingIsOldOnceEverythingIsDelivered(t *testing.T) {
	t.Parallel()
	var b backlog
	expect := func(want int64) {
		t.Helper()
		if got := b.oldest(); got != want {
			t.Errorf("oldest %d, want %d", got, want)
		}
	}
	expect(0)
	b.reads(100)
	expect(100)
	b.saves()
	b.reads(200)
	b.saves()
	b.saves() // moved past control records alone
	b.reads(300)
	expect(100)
	b.delivers(1)
	expect(200)
	b.delivers(2) // together
	expect(300)
	b.saves()
	b.delivers(1)
	expect(0)
}
