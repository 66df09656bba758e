package processor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ristourne/rules"
)

// purse is what a shard has of budgets, while it decides: rules.Budgets in
// memory. What it gives is tentative until the window is saved. Where it is
// short it notes so; the shard then draws on the budget and decides the window
// once more.
//
// The purse is a cache: what it forgets is drawn anew, at no loss.
type purse struct {
	pots    map[rules.BudgetKey]*pot
	touched []*pot // by the window, in the order in which they were
	metrics *Metrics
	now     func() time.Time
}

// pot is one budget in a purse.
type pot struct {
	key          rules.BudgetKey
	loaded       bool  // by a draw: without, nothing is known of it
	savedMinor   int64 // granted by the shard, as Redis has it
	grantedMinor int64 // and with what the window grants
	drawnMinor   int64 // up to which the shard may grant
	othersMinor  int64 // drawn by all other shards, as last seen

	// Of the window.
	touched    bool
	draws      int
	final      bool  // drawing gave less than was wanted: there is no more
	limitMinor int64 // the highest that was stated
	short      bool
	lackMinor  int64 // asked and not given, up to now
	wantMinor  int64 // most that was needed at one time beyond savedMinor
	refused    int   // asks that got less

	// emptyUntil spares the draws on a budget that is used up, as long as its
	// limit is no higher.
	emptyUntil      time.Time
	emptyLimitMinor int64
}

const (
	// maxPots bounds the memory of a purse. A pot is some 200 bytes.
	maxPots = 1 << 14
	// maxDraws bounds how often a window draws on one budget.
	maxDraws = 2
	// emptyFor is how long a budget that was found used up is not drawn on. What
	// others give back they keep, so that it is used up for good, mostly.
	emptyFor = 10 * time.Second
)

func newPurse(metrics *Metrics, now func() time.Time) *purse {
	return &purse{pots: make(map[rules.BudgetKey]*pot), metrics: metrics, now: now}
}

// forget makes the purse that of a shard that was just claimed.
func (p *purse) forget() {
	clear(p.pots)
	p.touched = p.touched[:0]
}

// Take gives what is there, within the limit as far as is known.
func (p *purse) Take(key rules.BudgetKey, limitMinor, askMinor int64) int64 {
	t := p.touch(key)
	t.limitMinor = max(t.limitMinor, limitMinor)
	given := max(0, min(askMinor, min(t.drawnMinor, limitMinor-t.othersMinor)-t.grantedMinor))
	t.grantedMinor += given
	if given < askMinor {
		t.refused++
		t.lackMinor += askMinor - given
		t.wantMinor = max(t.wantMinor, t.grantedMinor+t.lackMinor-t.savedMinor)
		t.short = t.short || p.mayDraw(t, limitMinor)
	}
	return given
}

// mayDraw reports whether it is worth to draw on a budget that is short.
func (p *purse) mayDraw(t *pot, limitMinor int64) bool {
	return !t.final && t.draws < maxDraws && (limitMinor > t.emptyLimitMinor || !p.now().Before(t.emptyUntil))
}

// GiveBack takes back what the shard has granted.
func (p *purse) GiveBack(key rules.BudgetKey, minor int64) {
	t := p.touch(key)
	t.grantedMinor -= minor
	t.short = t.short || !t.loaded
}

func (p *purse) touch(key rules.BudgetKey) *pot {
	t := p.pots[key]
	if t == nil {
		// The key may lie in memory of an account's state, which a pot outlives.
		t = &pot{key: rules.BudgetKey(strings.Clone(string(key)))}
		p.pots[t.key] = t
	}
	if !t.touched {
		t.touched = true
		p.touched = append(p.touched, t)
	}
	return t
}

// open begins a window: whatever the one before has not saved is void.
func (p *purse) open() {
	p.again()
	for _, t := range p.touched {
		t.touched, t.draws, t.final = false, 0, false
	}
	p.touched = p.touched[:0]
	if len(p.pots) > maxPots {
		clear(p.pots)
	}
}

// again begins to decide the window once more.
func (p *purse) again() {
	for _, t := range p.touched {
		t.grantedMinor, t.limitMinor = t.savedMinor, 0
		t.short, t.lackMinor, t.wantMinor, t.refused = false, 0, 0, 0
	}
}

// short are the budgets to draw on before the window is decided once more.
func (p *purse) short() (short []*pot) {
	for _, t := range p.touched {
		if t.short {
			short = append(short, t)
		}
	}
	return short
}

// appendTotals appends what has changed with the window.
func (p *purse) appendTotals(totals []BudgetTotal) []BudgetTotal {
	for _, t := range p.touched {
		if t.grantedMinor != t.savedMinor {
			totals = append(totals, BudgetTotal{t.key, t.grantedMinor})
		}
	}
	return totals
}

// saved is told that the window's totals are saved.
func (p *purse) saved(shard int32) {
	for _, t := range p.touched {
		t.savedMinor = t.grantedMinor
		p.metrics.countGrants(shard, t)
	}
}

// filled takes the answer to a draw.
func (p *purse) filled(t *pot, d *Drawn) error {
	if t.loaded && d.GrantedMinor != t.savedMinor {
		return fmt.Errorf("budget %s: %w: Redis has %d granted by the shard, which has saved %d", t.key, ErrHeadsFellBack, d.GrantedMinor, t.savedMinor)
	}
	t.loaded, t.draws = true, t.draws+1
	t.savedMinor, t.drawnMinor, t.othersMinor = d.GrantedMinor, d.DrawnMinor, d.OthersMinor
	if t.final = d.DrawnMinor-d.GrantedMinor < t.wantMinor; t.final {
		t.emptyUntil, t.emptyLimitMinor = p.now().Add(emptyFor), t.limitMinor
	} else {
		t.emptyLimitMinor = 0
	}
	return nil
}

// drawsAtOnce bounds the draws that are under way for one window.
const drawsAtOnce = 8

// draw asks for more of the budgets that were short.
func (s *Shard) draw(ctx context.Context, short []*pot) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(drawsAtOnce)
	for _, t := range short {
		group.Go(func() error { return s.drawOne(ctx, t) })
	}
	return group.Wait()
}

func (s *Shard) drawOne(ctx context.Context, t *pot) error {
	request := Draw{Shard: s.source.Shard(), Epoch: s.epoch, Budget: t.key, LimitMinor: t.limitMinor, WantMinor: t.wantMinor}
	var drawn Drawn
	err := s.retry(ctx, "draw", func(ctx context.Context) (err error) {
		drawn, err = s.edges.Accounts.Draw(ctx, request, func(ctx context.Context) (map[int32]int64, error) {
			return s.edges.Ledger.Granted(ctx, t.key)
		})
		return err
	})
	if err != nil {
		return err
	}
	s.metrics.showBudget(t, &drawn)
	return s.purse.filled(t, &drawn)
}
