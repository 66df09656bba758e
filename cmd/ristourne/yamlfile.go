package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// yamlFile is a configuration file with the place of each key, and every fault
// found so far: a person mends them in one go.
type yamlFile struct {
	path   string
	places map[string]*yaml.Node // by dotted key
	faults []yamlFault
}

type yamlFault struct {
	line, column int
	message      string
}

// decodeYAML reads text into the struct that into points to. Keys that the
// struct does not have, keys given twice and values of another type are faults.
func decodeYAML(path string, text []byte, into any) *yamlFile {
	f := &yamlFile{path: path, places: make(map[string]*yaml.Node)}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		f.faults = append(f.faults, syntaxFault(err))
		return f
	}
	if len(document.Content) == 0 {
		return f
	}
	f.decode("", document.Content[0], reflect.ValueOf(into).Elem())
	return f
}

// syntaxFault takes the line out of "yaml: line 3: did not find ...".
func syntaxFault(err error) yamlFault {
	fault := yamlFault{line: 1, column: 1, message: strings.TrimPrefix(err.Error(), "yaml: ")}
	if n, _ := fmt.Sscanf(fault.message, "line %d:", &fault.line); n == 1 {
		_, fault.message, _ = strings.Cut(fault.message, ": ")
	}
	return fault
}

func (f *yamlFile) fault(key, format string, args ...any) {
	fault := yamlFault{line: 1, column: 1, message: key + ": " + fmt.Sprintf(format, args...)}
	// A key that is missing is reported where its nearest parent stands.
	for at := key; at != ""; at = at[:max(0, strings.LastIndexByte(at, '.'))] {
		if node := f.places[at]; node != nil {
			fault.line, fault.column = node.Line, node.Column
			break
		}
	}
	f.faults = append(f.faults, fault)
}

// err joins the faults in the order of the file.
func (f *yamlFile) err() error {
	slices.SortStableFunc(f.faults, func(a, b yamlFault) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return a.column - b.column
	})
	errs := make([]error, len(f.faults))
	for i, fault := range f.faults {
		errs[i] = fmt.Errorf("%s:%d:%d: %s", f.path, fault.line, fault.column, fault.message)
	}
	return errors.Join(errs...)
}

func (f *yamlFile) decode(key string, node *yaml.Node, into reflect.Value) {
	f.places[key] = node
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch target := into.Addr().Interface().(type) {
	case *secret:
		f.decodeSecret(key, node, target)
	case *time.Duration:
		d, err := time.ParseDuration(node.Value)
		if err != nil {
			f.fault(key, "%q is not a duration: write such as 500ms, 10s, 2m", node.Value)
			return
		}
		*target = d
	default:
		if into.Kind() == reflect.Struct {
			f.decodeStruct(key, node, into)
			return
		}
		if err := node.Decode(into.Addr().Interface()); err != nil {
			f.fault(key, "must be a %s", kindInWords(into))
		}
	}
}

func kindInWords(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		return "list of texts, such as [a, b]"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	}
	return "text"
}

func (f *yamlFile) decodeStruct(key string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.MappingNode {
		if node.Tag != "!!null" {
			f.fault(key, "must hold keys, such as %s", strings.Join(yamlKeys(into.Type()), ", "))
		}
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		child := strings.TrimPrefix(key+"."+name, ".")
		field, known := fieldByYAML(into, name)
		switch {
		case !known:
			f.places[child] = node.Content[i]
			f.fault(child, "unknown key: here stand %s", strings.Join(yamlKeys(into.Type()), ", "))
		case seen[name]:
			f.places[child] = node.Content[i]
			f.fault(child, "given twice")
		default:
			f.decode(child, node.Content[i+1], field)
		}
		seen[name] = true
	}
}

func (f *yamlFile) decodeSecret(key string, node *yaml.Node, into *secret) {
	var from struct{ File, Env string }
	if node.Kind != yaml.MappingNode || node.Decode(&from) != nil || (from.File == "") == (from.Env == "") {
		f.fault(key, "secrets don't stand in the configuration: say {file: PATH} or {env: NAME}")
		*into = secret{source: "nowhere", value: strings.Repeat(" ", 32)}
		return
	}
	var err error
	if from.File != "" {
		*into, err = secretFromFile(from.File, f.path)
	} else {
		*into, err = secretFromEnv(from.Env)
	}
	if err != nil {
		f.fault(key, "%v", err)
		into.value = strings.Repeat(" ", 32) // one fault is enough
	}
}

func fieldByYAML(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func yamlKeys(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}
