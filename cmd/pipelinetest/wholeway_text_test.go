package pipelinetest

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf16"
)

// chancer draws at random; the same seed and calls give the same.
type chancer struct{ *rand.Rand }

// in reports true in about percent of all calls.
func (c chancer) in(percent int) bool { return c.IntN(100) < percent }

// between is a number from low to high, often one of both.
func (c chancer) between(low, high int) int {
	switch c.IntN(10) {
	case 0:
		return low
	case 1:
		return high
	}
	return low + c.IntN(high-low+1)
}

func pickOf[T any](c chancer, from ...T) T { return from[c.IntN(len(from))] }

// alphabets are what ids and texts are made of: whatever JSON can hold.
var alphabets = [][]rune{
	[]rune("abcdefghijklmnopqrstuvwxyz0123456789-_."),
	[]rune("ABCXYZ0189 /,;:|'\"\\<>&{}[]%$#\t"),
	[]rune("éèçßøœ€ÀŁİı"),
	[]rune("МОСКВАкасса東京駅店ญี่ปุ่น"),
	{0x1F600, 0x1F469, 0x200D, 0x1F4BB, 0x10FFFF, 0x1D11E},
	{0x0000, 0x0001, 0x001F, 0x007F, 0x0085, 0x00A0, 0x200B, 0x202E, 0x2028, 0xFEFF, 0xFFFD, 0x0301, 0x00AD},
}

// text has 1 to most characters, and most of them often.
func (c chancer) text(most int) string {
	n := min(most, 1+c.IntN(12))
	if c.in(30) {
		n = most
	}
	alphabet := alphabets[0]
	if c.in(50) {
		alphabet = pickOf(c, alphabets...)
	}
	var b strings.Builder
	for range n {
		b.WriteRune(pickOf(c, alphabet...))
	}
	return b.String()
}

// textOfBytes has at most the given bytes of UTF-8, none of them a control
// character, and something beside spaces.
func (c chancer) textOfBytes(most int) string {
	alphabet := pickOf(c, alphabets[0], alphabets[2], alphabets[3], alphabets[4])
	long := c.in(40)
	var b strings.Builder
	for long || b.Len() == 0 || c.in(85) {
		r := pickOf(c, alphabet...)
		if b.Len()+len(string(r)) > most {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// quoted writes a text as JSON, now and then with nothing but escapes.
func (c chancer) quoted(s string) string {
	if c.in(10) {
		var b strings.Builder
		b.WriteByte('"')
		for _, unit := range utf16.Encode([]rune(s)) {
			const digits = "0123456789aBcDeF"
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(digits[unit>>shift&15])
			}
		}
		return b.String() + `"`
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // a text can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// instant writes an instant as RFC 3339 allows it.
func (c chancer) instant(at time.Time) string {
	layout := "2006-01-02T15:04:05." + strings.Repeat("0", c.between(1, 9)) + "Z07:00"
	if c.in(40) {
		layout = time.RFC3339
	}
	zone := time.UTC
	if c.in(40) {
		zone = time.FixedZone("", pickOf(c, 3600, 20_700, -12_600, 14*3600, -12*3600, 23*3600+59*60, -23*3600-59*60))
	}
	if at = at.In(zone); at.Year() < 1 || at.Year() > 9999 {
		at = at.UTC()
	}
	return at.Format(layout)
}
