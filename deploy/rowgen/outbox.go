package main

import (
	"fmt"
	"slices"
	"strconv"
)

// structOf is a struct as the outbox writes it: a row, or a part of one.
type structOf struct {
	Name   string
	Part   bool // it stands in a row, and isn't one in a list
	fields []field
}

func (s structOf) Func() string { return lower(s.Name) }

// MinBytes are the fewest bytes of the struct.
func (s structOf) MinBytes() (n int) {
	for _, f := range s.fields {
		switch f.kind {
		case "struct":
			n += structOf{fields: f.Fields}.MinBytes()
		case "list":
			n++ // how many there are
		default:
			if _, beside := f.tags["in"]; !beside && f.since() == oldest {
				n += f.minBytes
			}
		}
	}
	return n
}

// beside is the bool that is written beside the field; nil: there is none.
func (s structOf) beside(of string) *field {
	for i := range s.fields {
		if s.fields[i].tags["in"] == of {
			return &s.fields[i]
		}
	}
	return nil
}

// Flag is the bool of the struct that is written beside another field; empty: none.
func (s structOf) Flag() string {
	for _, f := range s.fields {
		if _, beside := f.tags["in"]; beside {
			return f.Name
		}
	}
	return ""
}

// Encode are the statements that write the struct: what later formats have added
// comes after the rest, so that a reader knows where an older one ends.
func (s structOf) Encode() (lines []string) {
	inOrder := slices.Clone(s.fields)
	slices.SortStableFunc(inOrder, func(a, b field) int { return a.since() - b.since() })
	for _, f := range inOrder {
		value := "row." + f.Name
		_, isBeside := f.tags["in"]
		switch flag := s.beside(f.Name); {
		case isBeside:
		case flag != nil:
			lines = append(lines, fmt.Sprintf("e.flagged(byte(%s), row.%s)", value, flag.Name))
		case f.kind == "struct":
			lines = append(lines, fmt.Sprintf("e.%s(&%s)", lower(f.typ.Name()), value))
		case f.kind == "list":
			lines = append(lines, fmt.Sprintf("e.uint(uint64(len(%[1]s)))\n\tfor i := range %[1]s {\n\t\te.%[2]s(&%[1]s[i])\n\t}", value, lower(f.typ.Elem().Name())))
		default:
			lines = append(lines, f.fill(f.encode, value))
		}
	}
	return lines
}

// Decode are the fields of the literal that reads what the oldest format has.
func (s structOf) Decode() (lines []string) {
	for _, f := range s.fields {
		if _, isBeside := f.tags["in"]; !isBeside && f.since() == oldest {
			lines = append(lines, f.Name+": "+s.decoded(f)+",")
		}
	}
	return lines
}

// Later are the statements that read what later formats have added.
func (s structOf) Later() (lines []string) {
	for _, since := range formats(s.fields) {
		lines = append(lines, fmt.Sprintf("if r.format >= %d {", since))
		for _, f := range s.fields {
			if f.since() == since {
				lines = append(lines, fmt.Sprintf("row.%s = %s", f.Name, s.decoded(f)))
			}
		}
		lines = append(lines, "}")
	}
	return lines
}

// decoded is the call that reads a field.
func (s structOf) decoded(f field) string {
	switch of := f.typ.Name(); {
	case s.beside(f.Name) != nil:
		return fmt.Sprintf("%s(r.flagged(%d, &flag))", f.typ, f.most())
	case f.kind == "struct":
		return fmt.Sprintf("r.%s()", lower(of))
	case f.kind == "list":
		of := f.typ.Elem().Name()
		return fmt.Sprintf("rows(r, nil, min%s, r.%s)", of, lower(of))
	}
	value := f.fill(f.decode, "")
	if f.gives != "" && f.gives != f.typ.String() {
		value = f.typ.String() + "(" + value + ")"
	}
	return value
}

// oldest is the format that fields without a since are of, the oldest that is read.
const oldest = 5

// since is the outbox's format that first has the field.
func (f field) since() int {
	if since, err := strconv.Atoi(f.tags["since"]); err == nil {
		return since
	}
	return oldest
}

// formats are the later formats in which the fields were added, rising.
func formats(fields []field) (later []int) {
	for _, f := range fields {
		if since := f.since(); since > oldest && !slices.Contains(later, since) {
			later = append(later, since)
		}
	}
	slices.Sort(later)
	return later
}

// Oldest is the oldest format that is read.
func (h house) Oldest() int { return oldest }

// Format is the newest of all that the fields are of, the one that is written.
func (h house) Format() int {
	newest := oldest
	for _, s := range h.Structs {
		newest = max(newest, slices.Max(append(formats(s.fields), oldest)))
	}
	return newest
}
