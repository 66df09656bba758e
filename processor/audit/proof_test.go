package audit

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ristourne/rules"
)

// cases are how many ledgers a test makes up: an eighth with -short.
func cases(all uint64) uint64 {
	if testing.Short() {
		return all / 8
	}
	return all
}

// What the engine has decided, in whatever order records came in, proves itself: with
// cycles, rejections, debts, write-offs, expiries, sponsors, holdouts and budgets; up
// to any record, programme by programme, after a repair and of erased accounts.
func TestASoundLedgerIsProven(t *testing.T) {
	t.Parallel()
	for seed := range cases(240) {
		l := newStoredLedger(t, seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		erased := l.clone()
		for _, id := range erased.ids() {
			if rng.IntN(2) == 0 {
				erased.accounts[id].AccountID = ""
			}
		}
		repaired := l.clone()
		repaired.actions = []rules.OperatorAction{{Action: "repair done"}}
		booking := l.clone()
		booking.lastSeq = rng.Uint64N(l.lastSeq + 1)
		for name, of := range map[string]struct {
			*storedLedger
			as func(*Proof)
		}{
			"all of it":       {l, nil},
			"at some time":    {l, func(p *Proof) { p.AsOf = 1 + rng.Int64N(1000*l.offset) }},
			"of a programme":  {l, func(p *Proof) { p.Programme = l.catalogue.Programmes[rng.IntN(len(l.catalogue.Programmes))].ID }},
			"once erased":     {erased, nil},
			"once repaired":   {repaired, nil},
			"while it booked": {booking, func(p *Proof) { p.AsOf = 1000 * l.offset }}, // sums of tables have no such end here
		} {
			if sheet := of.prove(t, of.as); len(sheet.ByClass) > 0 {
				t.Errorf("seed %d, %s: %d differences, such as %+v", seed, name, sheet.Differing(nil), first(sheet.all()))
			}
		}
		if t.Failed() {
			return
		}
	}
}

func first(all []Difference) []Difference { return all[:min(3, len(all))] }

// What no ledger has, no proof can find a fault in.
func TestLedgersHaveEverything(t *testing.T) {
	t.Parallel()
	var all Compared
	var came, carried, debts, expired, writtenOff, sponsors, commission int64
	for seed := uint64(100); seed < 130; seed++ {
		l := newStoredLedger(t, seed)
		sheet := l.prove(t, nil)
		c := &sheet.Compared
		all.Results, all.Grants, all.Referrals, all.Instructions = all.Results+c.Results, all.Grants+c.Grants, all.Referrals+c.Referrals, all.Instructions+c.Instructions
		for i := range sheet.Balances {
			b := &sheet.Balances[i]
			came, carried, debts = came+b.RejectedMinor, carried+b.CarriedMinor, debts+b.DebtMinor
		}
		for _, h := range l.accounts {
			for i := range h.Lines {
				x := &h.Lines[i]
				commission += max(0, x.CommissionMinor)
				switch {
				case x.Role == rules.RoleExpiry:
					expired++
				case x.Role == rules.RoleSponsor:
					sponsors++
				case slices.Contains(x.Reasons, "write_off"):
					writtenOff++
				}
			}
		}
	}
	for what, n := range map[string]int64{
		"results": all.Results, "grants": all.Grants, "referrals": all.Referrals, "instructions": all.Instructions, "money that came back": came,
		"money carried forward": carried, "debts": debts, "expiries": expired, "write-offs": writtenOff, "sponsors": sponsors, "commission": commission,
	} {
		if n == 0 {
			t.Errorf("no ledger has %s", what)
		}
	}
}

// forgery changes a ledger where it can, and says what must be found of it: classes,
// each with an id.
type forgery func(l *storedLedger) (found map[Class]string)

func (l *storedLedger) each(change func(h *rules.AccountHistory) map[Class]string) map[Class]string {
	for _, id := range l.ids() {
		if found := change(l.accounts[id]); found != nil {
			return found
		}
	}
	return nil
}

// line changes the first line that is of a kind.
func line(is func(*rules.Accrual) bool, class Class, change func(h *rules.AccountHistory, i int) string) forgery {
	return func(l *storedLedger) map[Class]string {
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			if i := slices.IndexFunc(h.Lines, func(a rules.Accrual) bool { return is(&a) }); i >= 0 {
				return map[Class]string{class: change(h, i)}
			}
			return nil
		})
	}
}

func isReward(a *rules.Accrual) bool     { return a.Role == rules.RoleMember && a.RewardMinor > 0 }
func isCommission(a *rules.Accrual) bool { return a.Role == rules.RolePartner && a.CommissionMinor > 0 }

func lineID(a *rules.Accrual) string { return fmt.Sprintf("%x", a.ID) }

// instruction changes the first instruction.
func instruction(change func(l *storedLedger, h *rules.AccountHistory) map[Class]string) forgery {
	return func(l *storedLedger) map[Class]string {
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			if len(h.Instructed) == 0 {
				return nil
			}
			return change(l, h)
		})
	}
}

// other is another account than one.
func (l *storedLedger) other(h *rules.AccountHistory) *rules.AccountHistory {
	for _, id := range l.ids() {
		if o := l.accounts[id]; o != h && len(o.Set) > 0 {
			return o
		}
	}
	return nil
}

var forgeries = map[string]forgery{
	"a reward is raised": line(isReward, LineAltered, func(h *rules.AccountHistory, i int) string {
		h.Lines[i].RewardMinor++
		return lineID(&h.Lines[i])
	}),
	"reward and cost are raised": line(isReward, LineAltered, func(h *rules.AccountHistory, i int) string {
		h.Lines[i].RewardMinor, h.Lines[i].CostMinor = h.Lines[i].RewardMinor+1, h.Lines[i].CostMinor+1
		return lineID(&h.Lines[i])
	}),
	"a commission is lowered": line(isCommission, CommissionAltered, func(h *rules.AccountHistory, i int) string {
		h.Lines[i].CommissionMinor--
		return lineID(&h.Lines[i])
	}),
	"a line is given to another partner": line(isCommission, CommissionAltered, func(h *rules.AccountHistory, i int) string {
		h.Lines[i].PartnerID = "another"
		return lineID(&h.Lines[i])
	}),
	"a line is removed": line(isReward, LineMissing, func(h *rules.AccountHistory, i int) string {
		id := lineID(&h.Lines[i])
		h.Lines = slices.Delete(h.Lines, i, i+1)
		return id
	}),
	"a line is doubled under another id": line(isReward, LineUnknown, func(h *rules.AccountHistory, i int) string {
		twice := h.Lines[i]
		twice.ID[0]++
		h.Lines = append(h.Lines, twice)
		return lineID(&twice)
	}),
	"a line is doubled under its id": line(isReward, LineUnknown, func(h *rules.AccountHistory, i int) string {
		twice := h.Lines[i]
		twice.RewardMinor, twice.CostMinor = twice.RewardMinor+1, twice.CostMinor+1
		h.Lines = append(h.Lines, twice)
		return lineID(&twice)
	}),
	"a cost is lowered": line(func(a *rules.Accrual) bool { return isReward(a) && a.Kind == rules.Cash }, LineMalformed, func(h *rules.AccountHistory, i int) string {
		h.Lines[i].CostMinor--
		return lineID(&h.Lines[i])
	}),
	"a line is made up": line(isReward, LineWithoutRecord, func(h *rules.AccountHistory, i int) string {
		made := h.Lines[i]
		made.ID[3]++
		made.Cause.ID = "nothing"
		h.Lines = append(h.Lines, made)
		return lineID(&made)
	}),
	"a line is given to another account": func(l *storedLedger) map[Class]string {
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			i := slices.IndexFunc(h.Lines, func(a rules.Accrual) bool { return isReward(&a) })
			o := l.other(h)
			if i < 0 || o == nil {
				return nil
			}
			o.Lines = append(o.Lines, h.Lines[i])
			id := lineID(&h.Lines[i])
			h.Lines = slices.Delete(h.Lines, i, i+1)
			return map[Class]string{LineOfOtherAccount: id}
		})
	},
	"an amount is moved between two partners": func(l *storedLedger) map[Class]string {
		var one *rules.Accrual
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			for i := range h.Lines {
				x := &h.Lines[i]
				switch {
				case !isCommission(x):
				case one == nil:
					one = x
				case one.PartnerID != x.PartnerID && one.Currency == x.Currency:
					one.CommissionMinor, x.CommissionMinor = one.CommissionMinor-1, x.CommissionMinor+1
					return map[Class]string{CommissionAltered: lineID(x)}
				}
			}
			return nil
		})
	},
	"an instruction is raised": instruction(func(_ *storedLedger, h *rules.AccountHistory) map[Class]string {
		h.Instructed[0].AmountMinor++
		return map[Class]string{InstructionAltered: h.Instructed[0].ID}
	}),
	"an instruction is removed": instruction(func(_ *storedLedger, h *rules.AccountHistory) map[Class]string {
		id := h.Instructed[0].ID
		h.Instructed = slices.Delete(h.Instructed, 0, 1)
		return map[Class]string{InstructionMissing: id}
	}),
	"one cause has two instructions": instruction(func(_ *storedLedger, h *rules.AccountHistory) map[Class]string {
		twice := h.Instructed[0]
		twice.ID = "RI-ANOTHER"
		h.Instructed = append(h.Instructed, twice)
		return map[Class]string{InstructionTwice: twice.ID, InstructionUnknown: twice.ID}
	}),
	"an instruction is given to another account": instruction(func(l *storedLedger, h *rules.AccountHistory) map[Class]string {
		o := l.other(h)
		if o == nil {
			return nil
		}
		o.Instructed = append(o.Instructed, h.Instructed[0])
		id := h.Instructed[0].ID
		h.Instructed = slices.Delete(h.Instructed, 0, 1)
		return map[Class]string{InstructionOfOtherAccount: id}
	}),
	"an account is paid beyond what it is confirmed": instruction(func(l *storedLedger, h *rules.AccountHistory) map[Class]string {
		if p := &l.catalogue.Programmes[0]; p.Payout.PayFrom != (rules.Instant{}) || len(l.catalogue.Programmes) > 1 {
			return nil
		}
		last := &h.Instructed[len(h.Instructed)-1]
		if last.Direction != rules.Credit {
			return nil
		}
		last.AmountMinor += 1 << 40
		return map[Class]string{Overpaid: last.ID}
	}),
	"a result is for nobody": instruction(func(_ *storedLedger, h *rules.AccountHistory) map[Class]string {
		h.Results = append(h.Results, rules.ResultRow{Result: rules.Result{InstructionID: "RI-NOBODY", Status: rules.Settled}, Cause: rules.Cause{Offset: 1 << 40}})
		return map[Class]string{ResultUnknown: "RI-NOBODY"}
	}),
	"a result is changed": result(func(h *rules.AccountHistory, i int) Class {
		h.Results[i].Result.Reason += "!"
		return ResultAltered
	}),
	"a result is removed": result(func(h *rules.AccountHistory, i int) Class {
		h.Results = slices.Delete(h.Results, i, i+1)
		return ResultMissing
	}),
	"a grant is over the budget": grant(func(l *storedLedger, h *rules.AccountHistory, i int) (Class, string) {
		const more = 1 << 40
		for n := range h.Grants { // and whoever had the purchase's rest since, so that no step is wrong
			if g := &h.Grants[n]; n >= i && g.Budget == h.Grants[i].Budget && g.TransactionID == h.Grants[i].TransactionID {
				g.GrantedMinor, g.TargetMinor = g.GrantedMinor+more, g.TargetMinor+more
			}
		}
		h.Grants[i].ChangeMinor += more
		return BudgetExceeded, string(h.Grants[i].Budget)
	}),
	"a grant is raised": grant(func(_ *storedLedger, h *rules.AccountHistory, i int) (Class, string) {
		h.Grants[i].GrantedMinor++
		return GrantAltered, string(h.Grants[i].Budget)
	}),
	"a grant is removed": grant(func(_ *storedLedger, h *rules.AccountHistory, i int) (Class, string) {
		cause := h.Grants[i].Cause.ID
		h.Grants = slices.Delete(h.Grants, i, i+1)
		return GrantMissing, cause
	}),
	"what a sponsor was told is raised": func(l *storedLedger) map[Class]string {
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			if len(h.Told) == 0 {
				return nil
			}
			h.Told[0].ConfirmedRewardMinor++
			return map[Class]string{ReferralAltered: h.Told[0].TransactionID}
		})
	},
	"an event is changed": record(func(h *rules.AccountHistory, i int, ev *rules.Event) map[Class]string {
		ev.AmountMinor++
		h.Set[i].Payload = ev.AppendBinary(nil)
		return map[Class]string{RecordAltered: ev.ID}
	}),
	"an event's amount is changed in its column": record(func(h *rules.AccountHistory, i int, ev *rules.Event) map[Class]string {
		h.Set[i].AmountMinor++
		return map[Class]string{RecordAltered: ev.ID}
	}),
	"an event is added at a place that is taken": record(func(h *rules.AccountHistory, i int, ev *rules.Event) map[Class]string {
		added := h.Set[i]
		added.Cause.ID = "added"
		h.Set = slices.Insert(h.Set, i+1, added)
		return map[Class]string{RecordTwice: "added"}
	}),
	"an event is removed": record(func(h *rules.AccountHistory, i int, ev *rules.Event) map[Class]string {
		h.Set = slices.Delete(h.Set, i, i+1)
		return map[Class]string{LineWithoutRecord: ev.ID}
	}),
	"an event is cut off": record(func(h *rules.AccountHistory, i int, ev *rules.Event) map[Class]string {
		h.Set[i].Payload = h.Set[i].Payload[:5]
		return map[Class]string{AccountUnreadable: ""}
	}),
	"an id has two contents": func(l *storedLedger) map[Class]string {
		l.twice = []rules.Conflict{{Table: "accruals_log", ID: "4711", Contents: []string{"this", "that"}}}
		return map[Class]string{IDTwice: "4711"}
	},
	"rows are of an account without records": line(isReward, AccountUnknown, func(h *rules.AccountHistory, _ int) string {
		h.Set, h.AccountID = nil, ""
		return fmt.Sprintf("%x", h.Ref)
	}),
}

// result changes the row of a result that is one of the account's records.
func result(change func(h *rules.AccountHistory, i int) Class) forgery {
	return func(l *storedLedger) map[Class]string {
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			for _, row := range h.Set {
				if row.Cause.Kind != rules.CauseResult {
					continue
				}
				i := slices.IndexFunc(h.Results, func(r rules.ResultRow) bool { return r.Cause.Offset == row.Cause.Offset })
				id := h.Results[i].Result.InstructionID
				return map[Class]string{change(h, i): id}
			}
			return nil
		})
	}
}

// grant changes the first grant that gave something.
func grant(change func(l *storedLedger, h *rules.AccountHistory, i int) (Class, string)) forgery {
	return func(l *storedLedger) map[Class]string {
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			i := slices.IndexFunc(h.Grants, func(g rules.Grant) bool { return g.ChangeMinor > 0 })
			if i < 0 {
				return nil
			}
			class, id := change(l, h, i)
			return map[Class]string{class: id}
		})
	}
}

// record changes the first event that has a line.
func record(change func(h *rules.AccountHistory, i int, ev *rules.Event) map[Class]string) forgery {
	return func(l *storedLedger) map[Class]string {
		return l.each(func(h *rules.AccountHistory) map[Class]string {
			for i := range h.Set {
				r, err := h.Set[i].Record(h.AccountID)
				if err == nil && r.Event != nil && slices.ContainsFunc(h.Lines, func(a rules.Accrual) bool { return a.Cause.ID == r.Event.ID && a.Cause.Kind == rules.CauseEvent }) {
					return change(h, i, r.Event)
				}
			}
			return nil
		})
	}
}

// Whatever is changed of a sound ledger is found, in its class, with its id.
func TestEveryForgeryIsFound(t *testing.T) {
	t.Parallel()
	enough, made := 1, map[uint64]*storedLedger{}
	if !testing.Short() {
		enough = 8
	}
	for name, forge := range forgeries {
		tried := 0
		for seed := uint64(60); seed < 180 && tried < enough; seed++ {
			if made[seed] == nil {
				made[seed] = newStoredLedger(t, seed)
			}
			forged := made[seed].clone()
			want := forge(forged)
			if want == nil {
				continue
			}
			tried++
			sheet := forged.prove(t, nil)
			for class, id := range want {
				if !slices.ContainsFunc(sheet.all(), func(d Difference) bool {
					return d.Class == class && strings.Contains(fmt.Sprintf("%+v", d), id) && d.MayBe != ""
				}) {
					t.Errorf("%s: seed %d: no %s that names %s is found, but %+v", name, seed, class, id, sheet.all())
				}
			}
		}
		if tried == 0 {
			t.Errorf("%s: no ledger has what it takes", name)
		}
	}
}

// Only so many differences are kept; all are counted, and classes that somebody has
// looked at can be left out of the count.
func TestDifferencesAreCountedBeyondWhatIsListed(t *testing.T) {
	t.Parallel()
	var l *storedLedger
	lines := int64(0)
	for seed := uint64(0); lines < 100; seed++ {
		l, lines = newStoredLedger(t, seed), 0
		for _, h := range l.accounts {
			lines += int64(len(h.Lines))
		}
	}
	if n := l.prove(t, nil).Differing(nil); n != 0 {
		t.Fatalf("the ledger is not sound: %d differences", n)
	}
	for _, h := range l.accounts {
		for i := range h.Lines {
			h.Lines[i].BasisMinor++
		}
	}
	sheet := l.prove(t, func(p *Proof) { p.Limit = 2 })
	if sheet.ByClass[LineAltered]+sheet.ByClass[CommissionAltered] != lines {
		t.Errorf("of %d lines that were changed %v are found", lines, sheet.ByClass)
	}
	for i := range sheet.Checks {
		if n := len(sheet.Checks[i].Differences); n > 2 {
			t.Errorf("%s: %d are listed", sheet.Checks[i].What, n)
		}
	}
	if n := sheet.Differing([]Class{LineAltered, CommissionAltered}); n != 0 {
		t.Errorf("%d differences are left of %v", n, sheet.ByClass)
	}
}

// Programs read lists that are there, if empty.
func TestASheetOfNothingHasItsLists(t *testing.T) {
	t.Parallel()
	l := newStoredLedger(t, 1)
	l.accounts = nil
	text, err := json.Marshal(l.prove(t, nil))
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}
