package scenario

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// edit makes the file say what came out.
type edit struct {
	line int
	fate string // behind =>; empty: a table is to be written
	// The table, and its rows.
	table   *expectation
	columns []string
	rows    []row
}

// Updated is the file's text with every expectation that failed rewritten to
// what came out. Comments stay; rows that stay keep their place. Where what
// holds for all scenarios fails in several, the first decides.
func (f *File) Updated(results []Result) []byte {
	edits := map[int]edit{}
	for _, result := range results {
		for _, failure := range result.Failures {
			if _, ok := edits[failure.edit.line]; !ok {
				edits[failure.edit.line] = failure.edit
			}
		}
	}
	var lines []string
	for n := 1; n <= len(f.lines); n++ {
		e, ok := edits[n]
		switch {
		case !ok:
			lines = append(lines, f.lines[n-1])
		case e.table == nil:
			lines = append(lines, withFate(f.lines[n-1], e.fate))
		default:
			lines = append(lines, f.rewritten(e)...)
			n = e.table.end - 1
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// withFate is a record's line with another fate behind it.
func withFate(line, fate string) string {
	said, comment, _ := words(line)
	end := comment
	for _, w := range said {
		if w.text == "=>" && w.name == "" {
			end = byteAt(line, w.column)
			break
		}
	}
	updated := strings.TrimRight(line[:end], " \t") + "  => " + fate
	if comment < len(line) {
		updated += "  " + line[comment:]
	}
	return updated
}

// byteAt is where a column begins.
func byteAt(line string, column int) int {
	at := 0
	for range column - 1 {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return at
}

// rewritten are the lines of a table as it came out.
func (f *File) rewritten(e edit) []string {
	x := e.table
	head := f.lines[x.line-1]
	if len(e.rows) == 0 {
		said, comment, _ := words(head)
		after := byteAt(head, said[0].column) + len("expect")
		if x.kind.name != "" {
			after = byteAt(head, said[1].column) + len(x.kind.name)
		}
		return []string{strings.TrimRight(head[:after]+" nothing"+head[after:comment], " ") + spaced(head[comment:])}
	}
	lines := []string{strings.TrimRight(strings.Replace(head, " nothing", "", 1), " ")}
	// Whole lines of comment stay where they are, seen from the row below them.
	remarks := map[int][]string{}
	for n, pending := x.line+1, []string(nil); n < x.end; n++ {
		if line := f.lines[n-1]; blank(line) {
			pending = append(pending, line)
			remarks[x.end] = pending
		} else {
			remarks[n], pending = pending, nil
			delete(remarks, x.end)
		}
	}
	table := [][]string{slices.Clone(e.columns)}
	places := []wantedRow{{line: x.header}}
	left := slices.Clone(e.rows)
	for _, was := range x.rows {
		at := sameRow(left, was.row, x)
		if at < 0 {
			continue
		}
		table, places = append(table, left[at]), append(places, was)
		left = slices.Delete(left, at, at+1)
	}
	slices.SortFunc(left, func(a, b row) int { return slices.Compare(a, b) })
	for _, added := range left {
		table, places = append(table, added), append(places, wantedRow{})
	}
	for i, line := range align(table, "  ", 0) {
		lines = append(lines, remarks[places[i].line]...)
		lines = append(lines, line+spaced(places[i].comment))
	}
	return append(lines, remarks[x.end]...)
}

func spaced(comment string) string {
	if comment == "" {
		return ""
	}
	return "  " + comment
}

// sameRow is the row that stands for one that was wanted: the same, else the
// one whose texts are the same.
func sameRow(rows []row, was row, x *expectation) int {
	if at := slices.IndexFunc(rows, func(r row) bool { return slices.Equal(r, was) }); at >= 0 {
		return at
	}
	return slices.IndexFunc(rows, func(r row) bool {
		for i, name := range x.columns {
			if !x.kind.amounts[name] && r[i] != was[i] {
				return false
			}
		}
		return true
	})
}

// align sets the cells of rows below each other. The first cells, as many as
// narrow, are followed by one space.
func align(table [][]string, indent string, narrow int) []string {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(table))
	for n, row := range table {
		var b strings.Builder
		b.WriteString(indent)
		for i, cell := range row {
			b.WriteString(cell)
			gap := "  "
			if i < narrow {
				gap = " "
			}
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + gap)
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}
