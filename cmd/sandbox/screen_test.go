package main

import (
	"bytes"
	"testing"
	"time"

	"ristourne/processor/audit"
)

func TestAmountsAndNumbersAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	for minor, want := range map[int64]string{0: "0.00", 5: "0.05", -5: "-0.05", 123456789: "1,234,567.89", -100000: "-1,000.00"} {
		if got := audit.Cents(minor); got != want {
			t.Errorf("cents(%d) = %q, want %q", minor, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := audit.Grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestALineAboveTheBlockLeavesNoneOfItBehind(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newScreen(&out, true)
	s.show([]string{"one", "two"})
	s.say("above")
	s.show([]string{"three"})
	s.freeze()
	s.say("below")
	const up2 = "\x1b[2A\x1b[J"
	if want := "one\ntwo\n" + up2 + "above\nthree\nbelow\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestWhereNothingCanBeReplacedLinesFollowOneAnother(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newScreen(&out, false)
	s.show([]string{"one"})
	s.show([]string{"two"})
	if want := "one\ntwo\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// The calendar runs from its beginning to now, and is never ahead of the clock.
func TestCalendar(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, duration := range []time.Duration{0, time.Second, 30 * time.Second, time.Hour} {
		c := newCalendar(now, 40, duration)
		last := c.begin
		for step := range 200 {
			clock := now.Add(c.span * time.Duration(step) / 100) // twice the span
			at := c.at(clock)
			if at.Before(last) || at.After(clock) {
				t.Fatalf("duration %s: at %s the calendar shows %s, after %s", duration, clock, at, last)
			}
			last = at
		}
		if end := now.Add(c.span); !c.at(end).Equal(end) {
			t.Errorf("duration %s: it ends at %s, not now", duration, c.at(end))
		}
		if endless := duration == 0; c.live().IsZero() == endless {
			t.Errorf("duration %s: live at %s", duration, c.live())
		}
	}
}

func TestOptionsNameEveryFault(t *testing.T) {
	t.Parallel()
	bad := options{duration: -1, rate: -1, hits: 101, members: 0, days: 0, partitions: 0, processors: 0}
	err := bad.validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, flag := range []string{"--duration", "--rate", "--hits", "--members", "--days", "--partitions", "--processors"} {
		if !bytes.Contains([]byte(err.Error()), []byte(flag)) {
			t.Errorf("%q does not name %s", err, flag)
		}
	}
}
