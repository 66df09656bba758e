package processor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/rules/engine"
)

// BudgetLeases are a shard's leases in the hands of a test, which reserves for them.
type BudgetLeases struct{ *budgetLeases }

// NewBudgetLeases are those of a shard that was just acquired. Their clock runs fast:
// a budget that was found used up is asked again before long.
func NewBudgetLeases() BudgetLeases {
	clock := time.Unix(0, 0)
	return BudgetLeases{newBudgetLeases(NewMetrics(prometheus.NewRegistry()), func() time.Time {
		clock = clock.Add(exhaustedFor / 2)
		return clock
	})}
}

// Decide decides a window as a shard does, and gives the totals to save.
func (p BudgetLeases) Decide(decide func(engine.Budgets), reserve func(Reservation) (Reserved, error)) ([]BudgetSpent, error) {
	p.open()
	for {
		decide(p.budgetLeases)
		short := p.short()
		if len(short) == 0 {
			return p.appendSpent(nil), nil
		}
		for _, t := range short {
			reserved, err := reserve(Reservation{Budget: t.key, LimitMinor: t.limitMinor, WantMinor: t.wantMinor})
			if err == nil {
				err = p.extend(t, &reserved)
			}
			if err != nil {
				return nil, err
			}
		}
		p.again()
	}
}

// Saved is told that the totals are saved.
func (p BudgetLeases) Saved() { p.saved(0) }
