package ledgertest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// cases is how many random cases each comparison makes: with -short one of 32 of
// all. LEDGERTEST_CASES names another number.
func cases(t *testing.T, all int) uint64 {
	t.Helper()
	s := os.Getenv("LEDGERTEST_CASES")
	switch {
	case s == "" && testing.Short():
		return uint64(all / 32)
	case s == "":
		return uint64(all)
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatalf("LEDGERTEST_CASES is to be a number of cases: %v", err)
	}
	return n
}

// needsMany leaves a test that shows nothing by a few random cases out of a run
// with -short.
func needsMany(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long: make test-long runs this")
	}
}

// books is an engine's ledger, as its lines and instructions add up.
type books struct {
	Result
	cat      *offer.Catalogue
	engine   *engine.Engine
	accounts map[string]*engine.Account
	accruals map[rules.AccrualID]bool
	paid     map[string]bool
	told     map[ReferralKey]rules.Referral
	numbers  map[ReferralKey]int64
	out      rules.Output
	// What the oracle needs to judge it: the records with the referrals where
	// they were delivered, and the grants of each.
	records []Record
	grants  [][]rules.Grant
	ids     [][]rules.Instruction // that each record gave out
	mail    []rules.Referral      // told, and not delivered yet
	rng     *rand.Rand
}

// budgets serve whom the engine decides first. Stingy ones now and then give
// less than is left, as a shard whose chunk is used up does.
type budgets struct {
	given  map[rules.BudgetKey]int64
	stingy *rand.Rand // nil: they are not
}

func (b *budgets) Take(key rules.BudgetKey, limitMinor, askMinor int64) int64 {
	gives := min(askMinor, max(0, limitMinor-b.given[key]))
	if b.stingy != nil && b.stingy.IntN(3) == 0 {
		gives = b.stingy.Int64N(gives + 1)
	}
	b.given[key] += gives
	return gives
}

func (b *budgets) GiveBack(key rules.BudgetKey, minor int64) { b.given[key] -= minor }

// how is the way in which the engine is driven.
type how struct {
	reloads int  // percentage of records before which the account is written and read back
	stingy  bool // budgets
	payouts bool // what is paid depends on the order of arrival
	// results is the percentage of instructions of which the bank says something
	// after each record; refuses how many of a hundred it rejects.
	results, refuses int
}

func openBooks(cat *offer.Catalogue, snapshot *engine.Snapshot, seed uint64, h how) *books {
	b := &books{
		cat:      cat,
		Result:   Result{Sums: map[Key]Sums{}, Instructed: map[Payee]int64{}},
		engine:   engine.New(snapshot),
		accounts: map[string]*engine.Account{},
		accruals: map[rules.AccrualID]bool{},
		paid:     map[string]bool{},
		told:     map[ReferralKey]rules.Referral{},
		numbers:  map[ReferralKey]int64{},
		rng:      rand.New(rand.NewPCG(seed, 3)),
	}
	purse := &budgets{given: map[rules.BudgetKey]int64{}}
	if h.stingy {
		purse.stingy = rand.New(rand.NewPCG(seed, 5))
	}
	b.engine.SetBudgets(purse)
	return b
}

// apply puts one record to the engine. Where reload is set, the account is
// written and read back before, as the processor does between batches.
func (b *books) apply(r Record, reload bool) error {
	offset := len(b.records)
	b.records = append(b.records, r)
	a := b.accounts[r.AccountID()]
	if a == nil {
		a = engine.NewAccount(r.AccountID())
		b.accounts[r.AccountID()] = a
	}
	if reload {
		fresh := engine.NewAccount(r.AccountID())
		if err := fresh.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
			return fmt.Errorf("read back what the account wrote: %w", err)
		}
		a = fresh
		b.accounts[r.AccountID()] = a
	}
	cause := rules.Cause{Kind: rules.CauseFact, ID: r.ID(), Offset: int64(offset), RecordedAt: int64(offset) * 1000}
	var verdict engine.Verdict
	var err error
	b.out.Reset()
	switch {
	case r.Event != nil:
		cause.Kind = rules.CauseEvent
		e := *r.Event
		verdict, err = b.engine.ApplyEvent(a, &e, cause, &b.out)
	case r.Fact != nil:
		f := *r.Fact
		verdict, err = b.engine.ApplyFact(a, &f, cause, &b.out)
	case r.Result != nil:
		res := *r.Result
		cause.Kind, cause.ID = rules.CauseResult, res.CauseID()
		verdict, err = b.engine.ApplyResult(a, &res, cause, &b.out)
	default:
		cause.Kind = rules.CauseReferral
		f := *r.Referral
		f.Cause = cause
		verdict, err = b.engine.ApplyReferral(a, &f, cause, &b.out)
	}
	if err != nil {
		return fmt.Errorf("apply record %d: %w", offset, err)
	}
	fate := verdict.Fate
	if verdict.Conflict {
		fate = rules.DeadLettered
	}
	b.Fates = append(b.Fates, fate)
	draws := map[string]bool{}
	for _, d := range b.out.Holdouts {
		draws[d.ID] = d.Held
	}
	b.Draws = append(b.Draws, draws)
	b.grants = append(b.grants, slices.Clone(b.out.Grants))
	if err := b.tell(offset); err != nil {
		return err
	}
	return b.book(offset)
}

// tell puts the referrals that a record has made into the mail: some of them
// twice.
func (b *books) tell(offset int) error {
	before := maps.Clone(b.told)
	for i := range b.out.Referrals {
		r := b.out.Referrals[i]
		key := KeyOfReferral(&r)
		if r.Number <= b.numbers[key] {
			return fmt.Errorf("record %d tells number %d after %d of %+v", offset, r.Number, b.numbers[key], key)
		}
		b.numbers[key] = r.Number
		b.told[key] = Substance(&r)
		r.Cause = rules.Cause{} // no part of the fact
		for range 1 + b.rng.IntN(5)/4 {
			b.mail = append(b.mail, r)
		}
	}
	tells := map[ReferralKey]rules.Referral{}
	for key, r := range b.told {
		same := before[key]
		if same.MatchedRefund = r.MatchedRefund; same == r {
			continue // that a refund is matched is told with what changes
		}
		if saysNothing(&r) {
			delete(b.told, key)
			if before[key] == (rules.Referral{}) {
				continue // nothing, as before
			}
			was := before[key] // where and when it was is of no more interest
			was.MatchedRefund = r.MatchedRefund
			r = noLonger(was)
		}
		tells[key] = r
	}
	b.Tells = append(b.Tells, tells)
	return nil
}

// deliver hands out some of the mail, in any order.
func (b *books) deliver(percent, reloads int) error {
	b.rng.Shuffle(len(b.mail), func(i, j int) { b.mail[i], b.mail[j] = b.mail[j], b.mail[i] })
	for range len(b.mail) {
		if b.rng.IntN(100) >= percent {
			continue
		}
		r := b.mail[0]
		b.mail = b.mail[1:]
		if err := b.apply(Record{Referral: &r}, b.rng.IntN(100) < reloads); err != nil {
			return err
		}
	}
	return nil
}

func (b *books) book(offset int) error {
	for i := range b.out.Accruals {
		line := &b.out.Accruals[i]
		if b.accruals[line.ID] {
			return fmt.Errorf("record %d books line %x once more", offset, line.ID)
		}
		b.accruals[line.ID] = true
		if err := b.wallet(line); err != nil {
			return fmt.Errorf("record %d: %w", offset, err)
		}
		sums := b.Sums[line.Key()].Add(Sums{line.RewardMinor, line.CommissionMinor, line.CostMinor, line.BasisMinor})
		if b.Sums[line.Key()] = sums; sums == (Sums{}) {
			delete(b.Sums, line.Key())
		}
	}
	type payee struct {
		Payee
		programme string
	}
	step, once := map[Payee]int64{}, map[payee]bool{}
	var due []order
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
		due = append(due, order{in.AccountID, in.Programme, in.Currency, minor, in.Cycle, in.IsShadow(), payoutMethod{in.Method, in.IBAN, in.Name, in.Handle}})
		p := Payee{in.AccountID, in.Currency}
		if once[payee{p, in.Programme}] {
			return fmt.Errorf("record %d instructs %v twice", offset, p)
		}
		once[payee{p, in.Programme}] = true
		if step[p] += minor; step[p] == 0 {
			delete(step, p)
		}
		if b.Instructed[p] += minor; b.Instructed[p] == 0 {
			delete(b.Instructed, p)
		}
	}
	slices.SortFunc(due, func(x, y order) int {
		return cmp.Or(cmp.Compare(x.Programme, y.Programme), cmp.Compare(x.Currency.String(), y.Currency.String()))
	})
	b.Steps, b.Instructions, b.ids = append(b.Steps, step), append(b.Instructions, due), append(b.ids, slices.Clone(b.out.Instructions))
	return nil
}

// bankWrites lets the bank say what became of some instructions.
func (b *books) bankWrites(k *bank, h how) error {
	for i, ids := range b.ids {
		for _, in := range ids {
			if k.rng.IntN(100) >= h.results {
				continue
			}
			if err := b.apply(Record{Result: k.says(in, dateOf(b.records[i]))}, k.rng.IntN(100) < h.reloads); err != nil {
				return err
			}
		}
	}
	return nil
}

// wallet holds what is put into one against its terms: from when, and how long, it
// can be spent.
func (b *books) wallet(line *rules.Accrual) error {
	if line.Kind != rules.Wallet || line.TransactionID == "" || line.RewardMinor < 0 {
		return nil
	}
	offer, ok := offerOfVersion(b.cat, line.PartnerID, line.Programme, line.OfferVersion, line.OfferID)
	if !ok {
		return fmt.Errorf("%s is by an offer that isn't there", printKey(line.Key()))
	}
	terms := offer.Reward.Wallet
	from, until := line.PurchasedAt.AddDays(terms.UsableAfterDays), rules.Instant{}
	if terms.ExpiresAfterDays > 0 {
		until = line.PurchasedAt.AddDays(terms.ExpiresAfterDays)
	}
	if line.UsableFrom != from || line.ExpiresAt != until {
		return fmt.Errorf("%s can be spent from %s until %s, want %s until %s", printKey(line.Key()), line.UsableFrom, line.ExpiresAt, from, until)
	}
	return nil
}

// runEngine is the engine's answer to a case.
func runEngine(cat *offer.Catalogue, records []Record, h how) (*books, error) {
	snapshot, err := engine.Compile(cat)
	if err != nil {
		return nil, fmt.Errorf("compile the catalogue: %w", err)
	}
	b := openBooks(cat, snapshot, uint64(len(records)), h)
	k := &bank{rng: rand.New(rand.NewPCG(uint64(len(records)), 7)), refuses: h.refuses}
	for _, r := range records {
		if err := b.apply(r, b.rng.IntN(100) < h.reloads); err != nil {
			return nil, err
		}
		if err := b.deliver(30, h.reloads); err != nil {
			return nil, err
		}
		if err := b.bankWrites(k, h); err != nil {
			return nil, err
		}
	}
	return b, b.deliver(100, h.reloads)
}

// disagreement is how the engine differs from the oracle, and what of the
// promises doesn't hold of it; empty: not at all.
func disagreement(cat *offer.Catalogue, records []Record, h how) (difference string) {
	defer func() {
		if p := recover(); p != nil {
			difference = fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	b, err := runEngine(cat, records, h)
	if err != nil {
		return err.Error()
	}
	if d := Difference(OracleGiven(cat, b.records, b.grants, b.ids), b.Result); d != "" {
		return d + "\nwith the referrals where they arrived:\n" + Print(&offer.Catalogue{}, b.records)
	}
	if broken := BrokenPromises(cat, b.records, b.Sums); len(broken) > 0 {
		return strings.Join(broken, "\n")
	}
	if over := Overspent(cat, b.Sums, b.grants); len(over) > 0 {
		return strings.Join(over, "\n")
	}
	if h.stingy || h.payouts {
		return ""
	}
	// First decided, first served; and all mail has arrived.
	ideal := Oracle(cat, records)
	ideal.Fates, ideal.Steps, ideal.Instructions, ideal.Tells, ideal.Draws = nil, nil, nil, nil, nil
	if d := Difference(ideal, b.Result); d != "" {
		return "in the end: " + d
	}
	return ""
}

func compareWithOracle(t *testing.T, seed uint64, cat *offer.Catalogue, records []Record, h how) {
	t.Helper()
	if disagreement(cat, records, h) == "" {
		return
	}
	if h.results > 0 { // what the bank says goes on a line of its own
		certain := h
		certain.results = 0
		if fixed := withResults(cat, records, h); disagreement(cat, fixed, certain) != "" {
			records, h = fixed, certain
		}
	}
	_, refused := engine.Compile(cat)
	differs := func(c *offer.Catalogue, rs []Record) bool {
		_, err := engine.Compile(c)
		return (err != nil) == (refused != nil) && disagreement(c, rs, h) != ""
	}
	records = Shrink(records, func(rs []Record) bool { return differs(cat, rs) })
	cat = ShrinkCatalogue(cat, func(c *offer.Catalogue) bool { return differs(c, records) })
	records = Shrink(records, func(rs []Record) bool { return differs(cat, rs) })
	t.Errorf("seed %d: engine and oracle differ:\n%s\n%s", seed, disagreement(cat, records, h), Print(cat, records))
}

func TestEngineAgreesWithOracle(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 400) {
		if t.Failed() {
			return
		}
		g := NewGenerator(seed, GenOptions{})
		compareWithOracle(t, seed, g.Catalogue(), g.Records(20+int(seed%100)), how{reloads: int(seed%3) * 20})
	}
}

// Small cases find small faults.
func TestEngineAgreesWithOracleOnShortLives(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 1800) {
		if t.Failed() {
			return
		}
		g := NewGenerator(seed+1_000_000, GenOptions{Accounts: 1, Partners: 1})
		compareWithOracle(t, seed, g.Catalogue(), g.Records(20), how{})
	}
}

// All that an offer can say, without budgets.
func TestEngineAgreesWithOracleOnTheWholeLanguage(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 300) {
		if t.Failed() {
			return
		}
		g := NewGenerator(seed+2_000_000, GenOptions{Language: languages[seed%2], Accounts: 1 + int(seed%4), Partners: 1 + int(seed%3)})
		compareWithOracle(t, seed, g.Catalogue(), g.Records(20+int(seed%80)), how{reloads: int(seed%3) * 20})
	}
}

func TestEngineAgreesWithOracleOnBudgets(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 300) {
		if t.Failed() {
			return
		}
		g := NewGenerator(seed+3_000_000, GenOptions{Language: languages[seed%2], Budgets: true, Accounts: 1 + int(seed%4), Partners: 1 + int(seed%2)})
		compareWithOracle(t, seed, g.Catalogue(), g.Records(20+int(seed%60)), how{reloads: int(seed%3) * 20, stingy: seed%4 == 0})
	}
}

func TestEngineGivesOneLedgerInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 200) {
		g := NewGenerator(seed, GenOptions{Orderless: true, Language: Language(seed % 3)})
		records := g.Records(80)
		want := Oracle(g.Catalogue(), records)
		rng := rand.New(rand.NewPCG(seed, 4))
		for range 3 {
			got, err := runEngine(g.Catalogue(), Duplicate(rng, Shuffle(rng, records), 15), how{reloads: 10})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if !maps.Equal(want.Sums, got.Sums) || !maps.Equal(want.Instructed, got.Instructed) {
				got.Fates, got.Steps, got.Tells, got.Draws = nil, nil, nil, nil
				t.Fatalf("seed %d: the order of arrival changes the sums:\n%s", seed, Difference(want, got.Result))
			}
		}
	}
}

func TestEngineTakesAllBackWithARefundOfEverything(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 150) {
		g := NewGenerator(seed, GenOptions{Language: Language(seed % 3), Budgets: seed%4 == 3})
		records := g.Records(60)
		got, err := runEngine(g.Catalogue(), slices.Concat(records, RefundAll(g.Catalogue(), records)), how{reloads: 10})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if left := leftAfter(got.Result); left != "" {
			t.Fatalf("seed %d: a sum is left: %s", seed, left)
		}
	}
}

func TestEveryGeneratedCatalogueCompiles(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 300) {
		g := NewGenerator(seed, GenOptions{Partners: 1 + int(seed%5), Language: Language(seed % 3), Budgets: seed%2 == 0})
		if _, err := engine.Compile(g.Catalogue()); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, Print(g.Catalogue(), nil))
		}
	}
}
