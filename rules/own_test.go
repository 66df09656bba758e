package rules_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"ristourne/rules"
)

// What an account keeps outlives the buffer of its batch: none of a record's strings
// may point there any more. Fields are found by reflection, so that a new one can't
// be forgotten.
func TestARecordsOwnTextsShareNothing(t *testing.T) {
	t.Parallel()
	n := 0
	for _, r := range []rules.Record{
		{Event: &rules.Event{Items: make([]rules.Item, 2)}},
		{Fact: &rules.Fact{CardTokens: make([]string, 2), Segments: make([]string, 1)}},
		{Referral: new(rules.Referral)},
	} {
		var texts []string
		buffer := map[*byte]bool{}
		eachString(reflect.ValueOf(&r), func(s reflect.Value) {
			n++
			s.SetString(string([]byte{'x', byte(n), 'y'}[:1+n%3]))
			texts = append(texts, strings.Clone(s.String()))
			buffer[unsafe.StringData(s.String())] = true
		})
		r.Own()
		var own []string
		eachString(reflect.ValueOf(&r), func(s reflect.Value) {
			own = append(own, s.String())
			if buffer[unsafe.StringData(s.String())] {
				t.Errorf("%+v still has %q of its buffer", r, s)
			}
		})
		if !slices.Equal(texts, own) {
			t.Errorf("%q became %q", texts, own)
		}
	}
}

func eachString(v reflect.Value, do func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachString(v.Elem(), do)
		}
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
