package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/ledgertest"
	"ristourne/rules/offer"
)

// storedLedger is what one shard has booked of the records of some accounts, as a
// store has it, row by row.
type storedLedger struct {
	catalogue *offer.Catalogue
	snapshot  *engine.Snapshot
	accounts  map[string]*rules.AccountHistory
	lastSeq   uint64
	actions   []rules.OperatorAction
	twice     []rules.Conflict

	engine *engine.Engine
	states map[string]*engine.Account
	mail   []rules.Referral
	rng    *rand.Rand
	offset int64
}

func refOf(account string) rules.AccountRef {
	sum := sha256.Sum256([]byte(account))
	return rules.AccountRef(sum[:16])
}

// purse is budgets that serve who comes first.
type purse map[rules.BudgetKey]int64

func (p purse) Take(key rules.BudgetKey, limitMinor, askMinor int64) int64 {
	gives := min(askMinor, max(0, limitMinor-p[key]))
	p[key] += gives
	return gives
}

func (p purse) GiveBack(key rules.BudgetKey, minor int64) { p[key] -= minor }

// newStoredLedger makes up a catalogue and lives of accounts, with payouts, results,
// debts, expiries, sponsors and budgets, and books what the engine decides of them.
func newStoredLedger(t testing.TB, seed uint64) *storedLedger {
	t.Helper()
	g := ledgertest.NewGenerator(seed, ledgertest.GenOptions{
		Payouts: true, Expiries: true, Budgets: true, Language: ledgertest.Language(seed % 3), Accounts: 1 + int(seed/3%4), Partners: 1 + int(seed/9%3),
	})
	l := &storedLedger{
		catalogue: g.Catalogue(), accounts: map[string]*rules.AccountHistory{}, states: map[string]*engine.Account{}, rng: rand.New(rand.NewPCG(seed, 17)),
	}
	var err error
	if l.snapshot, err = engine.Compile(l.catalogue); err != nil {
		t.Fatal(err)
	}
	l.engine = engine.New(l.snapshot)
	l.engine.SetBudgets(purse{})
	for _, r := range g.Records(40 + int(seed%120)) {
		l.take(t, asTaken(r))
	}
	return l
}

// asTaken is the record with its content's hash, as the stream gives it one: contents
// that a generator tells apart differ.
func asTaken(r ledgertest.Record) rules.Record {
	switch {
	case r.Event != nil:
		ev := *r.Event
		wire.Seal(&ev)
		return rules.Record{Event: &ev}
	default:
		f := *r.Fact
		if f.Type == rules.CycleClosed && f.AsOf == "" {
			f.AsOf = f.At.String()
		}
		wire.SealFact(&f)
		return rules.Record{Fact: &f}
	}
}

// take decides a record and books what comes of it, what sponsors are told of it, and
// what the bank says of the instructions.
func (l *storedLedger) take(t testing.TB, r rules.Record) {
	t.Helper()
	given := l.decide(t, r)
	for len(l.mail) > 0 {
		told := l.mail[0]
		l.mail = l.mail[1:]
		l.decide(t, rules.Record{Referral: &told})
	}
	for _, x := range given {
		for range l.rng.IntN(4) {
			l.decide(t, rules.Record{Result: l.word(&x)})
		}
	}
}

// word is what the bank says of an instruction.
func (l *storedLedger) word(x *rules.Instruction) *rules.Result {
	statuses := []rules.ResultStatus{rules.Accepted, rules.Settled, rules.Rejected, rules.Rejected}
	r := &rules.Result{
		InstructionID: x.ID, AccountID: x.AccountID, Status: statuses[l.rng.IntN(len(statuses))],
		At: rules.InstantOf(time.UnixMilli(x.CreatedAt).Add(time.Duration(l.rng.IntN(3)) * time.Hour)),
	}
	if r.Status == rules.Rejected {
		reasons := []string{"AG01", "AG01", "AG01", "AM05", "AC04", ""}
		r.Reason = reasons[l.rng.IntN(len(reasons))]
	}
	return r
}

func (l *storedLedger) history(id string) *rules.AccountHistory {
	if l.accounts[id] == nil {
		l.accounts[id] = &rules.AccountHistory{Ref: refOf(id), AccountID: id}
		l.states[id] = engine.NewAccount(id)
	}
	return l.accounts[id]
}

func (l *storedLedger) decide(t testing.TB, r rules.Record) []rules.Instruction {
	t.Helper()
	h, ref := l.history(r.AccountID()), refOf(r.AccountID())
	l.offset++
	cause := rules.Cause{Kind: rules.CauseFact, ID: r.ID(), Offset: l.offset, RecordedAt: 1000 * l.offset}
	switch {
	case r.Event != nil:
		cause.Kind = rules.CauseEvent
	case r.Referral != nil:
		cause.Kind = rules.CauseReferral
		r.Referral.Cause = cause
	case r.Result != nil:
		cause.Kind = rules.CauseResult
		heard := cause
		heard.ID = r.Result.InstructionID
		h.Results = append(h.Results, rules.ResultRow{Result: *r.Result, AccountRef: ref, Cause: heard})
	}
	var out rules.Output
	verdict, err := l.engine.Apply(l.states[r.AccountID()], r, cause, &out)
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Conflict || !verdict.Fate.InSet() {
		return nil
	}
	l.lastSeq++
	row := rules.SetRow{Seq: l.lastSeq, AccountRef: ref, Cause: cause, Fate: verdict.Fate, Payload: r.AppendBinary(nil)}
	row.Describe(r)
	h.Set = append(h.Set, row)
	l.book(h, &out)
	return out.Instructions
}

// book keeps what was decided with the account, as Rows gives it.
func (l *storedLedger) book(h *rules.AccountHistory, out *rules.Output) {
	for _, a := range out.Accruals {
		a.AccountRef = refOf(a.AccountID)
		if a.Role == rules.RoleSponsor {
			a.BeneficiaryRef, a.AccountID = h.Ref, ""
		}
		h.Lines = append(h.Lines, a)
	}
	h.Instructed = append(h.Instructed, out.Instructions...)
	h.Grants = append(h.Grants, out.Grants...)
	h.Told = append(h.Told, out.Referrals...)
	for _, told := range out.Referrals {
		told.BuyerRef = h.Ref
		l.mail = append(l.mail, told)
	}
}

// clone is a ledger that can be tampered with.
func (l *storedLedger) clone() *storedLedger {
	c := *l
	c.accounts = map[string]*rules.AccountHistory{}
	for id, h := range l.accounts {
		c.accounts[id] = cloned(h)
	}
	return &c
}

func cloned(h *rules.AccountHistory) *rules.AccountHistory {
	c := *h
	c.Set, c.Lines, c.Instructed = slices.Clone(h.Set), slices.Clone(h.Lines), slices.Clone(h.Instructed)
	c.Results, c.Grants, c.Told = slices.Clone(h.Results), slices.Clone(h.Grants), slices.Clone(h.Told)
	return &c
}

func (l *storedLedger) ids() []string { return slices.Sorted(maps.Keys(l.accounts)) }

func (l *storedLedger) Shards(context.Context) (int, error) { return 1, nil }

func (l *storedLedger) Marker(context.Context, int32) (rules.Marker, bool, error) {
	return rules.Marker{Batch: 1, LastSeq: l.lastSeq}, true, nil
}

func (l *storedLedger) Rows(_ context.Context, _ *rules.Marker, each func(*rules.AccountHistory) error) error {
	for _, id := range l.ids() {
		if err := each(cloned(l.accounts[id])); err != nil {
			return err
		}
	}
	return nil
}

func (l *storedLedger) Actions(context.Context) ([]rules.OperatorAction, error) {
	return l.actions, nil
}

func (l *storedLedger) Conflicts(context.Context) ([]rules.Conflict, error) { return l.twice, nil }

func (l *storedLedger) BudgetsGiven(_ context.Context, _ []rules.Marker, each func(rules.BudgetKey, string, int64) error) error {
	given, units := map[rules.BudgetKey]int64{}, map[rules.BudgetKey]string{}
	for _, h := range l.accounts {
		for i := range h.Grants {
			given[h.Grants[i].Budget] += h.Grants[i].ChangeMinor
			units[h.Grants[i].Budget] = h.Grants[i].Unit
		}
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if err := each(key, units[key], given[key]); err != nil {
			return err
		}
	}
	return nil
}

func (l *storedLedger) LedgerSums(context.Context, []rules.Marker) ([]rules.LedgerSum, error) {
	sums := map[rules.LedgerSum]rules.LedgerSum{}
	for _, h := range l.accounts {
		for i := range h.Lines {
			x := &h.Lines[i]
			key := rules.LedgerSum{Programme: x.Programme, PartnerID: x.PartnerID, Currency: x.Currency.String(), Stage: x.Stage, Role: x.Role}
			s := sums[key]
			if s == (rules.LedgerSum{}) {
				s = key
			}
			s.Lines++
			if x.Kind != rules.Points {
				s.RewardMinor += x.RewardMinor
			}
			s.CommissionMinor, s.CostMinor = s.CommissionMinor+x.CommissionMinor, s.CostMinor+x.CostMinor
			sums[key] = s
		}
	}
	return slices.Collect(maps.Values(sums)), nil
}

func (l *storedLedger) InstructedSums(context.Context, []rules.Marker) ([]rules.InstructedSum, error) {
	sums := map[rules.InstructedSum]rules.InstructedSum{}
	for _, h := range l.accounts {
		for i := range h.Instructed {
			x := &h.Instructed[i]
			key := rules.InstructedSum{Programme: x.Programme, Currency: x.Currency.String(), Direction: x.Direction}
			s := sums[key]
			if s == (rules.InstructedSum{}) {
				s = key
			}
			s.Instructions++
			s.AmountMinor += x.AmountMinor
			sums[key] = s
		}
	}
	return slices.Collect(maps.Values(sums)), nil
}

// prove runs a proof of the ledger as a test may have changed it.
func (l *storedLedger) prove(t testing.TB, as func(*Proof)) *Sheet {
	t.Helper()
	p := &Proof{Store: l, Snapshot: l.snapshot, Catalogue: l.catalogue, Limit: 1000}
	if as != nil {
		as(p)
	}
	sheet, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sheet
}

// all are the differences of a sheet.
func (s *Sheet) all() (all []Difference) {
	for i := range s.Checks {
		all = append(all, s.Checks[i].Differences...)
	}
	slices.SortFunc(all, func(x, y Difference) int { return cmp.Compare(x.Class, y.Class) })
	return all
}
