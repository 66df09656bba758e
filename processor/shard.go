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
