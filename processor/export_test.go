package processor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/rules/engine"
)

// Purse is a shard's purse in the hands of a test, which draws for it.
type Purse struct{ *purse }

// NewPurse is the purse of a shard that was just claimed. Its clock runs fast:
// a budget that was found used up is drawn on again before long.
func NewPurse() Purse {
	clock := time.Unix(0, 0)
	return Purse{newPurse(NewMetrics(prometheus.NewRegistry()), func() time.Time {
		clock = clock.Add(emptyFor / 2)
		return clock
	})}
}

// Decide decides a window as a shard does, and gives the totals to save.
func (p Purse) Decide(decide func(engine.Budgets), draw func(Draw) (Drawn, error)) ([]BudgetTotal, error) {
	p.open()
	for {
		decide(p.purse)
		short := p.short()
		if len(short) == 0 {
			return p.appendTotals(nil), nil
		}
		for _, t := range short {
			drawn, err := draw(Draw{Budget: t.key, LimitMinor: t.limitMinor, WantMinor: t.wantMinor})
			if err == nil {
				err = p.filled(t, &drawn)
			}
			if err != nil {
				return nil, err
			}
		}
		p.again()
	}
}

// Saved is told that the totals are saved.
func (p Purse) Saved() { p.saved(0) }
