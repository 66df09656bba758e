package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"ristourne/cmd/internal/config"
	"ristourne/processor/settle"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// activation is what makes a programme pay that works in the shadow of another
// system. The catalogue alone says who pays: nothing here changes it.
type activation struct {
	Programme string `json:"programme"`
	From      string `json:"from"`      // a day of the programme's clock
	FromAt    string `json:"from_at"`   // when it begins
	Cycle     string `json:"cycle"`     // when the programme pays
	CycleEnds bool   `json:"cycle_end"` // a cycle ends just then
	Published bool   `json:"published"` // the catalogue says so already
}

// findActivation looks at what the catalogue says of a day on which a programme is to
// begin to pay.
func findActivation(s *engine.Snapshot, programme, day string, now time.Time) (*activation, error) {
	begin, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, usageError{fmt.Errorf("--from %q: name a day, such as 2026-07-01", day)}
	}
	v := s.ProgrammeAt(programme, rules.InstantOf(now))
	if v == nil {
		return nil, fmt.Errorf("programme %s is not in force now", programme)
	}
	at := offer.LocalTime{Year: begin.Year(), Month: begin.Month(), Day: begin.Day()}.In(v.Zone)
	then := s.ProgrammeAt(programme, at)
	if then == nil {
		return nil, fmt.Errorf("programme %s has ended by %s", programme, day)
	}
	a := &activation{
		Programme: programme, From: day, FromAt: at.String(), Cycle: then.Payout.Cycle.String(), CycleEnds: settle.EndsAt(s, programme, at),
		Published: !then.Payout.Shadow && then.Payout.PayFrom == at,
	}
	switch {
	case a.Published:
		return a, nil
	case !v.Payout.Shadow:
		return nil, fmt.Errorf("programme %s doesn't work in the shadow: what it instructs leaves the house", programme)
	case !at.After(rules.InstantOf(now.Add(offer.PublicationLead))):
		return nil, fmt.Errorf("--from %s begins at %s: what is published now comes into force %s later at the soonest", day, at, offer.PublicationLead)
	}
	return a, nil
}

func tellActivation(ctx context.Context, stdout io.Writer, c *config.Config, o *settleOptions) error {
	loaded, err := publishedNow(ctx, c)
	if err != nil {
		return err
	}
	programme, err := soleProgramme(loaded.Snapshot, o.programme)
	if err != nil {
		return usageError{err}
	}
	a, err := findActivation(loaded.Snapshot, programme, o.from, time.Now())
	if err != nil {
		return err
	}
	if o.output == "json" {
		return json.NewEncoder(stdout).Encode(a)
	}
	return a.print(stdout)
}

func (a *activation) print(w io.Writer) error {
	if a.Published {
		_, err := fmt.Fprintf(w, "programme %s pays from %s on: so it is published. See with `ristourne settle --dry-run` what its next cycle pays.\n", a.Programme, a.From)
		return err
	}
	fmt.Fprintf(w, `programme %s works in the shadow. To have it pay from %s on, add a version of its file

    effective_from: %s
    payout: {pay: instructions, pay_from: %s}   # beside all else that its payout says

and publish it with `+"`ristourne offers publish`"+`: this command changes nothing. Purchases made before, what their
sponsors get of them and adjustments dated before it stay with the other system, with all that still becomes of them.
`, a.Programme, a.From, a.From, a.From)
	if !a.CycleEnds {
		fmt.Fprintf(w, "Its cycles are %s, and none ends at %s: the cycle in which that lies pays only what is earned from then on.\n", a.Cycle, a.FromAt)
	}
	return nil
}
