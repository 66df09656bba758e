package clickhouse

import (
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// clientName is how this program shows in system.processes and system.query_log.
const clientName = "ristourne"

// connMaxLifetime bounds how long a load balancer's decision lasts.
const connMaxLifetime = time.Hour

// Options say how to reach ClickHouse and what it may cost. Start from
// [DefaultOptions]: a zero is refused where it has no meaning.
type Options struct {
	Addresses []string // host:port of the native protocol; the first that answers is taken
	Database  string   // letters, digits and _; Migrate creates it where it is missing
	User      string
	Password  string
	TLS       *tls.Config // nil: none

	// Cluster is the name of the ClickHouse cluster on which tables are
	// replicated; empty: a single node.
	Cluster string
	// InsertQuorum is how many replicas must have a row before its insert is
	// acknowledged; 0: a majority of them. Of no meaning without a cluster.
	InsertQuorum int

	DialTimeout  time.Duration
	ReadTimeout  time.Duration // without a byte from the server, while reading
	BookTimeout  time.Duration // of one group of inserts, all tables
	MaxOpenConns int           // of readers, at least 8: one rebuild or audit holds up to 7; booking has one more

	// Compress sends blocks lz4-compressed: less network for more CPU.
	Compress bool

	// MaxGroupRows bounds what is gathered from many shards into one group of
	// inserts, and so the memory for it (some 500 bytes a row).
	MaxGroupRows int
	// GroupInterval is the least time from the start of one group of inserts to
	// the next: each makes a part in every table, which the server must merge.
	// 0: none.
	GroupInterval time.Duration
}

// DefaultOptions are for one node on this machine.
func DefaultOptions() Options {
	return Options{
		Addresses:     []string{"127.0.0.1:9000"},
		Database:      "ristourne",
		User:          "default",
		DialTimeout:   5 * time.Second,
		ReadTimeout:   time.Minute,
		BookTimeout:   30 * time.Second,
		MaxOpenConns:  15,
		Compress:      true,
		MaxGroupRows:  50_000,
		GroupInterval: 50 * time.Millisecond,
	}
}

// historyConns are the connections that one rebuild, or audit, reads from at once.
const historyConns = 7

// identifier is a name that needs no quoting in SQL.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Validate joins all faults.
func (o Options) Validate() error {
	var faults []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	refuse(len(o.Addresses) == 0, "addresses: none given; name at least one host:port of ClickHouse's native protocol")
	refuse(!identifier.MatchString(o.Database), "database %q: want letters, digits and _, not beginning with a digit", o.Database)
	refuse(o.Cluster != "" && !identifier.MatchString(o.Cluster), "cluster %q: want letters, digits and _, not beginning with a digit", o.Cluster)
	refuse(o.User == "", "user: empty; name a user of ClickHouse, such as default")
	refuse(o.InsertQuorum < 0, "insert quorum %d: want 0 or the number of replicas", o.InsertQuorum)
	refuse(o.DialTimeout <= 0, "dial timeout %v: want more than 0", o.DialTimeout)
	refuse(o.ReadTimeout <= 0, "read timeout %v: want more than 0", o.ReadTimeout)
	refuse(o.BookTimeout <= 0, "book timeout %v: want more than 0", o.BookTimeout)
	refuse(o.MaxOpenConns < historyConns+1, "open connections %d: want at least %d, as one rebuild holds %d",
		o.MaxOpenConns, historyConns+1, historyConns)
	refuse(o.MaxGroupRows <= 0, "rows of a group %d: want more than 0", o.MaxGroupRows)
	refuse(o.GroupInterval < 0, "group interval %v: want 0 or more", o.GroupInterval)
	return errors.Join(faults...)
}

// consistency are the settings by which a read on any replica has everything
// that was acknowledged on another, or fails until it has: rows on a majority,
// one insert after another, and reads that make sure of it. A shard that was
// rebuilt from a replica that lags would book again what it has not seen.
func (o Options) consistency() map[string]string {
	if o.Cluster == "" {
		return nil
	}
	quorum := "auto"
	if o.InsertQuorum > 0 {
		quorum = fmt.Sprint(o.InsertQuorum)
	}
	return map[string]string{"insert_quorum": quorum, "insert_quorum_parallel": "0", "select_sequential_consistency": "1"}
}

// reader are the options of the connections that read and migrate.
func (o Options) reader(database string) *clickhouse.Options {
	compression := clickhouse.CompressionNone
	if o.Compress {
		compression = clickhouse.CompressionLZ4
	}
	settings := clickhouse.Settings{"async_insert": 0}
	for name, value := range o.consistency() {
		settings[name] = value
	}
	return &clickhouse.Options{
		Protocol:    clickhouse.Native,
		Addr:        o.Addresses,
		Auth:        clickhouse.Auth{Database: database, Username: o.User, Password: o.Password},
		TLS:         o.TLS, // for what the client says of itself: dial makes the connection
		DialContext: o.dial,
		ClientInfo: clickhouse.ClientInfo{Products: []struct{ Name, Version string }{
			{Name: clientName, Version: "1"},
		}},
		Settings:             settings,
		Compression:          &clickhouse.Compression{Method: compression},
		DialTimeout:          o.DialTimeout,
		ReadTimeout:          o.ReadTimeout,
		MaxOpenConns:         o.MaxOpenConns,
		MaxIdleConns:         o.MaxOpenConns,
		ConnMaxLifetime:      connMaxLifetime,
		ConnOpenStrategy:     clickhouse.ConnOpenInOrder,
		BlockBufferSize:      2,
		MaxCompressionBuffer: 1 << 20,
		// A rebuild's buffers are not worth keeping for the next one.
		FreeBufOnConnRelease: true,
	}
}

// writer are the options of the connection that books.
func (o Options) writer(address string) chgo.Options {
	compression := chgo.CompressionDisabled
	if o.Compress {
		compression = chgo.CompressionLZ4
	}
	settings := []chgo.Setting{
		{Key: "async_insert", Value: "0", Important: true},
		// A feed with dates all over the calendar must not stop its shard for
		// ever: its group is split into as many table partitions as it takes.
		{Key: "max_partitions_per_insert_block", Value: "0", Important: true},
		// The server's work for a row is halved when it neither looks for repeats
		// within a block (there are none, and FINAL finds them too) nor builds
		// indexes of parts that the next merge rewrites (they are small to scan).
		// Servers that don't know a setting pass over it.
		{Key: "optimize_on_insert", Value: "0"},
		{Key: "materialize_skip_indexes_on_insert", Value: "0"},
	}
	for name, value := range o.consistency() {
		settings = append(settings, chgo.Setting{Key: name, Value: value, Important: true})
	}
	return chgo.Options{
		Address:          address,
		Database:         o.Database,
		User:             o.User,
		Password:         o.Password,
		TLS:              o.TLS,
		ClientName:       clientName,
		Compression:      compression,
		Settings:         settings,
		DialTimeout:      o.DialTimeout,
		HandshakeTimeout: o.DialTimeout,
		ReadTimeout:      o.ReadTimeout,
	}
}
