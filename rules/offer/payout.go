package offer

import (
	"fmt"
	"time"

	"ristourne/rules"
)

// DefaultAttempts is after how many rejected instructions in a row a person must
// look, where the programme states none.
const DefaultAttempts = 3

// Payout is when confirmed cash becomes instructions. Its zero value is how it is
// where a programme states nothing: at once.
type Payout struct {
	Cycle    Cycle
	HoldDays int // x 24 h from a purchase's latest clearing until its rewards are mature
	// FromMinor is the least that a cycle pays, in the programme's currency.
	FromMinor int64
	Negative  Negative
	// DebitAfterDays, in cycles with NegativeDebit: x 24 h from the as_of at which
	// the debt was met first.
	DebitAfterDays int
	WriteOff       WriteOff
	Attempts       int // 0: DefaultAttempts
	// Shadow says that all is worked out and booked, and nothing leaves the house:
	// what is instructed so was paid elsewhere.
	Shadow bool
	// FourEyes: adjustments of more than FourEyesOverMinor, either way, need a second
	// person. No decision of the engine depends on it.
	FourEyes          bool
	FourEyesOverMinor int64 // in the programme's currency; of another currency every adjustment needs one
	// PayFrom: what was earned, and instructed, before it is not looked at; zero:
	// all is.
	PayFrom rules.Instant
}

// Cycle is when a programme pays.
type Cycle struct {
	Kind    CycleKind
	Weekday time.Weekday // WeeklyCycle
	Day     int          // MonthlyCycle: 1 to 28
}

// CycleKind is the kind of a cycle. All but AtOnce end by a cycle_closed fact.
type CycleKind uint8

// The kinds. Days, weeks and months end at 00:00 in the programme's zone.
const (
	AtOnce CycleKind = iota
	DailyCycle
	WeeklyCycle
	MonthlyCycle
	ByHand
)

// Negative is what becomes of what an account was paid too much.
type Negative uint8

// A debt is taken from coming rewards, or debited.
const (
	NegativeDefault Negative = iota // debited at once, netted in cycles
	NegativeNet
	NegativeDebit
)

// WriteOff gives up a debt of at most UpToMinor that has lasted AfterDays x 24 h.
type WriteOff struct {
	UpToMinor int64 // in the programme's currency; 0: none is given up
	AfterDays int
}

// Debits reports whether a debt is debited, and after how many days.
func (p *Payout) Debits() (afterDays int, debits bool) {
	if p.Negative == NegativeDefault {
		return 0, p.Cycle.Kind == AtOnce
	}
	return p.DebitAfterDays, p.Negative == NegativeDebit
}

// AttemptsAllowed is how many rejections in a row make payments stuck.
func (p *Payout) AttemptsAllowed() int {
	if p.Attempts == 0 {
		return DefaultAttempts
	}
	return p.Attempts
}

// NeedsFourEyes reports whether an adjustment needs a second person. own says that it
// is in the programme's currency.
func (p *Payout) NeedsFourEyes(amountMinor int64, own bool) bool {
	return p.FourEyes && (!own || amountMinor > p.FourEyesOverMinor || amountMinor < -p.FourEyesOverMinor)
}

func (c Cycle) String() string {
	switch c.Kind {
	case DailyCycle:
		return "daily"
	case WeeklyCycle:
		return "weekly on " + c.Weekday.String()
	case MonthlyCycle:
		return fmt.Sprintf("monthly on %d", c.Day)
	case ByHand:
		return "by hand"
	default:
		return "at once"
	}
}

// End is when the cycle of a name ends in the zone: 2026-02 is the month that
// begins on the cycle's day of February, 2026-02-03 the day, or the week that
// begins on it.
func (c Cycle) End(name string, zone *time.Location) (rules.Instant, error) {
	layout, form := time.DateOnly, "2026-02-03"
	if c.Kind == MonthlyCycle {
		layout, form = "2006-01", "2026-02"
	}
	begin, err := time.Parse(layout, name)
	switch {
	case c.Kind == AtOnce || c.Kind == ByHand:
		return rules.Instant{}, fmt.Errorf("cycles %s end when somebody says so: say when", c)
	case err != nil:
		return rules.Instant{}, fmt.Errorf("%q names no cycle that is %s: write it such as %s", name, c, form)
	case c.Kind == WeeklyCycle && begin.Weekday() != c.Weekday:
		return rules.Instant{}, fmt.Errorf("%q is a %s, and cycles begin %s", name, begin.Weekday(), c)
	}
	end := begin.AddDate(0, 0, 1)
	switch c.Kind {
	case WeeklyCycle:
		end = begin.AddDate(0, 0, 7)
	case MonthlyCycle:
		end = begin.AddDate(0, 1, c.Day-1)
	}
	return LocalTime{Year: end.Year(), Month: end.Month(), Day: end.Day()}.In(zone), nil
}

const maxAttempts = 1000

func (c checker) payout(p *Payout) {
	if p.Cycle.Kind > ByHand || p.Cycle.Kind == MonthlyCycle && (p.Cycle.Day < 1 || p.Cycle.Day > 28) {
		c.fault("payout.cycle", FaultCycle)
	}
	if p.Negative > NegativeDebit || p.DebitAfterDays > 0 && p.Negative != NegativeDebit {
		c.fault("payout.negative", FaultNegative)
	}
	c.days("payout.hold", p.HoldDays)
	c.fixed("payout.from", p.FromMinor)
	c.days("payout.negative", p.DebitAfterDays)
	c.fixed("payout.write_off.up_to", p.WriteOff.UpToMinor)
	c.days("payout.write_off.after", p.WriteOff.AfterDays)
	c.fixed("payout.four_eyes_over", p.FourEyesOverMinor)
	if p.Attempts < 0 || p.Attempts > maxAttempts {
		c.fault("payout.attempts", FaultTimes, p.Attempts, 1, maxAttempts)
	}
	if p.Cycle.Kind != AtOnce {
		return
	}
	for _, needs := range [...]struct {
		key    string
		asked  bool
		atOnce Code
	}{
		{"hold", p.HoldDays > 0, FaultHoldAtOnce},
		{"from", p.FromMinor > 0, FaultFromAtOnce},
		{"negative", p.DebitAfterDays > 0, FaultDebitAtOnce},
	} {
		if needs.asked {
			c.add(Fault{Path: "payout." + needs.key, Code: needs.atOnce, Of: []string{"payout.cycle"}})
		}
	}
}

// DebitedFirst reports that every debt is debited as soon as it is met, so that
// none is ever old enough to be given up.
func (p *Payout) DebitedFirst() bool {
	after, debits := p.Debits()
	return debits && after == 0 && p.WriteOff.UpToMinor > 0 && p.WriteOff.AfterDays > 0
}
