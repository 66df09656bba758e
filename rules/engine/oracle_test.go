package engine_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/ledgertest"
	"ristourne/rules/offer"
)

var cases = flag.Int("cases", 80, "how many random cases to compare with the oracle; other random tests make more or fewer in proportion, and with -short a quarter")

// seeds is how many random cases a test makes that makes n where the oracle is
// compared with 80.
func seeds(n int) uint64 {
	n = n * *cases / 80
	if testing.Short() {
		n /= 4
	}
	return uint64(max(1, n))
}

// ledger runs records through the engine as the processor does: each account's
// state is written and read between its records.
type ledger struct {
	engine   *engine.Engine
	snapshot *engine.Snapshot
	states   map[string][]byte
	account  *engine.Account
	out      rules.Output
	result   ledgertest.Result
	seen     map[rules.AccrualID]rules.Accrual
	paid     map[string]rules.Instruction
	live     map[string]*engine.Account // not nil: accounts that are never written, instead
}

func newLedger(cat *offer.Catalogue) (*ledger, error) {
	s, err := engine.Compile(cat)
	if err != nil {
		return nil, err
	}
	return &ledger{
		engine: engine.New(s), snapshot: s, states: map[string][]byte{}, account: engine.NewAccount(""),
		seen: map[rules.AccrualID]rules.Accrual{}, paid: map[string]rules.Instruction{},
		result: ledgertest.Result{Sums: map[ledgertest.Key]ledgertest.Sums{}, Instructed: map[ledgertest.Payee]int64{}},
	}, nil
}

func (l *ledger) load(id string) (*engine.Account, error) {
	if l.live != nil {
		if l.live[id] == nil {
			l.live[id] = engine.NewAccount(id)
		}
		return l.live[id], nil
	}
	l.account.Reset(id)
	state, ok := l.states[id]
	if !ok {
		return l.account, nil
	}
	return l.account, l.account.UnmarshalBinary(state)
}

func (l *ledger) apply(n int, r ledgertest.Record) error {
	a, err := l.load(r.AccountID())
	if err != nil {
		return err
	}
	c := rules.Cause{Kind: rules.CauseEvent, ID: r.ID(), Offset: int64(n), RecordedAt: 1_700_000_000_000 + int64(n)}
	l.out.Reset()
	var v engine.Verdict
	if r.Event != nil {
		v, err = l.engine.ApplyEvent(a, r.Event, c, &l.out)
	} else {
		c.Kind = rules.CauseFact
		v, err = l.engine.ApplyFact(a, r.Fact, c, &l.out)
	}
	if err != nil {
		return err
	}
	if !v.Fate.InSet() && len(l.out.Accruals) > 0 {
		return fmt.Errorf("record %d is %s and books lines", n, v.Fate)
	}
	l.result.Fates = append(l.result.Fates, v.Fate)
	if err := l.collect(n); err != nil {
		return err
	}
	if err := l.settled(a, c); err != nil {
		return fmt.Errorf("record %d: %w", n, err)
	}
	if l.live == nil {
		l.states[a.ID()] = a.AppendBinary(nil)
	}
	return nil
}

// settled checks that working the account out from nothing books nothing more.
func (l *ledger) settled(a *engine.Account, c rules.Cause) error {
	copied := engine.NewAccount(a.ID())
	if err := copied.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
		return err
	}
	var out rules.Output
	if err := l.engine.Repair(copied, c, 1, &out); err != nil {
		return err
	}
	if len(out.Accruals)+len(out.Instructions) > 0 {
		return fmt.Errorf("worked out from nothing, it differs by %+v %+v", out.Accruals, out.Instructions)
	}
	return nil
}

func (l *ledger) collect(n int) error {
	step := map[ledgertest.Payee]int64{}
	for i := range l.out.Accruals {
		x := l.out.Accruals[i]
		if _, again := l.seen[x.ID]; again {
			return fmt.Errorf("record %d: accrual id twice", n)
		}
		l.seen[x.ID] = x
		sums := l.result.Sums[x.Key()].Add(ledgertest.Sums{
			Reward: x.RewardMinor, Commission: x.CommissionMinor, Cost: x.CostMinor, Basis: x.BasisMinor,
		})
		l.result.Sums[x.Key()] = sums
		if sums == (ledgertest.Sums{}) {
			delete(l.result.Sums, x.Key())
		}
	}
	for _, x := range l.out.Instructions {
		if _, again := l.paid[x.ID]; again || x.AmountMinor <= 0 || len(x.ID) > 35 {
			return fmt.Errorf("record %d: instruction %+v", n, x)
		}
		l.paid[x.ID] = x
		sign := int64(1)
		if x.Direction == rules.Debit {
			sign = -1
		}
		p := ledgertest.Payee{AccountID: x.AccountID, Currency: x.Currency}
		step[p] += sign * x.AmountMinor
		l.result.Instructed[p] += sign * x.AmountMinor
		if l.result.Instructed[p] == 0 {
			delete(l.result.Instructed, p)
		}
	}
	l.result.Steps = append(l.result.Steps, step)
	return nil
}

func runEngine(cat *offer.Catalogue, records []ledgertest.Record, live bool) (ledgertest.Result, error) {
	l, err := newLedger(cat)
	if err != nil {
		return ledgertest.Result{}, err
	}
	if live {
		l.live = map[string]*engine.Account{}
	}
	for n, r := range records {
		if err := l.apply(n, r); err != nil {
			return l.result, err
		}
	}
	return l.result, nil
}

func differs(cat *offer.Catalogue, records []ledgertest.Record, live bool) string {
	got, err := runEngine(cat, records, live)
	if err != nil {
		return err.Error()
	}
	return ledgertest.Difference(ledgertest.Oracle(cat, records), got)
}

// TestEngineIsTheOracle compares sums by key, fates and instructions on random
// catalogues and accounts' lives.
func TestEngineIsTheOracle(t *testing.T) {
	t.Parallel()
	for seed := range seeds(80) {
		g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 1 + int(seed%3)})
		records := g.Records(40 + int(seed%5)*20)
		checkAgainstOracle(t, seed, g.Catalogue(), records)
		if t.Failed() {
			return
		}
	}
}

func checkAgainstOracle(t *testing.T, seed uint64, cat *offer.Catalogue, records []ledgertest.Record) {
	t.Helper()
	live := seed%2 == 0
	if differs(cat, records, live) == "" {
		return
	}
	records = ledgertest.Shrink(records, func(r []ledgertest.Record) bool { return differs(cat, r, live) != "" })
	cat = ledgertest.ShrinkCatalogue(cat, func(c *offer.Catalogue) bool {
		_, err := engine.Compile(c)
		return err == nil && differs(c, records, live) != ""
	})
	t.Errorf("seed %d differs from the oracle:\n%s\n%s", seed, differs(cat, records, live), ledgertest.Print(cat, records))
}

// TestSumsDoNotDependOnOrder shuffles and repeats records that all belong.
func TestSumsDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	for seed := range seeds(100) {
		g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{Accounts: 2, Orderless: true})
		records := g.Records(50)
		want, err := runEngine(g.Catalogue(), records, true)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		for range 3 {
			shuffled := ledgertest.Duplicate(rng, ledgertest.Shuffle(rng, records), 30)
			got, err := runEngine(g.Catalogue(), shuffled, false)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			got.Fates, got.Steps = nil, nil
			if d := ledgertest.Difference(want, got); d != "" {
				t.Fatalf("seed %d: order changed sums:\n%s", seed, d)
			}
		}
	}
}
