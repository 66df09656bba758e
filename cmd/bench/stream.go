package main

import (
	"bytes"
	"context"
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
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/segmentio/kafka-go"
)

type topics struct {
	Facts, Referrals, Results, Transactions, Instructions, DeadLetters string
}

func (t topics) all() []string {
	return []string{t.Facts, t.Referrals, t.Results, t.Transactions, t.Instructions, t.DeadLetters}
}

// scene is what one case needs: topics, group, keys and database of its own,
// members that are enrolled and, unless it is paced, events that wait.
type scene struct {
	name, config, address string
	topics                topics
	load                  load
}

// scene sets a case up, which is no part of what is measured.
func (b *bench) scene(ctx context.Context, name string, l load) (*scene, error) {
	s, err := b.stage(ctx, name, l)
	if err != nil {
		return nil, err
	}
	b.say("writing %d events, %d %% at partner shops, to %s", l.events, l.share, s.topics.Transactions)
	return s, produce(ctx, b.kafka.Brokers, s.topics.Transactions, l)
}

// stage is the scene without events.
func (b *bench) stage(ctx context.Context, name string, l load) (*scene, error) {
	s := &scene{name: name, load: l, topics: topics{
		name + ".facts", name + ".referrals", name + ".results", name + ".transactions",
		name + ".instructions", name + ".dead-letters",
	}}
	if err := b.kafka.CreateTopics(ctx, b.partitions, s.topics.all()...); err != nil {
		return nil, err
	}
	if err := b.configure(s); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, b.ristourne, "offers", "publish", b.catalogue, "--config", s.config).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("publish the catalogue: %w\n%s", err, out)
	}
	b.say("enrolling %d members", l.members)
	if err := produceEnrolments(ctx, b.kafka.Brokers, s.topics.Facts, l.members); err != nil {
		return nil, err
	}
	err := b.running(ctx, s, "enrol", func(ctx context.Context, _ int) error {
		return b.until(ctx, s.name, s.topics.Facts, l.members)
	})
	return s, err
}

// configure writes the configuration of a case.
func (b *bench) configure(s *scene) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	secret, password := filepath.Join(b.dir, "account-ref-key"), filepath.Join(b.dir, "clickhouse-password")
	if err := errors.Join(
		os.WriteFile(secret, []byte(strings.Repeat("bench", 10)), 0o600),
		os.WriteFile(password, []byte(b.clickhouse.Password), 0o600),
	); err != nil {
		return err
	}
	s.config = filepath.Join(b.dir, s.name+".yaml")
	t := s.topics
	text := fmt.Sprintf(`kafka:
  brokers: [%q]
  group: %s
  topics: {facts: %s, referrals: %s, results: %s, transactions: %s, instructions: %s, dead_letters: %s}
redis: {addresses: [%q], prefix: %s}
clickhouse: {addresses: [%q], database: bench_%s, user: %s, password: {file: %s}}
privacy: {account_ref_key: {file: %s}}
http: {listen: %q}
`, b.kafka.Brokers[0], s.name, t.Facts, t.Referrals, t.Results, t.Transactions, t.Instructions, t.DeadLetters,
		b.redis.Addr, s.name, b.clickhouse.Addr, s.name, b.clickhouse.User, password, secret, s.address)
	return os.WriteFile(s.config, []byte(text), 0o600)
}

// running runs the processor for as long as watch does.
func (b *bench) running(ctx context.Context, s *scene, step string, watch func(ctx context.Context, pid int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var log bytes.Buffer
	child := exec.Command(b.ristourne, "run", "--config", s.config)
	if b.memoryLimit != "" {
		child.Env = append(os.Environ(), "GOMEMLIMIT="+b.memoryLimit)
	}
	child.Stderr = &log
	if err := child.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cancel(fmt.Errorf("ristourne ended early: %w", child.Wait()))
	}()
	err := watch(ctx, child.Process.Pid)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	_ = child.Process.Signal(syscall.SIGTERM) // it may have ended
	<-ended
	if b.keep != "" {
		err = errors.Join(err, os.WriteFile(filepath.Join(b.keep, s.name+"."+step+".log"), log.Bytes(), 0o600))
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, log.String())
	}
	return nil
}

// poll is how often it is asked how far a group is: of the broker, which costs
// the processor nothing.
const poll = 50 * time.Millisecond

// until waits until the group has committed so many records of a topic.
func (b *bench) until(ctx context.Context, group, topic string, records int) error {
	return b.follow(ctx, group, topic, func(done int) bool { return done >= records })
}

// follow tells how many records of a topic a group has committed, until told
// that it is enough.
func (b *bench) follow(ctx context.Context, group, topic string, enough func(done int) bool) error {
	transport := new(kafka.Transport)
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(b.kafka.Brokers...), Transport: transport, Timeout: 5 * time.Second}
	partitions := make([]int, b.partitions)
	for i := range partitions {
		partitions[i] = i
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		answer, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: partitions}})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		done := 0
		if err == nil && answer.Error == nil { // the group's coordinator may still be coming up
			for _, p := range answer.Topics[topic] {
				done += int(max(p.CommittedOffset, 0))
			}
		}
		if enough(done) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// stream measures Ristourne over the events that wait.
func (b *bench) stream(ctx context.Context, s *scene, told string) (m measure, err error) {
	b.say("%s", told)
	err = b.running(ctx, s, "run", func(ctx context.Context, pid int) error {
		var from, to reading
		err := b.follow(ctx, s.name, s.topics.Transactions, func(done int) bool {
			if !from.taken() && float64(done) >= float64(s.load.events)*warm {
				from = b.read(ctx, s, pid, done)
				b.profileCPU(ctx, s)
			}
			if done >= s.load.events {
				to = b.read(ctx, s, pid, done)
				b.profileHeap(ctx, s)
			}
			return to.taken()
		})
		m = to.since(&from)
		m.Name = told
		return err
	})
	return m, err
}

// paced measures how long it takes from a record's Kafka timestamp until it is
// booked, at a rate.
func (b *bench) paced(ctx context.Context, perSecond int) (m measure, err error) {
	lasts := time.Duration(b.rateSeconds) * time.Second
	l := b.of(b.rateShare)
	l.events = perSecond * b.rateSeconds
	s, err := b.stage(ctx, fmt.Sprintf("r%d", perSecond), l)
	if err != nil {
		return m, err
	}
	b.say("%d events a second, %d %% at partner shops, for %s", perSecond, l.share, lasts)
	err = b.running(ctx, s, "run", func(ctx context.Context, pid int) error {
		before := l
		before.events = perSecond * 3 // connections, caches and the first batches are no part of it
		if err := pace(ctx, b.kafka.Brokers, s.topics.Transactions, before, perSecond, 3*time.Second); err != nil {
			return err
		}
		if err := b.until(ctx, s.name, s.topics.Transactions, before.events); err != nil {
			return err
		}
		from := b.read(ctx, s, pid, before.events)
		after := l
		after.after = before.events
		if err := pace(ctx, b.kafka.Brokers, s.topics.Transactions, after, perSecond, lasts); err != nil {
			return err
		}
		if err := b.until(ctx, s.name, s.topics.Transactions, before.events+l.events); err != nil {
			return err
		}
		to := b.read(ctx, s, pid, before.events+l.events)
		m = to.since(&from)
		m.Name = fmt.Sprintf("Ristourne, %d %%, %d events/s", l.share, perSecond)
		booked := to.bookedSince(&from)
		m.BookedP50, m.BookedP99 = booked.quantile(0.5), booked.quantile(0.99)
		return nil
	})
	return m, err
}

// reading is how far everything is at a moment.
type reading struct {
	at                             time.Time
	done                           int
	own, redis, clickhouse, broker usage
	process                        families
	redisBytes                     float64
	ledger                         ledgerCounters
}

type families map[string]*dto.MetricFamily

func (r *reading) taken() bool { return !r.at.IsZero() }

// read takes a reading. The processor's own metrics are asked for here alone:
// twice a case.
func (b *bench) read(ctx context.Context, s *scene, pid, done int) reading {
	r := reading{
		at: time.Now(), done: done,
		own: usageOf(pid), redis: usageOf(b.redis.PID()), clickhouse: usageOf(b.clickhouse.PID()), broker: usageOf(b.kafka.PID()),
		redisBytes: b.redisBytes(ctx), ledger: b.ledgerCounters(ctx),
	}
	body, err := get(ctx, "http://"+s.address+"/metrics")
	if err == nil {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		r.process, err = parser.TextToMetricFamilies(bytes.NewReader(body))
	}
	if err != nil {
		b.say("the processor's metrics can't be read: %v", err)
	}
	return r
}

func get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// profileSeconds is how much of a case is profiled.
const profileSeconds = 3

// profileCPU keeps a CPU profile of a case, beside what is measured.
func (b *bench) profileCPU(ctx context.Context, s *scene) {
	if b.profile {
		go b.keepProfile(ctx, s, "cpu", fmt.Sprintf("profile?seconds=%d", profileSeconds))
	}
}

// profileHeap keeps what a case has allocated in all, once it is measured.
func (b *bench) profileHeap(ctx context.Context, s *scene) {
	if b.profile {
		b.keepProfile(ctx, s, "heap", "heap")
	}
}

func (b *bench) keepProfile(ctx context.Context, s *scene, name, path string) {
	body, err := get(ctx, "http://"+s.address+"/debug/pprof/"+path)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.keep, s.name+"."+name+".pprof"), body, 0o600)
	}
	if err != nil {
		b.say("no %s profile of %s, which needs --events for %d seconds: %v", name, s.name, profileSeconds, err)
	}
}
