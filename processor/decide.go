package processor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"ristourne/processor/outbox"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// Decide takes the next records from the feed to the saved outbox, and hands
// what is to be delivered to queue.
func (s *Shard) Decide(ctx context.Context, queue chan<- SavedBatch) error {
	reading := s.pulse.begin("read", s.ports.Now())
	err := s.source.Next(ctx, &s.feedBatch)
	s.pulse.end(reading)
	if err != nil {
		return fmt.Errorf("read the input topics: %w", err)
	}
	if len(s.feedBatch.Records) == 0 && s.backlog.oldest() == 0 && s.lag() == 0 {
		s.noteProgress()
	}
	if err := s.lookIsDue(ctx); err != nil {
		return err
	}
	s.useCatalogue()
	if s.shards != nil {
		s.states.shareOut(s.options.MemoryBytes, s.shards())
	}
	s.decoder.Reset()
	now := s.ports.Now()
	s.latest = now.Add(clockAhead).UnixMilli()
	s.stamps.look(s.feedBatch.Records, now)
	s.stamps.readToEnd(s.source)
	w, most := &s.window, windowLimits{accounts: s.options.MaxAccounts, work: math.MaxInt}
	s.from, s.readUpTo = 0, 0
	for {
		before, seqBefore := w.progress, s.lastSeq
		next, err := s.match(ctx, w, s.feedBatch.Records[s.from:], most)
		if err != nil {
			return err
		}
		last := s.from+next == len(s.feedBatch.Records)
		if last {
			w.positions = positionsAfter(w.positions, s.feedBatch.Next)
		}
		if w.mustSave() || s.commitIsDue(w) || w.waits {
			err := s.decideWindow(ctx, w, queue)
			if errors.Is(err, errTooLarge) {
				most = windowLimits{accounts: max(1, len(w.accounts)/2), work: max(1, len(w.work)/2)}
				w.reset(before)
				s.lastSeq = seqBefore
				continue
			}
			if err != nil {
				return err
			}
		}
		if s.from += next; last {
			s.decoder.DrainLookAlikes(s.metrics.countLookAlikes)
			return nil
		}
	}
}

// lookIsDue makes sure, where nothing was saved for a while, that Redis still has
// what was saved last: else a Redis that was emptied, or another owner, would be
// noticed by the next record alone, which may come in the night.
func (s *Shard) lookIsDue(ctx context.Context) error {
	now := s.ports.Now()
	if len(s.feedBatch.Records) > 0 || now.Sub(s.lastSave) < s.options.LookInterval || now.Sub(s.lastLook) < s.options.LookInterval {
		return nil // what comes is saved soon, and that tells
	}
	s.lastLook = now
	return s.retry(ctx, "look", func(ctx context.Context) error {
		return s.ports.Accounts.Intact(ctx, s.source.Shard(), s.epoch, s.positions, s.batch)
	})
}

// lag is how many records of all topics wait to be read, as far as is known.
func (s *Shard) lag() (records int64) {
	if meter, ok := s.source.(lagMeter); ok {
		for _, n := range meter.Lag() {
			records += n
		}
	}
	return records
}

func (s *Shard) commitIsDue(w *window) bool {
	return w.positions != s.positions && s.ports.Now().Sub(s.lastSave) >= s.options.CommitInterval
}

// positionsAfter keeps what is known where the feed has no position yet.
func positionsAfter(positions rules.Positions, next rules.Positions) rules.Positions {
	for i := range positions {
		positions[i] = max(positions[i], next[i])
	}
	return positions
}

// decideWindow takes a matched window from its accounts to the queue.
func (s *Shard) decideWindow(ctx context.Context, w *window, queue chan<- SavedBatch) error {
	if err := s.load(ctx, w); err != nil {
		return err
	}
	if err := s.workOut(ctx, w); err != nil {
		return err
	}
	if err := s.encode(w); err != nil {
		return err
	}
	if err := s.writeDeadLetters(ctx, w); err != nil {
		return err
	}
	saved, err := s.save(ctx, w)
	if err != nil {
		return err
	}
	s.remember(w)
	s.backlog.saves()
	w.reset(progress{positions: s.positions})
	select {
	case queue <- saved: // also when ctx has ended, where there is room
		return nil
	default:
	}
	select {
	case queue <- saved:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx) // the next owner finds it in the outbox
	}
}

// errTooLarge says that the window's accounts, or what it decides, are too
// large together: it must be taken in smaller parts.
var errTooLarge = errors.New("the window is too large to be saved at once")

// load fetches the states of the window's accounts that aren't remembered, in one
// round trip.
func (s *Shard) load(ctx context.Context, w *window) error {
	w.ids = w.ids[:0]
	for i := range w.accounts {
		if a := &w.accounts[i]; a.state == nil && !a.loaded {
			a.id = strings.Clone(a.id) // the state may outlive the window
			w.ids = append(w.ids, a.id)
		}
	}
	if len(w.ids) > 0 {
		if err := s.loadMissing(ctx, w); err != nil {
			return err
		}
	}
	err := s.open(ctx, w)
	if errors.Is(err, errUnreadable) {
		if err = s.restoreUnreadable(ctx, w); err == nil {
			err = s.open(ctx, w)
		}
	}
	return err
}

func (s *Shard) loadMissing(ctx context.Context, w *window) error {
	err := s.retry(ctx, "load", func(ctx context.Context) (err error) {
		w.values, err = s.ports.Accounts.Load(ctx, s.source.Shard(), w.ids, w.values[:0])
		return err
	})
	if err != nil {
		return err
	}
	next, bytes := 0, 0
	for i := range w.accounts {
		if a := &w.accounts[i]; a.state == nil && !a.loaded {
			a.value, a.loaded, a.existed = w.values[next], true, w.values[next] != nil
			next++
		}
		bytes += len(w.accounts[i].value)
	}
	if bytes > s.options.MaxStateBytes && len(w.accounts) > 1 {
		return errTooLarge
	}
	return nil
}

// errUnreadable says that the state of an account is of another format, or
// damaged.
var errUnreadable = errors.New("the state of an account can't be read")

// open makes the accounts that aren't open what was loaded of them, and those whole
// of which all is needed. It finds all that can't be read: they are restored at once,
// and once.
func (s *Shard) open(ctx context.Context, w *window) error {
	var unreadable error
	for i := range w.accounts {
		a := &w.accounts[i]
		if a.state == nil {
			if err := a.read(s.states.blank(a.id)); err != nil {
				unreadable = err
				continue
			}
		}
		if a.whole && a.state.IsFolded() {
			pages, err := s.loadPages(ctx, a.id)
			if err != nil {
				return err
			}
			if err := a.state.Unfold(pages); err != nil {
				a.state, a.damaged = nil, true
				unreadable = fmt.Errorf("%w: %w", errUnreadable, err)
			}
		}
	}
	return unreadable
}

func (s *Shard) loadPages(ctx context.Context, id string) (pages [][]byte, err error) {
	s.metrics.unfolded.Inc()
	err = s.retry(ctx, "load", func(ctx context.Context) (err error) {
		pages, err = s.ports.Accounts.LoadPages(ctx, s.source.Shard(), id)
		return err
	})
	return pages, err
}

// read makes a blank state what was loaded of the account, if anything was.
func (a *account) read(state *engine.Account) error {
	if a.damaged {
		return errUnreadable
	}
	if a.value != nil {
		if err := state.UnmarshalBinary(a.value); err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
	}
	a.state = state
	return nil
}

// remember keeps the states that were saved for the records that come. What was
// loaded and not touched is not worth it: most of it is of no member.
func (s *Shard) remember(w *window) {
	for i := range w.accounts {
		if a := &w.accounts[i]; a.touched || a.restored {
			s.states.putBack(a.state)
		} else {
			s.states.giveBack(a.state)
		}
	}
}

// workOut works the window out. Where budgets were short, it reserves of them and
// works all of it out once more; what is short then, of a budget that had no
// more to give, stays so.
func (s *Shard) workOut(ctx context.Context, w *window) error {
	before := undecided{w.progress, s.lastSeq, len(w.letters)}
	s.leases.open()
	for {
		unfolds, err := s.applyAll(w)
		if err != nil {
			return err
		}
		short := s.leases.short()
		switch {
		case unfolds:
		case len(short) == 0:
			return nil
		default:
			if err := s.reserve(ctx, short); err != nil {
				return err
			}
		}
		s.leases.again()
		if err := s.undo(ctx, w, before); err != nil {
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

// undo makes the window what it was before it was decided. States that were
// remembered are read from Redis, where they are as before.
func (s *Shard) undo(ctx context.Context, w *window, before undecided) error {
	w.progress, s.lastSeq, w.letters = before.progress, before.lastSeq, w.letters[:before.letters]
	w.undecide()
	for i := range w.accounts {
		a := &w.accounts[i]
		s.states.giveBack(a.state)
		a.state, a.touched = nil, false
	}
	return s.load(ctx, w)
}

// applyAll works every record out in order: what its account deserves, less
// what is booked. Where some account must be made whole for that, it says so, and
// what it has worked out is void.
func (s *Shard) applyAll(w *window) (unfolds bool, err error) {
	for i := range w.work {
		a := &w.accounts[w.work[i].slot]
		if a.whole && a.state.IsFolded() {
			continue // it comes to this when it is whole
		}
		err := s.apply(w, a, &w.work[i])
		if errors.Is(err, engine.ErrFolded) && !a.whole {
			a.whole, unfolds = true, true
			continue
		}
		if err != nil {
			c := &w.work[i].cause
			return false, fmt.Errorf("%w: decide %s at offset %d of account reference %x: %w",
				errInvariant, c.Kind, c.Offset, s.refs.ref(a.id), err)
		}
	}
	w.decision.Accruals, w.decision.Instructions = w.out.Accruals, w.out.Instructions
	w.decision.Referrals, w.decision.Grants = w.out.Referrals, w.out.Grants
	return unfolds, nil
}

// apply fails only for a broken invariant: then nothing of the window may be saved.
// The shard stops, is counted in shard_failures_total, and is acquired anew after
// pauses that grow, to fail again until a version that mends it runs.
func (s *Shard) apply(w *window, a *account, item *work) error {
	from := lengthsOf(&w.out)
	if !item.own {
		item.record.Own()
		item.cause.ID, item.own = item.record.ID(), true
	}
	if s.engine.MustUnfold(a.state, item.record, item.seen) {
		return engine.ErrFolded
	}
	verdict, err := s.engine.Apply(a.state, item.record, item.cause, &w.out)
	if err != nil && !errors.Is(err, engine.ErrLimit) {
		return err
	}
	if err != nil || verdict.Conflict {
		w.deadLetter(s.options.Topics[item.read.Topic], s.source.Shard(), &item.read, s.refusal(item, err))
		return nil
	}
	w.fates[verdict.Fate]++
	if !verdict.Fate.InSet() {
		return nil
	}
	ref := s.refs.ref(a.id)
	s.refs.fill(&w.out, from, a.id, ref)
	s.lastSeq++
	s.addRow(w, a, item, verdict.Fate, ref)
	row := &w.decision.Set[len(w.decision.Set)-1]
	row.Refunds = w.out.Refunds[from.refunds:len(w.out.Refunds):len(w.out.Refunds)]
	row.Holdouts = w.out.Holdouts[from.holdouts:len(w.out.Holdouts):len(w.out.Holdouts)]
	a.touched = true
	return nil
}

// refusal is the fault of a record that is valid by itself and can't join its
// account's set.
func (s *Shard) refusal(item *work, err error) *wire.Fault {
	mayKeep := s.decoder.MayKeep(item.read.Value)
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
func (s *Shard) addRow(w *window, a *account, item *work, fate rules.Fate, ref rules.AccountRef) {
	record, cause := item.record, item.cause
	row := rules.SetRow{Seq: s.lastSeq, AccountRef: ref, Cause: cause, Fate: fate, Payload: w.payload(record)}
	row.Describe(record)
	if record.Event != nil {
		if item.match.by != s.snapshot {
			item.match = s.matchEvent(record.Event) // the row says what the engine has found
		}
		if item.match.found {
			row.PartnerID, row.StoreID = item.match.PartnerID, item.match.StoreID
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
	bytes, err := s.encodeStates(w)
	if err != nil {
		return err
	}
	w.outbox = nil
	if !w.decision.Empty() {
		w.decision.Shard, w.decision.Batch = s.source.Shard(), s.batch+1
		w.decision.Positions, w.decision.LastSeq = w.positions, s.lastSeq
		w.outbox = outbox.Encode(w.room[:0], &w.decision)
		w.room = w.outbox
	}
	if bytes+len(w.outbox) > s.options.MaxSaveBytes && len(w.work) > 1 {
		return errTooLarge
	}
	return nil
}

// encodeStates puts away what is old of the accounts, and writes the rest.
func (s *Shard) encodeStates(w *window) (bytes int, err error) {
	for i := range w.accounts {
		a := &w.accounts[i]
		if !a.touched && !a.restored {
			continue
		}
		state, links, err := s.fold(a.state)
		if err != nil {
			return 0, err
		}
		state.Fresh = state.Fresh || a.restored
		for _, hash := range links {
			w.known = append(w.known, hash)
			s.known.add(hash)
		}
		w.arena = a.state.AppendBinary(w.arena)
		w.ends = append(w.ends, len(w.arena))
		w.states = append(w.states, state)
	}
	from := 0
	for i, end := range w.ends {
		w.states[i].Value, from = w.arena[from:end], end
		bytes += w.states[i].Bytes()
	}
	return bytes, nil
}

// fold puts away what is old of an account. Its value is for the caller to write,
// and the hashes to be added to the filter with it.
func (s *Shard) fold(a *engine.Account) (state AccountState, links []uint64, err error) {
	state.ID = a.ID()
	var transactions []string
	if state.Pages, state.FirstPage, transactions, state.Fresh, err = s.engine.Fold(a); err != nil {
		return state, nil, fmt.Errorf("%w: put away purchases of account reference %x: %w", errInvariant, s.refs.ref(a.ID()), err)
	}
	member := memberHash(a.ID())
	for _, id := range transactions {
		links = append(links, linkHash(member, id))
	}
	return state, links, nil
}

// save writes states, outbox, counts and positions with the batch's one script.
// When it returns, the batch is decided.
func (s *Shard) save(ctx context.Context, w *window) (SavedBatch, error) {
	w.spent = s.leases.appendSpent(w.spent[:0])
	saved := SavedBatch{batch: s.batch, positions: w.positions}
	if w.outbox != nil {
		saved.batch++
	}
	request := Save{
		Shard: s.source.Shard(), Epoch: s.epoch, Before: s.positions, Batch: saved.batch, After: w.positions, LastSeq: s.lastSeq,
		Accounts: w.states, Outbox: w.outbox, Fates: w.fates, Members: w.members, Known: w.known,
		Spent: w.spent,
	}
	err := s.retry(ctx, "save", func(ctx context.Context) error { return s.ports.Accounts.Save(ctx, &request) })
	if err != nil {
		return SavedBatch{}, err
	}
	s.positions, s.batch, s.lastSave = w.positions, saved.batch, s.ports.Now()
	s.metrics.countFates(&w.fates)
	s.warnOfStrangers(w.strangers)
	s.metrics.countRefunds(w.decision.Set)
	s.metrics.countHoldouts(w.decision.Set)
	s.leases.saved(s.source.Shard())
	if w.outbox != nil {
		saved.decided = w.handOver()
	}
	return saved, nil
}
