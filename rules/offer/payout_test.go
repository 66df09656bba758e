package offer_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"ristourne/rules/offer"
)

// TestCycleEnd: cycles end at 00:00 of the programme's clock, or where the clock
// leaves that out, at the moment after the gap.
func TestCycleEnd(t *testing.T) {
	t.Parallel()
	daily, friday := offer.Cycle{Kind: offer.DailyCycle}, offer.Cycle{Kind: offer.WeeklyCycle, Weekday: time.Friday}
	monthly := func(day int) offer.Cycle { return offer.Cycle{Kind: offer.MonthlyCycle, Day: day} }
	for _, c := range []struct {
		cycle      offer.Cycle
		name, zone string
		want       string // empty: it names none
	}{
		{daily, "2026-03-28", "Europe/Paris", "2026-03-28T23:00:00Z"},
		{daily, "2026-03-29", "Europe/Paris", "2026-03-29T22:00:00Z"},      // a day of 23 hours
		{daily, "2026-10-25", "Europe/Paris", "2026-10-25T23:00:00Z"},      // of 25
		{daily, "2018-11-03", "America/Sao_Paulo", "2018-11-04T03:00:00Z"}, // the next has no midnight
		{daily, "2026-12-31", "UTC", "2027-01-01T00:00:00Z"},
		{daily, "2026-12", "UTC", ""},
		{daily, "2026-02-30", "UTC", ""},
		{friday, "2026-02-27", "UTC", "2026-03-06T00:00:00Z"},
		{friday, "2026-02-26", "UTC", ""},
		{monthly(1), "2026-02", "UTC", "2026-03-01T00:00:00Z"},
		{monthly(28), "2026-02", "UTC", "2026-03-28T00:00:00Z"},
		{monthly(15), "2026-12", "UTC", "2027-01-15T00:00:00Z"},
		{monthly(1), "2026-02-01", "UTC", ""},
		{offer.Cycle{}, "2026-02", "UTC", ""},
		{offer.Cycle{Kind: offer.ByHand}, "2026-02", "UTC", ""},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		end, err := c.cycle.End(c.name, zone)
		switch {
		case (err != nil) != (c.want == ""):
			t.Errorf("%s, %s: %v", c.cycle, c.name, err)
		case err == nil && end.String() != c.want:
			t.Errorf("%s, %s in %s ends at %s, want %s", c.cycle, c.name, c.zone, end, c.want)
		}
	}
}

// TestDebits: where nothing is said, a debt is debited at once and netted in cycles.
func TestDebits(t *testing.T) {
	t.Parallel()
	cycle := offer.Cycle{Kind: offer.DailyCycle}
	for _, c := range []struct {
		payout offer.Payout
		after  int
		debits bool
	}{
		{offer.Payout{}, 0, true},
		{offer.Payout{Negative: offer.NegativeNet}, 0, false},
		{offer.Payout{Cycle: cycle}, 0, false},
		{offer.Payout{Cycle: cycle, Negative: offer.NegativeDebit}, 0, true},
		{offer.Payout{Cycle: cycle, Negative: offer.NegativeDebit, DebitAfterDays: 30}, 30, true},
	} {
		if after, debits := c.payout.Debits(); debits != c.debits || debits && after != c.after {
			t.Errorf("%+v: %d, %v", c.payout, after, debits)
		}
	}
	if (&offer.Payout{}).AttemptsAllowed() != offer.DefaultAttempts || (&offer.Payout{Attempts: 1}).AttemptsAllowed() != 1 {
		t.Error("attempts")
	}
}

// TestFourEyes: over the bound, either way; in another currency every adjustment.
func TestFourEyes(t *testing.T) {
	t.Parallel()
	bounded := offer.Payout{FourEyes: true, FourEyesOverMinor: 500}
	for _, c := range []struct {
		payout offer.Payout
		minor  int64
		own    bool
		want   bool
	}{
		{bounded, 500, true, false},
		{bounded, 501, true, true},
		{bounded, -500, true, false},
		{bounded, -501, true, true},
		{bounded, 1, false, true},
		{offer.Payout{FourEyes: true}, 1, true, true},
		{offer.Payout{}, 1e12, false, false},
	} {
		if got := c.payout.NeedsFourEyes(c.minor, c.own); got != c.want {
			t.Errorf("%+v, %d, %v: %v", c.payout, c.minor, c.own, got)
		}
	}
}
