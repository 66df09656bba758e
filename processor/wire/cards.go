package wire

import (
	"math/bits"
	"unicode"
	"unicode/utf8"

	"ristourne/rules"
)

// The shortest and the longest card number of any scheme, in digits.
const (
	minCardDigits = 12
	maxCardDigits = 19
)

// scheme is a range of first digits, padded to six, and the lengths that its
// numbers have.
type scheme struct {
	first, last uint32
	lengths     uint32 // bit per length
}

// schemes are the ranges whose numbers are refused. Cartes Bancaires numbers
// lie in those of Visa and Mastercard. Of Maestro only the ranges in use are
// here: all of 50 and 56 to 69 would take one reference number in seventy.
var schemes = [...]scheme{
	{400000, 499999, 1<<13 | 1<<16 | 1<<19}, // Visa
	{510000, 559999, 1 << 16},               // Mastercard
	{222100, 272099, 1 << 16},               // Mastercard
	{340000, 349999, 1 << 15},               // American Express
	{370000, 379999, 1 << 15},               // American Express
	{300000, 305999, from14},                // Diners Club
	{309500, 309599, from14},                // Diners Club
	{360000, 369999, from14},                // Diners Club
	{380000, 399999, from14},                // Diners Club
	{352800, 358999, from16},                // JCB
	{601100, 601199, from16},                // Discover
	{644000, 659999, from16},                // Discover
	{620000, 629999, from16},                // UnionPay
	{220000, 220499, from16},                // Mir
	{501900, 501999, 1 << 16},               // Dankort
	{501800, 501899, from12},                // Maestro
	{502000, 502099, from12},                // Maestro
	{503800, 503899, from12},                // Maestro
	{589300, 589399, from12},                // Maestro
	{630400, 630499, from12},                // Maestro
	{675900, 675999, from12},                // Maestro
	{676100, 676399, from12},                // Maestro
	{676770, 676770, from12},                // Maestro
	{676774, 676774, from12},                // Maestro
}

const (
	from12 = 1<<20 - 1<<12
	from14 = 1<<20 - 1<<14
	from16 = 1<<20 - 1<<16
)

// holdsCardNumber reports whether s holds a card number: a scheme's prefix,
// its length, Luhn-valid, spaces and dashes between the digits ignored.
//
// A number begins and ends where a group of digits does, so one that is
// followed by its expiry ("4111 1111 1111 1111 12/27") is found, and no number
// is seen in the middle of a longer reference.
func holdsCardNumber(s string) bool {
	return len(s) >= minCardDigits && countDigits(s) >= minCardDigits && findCardNumber(s)
}

// countDigits counts the ASCII digits of s, which has 8 bytes at least. The
// last word overlaps the one before.
func countDigits(s string) int {
	n, i := 0, 0
	for ; len(s)-i >= 8; i += 8 {
		n += bits.OnesCount64(digitMarks(word(s, i)))
	}
	if rest := len(s) - i; rest > 0 {
		n += bits.OnesCount64(digitMarks(word(s, len(s)-8)) >> (64 - 8*rest))
	}
	return n
}

// digitMarks sets the high bit of each byte of x that is an ASCII digit.
func digitMarks(x uint64) uint64 {
	low := x & ^uint64(highs)
	return (low + ones*(0x80-'0')) & ^(low + ones*(0x80-'9'-1)) & ^x & highs
}

func findCardNumber(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			continue
		}
		if cardNumberAt(s, i) {
			return true
		}
		for i+1 < len(s) && s[i+1]-'0' <= 9 {
			i++
		}
	}
	return false
}

// cardNumberAt reports whether a card number begins with the group of digits
// at start and ends with that or a later one.
func cardNumberAt(s string, start int) bool {
	var digits [maxCardDigits]byte
	n := 0
	for i := start; ; {
		for ; i < len(s) && s[i]-'0' <= 9; i++ {
			if n == maxCardDigits {
				return false
			}
			digits[n] = s[i] - '0'
			n++
		}
		if isCardNumber(digits[:n]) && !inRandomHex(s, start, i) {
			return true
		}
		for i < len(s) && s[i]-'0' > 9 {
			r, size := utf8.DecodeRuneInString(s[i:])
			if !separates(r) {
				return false
			}
			i += size
		}
		if i == len(s) {
			return false
		}
	}
}

// separates reports the signs that people and forms put between digits:
// spaces and dashes of any kind.
func separates(r rune) bool {
	return r == ' ' || r == '-' || r == '\u2212' || unicode.IsSpace(r) || unicode.Is(unicode.Pd, r)
}

func isCardNumber(digits []byte) bool {
	if len(digits) < minCardDigits {
		return false
	}
	prefix := uint32(0)
	for _, digit := range digits[:6] {
		prefix = prefix*10 + uint32(digit)
	}
	for _, s := range schemes {
		if prefix >= s.first && prefix <= s.last && s.lengths>>len(digits)&1 == 1 {
			return luhn(digits)
		}
	}
	return false
}

func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		digit := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return sum%10 == 0
}

// inRandomHex reports whether s[start:end] lies in a word of at least 24
// hexadecimal digits and dashes, two letters among them: a UUID or a hash.
// One SHA-256 in three thousand holds digits that pass for a card number; that
// card's purchases would never earn.
func inRandomHex(s string, start, end int) bool {
	for start > 0 && isHexOrDash(s[start-1]) {
		start--
	}
	for end < len(s) && isHexOrDash(s[end]) {
		end++
	}
	letters, all := 0, 0
	for i := start; i < end; i++ {
		switch c := s[i]; {
		case !isHexOrDash(c):
			return false // a space between the digits: no word
		case c >= 'A':
			letters++
			all++
		case c != '-':
			all++
		}
	}
	return all >= 24 && letters >= 2
}

func isHexOrDash(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f' || c == '-'
}

// allowedToken reports whether s as a whole is a token of a range that the
// programme allows.
func allowedToken(s string, ranges []rules.TokenRange) bool {
	if len(ranges) == 0 {
		return false
	}
	var digits [64]byte
	n := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9' && n < len(digits):
			digits[n] = byte(r)
			n++
		case !separates(r):
			return false
		}
	}
	for _, r := range ranges {
		if n == r.Length && n >= len(r.Prefix) && string(digits[:len(r.Prefix)]) == r.Prefix {
			return true
		}
	}
	return false
}
