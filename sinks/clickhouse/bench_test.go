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

	"ristourne/deploy/parts/partstest"
	"ristourne/rules"
)

// BenchmarkBook books batches of 500 matched events of 200 partners: for each,
// a set row and two to four accruals, an instruction for one in two. It reports
// the CPU of this process alone, per event and per row, and on Linux that of
// ClickHouse beside it.
func BenchmarkBook(b *testing.B) {
	for _, compress := range []bool{true, false} {
		b.Run(fmt.Sprintf("lz4=%v", compress), func(b *testing.B) {
			server, database := partstest.ClickHouse(b)
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

func matchedBatch(n, events int) *rules.Decision {
	d := &rules.Decision{Shard: int32(n % 12), Batch: uint64(n + 1), Heads: rules.Heads{-1, -1, -1, int64(n * events)}}
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
