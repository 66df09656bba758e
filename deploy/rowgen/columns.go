package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
)

// field is a field of a row type, or of a struct in one.
type field struct {
	form
	Name   string // in Go
	Path   string // from the row
	column string // as its tag has it, such as "recorded_at"; empty: the outbox alone has it
	typ    reflect.Type
	kind   string // its form's name; "struct" and "list": it has none, and fields
	tags   map[string]string
	Fields []field
}

// fieldsOf are the fields of a struct in their order, each with its tag.
func fieldsOf(t reflect.Type, path string) (fields []field, err error) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("row")
		name, options, _ := strings.Cut(tag, ",")
		of := field{Name: f.Name, Path: path + f.Name, column: strings.TrimPrefix(name, "-"), typ: f.Type, tags: map[string]string{}}
		for _, option := range strings.Split(options, ",") {
			key, value, _ := strings.Cut(option, "=")
			if key != "" && !slices.Contains(tagOptions, key) {
				return nil, fmt.Errorf("field %s of %s: its row tag says %q, which is none of %s", f.Name, t, key, strings.Join(tagOptions, ", "))
			}
			of.tags[key] = value
		}
		if of.kind, err = of.kindOf(); err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", f.Name, t, err)
		}
		switch of.kind {
		case "struct":
			of.Fields, err = fieldsOf(f.Type, of.Path+".")
		case "list":
			of.Fields, err = fieldsOf(f.Type.Elem(), "")
		default:
			of.form = forms[of.kind]
			if of.kind == "rising" {
				of.form = forms[f.Type.String()].with(of.form)
			}
			if !tagged {
				err = fmt.Errorf("%s.%s has no row tag: name its column, or \"-\" where the outbox alone keeps it", t, f.Name)
			}
		}
		if err != nil {
			return nil, err
		}
		fields = append(fields, of)
	}
	return fields, nil
}

// tagOptions are what doc.go tells of.
var tagOptions = append([]string{"optional", "in", "of", "since"}, tagKinds...)

// tagKinds name a form that the type doesn't tell.
var tagKinds = []string{"unique", "personal", "rising", "millis", "rare", "beneficiary"}

// kindOf is the name of the field's form: what its tag says, or else its type.
func (f *field) kindOf() (string, error) {
	for _, kind := range tagKinds {
		if _, says := f.tags[kind]; says {
			return kind, nil
		}
	}
	switch f.typ {
	case reflect.TypeFor[rules.AccrualID]():
		return "id", nil
	case reflect.TypeFor[rules.AccountRef]():
		return "ref", nil
	case reflect.TypeFor[money.Currency]():
		return "currency", nil
	case reflect.TypeFor[rules.Instant]():
		return "instant", nil
	case reflect.TypeFor[[]string]():
		return "words", nil
	case reflect.TypeFor[[]byte]():
		return "bytes", nil
	}
	switch kind := f.typ.Kind(); kind {
	case reflect.String, reflect.Int64, reflect.Int32, reflect.Uint64, reflect.Bool, reflect.Struct:
		return kind.String(), nil
	case reflect.Uint8:
		return "enum", nil
	case reflect.Slice:
		return "list", nil
	}
	return "", fmt.Errorf("no form is known for a %s: add one to forms.go", f.typ)
}

// fill fills a piece of a form in for a value.
func (f *field) fill(piece, value string) string {
	own, converted := "&"+value, func(to string) string { return to + "(" + value + ")" }
	asString, asInt64 := converted("string"), converted("int64")
	switch {
	case f.typ == reflect.TypeFor[string]():
		asString = value
	case f.typ == reflect.TypeFor[int64]():
		asInt64 = value
	case f.typ.PkgPath() != "":
		own = "(*" + f.typ.Kind().String() + ")(&" + value + ")"
	}
	return strings.NewReplacer("$v", value, "$s", asString, "$i", asInt64, "$p", own,
		"$max", fmt.Sprint(f.most()), "$last", "last."+lower(f.Name)).Replace(piece)
}

// most is the last value of the field's enum: String panics, or makes a name up, for
// those behind it.
func (f *field) most() (most int) {
	if f.kind != "enum" {
		return 0
	}
	defer func() { _ = recover() }()
	for v := range 256 {
		value := reflect.New(f.typ).Elem()
		value.SetUint(uint64(v))
		_ = value.Interface().(fmt.Stringer).String()
		most = v
	}
	return most
}

// zeroIsValue reports that zero is a value of the field's enum.
func (f *field) zeroIsValue() bool {
	_, optional := f.tags["optional"]
	return optional || reflect.Zero(f.typ).Interface().(fmt.Stringer).String() != ""
}

func lower(name string) string {
	if name == strings.ToUpper(name) {
		return strings.ToLower(name)
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// camel makes a name of Go of a column's.
func camel(column string) string {
	if column == "type" {
		return "typ" // the other is a word of Go
	}
	first, rest, more := strings.Cut(column, "_")
	if !more {
		return first
	}
	return first + exported(rest)
}

func words(list string) []string { return strings.Fields(list) }
