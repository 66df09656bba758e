// Package sourcefile is what all readers of files that a person writes have in
// common: faults with file, line, column and a caret under the place, and the
// line at which a library stopped reading.
package sourcefile

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Fault is one thing that is wrong with a file, or that is surely not meant
// where it stands among warnings.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1, in characters
	Message string `json:"message"`
	// Source is the line as it is written; empty: the file has no such line, or it
	// may be a secret.
	Source string `json:"-"`
}

func (f Fault) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// maxShownLine bounds the source line under a fault, in characters: one that is
// longer helps nobody.
const maxShownLine = 160

// Render writes the fault with its source line and a caret under the place.
func (f Fault) Render(w io.Writer) error {
	if _, err := fmt.Fprintln(w, f); err != nil {
		return err
	}
	if f.Source == "" || utf8.RuneCountInString(f.Source) > maxShownLine {
		return nil
	}
	before := []rune(f.Source)
	before = before[:min(f.Column-1, len(before))]
	for i, c := range before {
		if c != '\t' {
			before[i] = ' '
		}
	}
	_, err := fmt.Fprintf(w, "    %s\n    %s^\n", f.Source, string(before))
	return err
}

// Faults is everything that is wrong with one or more files.
type Faults struct {
	List []Fault
}

// Error is one line a fault.
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, fault := range f.List {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Render writes all faults, each with a caret under its place.
func (f *Faults) Render(w io.Writer) error { return Render(w, f.List) }

// Render writes faults or warnings, each with a caret under its place.
func Render(w io.Writer, list []Fault) error {
	for _, fault := range list {
		if err := fault.Render(w); err != nil {
			return err
		}
	}
	return nil
}

// Sort puts faults in the order of files and lines.
func Sort(list []Fault) {
	slices.SortStableFunc(list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
}

// LineReader gives out one line of Rest a call: a decoder that reads from it has
// stopped at Line, where its own word for a syntax error is where the broken block
// began, perhaps hundreds of lines above.
type LineReader struct {
	Rest []byte
	Line int // that was given out last, from 1
	// midLine: the line was longer than what was asked for.
	midLine bool
}

func (r *LineReader) Read(p []byte) (int, error) {
	if len(r.Rest) == 0 {
		return 0, io.EOF
	}
	n := bytes.IndexByte(r.Rest, '\n') + 1
	if n == 0 {
		n = len(r.Rest)
	}
	if !r.midLine {
		r.Line++
	}
	n = copy(p, r.Rest[:n])
	r.midLine = r.Rest[n-1] != '\n'
	r.Rest = r.Rest[n:]
	return n, nil
}
