package main

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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
	w := newFailoverWorld(t)
	a, b := w.start(t, "a"), w.start(t, "b")
	w.awaitShared(t, a, b)

	t.Log("a is killed between decided and settled: b settles what it finds")
	shard := w.freezeInFlight(t, a)
	b.lookAway(t)
	a.kill(t)
	w.awaitTakenOver(t, shard, b)

	t.Log("c starts late, b is stopped until its session is over, and wakes up")
	c := w.start(t, "c")
	w.awaitShared(t, b, c)
	shard = w.freezeInFlight(t, b)
	c.lookAway(t)
	w.awaitTakenOver(t, shard, c)
	b.signal(t, syscall.SIGCONT) // what it does now comes too late
	w.awaitShared(t, b, c)       // in a generation that is new to it

	t.Log("c is told to end in mid-flight, d starts late")
	w.freezeInFlight(t, c)
	c.signal(t, syscall.SIGCONT)
	c.terminate(t)
	d := w.start(t, "d")
	w.awaitShared(t, b, d)
	for len(w.supply) > 0 {
		w.produceMore(t)
	}
	eventually(t, "every record is committed", func() bool { return w.finished(t.Context(), t) })

	b.terminate(t)
	d.terminate(t)
	w.check(t)
	w.checkOutboxes(t)
}

// failoverWorld is the parts, and the records that are still to be written.
type failoverWorld struct {
	*chaosWorld
	binary, config string
	store          *accounts.Store
	supply         []ledgertest.Record
}

func newFailoverWorld(t *testing.T) *failoverWorld {
	t.Helper()
	w := newFailoverParts(t, failoverCatalogue)
	w.makeRecords(t)
	return w
}

// newFailoverParts has the catalogue published, and no records.
func newFailoverParts(t *testing.T, catalogueDir string) *failoverWorld {
	t.Helper()
	w := &failoverWorld{binary: buildProgram(t), chaosWorld: &chaosWorld{
		shards: failoverShards, prefix: "failover", rng: rand.New(rand.NewPCG(11, 5)),
	}}
	w.startParts(t)
	w.config = w.writeConfig(t)
	runProgram(t, w.binary, "offers", "publish", catalogueDir, "--config", w.config)
	var err error
	if w.store, err = accounts.New(w.redis, w.prefix); err != nil {
		t.Fatal(err)
	}
	return w
}

// writeConfig has short sessions and small batches: much is in flight then.
func (w *failoverWorld) writeConfig(t *testing.T) string {
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
processor: {max_accounts: 10, commit_interval: 100ms}
http: {listen: "127.0.0.1:0"}
log: {format: json}
`, w.brokers[0], w.feed.GroupID, failoverSession,
		w.feed.Topics[feed.Facts], w.feed.Topics[feed.Referrals], w.feed.Topics[feed.Results], w.feed.Topics[feed.Transactions],
		w.instructions, w.deadLetters,
		w.redis.(*redis.Client).Options().Addr, w.prefix,
		w.ledgerOptions.Addresses[0], w.ledgerOptions.Database, w.ledgerOptions.User,
		writeFile(t, "clickhouse.secret", "%s", w.ledgerOptions.Password),
		writeFile(t, "account-ref-key.secret", "a secret of the test, 32 bytes +"))
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

func (w *failoverWorld) start(t *testing.T, name string) *instance {
	t.Helper()
	return runInstance(t, w.binary, name, "run", "--config", w.config)
}

// awaitShared waits until each process has claimed a part of the shards, and
// together they have all, in one generation.
func (w *failoverWorld) awaitShared(t *testing.T, processes ...*instance) {
	t.Helper()
	eventually(t, "the processes share all shards", func() bool {
		var all []int32
		generations := make(map[int32]bool)
		for _, p := range processes {
			shards, generation, whole := p.claimed(t)
			if len(shards) == 0 || !whole {
				return false
			}
			all, generations[generation] = append(all, shards...), true
		}
		return len(all) == failoverShards && len(generations) == 1
	})
}

// awaitTakenOver waits until p has found what the former owner of the shard had
// decided and not settled, and goes on from there.
func (w *failoverWorld) awaitTakenOver(t *testing.T, shard int32, p *instance) {
	t.Helper()
	for _, message := range []string{saysSettled, saysClaimed} {
		eventually(t, p.name+" says: "+message, func() bool {
			return p.said(t, func(l logLine) bool { return l.Message == message && l.Shard == shard })
		})
	}
}

// freezeInFlight stops a process (it stays stopped) at a moment when one of its
// shards has batches that are decided and not settled, and earlier ones that
// are committed. It gives that shard.
func (w *failoverWorld) freezeInFlight(t *testing.T, p *instance) (shard int32) {
	t.Helper()
	eventually(t, "process "+p.name+" is in mid-flight", func() (found bool) {
		if w.allDecided(t) {
			if len(w.supply) == 0 {
				t.Fatalf("all records went through before process %s was met in mid-flight", p.name)
			}
			w.produceMore(t)
		}
		p.signal(t, syscall.SIGSTOP)
		shards, _, _ := p.claimed(t)
		for _, shard = range shards {
			if w.inFlight(t, shard) {
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
	return w.head(t, shard) == before && committed[feed.Transactions] > 0 && rules.Heads(committed) != before.Heads
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
		decided += max(w.head(t, shard).Heads[feed.Transactions], 0)
	}
	return decided >= w.ends[feed.Transactions]
}

// checkOutboxes: whoever was told to end has left nothing behind.
func (w *failoverWorld) checkOutboxes(t *testing.T) {
	t.Helper()
	for shard := range w.shards {
		if head := w.head(t, shard); head.Outbox != 0 {
			t.Errorf("shard %d has %d batches in its outbox that nobody has settled", shard, head.Outbox)
		}
	}
}
