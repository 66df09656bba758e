package settle

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// Schedule closes cycles when they have ended: of each programme the last one
// that did, unless the audit trail says that it was closed. Two that run at once
// do no harm, one is enough.
type Schedule struct {
	Settlement
	// Snapshot is the catalogue as it is now; nil: there is none yet.
	Snapshot func() *engine.Snapshot
	// Mine reports whether this process is the one that settles.
	Mine func() bool
	// Delay is how long after its end a cycle is closed: what the bank sends late
	// is the next cycle's.
	Delay time.Duration
	Log   *slog.Logger

	closed map[named]bool // that the audit trail is known to have
}

// look is how often it is asked whether a cycle has ended: of the catalogue in
// memory, and of the audit trail where one has that isn't known to be closed.
const look = 5 * time.Second

// Run goes on until ctx ends. What fails is tried again at the next look.
func (s *Schedule) Run(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if s.Mine() {
			if err := s.CloseEnded(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("a cycle can't be closed; it is tried again", "error", err, "after", look)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// CloseEnded closes what has ended and isn't closed.
func (s *Schedule) CloseEnded(ctx context.Context) error {
	snapshot := s.Snapshot()
	if snapshot == nil {
		return nil
	}
	for _, c := range lastEnded(snapshot, s.Now().Add(-s.Delay)) {
		closed, err := s.isClosed(ctx, c)
		if err != nil {
			return err
		}
		if closed {
			continue
		}
		s.Log.Info("closing a cycle", "programme", c.Programme, "cycle", c.Name, "as_of", c.AsOf.String())
		settled, err := s.Close(ctx, c, Order{By: "ristourne run", Reason: "its end has come"})
		if err != nil {
			return err
		}
		s.Log.Info("closed a cycle", "programme", c.Programme, "cycle", c.Name, "accounts", settled.Accounts, "took", settled.Took)
	}
	return nil
}

type named struct{ programme, cycle string }

// isClosed reports whether the audit trail has the cycle.
func (s *Schedule) isClosed(ctx context.Context, c Cycle) (bool, error) {
	name := named{c.Programme, c.Name}
	if s.closed[name] {
		return true, nil
	}
	earlier, err := trail(ctx, s.Ledger)
	if err != nil {
		return false, err
	}
	s.closed = map[named]bool{}
	for _, d := range earlier {
		s.closed[named{d.Programme, d.Cycle}] = true
	}
	return s.closed[name], nil
}

// lastEnded is, of each programme whose cycles end by the calendar, the last one
// that had ended by then.
func lastEnded(s *engine.Snapshot, then time.Time) (ended []Cycle) {
	now := rules.InstantOf(then)
	for _, programme := range s.Programmes() {
		v := s.ProgrammeAt(programme, now)
		if v == nil || !scheduled(v.Payout.Cycle) {
			continue
		}
		for _, name := range namesUntil(v.Payout.Cycle, then.In(v.Zone)) {
			if c, err := Find(s, programme, name, nil, now); err == nil {
				ended = append(ended, c)
				break
			}
		}
	}
	return ended
}

// namesUntil are the names of the cycles that began lately, newest first: one of
// them is the last that has ended.
func namesUntil(c offer.Cycle, local time.Time) (names []string) {
	if c.Kind == offer.MonthlyCycle {
		first := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, time.UTC)
		for back := range 3 {
			names = append(names, first.AddDate(0, -back, 0).Format("2006-01"))
		}
		return names
	}
	const longest = 15 // two weeks and the day that it is
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	for back := range longest {
		begin := day.AddDate(0, 0, -back)
		if c.Kind == offer.DailyCycle || begin.Weekday() == c.Weekday {
			names = append(names, begin.Format(time.DateOnly))
		}
	}
	return names
}

// EndsAt reports whether a cycle of the programme ends at t by the calendar.
func EndsAt(s *engine.Snapshot, programme string, t rules.Instant) bool {
	v := s.ProgrammeAt(programme, t)
	if v == nil || !scheduled(v.Payout.Cycle) {
		return false
	}
	return slices.ContainsFunc(namesUntil(v.Payout.Cycle, t.Time().In(v.Zone)), func(name string) bool {
		end, err := v.Payout.Cycle.End(name, v.Zone)
		return err == nil && end == t
	})
}
