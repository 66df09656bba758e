package localserverstest

import (
	"os"
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
