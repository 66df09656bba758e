package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"

	"ristourne/rules"
)

// checkFault holds whatever is refused to what a Fault promises.
func checkFault(t *testing.T, value []byte, fault *Fault) {
	t.Helper()
	if fault.Reason == "" || fault.Detail == "" || !utf8.ValidString(fault.Field) {
		t.Fatalf("a fault that tells nothing: %+v", fault)
	}
	isObject := json.Valid(value) && bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{"))
	if fault.Reason == ReasonJSON && isObject {
		t.Fatalf("refused as no JSON, and it is: %s", fault)
	}
	if fault.KeepBytes && (!isObject || !utf8.Valid(value)) {
		t.Fatalf("bytes of what is no JSON are kept: %s", fault)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(canonicalEvent))
	d := NewDecoder(Options{NoKeys: true})
	f.Fuzz(func(t *testing.T, value []byte) {
		d.Reset()
		var ev rules.Event
		if fault := d.Event(value, nil, -1, &ev); fault != nil {
			checkFault(t, value, fault)
			return
		}
		if want := slowEvent(t, value); !sameEvent(ev, want) {
			t.Fatalf("got  %+v\nwant %+v", ev, want)
		}
		Seal(&ev)
		d.MayKeep(value)
	})
}

func FuzzFact(f *testing.F) {
	for kind := range factSamples {
		f.Add(factOf(f, kind).bytes())
	}
	d := NewDecoder(Options{NoKeys: true})
	f.Fuzz(func(t *testing.T, value []byte) {
		d.Reset()
		var got rules.Fact
		if fault := d.Fact(value, nil, -1, &got); fault != nil {
			checkFault(t, value, fault)
			return
		}
		want := slowFact(t, value)
		want.ContentHash = hashFact(&want)
		if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

func FuzzResult(f *testing.F) {
	f.Add([]byte(`{"instruction_id":"Ab-9","account_id":"a1","status":"settled","reason":"AC04","at":"2025-11-22T08:31:20Z"}`))
	d := NewDecoder(Options{NoKeys: true})
	f.Fuzz(func(t *testing.T, value []byte) {
		d.Reset()
		var got rules.Result
		if fault := d.Result(value, nil, -1, &got); fault != nil {
			checkFault(t, value, fault)
			return
		}
		assertEqual(t, got, slowResult(t, value))
	})
}

func FuzzReferral(f *testing.F) {
	f.Add([]byte(canonicalReferral))
	d := NewDecoder(Options{NoKeys: true})
	f.Fuzz(func(t *testing.T, value []byte) {
		d.Reset()
		var got rules.Referral
		if fault := d.Referral(value, nil, -1, &got); fault != nil {
			checkFault(t, value, fault)
			return
		}
		assertEqual(t, got, slowReferral(t, value))
	})
}

func FuzzCardNumber(f *testing.F) {
	f.Add("refund to 4111 1111 1111 1111 12/27")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 80 {
			return // the slow way takes the cube of it
		}
		if got, want := holdsCardNumber(s), slowHoldsCardNumber(s); got != want {
			t.Fatalf("%q: %v, want %v", s, got, want)
		}
	})
}
