package rules_test

import (
	"fmt"
	"maps"
	"testing"

	"ristourne/rules"
	"ristourne/rules/ledgertest"
	"ristourne/rules/money"
)

// town is accounts whose referrals reach one another at once.
type town struct {
	engine   *rules.Engine
	accounts map[string]*rules.Account
	purse    pot
	lines    []rules.Accrual
	paid     map[ledgertest.Payee]int64
	grants   map[[2]string]rules.Grant // by account and budget/transaction
	told     map[ledgertest.ReferralKey]rules.Referral
	set      []deed
	n        int
}

// deed is one record that entered a set.
type deed struct {
	record ledgertest.Record
	cause  rules.Cause
}

func newTown(s *rules.Snapshot) *town {
	w := &town{
		engine: rules.NewEngine(s), accounts: map[string]*rules.Account{}, purse: pot{}, paid: map[ledgertest.Payee]int64{},
		grants: map[[2]string]rules.Grant{}, told: map[ledgertest.ReferralKey]rules.Referral{},
	}
	w.engine.SetBudgets(w.purse)
	return w
}

func put(e *rules.Engine, a *rules.Account, d deed, out *rules.Output) (rules.Verdict, error) {
	switch r := d.record; {
	case r.Event != nil:
		return e.ApplyEvent(a, r.Event.Clone(), d.cause, out)
	case r.Fact != nil:
		return e.ApplyFact(a, r.Fact.Clone(), d.cause, out)
	default:
		f := *r.Referral
		return e.ApplyReferral(a, &f, d.cause, out)
	}
}

func (w *town) play(r ledgertest.Record) error {
	id := r.AccountID()
	if w.accounts[id] == nil {
		w.accounts[id] = rules.NewAccount(id)
	}
	w.n++
	d := deed{r, rules.Cause{Kind: rules.CauseEvent, ID: r.ID(), Offset: int64(w.n), RecordedAt: 1_700_000_000_000 + int64(w.n)}}
	if r.Fact != nil {
		d.cause.Kind = rules.CauseFact
	} else if r.Referral != nil {
		d.cause.Kind = rules.CauseReferral
	}
	var out rules.Output
	v, err := put(w.engine, w.accounts[id], d, &out)
	if err != nil {
		return fmt.Errorf("%s: %w", r.ID(), err)
	}
	if v.Fate.InSet() {
		w.set = append(w.set, d)
	}
	return w.keep(&out)
}

func (w *town) keep(out *rules.Output) error {
	w.lines = append(w.lines, out.Accruals...)
	for _, i := range out.Instructions {
		sign := int64(1)
		if i.Direction == rules.Debit {
			sign = -1
		}
		w.paid[ledgertest.Payee{AccountID: i.AccountID, Currency: i.Currency}] += sign * i.AmountMinor
	}
	for _, g := range out.Grants {
		w.grants[[2]string{g.AccountID, string(g.Budget) + " " + g.TransactionID}] = g
	}
	for _, f := range out.Referrals {
		w.told[ledgertest.KeyOfReferral(&f)] = f
	}
	for _, f := range out.Referrals {
		if err := w.play(ledgertest.Record{Referral: &f}); err != nil {
			return err
		}
	}
	return nil
}

// rebuild makes every account anew from the set and the ledger's word.
func (w *town) rebuild() error {
	for id := range w.accounts {
		a := rules.NewAccount(id)
		w.engine.SetBudgets(nil)
		var out rules.Output
		last := rules.Cause{}
		for _, d := range w.set {
			if d.record.AccountID() != id {
				continue
			}
			last = d.cause
			if _, err := put(w.engine, a, d, &out); err != nil {
				return fmt.Errorf("replay %s: %w", d.cause.ID, err)
			}
		}
		var booked []rules.Accrual
		for _, x := range w.lines {
			if x.BeneficiaryID == id || x.Role == rules.RolePartner && x.AccountID == id {
				booked = append(booked, x)
			}
		}
		var grants []rules.Grant
		for key, g := range w.grants {
			if key[0] == id {
				grants = append(grants, g)
			}
		}
		var told []rules.Referral
		for key, f := range w.told {
			if key.BuyerAccountID == id {
				told = append(told, f)
			}
		}
		instructed := map[money.Currency]int64{}
		for p, minor := range w.paid {
			if p.AccountID == id {
				instructed[p.Currency] = minor
			}
		}
		a.AdoptBooked(booked)
		a.AdoptInstructed(instructed)
		a.AdoptGrants(grants)
		a.AdoptTold(told)
		w.engine.SetBudgets(nothingLeft{})
		var repaired rules.Output
		if err := w.engine.Repair(a, last, &repaired); err != nil {
			return fmt.Errorf("repair %s: %w", id, err)
		}
		if len(repaired.Accruals)+len(repaired.Instructions)+len(repaired.Referrals)+len(repaired.Grants) > 0 {
			return fmt.Errorf("rebuilt, %s differs by %+v", id, repaired)
		}
		fresh := rules.NewAccount(id)
		if err := fresh.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
			return fmt.Errorf("read %s back: %w", id, err)
		}
		w.accounts[id] = fresh
		w.engine.SetBudgets(w.purse)
	}
	return nil
}

// pot is budgets first come, first served.
type pot map[rules.BudgetKey]int64

func (p pot) Take(key rules.BudgetKey, limit, ask int64) int64 {
	gives := min(ask, max(0, limit-p[key]))
	p[key] += gives
	return gives
}

func (p pot) GiveBack(key rules.BudgetKey, minor int64) { p[key] -= minor }

// nothingLeft is asked by no rebuild of what is whole.
type nothingLeft struct{}

func (nothingLeft) Take(rules.BudgetKey, int64, int64) int64 { return 0 }
func (nothingLeft) GiveBack(rules.BudgetKey, int64)          {}

func (w *town) sums() map[rules.LineKey]rules.Sums {
	sums := map[rules.LineKey]rules.Sums{}
	for i := range w.lines {
		key := w.lines[i].Key()
		if sums[key] = sums[key].Plus(&w.lines[i]); sums[key] == (rules.Sums{}) {
			delete(sums, key)
		}
	}
	return sums
}

// Accounts that are rebuilt from the ledger on the way, and read by another
// snapshot of the same catalogue, live on as those that never were.
func TestRebuiltAccountsLiveOnAlike(t *testing.T) {
	for seed := range uint64(*cases) {
		language := []ledgertest.Language{ledgertest.MixedLanguage, ledgertest.WholeLanguage}[seed%2]
		g := ledgertest.NewGenerator(seed+9_000_000, ledgertest.GenOptions{
			Language: language, Budgets: seed%3 != 0, Accounts: 1 + int(seed%4), Partners: 1 + int(seed%3),
		})
		snapshot, err := rules.Compile(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		again, err := rules.Compile(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		records := g.Records(70)
		whole, broken := newTown(snapshot), newTown(snapshot)
		for n, r := range records {
			if err := whole.play(r); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err := broken.play(r); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if n == 25 {
				broken.engine.Use(again)
			}
			if n == 35 || n == 69 {
				if err := broken.rebuild(); err != nil {
					t.Fatalf("seed %d, after record %d: %v", seed, n, err)
				}
			}
		}
		if !maps.Equal(whole.sums(), broken.sums()) || !maps.Equal(whole.paid, broken.paid) || !maps.Equal(whole.purse, broken.purse) {
			t.Fatalf("seed %d: a rebuild has changed what came after", seed)
		}
	}
}

// What only the reached purchases were worked out for is what working out all
// of them gives.
func TestWhatIsReachedIsTheWhole(t *testing.T) {
	for seed := range uint64(*cases / 3) {
		g := ledgertest.NewGenerator(seed+10_000_000, ledgertest.GenOptions{
			Language: ledgertest.MixedLanguage, Accounts: 1, Partners: 1 + int(seed%4),
		})
		snapshot, err := rules.Compile(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		w := newTown(snapshot)
		for n, r := range g.Records(80) {
			if err := w.play(r); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for id, a := range w.accounts {
				fresh := rules.NewAccount(id)
				if err := fresh.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
					t.Fatalf("seed %d, after record %d: %v", seed, n, err)
				}
				if n%3 == 0 {
					w.accounts[id] = fresh
					fresh = rules.NewAccount(id)
					if err := fresh.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
						t.Fatal(err)
					}
				}
				var out rules.Output
				if err := w.engine.Repair(fresh, rules.Cause{Kind: rules.CauseEvent, ID: "last"}, &out); err != nil {
					t.Fatalf("seed %d, after record %d: %v", seed, n, err)
				}
				if len(out.Accruals)+len(out.Instructions)+len(out.Referrals)+len(out.Grants) > 0 {
					t.Fatalf("seed %d, after record %d, %s: all worked out anew, it differs by %+v", seed, n, id, out)
				}
			}
		}
	}
}
