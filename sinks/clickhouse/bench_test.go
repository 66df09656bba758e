package clickhouse_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

// BenchmarkBook books batches of 500 matched events of 200 partners: for each,
// a set row and two to four accruals, an instruction for one in two. It reports
// the CPU of this process alone, per event and per row, and on Linux that of
// ClickHouse beside it.
func BenchmarkBook(b *testing.B) {
	for _, compress := range []bool{true, false} {
		b.Run(fmt.Sprintf("lz4=%v", compress), func(b *testing.B) {
			server, database := localserverstest.ClickHouse(b)
			o := optionsFor(server, database)
			o.Compress = compress
			w := openWorld(b, server, o)
			const events, group = 500, 20
			decisions := make([]*rules.Decision, group)
			rows := 0
			for n := range decisions {
				decisions[n] = matchedBatch(n, events)
				d := decisions[n]
				rows += len(d.Accounts) + len(d.Set) + len(d.Accruals) + len(d.Instructions) + 1
			}
			b.ReportAllocs()
			cpu, serverCPU := cpuTime(b), cpuTimeOf(server.PID())
			for b.Loop() {
				if err := w.ledger.Book(context.Background(), decisions...); err != nil {
					b.Fatal(err)
				}
			}
			used := cpuTime(b) - cpu
			perLoop := float64(used.Nanoseconds()) / float64(b.N)
			b.ReportMetric(perLoop/float64(events*group), "cpu-ns/event")
			b.ReportMetric(perLoop/float64(rows), "cpu-ns/row")
			b.ReportMetric(float64((cpuTimeOf(server.PID())-serverCPU).Nanoseconds())/float64(b.N)/float64(rows), "server-cpu-ns/row")
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkServer books groups of purchase events, each with the two to four lines and
// the half of an instruction of BenchmarkBook, and reports what they cost the server,
// a purchase event, its merges of them included: CPU, bytes written, syncs, and bytes
// on disk when all is merged (nothing else may use the server meanwhile). LEDGER_SQL has statements to try, run on the empty tables.
// Run it with -benchtime 40x, so that parts come together as they do in a second.
func BenchmarkServer(b *testing.B) {
	for _, batches := range []int{1, 4, 20} {
		const events = 500
		b.Run(fmt.Sprintf("events=%d", batches*events), func(b *testing.B) {
			server, database := localserverstest.ClickHouse(b)
			w := openWorld(b, server, optionsFor(server, database))
			for _, statement := range strings.Split(os.Getenv("LEDGER_SQL"), ";") {
				if strings.TrimSpace(statement) != "" {
					w.exec(b, statement)
				}
			}
			groups := make([][]*rules.Decision, b.N)
			for n := range groups {
				for i := range batches {
					groups[n] = append(groups[n], matchedBatch(n*batches+i, events))
				}
			}
			before := w.serverCounts(b)
			for _, group := range groups {
				w.book(b, group...)
			}
			for w.number(b, "SELECT count() FROM system.merges WHERE database = '"+database+"'") > 0 {
				time.Sleep(100 * time.Millisecond)
			}
			after, all := w.serverCounts(b), float64(b.N*batches*events)
			b.ReportMetric((after.cpuMicros-before.cpuMicros)/all, "server-cpu-us/event")
			b.ReportMetric((after.writtenBytes-before.writtenBytes)/all, "written-B/event")
			b.ReportMetric((after.syncs-before.syncs)/float64(b.N), "syncs/group")
			for _, table := range []string{"accruals_log", "set_log", "instructions_log"} {
				w.exec(b, "OPTIMIZE TABLE "+table+" FINAL")
			}
			stored := w.number(b, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '"+database+"'")
			b.ReportMetric(float64(stored)/all, "stored-B/event")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// serverCounts are what the server has counted since it started: of CPU that of
// inserts, merges and queries, not what it uses while it stands idle.
type serverCounts struct{ cpuMicros, writtenBytes, syncs float64 }

func (w world) serverCounts(b *testing.B) serverCounts {
	count := func(events string) float64 {
		return float64(w.number(b, "SELECT sum(value) FROM system.events WHERE event IN ("+events+")"))
	}
	return serverCounts{count("'OSCPUVirtualTimeMicroseconds'"), count("'WriteBufferFromFileDescriptorWriteBytes'"), count("'FileSync', 'DirectorySync'")}
}

// BenchmarkCheck reads a ledger of LEDGER_ROWS rows (10,000,000) against its markers, as
// `ristourne check` does: 4 shards, two years, booked batch by batch. It fills the ledger
// first, which takes some minutes, so give it -benchtime 1x and -timeout 1h.
func BenchmarkCheck(b *testing.B) {
	most := 10_000_000
	if text := os.Getenv("LEDGER_ROWS"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil {
			b.Fatalf("LEDGER_ROWS: %v", err)
		}
	}
	server, database := localserverstest.ClickHouse(b)
	w := openWorld(b, server, optionsFor(server, database))
	rows := bookMany(b, w, most)
	filled := peakMemoryOf(server.PID())
	cpu, serverCPU := cpuTime(b), cpuTimeOf(server.PID())
	for b.Loop() {
		for shard := range int32(checkedShards) {
			began := time.Now()
			found, counted, err := w.ledger.CheckShard(b.Context(), shard)
			if err != nil || !counted || len(found) > 0 {
				b.Fatalf("shard %d: counted %v, holes %v, %v", shard, counted, found, err)
			}
			b.Logf("shard %d: %s", shard, time.Since(began).Round(time.Millisecond))
		}
	}
	b.ReportMetric(float64(rows), "rows")
	b.ReportMetric((cpuTime(b)-cpu).Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric((cpuTimeOf(server.PID())-serverCPU).Seconds()/float64(b.N), "server-cpu-s/op")
	b.ReportMetric(filled, "server-MB-filled")
	b.ReportMetric(peakMemoryOf(server.PID()), "server-MB-peak")
}

const checkedShards = 4

// bookMany books at least so many rows, and gives how many.
func bookMany(b *testing.B, w world, most int) (rows int) {
	const events, group, months = 500, 20, 24
	var seqs [checkedShards]uint64
	for n := 0; rows < most; {
		decisions := make([]*rules.Decision, group)
		later := int64(n/group%months) * 30 * 86_400
		for i := range decisions {
			d := matchedBatch(n, events)
			d.Shard, d.Batch = int32(n%checkedShards), uint64(n/checkedShards+1)
			for e := range d.Set {
				seqs[d.Shard]++
				d.Set[e].Seq = seqs[d.Shard]
				d.Set[e].Cause.RecordedAt += later * 1000
			}
			for a := range d.Accruals {
				d.Accruals[a].PurchasedAt.Sec += later
			}
			for x := range d.Instructions {
				d.Instructions[x].CreatedAt += later * 1000
			}
			d.LastSeq = seqs[d.Shard]
			d.Accounts = []rules.AccountRow{{Ref: d.Set[0].AccountRef, AccountID: fmt.Sprintf("acc-%d", n), RecordedAt: 1}}
			rows += len(d.Set) + len(d.Accruals) + len(d.Instructions)
			decisions[i], n = d, n+1
		}
		w.book(b, decisions...)
	}
	return rows
}

// peakMemoryOf is the most that a process has had in memory, in MB; 0 where /proc
// doesn't tell.
func peakMemoryOf(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return float64(kilobytes) / 1024
}

func matchedBatch(n, events int) *rules.Decision {
	d := &rules.Decision{Shard: int32(n % 12), Batch: uint64(n + 1), Positions: rules.Positions{-1, -1, -1, int64(n * events)}}
	payload := make([]byte, 140)
	for i := range payload {
		payload[i] = byte(i * 7 * n)
	}
	for e := range events {
		account, partner := fmt.Sprintf("acc-%d", (n*7919+e*31)%100_000), fmt.Sprintf("partner-%03d", (n*31+e*17)%200)
		transaction, cause := fmt.Sprintf("txn-%08d-%04d", n, e), eventCause(fmt.Sprintf("evt-%08d-%06d", n, e), int64(n*events+e))
		at := rules.Instant{Sec: base + int64(n*events+e)}
		d.Set = append(d.Set, rules.SetRow{
			Seq: uint64(n*events + e), AccountRef: refOf(account), Cause: cause, Fate: rules.Booked, Type: "clearing",
			TransactionID: transaction, AmountMinor: 4_200, Currency: eur, OccurredAt: at, MerchantID: "MID-" + partner,
			MCC: "5812", PartnerID: partner, StoreID: partner + "-1", Payload: payload,
		})
		d.Accruals = append(d.Accruals, purchase(account, transaction, partner, 4_200, at, rules.Confirmed, cause)...)
		if e%2 == 0 {
			d.Accruals = append(d.Accruals, purchase(account, transaction, partner, -4_200, at, rules.Expected, cause)...)
			d.Instructions = append(d.Instructions, rules.Instruction{
				ID: fmt.Sprintf("I%d-%d", n, e), Direction: rules.Credit, AccountID: account, AccountRef: refOf(account),
				AmountMinor: 126, Currency: eur, StatementText: "Cashback " + partner, Programme: "city",
				Reason: "due", CreatedAt: cause.RecordedAt, Cause: cause,
			})
		}
	}
	return d
}

// cpuTime is what this process has used, in user and system mode.
func cpuTime(tb testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// cpuTimeOf is what another process has used, 0 where /proc doesn't tell. The
// kernel counts in hundredths of a second.
func cpuTimeOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The fields behind the name in parentheses: utime and stime are the 12th
	// and 13th.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
