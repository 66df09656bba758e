package localserverstest

import (
	"os"
	"testing"

	"ristourne/deploy/localservers"
)

// Long reports whether RISTOURNE_LONG=1 asks for all cases of a random test, and not
// for as few as each change can wait for.
func Long() bool { return os.Getenv("RISTOURNE_LONG") != "" }

// Cases is how many cases a test makes.
func Cases(short, long int) int {
	if Long() {
		return long
	}
	return short
}

// LongOnly leaves a test of many processes, or of a whole day, to make test-long and
// make test-real: what it holds has a smaller test that each change waits for.
func LongOnly(t *testing.T) {
	t.Helper()
	if !Long() && localservers.FromEnv().Kind != localservers.Real {
		t.Skip("make test-long runs this")
	}
}
