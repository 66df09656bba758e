package wire

import (
	"strings"
	"testing"

	"ristourne/rules"
)

// withCheckDigit appends the digit that makes a number Luhn-valid.
func withCheckDigit(digits string) string {
	for check := '0'; check <= '9'; check++ {
		whole := []byte(digits + string(check))
		for i := range whole {
			whole[i] -= '0'
		}
		if luhn(whole) {
			return digits + string(check)
		}
	}
	panic("one of ten check digits always fits")
}

// ofLength is a Luhn-valid number with a prefix.
func ofLength(prefix string, n int) string {
	return withCheckDigit(prefix + strings.Repeat("7", n-1-len(prefix)))
}

// TestSchemes tries each scheme's prefixes at the ends of their ranges and
// beyond, and each length.
func TestSchemes(t *testing.T) {
	t.Parallel()
	only := func(lengths ...int) (set uint32) {
		for _, n := range lengths {
			set |= 1 << n
		}
		return set
	}
	for _, c := range []struct {
		prefix  string
		lengths uint32
	}{
		{"4", only(13, 16, 19)},
		{"51", only(16)},
		{"55", only(16)},
		{"57", 0},
		{"2220", 0},
		{"2221", only(16)},
		{"2720", only(16)},
		{"2721", 0},
		{"33", 0},
		{"34", only(15)},
		{"37", only(15)},
		{"3527", 0},
		{"3528", from16},
		{"3589", from16},
		{"3590", 0},
		{"300", from14},
		{"305", from14},
		{"306", 0},
		{"3095", from14},
		{"36", from14},
		{"38", from14},
		{"39", from14},
		{"6010", 0},
		{"6011", from16},
		{"643", 0},
		{"644", from16},
		{"649", from16},
		{"65", from16},
		{"61", 0},
		{"62", from16},
		{"2199", 0},
		{"2200", from16},
		{"2204", from16},
		{"2205", 0},
		{"5018", from12},
		{"5019", only(16)},
		{"5020", from12},
		{"5038", from12},
		{"5893", from12},
		{"6304", from12},
		{"6759", from12},
		{"6760", 0},
		{"6761", from12},
		{"6763", from12},
		{"6764", 0},
		{"676770", from12},
		{"676774", from12},
		{"0", 0},
		{"1", 0},
		{"7", 0},
		{"8", 0},
		{"9", 0},
	} {
		for n := 8; n <= 24; n++ {
			s := ofLength(c.prefix, n)
			if got, want := holdsCardNumber(s), c.lengths>>n&1 == 1; got != want {
				t.Errorf("%s (%d digits): %v", s, n, got)
			}
			if wrong := s[:n-1] + string('0'+(s[n-1]-'0'+1)%10); holdsCardNumber(wrong) {
				t.Errorf("%s is not Luhn-valid, and is taken for a card number", wrong)
			}
		}
	}
}

func TestHoldsCardNumber(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		visa, "4012888888881881", "5555555555554444", "2223003122003222", "378282246310005", "6011111111111117",
		"3056930009020004", "30569309025904", "3530111333300000", "6200000000000005", "4222222222222",
		"4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"4111  1111 - 1111--1111", "4111\u00a01111\u202f1111\u20091111", "4111\u20131111\u20141111\u22121111",
		"4111\t1111\n1111 1111", " 4111111111111111 ", "card:4111111111111111.", "tok4111111111111111x", "(4111111111111111)",
		"4111 1111 1111 1111 12/27", "4111 1111 1111 1111 123", "12 4111 1111 1111 1111", "1227-4111111111111111-123",
		"4111111111111111=27121010000", "no 1, then 4111111111111111", "D4111111111111111", "5 4 4111111111111111 1 1",
		"éé4111111111111111éé", "00000000000000000000 4111111111111111",
	} {
		if !holdsCardNumber(s) {
			t.Errorf("%q is let pass", s)
		}
	}
	for _, s := range []string{
		"", "4111", "411111111111111", "4111111111111112", "41111111111111111", "0004111111111111111", "41111111111111110000",
		"4111.1111.1111.1111", "4111/1111/1111/1111", "4111_1111_1111_1111", "4111a1111b1111c1111", "411111 111é1111111",
		"CARREFOUR MARKET 69003 LYON", "+33 4 78 37 12 34", "SIRET 732 829 320 00074", "2025-11-22T08:31:20.125+01:00",
		"550e8400-e29b-41d4-a716-446655440000", "cafe-4111-1111-1111-1111-cafe-0123", // looks like a UUID, see below
	} {
		if holdsCardNumber(s) {
			t.Errorf("%q is taken for a card number", s)
		}
	}
}

// TestRandomHexIsNoCardNumber: hashes and UUIDs as tokens must pass even where
// their digits make up a number; short hexadecimal must not hide one.
func TestRandomHexIsNoCardNumber(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"af" + visa + strings.Repeat("b", 6):     false, // 24 hexadecimal digits
		"af" + visa + strings.Repeat("b", 5):     true,  // 23
		"a" + visa + strings.Repeat("1", 7):      false, // no group of digits is a number
		visa + "-a2345678":                       true,  // 24 and 25 digits, one letter
		visa + "-a234567b":                       false,
		"tok_ab" + visa + "cdef012":              false, // the prefix is no part of the hash
		visa + " deadbeef":                       true,  // a space ends the word
		"4111-1111-1111-1111-abcdefab":           false,
		"ffffffff-ffff-4111-8111-11111111111f":   false,
		"ghijklmnopqrstuvwxyz" + visa + "ghijkl": true,
	} {
		if got := holdsCardNumber(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestCountDigits(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		s := strings.Repeat(string([]byte{byte(c)}), 13)
		want := 0
		if c >= '0' && c <= '9' {
			want = 13
		}
		if got := countDigits(s); got != want {
			t.Errorf("%q: %d digits", s, got)
		}
	}
	for n := 8; n < 40; n++ {
		for d := 0; d <= n; d++ {
			if got := countDigits(strings.Repeat("5", d) + strings.Repeat("x", n-d)); got != d {
				t.Errorf("%d of %d: %d", d, n, got)
			}
		}
	}
}

func TestAllowedToken(t *testing.T) {
	t.Parallel()
	ranges := []rules.TokenRange{{Prefix: "4111", Length: 16}, {Prefix: "99", Length: 19}}
	for s, want := range map[string]bool{
		visa: true, "4111-1111-1111-1111": true, "9912345678901234567": true, "4222222222222": false,
		"4111111111111111x": false, "x4111111111111111": false, "4111 1111 1111 1111 1": false, "": false,
		strings.Repeat("9", 64): false, strings.Repeat("9", 200): false,
	} {
		if got := allowedToken(s, ranges); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
