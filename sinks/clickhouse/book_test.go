package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"unsafe"

	"ristourne/deploy/localservers"
	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

func TestMigrationsRunTwiceAndFromManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	server, _ := localserverstest.ClickHouse(t)
	ref := refOf(localserverstest.Unique(t, "fresh"))
	o := optionsFor(server, fmt.Sprintf("fresh_%x", ref[:6])) // Migrate makes it
	var wait sync.WaitGroup
	failed := make([]error, 6)
	for i := range failed {
		l := open(t, o)
		wait.Go(func() { failed[i] = l.Migrate(context.Background()) })
	}
	wait.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	w := openWorld(t, server, o) // migrates once more
	t.Cleanup(func() { _ = w.conn.Exec(context.Background(), "DROP DATABASE "+o.Database+" SYNC") })
	w.book(t, decision(1, "a", "T1", "bakery", 10_000))
	want(t, "lines", w.number(t, "SELECT count() FROM ledger"), 2)
}

func TestEveryFieldOfAnAccrualComesBackByItsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book(t, decision(1, "acc-1", "T1", "bakery", 10_000))
	const line = `concat_ws('|', accrual_id, programme, account_id, member_id, beneficiary_id, role, transaction_id, partner_id,
		store_id, offer_id, offer_version, toString(campaign_ids), stage, kind, unit, toString(basis_minor), toString(reward_minor),
		toString(commission_minor), toString(cost_minor), currency, toString(purchased_at), toString(purchased_sec), toString(purchased_nsec),
		toString(recorded_at), cause_kind, cause_id, toString(cause_partition), toString(cause_offset), level, channel, mcc, toString(reasons), engine)`
	lines := purchase("acc-1", "T1", "bakery", 10_000, rules.Instant{}, rules.Confirmed, eventCause("e1", 1))
	want(t, "member's line", w.text(t, "SELECT "+line+" FROM accruals WHERE role = 'member'"),
		fmt.Sprintf("%x|city|acc-1|member of acc-1|acc-1|member|T1|bakery|bakery-1|bakery-offer|v1|['spring']|confirmed|cash|EUR|10000|300|0|300|EUR|"+
			"2026-03-10 12:00:01.123|%d|123456789|2026-03-10 12:00:00.001|event|e1|3|1|gold|in_store|5812|['percent','cap:month']|%s", lines[0].ID, base+1, rules.EngineVersion))
	want(t, "partner's line", w.text(t, "SELECT "+line+" FROM accruals WHERE role = 'partner'"),
		fmt.Sprintf("%x|city|acc-1|member of acc-1|bakery|partner|T1|bakery|bakery-1||v1|[]|confirmed|commission|EUR|10000|0|500|0|EUR|"+
			"2026-03-10 12:00:01.123|%d|123456789|2026-03-10 12:00:00.001|event|e1|3|1||in_store|5812|[]|%s", lines[1].ID, base+1, rules.EngineVersion))
}

func TestACauseOnTheTopicOfReferralsIsAFactToThoseWhoReadLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book(t, decision(1, "buyer", "T1", "bakery", 10_000), sponsored(2, "sponsor", "buyer", "T1", "bakery", 10_000))
	const line = "concat_ws('|', account_id, member_id, beneficiary_id, role, toString(reward_minor), level, toString(campaign_ids), cause_kind, cause_id)"
	want(t, "sponsor's line", w.text(t, "SELECT "+line+" FROM accruals WHERE role = 'sponsor'"),
		"buyer|member of sponsor|sponsor|sponsor|100|loyal|[]|fact|f2")
	want(t, "lines whose cause is a fact", w.number(t, "SELECT count() FROM ledger WHERE cause_kind = 'fact'"), 1)
	want(t, "kind of the cause in the set", w.text(t, "SELECT cause_kind FROM events WHERE type = 'referral'"), "referral")
	want(t, "topic of the instruction's cause", w.text(t, "SELECT cause_topic FROM instructions WHERE shard = 4"), "referrals")
	want(t, "balance of the sponsor", w.number(t, "SELECT sum(reward_minor) FROM accruals WHERE beneficiary_id = 'sponsor'"), 100)
}

// stopMerges keeps the repeats of a replay apart, as they are just after it.
func stopMerges(t *testing.T, w world) {
	t.Helper()
	for _, table := range []string{
		"accruals_log", "set_log", "instructions_log", "results_log", "accounts_log", "markers_log", "grants_log", "referrals_told_log",
	} {
		w.exec(t, "SYSTEM STOP MERGES "+table)
	}
}

func TestReplayInOtherBatchesIsNeverCountedTwiceBeforeMerges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stopMerges(t, w)
	var all []*rules.Decision
	for n := uint64(1); n <= 20; n++ {
		all = append(all, decision(n, fmt.Sprintf("a%d", n%4), fmt.Sprintf("T%d", n), "bakery", 10_000))
	}
	w.book(t, all...)
	w.book(t, all[3:9]...)
	for _, d := range all[7:] {
		w.book(t, d)
	}
	if raw := w.number(t, "SELECT count() FROM accruals_log"); raw <= 40 {
		t.Fatalf("the replay left %d rows in the table: the test shows nothing unless it left more than 40", raw)
	}
	for query, wanted := range map[string]int64{
		"SELECT count() FROM ledger":                             40,
		"SELECT count() FROM accruals":                           40,
		"SELECT sum(reward_minor) FROM accruals":                 20 * 300,
		"SELECT sum(reward_minor) FROM ledger":                   20 * 300,
		"SELECT sum(commission_minor) FROM ledger":               20 * 500,
		"SELECT count() FROM events":                             20,
		"SELECT count() FROM instructions":                       20,
		"SELECT sum(amount_minor) FROM instructions":             20 * 300,
		"SELECT count() FROM accounts":                           4,
		"SELECT count() FROM markers":                            1,
		"SELECT max(batch) FROM markers":                         20,
		"SELECT count() FROM ledger WHERE transaction_id = 'T8'": 2,
		"SELECT count() FROM ledger WHERE partner_id = 'bakery'": 40,
		"SELECT uniqExact(account_id) FROM accruals":             4,
		"SELECT count() FROM ledger WHERE account_ref = (SELECT account_ref FROM accounts WHERE account_id = 'a1')": 10,
	} {
		want(t, query, w.number(t, query), wanted)
	}
	w.exec(t, "SYSTEM START MERGES accruals_log")
	w.exec(t, "OPTIMIZE TABLE accruals_log FINAL")
	want(t, "rows after merges", w.number(t, "SELECT count() FROM accruals_log"), 40)
	want(t, "lines after merges", w.number(t, "SELECT count() FROM ledger"), 40)
}

func TestCollapsingCostsNothingOnAMonthThatIsMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stopMerges(t, w)
	w.book(t, decision(1, "a", "T1", "bakery", 10_000), decision(2, "b", "T2", "bakery", 10_000))
	w.book(t, decision(1, "a", "T1", "bakery", 10_000))
	const explain = `SELECT countIf(explain LIKE '%Replacing%') FROM (EXPLAIN PIPELINE SELECT sum(reward_minor) FROM ledger)`
	if w.number(t, explain) == 0 {
		t.Fatal("a month with repeats is read without collapsing them, or ClickHouse names the step otherwise now")
	}
	w.exec(t, "SYSTEM START MERGES accruals_log")
	w.exec(t, "OPTIMIZE TABLE accruals_log FINAL")
	want(t, "steps that collapse", w.number(t, explain), 0)
}

func TestMarkerNeverGoesBackWhenAnOldBatchIsBookedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := decision(1, "a", "T1", "bakery", 10_000), decision(2, "a", "T2", "bakery", 10_000)
	w.book(t, first, second)
	w.book(t, first)
	w.exec(t, "OPTIMIZE TABLE markers_log FINAL")
	marker, found, err := w.ledger.Marker(t.Context(), 3)
	if err != nil || !found {
		t.Fatalf("marker: found %v, %v", found, err)
	}
	want(t, "marker", marker, rules.Marker{Shard: 3, Batch: 2, Positions: second.Positions, LastSeq: 2})
	_, found, err = w.ledger.Marker(t.Context(), 4)
	if err != nil || found {
		t.Errorf("marker of a shard that never booked: found %v, %v", found, err)
	}
}

func TestPersonalIDsGoWithTheMapAndSumsStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book(t, decision(1, "alice", "T1", "bakery", 10_000), decision(2, "bob", "T2", "bakery", 20_000))
	before := w.number(t, "SELECT sum(reward_minor) FROM accruals")
	w.exec(t, "DELETE FROM accounts_log WHERE account_id = 'alice'")
	want(t, "sum after erasure", w.number(t, "SELECT sum(reward_minor) FROM accruals"), before)
	want(t, "lines with the erased ids", w.number(t,
		"SELECT count() FROM accruals WHERE account_id = 'alice' OR member_id = 'member of alice' OR beneficiary_id = 'alice'"), 0)
	want(t, "anonymous lines", w.number(t, "SELECT count() FROM accruals WHERE account_id = '' AND member_id = '' AND transaction_id = 'T1'"), 2)
	want(t, "lines of the other", w.number(t, "SELECT count() FROM accruals WHERE account_id = 'bob'"), 2)
	// No other table has them in a column, but for sponsors in what they were
	// told, and no view but these two shows any.
	for _, table := range []string{"accruals_log", "set_log", "instructions_log", "results_log", "markers_log", "grants_log"} {
		want(t, "columns of ids in "+table, w.number(t,
			"SELECT count() FROM system.columns WHERE database = currentDatabase() AND table = '"+table+"' AND name IN ('account_id', 'member_id', 'beneficiary_id', 'sponsor_account_id')"), 0)
	}
	want(t, "views with ids", w.text(t, `SELECT arrayStringConcat(arraySort(groupUniqArray(table)), ' ') FROM system.columns
		WHERE database = currentDatabase() AND table NOT LIKE '%_log' AND name IN ('account_id', 'member_id', 'beneficiary_id', 'sponsor_account_id')`), "accounts accruals")
}

func TestMemberIDOnceStatedIsNotLostToALaterRowWithoutIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for batch, member := range []string{"", "m-1", ""} {
		d := decision(uint64(batch+1), "alice", "T1", "bakery", 10_000)
		d.Accounts[0].MemberID = member
		w.book(t, d)
	}
	want(t, "member", w.text(t, "SELECT member_id FROM accounts"), "m-1")
}

func TestInstantsOfAnyYearAreKeptWholeAndNeverWrap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for shard, c := range []struct {
		name     string
		at       rules.Instant
		calendar string
	}{
		{"year 0", rules.Instant{Sec: -62_167_219_200, Nsec: 1}, "1970-01-01 00:00:00.000"},
		{"a nanosecond before 1970", rules.Instant{Sec: -1, Nsec: 999_999_999}, "1970-01-01 00:00:00.000"},
		{"leap second's eve", rules.Instant{Sec: 1_483_228_799, Nsec: 999_999_999}, "2016-12-31 23:59:59.999"},
		{"end of 2105", rules.Instant{Sec: 4_291_747_199, Nsec: 999_999_999}, "2105-12-31 23:59:59.999"},
		{"year 2106", rules.Instant{Sec: 4_291_747_200}, "2105-12-31 23:59:59.999"},
		{"year 9999", rules.Instant{Sec: 253_402_300_799, Nsec: 999_999_999}, "2105-12-31 23:59:59.999"},
		{"beyond any year", rules.MaxInstant, "2105-12-31 23:59:59.999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := decision(1, "a", "T1", "bakery", 10_000)
			d.Shard = int32(shard)
			d.Accruals = purchase("a", "T1", "bakery", 10_000, c.at, rules.Confirmed, d.Set[0].Cause)
			d.Set[0].OccurredAt = c.at
			d.Set[0].Cause.RecordedAt = math.MaxInt64 // a producer may write anything
			d.Instructions[0].CreatedAt = math.MinInt64
			w.book(t, d)
			of := func(what, table string) string {
				return fmt.Sprintf("SELECT any(%s) FROM %s WHERE shard = %d", what, table, shard)
			}
			want(t, "purchased_at", w.text(t, of("purchased_at", "accruals")), c.calendar)
			want(t, "its day", w.text(t, of("toDate(purchased_at)", "accruals")), c.calendar[:10])
			want(t, "seconds", w.number(t, of("purchased_sec", "accruals")), c.at.Sec)
			want(t, "nanoseconds", w.number(t, of("purchased_nsec", "accruals")), int64(c.at.Nsec))
			want(t, "recorded_at", w.text(t, of("recorded_at", "events")), "2105-12-31 23:59:59.999")
			want(t, "created_at", w.text(t, of("created_at", "instructions")), "1970-01-01 00:00:00.000")
			want(t, "created_ms", w.number(t, of("created_ms", "instructions_log")), math.MinInt64)
		})
	}
}

func TestAFeedWithDatesAllOverTheCalendarDoesNotStopItsShard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := decision(1, "a", "T0", "bakery", 10_000)
	d.Accruals = nil
	for month := range 150 { // ClickHouse takes 100 table partitions in an insert unless told otherwise
		at := rules.Instant{Sec: int64(month) * 31 * 86_400}
		d.Accruals = append(d.Accruals, purchase("a", fmt.Sprintf("T%d", month), "bakery", 10_000, at, rules.Confirmed, d.Set[0].Cause)...)
	}
	w.book(t, d)
	want(t, "lines", w.number(t, "SELECT count() FROM ledger"), 300)
}

func TestWordsAreKeptThroughManyBlocksAndWideDictionaries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// 1, 300 and 70,000 words take one, two and four bytes a row, and the last
	// makes the dictionary begin anew.
	batch := uint64(0)
	for _, words := range []int{1, 300, localserverstest.Cases(3_000, 70_000), 2, 300} {
		batch++
		d := decision(batch, "a", "T", "bakery", 100)
		d.Accruals = d.Accruals[:0]
		for n := range words {
			line := purchase("a", fmt.Sprintf("T%d-%d", batch, n), fmt.Sprintf("p%d", n), 100, rules.Instant{Sec: base}, rules.Confirmed, d.Set[0].Cause)[0]
			line.Reasons = []string{fmt.Sprintf("r%d", n%7), fmt.Sprintf("x%d", n)}
			d.Accruals = append(d.Accruals, line)
		}
		w.book(t, d)
		want(t, "lines whose words are their own", w.number(t, fmt.Sprintf(`
			SELECT count() FROM ledger
			WHERE cause_id = 'e%d' AND substring(partner_id, 2) = splitByChar('-', transaction_id)[2]
				AND reasons[2] = concat('x', substring(partner_id, 2)) AND offer_id = concat(partner_id, '-offer')
				AND reasons[1] = concat('r', toString(toUInt32(substring(partner_id, 2)) %% 7))`, batch)), int64(words))
	}
}

func TestCallersMayReuseTheirMemoryAfterBook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	word := []byte("aaaa")
	for batch, letter := range []byte("abab") {
		for i := range word {
			word[i] = letter
		}
		d := decision(uint64(batch+1), "acc", fmt.Sprintf("T%d", batch), "bakery", 100)
		for i := range d.Accruals {
			d.Accruals[i].Level = unsafe.String(&word[0], len(word))
		}
		w.book(t, d)
	}
	want(t, "levels", w.text(t, "SELECT arrayStringConcat(arraySort(groupArray(level)), ' ') FROM ledger WHERE role = 'member'"), "aaaa aaaa bbbb bbbb")
}

func TestConcurrentShardsAreGatheredAndEachIsBookedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const shards, batches = 16, 12
	var wait sync.WaitGroup
	for shard := range shards {
		wait.Go(func() {
			for batch := range batches {
				d := decision(uint64(batch+1), fmt.Sprintf("a%d", shard), fmt.Sprintf("T%d-%d", shard, batch), "bakery", 10_000)
				d.Shard = int32(shard)
				if err := w.ledger.Book(context.Background(), d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	want(t, "lines", w.number(t, "SELECT count() FROM ledger"), 2*shards*batches)
	want(t, "events", w.number(t, "SELECT count() FROM events"), shards*batches)
	want(t, "shards whose marker is at the last batch", w.number(t, fmt.Sprintf("SELECT count() FROM markers WHERE batch = %d", batches)), shards)
}

func TestAValueThatNoTableCanHoldIsRefusedBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, spoil := range map[string]func(*rules.Decision){
		"role": func(d *rules.Decision) { d.Accruals[1].Role = 9 },
		"sponsor": func(d *rules.Decision) {
			d.Accruals[0].Role, d.Accruals[0].BeneficiaryRef = rules.RoleSponsor, rules.AccountRef{}
		},
		"member":    func(d *rules.Decision) { d.Accruals[0].BeneficiaryRef = refOf("another") },
		"partner":   func(d *rules.Decision) { d.Accruals[1].BeneficiaryRef = refOf("a") },
		"grant":     func(d *rules.Decision) { d.Grants = []rules.Grant{{}} },
		"channel":   func(d *rules.Decision) { d.Referrals = []rules.Referral{{Cause: d.Set[0].Cause, Channel: 9}} },
		"referral":  func(d *rules.Decision) { d.Referrals = []rules.Referral{{}} },
		"stage":     func(d *rules.Decision) { d.Accruals[0].Stage = 0 },
		"kind":      func(d *rules.Decision) { d.Accruals[0].Kind = 0 },
		"cause":     func(d *rules.Decision) { d.Accruals[0].Cause.Kind = 0 },
		"fate":      func(d *rules.Decision) { d.Set[0].Fate = rules.NumFates },
		"direction": func(d *rules.Decision) { d.Instructions[0].Direction = 3 },
		"status":    func(d *rules.Decision) { d.Results = []rules.ResultRow{{}} },
	} {
		d := decision(1, "a", "T1", "bakery", 10_000)
		spoil(d)
		if err := w.ledger.Book(t.Context(), decision(1, "a", "T1", "bakery", 10_000), d); !errors.Is(err, clickhouse.ErrPermanent) {
			t.Errorf("%s: got %v, want an error that needs a person", name, err)
		}
	}
	want(t, "lines", w.number(t, "SELECT count() FROM ledger"), 0)
}

// A group of inserts that ends in the middle leaves a set row without its grants
// rather than grants of nothing, and no line without the grants it follows from.
func TestABookingThatBreaksOffLeavesNothingBeforeItsGrounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	counts := "SELECT concat_ws(' ', toString((SELECT count() FROM set_log)), toString((SELECT count() FROM grants_log)), " +
		"toString((SELECT count() FROM referrals_told_log)), toString((SELECT count() FROM accruals_log)))"
	d := decision(1, "a", "T1", "bakery", 10_000)
	d.Grants, d.Referrals = []rules.Grant{grant(d, "campaign/spring", 1, 1)}, []rules.Referral{referral(d, "sponsor", 1, 1)}
	for _, c := range []struct{ missing, want string }{
		{"set_log", "0 0 0 0"}, {"grants_log", "1 0 0 0"}, {"referrals_told_log", "1 1 0 0"}, {"accruals_log", "1 1 1 0"},
	} {
		w.exec(t, "RENAME TABLE "+c.missing+" TO away")
		if err := w.ledger.Book(t.Context(), d); !errors.Is(err, clickhouse.ErrPermanent) {
			t.Errorf("without %s: got %v, want an error that needs a person", c.missing, err)
		}
		w.exec(t, "RENAME TABLE away TO "+c.missing)
		want(t, "set, grants, told, lines without "+c.missing, w.text(t, counts), c.want)
		for _, table := range []string{"set_log", "grants_log", "referrals_told_log"} {
			w.exec(t, "TRUNCATE TABLE "+table)
		}
	}
}

func TestErrorsTellWhatToDo(t *testing.T) {
	t.Parallel()
	server, database := localserverstest.ClickHouse(t)
	o := optionsFor(server, database)
	d := decision(1, "a", "T1", "bakery", 10_000)
	if err := open(t, o).Book(t.Context(), d); !errors.Is(err, clickhouse.ErrPermanent) {
		t.Errorf("tables missing: got %v, want an error that needs a person", err)
	}
	nobody := o
	nobody.Addresses = []string{"127.0.0.1:1"}
	if err := open(t, nobody).Book(t.Context(), d); err == nil || errors.Is(err, clickhouse.ErrPermanent) {
		t.Errorf("nobody listens: got %v, want an error that may pass", err)
	}
	second := o
	second.Addresses = append(nobody.Addresses, o.Addresses...)
	w := openWorld(t, server, second)
	w.book(t, d)

	var zero clickhouse.Options
	if _, err := clickhouse.Open(t.Context(), zero); err == nil {
		t.Error("options without anything were taken")
	}
}

// A server of its own: the library that stands in for one ends when a login over
// the native protocol fails.
func TestWrongPasswordTellsWhatToDo(t *testing.T) {
	t.Parallel()
	server, err := localservers.StartClickHouse(t.Context(), localserverstest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	o := optionsFor(server, "ristourne")
	o.Password = "not it"
	l := open(t, o)
	if err := l.Book(t.Context(), decision(1, "a", "T1", "bakery", 10_000)); !errors.Is(err, clickhouse.ErrPermanent) {
		t.Errorf("booking: got %v, want an error that needs a person", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Migrate(t.Context()); !errors.Is(err, clickhouse.ErrPermanent) {
		t.Errorf("migrating: got %v, want an error that needs a person", err)
	}
}

func TestServerKilledInTheMiddleLosesNothingAndBooksNothingTwice(t *testing.T) {
	t.Parallel()
	server, err := localservers.StartClickHouse(t.Context(), localserverstest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	o := optionsFor(server, "ristourne")
	w := openWorld(t, server, o)

	const batches = 30
	killAt := make(chan struct{})
	restarted := make(chan error, 1)
	go func() {
		<-killAt
		server.Kill() // while the other goroutine books
		restarted <- server.Restart(context.Background())
	}()
	failures := 0
	for batch := uint64(1); batch <= batches; batch++ {
		if batch == batches/3 {
			close(killAt)
		}
		d := decision(batch, fmt.Sprintf("a%d", batch%5), fmt.Sprintf("T%d", batch), "bakery", 10_000)
		for w.ledger.Book(t.Context(), d) != nil { // "unknown": again, until it is known
			failures++
			if t.Context().Err() != nil {
				t.Fatal("the server did not come back")
			}
		}
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d attempts failed", failures)
	if err := w.ledger.Book(t.Context(), decision(batches, "a0", fmt.Sprintf("T%d", batches), "bakery", 10_000)); err != nil {
		t.Fatal(err)
	}
	want(t, "lines", w.number(t, "SELECT count() FROM ledger"), 2*batches)
	want(t, "reward", w.number(t, "SELECT sum(reward_minor) FROM ledger"), batches*300)
	want(t, "events", w.number(t, "SELECT count() FROM events"), batches)
	want(t, "seqs", w.number(t, "SELECT uniqExact(seq) FROM events"), batches)
	want(t, "instructions", w.number(t, "SELECT count() FROM instructions"), batches)
	want(t, "marker", w.number(t, "SELECT batch FROM markers"), batches)
}

func TestACallerThatGivesUpDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var wait sync.WaitGroup
	for n := range 20 {
		ctx := t.Context()
		if n%2 == 1 {
			ctx = gone
		}
		wait.Go(func() {
			d := decision(uint64(n+1), "a", fmt.Sprintf("T%d", n), "bakery", 10_000)
			d.Shard = int32(n)
			if err := w.ledger.Book(ctx, d); err != nil && ctx.Err() == nil {
				t.Errorf("booking %d failed as another gave up: %v", n, err)
			}
		})
	}
	wait.Wait()
	if got := w.number(t, "SELECT count() FROM markers WHERE shard % 2 = 0"); got != 10 {
		t.Errorf("%d of 10 patient callers are booked", got)
	}
	if err := w.ledger.Close(); err != nil {
		t.Error(err)
	}
	if err := w.ledger.Book(t.Context(), decision(1, "a", "T", "bakery", 1)); !errors.Is(err, clickhouse.ErrClosed) {
		t.Errorf("book after close: %v", err)
	}
}
