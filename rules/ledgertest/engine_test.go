package ledgertest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"ristourne/rules"
)

// cases is how many random cases each comparison makes; LEDGERTEST_CASES asks
// for more.
func cases(t *testing.T, usual int) uint64 {
	t.Helper()
	s := os.Getenv("LEDGERTEST_CASES")
	if s == "" {
		return uint64(usual)
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatalf("LEDGERTEST_CASES is to be a number of cases: %v", err)
	}
	return n
}

// books is an engine's ledger, as its lines and instructions add up.
type books struct {
	Result
	engine   *rules.Engine
	accounts map[string]*rules.Account
	accruals map[rules.AccrualID]bool
	paid     map[string]bool
	out      rules.Output
}

func openBooks(snapshot *rules.Snapshot) *books {
	return &books{
		Result:   Result{Sums: map[Key]Sums{}, Instructed: map[Payee]int64{}},
		engine:   rules.NewEngine(snapshot),
		accounts: map[string]*rules.Account{},
		accruals: map[rules.AccrualID]bool{},
		paid:     map[string]bool{},
	}
}

// apply puts one record to the engine. Where reload is set, the account is
// written and read back before, as the processor does between batches.
func (b *books) apply(offset int, r Record, reload bool) error {
	a := b.accounts[r.AccountID()]
	if a == nil {
		a = rules.NewAccount(r.AccountID())
		b.accounts[r.AccountID()] = a
	}
	if reload {
		fresh := rules.NewAccount(r.AccountID())
		if err := fresh.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
			return fmt.Errorf("read back what the account wrote: %w", err)
		}
		a = fresh
		b.accounts[r.AccountID()] = a
	}
	cause := rules.Cause{Kind: rules.CauseFact, ID: r.ID(), Offset: int64(offset), RecordedAt: int64(offset) * 1000}
	var verdict rules.Verdict
	var err error
	b.out.Reset()
	if r.Event != nil {
		cause.Kind = rules.CauseEvent
		e := *r.Event
		verdict, err = b.engine.ApplyEvent(a, &e, cause, &b.out)
	} else {
		f := *r.Fact
		verdict, err = b.engine.ApplyFact(a, &f, cause, &b.out)
	}
	if err != nil {
		return fmt.Errorf("apply record %d: %w", offset, err)
	}
	fate := verdict.Fate
	if verdict.Conflict {
		fate = rules.DeadLettered
	}
	b.Fates = append(b.Fates, fate)
	return b.book(offset)
}

func (b *books) book(offset int) error {
	for i := range b.out.Accruals {
		line := &b.out.Accruals[i]
		if b.accruals[line.ID] {
			return fmt.Errorf("record %d books line %x once more", offset, line.ID)
		}
		b.accruals[line.ID] = true
		sums := b.Sums[line.Key()].Add(Sums{line.RewardMinor, line.CommissionMinor, line.CostMinor, line.BasisMinor})
		if b.Sums[line.Key()] = sums; sums == (Sums{}) {
			delete(b.Sums, line.Key())
		}
	}
	step := map[Payee]int64{}
	for _, in := range b.out.Instructions {
		if b.paid[in.ID] {
			return fmt.Errorf("record %d uses instruction id %s once more", offset, in.ID)
		}
		b.paid[in.ID] = true
		if in.AmountMinor <= 0 {
			return fmt.Errorf("record %d instructs %d", offset, in.AmountMinor)
		}
		minor := in.AmountMinor
		if in.Direction == rules.Debit {
			minor = -minor
		}
		p := Payee{in.AccountID, in.Currency}
		if step[p] != 0 {
			return fmt.Errorf("record %d instructs %v twice", offset, p)
		}
		step[p] = minor
		if b.Instructed[p] += minor; b.Instructed[p] == 0 {
			delete(b.Instructed, p)
		}
	}
	b.Steps = append(b.Steps, step)
	return nil
}

// runEngine is the engine's answer to a case. reloads is the percentage of
// records before which the account is written and read back.
func runEngine(cat *rules.Catalogue, records []Record, reloads int) (Result, error) {
	snapshot, err := rules.Compile(cat)
	if err != nil {
		return Result{}, fmt.Errorf("compile the catalogue: %w", err)
	}
	b := openBooks(snapshot)
	rng := rand.New(rand.NewPCG(uint64(len(records)), 3))
	for i, r := range records {
		if err := b.apply(i, r, rng.IntN(100) < reloads); err != nil {
			return Result{}, err
		}
	}
	return b.Result, nil
}

// disagreement is how the engine differs from the oracle; empty: not at all.
func disagreement(cat *rules.Catalogue, records []Record, reloads int) (difference string) {
	defer func() {
		if p := recover(); p != nil {
			difference = fmt.Sprintf("panic: %v", p)
		}
	}()
	got, err := runEngine(cat, records, reloads)
	if err != nil {
		return err.Error()
	}
	return Difference(Oracle(cat, records), got)
}

func compareWithOracle(t *testing.T, seed uint64, cat *rules.Catalogue, records []Record, reloads int) {
	t.Helper()
	if disagreement(cat, records, reloads) == "" {
		return
	}
	records = Shrink(records, func(rs []Record) bool { return disagreement(cat, rs, reloads) != "" })
	cat = ShrinkCatalogue(cat, func(c *rules.Catalogue) bool { return disagreement(c, records, reloads) != "" })
	records = Shrink(records, func(rs []Record) bool { return disagreement(cat, rs, reloads) != "" })
	t.Fatalf("seed %d: engine and oracle differ:\n%s\n%s", seed, disagreement(cat, records, reloads), Print(cat, records))
}

func TestEngineAgreesWithOracle(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 400) {
		g := NewGenerator(seed, GenOptions{})
		compareWithOracle(t, seed, g.Catalogue(), g.Records(20+int(seed%100)), int(seed%3)*20)
	}
}

// Small cases find small faults.
func TestEngineAgreesWithOracleOnShortLives(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 1800) {
		g := NewGenerator(seed+1_000_000, GenOptions{Accounts: 1, Partners: 1})
		compareWithOracle(t, seed, g.Catalogue(), g.Records(20), 0)
	}
}

func TestEngineGivesOneLedgerInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 200) {
		g := NewGenerator(seed, GenOptions{Orderless: true})
		records := g.Records(80)
		want := Oracle(g.Catalogue(), records)
		rng := rand.New(rand.NewPCG(seed, 4))
		for range 3 {
			got, err := runEngine(g.Catalogue(), Duplicate(rng, Shuffle(rng, records), 15), 10)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if !maps.Equal(want.Sums, got.Sums) || !maps.Equal(want.Instructed, got.Instructed) {
				got.Fates, got.Steps = nil, nil
				t.Fatalf("seed %d: the order of arrival changes the sums:\n%s", seed, Difference(want, got))
			}
		}
	}
}

func TestEveryGeneratedCatalogueCompiles(t *testing.T) {
	for seed := range cases(t, 200) {
		g := NewGenerator(seed, GenOptions{Partners: 1 + int(seed%5)})
		if _, err := rules.Compile(g.Catalogue()); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, Print(g.Catalogue(), nil))
		}
	}
}
