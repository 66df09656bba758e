package rules

import (
	"cmp"
	"time"
)

// Instant is a point in time, whole to the nanosecond over the years 0000 to
// 9999 of RFC 3339 (an int64 of nanoseconds would end in 2262). The zero value
// is 1970-01-01T00:00:00Z. Instants compare with ==.
type Instant struct {
	Sec  int64 // seconds since 1970-01-01T00:00:00Z
	Nsec int32 // 0 to 999,999,999
}

// Instants that bound every date a person can write.
var (
	MinInstant = Instant{Sec: -1 << 62}
	MaxInstant = Instant{Sec: 1 << 62}
)

// InstantAt is the instant of so many seconds and nanoseconds.
func InstantAt(sec int64, nsec int32) Instant { return Instant{Sec: sec, Nsec: nsec} }

// Parts are the seconds and nanoseconds.
func (i Instant) Parts() (sec int64, nsec int32) { return i.Sec, i.Nsec }

// InstantOf drops the zone and the monotonic clock of t.
func InstantOf(t time.Time) Instant {
	return Instant{Sec: t.Unix(), Nsec: int32(t.Nanosecond())}
}

// InstantOfMillis is the instant of a Kafka timestamp.
func InstantOfMillis(ms int64) Instant {
	sec, rest := ms/1000, ms%1000
	if rest < 0 {
		sec, rest = sec-1, rest+1000
	}
	return Instant{Sec: sec, Nsec: int32(rest) * 1_000_000}
}

// Compare orders instants by time.
func (i Instant) Compare(o Instant) int {
	if c := cmp.Compare(i.Sec, o.Sec); c != 0 {
		return c
	}
	return cmp.Compare(i.Nsec, o.Nsec)
}

// Before reports whether i is earlier than o.
func (i Instant) Before(o Instant) bool { return i.Compare(o) < 0 }

// After reports whether i is later than o.
func (i Instant) After(o Instant) bool { return i.Compare(o) > 0 }

// AddDays moves by days of exactly 24 hours: "N days" in every rule means
// N x 24 h, so that daylight saving never lengthens a limit.
func (i Instant) AddDays(days int) Instant {
	return Instant{Sec: i.Sec + int64(days)*86_400, Nsec: i.Nsec}
}

// AddSeconds moves by whole seconds.
func (i Instant) AddSeconds(seconds int64) Instant {
	return Instant{Sec: i.Sec + seconds, Nsec: i.Nsec}
}

// Time is the instant in UTC.
func (i Instant) Time() time.Time { return time.Unix(i.Sec, int64(i.Nsec)).UTC() }

// String is RFC 3339 in UTC with as many fractional digits as are needed.
func (i Instant) String() string { return i.Time().Format(time.RFC3339Nano) }

// Later is the later of two.
func Later(a, b Instant) Instant {
	if a.Before(b) {
		return b
	}
	return a
}

// Earlier is the earlier of two.
func Earlier(a, b Instant) Instant {
	if b.Before(a) {
		return b
	}
	return a
}
