package engine

import (
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// clock turns instants into wall-clock times. It remembers for a few zones the
// span in which their offset does not change, half a year mostly: a lookup in
// the tz database costs more than all else of a condition.
type clock struct {
	spans [4]offsetSpan
	next  int // of spans, to be forgotten first
}

type offsetSpan struct {
	zone        *time.Location
	from, until int64 // seconds since 1970
	offset      int64 // seconds
}

const (
	secondsPerDay = 86_400
	forever       = 1 << 62
)

// wall is what the wall clock in zone shows at t, in seconds since its own
// 1970-01-01 00:00.
func (c *clock) wall(t rules.Instant, zone *time.Location) int64 {
	for i := range c.spans {
		if s := &c.spans[i]; s.zone == zone && t.Sec >= s.from && t.Sec < s.until {
			return t.Sec + s.offset
		}
	}
	local := t.Time().In(zone)
	_, offsetSeconds := local.Zone()
	s := offsetSpan{zone: zone, from: -forever, until: forever, offset: int64(offsetSeconds)}
	from, until := local.ZoneBounds()
	if !from.IsZero() {
		s.from = from.Unix()
	}
	if !until.IsZero() {
		s.until = until.Unix()
	}
	c.spans[c.next] = s
	c.next = (c.next + 1) % len(c.spans)
	return t.Sec + s.offset
}

// periods are the numbers of the calendar periods that an instant lies in.
type periods struct{ day, week, month, quarter, year int32 }

// periodsAt finds the calendar periods of t in zone.
func (c *clock) periodsAt(t rules.Instant, zone *time.Location) periods {
	day := floorDiv(c.wall(t, zone), secondsPerDay)
	year, month := civil(day)
	months := year*12 + month
	return periods{
		day: int32(day), week: int32(floorDiv(day+3, 7)), // 1970-01-01 was a Thursday; weeks begin on Monday
		month: int32(months), quarter: int32(floorDiv(months, 3)), year: int32(year),
	}
}

// of is the number of the calendar period; 0 for one that has no number.
func (p *periods) of(per offer.CapPeriod) int32 {
	switch per {
	case offer.PerDay:
		return p.day
	case offer.PerWeek:
		return p.week
	case offer.PerMonth:
		return p.month
	case offer.PerQuarter:
		return p.quarter
	case offer.PerYear:
		return p.year
	}
	return 0
}

// civil is the year and the month, 0 to 11, of a day since 1970 in the
// Gregorian calendar. Years are counted from March, so that the leap day is
// their last; 146,097 days make 400 years.
func civil(day int64) (year, month int64) {
	day += 719_468 // to 0000-03-01
	era := floorDiv(day, 146_097)
	dayOfEra := day - era*146_097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month = (5*dayOfYear+2)/153 + 2
	year = yearOfEra + era*400
	if month > 11 {
		return year + 1, month - 12
	}
	return year, month
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// span is [from, until).
type span struct{ from, until rules.Instant }

func (s span) contains(t rules.Instant) bool { return !t.Before(s.from) && t.Before(s.until) }

// spanIn is the window of wall-clock times in a zone.
func spanIn(from, until offer.LocalTime, zone *time.Location) span {
	s := span{rules.MinInstant, rules.MaxInstant}
	if !from.IsZero() {
		s.from = from.In(zone)
	}
	if !until.IsZero() {
		s.until = until.In(zone)
	}
	return s
}

func (s span) within(o span) span {
	return span{rules.Later(s.from, o.from), rules.Earlier(s.until, o.until)}
}

// boundWhen is a When whose dates are instants of one zone.
type boundWhen struct {
	*offer.When
	zone  *time.Location
	dates []span
}

// bind gives nil where the When asks nothing.
func bind(w *offer.When, zone *time.Location) *boundWhen {
	if w.Weekdays == 0 && len(w.Hours) == 0 && len(w.Dates) == 0 {
		return nil
	}
	b := &boundWhen{When: w, zone: zone}
	for _, d := range w.Dates {
		b.dates = append(b.dates, spanIn(d.From, d.Until, zone))
	}
	return b
}

// contains reports whether t is at one of the times, by the zone's wall clock.
func (b *boundWhen) contains(t rules.Instant, c *clock) bool {
	if b == nil {
		return true
	}
	return b.containsDate(t) && b.containsTime(c.wall(t, b.zone))
}

func (b *boundWhen) containsDate(t rules.Instant) bool {
	for _, d := range b.dates {
		if d.contains(t) {
			return true
		}
	}
	return len(b.dates) == 0
}

func (b *boundWhen) containsTime(wall int64) bool {
	day := floorDiv(wall, secondsPerDay)
	second := int32(wall - day*secondsPerDay)
	if len(b.Hours) == 0 {
		return b.onWeekday(day)
	}
	for _, h := range b.Hours {
		overnight := h.UntilSec <= h.FromSec
		switch {
		case second >= h.FromSec && (overnight || second < h.UntilSec):
			if b.onWeekday(day) {
				return true
			}
		case overnight && second < h.UntilSec:
			if b.onWeekday(day - 1) { // on which it began
				return true
			}
		}
	}
	return false
}

func (b *boundWhen) onWeekday(day int64) bool {
	if b.Weekdays == 0 {
		return true
	}
	weekday := (day + int64(time.Thursday)) % 7
	if weekday < 0 {
		weekday += 7
	}
	return b.Weekdays.Has(time.Weekday(weekday))
}
