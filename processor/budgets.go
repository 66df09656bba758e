package processor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ristourne/rules"
)

// budgetLeases is what a shard has of budgets, while it decides: rules.Budgets in
// memory. What it gives is tentative until the window is saved. Where it is
// short it notes so; the shard then draws on the budget and decides the window
// once more.
//
// The purse is a cache: what it forgets is drawn anew, at no loss.
type budgetLeases struct {
	leases  map[rules.BudgetKey]*lease
	touched []*lease // by the window, in the order in which they were
	metrics *Metrics
	now     func() time.Time
}

// lease is one budget in a purse.
type lease struct {
	key           rules.BudgetKey
	loaded        bool  // by a draw: without, nothing is known of it
	savedMinor    int64 // granted by the shard, as Redis has it
	spentMinor    int64 // and with what the window grants
	reservedMinor int64 // up to which the shard may grant
	othersMinor   int64 // drawn by all other shards, as last seen

	// Of the window.
	touched      bool
	reservations int
	exhausted    bool  // drawing gave less than was wanted: there is no more
	limitMinor   int64 // the highest that was stated
	short        bool
	missingMinor int64 // asked and not given, up to now
	wantMinor    int64 // most that was needed at one time beyond savedMinor
	refused      int   // asks that got less

	// exhaustedUntil spares the draws on a budget that is used up, as long as its
	// limit is no higher.
	exhaustedUntil      time.Time
	exhaustedLimitMinor int64
}

const (
	// maxLeases bounds the memory of a purse. A pot is some 200 bytes.
	maxLeases = 1 << 14
	// maxReservations bounds how often a window draws on one budget.
	maxReservations = 2
	// exhaustedFor is how long a budget that was found used up is not drawn on. What
	// others give back they keep, so that it is used up for good, mostly.
	exhaustedFor = 10 * time.Second
)

func newBudgetLeases(metrics *Metrics, now func() time.Time) *budgetLeases {
	return &budgetLeases{leases: make(map[rules.BudgetKey]*lease), metrics: metrics, now: now}
}

// forget makes the purse that of a shard that was just claimed.
func (p *budgetLeases) forget() {
	clear(p.leases)
	p.touched = p.touched[:0]
}

// Take gives what is there, within the limit as far as is known.
func (p *budgetLeases) Take(key rules.BudgetKey, limitMinor, askMinor int64) int64 {
	t := p.touch(key)
	t.limitMinor = max(t.limitMinor, limitMinor)
	given := max(0, min(askMinor, min(t.reservedMinor, limitMinor-t.othersMinor)-t.spentMinor))
	t.spentMinor += given
	if given < askMinor {
		t.refused++
		t.missingMinor += askMinor - given
		t.wantMinor = max(t.wantMinor, t.spentMinor+t.missingMinor-t.savedMinor)
		t.short = t.short || p.mayReserve(t, limitMinor)
	}
	return given
}

// mayReserve reports whether it is worth to draw on a budget that is short.
func (p *budgetLeases) mayReserve(t *lease, limitMinor int64) bool {
	return !t.exhausted && t.reservations < maxReservations && (limitMinor > t.exhaustedLimitMinor || !p.now().Before(t.exhaustedUntil))
}

// GiveBack takes back what the shard has granted.
func (p *budgetLeases) GiveBack(key rules.BudgetKey, minor int64) {
	t := p.touch(key)
	t.spentMinor -= minor
	t.short = t.short || !t.loaded
}

func (p *budgetLeases) touch(key rules.BudgetKey) *lease {
	t := p.leases[key]
	if t == nil {
		// The key may lie in memory of an account's state, which a pot outlives.
		t = &lease{key: rules.BudgetKey(strings.Clone(string(key)))}
		p.leases[t.key] = t
	}
	if !t.touched {
		t.touched = true
		p.touched = append(p.touched, t)
	}
	return t
}

// open begins a window: whatever the one before has not saved is void.
func (p *budgetLeases) open() {
	p.again()
	for _, t := range p.touched {
		t.touched, t.reservations, t.exhausted = false, 0, false
	}
	p.touched = p.touched[:0]
	if len(p.leases) > maxLeases {
		clear(p.leases)
	}
}

// again begins to decide the window once more.
func (p *budgetLeases) again() {
	for _, t := range p.touched {
		t.spentMinor, t.limitMinor = t.savedMinor, 0
		t.short, t.missingMinor, t.wantMinor, t.refused = false, 0, 0, 0
	}
}

// short are the budgets to draw on before the window is decided once more.
func (p *budgetLeases) short() (short []*lease) {
	for _, t := range p.touched {
		if t.short {
			short = append(short, t)
		}
	}
	return short
}

// appendSpent appends what has changed with the window.
func (p *budgetLeases) appendSpent(totals []BudgetSpent) []BudgetSpent {
	for _, t := range p.touched {
		if t.spentMinor != t.savedMinor {
			totals = append(totals, BudgetSpent{t.key, t.spentMinor})
		}
	}
	return totals
}

// saved is told that the window's totals are saved.
func (p *budgetLeases) saved(shard int32) {
	for _, t := range p.touched {
		t.savedMinor = t.spentMinor
		p.metrics.countSpent(shard, t)
	}
}

// extend takes the answer to a draw.
func (p *budgetLeases) extend(t *lease, d *Reserved) error {
	if t.loaded && d.SpentMinor != t.savedMinor {
		return fmt.Errorf("budget %s: %w: Redis has %d granted by the shard, which has saved %d", t.key, ErrStateBehindLedger, d.SpentMinor, t.savedMinor)
	}
	t.loaded, t.reservations = true, t.reservations+1
	t.savedMinor, t.reservedMinor, t.othersMinor = d.SpentMinor, d.ReservedMinor, d.OthersMinor
	if t.exhausted = d.ReservedMinor-d.SpentMinor < t.wantMinor; t.exhausted {
		t.exhaustedUntil, t.exhaustedLimitMinor = p.now().Add(exhaustedFor), t.limitMinor
	} else {
		t.exhaustedLimitMinor = 0
	}
	return nil
}

// reservationsAtOnce bounds the draws that are under way for one window.
const reservationsAtOnce = 8

// reserve asks for more of the budgets that were short.
func (s *Shard) reserve(ctx context.Context, short []*lease) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reservationsAtOnce)
	for _, t := range short {
		group.Go(func() error { return s.reserveOne(ctx, t) })
	}
	return group.Wait()
}

func (s *Shard) reserveOne(ctx context.Context, t *lease) error {
	request := Reservation{Shard: s.source.Shard(), Epoch: s.epoch, Budget: t.key, LimitMinor: t.limitMinor, WantMinor: t.wantMinor}
	var drawn Reserved
	err := s.retry(ctx, "draw", func(ctx context.Context) (err error) {
		drawn, err = s.ports.Accounts.Reserve(ctx, request, func(ctx context.Context) (map[int32]int64, error) {
			return s.ports.Ledger.Spent(ctx, t.key)
		})
		return err
	})
	if err != nil {
		return err
	}
	s.metrics.showBudget(t, &drawn)
	return s.leases.extend(t, &drawn)
}
