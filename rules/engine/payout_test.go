package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/internal/sample"
	"ristourne/rules/offer"
)

// payee is an account that is paid, with all that the ledger keeps of it.
type payee struct {
	t            *testing.T
	rng          *rand.Rand
	engine       *engine.Engine
	account      *engine.Account
	rows         []rules.SetRow
	lines        []rules.Accrual
	instructions []rules.Instruction
	now          rules.Instant
	// part: what was earned before a day is not looked at, so that a debt of then holds
	// no credit of now back.
	part bool
}

// payouts are the ways in which a programme pays.
var payouts = []offer.Payout{
	{},
	{Negative: offer.NegativeNet, Attempts: 1},
	{Cycle: offer.Cycle{Kind: offer.ByHand}, HoldDays: 3, FromMinor: 50},
	{Cycle: offer.Cycle{Kind: offer.DailyCycle}, Negative: offer.NegativeDebit, Attempts: 2},
	{Cycle: offer.Cycle{Kind: offer.ByHand}, Negative: offer.NegativeDebit, DebitAfterDays: 5, WriteOff: offer.WriteOff{UpToMinor: 40, AfterDays: 4}},
	{PayFrom: sample.At("d10")},
	{Cycle: offer.Cycle{Kind: offer.ByHand}, Shadow: true},
}

func newPayee(t *testing.T, seed uint64) *payee {
	t.Helper()
	s, err := engine.Compile(sample.Cafe(t, func(c *offer.Catalogue) {
		c.Programmes[0].Payout = payouts[seed%uint64(len(payouts))]
		later := c.Programmes[0]
		later.Version, later.Payout = offer.Version{ID: "r2", From: sample.At("d30")}, payouts[seed/7%uint64(len(payouts))]
		c.Programmes = append(c.Programmes, later)
	}))
	if err != nil {
		t.Fatal(err)
	}
	p := &payee{t: t, rng: rand.New(rand.NewPCG(seed, 1)), engine: engine.New(s), account: engine.NewAccount("acc"), now: sample.At("d0")}
	p.part = payouts[seed%uint64(len(payouts))].PayFrom != (rules.Instant{}) || payouts[seed/7%uint64(len(payouts))].PayFrom != (rules.Instant{})
	p.take(rules.Record{Fact: parseFact(rules.Enrolled, []string{"d0"}, map[string]string{"cards": "card"}, 0)})
	return p
}

// take applies a record, twice: what is the same again is a duplicate, and pays
// nothing.
func (p *payee) take(r rules.Record) {
	p.t.Helper()
	kind := rules.CauseEvent
	switch {
	case r.Fact != nil:
		kind = rules.CauseFact
	case r.Result != nil:
		kind = rules.CauseResult
	}
	c := rules.Cause{Kind: kind, ID: r.ID(), Offset: int64(len(p.rows)), RecordedAt: p.now.Sec * 1000}
	var out rules.Output
	verdict, err := p.engine.Apply(p.account, r, c, &out)
	if err != nil {
		p.t.Fatal(err)
	}
	if !verdict.Fate.InSet() {
		if len(out.Instructions)+len(out.Accruals) > 0 {
			p.t.Fatalf("%s is %s and pays", r.ID(), verdict.Fate)
		}
		return
	}
	p.rows = append(p.rows, rules.SetRow{Cause: c, Fate: verdict.Fate, Payload: r.AppendBinary(nil)})
	p.lines, p.instructions = append(p.lines, out.Accruals...), append(p.instructions, out.Instructions...)
	p.look(&out)
	var again rules.Output
	switch verdict, err := p.engine.Apply(p.account, r, c, &again); {
	case err != nil || verdict.Fate != rules.Duplicate:
		p.t.Fatalf("%s again is %s, %v", r.ID(), verdict.Fate, err)
	case len(again.Instructions)+len(again.Accruals) > 0:
		p.t.Fatalf("%s again pays %+v", r.ID(), again.Instructions)
	}
}

// look holds what was decided to what is always true.
func (p *payee) look(out *rules.Output) {
	p.t.Helper()
	confirmed, instructed := p.account.ConfirmedCash(sample.EUR)
	for _, i := range out.Instructions {
		if i.Direction == rules.Credit && instructed > confirmed && !p.part {
			p.t.Errorf("%s credits %d: %d are instructed of %d that are confirmed", i.ID, i.AmountMinor, instructed, confirmed)
		}
		if i.AmountMinor <= 0 {
			p.t.Errorf("%s is about %d", i.ID, i.AmountMinor)
		}
	}
	state := p.account.AppendBinary(nil)
	read := engine.NewAccount("acc")
	if err := read.UnmarshalBinary(state); err != nil {
		p.t.Fatal(err)
	}
	if !bytes.Equal(read.AppendBinary(nil), state) {
		p.t.Fatal("a state changes when it is read and written")
	}
	if p.rng.IntN(2) == 0 {
		p.account = read
	}
}

// step makes something up that happens.
func (p *payee) step(n int) {
	p.t.Helper()
	p.now = p.now.AddSeconds(int64(p.rng.IntN(40)) * 3600)
	at := p.now.AddSeconds(-int64(p.rng.IntN(3)) * 86_400)
	fact := func(f rules.Fact) {
		f.ID, f.AccountID, f.At = fmt.Sprintf("f%03d", n), "acc", at
		if f.Type == rules.CycleClosed {
			f.At, f.AsOf = at, at.String()
		}
		f.ContentHash = hashOf(fmt.Sprintf("%+v", f))
		p.take(rules.Record{Fact: &f})
	}
	switch p.rng.IntN(10) {
	case 0, 1, 2:
		ev := parseEvent(rules.Clearing, []string{fmt.Sprintf("p%d", p.rng.IntN(8)), fmt.Sprint(100 + p.rng.IntN(4000)), "d0"}, nil, n)
		ev.OccurredAt = at
		p.take(rules.Record{Event: ev})
	case 3:
		ev := parseEvent(rules.Refund, []string{fmt.Sprintf("p%d", p.rng.IntN(8)), fmt.Sprint(100 + p.rng.IntN(3000)), "d0"}, nil, n)
		ev.OccurredAt = at
		p.take(rules.Record{Event: ev})
	case 4, 5:
		fact(rules.Fact{Type: rules.CycleClosed, Programme: "ristourne", Cycle: fmt.Sprint(n)})
	case 6:
		fact(rules.Fact{Type: rules.PayoutReleased, Programme: "ristourne"})
	case 7:
		fact(rules.Fact{Type: rules.Adjustment, AmountMinor: int64(p.rng.IntN(200)) - 99, Currency: sample.EUR, Reason: "r", ApprovedBy: "a"})
	default:
		if len(p.instructions) > 0 {
			on := p.instructions[p.rng.IntN(len(p.instructions))]
			reason := []string{"", "AC01", "AM05", "AC04"}[p.rng.IntN(4)]
			p.take(rules.Record{Result: &rules.Result{
				InstructionID: on.ID, AccountID: "acc", Status: rules.ResultStatus(1 + p.rng.IntN(3)), Reason: reason, At: at,
			}})
		}
	}
}

// TestPayees: whatever happens to an account, the same again pays nothing, credits
// stay within what is confirmed, an id is given out once, and the account is made
// anew of the ledger's rows, byte for byte.
func TestPayees(t *testing.T) {
	t.Parallel()
	for seed := range seeds(50) {
		p := newPayee(t, seed)
		for n := range 60 {
			p.step(n + 1)
		}
		ids := map[string]bool{}
		for _, i := range p.instructions {
			if ids[i.ID] {
				t.Errorf("seed %d: %s is given out twice", seed, i.ID)
			}
			ids[i.ID] = true
		}
		if a := p.rebuilt(); !bytes.Equal(a.AppendBinary(nil), p.account.AppendBinary(nil)) {
			t.Fatalf("seed %d: an account that is made anew is another", seed)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// rebuilt is the account as its rows, lines and instructions make it.
func (p *payee) rebuilt() *engine.Account {
	p.t.Helper()
	a := engine.NewAccount("acc")
	var out rules.Output
	for i := range p.rows {
		if _, err := p.engine.Replay(a, &p.rows[i], &out); err != nil {
			p.t.Fatal(err)
		}
	}
	p.rng.Shuffle(len(p.instructions), func(i, j int) { p.instructions[i], p.instructions[j] = p.instructions[j], p.instructions[i] })
	if err := a.AdoptInstructed(p.instructions); err != nil {
		p.t.Fatal(err)
	}
	a.Restored()
	return a
}

// TestStatesWithoutPayments: a state of before is read where nothing was paid by
// it, and else refused, as the bank's words on what was paid would find nothing.
func TestStatesWithoutPayments(t *testing.T) {
	t.Parallel()
	const before = 3
	enrolled := newPayee(t, 0).account.AppendBinary(nil)
	// Where nothing was paid and nothing put away, the bytes are the same but for the
	// two counts of that, which are new.
	const newCounts = 2
	empty := engine.NewAccount("acc").AppendBinary(nil)
	older := append([]byte{before}, empty[1:len(empty)-newCounts]...)
	if err := engine.NewAccount("acc").UnmarshalBinary(older); err != nil {
		t.Errorf("a state of before is refused: %v", err)
	}
	older = append([]byte{before}, enrolled[1:len(enrolled)-newCounts]...)
	a := engine.NewAccount("acc")
	if err := a.UnmarshalBinary(older); err != nil || !a.IsMember() || !bytes.Equal(a.AppendBinary(nil), enrolled) {
		t.Errorf("a member's state of before is refused, or read otherwise: %v", err)
	}
	p := newPayee(t, 0)
	p.take(rules.Record{Fact: parseFact(rules.Adjustment, []string{"d1"}, map[string]string{"amount": "500"}, 1)})
	paid := append([]byte{before}, p.account.AppendBinary(nil)[1:]...)
	if err := a.UnmarshalBinary(paid); err == nil {
		t.Error("a state of before, of an account that was paid, is read")
	}
}
