package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/offer"
)

// rowLedger keeps every row that is booked, as ClickHouse does: a row that comes
// again is one row.
type rowLedger struct {
	accounts     map[rules.AccountRef]string
	set          map[uint64]rules.SetRow
	accruals     map[string]rules.Accrual // by id and amounts
	instructions map[string]rules.Instruction
	told         map[string]rules.Referral
	grants       []grantRow
	marker       rules.Marker
	marked       bool
	actions      []rules.OperatorAction
}

type grantRow struct {
	rules.Grant
	seq, batch uint64
	place      int
}

func newRowLedger() *rowLedger {
	return &rowLedger{
		accounts: map[rules.AccountRef]string{}, set: map[uint64]rules.SetRow{}, accruals: map[string]rules.Accrual{},
		instructions: map[string]rules.Instruction{}, told: map[string]rules.Referral{},
	}
}

func (*rowLedger) Holes(context.Context, int32, bool) ([]rules.Hole, error) { return nil, nil }
func (*rowLedger) BeginCounting(context.Context, int32) (bool, error)       { return false, nil }

func (*rowLedger) CountAnew(context.Context, rules.Marker) error { return nil }

func (l *rowLedger) BookPart(ctx context.Context, d *rules.Decision) error {
	marker, marked := l.marker, l.marked
	defer func() { l.marker, l.marked = marker, marked }()
	return l.Book(ctx, d)
}

func (l *rowLedger) BookRest(ctx context.Context, d *rules.Decision) (uint64, bool, error) {
	if d.Empty() && d.LastSeq == l.marker.LastSeq {
		return l.marker.Batch, false, nil
	}
	return d.Batch, true, l.Book(ctx, d)
}

// tables of the ledger, in the order in which a batch's rows are inserted.
const (
	setTable = iota
	grantsTable
	referralsTable
	accrualsTable
	instructionsTable
	wholeBatch
)

// insert books a decision up to and with a table.
func (l *rowLedger) insert(d *rules.Decision, last int) {
	for i := range d.Accounts {
		l.accounts[d.Accounts[i].Ref] = d.Accounts[i].AccountID
	}
	for i := range d.Set {
		l.set[d.Set[i].Seq] = d.Set[i]
	}
	if last >= grantsTable {
		l.insertGrants(d)
	}
	if last >= referralsTable {
		for i := range d.Referrals {
			l.told[d.Referrals[i].ID] = d.Referrals[i]
		}
	}
	if last >= accrualsTable {
		for i := range d.Accruals {
			a := &d.Accruals[i]
			l.accruals[fmt.Sprintf("%x %d %d %d", a.ID, a.RewardMinor, a.CommissionMinor, a.BasisMinor)] = *a
		}
	}
	if last >= instructionsTable {
		for i := range d.Instructions {
			l.instructions[fmt.Sprint(d.Instructions[i].ID, d.Instructions[i].AmountMinor)] = d.Instructions[i]
		}
	}
	if last >= wholeBatch && (!l.marked || d.Batch >= l.marker.Batch) {
		l.marker, l.marked = rules.Marker{Shard: d.Shard, Batch: d.Batch, Positions: d.Positions, LastSeq: d.LastSeq}, true
	}
}

func (l *rowLedger) insertGrants(d *rules.Decision) {
	for i := range d.Grants {
		row := grantRow{d.Grants[i], d.LastSeq, d.Batch, i}
		same := func(o grantRow) bool {
			return o.seq == row.seq && o.batch == row.batch && o.place == row.place && o.Budget == row.Budget && o.AccountRef == row.AccountRef
		}
		if !slices.ContainsFunc(l.grants, same) {
			l.grants = append(l.grants, row)
		}
	}
	slices.SortStableFunc(l.grants, func(a, b grantRow) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.batch, b.batch), cmp.Compare(a.place, b.place))
	})
}

func (l *rowLedger) Book(_ context.Context, decisions ...*rules.Decision) error {
	for _, d := range decisions {
		l.insert(d, wholeBatch)
	}
	return nil
}

func (l *rowLedger) Marker(context.Context, int32) (rules.Marker, bool, error) {
	return l.marker, l.marked, nil
}

func (l *rowLedger) LastSeq(context.Context, int32) (seq uint64, err error) {
	for of := range l.set {
		seq = max(seq, of)
	}
	return seq, nil
}

func (l *rowLedger) Unmarked(_ context.Context, _ int32, after uint64) (map[rules.AccountRef]*rules.Unmarked, error) {
	all := map[rules.AccountRef]*rules.Unmarked{}
	for ref := range l.accounts {
		behind := func(c *rules.Cause) bool {
			for seq, row := range l.set {
				if seq > after && row.AccountRef == ref && sameCause(&row.Cause, c) {
					return true
				}
			}
			return false
		}
		u := new(rules.Unmarked)
		for _, a := range l.accruals {
			if a.AccountRef == ref && behind(&a.Cause) {
				u.Accruals = append(u.Accruals, a)
			}
		}
		for _, i := range l.instructions {
			if i.AccountRef == ref && behind(&i.Cause) {
				u.Instructions = append(u.Instructions, i)
			}
		}
		for _, g := range l.grants {
			if g.AccountRef == ref {
				u.Grants = append(u.Grants, g.Grant)
			}
		}
		all[ref] = u
	}
	return all, nil
}

func (l *rowLedger) HistoriesOf(ctx context.Context, shard int32, refs []rules.AccountRef, each func(*rules.AccountHistory) error) error {
	return l.Histories(ctx, shard, func(h *rules.AccountHistory) error {
		if !slices.Contains(refs, h.Ref) {
			return nil
		}
		return each(h)
	})
}

func (l *rowLedger) Histories(_ context.Context, _ int32, each func(*rules.AccountHistory) error) error {
	for _, ref := range slices.SortedFunc(maps.Keys(l.accounts), func(a, b rules.AccountRef) int { return slices.Compare(a[:], b[:]) }) {
		h := &rules.AccountHistory{Ref: ref, AccountID: l.accounts[ref]}
		for _, seq := range slices.Sorted(maps.Keys(l.set)) {
			if l.set[seq].AccountRef == ref {
				h.Set = append(h.Set, l.set[seq])
			}
		}
		for _, a := range l.accruals {
			if a.AccountRef == ref {
				h.Booked = append(h.Booked, a) // not summed up: lines of one key may come in parts
			}
		}
		for _, i := range l.instructions {
			if i.AccountRef == ref {
				h.Instructed = append(h.Instructed, i)
			}
		}
		newest := map[string]rules.Grant{}
		for _, g := range l.grants {
			if g.AccountRef == ref {
				newest[string(g.Budget)+" "+g.TransactionID] = g.Grant
			}
		}
		for _, key := range slices.Sorted(maps.Keys(newest)) {
			h.Grants = append(h.Grants, newest[key])
		}
		if err := each(h); err != nil {
			return err
		}
	}
	return nil
}

func (l *rowLedger) Spent(_ context.Context, budget rules.BudgetKey) (map[int32]int64, error) {
	sum := int64(0)
	for _, g := range l.grants {
		if g.Budget == budget {
			sum += g.ChangeMinor
		}
	}
	return map[int32]int64{0: sum}, nil
}

func (l *rowLedger) InstructionsFrom(context.Context, int32, rules.Positions, func(rules.Instruction) error) error {
	return nil
}

func (l *rowLedger) ReferralsFrom(context.Context, int32, rules.Positions, func(rules.Referral) error) error {
	return nil
}

func (l *rowLedger) InstructionIDs(context.Context, int32, []rules.AccountRef) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, i := range l.instructions {
		ids[i.ID] = true
	}
	return ids, nil
}

func (l *rowLedger) RecordAction(_ context.Context, a *rules.OperatorAction) error {
	l.actions = append(l.actions, *a)
	return nil
}

// told is the whole ledger, one line a row, in order.
func (l *rowLedger) lines() []string {
	var all []string
	for id, a := range l.accruals {
		all = append(all, fmt.Sprintf("line %s %v", id, a.Reasons))
	}
	for _, i := range l.instructions {
		all = append(all, fmt.Sprintf("instruction %s %s %d", i.ID, i.Direction, i.AmountMinor))
	}
	for _, g := range l.grants {
		all = append(all, fmt.Sprintf("grant %s %s %s target %d granted %d change %d", g.Budget, g.TransactionID, g.Cause.ID, g.TargetMinor, g.GrantedMinor, g.ChangeMinor))
	}
	slices.Sort(all)
	return all
}

// memoryRedis is a Redis of one shard that holds what it is told.
type memoryRedis struct {
	bareAccounts
	ledger  *rowLedger
	states  map[string][]byte
	pages   map[string][][]byte
	filters map[uint64]bool // members and known ids
	lastSeq uint64
	batch   uint64
	epoch   int64
	damages bool // each state, until it is saved anew
}

func newMemoryRedis(l *rowLedger) *memoryRedis {
	return &memoryRedis{ledger: l, states: map[string][]byte{}, pages: map[string][][]byte{}, filters: map[uint64]bool{}}
}

func (r *memoryRedis) Load(_ context.Context, _ int32, ids []string, values [][]byte) ([][]byte, error) {
	for _, id := range ids {
		value := r.states[id]
		if r.damages && value != nil {
			value = value[:len(value)-1]
		}
		values = append(values, value)
	}
	return values, nil
}

func (r *memoryRedis) Acquire(context.Context, int32) (Acquired, error) {
	r.epoch++
	return Acquired{Epoch: r.epoch, Positions: rules.NoPositions, Batch: r.batch, LastSeq: r.lastSeq}, nil
}

func (r *memoryRedis) AcquireLeased(ctx context.Context, shard int32, _ string, _ time.Duration) (Acquired, error) {
	return r.Acquire(ctx, shard)
}

func (*memoryRedis) RenewLease(context.Context, int32, int64, time.Duration) error { return nil }

func (r *memoryRedis) Save(_ context.Context, s *Save) error {
	r.put(s.Accounts)
	r.know(s.Members, s.Known)
	r.saves = append(r.saves, *s)
	r.lastSeq, r.batch = s.LastSeq, s.Batch
	return nil
}

func (r *memoryRedis) Reserve(ctx context.Context, d Reservation, booked func(context.Context) (map[int32]int64, error)) (Reserved, error) {
	granted, err := booked(ctx)
	if err != nil {
		return Reserved{}, err
	}
	return Reserved{SpentMinor: granted[d.Shard], ReservedMinor: max(granted[d.Shard], min(granted[d.Shard]+d.WantMinor, d.LimitMinor))}, nil
}

func (*memoryRedis) StillDecided(context.Context, int32, int64, uint64) error { return nil }
func (*memoryRedis) Intact(context.Context, int32, int64, rules.Positions, uint64) error {
	return nil
}
func (*memoryRedis) Clear(context.Context, int32, int64, uint64) error { return nil }
func (*memoryRedis) BeginRebuild(context.Context, int32, int64) error  { return nil }

func (r *memoryRedis) Restore(_ context.Context, _ int32, _ int64, states []AccountState, members, known []uint64) error {
	r.put(states)
	r.know(members, known)
	return nil
}

func (r *memoryRedis) know(filters ...[]uint64) {
	for _, hashes := range filters {
		for _, h := range hashes {
			r.filters[h] = true
		}
	}
}

func (r *memoryRedis) put(states []AccountState) {
	for _, s := range states {
		r.states[s.ID] = slices.Clone(s.Value)
		if s.Fresh {
			delete(r.pages, s.ID)
		}
		if len(s.Pages) > 0 {
			r.pages[s.ID] = append(r.pages[s.ID][:s.FirstPage:s.FirstPage], s.Pages...)
		}
	}
}

func (r *memoryRedis) LoadPages(_ context.Context, _ int32, id string) ([][]byte, error) {
	return r.pages[id], nil
}

func (r *memoryRedis) FinishRebuild(_ context.Context, _ int32, _ int64, m rules.Marker) error {
	r.lastSeq, r.batch = m.LastSeq, m.Batch
	return nil
}

// aWholeSale is the sale, whose budget pays a purchase's extra whole or not at all.
func aWholeSale(budgetMinor int64) *offer.Catalogue {
	c := aSale(budgetMinor)
	c.Campaigns[0].Budget.Whole = true
	return c
}

// on gives the shard the ledger, a Redis that has lost everything, and a bank.
func (s *saleShard) on(l *rowLedger) (*memoryRedis, *paidAndTold) {
	redis, world := newMemoryRedis(l), &paidAndTold{}
	s.source = uncommitted{}
	s.ports.Ledger, s.ports.Instructions, s.ports.Referrals, s.ports.Accounts = l, world, world, redis
	return redis, world
}

// clearing of a purchase in part, which raises what it deserves.
func clearing(account, id, transaction string, amountMinor int) feed.Record {
	r := purchase(account, transaction)
	r.Value = []byte(strings.NewReplacer(fmt.Sprintf(`"event_id":%q`, transaction), fmt.Sprintf(`"event_id":%q`, id),
		`"amount_minor":10000`, fmt.Sprintf(`"amount_minor":%d`, amountMinor)).Replace(string(r.Value)))
	return r
}

// crashBatches are three batches of two accounts: what the second and third decide
// depends on what budgets gave in the first.
func crashBatches() [][]feed.Record {
	return [][]feed.Record{
		{enrolment("a"), enrolment("b"), clearing("a", "e1", "p1", 4_000), clearing("b", "e2", "p2", 1_000)},
		{clearing("a", "e3", "p1", 3_000), clearing("b", "e4", "p3", 2_000), clearing("a", "e5", "p4", 10_000)},
		{clearing("b", "e6", "p2", 5_000), clearing("a", "e7", "p4", 1_000)},
	}
}

// Whatever of the batches behind the marker is booked when Redis loses everything,
// a rebuild ends with the ledger of one clean pass, line by line under the same
// ids: also where budgets were asked, had plenty, or gave less than was deserved.
func TestARebuildEndsWhereACleanPassDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		catalogue *offer.Catalogue
	}{
		{"no budget is asked", aTown()},
		{"a budget that has plenty", aSale(50_000_000)},
		{"a budget that ends in the last batch", aSale(500)},
		{"whole or nothing, and plenty", aWholeSale(50_000_000)},
		{"whole or nothing, and not enough", aWholeSale(400)},
	} {
		if c.catalogue.Campaigns == nil {
			c.catalogue.Programmes[0].Enrolment, c.catalogue.Programmes[0].AllCards = offer.EnrolmentExplicit, true
		}
		for marked := range len(crashBatches()) {
			for table := setTable; table < wholeBatch; table++ {
				t.Run(fmt.Sprintf("%s, %d batches marked, the next one's rows are booked up to table %d", c.name, marked, table), func(t *testing.T) {
					checkCrash(t, c.catalogue, marked, table, false)
					checkCrash(t, c.catalogue, marked, table, true)
				})
			}
		}
	}
}

// checkCrash, where Redis damages: the states that the rebuild has written can't be
// read when rows that nothing is booked of are decided.
func checkCrash(t *testing.T, catalogue *offer.Catalogue, marked, table int, damages bool) {
	t.Helper()
	clean, crashed := newRowLedger(), newRowLedger()
	former := newShardOf(t, catalogue)
	former.on(clean)
	for n, records := range crashBatches()[:marked+1] {
		d := decided(t, former, records...)
		clean.insert(d, wholeBatch)
		if n < marked {
			crashed.insert(d, wholeBatch)
		} else {
			crashed.insert(d, table)
		}
	}
	s := newShardOf(t, catalogue)
	redis, world := s.on(crashed)
	redis.damages = damages
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := crashed.lines(), clean.lines(); !slices.Equal(got, want) {
		t.Errorf("the ledger is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last, _ := crashed.LastSeq(t.Context(), 0); redis.lastSeq != last || s.lastSeq != last {
		t.Errorf("Redis is at row %d, the shard at %d, the ledger at %d", redis.lastSeq, s.lastSeq, last)
	}
	if differing := valueOf(t, s.metrics.differences); differing != 0 {
		t.Errorf("%v accounts differ", differing)
	}
	checkFilters(t, redis, crashed)
	for _, i := range world.paid {
		if _, ok := clean.instructions[fmt.Sprint(i.ID, i.AmountMinor)]; !ok {
			t.Errorf("pays %+v, which a clean pass doesn't", i)
		}
	}
	for id, value := range redis.states {
		a, b := engine.NewAccount(id), engine.NewAccount(id)
		if err := errors.Join(a.UnmarshalBinary(value), b.UnmarshalBinary(former.stateBefore(t, id, clean))); err != nil {
			t.Fatal(err)
		}
		if got, want := bookedSums(a.Booked()), bookedSums(b.Booked()); !maps.Equal(got, want) {
			t.Errorf("account %s believes in %v, want %v", id, got, want)
		}
	}
}

// checkFilters: an id of the set that the filters don't know loses what comes of it
// later.
func checkFilters(t *testing.T, redis *memoryRedis, l *rowLedger) {
	t.Helper()
	for seq, row := range l.set {
		record, err := row.Record(l.accounts[row.AccountRef])
		if err != nil {
			t.Fatal(err)
		}
		hashes := []uint64{memberHash(record.AccountID())}
		if record.Event != nil {
			hashes = appendKnown(nil, hashes[0], record.Event)
		}
		for _, h := range hashes {
			if !redis.filters[h] {
				t.Errorf("the filters don't know %s, row %d of the set", record.ID(), seq)
			}
		}
	}
}

// stateBefore is the state that a rebuild of a whole ledger makes.
func (s *saleShard) stateBefore(t *testing.T, id string, clean *rowLedger) []byte {
	t.Helper()
	redis, _ := s.on(clean)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	return redis.states[id]
}
