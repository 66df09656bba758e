package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/ledgertest"
	"ristourne/rules/offer"
)

// An account whose old purchases are put away whenever they can be decides the same,
// line by line and byte by byte, as one that is always whole: whatever comes, late,
// twice, out of order, linked or not, and however many catalogues there were.
func TestAFoldedAccountDecidesAsAWholeOne(t *testing.T) {
	t.Parallel()
	var all foldCounts
	for seed := range uint64(*cases) / 4 {
		options := ledgertest.GenOptions{Accounts: 1 + int(seed%3), Orderless: seed%4 == 3}
		if seed%5 > 0 {
			options.Language, options.Budgets = ledgertest.WholeLanguage, seed%5 > 2
		}
		if seed%3 == 0 {
			options.Span = 3 * 365 * 24 * time.Hour
		}
		if seed%7 == 6 { // what is spent and lost, and what is paid, may look at all purchases
			options.Payouts, options.Expiries, options.Orderless = true, true, false
		}
		g := ledgertest.NewGenerator(seed, options)
		records := g.Records(60 + int(seed%4)*30)
		if seed%2 == 0 {
			records = ledgertest.Duplicate(rand.New(rand.NewPCG(seed, 1)), records, 10)
		}
		f := newFolding(t, g)
		for _, r := range records {
			f.play(r)
		}
		if all.add(f.foldCounts); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%+v", all)
	if all.folded == 0 || all.decidedFolded < all.folded/2 || all.unfolded == 0 {
		t.Errorf("what was compared is little: %+v", all)
	}
}

// foldCounts are how often purchases were put away, how many records were decided
// while some were, how often an account was made whole, and how often that was found
// out on the way.
type foldCounts struct{ folded, decidedFolded, unfolded, late int }

func (c *foldCounts) add(o foldCounts) {
	c.folded += o.folded
	c.decidedFolded += o.decidedFolded
	c.unfolded += o.unfolded
	c.late += o.late
}

// folding is accounts that are decided twice: whole, and as little of them as can be.
type folding struct {
	foldCounts
	t          *testing.T
	whole      *town
	engine     *engine.Engine
	purse      pot
	states     map[string][]byte
	pages      map[string][][]byte
	seen, from map[string]bool // ids by account, and those that are linked elsewhere
	n          int64
}

func newFolding(t *testing.T, g *ledgertest.Generator) *folding {
	t.Helper()
	snapshot, err := engine.Compile(g.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	f := &folding{
		t: t, whole: newTown(snapshot), engine: engine.New(snapshot), purse: pot{}, states: map[string][]byte{}, pages: map[string][][]byte{},
		seen: map[string]bool{}, from: map[string]bool{},
	}
	f.engine.SetBudgets(f.purse)
	f.engine.FoldEagerly()
	return f
}

func (f *folding) play(r ledgertest.Record) {
	f.t.Helper()
	if f.t.Failed() {
		return
	}
	f.n++
	id := r.AccountID()
	if f.whole.accounts[id] == nil {
		f.whole.accounts[id] = engine.NewAccount(id)
	}
	d := deed{r, rules.Cause{Kind: rules.CauseEvent, ID: r.ID(), Offset: f.n, RecordedAt: 1_700_000_000_000 + f.n}}
	if r.Fact != nil {
		d.cause.Kind = rules.CauseFact
	} else if r.Referral != nil {
		d.cause.Kind = rules.CauseReferral
	}
	var want rules.Output
	fate, err := put(f.whole.engine, f.whole.accounts[id], d, &want)
	if err != nil {
		f.t.Fatal(err)
	}
	got, out := f.decide(id, d)
	if got != fate || !sameOutput(&out, &want) {
		f.t.Errorf("record %d, %+v: is %v, where the whole account says %v:\n%+v\n%+v", f.n, r, got, fate, out, want)
		return
	}
	f.compare(id)
	if r.Event != nil && fate.Fate.InSet() {
		for _, name := range []string{r.Event.ID, r.Event.TransactionID, r.Event.OriginalTransactionID} {
			f.seen[id+" "+name] = true
		}
	}
	for i := range want.Referrals {
		f.play(ledgertest.Record{Referral: &want.Referrals[i]})
	}
}

// sameOutput: a grant that a decision only looks at is among those of the whole one.
func sameOutput(got, want *rules.Output) bool {
	return slices.EqualFunc(got.Accruals, want.Accruals, func(x, y rules.Accrual) bool { return reflect.DeepEqual(x, y) }) &&
		slices.Equal(got.Instructions, want.Instructions) && slices.Equal(got.Referrals, want.Referrals) &&
		slices.Equal(got.Grants, want.Grants) && slices.Equal(got.Refunds, want.Refunds) && slices.Equal(got.Holdouts, want.Holdouts)
}

// decide decides on what is stored, and stores it.
func (f *folding) decide(id string, d deed) (engine.Verdict, rules.Output) {
	a := f.load(id)
	purse := maps.Clone(f.purse)
	if record := d.record; f.engine.MustUnfold(a, record, f.seenIn(id, record)) {
		f.unfold(a)
	}
	var out rules.Output
	folded := a.IsFolded()
	v, err := put(f.engine, a, d, &out)
	if errors.Is(err, engine.ErrFolded) {
		f.late++
		maps.Copy(f.purse, purse)
		a, out, folded = f.load(id), rules.Output{}, false
		f.unfold(a)
		v, err = put(f.engine, a, d, &out)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	if folded {
		f.decidedFolded++
	}
	f.store(id, a)
	return v, out
}

func (f *folding) load(id string) *engine.Account {
	a := engine.NewAccount(id)
	if state := f.states[id]; state != nil {
		if err := a.UnmarshalBinary(state); err != nil {
			f.t.Fatal(err)
		}
	}
	return a
}

func (f *folding) unfold(a *engine.Account) {
	f.unfolded++
	if err := a.Unfold(f.pages[a.ID()]); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folding) store(id string, a *engine.Account) {
	pages, first, links, fresh, err := f.engine.Fold(a)
	if err != nil {
		f.t.Fatal(err)
	}
	if fresh {
		f.pages[id] = nil
	}
	if len(pages) > 0 && first != len(f.pages[id]) {
		f.t.Fatalf("pages from %d on are put to %d", first, len(f.pages[id]))
	}
	f.folded += len(pages)
	f.pages[id] = append(f.pages[id], pages...)
	for _, link := range links {
		f.from[id+" "+link] = true
	}
	f.states[id] = a.AppendBinary(nil)
}

func (f *folding) seenIn(id string, r rules.Record) (s engine.Seen) {
	switch {
	case r.Event != nil:
		ev := r.Event
		s.Event, s.Transaction, s.TransactionLink = f.seen[id+" "+ev.ID], f.seen[id+" "+ev.TransactionID], f.from[id+" "+ev.TransactionID]
		s.Original, s.OriginalLink = f.seen[id+" "+ev.OriginalTransactionID], f.from[id+" "+ev.OriginalTransactionID]
	case r.Fact != nil:
		s.Transaction, s.TransactionLink = f.seen[id+" "+r.Fact.TransactionID], f.from[id+" "+r.Fact.TransactionID]
	}
	return s
}

// compare holds what is stored, made whole, to the account that always was.
func (f *folding) compare(id string) {
	f.t.Helper()
	a, whole := f.load(id), engine.NewAccount(id)
	if err := whole.UnmarshalBinary(f.whole.accounts[id].AppendBinary(nil)); err != nil {
		f.t.Fatal(err)
	}
	if a.IsFolded() {
		if err := a.Unfold(f.pages[id]); err != nil {
			f.t.Fatal(err)
		}
	}
	if got, want := a.AppendBinary(nil), whole.AppendBinary(nil); !bytes.Equal(got, want) {
		f.t.Errorf("record %d: account %s is stored with other content than the whole one: %d bytes, want %d", f.n, id, len(got), len(want))
	}
}

// Pages that aren't all there, or others, are no account.
func TestPagesThatDontBelongAreRefused(t *testing.T) {
	t.Parallel()
	g := ledgertest.NewGenerator(3, ledgertest.GenOptions{Accounts: 1})
	f := newFolding(t, g)
	records := g.Records(200)
	for len(f.pages["account-1"]) < 2 {
		f.play(records[0])
		records = records[1:]
	}
	for id, pages := range f.pages {
		changed := slices.Clone(pages[0])
		changed[len(changed)-1]++
		for what, wrong := range map[string][][]byte{
			"one is missing": pages[1:], "one is twice": append(pages[:len(pages):len(pages)], pages[0]),
			"one is damaged": append([][]byte{changed}, pages[1:]...), "none": nil,
		} {
			if a := f.load(id); a.Unfold(wrong) == nil {
				t.Errorf("%s: the account is taken for whole", what)
			}
		}
	}
}

// What purchases that stay have told their buyer's sponsor is found again where others
// were put away: of each offer by itself.
func TestWhatWasToldStaysWithItsPurchase(t *testing.T) {
	t.Parallel()
	tells := func(id string) offer.Offer {
		return sample.PercentOffer(id, 10_000, sample.InGroup(id), func(o *offer.Offer) { o.Sponsor.FixedMinor = 5 })
	}
	e := engineOf(t, sample.Offers(tells("one"), tells("two"), tells("three")))
	whole, part := engine.NewAccount("acc"), engine.NewAccount("acc")
	var pages [][]byte
	apply := func(r rules.Record, kind rules.CauseKind) {
		t.Helper()
		var want, got rules.Output
		for a, out := range map[*engine.Account]*rules.Output{whole: &want, part: &got} {
			if _, err := e.Apply(a, r, rules.Cause{Kind: kind, ID: r.ID()}, out); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s gives %+v, want %+v", r.ID(), got, want)
		}
		more, _, _, _, err := e.Fold(part)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	enrolled := parseFact(rules.Enrolled, []string{"d0"}, map[string]string{"cards": "card"}, 0)
	enrolled.SponsorAccountID = "x"
	apply(rules.Record{Fact: enrolled}, rules.CauseFact)
	for i := range 20 {
		apply(rules.Record{Event: parseEvent(rules.Clearing, []string{fmt.Sprintf("p%02d", i), "1000", fmt.Sprintf("d%d", i+1)}, nil, i)}, rules.CauseEvent)
	}
	apply(rules.Record{Event: parseEvent(rules.Refund, []string{"p19", "1000", "d22"}, nil, 99)}, rules.CauseEvent)
	if err := part.Unfold(pages); err != nil || len(pages) == 0 {
		t.Fatal(len(pages), err)
	}
	if !bytes.Equal(part.AppendBinary(nil), whole.AppendBinary(nil)) {
		t.Error("a folded account is another than the whole one")
	}
}

// A rebuild puts away what it has just made: nothing of that was ever in bytes.
func TestAnAccountThatWasNeverStoredIsFolded(t *testing.T) {
	t.Parallel()
	fresh := engine.NewAccount("acc")
	var out rules.Output
	e := engineOf(t)
	for i := range 20 {
		if i == 0 {
			fact := parseFact(rules.Enrolled, []string{"d0"}, map[string]string{"cards": "card"}, 0)
			if _, err := e.ApplyFact(fresh, fact, rules.Cause{Kind: rules.CauseFact, ID: "f"}, &out); err != nil {
				t.Fatal(err)
			}
		}
		ev := parseEvent(rules.Clearing, []string{fmt.Sprint("P", i), "100", fmt.Sprintf("d%d", 1+i)}, nil, i)
		if _, err := e.ApplyEvent(fresh, ev, rules.Cause{Kind: rules.CauseEvent, ID: ev.ID}, &out); err != nil {
			t.Fatal(err)
		}
	}
	if pages, _, _, _, err := e.Fold(fresh); err != nil || len(pages) != 1 || !fresh.IsFolded() {
		t.Errorf("%d pages, %v", len(pages), err)
	}
}

// What was spent is taken from lots that may be put away: the account is made whole
// before anything is said of what is left of the others.
func TestWhatIsLostIsWorkedOutOfAWholeAccount(t *testing.T) {
	t.Parallel()
	s, err := engine.Compile(sample.Cafe(t, sample.Offers(sample.PercentOffer("saved", 100_000, func(o *offer.Offer) {
		o.Reward.Kind, o.Reward.Wallet = rules.Wallet, offer.WalletTerms{ExpiresAfterDays: 60}
	}))))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(s)
	whole, part := engine.NewAccount("acc"), engine.NewAccount("acc")
	var pages [][]byte
	apply := func(r rules.Record) {
		var want, got rules.Output
		c := rules.Cause{Kind: rules.CauseFact, ID: r.ID()}
		if _, err := e.Apply(whole, r, c, &want); err != nil {
			t.Fatal(err)
		}
		if e.MustUnfold(part, r, engine.Seen{}) {
			if err := part.Unfold(pages); err != nil {
				t.Fatal(err)
			}
			pages = nil
		}
		if _, err := e.Apply(part, r, c, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s books %+v, want %+v", r.ID(), got, want)
		}
		more, _, _, fresh, err := e.Fold(part)
		if err != nil {
			t.Fatal(err)
		}
		if fresh {
			pages = nil
		}
		pages = append(pages, more...)
	}
	apply(rules.Record{Fact: parseFact(rules.Enrolled, []string{"d0"}, map[string]string{"cards": "card"}, 0)})
	for i := range 40 {
		apply(rules.Record{Event: parseEvent(rules.Clearing, []string{fmt.Sprintf("p%02d", i), "1000", fmt.Sprintf("d%d", i+1)}, nil, i)})
	}
	apply(rules.Record{Fact: parseFact(rules.WalletSpent, []string{"d41"}, map[string]string{"amount": "1500", "unit": "EUR"}, 1)})
	closed := parseFact(rules.CycleClosed, []string{"d200"}, map[string]string{"programme": "ristourne", "cycle": "c"}, 2)
	closed.AsOf = closed.At.String()
	apply(rules.Record{Fact: closed})
	for i := range 10 {
		apply(rules.Record{Event: parseEvent(rules.Clearing, []string{fmt.Sprintf("q%02d", i), "1000", fmt.Sprintf("d%d", 210+i)}, nil, 100+i)})
	}
}
