package invoice

import (
	"fmt"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// Month is a calendar month, such as 2026-02.
type Month struct {
	Year  int
	Month time.Month
}

const monthForm = "2006-01"

// ParseMonth reads 2026-02.
func ParseMonth(text string) (Month, error) {
	t, err := time.Parse(monthForm, text)
	if err != nil {
		return Month{}, fmt.Errorf("%q is no month: write it such as 2026-02", text)
	}
	return Month{t.Year(), t.Month()}, nil
}

func (m Month) String() string { return m.begin().Format(monthForm) }

// Next is the month after it.
func (m Month) Next() Month {
	t := m.begin().AddDate(0, 1, 0)
	return Month{t.Year(), t.Month()}
}

// previous is the month before it.
func (m Month) previous() Month {
	t := m.begin().AddDate(0, -1, 0)
	return Month{t.Year(), t.Month()}
}

// Before reports whether it is earlier.
func (m Month) Before(o Month) bool { return m.begin().Before(o.begin()) }

func (m Month) begin() time.Time { return time.Date(m.Year, m.Month, 1, 0, 0, 0, 0, time.UTC) }

// from is when it begins in a zone.
func (m Month) from(zone *time.Location) rules.Instant {
	return offer.LocalTime{Year: m.Year, Month: m.Month, Day: 1}.In(zone)
}

// Last is its last day.
func (m Month) Last() time.Time { return m.Next().begin().AddDate(0, 0, -1) }

// First is its first day.
func (m Month) First() time.Time { return m.begin() }

// span is when a month of a programme begins and ends, [from, until).
type span struct{ from, until int64 } // milliseconds since 1970

func millisOf(at rules.Instant) int64 { return at.Sec*1000 + int64(at.Nsec)/1_000_000 }

// end is the last instant of a span that its versions are looked up at.
func (s span) end() rules.Instant { return rules.InstantOfMillis(s.until - 1) }
