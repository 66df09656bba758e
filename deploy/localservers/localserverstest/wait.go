package localserverstest

import (
	"testing"
	"time"
)

// WaitLimit bounds each wait of a test. A quiet machine needs seconds; the rest is
// for one that is busy with a whole test run.
const WaitLimit = 5 * time.Minute

// waitPause is between two looks: short beside what a part takes to change.
const waitPause = 10 * time.Millisecond

// WaitUntil looks again and again, and fails the test where it was in vain.
func WaitUntil(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for limit := time.Now().Add(WaitLimit); !is(); time.Sleep(waitPause) {
		if time.Now().After(limit) {
			tb.Fatalf("waited %s in vain: %s", WaitLimit, what)
		}
	}
}
