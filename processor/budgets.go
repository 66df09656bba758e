package processor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ristourne/rules"
)

// budgetLeases is what a shard may spend of budgets, while it decides:
// engine.Budgets in memory. What it gives is tentative until the window is saved.
// Where a lease is short it is noted; the shard then reserves more of the budget
// and decides the window once more.
//
// The leases are a cache: what is forgotten is read anew, at no loss.
type budgetLeases struct {
	leases  map[rules.BudgetKey]*lease
	touched []*lease // by the window, in the order in which they were
	metrics *Metrics
	now     func() time.Time
}

// lease is what the shard holds of one budget.
type lease struct {
	key           rules.BudgetKey
	loaded        bool  // by a reservation: without, nothing is known of it
	savedMinor    int64 // spent by the shard, as Redis has it
	spentMinor    int64 // and with what the window spends
	reservedMinor int64 // up to which the shard may spend
	othersMinor   int64 // reserved by all other shards, as last seen

	// Of the window.
	touched      bool
	reservations int
	exhausted    bool  // a reservation gave less than was wanted: there is no more
	limitMinor   int64 // the highest that was stated
	short        bool
	missingMinor int64 // asked and not given, up to now
	wantMinor    int64 // most that was needed at one time beyond savedMinor
	refused      int   // asks that got less

	// exhaustedUntil spares the reservations of a budget that is used up, as long
	// as its limit is no higher.
	exhaustedUntil      time.Time
	exhaustedLimitMinor int64
}

const (
	// maxLeases bounds the memory of a shard's leases: some 200 bytes each.
	maxLeases = 1 << 14
	// maxReservations bounds how often a window reserves of one budget.
	maxReservations = 2
	// exhaustedFor is how long nothing is reserved of a budget that was found used
	// up. What others give back they keep, so that it is used up for good, mostly.
	exhaustedFor = 10 * time.Second
)

func newBudgetLeases(metrics *Metrics, now func() time.Time) *budgetLeases {
	return &budgetLeases{leases: make(map[rules.BudgetKey]*lease), metrics: metrics, now: now}
}

// forget makes the leases those of a shard that was just acquired: none.
func (b *budgetLeases) forget() {
	clear(b.leases)
	b.touched = b.touched[:0]
}

// Take gives what is there, within the limit as far as is known.
func (b *budgetLeases) Take(key rules.BudgetKey, limitMinor, askMinor int64) int64 {
	l := b.touch(key)
	l.limitMinor = max(l.limitMinor, limitMinor)
	given := max(0, min(askMinor, min(l.reservedMinor, limitMinor-l.othersMinor)-l.spentMinor))
	l.spentMinor += given
	if given < askMinor {
		l.refused++
		l.missingMinor += askMinor - given
		l.wantMinor = max(l.wantMinor, l.spentMinor+l.missingMinor-l.savedMinor)
		l.short = l.short || b.mayReserve(l, limitMinor)
	}
	return given
}

// mayReserve reports whether it is worth to reserve more of a budget that is short.
func (b *budgetLeases) mayReserve(l *lease, limitMinor int64) bool {
	return !l.exhausted && l.reservations < maxReservations && (limitMinor > l.exhaustedLimitMinor || !b.now().Before(l.exhaustedUntil))
}

// GiveBack takes back what the shard has spent.
func (b *budgetLeases) GiveBack(key rules.BudgetKey, minor int64) {
	l := b.touch(key)
	l.spentMinor -= minor
	l.short = l.short || !l.loaded
}

func (b *budgetLeases) touch(key rules.BudgetKey) *lease {
	l := b.leases[key]
	if l == nil {
		// The key may lie in memory of an account's state, which a lease outlives.
		l = &lease{key: rules.BudgetKey(strings.Clone(string(key)))}
		b.leases[l.key] = l
	}
	if !l.touched {
		l.touched = true
		b.touched = append(b.touched, l)
	}
	return l
}

// open begins a window: whatever the one before has not saved is void.
func (b *budgetLeases) open() {
	b.again()
	for _, l := range b.touched {
		l.touched, l.reservations, l.exhausted = false, 0, false
	}
	b.touched = b.touched[:0]
	if len(b.leases) > maxLeases {
		clear(b.leases)
	}
}

// again begins to decide the window once more.
func (b *budgetLeases) again() {
	for _, l := range b.touched {
		l.spentMinor, l.limitMinor = l.savedMinor, 0
		l.short, l.missingMinor, l.wantMinor, l.refused = false, 0, 0, 0
	}
}

// short are the budgets to reserve of before the window is decided once more.
func (b *budgetLeases) short() (short []*lease) {
	for _, l := range b.touched {
		if l.short {
			short = append(short, l)
		}
	}
	return short
}

// appendSpent appends what has changed with the window.
func (b *budgetLeases) appendSpent(totals []BudgetSpent) []BudgetSpent {
	for _, l := range b.touched {
		if l.spentMinor != l.savedMinor {
			totals = append(totals, BudgetSpent{l.key, l.spentMinor})
		}
	}
	return totals
}

// saved is told that the window's totals are saved.
func (b *budgetLeases) saved(shard int32) {
	for _, l := range b.touched {
		l.savedMinor = l.spentMinor
		b.metrics.countSpent(shard, l)
	}
}

// extend takes the answer to a reservation.
func (b *budgetLeases) extend(l *lease, r *Reserved) error {
	if l.loaded && r.SpentMinor != l.savedMinor {
		return fmt.Errorf("budget %s: %w: Redis has %d spent by the shard, which has saved %d", l.key, ErrStateBehindLedger, r.SpentMinor, l.savedMinor)
	}
	l.loaded, l.reservations = true, l.reservations+1
	l.savedMinor, l.reservedMinor, l.othersMinor = r.SpentMinor, r.ReservedMinor, r.OthersMinor
	if l.exhausted = r.ReservedMinor-r.SpentMinor < l.wantMinor; l.exhausted {
		l.exhaustedUntil, l.exhaustedLimitMinor = b.now().Add(exhaustedFor), l.limitMinor
	} else {
		l.exhaustedLimitMinor = 0
	}
	return nil
}

// reservationsAtOnce bounds the reservations that are under way for one window.
const reservationsAtOnce = 8

// reserve asks for more of the budgets that were short.
func (s *Shard) reserve(ctx context.Context, short []*lease) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reservationsAtOnce)
	for _, l := range short {
		group.Go(func() error { return s.reserveOne(ctx, l) })
	}
	return group.Wait()
}

func (s *Shard) reserveOne(ctx context.Context, l *lease) error {
	request := Reservation{Shard: s.source.Shard(), Epoch: s.epoch, Budget: l.key, LimitMinor: l.limitMinor, WantMinor: l.wantMinor}
	var reserved Reserved
	err := s.retry(ctx, "draw", func(ctx context.Context) (err error) {
		reserved, err = s.ports.Accounts.Reserve(ctx, request, func(ctx context.Context) (map[int32]int64, error) {
			return s.ports.Ledger.Spent(ctx, l.key)
		})
		return err
	})
	if err != nil {
		return err
	}
	s.metrics.showBudget(l, &reserved)
	return s.leases.extend(l, &reserved)
}
