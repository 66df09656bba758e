package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"ristourne/cmd/internal/config"
	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/processor/catalog/published"
	"ristourne/processor/retry"
	"ristourne/processor/settle"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/credits"
	"ristourne/sinks/deadletters"
	"ristourne/sinks/facts"
	"ristourne/sinks/referrals"
)

func newRunCommand() *cobra.Command {
	var configPath string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the processor",
		Long: `Run the processor: card events and facts in, accruals and credit instructions out.

Any number of processors with the same consumer group share the shards. SIGTERM
delivers what was decided, commits and ends. While Kafka, Redis or ClickHouse are
away it waits and says so; nothing is skipped.

http.listen serves /metrics, /livez (fails when a call is stuck, which only a new
process mends) and /readyz (fails before the group is joined, while Redis,
ClickHouse or Kafka don't answer, while a shard stands still, with its cause, and
while stopping).`,
		Example: "  ristourne run --config ristourne.yaml",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(configPath)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), c.Log)
			logRedis(log)
			return runProcessor(cmd.Context(), c, log)
		},
	}
	configFlag(cmd, &configPath)
	return cmd
}

func newLogger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // validate has refused it
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// runProcessor serves probes and metrics, and processes until ctx ends. Then it
// delivers what was decided; probes and metrics go on until that is done.
func runProcessor(ctx context.Context, c *config.Config, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	listener, err := net.Listen("tcp", c.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	if c.Kafka.SASL.Mechanism == "plain" && !c.Kafka.TLS.Enabled {
		log.Warn("kafka.sasl: plain without TLS sends the password in the clear")
	}
	health := &health{stallAfter: c.Processor.StallAfter}
	defer context.AfterFunc(ctx, health.stop)()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(serving, listener, registry, health) })
	group.Go(func() error {
		defer stopServing()
		return process(running, c, registry, health, log)
	})
	log.Info("ristourne runs", "version", version(), "metrics", "http://"+listener.Addr().String()+"/metrics")
	if err := group.Wait(); err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
		return err
	}
	log.Info("ristourne has stopped")
	return nil
}

// process waits for every part and for a catalogue, and then takes shards until
// ctx ends.
func process(ctx context.Context, c *config.Config, registry *prometheus.Registry, health *health, log *slog.Logger) error {
	feedConfig, err := c.Kafka.Feed(log)
	if err != nil {
		return err
	}
	e, err := openPorts(ctx, c, log)
	if err != nil {
		return err
	}
	defer e.close(log)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.watcher.Run(ctx) })
	group.Go(func() error { e.accounts.Sweep(ctx, log); return nil })
	group.Go(func() error { return processor.WatchInstallation(ctx, e.accounts, e.ledger, e.installation, log) })
	group.Go(func() error {
		if err := e.watcher.Wait(ctx); err != nil {
			return err
		}
		feedConfig.HoldShards = func(ctx context.Context, partitions int) (shards int, err error) {
			err = waitFor(ctx, c, log, "Redis", c.Redis.Addresses, func() (err error) {
				shards, err = e.holdLayout(ctx, partitions)
				if errors.Is(err, accounts.ErrShardsChanged) || errors.Is(err, processor.ErrLayout) {
					return retry.Permanent(err) // no waiting mends it
				}
				return err
			})
			return shards, err
		}
		feedConfig.HoldSource = func(ctx context.Context, source rules.Source, shards int) error {
			return holdSource(ctx, c, e.ledger, source, shards, log)
		}
		p := processor.New(e.ports(), c.ProcessorOptions(), processor.NewMetrics(registry), log)
		registry.MustRegister(p)
		health.watch(p, newPartsCheck(
			part{"Redis", func(ctx context.Context) error { return e.redis.Ping(ctx).Err() }},
			part{"ClickHouse", e.ledger.Ping},
			part{"Kafka", func(ctx context.Context) error { return c.Kafka.Look(ctx, c.Kafka.Topics.Transactions) }},
		))
		defer e.closeCycles(ctx, c, p, log)()
		if err := p.Run(ctx, feedConfig); err != nil || ctx.Err() != nil {
			return err
		}
		return errors.New("the processor ended though nobody asked it to")
	})
	return group.Wait()
}

// closeCycles closes cycles that have ended, where this process owns the first
// shard, until the function that it gives is called.
func (e *openedPorts) closeCycles(ctx context.Context, c *config.Config, p *processor.Processor, log *slog.Logger) (stop func()) {
	if !c.Payout.Schedule {
		return func() {}
	}
	const firstShard = 0
	schedule := &settle.Schedule{
		Settlement: settle.Settlement{Ledger: e.ledger, Poster: e.facts, Now: time.Now},
		Snapshot:   func() *engine.Snapshot { s, _ := watchedCatalogue{e.watcher}.Current(); return s },
		Mine:       func() bool { return p.Owns(firstShard) }, Delay: c.Payout.Delay, Log: log,
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); schedule.Run(ctx) }()
	return func() { cancel(); <-ended }
}

// waitForRedis waits until Redis is as it must be, but not for one that refuses the
// password.
func waitForRedis(ctx context.Context, c *config.Config, store *accounts.Store, log *slog.Logger) error {
	return waitFor(ctx, c, log, "Redis", c.Redis.Addresses, func() error {
		err := store.Check(ctx)
		if errors.Is(err, accounts.ErrAuth) {
			return retry.Permanent(err) // no waiting mends it
		}
		return err
	})
}

// openedPorts are the open connections of a process.
type openedPorts struct {
	redis        redis.UniversalClient
	accounts     *accounts.Store
	ledger       *clickhouse.Ledger
	watcher      *published.Watcher
	instructions *credits.Writer
	referrals    *referrals.Writer
	facts        *facts.Writer
	deadLetters  *deadletters.Writer
	closers      []io.Closer
	transport    *kafka.Transport

	installation rules.Installation
}

func (e *openedPorts) ports() processor.Ports {
	return processor.Ports{
		Accounts: e.accounts, Ledger: e.ledger, Instructions: e.instructions, Referrals: e.referrals, DeadLetters: e.deadLetters,
		Catalogue: watchedCatalogue{e.watcher}, Now: time.Now,
	}
}

// holdLayout tells everything that must know it over how many shards accounts are
// laid out.
func (e *openedPorts) holdLayout(ctx context.Context, partitions int) (shards int, err error) {
	shards, err = processor.HoldLayout(ctx, e.accounts, e.ledger, partitions)
	if err == nil {
		e.referrals.LayOut(shards)
		e.facts.LayOut(shards)
	}
	return shards, err
}

func (e *openedPorts) close(log *slog.Logger) {
	for _, closer := range e.closers {
		if err := closer.Close(); err != nil {
			log.Warn("close a connection", "error", err)
		}
	}
	e.transport.CloseIdleConnections()
}

// openPorts connects to everything but the input topics. Redis and ClickHouse are
// waited for: its tables are made or brought up to date before anything is decided.
func openPorts(ctx context.Context, c *config.Config, log *slog.Logger) (*openedPorts, error) {
	e := new(openedPorts)
	client, err := c.Redis.Connect()
	if err != nil {
		return nil, err
	}
	e.redis = client
	if e.accounts, err = accounts.New(client, c.Redis.Prefix); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	e.accounts.SetOwner(c.Kafka.Group, processor.ProcessName())
	if err := waitForRedis(ctx, c, e.accounts, log); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	e.watcher = published.NewWatcher(client, published.WatcherOptions{Prefix: c.Redis.Prefix, Log: log})
	if e.ledger, err = openLedger(ctx, c, log); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	of, err := holdInstallation(ctx, c, e.accounts, e.ledger, log)
	if err != nil {
		return nil, errors.Join(err, client.Close(), e.ledger.Close())
	}
	transport, err := c.Kafka.Transport()
	if err != nil {
		return nil, errors.Join(err, client.Close(), e.ledger.Close())
	}
	e.transport = transport
	e.installation = of
	e.instructions = credits.New(credits.Options{Brokers: c.Kafka.Brokers, Topic: c.Kafka.Topics.Instructions, Transport: transport})
	e.referrals = referrals.New(referrals.Options{Brokers: c.Kafka.Brokers, Topic: c.Kafka.Topics.Referrals, Transport: transport})
	e.facts = facts.New(facts.Options{Brokers: c.Kafka.Brokers, Topic: c.Kafka.Topics.Facts, Transport: transport})
	e.deadLetters = deadletters.New(deadletters.Options{Brokers: c.Kafka.Brokers, Topic: c.Kafka.Topics.DeadLetters, Transport: transport})
	e.closers = []io.Closer{e.instructions, e.referrals, e.facts, e.deadLetters, e.ledger, client}
	return e, nil
}

// openLedger waits for ClickHouse and migrates its tables.
func openLedger(ctx context.Context, c *config.Config, log *slog.Logger) (*clickhouse.Ledger, error) {
	o, err := c.ClickHouse.Options()
	if err != nil {
		return nil, err
	}
	ledger, err := clickhouse.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	err = waitFor(ctx, c, log, "ClickHouse", c.ClickHouse.Addresses, func() error { return ledger.Migrate(ctx) })
	if err != nil {
		return nil, errors.Join(err, ledger.Close())
	}
	return ledger, nil
}

// holdInstallation refuses a Redis, a database and a key that don't belong
// together, before anything is read or written.
func holdInstallation(ctx context.Context, c *config.Config, store *accounts.Store, ledger *clickhouse.Ledger, log *slog.Logger) (of rules.Installation, err error) {
	err = waitFor(ctx, c, log, "Redis", c.Redis.Addresses, func() (err error) {
		of, err = processor.HoldInstallation(ctx, store, ledger, []byte(c.Privacy.AccountRefKey.Reveal()))
		if errors.Is(err, processor.ErrOtherInstallation) {
			return retry.Permanent(err) // no waiting mends it
		}
		if err == nil {
			log.Debug("installation", "id", of.ID)
		}
		return err
	})
	return of, err
}

// holdSource refuses topics, or a cluster, that the known offsets are not of.
func holdSource(ctx context.Context, c *config.Config, ledger *clickhouse.Ledger, source rules.Source, shards int, log *slog.Logger) error {
	return waitFor(ctx, c, log, "ClickHouse", c.ClickHouse.Addresses, func() error {
		err := ledger.HoldSource(ctx, shards, source)
		if errors.Is(err, clickhouse.ErrOtherSource) {
			return retry.Permanent(fmt.Errorf("%w. Nothing was read. Correct kafka.brokers and kafka.topics, or bring the former topics back. "+
				"Where records come in these from now on, say so: `ristourne move`", err))
		}
		return err
	})
}

// waitFor tries until a part is as it must be, and says what it waits for.
func waitFor(ctx context.Context, c *config.Config, log *slog.Logger, part string, addresses []string, try func() error) error {
	pauses := retry.Pauses{First: 500 * time.Millisecond, Longest: c.Processor.RetryMax}
	return pauses.Until(ctx, try, func(err error, next time.Duration) {
		log.Warn(part+" is not ready, waiting", "addresses", addresses, "in", next, "error", err)
	})
}

func serveHTTP(ctx context.Context, listener net.Listener, registry *prometheus.Registry, h *health) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /livez", answer(h.live))
	mux.HandleFunc("GET /readyz", answer(h.ready))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(closing) != nil {
			_ = server.Close() // scrapes that take longer are cut off
		}
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	<-stopped // Serve returns when Shutdown begins: the answers under way come first
	return nil
}

func answer(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := check(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}
