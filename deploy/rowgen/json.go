package main

import (
	"slices"
	"strings"
)

// told is a column as JSON has it.
type told struct {
	field
	Name, Column, Type, Value string // Name is JSON's in Go
}

// JSON are the columns of the row as they leave the house: all but references and
// what is kept in the outbox alone.
func (t *tableOf) JSON() (list []told) {
	var add func(fields []field)
	add = func(fields []field) {
		for _, f := range fields {
			switch {
			case slices.Contains(t.untold, f.Path):
			case f.kind == "struct":
				add(inOrder(f.Fields))
			case f.column != "" && f.json != "":
				list = append(list, told{f, exported(f.column), f.column, f.jsonType(), f.fill(f.json, "row."+f.Path)})
			}
		}
	}
	fields, err := fieldsOf(t.row, "")
	if err != nil {
		panic(err) // they were read before
	}
	add(fields)
	if slices.Contains(t.given, "engine") {
		list = append(list, told{Name: "Engine", Column: "engine", Type: "string", Value: given["engine"].value})
	}
	return list
}

// inOrder has the instant of a cause before the rest of it.
func inOrder(fields []field) []field {
	at := slices.IndexFunc(fields, func(f field) bool { return f.kind == "millis" })
	if at < 0 {
		return fields
	}
	return slices.Concat(fields[at:at+1], fields[:at], fields[at+1:])
}

// Rare reports that it is left out where there is none.
func (t told) Rare() bool { return t.kind == "rare" }

func (f *field) jsonType() string {
	switch f.kind {
	case "int64", "int32", "uint64", "rising", "bool", "words":
		return f.typ.String()
	}
	return "string"
}

// exported makes an exported name of Go of a column's.
func exported(column string) string {
	var name strings.Builder
	for _, part := range strings.Split(column, "_") {
		switch part {
		case "id", "mcc":
			part = strings.ToUpper(part)
		case "ids":
			part = "IDs"
		default:
			part = strings.ToUpper(part[:1]) + part[1:]
		}
		name.WriteString(part)
	}
	return name.String()
}

// Field is the row's own field.
func (t told) Field() string { return t.field.Name }

// Appended is the call that appends the value to dst as JSON.
func (t told) Appended() string {
	switch {
	case t.kind == "millis":
		return "appendMillis(dst, row." + t.Path + ")"
	case t.Type == "int64" || t.Type == "int32":
		return "strconv.AppendInt(dst, " + t.fill("$i", t.Value) + ", 10)"
	}
	return "jsontext.AppendString(dst, " + t.Value + ")"
}

// IsInstant reports that the text may be no instant, which its reader must tell of.
func (t told) IsInstant() bool { return t.kind == "millis" }

// Parsed is the field's value, of the text in f.
func (t told) Parsed() string {
	switch t.kind {
	case "enum":
		return "named(rules.Parse" + t.typ.Name() + "(f." + t.Name + "))"
	case "currency":
		return "parseCurrency(f." + t.Name + ")"
	}
	return "f." + t.Name
}
