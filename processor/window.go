package processor

import (
	"ristourne/processor/feed"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// window is as much of a feed batch as goes into one save: what its records
// say, the accounts they touch, and what was decided of them. Its memory is
// used again for every window of the shard; its strings point into the feed's
// buffer and end with it.
type window struct {
	progress

	work      []work
	events    arena[rules.Event]
	facts     arena[rules.Fact]
	referrals arena[rules.Referral]
	letters   []rules.DeadLetter
	slots     map[string]int // account id to its place in accounts
	accounts  []account
	ids       []string // of accounts that are to be loaded, and what was loaded of them
	values    [][]byte

	members, known []uint64 // to append to the filters
	out            rules.Output
	decision       rules.Decision
	states         []AccountState
	spent          []BudgetSpent
	arena          []byte // account states, one behind the other
	ends           []int
	payloads       []byte
	outbox         []byte            // encoded; nil: nothing was decided
	room           []byte            // for the next outbox
	free           chan *batchMemory // that are delivered, for the next window to decide in
}

// batchMemory is the memory of a window that was saved, until it is delivered.
type batchMemory struct {
	decision rules.Decision
	refunds  []rules.RefundChange
	holdouts []rules.HoldoutDraw
	payloads []byte
	outbox   []byte // what was saved of the decision, byte for byte
}

// progress is how far a window has come, and what is counted on the way.
type progress struct {
	positions rules.Positions // after the window
	fates     [rules.NumFates]int64
	oldest    int64 // when its first record came, in milliseconds, as far as its timestamp is believed; 0: none
	waits     bool  // the record behind it waits for its catalogue: save first
	strangers
}

// work is one record that needs its account.
type work struct {
	slot   int
	cause  rules.Cause
	record rules.Record // in the window's memory
	read   feed.Record  // it was read from: for its dead letter
	match  match        // of an event
	own    bool         // the record's texts are its own
	seen   engine.Seen  // of its ids, before it came
}

// match is where an event's merchant was found, and by which snapshot.
type match struct {
	engine.Match
	found bool
	by    *engine.Snapshot
}

type account struct {
	id    string
	hash  uint64
	state *engine.Account // nil: it must be opened
	value []byte          // what was loaded; nil: nothing is known of it, or it was remembered
	// whole says that what is put away of it is needed, and damaged that what was
	// loaded of that doesn't belong to it.
	whole, damaged bool
	// loaded says that value is what Redis has, and existed that it has something.
	loaded, existed bool
	touched         bool
	// restored: its value was made anew from the ledger, and is saved whatever
	// becomes of its records.
	restored bool
}

func newWindow(batches int) window {
	return window{slots: make(map[string]int), progress: progress{positions: rules.NoPositions}, free: make(chan *batchMemory, batches)}
}

// reset empties the window, to go on from p.
func (w *window) reset(p progress) {
	w.progress = p
	w.work = w.work[:0]
	w.events.reset()
	w.facts.reset()
	w.referrals.reset()
	w.letters = w.letters[:0]
	clear(w.slots)
	w.ids, w.values = w.ids[:0], w.values[:0]
	w.decision = rules.Decision{Accounts: w.decision.Accounts, Set: w.decision.Set, Results: w.decision.Results[:0]}
	w.undecide()
	clear(w.accounts) // whose states are remembered elsewhere, or not at all
	w.accounts = w.accounts[:0]
	w.states, w.arena, w.ends, w.spent = w.states[:0], w.arena[:0], w.ends[:0], w.spent[:0]
}

// handOver gives what was decided to whoever delivers it: the window writes none of
// that memory any more until it is given back, and goes on in that of a batch that
// was delivered.
func (w *window) handOver() *batchMemory {
	saved := &batchMemory{decision: w.decision, refunds: w.out.Refunds, holdouts: w.out.Holdouts, payloads: w.payloads, outbox: w.outbox}
	var next *batchMemory
	select {
	case next = <-w.free:
	default:
		next = saved.room()
	}
	d := &next.decision
	w.decision = rules.Decision{Accounts: d.Accounts[:0], Set: d.Set[:0], Results: d.Results[:0]}
	w.out = rules.Output{
		Accruals: d.Accruals[:0], Instructions: d.Instructions[:0], Referrals: d.Referrals[:0], Grants: d.Grants[:0],
		Refunds: next.refunds[:0], Holdouts: next.holdouts[:0],
	}
	w.payloads, w.room = next.payloads[:0], next.outbox[:0]
	return saved
}

// room is a batch for as much again.
func (b *batchMemory) room() *batchMemory {
	d := &b.decision
	return &batchMemory{
		decision: rules.Decision{
			Accounts: roomFor(d.Accounts), Set: roomFor(d.Set), Accruals: roomFor(d.Accruals), Instructions: roomFor(d.Instructions),
			Referrals: roomFor(d.Referrals), Grants: roomFor(d.Grants),
		},
		payloads: roomFor(b.payloads), outbox: roomFor(b.outbox),
	}
}

// roomFor is room for as many as these.
func roomFor[T any](s []T) []T { return make([]T, 0, len(s)) }

// mostKeptBytes bounds the outbox of a batch whose memory is used again: a window of
// a backlog may be a hundred times as large as those that follow.
const mostKeptBytes = 1 << 20

// giveBack lets the next window use the memory of a delivered batch. Nobody may read
// it any more, and what its texts are in is let go.
func (w *window) giveBack(b *batchMemory) {
	if b == nil || cap(b.outbox) > mostKeptBytes {
		return
	}
	d := &b.decision
	clear(d.Accounts)
	clear(d.Set)
	clear(d.Results)
	clear(d.Accruals)
	clear(d.Instructions)
	clear(d.Referrals)
	clear(d.Grants)
	clear(b.refunds)
	clear(b.holdouts)
	select {
	case w.free <- b:
	default:
	}
}

// undecide empties what deciding fills.
func (w *window) undecide() {
	w.members, w.known, w.payloads = w.members[:0], w.known[:0], w.payloads[:0]
	w.out.Reset()
	w.decision.Accounts, w.decision.Set = w.decision.Accounts[:0], w.decision.Set[:0]
}

// mustSave reports that the window holds more than moved offsets.
func (w *window) mustSave() bool {
	return len(w.work) > 0 || len(w.letters) > 0 || len(w.decision.Results) > 0
}

// slot is the account's place in the window.
func (s *Shard) slot(w *window, accountID string, hash uint64) int {
	if slot, ok := w.slots[accountID]; ok {
		return slot
	}
	a := account{id: accountID, hash: hash, state: s.states.takeOut(accountID)}
	if a.existed = a.state != nil; a.existed {
		a.id = a.state.ID()
	}
	w.accounts = append(w.accounts, a)
	slot := len(w.accounts) - 1
	w.slots[a.id] = slot
	return slot
}

func (w *window) deadLetter(topic string, partition int32, r *feed.Record, fault *wire.Fault) {
	w.letters = append(w.letters, *fault.Letter(topic, partition, r.Offset, r.Time, r.Key, r.Value))
	w.fates[rules.DeadLettered]++
}

// enrol names the member, and lets their events pass the filters.
func (w *window) enrol(snapshot *engine.Snapshot, a *account, f *rules.Fact, cause rules.Cause, ref rules.AccountRef) {
	w.look(snapshot, f)
	w.members = append(w.members, a.hash)
	w.decision.Accounts = append(w.decision.Accounts, rules.AccountRow{
		Ref: ref, AccountID: a.id, MemberID: f.MemberID, RecordedAt: cause.RecordedAt,
	})
}

// payload appends to the window's buffer. When that moves to a larger one, the
// payloads before keep the old one alive.
func (w *window) payload(record rules.Record) []byte {
	from := len(w.payloads)
	w.payloads = record.AppendBinary(w.payloads)
	return w.payloads[from:len(w.payloads):len(w.payloads)]
}
