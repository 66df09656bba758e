package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"ristourne/processor/sourcefile"
)

// File is a configuration file with the place of each key, and every fault
// found so far: a person mends them in one go.
type File struct {
	path   string
	places map[string]*yaml.Node // by dotted key
	unread map[string]bool       // keys whose value is none, so that nothing more can be said of it
	Faults []sourcefile.Fault
}

// decodeYAML reads text into the struct that into points to. Keys that the
// struct does not have, keys given twice and values of another type are faults.
func decodeYAML(path string, text []byte, into any) *File {
	f := &File{path: path, places: make(map[string]*yaml.Node), unread: make(map[string]bool)}
	lines := &sourcefile.LineReader{Rest: text}
	decoder := yaml.NewDecoder(lines)
	var document, another yaml.Node
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		f.Faults, f.unread[""] = append(f.Faults, sourcefile.Fault{Line: max(lines.Line, 1), Column: 1, Message: sourcefile.YAMLProblem(err)}), true
		return f
	}
	if len(document.Content) > 0 {
		f.decode("", document.Content[0], reflect.ValueOf(into).Elem())
	}
	if err := decoder.Decode(&another); !errors.Is(err, io.EOF) {
		f.Faults = append(f.Faults, sourcefile.Fault{Line: max(another.Line, 1), Column: max(another.Column, 1), Message: "a second document (after ---): one file is one configuration"})
	}
	return f
}

// cannotRead is the fault of a value of the wrong kind.
func (f *File) cannotRead(key, format string, args ...any) {
	f.fault(key, format, args...)
	f.unread[key] = true
}

// need reports a fault of the key unless ok.
func (f *File) need(ok bool, key, format string, args ...any) {
	if !ok && !f.unread[key] {
		f.fault(key, format, args...)
	}
}

// needAddresses wants at least one host:port.
func (f *File) needAddresses(key string, addresses []string, such string) {
	f.need(len(addresses) > 0, key, "none given: name at least one host:port, such as %s", such)
	for i, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || !isPort(port) {
			f.faultAt(key+"."+strconv.Itoa(i), key, "%q is not host:port, such as %s", address, such)
		}
	}
}

func (f *File) fault(key, format string, args ...any) { f.faultAt(key, key, format, args...) }

// faultAt reports a fault of the key at another place, such as an item of it.
func (f *File) faultAt(place, key, format string, args ...any) {
	fault := sourcefile.Fault{Line: 1, Column: 1, Message: strings.TrimPrefix(key+": ", ": ") + fmt.Sprintf(format, args...)}
	// A key that is missing is reported where its nearest parent stands.
	for at := place; at != ""; at = at[:max(0, strings.LastIndexByte(at, '.'))] {
		if node := f.places[at]; node != nil {
			fault.Line, fault.Column = node.Line, node.Column
			break
		}
	}
	f.Faults = append(f.Faults, fault)
}

// Err joins the faults in the order of the file.
func (f *File) Err() error {
	// Of one place in the order in which they were found: what is needed first, first.
	slices.SortStableFunc(f.Faults, func(a, b sourcefile.Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	errs := make([]error, len(f.Faults))
	for i, fault := range f.Faults {
		fault.File = f.path
		errs[i] = errors.New(fault.String())
	}
	return errors.Join(errs...)
}

func (f *File) decode(key string, node *yaml.Node, into reflect.Value) {
	f.places[key] = node
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Tag == "!!null" {
		return // a key without a value: the default
	}
	for i, item := range node.Content {
		if node.Kind == yaml.SequenceNode {
			f.places[key+"."+strconv.Itoa(i)] = item
		}
	}
	switch target := into.Addr().Interface().(type) {
	case *Secret:
		f.decodeSecret(key, node, target)
	case *time.Duration:
		d, err := time.ParseDuration(node.Value)
		if err != nil {
			f.cannotRead(key, "%q is not a duration: write such as 500ms, 10s, 2m", node.Value)
			return
		}
		*target = d
	default:
		if into.Kind() == reflect.Struct {
			f.decodeStruct(key, node, into)
			return
		}
		if into.Kind() == reflect.Slice && into.Type().Elem().Kind() == reflect.Struct {
			f.decodeList(key, node, into)
			return
		}
		// The library would cut a number with decimals.
		cut := into.Kind() == reflect.Int && node.Tag != "!!int"
		if err := node.Decode(into.Addr().Interface()); err != nil || cut {
			f.cannotRead(key, "must be %s", kindInWords(into))
		}
	}
}

func kindInWords(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		return "a list of texts, such as [a, b]"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	}
	return "a text"
}

// decodeList reads a list of structs.
func (f *File) decodeList(key string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		f.cannotRead(key, "must be a list, each with the keys %s", strings.Join(yamlKeys(into.Type().Elem()), ", "))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		f.decode(key+"."+strconv.Itoa(i), item, into.Index(i))
	}
}

func (f *File) decodeStruct(key string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.MappingNode {
		f.cannotRead(key, "must hold keys: %s", strings.Join(yamlKeys(into.Type()), ", "))
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

// decodeSecret takes the secret from where the file says. Nothing that stands
// here is told: it may be the secret itself.
func (f *File) decodeSecret(key string, node *yaml.Node, into *Secret) {
	*into = Secret{source: "nowhere"} // one fault is enough: it is not missing
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 || node.Content[1].Kind != yaml.ScalarNode || node.Content[1].Value == "" {
		f.fault(key, "secrets don't stand in the configuration: say {file: PATH} or {env: NAME}")
		return
	}
	var err error
	switch from := node.Content[1].Value; node.Content[0].Value {
	case "file":
		*into, err = secretFromFile(from, filepath.Dir(f.path))
	case "env":
		*into, err = secretFromEnv(from)
	default:
		err = errors.New("say where the secret is: {file: PATH} or {env: NAME}")
	}
	if err != nil {
		f.fault(key, "%v", err)
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
