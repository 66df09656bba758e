package traffic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"ristourne/processor/catalog"
	"ristourne/processor/simulate"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/offer"
)

const lyon = "../../../testdata/catalogue/lyon"

var begin = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

func lyonCatalogue(t *testing.T) *catalog.Loaded {
	t.Helper()
	loaded, err := catalog.Load(lyon)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func generator(t *testing.T, seed uint64) *Generator {
	t.Helper()
	g, err := New(Options{Seed: seed, Run: "test", Members: 500, HitShare: 0.05, Catalogue: lyonCatalogue(t).Catalogue, Begin: begin})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// span takes n records over 40 days.
func span(g *Generator, n int, each func(now time.Time, r Record)) {
	const days = 40
	for i := range n {
		now := begin.Add(time.Duration(float64(i+1) / float64(n) * days * float64(day)))
		each(now, g.Next(now))
	}
}

const many = 25_000

func TestOneSeedGivesOneTraffic(t *testing.T) {
	t.Parallel()
	digest := func(seed uint64) (all []byte) {
		span(generator(t, seed), 5000, func(_ time.Time, r Record) {
			all = fmt.Appendf(all, "%v %s %s\n", r.Fact, r.Key, r.Value)
		})
		return all
	}
	if !bytes.Equal(digest(7), digest(7)) {
		t.Error("two generators of one seed differ")
	}
	if bytes.Equal(digest(7), digest(8)) {
		t.Error("another seed gives the same traffic")
	}
}

func TestNothingIsDatedAheadOfNow(t *testing.T) {
	t.Parallel()
	span(generator(t, 1), many, func(now time.Time, r Record) {
		var dated struct {
			OccurredAt  string `json:"occurred_at"`
			PurchasedAt string `json:"purchased_at"`
			At          string `json:"at"`
		}
		if json.Unmarshal(r.Value, &dated) != nil {
			return // broken on purpose
		}
		for _, text := range []string{dated.OccurredAt, dated.PurchasedAt, dated.At} {
			if at, err := time.Parse(time.RFC3339, text); err == nil && at.After(now) {
				t.Fatalf("a record sent at %s is dated %s: %s", now, at, r.Value)
			}
		}
	})
}

func TestEveryKindIsReached(t *testing.T) {
	t.Parallel()
	counts := map[Kind]int{Enrolment: 1} // members are enrolled before the first record
	hits, purchases := 0, 0
	span(generator(t, 2), many, func(_ time.Time, r Record) {
		counts[r.Kind]++
		if !r.Fact {
			purchases++
			if r.Hit {
				hits++
			}
		}
	})
	for k := Enrolment; k < NumKinds; k++ {
		if counts[k] == 0 {
			t.Errorf("no record shows %s", k)
		}
	}
	if counts[CardNumber] != 1 {
		t.Errorf("%d records hold a card number, not 1", counts[CardNumber])
	}
	if share := float64(hits) / float64(purchases); share < 0.03 || share > 0.08 {
		t.Errorf("%.1f %% of the records are at partner shops, not about 5 %%", share*100)
	}
}

// brokenBy is what the decoder must say of each kind.
var brokenBy = map[Kind]string{
	BrokenJSON: wire.ReasonJSON, MissingField: wire.ReasonMissing, WrongType: wire.ReasonType, NegativeAmount: wire.ReasonRange,
	UnknownCurrency: wire.ReasonCurrency, TimeWithoutOffset: wire.ReasonTime, WrongKey: wire.ReasonKey,
	TooLarge: wire.ReasonTooLarge, CardNumber: wire.ReasonCardNumber,
}

func TestOnlyBrokenRecordsBreakARuleAndEachItsOwn(t *testing.T) {
	t.Parallel()
	decoder := wire.NewDecoder(wire.Options{})
	var e rules.Event
	var f rules.Fact
	span(generator(t, 3), many, func(now time.Time, r Record) {
		var fault *wire.Fault
		if r.Fact {
			fault = decoder.Fact(r.Value, r.Key, now.UnixMilli(), &f)
		} else {
			fault = decoder.Event(r.Value, r.Key, now.UnixMilli(), &e)
		}
		reason := ""
		if fault != nil {
			reason = fault.Reason
		}
		if reason != brokenBy[r.Kind] {
			t.Fatalf("a record that shows %s: reason %q, want %q: %v", r.Kind, reason, brokenBy[r.Kind], fault)
		}
	})
	for k := BrokenJSON; k < NumKinds; k++ {
		if brokenBy[k] == "" {
			t.Errorf("what must be said of %s?", k)
		}
	}
}

// What the traffic is for: the pure engine finds in it every fate that it can
// bring about, and every partner of the catalogue earns.
func TestTheTrafficReachesEveryPartnerAndFate(t *testing.T) {
	t.Parallel()
	loaded := lyonCatalogue(t)
	world := simulate.NewWorld(loaded.Snapshot, true)
	earned := map[string]bool{}
	world.Lines = func(out *rules.Output) {
		for i := range out.Accruals {
			if out.Accruals[i].Stage == rules.Confirmed {
				earned[out.Accruals[i].PartnerID] = true
			}
		}
	}
	reasons := map[string]bool{}
	world.DeadLetter = func(l *rules.DeadLetter) { reasons[l.Reason] = true }
	g := generator(t, 4)
	for n := range g.Members() {
		m := g.Member(n)
		if !m.EnrolledAt.Before(begin) {
			t.Fatalf("member %d enrols at %s, after the first purchase", n, m.EnrolledAt)
		}
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
		if err := world.Fact([]byte(m.AccountID), value, simulate.Place{RecordedAt: begin.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
	span(g, 2*many, func(now time.Time, r Record) {
		apply := world.Event
		if r.Fact {
			apply = world.Fact
		}
		if err := apply(r.Key, r.Value, simulate.Place{RecordedAt: now.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	})
	for fate := rules.Booked; fate < rules.NumFates; fate++ {
		// Nothing is older than the horizon in 40 days.
		if world.Fates[fate] == 0 && fate != rules.TooLate {
			t.Errorf("no record ended as %s: %v", fate, world.Fates)
		}
	}
	if !reasons[wire.ReasonConflict] {
		t.Error("no id came again with other content")
	}
	for i := range loaded.Catalogue.Partners {
		if id := loaded.Catalogue.Partners[i].ID; !earned[id] {
			t.Errorf("nothing was confirmed at %s", id)
		}
	}
}

// Once the calendar has caught up, days are short: what was bought is cleared
// within minutes.
func TestLiveDaysAreShort(t *testing.T) {
	t.Parallel()
	g, err := New(Options{Seed: 5, Run: "live", Members: 50, HitShare: 1, Catalogue: lyonCatalogue(t).Catalogue, Begin: begin, Live: begin})
	if err != nil {
		t.Fatal(err)
	}
	cleared := false
	for i := range 2000 {
		cleared = cleared || g.Next(begin.Add(time.Duration(i)*300*time.Millisecond)).Kind == Clearing
	}
	if !cleared {
		t.Error("no clearing within ten minutes")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Options{Run: "x", Members: 1, Catalogue: lyonCatalogue(t).Catalogue}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Options){
		"members":   func(o *Options) { o.Members = 0 },
		"hits":      func(o *Options) { o.HitShare = 1.5 },
		"run":       func(o *Options) { o.Run = "" },
		"catalogue": func(o *Options) { o.Catalogue = &offer.Catalogue{} },
	} {
		bad := good
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
