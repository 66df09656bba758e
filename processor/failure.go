package processor

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"ristourne/processor/feed"
	"ristourne/processor/outbox"
	"ristourne/rules"
)

// errInvariant wraps what the rules or the state of an account deny: no record
// can cause it, so nothing of the window is saved.
var errInvariant = errors.New("broken invariant")

// panicked is a panic of one shard's goroutine: a fault of the program that must
// not take the process' other shards with it.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// guarded makes a panic an error. What the goroutine worked on is thrown away
// with its shard.
func guarded(do func() error) func() error {
	return func() (err error) {
		defer func() {
			if value := recover(); value != nil {
				err = &panicked{value, debug.Stack()}
			}
		}()
		return do()
	}
}

// failure is a kind of end of a shard: the value of a metric's label, and what a
// person is told to do.
type failure struct{ reason, remedy string }

// failureOf tells the kinds apart. Every reason is listed in cmd/ristourne/README.md.
func failureOf(err error) failure {
	var outOfRange *feed.OffsetOutOfRangeError
	var panics *panicked
	var fenced *FencedError
	switch {
	case errors.As(err, &fenced) && fenced.Foreign:
		return failure{"other_group", "a processor of another consumer group works on the same shards, and both take them from each other: one of them has the wrong kafka.group or redis.prefix; stop it"}
	case errors.Is(err, ErrFenced):
		return failure{"fenced", "another owner has acquired the shard: if this goes on, two installations share one Redis prefix"}
	case errors.Is(err, ErrStateBehindLedger):
		return failure{"behind_ledger", "Redis has lost its last writes: the shard is rebuilt from ClickHouse when it is acquired. If this goes on, look at Redis' persistence and failovers"}
	case errors.As(err, &outOfRange):
		return failure{"offset_out_of_range", "records were deleted before they were read, or the topic was made anew: nothing is skipped by itself; see cmd/ristourne/README.md, \"Shard trouble\""}
	case errors.Is(err, outbox.ErrVersion):
		return failure{"outbox_version", "another version of ristourne has decided batches that wait: run that version until they are delivered"}
	case errors.As(err, &panics), errors.Is(err, errInvariant):
		return failure{"invariant", "a fault of the program, or an account state that does not hold: nothing of the window was saved. Try `ristourne rebuild` of the shard; if it fails again, run a version that mends it"}
	case errors.Is(err, errNoHistory), errors.Is(err, ErrIncomplete):
		return failure{"ledger_hole", "ClickHouse does not have what was booked into it: bring its rows back, or see `ristourne check` and `ristourne repair --accept-holes`"}
	case errors.Is(err, rules.ErrNeedsPerson):
		return failure{"needs_person", "the error says what to do; the shard waits and loses nothing"}
	default:
		return failure{"other", "the error says what failed; the shard is acquired anew until it holds"}
	}
}

// rests are the pauses between the lives of a failing shard: they grow, so that a
// fault that lasts does not drown what else the log says.
type rests struct{ next time.Duration }

const (
	firstRest   = 3 * time.Second
	longestRest = time.Minute
	// soundAfter is how long a life must have lasted for the pauses to begin anew.
	soundAfter = 2 * time.Minute
)

// after is the pause after a life that has lasted so long.
func (r *rests) after(lasted time.Duration) time.Duration {
	if r.next == 0 || lasted >= soundAfter {
		r.next = firstRest
	}
	pause := r.next
	r.next = min(2*r.next, longestRest)
	return pause
}
