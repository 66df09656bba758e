package processor

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"ristourne/processor/feed"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// Options bound a shard's work. All are needed; DefaultOptions has good ones.
type Options struct {
	Topics         [rules.NumTopics]string // names, for dead letters
	AccountRefKey  []byte                  // secret of the account references
	MaxAccounts    int                     // accounts of one script: it blocks Redis for a few milliseconds
	MaxStateBytes  int                     // account states of one script, where it is more than one account
	MaxSaveBytes   int                     // states and outbox of one script, where it is more than one record
	MemoryBytes    int                     // of account states that the shards of a process remember together
	MaxAhead       int                     // saved batches that wait for delivery, beside those that are being delivered
	CommitInterval time.Duration           // how long offsets of records that changed nothing wait
	LookInterval   time.Duration           // how long nothing is saved before it is looked whether Redis still has the shard
	RetryMax       time.Duration           // longest pause between tries of a failing step
	DrainTimeout   time.Duration           // how long a shard that must stop may go on delivering
}

// DefaultOptions are the bounds that were measured to work well.
func DefaultOptions() Options {
	return Options{
		MaxAccounts:    500,
		MaxStateBytes:  8 << 20,
		MaxSaveBytes:   32 << 20,
		MemoryBytes:    64 << 20,
		MaxAhead:       4,
		CommitInterval: time.Second,
		LookInterval:   10 * time.Second,
		RetryMax:       5 * time.Second,
		DrainTimeout:   10 * time.Second,
	}
}

// Shard takes the records of one partition number the whole way.
//
// Acquire comes first, on the caller's goroutine. Then two goroutines of Run share
// the work, joined by a channel of saved batches (a test calls Decide and Deliver by
// turns instead):
//
//	one  Decide   read, match, load, decide, write dead letters, save   (decide.go)
//	two  Deliver  book, write instructions, publish, commit, clear      (deliver.go)
//
// One runs ahead of two, in order. What they share is never written while both run,
// or has a lock of its own; all else is goroutine one's alone. No lock is held over a
// call to a port.
//
// Either may die at any line, with its process or by an error, and the other is
// stopped then. It leaves:
//
//	before save   nothing: the records are read again, from the positions in Redis.
//	              Dead letters are written again under the same ids; what was
//	              reserved of budgets stays the shard's
//	after save    the batch in the outbox. It is decided: whoever acquires the shard
//	              next delivers it, byte for byte, before they read anything
//	after book    rows, perhaps without their marker: booking them again changes nothing
//	after writing instructions and referrals: they are sent again under the same ids,
//	              by which the bank and the sponsors' accounts know them
//	after commit  the batch in the outbox: it is delivered once more, to no effect
//	after clear   nothing
//
// An owner that was shut out finds its epoch outdated at the next save, or when it
// asks whether the batch is still decided before each try of booking and sending, and touches
// nothing more. A Redis that lost its last writes is found out there too, or by
// Acquire, which holds its positions against the ledger and the commits: the shard
// is rebuilt.
type Shard struct {
	// Of both goroutines. None of it is set anew while they run.
	source  Source
	ports   Ports
	options Options
	metrics *Metrics
	log     *slog.Logger
	epoch   int64 // by which it was acquired
	backlog backlog
	pulse   *pulse

	// Of goroutine one, and of whoever acquires the shard before.
	engine  *engine.Engine
	decoder *wire.Decoder
	refs    *accountRefs
	leases  *budgetLeases
	shards  func() int  // that this process has now; nil: this one
	layout  feed.Layout // by which accounts lie in shards; zero: not known, and not asked

	positions rules.Positions // saved
	batch     uint64          // number of the last saved batch
	lastSeq   uint64          // of the last set row; in a window, of the last that is decided
	states    *states         // that were saved lately
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
	latest    int64     // Kafka milliseconds beyond which no timestamp is believed, for the batch at hand
	saidAt    time.Time // when enrolments in unknown programmes were last told of
	unsaid    int       // of them, since then

	accepting *acceptance // nil but for a repair over holes
}

// clockAhead is how far ahead of this machine's clock a Kafka timestamp is
// believed. A producer whose clock is years ahead could otherwise date a
// purchase so, for which the shard would wait until then.
const clockAhead = 5 * time.Minute

// NewShard makes a shard that owns nothing yet.
func NewShard(source Source, ports Ports, options Options, metrics *Metrics, log *slog.Logger) *Shard {
	s := &Shard{
		source: source, ports: ports, options: options, metrics: metrics,
		log:       log.With("shard", source.Shard()),
		engine:    engine.New(nil),
		decoder:   wire.NewDecoder(wire.Options{}),
		refs:      newAccountRefs(options.AccountRefKey),
		leases:    newBudgetLeases(metrics, ports.Now),
		states:    newStates(options.MemoryBytes),
		window:    newWindow(2*options.MaxAhead + 2), // those that wait, and as many that are being delivered
		positions: rules.NoPositions,
		pulse:     newPulse(ports.Now()),
	}
	s.stamps = newStamps(options.Topics, source.Shard(), metrics, s.log)
	s.engine.SetBudgets(s.leases)
	s.useCatalogue()
	return s
}

// Run acquires the shard and takes its records until ctx ends or the shard is
// lost (ErrFenced).
func (s *Shard) Run(ctx context.Context) error {
	if err := s.Acquire(ctx); err != nil {
		return err
	}
	delivering, stop := withGrace(ctx, s.options.DrainTimeout)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	saved := make(chan SavedBatch, s.options.MaxAhead)
	group.Go(guarded(func() error {
		defer close(saved)
		for {
			if err := s.Decide(ctx, saved); err != nil {
				return err
			}
		}
	}))
	group.Go(guarded(func() error {
		for first := range saved {
			if err := s.Deliver(delivering, drain(first, saved)...); err != nil {
				return err
			}
		}
		return nil
	}))
	return group.Wait()
}

// withGrace is a context that goes on for a while after its parent has ended: a
// shard that must stop still delivers what it has decided, so that the next
// owner finds an empty outbox.
func withGrace(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(grace, cancel) })
	return ctx, func() { stop(); cancel() }
}

// useCatalogue swaps in the newest snapshot.
func (s *Shard) useCatalogue() {
	var snapshot *engine.Snapshot
	if snapshot, s.complete = s.ports.Catalogue.Current(); snapshot == s.snapshot {
		return
	}
	s.snapshot = snapshot
	s.engine.Use(snapshot)
	s.states.unbind()
	s.decoder.SetCardTokenRanges(snapshot.CardTokenRanges())
}

// noteProgress notes that the shard goes on.
func (s *Shard) noteProgress() { s.pulse.progressedAt.Store(s.ports.Now().UnixNano()) }
