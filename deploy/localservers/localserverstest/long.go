package localserverstest

import (
	"testing"

	"ristourne/deploy/localservers"
)

// Cases is how many cases a random test makes: few with -short, which each change
// waits for, and all without.
func Cases(short, all int) int {
	if testing.Short() {
		return short
	}
	return all
}

// LongOnly leaves a test of many processes, or of a whole day, out of a run with
// -short, unless it is on real servers: what it holds has a smaller test that each
// change waits for.
func LongOnly(t *testing.T) {
	t.Helper()
	if testing.Short() && localservers.FromEnv().Kind != localservers.Real {
		t.Skip("long: make test-long runs this")
	}
}
