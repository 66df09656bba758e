package parts

import "testing"

// testOptions are those of the run, with the part's progress in the test's log.
func testOptions(t *testing.T) Options {
	o := FromEnv()
	o.Log = t.Logf
	return o
}

func closePart(t *testing.T, part interface{ Close() error }) {
	t.Helper()
	if err := part.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
