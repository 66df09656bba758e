package feed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/compress/snappy"
	"github.com/segmentio/kafka-go/protocol"
	"pgregory.net/rapid"
)

// testBatch is a record batch written by hand, for what kafka-go's writer can't
// write.
type testBatch struct {
	base       int64
	producerID int64
	attributes uint16
	baseTime   int64
	maxTime    int64
	lastDelta  int32 // -1: of the last record
	records    []testRecord
	codec      compress.Codec
}

type testRecord struct {
	delta      int64
	timeDelta  int64
	key, value []byte
	headers    int
}

func plainBatch(base int64, values ...string) testBatch {
	b := testBatch{base: base, producerID: -1, lastDelta: -1}
	for i, v := range values {
		b.records = append(b.records, testRecord{delta: int64(i), key: []byte("k"), value: []byte(v)})
	}
	return b
}

func (b testBatch) transactional(producerID int64) testBatch {
	b.attributes |= attributeTransactional
	b.producerID = producerID
	return b
}

func marker(base, producerID int64, kind uint16) testBatch {
	key := binary.BigEndian.AppendUint16([]byte{0, 0}, kind)
	return testBatch{
		base: base, producerID: producerID, lastDelta: -1, attributes: attributeTransactional | attributeControl,
		records: []testRecord{{key: key, value: []byte{0, 0, 0, 0, 0, 0}}},
	}
}

func appendVarbytes(b, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(v))), v...)
}

func (r testRecord) bytes() []byte {
	b := []byte{0}
	b = binary.AppendVarint(b, r.timeDelta)
	b = binary.AppendVarint(b, r.delta)
	b = appendVarbytes(b, r.key)
	b = appendVarbytes(b, r.value)
	b = binary.AppendVarint(b, int64(r.headers))
	for i := range r.headers {
		b = appendVarbytes(b, fmt.Appendf(nil, "header-%d", i))
		b = appendVarbytes(b, []byte("x"))
	}
	return append(binary.AppendVarint(nil, int64(len(b))), b...)
}

// fataler is what testing.TB and rapid.T share.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func (b testBatch) bytes(tb fataler) []byte {
	tb.Helper()
	var body []byte
	last := b.lastDelta
	for _, r := range b.records {
		body = append(body, r.bytes()...)
		if b.lastDelta < 0 {
			last = int32(r.delta)
		}
	}
	if b.codec != nil {
		var compressed bytes.Buffer
		w := b.codec.NewWriter(&compressed)
		if _, err := w.Write(body); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
		body = compressed.Bytes()
		b.attributes |= uint16(b.codec.Code())
	}
	out := binary.BigEndian.AppendUint64(nil, uint64(b.base))
	out = appendInt32(out, int32(batchHeaderSize-batchPrefixSize+len(body)))
	out = appendInt32(out, 0)
	out = append(out, 2)
	out = appendInt32(out, 0)
	out = binary.BigEndian.AppendUint16(out, b.attributes)
	out = appendInt32(out, last)
	out = binary.BigEndian.AppendUint64(out, uint64(b.baseTime))
	out = binary.BigEndian.AppendUint64(out, uint64(b.maxTime))
	out = binary.BigEndian.AppendUint64(out, uint64(b.producerID))
	out = binary.BigEndian.AppendUint16(out, 0)
	out = appendInt32(out, -1)
	out = appendInt32(out, int32(len(b.records)))
	out = append(out, body...)
	return seal(out)
}

// seal gives a batch the right checksum.
func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

func join(tb fataler, batches ...testBatch) []byte {
	var out []byte
	for _, b := range batches {
		out = append(out, b.bytes(tb)...)
	}
	return out
}

// readAll gives the set's records as "offset:value" and where it ended.
func readAll(data []byte, from int64, aborted ...abortedTransaction) (got []string, next int64, err error) {
	var (
		s recordSet
		a arena
		r Record
	)
	if err := s.reset(data, from, aborted); err != nil {
		return nil, s.next, err
	}
	for {
		ok, err := s.read(&a, &r)
		if err != nil || !ok {
			return got, s.next, err
		}
		got = append(got, fmt.Sprintf("%d:%s", r.Offset, r.Value))
	}
}

func codecs() map[string]compress.Codec {
	return map[string]compress.Codec{
		"none":        nil,
		"gzip":        compress.Gzip.Codec(),
		"snappy java": compress.Snappy.Codec(),
		"snappy bare": &snappy.Codec{Framing: snappy.Unframed},
		"lz4":         compress.Lz4.Codec(),
		"zstd":        compress.Zstd.Codec(),
	}
}

func TestRecordsComeOutAsTheyWentInWithEveryCodec(t *testing.T) {
	t.Parallel()
	for name, codec := range codecs() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				testRoundTrip(t, codec)
			})
		})
	}
}

func testRoundTrip(t *rapid.T, codec compress.Codec) {
	var (
		data []byte
		want []Record
		next = rapid.Int64Range(0, 1<<40).Draw(t, "first offset")
	)
	value := rapid.OneOf(
		rapid.Just([]byte(nil)),
		rapid.SliceOfN(rapid.Byte(), 0, 100),
		rapid.Custom(func(t *rapid.T) []byte {
			return bytes.Repeat([]byte("abcde"), rapid.IntRange(0, 30000).Draw(t, "repeats"))
		}))
	for range rapid.IntRange(1, 4).Draw(t, "batches") {
		b := testBatch{base: next, producerID: -1, lastDelta: -1, codec: codec, baseTime: rapid.Int64Range(0, 1<<42).Draw(t, "base time")}
		delta := int64(0)
		for range rapid.IntRange(1, 5).Draw(t, "records") {
			r := testRecord{
				delta:     delta,
				timeDelta: rapid.Int64Range(-5000, 5000).Draw(t, "time delta"),
				key:       value.Draw(t, "key"),
				value:     value.Draw(t, "value"),
				headers:   rapid.IntRange(0, 3).Draw(t, "headers"),
			}
			b.records = append(b.records, r)
			want = append(want, Record{Offset: next + delta, Time: b.baseTime + r.timeDelta, Key: r.key, Value: r.value})
			delta += rapid.Int64Range(1, 3).Draw(t, "gap") // compaction leaves gaps
		}
		data = append(data, b.bytes(t)...)
		next = want[len(want)-1].Offset + 1
	}
	checkRecords(t, data, want, next)
}

func checkRecords(t *rapid.T, data []byte, want []Record, next int64) {
	var (
		s recordSet
		a arena
	)
	if err := s.reset(data, want[0].Offset, nil); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		var r Record
		ok, err := s.read(&a, &r)
		if err != nil || !ok {
			t.Fatalf("read: %v %v, want offset %d", ok, err, w.Offset)
		}
		if r.Offset != w.Offset || r.Time != w.Time || !bytes.Equal(r.Key, w.Key) || !bytes.Equal(r.Value, w.Value) ||
			(r.Key == nil) != (w.Key == nil) || (r.Value == nil) != (w.Value == nil) {
			t.Fatalf("got offset %d time %d, want %d %d, or key or value differ", r.Offset, r.Time, w.Offset, w.Time)
		}
	}
	if ok, err := s.read(&a, new(Record)); ok || err != nil {
		t.Fatalf("after the last: %v %v", ok, err)
	}
	if s.next != next || s.end != next {
		t.Fatalf("next %d, end %d, want %d", s.next, s.end, next)
	}
}

func TestRecordsWrittenByKafkaGo(t *testing.T) {
	t.Parallel()
	for _, codec := range []compress.Compression{0, compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		var out bytes.Buffer
		set := protocol.RecordSet{
			Version:    2,
			Attributes: protocol.Attributes(codec),
			Records: protocol.NewRecordReader(
				protocol.Record{Time: time.UnixMilli(1700000000123), Key: protocol.NewBytes([]byte("a")), Value: protocol.NewBytes([]byte("one"))},
				protocol.Record{Time: time.UnixMilli(1700000000456), Key: protocol.NewBytes([]byte("b"))},
			),
		}
		if _, err := set.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		var (
			s      recordSet
			a      arena
			r1, r2 Record
		)
		if err := s.reset(out.Bytes()[4:], 0, nil); err != nil { // after its size
			t.Fatal(err)
		}
		ok1, err1 := s.read(&a, &r1)
		ok2, err2 := s.read(&a, &r2)
		if !ok1 || !ok2 || err1 != nil || err2 != nil {
			t.Fatalf("codec %d: %v %v %v %v", codec, ok1, err1, ok2, err2)
		}
		if string(r1.Key) != "a" || string(r1.Value) != "one" || r1.Time != 1700000000123 || r2.Offset != 1 || r2.Value != nil || r2.Time != 1700000000456 {
			t.Errorf("codec %d: got %+v %+v", codec, r1, r2)
		}
	}
}

func TestWhatMustNotComeOutOfAFetchAnswer(t *testing.T) {
	t.Parallel()
	logAppend := plainBatch(0, "a", "b")
	logAppend.attributes, logAppend.maxTime = attributeLogAppendTime, 99
	compacted := plainBatch(10, "a")
	compacted.lastDelta = 6
	emptied := testBatch{base: 17, producerID: 5, lastDelta: 2}
	tests := []struct {
		name    string
		batches []testBatch
		cut     int
		from    int64
		aborted []abortedTransaction
		want    string
		next    int64
	}{
		{name: "records before the asked offset", batches: []testBatch{plainBatch(5, "a", "b", "c")}, from: 7, want: "7:c", next: 8},
		{name: "a whole batch before the asked offset", batches: []testBatch{plainBatch(5, "a"), plainBatch(6, "b")}, from: 6, want: "6:b", next: 7},
		{name: "a batch cut off by the size of the answer", batches: []testBatch{plainBatch(0, "a"), plainBatch(1, "b")}, cut: 1, want: "0:a", next: 1},
		{name: "a batch cut off in its header", batches: []testBatch{plainBatch(0, "a"), plainBatch(1, "b")}, cut: 60, want: "0:a", next: 1},
		{name: "offsets that compaction took from the end of a batch", batches: []testBatch{compacted}, from: 10, want: "10:a", next: 17},
		{name: "a batch that compaction emptied", batches: []testBatch{compacted, emptied}, from: 10, want: "10:a", next: 20},
		{
			name:    "a commit marker",
			batches: []testBatch{plainBatch(0, "a").transactional(1), marker(1, 1, 1), plainBatch(2, "b")},
			want:    "0:a 2:b", next: 3,
		},
		{
			name:    "an aborted transaction, but what its producer writes after it",
			batches: []testBatch{plainBatch(0, "x").transactional(1), plainBatch(1, "x").transactional(1), marker(2, 1, 0), plainBatch(3, "b").transactional(1), marker(4, 1, 1)},
			aborted: []abortedTransaction{{1, 0}}, want: "3:b", next: 5,
		},
		{
			name:    "an aborted transaction between the records of others",
			batches: []testBatch{plainBatch(0, "a").transactional(2), plainBatch(1, "x").transactional(1), plainBatch(2, "b").transactional(2), plainBatch(3, "c"), marker(4, 1, 0), marker(5, 2, 1)},
			aborted: []abortedTransaction{{1, 1}}, want: "0:a 2:b 3:c", next: 6,
		},
		{
			name:    "an aborted transaction that began before the asked offset",
			batches: []testBatch{plainBatch(7, "x").transactional(1), marker(8, 1, 0), plainBatch(9, "a").transactional(1)},
			from:    7, aborted: []abortedTransaction{{1, 3}}, want: "9:a", next: 10,
		},
		{
			name:    "two aborted transactions of one producer, a committed one between them",
			batches: []testBatch{plainBatch(0, "x").transactional(1), marker(1, 1, 0), plainBatch(2, "a").transactional(1), marker(3, 1, 1), plainBatch(4, "x").transactional(1), marker(5, 1, 0)},
			aborted: []abortedTransaction{{1, 0}, {1, 4}}, want: "2:a", next: 6,
		},
		{
			name:    "an aborted transaction that goes on beyond the answer",
			batches: []testBatch{plainBatch(0, "a"), plainBatch(1, "x").transactional(1)},
			aborted: []abortedTransaction{{1, 1}}, want: "0:a", next: 2,
		},
		{
			name:    "records of the aborting producer outside a transaction stay",
			batches: []testBatch{func() testBatch { b := plainBatch(0, "a"); b.producerID = 1; return b }()},
			aborted: []abortedTransaction{{1, 0}}, want: "0:a", next: 1,
		},
		{name: "time of the log", batches: []testBatch{logAppend}, want: "0:a 1:b", next: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := join(t, tt.batches...)
			got, next, err := readAll(data[:len(data)-tt.cut], tt.from, tt.aborted...)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, " ") != tt.want || next != tt.next {
				t.Errorf("got %v next %d, want %s next %d", got, next, tt.want, tt.next)
			}
		})
	}
	var s recordSet
	var r Record
	if err := s.reset(join(t, logAppend), 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.read(new(arena), &r); err != nil || r.Time != 99 {
		t.Errorf("log append time: %d %v, want 99", r.Time, err)
	}
}

func TestBrokenBatchesStopTheShard(t *testing.T) {
	t.Parallel()
	good := plainBatch(3, "hello", "world").bytes(t)
	edit := func(change func(b []byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		return b
	}
	tests := []struct {
		name string
		data []byte
		want error
	}{
		{"a flipped bit in a value", edit(func(b []byte) { b[len(b)-3] ^= 1 }), errCorrupt},
		{"a flipped bit in the checksum", edit(func(b []byte) { b[17] ^= 1 }), errCorrupt},
		{"message format 0", edit(func(b []byte) { b[16] = 0 }), errOldFormat},
		{"message format 1", edit(func(b []byte) { b[16] = 1 }), errOldFormat},
		{"an unknown format", edit(func(b []byte) { b[16] = 3 }), errCorrupt},
		{"a length below the header's", edit(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 48) }), errCorrupt},
		{"a negative length", edit(func(b []byte) { b[8] = 0xff }), errCorrupt},
		{"a negative base offset", edit(func(b []byte) { b[0] = 0xff }), errCorrupt},
		{"a negative number of records", edit(func(b []byte) { b[57] = 0xff; seal(b) }), errCorrupt},
		{"more records than there are", edit(func(b []byte) { b[60] = 3; seal(b) }), errCorrupt},
		{"a record longer than its batch", edit(func(b []byte) { b[61] = 0x7e; seal(b) }), errCorrupt},
		{"a record beyond the batch's last offset", edit(func(b []byte) { b[26] = 0; seal(b) }), errCorrupt},
		{"an unknown compression", edit(func(b []byte) { b[22] = 7; seal(b) }), errCorrupt},
		{"bytes that aren't compressed", edit(func(b []byte) { b[22] = codecZstd; seal(b) }), errCorrupt},
		{"nothing but a cut-off batch", good[:len(good)-1], errCorrupt},
		{"only records before the asked offset", plainBatch(0, "a").bytes(t), errCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _, err := readAll(tt.data, 3); !errors.Is(err, tt.want) {
				t.Errorf("got %v %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestADecompressionBombIsRefused(t *testing.T) {
	t.Parallel()
	for name, codec := range codecs() {
		if codec == nil {
			continue
		}
		const limit = 1 << 20
		b := testBatch{producerID: -1, lastDelta: -1, codec: codec, records: []testRecord{{value: make([]byte, limit)}}}
		var s recordSet
		if err := s.reset(b.bytes(t), 0, nil); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.read(&arena{limit: limit}, new(Record)); !errors.Is(err, errCorrupt) {
			t.Errorf("%s: %v %v, want a refusal", name, ok, err)
		}
	}
}

func TestIteratingAFetchedAnswerAllocatesNothing(t *testing.T) {
	for name, codec := range codecs() {
		t.Run(name, func(t *testing.T) {
			data := benchmarkSet(t, codec, 4, 250)
			var (
				s recordSet
				a arena
				r Record
			)
			records := 0
			pass := func() {
				a.release(false)
				if err := s.reset(data, 0, nil); err != nil {
					t.Fatal(err)
				}
				for {
					ok, err := s.read(&a, &r)
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						return
					}
					records++
				}
			}
			pass() // sizes the blocks
			if records != 1000 {
				t.Fatalf("read %d records, want 1000", records)
			}
			// A decoder may allocate for a batch of hundreds of records (the race detector
			// empties the pools in them), never for each.
			if allocs := testing.AllocsPerRun(20, pass); allocs > 40 {
				t.Errorf("%.0f allocations for 4 batches of 250 records", allocs)
			}
		})
	}
}

// benchmarkSet is batches of records of about 450 bytes that compress as card
// events do.
func benchmarkSet(tb fataler, codec compress.Codec, batches, records int) []byte {
	var data []byte
	next := int64(0)
	for range batches {
		b := testBatch{base: next, producerID: -1, lastDelta: -1, codec: codec, baseTime: 1700000000000}
		for i := range records {
			b.records = append(b.records, testRecord{delta: int64(i), key: fmt.Appendf(nil, "account-%06d", next), value: testEvent(next)})
			next++
		}
		data = append(data, b.bytes(tb)...)
	}
	return data
}

func testEvent(n int64) []byte {
	return fmt.Appendf(nil, `{"event_id":"ev-%016x","type":"authorization","transaction_id":"tx-%016x","account_id":"account-%06d",`+
		`"card_token":"tok_%016x","amount_minor":%d,"currency":"EUR","occurred_at":"2026-03-01T12:%02d:%02d.123456+01:00","approved":true,`+
		`"merchant":{"id":"%015d","acquirer_id":"%06d","network":"visa","terminal_id":"%08d","name":"BOULANGERIE DU PARC %d","mcc":"5462","country":"FR"},`+
		`"channel":"in_store","card_product":"gold"}`,
		n*7919, n*104729, n, n*31, n%100000, n/60%60, n%60, n%100000*37, n%50, n%5000, n%300)
}

func BenchmarkRecords(b *testing.B) {
	for _, name := range []string{"none", "lz4", "snappy java", "zstd", "gzip"} {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			data := benchmarkSet(b, codecs()[name], 8, 250)
			var (
				s recordSet
				a arena
				r Record
			)
			b.ReportAllocs()
			b.SetBytes(int64(len(testEvent(1000))))
			for n := 0; n < b.N; {
				a.release(false)
				if err := s.reset(data, 0, nil); err != nil {
					b.Fatal(err)
				}
				for ; ; n++ {
					ok, err := s.read(&a, &r)
					if err != nil {
						b.Fatal(err)
					}
					if !ok {
						break
					}
				}
			}
		})
	}
}

// The seeds are in testdata/fuzz.
func FuzzRecordSet(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, from, producerID int64) {
		// The checksum would keep the fuzzer out of the parser.
		for at := 0; len(data)-at >= batchHeaderSize; {
			length := int(int32(binary.BigEndian.Uint32(data[at+8:])))
			if length < batchHeaderSize-batchPrefixSize || length > len(data)-at-batchPrefixSize {
				break
			}
			seal(data[at : at+batchPrefixSize+length])
			at += batchPrefixSize + length
		}
		var (
			s    recordSet
			a    arena
			r    Record
			last = from - 1
		)
		// A capacity that ends with the data shows reading beyond it as a panic.
		if err := s.reset(data[:len(data):len(data)], from, []abortedTransaction{{producerID, from}}); err != nil {
			return
		}
		for {
			ok, err := s.read(&a, &r)
			if err != nil {
				return
			}
			if !ok {
				break
			}
			if r.Offset <= last || s.next <= r.Offset {
				t.Fatalf("offset %d after %d, next %d", r.Offset, last, s.next)
			}
			last = r.Offset
		}
		if s.next < from || s.next != s.end {
			t.Fatalf("next %d, end %d, from %d", s.next, s.end, from)
		}
	})
}

func FuzzFetchAnswer(f *testing.F) {
	f.Fuzz(func(t *testing.T, answer []byte) {
		q := fetch{topic: "topic", partition: 2, buffer: answer[:len(answer):len(answer)]}
		if err := q.decode(); err == nil && len(q.records) > len(answer) {
			t.Fatal("more records than bytes")
		}
	})
}

// testAnswer is a Fetch v11 answer without size and correlation id.
func testAnswer(topic string, partition int32, code kafka.Error, aborted []abortedTransaction, records []byte) []byte {
	b := appendInt32(nil, 0) // throttle
	b = binary.BigEndian.AppendUint16(b, 0)
	b = appendInt32(b, 0) // session
	b = appendInt32(b, 1)
	b = appendString(b, topic)
	b = appendInt32(b, 1)
	b = appendInt32(b, partition)
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	for _, mark := range []uint64{30, 20, 10} {
		b = binary.BigEndian.AppendUint64(b, mark)
	}
	b = appendInt32(b, int32(len(aborted)))
	for _, a := range aborted {
		b = binary.BigEndian.AppendUint64(b, uint64(a.producerID))
		b = binary.BigEndian.AppendUint64(b, uint64(a.firstOffset))
	}
	b = appendInt32(b, -1)
	b = appendInt32(b, int32(len(records)))
	return append(b, records...)
}

func TestAFetchAnswerThatIsCutOffOrOfAnotherPartitionIsRefused(t *testing.T) {
	t.Parallel()
	aborted := []abortedTransaction{{7, 9}, {8, 1}}
	answer := testAnswer("topic", 2, 0, aborted, []byte("records"))
	q := fetch{topic: "topic", partition: 2, buffer: answer}
	if err := q.decode(); err != nil {
		t.Fatal(err)
	}
	if q.marks != (Watermarks{High: 30, LastStable: 20, LogStart: 10}) || string(q.records) != "records" {
		t.Errorf("got %+v %q", q.marks, q.records)
	}
	if len(q.aborted) != 2 || q.aborted[0] != aborted[1] || q.aborted[1] != aborted[0] {
		t.Errorf("aborted transactions %v must be in order of their first offset", q.aborted)
	}
	for n := range answer {
		q := fetch{topic: "topic", partition: 2, buffer: answer[:n]}
		if err := q.decode(); !errors.Is(err, errAnswer) {
			t.Errorf("cut off at %d: %v", n, err)
		}
	}
	for _, q := range []fetch{{topic: "topik", partition: 2}, {topic: "topic", partition: 3}} {
		q.buffer = answer
		if err := q.decode(); !errors.Is(err, errAnswer) {
			t.Errorf("answer about another partition than %d of %s: %v", q.partition, q.topic, err)
		}
	}
}
