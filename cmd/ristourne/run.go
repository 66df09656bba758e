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

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/processor/catalog"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/credits"
	"ristourne/sinks/deadletters"
)

func newRunCommand() *cobra.Command {
	var configPath string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the processor",
		Long: `Run the processor: card events and facts in, accruals and credit instructions out.

Any number of processors with the same consumer group share the shards. SIGTERM
settles what was decided, commits and ends. While Kafka, Redis or ClickHouse are
away it waits and says so; nothing is skipped.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(configPath)
			if err != nil {
				return err
			}
			return runProcessor(cmd.Context(), c, newLogger(cmd.ErrOrStderr(), c.Log))
		},
	}
	configFlag(cmd, &configPath)
	return cmd
}

func newLogger(w io.Writer, c logConfig) *slog.Logger {
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

// runProcessor opens the edges, waits for a catalogue, and runs until ctx ends.
func runProcessor(ctx context.Context, c *config, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	listener, err := net.Listen("tcp", c.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	health := &health{stallAfter: c.Processor.StallAfter}
	group.Go(func() error { return serveHTTP(ctx, listener, registry, health) })
	group.Go(func() error {
		e, err := openEdges(ctx, c, log)
		if err != nil {
			return err
		}
		defer e.close(log)
		group.Go(func() error { return e.watcher.Run(ctx) })
		if err := e.watcher.Wait(ctx); err != nil {
			return err
		}
		if err := e.accounts.Check(ctx); err != nil {
			return err
		}
		p := processor.New(e.edges(), c.processorOptions(), processor.NewMetrics(registry), log)
		registry.MustRegister(p)
		health.watch(p)
		feedConfig, err := c.Kafka.feed(log)
		if err != nil {
			return err
		}
		return p.Run(ctx, feedConfig)
	})
	log.Info("ristourne runs", "metrics", "http://"+listener.Addr().String()+"/metrics")
	err = group.Wait()
	if errors.Is(err, context.Canceled) || err == nil {
		log.Info("ristourne has stopped")
		return nil
	}
	return err
}

// openEdges are the open connections of a process.
type openedEdges struct {
	redis       redis.UniversalClient
	accounts    *accounts.Store
	ledger      *clickhouse.Ledger
	watcher     *catalog.Watcher
	payer       *credits.Writer
	deadLetters *deadletters.Writer
	closers     []io.Closer
}

func (e *openedEdges) edges() processor.Edges {
	return processor.Edges{
		Accounts: e.accounts, Ledger: e.ledger, Payer: e.payer, DeadLetters: e.deadLetters,
		Catalogue: watchedCatalogue{e.watcher}, Now: time.Now,
	}
}

func (e *openedEdges) close(log *slog.Logger) {
	for _, closer := range e.closers {
		if err := closer.Close(); err != nil {
			log.Warn("close a connection", "error", err)
		}
	}
}

// openEdges connects to everything but the input topics. ClickHouse is waited
// for: its tables are made or brought up to date before anything is decided.
func openEdges(ctx context.Context, c *config, log *slog.Logger) (*openedEdges, error) {
	e := new(openedEdges)
	client, err := c.Redis.connect()
	if err != nil {
		return nil, err
	}
	e.redis = client
	if e.accounts, err = accounts.New(client, c.Redis.Prefix); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	e.watcher = catalog.NewWatcher(client, catalog.WatcherOptions{Prefix: c.Redis.Prefix, Log: log})
	if e.ledger, err = openLedger(ctx, c, log); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	transport, err := c.Kafka.transport()
	if err != nil {
		return nil, errors.Join(err, client.Close(), e.ledger.Close())
	}
	e.payer = credits.New(credits.Options{Brokers: c.Kafka.Brokers, Topic: c.Kafka.Topics.Instructions, Transport: transport})
	e.deadLetters = deadletters.New(deadletters.Options{Brokers: c.Kafka.Brokers, Topic: c.Kafka.Topics.DeadLetters, Transport: transport})
	e.closers = []io.Closer{e.payer, e.deadLetters, e.ledger, client}
	return e, nil
}

func (r *redisConfig) connect() (redis.UniversalClient, error) {
	o, err := r.options()
	if err != nil {
		return nil, err
	}
	return accounts.Connect(o), nil
}

// openLedger waits for ClickHouse and migrates its tables.
func openLedger(ctx context.Context, c *config, log *slog.Logger) (*clickhouse.Ledger, error) {
	o, err := c.ClickHouse.options()
	if err != nil {
		return nil, err
	}
	pause := backoff.NewExponentialBackOff()
	pause.MaxInterval = c.Processor.RetryMax
	return backoff.Retry(ctx, func() (*clickhouse.Ledger, error) {
		ledger, err := clickhouse.Open(ctx, o)
		if err != nil {
			return nil, err
		}
		if err := ledger.Migrate(ctx); err != nil {
			return nil, errors.Join(err, ledger.Close())
		}
		return ledger, nil
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		log.Warn("ClickHouse is not ready, waiting", "addresses", c.ClickHouse.Addresses, "in", next, "error", err)
	}))
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
	stop := context.AfterFunc(ctx, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(closing) // scrapes that are under way may be cut off
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func answer(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}
