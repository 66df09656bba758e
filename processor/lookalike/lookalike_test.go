package lookalike_test

import (
	"testing"

	"ristourne/processor/lookalike"
)

func TestLookAlikes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ a, b, differ string }{
		{"0012", "12", "leading zeros"},
		{"0000", "0", "leading zeros"},
		{"12 34", "1234", "a space or a character that can't be seen"},
		{"1234\u00a0", "1234", "a space or a character that can't be seen"},
		{"\ufeff1234", "12\u200b34", "a space or a character that can't be seen"},
		{"shop", "SHOP", "capitals"},
		{"00 shop", "SHOP", "leading zeros, spaces or capitals"},
		{"SHOP", "SH0P", "letters that look alike (O and 0, I and 1, Latin and Cyrillic)"},
		{"M1", "Ml", "letters that look alike (O and 0, I and 1, Latin and Cyrillic)"},
		{"SHOP", "ЅНОР", "letters that look alike (O and 0, I and 1, Latin and Cyrillic)"},
		{"A1", "Α1", "letters that look alike (O and 0, I and 1, Latin and Cyrillic)"},
		{"１２", "12", "letters that look alike (O and 0, I and 1, Latin and Cyrillic)"},
		{"a-1", "a–1", "letters that look alike (O and 0, I and 1, Latin and Cyrillic)"},
	} {
		if a, b := lookalike.Skeleton(test.a), lookalike.Skeleton(test.b); a != b {
			t.Errorf("%q and %q have the skeletons %q and %q", test.a, test.b, a, b)
		}
		if got := lookalike.Difference(test.a, test.b); got != test.differ {
			t.Errorf("%q and %q differ by %s, want %s", test.a, test.b, got, test.differ)
		}
	}
	for _, test := range [][2]string{{"1234", "1243"}, {"100", "1"}, {"acc-1", "acc-2"}, {"12", "1-2"}, {"MA1", "MB1"}} {
		if lookalike.Skeleton(test[0]) == lookalike.Skeleton(test[1]) {
			t.Errorf("%q and %q have one skeleton", test[0], test[1])
		}
	}
}
