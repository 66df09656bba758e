package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"ristourne/cmd/internal/config"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/sinks/credits"
)

// batchBytes is what a topic must take so that an instruction to the account can be
// written: a batch of it alone, as the sinks send it.
func batchBytes(t *testing.T, accountID string) int {
	t.Helper()
	i := rules.Instruction{
		ID: "RI-TBAE5A6W3OZY3CQZXVEKE3XDJM", Direction: rules.Credit, AccountID: accountID, AmountMinor: 100, Currency: [3]byte{'E', 'U', 'R'},
		StatementText: "Cashback Lyon: Boulangerie des Traboules", Programme: "cashback-lyon", Reason: "cashback", CreatedAt: time.Now().UnixMilli(),
	}
	set := protocol.RecordSet{Version: 2, Attributes: protocol.Lz4, Records: protocol.NewRecordReader(protocol.Record{
		Time: time.Now(), Key: protocol.NewBytes([]byte(accountID)), Value: protocol.NewBytes(credits.Append(nil, &i)),
	})}
	var written bytes.Buffer
	if _, err := set.WriteTo(&written); err != nil {
		t.Fatal(err)
	}
	return written.Len() - 4 // the length that stands before it
}

// createNarrowTopic makes a topic that takes no more than so many bytes at once, and
// has the bank write its instructions there.
func (b *bank) createNarrowTopic(t *testing.T, bytes int) {
	t.Helper()
	name := b.c.Kafka.Topics.Instructions + "-narrow"
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.c.Kafka.Brokers...), Transport: transport}
	answer, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: bankShards, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(bytes)}},
	}}})
	if err != nil || answer.Errors[name] != nil {
		t.Fatal(err, answer)
	}
	if err := b.createTopics(t.Context(), bankShards, name); err != nil { // waits for its leaders
		t.Fatal(err)
	}
	b.config = b.variant(t, "instructions: "+b.c.Kafka.Topics.Instructions, "instructions: "+name)
	if b.c, err = config.Load(b.config); err != nil {
		t.Fatal(err)
	}
}

// accountOfShard0 is an account id of so many letters.
func accountOfShard0(letters int) string {
	random := rand.New(rand.NewPCG(1, uint64(letters)))
	for {
		id := make([]byte, letters)
		for i := range id {
			id[i] = byte('a' + random.IntN(26))
		}
		if feed.NewLayout(bankShards).Shard(id) == 0 {
			return string(id)
		}
	}
}

// A decided batch that Kafka refuses for good: the shard says so and goes on once a
// person has set aside what is refused, by the commands of the README. What was set
// aside is named whole, nobody is paid twice for it, and the rest is with the bank.
func TestARefusedBatchIsSetAsideAndItsShardGoesOn(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	b := newBank(t)
	paid, refused := accountOfShard0(5), accountOfShard0(64)
	b.createNarrowTopic(t, (batchBytes(t, paid)+batchBytes(t, refused))/2)
	b.start(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	waitUntil(t, "/readyz answers", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
	purchases := 0
	buy := func(accounts ...string) {
		var messages []kafka.Message
		for _, id := range accounts {
			purchases++
			messages = append(messages, kafka.Message{Key: []byte(id), Value: fmt.Appendf(nil, `{"event_id":"e%[2]d","type":"clearing","transaction_id":"t%[2]d","account_id":"%[1]s",
				"card_token":"k","amount_minor":2000,"currency":"EUR","occurred_at":"2026-06-20T10:00:00Z","merchant":{"id":"0003172846"}}`, id, purchases)})
		}
		b.sendMessages(t, rules.TopicTransactions, messages...)
	}
	for _, id := range []string{paid, refused} {
		b.send(t, rules.TopicFacts, id, fmt.Sprintf(`{"fact_id":"f","type":"enrolled","account_id":"%[1]s","at":"2026-01-05T09:00:00+01:00","member_id":"m-%.10[1]s","programme":"cashback-lyon","card_tokens":["k"]}`, id))
	}
	b.waitForTaken(t, 2)
	buy(paid, refused, paid)
	b.waitForTaken(t, 5)
	b.waitForFailure(t, "undeliverable")
	body, _ := b.get(t, "/metrics")
	wantText(t, body, `ristourne_shard_failures_total{reason="undeliverable",shard="0"} 1`)

	setAside := []string{"outbox", "set-aside", "--shard", "0"}
	stdout, stderr := b.fails(t, exitFailed, setAside...)
	b.wantShown(t, "ristourne outbox set-aside --config FILE --shard 0", stdout+stderr, anySpace, "RI-[A-Z2-7]+", anyNumber+" bytes", "(?m)^"+anyNumber, "instructions: .* one message", "takes: .*")
	if head, err := b.store.Head(t.Context(), 0); err != nil || head.Outbox == 0 {
		t.Fatalf("asked what is refused, it has cleared the outbox: %+v, %v", head, err)
	}
	b.wantShown(t, "ristourne outbox set-aside --config FILE --shard 0 --yes", b.run(t, append(setAside, "--yes")...))
	b.waitDelivered(t)

	// The shard goes on; the small account's next credit reaches the bank.
	buy(paid)
	b.waitForTaken(t, 6)
	b.waitDelivered(t)
	wantText(t, b.log.String(), "step is refused until somebody acts", "is more than topic "+b.c.Kafka.Topics.Instructions+" takes: raise its max.message.bytes")
	letter := b.setAsideLetter(t)
	if letter.AccountID != refused || letter.AmountMinor <= 0 || letter.Direction != "credit" || !strings.HasPrefix(letter.InstructionID, "RI-") {
		t.Errorf("the letter says %+v", letter)
	}
	sum := func(account string) (minor int64) {
		for _, line := range b.instructed(t) {
			var id, direction, currency, to string
			var amount int64
			if _, err := fmt.Sscan(line, &id, &direction, &amount, &currency, &to); err != nil {
				t.Fatal(err)
			}
			if to == account {
				minor += amount
			}
		}
		return minor
	}
	if got, want := sum(paid), 3*letter.AmountMinor; got != want || sum(refused) != 0 {
		t.Errorf("the bank is told to credit %d to the one, want %d, and %d to the other", got, want, sum(refused))
	}
	if n := b.number(t, "SELECT uniqExact(instruction_id) FROM instructions_log"); n != 4 {
		t.Errorf("the ledger knows %d instructions, want all 4", n)
	}
	// Nothing pays it a second time, and nothing sends it where it doesn't belong.
	wantText(t, b.run(t, "rebuild", "--dry-run"), "recomputing would change nothing")
	wantText(t, b.run(t, "deadletters", "replay", "--reason", "refused", "--rekey"), "1  not replayable", "a person carries it out")
}

// setAsideLetter is what the one letter about a refused instruction holds.
func (b *bank) setAsideLetter(t *testing.T) (i struct {
	InstructionID string `json:"instruction_id"`
	Direction     string `json:"direction"`
	AccountID     string `json:"account_id"`
	AmountMinor   int64  `json:"amount_minor"`
},
) {
	t.Helper()
	listed := b.run(t, "deadletters", "list", "--reason", "refused", "--output", "json")
	if strings.Count(listed, "\n") != 1 {
		t.Fatalf("want one letter: %s", listed)
	}
	var letter struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal([]byte(listed), &letter); err != nil {
		t.Fatal(err)
	}
	value, err := base64.StdEncoding.DecodeString(letter.Value)
	if err != nil {
		value = []byte(letter.Value)
	}
	if err := json.Unmarshal(value, &i); err != nil {
		t.Fatalf("%s: %v", listed, err)
	}
	return i
}
