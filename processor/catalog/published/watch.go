package published

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"ristourne/processor/catalog"
	"ristourne/processor/retry"
	"ristourne/rules"
	"ristourne/rules/engine"
)

// Watcher keeps the newest catalogue of Redis compiled. What it can't read it
// waits for: no answer from Redis ever means that there are no offers.
type Watcher struct {
	client  redis.UniversalClient
	keys    keys
	options WatcherOptions

	waiting  string // what was said last of a wait; of Run alone
	view     atomic.Pointer[View]
	lookedAt atomic.Pointer[time.Time]
	ready    chan struct{} // closed when there is a view
	ended    chan struct{} // closed when Run has ended; err says why
	err      error
}

// WatcherOptions say how a Watcher looks.
type WatcherOptions struct {
	Prefix string        // of the keys in Redis, such as "ristourne"
	Poll   time.Duration // between two looks where no nudge comes; 2 s where 0
	Log    *slog.Logger  // nil: slog.Default
}

const (
	defaultPoll  = 2 * time.Second
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)

// View is a catalogue and how far it may be trusted, which belong together.
type View struct {
	*engine.Snapshot
	Number uint64 // of the newest version in it
	Hash   string
	// CompleteUntil is the Redis time before which no other version can come
	// into force any more: a purchase at or after it has to wait.
	CompleteUntil rules.Instant
}

// NewWatcher makes a watcher; Run sets it to work.
func NewWatcher(client redis.UniversalClient, options WatcherOptions) *Watcher {
	if options.Poll <= 0 {
		options.Poll = defaultPoll
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	return &Watcher{
		client: client, keys: keysOf(options.Prefix), options: options,
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
}

// Wait blocks until a first whole catalogue is there. It fails when ctx is done,
// or with Run's error.
func (w *Watcher) Wait(ctx context.Context) error {
	select {
	case <-w.ready:
		return nil
	case <-w.ended:
		return w.err
	case <-ctx.Done():
		return fmt.Errorf("wait for a catalogue in Redis: %w", ctx.Err())
	}
}

// Current is the newest catalogue, nil before Wait has come back. One batch is
// decided by one view.
func (w *Watcher) Current() *View { return w.view.Load() }

// Age is how long ago Redis was last asked with success; false: never yet.
func (w *Watcher) Age() (time.Duration, bool) {
	at := w.lookedAt.Load()
	if at == nil {
		return 0, false
	}
	return time.Since(*at), true
}

// Start runs the watcher beside the caller. stop returns once it has ended: nothing
// of it is logged or asked afterwards. Wait gives Run's error.
func (w *Watcher) Start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	go w.Run(ctx) //nolint:errcheck // Wait gives it
	return func() {
		cancel()
		<-w.ended
	}
}

// Run looks until ctx is done, when it returns nil. It may be called once. An
// error means that Redis tells another history than before, or one that can't
// be read: the processor must stop rather than decide by it.
func (w *Watcher) Run(ctx context.Context) error {
	defer close(w.ended)
	// A nudge saves the rest of a poll; one that is lost costs no more than that.
	nudges := w.client.Subscribe(ctx, w.keys.nudge)
	defer nudges.Close()
	failing := retry.Pauses{First: firstPause, Longest: longestPause}.Start()
	for {
		pause := w.options.Poll
		switch err := w.look(ctx); {
		case ctx.Err() != nil:
			w.err = ctx.Err()
			return nil
		case errors.Is(err, errFork) || errors.Is(err, errBroken):
			w.err = err
			return err
		case err != nil:
			w.sayOnce(err)
			pause = failing.NextBackOff()
		default:
			w.waiting = ""
			failing.Reset()
		}
		select {
		case <-nudges.Channel():
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// sayOnce logs why there is nothing new, once for each reason.
func (w *Watcher) sayOnce(err error) {
	if reason := err.Error(); reason != w.waiting {
		w.waiting = reason
		if w.Current() == nil {
			w.options.Log.Warn("waiting for a catalogue: nothing is decided before there is one", "reason", reason)
			return
		}
		w.options.Log.Warn("the catalogue can't be looked up: purchases later than it is complete wait", "reason", reason)
	}
}

// look asks Redis once and takes what is new.
func (w *Watcher) look(ctx context.Context) error {
	newest, err := readHead(ctx, w.client, w.keys)
	if err != nil {
		return err
	}
	if newest.number == 0 { // never published, or Redis was emptied: either way, wait
		return ErrEmpty
	}
	view := &View{Number: newest.number, Hash: newest.hash, CompleteUntil: newest.now.AddSeconds(leadSeconds)}
	if known := w.known(); known.number == newest.number && known.hash == newest.hash {
		view.Snapshot = w.Current().Snapshot
	} else if view.Snapshot, err = w.read(ctx, known, newest); err != nil {
		return err
	}
	now := time.Now()
	w.lookedAt.Store(&now)
	if w.view.Swap(view) == nil {
		close(w.ready)
	}
	return nil
}

// known is the newest version that was read; number 0: none.
func (w *Watcher) known() version {
	if view := w.Current(); view != nil {
		return version{view.Number, view.Hash}
	}
	return version{}
}

// read makes a snapshot of the whole chain. Its documents, some 90 MB where there
// are 100,000 stores, are not kept for the next version: of 100 publications a day
// each costs a few seconds of a core instead.
func (w *Watcher) read(ctx context.Context, known version, newest head) (*engine.Snapshot, error) {
	began := time.Now()
	history := newHistory()
	history.known = known
	if err := history.catchUp(ctx, w.client, w.keys, newest); err != nil {
		return nil, err
	}
	loaded, err := catalog.Assemble("", history.documents(), nil, newest.now.Time())
	if err != nil {
		return nil, fmt.Errorf("%w: version %d: %w", errBroken, newest.number, err)
	}
	w.options.Log.Info("catalogue", "version", newest.number, "hash", fmt.Sprintf("%.12s", newest.hash),
		"partner_versions", len(loaded.Catalogue.Partners), "compiled_in", time.Since(began).Round(time.Millisecond))
	return loaded.Snapshot, nil
}
