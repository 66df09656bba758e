package accounts

import (
	"crypto/tls"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say which Redis to talk to, and how. Addrs is needed; what is left
// zero takes the value that is named with it.
type Options struct {
	Addrs      []string // host:port: one server, or the seeds of a cluster, or sentinels
	MasterName string   // not empty: Addrs are sentinels, and this is what they call the master
	Cluster    bool     // Addrs is the one address of a cluster; several without MasterName are one anyway

	Username         string // empty: the default user
	Password         string
	SentinelUsername string
	SentinelPassword string
	TLS              *tls.Config // nil: without TLS

	ClientName   string        // what CLIENT LIST shows; "ristourne"
	DialTimeout  time.Duration // 5 s
	ReadTimeout  time.Duration // of one reply, 5 s: more than the longest script takes by far
	WriteTimeout time.Duration // 5 s
	PoolSize     int           // connections to a server at most, 64: two a shard suffice
	MaxRetries   int           // of a command on broken connections, 2; below 0: none
}

func (o Options) withDefaults() Options {
	setDefault(&o.ClientName, "ristourne")
	setDefault(&o.DialTimeout, 5*time.Second)
	setDefault(&o.ReadTimeout, 5*time.Second)
	setDefault(&o.WriteTimeout, 5*time.Second)
	setDefault(&o.PoolSize, 64)
	setDefault(&o.MaxRetries, 2)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Connect gives a client. It doesn't talk to Redis yet: that is up to the
// first command.
//
// go-redis tries whole commands and scripts again when a connection breaks. So
// every script that is run through the client must stand being run twice.
func Connect(o Options) redis.UniversalClient {
	o = o.withDefaults()
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: o.Addrs, MasterName: o.MasterName, IsClusterMode: o.Cluster && o.MasterName == "",
		Username: o.Username, Password: o.Password,
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		TLSConfig:  o.TLS,
		ClientName: o.ClientName,
		DB:         0, // the one that a cluster has

		// RESP 2 and no hints of planned maintenance: every server and proxy
		// speaks it, and nothing here needs more.
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},

		DialTimeout:        o.DialTimeout,
		DialerRetries:      1, // the command's own retries dial again
		ReadTimeout:        o.ReadTimeout,
		WriteTimeout:       o.WriteTimeout,
		MaxRetries:         o.MaxRetries,
		MinRetryBackoff:    10 * time.Millisecond,
		MaxRetryBackoff:    500 * time.Millisecond,
		MaxRedirects:       3,
		PoolTimeout:        o.ReadTimeout,
		PoolSize:           o.PoolSize,
		MaxActiveConns:     o.PoolSize,
		ConnMaxIdleTime:    5 * time.Minute,
		PipelinePoolSize:   -1, // pipelines share the pool
		ReadBufferSize:     64 << 10,
		WriteBufferSize:    64 << 10,
		MaxConcurrentDials: 8,

		// Without it go-redis ignores the deadline of a call's context.
		ContextTimeoutEnabled: true,

		// Replicas lag behind: a state read from one could be older than the
		// head that was checked.
		ReadOnly: false, RouteByLatency: false, RouteRandomly: false,
	})
}
