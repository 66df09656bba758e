// Package localservers starts the servers that Ristourne stands on, for the sandbox and
// for tests: Kafka, Redis and ClickHouse, on free ports of 127.0.0.1, as one
// call each that comes back when the server serves.
//
//	kafka, err := localservers.StartKafka(ctx, localservers.Options{})
//	defer kafka.Close()
//
// Which server stands behind a part is said by its [Kind]. A server that is a
// process of its own ends with the process that started it, even when that one
// is killed with SIGKILL. Its data lies in a temporary folder, or in
// [Options.DataDir] where it is to be kept.
//
// Nothing here is meant for production: the parts listen on the loopback
// interface alone, have passwords that anybody may read in this package, and
// are cut to share a small machine with what is tried on them.
package localservers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Kind says which servers stand behind the parts.
type Kind string

const (
	// Embedded needs nothing but Go and npm on the machine: Kafka is kfake
	// inside this process, Redis is redis-server where it is on PATH and
	// miniredis inside this process otherwise. ClickHouse is a ClickHouse server
	// in either kind.
	Embedded Kind = "embedded"
	// Real is Apache Kafka 4.1 on Java 17 or newer, fetched once by Maven, and
	// redis-server from PATH. One that is missing is an error that says how to
	// get it, never a reason to take another.
	Real Kind = "real"
)

// kindVariable is the environment variable that [FromEnv] reads.
const kindVariable = "RISTOURNE_PARTS"

// startLimit bounds the wait for a server to serve. A cold Kafka takes 5 s on
// two idle cores; the rest is for a machine that is busy with a whole test run.
const startLimit = 2 * time.Minute

// Options say how a part is started. The zero value starts the embedded kind
// with data that goes when the part is closed.
type Options struct {
	// Kind is [Embedded] when empty.
	Kind Kind
	// DataDir keeps the data from one start to the next; each part has its own
	// folder in it. Only one process at a time may use it. Empty means a
	// temporary folder that Close removes.
	DataDir string
	// CacheDir keeps what was downloaded or built once: the ClickHouse library
	// (570 MB), Kafka's jars (54 MB). Empty means the folder "ristourne" in
	// [os.UserCacheDir]. Processes may share it.
	CacheDir string
	// Log is told of slow steps, one line without newline a call; it may be
	// called from another goroutine while a Start function runs. Nil keeps quiet.
	Log func(format string, args ...any)
}

// FromEnv gives the options of a test run: the kind that the environment
// variable RISTOURNE_PARTS names ("embedded" or "real"), embedded when it is
// unset. It is the only place where this package looks at the environment. A
// word that is no kind is refused by the Start functions.
func FromEnv() Options {
	return Options{Kind: Kind(os.Getenv(kindVariable))}
}

// withDefaults fills in what was left empty and refuses an unknown kind.
func (o Options) withDefaults() (Options, error) {
	switch o.Kind {
	case "":
		o.Kind = Embedded
	case Embedded, Real:
	default:
		return o, fmt.Errorf("kind of parts %q is unknown: want %q or %q", string(o.Kind), Embedded, Real)
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.CacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("find a folder for downloads (or set Options.CacheDir): %w", err)
		}
		o.CacheDir = filepath.Join(user, "ristourne")
	}
	for _, dir := range []*string{&o.CacheDir, &o.DataDir} {
		if *dir == "" {
			continue
		}
		// Servers run in their own folder, so that a relative path would mean
		// another place to them.
		absolute, err := filepath.Abs(*dir)
		if err != nil {
			return o, fmt.Errorf("resolve folder %s: %w", *dir, err)
		}
		*dir = absolute
	}
	return o, nil
}

// errInProcess answers a signal to a part that is no process.
var errInProcess = errors.New("the part runs inside this process: only the kind \"real\" can be killed or stopped")
