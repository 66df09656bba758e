package jsontext

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestAppendString compares with the standard library, also for what is no UTF-8.
func TestAppendString(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "s"))
		var got, want string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatalf("%q gives %s: %v", s, AppendString(nil, s), err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil || got != want {
			t.Fatalf("%q is read as %q, want %q, %v", s, got, want, err)
		}
	})
}
