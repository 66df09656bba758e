package pipelinetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"ristourne/processor"
	"ristourne/processor/catalog"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/sinks/clickhouse"
	"ristourne/sinks/credits"
	"ristourne/sinks/referrals"
)

// carrier is a world in memory that takes what the sinks would take: each decision
// passes their own checks, in the form in which they would write it.
type carrier struct {
	processor.Accounts
	processor.Ledger
	states   map[string][]byte
	spent    map[rules.BudgetKey]int64
	snapshot *engine.Snapshot
	records  []feed.Record
	carried  int
	letters  []rules.DeadLetter
	refused  error
}

func (c *carrier) Acquire(context.Context, int32) (processor.Acquired, error) {
	return processor.Acquired{Epoch: 1, Positions: rules.NoPositions}, nil
}

func (c *carrier) Load(_ context.Context, _ int32, ids []string, values [][]byte) ([][]byte, error) {
	for _, id := range ids {
		values = append(values, c.states[id])
	}
	return values, nil
}

func (c *carrier) Save(_ context.Context, s *processor.Save) error {
	for _, a := range s.Accounts {
		c.states[strings.Clone(a.ID)] = bytes.Clone(a.Value)
	}
	for _, g := range s.Spent {
		c.spent[g.Budget] = g.Minor
	}
	return nil
}

func (*carrier) StillDecided(context.Context, int32, int64, uint64) error { return nil }
func (*carrier) Intact(context.Context, int32, int64, rules.Positions, uint64) error {
	return nil
}
func (*carrier) Clear(context.Context, int32, int64, uint64) error { return nil }

func (c *carrier) Reserve(_ context.Context, d processor.Reservation, _ func(context.Context) (map[int32]int64, error)) (processor.Reserved, error) {
	granted := c.spent[d.Budget]
	return processor.Reserved{SpentMinor: granted, ReservedMinor: max(granted, min(granted+d.WantMinor, d.LimitMinor))}, nil
}

func (*carrier) Filters(context.Context, int32, func([]uint64), func([]uint64)) error { return nil }

func (*carrier) Marker(context.Context, int32) (m rules.Marker, found bool, err error) {
	return m, false, nil
}
func (*carrier) LastSeq(context.Context, int32) (uint64, error)           { return 0, nil }
func (*carrier) Holes(context.Context, int32, bool) ([]rules.Hole, error) { return nil, nil }
func (*carrier) BeginCounting(context.Context, int32) (bool, error)       { return false, nil }

func (c *carrier) refuse(err error) error {
	if err != nil {
		c.refused = err
		return processor.ErrFenced // so that it is not tried again
	}
	c.carried++
	return nil
}

func (c *carrier) Book(_ context.Context, decisions ...*rules.Decision) error {
	for _, d := range decisions {
		if err := c.refuse(clickhouse.Check(d)); err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) WriteInstructions(_ context.Context, instructions []rules.Instruction) error {
	for i := range instructions {
		x := &instructions[i]
		if err := c.refuse(credits.Check(x)); err != nil {
			return err
		}
		written, err := credits.Decode(credits.Append(nil, x))
		if err == nil && (utf8.RuneCountInString(x.StatementText) > 140 || written.StatementText != x.StatementText) {
			err = fmt.Errorf("statement text %q", x.StatementText)
		}
		if err := c.refuse(err); err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) Publish(_ context.Context, all []rules.Referral) error {
	for i := range all {
		if err := c.refuse(referrals.Check(&all[i])); err != nil {
			return err
		}
	}
	return nil
}

func (c *carrier) Write(_ context.Context, letters []rules.DeadLetter) error {
	c.letters = append(c.letters, letters...)
	return nil
}

func (c *carrier) Current() (*engine.Snapshot, rules.Instant) { return c.snapshot, rules.MaxInstant }
func (*carrier) Await(context.Context, rules.Instant) error   { return nil }
func (*carrier) Shard() int32                                 { return 0 }
func (*carrier) Committed() rules.Positions                   { return rules.NoPositions }

func (*carrier) SetElsewhere(context.Context) (set [rules.NumTopics]bool, err error) { return set, nil }
func (*carrier) Seek(rules.Positions)                                                {}
func (*carrier) Commit(context.Context, rules.Positions, uint64) error               { return nil }
func (*carrier) CommittedBatch(context.Context) (uint64, error)                      { return 0, nil }

func (c *carrier) Next(_ context.Context, b *feed.Batch) error {
	b.Records, b.Next = append(b.Records[:0], c.records...), rules.Positions{-1, -1, -1, -1}
	for _, r := range c.records {
		b.Next[r.Topic] = r.Offset + 1
	}
	c.records = nil
	return nil
}

// textUpTo are texts of any letters, often of the most characters that are taken.
func textUpTo(most int) *rapid.Generator[string] {
	letter := rapid.RuneFrom([]rune{'a', 'Z', '9', ' ', '.', '-', 'é', '€', '😀', '"', '\\', '\'', '&', '<', 0x2028, 'ß', '中'})
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.SampledFrom([]int{1, 2, most / 2, most - 1, most}).Draw(t, "characters")
		return rapid.StringOfN(letter, n, n, -1).Draw(t, "text")
	})
}

// minorUpTo are amounts, often at their bounds.
func minorUpTo(most int64) *rapid.Generator[int64] {
	return rapid.OneOf(rapid.SampledFrom([]int64{0, 1, most - 1, most}), rapid.Int64Range(0, most), rapid.Int64Range(1, 1_000_000))
}

func yamlText(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// carriedCatalogue is a folder whose texts and numbers reach their bounds; nil
// where validate refuses it.
func carriedCatalogue(t *rapid.T, dir string) *catalog.Loaded {
	name := func(label string) string {
		most := rapid.SampledFrom([]int{3, 60, 141, 168, 200}).Draw(t, label+" at most")
		text := "N" + textUpTo(12).Draw(t, label) + strings.Repeat("x", most)
		return yamlText(strings.ToValidUTF8(text[:most], "x")) // bytes
	}
	percent := rapid.SampledFrom([]string{"0.01%", "5%", "99%", "100%"})
	fixed := rapid.SampledFrom([]string{"0.01 EUR", "10 EUR", "90000000 EUR"})
	rewards := []string{"{reward: " + percent.Draw(t, "rate"), "{reward: " + fixed.Draw(t, "fixed"), "{reward: 1000 points, funded_by: programme"}
	reward := rapid.SampledFrom(rewards).Draw(t, "reward")
	if !strings.Contains(reward, "funded_by") {
		reward += ", funded_by: programme"
	}
	factor := rapid.SampledFrom([]string{"1.5", "2", "8"}).Draw(t, "factor")
	if strings.Contains(reward, "99%") || strings.Contains(reward, "100%") {
		factor = "2"
	}
	budget := fixed.Draw(t, "budget")
	if strings.Contains(reward, "points") {
		budget = "1000 points"
	}
	files := map[string]string{
		"programme.yaml": "programme: p\nname: " + name("programme") + "\ncurrency: EUR\nzone: Europe/Paris\ncards: all\npoints: {code: PTS, value: 0.01 EUR}\n",
		"shop.yaml": "partner: shop\nname: " + name("partner") + "\ncommission: " + percent.Draw(t, "commission") +
			"\nstores: [{id: s, keys: [{mid: M}]}]\noffers:\n  - " + reward + ", id: o, sponsor: {reward: " + fixed.Draw(t, "sponsor's") + "}}\n",
		"other.yaml": "partner: other\nname: " + name("other partner") + "\ncommission: 10%\nstores: [{id: s, keys: [{mid: N}]}]\noffers: [{id: o, reward: 5%}]\n",
		"more.yaml": "campaign: more\nname: " + name("campaign") + "\nbudget: {amount: " + budget + "}\nboosts: [{id: b, offers: [shop/o], multiply: " +
			factor + "}]\n",
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := catalog.Load(dir)
	if err != nil {
		return nil
	}
	return loaded
}

// carriedRecords are an enrolment of a buyer and what they buy, at the bounds of
// the wire.
func carriedRecords(t *rapid.T) []feed.Record {
	buyer, sponsor := textUpTo(64).Draw(t, "buyer"), textUpTo(64).Draw(t, "sponsor")
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var records []feed.Record
	add := func(topic rules.Topic, account string, value map[string]any) {
		body, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, feed.Record{Topic: topic, Offset: int64(len(records)), Time: at.UnixMilli(), Key: []byte(account), Value: body})
	}
	for _, account := range []string{buyer, sponsor} {
		enrolled := map[string]any{
			"fact_id": textUpTo(64).Draw(t, "fact"), "type": "enrolled", "account_id": account, "member_id": textUpTo(64).Draw(t, "member"),
			"programme": "p", "at": at.AddDate(0, -1, 0).Format(time.RFC3339), "level": textUpTo(64).Draw(t, "level"),
		}
		if account == buyer && buyer != sponsor {
			enrolled["sponsor_account_id"] = sponsor
		}
		add(rules.TopicFacts, account, enrolled)
	}
	types := rapid.SampledFrom([]string{"authorization", "clearing", "clearing", "refund", "reversal", "chargeback"})
	for n := range rapid.IntRange(1, 6).Draw(t, "events") {
		event := map[string]any{
			"event_id": fmt.Sprint(n) + textUpTo(60).Draw(t, "event"), "type": types.Draw(t, "type"),
			"transaction_id": fmt.Sprint("t", n) + textUpTo(60).Draw(t, "transaction"), "account_id": buyer, "card_token": "k",
			"amount_minor": minorUpTo(1<<53-1).Draw(t, "amount"), "currency": "EUR", "occurred_at": at.Format(time.RFC3339),
			"merchant": map[string]any{"id": []string{"M", "N"}[n%2], "name": textUpTo(200).Draw(t, "merchant's name"), "mcc": "5462"}, "channel": "online",
		}
		add(rules.TopicTransactions, buyer, event)
		if rapid.Bool().Draw(t, "cleared too") {
			clearing := map[string]any{}
			for key, value := range event {
				clearing[key] = value
			}
			clearing["event_id"], clearing["type"] = fmt.Sprint("c", n), "clearing"
			add(rules.TopicTransactions, buyer, clearing)
		}
	}
	// All is taken back by one record: its statement can name no partner.
	if rapid.Bool().Draw(t, "leaves") {
		add(rules.TopicFacts, buyer, map[string]any{"fact_id": "left", "type": "left", "account_id": buyer, "at": at.Add(-time.Hour).Format(time.RFC3339)})
	}
	return records
}

// Whatever validate and the wire accept, up to every bound, and the rules decide,
// the sinks can carry: a batch that can't be would hold its shard up for ever.
func TestWhatIsDecidedCanBeCarried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sound, carried, paid := 0, 0, 0
	// With -short a check makes few cases: again until some have shown what is asked.
	for round := 0; round < 10 && paid == 0; round++ {
		rapid.Check(t, func(t *rapid.T) {
			loaded := carriedCatalogue(t, dir)
			if loaded == nil {
				return
			}
			sound++
			c := &carrier{states: map[string][]byte{}, spent: map[rules.BudgetKey]int64{}, snapshot: loaded.Snapshot, records: carriedRecords(t)}
			options := processor.DefaultOptions()
			options.AccountRefKey, options.RetryMax = make([]byte, 32), time.Millisecond
			s := processor.NewShard(c, processor.Ports{
				Accounts: c, Ledger: c, Instructions: c, Referrals: c, DeadLetters: c, Catalogue: c, Now: time.Now,
			}, options, processor.NewMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(io.Discard, nil)))
			queue := make(chan processor.SavedBatch, 100)
			if err := s.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Decide(t.Context(), queue); err != nil {
				t.Fatalf("it can't be decided: %v", err)
			}
			close(queue)
			for batch := range queue {
				if err := s.Deliver(t.Context(), batch); err != nil {
					t.Fatalf("what was decided can't be carried: %v: %v", c.refused, err)
				}
			}
			carried += c.carried
			if c.carried > 1 {
				paid++
			}
		})
	}
	if sound == 0 || paid == 0 {
		t.Fatalf("%d sound catalogues, %d steps carried, %d cases with money: nothing was looked at", sound, carried, paid)
	}
}
