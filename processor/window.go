package processor

import (
	"context"
	"errors"
	"fmt"

	"ristourne/processor/feed"
	"ristourne/processor/outbox"
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
	events    []rules.Event
	facts     []rules.Fact
	referrals []rules.Referral
	letters   []rules.DeadLetter
	slots     map[string]int // account id to its place in accounts
	accounts  []account
	ids       []string
	values    [][]byte

	members, known []uint64 // to append to the filters
	out            rules.Output
	decision       rules.Decision
	states         []AccountState
	spent          []BudgetSpent
	arena          []byte // account states, one behind the other
	ends           []int
	payloads       []byte
	outbox         []byte // encoded; nil: nothing was decided
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
	at     int         // place in events, facts or referrals, as the cause's kind says
	record feed.Record // for its dead letter
}

type account struct {
	id      string
	hash    uint64
	state   *engine.Account
	existed bool
	touched bool
	// restored: its value was made anew from the ledger, and is saved whatever
	// becomes of its records.
	restored bool
}

func newWindow() window {
	return window{slots: make(map[string]int), progress: progress{positions: rules.NoPositions}}
}

// reset empties the window, to go on from p.
func (w *window) reset(p progress) {
	w.progress = p
	w.work, w.events, w.facts, w.referrals = w.work[:0], w.events[:0], w.facts[:0], w.referrals[:0]
	w.letters = w.letters[:0]
	clear(w.slots)
	w.accounts, w.ids, w.values = w.accounts[:0], w.ids[:0], w.values[:0]
	w.decision = rules.Decision{Accounts: w.decision.Accounts, Set: w.decision.Set, Results: w.decision.Results[:0]}
	w.undecide()
	w.states, w.arena, w.ends, w.spent = w.states[:0], w.arena[:0], w.ends[:0], w.spent[:0]
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

// windowLimits bound a window.
type windowLimits struct {
	accounts int
	work     int // records that need their account
}

// match reads records until the window is full and keeps those that need their
// account. Most events stop here: no I/O, no allocation. It returns how many
// records it took; it takes none that must wait for its catalogue as long as the
// window holds anything that can be saved before (see progress.holds).
func (s *Shard) match(ctx context.Context, w *window, records []feed.Record, most windowLimits) (int, error) {
	for i := range records {
		if len(w.accounts) >= most.accounts || len(w.work) >= most.work {
			return i, nil
		}
		r := &records[i]
		s.decoder.ReadAgain(s.from+i < s.readUpTo)
		s.readUpTo = max(s.readUpTo, s.from+i+1)
		if w.oldest == 0 {
			w.oldest = s.stamps.believed(r)
			s.backlog.reads(w.oldest)
		}
		fault, err := s.takeRecord(ctx, w, r)
		if errors.Is(err, errHold) {
			w.waits = true
			return i, nil
		}
		if err != nil {
			return i, err
		}
		if fault != nil {
			w.deadLetter(s.options.Topics[r.Topic], s.source.Shard(), r, fault)
		}
		w.positions[r.Topic] = r.Offset + 1
	}
	return len(records), nil
}

// takeRecord reads one record into the window. An error says that its catalogue could
// not be waited for, or that what the window holds must be saved before (errHold).
func (s *Shard) takeRecord(ctx context.Context, w *window, r *feed.Record) (*wire.Fault, error) {
	switch r.Topic {
	case rules.TopicFacts:
		return s.takeFact(w, r), nil
	case rules.TopicReferrals:
		return s.takeReferral(ctx, w, r)
	case rules.TopicResults:
		return s.takeResult(w, r), nil
	default:
		return s.takeEvent(ctx, w, r)
	}
}

func (s *Shard) takeEvent(ctx context.Context, w *window, r *feed.Record) (*wire.Fault, error) {
	w.events = grow(w.events)
	ev := &w.events[len(w.events)-1]
	keep := false
	defer func() {
		if !keep {
			w.events = w.events[:len(w.events)-1]
		}
	}()
	if fault := s.checkShard(r, s.decoder.Event(r.Value, r.Key, s.stamps.of(s.decoder, r), ev)); fault != nil {
		return fault, nil
	}
	if ev.Declined {
		w.fates[rules.Declined]++
		return nil, nil
	}
	member := memberHash(ev.AccountID)
	enrolled := s.members.has(member)
	if err := s.awaitCatalogue(ctx, w, r, ev.TermsTime(), enrolled); err != nil {
		return nil, err
	}
	if !enrolled && !s.snapshot.Automatic() {
		w.fates[rules.NoMember]++
		return nil, nil
	}
	if !s.concerns(member, ev) {
		w.fates[rules.Unmatched]++
		return nil, nil
	}
	keep = true
	ev.ContentHash = wire.HashEvent(ev)
	s.addKnown(member, ev)
	w.work = append(w.work, work{
		slot: w.slot(ev.AccountID, member), at: len(w.events) - 1, record: *r,
		cause: s.cause(rules.CauseEvent, ev.ID, r),
	})
	return nil, nil
}

// concerns reports whether an event of a member may belong to a purchase: it
// matches, it may wait for its purchase, or one of its ids may be known.
func (s *Shard) concerns(member uint64, ev *rules.Event) bool {
	if !ev.Type.Opens() {
		return true
	}
	if _, matched := s.snapshot.Match(ev); matched {
		return true
	}
	return s.known.has(knownHash(member, ev.TransactionID)) ||
		s.known.has(knownHash(member, ev.ID)) ||
		ev.OriginalTransactionID != "" && s.known.has(knownHash(member, ev.OriginalTransactionID))
}

// addKnown makes the event's ids known to later events of this window and of
// those that follow. What turns out to be no part of the set stays in the
// filter until the next claim; it costs a look.
func (s *Shard) addKnown(member uint64, ev *rules.Event) {
	var hashes [3]uint64
	for _, hash := range appendKnown(hashes[:0], member, ev) {
		s.known.add(hash)
	}
}

func (s *Shard) takeFact(w *window, r *feed.Record) *wire.Fault {
	w.facts = grow(w.facts)
	f := &w.facts[len(w.facts)-1]
	if fault := s.checkShard(r, s.decoder.Fact(r.Value, r.Key, s.stamps.of(s.decoder, r), f)); fault != nil {
		w.facts = w.facts[:len(w.facts)-1]
		return fault
	}
	member := memberHash(f.AccountID)
	if f.Type == rules.Enrolled {
		s.members.add(member)
	}
	w.work = append(w.work, work{
		slot: w.slot(f.AccountID, member), at: len(w.facts) - 1, record: *r,
		cause: s.cause(rules.CauseFact, f.ID, r),
	})
	return nil
}

// takeReferral takes what another shard has told. It need not be a member's:
// the enrolment may come later. Its instants were held against the clock when
// the bank's record came in; here only this machine's own clock bounds them, so
// that no skew between the processors makes a dead letter of a sponsor's award.
func (s *Shard) takeReferral(ctx context.Context, w *window, r *feed.Record) (*wire.Fault, error) {
	w.referrals = grow(w.referrals)
	f := &w.referrals[len(w.referrals)-1]
	fault := s.checkShard(r, s.decoder.Referral(r.Value, r.Key, s.latest, f))
	var err error
	if fault == nil {
		err = s.awaitCatalogue(ctx, w, r, f.PurchasedAt, true)
	}
	if fault != nil || err != nil {
		w.referrals = w.referrals[:len(w.referrals)-1]
		return fault, err
	}
	f.BuyerRef = s.refs.ref(f.BuyerAccountID)
	w.work = append(w.work, work{
		slot: w.slot(f.SponsorAccountID, memberHash(f.SponsorAccountID)), at: len(w.referrals) - 1, record: *r,
		cause: s.cause(rules.CauseReferral, f.ID, r),
	})
	return nil, nil
}

func (s *Shard) takeResult(w *window, r *feed.Record) *wire.Fault {
	var result rules.Result
	if fault := s.checkShard(r, s.decoder.Result(r.Value, r.Key, s.stamps.of(s.decoder, r), &result)); fault != nil {
		return fault
	}
	w.decision.Results = append(w.decision.Results, rules.ResultRow{
		Result: result, AccountRef: s.refs.ref(result.AccountID),
		Cause: s.cause(rules.CauseResult, result.InstructionID, r),
	})
	w.fates[rules.NoChange]++
	return nil
}

// checkShard finds the fault of a sound record that belongs to another shard: its
// account's state isn't here, so that the account would be split in two. The key
// is the account's id by now.
func (s *Shard) checkShard(r *feed.Record, fault *wire.Fault) *wire.Fault {
	if fault != nil || !s.layout.Known() {
		return fault
	}
	if home := s.layout.Shard(r.Key); home != s.source.Shard() {
		return wire.Misplaced(home, s.decoder.MayKeep(r.Value))
	}
	return nil
}

func (s *Shard) cause(kind rules.CauseKind, id string, r *feed.Record) rules.Cause {
	return rules.Cause{Kind: kind, ID: id, Partition: s.source.Shard(), Offset: r.Offset, RecordedAt: r.Time}
}

func (w *window) slot(accountID string, hash uint64) int {
	if slot, ok := w.slots[accountID]; ok {
		return slot
	}
	w.accounts = grow(w.accounts)
	slot := len(w.accounts) - 1
	a := &w.accounts[slot]
	a.id, a.hash, a.existed, a.touched, a.restored = accountID, hash, false, false, false
	w.slots[accountID] = slot
	w.ids = append(w.ids, accountID)
	return slot
}

func (w *window) deadLetter(topic string, partition int32, r *feed.Record, fault *wire.Fault) {
	w.letters = append(w.letters, *fault.Letter(topic, partition, r.Offset, r.Time, r.Key, r.Value))
	w.fates[rules.DeadLettered]++
}

// errTooLarge says that the window's accounts, or what it decides, are too
// large together: it must be taken in smaller parts.
var errTooLarge = errors.New("the window is too large to be saved at once")

// load fetches the states of the window's accounts in one round trip.
func (s *Shard) load(ctx context.Context, w *window) error {
	if len(w.ids) == 0 {
		return nil
	}
	err := s.retry(ctx, "load", func(ctx context.Context) (err error) {
		w.values, err = s.ports.Accounts.Load(ctx, s.source.Shard(), w.ids, w.values[:0])
		return err
	})
	if err != nil {
		return err
	}
	bytes := 0
	for _, value := range w.values {
		bytes += len(value)
	}
	if bytes > s.options.MaxStateBytes && len(w.accounts) > 1 {
		return errTooLarge
	}
	err = s.open(w)
	if errors.Is(err, errUnreadable) {
		if err = s.restoreUnreadable(ctx, w); err == nil {
			err = s.open(w)
		}
	}
	return err
}

// errUnreadable says that the state of an account is of another format, or
// damaged.
var errUnreadable = errors.New("the state of an account can't be read")

// open makes the window's accounts what was loaded.
func (s *Shard) open(w *window) error {
	for i := range w.accounts {
		a := &w.accounts[i]
		if a.state == nil {
			a.state = engine.NewAccount(a.id)
		}
		a.touched = false
		a.existed = w.values[i] != nil
		if err := a.read(w.values[i]); err != nil {
			return err
		}
	}
	return nil
}

// read makes the account what was loaded of it; nil: nothing.
func (a *account) read(value []byte) error {
	a.state.Reset(a.id)
	if value == nil {
		return nil
	}
	if err := a.state.UnmarshalBinary(value); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return nil
}

// decide works the window out. Where budgets were short, it draws on them and
// works all of it out once more; what is short then, of a budget that had no
// more to give, stays so.
func (s *Shard) decide(ctx context.Context, w *window) error {
	before := undecided{w.progress, s.lastSeq, len(w.letters)}
	s.leases.open()
	for {
		if err := s.decideAll(w); err != nil {
			return err
		}
		short := s.leases.short()
		if len(short) == 0 {
			return nil
		}
		if err := s.reserve(ctx, short); err != nil {
			return err
		}
		s.leases.again()
		if err := s.undo(w, before); err != nil {
			return err
		}
	}
}

// undecided is what deciding a window changes and nothing else resets.
type undecided struct {
	progress
	lastSeq uint64
	letters int
}

// undo makes the window what it was before it was decided.
func (s *Shard) undo(w *window, before undecided) error {
	w.progress, s.lastSeq, w.letters = before.progress, before.lastSeq, w.letters[:before.letters]
	w.undecide()
	return s.open(w)
}

// decideAll works every record out in order: what its account deserves, less
// what is booked.
func (s *Shard) decideAll(w *window) error {
	for i := range w.work {
		if err := s.decideOne(w, &w.work[i]); err != nil {
			c := &w.work[i].cause
			return fmt.Errorf("%w: decide %s at offset %d of account reference %x: %w",
				errInvariant, c.Kind, c.Offset, s.refs.ref(w.accounts[w.work[i].slot].id), err)
		}
	}
	w.decision.Accruals, w.decision.Instructions = w.out.Accruals, w.out.Instructions
	w.decision.Referrals, w.decision.Grants = w.out.Referrals, w.out.Grants
	return nil
}

// decideOne fails only for a broken invariant: then nothing of the window may
// be saved, and the shard stops for a person to look at.
func (s *Shard) decideOne(w *window, item *work) error {
	a := &w.accounts[item.slot]
	from := lengthsOf(&w.out)
	record := w.record(item)
	verdict, err := s.engine.Apply(a.state, record, item.cause, &w.out)
	if err != nil && !errors.Is(err, engine.ErrLimit) {
		return err
	}
	if err != nil || verdict.Conflict {
		w.deadLetter(s.options.Topics[item.record.Topic], s.source.Shard(), &item.record, s.refusal(item, err))
		return nil
	}
	w.fates[verdict.Fate]++
	if !verdict.Fate.InSet() {
		return nil
	}
	ref := s.refs.ref(a.id)
	s.refs.fill(&w.out, from, a.id, ref)
	s.lastSeq++
	s.addRow(w, a, record, item.cause, verdict.Fate, ref)
	row := &w.decision.Set[len(w.decision.Set)-1]
	row.Refunds = w.out.Refunds[from.refunds:len(w.out.Refunds):len(w.out.Refunds)]
	row.Holdouts = w.out.Holdouts[from.holdouts:len(w.out.Holdouts):len(w.out.Holdouts)]
	a.touched = true
	return nil
}

// record is what an item of the window stands for.
func (w *window) record(item *work) rules.Record {
	switch item.cause.Kind {
	case rules.CauseEvent:
		return rules.Record{Event: &w.events[item.at]}
	case rules.CauseReferral:
		return rules.Record{Referral: &w.referrals[item.at]}
	}
	return rules.Record{Fact: &w.facts[item.at]}
}

// refusal is the fault of a record that is valid by itself and can't join its
// account's set.
func (s *Shard) refusal(item *work, err error) *wire.Fault {
	mayKeep := s.decoder.MayKeep(item.record.Value)
	switch {
	case err != nil:
		return wire.Limit(mayKeep)
	case item.cause.Kind == rules.CauseEvent:
		return wire.Conflict("event_id", mayKeep)
	}
	return wire.Conflict("fact_id", mayKeep)
}

// addRow puts a record that became part of its account's set into the decision,
// with what filters and the map of accounts must know of it.
func (s *Shard) addRow(w *window, a *account, record rules.Record, cause rules.Cause, fate rules.Fate, ref rules.AccountRef) {
	row := rules.SetRow{Seq: s.lastSeq, AccountRef: ref, Cause: cause, Fate: fate, Payload: w.payload(record)}
	row.Describe(record)
	if record.Event != nil {
		if match, ok := s.snapshot.Match(record.Event); ok {
			row.PartnerID, row.StoreID = match.PartnerID, match.StoreID
		}
		w.known = appendKnown(w.known, a.hash, record.Event)
	}
	w.decision.Set = append(w.decision.Set, row)
	if record.Fact != nil && record.Fact.Type == rules.Enrolled {
		w.enrol(s.snapshot, a, record.Fact, cause, ref)
		return
	}
	if !a.existed && !a.touched { // the ledger has not seen the reference
		w.decision.Accounts = append(w.decision.Accounts, rules.AccountRow{Ref: ref, AccountID: a.id, RecordedAt: cause.RecordedAt})
	}
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

// writeDeadLetters writes the window's dead letters, before anything that would move
// past them is saved: after a crash they are written again, never lost.
func (s *Shard) writeDeadLetters(ctx context.Context, w *window) error {
	if len(w.letters) == 0 {
		return nil
	}
	err := s.retry(ctx, "dead letters", func(ctx context.Context) error {
		return s.ports.DeadLetters.Write(ctx, w.letters)
	})
	if err != nil {
		return err
	}
	for i := range w.letters {
		s.metrics.deadLetters.WithLabelValues(w.letters[i].Reason).Inc()
	}
	return nil
}

// encode gives the window the form in which it is saved. A window whose output
// is too large for one script is refused, as long as it can be made smaller.
func (s *Shard) encode(w *window) error {
	s.encodeStates(w)
	w.outbox = nil
	if !w.decision.Empty() {
		w.decision.Shard, w.decision.Batch = s.source.Shard(), s.batch+1
		w.decision.Positions, w.decision.LastSeq = w.positions, s.lastSeq
		w.outbox = outbox.Encode(nil, &w.decision)
	}
	if len(w.arena)+len(w.outbox) > s.options.MaxSaveBytes && len(w.work) > 1 {
		return errTooLarge
	}
	return nil
}

// save writes states, outbox, counts and heads with the batch's one script.
// When it returns, the batch is decided.
func (s *Shard) save(ctx context.Context, w *window) (SavedBatch, error) {
	w.spent = s.leases.appendSpent(w.spent[:0])
	settlement := SavedBatch{batch: s.batch, positions: w.positions, outbox: w.outbox}
	if w.outbox != nil {
		settlement.batch++
	}
	request := Save{
		Shard: s.source.Shard(), Epoch: s.epoch, Before: s.positions, Batch: settlement.batch, After: w.positions, LastSeq: s.lastSeq,
		Accounts: w.states, Outbox: w.outbox, Fates: w.fates, Members: w.members, Known: w.known,
		Spent: w.spent,
	}
	err := s.retry(ctx, "save", func(ctx context.Context) error { return s.ports.Accounts.Save(ctx, &request) })
	if err != nil {
		return SavedBatch{}, err
	}
	s.positions, s.batch, s.lastSave = w.positions, settlement.batch, s.ports.Now()
	s.metrics.countFates(&w.fates)
	s.warnOfStrangers(w.strangers)
	s.metrics.countRefunds(w.decision.Set)
	s.metrics.countHoldouts(w.decision.Set)
	s.leases.saved(s.source.Shard())
	return settlement, nil
}

func (s *Shard) encodeStates(w *window) {
	for i := range w.accounts {
		if a := &w.accounts[i]; a.touched || a.restored {
			w.arena = a.state.AppendBinary(w.arena)
			w.ends = append(w.ends, len(w.arena))
			w.states = append(w.states, AccountState{ID: a.id})
		}
	}
	from := 0
	for i, end := range w.ends {
		w.states[i].Value, from = w.arena[from:end], end
	}
}

// grow adds one element that keeps whatever memory its last use had.
func grow[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var zero T
	return append(s, zero)
}
