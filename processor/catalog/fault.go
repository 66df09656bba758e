package catalog

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ristourne/processor/sourcefile"
	"ristourne/rules/offer"
)

// showLines gives faults of one file the source lines they stand on.
func showLines(list []sourcefile.Fault, text []byte) {
	if len(list) == 0 {
		return
	}
	lines := bytes.Split(text, []byte("\n"))
	for i := range list {
		if at := list[i].Line - 1; at >= 0 && at < len(lines) {
			list[i].Source = masked(strings.ToValidUTF8(string(bytes.TrimRight(lines[at], "\r")), "?"))
		}
		list[i].Message = masked(list[i].Message)
	}
}

// A path leads from the top of a file to one of its values: names of keys and
// positions in lists, such as {"offers", 2, "reward"}.
type path []any

// to is the path some steps further.
func (p path) to(steps ...any) path { return append(p[:len(p):len(p)], steps...) }

// within reports whether p leads to what whole leads to, or into it.
func (p path) within(whole path) bool {
	return len(whole) <= len(p) && slices.Equal(whole, p[:len(whole)])
}

// find is the node that p leads to, or the innermost one that is there where the
// value itself isn't written.
func (p path) find(node *yaml.Node) *yaml.Node {
	for _, step := range p {
		next := childOf(node, step)
		if next == nil {
			return node
		}
		node = next
	}
	return node
}

func childOf(node *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case string:
		if node.Kind != yaml.MappingNode {
			return nil
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1]
			}
		}
	case int:
		if node.Kind == yaml.SequenceNode && step < len(node.Content) {
			return node.Content[step]
		}
	}
	return nil
}

// A finding is a fault whose place is known by its path only: nodes are dropped
// as soon as a file is read (they take ten times the file's size), and the few
// files that have findings are read once more to find their lines.
type Finding struct {
	doc     *Document
	path    path
	message string
	code    offer.Code // of what the rules found; 0: the files show it
}

// trees are the nodes of the files in which something was looked for.
type trees map[*Document]*yaml.Node

func (t trees) find(doc *Document, p path) *yaml.Node {
	root, ok := t[doc]
	if !ok {
		var err error
		if root, err = parseYAML(doc.Text); err != nil { // it was read before: only an ended subject has no text
			root = &yaml.Node{Line: 1, Column: 1}
		}
		t[doc] = root
	}
	return p.find(root)
}

// locate turns findings into faults, in the order of files and lines. It keeps no
// tree that it makes: thousands of files may be told of.
func (t trees) locate(findings []Finding) []sourcefile.Fault {
	byDocument := map[*Document][]Finding{}
	for _, f := range findings {
		byDocument[f.doc] = append(byDocument[f.doc], f)
	}
	faults := make([]sourcefile.Fault, 0, len(findings))
	for doc, list := range byDocument {
		here := trees{}
		if root, known := t[doc]; known {
			here[doc] = root
		}
		from := len(faults)
		for _, f := range list {
			at := here.find(doc, f.path)
			faults = append(faults, sourcefile.Fault{File: doc.ShownAs, Line: at.Line, Column: at.Column, Message: f.message})
		}
		showLines(faults[from:], doc.Text)
	}
	sourcefile.Sort(faults)
	return faults
}

// parsePath reads a path as the rules write it: "offers[2].caps[0].amount".
func parsePath(text string) path {
	var p path
	for step := range strings.FieldsFuncSeq(text, func(c rune) bool { return strings.ContainsRune(".[]", c) }) {
		if i, err := strconv.Atoi(step); err == nil {
			p = append(p, i)
		} else {
			p = append(p, step)
		}
	}
	return p
}

// NewFinding is a finding at one of the document's keys; an empty one is the whole.
func NewFinding(doc *Document, key, message string) Finding {
	f := Finding{doc: doc, message: message}
	if key != "" {
		f.path = path{key}
	}
	return f
}

// Locate turns findings into faults, as trees.locate.
func Locate(findings []Finding) []sourcefile.Fault { return trees{}.locate(findings) }
