package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/cmd/internal/config"
	"ristourne/cmd/internal/transcript"
	"ristourne/deploy/localservers"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/accounts"
	"ristourne/processor/feed"
	"ristourne/processor/ledgerjson"
	"ristourne/rules"
)

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// waitUntil looks again and again, and fails the test where it was in vain.
func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	localserverstest.WaitUntil(t, what, is)
}

// head is the first lines of a text.
func head(text string, lines int) string {
	all := strings.SplitN(text, "\n", lines+1)
	return strings.Join(all[:min(len(all), lines)], "\n")
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

const bankShards = 2

// bank is a whole installation on parts of its own, worked by commands alone.
type bank struct {
	config string // file
	text   string // of it
	c      *config.Config
	// createTopics makes more topics on the bank's broker.
	createTopics func(ctx context.Context, partitions int, topics ...string) error
	store        *accounts.Store

	log     syncBuffer
	address string // of probes and metrics
	stop    context.CancelFunc
	stopped chan error
}

func newBank(t *testing.T) *bank {
	t.Helper()
	broker, redis := localserverstest.Kafka(t), localserverstest.Redis(t)
	server, database := localserverstest.ClickHouse(t)
	topics := make([]any, 0, 6)
	for _, key := range []string{"facts", "referrals", "results", "transactions", "instructions", "dead_letters"} {
		topics = append(topics, localserverstest.Unique(t, key))
	}
	for _, topic := range topics {
		if err := broker.CreateTopics(t.Context(), bankShards, topic.(string)); err != nil {
			t.Fatal(err)
		}
	}
	b := &bank{createTopics: broker.CreateTopics}
	b.text = fmt.Sprintf(`
kafka:
  brokers: [%q]
  group: %s
  topics: {facts: %s, referrals: %s, results: %s, transactions: %s, instructions: %s, dead_letters: %s}
redis: {addresses: [%q], prefix: bank}
clickhouse: {addresses: [%q], database: %s, user: %q, password: {file: %q}}
http: {listen: "127.0.0.1:0"}
processor: {commit_interval: 50ms}
log: {format: json}
`, append(append([]any{broker.Brokers[0], localserverstest.Unique(t, "group")}, topics...), redis.Addr, server.Addr, database, server.User, writeFile(t, "clickhouse.secret", "%s", server.Password))...)
	b.config = writeConfig(t, b.text)
	var err error
	if b.c, err = config.Load(b.config); err != nil {
		t.Fatal(err)
	}
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // the server goes with the test
	if b.store, err = accounts.New(client, b.c.Redis.Prefix); err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs a command with the bank's configuration, which must succeed.
func (b *bank) run(t *testing.T, arguments ...string) string {
	t.Helper()
	stdout, stderr, code := command(t, "", append(arguments, "--config", b.config)...)
	if code != 0 {
		t.Fatalf("ristourne %s exits %d: %s", strings.Join(arguments, " "), code, stderr)
	}
	return stdout
}

// start runs the processor in this process.
func (b *bank) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b.stop, b.stopped = stop, make(chan error, 1)
	c := *b.c
	c.HTTP.Listen = freeAddress(t)
	b.address = "http://" + c.HTTP.Listen
	go func() { b.stopped <- runProcessor(ctx, &c, newLogger(&b.log, c.Log)) }()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("the processor's log:\n%s", head(b.log.String(), 200))
		}
	})
	waitUntil(t, "/livez answers", func() bool {
		select {
		case err := <-b.stopped:
			t.Fatalf("the processor ends at once: %v", err)
		default:
		}
		answer, err := http.Get(b.address + "/livez")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := localservers.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// metric sums up a metric of the running processor over the series whose labels
// have each of the texts, and gives how many series those are.
func (b *bank) metric(t *testing.T, name string, labels ...string) (sum float64, series int) {
	t.Helper()
	body, _ := b.get(t, "/metrics")
	for line := range strings.Lines(body) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if of, _, _ := strings.Cut(key, "{"); of != name || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(key, l) }) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += n
		series++
	}
	return sum, series
}

// waitForFailure waits until the running processor counts a shard that stands still
// for a reason. Its log tells of it a moment later: look there once the processor
// has stopped, or the shard has gone on.
func (b *bank) waitForFailure(t *testing.T, reason string) {
	t.Helper()
	waitUntil(t, "a shard fails by "+reason, func() bool {
		n, _ := b.metric(t, "ristourne_shard_failures_total", `reason="`+reason+`"`)
		return n > 0
	})
}

func (b *bank) get(t *testing.T, path string) (body string, status int) {
	t.Helper()
	answer, err := http.Get(b.address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), answer.StatusCode
}

// send writes records of an account to a topic.
func (b *bank) send(t *testing.T, topic rules.Topic, key string, values ...string) {
	t.Helper()
	messages := make([]kafka.Message, len(values))
	for i, value := range values {
		messages[i] = kafka.Message{Key: []byte(key), Value: []byte(value)}
	}
	b.sendMessages(t, topic, messages...)
}

func (b *bank) sendMessages(t *testing.T, topic rules.Topic, messages ...kafka.Message) {
	t.Helper()
	name := b.c.Kafka.Topics.Inputs()[topic]
	transport := &kafka.Transport{} // the shared one may not know the topic yet
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{
		Transport: transport, Addr: kafka.TCP(b.c.Kafka.Brokers...), Topic: name, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
	}
	defer writer.Close()
	if err := writer.WriteMessages(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

// taken is how many records have a fate, all shards together.
func (b *bank) taken(t *testing.T) (n int64, fates [rules.NumFates]int64) {
	t.Helper()
	for shard := range int32(bankShards) {
		of, err := b.store.Fates(t.Context(), shard)
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

func (b *bank) waitForTaken(t *testing.T, want int64) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%d records have a fate", want), func() bool {
		n, _ := b.taken(t)
		return n >= want
	})
}

// linesByAccount are the lines of a JSON Lines file by their account_id.
func linesByAccount(t *testing.T, path string) (accountIDs []string, lines map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines = map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		id := "acc-1" // whose record the broken line is
		if found := regexp.MustCompile(`"account_id":"([^"]+)"`).FindStringSubmatch(line); found != nil {
			id = found[1]
		}
		if lines[id] == nil {
			accountIDs = append(accountIDs, id)
		}
		lines[id] = append(lines[id], strings.TrimSpace(line))
	}
	return accountIDs, lines
}

func (b *bank) sendFile(t *testing.T, topic rules.Topic, path string) (sent int64) {
	t.Helper()
	ids, lines := linesByAccount(t, path)
	for _, id := range ids {
		b.send(t, topic, id, lines[id]...)
		sent += int64(len(lines[id]))
	}
	return sent
}

// TestABanksDay goes from an empty installation to a stopped processor by the
// commands that a person would type, and looks at all they show on the way.
func TestABanksDay(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.start(t)
	if body, status := b.get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz before there is a catalogue: %d %s", status, body)
	}
	wantText(t, b.run(t, "offers", "publish", lyonCatalogue), "published catalogue version 1")

	// A programme that nobody knows would be noticed by the first purchase only.
	_, stderr, code := command(t, "", "members", "import", membersDir+"/good.csv", "--config", b.config, "--programme", "cashback-lion")
	if code != exitFailed || !strings.Contains(stderr, `--programme "cashback-lion" is not in the catalogue, which has cashback-lyon`) {
		t.Errorf("an unknown programme exits %d: %s", code, stderr)
	}

	waitUntil(t, "/readyz answers", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
	if body, status := b.get(t, "/livez"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/livez: %d %s", status, body)
	}
	sent := b.sendFile(t, rules.TopicFacts, simulateDir+"/facts.jsonl")
	sent += b.sendFile(t, rules.TopicTransactions, simulateDir+"/events.jsonl")
	b.waitForTaken(t, sent)
	b.waitDelivered(t)
	b.checkSameAsSimulate(t)
	b.checkDeadLetters(t)
	b.checkWhy(t)
	b.checkMetrics(t, sent)
	sent = b.checkRebuild(t, sent)
	b.checkDrain(t, sent)
}

// checkSameAsSimulate holds the processor's fates and ledger against the pure
// engine's.
func (b *bank) checkSameAsSimulate(t *testing.T) {
	t.Helper()
	want, stderr, _ := command(t, "", append(simulateLine("--output", "json", "--summary"), simulateDir+"/events.jsonl")...)
	n, fates := b.taken(t)
	told := fmt.Sprintf("%d records:", n)
	for fate := rules.Booked; fate < rules.NumFates; fate++ {
		if fates[fate] > 0 {
			told += fmt.Sprintf(" %d %s", fates[fate], fate)
		}
	}
	wantText(t, stderr, told+"\n")

	var got []string
	waitUntil(t, "the ledger has every line", func() bool {
		got = b.summary(t)
		return len(got) == strings.Count(want, "\n")
	})
	if text := strings.Join(got, ""); text != want {
		t.Errorf("the ledger sums up to\n%s\nthe pure engine's is\n%s", text, want)
	}
}

// summary sums the ledger by why, as simulate --summary does.
func (b *bank) summary(t *testing.T) (rows []string) {
	t.Helper()
	sums := map[summaryJSON]*[3]int64{}
	for _, id := range []string{"acc-1", "acc-2"} {
		for line := range strings.Lines(b.run(t, "why", "--account", id, "--output", "json")) {
			var told struct{ Lines []ledgerjson.Accrual }
			if err := json.Unmarshal([]byte(line), &told); err != nil {
				t.Fatal(err)
			}
			for _, a := range told.Lines {
				row := summaryJSON{
					AccountID: a.AccountID, TransactionID: a.TransactionID, OfferID: a.OfferID, Role: a.Role,
					BeneficiaryID: a.BeneficiaryID, Stage: a.Stage, Kind: a.Kind, Unit: a.Unit,
				}
				if sums[row] == nil {
					sums[row] = new([3]int64)
				}
				sums[row][0] += a.RewardMinor
				sums[row][1] += a.CommissionMinor
				sums[row][2] += a.CostMinor
			}
		}
	}
	for row, sum := range sums {
		if *sum == [3]int64{} {
			continue
		}
		row.RewardMinor, row.CommissionMinor, row.CostMinor = sum[0], sum[1], sum[2]
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, string(text)+"\n")
	}
	slices.Sort(rows)
	return rows
}

func (b *bank) checkDeadLetters(t *testing.T) {
	t.Helper()
	reasons := map[string]int{}
	for line := range strings.Lines(b.run(t, "deadletters", "list", "--output", "json")) {
		var letter struct {
			Reason, Field, Detail, Topic string
			Size                         int
			Value                        []byte
		}
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatal(err)
		}
		reasons[letter.Reason]++
		kept := letter.Reason != "card_number" && letter.Reason != "json" // which was not read whole
		if (len(letter.Value) > 0) != kept || letter.Size == 0 || letter.Detail == "" {
			t.Errorf("%s is listed as %s", letter.Reason, line)
		}
	}
	want := map[string]int{"time": 1, "conflict": 1, "card_number": 1, "range": 1, "json": 1}
	if fmt.Sprint(reasons) != fmt.Sprint(want) {
		t.Errorf("dead letters by reason: %v, want %v", reasons, want)
	}
	table := b.run(t, "deadletters", "list")
	b.wantShown(t, "ristourne deadletters list --config bank.yaml", table, anyTime, anySpace)
	if strings.Contains(table, "4111") {
		t.Errorf("a card number is listed:\n%s", table)
	}
	for _, test := range []struct {
		flags []string
		rows  int
	}{{[]string{"--reason", "conflict"}, 1}, {[]string{"--reason", "none such"}, 0}, {[]string{"--limit", "2"}, 2}} {
		if rows := strings.Count(b.run(t, append([]string{"deadletters", "list"}, test.flags...)...), "\n") - 1; rows != test.rows {
			t.Errorf("deadletters list %v gives %d rows, want %d", test.flags, rows, test.rows)
		}
	}
}

func (b *bank) checkWhy(t *testing.T) {
	t.Helper()
	transcript.Want(t, "ristourne why t-table --config bank.yaml", b.run(t, "why", "t-table"))
	wantText(t, b.run(t, "why", "t-retour"), "Purchase t-livres")                      // an id of a refund leads to its purchase
	wantText(t, b.run(t, "why", "--account", "acc-2"), "t-chaussures", "t-en-attente") // all purchases
	for _, test := range []struct{ arguments, want string }{
		{"why t-refusee", `nothing of transaction "t-refusee" was kept`},
		{"why --account nobody", `nothing is known of account "nobody"`},
	} {
		_, stderr, code := command(t, "", append(strings.Fields(test.arguments), "--config", b.config)...)
		if code != exitFailed || !strings.Contains(stderr, test.want) {
			t.Errorf("%s exits %d: %s", test.arguments, code, stderr)
		}
	}
}

// checkMetrics: what a person on call asks for is there.
func (b *bank) checkMetrics(t *testing.T, sent int64) {
	t.Helper()
	metrics, status := b.get(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics answers %d", status)
	}
	wantText(t, metrics,
		`ristourne_lag_records{shard="0",topic="`+b.c.Kafka.Topics.Transactions+`"} 0`,
		`ristourne_oldest_uncommitted_seconds{shard="1"}`, "ristourne_snapshot_age_seconds ", "ristourne_shards 2",
		`ristourne_dead_letters_total{reason="card_number"} 1`, `ristourne_dead_letters_total{reason="conflict"} 1`,
		`ristourne_records_total{fate="booked"}`, `ristourne_records_total{fate="duplicate"} 1`,
		`ristourne_step_seconds_count{step="book"}`, `ristourne_step_seconds_count{step="pay"}`,
		`ristourne_step_seconds_count{step="save"}`, `ristourne_step_seconds_count{step="commit"}`,
		"go_goroutines", "process_resident_memory_bytes")
	var sum int64
	for _, found := range regexp.MustCompile(`ristourne_records_total\{fate="[a-z_]+"\} (\d+)`).FindAllStringSubmatch(metrics, -1) {
		var n int64
		if _, err := fmt.Sscan(found[1], &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != sent {
		t.Errorf("records by fate are %d together, %d were sent", sum, sent)
	}
}

// checkRebuild rebuilds each shard under the running processor, which then goes
// on with what comes.
func (b *bank) checkRebuild(t *testing.T, sent int64) int64 {
	t.Helper()
	before := b.summary(t)
	for shard := range int32(bankShards) {
		was, err := b.store.Head(t.Context(), shard)
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, b.run(t, "rebuild", "--shard", fmt.Sprint(shard)), fmt.Sprintf("shard %d is rebuilt", shard))
		is, err := b.store.Head(t.Context(), shard)
		if err != nil || is.Epoch <= was.Epoch || is.Rebuilding {
			t.Errorf("after a rebuild the head of shard %d is %+v, before %+v, %v", shard, is, was, err)
		}
	}
	_, stderr, code := command(t, "", "rebuild", "--shard", "2", "--config", b.config)
	if code != exitUsage || !strings.Contains(stderr, "the topics have the shards 0 to 1") {
		t.Errorf("rebuild of a shard that isn't there exits %d: %s", code, stderr)
	}
	for _, id := range []string{"acc-1", "acc-2"} {
		b.send(t, rules.TopicTransactions, id, fmt.Sprintf(`{"event_id":"after","type":"clearing","transaction_id":"t-after","account_id":%q,
			"card_token":"tok-%c","amount_minor":1000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172853"}}`,
			id, "ab"[id[4]-'1']))
		sent++
	}
	b.waitForTaken(t, sent)
	var after []string
	waitUntil(t, "the purchases after the rebuild are booked", func() bool {
		after = b.summary(t)
		return len(after) == len(before)+4 // a reward and a commission each
	})
	for _, row := range before {
		if !slices.Contains(after, row) {
			t.Errorf("the rebuild changed the sum\n%s", row)
		}
	}
	return sent
}

// checkDrain stops the processor as SIGTERM does: everything is delivered and
// committed, and nothing is taken anew by the next one.
func (b *bank) checkDrain(t *testing.T, sent int64) {
	t.Helper()
	b.send(t, rules.TopicTransactions, "acc-1", `{"event_id":"last","type":"clearing","transaction_id":"t-last","account_id":"acc-1",
		"card_token":"tok-a","amount_minor":1000,"currency":"EUR","occurred_at":"2026-06-21T10:00:00Z","merchant":{"id":"0003172853"}}`)
	b.waitForTaken(t, sent+1) // it is saved, and perhaps not booked
	b.stop()
	if err := <-b.stopped; err != nil {
		t.Errorf("the stopped processor gives %v", err)
	}
	config, err := b.c.Kafka.Feed(quiet())
	if err != nil {
		t.Fatal(err)
	}
	for shard := range int32(bankShards) {
		head, err := b.store.Head(t.Context(), shard)
		if err != nil {
			t.Fatal(err)
		}
		if head.Outbox != 0 {
			t.Errorf("%d batches are left in the outbox of shard %d", head.Outbox, shard)
		}
		committed, err := feed.Committed(t.Context(), config, shard)
		if err != nil || committed != head.Positions {
			t.Errorf("shard %d has committed %v, and decided up to %v, %v", shard, committed, head.Positions, err)
		}
	}
	if strings.Contains(b.log.String(), goodSecret) {
		t.Error("a secret is in the log")
	}
	wantText(t, b.log.String(), `"msg":"ristourne has stopped"`, "shard was acquired by another owner")
	wantText(t, b.run(t, "why", "t-last"), "earns")
}
