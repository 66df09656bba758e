package pipelinetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/catalog"
	"ristourne/rules"
	"ristourne/rules/ledgertest"
	"ristourne/rules/money"
)

// saleCatalogue has a campaign that doubles 3 % as far as its budget goes: 100
// purchases of 100 EUR and a bit.
var saleCatalogue = map[string]string{
	"programme.yaml": `
programme: town
name: Town
currency: EUR
zone: Europe/Paris
cards: all
`,
	"cafe.yaml": `
partner: cafe
name: Café
commission: 8%
stores:
  - {id: main, zone: Europe/Paris, keys: [{mid: "0012345678"}]}
offers:
  - {id: everyday, reward: 3%}
`,
	"sale.yaml": `
campaign: sale
name: The sale
from: 2026-05-01
until: 2026-07-01
budget: 301 EUR
boosts:
  - {id: double, multiply: 2}
`,
}

const (
	saleBudgetMinor = 301_00
	saleExtraMinor  = 3_00
	saleAccounts    = 60
	salePurchases   = 240
)

// Processes share the budget of a campaign that is asked for more than twice as
// much as it has. One is killed while it grants; what it had drawn is not lost.
func TestProcessesShareABudget(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	w := newSaleWorld(t)
	a, b := w.start(t, "a"), w.start(t, "b")
	w.awaitShared(t, a, b)
	first, rest := w.supply[:salePurchases/4], w.supply[salePurchases/4:]
	w.produce(t, first)
	localserverstest.WaitUntil(t, "something is decided", func() bool { return w.anyDecided(t) })
	a.kill(t)
	c := w.start(t, "c")
	w.produce(t, rest)
	localserverstest.WaitUntil(t, "every record is committed", func() bool { return w.finished(t.Context(), t) })
	b.terminate(t)
	c.terminate(t)

	w.check(t)
	granted, err := w.ledger.Spent(t.Context(), "campaign/sale")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, minor := range granted {
		sum += minor
	}
	// Each shard may be left with a chunk, and with less than the next asks.
	const chunkMinor = saleBudgetMinor / (16 * failoverShards)
	if sum > saleBudgetMinor || sum < saleBudgetMinor-failoverShards*(chunkMinor+saleExtraMinor) {
		t.Errorf("the sale gave %d of %d: %v", sum, saleBudgetMinor, granted)
	}
	if len(granted) < 2 {
		t.Errorf("only one shard was given anything: %v", granted)
	}
}

func newSaleWorld(t *testing.T) *failoverWorld {
	t.Helper()
	dir := t.TempDir()
	for name, text := range saleCatalogue {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newFailoverParts(t, dir)
	loaded, err := catalog.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.agreed = loaded.Catalogue
	enrolled := rules.InstantOf(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC))
	for n := range saleAccounts {
		w.supply = append(w.supply, ledgertest.Record{Fact: &rules.Fact{
			ID: "enrolled", Type: rules.Enrolled, AccountID: saleAccount(n), At: enrolled, MemberID: saleAccount(n), Programme: "town",
		}})
	}
	w.produce(t, w.supply)
	w.records = append(w.records, w.supply...)
	w.supply = nil
	for n := range salePurchases {
		w.supply = append(w.supply, ledgertest.Record{Event: &rules.Event{
			ID: fmt.Sprintf("ev-%d", n), Type: rules.Clearing, TransactionID: fmt.Sprintf("txn-%d", n), AccountID: saleAccount(n % saleAccounts),
			CardToken: "tok", AmountMinor: 100_00, Currency: money.Currency{'E', 'U', 'R'},
			OccurredAt: enrolled.AddSeconds(int64(3600 * (n + 1))), Merchant: rules.Merchant{ID: "0012345678"},
		}})
	}
	w.records = append(w.records, w.supply...)
	return w
}

func (w *failoverWorld) anyDecided(t *testing.T) bool {
	t.Helper()
	for shard := range w.shards {
		if w.head(t, shard).Positions[rules.TopicTransactions] > 0 {
			return true
		}
	}
	return false
}

func saleAccount(n int) string { return fmt.Sprintf("acc-%d", n) }
