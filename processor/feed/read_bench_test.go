package feed

import (
	"bytes"
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"ristourne/rules"
)

// BenchmarkRead reads the same lz4 records of about 450 bytes from the same broker,
// which shares the process and its cores: by Source, and by kafka-go's
// Conn.ReadBatch and Batch.Read, which give neither key nor time.
//
// Times are of broker and reader together.
func BenchmarkRead(b *testing.B) {
	const records = 400_000
	_, c := onFake(b, 1, 1)
	c.Log = nil
	w := newWriter(b, c, kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(5*time.Millisecond))
	ctx := context.Background()
	for i := range int64(records) {
		r := &kgo.Record{Topic: c.Topics[rules.TopicTransactions], Key: fmt.Appendf(nil, "account-%06d", i), Value: testEvent(i)}
		w.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := w.client.Flush(ctx); err != nil {
		b.Fatal(err)
	}

	measure := func(b *testing.B, read func(b *testing.B, n int)) {
		b.ReportAllocs()
		cpu := cpuTime(b)
		b.ResetTimer()
		for done := 0; done < b.N; done += records {
			read(b, min(records, b.N-done))
		}
		b.StopTimer()
		b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
	}
	b.Run("Source", func(b *testing.B) {
		measure(b, func(b *testing.B, n int) {
			s := source(b, c, 0, rules.Positions{0, 0, 0, 0})
			defer s.halt()
			var batch Batch
			for n > 0 {
				if err := s.Next(ctx, &batch); err != nil {
					b.Fatal(err)
				}
				for i := range batch.Records {
					if len(batch.Records[i].Value) == 0 || !bytes.HasPrefix(batch.Records[i].Key, []byte("account")) {
						b.Fatal("not what was written")
					}
				}
				n -= len(batch.Records)
			}
		})
	})
	b.Run("ReadBatch", func(b *testing.B) {
		measure(b, func(b *testing.B, n int) {
			conn, err := kafka.DialLeader(ctx, "tcp", c.Brokers[0], c.Topics[rules.TopicTransactions], 0)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close() //nolint:errcheck // a benchmark
			buffer := make([]byte, 64<<10)
			for n > 0 {
				batch := conn.ReadBatch(1, 1<<20)
				for {
					size, err := batch.Read(buffer)
					if err != nil {
						break
					}
					if size == 0 {
						b.Fatal("not what was written")
					}
					n--
				}
				if err := batch.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// cpuTime is what this process has used, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
