package main

import (
	"fmt"
	"slices"
	"strings"
)

// tableOf is a table as ClickHouse has it.
type tableOf struct {
	table
	Columns []column
}

// column is one of a table.
type column struct {
	field
	Name  string
	value string // in Go; of a column of a list that of one of its elements
	list  string // the field that is a list; empty: it is of the row itself
	given bool
}

func newTable(t table, fields []field) (tableOf, error) {
	of := tableOf{table: t}
	for _, name := range t.given {
		g := given[name]
		of.Columns = append(of.Columns, column{field: field{form: forms[g.form], kind: g.form, column: name}, Name: name, value: g.value, given: true})
	}
	of.add(fields)
	for _, name := range slices.Concat(t.digest, t.key, t.ofOneLine, t.ofBooking, t.without) {
		if !slices.ContainsFunc(of.Columns, func(c column) bool { return c.Name == name }) && !slices.Contains(t.without, name) {
			return of, fmt.Errorf("it has no column %s", name)
		}
	}
	return of, nil
}

// add adds the columns of fields that the table has.
func (t *tableOf) add(fields []field) {
	for _, f := range fields {
		switch {
		case f.kind == "struct":
			t.add(f.Fields)
		case f.kind == "list":
			for _, of := range f.Fields {
				if of.column != "" {
					c := column{field: of, Name: of.column, value: fmt.Sprintf("row.%s[i].%s", f.Path, of.Name), list: f.Path}
					c.form = forms["words"]
					t.Columns = append(t.Columns, c)
				}
			}
		case f.column != "" && f.block != "" && !slices.Contains(t.without, f.column):
			name := f.column
			if f.kind == "millis" {
				name = strings.TrimSuffix(name, "_at") + "_ms"
			}
			t.Columns = append(t.Columns, column{field: f, Name: name, value: "row." + f.Path})
		}
	}
}

func (t *tableOf) Row() string    { return t.row.Name() }
func (t *tableOf) Func() string   { return lower(t.row.Name()) }
func (t *tableOf) Table() string  { return t.name }
func (t *tableOf) Plural() string { return t.plural }
func (t *tableOf) Block() string  { return lower(t.plural) }
func (t *tableOf) Read() bool     { return t.read }

func (t *tableOf) column(name string) *column {
	return &t.Columns[slices.IndexFunc(t.Columns, func(c column) bool { return c.Name == name })]
}

// OfList reports that a row may have several values.
func (c column) OfList() bool { return c.list != "" }

func (c column) Var() string { return camel(c.Name) }

func (c column) VarType() string {
	switch c.block {
	case "words":
		return "*arrayColumn"
	case "instant", "exactInstant":
		return c.block
	}
	return "*column"
}

// exact is the name without what a date has behind it: of a column for dates and
// charts stands the exact instant beside it.
func (c column) exact() string {
	return strings.TrimSuffix(strings.TrimSuffix(c.Name, "_at"), "_from")
}

// Declared is the call that declares the column.
func (c column) Declared() string {
	switch c.block {
	case "instant":
		return fmt.Sprintf("instant(%q, %q)", c.Name, c.exact())
	case "exactInstant":
		return fmt.Sprintf("exactInstant(%q)", c.exact())
	}
	return fmt.Sprintf("%s(%q)", c.block, c.Name)
}

// Append is the call that appends the row's value.
func (c column) Append() string {
	if c.given {
		return strings.NewReplacer("$v", c.value, "$s", c.value, "$i", "int64("+c.value+")").Replace(c.append)
	}
	return c.fill(c.append, c.value)
}

// NeedsPlace reports that a column says where in the decision the row stands.
func (t *tableOf) NeedsPlace() bool { return slices.Contains(t.given, "place") }

// Lists are the statements that append what the row has in lists.
func (t *tableOf) Lists() (lines []string) {
	var ends []string
	for i, c := range t.Columns {
		if !c.OfList() {
			continue
		}
		if i == 0 || t.Columns[i-1].list != c.list {
			lines = append(lines, fmt.Sprintf("for i := range row.%s {", c.list))
		}
		value := c.value
		if c.kind == "enum" {
			value += ".String()"
		}
		if of, picks := c.tags["of"]; picks {
			lines = append(lines, fmt.Sprintf("if %s {\nb.%s.all.appendString(row.%s[i].%s)\n}", value, c.Var(), c.list, of))
		} else {
			lines = append(lines, fmt.Sprintf("b.%s.all.appendString(%s)", c.Var(), value))
		}
		ends = append(ends, fmt.Sprintf("b.%s.end()", c.Var()))
		if i == len(t.Columns)-1 || t.Columns[i+1].list != c.list {
			lines, ends = append(append(lines, "}"), ends...), nil
		}
	}
	return lines
}

// enum is a column whose number may have no name.
type enum struct{ Name, Value, Condition string }

// Enums are the table's columns of enums.
func (t *tableOf) Enums() (enums []enum) {
	for _, c := range t.Columns {
		if c.kind != "enum" || c.given || c.OfList() {
			continue
		}
		e := enum{c.Name, c.value, fmt.Sprintf("%s > %d", c.value, c.most())}
		if !c.zeroIsValue() {
			e.Condition = fmt.Sprintf("%s == 0 || ", c.value) + e.Condition
		}
		enums = append(enums, e)
	}
	return enums
}

// stored are the columns that are read back: what a row's lists have is for analysts
// alone, and what is given says nothing of the row.
func (t *tableOf) stored() []column {
	return slices.DeleteFunc(slices.Clone(t.Columns), func(c column) bool { return c.given || c.OfList() })
}

// names are the columns in ClickHouse that the column takes, each with what is
// scanned of it and where that goes.
func (c column) names() []struct{ name, selected, into string } {
	if c.block == "instant" || c.block == "exactInstant" {
		sec, nsec := c.exact()+"_sec", c.exact()+"_nsec"
		return []struct{ name, selected, into string }{{sec, sec, "&" + c.value + ".Sec"}, {nsec, nsec, "&" + c.value + ".Nsec"}}
	}
	return []struct{ name, selected, into string }{{c.Name, strings.ReplaceAll(c.selected, "$v", c.Name), c.fill(c.into, c.value)}}
}

func (t *tableOf) Selected() string {
	var list []string
	for _, c := range t.stored() {
		for _, n := range c.names() {
			list = append(list, n.selected)
		}
	}
	return wrap(list)
}

func (t *tableOf) Into() (list []string) {
	for _, c := range t.stored() {
		for _, n := range c.names() {
			list = append(list, n.into)
		}
	}
	return list
}

// digested is a column in a digest: what the server writes, and what we do.
type digested struct{ SQL, Go string }

func (t *tableOf) Digest() (list []digested) {
	for _, name := range t.digest {
		c := t.column(name)
		value := strings.NewReplacer("d.", "of.").Replace(c.value)
		piece := c.form.digest
		if c.given {
			piece = strings.NewReplacer("$v", value, "$i", "int64("+value+")").Replace(piece)
		} else {
			piece = c.fill(piece, c.value)
		}
		list = append(list, digested{fmt.Sprintf("%s(%q)", c.sql, name), piece})
	}
	return list
}

// DigestNeedsDecision reports that a digest has columns that are no fields.
func (t *tableOf) DigestNeedsDecision() bool {
	return slices.ContainsFunc(t.digest, func(name string) bool { return t.column(name).given })
}

// Month is the instant in milliseconds by which the table is partitioned.
func (t *tableOf) Month() string {
	for _, c := range t.Columns {
		if c.value == "row."+t.month && c.kind == "instant" {
			return "calendarMillis(" + c.value + ")"
		}
	}
	return "row." + t.month
}

// booked are the columns of lines that add up.
func (t *tableOf) booked() []column {
	return slices.DeleteFunc(t.stored(), func(c column) bool {
		return slices.Contains(t.ofOneLine, c.Name) || strings.HasPrefix(c.Path, "Cause.")
	})
}

// How a column is read of lines that add up.
func (t *tableOf) isKey(c column) bool { return slices.Contains(t.key, c.Name) }
func (t *tableOf) isSum(c column) bool { return c.kind == "int64" && !t.isKey(c) }

func (t *tableOf) Key() string { return wrap(t.key) }

// Newest is the expression that has, as one tuple, what the newest line says.
func (t *tableOf) Newest() string {
	var list []string
	for _, c := range t.booked() {
		if !t.isKey(c) && !t.isSum(c) {
			for _, n := range c.names() {
				list = append(list, n.selected)
			}
		}
	}
	return "argMax((" + wrap(list) + "), (recorded_ms, cause_offset))"
}

// Booked are the columns of a sum of lines, newest being what Newest says.
func (t *tableOf) Booked() string {
	var list []string
	newest := 0
	for _, c := range t.booked() {
		for _, n := range c.names() {
			switch {
			case t.isKey(c):
				list = append(list, n.selected)
			case t.isSum(c):
				list = append(list, fmt.Sprintf("sum(%s) AS %s_sum", n.name, n.name))
			default:
				newest++
				list = append(list, fmt.Sprintf("newest.%d", newest))
			}
		}
	}
	return wrap(list)
}

// IsBooked is the condition that anything is left of the lines.
func (t *tableOf) IsBooked() string {
	var list []string
	for _, c := range t.booked() {
		if t.isSum(c) {
			list = append(list, c.Name+"_sum != 0")
		}
	}
	return strings.Join(list, " OR ")
}

func (t *tableOf) BookedInto() (list []string) {
	for _, c := range t.booked() {
		for _, n := range c.names() {
			list = append(list, n.into)
		}
	}
	return list
}

// Content are the columns in which no two bookings of a row differ, but for its id.
func (t *tableOf) Content() string {
	var list []string
	for _, c := range t.stored() {
		if c.kind != "id" && !slices.Contains(t.ofBooking, c.Name) {
			for _, n := range c.names() {
				list = append(list, n.name)
			}
		}
	}
	return wrap(list)
}

// wrap joins a list in lines that are not too long.
func wrap(list []string) string {
	const width = 120
	var text strings.Builder
	line := 30 // the name of what it is
	for i, s := range list {
		line += len(s) + 2
		switch {
		case i == 0:
		case line > width:
			text.WriteString(",\n\t")
			line = len(s)
		default:
			text.WriteString(", ")
		}
		text.WriteString(s)
	}
	return text.String()
}
