package scenario

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong with a scenario file itself.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1, in characters
	Message string `json:"message"`
	source  string
}

func (f Fault) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// Faults is everything that is wrong with a scenario file, in the order of its
// lines: none of its scenarios can be run.
type Faults struct{ List []Fault }

func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, fault := range f.List {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Render writes all faults, each with its line and a caret under its place.
func (f *Faults) Render(w io.Writer) error {
	for _, fault := range f.List {
		if _, err := fmt.Fprintln(w, fault); err != nil {
			return err
		}
		if fault.source == "" {
			continue
		}
		before := []rune(fault.source)
		before = before[:min(fault.Column-1, len(before))]
		for i, c := range before {
			if c != '\t' {
				before[i] = ' '
			}
		}
		if _, err := fmt.Fprintf(w, "    %s\n    %s^\n", fault.source, string(before)); err != nil {
			return err
		}
	}
	return nil
}

// sorted are the faults in the order of lines, each once: what holds for all
// scenarios is looked at with each of them.
func sorted(list []Fault) []Fault {
	slices.SortStableFunc(list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(list)
}
