package ledgertest

import (
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/offer"
)

// An offer's window opens and closes where the clock in the store says so, also
// on the days on which it is put forward or back: by an hour, or by half of one.
func TestLocalTimeIsTheFirstInstantAtWhichTheClockHasReachedIt(t *testing.T) {
	t.Parallel()
	for _, name := range zoneNames {
		zone, faults := zoneOf(name), 0
		for d := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() == 2024; d = d.Add(15 * time.Minute) {
			l := offer.LocalTime{Year: d.Year(), Month: d.Month(), Day: d.Day(), Hour: d.Hour(), Min: d.Minute()}
			want, got := rules.InstantOf(reached(l, zone)), l.In(zone)
			if got != want {
				faults++
				if faults <= 2 {
					t.Errorf("%s in %s is %s, want %s", d.Format("2006-01-02T15:04:05"), name, got, want)
				}
			}
		}
	}
}
