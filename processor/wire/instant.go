package wire

import (
	"encoding/binary"

	"ristourne/rules"
)

// parseInstant reads an instant of RFC 3339 (see the package's documentation
// for its edges).
func parseInstant(s string) (rules.Instant, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") {
		return rules.Instant{}, false
	}
	// "2006-01-" and "02T15:04" and ":05": each byte less the one it should
	// be, so that digits are 0 to 9 and the signs between them 0.
	date := word(s, 0) ^ pattern("0000-00-")
	clock := (word(s, 8) | 0x20<<16) ^ pattern("00t00:00")
	if notDigits(date, pattern("\x76\x76\x76\x76\x7f\x76\x76\x7f"))|
		notDigits(clock, pattern("\x76\x76\x7f\x76\x76\x7f\x76\x76")) != 0 || s[16] != ':' {
		return rules.Instant{}, false
	}
	s1, s0 := s[17]-'0', s[18]-'0'
	year := int(pair(date, 0)*100 + pair(date, 2))
	month, day := int(pair(date, 5)), int(pair(clock, 0))
	hour, minute := int(pair(clock, 3)), int(pair(clock, 6))
	if s1 > 5 || s0 > 9 || hour > 23 || minute > 59 || !realDate(year, month, day) {
		return rules.Instant{}, false
	}
	second := int(s1)*10 + int(s0)
	nsec, i, ok := parseFraction(s, 19)
	if !ok {
		return rules.Instant{}, false
	}
	offset, ok := parseOffset(s[i:])
	if !ok {
		return rules.Instant{}, false
	}
	sec := daysSinceEpoch(year, month, day)*86_400 + int64(hour*3600+minute*60+second) - offset
	return rules.Instant{Sec: sec, Nsec: nsec}, sec >= minSecond && sec <= maxSecond
}

// The years 0000 to 9999 in seconds since 1970.
const (
	minSecond = -62_167_219_200
	maxSecond = 253_402_300_799
)

func word(s string, i int) uint64 {
	return binary.LittleEndian.Uint64([]byte(s[i : i+8]))
}

func pattern(s string) uint64 { return binary.LittleEndian.Uint64([]byte(s)) }

// notDigits is not 0 where a byte of x is over its limit; limits holds 0x7F
// less the most that each byte may be.
func notDigits(x, limits uint64) uint64 { return (x | (x + limits)) & highs }

// pair is the number of two digits whose tens are byte i of x.
func pair(x uint64, i int) uint64 {
	two := x >> (8 * i)
	return two&0xF*10 + two>>8&0xF
}

func realDate(year, month, day int) bool {
	if month < 1 || month > 12 || day < 1 {
		return false
	}
	if month == 2 {
		leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
		return day <= 28 || leap && day == 29
	}
	return day <= 30+(month+month>>3)&1
}

// daysSinceEpoch counts from 1970-01-01 in the Gregorian calendar, with years
// that begin in March so that a leap day is the last of its year.
func daysSinceEpoch(year, month, day int) int64 {
	y, m := year+400, month-3 // 400 years later, never negative
	if m < 0 {
		y, m = y-1, m+12
	}
	return int64(y)*365 + int64(y/4-y/100+y/400) + int64((153*m+2)/5+day-1) - 719_468 - 146_097
}

// parseFraction reads a point and 1 to 9 digits at i, or nothing.
func parseFraction(s string, i int) (nsec int32, end int, ok bool) {
	if s[i] != '.' {
		return 0, i, true
	}
	start := i + 1
	for i = start; i < len(s) && s[i]-'0' <= 9 && i < start+9; i++ {
		nsec = nsec*10 + int32(s[i]-'0')
	}
	for range 9 - (i - start) {
		nsec *= 10
	}
	return nsec, i, i > start
}

// parseOffset reads "Z" or "+05:30" as seconds.
func parseOffset(s string) (int64, bool) {
	if len(s) == 1 {
		return 0, s[0]|0x20 == 'z'
	}
	if len(s) != len("+05:30") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	h1, h0, m1, m0 := s[1]-'0', s[2]-'0', s[4]-'0', s[5]-'0'
	if h1 > 2 || h0 > 9 || m1 > 5 || m0 > 9 || h1 == 2 && h0 > 3 {
		return 0, false
	}
	seconds := int64(h1)*36_000 + int64(h0)*3600 + int64(m1)*600 + int64(m0)*60
	if s[0] == '-' {
		return -seconds, true
	}
	return seconds, true
}
