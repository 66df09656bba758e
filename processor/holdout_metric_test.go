package processor

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ristourne/rules"
)

func TestEventsUnderHoldoutsAreCountedByDraw(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	NewMetrics(registry).countHoldouts([]rules.SetRow{
		{Holdouts: []rules.HoldoutDraw{{ID: "cafe/everyday", Held: true}, {ID: "cashback"}}},
		{},
		{Holdouts: []rules.HoldoutDraw{{ID: "cafe/everyday", Held: true}}},
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "ristourne_holdout_events_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			got[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	if len(got) != 2 || got["cafe/everyday true"] != 2 || got["cashback false"] != 1 {
		t.Errorf("counted are %v", got)
	}
}
