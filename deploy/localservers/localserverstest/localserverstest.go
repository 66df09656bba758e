// Package localserverstest gives tests the parts that Ristourne stands on, of the kind
// that the environment variable RISTOURNE_PARTS names (see [parts.FromEnv]), and
// cleans up after them.
//
// What is slow to start is shared by all tests of a test binary, and each test
// works in a corner of its own there: a new database, topics named by [Unique].
// A test that kills, halts or restarts a part needs one that nobody shares: the
// Start functions of package localservers with [Options] give it that.
package localserverstest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"ristourne/deploy/localservers"
)

// Options are those of this test run, with the parts' progress in the test's
// log. Close a part that is started with them before the test ends.
func Options(tb testing.TB) localservers.Options {
	options := localservers.FromEnv()
	options.Log = tb.Logf
	return options
}

// shared is a part that the first test to ask for it starts. It ends with the
// test binary: the kernel and the part's own watch see to that, and its
// temporary folder goes with the next start of any part.
type shared[P any] struct {
	once sync.Once
	part P
	err  error
}

func (s *shared[P]) get(tb testing.TB, start func(context.Context, localservers.Options) (P, error)) P {
	tb.Helper()
	s.once.Do(func() {
		s.part, s.err = start(context.Background(), Options(tb))
	})
	if s.err != nil {
		tb.Fatal(s.err)
	}
	return s.part
}

// The parts that a test binary shares.
var (
	sharedClickHouse shared[*localservers.ClickHouse]
	sharedKafka      shared[*localservers.Kafka]
)

// ClickHouse gives the server that the test binary shares, and the name of a new
// empty database in it, which is dropped when the test ends.
func ClickHouse(tb testing.TB) (server *localservers.ClickHouse, database string) {
	tb.Helper()
	server = sharedClickHouse.get(tb, startRelayed)
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{server.Addr},
		Auth: clickhouse.Auth{Username: server.User, Password: server.Password},
	})
	if err != nil {
		tb.Fatalf("open ClickHouse: %v", err)
	}
	database = strings.Map(func(r rune) rune {
		if r == '.' || r == '-' {
			return '_'
		}
		return r
	}, Unique(tb, "test"))
	if err := conn.Exec(context.Background(), "CREATE DATABASE "+database); err != nil {
		tb.Fatalf("create database: %v", err)
	}
	tb.Cleanup(func() {
		if err := conn.Exec(context.Background(), "DROP DATABASE "+database+" SYNC"); err != nil {
			tb.Errorf("drop database: %v", err)
		}
		if err := conn.Close(); err != nil {
			tb.Errorf("close ClickHouse client: %v", err)
		}
	})
	return server, database
}

// Kafka gives a broker: of the test's own where it is embedded, and else the one
// that the test binary shares. Name topics and groups by [Unique].
func Kafka(tb testing.TB) *localservers.Kafka {
	tb.Helper()
	options := Options(tb)
	if options.Kind == localservers.Real {
		return sharedKafka.get(tb, localservers.StartKafka)
	}
	broker, err := localservers.StartKafka(tb.Context(), options)
	if err != nil {
		tb.Fatal(err)
	}
	closeWithTest(tb, broker)
	return broker
}

// Redis gives an empty server of the test's own.
func Redis(tb testing.TB) *localservers.Redis {
	tb.Helper()
	server, err := localservers.StartRedis(tb.Context(), Options(tb))
	if err != nil {
		tb.Fatal(err)
	}
	closeWithTest(tb, server)
	return server
}

func closeWithTest(tb testing.TB, part interface{ Close() error }) {
	tb.Cleanup(func() {
		if err := part.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
}

var uniqueNumber atomic.Int64

// Unique makes a name that no other test of this binary has, of letters, digits,
// '.', '_' and '-' if name is, so that it can name a topic or a consumer group.
func Unique(tb testing.TB, name string) string {
	tb.Helper()
	return fmt.Sprintf("%s-%s-%d", name, slug(tb.Name()), uniqueNumber.Add(1))
}

// Prefix makes a prefix for the keys of one test.
func Prefix(tb testing.TB) string {
	tb.Helper()
	return Unique(tb, "t") + ":"
}

// slug keeps of a test's name what may stand in the name of a topic, and not so
// much of it that the name gets too long (Kafka allows 249 characters).
func slug(testName string) string {
	const limit = 100
	kept := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		default:
			return '_'
		}
	}, testName)
	return kept[:min(len(kept), limit)]
}
