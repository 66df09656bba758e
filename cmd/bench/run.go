package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ristourne/deploy/localservers"
)

type options struct {
	events, members, stores, partitions int
	shares                              []int
	kind, ristourne, keep, memoryLimit  string
	json                                bool
}

type topics struct {
	Facts, Referrals, Results, Transactions, Instructions, DeadLetters string
}

func (t topics) all() []string {
	return []string{t.Facts, t.Referrals, t.Results, t.Transactions, t.Instructions, t.DeadLetters}
}

// bench is the parts and the folder of one run.
type bench struct {
	options
	dir        string
	kafka      *localservers.Kafka
	redis      *localservers.Redis
	clickhouse *localservers.ClickHouse
	log        io.Writer
}

func run(ctx context.Context, stdout, stderr io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "ristourne-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, log: stderr}
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	catalogue := filepath.Join(dir, "catalogue")
	if err := errors.Join(os.Mkdir(catalogue, 0o700), writeCatalogue(catalogue, o.stores)); err != nil {
		return err
	}
	var measures []measure
	for i, share := range o.shares {
		found, err := b.share(ctx, share, catalogue, i == 0)
		if err != nil {
			return err
		}
		measures = append(measures, found...)
	}
	return report(stdout, o, measures)
}

func (b *bench) start(ctx context.Context) (err error) {
	progress := func(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }
	o := localservers.Options{Kind: localservers.Kind(b.kind), Log: progress}
	if b.kafka, err = localservers.StartKafka(ctx, o); err != nil {
		return err
	}
	o.Kind = localservers.Real // miniredis is no server to measure with
	if b.redis, err = localservers.StartRedis(ctx, o); err != nil {
		return err
	}
	b.clickhouse, err = localservers.StartClickHouse(ctx, o)
	return err
}

func (b *bench) stop() {
	if b.clickhouse != nil {
		_ = b.clickhouse.Close()
	}
	if b.redis != nil {
		_ = b.redis.Close()
	}
	if b.kafka != nil {
		_ = b.kafka.Close()
	}
}

// share measures one share: the group Reader first where asked, so that the
// broker's pages are warm for both.
func (b *bench) share(ctx context.Context, share int, catalogue string, withReader bool) ([]measure, error) {
	name := fmt.Sprintf("s%d", share)
	t := topics{
		name + ".facts", name + ".referrals", name + ".results", name + ".transactions",
		name + ".instructions", name + ".dead-letters",
	}
	if err := b.kafka.CreateTopics(ctx, b.partitions, t.all()...); err != nil {
		return nil, err
	}
	config, address, err := b.configure(t, name)
	if err != nil {
		return nil, err
	}
	if err := b.enrol(ctx, t, name, config, address, catalogue); err != nil {
		return nil, err
	}
	fmt.Fprintf(b.log, "writing %d events, %d %% at partner shops\n", b.events, share)
	if err := produceEvents(ctx, b.kafka.Brokers, t.Transactions, b.options, share); err != nil {
		return nil, err
	}
	var measures []measure
	if withReader {
		fmt.Fprintln(b.log, "kafka-go's group Reader")
		m, err := b.reader(ctx, t, name)
		if err != nil {
			return nil, err
		}
		measures = append(measures, m)
	}
	fmt.Fprintf(b.log, "ristourne at %d %%\n", share)
	m, err := b.process(ctx, name, config, address, b.watchEvents)
	m.Name = fmt.Sprintf("ristourne %d %%", share)
	return append(measures, m), err
}

// enrol publishes the catalogue and has the members enrolled, which is no part
// of what is measured.
func (b *bench) enrol(ctx context.Context, t topics, name, config, address, catalogue string) error {
	if out, err := exec.CommandContext(ctx, b.ristourne, "offers", "publish", catalogue, "--config", config).CombinedOutput(); err != nil {
		return fmt.Errorf("publish the catalogue: %w\n%s", err, out)
	}
	fmt.Fprintf(b.log, "enrolling %d members\n", b.members)
	if err := produceEnrolments(ctx, b.kafka.Brokers, t.Facts, b.options); err != nil {
		return err
	}
	_, err := b.process(ctx, name+".enrol", config, address, b.watchEnrolments)
	return err
}

func (b *bench) reader(ctx context.Context, t topics, name string) (m measure, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	child := exec.CommandContext(ctx, self, "read", "--brokers", strings.Join(b.kafka.Brokers, ","),
		"--topic", t.Transactions, "--group", name+"-reader", "--events", fmt.Sprint(b.events))
	child.Stderr = b.log
	out, err := child.Output()
	if err != nil {
		return m, fmt.Errorf("measure the group Reader: %w", err)
	}
	return m, json.Unmarshal(out, &m)
}

// process runs the processor for as long as watch does.
func (b *bench) process(ctx context.Context, name, config, address string,
	watch func(ctx context.Context, address string, ended <-chan error) (measure, error),
) (measure, error) {
	var log bytes.Buffer
	child := exec.CommandContext(ctx, b.ristourne, "run", "--config", config)
	if b.memoryLimit != "" {
		child.Env = append(os.Environ(), "GOMEMLIMIT="+b.memoryLimit)
	}
	child.Stderr = &log
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	if err := child.Start(); err != nil {
		return measure{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	m, err := watch(ctx, address, ended)
	if b.keep != "" {
		err = errors.Join(err, save(ctx, "http://"+address+"/debug/pprof/heap", filepath.Join(b.keep, name+".heap.pprof")))
	}
	_ = child.Process.Signal(syscall.SIGTERM) // it may have ended
	<-ended
	if b.keep != "" {
		err = errors.Join(err, os.WriteFile(filepath.Join(b.keep, name+".log"), log.Bytes(), 0o600))
	}
	if err != nil {
		return m, fmt.Errorf("%w\n%s", err, log.String())
	}
	return m, nil
}

// save keeps what an address answers in a file.
func save(ctx context.Context, address, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(path, body, 0o600)
}

// configure writes the configuration of one share: topics, group, keys and
// database of its own.
func (b *bench) configure(t topics, name string) (path, address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", "", err
	}
	secret, password := filepath.Join(b.dir, "account-ref-key"), filepath.Join(b.dir, "clickhouse-password")
	if err := errors.Join(
		os.WriteFile(secret, []byte(strings.Repeat("bench", 10)), 0o600),
		os.WriteFile(password, []byte(b.clickhouse.Password), 0o600),
	); err != nil {
		return "", "", err
	}
	path = filepath.Join(b.dir, name+".yaml")
	text := fmt.Sprintf(`kafka:
  brokers: [%q]
  group: %s
  topics: {facts: %s, referrals: %s, results: %s, transactions: %s, instructions: %s, dead_letters: %s}
redis: {addresses: [%q], prefix: %s}
clickhouse: {addresses: [%q], database: bench_%s, user: %s, password: {file: %s}}
privacy: {account_ref_key: {file: %s}}
http: {listen: %q}
`, b.kafka.Brokers[0], name, t.Facts, t.Referrals, t.Results, t.Transactions, t.Instructions, t.DeadLetters,
		b.redis.Addr, name, b.clickhouse.Addr, name, b.clickhouse.User, password, secret, address)
	return path, address, os.WriteFile(path, []byte(text), 0o600)
}

// watchEnrolments waits until every member is enrolled.
func (b *bench) watchEnrolments(ctx context.Context, address string, ended <-chan error) (measure, error) {
	return measure{}, eachSample(ctx, address, ended, func(s sample) bool { return s.fates >= float64(b.members) })
}

// watchEvents reads the process' own metrics from when it is warm until it has
// read every event, and waits until each has its fate. Reading is followed by
// the lag, since fates are counted where batches are saved: now and then.
func (b *bench) watchEvents(ctx context.Context, address string, ended <-chan error) (measure, error) {
	var from, to sample
	known := false // the lag is 0 until the first answers of the brokers
	err := eachSample(ctx, address, ended, func(s sample) bool {
		if known = known || s.lag > 0; !known {
			return false
		}
		s.read = float64(b.events) - s.lag
		if from.read == 0 && s.read >= float64(b.events)*warm {
			from = s
		}
		if to.read == 0 && s.read == float64(b.events) {
			to = s
		}
		to.rss = max(to.rss, s.rss)
		return to.read > 0 && s.fates >= float64(b.events)
	})
	return measure{
		Events: to.read - from.read, Seconds: to.at.Sub(from.at).Seconds(),
		CPUMicros: (to.cpuSeconds - from.cpuSeconds) * 1e6, Mallocs: to.mallocs - from.mallocs, RSSBytes: to.rss,
	}, err
}

// eachSample reads the process' metrics until done says so.
func eachSample(ctx context.Context, address string, ended <-chan error, done func(sample) bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("ristourne ended early: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		s, err := scrape(ctx, address)
		if err != nil || !s.reads {
			continue // it has not begun yet
		}
		if done(s) {
			return nil
		}
	}
}

type sample struct {
	at                       time.Time
	reads                    bool    // shards are owned, and their lag is known
	lag, read, fates         float64 // events
	cpuSeconds, mallocs, rss float64
}

func scrape(ctx context.Context, address string) (sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return sample{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return sample{}, err
	}
	defer response.Body.Close()
	s := sample{at: time.Now()}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return sample{}, err
	}
	for _, m := range families["ristourne_records_total"].GetMetric() {
		s.fates += m.GetCounter().GetValue()
	}
	for _, m := range families["ristourne_lag_records"].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "topic" && strings.HasSuffix(label.GetValue(), ".transactions") {
				s.lag += m.GetGauge().GetValue()
				s.reads = true
			}
		}
	}
	for _, m := range families["process_cpu_seconds_total"].GetMetric() {
		s.cpuSeconds = m.GetCounter().GetValue()
	}
	for _, m := range families["go_memstats_mallocs_total"].GetMetric() {
		s.mallocs = m.GetCounter().GetValue()
	}
	for _, m := range families["process_resident_memory_bytes"].GetMetric() {
		s.rss = m.GetGauge().GetValue()
	}
	return s, nil
}

func report(w io.Writer, o options, measures []measure) error {
	if o.json {
		return json.NewEncoder(w).Encode(measures)
	}
	fmt.Fprintf(w, "%d events of each share, %d members, %d store keys, %d partitions\n\n", o.events, o.members, o.stores, o.partitions)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tevents/s\tx reader\tCPU us/event\tx reader\tallocs/event\tresident MB\t")
	reader := measures[0]
	for _, m := range measures {
		fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t\n", m.Name, m.perSecond(), m.perSecond()/reader.perSecond(),
			m.cpuPerEvent(), m.cpuPerEvent()/reader.cpuPerEvent(), m.mallocsPerEvent(), m.RSSBytes/1e6)
	}
	return table.Flush()
}
