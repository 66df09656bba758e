package wire

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// visa is a number that the schemes give out for tests.
const visa = "4111111111111111"

func assertEqual[T any](t testing.TB, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// assertFault looks for a fault of reason at field; for none where reason is
// empty.
func assertFault(t testing.TB, name string, fault *Fault, reason, field string) {
	t.Helper()
	switch {
	case reason == "" && fault != nil:
		t.Errorf("%s: refused: %s", name, fault)
	case reason != "" && fault == nil:
		t.Errorf("%s: accepted; want %s at %s", name, reason, field)
	case reason != "" && (fault.Reason != reason || fault.Field != field || fault.Detail == ""):
		t.Errorf("%s: %s; want %s at %s", name, fault, reason, field)
	}
}

// sample is an object whose values are written as the test wants them, sound
// or not.
type sample map[string]string

func parseObject(t testing.TB, text string) sample {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	s := sample{}
	for name, value := range raw {
		s[name] = string(value)
	}
	return s
}

// with is a copy in which the field at path ("merchant.id") is raw; without
// the field where raw is empty.
func (s sample) with(path, raw string) sample {
	s = maps.Clone(s)
	if outer, inner, nested := strings.Cut(path, "."); nested {
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(s[outer]), &object); err != nil {
			panic(err)
		}
		fields := sample{}
		for name, value := range object {
			fields[name] = string(value)
		}
		s[outer] = string(fields.with(inner, raw).bytes())
		return s
	}
	if s[path] = raw; raw == "" {
		delete(s, path)
	}
	return s
}

func (s sample) bytes() []byte {
	b := []byte("{")
	for i, name := range slices.Sorted(maps.Keys(s)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `"`+name+`":`+s[name]...)
	}
	return append(b, '}')
}

func quoted(s string) string { return `"` + s + `"` }

func chars(n int) string { return quoted(strings.Repeat("x", n)) }

// itemList is a list of n items.
func itemList(n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(`{"amount_minor":1},`, n), ",") + "]"
}

// fieldCase puts raw at field and wants reason there; items are given whole.
type fieldCase struct{ field, raw, reason string }

func runFieldCases(t *testing.T, cases []fieldCase, base sample, decode func(value []byte) *Fault) {
	t.Helper()
	for _, c := range cases {
		path, _, _ := strings.Cut(c.field, "[")
		name := c.field + "=" + c.raw
		if len(name) > 80 {
			name = name[:80]
		}
		assertFault(t, name, decode(base.with(path, c.raw).bytes()), c.reason, c.field)
	}
}
