package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ristourne/cmd/sandbox/traffic"
	"ristourne/processor/catalog"
	"ristourne/processor/simulate"
	"ristourne/rules"
)

// What the sample catalogue and its traffic are for: in half a minute at the
// usual rate a stranger sees everything at work that an offer can say.
func TestTheTrafficShowsEveryMechanism(t *testing.T) {
	const records, days = 30_000, 40
	begin := time.Date(2026, 10, 13, 4, 0, 0, 0, time.UTC)
	loaded, err := catalog.Load("../../testdata/catalogue/lyon")
	if err != nil {
		t.Fatal(err)
	}
	g, err := traffic.New(traffic.Options{Seed: 1, Run: "test", Members: 5000, HitShare: 0.05, Catalogue: loaded.Catalogue, Begin: begin})
	if err != nil {
		t.Fatal(err)
	}
	b := &books{deserved: ledgerSums{}, purchases: map[purchaseID]bool{}, granted: map[string]bool{}}
	b.world = simulate.NewWorld(loaded.Snapshot, true)
	b.world.Lines = func(out *rules.Output) {
		b.decided(out)
		b.grants = append(b.grants, out.Grants...)
	}
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
		if err := b.world.Fact([]byte(m.AccountID), value, simulate.Place{RecordedAt: begin.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range records {
		now := begin.Add(time.Duration(float64(i+1) / records * days * float64(24*time.Hour)))
		r, apply := g.Next(now), b.world.Event
		if r.Fact {
			apply = b.world.Fact
		}
		if err := apply(r.Key, r.Value, simulate.Place{RecordedAt: now.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
	b.booked = b.deserved
	m, err := b.readMechanisms(loaded.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.parts() {
		for _, row := range p.rows {
			if p.tallies[row].times == 0 {
				t.Errorf("%s %s: it never happened", strings.ToLower(p.title), row)
			}
			if p == m.budgets && p.tallies[row].others == 0 {
				t.Errorf("no budget %s was used up", row)
			}
		}
	}
}
