package catalog

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A shape is how one value of an offer file is written. Shapes are data: the
// tables in language.go are the whole language, and what reads a file, what
// names the known keys in a fault and what describes the language to an editor
// can't differ.
type shape[V any] interface {
	// read puts the value of n into v, or notes what is wrong with it.
	read(r *reader, n *yaml.Node, v *V)
}

// reader collects what is wrong with one file; no fault stops it.
type reader struct {
	file   string
	faults []Fault
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, Fault{
		File: r.file, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...),
	})
}

// is checks the kind of a node. Aliases were refused already (refuseMagic).
func (r *reader) is(n *yaml.Node, kind yaml.Kind, want string) bool {
	if n.Kind == kind && n.Tag != "!!null" {
		return true
	}
	switch {
	case n.Kind == yaml.AliasNode:
	case n.Tag == "!!null":
		r.fault(n, "there is no value here: write %s, or drop the key", want)
	default:
		r.fault(n, "this is %s: write %s", kindNames[n.Kind], want)
	}
	return false
}

var kindNames = map[yaml.Kind]string{
	yaml.MappingNode:  "a mapping of keys and values",
	yaml.SequenceNode: "a list",
	yaml.ScalarNode:   "a single value",
}

// scalar is a value in one word or phrase. What parse says of a wrong one is
// the fault: what is wrong, and what to write.
type scalar[V any] struct {
	form  string // how it is written, such as "an amount such as 12.50 EUR"
	parse func(text string) (V, error)
}

func (s scalar[V]) read(r *reader, n *yaml.Node, v *V) {
	if !r.is(n, yaml.ScalarNode, s.form) {
		return
	}
	parsed, err := s.parse(n.Value)
	if err != nil {
		r.fault(n, "%v", err)
		return
	}
	*v = parsed
}

// oneOf is a word out of a few.
func oneOf[V any](words map[string]V, order ...string) scalar[V] {
	form := "one of " + strings.Join(order, ", ")
	return scalar[V]{form, func(text string) (V, error) {
		v, ok := words[text]
		if !ok {
			return v, fmt.Errorf("%q is not known here: write %s%s", clip(text), form, didYouMean(text, order))
		}
		return v, nil
	}}
}

// list is a list of values of one shape. A broken element keeps its place, so
// that positions in the list stay those of the file.
type list[V any] struct {
	what string // such as "a list of stores"
	max  int    // elements
	of   shape[V]
}

func (l list[V]) read(r *reader, n *yaml.Node, v *[]V) {
	if !r.is(n, yaml.SequenceNode, l.what) {
		return
	}
	if len(n.Content) > l.max {
		r.fault(n, "%s holds %d elements, and at most %d are allowed: split it", l.what, len(n.Content), l.max)
		return
	}
	values := make([]V, len(n.Content))
	for i, element := range n.Content {
		l.of.read(r, element, &values[i])
	}
	*v = values
}

// mapping is a table of the keys that a mapping may have.
type mapping[T any] struct {
	what   string // such as "an offer"
	fields []field[T]
}

// field is one key.
type field[T any] struct {
	name, doc string
	required  bool
	read      func(r *reader, n *yaml.Node, t *T)
}

// key makes the field of a key whose value has the given shape and belongs at
// the given place.
func key[T, V any](name string, s shape[V], at func(*T) *V, doc string) field[T] {
	return field[T]{name: name, doc: doc, read: func(r *reader, n *yaml.Node, t *T) { s.read(r, n, at(t)) }}
}

// must makes the field one that has to be written.
func (f field[T]) must() field[T] {
	f.required = true
	return f
}

func (m mapping[T]) read(r *reader, n *yaml.Node, t *T) {
	if !r.is(n, yaml.MappingNode, m.what) {
		return
	}
	seenOnLine := make([]int, len(m.fields))
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := m.index(name)
		switch {
		case at < 0:
			r.fault(name, "%s has no key %q%s; known keys: %s",
				m.what, clip(name.Value), didYouMean(name.Value, m.names()), strings.Join(m.names(), ", "))
		case seenOnLine[at] > 0:
			r.fault(name, "%q is here twice, first on line %d: keep one", name.Value, seenOnLine[at])
		default:
			seenOnLine[at] = name.Line
			m.fields[at].read(r, value, t)
		}
	}
	for i, f := range m.fields {
		if f.required && seenOnLine[i] == 0 {
			r.fault(n, "%s needs %q: %s", m.what, f.name, f.doc)
		}
	}
}

func (m mapping[T]) index(name *yaml.Node) int {
	if name.Kind == yaml.ScalarNode {
		for i := range m.fields {
			if m.fields[i].name == name.Value {
				return i
			}
		}
	}
	return -1
}

func (m mapping[T]) names() []string {
	names := make([]string, len(m.fields))
	for i, f := range m.fields {
		names[i] = f.name
	}
	return names
}

// either is a value that has a short form in one word and a long one as a
// mapping.
type either[V any] struct {
	short scalar[V]
	long  mapping[V]
}

func (e either[V]) read(r *reader, n *yaml.Node, v *V) {
	if n.Kind == yaml.MappingNode {
		e.long.read(r, n, v)
		return
	}
	e.short.read(r, n, v)
}

// known is a value that says whether the file has it right: for the few whose
// absence means something.
type known[V any] struct {
	value  V
	broken bool
}

type whetherKnown[V any] struct{ of shape[V] }

func (w whetherKnown[V]) read(r *reader, n *yaml.Node, v *known[V]) {
	before := len(r.faults)
	w.of.read(r, n, &v.value)
	v.broken = len(r.faults) > before
}

// didYouMean names the known word that is at most two letters away.
func didYouMean(word string, words []string) string {
	best, bestDistance := "", 3
	for _, k := range words {
		if len(word) > len(k)+2 || len(k) < 2 {
			continue
		}
		if d := distance(word, k); d < bestDistance && d < len(k) {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance counts the letters to insert, delete or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// clip keeps a quoted word short in a message.
func clip(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "..."
	}
	return text
}
