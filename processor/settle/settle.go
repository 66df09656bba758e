// Package settle closes the cycles of programmes: for each account that may have
// something due it posts a cycle_closed fact, on which the account's shard
// decides what is paid, taken or given up. Nothing is decided here, and the list
// of accounts may be stale: a fact too many pays nothing, and the ids of facts
// follow from programme, cycle and account, so that settling twice, in parallel
// or after a crash is one settlement.
package settle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// Cycle is one cycle of a programme that can be closed.
type Cycle struct {
	Programme string
	Name      string        // such as 2026-02
	AsOf      rules.Instant // its end
	// Lapses: kitties or points of the programme can expire, which the first
	// cycle after their time books.
	Lapses bool
}

// Find looks a programme's cycle up by its name. asOf is its end where it is
// closed by hand; otherwise it follows from the name, and asOf may be nil. A cycle
// that hasn't ended is refused: its facts would be refused as being ahead.
func Find(s *engine.Snapshot, programme, name string, asOf *rules.Instant, now rules.Instant) (Cycle, error) {
	end, err := endOf(s, programme, name, asOf)
	if err != nil {
		return Cycle{}, err
	}
	if end.After(now) {
		return Cycle{}, fmt.Errorf("cycle %s of programme %s ends at %s, which is still to come", name, programme, end)
	}
	return Cycle{Programme: programme, Name: name, AsOf: end, Lapses: s.Lapses(programme)}, nil
}

func endOf(s *engine.Snapshot, programme, name string, asOf *rules.Instant) (rules.Instant, error) {
	if asOf != nil {
		if v := s.ProgrammeAt(programme, *asOf); v != nil && !scheduled(v.Payout.Cycle) {
			return *asOf, nil
		}
	}
	end, err := s.CycleEnd(programme, name)
	if err == nil && asOf != nil && *asOf != end {
		err = fmt.Errorf("programme %s: cycle %s ends at %s, not at %s: drop --as-of", programme, name, end, *asOf)
	}
	return end, err
}

// scheduled reports whether cycles end by the calendar.
func scheduled(c offer.Cycle) bool { return c.Kind != offer.AtOnce && c.Kind != offer.ByHand }

// Ledger tells who may have something due, and keeps what was settled.
type Ledger interface {
	// AccountsDue streams the ids of a programme's accounts that may have something
	// due: what is confirmed isn't what was instructed, something was recorded
	// since then, or, where something can lapse, there are kitties or points. Each
	// comes once, in no order that means anything.
	AccountsDue(ctx context.Context, programme string, since time.Time, lapses bool, each func(accountID string) error) error
	Actions(ctx context.Context) ([]rules.OperatorAction, error)
	RecordAction(ctx context.Context, a *rules.OperatorAction) error
}

// Poster posts facts; it returns when they are acknowledged.
type Poster interface {
	Post(ctx context.Context, facts []rules.Fact) error
}

// Order is who asks for a settlement, and why, for the audit trail.
type Order struct{ By, Reason string }

// Settled is what became of one.
type Settled struct {
	Accounts int // that a fact was posted for
	Took     time.Duration
	// Again: the cycle was settled before. What came since is the next cycle's.
	Again bool
}

// Settlement closes cycles.
type Settlement struct {
	Ledger Ledger
	Poster Poster
	Now    func() time.Time
	// Progress is told after each batch how many facts it had; nil: nobody is.
	Progress func(facts int)
}

const (
	// action is the name of a settlement in the audit trail.
	action = "settle"
	// batch is how many facts are posted at once, and are in memory.
	batch = 5000
	// overlap is by how much a settlement looks back further than the start of
	// the one before: what is booked while that ran may have an older Kafka
	// timestamp.
	overlap = 24 * time.Hour
)

// done is a settlement as the audit trail has it.
type done struct {
	Programme string `json:"programme"`
	Cycle     string `json:"cycle"`
	AsOf      string `json:"as_of"`
	Accounts  int    `json:"accounts"`

	began time.Time
}

// Close closes a cycle for every account that may have something due.
func (s *Settlement) Close(ctx context.Context, c Cycle, o Order) (Settled, error) {
	began := s.Now()
	earlier, err := trail(ctx, s.Ledger)
	if err != nil {
		return Settled{}, err
	}
	since, again := c.before(earlier)
	settled := Settled{Again: again}
	facts := make([]rules.Fact, 0, batch)
	post := func() error {
		if err := s.Poster.Post(ctx, facts); err != nil {
			return err
		}
		settled.Accounts += len(facts)
		if s.Progress != nil {
			s.Progress(len(facts))
		}
		facts = facts[:0]
		return nil
	}
	err = s.Ledger.AccountsDue(ctx, c.Programme, since, c.Lapses, func(accountID string) error {
		facts = append(facts, rules.ClosingOf(c.Programme, c.Name, accountID, c.AsOf))
		if len(facts) == batch {
			return post()
		}
		return nil
	})
	if err == nil && len(facts) > 0 {
		err = post()
	}
	if err != nil {
		return settled, fmt.Errorf("close cycle %s of programme %s: %d accounts are posted: %w; settle it again: what is posted counts once",
			c.Name, c.Programme, settled.Accounts, err)
	}
	settled.Took = s.Now().Sub(began)
	return settled, s.record(ctx, c, o, began, settled.Accounts)
}

// before is from when on it matters what was recorded: since a settlement of the
// programme began that ended. Without one, everything does.
func (c *Cycle) before(trail []done) (since time.Time, again bool) {
	since = time.UnixMilli(0)
	for _, d := range trail {
		switch at, err := time.Parse(time.RFC3339Nano, d.AsOf); {
		case d.Programme != c.Programme:
		case d.Cycle == c.Name:
			again = true // it is settled again by the list that it had
		case err == nil && rules.InstantOf(at).Before(c.AsOf):
			since = d.began.Add(-overlap)
		}
	}
	return since, again
}

// trail is what the audit trail has of settlements, in order.
func trail(ctx context.Context, l Ledger) (all []done, err error) {
	actions, err := l.Actions(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up earlier settlements: %w", err)
	}
	for i := range actions {
		d := done{began: time.UnixMilli(actions[i].At)}
		if actions[i].Action == action && json.Unmarshal([]byte(actions[i].Details), &d) == nil {
			all = append(all, d)
		}
	}
	return all, nil
}

func (s *Settlement) record(ctx context.Context, c Cycle, o Order, began time.Time, accounts int) error {
	details, err := json.Marshal(done{Programme: c.Programme, Cycle: c.Name, AsOf: c.AsOf.String(), Accounts: accounts})
	if err != nil {
		return err
	}
	return s.Ledger.RecordAction(ctx, &rules.OperatorAction{
		At: began.UnixMilli(), Action: action, By: o.By, Reason: o.Reason, Details: string(details),
	})
}
