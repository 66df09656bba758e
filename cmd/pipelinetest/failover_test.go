package pipelinetest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/accounts"
	"ristourne/processor/catalog"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/ledgertest"
)

const (
	failoverCatalogue = "../../testdata/catalogue/lyon"
	failoverShards    = 4
	failoverAccounts  = 250
	failoverRecords   = 4000 // before duplicates and strangers
	failoverPortion   = 600  // records that are written at once
	failoverSession   = 2 * time.Second
)

// Processes share the shards: one is killed, one is stopped until its session
// is over and wakes up, one is told to end, and some come later. The ledger is
// that of one process that was left alone.
func TestProcessesHandTheirShardsOn(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	w := newFailoverWorld(t)
	a, b := w.start(t, "a"), w.start(t, "b")
	w.awaitShared(t, a, b)

	t.Log("a is killed between decided and delivered: b delivers what it finds")
	shard := w.freezeInFlight(t, a)
	found := b.outboxesFound(t)
	a.kill(t)
	w.awaitTakenOver(t, shard, b, found)

	t.Log("c starts late, b is stopped until its session is over, and wakes up")
	c := w.start(t, "c")
	w.awaitShared(t, b, c)
	shard = w.freezeInFlight(t, b)
	w.awaitTakenOver(t, shard, c, c.outboxesFound(t))
	b.signal(t, syscall.SIGCONT) // what it does now comes too late
	w.awaitShared(t, b, c)       // by epochs that are new to it

	t.Log("c is told to end in mid-flight, d starts late")
	w.freezeInFlight(t, c)
	c.signal(t, syscall.SIGCONT)
	c.terminate(t)
	d := w.start(t, "d")
	w.awaitShared(t, b, d)
	for len(w.supply) > 0 {
		w.produceMore(t)
	}
	localserverstest.WaitUntil(t, "every record is committed", func() bool { return w.finished(t.Context(), t) })

	b.terminate(t)
	d.terminate(t)
	w.check(t)
	w.checkOutboxes(t)
}

// failoverWorld is the parts, and the records that are still to be written.
type failoverWorld struct {
	*chaosWorld
	binary, config string
	processor      string // settings of the processes
	store          *accounts.Store
	supply         []ledgertest.Record
}

func newFailoverWorld(t *testing.T) *failoverWorld {
	t.Helper()
	w := newFailoverParts(t, failoverCatalogue)
	w.makeRecords(t)
	return w
}

// newFailoverParts has the catalogue published, and no records. Its processes have
// small batches: much is in flight then.
func newFailoverParts(t *testing.T, catalogueDir string) *failoverWorld {
	t.Helper()
	w := newProcesses(t, &chaosWorld{shards: failoverShards, prefix: "failover", rng: rand.New(rand.NewPCG(11, 5))}, "max_accounts: 10, commit_interval: 100ms")
	w.publish(t, catalogueDir)
	return w
}

// newProcesses starts parts for processes with these settings.
func newProcesses(t *testing.T, parts *chaosWorld, processor string) *failoverWorld {
	t.Helper()
	w := &failoverWorld{binary: buildProgram(t), chaosWorld: parts, processor: processor}
	w.startParts(t)
	w.config = w.writeConfig(t, "127.0.0.1:0")
	var err error
	if w.store, err = accounts.New(w.redis, w.prefix); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *failoverWorld) publish(t *testing.T, catalogueDir string) {
	t.Helper()
	runProgram(t, w.binary, "offers", "publish", catalogueDir, "--config", w.config)
}

// writeConfig has short sessions, so that a process that stopped is missed soon.
func (w *failoverWorld) writeConfig(t *testing.T, listen string) string {
	t.Helper()
	return writeFile(t, "ristourne.yaml", `
kafka:
  brokers: [%q]
  group: %q
  session_timeout: %s
  topics: {facts: %q, referrals: %q, results: %q, transactions: %q, instructions: %q, dead_letters: %q}
redis: {addresses: [%q], prefix: %s}
clickhouse: {addresses: [%q], database: %q, user: %q, password: {file: %q}}
privacy: {account_ref_key: {file: %q}}
processor: {%s}
http: {listen: %q}
log: {format: json}
`, w.brokers[0], w.feed.GroupID, failoverSession,
		w.feed.Topics[rules.TopicFacts], w.feed.Topics[rules.TopicReferrals], w.feed.Topics[rules.TopicResults], w.feed.Topics[rules.TopicTransactions],
		w.instructions, w.deadLetters,
		w.redis.(*redis.Client).Options().Addr, w.prefix,
		w.ledgerOptions.Addresses[0], w.ledgerOptions.Database, w.ledgerOptions.User,
		writeFile(t, "clickhouse.secret", "%s", w.ledgerOptions.Password),
		writeFile(t, "account-ref-key.secret", "a secret of the test, 32 bytes +"),
		w.processor, listen)
}

// makeRecords makes up what is written by and by, and the ledger that must come
// out. The accounts' lives lie around the first of June 2026, from which day a
// partner has other terms.
func (w *failoverWorld) makeRecords(t *testing.T) {
	t.Helper()
	loaded, err := catalog.Load(failoverCatalogue)
	if err != nil {
		t.Fatal(err)
	}
	generator := ledgertest.NewGenerator(11, ledgertest.GenOptions{
		Accounts: failoverAccounts, Orderless: true, Catalogue: loaded.Catalogue,
		Start: time.Date(2026, 5, 10, 0, 0, 0, 0, time.UTC), Span: 45 * 24 * time.Hour,
	})
	records := generator.Records(failoverRecords)
	w.records, w.agreed = records, loaded.Catalogue
	if rewarded := len(ledgertest.Oracle(loaded.Catalogue, records).Instructed); rewarded < failoverAccounts/4 {
		t.Fatalf("the records give %d of %d accounts a reward: too few to tell a lost or doubled one", rewarded, failoverAccounts)
	}
	w.supply = ledgertest.Duplicate(w.rng, withoutEffect(w.rng, ledgertest.Shuffle(w.rng, records)), 10)
	for _, r := range w.supply {
		if r.Event != nil && r.Event.AmountMinor < 0 {
			w.poison++
		}
	}

	// The others come after the enrolments, whatever portion they are in.
	first := slices.IndexFunc(w.supply, func(r ledgertest.Record) bool { return r.Fact == nil || r.Fact.Type != rules.Enrolled })
	w.produce(t, w.supply[:first])
	w.supply = w.supply[first:]
}

// withoutEffect puts events of strangers and broken ones between the records.
func withoutEffect(rng *rand.Rand, records []ledgertest.Record) []ledgertest.Record {
	var mixed []ledgertest.Record
	for i, r := range records {
		mixed = append(mixed, r)
		if r.Event == nil {
			continue
		}
		e := *r.Event
		switch n := rng.IntN(100); {
		case n < 20:
			e.AccountID = "stranger-" + strconv.Itoa(i)
		case n < 23:
			e.ID, e.AmountMinor = "broken-"+strconv.Itoa(i), -1
		default:
			continue
		}
		mixed = append(mixed, ledgertest.Record{Event: &e})
	}
	return mixed
}

func (w *failoverWorld) produceMore(t *testing.T) {
	t.Helper()
	n := min(failoverPortion, len(w.supply))
	w.produce(t, w.supply[:n])
	w.supply = w.supply[n:]
}

// start starts a process and waits until it answers. An address that was free may
// be gone when the process asks for it: the next try has another.
func (w *failoverWorld) start(t *testing.T, name string) *instance {
	t.Helper()
	const tries = 5
	for range tries {
		address := freeAddress(t)
		p := runInstance(t, w.binary, name, address, "run", "--config", w.writeConfig(t, address))
		localserverstest.WaitUntil(t, "process "+name+" answers", func() bool { return p.hasExited() || p.metrics() != "" })
		if !p.hasExited() {
			return p
		}
	}
	t.Fatalf("process %s ended %d times as soon as it was started", name, tries)
	return nil
}

// awaitShared waits until each process has acquired a part of the shards, and
// together they have all, none by an epoch that is over.
func (w *failoverWorld) awaitShared(t *testing.T, processes ...*instance) {
	t.Helper()
	localserverstest.WaitUntil(t, "the processes share all shards", func() bool {
		owned := 0
		for _, p := range processes {
			epochs := p.epochs(t)
			if len(epochs) == 0 {
				return false
			}
			for shard, epoch := range epochs {
				if w.head(t, shard).Epoch != epoch {
					return false
				}
			}
			owned += len(epochs)
		}
		return owned == failoverShards
	})
}

// awaitTakenOver waits until p owns the shard, and has delivered what former owners
// had decided and not delivered beyond the batches that it had found before.
func (w *failoverWorld) awaitTakenOver(t *testing.T, shard int32, p *instance, before float64) {
	t.Helper()
	localserverstest.WaitUntil(t, p.name+" takes over", func() bool {
		epoch, owns := p.epochs(t)[shard]
		return owns && w.head(t, shard).Epoch == epoch && p.outboxesFound(t) > before
	})
}

// freezeInFlight stops a process (it stays stopped) at a moment when one of its
// shards has batches that are decided and not delivered, and earlier ones that
// are committed. It gives that shard.
func (w *failoverWorld) freezeInFlight(t *testing.T, p *instance) (shard int32) {
	t.Helper()
	localserverstest.WaitUntil(t, "process "+p.name+" is in mid-flight", func() (found bool) {
		if w.allDecided(t) {
			if len(w.supply) == 0 {
				t.Fatalf("all records went through before process %s was met in mid-flight", p.name)
			}
			w.produceMore(t)
		}
		epochs := p.epochs(t)
		p.signal(t, syscall.SIGSTOP)
		for of, epoch := range epochs {
			if shard = of; w.head(t, of).Epoch == epoch && w.inFlight(t, of) {
				return true
			}
		}
		p.signal(t, syscall.SIGCONT)
		return false
	})
	return shard
}

// inFlight looks at a shard whose owner is stopped. It looks twice, as a
// request that was sent before may be answered after.
func (w *failoverWorld) inFlight(t *testing.T, shard int32) bool {
	t.Helper()
	before := w.head(t, shard)
	if before.Outbox == 0 {
		return false
	}
	committed, err := feed.Committed(t.Context(), w.feed, shard)
	if err != nil {
		t.Fatal(err)
	}
	return w.head(t, shard) == before && committed[rules.TopicTransactions] > 0 && committed != before.Positions
}

func (w *failoverWorld) head(t *testing.T, shard int32) accounts.Head {
	t.Helper()
	head, err := w.store.Head(t.Context(), shard)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// allDecided reports whether nothing is left for the processes to take.
func (w *failoverWorld) allDecided(t *testing.T) bool {
	t.Helper()
	var decided int64
	for shard := range w.shards {
		decided += max(w.head(t, shard).Positions[rules.TopicTransactions], 0)
	}
	return decided >= w.ends[rules.TopicTransactions]
}

// checkOutboxes: whoever was told to end has left nothing behind.
func (w *failoverWorld) checkOutboxes(t *testing.T) {
	t.Helper()
	for shard := range w.shards {
		if head := w.head(t, shard); head.Outbox != 0 {
			t.Errorf("shard %d has %d batches in its outbox that nobody has delivered", shard, head.Outbox)
		}
	}
}
