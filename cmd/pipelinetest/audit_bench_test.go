package pipelinetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/processor/audit"
	"ristourne/processor/catalog"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
	"ristourne/sinks/clickhouse"
)

// auditedLines is how many lines BenchmarkAudit fills the ledger with, where LEDGER_ROWS
// names no other number.
const auditedLines = 10_000_000

// BenchmarkAudit proves a ledger of 10,000,000 lines, as `ristourne audit` does: 4
// shards, half a year of purchases, each with an authorization and a clearing, one in
// ten given back, paid by month. It fills the ledger first, which takes some minutes, so
// give it -benchtime 1x and -timeout 2h.
func BenchmarkAudit(b *testing.B) {
	lines := auditedLines
	if text := os.Getenv("LEDGER_ROWS"); text != "" {
		var err error
		if lines, err = strconv.Atoi(text); err != nil {
			b.Fatalf("LEDGER_ROWS: %v", err)
		}
	}
	loaded, err := catalog.Load(writeAuditedCatalogue(b))
	if err != nil {
		b.Fatal(err)
	}
	server, database := localserverstest.ClickHouse(b)
	o := clickhouse.DefaultOptions()
	o.Addresses, o.User, o.Password, o.Database = []string{server.Addr}, server.User, server.Password, database
	o.GroupInterval = 0
	ledger, err := clickhouse.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ledger.Close() })
	if err := ledger.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	f := auditedFiller{ledger: ledger, engine: engine.New(loaded.Snapshot), shards: 4}
	f.fill(b, lines)
	b.Logf("filled with %d lines of %d accounts in %s", f.lines, f.accounts, time.Since(began).Round(time.Second))
	debug.FreeOSMemory() // what filling it took is not the audit's
	for b.Loop() {
		peak := watchMemory(b, server.PID())
		began := time.Now()
		p := audit.Proof{Store: ledger, Snapshot: loaded.Snapshot, Catalogue: loaded.Catalogue, Limit: 100}
		sheet, err := p.Run(b.Context())
		took := time.Since(began)
		own, theirs := peak()
		if err != nil {
			b.Fatal(err)
		}
		if len(sheet.ByClass) > 0 || sheet.Compared.Lines != int64(f.lines) {
			b.Fatalf("%+v, and %v", sheet.Compared, sheet.ByClass)
		}
		b.ReportMetric(float64(f.lines)/took.Seconds(), "lines/s")
		b.ReportMetric(own, "own-MB")
		b.ReportMetric(theirs, "server-MB")
	}
}

// watchMemory looks at what this process and the server hold, until it is asked for the
// most that they held, in MB.
func watchMemory(b *testing.B, server int) (peak func() (own, theirs float64)) {
	ctx, cancel := context.WithCancel(b.Context())
	var own, theirs atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			own.Store(max(own.Load(), residentBytes(os.Getpid())))
			theirs.Store(max(theirs.Load(), residentBytes(server)))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() (float64, float64) {
		cancel()
		<-ended
		return float64(own.Load()) / 1e6, float64(theirs.Load()) / 1e6
	}
}

// residentBytes is what a process holds of memory; 0 where the system doesn't say.
func residentBytes(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func writeAuditedCatalogue(b *testing.B) string {
	folder := b.TempDir()
	files := map[string]string{"programme.yaml": "programme: city\ncurrency: EUR\nzone: Europe/Paris\npayout: {cycle: monthly on 1, hold: 14 days, from: 5 EUR}\n"}
	for i := range 50 {
		files[fmt.Sprintf("shop-%d.yaml", i)] = fmt.Sprintf(`
partner: shop-%[1]d
name: Shop %[1]d
commission: 8%%
stores: [{id: main, name: Main, keys: [{mid: "1000%02[1]d"}]}]
offers: [{id: all, name: 5 %% back, from: 2026-01-01, reward: 5%%, caps: [{per: month, amount: 20 EUR}]}]
`, i)
	}
	for name, text := range files {
		if err := os.WriteFile(folder+"/"+name, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return folder
}

// auditedFiller decides the records of accounts, one account after another, and books
// what comes of them.
type auditedFiller struct {
	ledger   *clickhouse.Ledger
	engine   *engine.Engine
	shards   int32
	decision [16]*rules.Decision // by shard
	seq      [16]uint64
	batch    [16]uint64
	offset   int64
	accounts int
	lines    int
}

const auditedBatchLines = 40_000 // booked at once

func (f *auditedFiller) fill(b *testing.B, lines int) {
	for f.lines < lines {
		shard := int32(f.accounts) % f.shards
		if f.decision[shard] == nil {
			f.batch[shard]++
			f.decision[shard] = &rules.Decision{Shard: shard, Batch: f.batch[shard]}
		}
		f.account(b, f.decision[shard], fmt.Sprintf("account-%08d", f.accounts))
		f.accounts++
		if len(f.decision[shard].Accruals) >= auditedBatchLines {
			f.book(b, shard)
		}
	}
	for shard := range f.shards {
		if f.decision[shard] != nil {
			f.book(b, shard)
		}
	}
}

func (f *auditedFiller) book(b *testing.B, shard int32) {
	d := f.decision[shard]
	d.Positions, d.LastSeq = rules.Positions{-1, -1, -1, f.offset}, f.seq[shard]
	f.lines += len(d.Accruals)
	if err := f.ledger.Book(b.Context(), d); err != nil {
		b.Fatal(err)
	}
	f.decision[shard] = nil
}

// account is half a year of one: twelve purchases a month.
func (f *auditedFiller) account(b *testing.B, d *rules.Decision, id string) {
	sum := sha256.Sum256([]byte(id))
	ref := rules.AccountRef(sum[:16])
	a := engine.NewAccount(id)
	at := func(month, day, hour int) rules.Instant {
		return rules.InstantOf(time.Date(2026, time.Month(month), day, hour, 0, 0, 0, time.UTC))
	}
	d.Accounts = append(d.Accounts, rules.AccountRow{Ref: ref, AccountID: id, MemberID: "m-" + id})
	f.take(b, d, a, ref, rules.Record{Fact: &rules.Fact{ID: "enrolled-" + id, Type: rules.Enrolled, AccountID: id, At: at(1, 1, 0), MemberID: "m-" + id, Programme: "city", CardTokens: []string{"card"}}})
	for month := 1; month <= 6; month++ {
		for n := range 12 {
			purchase := fmt.Sprintf("t-%d-%d", month, n)
			shop := fmt.Sprintf("1000%02d", (f.accounts+7*n)%50)
			event := func(what rules.EventType, day, hour int, minor int64) {
				f.take(b, d, a, ref, rules.Record{Event: &rules.Event{
					ID: purchase + what.String(), Type: what, AccountID: id, TransactionID: purchase, CardToken: "card", AmountMinor: minor,
					Currency: money.Currency{'E', 'U', 'R'}, OccurredAt: at(month, day, hour), Merchant: rules.Merchant{ID: shop, MCC: "5812", Country: "FR"}, Channel: rules.InStore,
				}})
			}
			minor := int64(500 + 137*(f.accounts+31*n)%9000)
			event(rules.Authorization, 1+2*n, 10, minor)
			event(rules.Clearing, 2+2*n, 3, minor)
			if n == 5 {
				event(rules.Refund, 4+2*n, 9, minor/2)
			}
		}
		closing := rules.ClosingOf("city", fmt.Sprintf("2026-%02d", month), id, at(month+1, 1, 0))
		f.take(b, d, a, ref, rules.Record{Fact: &closing})
	}
}

func (f *auditedFiller) take(b *testing.B, d *rules.Decision, a *engine.Account, ref rules.AccountRef, r rules.Record) {
	f.offset++
	kind := rules.CauseEvent
	if r.Fact != nil {
		kind = rules.CauseFact
		wire.SealFact(r.Fact)
	} else {
		wire.Seal(r.Event)
	}
	cause := rules.Cause{Kind: kind, ID: r.ID(), Partition: d.Shard, Offset: f.offset, RecordedAt: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
	var out rules.Output
	verdict, err := f.engine.Apply(a, r, cause, &out)
	if err != nil || !verdict.Fate.InSet() {
		b.Fatalf("%+v, %v", verdict, err)
	}
	f.seq[d.Shard]++
	row := rules.SetRow{Seq: f.seq[d.Shard], AccountRef: ref, Cause: cause, Fate: verdict.Fate, Payload: r.AppendBinary(nil)}
	row.Describe(r)
	d.Set = append(d.Set, row)
	for _, l := range out.Accruals {
		l.AccountRef = ref
		if l.Role == rules.RoleMember {
			l.BeneficiaryRef = ref
		}
		d.Accruals = append(d.Accruals, l)
	}
	for _, x := range out.Instructions {
		x.AccountRef = ref
		d.Instructions = append(d.Instructions, x)
	}
}
