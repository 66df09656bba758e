package sepa_test

import (
	"testing"

	"pgregory.net/rapid"

	"ristourne/rules/sepa"
)

func TestLettersAsTheirTableHasThem(t *testing.T) {
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
		if got := sepa.Letters(text); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
}

// TestIBANs: those of the standard's own register, and what a person makes of them.
func TestIBANs(t *testing.T) {
	t.Parallel()
	for _, sound := range []string{
		"FR1420041010050500013M02606", "DE89370400440532013000", "GB29NWBK60161331926819", "NO9386011117947", "MT84MALT011000012345MTLCAST001S",
	} {
		if err := sepa.CheckIBAN(sound); err != nil {
			t.Errorf("%s: %v", sound, err)
		}
	}
	for _, wrong := range []string{
		"", "FR14", "FR1420041010050500013M02607", "DE98370400440532013000", "DE89370400440532031000", "de89370400440532013000",
		"DE89 3704 0044 0532 0130 00", "DE8937040044053201300É", "NO938601111794", "1489370400440532013000",
	} {
		if sepa.CheckIBAN(wrong) == nil {
			t.Errorf("%q is taken for an IBAN", wrong)
		}
	}
}

// TestOneWrongDigitIsFound: MOD 97-10 finds each digit that is wrong.
func TestOneWrongDigitIsFound(t *testing.T) {
	t.Parallel()
	const sound = "DE89370400440532013000"
	rapid.Check(t, func(t *rapid.T) {
		at, by := rapid.IntRange(2, len(sound)-1).Draw(t, "at"), byte('0'+rapid.IntRange(0, 9).Draw(t, "digit"))
		wrong := []byte(sound)
		wrong[at] = by
		if (sepa.CheckIBAN(string(wrong)) == nil) != (sound[at] == by) {
			t.Errorf("%s", wrong)
		}
	})
}

func TestBICs(t *testing.T) {
	t.Parallel()
	for bic, sound := range map[string]bool{"AGRIFRPP": true, "DEUTDEFF500": true, "AGRIFRP": false, "agrifrpp": false, "AGRI1RPP": false, "DEUTDEFF50": false, "": false} {
		if (sepa.CheckBIC(bic) == nil) != sound {
			t.Errorf("%q", bic)
		}
	}
}
