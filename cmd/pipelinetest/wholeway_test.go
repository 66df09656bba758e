package pipelinetest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/catalog/published"
	"ristourne/processor/feed"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/sinks/credits"
)

// A failure names its seed: -wholeway.seed 17 runs that round first.
var (
	wholeWayDuration = flag.Duration("wholeway.duration", 0, "for how long rounds of the whole way begin; at least a few do")
	wholeWaySeed     = flag.Uint64("wholeway.seed", 1, "seed of the first round")
)

const (
	wholeWayShards   = 2
	wholeWayPortions = 3
	wholeWayPortion  = 250 // records
	// wholeWayStall is how long a round may stand still; it never does on an idle
	// machine.
	wholeWayStall = localserverstest.WaitLimit
)

// Nothing that anyone can send, name or configure stops a shard: catalogues and
// records that are made up, to every bound that is accepted and beyond, go the
// whole way from Kafka to ClickHouse and the instructions topic. Every record
// comes to a fate, no shard fails or stands still, and the ledger is what the
// pure engine makes of the same records.
func TestNothingThatIsSentOrConfiguredStopsAShard(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for round := uint64(0); round < uint64(localserverstest.Cases(1, 3)) || time.Since(began) < *wholeWayDuration; round++ {
		seed := *wholeWaySeed + round
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { newWholeWay(t, seed).run(t) }) {
			t.Fatalf("after %d rounds in %s; again by -wholeway.seed %d", round, time.Since(began).Round(time.Second), seed)
		}
	}
	t.Logf("%s of rounds without a fault", time.Since(began).Round(time.Second))
}

// wholeWay is one round.
type wholeWay struct {
	chancer
	*failoverWorld
	process *instance
	offers  *offerFiles
	maker   *recordMaker
	sources map[place][]byte // the bytes that were produced, by where they stand
	rebuild bool             // the shards, half way

	produced int64
}

// place is where a record stands.
type place struct {
	topic     rules.Topic
	partition int32
	offset    int64
}

func newWholeWay(t *testing.T, seed uint64) *wholeWay {
	t.Helper()
	c := chancer{rand.New(rand.NewPCG(seed, 11))}
	now := time.Now()
	w := &wholeWay{chancer: c, offers: newOfferFiles(c, now), rebuild: c.in(25)}
	w.maker = newRecordMaker(c, now, w.offers)
	parts := &chaosWorld{shards: wholeWayShards, prefix: "wholeway", rng: c.Rand}
	w.failoverWorld = newProcesses(t, parts, fmt.Sprintf("commit_interval: 50ms, max_accounts: %d", c.between(1, 20)))
	return w
}

func (w *wholeWay) run(t *testing.T) {
	dir := t.TempDir()
	w.offers.write(t, dir)
	w.publish(t, dir)
	w.process = w.start(t, "whole-way")
	w.produce(t, w.maker.first())
	for portion := range wholeWayPortions {
		w.maker.now = time.Now()
		w.produce(t, w.maker.records(wholeWayPortion))
		w.settle(t)
		w.readInstructions(t)
		if portion == 0 && w.rebuild {
			for shard := range w.shards {
				runProgram(t, w.binary, "rebuild", "--shard", fmt.Sprint(shard), "--config", w.config)
			}
		}
	}
	w.checkDeadLetters(t)
	w.checkLedger(t)
	w.process.terminate(t)
	w.checkLog(t)
}

func (w *wholeWay) produce(t *testing.T, records []madeRecord) {
	t.Helper()
	transport := &kafka.Transport{} // the shared one may not know the topics yet
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(w.brokers...), Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, BatchSize: 20, Compression: kafka.Lz4,
	}
	defer writer.Close()
	messages := make([]kafka.Message, len(records))
	for i, r := range records {
		messages[i] = kafka.Message{Topic: w.feed.Topics[r.topic], Key: r.key, Value: r.value, Time: r.stamp}
	}
	if err := writer.WriteMessages(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
	w.produced += int64(len(records))
}

// settle waits until all is committed and has a fate.
func (w *wholeWay) settle(t *testing.T) {
	t.Helper()
	var before, in int64
	moved := time.Now()
	for committed := w.committed(t); ; committed = w.committed(t) {
		if committed == before && committed >= w.produced {
			// A referral that is told before the commit is a record too.
			if in = w.readTopics(t); in == committed {
				break
			}
		}
		if committed != before {
			before, moved = committed, time.Now()
		}
		if time.Since(moved) > wholeWayStall {
			t.Fatalf("of %d records %d are committed, and none for %s", w.readTopics(t), committed, wholeWayStall)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if n, fates := w.taken(t); n != in {
		t.Errorf("%d records came in, %d have a fate: %v", in, n, fates)
	}
}

// readTopics is how many records the input topics hold; it keeps their bytes.
func (w *wholeWay) readTopics(t *testing.T) (in int64) {
	t.Helper()
	w.sources = map[place][]byte{}
	for topic, name := range w.feed.Topics {
		err := feed.ReadTopic(t.Context(), w.feed, name, func(partition int32, r feed.Record) error {
			w.sources[place{rules.Topic(topic), partition, r.Offset}] = slices.Clone(r.Value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return int64(len(w.sources))
}

func (w *wholeWay) committed(t *testing.T) (n int64) {
	t.Helper()
	for shard := range w.shards {
		offsets, err := feed.Committed(t.Context(), w.feed, shard)
		if err != nil {
			t.Fatal(err)
		}
		for _, offset := range offsets {
			n += max(offset, 0)
		}
	}
	return n
}

// readInstructions takes what the bank was given, each of which must be one that
// a bank can take, and no id twice with two contents.
func (w *wholeWay) readInstructions(t *testing.T) {
	t.Helper()
	known := map[string]rules.Instruction{}
	w.maker.instructions = w.maker.instructions[:0]
	err := feed.ReadTopic(t.Context(), w.feed, w.instructions, func(_ int32, r feed.Record) error {
		i, err := credits.Decode(r.Value)
		if err != nil {
			return err
		}
		if former, again := known[i.ID]; again && (former.AmountMinor != i.AmountMinor || former.Direction != i.Direction || former.AccountID != i.AccountID) {
			t.Errorf("instruction %s has two contents: %+v and %+v", i.ID, former, i)
		}
		known[i.ID] = i
		w.maker.instructions = append(w.maker.instructions, givenInstruction{i.ID, i.AccountID})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkLog: no shard has failed. A step that was tried again on a busy machine
// is no failure.
func (w *wholeWay) checkLog(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(w.process.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		var entry struct{ Level string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
		if entry.Level == "ERROR" {
			t.Errorf("the processor says: %s", line)
		}
	}
}

// checkDeadLetters: each that is counted is there and can be read.
func (w *wholeWay) checkDeadLetters(t *testing.T) {
	t.Helper()
	ids := w.letterIDs(t)
	if _, fates := w.taken(t); int64(len(ids)) != fates[rules.DeadLettered] {
		t.Errorf("%d dead letters of %d that are counted", len(ids), fates[rules.DeadLettered])
	}
}

// checkLedger holds each account's lines against those that the pure engine
// makes of the same records, in the order in which they were decided.
func (w *wholeWay) checkLedger(t *testing.T) {
	t.Helper()
	watcher := published.NewWatcher(w.redis, published.WatcherOptions{Prefix: w.prefix, Log: quiet()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go watcher.Run(ctx) //nolint:errcheck // Wait gives its error
	if err := watcher.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	engine := engine.New(watcher.Current().Snapshot)
	engine.SetBudgets(spent{})
	for shard := range w.shards {
		if err := w.ledger.Histories(t.Context(), shard, func(h *rules.AccountHistory) error {
			w.checkAccount(t, engine, shard, h)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	conflicts, err := w.ledger.Conflicts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, conflict := range conflicts {
		t.Errorf("one id with two contents: %+v", conflict)
	}
}

func (w *wholeWay) checkAccount(t *testing.T, e *engine.Engine, shard int32, h *rules.AccountHistory) {
	t.Helper()
	account := engine.NewAccount(h.AccountID)
	var out rules.Output
	decoder := wire.NewDecoder(wire.Options{NoKeys: true})
	for i := range h.Set {
		if err := w.apply(e, decoder, account, shard, &h.Set[i], &out); err != nil {
			t.Fatalf("account %q, %s %q at %d: %v", h.AccountID, h.Set[i].Cause.Kind, h.Set[i].Cause.ID, h.Set[i].Cause.Offset, err)
		}
	}
	if len(h.Set) > 0 {
		account.AdoptGrants(h.Grants)
		if err := e.Repair(account, h.Set[len(h.Set)-1].Cause, 1, &out); err != nil {
			t.Fatalf("account %q: %v", h.AccountID, err)
		}
	}
	want, got := map[rules.LineKey]rules.Sums{}, map[rules.LineKey]rules.Sums{}
	for _, side := range []struct {
		sums  map[rules.LineKey]rules.Sums
		lines []rules.Accrual
	}{{want, out.Accruals}, {got, h.Booked}} {
		for i := range side.lines {
			key := side.lines[i].Key()
			if side.sums[key] = side.sums[key].Plus(&side.lines[i]); side.sums[key] == (rules.Sums{}) {
				delete(side.sums, key)
			}
		}
	}
	for key, sum := range want {
		if got[key] != sum {
			t.Errorf("account %q: %+v is booked as %+v; the pure engine says %+v", h.AccountID, key, got[key], sum)
		}
	}
	for key, sum := range got {
		if _, known := want[key]; !known {
			t.Errorf("account %q: %+v is booked as %+v; the pure engine has none", h.AccountID, key, sum)
		}
	}
}

// spent are budgets that give nothing beyond what the ledger says they gave.
type spent struct{}

func (spent) Take(rules.BudgetKey, int64, int64) int64 { return 0 }
func (spent) GiveBack(rules.BudgetKey, int64)          {}

// apply applies the record behind a row of the ledger.
func (w *wholeWay) apply(engine *engine.Engine, decoder *wire.Decoder, account *engine.Account, shard int32, row *rules.SetRow, out *rules.Output) error {
	const anyClock = -1
	value := w.sources[place{row.Cause.Kind.Topic(), shard, row.Cause.Offset}]
	var err error
	switch row.Cause.Kind {
	case rules.CauseFact:
		f := new(rules.Fact)
		if fault := decoder.Fact(value, nil, anyClock, f); fault != nil {
			return fmt.Errorf("%s: %s", fault.Field, fault.Detail)
		}
		_, err = engine.ApplyFact(account, f, row.Cause, out)
	case rules.CauseReferral:
		r := new(rules.Referral)
		if err := r.UnmarshalBinary(row.Payload); err != nil {
			return err
		}
		r.SponsorAccountID = account.ID()
		_, err = engine.ApplyReferral(account, r, row.Cause, out)
	case rules.CauseResult:
		r := new(rules.Result)
		if fault := decoder.Result(value, nil, anyClock, r); fault != nil {
			return fmt.Errorf("%s: %s", fault.Field, fault.Detail)
		}
		_, err = engine.ApplyResult(account, r, row.Cause, out)
	default:
		ev := new(rules.Event)
		if fault := decoder.Event(value, nil, anyClock, ev); fault != nil {
			return fmt.Errorf("%s: %s", fault.Field, fault.Detail)
		}
		wire.Seal(ev)
		ev.Items = slices.Clone(ev.Items)
		_, err = engine.ApplyEvent(account, ev, row.Cause, out)
	}
	return err
}
