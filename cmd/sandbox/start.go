package main

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ristourne/cmd/sandbox/traffic"
	"ristourne/deploy/localservers"
	"ristourne/processor/audit"
	"ristourne/processor/catalog"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

// The names that the processor has by default.
const (
	topicTransactions = "card.transactions"
	topicFacts        = "programme.facts"
	topicReferrals    = "programme.referrals"
	topicResults      = "credit.results"
	topicInstructions = "credit.instructions"
	topicDeadLetters  = "ristourne.dead-letters"

	consumerGroup = "ristourne"
	redisPrefix   = "rst"
	database      = "ristourne"
)

// metricsPort is the processor's own default; the next ones are for those beside it.
const metricsPort = 9600

// sandbox is what is running.
type sandbox struct {
	options
	out *screen

	dir       string // configuration, logs, and the parts' data where they are kept
	temporary bool
	binary    string // ristourne, beside this program
	config    string // of the first processor, and of every command
	loaded    *catalog.Loaded
	traffic   *traffic.Generator
	calendar  calendar

	kafka      *localservers.Kafka
	redis      *localservers.Redis
	clickhouse *localservers.ClickHouse
	feed       feed.Config
	ledger     *clickhouse.Ledger
	running    []*processor
	sent       counters
	example    string // a purchase worth asking about, once there is one
}

// processor is one child process.
type processor struct {
	*child
	metrics string // host:port
}

func (s *sandbox) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.look, s.openFolder, s.startParts, s.createTopics, s.configure, s.openLedger, s.publish, s.enrol, s.startProcessors, s.awaitCommits,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// look finds what must be there before anything is started.
func (s *sandbox) look(context.Context) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.binary = filepath.Join(filepath.Dir(self), "ristourne")
	if _, err := os.Stat(s.binary); err != nil {
		return fmt.Errorf("the processor's binary is not beside this one: run `make build`: %w", err)
	}
	if s.loaded, err = catalog.Load(s.catalogue); err != nil {
		return fmt.Errorf("read the catalogue (--catalog): %w", err)
	}
	s.calendar = newCalendar(time.Now(), s.days, s.duration)
	s.traffic, err = traffic.New(traffic.Options{
		Seed: s.seed, Run: strconv.FormatInt(s.calendar.begin.UnixMilli(), 36), Members: s.members, HitShare: s.hits / 100,
		Catalogue: s.loaded.Catalogue, Begin: s.calendar.begin, Live: s.calendar.live(),
	})
	return err
}

func (s *sandbox) openFolder(context.Context) (err error) {
	if s.data == "" {
		s.temporary = true
		s.dir, err = os.MkdirTemp("", "ristourne-sandbox-")
		s.out.say("Ristourne sandbox. Everything runs on this machine and is thrown away in the end (--data DIR keeps it).")
	} else {
		if s.dir, err = filepath.Abs(s.data); err == nil {
			err = os.MkdirAll(s.dir, 0o700)
		}
		s.out.say("Ristourne sandbox. Everything runs on this machine; the data are kept in %s.", s.data)
	}
	s.out.say("")
	return err
}

func (s *sandbox) startParts(ctx context.Context) (err error) {
	o := localservers.Options{Kind: localservers.Embedded, CacheDir: s.cache, Log: func(format string, args ...any) {
		s.out.say("  "+format, args...)
	}}
	if !s.temporary {
		o.DataDir = s.dir
	}
	if s.kafka, err = localservers.StartKafka(ctx, o); err != nil {
		return err
	}
	s.out.item("Kafka", "%s", s.kafka.Brokers[0])
	if s.redis, err = localservers.StartRedis(ctx, o); err != nil {
		return err
	}
	if s.redis.Embedded() && !s.temporary {
		return errors.New("--data needs redis-server on PATH (Debian: apt-get install redis-server): " +
			"the Redis inside of this program keeps nothing on disk")
	}
	s.out.item("Redis", "%s", s.redis.Addr)
	if s.clickhouse, err = localservers.StartClickHouse(ctx, o); err != nil {
		return err
	}
	s.out.item("ClickHouse", "%s, HTTP %s", s.clickhouse.Addr, s.clickhouse.HTTPAddr)
	return nil
}

func (s *sandbox) createTopics(ctx context.Context) error {
	s.feed = feed.Config{
		Brokers: s.kafka.Brokers, GroupID: consumerGroup, ClientID: "sandbox", Log: slog.New(slog.DiscardHandler),
		Topics: [rules.NumTopics]string{
			rules.TopicFacts: topicFacts, rules.TopicReferrals: topicReferrals, rules.TopicResults: topicResults, rules.TopicTransactions: topicTransactions,
		},
	}
	return s.kafka.CreateTopics(ctx, s.partitions,
		topicTransactions, topicFacts, topicReferrals, topicResults, topicInstructions, topicDeadLetters)
}

// configure writes the configuration of each processor and their secrets.
func (s *sandbox) configure(context.Context) error {
	key, password := filepath.Join(s.dir, "account-ref-key"), filepath.Join(s.dir, "clickhouse-password")
	if err := errors.Join(keepSecret(key), os.WriteFile(password, []byte(s.clickhouse.Password+"\n"), 0o600)); err != nil {
		return fmt.Errorf("write the secrets: %w", err)
	}
	for n := range s.options.processors {
		metrics, err := freeAddress(metricsPort + n)
		if err != nil {
			return err
		}
		text := fmt.Sprintf(`# Written by the sandbox at each start.
kafka:
  brokers: [%q]
  group: %s
redis:
  addresses: [%q]
  prefix: %s
clickhouse:
  addresses: [%q]
  database: %s
  user: %s
  password: {file: clickhouse-password}
privacy:
  account_ref_key: {file: account-ref-key}
http:
  listen: %s
`, s.kafka.Brokers[0], consumerGroup, s.redis.Addr, redisPrefix, s.clickhouse.Addr, database, s.clickhouse.User, metrics)
		path := filepath.Join(s.dir, configName(n))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
		s.running = append(s.running, &processor{metrics: metrics})
	}
	s.config = filepath.Join(s.dir, configName(0))
	return nil
}

// configName is sandbox.yaml, sandbox-2.yaml, ...
func configName(n int) string {
	if n == 0 {
		return "sandbox.yaml"
	}
	return fmt.Sprintf("sandbox-%d.yaml", n+1)
}

// keepSecret makes a random secret where there is none yet: account references
// of kept data are derived under it.
func keepSecret(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	_, err = fmt.Fprintln(file, hex.EncodeToString(random))
	return errors.Join(err, file.Close())
}

// freeAddress prefers a port that is easy to remember.
func freeAddress(preferred int) (string, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", preferred))
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("find a free port for the metrics: %w", err)
		}
	}
	return listener.Addr().String(), listener.Close()
}

// openLedger makes the tables, as a processor would: progress asks them.
func (s *sandbox) openLedger(ctx context.Context) (err error) {
	o := clickhouse.DefaultOptions()
	o.Addresses, o.Database = []string{s.clickhouse.Addr}, database
	o.User, o.Password = s.clickhouse.User, s.clickhouse.Password
	if s.ledger, err = clickhouse.Open(ctx, o); err != nil {
		return err
	}
	return s.ledger.Migrate(ctx)
}

func (s *sandbox) publish(ctx context.Context) error {
	if err := s.command(ctx, "offers", "publish", s.catalogue, "--config", s.config); err != nil {
		return fmt.Errorf("publish the catalogue: %w", err)
	}
	partners, stores, offers := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range s.loaded.Catalogue.Partners {
		partners[p.ID] = true
		for _, store := range p.Stores {
			stores[p.ID+"/"+store.ID] = true
		}
		for _, offer := range p.Offers {
			offers[p.ID+"/"+offer.ID] = true
		}
	}
	campaigns := map[string]bool{}
	for _, c := range s.loaded.Catalogue.Campaigns {
		campaigns[c.ID] = true
	}
	s.out.item("Offers", "%d offers of %d partners with %d stores, %d campaigns, published from %s",
		len(offers), len(partners), len(stores), len(campaigns), s.catalogue)
	return nil
}

// enrol imports the members as a bank would.
func (s *sandbox) enrol(ctx context.Context) error {
	path := filepath.Join(s.dir, "members.csv")
	if err := s.writeMembers(path); err != nil {
		return fmt.Errorf("write the members' file: %w", err)
	}
	if err := s.command(ctx, "members", "import", path, "--programme", s.traffic.Programme(), "--config", s.config); err != nil {
		return fmt.Errorf("enrol the members: %w", err)
	}
	s.out.item("Members", "%s enrolled in %s", audit.Grouped(int64(s.members)), s.traffic.Programme())
	return nil
}

func (s *sandbox) writeMembers(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(file)
	_ = w.Write([]string{"account_id", "member_id", "card_tokens", "level", "segments", "sponsor_account_id", "enrolled_at"}) // Flush tells
	for n := range s.traffic.Members() {
		m := s.traffic.Member(n)
		_ = w.Write([]string{
			m.AccountID, m.MemberID, strings.Join(m.CardTokens, " "), m.Level, strings.Join(m.Segments, " "), m.SponsorAccountID,
			m.EnrolledAt.UTC().Format(time.RFC3339),
		})
	}
	w.Flush()
	return errors.Join(w.Error(), file.Close())
}

// command runs ristourne to its end. What it printed is shown if it fails.
func (s *sandbox) command(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, s.binary, args...).CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("ristourne %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s *sandbox) startProcessors(ctx context.Context) (err error) {
	for n, p := range s.running {
		log := filepath.Join(s.dir, fmt.Sprintf("processor-%d.log", n+1))
		p.child, err = startChild(fmt.Sprintf("processor %d", n+1), log, s.binary, "run", "--config", filepath.Join(s.dir, configName(n)))
		if err != nil {
			return err
		}
	}
	for _, p := range s.running {
		if err := s.awaitReady(ctx, p); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		s.out.item("Processor", "http://%s/metrics, log %s", p.metrics, p.log)
	}
	return nil
}

// awaitReady waits until a processor owns shards.
func (s *sandbox) awaitReady(ctx context.Context, p *processor) error {
	const limit, look = time.Minute, 50 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("it is not ready after a minute"))
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.metrics+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", context.Cause(ctx), p.logTail())
		case <-time.After(look):
		}
	}
}

// watchProcessors returns when ctx ends, or with an error when a processor does.
func (s *sandbox) watchProcessors(ctx context.Context) error {
	died := make(chan *processor, len(s.running))
	for _, p := range s.running {
		go func() {
			select {
			case <-p.ended:
				died <- p
			case <-ctx.Done():
			}
		}()
	}
	select {
	case p := <-died:
		return p.failure()
	case <-ctx.Done():
		return nil
	}
}

// logTails is the end of what every processor logged.
func (s *sandbox) logTails() string {
	var tails []string
	for _, p := range s.running {
		if p.child != nil {
			tails = append(tails, p.logTail())
		}
	}
	return strings.Join(tails, "\n")
}

// close ends everything that was started, the readers of a part before it.
func (s *sandbox) close() error {
	s.out.freeze()
	var faults []error
	for _, p := range s.running {
		if p.child != nil {
			p.terminate()
		}
	}
	for _, p := range s.running {
		if p.child != nil {
			p.awaitEnd()
		}
	}
	if s.ledger != nil {
		faults = append(faults, s.ledger.Close())
	}
	if s.clickhouse != nil {
		faults = append(faults, s.clickhouse.Close())
	}
	if s.redis != nil {
		faults = append(faults, s.redis.Close())
	}
	if s.kafka != nil {
		faults = append(faults, s.kafka.Close())
	}
	if s.temporary && s.dir != "" {
		faults = append(faults, os.RemoveAll(s.dir))
	}
	return errors.Join(faults...)
}
