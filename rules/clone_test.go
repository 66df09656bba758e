package rules_test

import (
	"reflect"
	"testing"
	"unsafe"

	"ristourne/rules"
)

// A clone must outlive the buffer of its batch: none of its strings may point
// where the original's do. Fields are found by reflection, so that a new one
// can't be forgotten.
func TestClonesShareNothing(t *testing.T) {
	t.Parallel()
	n := 0
	event, fact := &rules.Event{Items: make([]rules.Item, 1)}, &rules.Fact{CardTokens: make([]string, 1), Segments: make([]string, 1)}
	for _, v := range []reflect.Value{reflect.ValueOf(event), reflect.ValueOf(fact)} {
		eachString(v, func(s reflect.Value) {
			n++
			s.SetString(string([]byte{'x', byte(n)}))
		})
	}
	for _, pair := range [][2]any{{event, event.Clone()}, {fact, fact.Clone()}} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%+v is cloned as %+v", pair[0], pair[1])
		}
		of := map[*byte]bool{}
		eachString(reflect.ValueOf(pair[0]), func(s reflect.Value) { of[unsafe.StringData(s.String())] = true })
		eachString(reflect.ValueOf(pair[1]), func(s reflect.Value) {
			if of[unsafe.StringData(s.String())] {
				t.Errorf("%T: the clone shares the string %q", pair[0], s)
			}
		})
	}
}

func eachString(v reflect.Value, do func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		eachString(v.Elem(), do)
	case reflect.Struct:
		for i := range v.NumField() {
			eachString(v.Field(i), do)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachString(v.Index(i), do)
		}
	case reflect.String:
		do(v)
	}
}
