package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// withheld stands in a path for a name that must not be shown.
const withheld = "(withheld)"

// pathAt is the path of the value or name that is read when the lexer stands
// at end: the names before it are known to be whole. It walks the record anew,
// which only faults pay for.
func pathAt(b []byte, end int) string {
	type step struct {
		name   string
		index  int
		isList bool
	}
	var steps []step
	wantsName := false
	for i := 0; i < end; i++ {
		switch b[i] {
		case '{', '[':
			wantsName = b[i] == '{'
			steps = append(steps, step{isList: b[i] == '['})
		case '}', ']':
			steps = steps[:len(steps)-1]
		case ',':
			top := &steps[len(steps)-1]
			top.index++
			wantsName = !top.isList
		case '"':
			start := i + 1
			for i = start; i < end && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if wantsName && i < end {
				steps[len(steps)-1].name = showName(b[start:i])
			}
			wantsName = false
		}
	}
	var path strings.Builder
	for _, s := range steps {
		switch {
		case s.isList:
			path.WriteString("[" + strconv.Itoa(s.index) + "]")
		case s.name != "" && path.Len() > 0:
			path.WriteString("." + s.name)
		default:
			path.WriteString(s.name)
		}
	}
	return path.String()
}

// showName is a name fit for a log: a sender may have put anything into it.
func showName(raw []byte) string {
	s := string(appendUnescaped(nil, raw))
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 64 || holdsCardNumber(s) {
		return withheld
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return '?'
		}
		return r
	}, s)
}
