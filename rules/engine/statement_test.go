package engine

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ristourne/rules/sepa"
)

// FuzzStatement holds whatever a name is to the letters and the length that a
// bank takes.
func FuzzStatement(f *testing.F) {
	for _, text := range []string{"", "Crédit", strings.Repeat("Θ", 200), strings.Repeat("é", 141), "a\u0301\xff", "\u0301", strings.Repeat("x", 139) + "Щ"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := cutStatement(sepa.Letters(text))
		if n := utf8.RuneCountInString(written); n > maxStatementRunes || n != len(written) {
			t.Errorf("%q is written in %d letters and %d bytes", text, n, len(written))
		}
		for _, r := range written {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ", r) {
				t.Errorf("%q is written %q, with %q", text, written, r)
			}
		}
		if again := cutStatement(sepa.Letters(written)); again != written {
			t.Errorf("%q is written %q, and that again %q", text, written, again)
		}
		if plain := cutStatement(text); utf8.RuneCountInString(plain) > maxStatementRunes {
			t.Errorf("%q is cut to %q", text, plain)
		}
	})
}
