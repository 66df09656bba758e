// Package lookalike finds ids that people, spreadsheets and keyboards take for
// each other: 0012 and 12, M O1 and MO1, a Latin A and a Cyrillic one. To the
// stream they are as different as any two ids, and the money of one never
// reaches the other.
package lookalike

import (
	"strings"
	"unicode"
)

// Skeleton is what is left of an id when all that is easily taken for something
// else is made one: two ids with one skeleton look alike. It is of no use but
// for comparing.
func Skeleton(id string) string {
	var b strings.Builder
	b.Grow(len(id))
	for _, r := range id {
		if r = plain(r); r == 0 || r == '0' && b.Len() == 0 {
			continue // leading zeros
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "0"
	}
	return b.String()
}

// plain is the one letter for all that look like it; 0 for what can't be seen.
func plain(r rune) rune {
	if Invisible(r) || unicode.IsSpace(r) {
		return 0
	}
	if r >= 0xFF01 && r <= 0xFF5E { // full width
		r -= 0xFEE0
	}
	if latin, known := latinOf[r]; known {
		r = latin
	}
	switch r = unicode.ToUpper(r); r {
	case 'O':
		return '0'
	case 'I', 'L', '|':
		return '1'
	case '‐', '‑', '‒', '–', '—', '−':
		return '-'
	}
	return r
}

// latinOf is the Latin letter that a Cyrillic or Greek one looks like.
var latinOf = lookalikes(
	"АВЕЅІЈКМНОРСТХУаеѕіјорсух", "ABESIJKMHOPCTXYaesijopcyx",
	"ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιν", "ABEZHIKMNOPTYXoiv",
)

func lookalikes(pairs ...string) map[rune]rune {
	latin := make(map[rune]rune)
	for i := 0; i < len(pairs); i += 2 {
		letters := []rune(pairs[i+1])
		for n, r := range []rune(pairs[i]) {
			latin[r] = letters[n]
		}
	}
	return latin
}

// Invisible reports a character that no screen shows: zero-width ones, marks of
// direction, control characters. Spaces are no such, whatever their width.
func Invisible(r rune) bool {
	return r == 0x00AD || unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && !unicode.IsSpace(r)
}

// Difference says in what way two ids with one skeleton differ.
func Difference(a, b string) string {
	bare := func(s string) string { return strings.TrimLeft(s, "0") }
	seen := func(s string) string {
		return strings.Map(func(r rune) rune {
			if Invisible(r) || unicode.IsSpace(r) {
				return -1
			}
			return r
		}, s)
	}
	switch {
	case bare(a) == bare(b):
		return "leading zeros"
	case seen(a) == seen(b):
		return "a space or a character that can't be seen"
	case strings.EqualFold(a, b):
		return "capitals"
	case bare(strings.ToUpper(seen(a))) == bare(strings.ToUpper(seen(b))):
		return "leading zeros, spaces or capitals"
	}
	return "letters that look alike (O and 0, I and 1, Latin and Cyrillic)"
}
