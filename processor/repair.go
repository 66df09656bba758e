package processor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ristourne/processor/replay"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
)

// Difference is what recomputing one account would change of what is booked: what
// a repair of it would do, if budgets gave all that it asks.
type Difference struct {
	Ref          rules.AccountRef
	Lines        int
	Sums         []DifferenceSum
	Instructions []DifferencePayment
	Referrals    int
	Grants       int
	AsksBudgets  bool // so that it may come to less

	accountID  string
	cause      rules.Cause // the newest of the account
	instructed []rules.Instruction
}

// DifferenceSum is the sum of lines that would be booked, in minor units.
type DifferenceSum struct {
	Stage           rules.Stage
	Kind            rules.Kind
	Unit            string
	RewardMinor     int64
	CommissionMinor int64
	CostMinor       int64
}

// DifferencePayment is what the bank would be told to credit, or to debit.
type DifferencePayment struct {
	Direction   rules.Direction
	Currency    money.Currency
	AmountMinor int64
}

// shownDifferences bounds the lines of one rebuild's log.
const shownDifferences = 20

// compare works an account out anew, on a copy, and reports what a repair would
// change. instructed is what the bank was told to pay, as the ledger has it.
func (r *rebuild) compare(a *engine.Account, h *rules.AccountHistory, instructed []rules.Instruction) error {
	d := &Difference{
		Ref: h.Ref, accountID: h.AccountID, instructed: instructed,
		cause: rules.Cause{Kind: rules.CauseFact, Partition: r.shard.source.Shard(), Offset: -1},
	}
	if n := len(h.Set); n > 0 {
		d.cause = h.Set[n-1].Cause
	}
	if differs, err := r.shard.compareState(a.AppendBinary(nil), d); err != nil || !differs {
		return err
	}
	r.differing++
	r.shard.metrics.differences.Inc()
	if r.differing <= shownDifferences {
		r.shard.log.Error("recomputing an account would change what is booked", "account_ref", fmt.Sprintf("%x", d.Ref),
			"lines", d.Lines, "instructions", len(d.Instructions), "referrals", d.Referrals)
	}
	if r.differ == nil {
		return nil
	}
	return r.differ(d)
}

// compareState fills in what a repair of a state would change, and reports
// whether it is anything.
func (s *Shard) compareState(state []byte, d *Difference) (bool, error) {
	a := engine.NewAccount(d.accountID)
	if err := a.UnmarshalBinary(state); err != nil {
		return false, err
	}
	defer s.engine.SetBudgets(s.leases)
	out, asks, err := replay.Changes(s.engine, a, d.instructed, d.cause)
	if err != nil {
		return false, err
	}
	d.AsksBudgets = asks
	d.Lines, d.Referrals, d.Grants = len(out.Accruals), len(out.Referrals), len(out.Grants)
	d.Sums, d.Instructions = sumsOf(out.Accruals), paymentsOf(out.Instructions)
	return d.Lines+d.Referrals+d.Grants+len(d.Instructions) > 0, nil
}

func sumsOf(lines []rules.Accrual) []DifferenceSum {
	var sums []DifferenceSum
	for i := range lines {
		l := &lines[i]
		n := slices.IndexFunc(sums, func(s DifferenceSum) bool { return s.Stage == l.Stage && s.Kind == l.Kind && s.Unit == l.Unit })
		if n < 0 {
			n = len(sums)
			sums = append(sums, DifferenceSum{Stage: l.Stage, Kind: l.Kind, Unit: strings.Clone(l.Unit)})
		}
		sums[n].RewardMinor += l.RewardMinor
		sums[n].CommissionMinor += l.CommissionMinor
		sums[n].CostMinor += l.CostMinor
	}
	slices.SortFunc(sums, func(a, b DifferenceSum) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Unit, b.Unit))
	})
	return sums
}

func paymentsOf(instructions []rules.Instruction) []DifferencePayment {
	var payments []DifferencePayment
	for i := range instructions {
		n := &instructions[i]
		payments = append(payments, DifferencePayment{n.Direction, n.Currency, n.AmountMinor})
	}
	return payments
}

// Comparison is what a look at a shard has found.
type Comparison struct {
	Holes    []rules.Hole // of the ledger: what is compared is what is left
	Compared int          // accounts
	InFlight int          // accounts that were left out, as something of theirs is being booked
}

// Differences reads the ledger and gives each account of which recomputing would
// change something. It changes nothing and disturbs no owner.
func (s *Shard) Differences(ctx context.Context, each func(*Difference) error) (found Comparison, err error) {
	if found.Holes, err = s.holes(ctx, true); err != nil {
		return found, err
	}
	r, err := s.newRebuild(ctx)
	if err != nil {
		return found, err
	}
	defer s.engine.SetBudgets(s.leases)
	r.differ = each
	err = r.readAccounts(ctx)
	found.Compared, found.InFlight = r.accounts, r.inFlight
	return found, err
}

// Repair is what a person approves.
type Repair struct {
	By, Reason string
	// MayPay: the repair may give the bank instructions. Without, one that would
	// give any books nothing at all.
	MayPay bool
	// AcceptHoles: where the ledger has lost what was booked into it, the repair
	// goes on from what is left, and that is taken for whole afterwards.
	AcceptHoles bool
	// Published streams the instructions that the bank was given, as far back as
	// their topic goes.
	Published func(ctx context.Context, each func(*rules.Instruction) error) error
}

// ErrWouldPay says that a repair would give the bank instructions, and may not.
var ErrWouldPay = errors.New("the repair would instruct the bank")

// Repaired is what a repair found, and what it has booked.
type Repaired struct {
	Number      int64         // in the ids of what it has booked; 0: it has booked nothing
	Differences []*Difference // what it found; what budgets gave may have been less
	Refilled    int           // instructions that the ledger had lost and the bank was given
	Lines       int
	Payments    []DifferencePayment // by direction and currency
	Holes       []rules.Hole        // that were accepted
}

// AcquireAndRepair rebuilds a shard, and books what recomputing its accounts
// changes. Where the ledger has lost instructions, those that the bank was given
// are put back first: their money is not due again.
//
// What it books has ids that hold the repair's number: the epoch of this acquisition,
// which no other has. It is decided batch by batch in one script each; broken off,
// what is missing is found by the next repair.
func (s *Shard) AcquireAndRepair(ctx context.Context, o *Repair) (*Repaired, error) {
	found := &Repaired{}
	if o.AcceptHoles {
		s.accepting = &acceptance{repair: o}
		defer func() { s.accepting = nil }()
	}
	err := s.leased(ctx, o.By, func(ctx context.Context) error { return s.repair(ctx, o, found) })
	return found, err
}

func (s *Shard) repair(ctx context.Context, o *Repair, found *Repaired) error {
	if err := s.rebuild(ctx, func(d *Difference) error {
		found.Differences = append(found.Differences, d)
		return nil
	}); err != nil {
		return err
	}
	if s.accepting != nil {
		found.Holes = s.accepting.holes
	}
	if err := s.refill(ctx, o, found); err != nil {
		return err
	}
	if found.Refilled > 0 && len(found.Holes) == 0 {
		// Nobody had counted them: the ledger was whole without.
		if err := s.countAnew(ctx); err != nil {
			return err
		}
	}
	if !o.MayPay && slices.ContainsFunc(found.Differences, func(d *Difference) bool { return len(d.Instructions) > 0 }) {
		return ErrWouldPay
	}
	if err := s.bookDifferences(ctx, o, found); err != nil || len(found.Holes) == 0 {
		return err
	}
	return s.countAnew(ctx)
}

// bookDifferences books what was found, account by account.
func (s *Shard) bookDifferences(ctx context.Context, o *Repair, found *Repaired) error {
	if len(found.Differences) == 0 {
		return nil
	}
	found.Number = s.epoch
	if err := s.recordRepair(ctx, o, found, "repair approved", len(found.Differences)); err != nil {
		return err
	}
	for rest := found.Differences; len(rest) > 0; {
		n, err := s.repairSome(ctx, o, found, rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return s.recordRepair(ctx, o, found, "repair done", len(found.Differences))
}

func (s *Shard) recordRepair(ctx context.Context, o *Repair, found *Repaired, action string, accounts int) error {
	type payment struct {
		Direction   string `json:"direction"`
		Currency    string `json:"currency"`
		AmountMinor int64  `json:"amount_minor"`
	}
	about := struct {
		Accounts int       `json:"accounts"`
		Lines    int       `json:"lines"`
		Refilled int       `json:"instructions_refilled"`
		MayPay   bool      `json:"may_pay"`
		Payments []payment `json:"payments"`
		Engine   string    `json:"engine"`
	}{Accounts: accounts, Lines: found.Lines, Refilled: found.Refilled, MayPay: o.MayPay, Payments: []payment{}, Engine: rules.EngineVersion}
	for _, p := range found.Payments {
		about.Payments = append(about.Payments, payment{p.Direction.String(), p.Currency.String(), p.AmountMinor})
	}
	details, err := json.Marshal(about)
	if err != nil {
		return err
	}
	return s.record(ctx, action, o.By, o.Reason, found.Number, string(details))
}

// repairSome repairs the first accounts of rest, and says how many.
func (s *Shard) repairSome(ctx context.Context, o *Repair, found *Repaired, rest []*Difference) (n int, err error) {
	for n = min(len(rest), s.options.MaxAccounts); ; n /= 2 {
		some := rest[:n]
		ids := make([]string, n)
		for i := range some {
			ids[i] = some[i].accountID
		}
		d, err := s.decideApart(ctx, ids, s.lastSeq, nil, func(accounts map[string]*engine.Account, out *rules.Output) error {
			for _, one := range some {
				if err := s.repairOne(accounts[one.accountID], one, found.Number, out); err != nil {
					return err
				}
			}
			return nil
		}, func(d *rules.Decision) error {
			if len(d.Instructions) > 0 && !o.MayPay {
				return ErrWouldPay
			}
			return nil
		})
		if errors.Is(err, errTooLarge) && n > 1 {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("repair %d accounts: %w", n, err)
		}
		s.metrics.repairs.Add(float64(n))
		s.log.Error("accounts were repaired: what is booked of them was not what their records deserve", "accounts", n, "repair", found.Number,
			"lines", len(d.Accruals), "instructions", len(d.Instructions), "by", o.By, "reason", o.Reason)
		found.add(d)
		return n, nil
	}
}

func (s *Shard) repairOne(a *engine.Account, d *Difference, number int64, out *rules.Output) error {
	from := lengthsOf(out)
	if err := a.AdoptInstructed(d.instructed); err != nil {
		return err
	}
	if err := s.engine.Repair(a, d.cause, number, out); err != nil {
		return fmt.Errorf("account reference %x: %w", d.Ref, err)
	}
	s.refs.fill(out, from, a.ID(), d.Ref)
	return nil
}

func (f *Repaired) add(d *rules.Decision) {
	f.Lines += len(d.Accruals)
	for i := range d.Instructions {
		n := &d.Instructions[i]
		at := slices.IndexFunc(f.Payments, func(p DifferencePayment) bool { return p.Direction == n.Direction && p.Currency == n.Currency })
		if at < 0 {
			at = len(f.Payments)
			f.Payments = append(f.Payments, DifferencePayment{Direction: n.Direction, Currency: n.Currency})
		}
		f.Payments[at].AmountMinor += n.AmountMinor
	}
}

// refill puts instructions back into the ledger that the bank was given and the
// ledger has lost, of the accounts that a repair would pay or debit, and works
// out anew what is left to do of them.
func (s *Shard) refill(ctx context.Context, o *Repair, found *Repaired) error {
	byID := map[string]*Difference{}
	var refs []rules.AccountRef
	for _, d := range found.Differences {
		if len(d.Instructions) > 0 {
			byID[d.accountID] = d
			refs = append(refs, d.Ref)
		}
	}
	if len(refs) == 0 || o.Published == nil {
		return nil
	}
	known, err := s.ports.Ledger.InstructionIDs(ctx, s.source.Shard(), refs)
	if err != nil {
		return err
	}
	var lost []rules.Instruction
	if err := o.Published(ctx, func(i *rules.Instruction) error {
		if d := byID[i.AccountID]; d != nil && !known[i.ID] {
			known[i.ID] = true
			kept := *i
			kept.AccountRef = d.Ref
			// Where it stood in its topic is not known any more: before everything.
			kept.Cause = rules.Cause{Kind: rules.CauseFact, Partition: s.source.Shard(), Offset: -1, RecordedAt: i.CreatedAt}
			lost = append(lost, kept)
			d.instructed = append(slices.Clip(d.instructed), kept)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("look for lost instructions: %w", err)
	}
	if len(lost) == 0 {
		return nil
	}
	s.log.Error("the ledger has lost instructions that the bank was given: they are put back", "instructions", len(lost))
	if err := s.putBack(ctx, lost); err != nil {
		return err
	}
	found.Refilled = len(lost)
	return s.compareAgain(ctx, found, byID)
}

// putBack books instructions alone, under the marker that is there.
func (s *Shard) putBack(ctx context.Context, lost []rules.Instruction) error {
	for some := range slices.Chunk(lost, sendAtOnce) {
		d := &rules.Decision{Shard: s.source.Shard(), Batch: s.batch, Positions: s.positions, LastSeq: s.lastSeq, Instructions: some}
		if err := s.book(ctx, []*rules.Decision{d}, unchecked); err != nil {
			return err
		}
	}
	return nil
}

// compareAgain leaves those differences out that are none with what was put back.
func (s *Shard) compareAgain(ctx context.Context, found *Repaired, changed map[string]*Difference) error {
	left := found.Differences[:0:0]
	for some := range slices.Chunk(found.Differences, s.options.MaxAccounts) {
		ids := make([]string, len(some))
		for i := range some {
			ids[i] = some[i].accountID
		}
		states, err := s.loadApart(ctx, ids, nil)
		if err != nil {
			return err
		}
		for i, d := range some {
			if changed[d.accountID] != nil {
				differs, err := s.compareState(states[i], d)
				if err != nil {
					return err
				}
				if !differs {
					continue
				}
			}
			left = append(left, d)
		}
	}
	found.Differences = left
	return nil
}
