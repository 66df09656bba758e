package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/cmd/internal/transcript"
	"ristourne/rules"
)

// newBillingBank is a bank that bills the shops of Lyon, and has taken simulate's records
// in February 2026, by Kafka's timestamps.
func newBillingBank(t *testing.T) *bank {
	t.Helper()
	b := newLyonBank(t, func(file, text string) string {
		switch {
		case file == "programme.yaml":
			return `billing:
  seller: {name: Banque de Lyon SA, street: 12 rue de la République, post_code: "69002", city: Lyon, country: FR, siren: "732829320", vat_id: FR44732829320}
  series: CL
  vat: 20%
  language: en
  iban: FR76 3000 6000 0112 3456 7890 189
` + text
		case strings.Contains(text, "\nstores:"):
			return strings.Replace(text, "\nstores:", "\nbilling: {buyer: {name: "+strings.TrimSuffix(file, ".yaml")+" SARL, street: 1 place Bellecour, post_code: \"69002\", city: Lyon, country: FR}}\nstores:", 1)
		}
		return text
	})
	_, facts := linesByAccount(t, simulateDir+"/facts.jsonl")
	_, events := linesByAccount(t, simulateDir+"/events.jsonl")
	before, _ := b.taken(t)
	sent := int64(0)
	for id, lines := range facts {
		sent += b.sendIn(t, rules.TopicFacts, "2026-02-20", id, lines...)
	}
	for id, lines := range events {
		sent += b.sendIn(t, rules.TopicTransactions, "2026-02-20", id, lines...)
	}
	b.settled(t, before, sent)
	return b
}

// sendIn sends records with Kafka timestamps of a day.
func (b *bank) sendIn(t *testing.T, topic rules.Topic, day, key string, values ...string) (sent int64) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	var messages []kafka.Message
	for _, value := range values {
		messages = append(messages, kafka.Message{Key: []byte(key), Value: []byte(value), Time: at})
	}
	b.sendMessages(t, topic, messages...)
	return int64(len(values))
}

const (
	// What is of the day on which the test runs.
	anyDay    = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
	anyInWord = "[0-9]{1,2} [A-Z][a-z]+ [0-9]{4}"
	anySeries = "CL-[0-9]{4}"
)

// TestPartnersAreBilledByTheMonth as the README shows it: a month is closed once, what comes late
// of it is corrected with the next, and what is printed is printed alike.
func TestPartnersAreBilledByTheMonth(t *testing.T) {
	t.Parallel()
	b := newBillingBank(t)
	volatile := []string{anySeries, anyDay, anyInWord, anyTime, anySpace}
	closes := b.run(t, "invoices", "close", "2026-02", "--by", "ada", "--reason", "monthly run")
	transcript.Want(t, `ristourne invoices close 2026-02 --config bank.yaml --by ada --reason "monthly run"`, closes, volatile...)
	again := b.run(t, "invoices", "close", "2026-02", "--by", "bea", "--reason", "once more")
	wantText(t, again, "was closed at", "by ada: nothing changes")

	// A refund that was sent in February arrives when it is closed, and March is not booked yet.
	b.stopIdle(t)
	before, _ := b.taken(t)
	sent := b.sendIn(t, rules.TopicTransactions, "2026-02-27", "acc-1",
		`{"event_id":"late","type":"refund","transaction_id":"t-table","account_id":"acc-1","card_token":"tok-a","amount_minor":1000,"currency":"EUR","occurred_at":"2026-02-26T12:00:00+01:00","merchant":{"id":"0002276418","acquirer_id":"10278"}}`)
	sent += b.sendIn(t, rules.TopicTransactions, "2026-03-05", "acc-1",
		`{"event_id":"march","type":"clearing","transaction_id":"t-mars","account_id":"acc-1","card_token":"tok-a","amount_minor":2500,"currency":"EUR","occurred_at":"2026-03-04T12:00:00+01:00","merchant":{"id":"0003172846","mcc":"5462","country":"FR"}}`)
	_, stderr := b.fails(t, exitFailed, "invoices", "close", "2026-03", "--by", "ada", "--reason", "monthly run")
	wantText(t, stderr, "2 records of "+b.c.Kafka.Topics.Transactions, "not booked", "--incomplete")
	wantText(t, b.run(t, "invoices", "close", "2026-03", "--incomplete", "--dry-run"), "would close 2026-03")
	b.start(t)
	b.settled(t, before, sent)
	closes = b.run(t, "invoices", "close", "2026-03", "--by", "ada", "--reason", "monthly run")
	transcript.Want(t, `ristourne invoices close 2026-03 --config bank.yaml --by ada --reason "monthly run"`, closes, volatile...)

	series := "CL-" + time.Now().Format("2006") + "-"
	shown := b.run(t, "invoices", "show", series+"00004")
	transcript.Want(t, "ristourne invoices show CL-2026-00004 --config bank.yaml", shown, volatile...)
	wantText(t, b.run(t, "invoices", "list", "--month", "2026-03"), series+"00004", "3 documents")
	wantText(t, b.run(t, "invoices", "list", "--output", "json"), `"type":381`)
	wantText(t, b.run(t, "invoices", "show", series+"00004", "--output", "json"), `"corrects":{"number":"`+series)
	b.exportsAlike(t, series)

	b.execute(t, "ALTER TABLE accruals_log DELETE WHERE role = 'partner'")
	_, stderr = b.fails(t, exitFailed, "invoices", "close", "2026-04", "--by", "ada", "--reason", "monthly run", "--incomplete")
	wantText(t, stderr, "the ledger has lost rows")
}

// exportsAlike prints a month twice.
func (b *bank) exportsAlike(t *testing.T, series string) {
	t.Helper()
	folders := [2]string{t.TempDir(), filepath.Join(t.TempDir(), "made")}
	for _, dir := range folders {
		printed := b.run(t, "invoices", "export", "2026-03", "--format", "html,pdf,xml,csv", "--out", dir)
		transcript.Want(t, "ristourne invoices export 2026-03 --config bank.yaml --format html,pdf,xml,csv --out invoices", strings.ReplaceAll(printed, dir, "invoices"), anySeries)
	}
	names, err := os.ReadDir(folders[0])
	if err != nil || len(names) != 10 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		first, err := os.ReadFile(filepath.Join(folders[0], name.Name()))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(folders[1], name.Name()))
		if err != nil || len(first) == 0 || !bytes.Equal(first, second) {
			t.Errorf("%s differs from one time to the next (%v)", name.Name(), err)
		}
	}
	b.run(t, "invoices", "export", series+"00004", "--format", "html", "--language", "fr", "--out", folders[0])
	if text, err := os.ReadFile(filepath.Join(folders[0], series+"00004.html")); err != nil || !bytes.Contains(text, []byte("Avoir")) {
		t.Errorf("in French: %v\n%s", err, text)
	}
}

func TestInvoicesThatCantBeAskedForAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		arguments, want string
	}{
		{"close", "accepts 1 arg"},
		{"close february", `"february" is no month`},
		{"close 2026-02", "--by is needed"},
		{"list --limit 0", "1 to 100000"},
		{"show CL-1 --language de", "en or fr"},
		{"export 2026-02 --out x", "--format"},
		{"export 2026-02 --format pdf", "--out"},
		{"export 2026-02 --format doc --out x", `--format "doc"`},
		{"export 2026-02 --format pdf --out x --language de", "en or fr"},
	} {
		arguments := append([]string{"invoices"}, strings.Fields(test.arguments)...)
		if _, stderr, code := command(t, "", append(arguments, "--config", "none.yaml")...); code != exitUsage || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit %d: %s", test.arguments, code, stderr)
		}
	}
}
