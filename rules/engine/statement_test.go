package engine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSEPALettersAsTheirTableHasThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Cashback Lyon: Le Bouchon de la Mère Jeanne": "Cashback Lyon: Le Bouchon de la Mere Jeanne",
		"abcXYZ019 /-?:().,'+":                        "abcXYZ019 /-?:().,'+",
		"ÄÖÜäöüß ÅØÆ åøæ Œœ Ł ł Đ đ Þ þ":              "AOUaous AOA aoa Oo L l D d T t",
		"Škoda, Čeština, Żółć, İstanbul, ığ":          "Skoda, Cestina, Zolc, Istanbul, ig",
		"Ψωμί & Θάλασσα":                              "PSomi + THalassa",
		"Щастие Ъгъл Юли Жар":                         "SHTastie Agal YUli ZHar",
		"5 € _ ; ` \u2019 \u2013":                     "5 E - , ' ' -",
		"!\"#$%*<=>@[\\]^{|}~":                        "..................",
		"e\u0301 cafe\u0301":                          "e cafe",
		"日本 😀 a\u00a0b\tc":                            ".. . a b c",
		"\xff\xfe":                                    "..",
		"":                                            "",
	} {
		if got := sepaLetters(text); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
}

// FuzzStatement holds whatever a name is to the letters and the length that a
// bank takes.
func FuzzStatement(f *testing.F) {
	for _, text := range []string{"", "Crédit", strings.Repeat("Θ", 200), strings.Repeat("é", 141), "a\u0301\xff", "\u0301", strings.Repeat("x", 139) + "Щ"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := cutStatement(sepaLetters(text))
		if n := utf8.RuneCountInString(written); n > maxStatementRunes || n != len(written) {
			t.Errorf("%q is written in %d letters and %d bytes", text, n, len(written))
		}
		for _, r := range written {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ", r) {
				t.Errorf("%q is written %q, with %q", text, written, r)
			}
		}
		if again := cutStatement(sepaLetters(written)); again != written {
			t.Errorf("%q is written %q, and that again %q", text, written, again)
		}
		if plain := cutStatement(text); utf8.RuneCountInString(plain) > maxStatementRunes {
			t.Errorf("%q is cut to %q", text, plain)
		}
	})
}
