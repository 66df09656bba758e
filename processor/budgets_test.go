package processor

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// aSale is the town with a campaign that doubles every award, as far as its
// budget goes, and one per cent from the programme on whatever is bought.
func aSale(budgetMinor int64) *offer.Catalogue {
	c := aTown()
	from := offer.Version{ID: "1", From: rules.MinInstant}
	c.Programmes[0].Enrolment = offer.EnrolmentExplicit
	c.Programmes[0].AllCards = true
	c.Campaigns = []offer.Campaign{{
		ID: "sale", Version: from, Programme: "town", Unit: "EUR", Budget: offer.Budget{AmountMinor: budgetMinor},
		Boosts: []offer.CampaignBoost{{Boost: offer.Boost{ID: "double", Op: offer.MultiplyRate, FactorMillionths: 2_000_000}}},
	}}
	if budgetMinor == 0 { // without one
		c.Campaigns[0].Unit = ""
	}
	return c
}

// bareAccounts is a Redis of one shard without states, and a budget.
type bareAccounts struct {
	Accounts
	reserved, others int64
	reservations     []Reservation
	saves            []Save
	saveErr          error
}

func (*bareAccounts) Intact(context.Context, int32, int64, rules.Positions, uint64) error { return nil }

func (*bareAccounts) Load(_ context.Context, _ int32, ids []string, values [][]byte) ([][]byte, error) {
	for range ids {
		values = append(values, nil)
	}
	return values, nil
}

func (a *bareAccounts) Reserve(_ context.Context, d Reservation, _ func(context.Context) (map[int32]int64, error)) (Reserved, error) {
	a.reservations = append(a.reservations, d)
	granted := int64(0)
	for _, s := range a.saves {
		for _, total := range s.Spent {
			granted = total.Minor
		}
	}
	a.reserved = max(granted, min(granted+d.WantMinor, d.LimitMinor-a.others))
	return Reserved{granted, a.reserved, a.others}, nil
}

func (a *bareAccounts) Save(_ context.Context, s *Save) error {
	if a.saveErr != nil {
		return a.saveErr
	}
	kept := *s
	kept.Spent = slices.Clone(s.Spent)
	a.saves = append(a.saves, kept)
	return nil
}

// letterBox keeps the reasons of dead letters.
type letterBox struct{ reasons []string }

func (b *letterBox) Write(_ context.Context, letters []rules.DeadLetter) error {
	for _, l := range letters {
		b.reasons = append(b.reasons, l.Reason)
	}
	return nil
}

func valueOf(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var shown dto.Metric
	if err := m.Write(&shown); err != nil {
		t.Fatal(err)
	}
	return shown.GetCounter().GetValue() + shown.GetGauge().GetValue()
}

type saleShard struct {
	*Shard
	accounts *bareAccounts
	letters  *letterBox
	saved    chan SavedBatch
}

func newSaleShard(t *testing.T, budgetMinor int64) *saleShard {
	t.Helper()
	return newShardOf(t, aSale(budgetMinor))
}

func newShardOf(t *testing.T, c *offer.Catalogue) *saleShard {
	t.Helper()
	s := &saleShard{accounts: &bareAccounts{}, letters: &letterBox{}, saved: make(chan SavedBatch, 100)}
	ports := purePorts(t, c)
	ports.Accounts, ports.DeadLetters, ports.Now = s.accounts, s.letters, func() time.Time { return time.Unix(1_800_000_000, 0) }
	options := DefaultOptions()
	options.AccountRefKey = make([]byte, 32)
	s.Shard = NewShard(shardZero{}, ports, options, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	s.latest = math.MaxInt64
	return s
}

// take takes records the whole way to the queue.
func (s *saleShard) take(t *testing.T, records ...feed.Record) error {
	t.Helper()
	if _, err := s.match(t.Context(), &s.window, records, windowLimits{1 << 30, 1 << 30}); err != nil {
		t.Fatal(err)
	}
	return s.decideWindow(t.Context(), &s.window, s.saved)
}

func enrolment(account string) feed.Record {
	return feed.Record{Topic: rules.TopicFacts, Time: 1_800_000_000_000, Key: []byte(account), Value: fmt.Appendf(nil,
		`{"fact_id":"en","type":"enrolled","account_id":%q,"at":"2026-01-01T00:00:00Z","member_id":"m","programme":"town"}`, account)}
}

// purchase of 100 EUR: 3 EUR, and 3 EUR more from the sale.
func purchase(account, id string) feed.Record {
	return feed.Record{Topic: rules.TopicTransactions, Time: 1_800_000_000_000, Key: []byte(account), Value: fmt.Appendf(nil,
		`{"event_id":%q,"type":"clearing","transaction_id":%q,"account_id":%q,"card_token":"t","amount_minor":10000,"currency":"EUR","occurred_at":"2026-10-05T12:34:56Z","merchant":{"id":"0000000007"}}`,
		id, id, account)}
}

// A window that finds a budget short is decided once more, as if it had not
// been before.
func TestAWindowIsDecidedOnceMoreWhereABudgetIsShort(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 1_000)
	conflict := purchase("a", "p1")
	conflict.Value = []byte(string(conflict.Value[:len(conflict.Value)-1]) + `,"channel":"online"}`)
	unread := feed.Record{Topic: rules.TopicTransactions, Time: 1, Value: []byte("no JSON")}
	if err := s.take(t, unread, enrolment("a"), enrolment("b"), purchase("a", "p1"), purchase("a", "p1"), conflict, purchase("b", "p2")); err != nil {
		t.Fatal(err)
	}
	if want := []Reservation{{Budget: "campaign/sale", LimitMinor: 1_000, WantMinor: 600}}; !slices.Equal(s.accounts.reservations, want) {
		t.Errorf("reserved %+v, want %+v", s.accounts.reservations, want)
	}
	save := s.accounts.saves[0]
	var fates [rules.NumFates]int64
	fates[rules.Booked], fates[rules.NoChange], fates[rules.Duplicate], fates[rules.DeadLettered] = 2, 2, 1, 2
	if save.Fates != fates {
		t.Errorf("fates %v, want %v", save.Fates, fates)
	}
	if got := fmt.Sprint(s.letters.reasons); got != "[json conflict]" {
		t.Errorf("dead letters: %s", got)
	}
	if save.LastSeq != 4 || len(save.Members) != 2 || len(save.Known) != 4 || len(save.Accounts) != 2 {
		t.Errorf("saved seq %d, %d members, %d known ids, %d accounts", save.LastSeq, len(save.Members), len(save.Known), len(save.Accounts))
	}
	if want := []BudgetSpent{{"campaign/sale", 600}}; !slices.Equal(save.Spent, want) {
		t.Errorf("granted %v, want %v", save.Spent, want)
	}

	// Then 400 are left: one whole, one in part, and what is refused is not asked
	// for again and again.
	s.accounts.reservations = nil
	if err := s.take(t, enrolment("c"), purchase("c", "p3"), purchase("c", "p4"), purchase("c", "p5")); err != nil {
		t.Fatal(err)
	}
	if err := s.take(t, enrolment("d"), purchase("d", "p6")); err != nil {
		t.Fatal(err)
	}
	if len(s.accounts.reservations) != 1 {
		t.Errorf("reserved %+v: a budget that is used up is asked once", s.accounts.reservations)
	}
	if got := s.accounts.saves[1].Spent; len(got) != 1 || got[0].Minor != 1_000 {
		t.Errorf("granted %v, want all 1,000", got)
	}
	if got := s.accounts.saves[2].Spent; len(got) != 0 {
		t.Errorf("granted %v beyond the limit", got)
	}
	if refused := valueOf(t, s.metrics.refused.WithLabelValues("campaign/sale")); refused != 3 {
		t.Errorf("%v purchases are counted that got less than they deserved, want 3", refused)
	}
	if left := valueOf(t, s.metrics.budgetLeft.WithLabelValues("campaign/sale")); left != 0 {
		t.Errorf("%v are shown as left", left)
	}
}

// What a window has granted is void when it is not saved.
func TestAPurseGoesBackToWhatIsSaved(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 1_000)
	s.accounts.saveErr = fmt.Errorf("%w, says the test", ErrFenced)
	if err := s.take(t, enrolment("a"), purchase("a", "p1")); err == nil {
		t.Fatal("saved")
	}
	s.accounts.saveErr = nil
	s.window.reset(progress{positions: s.positions})
	if err := s.take(t, enrolment("a"), purchase("a", "p1")); err != nil {
		t.Fatal(err)
	}
	if got := s.accounts.saves[0].Spent; len(got) != 1 || got[0].Minor != 300 {
		t.Errorf("granted %v, want 300", got)
	}
}

// An owner that gives back what a former one has granted must know how much that
// was: it asks, though it wants nothing.
func TestWhatWasNeverDrawnIsLookedUpWhenItIsGivenBack(t *testing.T) {
	t.Parallel()
	p := newBudgetLeases(NewMetrics(prometheus.NewRegistry()), time.Now)
	p.open()
	p.GiveBack("campaign/sale", 50)
	short := p.short()
	if len(short) != 1 || short[0].wantMinor != 0 {
		t.Fatalf("to reserve of: %+v", short)
	}
	if err := p.extend(short[0], &Reserved{SpentMinor: 80, ReservedMinor: 80, OthersMinor: 20}); err != nil {
		t.Fatal(err)
	}
	p.again()
	p.GiveBack("campaign/sale", 50)
	if given := p.Take("campaign/sale", 1_000, 60); given != 50 {
		t.Errorf("gives %d, want the 50 that came back", given)
	}
	if len(p.short()) != 1 {
		t.Error("it was short of 10 and reserves nothing")
	}
}

func TestBudgetsOfADayCountUnderTheirOffer(t *testing.T) {
	t.Parallel()
	for key, want := range map[rules.BudgetKey]string{
		"day/cafe/everyday/bastille/2026-11-27": "day/cafe/everyday", "day//wide//2026-11-27": "day//wide",
		"offer/cafe/everyday": "offer/cafe/everyday", "campaign/sale": "campaign/sale",
	} {
		if label, perDay := budgetLabel(key); label != want || perDay != (label != string(key)) {
			t.Errorf("%s counts under %s (per day: %v), want %s", key, label, perDay, want)
		}
	}
}
