package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"ristourne/processor/sourcefile"
)

// A shape is how one value of an offer file is written. Shapes are data: the
// tables in language.go are the whole language, and what reads a file, what
// names the known keys in a fault and what describes the language to an editor
// can't differ.
type shape[V any] interface {
	// read puts the value of n into v, or notes what is wrong with it.
	read(r *reader, n *yaml.Node, v *V)
	// schema tells an editor what read takes.
	schema(d definitions) schemaNode
}

// reader collects what is wrong with one file; no fault stops it.
type reader struct {
	file   string
	faults []sourcefile.Fault
	// at is the way to the value that is read, and unread are the ways to values
	// that couldn't be: what they mean isn't known.
	at     []step
	unread []path
	// misshapen: something is wrong that an editor can tell by the schema alone.
	misshapen bool
}

// step is one of a path: a key, or where there is none a position in a list.
type step struct {
	key   string
	index int
}

func (r *reader) enter(key string, index int) { r.at = append(r.at, step{key, index}) }

func (r *reader) leave() { r.at = r.at[:len(r.at)-1] }

// here is the way to what is read.
func (r *reader) here() path {
	p := make(path, 0, len(r.at)+1)
	for _, s := range r.at {
		if s.key != "" {
			p = append(p, s.key)
		} else {
			p = append(p, s.index)
		}
	}
	return p
}

// misshape notes a fault that an editor can tell too.
func (r *reader) misshape(n *yaml.Node, format string, args ...any) {
	r.misshapen = true
	r.fault(n, format, args...)
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) {
	r.unread = append(r.unread, r.here())
	r.note(n, format, args...)
}

// misshapeKeys notes a fault of the mapping that is read, after which the values
// of these keys aren't known, and all others are.
func (r *reader) misshapeKeys(n *yaml.Node, keys []string, format string, args ...any) {
	for _, k := range keys {
		r.unread = append(r.unread, r.here().to(k))
	}
	r.misshapen = true
	r.note(n, format, args...)
}

// note notes a fault that leaves the value known.
func (r *reader) note(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, sourcefile.Fault{
		File: r.file, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...),
	})
}

// is checks the kind of a node. Aliases were refused already (refuseMagic).
func (r *reader) is(n *yaml.Node, kind yaml.Kind, want string) bool {
	if n.Kind == kind && n.Tag != "!!null" {
		return true
	}
	switch {
	case n.Kind == yaml.AliasNode: // said already
		r.unread = append(r.unread, r.here())
	case n.Tag == "!!null":
		r.misshape(n, "there is no value here: write %s, or drop the key", want)
	default:
		r.misshape(n, "this is %s: write %s", kindNames[n.Kind], want)
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
	form string // how it is written, such as "an amount such as 12.50 EUR"
	// pattern is what every right value looks like, as an editor can tell while
	// it is typed; parse knows the rest.
	pattern *regexp.Regexp
	parse   func(text string) (V, error)
	// bare: YAML may take a right value for a number, or for true or false.
	bare bool
	// digits: YAML may take a right value for a whole number, from the first of
	// these to the second. An editor holds no pattern against a number.
	digits *[2]int64
	// words is all that can be written, where that is little; choice says so in
	// the editor's terms.
	words  []string
	choice schemaNode
}

func (s scalar[V]) read(r *reader, n *yaml.Node, v *V) {
	if !r.is(n, yaml.ScalarNode, s.form) {
		return
	}
	parsed, err := s.parse(n.Value)
	if err != nil {
		r.fault(n, "%v", err)
		r.misshapen = r.misshapen || !s.looksRight(n.Value)
		return
	}
	*v = parsed
}

func (s scalar[V]) looksRight(text string) bool {
	if s.words != nil {
		return slices.Contains(s.words, text)
	}
	return s.pattern.MatchString(text)
}

// oneOf is a word out of a few.
func oneOf[V any](words map[string]V, order ...string) scalar[V] {
	form := "one of " + strings.Join(order, ", ")
	return scalar[V]{form: form, words: order, choice: schemaNode{"enum": order}, parse: func(text string) (V, error) {
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
	// filled: an empty list would say something else than it seems to.
	filled bool
}

func (l list[V]) read(r *reader, n *yaml.Node, v *[]V) {
	if !r.is(n, yaml.SequenceNode, l.what) {
		return
	}
	if l.filled && len(n.Content) == 0 {
		r.misshape(n, "the list is empty: write %s with something in it, or drop the key", l.what)
		return
	}
	if len(n.Content) > l.max {
		r.misshape(n, "%s holds %d elements, and at most %d are allowed: split it", l.what, len(n.Content), l.max)
		return
	}
	values := make([]V, len(n.Content))
	for i, element := range n.Content {
		r.enter("", i)
		l.of.read(r, element, &values[i])
		r.leave()
	}
	*v = values
}

// oneOrMany is a list that may be written as its only element.
type oneOrMany[V any] struct{ list[V] }

func (o oneOrMany[V]) read(r *reader, n *yaml.Node, v *[]V) {
	if n.Kind == yaml.SequenceNode {
		o.list.read(r, n, v)
		return
	}
	values := make([]V, 1)
	o.of.read(r, n, &values[0])
	*v = values
}

// table is a mapping whose keys are the writer's own words.
type table[V any] struct {
	what string // such as "rates by article category"
	max  int    // entries
	word scalar[string]
	of   shape[V]
}

// entry is one line of a table.
type entry[V any] struct {
	word  string
	value V
}

func (t table[V]) read(r *reader, n *yaml.Node, v *[]entry[V]) {
	if !r.is(n, yaml.MappingNode, t.what) {
		return
	}
	if entries := len(n.Content) / 2; entries == 0 || entries > t.max {
		r.misshape(n, "here are %d entries: write %s, 1 to %d of them", entries, t.what, t.max)
		return
	}
	values := make([]entry[V], 0, len(n.Content)/2)
	onLine := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var e entry[V]
		name := n.Content[i]
		r.enter(name.Value, 0)
		t.word.read(r, name, &e.word)
		if first, twice := onLine[name.Value]; twice {
			r.fault(name, "%q is here twice, first on line %d: keep one", clip(name.Value), first)
		}
		onLine[name.Value] = name.Line
		t.of.read(r, n.Content[i+1], &e.value)
		r.leave()
		values = append(values, e)
	}
	*v = values
}

// mapping is a table of the keys that a mapping may have.
type mapping[T any] struct {
	what    string // such as "an offer"
	fields  []field[T]
	choices []choice
}

// field is one key.
type field[T any] struct {
	name, doc string
	required  bool
	read      func(r *reader, n *yaml.Node, t *T)
	schema    func(d definitions) schemaNode
}

// key makes the field of a key whose value has the given shape and belongs at
// the given place.
func key[T, V any](name string, s shape[V], at func(*T) *V, doc string) field[T] {
	return field[T]{
		name: name, doc: doc, schema: s.schema,
		read: func(r *reader, n *yaml.Node, t *T) { s.read(r, n, at(t)) },
	}
}

// choice is a set of keys of which at least one has to be written, and where
// one is the limit, no other beside it.
type choice struct {
	keys []string
	one  bool
	doc  string
}

// check notes what is wrong with the keys that are there.
func (c choice) check(r *reader, n *yaml.Node, what string, written func(key string) *yaml.Node) {
	var first string
	for _, k := range c.keys {
		name := written(k)
		switch {
		case name == nil:
		case first == "":
			first = k
		case c.one:
			r.misshapeKeys(name, []string{first, k}, "%q and %q exclude each other: keep one", first, k)
		}
	}
	if first == "" {
		r.misshapeKeys(n, c.keys, "%s needs %s: %s", what, anyOf(c.keys), c.doc)
	}
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
	seen := make([]*yaml.Node, len(m.fields))
	strange := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := m.index(name)
		if at < 0 {
			strange = true
			r.misshapeKeys(name, []string{closest(name.Value, m.names())}, "%s has no key %q%s", m.what, clip(name.Value), m.meant(name.Value))
			continue
		}
		r.enter(m.fields[at].name, 0)
		if seen[at] != nil {
			r.fault(name, "%q is here twice, first on line %d: keep one", name.Value, seen[at].Line)
		} else {
			seen[at] = name
			m.fields[at].read(r, value, t)
		}
		r.leave()
	}
	for i, f := range m.fields {
		if f.required && seen[i] == nil {
			r.misshapeKeys(n, []string{f.name}, "%s needs %q: %s", m.what, f.name, f.doc)
		}
	}
	for _, c := range m.choices {
		if strange { // it may be what was meant
			break
		}
		c.check(r, n, m.what, func(key string) *yaml.Node { return seen[slices.Index(m.names(), key)] })
	}
}

// anyOf says a list of which one is enough: "a, b or c".
func anyOf(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// only is the table with some of its keys, for what has no others.
func (m mapping[T]) only(what string, names ...string) mapping[T] {
	drop := slices.DeleteFunc(m.names(), func(name string) bool { return slices.Contains(names, name) })
	return m.without(what, drop...)
}

// without is the table without some of its keys, for what lacks them.
func (m mapping[T]) without(what string, names ...string) mapping[T] {
	m.what = what
	m.fields = slices.DeleteFunc(slices.Clone(m.fields), func(f field[T]) bool { return slices.Contains(names, f.name) })
	m.choices = slices.Clone(m.choices)
	for i := range m.choices {
		c := &m.choices[i]
		c.keys = slices.DeleteFunc(slices.Clone(c.keys), func(name string) bool { return slices.Contains(names, name) })
	}
	return m
}

// meant is the key that was surely meant, or all there are.
func (m mapping[T]) meant(name string) string {
	if meant := didYouMean(name, m.names()); meant != "" {
		return meant
	}
	return "; known keys: " + strings.Join(m.names(), ", ")
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
	long  shape[V] // of a mapping
}

func (e either[V]) read(r *reader, n *yaml.Node, v *V) {
	if n.Kind == yaml.MappingNode {
		e.long.read(r, n, v)
		return
	}
	e.short.read(r, n, v)
}

// ifWritten is a value whose absence means something: nil.
type ifWritten[V any] struct{ of shape[V] }

func (w ifWritten[V]) read(r *reader, n *yaml.Node, v **V) {
	*v = new(V)
	w.of.read(r, n, *v)
}

// didYouMean names the known word that was perhaps meant.
func didYouMean(word string, words []string) string {
	if meant := closest(word, words); meant != "" {
		return fmt.Sprintf(" (did you mean %q?)", meant)
	}
	return ""
}

// closest is the known word that is at most two letters away; empty: none is.
func closest(word string, words []string) string {
	best, bestDistance := "", 3
	for _, k := range words {
		if len(word) > len(k)+2 || len(k) < 2 {
			continue
		}
		if d := distance(word, k); d < bestDistance && d < len(k) {
			best, bestDistance = k, d
		}
	}
	return best
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
