package pipelinetest

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sqlclient "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor"
	"ristourne/processor/accounts"
	"ristourne/processor/audit"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/ledgertest"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/credits"
	"ristourne/sinks/deadletters"
	"ristourne/sinks/referrals"
)

// chaosRecords is how many records a run takes, before duplicates.
const chaosRecords = 240

// chaosWorld is a pipeline on parts of its own, the records it is given, and
// the ledger that must come out.
type chaosWorld struct {
	feed    feed.Config
	options processor.Options
	metrics *processor.Metrics
	records []ledgertest.Record // that count, in some order and once each
	want    ledgertest.Result   // of them, with the grants that were given
	shards  int32
	prefix  string          // of the keys in Redis
	ends    rules.Positions // summed over the shards

	brokers       []string
	instructions  string // topic
	deadLetters   string
	redis         redis.UniversalClient
	ledgerOptions clickhouse.Options
	ledger        *clickhouse.Ledger
	sql           driver.Conn
	agreed        *offer.Catalogue
	catalogue     staticCatalogue
	later         []ledgertest.Record // produced when the first owner has ended
	poison        int                 // records that must become dead letters

	rng       *rand.Rand
	mustShare bool // the records must ask budgets and tell sponsors
	loseRedis bool
	emptyOnce bool           // Redis is emptied when the first owner has ended
	dump      map[string]any // Redis as it once was
	losses    int
	done      atomic.Bool
}

func newChaosWorld(t *testing.T, seed uint64) *chaosWorld {
	t.Helper()
	w := &chaosWorld{shards: 1, prefix: "chaos", rng: rand.New(rand.NewPCG(seed, 5)), options: processor.DefaultOptions(), metrics: processor.NewMetrics(prometheus.NewRegistry())}
	w.options.AccountRefKey = []byte("a secret of the test, 32 bytes +")
	w.options.MaxAccounts, w.options.MaxStateBytes = 1+w.rng.IntN(4), 300+w.rng.IntN(2000)
	w.options.LookInterval = time.Millisecond // so that whoever waits looks again and again whether Redis has what it saved
	w.options.CommitInterval, w.options.RetryMax, w.options.DrainTimeout = 5*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond

	generator := ledgertest.NewGenerator(seed, ledgertest.GenOptions{
		Accounts: 8, Orderless: true, Language: ledgertest.WholeLanguage, Budgets: true,
	})
	records := generator.Records(chaosRecords)
	w.records, w.agreed = records, generator.Catalogue()
	snapshot, err := engine.Compile(generator.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	w.catalogue = staticCatalogue{snapshot}
	w.startParts(t)
	records = ledgertest.Duplicate(w.rng, ledgertest.Shuffle(w.rng, records), 15)
	first, later := w.inPortions(records)
	w.later = later
	w.produce(t, first)
	w.producePoison(t)
	return w
}

// inPortions keeps enrolments, before which nothing of an account counts, in
// the first one. The other facts and the events fall on both, so that some
// facts come when events they concern were taken long ago.
func (w *chaosWorld) inPortions(records []ledgertest.Record) (first, later []ledgertest.Record) {
	for _, r := range records {
		if r.Fact != nil && r.Fact.Type == rules.Enrolled || w.rng.IntN(2) == 0 {
			first = append(first, r)
		} else {
			later = append(later, r)
		}
	}
	return first, later
}

// produceLater produces the second portion, once.
func (w *chaosWorld) produceLater(t *testing.T) {
	t.Helper()
	later := w.later
	w.later = nil
	if len(later) > 0 {
		w.produce(t, later)
	}
}

// producePoison produces records that break a rule, behind the first portion.
func (w *chaosWorld) producePoison(t *testing.T) {
	t.Helper()
	transport := &kafka.Transport{} // as in produce
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(w.brokers...), RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
	}
	defer writer.Close()
	for _, topic := range []rules.Topic{rules.TopicFacts, rules.TopicTransactions} {
		for range 3 {
			m := kafka.Message{Topic: w.feed.Topics[topic], Key: []byte("nobody"), Value: []byte(`{"account_id": "nobody"}`)}
			if err := writer.WriteMessages(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			w.poison++
			w.ends[topic]++
		}
	}
}

func (w *chaosWorld) startParts(t *testing.T) {
	t.Helper()
	broker := localserverstest.Kafka(t)
	w.brokers = broker.Brokers
	w.feed = feed.Config{
		Brokers: w.brokers, GroupID: localserverstest.Unique(t, "group"), Log: quiet(),
		MaxRecords: 5 + w.rng.IntN(40), MaxWait: 20 * time.Millisecond,
	}
	for i, name := range []string{"facts", "referrals", "results", "transactions"} {
		w.feed.Topics[i] = localserverstest.Unique(t, name)
	}
	w.instructions, w.deadLetters = localserverstest.Unique(t, "instructions"), localserverstest.Unique(t, "dead-letters")
	topics := append(slices.Clone(w.feed.Topics[:]), w.instructions, w.deadLetters)
	if err := broker.CreateTopics(t.Context(), int(w.shards), topics...); err != nil {
		t.Fatal(err)
	}
	w.options.Topics = w.feed.Topics

	w.redis = accounts.Connect(accounts.Options{Addrs: []string{localserverstest.Redis(t).Addr}})
	t.Cleanup(func() { _ = w.redis.Close() }) // the server goes with the test

	server, database := localserverstest.ClickHouse(t)
	w.ledgerOptions = clickhouse.DefaultOptions()
	w.ledgerOptions.Addresses, w.ledgerOptions.Database = []string{server.Addr}, database
	w.ledgerOptions.User, w.ledgerOptions.Password = server.User, server.Password
	w.ledgerOptions.GroupInterval = 0
	ledger, err := clickhouse.Open(t.Context(), w.ledgerOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ledger.Close() })
	if err := ledger.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ledger = ledger
	w.sql, err = sqlclient.Open(&sqlclient.Options{
		Addr: []string{server.Addr}, Auth: sqlclient.Auth{Username: server.User, Password: server.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.sql.Close() })
}

// keepMarker keeps the marker as it is now for unmark.
func (w *chaosWorld) keepMarker(ctx context.Context) error {
	db := w.ledgerOptions.Database
	for _, query := range []string{
		"CREATE TABLE IF NOT EXISTS " + db + ".former_marker AS " + db + ".markers_log ENGINE = Memory",
		"TRUNCATE TABLE " + db + ".former_marker",
		"INSERT INTO " + db + ".former_marker SELECT * FROM " + db + ".markers_log FINAL",
	} {
		if err := w.sql.Exec(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// unmark makes the ledger as it is when a process dies after it has booked the
// rows of a batch and before it books their marker.
func (w *chaosWorld) unmark(ctx context.Context) error {
	db := w.ledgerOptions.Database
	if err := w.sql.Exec(ctx, "ALTER TABLE "+db+".markers_log DELETE WHERE 1 SETTINGS mutations_sync = 2"); err != nil {
		return err
	}
	return w.sql.Exec(ctx, "INSERT INTO "+db+".markers_log SELECT * FROM "+db+".former_marker")
}

// ports are a new process' connections to the same parts.
func (w *chaosWorld) ports(t *testing.T) processor.Ports {
	t.Helper()
	store, err := accounts.New(w.redis, w.prefix)
	if err != nil {
		t.Fatal(err)
	}
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	instructions := credits.New(credits.Options{Brokers: w.brokers, Topic: w.instructions, Transport: transport})
	published := referrals.New(referrals.Options{Brokers: w.brokers, Topic: w.feed.Topics[rules.TopicReferrals], Transport: transport})
	letters := deadletters.New(deadletters.Options{Brokers: w.brokers, Topic: w.deadLetters, Transport: transport})
	t.Cleanup(func() { _, _, _ = instructions.Close(), published.Close(), letters.Close() })
	if err := store.HoldShards(t.Context(), int(w.shards)); err != nil {
		t.Fatal(err)
	}
	return processor.Ports{
		Accounts: store, Ledger: w.ledger, Instructions: instructions, Referrals: published, DeadLetters: letters, Catalogue: w.catalogue, Now: time.Now,
	}
}

func (w *chaosWorld) produce(t *testing.T, records []ledgertest.Record) {
	t.Helper()
	// Not the transport that all share by default: it answers from what it knew
	// of a broker's topics before the test made its own.
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(w.brokers...), Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, BatchSize: 50, Compression: kafka.Lz4,
	}
	defer writer.Close()
	var facts, events []kafka.Message
	for _, r := range records {
		m := kafka.Message{Key: []byte(r.AccountID()), Value: ledgertest.JSON(r)}
		if r.Fact != nil {
			m.Topic = w.feed.Topics[rules.TopicFacts]
			facts = append(facts, m)
		} else {
			m.Topic = w.feed.Topics[rules.TopicTransactions]
			events = append(events, m)
		}
	}
	for _, messages := range [][]kafka.Message{facts, events} {
		if err := writer.WriteMessages(t.Context(), messages...); err != nil {
			t.Fatal(err)
		}
	}
	w.ends[rules.TopicFacts] += int64(len(facts))
	w.ends[rules.TopicTransactions] += int64(len(events))
}

// finished reports whether everything was committed.
func (w *chaosWorld) finished(ctx context.Context, t *testing.T) bool {
	t.Helper()
	var sum rules.Positions
	for shard := range w.shards {
		committed, err := feed.Committed(ctx, w.feed, shard)
		if err != nil {
			return false
		}
		for topic, offset := range committed {
			sum[topic] += max(offset, 0)
		}
	}
	if sum[rules.TopicFacts] < w.ends[rules.TopicFacts] || sum[rules.TopicTransactions] < w.ends[rules.TopicTransactions] {
		return false
	}
	// All referrals are told by now: that comes before the commit.
	w.ends[rules.TopicReferrals] = 0
	err := feed.ReadTopic(ctx, w.feed, w.feed.Topics[rules.TopicReferrals], func(int32, feed.Record) error {
		w.ends[rules.TopicReferrals]++
		return nil
	})
	return err == nil && sum[rules.TopicReferrals] >= w.ends[rules.TopicReferrals]
}

// maybeLoseRedis keeps what Redis holds, sets it back to what was kept, or
// empties it.
func (w *chaosWorld) maybeLoseRedis(t *testing.T) {
	t.Helper()
	if w.emptyOnce {
		w.emptyOnce = false
		w.losses++
		localserverstest.RestoreRedis(t, w.redis, nil)
	}
	if !w.loseRedis {
		return
	}
	switch w.rng.IntN(6) {
	case 0, 1:
		w.dump = localserverstest.DumpRedis(t, w.redis)
	case 2:
		w.losses++
		localserverstest.RestoreRedis(t, w.redis, w.dump)
	case 3:
		w.losses++
		localserverstest.RestoreRedis(t, w.redis, nil)
	}
}

// check compares everything that came out with what must come out.
func (w *chaosWorld) check(t *testing.T) {
	t.Helper()
	histories := w.histories(t)
	w.checkGrants(t, histories)
	w.checkSums(t, histories)
	w.checkInstructions(t)
	w.checkDeadLetters(t)
	for shard := range w.shards {
		holes, err := w.ledger.Holes(t.Context(), shard, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, hole := range holes {
			t.Errorf("nobody touched the ledger, and it has a hole: %s", hole)
		}
	}
	w.checkProof(t)
	conflicts, err := w.ledger.Conflicts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, conflict := range conflicts {
		t.Errorf("one id with two contents: %+v", conflict)
	}
	if w.losses == 0 {
		w.checkFates(t)
	}
}

// checkProof works the ledger out anew from its own records: whoever died and whatever
// was booked twice, each row follows, with its id, from the record that it names.
func (w *chaosWorld) checkProof(t *testing.T) {
	t.Helper()
	const listed = 5
	snapshot, err := engine.Compile(w.agreed)
	if err != nil {
		t.Fatal(err)
	}
	p := audit.Proof{Store: w.ledger, Snapshot: snapshot, Catalogue: w.agreed, Limit: listed}
	sheet, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range sheet.Checks {
		for _, d := range check.Differences {
			t.Errorf("%s: %+v", check.What, d)
		}
	}
}

func (w *chaosWorld) histories(t *testing.T) (all []*rules.AccountHistory) {
	t.Helper()
	for shard := range w.shards {
		if err := w.ledger.Histories(t.Context(), shard, func(h *rules.AccountHistory) error {
			all = append(all, h)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// checkGrants: which purchases a budget served depends on who was decided first.
// No budget gave more than its limit, the ledger's sums say the same, and with
// those grants there is one ledger that must come out.
func (w *chaosWorld) checkGrants(t *testing.T, histories []*rules.AccountHistory) {
	t.Helper()
	var grants []rules.Grant
	sums := make(map[rules.BudgetKey]int64)
	for _, h := range histories {
		for _, g := range h.Grants {
			g.AccountID = h.AccountID
			grants = append(grants, g)
			sums[g.Budget] += g.GrantedMinor
		}
	}
	for budget, sum := range sums {
		booked, err := w.ledger.Spent(t.Context(), budget)
		if err != nil {
			t.Fatal(err)
		}
		for _, minor := range booked {
			sum -= minor
		}
		if sum != 0 {
			t.Errorf("budget %s: the changes that are booked add up to %d less than its grants", budget, sum)
		}
	}
	if told := w.ends[rules.TopicReferrals]; w.mustShare && (len(grants) < 5 || told < 5) {
		t.Errorf("the records have %d grants and tell %d referrals: too few to tell a lost or doubled one, choose another seed", len(grants), told)
	}
	w.want = ledgertest.OracleAtEnd(w.agreed, w.records, grants)
	for _, fault := range w.want.Faults {
		t.Errorf("grants: %s", fault)
	}
}

// checkSums: the same sums per key as the oracle's, no line missing, none twice.
func (w *chaosWorld) checkSums(t *testing.T, histories []*rules.AccountHistory) {
	t.Helper()
	got := make(map[ledgertest.Key]ledgertest.Sums)
	for _, h := range histories {
		for i := range h.Booked {
			a := h.Booked[i]
			sum := got[a.Key()].Add(ledgertest.Sums{Reward: a.RewardMinor, Commission: a.CommissionMinor, Cost: a.CostMinor, Basis: a.BasisMinor})
			if got[a.Key()] = sum; sum == (ledgertest.Sums{}) {
				delete(got, a.Key())
			}
		}
	}
	want := ledgertest.Result{Sums: w.want.Sums, Instructed: w.want.Instructed}
	if difference := ledgertest.Difference(want, ledgertest.Result{Sums: got, Instructed: w.want.Instructed}); difference != "" {
		t.Errorf("the ledger is not that of one clean pass:\n%.4000s", difference)
	}
}

// checkInstructions: no id with two amounts, and what was paid is what is due.
func (w *chaosWorld) checkInstructions(t *testing.T) {
	t.Helper()
	byID := make(map[string]rules.Instruction)
	paid := make(map[ledgertest.Payee]int64)
	err := feed.ReadTopic(t.Context(), w.feed, w.instructions, func(_ int32, r feed.Record) error {
		i, err := credits.Decode(r.Value)
		if err != nil {
			return err
		}
		if former, again := byID[i.ID]; again {
			if former.AmountMinor != i.AmountMinor || former.Direction != i.Direction || former.AccountID != i.AccountID {
				t.Errorf("instruction %s has two contents: %+v and %+v", i.ID, former, i)
			}
			return nil
		}
		byID[strings.Clone(i.ID)] = i
		amount := i.AmountMinor
		if i.Direction == rules.Debit {
			amount = -amount
		}
		paid[ledgertest.Payee{AccountID: i.AccountID, Currency: i.Currency}] += amount
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(paid, func(_ ledgertest.Payee, amount int64) bool { return amount == 0 })
	if !maps.Equal(paid, w.want.Instructed) {
		t.Errorf("instructed %v, want %v", paid, w.want.Instructed)
	}
}

// letterIDs are those of the dead letters in the topic, each once.
func (w *chaosWorld) letterIDs(t *testing.T) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	err := feed.ReadTopic(t.Context(), w.feed, w.deadLetters, func(_ int32, r feed.Record) error {
		message, err := r.Message()
		if err != nil {
			return err
		}
		letter, err := deadletters.Decode(message)
		if err == nil {
			ids[deadletters.ID(&letter)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// checkDeadLetters: each bad record is set aside, perhaps more than once.
func (w *chaosWorld) checkDeadLetters(t *testing.T) {
	t.Helper()
	if ids := w.letterIDs(t); len(ids) != w.poison {
		t.Errorf("%d dead letters of %d bad records", len(ids), w.poison)
	}
}

// checkFates: every record that came in has exactly one fate.
func (w *chaosWorld) checkFates(t *testing.T) {
	t.Helper()
	var in int64
	for _, end := range w.ends {
		in += end
	}
	if sum, fates := w.taken(t); sum != in {
		t.Errorf("%d records came in, %d have a fate: %v", in, sum, fates)
	}
}

// taken is how many records have a fate, all shards together.
func (w *chaosWorld) taken(t *testing.T) (n int64, fates [rules.NumFates]int64) {
	t.Helper()
	store, err := accounts.New(w.redis, w.prefix)
	if err != nil {
		t.Fatal(err)
	}
	for shard := range w.shards {
		of, err := store.Fates(t.Context(), shard)
		if err != nil {
			t.Fatal(err)
		}
		for fate, count := range of {
			fates[fate] += count
			n += count
		}
	}
	return n, fates
}
