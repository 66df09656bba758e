package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/cmd/internal/transcript"
	"ristourne/processor/settle"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/facts"
)

// newMonthlyBank is a bank that has taken simulate's records, with a programme
// that pays by month what is 14 days old, and closes no cycle by itself. Some files
// of its offers can be left out.
func newMonthlyBank(t *testing.T, without ...string) *bank {
	t.Helper()
	return newPayoutBank(t, "{cycle: monthly on 1, hold: 14 days}", without...)
}

// newPayoutBank is such a bank, whose programme pays as payout says.
func newPayoutBank(t *testing.T, payout string, without ...string) *bank {
	t.Helper()
	b := newLyonBank(t, func(file, text string) string {
		switch {
		case slices.Contains(without, file):
			return ""
		case file == "programme.yaml":
			return "payout: " + payout + "\n" + text
		}
		return text
	})
	sent := b.sendFile(t, rules.TopicFacts, simulateDir+"/facts.jsonl")
	sent += b.sendFile(t, rules.TopicTransactions, simulateDir+"/events.jsonl")
	b.waitForTaken(t, sent)
	b.waitDelivered(t)
	return b
}

// newLyonBank is a bank whose processor runs, with the offers of Lyon, each file of them
// as edit has it; empty: without it.
func newLyonBank(t *testing.T, edit func(file, text string) string) *bank {
	t.Helper()
	catalogue := t.TempDir()
	files, err := filepath.Glob(lyonCatalogue + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no offers of Lyon", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if edited := edit(filepath.Base(name), string(text)); edited != "" {
			writeDeep(t, filepath.Join(catalogue, filepath.Base(name)), edited)
		}
	}
	b := newBank(t)
	b.c.Payout.Schedule = false
	b.start(t)
	b.run(t, "offers", "publish", catalogue)
	waitUntil(t, "/readyz answers", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
	return b
}

// settled waits until facts of a cycle have been taken and delivered.
func (b *bank) settled(t *testing.T, before, facts int64) {
	t.Helper()
	b.waitForTaken(t, before+facts)
	b.waitDelivered(t)
}

// TestACycleIsPaidOnce: what a dry run has told is what is paid; settling again,
// and by who died before it was done, changes nothing.
func TestACycleIsPaidOnce(t *testing.T) {
	t.Parallel()
	b := newMonthlyBank(t)
	if told := b.instructed(t); len(told) > 0 {
		t.Fatalf("before the cycle was closed: %v", told)
	}
	before, _ := b.taken(t)
	volatile := []string{`in \S+, \d+ a second`}
	tried := b.run(t, "settle", "--cycle", "2026-02", "--dry-run")
	transcript.Want(t, "ristourne settle --config bank.yaml --cycle 2026-02 --dry-run", tried, volatile...)
	if again, _ := b.taken(t); again != before || len(b.instructed(t)) > 0 {
		t.Fatal("a dry run has posted something")
	}

	// One that dies once everything is posted, before it can say so.
	accounts := b.diesSettling(t)
	b.settled(t, before, accounts)
	paid := b.instructed(t)
	if len(paid) == 0 {
		t.Fatal("nothing is paid")
	}
	printed := b.run(t, "settle", "--cycle", "2026-02", "--by", "ada", "--reason", "monthly run")
	transcript.Want(t, `ristourne settle --config bank.yaml --cycle 2026-02 --by ada --reason "monthly run"`, printed, volatile...)
	b.settled(t, before, 2*accounts)
	if again := b.run(t, "settle", "--cycle", "2026-02", "--by", "ada", "--reason", "once more"); !strings.Contains(again, "it was settled before") {
		t.Error(again)
	}
	if now := b.instructed(t); !slices.Equal(now, paid) {
		t.Errorf("paid after one settlement:\n%v\nand after more:\n%v", paid, now)
	}
	b.wantTried(t, tried, paid)
	listed := b.run(t, "instructions", "list", "--cycle", "2026-02")
	transcript.Want(t, "ristourne instructions list --config bank.yaml --cycle 2026-02", listed, `(?m)^20\S+`, `RI\S+`, " {2,}")
	if trail := b.number(t, "SELECT count() FROM operator_actions WHERE action = 'settle' AND by = 'ada'"); trail != 2 {
		t.Errorf("%d settlements are in the audit trail, not 2", trail)
	}
}

// TestADryRunSeesWhatIsPutAway: an account of many purchases is tried whole, as it
// is settled.
func TestADryRunSeesWhatIsPutAway(t *testing.T) {
	t.Parallel()
	b := newMonthlyBank(t, "torrefacteur-des-pentes.yaml") // where something can expire, nothing is put away
	before, _ := b.taken(t)
	const more = 40
	for n := range more {
		b.send(t, rules.TopicTransactions, "acc-1", fmt.Sprintf(
			`{"event_id":"more-%d","type":"clearing","transaction_id":"t-more-%d","account_id":"acc-1","card_token":"tok-a","amount_minor":2000,"currency":"EUR","occurred_at":"2026-02-%02dT12:%02d:00+01:00","merchant":{"id":"0003172846","mcc":"5462","country":"FR"}}`,
			n, n, 5+n%8, n))
	}
	b.settled(t, before, more)
	client, err := b.c.Redis.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if pages, err := client.Keys(t.Context(), "*p:acc-1").Result(); err != nil || len(pages) != 1 {
		t.Fatalf("the account has nothing put away: %v, %v", pages, err)
	}
	tried := b.run(t, "settle", "--cycle", "2026-02", "--dry-run")
	taken, _ := b.taken(t)
	b.run(t, "settle", "--cycle", "2026-02", "--by", "ada", "--reason", "monthly run")
	b.settled(t, taken, 1)
	b.wantTried(t, tried, b.instructed(t))
}

// dying posts facts and then dies: nobody hears that they are posted.
type dying struct {
	settle.Poster
	facts int64
}

var errDied = errors.New("died")

func (d *dying) Post(ctx context.Context, posted []rules.Fact) error {
	d.facts += int64(len(posted))
	return errors.Join(d.Poster.Post(ctx, posted), errDied)
}

func (b *bank) diesSettling(t *testing.T) (posted int64) {
	t.Helper()
	o, err := b.c.ClickHouse.Options()
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := clickhouse.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	writer := facts.New(facts.Options{Brokers: b.c.Kafka.Brokers, Topic: b.c.Kafka.Topics.Facts, Partitions: bankShards})
	defer writer.Close()
	asOf, err := time.Parse(time.RFC3339, "2026-03-01T00:00:00+01:00")
	if err != nil {
		t.Fatal(err)
	}
	d := &dying{Poster: writer}
	s := settle.Settlement{Ledger: ledger, Poster: d, Now: time.Now}
	if _, err := s.Close(t.Context(), settle.Cycle{Programme: "cashback-lyon", Name: "2026-02", AsOf: rules.InstantOf(asOf)}, settle.Order{By: "nobody", Reason: "dies"}); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	return d.facts
}

// wantTried holds what a dry run told to what was paid.
func (b *bank) wantTried(t *testing.T, tried string, paid []string) {
	t.Helper()
	credits := b.number(t, "SELECT toUInt64(sumIf(amount_minor, direction = 'credit')) FROM instructions WHERE cycle = '2026-02'")
	if want := money.FormatMinor(int64(credits), money.Currency{'E', 'U', 'R'}); !strings.Contains(tried, "would pay "+want+" to ") {
		t.Errorf("paid is %s by %v, told was\n%s", want, paid, tried)
	}
}

func TestASettlementThatCantBeIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"settle"}, "name the cycle with --cycle"},
		{[]string{"settle", "--cycle", "2026-02"}, "--by is needed"},
		{[]string{"settle", "--cycle", "2026-02", "--by", "ada"}, "--reason is needed"},
	} {
		if _, stderr, code := command(t, "", append(test.arguments, "--config", "none.yaml")...); code != exitUsage || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d: %s", test.arguments, code, stderr)
		}
	}
}

// TestCyclesAreClosedByThemselves: by the process that has the first shard, once.
func TestCyclesAreClosedByThemselves(t *testing.T) {
	t.Parallel()
	b := newMonthlyBank(t)
	b.stopIdle(t)
	b.c.Payout.Schedule = true
	b.start(t)
	waitUntil(t, "the last cycle that has ended is in the audit trail", func() bool {
		return b.number(t, "SELECT count() FROM operator_actions WHERE action = 'settle' AND by = 'ristourne run'") > 0
	})
	waitUntil(t, "what it pays is delivered", func() bool { return b.number(t, "SELECT count() FROM instructions WHERE cycle != ''") > 0 })
	b.waitDelivered(t)
	if n := b.number(t, "SELECT count() FROM instructions WHERE cycle != ''"); n != uint64(len(b.instructed(t))) {
		t.Errorf("%d instructions are booked, sent are %v", n, b.instructed(t))
	}
}
