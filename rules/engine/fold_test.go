package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
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
	for seed := range seeds(20) {
		options := ledgertest.GenOptions{Accounts: 1 + int(seed%3), Orderless: seed%4 == 3}
		if seed%5 > 0 {
			options.Language, options.Budgets = ledgertest.WholeLanguage, seed%5 > 2
		}
		if seed%3 == 0 {
			options.Span = 3 * 365 * 24 * time.Hour
		}
		if seed%7 >= 5 { // what is spent and lost, and what is paid, may look at all purchases
			options.Payouts, options.Expiries, options.Orderless = true, seed%7 == 6, false
		}
		g := ledgertest.NewGenerator(seed, options)
		records := g.Records(60 + int(seed%4)*30)
		if seed%2 == 0 {
			records = ledgertest.Duplicate(rand.New(rand.NewPCG(seed, 1)), records, 10)
		}
		if all.live(newFolding(t, g), records); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%+v", all)
	if all.folded == 0 || all.decidedFolded < all.folded/2 || all.unfolded == 0 || all.paymentsAway == 0 {
		t.Errorf("what was compared is little: %+v", all)
	}
}

// So with all that must be known of what is put away: what budgets gave, and refused,
// and what is paid at once, in cycles, or rejected in a row.
func TestAFoldedAccountSharesAsAWholeOne(t *testing.T) {
	t.Parallel()
	var all foldCounts
	for seed := range seeds(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		change := agingOffers[int(seed)%len(agingOffers)].change
		if rng.IntN(4) > 0 {
			change = budgeted(rng)
		}
		c := sample.Cafe(t, change, sample.Programme(func(p *offer.Programme) { p.AllCards = true }), pays(offer.Payout{
			Cycle:    offer.Cycle{Kind: [...]offer.CycleKind{offer.AtOnce, offer.AtOnce, offer.ByHand}[rng.IntN(3)]},
			Attempts: rng.IntN(4), Negative: [...]offer.Negative{offer.NegativeDefault, offer.NegativeNet}[rng.IntN(2)],
		}))
		if p := &c.Programmes[0].Payout; p.Cycle.Kind == offer.ByHand {
			p.HoldDays = rng.IntN(3)
		}
		options := ledgertest.GenOptions{Catalogue: c, Accounts: 1, Payouts: true, Partnered: 100, Span: time.Duration(60+rng.IntN(300)) * 24 * time.Hour}
		g := ledgertest.NewGenerator(seed, options)
		if all.live(newFolding(t, g), g.Records(80)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%+v", all)
	if all.folded == 0 || all.cycles == 0 || all.lateResults == 0 || all.stuck == 0 || all.granted == 0 || all.refused == 0 {
		t.Errorf("what was compared is little: %+v", all)
	}
}

// budgeted are offers with visits and caps, and budgets of theirs and of a campaign,
// that last for a few purchases or for all.
func budgeted(rng *rand.Rand) func(*offer.Catalogue) {
	minor := func() int64 { return [...]int64{60, 400, 2_000, 1 << 40}[rng.IntN(4)] }
	return func(c *offer.Catalogue) {
		doubled(minor(), minor())(c)
		c.Campaigns[0].Budget.Whole = rng.IntN(4) == 0
		c.Partners[0].Offers = append(c.Partners[0].Offers, sample.PercentOffer("rolling", 20_000, sample.InGroup("r"), func(o *offer.Offer) {
			o.Caps = []offer.Cap{{Per: offer.PerRolling, Days: 7, AmountMinor: minor()}}
			o.Budgets = []offer.Budget{{AmountMinor: minor(), PerStoreAndDay: rng.IntN(2) == 0, Whole: rng.IntN(3) == 0}}
		}), sample.FixedOffer("third", 90, sample.InGroup("v"), func(o *offer.Offer) {
			o.Every = offer.Every{N: 3, Per: offer.PerMonth}
			o.Caps = []offer.Cap{{Per: offer.PerLife, Count: 1 + rng.Int64N(4)}}
			o.Budgets = []offer.Budget{{AmountMinor: minor()}}
		}))
	}
}

// live plays the records, and what the bank makes of them.
func (c *foldCounts) live(f *folding, records []ledgertest.Record) {
	f.t.Helper()
	for _, r := range records {
		f.play(r)
		f.bankWrites()
	}
	c.add(f.foldCounts)
}

// foldCounts are how often purchases were put away, how many records were decided
// while some were, how often an account was made whole, and how often that was found
// out on the way; how often payments were away when a record was decided, when a
// cycle closed, and when the bank rejected one; and how often it was a word on one
// that was away that made the account whole; how often budgets had been asked for what
// is away, and had refused some.
type foldCounts struct {
	folded, decidedFolded, unfolded, late    int
	paymentsAway, cycles, stuck, lateResults int
	granted, refused                         int
}

func (c *foldCounts) add(o foldCounts) {
	c.folded += o.folded
	c.decidedFolded += o.decidedFolded
	c.unfolded += o.unfolded
	c.late += o.late
	c.paymentsAway += o.paymentsAway
	c.cycles += o.cycles
	c.stuck += o.stuck
	c.lateResults += o.lateResults
	c.granted += o.granted
	c.refused += o.refused
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

	rng   *rand.Rand // the bank's
	given []rules.Instruction
	now   rules.Instant
}

func newFolding(t *testing.T, g *ledgertest.Generator) *folding {
	t.Helper()
	snapshot, err := engine.Compile(g.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	f := &folding{
		t: t, whole: newTown(snapshot), engine: engine.New(snapshot), purse: pot{}, states: map[string][]byte{}, pages: map[string][][]byte{},
		seen: map[string]bool{}, from: map[string]bool{}, rng: rand.New(rand.NewPCG(7, 7)),
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
	switch {
	case r.Fact != nil:
		d.cause.Kind, f.now = rules.CauseFact, r.Fact.At
	case r.Referral != nil:
		d.cause.Kind = rules.CauseReferral
	case r.Result != nil:
		d.cause.Kind = rules.CauseResult
	default:
		f.now = r.Event.OccurredAt
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
	f.given = append(f.given, want.Instructions...)
	for i := range want.Referrals {
		f.play(ledgertest.Record{Referral: &want.Referrals[i]})
	}
}

// bankWrites lets the bank say what became of instructions, mostly of the newest and
// sometimes of one of long ago, or of one that nobody gave out; often it rejects several
// in a row.
func (f *folding) bankWrites() {
	for range f.rng.IntN(3) {
		if len(f.given) == 0 || f.t.Failed() {
			return
		}
		x := f.given[len(f.given)-1-f.rng.IntN(min(len(f.given), 3))]
		if f.rng.IntN(12) == 0 {
			x = f.given[f.rng.IntN(len(f.given))]
		}
		r := rules.Result{
			InstructionID: x.ID, AccountID: x.AccountID, Status: rules.ResultStatus(1 + f.rng.IntN(3)),
			At: f.now.AddSeconds(int64(f.rng.IntN(3)) * 86_400),
		}
		if f.n/20%2 == 0 && f.rng.IntN(3) > 0 {
			r.Status = rules.Rejected
		}
		if r.Status == rules.Rejected {
			r.Reason = []string{"", "AG01", "AG01", "AM05", "AC04"}[f.rng.IntN(5)]
		}
		if f.rng.IntN(40) == 0 {
			r.InstructionID = "RI-" + strings.Repeat("A", 26)
		}
		f.play(ledgertest.Record{Result: &r})
		if f.rng.IntN(8) == 0 {
			f.play(ledgertest.Record{Result: &r})
		}
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
	_, paid := a.PutAway()
	asked, refused := a.AskedBudgets()
	v, err := put(f.engine, a, d, &out)
	if errors.Is(err, engine.ErrFolded) {
		f.late++
		if d.record.Result != nil {
			f.lateResults++
		}
		clear(f.purse)
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
		f.note(d.record, paid)
		if asked {
			f.granted++
		}
		if refused {
			f.refused++
		}
	}
	f.store(id, a)
	return v, out
}

// note counts a record that was decided while so many payments were put away.
func (f *folding) note(r ledgertest.Record, payments int) {
	if payments == 0 {
		return
	}
	f.paymentsAway++
	switch {
	case r.Fact != nil && r.Fact.Type == rules.CycleClosed:
		f.cycles++
	case r.Result != nil && r.Result.Status == rules.Rejected:
		f.stuck++
	}
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

// A cycle asks what was confirmed and is mature of all purchases: of those that are
// put away the sum is enough.
func TestACycleClosesOnWhatStays(t *testing.T) {
	t.Parallel()
	x := newAging(t, engineOf(t, agingOffers[0].change, pays(offer.Payout{Cycle: offer.Cycle{Kind: offer.ByHand}, HoldDays: 1})), 200)
	for i, hours := range []int{1000, 1260} { // of 200 purchases, six hours each
		f := parseFact(rules.CycleClosed, []string{fmt.Sprintf("d1+%dh", hours)}, map[string]string{"programme": "ristourne", "cycle": fmt.Sprint(i)}, 1+i)
		f.AsOf = f.At.String()
		x.record(rules.Record{Fact: f}, rules.Cause{Kind: rules.CauseFact, ID: f.ID}, engine.Seen{})
		if i == 0 {
			continue // most of what stays is not mature, and some of what is put away
		}
		confirmed, instructed := x.account.ConfirmedCash(sample.EUR)
		if confirmed < 10_000 || instructed != confirmed {
			t.Errorf("%d of %d are instructed", instructed, confirmed)
		}
	}
	if x.unfolds != 1 {
		t.Errorf("the account was made whole %d times, want once: by a cycle of before what is put away", x.unfolds)
	}
}

// The state of an account as the format before wrote it, with purchases put away and
// all its payments in sight, is read as what it was.
func TestAFoldedStateOfBeforeIsRead(t *testing.T) {
	t.Parallel()
	var before struct {
		State []byte
		Pages [][]byte
	}
	text, err := os.ReadFile("testdata/states/format5.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &before); err != nil {
		t.Fatal(err)
	}
	now := newAging(t, engineOf(t, agingOffers[1].change), 40)
	now.read()
	now.unfold()
	old := newAging(t, now.engine, 0)
	old.state, old.pages, old.n = before.State, before.Pages, 40
	old.read()
	if purchases, payments := old.account.PutAway(); purchases != 32 || payments != 0 {
		t.Fatalf("%d purchases and %d payments are put away, want 32 and 0", purchases, payments)
	}
	if err := old.account.Unfold(old.pages); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old.account.AppendBinary(nil), now.account.AppendBinary(nil)) {
		t.Error("what a state of before holds is read as something else")
	}
	for range 20 { // it goes on, and its payments are put away too
		old.buy()
	}
	if _, payments := old.account.PutAway(); payments == 0 || old.unfolds > 0 {
		t.Errorf("%d payments are put away, and the account was made whole %d times", payments, old.unfolds)
	}
	whole := newAging(t, now.engine, 60)
	for _, x := range []*aging{whole, old} {
		x.read()
		x.unfold()
	}
	if !bytes.Equal(whole.account.AppendBinary(nil), old.account.AppendBinary(nil)) {
		t.Error("an account of before is not what it would be")
	}
}
