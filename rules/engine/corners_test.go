package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/ledgertest"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// town is accounts whose referrals reach one another at once.
type town struct {
	engine   *engine.Engine
	accounts map[string]*engine.Account
	purse    pot
	lines    []rules.Accrual
	paid     map[ledgertest.Payee]int64
	given    []rules.Instruction
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

func newTown(s *engine.Snapshot) *town {
	w := &town{
		engine: engine.New(s), accounts: map[string]*engine.Account{}, purse: pot{}, paid: map[ledgertest.Payee]int64{},
		grants: map[[2]string]rules.Grant{}, told: map[ledgertest.ReferralKey]rules.Referral{},
	}
	w.engine.SetBudgets(w.purse)
	return w
}

func put(e *engine.Engine, a *engine.Account, d deed, out *rules.Output) (engine.Verdict, error) {
	var r rules.Record // a copy: what is kept of it must not be shared
	switch {
	case d.record.Event != nil:
		ev := *d.record.Event
		r.Event = &ev
	case d.record.Fact != nil:
		f := *d.record.Fact
		r.Fact = &f
	case d.record.Result != nil:
		f := *d.record.Result
		r.Result = &f
	default:
		f := *d.record.Referral
		r.Referral = &f
	}
	r.Own()
	return e.Apply(a, r, d.cause, out)
}

func (w *town) play(r ledgertest.Record) error {
	id := r.AccountID()
	if w.accounts[id] == nil {
		w.accounts[id] = engine.NewAccount(id)
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
		w.given = append(w.given, i)
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
		a := engine.NewAccount(id)
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
		instructed := slices.DeleteFunc(slices.Clone(w.given), func(i rules.Instruction) bool { return i.AccountID != id })
		a.AdoptBooked(booked)
		if err := a.AdoptInstructed(instructed); err != nil {
			return err
		}
		a.AdoptGrants(grants)
		a.AdoptPublished(told)
		w.engine.SetBudgets(nothingLeft{})
		var repaired rules.Output
		if err := w.engine.Repair(a, last, 1, &repaired); err != nil {
			return fmt.Errorf("repair %s: %w", id, err)
		}
		if len(repaired.Accruals)+len(repaired.Instructions)+len(repaired.Referrals)+len(repaired.Grants) > 0 {
			return fmt.Errorf("rebuilt, %s differs by %+v", id, repaired)
		}
		fresh := engine.NewAccount(id)
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
	t.Parallel()
	for seed := range seeds(80) {
		language := []ledgertest.Language{ledgertest.MixedLanguage, ledgertest.WholeLanguage}[seed%2]
		g := ledgertest.NewGenerator(seed+9_000_000, ledgertest.GenOptions{
			Language: language, Budgets: seed%3 != 0, Accounts: 1 + int(seed%4), Partners: 1 + int(seed%3),
		})
		snapshot, err := engine.Compile(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		again, err := engine.Compile(g.Catalogue())
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
	t.Parallel()
	for seed := range seeds(27) {
		g := ledgertest.NewGenerator(seed+10_000_000, ledgertest.GenOptions{
			Language: ledgertest.MixedLanguage, Accounts: 1, Partners: 1 + int(seed%4),
		})
		snapshot, err := engine.Compile(g.Catalogue())
		if err != nil {
			t.Fatal(err)
		}
		w := newTown(snapshot)
		for n, r := range g.Records(80) {
			if err := w.play(r); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for id, a := range w.accounts {
				fresh := engine.NewAccount(id)
				if err := fresh.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
					t.Fatalf("seed %d, after record %d: %v", seed, n, err)
				}
				if n%3 == 0 {
					w.accounts[id] = fresh
					fresh = engine.NewAccount(id)
					if err := fresh.UnmarshalBinary(a.AppendBinary(nil)); err != nil {
						t.Fatal(err)
					}
				}
				var out rules.Output
				if err := w.engine.Repair(fresh, rules.Cause{Kind: rules.CauseEvent, ID: "last"}, 1, &out); err != nil {
					t.Fatalf("seed %d, after record %d: %v", seed, n, err)
				}
				if len(out.Accruals)+len(out.Instructions)+len(out.Referrals)+len(out.Grants) > 0 {
					t.Fatalf("seed %d, after record %d, %s: all worked out anew, it differs by %+v", seed, n, id, out)
				}
			}
		}
	}
}

// Every state that is written can be read back, however large the amounts are that
// records may have.
func TestLargestAmountsLeaveAReadableState(t *testing.T) {
	t.Parallel()
	points := func(c *offer.Catalogue) {
		c.Programmes[0].Points = offer.PointsUnit{Code: "MILES", Decimals: 4}
		o := sample.PercentOffer("miles", 100*money.One, sample.Capped(offer.PerMonth, 500), sample.ByProgramme) // 1 point a euro
		o.Reward.Kind = rules.Points
		c.Partners[0].Offers = []offer.Offer{o}
	}
	for name, change := range map[string]func(*offer.Catalogue){
		"points": points,
		"boosted money": sample.Offers(sample.PercentOffer("fivefold", money.One, sample.Capped(offer.PerMonth, 500), func(o *offer.Offer) {
			o.Boosts = []offer.Boost{{ID: "x5", Op: offer.MultiplyRate, FactorMillionths: 5 * money.One}}
		})),
	} {
		t.Run(name, func(t *testing.T) {
			newScene(t, sample.Cafe(t, change)).play(`
				enrolled d0 cards=card
				clearing P 9007199254740991 d1`)
		})
	}
}

// A sponsor's line whose referral is not in the set is taken back; the account
// must stay readable.
func TestAdoptedSponsorLineLeavesAReadableState(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t)).play(`enrolled d0 cards=card`)
	s.account.AdoptBooked([]rules.Accrual{{
		Programme: "ristourne", AccountID: "buyer", BeneficiaryID: "acc", Role: rules.RoleSponsor, TransactionID: "P", PartnerID: "cafe",
		StoreID: "bastille", OfferID: "everyday", OfferVersion: "c1", Stage: rules.Confirmed, Kind: rules.Cash, Unit: "EUR", Currency: sample.EUR,
		BasisMinor: 10_000, RewardMinor: 100, CostMinor: 100, PurchasedAt: sample.At("d1"),
	}})
	if err := s.engine.Repair(s.account, rules.Cause{Kind: rules.CauseFact, ID: "last"}, 1, &s.out); err != nil {
		t.Fatal(err)
	}
	if err := engine.NewAccount("acc").UnmarshalBinary(s.account.AppendBinary(nil)); err != nil {
		t.Errorf("the state can't be read back: %v", err)
	}
}

// club adds another programme with a partner of its own, "bar".
func club(t *testing.T, change ...func(p *offer.Programme, bar *offer.Partner)) func(*offer.Catalogue) {
	return func(c *offer.Catalogue) {
		p := c.Programmes[0]
		p.ID, p.Version.ID, p.Offers = "club", "k1", nil
		bar := c.Partners[0]
		bar.ID, bar.Version.ID, bar.Programme = "bar", "b1", "club"
		bar.Stores = []offer.Store{{ID: "bar1", Zone: bar.Stores[0].Zone, Keys: []offer.Key{sample.Mid("BAR1")}}}
		bar.Offers = []offer.Offer{sample.PercentOffer("bar", 30_000)}
		for _, f := range change {
			f(&p, &bar)
		}
		c.Programmes, c.Partners = append(c.Programmes, p), append(c.Partners, bar)
	}
}

func own(all ...offer.Offer) func(*offer.Catalogue) {
	return sample.Programme(func(p *offer.Programme) { p.Offers = all })
}

func first(o *offer.Offer) { o.FirstPurchase = true }

// Reading 7: purchases made as a member of another programme count for nothing.
func TestFirstPurchaseIsOfTheProgramme(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, club(t), own(sample.PercentOffer("welcome", 50_000, first, sample.ByProgramme, sample.InGroup("w"))), sample.Offers())).play(`
		enrolled d0 cards=card programme=club
		clearing A 10000 d1 mid=BAR1
		enrolled d2
		clearing B 10000 d3`)
	if got := s.member(); !strings.Contains(got, "B welcome confirmed 500") {
		t.Errorf("no welcome for the first purchase in the programme: %s", got)
	}
}

func TestFirstPurchaseAtAPartnerThatChangedItsProgramme(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, club(t), sample.Offers(sample.PercentOffer("welcome", 50_000, first)), sample.SecondVersion("d2", func(p *offer.Partner) { p.Programme = "club" }))).play(`
		enrolled d0 cards=card
		clearing A 10000 d1
		enrolled d2 programme=club
		clearing B 10000 d3`)
	if got := s.member(); strings.Contains(got, "B welcome") {
		t.Errorf("who bought there as a member of another programme is welcomed anew: %s", got)
	}
}

// Reading 7: for an offer of the programme's own, purchases of any kind in the
// set come before, those made while the programme had no such offers too.
func TestFirstPurchaseLooksBackBeforeTheProgrammesOwnOffers(t *testing.T) {
	t.Parallel()
	later := func(c *offer.Catalogue) {
		p := c.Programmes[0]
		p.Version = offer.Version{ID: "r2", From: sample.At("d2")}
		p.Offers = []offer.Offer{sample.PercentOffer("welcome", 50_000, first, sample.ByProgramme)}
		c.Programmes = append(c.Programmes, p)
	}
	s := newScene(t, sample.Cafe(t, club(t), later)).play(`
		enrolled d0 cards=card
		clearing A 10000 d1 mid=BAR1
		clearing B 10000 d3 mid=BAR1`)
	if got := s.member(); strings.Contains(got, "B welcome") {
		t.Errorf("B is not the first purchase of the set: %s", got)
	}
}

// Reading 3: hours of the programme's own offers are by the matched store's
// clock, whosever store it is.
func TestOwnOffersKeepTheClockOfAnyMatchedStore(t *testing.T) {
	t.Parallel()
	c := sample.Cafe(t, club(t), own(sample.PercentOffer("noon", 50_000, sample.ByProgramme, func(o *offer.Offer) {
		o.When.Hours = []offer.Hours{{FromSec: 12 * 3600, UntilSec: 13 * 3600}}
	})))
	c.Programmes[0].Zone = zoneOf(t, "Asia/Tokyo")
	s := newScene(t, c).play(`
		enrolled d0 cards=card
		clearing A 10000 2026-03-05T12:30:00+01:00 mid=BAR1
		clearing B 10000 2026-03-05T12:30:00+09:00 mid=BAR1`)
	if got := s.member(); got != "A noon confirmed 500 by r1" {
		t.Errorf("noon at the bar in Paris: %q", got)
	}
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// Many offers that each add a commission: their sum must not wrap around.
func TestSumOfCommissionsDoesNotWrap(t *testing.T) {
	t.Parallel()
	var all []offer.Offer
	for i := range 1100 {
		all = append(all, sample.PercentOffer(fmt.Sprintf("o%04d", i), 10_000, sample.InGroup(fmt.Sprint("g", i)), func(o *offer.Offer) {
			o.Commission = offer.Commission{RateMillionths: money.One}
		}))
	}
	s := newScene(t, sample.Cafe(t, sample.Offers(all...))).play(`
		enrolled d0 cards=card
		clearing P 9007199254740991 d1`)
	for _, x := range s.out.Accruals {
		if x.RewardMinor < 0 || x.CommissionMinor < 0 {
			t.Fatalf("a first line under 0: offer %s %d", x.OfferID, x.RewardMinor)
		}
	}
	if !strings.Contains(s.member(), "o0000 confirmed") {
		t.Error("a commission of many times the purchase funds nothing")
	}
}

// What Compile accepts never makes the engine fail but for ErrLimit.
func TestCostPlusOfManyPointsOffersDoesNotFail(t *testing.T) {
	t.Parallel()
	c := sample.Cafe(t, func(c *offer.Catalogue) {
		c.Programmes[0].Points = offer.PointsUnit{Code: "MILES", ValueMillionths: money.One}
		c.Partners[0].Commission = offer.Commission{Form: offer.CostPlusCommission, CostMillionths: 8 * money.One}
		c.Partners[0].Offers = nil
		for i := range 17 {
			o := sample.PercentOffer(fmt.Sprintf("o%04d", i), 8*money.One, sample.InGroup(fmt.Sprint("g", i)))
			o.Reward.Kind = rules.Points
			c.Partners[0].Offers = append(c.Partners[0].Offers, o)
		}
	})
	if _, err := engine.Compile(c); err != nil {
		return // refused: as well
	}
	s := newScene(t, c)
	s.play(`enrolled d0 cards=card`)
	if _, err := s.apply(parseRecord("clearing P 9007199254740991 d1", 9)); err != nil {
		t.Errorf("the engine fails: %v", err)
	}
}

// A campaign's budget in points that many offers draw on for one purchase.
func TestTargetOfManyPointsOffersDoesNotWrap(t *testing.T) {
	t.Parallel()
	c := sample.Cafe(t, func(c *offer.Catalogue) {
		c.Programmes[0].Points = offer.PointsUnit{Code: "MILES", Decimals: 4}
		c.Partners[0].Offers = nil
		for i := range 17 {
			o := sample.PercentOffer(fmt.Sprintf("o%04d", i), 64*money.One, sample.InGroup(fmt.Sprint("g", i)), sample.ByProgramme)
			o.Reward.Kind = rules.Points
			c.Partners[0].Offers = append(c.Partners[0].Offers, o)
		}
		c.Campaigns = []offer.Campaign{{
			ID: "double", Version: offer.Version{ID: "d1", From: rules.MinInstant}, Programme: "ristourne", Unit: "MILES",
			Budget: offer.Budget{AmountMinor: 1000},
			Boosts: []offer.CampaignBoost{{Boost: offer.Boost{ID: "x2", Op: offer.MultiplyRate, FactorMillionths: 2 * money.One}}},
		}}
	})
	if _, err := engine.Compile(c); err != nil {
		return // refused: as well
	}
	s := newScene(t, c)
	s.engine.SetBudgets(pot{})
	s.play(`
		enrolled d0 cards=card
		clearing P 9007199254740991 d1`)
	for _, x := range s.out.Accruals {
		if x.RewardMinor > 64*9007199254740991+1000 {
			t.Fatalf("a budget of 1000 paid %d", x.RewardMinor-64*9007199254740991)
		}
	}
}

// A programme that was ended and begins anew, with points: an offer made in
// between gives them.
func TestPointsOfAProgrammeThatBeginsAnew(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, func(c *offer.Catalogue) {
		ended, anew := c.Programmes[0], c.Programmes[0]
		ended.Version = offer.Version{ID: "r2", From: sample.At("d1"), Ended: true}
		anew.Version = offer.Version{ID: "r3", From: sample.At("d5")}
		anew.Points = offer.PointsUnit{Code: "MILES"}
		c.Programmes = append(c.Programmes, ended, anew)
		o := sample.PercentOffer("miles", money.One, sample.ByProgramme)
		o.Reward.Kind = rules.Points
		c.Partners[0].Version.From = sample.At("d3")
		c.Partners[0].Offers = []offer.Offer{o}
	})).play(`
		enrolled d0 cards=card
		clearing P 1000 d6`)
	if got := s.member(); got != "P miles confirmed 1000 points MILES" {
		t.Errorf("no points: %q", got)
	}
}

// Reading 8: the goal is reached once a period, whatever period an older version
// had.
func TestGoalIsReachedOnceAPeriodOverVersions(t *testing.T) {
	t.Parallel()
	goal := func(per offer.CapPeriod, minor int64) offer.Offer {
		return sample.FixedOffer("goal", 500, func(o *offer.Offer) { o.Goal = offer.Goal{AmountMinor: minor, Per: per} })
	}
	s := newScene(t, sample.Cafe(t, sample.Offers(goal(offer.PerMonth, 5000)), sample.SecondVersion("d5", func(p *offer.Partner) {
		p.Offers = []offer.Offer{goal(offer.PerYear, 20_000)}
	}))).play(`
		enrolled d0 cards=card
		clearing A 10000 d1
		clearing B 10000 d6`)
	if got := s.member(); got != "A goal confirmed 500" {
		t.Errorf("the goal was got in the year already: %q", got)
	}
}

// Budgets per store and day are each store's, whatever other partners call
// theirs.
func TestBudgetPerStoreAndDayIsTheStores(t *testing.T) {
	t.Parallel()
	c := sample.Cafe(t, own(sample.PercentOffer("own", 50_000, sample.ByProgramme, sample.InGroup("own"), func(o *offer.Offer) {
		o.Budgets = []offer.Budget{{AmountMinor: 500, PerStoreAndDay: true}}
	})), sample.Offers())
	bar := c.Partners[0]
	bar.ID, bar.Version.ID = "bar", "b1"
	bar.Stores = []offer.Store{{ID: "bastille", Zone: bar.Stores[0].Zone, Keys: []offer.Key{sample.Mid("BAR1")}}}
	c.Partners = append(c.Partners, bar)
	s := newScene(t, c)
	s.engine.SetBudgets(pot{})
	s.play(`
		enrolled d0 cards=card
		clearing A 10000 d1
		clearing B 10000 d1+1h mid=BAR1`)
	if got := s.member(); got != "A own confirmed 500 by r1; B own confirmed 500 by r1" {
		t.Errorf("two stores of one name share a budget: %q", got)
	}
}

// Two offers must not share a budget by how their names are joined.
func TestBudgetNamesAreUnambiguous(t *testing.T) {
	t.Parallel()
	limited := func(o *offer.Offer) { o.Budgets = []offer.Budget{{AmountMinor: 300}} }
	c := sample.Cafe(t, sample.Offers(sample.PercentOffer("b/c", 30_000, limited)))
	c.Partners[0].ID = "a"
	bar := c.Partners[0]
	bar.ID, bar.Version.ID = "a/b", "b1"
	bar.Stores = []offer.Store{{ID: "bar1", Zone: bar.Stores[0].Zone, Keys: []offer.Key{sample.Mid("BAR1")}}}
	bar.Offers = []offer.Offer{sample.PercentOffer("c", 30_000, limited)}
	c.Partners = append(c.Partners, bar)
	if _, err := engine.Compile(c); err != nil {
		return // refused: as well
	}
	s := newScene(t, c)
	s.engine.SetBudgets(pot{})
	s.play(`
		enrolled d0 cards=card
		clearing A 10000 d1
		clearing B 10000 d1+1h mid=BAR1`)
	if n := strings.Count(s.member(), "confirmed 300"); n != 2 {
		t.Errorf("two offers share a budget: %q", s.member())
	}
}

// An adjustment belongs to the programme of its time, in whatever order they
// arrive.
func TestAdjustmentsBelongToTheirProgrammes(t *testing.T) {
	t.Parallel()
	records := []string{
		"enrolled d0 cards=card id=e1", "enrolled d5 programme=club id=e2",
		"adjustment d1 amount=500 id=a1", "adjustment d6 amount=300 id=a2",
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {0, 1, 3, 2}} {
		s := newScene(t, sample.Cafe(t, club(t)))
		for _, i := range order {
			s.play(records[i])
		}
		got := map[string]int64{}
		for _, x := range s.out.Accruals {
			got[x.Programme] += x.RewardMinor
		}
		if got["ristourne"] != 500 || got["club"] != 300 {
			t.Errorf("in order %v: %v", order, got)
		}
	}
}

// The ledger's store keeps what facts book by themselves apart by programme: a
// repair must find nothing to book in that.
func TestBookedSumsOfTwoProgrammesAreWhole(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, club(t))).play(`
		enrolled d0 cards=card id=e1
		enrolled d5 programme=club id=e2
		adjustment d1 amount=500 id=a1
		adjustment d6 amount=300 id=a2`)
	s.account.AdoptBooked(s.out.Accruals)
	var out rules.Output
	if err := s.engine.Repair(s.account, rules.Cause{Kind: rules.CauseFact, ID: "a2"}, 1, &out); err != nil {
		t.Fatal(err)
	}
	for _, x := range out.Accruals {
		t.Errorf("a repair of what is whole books %d in programme %s", x.RewardMinor, x.Programme)
	}
}

// An id follows from what a record says, not from where it stands: the same
// event read from another copy of the topic must give the same instruction.
func TestIDsDoNotDependOnOffsets(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, offset := range []int{0, 1000} {
		s := newScene(t, sample.Cafe(t))
		s.n = offset
		s.play("enrolled d0 cards=card id=e1\nclearing P 10000 d1 id=c1")
		ids[s.out.Instructions[0].ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("one event gives several instruction ids: %v", ids)
	}
}

// Nor by how an offer's name is joined with a store's.
func TestStoreBudgetNamesAreUnambiguous(t *testing.T) {
	t.Parallel()
	limited := func(stores ...string) func(*offer.Offer) {
		return func(o *offer.Offer) {
			o.Stores, o.Budgets = stores, []offer.Budget{{AmountMinor: 300, PerStoreAndDay: true}}
		}
	}
	c := sample.Cafe(t, sample.Offers(sample.PercentOffer("x/y", 30_000, limited("z")), sample.PercentOffer("x", 30_000, limited("y/z"))))
	c.Partners[0].Stores[0].ID, c.Partners[0].Stores[1].ID = "z", "y/z"
	if _, err := engine.Compile(c); err != nil {
		return // refused: as well
	}
	s := newScene(t, c)
	s.engine.SetBudgets(pot{})
	s.play(`
		enrolled d0 cards=card
		clearing A 10000 d1
		clearing B 10000 d1+1h mid=CAFE2`)
	if n := strings.Count(s.member(), "confirmed 300"); n != 2 {
		t.Errorf("two offers share a budget: %q", s.member())
	}
}

// A stopped campaign's budget pays for no purchase made after the stop was
// made known, though the end comes into force minutes later; what was earned
// before stays, and is paid when it grows.
func TestAStoppedCampaignsBudgetPaysNoMore(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, func(c *offer.Catalogue) {
		double := offer.CampaignBoost{Boost: offer.Boost{ID: "x2", Op: offer.MultiplyRate, FactorMillionths: 2 * money.One}}
		c.Campaigns = []offer.Campaign{
			{ID: "double", Version: offer.Version{ID: "d1", From: rules.MinInstant}, Programme: "ristourne", Unit: "EUR", Budget: offer.Budget{AmountMinor: 100_000}, Boosts: []offer.CampaignBoost{double}},
			{ID: "double", Version: offer.Version{ID: "d2", From: sample.At("d3+1m"), Ended: true}, StoppedAt: sample.At("d3")},
		}
	}))
	s.engine.SetBudgets(pot{})
	s.play(`
		enrolled d0 cards=card
		authorization A 1000 d2+23h59m
		clearing A 2000 d4
		clearing B 1000 d3
		clearing C 1000 d3+2m`)
	got := s.member()
	for _, want := range []string{"A everyday confirmed 120", "B everyday confirmed 30", "C everyday confirmed 30"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

// Ten thousand offers on one store are looked at, and the best wins.
func TestTenThousandOffersOnOneStore(t *testing.T) {
	t.Parallel()
	var all []offer.Offer
	for i := range 10_000 {
		all = append(all, sample.PercentOffer(fmt.Sprintf("o%04d", i), int64(1+i*7), sample.Capped(offer.PerMonth, 1_000_000)))
	}
	s := newScene(t, sample.Cafe(t, sample.Offers(all...))).play(`
		enrolled d0 cards=card
		clearing P 10000 d1`)
	if got := s.member(); got != "P o9993 confirmed 700" { // from 6.9952 % on it is 7.00: of equals the smallest id
		t.Error(got)
	}
	if _, err := engine.Compile(sample.Cafe(t, sample.Offers(append(all, sample.PercentOffer("one-more", 1))...))); err == nil {
		t.Error("10,001 offers are taken")
	}
}

// The last second that can be written down is a purchase like any other: caps,
// days, weeks and windows included.
func TestPurchasesOfTheYear9999(t *testing.T) {
	t.Parallel()
	s := newScene(t, sample.Cafe(t, sample.Offers(
		sample.PercentOffer("everyday", 30_000, sample.Capped(offer.PerYear, 200), func(o *offer.Offer) {
			o.From = offer.LocalTime{Year: 9999, Month: time.December, Day: 31}
			o.When.Hours = []offer.Hours{{FromSec: 23 * 3600, UntilSec: 24 * 3600}}
			o.Audience.EnrolledForDays = 3000
		}),
	))).play(`
		enrolled d0 cards=card
		clearing P 10000 9999-12-31T23:59:59.999999999+01:00`)
	if got := s.member(); got != "P everyday confirmed 200" {
		t.Error(got)
	}
}
