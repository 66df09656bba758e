package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/cmd/sandbox/traffic"
	"ristourne/processor/audit"
	"ristourne/processor/catalog"
	"ristourne/processor/simulate"
	"ristourne/rules"
)

// traffic40 is 40 days of traffic in the sample catalogue.
type traffic40 struct {
	loaded  *catalog.Loaded
	records []sentRecord // the enrolments first
}

type sentRecord struct {
	traffic.Record
	at time.Time
}

func makeTraffic(t *testing.T, records int) *traffic40 {
	t.Helper()
	const days = 40
	begin := time.Date(2026, 10, 13, 4, 0, 0, 0, time.UTC)
	loaded, err := catalog.Load("../../testdata/catalogue/lyon")
	if err != nil {
		t.Fatal(err)
	}
	g, err := traffic.New(traffic.Options{Seed: 9, Run: "test", Members: 5000, HitShare: 0.05, Catalogue: loaded.Catalogue, Begin: begin})
	if err != nil {
		t.Fatal(err)
	}
	made := &traffic40{loaded: loaded}
	for n := range g.Members() {
		m := g.Member(n)
		enrolled := map[string]any{
			"fact_id": "enrol-" + m.AccountID, "type": "enrolled", "account_id": m.AccountID, "member_id": m.MemberID,
			"programme": g.Programme(), "card_tokens": m.CardTokens, "level": m.Level, "segments": m.Segments, "at": m.EnrolledAt,
		}
		if m.SponsorAccountID != "" {
			enrolled["sponsor_account_id"] = m.SponsorAccountID
		}
		value, err := json.Marshal(enrolled)
		if err != nil {
			t.Fatal(err)
		}
		made.records = append(made.records, sentRecord{traffic.Record{Fact: true, Key: []byte(m.AccountID), Value: value}, begin})
	}
	for i := range records {
		now := begin.Add(time.Duration(float64(i+1) / float64(records) * days * float64(24*time.Hour)))
		made.records = append(made.records, sentRecord{g.Next(now), now})
	}
	return made
}

// play puts records through the pure engine. The grants of its books are the
// newest that it gave.
func (m *traffic40) play(t *testing.T, records []sentRecord) *audit.Books {
	t.Helper()
	b := &audit.Books{Deserved: audit.Sums{}, Purchases: map[audit.PurchaseID]bool{}, Granted: map[string]bool{}, RefundsDue: map[string]audit.UnlinkedRefund{}}
	type share struct {
		budget   rules.BudgetKey
		purchase audit.PurchaseID
	}
	shares := map[share]rules.Grant{}
	b.World = simulate.NewWorld(m.loaded.Snapshot, true)
	b.World.Lines = func(out *rules.Output) {
		b.Decided(out)
		for _, g := range out.Grants {
			shares[share{g.Budget, audit.PurchaseID{Account: g.AccountID, Transaction: g.TransactionID}}] = g
		}
	}
	for _, r := range records {
		apply := b.World.Event
		if r.Fact {
			apply = b.World.Fact
		}
		if err := apply(r.Key, r.Value, simulate.Place{RecordedAt: r.at.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
	b.Grants = slices.Collect(maps.Values(shares))
	return b
}

// What the sample catalogue and its traffic are for: in half a minute at the
// usual rate a stranger sees everything at work that an offer can say.
func TestTheTrafficShowsEveryMechanism(t *testing.T) {
	t.Parallel()
	made := makeTraffic(t, 30_000)
	b := made.play(t, made.records)
	b.Ledger, b.Refunds = b.Deserved, b.RefundsDue
	m, err := readMechanisms(b, made.loaded.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.parts() {
		for _, row := range p.rows {
			// Which of several purchases a refund is matched to is seldom a question.
			if p.tallies[row].times == 0 && p != m.refunds {
				t.Errorf("%s %s: it never happened", strings.ToLower(p.title), row)
			}
			if p == m.budgets && p.tallies[row].others == 0 {
				t.Errorf("no budget %s was used up", row)
			}
		}
	}
}

// Refunds without a link find their purchase in the traffic, whatever decides.
func TestTheTrafficMatchesRefundsWithoutALink(t *testing.T) {
	t.Parallel()
	made := makeTraffic(t, 30_000)
	b := made.play(t, made.records)
	matched := 0
	for _, r := range b.RefundsDue {
		if r.State == rules.RefundMatched.String() {
			matched++
		}
	}
	if matched == 0 {
		t.Error("no refund without a link found its purchase")
	}
}

// Who comes first to a budget is the only thing that the balance sheet takes
// from the processors: with their grants, the same records in another order come
// to the same ledger.
func TestWithTheSameGrantsTheOrderIsOfNoMatter(t *testing.T) {
	t.Parallel()
	made := makeTraffic(t, 15_000)
	sent := made.play(t, made.records)
	byAccount := slices.Clone(made.records)
	slices.SortStableFunc(byAccount, func(x, y sentRecord) int { return -bytes.Compare(x.Key, y.Key) })
	other := made.play(t, byAccount)
	if maps.Equal(sent.Deserved, other.Deserved) {
		t.Fatal("no budget was short: the two orders differ in nothing")
	}
	other.Grants = sent.Grants
	if err := other.AdoptGrants(); err != nil {
		t.Fatal(err)
	}
	if len(other.Ungranted) > 0 {
		t.Errorf("%d purchases deserve another share of a budget, the first: %s", len(other.Ungranted), other.Ungranted[0])
	}
	other.Ledger = sent.Deserved
	if f := other.CheckAccruals(); len(f.Differences) > 0 {
		t.Errorf("%d balances differ, the first: %s", len(f.Differences), f.Differences[0])
	}
}
