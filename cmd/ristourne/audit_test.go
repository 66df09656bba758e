package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ristourne/cmd/internal/transcript"
	"ristourne/processor/audit"
	"ristourne/rules"
)

// newPayingBank is a monthly bank that has closed three cycles: of the first credit the
// bank has sent back, another is paid, a purchase that was paid is given back.
func newPayingBank(t *testing.T) *bank {
	t.Helper()
	b := newMonthlyBank(t)
	taken, _ := b.taken(t)
	accounts := []struct{ id, card string }{{"acc-1", "tok-a"}, {"acc-2", "tok-b"}}
	merchants := []string{`{"id":"0003172846"}`, `{"id":"0002276418","acquirer_id":"10278"}`} // bread, and a table
	const purchases = 24
	for n := range purchases {
		of := accounts[n%2]
		b.send(t, rules.TopicTransactions, of.id, fmt.Sprintf(
			`{"event_id":"f-%[1]d","type":"clearing","transaction_id":"f-%[1]d","account_id":%[2]q,"card_token":%[3]q,"amount_minor":%[4]d,"currency":"EUR","occurred_at":"2026-0%[5]d-0%[6]dT12:00:00+01:00","merchant":%[7]s}`,
			n, of.id, of.card, 1000+100*n, 2+n/6, 1+n%6, merchants[n/2%2]))
	}
	b.settled(t, taken, purchases)
	close := func(cycle string) {
		t.Helper()
		before, _ := b.taken(t)
		posted := b.run(t, "settle", "--cycle", cycle, "--by", "ada", "--reason", "monthly run", "--output", "json")
		var s settledJSON
		if err := json.Unmarshal([]byte(posted), &s); err != nil {
			t.Fatal(err)
		}
		b.settled(t, before, int64(s.Accounts))
	}
	says := func(cycle, status, reason string) {
		t.Helper()
		before, _ := b.taken(t)
		b.send(t, rules.TopicResults, "acc-1", fmt.Sprintf(`{"instruction_id":%q,"account_id":"acc-1","status":%q,"reason":%q,"at":"2026-06-01T00:00:00Z"}`,
			b.instructionOf(t, "acc-1", cycle), status, reason))
		b.settled(t, before, 1)
	}
	close("2026-02")
	says("2026-02", "rejected", "AG01")
	close("2026-03")
	says("2026-03", "settled", "")
	before, _ := b.taken(t)
	b.send(t, rules.TopicTransactions, "acc-1", `{"event_id":"back","type":"refund","transaction_id":"f-2","account_id":"acc-1","card_token":"tok-a","amount_minor":1200,"currency":"EUR","occurred_at":"2026-05-20T12:00:00+01:00","merchant":{"id":"0002276418","acquirer_id":"10278"}}`)
	b.settled(t, before, 1)
	close("2026-05")
	return b
}

func (b *bank) instructionOf(t *testing.T, account, cycle string) (id string) {
	t.Helper()
	query := "SELECT instruction_id FROM instructions WHERE cycle = $1 AND account_ref IN (SELECT account_ref FROM accounts WHERE account_id = $2)"
	if err := b.query(t).QueryRow(t.Context(), query, cycle, account).Scan(&id); err != nil {
		t.Fatalf("instruction of %s in cycle %s: %v", account, cycle, err)
	}
	return id
}

// forger changes rows behind the program's back, all at once. What stands in a table's
// sort key can't be changed in place.
type forger struct {
	*bank
	removed map[string][]string // conditions by table
	forged  []string            // tables
}

func (f *forger) change(t *testing.T, table, where, replace string) {
	t.Helper()
	f.double(t, table, where, replace)
	f.remove(table, where)
}

func (f *forger) double(t *testing.T, table, where, replace string) {
	t.Helper()
	if f.number(t, "SELECT count() FROM "+table+" WHERE "+where) == 0 {
		t.Fatalf("%s has nothing where %s", table, where)
	}
	f.execute(t, "CREATE TABLE IF NOT EXISTS forged_"+table+" AS "+table,
		"INSERT INTO forged_"+table+" SELECT * REPLACE ("+replace+") FROM (SELECT * FROM "+table+" FINAL WHERE "+where+")")
	if !slices.Contains(f.forged, table) {
		f.forged = append(f.forged, table)
	}
}

func (f *forger) remove(table, where string) {
	f.removed[table] = append(f.removed[table], "("+where+")")
}

// strike removes what is to be removed and puts what is forged in its place.
func (f *forger) strike(t *testing.T) {
	t.Helper()
	for table, removed := range f.removed {
		f.execute(t, "ALTER TABLE "+table+" DELETE WHERE "+strings.Join(removed, " OR "))
	}
	for _, table := range f.forged {
		f.execute(t, "INSERT INTO "+table+" SELECT * FROM forged_"+table)
	}
}

// Whatever is changed in the tables of a ledger that adds up is found, in its class,
// by its ids.
func TestForgeriesAreFoundByAnAudit(t *testing.T) {
	t.Parallel()
	b := newPayingBank(t)
	printed := b.run(t, "audit")
	transcript.Want(t, "ristourne audit --config bank.yaml", printed)
	wantText(t, printed, "Everything adds up.")
	wantText(t, b.run(t, "audit", "--as-of", "2026-01-01T00:00:00Z"), "Everything adds up.") // before anything was taken

	const account = "(SELECT account_ref FROM accounts WHERE account_id = '%s')"
	other := fmt.Sprintf(account, "acc-2")
	lineOf := func(transaction, role string) string {
		return fmt.Sprintf("transaction_id = '%s' AND role = '%s' AND stage = 'confirmed'", transaction, role)
	}
	given := func(account, cycle string) string {
		return "instruction_id = '" + b.instructionOf(t, account, cycle) + "'"
	}
	want := []struct {
		class audit.Class
		names string
	}{
		{audit.LineAltered, `"transaction_id":"f-4"`},
		{audit.LineMissing, `"transaction_id":"f-6"`},
		{audit.LineUnknown, `"accrual_id":"000102030405060708090a0b0c0d0e0f"`},
		{audit.CommissionAltered, `"transaction_id":"f-10"`},
		{audit.CommissionAltered, `"transaction_id":"f-12"`}, // moved from one partner
		{audit.CommissionAltered, `"transaction_id":"f-14"`}, // to another
		{audit.LineOfOtherAccount, `"transaction_id":"f-16"`},
		{audit.RecordAltered, `"cause_id":"f-18"`},
		{audit.LineWithoutRecord, `"cause_id":"f-20"`},
		{audit.BudgetExceeded, `"budget":"campaign/mercredis-de-lyon"`},
		{audit.GrantUnknown, `"transaction_id":"f-22"`},
		{audit.InstructionAltered, b.instructionOf(t, "acc-1", "2026-02")},
		{audit.InstructionMissing, b.instructionOf(t, "acc-1", "2026-03")},
		{audit.ResultUnknown, b.instructionOf(t, "acc-1", "2026-03")},
		{audit.InstructionTwice, "RI-TWICE"},
		{audit.InstructionUnknown, "RI-TWICE"},
		{audit.InstructionOfOtherAccount, b.instructionOf(t, "acc-2", "2026-03")},
		{audit.ResultUnknown, "RI-NOBODY"},
		{audit.TotalWrong, `"partner_id":"bouchon-de-la-mere-jeanne"`}, // of a shard that isn't there
	}
	f := forger{bank: b, removed: map[string][]string{}}
	f.change(t, "accruals_log", lineOf("f-4", "member"), "reward_minor + 1 AS reward_minor, cost_minor + 1 AS cost_minor")
	f.remove("accruals_log", lineOf("f-6", "member"))
	f.double(t, "accruals_log", lineOf("f-8", "member"), "toFixedString(unhex('000102030405060708090a0b0c0d0e0f'), 16) AS accrual_id")
	f.change(t, "accruals_log", lineOf("f-10", "partner"), "commission_minor - 1 AS commission_minor")
	f.change(t, "accruals_log", lineOf("f-12", "partner"), "commission_minor - 7 AS commission_minor")
	f.change(t, "accruals_log", lineOf("f-14", "partner"), "commission_minor + 7 AS commission_minor")
	f.change(t, "accruals_log", lineOf("f-16", "member"), other+" AS account_ref, "+other+" AS beneficiary_ref, (SELECT shard FROM accounts WHERE account_id = 'acc-2') AS shard")
	f.execute(t, "ALTER TABLE set_log UPDATE payload = concat(substring(payload, 1, length(payload) - 1), '!') WHERE cause_id = 'f-18'")
	f.remove("set_log", "cause_id = 'f-20'")
	f.execute(t, `INSERT INTO grants_log (shard, budget, account_ref, transaction_id, unit, target_minor, granted_minor, change_minor, seq, batch, place,
		cause_kind, cause_id, cause_partition, cause_offset, recorded_ms)
		SELECT shard, 'campaign/mercredis-de-lyon', account_ref, transaction_id, 'EUR', 100000, 100000, 100000, seq, batch, 0,
		cause_kind, cause_id, cause_partition, cause_offset, recorded_ms FROM set_log WHERE cause_id = 'f-22'`)
	f.change(t, "instructions_log", given("acc-1", "2026-02"), "amount_minor + 100 AS amount_minor")
	f.double(t, "instructions_log", given("acc-1", "2026-05"), "'RI-TWICE' AS instruction_id")
	f.change(t, "instructions_log", given("acc-2", "2026-03"), fmt.Sprintf(account, "acc-1")+" AS account_ref, (SELECT shard FROM accounts WHERE account_id = 'acc-1') AS shard")
	f.remove("instructions_log", given("acc-1", "2026-03"))
	f.double(t, "results_log", "status = 'settled'", "'RI-NOBODY' AS instruction_id, cause_offset + 1000 AS cause_offset")
	f.double(t, "accruals_log", lineOf("f-22", "partner"), "99 AS shard")
	f.strike(t)

	stdout, stderr := b.fails(t, exitFailed, "audit", "--output", "json")
	wantText(t, stderr, "the ledger does not add up: ")
	var told audit.Sheet
	if err := json.Unmarshal([]byte(stdout), &told); err != nil {
		t.Fatal(err)
	}
	var found []string
	for i := range told.Checks {
		for _, d := range told.Checks[i].Differences {
			line, err := json.Marshal(d)
			if err != nil || d.What == "" || d.MayBe == "" {
				t.Errorf("%+v, %v", d, err)
			}
			found = append(found, string(line))
		}
	}
	for _, w := range want {
		if !slices.ContainsFunc(found, func(line string) bool {
			return strings.Contains(line, fmt.Sprintf(`"class":%q`, w.class)) && strings.Contains(line, w.names)
		}) {
			t.Errorf("no %s that names %s is found, but\n%s", w.class, w.names, strings.Join(found, "\n"))
		}
	}

	// What was looked at is listed and no reason to fail; one line of each is enough.
	b.wantShown(t, "ristourne audit --config bank.yaml --limit 1", b.reported(t, "audit", "--limit", "1"), "RI-[A-Z2-7]{26}", "CY-[A-Z2-7]{26}", "[0-9a-f]{32}")
	classes := make([]string, 0, len(told.ByClass))
	for class := range told.ByClass {
		classes = append(classes, string(class))
	}
	b.run(t, "audit", "--accept", strings.Join(classes, ","))
}

func TestAnAuditThatCantBeIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--limit", "0"}, "--limit 0: 1 to 10000"},
		{[]string{"--as-of", "yesterday"}, `--as-of "yesterday": write RFC 3339`},
		{[]string{"--accept", "all"}, `--accept "all": there is no such class, but `},
		{[]string{"--output", "csv"}, `--output "csv": text or json`},
	} {
		if _, stderr, code := command(t, "", append([]string{"audit", "--config", "none.yaml"}, test.arguments...)...); code != exitUsage || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d: %s", test.arguments, code, stderr)
		}
	}
}
