package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"ristourne/processor/feed"
	"ristourne/processor/outbox"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// Catalogue is what is offered, as far as it is known.
type Catalogue interface {
	// Current is the newest snapshot, and the purchase time before which it is
	// complete: a purchase at or after it has to wait. Nil before the first.
	Current() (snapshot *engine.Snapshot, completeUntil rules.Instant)
	// Await returns when Current is complete for a purchase at t.
	Await(ctx context.Context, t rules.Instant) error
}

// Ports are the parts of the world that a shard touches.
type Ports struct {
	Accounts     Accounts
	Ledger       Ledger
	Instructions InstructionWriter
	Referrals    ReferralPublisher
	DeadLetters  DeadLetters
	Catalogue    Catalogue
	Now          func() time.Time
}

// Options bound a shard's work. All are needed; DefaultOptions has good ones.
type Options struct {
	Topics         [rules.NumTopics]string // names, for dead letters
	AccountRefKey  []byte                  // secret of the account references
	MaxAccounts    int                     // accounts of one script: it blocks Redis for a few milliseconds
	MaxStateBytes  int                     // account states of one script, where it is more than one account
	MaxSaveBytes   int                     // states and outbox of one script, where it is more than one record
	MaxAhead       int                     // batches decided but not settled
	CommitInterval time.Duration           // how long offsets of records that changed nothing wait
	LookInterval   time.Duration           // how long nothing is saved before it is looked whether Redis still has the shard
	RetryMax       time.Duration           // longest pause between tries of a failing step
	DrainTimeout   time.Duration           // how long a shard that must stop may go on settling
}

// DefaultOptions are the bounds that were measured to work well.
func DefaultOptions() Options {
	return Options{
		MaxAccounts:    500,
		MaxStateBytes:  8 << 20,
		MaxSaveBytes:   32 << 20,
		MaxAhead:       4,
		CommitInterval: time.Second,
		LookInterval:   10 * time.Second,
		RetryMax:       5 * time.Second,
		DrainTimeout:   10 * time.Second,
	}
}

// Shard takes the records of one partition number the whole way. Deciding may
// run ahead of settling by MaxAhead batches, in order: a saved batch is in the
// outbox, so whoever owns the shard next settles it.
//
// Claim comes first. Then Run does everything; or a test calls Decide and
// Settle by turns. Decide and Settle may run in two goroutines.
type Shard struct {
	source  Source
	ports   Ports
	options Options
	metrics *Metrics
	log     *slog.Logger

	engine  *engine.Engine
	decoder *wire.Decoder
	refs    *accountRefs
	leases  *budgetLeases
	layout  feed.Layout // by which accounts lie in shards; zero: not known, and not asked

	epoch     int64
	positions rules.Positions // saved
	batch     uint64          // number of the last saved batch
	lastSeq   uint64
	members   filter
	known     filter
	snapshot  *engine.Snapshot
	complete  rules.Instant // the snapshot is complete for purchases before it

	feedBatch feed.Batch
	from      int // record of the batch with which the window begins
	readUpTo  int // records of the batch that were read, some of them perhaps for a window that was given up
	window    window
	lastSave  time.Time
	lastLook  time.Time // whether Redis still has the shard
	waitTold  time.Time // when it was last said that a purchase waits for the catalogue
	stamps    stamps
	latest    int64 // Kafka milliseconds beyond which no timestamp is believed, for the batch at hand
	backlog   backlog
	saidAt    time.Time // when enrolments in unknown programmes were last told of
	unsaid    int       // of them, since then
	pulse     *pulse

	accepting *acceptance // nil but for a repair over holes
}

// clockAhead is how far ahead of this machine's clock a Kafka timestamp is
// believed. A producer whose clock is years ahead could otherwise date a
// purchase so, for which the shard would wait until then.
const clockAhead = 5 * time.Minute

// NewShard makes a shard that owns nothing yet.
func NewShard(source Source, edges Ports, options Options, metrics *Metrics, log *slog.Logger) *Shard {
	s := &Shard{
		source: source, ports: edges, options: options, metrics: metrics,
		log:       log.With("shard", source.Shard()),
		engine:    engine.New(nil),
		decoder:   wire.NewDecoder(wire.Options{}),
		refs:      newAccountRefs(options.AccountRefKey),
		leases:    newBudgetLeases(metrics, edges.Now),
		window:    newWindow(),
		positions: rules.NoPositions,
		pulse:     newPulse(edges.Now()),
	}
	s.stamps = newStamps(options.Topics, source.Shard(), metrics, s.log)
	s.engine.SetBudgets(s.leases)
	s.useCatalogue()
	return s
}

// Run claims the shard and takes its records until ctx ends or the shard is
// lost (ErrFenced).
func (s *Shard) Run(ctx context.Context) error {
	if err := s.Acquire(ctx); err != nil {
		return err
	}
	settling, stop := withGrace(ctx, s.options.DrainTimeout)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	settlements := make(chan SavedBatch, s.options.MaxAhead)
	group.Go(guarded(func() error {
		defer close(settlements)
		for {
			if err := s.Decide(ctx, settlements); err != nil {
				return err
			}
		}
	}))
	group.Go(guarded(func() error {
		for first := range settlements {
			if err := s.Deliver(settling, drain(first, settlements)...); err != nil {
				return err
			}
		}
		return nil
	}))
	return group.Wait()
}

// withGrace is a context that goes on for a while after its parent has ended: a
// shard that must stop still settles what it has decided, so that the next
// owner finds an empty outbox.
func withGrace(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(grace, cancel) })
	return ctx, func() { stop(); cancel() }
}

// drain takes what waits behind first, without waiting for more: a slow sink
// gets larger batches.
func drain(first SavedBatch, queue <-chan SavedBatch) []SavedBatch {
	taken := []SavedBatch{first}
	for {
		select {
		case next, open := <-queue:
			if !open {
				return taken
			}
			taken = append(taken, next)
		default:
			return taken
		}
	}
}

// SavedBatch is a saved batch that must be booked, paid, told and committed.
type SavedBatch struct {
	batch     uint64
	positions rules.Positions
	outbox    []byte // what was saved, byte for byte; nil: the batch moved heads alone
}

// Decide takes the next records from the feed to the saved outbox, and hands
// what is to be settled to queue.
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
			err := s.finish(ctx, w, queue)
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

// finish takes a matched window from its accounts to the queue.
func (s *Shard) finish(ctx context.Context, w *window, queue chan<- SavedBatch) error {
	if err := s.load(ctx, w); err != nil {
		return err
	}
	if err := s.decide(ctx, w); err != nil {
		return err
	}
	if err := s.encode(w); err != nil {
		return err
	}
	if err := s.writeDeadLetters(ctx, w); err != nil {
		return err
	}
	settlement, err := s.save(ctx, w)
	if err != nil {
		return err
	}
	s.backlog.saves()
	w.reset(progress{positions: s.positions})
	select {
	case queue <- settlement: // also when ctx has ended, where there is room
		return nil
	default:
	}
	select {
	case queue <- settlement:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx) // the next owner finds it in the outbox
	}
}

// Deliver books, pays, tells and commits saved batches, oldest first, and then deletes
// them from the outbox. It decodes what was saved, so that the usual way and
// the way after a crash are one.
func (s *Shard) Deliver(ctx context.Context, batches ...SavedBatch) error {
	decisions := make([]*rules.Decision, 0, len(batches))
	for i := range batches {
		if batches[i].outbox == nil {
			continue
		}
		d := new(rules.Decision)
		if err := outbox.Decode(batches[i].outbox, d); err != nil {
			return fmt.Errorf("outbox of batch %d: %w", batches[i].batch, err)
		}
		decisions = append(decisions, d)
	}
	if err := s.bookAndSend(ctx, decisions); err != nil {
		return err
	}
	newest := batches[len(batches)-1]
	if err := s.commit(ctx, newest.positions, newest.batch); err != nil {
		return err
	}
	s.backlog.delivers(len(batches))
	s.noteProgress()
	if len(decisions) == 0 {
		return nil
	}
	return s.clear(ctx, newest.batch)
}

// bookAndSend lets what was decided out into the world: it books, pays and tells.
// Before each try of each step it asks Redis whether the batches are still
// decided: a try may come hours after the one before.
func (s *Shard) bookAndSend(ctx context.Context, decisions []*rules.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	// The newest batch tells for all: what Redis loses are its last writes, and
	// what it has lost is decided anew by whoever owns the shard then, perhaps in
	// another order.
	newest := decisions[len(decisions)-1].Batch
	holds := func(ctx context.Context) error {
		if err := s.ports.Accounts.Holds(ctx, s.source.Shard(), s.epoch, newest); err != nil {
			return fmt.Errorf("ask whether batch %d is still decided: %w", newest, err)
		}
		return nil
	}
	for _, step := range []func(context.Context, []*rules.Decision, check) error{s.book, s.writeInstructions, s.publishReferrals} {
		if err := step(ctx, decisions, holds); err != nil {
			return err
		}
	}
	return nil
}

// check is asked before each try of a step.
type check func(context.Context) error

// unchecked is for what a rebuild has found missing: there is no batch of it.
func unchecked(context.Context) error { return nil }

func (s *Shard) book(ctx context.Context, decisions []*rules.Decision, holds check) error {
	return s.checked(ctx, "book", holds, func(ctx context.Context) error {
		return s.ports.Ledger.Book(ctx, decisions...)
	})
}

func (s *Shard) writeInstructions(ctx context.Context, decisions []*rules.Decision, holds check) error {
	for _, d := range decisions {
		if len(d.Instructions) == 0 {
			continue
		}
		err := s.checked(ctx, "pay", holds, func(ctx context.Context) error {
			return s.ports.Instructions.WriteInstructions(ctx, d.Instructions)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Shard) publishReferrals(ctx context.Context, decisions []*rules.Decision, holds check) error {
	for _, d := range decisions {
		if len(d.Referrals) == 0 {
			continue
		}
		err := s.checked(ctx, "tell", holds, func(ctx context.Context) error {
			return s.ports.Referrals.Publish(ctx, d.Referrals)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checked tries a step until it succeeds, and asks before each try.
func (s *Shard) checked(ctx context.Context, step string, holds check, do func(context.Context) error) error {
	return s.retry(ctx, step, func(ctx context.Context) error {
		if err := holds(ctx); err != nil {
			return err
		}
		return do(ctx)
	})
}

// commit is of what is booked: up to a batch that the ledger has the marker of.
func (s *Shard) commit(ctx context.Context, heads rules.Positions, batch uint64) error {
	return s.retry(ctx, "commit", func(ctx context.Context) error {
		return s.source.Commit(ctx, heads, batch)
	})
}

func (s *Shard) clear(ctx context.Context, upToBatch uint64) error {
	return s.retry(ctx, "clear", func(ctx context.Context) error {
		return s.ports.Accounts.Clear(ctx, s.source.Shard(), s.epoch, upToBatch)
	})
}

// useCatalogue swaps in the newest snapshot.
func (s *Shard) useCatalogue() {
	var snapshot *engine.Snapshot
	if snapshot, s.complete = s.ports.Catalogue.Current(); snapshot == s.snapshot {
		return
	}
	s.snapshot = snapshot
	s.engine.Use(snapshot)
	s.decoder.SetCardTokenRanges(snapshot.CardTokenRanges())
}

// noteProgress notes that the shard goes on.
func (s *Shard) noteProgress() { s.pulse.progressedAt.Store(s.ports.Now().UnixNano()) }

// lag is how many records of all topics wait to be read, as far as is known.
func (s *Shard) lag() (records int64) {
	if meter, ok := s.source.(LagMeter); ok {
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
func positionsAfter(heads rules.Positions, next rules.Positions) rules.Positions {
	for i := range heads {
		heads[i] = max(heads[i], next[i])
	}
	return heads
}
