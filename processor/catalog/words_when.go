package catalog

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// How times are written: weekdays, times of day, dates, periods and days.

// dayNames are the weekdays in the order of a week, as they are written.
var dayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

var (
	daysText    = strings.Join(dayNames, "|")
	weekdayForm = regexp.MustCompile(`^(` + daysText + `)(?:-(` + daysText + `))?$`)
	hoursForm   = regexp.MustCompile(`^(\d{1,2}):(\d{2})(?::(\d{2}))? ?- ?(\d{1,2}):(\d{2})(?::(\d{2}))?$`)
	datesForm   = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(?: to (\d{4}-\d{2}-\d{2}))?$`)
	daysForm    = regexp.MustCompile(`^([1-9]\d{0,3}) days?$`)
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
	mccForm     = regexp.MustCompile(`^(\d{4})(?:-(\d{4}))?$`)
)

// parseWeekdays reads `wed` or `mon-fri`.
func parseWeekdays(text string) (offer.Weekdays, error) {
	m := weekdayForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no weekday: write one of %s, or a range such as mon-fri%s", clip(text), strings.Join(dayNames, ", "), meantDay(text))
	}
	first := slices.Index(dayNames, m[1])
	last := first
	if m[2] != "" {
		last = slices.Index(dayNames, m[2])
	}
	var days offer.Weekdays
	for i := first; ; i = (i + 1) % len(dayNames) {
		days |= 1 << ((i + 1) % len(dayNames)) // time.Sunday is 0
		if i == last {
			return days, nil
		}
	}
}

// meantDay is the weekday that a word begins with: people write them out.
func meantDay(text string) string {
	word := strings.ToLower(text)
	for _, day := range dayNames {
		if strings.HasPrefix(word, day) {
			return fmt.Sprintf(" (did you mean %q?)", day)
		}
	}
	return didYouMean(word, dayNames)
}

// parseHours reads `16:00-19:00`. Hours whose end isn't after their beginning go
// over midnight.
func parseHours(text string) (offer.Hours, error) {
	m := hoursForm.FindStringSubmatch(text)
	if m == nil {
		return offer.Hours{}, fmt.Errorf("%q are no times of day: write from and until on the store's clock, such as 16:00-19:00", clip(text))
	}
	from, err := secondsOfDay(m[1:4])
	if err != nil {
		return offer.Hours{}, err
	}
	until, err := secondsOfDay(m[4:7])
	switch {
	case err != nil:
		return offer.Hours{}, err
	case from == daySeconds:
		return offer.Hours{}, errors.New("24:00 is the end of a day, where nothing begins: write 00:00")
	case from == until:
		return offer.Hours{}, fmt.Errorf("%q begins when it ends: write a later end, or 00:00-24:00 for the whole day", text)
	case until == 0: // of the next day
		until = daySeconds
	}
	return offer.Hours{FromSec: from, UntilSec: until}, nil
}

const daySeconds = 24 * 60 * 60

// secondsOfDay reads hour, minute and second ("": none).
func secondsOfDay(parts []string) (int32, error) {
	var n [3]int
	for i, part := range parts {
		n[i], _ = strconv.Atoi(part) // two digits, or none
	}
	at := n[0]*3600 + n[1]*60 + n[2]
	if n[1] > 59 || n[2] > 59 || at > daySeconds {
		return 0, fmt.Errorf("%s is no time of day: write 00:00 to 24:00", strings.TrimSuffix(strings.Join(parts, ":"), ":"))
	}
	return int32(at), nil
}

// parseDates reads `2026-12-24`, or `2026-11-27 to 2026-11-30` with both days in
// it.
func parseDates(text string) (offer.Dates, error) {
	m := datesForm.FindStringSubmatch(text)
	if m == nil {
		return offer.Dates{}, fmt.Errorf("%q are no dates: write a day such as 2026-12-24, or the first and the last such as 2026-11-27 to 2026-11-30", clip(text))
	}
	first, err := parseDay(m[1])
	if err != nil {
		return offer.Dates{}, err
	}
	last := first
	if m[2] != "" {
		if last, err = parseDay(m[2]); err != nil {
			return offer.Dates{}, err
		}
	}
	if last.Before(first) {
		return offer.Dates{}, fmt.Errorf("%q ends before it begins: write the first day first", text)
	}
	return offer.Dates{From: localDay(first), Until: localDay(last.AddDate(0, 0, 1))}, nil
}

func parseDay(text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.Year() < 1 {
		return time.Time{}, fmt.Errorf("%q is no date: there is no such day", text)
	}
	return day, nil
}

func localDay(t time.Time) offer.LocalTime {
	return offer.LocalTime{Year: t.Year(), Month: t.Month(), Day: t.Day()}
}

// maxDays bounds every number of days in a file: ten years.
const maxDays = 3660

// parseDays reads `30 days`.
func parseDays(text string) (int, error) {
	m := daysForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no number of days: write it such as 30 days", clip(text))
	}
	days, _ := strconv.Atoi(m[1]) // four digits at most
	if days > maxDays {
		return 0, fmt.Errorf("%q is too long: write 1 to %d days", text, maxDays)
	}
	return days, nil
}

// period is over what something counts; days is of PerRolling alone.
type period struct {
	per  offer.CapPeriod
	days int
}

func (p period) String() string {
	if p.per == offer.PerRolling {
		return fmt.Sprintf("%d days", p.days)
	}
	return p.per.String()
}

var (
	calendarPeriods = []string{"day", "week", "month", "quarter", "year", "life"}
	capPeriods      = append([]string{"purchase"}, calendarPeriods...)
	capPeriodForm   = regexp.MustCompile(`^(?:` + strings.Join(capPeriods, "|") + `|[1-9]\d{0,3} days?)$`)
)

// parseCapPeriod reads `month` or `30 days`.
func parseCapPeriod(text string) (period, error) {
	if daysForm.MatchString(text) {
		days, err := parseDays(text)
		return period{offer.PerRolling, days}, err
	}
	if per, known := offer.ParseCapPeriod(text); known && slices.Contains(capPeriods, text) {
		return period{per: per}, nil
	}
	return period{}, fmt.Errorf("%q is not known here: write one of %s, or a number of days such as 30 days%s",
		clip(text), strings.Join(capPeriods, ", "), didYouMean(text, capPeriods))
}

// parseCountry reads `FR`.
func parseCountry(text string) (string, error) {
	switch {
	case rules.KnownCountry(text):
		return text, nil
	case rules.KnownCountry(strings.ToUpper(text)):
		return "", fmt.Errorf("%q is no country: write it in capitals (did you mean %q?)", text, strings.ToUpper(text))
	case text == "UK":
		return "", errors.New(`"UK" is no country of ISO 3166-1: the United Kingdom is GB (did you mean "GB"?)`)
	}
	return "", fmt.Errorf("%q is no country: write its two letters of ISO 3166-1, such as FR", clip(text))
}

// parseMCC reads `5411` or `5400-5499`.
func parseMCC(text string) (offer.MCCRange, error) {
	m := mccForm.FindStringSubmatch(text)
	if m == nil {
		return offer.MCCRange{}, fmt.Errorf("%q is no merchant category code: write four digits such as 5411, or a range such as 5400-5499", clip(text))
	}
	from, _ := strconv.Atoi(m[1]) // four digits
	to := from
	if m[2] != "" {
		to, _ = strconv.Atoi(m[2])
	}
	if to < from {
		return offer.MCCRange{}, fmt.Errorf("%q ends before it begins: write the smaller code first", text)
	}
	return offer.MCCRange{From: uint16(from), To: uint16(to)}, nil
}
