package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	dto "github.com/prometheus/client_model/go"
)

// warm is the part of the events that is not measured.
const warm = 0.05

// measure is what one case has taken between two moments. CPU is in
// microseconds, of all the events together.
type measure struct {
	Name           string  `json:"name"`
	Events         float64 `json:"events"`
	Seconds        float64 `json:"seconds"`
	Own            float64 `json:"own_cpu_us"`
	Redis          float64 `json:"redis_cpu_us"`
	ClickHouse     float64 `json:"clickhouse_cpu_us"`
	Broker         float64 `json:"broker_cpu_us"`
	Mallocs        float64 `json:"allocations"`
	AllocatedBytes float64 `json:"allocated_bytes"`
	ResidentBytes  float64 `json:"resident_bytes"` // the most
	RedisBytes     float64 `json:"redis_received_bytes"`
	LedgerBytes    float64 `json:"clickhouse_received_bytes"`
	LedgerInserts  float64 `json:"clickhouse_inserts"`
	LedgerSyncs    float64 `json:"clickhouse_fsyncs"`
	LedgerRows     float64 `json:"clickhouse_rows"`
	// From Kafka timestamp to booked, seconds: upper bounds of the buckets that
	// hold the quantiles. 0: not measured.
	BookedP50 float64 `json:"booked_p50_seconds,omitempty"`
	BookedP99 float64 `json:"booked_p99_seconds,omitempty"`
}

func (m *measure) perSecond() float64 { return m.Events / m.Seconds }
func (m *measure) ownEach() float64   { return m.Own / m.Events }
func (m *measure) allEach() float64 {
	return (m.Own + m.Redis + m.ClickHouse + m.Broker) / m.Events
}

// since is what has been taken between two readings.
func (r *reading) since(from *reading) measure {
	counter := func(name string) float64 { return r.process.sum(name) - from.process.sum(name) }
	return measure{
		Events: float64(r.done - from.done), Seconds: r.at.Sub(from.at).Seconds(),
		Own: r.own.cpuMicros - from.own.cpuMicros, Redis: r.redis.cpuMicros - from.redis.cpuMicros,
		ClickHouse: r.clickhouse.cpuMicros - from.clickhouse.cpuMicros, Broker: r.broker.cpuMicros - from.broker.cpuMicros,
		Mallocs: counter("go_memstats_mallocs_total"), AllocatedBytes: counter("go_memstats_alloc_bytes_total"),
		ResidentBytes: r.own.peakBytes, RedisBytes: r.redisBytes - from.redisBytes,
		LedgerBytes:   r.ledger.receivedBytes - from.ledger.receivedBytes,
		LedgerInserts: r.ledger.inserts - from.ledger.inserts, LedgerSyncs: r.ledger.syncs - from.ledger.syncs,
		LedgerRows: r.ledger.rows - from.ledger.rows,
	}
}

// bookedSince is how long what was booked between two readings has waited.
func (r *reading) bookedSince(from *reading) buckets {
	const name = "ristourne_booked_age_seconds"
	return r.process.histogram(name).less(from.process.histogram(name))
}

func (f families) sum(name string) (sum float64) {
	for _, m := range f[name].GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// buckets are cumulative counts by upper bound, rising.
type buckets struct{ bounds, counts []float64 }

func (f families) histogram(name string) (all buckets) {
	for _, m := range f[name].GetMetric() {
		all = bucketsOf(m.GetHistogram())
	}
	return all
}

func bucketsOf(h *dto.Histogram) (b buckets) {
	for _, one := range h.GetBucket() {
		b.bounds = append(b.bounds, one.GetUpperBound())
		b.counts = append(b.counts, float64(one.GetCumulativeCount()))
	}
	return b
}

func (b buckets) less(from buckets) buckets {
	for i := range from.counts {
		if i < len(b.counts) {
			b.counts[i] -= from.counts[i]
		}
	}
	return b
}

// quantile is the upper bound of the bucket that holds it.
func (b buckets) quantile(q float64) float64 {
	if len(b.counts) == 0 || b.counts[len(b.counts)-1] == 0 {
		return 0
	}
	for i, bound := range b.bounds {
		if b.counts[i] >= q*b.counts[len(b.counts)-1] && !math.IsInf(bound, 1) {
			return bound
		}
	}
	return math.MaxFloat64
}

func report(w io.Writer, o options, measures []measure) error {
	if o.json {
		return json.NewEncoder(w).Encode(measures)
	}
	fmt.Fprintf(w, "%d events of a share (a quarter where most match), %d members, %d store keys, %d partitions\n\n", o.events, o.members, o.stores, o.partitions)
	return errors.Join(reportCost(w, measures), reportTraffic(w, measures))
}

// reportCost prints what an event costs of the machine, and of what the peer
// takes.
func reportCost(w io.Writer, measures []measure) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tevents/s\tx peer\tCPU us/event: own\tx peer\tRedis\tClickHouse\tbroker\tall\tx peer\tresident MB\t")
	for i := range measures {
		m := &measures[i]
		rate, own, all := "", "", ""
		if peer := besideOf(m, measures); peer != nil {
			rate = fmt.Sprintf("%.2f", m.perSecond()/peer.perSecond())
			own = fmt.Sprintf("%.2f", m.ownEach()/peer.ownEach())
			all = fmt.Sprintf("%.2f", m.allEach()/peer.allEach())
		}
		fmt.Fprintf(table, "%s\t%.0f\t%s\t%.2f\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%.0f\t\n",
			m.Name, m.perSecond(), rate, m.ownEach(), own, m.Redis/m.Events, m.ClickHouse/m.Events, m.Broker/m.Events, m.allEach(), all, m.ResidentBytes/1e6)
	}
	return table.Flush()
}

// reportTraffic prints what an event moves, and how long it waits.
func reportTraffic(w io.Writer, measures []measure) error {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tper event: allocations\tgarbage B\tto Redis B\tto ClickHouse B\trows\tper 1,000: inserts\tfsyncs\tbooked p50 ms\tp99 ms\t")
	for i := range measures {
		m := &measures[i]
		each := func(v float64) string {
			if v == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", v/m.Events)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", m.Name,
			each(m.Mallocs), each(m.AllocatedBytes), each(m.RedisBytes), each(m.LedgerBytes), each(m.LedgerRows),
			each(m.LedgerInserts*1000), each(m.LedgerSyncs*1000), milliseconds(m.BookedP50), milliseconds(m.BookedP99))
	}
	return table.Flush()
}

// besideOf is the peer's measure of the same case, nil where it wasn't measured.
func besideOf(m *measure, all []measure) *measure {
	share, ours := strings.CutPrefix(m.Name, "Ristourne, ")
	if !ours {
		return nil
	}
	for i := range all {
		if all[i].Name == "Kafka Streams, "+share {
			return &all[i]
		}
	}
	return nil
}

func milliseconds(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", seconds*1000)
}
