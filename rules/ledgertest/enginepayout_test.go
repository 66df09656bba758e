package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// payoutCaseOf is one random case with payouts, and how the engine is driven
// through it.
func payoutCaseOf(seed uint64) (*Generator, []Record, how) {
	g := NewGenerator(seed+4_000_000, GenOptions{
		Payouts: true, Expiries: true, Language: Language(seed % 3), Accounts: 1 + int(seed/3%3), Partners: 1 + int(seed/9%2),
	})
	h := how{payouts: true, reloads: int(seed%3) * 20, results: int(seed%4) * 3, refuses: 30 + int(seed%5)*15}
	return g, g.Records(40 + int(seed%120)), h
}

func TestEngineAgreesWithOracleOnPayouts(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 800) {
		if t.Failed() {
			return
		}
		g, records, h := payoutCaseOf(seed)
		compareWithOracle(t, seed, g.Catalogue(), records, h)
	}
}

// What no case comes to, no comparison can find a fault in.
func TestPayoutsReachEverything(t *testing.T) {
	needsMany(t)
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(150) {
		g, records, h := payoutCaseOf(seed)
		b, err := runEngine(g.Catalogue(), records, h)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want := OracleGiven(g.Catalogue(), b.records, b.grants, b.ids)
		for i, r := range b.records {
			switch {
			case r.Result != nil:
				seen[fmt.Sprintf("result %s %s", r.Result.Status, want.Fates[i])]++
			case r.Fact != nil:
				seen[fmt.Sprintf("fact %s %s", r.Fact.Type, want.Fates[i])]++
			}
			for _, x := range want.Instructions[i] {
				for _, s := range wordsOf(b.records[i], x) {
					seen[s]++
				}
			}
		}
		for k := range want.Sums {
			if k.Role == rules.RoleExpiry {
				seen["expired "+k.Kind.String()]++
			}
		}
	}
	for _, name := range []string{
		"expired points", "expired wallet", "shadow",
		"fact cycle_closed booked", "fact cycle_closed no_change", "fact cycle_closed duplicate", "fact cycle_closed dead_letter",
		"fact payout_released booked", "fact payout_method booked", "result rejected booked", "result rejected no_change",
		"result rejected duplicate", "result rejected unmatched", "result settled booked", "result accepted no_change",
		"credit by event", "debit by event", "credit by cycle", "debit by cycle", "credit by result", "credit by released", "credit by referral",
		"credit by cycle at once", "debit by cycle at once", "by transfer", "credit by fact",
	} {
		if seen[name] == 0 {
			t.Errorf("never made: %s", name)
		}
	}
}

func wordsOf(r Record, x order) []string {
	way, by := "credit", "event"
	if x.Minor < 0 {
		way = "debit"
	}
	switch {
	case r.Result != nil:
		by = "result"
	case r.Referral != nil:
		by = "referral"
	case x.Cycle != "":
		by = "cycle"
	case r.Fact != nil && r.Fact.Type == rules.CycleClosed:
		by = "cycle at once"
	case r.Fact != nil && r.Fact.Type == rules.PayoutReleased:
		by = "released"
	case r.Fact != nil:
		by = "fact"
	}
	words := []string{way + " by " + by}
	if x.Shadow {
		words = append(words, "shadow")
	}
	return append(words, "by "+x.Method.Method.String())
}

// One set of records gives one set of instructions: ids, amounts and all.
func TestARepeatGivesTheSameInstructions(t *testing.T) {
	t.Parallel()
	for seed := range cases(t, 120) {
		g, records, h := payoutCaseOf(seed)
		first, err := runEngine(g.Catalogue(), records, h)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := replayEngine(g.Catalogue(), first, how{payouts: true, reloads: 100})
		if err != nil {
			t.Fatalf("seed %d: once more: %v", seed, err)
		}
		for i := range first.records {
			if !slices.EqualFunc(first.ids[i], again.ids[2*i], sameInstruction) {
				t.Fatalf("seed %d: record %d gives %+v, and once more %+v", seed, i, first.ids[i], again.ids[2*i])
			}
		}
	}
}

// replayEngine puts the records of other books to the engine once more, the
// referrals and results where they were, and each of them twice: the second time
// it makes nothing due.
func replayEngine(cat *offer.Catalogue, first *books, h how) (*books, error) {
	snapshot, err := engine.Compile(cat)
	if err != nil {
		return nil, fmt.Errorf("compile the catalogue: %w", err)
	}
	b := openBooks(cat, snapshot, 1, h)
	for i, r := range first.records {
		if err := b.apply(r, b.rng.IntN(100) < h.reloads); err != nil {
			return nil, err
		}
		if err := b.apply(r, b.rng.IntN(100) < h.reloads); err != nil {
			return nil, err
		}
		if twice := b.ids[2*i+1]; len(twice) > 0 {
			return nil, fmt.Errorf("record %d that comes twice gives %+v", i, twice)
		}
	}
	return b, nil
}

func sameInstruction(x, y rules.Instruction) bool {
	return x.ID == y.ID && x.Direction == y.Direction && x.AmountMinor == y.AmountMinor && x.Currency == y.Currency &&
		x.Programme == y.Programme && x.Cycle == y.Cycle && x.Reason == y.Reason && x.Method == y.Method && x.IBAN == y.IBAN && x.Name == y.Name && x.Handle == y.Handle
}

// withResults are the records of a case with what the bank made up of its
// instructions, so that both can be made smaller.
func withResults(cat *offer.Catalogue, records []Record, h how) []Record {
	b, err := runEngine(cat, records, h)
	if err != nil {
		return records
	}
	return slices.DeleteFunc(b.records, func(r Record) bool { return r.Referral != nil })
}

// bank makes up what becomes of instructions.
type bank struct {
	rng *rand.Rand
	// refuses is how many of a hundred it rejects.
	refuses int
	told    []*rules.Result
}

// says is the bank's next word on an instruction of the account, which was given
// out by a record of that date.
func (k *bank) says(in rules.Instruction, date rules.Instant) *rules.Result {
	if len(k.told) > 0 && k.rng.IntN(100) < 8 { // once more
		r := *pick(k.rng, k.told...)
		return &r
	}
	r := &rules.Result{InstructionID: in.ID, AccountID: in.AccountID, Status: pick(k.rng, rules.Accepted, rules.Settled)}
	if k.rng.IntN(100) < k.refuses {
		r.Status, r.Reason = rules.Rejected, pick(k.rng, "", "AG01", "AG01", "AM05", "AC04", "AC06", "MD07")
		if k.rng.IntN(100) < 60 {
			r.Reason = "AG01"
		}
	}
	r.At = rules.InstantOf(date.Time().Add(time.Duration(k.rng.IntN(10)) * pick(k.rng, time.Hour, 24*time.Hour, 10*24*time.Hour)))
	switch n := k.rng.IntN(100); {
	case n < 2:
		r.InstructionID = "nobody-gave-this-out"
	case n < 4:
		r.AccountID += "-of-another"
	case n < 20 && len(k.told) > 0: // at one instant with another
		r.At = pick(k.rng, k.told...).At
	}
	k.told = append(k.told, r)
	return r
}

// An adjustment that follows a late enrolment into its programme is booked, though no
// sum of the ledger's keys changes.
func TestAnAdjustmentThatMovesIsBooked(t *testing.T) {
	t.Parallel()
	records := []Record{
		enrolled(0), adjust("x", -446, 5),
		fact("moved", rules.Enrolled, 3, func(f *rules.Fact) { f.MemberID, f.Programme = "m", "club" }),
	}
	compareWithOracle(t, 0, inTwoProgrammes(), records, how{})
	if fates := Oracle(inTwoProgrammes(), records).Fates; fates[2] != rules.Booked {
		t.Errorf("the enrolment is %s", fates[2])
	}
}
