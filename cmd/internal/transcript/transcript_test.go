package transcript

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, got string
		same       bool
	}{
		{"a b", "a b", true},
		{"a ... c", "a b c", true},
		{"a ... c", "a c", true},
		{"... c", "a b c", true},
		{"a ...", "a b c", true},
		{"a", "a b", false},
		{"b", "a b", false},
		{"a c", "a b c", false},
		{"a ... d", "a b c", false},
		{"a b c", "a b", false},
		{"a ... c d", "a b c e d", false},
	} {
		if wrong := compare(strings.Fields(c.shown), strings.Fields(c.got)); (wrong == "") != c.same {
			t.Errorf("%q against %q: %q", c.shown, c.got, wrong)
		}
	}
}

// Each README that shows a command's output is read.
func TestShown(t *testing.T) {
	t.Parallel()
	for _, readme := range readmes {
		if !strings.Contains(Readme(t, readme), "\n$ ") {
			t.Errorf("%s shows no transcript: take it out of the list", readme)
		}
	}
	if lines := Shown(t, "ristourne offers validate cafe"); len(lines) != 1 || !strings.HasPrefix(lines[0], "cafe is sound") {
		t.Errorf("shown is %q", lines)
	}
}
