package sourcefile

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTheCaretStandsUnderThePlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{Fault{File: "a.yaml", Line: 2, Column: 4, Message: "no", Source: "ré: x"}, "a.yaml:2:4: no\n    ré: x\n       ^\n"},
		{Fault{File: "a.yaml", Line: 2, Column: 3, Message: "no", Source: "\tb c"}, "a.yaml:2:3: no\n    \tb c\n    \t ^\n"},
		{Fault{File: "a.yaml", Line: 2, Column: 90, Message: "no", Source: "short"}, "a.yaml:2:90: no\n    short\n         ^\n"},
		{Fault{File: "a.yaml", Line: 9, Column: 1, Message: "no"}, "a.yaml:9:1: no\n"},
		{Fault{File: "a.yaml", Line: 1, Column: 1, Message: "no", Source: strings.Repeat("x", maxShownLine+1)}, "a.yaml:1:1: no\n"},
	} {
		var told strings.Builder
		if err := c.fault.Render(&told); err != nil || told.String() != c.want {
			t.Errorf("%v is told as\n%s, %v; want\n%s", c.fault, told.String(), err, c.want)
		}
	}
}

func TestLinesAreCountedHoweverTheyAreRead(t *testing.T) {
	t.Parallel()
	text := "one\n" + strings.Repeat("long", 50) + "\n\nlast"
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole lines": func(r io.Reader) io.Reader { return r },
		"half":        iotest.HalfReader,
		"bytes":       iotest.OneByteReader,
	} {
		lines := &LineReader{Rest: []byte(text)}
		got, err := io.ReadAll(wrap(lines))
		if err != nil || string(got) != text || lines.Line != 4 {
			t.Errorf("%s: %d bytes, line %d, %v; want %d bytes and line 4", name, len(got), lines.Line, err, len(text))
		}
	}
}
