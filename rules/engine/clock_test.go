package engine

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// The engine's own calendar must be that of the time package, in every zone
// and on every day, those of a changing clock too.
func TestClockShowsWhatTheTimePackageShows(t *testing.T) {
	t.Parallel()
	zones := []string{"Europe/Paris", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "UTC", "America/Sao_Paulo"}
	locations := make([]*time.Location, len(zones))
	for i, name := range zones {
		var err error
		if locations[i], err = time.LoadLocation(name); err != nil {
			t.Fatal(err)
		}
	}
	var c clock // kept over all draws: what it remembers must not matter
	rapid.Check(t, func(t *rapid.T) {
		at := rules.Instant{Sec: rapid.Int64Range(-62_135_596_800, 253_402_300_799).Draw(t, "second")}
		if rapid.Bool().Draw(t, "recent") {
			at.Sec = rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "second of these years")
		}
		zone := rapid.SampledFrom(locations).Draw(t, "zone")
		local := at.Time().In(zone)
		year, month, day := local.Date()
		midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		sinceMidnight := local.Hour()*3600 + local.Minute()*60 + local.Second()
		if want := midnight.Unix() + int64(sinceMidnight); c.wall(at, zone) != want {
			t.Fatalf("%s: the wall clock shows %d, want %d", local, c.wall(at, zone), want)
		}
		p := c.periodsAt(at, zone)
		days := floorDiv(midnight.Unix(), secondsPerDay)
		monday := midnight.AddDate(0, 0, -(int(midnight.Weekday())+6)%7)
		want := periods{
			day: int32(days), week: int32(floorDiv(floorDiv(monday.Unix(), secondsPerDay)+3, 7)),
			month: int32(year*12 + int(month) - 1), quarter: int32(floorDiv(int64(year*12+int(month)-1), 3)), year: int32(year),
		}
		if p != want {
			t.Fatalf("%s: periods %+v, want %+v", local, p, want)
		}
		every := boundWhen{When: &offer.When{Weekdays: 1 << local.Weekday()}, zone: zone}
		if !every.contains(at, &c) {
			t.Fatalf("%s: it is a %s", local, local.Weekday())
		}
	})
}

func TestHoursOverMidnightBelongToTheDayOnWhichTheyBegan(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	friday := &offer.When{Weekdays: 1 << time.Friday, Hours: []offer.Hours{{FromSec: 22 * 3600, UntilSec: 2 * 3600}}}
	for _, c := range []struct {
		at   string
		want bool
	}{
		{"2026-11-20T21:59:59+01:00", false}, // a Friday
		{"2026-11-20T22:00:00+01:00", true},
		{"2026-11-21T01:59:59+01:00", true},
		{"2026-11-21T02:00:00+01:00", false},
		{"2026-11-20T00:30:00+01:00", false}, // begun on Thursday
		{"2026-11-21T22:30:00+01:00", false},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		var clock clock
		if got := bind(friday, zone).contains(rules.InstantOf(at), &clock); got != c.want {
			t.Errorf("%s: holds %t, want %t", c.at, got, c.want)
		}
	}
}
