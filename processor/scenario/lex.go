package scenario

import (
	"strings"
	"unicode/utf8"
)

// word is one word of a statement: `text`, or `name=text`.
type word struct {
	column int    // from 1, in characters
	name   string // empty: no name
	text   string
	quoted bool // the text stood in quotes
}

// words splits a line at spaces. A quote is one only at the beginning of a word
// or after its =, so that JSON needs none. It gives where a comment begins, in
// bytes, or the line's length; unclosed is the column of a quote without end.
func words(line string) (list []word, comment, unclosed int) {
	for i := 0; i < len(line); {
		switch {
		case line[i] == ' ' || line[i] == '\t':
			i++
			continue
		case line[i] == '#':
			return list, i, 0
		}
		w := word{column: columnOf(line, i)}
		end := i
		for end < len(line) && !strings.ContainsRune(" \t", rune(line[end])) {
			if line[end] == '"' && (end == i || (line[end-1] == '=' && w.name == "")) {
				w.name = strings.TrimSuffix(line[i:end], "=")
				closing := strings.IndexByte(line[end+1:], '"')
				if closing < 0 {
					return list, len(line), columnOf(line, end)
				}
				w.text, w.quoted = line[end+1:end+1+closing], true
				end += closing + 2
				break
			}
			end++
		}
		if !w.quoted {
			w.text = line[i:end]
			if name, value, ok := strings.Cut(w.text, "="); ok && isName(name) {
				w.name, w.text = name, value
			}
		}
		list, i = append(list, w), end
	}
	return list, len(line), 0
}

// isName keeps => and JSON from being taken for a name with a value.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") == "" && s[0] >= 'a'
}

func columnOf(line string, at int) int { return utf8.RuneCountInString(line[:at]) + 1 }

// cell is one cell of a table.
type cell struct {
	column int
	text   string
}

// cells splits a row where two spaces or a tab stand, up to a comment.
func cells(line string) (list []cell, comment int) {
	comment = len(line)
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			comment = i
			break
		}
	}
	rest := line[:comment]
	for i := 0; i < len(rest); {
		if rest[i] == ' ' || rest[i] == '\t' {
			i++
			continue
		}
		end := i
		for end < len(rest) && rest[end] != '\t' && !strings.HasPrefix(rest[end:], "  ") {
			end++
		}
		list = append(list, cell{columnOf(line, i), strings.TrimRight(rest[i:end], " ")})
		i = end
	}
	return list, comment
}

// indented reports a line that belongs to the statement above it.
func indented(line string) bool { return line != "" && (line[0] == ' ' || line[0] == '\t') }

// blank reports a line that says nothing, or is a comment.
func blank(line string) bool {
	trimmed := strings.TrimSpace(line)
	return trimmed == "" || trimmed[0] == '#'
}
