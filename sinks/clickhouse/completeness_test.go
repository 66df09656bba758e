package clickhouse_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ristourne/rules"
)

// wholeMonths books some batches over several months into two shards, each
// batch twice, as after a crash.
func wholeMonths(tb testing.TB, w world) {
	tb.Helper()
	for _, shard := range []int32{0, 1} {
		var seq uint64
		for batch := uint64(1); batch <= 3; batch++ {
			d := everyTable(shard, batch, seq)
			seq = d.LastSeq
			w.book(tb, d)
			w.book(tb, d)
		}
	}
}

// everyTable is a decision with rows in every table that is counted, a month
// later for each batch.
func everyTable(shard int32, batch, seq uint64) *rules.Decision {
	d := decision(batch, fmt.Sprintf("acc-%d-%d", shard, batch%2), fmt.Sprintf("T%d-%d", shard, batch), "bakery", 10_000)
	d.Shard, d.Batch = shard, batch
	later := int64(batch) * 31 * 86_400
	for i := range d.Set {
		seq++
		d.Set[i].Seq = seq
		d.Set[i].Cause.RecordedAt += later * 1000
	}
	d.LastSeq = seq
	for i := range d.Accruals {
		d.Accruals[i].PurchasedAt.Sec += later
		d.Accruals[i].ID[15] = byte(shard)
	}
	for i := range d.Instructions {
		d.Instructions[i].CreatedAt += later * 1000
		d.Instructions[i].ID = fmt.Sprintf("I-%d-%d-%d", shard, batch, i)
	}
	cause := d.Set[0].Cause
	ref := d.Set[0].AccountRef
	d.Results = []rules.ResultRow{{Result: rules.Result{InstructionID: "I-1", Status: rules.Settled, At: d.Set[0].OccurredAt}, AccountRef: ref, Cause: cause}}
	d.Grants = []rules.Grant{{Budget: "campaign/x", AccountRef: ref, TransactionID: "T", Unit: "EUR", TargetMinor: 5, GrantedMinor: 5, ChangeMinor: 5, Cause: cause}}
	d.Referrals = []rules.Referral{{ID: fmt.Sprintf("R-%d-%d", shard, batch), Number: int64(batch), SponsorAccountID: "s", BuyerRef: ref, TransactionID: "T", OfferID: "o", Cause: cause}}
	return d
}

func holes(tb testing.TB, w world, shard int32, thorough bool) []rules.Hole {
	tb.Helper()
	found, err := w.ledger.Holes(tb.Context(), shard, thorough)
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// What is booked, however often and whether merged or not, has no hole; and
// what anybody takes out of any table is named by table, shard and month.
func TestEveryHoleIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wholeMonths(t, w)
	wantWhole := func(what string) {
		t.Helper()
		for _, shard := range []int32{0, 1} {
			for _, thorough := range []bool{false, true} {
				if found := holes(t, w, shard, thorough); len(found) > 0 {
					t.Fatalf("%s has holes: %v", what, found)
				}
			}
		}
	}
	wantWhole("a ledger with repeats")
	for _, table := range countedTables {
		// Repeats that are not merged yet may hide a row from a glance.
		w.exec(t, "OPTIMIZE TABLE "+table+" FINAL")
	}
	wantWhole("a merged ledger")
	known := map[string]bool{}
	for _, c := range []struct {
		what, do string
		table    string
		month    uint32
		thorough bool // only a thorough look finds it
	}{
		{"the map truncated", "TRUNCATE TABLE accounts_log", "accounts_log", 0, false},
		{"rows deleted", "DELETE FROM set_log WHERE seq = 2", "set_log", 202605, false},
		{"a month dropped", "ALTER TABLE set_log DROP PARTITION 202604", "set_log", 202604, false},
		{"a month dropped", "ALTER TABLE accruals_log DROP PARTITION 202605", "accruals_log", 202605, false},
		{"a month dropped", "ALTER TABLE grants_log DROP PARTITION 202606", "grants_log", 202606, false},
		{"a table truncated", "TRUNCATE TABLE instructions_log", "instructions_log", 202604, false},
		{"a table truncated", "TRUNCATE TABLE referrals_told_log", "referrals_told_log", 202606, false},
		{
			"rows from elsewhere", `INSERT INTO accruals_log SELECT * REPLACE ('0123456789abcdef' AS accrual_id) FROM accruals_log WHERE toYYYYMM(purchased_at) = 202606`,
			"accruals_log", 202606, true,
		},
		{
			"rows changed", "ALTER TABLE accruals_log UPDATE offer_id = 'another' WHERE toYYYYMM(purchased_at) = 202604 SETTINGS mutations_sync = 2",
			"accruals_log", 202604, true,
		},
		{"the marker gone", "TRUNCATE TABLE markers_log", "markers_log", 0, false},
	} {
		if c.table == "markers_log" {
			// The first batches may lack their marker, after a crash.
			w.exec(t, "INSERT INTO set_log SELECT * REPLACE (batch + 100 AS batch) FROM set_log")
		}
		w.exec(t, c.do)
		if !c.thorough {
			if named := slices.ContainsFunc(holes(t, w, 1, false), func(h rules.Hole) bool { return h.Table == c.table && h.Month == c.month }); !named {
				t.Errorf("%s: a glance doesn't find it in %s, month %d: %v", c.what, c.table, c.month, holes(t, w, 1, false))
			}
		}
		named := false
		for _, hole := range holes(t, w, 1, true) {
			if known[hole.String()] {
				continue
			}
			known[hole.String()] = true
			if hole.Table != c.table || hole.Shard != 1 {
				t.Errorf("%s: a hole where there is none: %v", c.what, hole)
			}
			named = named || hole.Month == c.month
		}
		if !named {
			t.Errorf("%s: no hole in %s of month %d", c.what, c.table, c.month)
		}
	}
}

var countedTables = []string{"set_log", "accruals_log", "instructions_log", "grants_log", "referrals_told_log"}

// Rows that were booked without their marker are no hole, and are counted with
// what a rebuild books of them.
func TestTheRestBehindAMarkerIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The rest is of several batches: some of its rows are booked as they were.
	first, second := everyTable(0, 1, 0), everyTable(0, 3, 1)
	w.book(t, first)
	w.exec(t, "CREATE TABLE kept AS markers_log")
	w.exec(t, "INSERT INTO kept SELECT * FROM markers_log")
	w.book(t, second)
	w.exec(t, "TRUNCATE TABLE markers_log")
	w.exec(t, "INSERT INTO markers_log SELECT * FROM kept")
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Fatalf("rows behind the marker are a hole: %v", found)
	}
	rest := &rules.Decision{Shard: 0, Batch: 2, Positions: first.Positions, LastSeq: second.LastSeq, Accruals: second.Accruals, Instructions: second.Instructions}
	if err := w.ledger.BookPart(t.Context(), &rules.Decision{Shard: 0, Batch: 2, Positions: first.Positions, LastSeq: first.LastSeq, Accruals: second.Accruals}); err != nil {
		t.Fatal(err)
	}
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Fatalf("a part of the rest is a hole: %v", found)
	}
	for range 2 { // its answer may be lost
		if batch, booked, err := w.ledger.BookRest(t.Context(), rest); err != nil || !booked || batch != 4 {
			t.Fatalf("booked %v as batch %d, %v", booked, batch, err)
		}
	}
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Errorf("holes after the rest is booked: %v", found)
	}
	// What the bank said is read again, and is no row more.
	again := everyTable(0, 5, second.LastSeq)
	again.Results = append(again.Results, second.Results...)
	w.book(t, again)
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Errorf("holes after the next batch: %v", found)
	}
	w.exec(t, "DELETE FROM accruals_log WHERE batch IN (2, 3)")
	if found := holes(t, w, 0, true); len(found) != 1 || found[0].Table != "accruals_log" {
		t.Errorf("lost rows of the rest: %v", found)
	}
	// Nothing is behind the marker: there is no rest.
	if _, booked, err := w.ledger.BookRest(t.Context(), &rules.Decision{Shard: 0, Batch: 6, LastSeq: again.LastSeq}); err != nil || booked {
		t.Errorf("booked %v, %v", booked, err)
	}
	// What is left is taken for whole where a person says so.
	if err := w.ledger.CountAnew(t.Context(), rules.Marker{Shard: 0, Batch: 6, Positions: again.Positions, LastSeq: again.LastSeq}); err != nil {
		t.Fatal(err)
	}
	w.book(t, everyTable(0, 7, again.LastSeq))
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Errorf("holes of what was counted anew: %v", found)
	}
}

// A ledger of an older version is counted as it stands, and from then on.
func TestCountingBeginsWithWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wholeMonths(t, w)
	w.exec(t, `ALTER TABLE markers_log UPDATE counted = 0, tally_table = [], tally_month = [], tally_rows = [], tally_sum = [] WHERE 1 SETTINGS mutations_sync = 2`)
	for _, table := range []string{"set_log", "accruals_log", "instructions_log", "results_log", "referrals_told_log"} {
		w.exec(t, "ALTER TABLE "+table+" UPDATE batch = 0 WHERE 1 SETTINGS mutations_sync = 2")
	}
	w.ledger = open(t, w.options) // which has read none of it
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Fatalf("a ledger that isn't counted has holes: %v", found)
	}
	for _, want := range []bool{true, false} {
		if began, err := w.ledger.BeginCounting(t.Context(), 0); err != nil || began != want {
			t.Fatalf("began %v, %v, want %v", began, err, want)
		}
	}
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Errorf("holes of what was just counted: %v", found)
	}
	w.book(t, everyTable(0, 4, 3))
	w.exec(t, "ALTER TABLE accruals_log DROP PARTITION 202604")
	if found := holes(t, w, 0, false); len(found) != 1 || !strings.Contains(found[0].String(), "accruals_log, shard 0, month 202604: ") {
		t.Errorf("a dropped month: %v", found)
	}
}

// Where the markers are lost, what is left is booked under a batch that others than
// the ledger know to be the last: fewer would be taken for a ledger from a backup.
func TestTheRestWithoutMarkersGoesOnFromAKnownBatch(t *testing.T) {
	w := newWorld(t)
	first := everyTable(0, 1, 0)
	w.book(t, first)
	w.exec(t, "TRUNCATE TABLE markers_log")
	rest := &rules.Decision{Shard: 0, Batch: 10, Positions: first.Positions, LastSeq: first.LastSeq}
	if batch, booked, err := w.ledger.BookRest(t.Context(), rest); err != nil || !booked || batch != 10 {
		t.Fatalf("booked %v as batch %d, %v", booked, batch, err)
	}
	if found := holes(t, w, 0, true); len(found) > 0 {
		t.Errorf("holes after the rest is booked: %v", found)
	}
}
