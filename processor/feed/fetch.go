package feed

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

const (
	// fetchVersion is spoken by Kafka 2.3 and later, 4.x included: the newest
	// before the flexible encoding, and the newest that kafka-go negotiates.
	fetchVersion = 11

	readCommitted = 1

	// maxAnswerBytes bounds one answer. A batch larger than what was asked for
	// still comes whole; brokers refuse batches over message.max.bytes (1 MiB
	// unless somebody raised it) when they are written.
	maxAnswerBytes = 64 << 20
)

var (
	errOldBroker = errors.New("the broker is too old: Kafka 2.8 or later is needed")
	errAnswer    = errors.New("fetch answer can't be read")
)

// fetch is one Fetch exchange for one partition: the question, and the answer in
// a buffer that the next exchange reuses. It goes through kafka.Transport as a
// RawExchanger, so that no library object is made for a record.
//
// After an error of RoundTrip a connection may still be writing into it (the
// Transport lets go of a cancelled call, not of its connection): it must be
// thrown away then.
type fetch struct {
	clientID  string
	topic     string
	partition int32
	offset    int64
	maxWait   time.Duration
	minBytes  int
	maxBytes  int

	question      []byte
	correlationID int32
	negotiated    int16

	buffer   []byte
	code     kafka.Error // 0: none
	throttle time.Duration
	marks    Watermarks
	aborted  []abortedTransaction // by first offset
	records  []byte               // record batches, the last one perhaps cut off
}

// abortedTransaction says: transactional records of this producer are void from
// this offset on up to its next abort marker.
type abortedTransaction struct {
	producerID  int64
	firstOffset int64
}

var (
	_ protocol.BrokerMessage = (*fetch)(nil)
	_ protocol.RawExchanger  = (*fetch)(nil)
)

// ApiKey is part of protocol.Message, for question and answer.
func (f *fetch) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Broker picks the leader of the partition.
func (f *fetch) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	topic, ok := cluster.Topics[f.topic]
	if !ok {
		return protocol.Broker{}, protocol.NewErrNoTopic(f.topic)
	}
	partition, ok := topic.Partitions[f.partition]
	if !ok {
		return protocol.Broker{}, protocol.NewErrNoPartition(f.topic, f.partition)
	}
	leader, ok := cluster.Brokers[partition.Leader]
	if !ok {
		return protocol.Broker{}, protocol.NewErrNoLeader(f.topic, f.partition)
	}
	return leader, nil
}

// Required is where the Transport tells which versions it negotiated.
func (f *fetch) Required(versions map[protocol.ApiKey]int16) bool {
	f.negotiated = versions[protocol.Fetch]
	return true
}

// RawExchange asks and reads the answer. The connection is closed by the caller
// on an error, so that half an answer is never taken for the next one.
func (f *fetch) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	if f.negotiated != fetchVersion {
		return nil, fmt.Errorf("%w (it speaks Fetch v%d, not v%d)", errOldBroker, f.negotiated, fetchVersion)
	}
	f.correlationID++
	f.encode()
	if _, err := conn.Write(f.question); err != nil {
		return nil, fmt.Errorf("send fetch: %w", err)
	}
	if err := f.receive(conn); err != nil {
		return nil, fmt.Errorf("receive fetch answer: %w", err)
	}
	if err := f.decode(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *fetch) encode() {
	b := append(f.question[:0], 0, 0, 0, 0) // size, filled in below
	b = binary.BigEndian.AppendUint16(b, uint16(protocol.Fetch))
	b = binary.BigEndian.AppendUint16(b, fetchVersion)
	b = appendInt32(b, f.correlationID)
	b = appendString(b, f.clientID)

	b = appendInt32(b, -1) // replica: none, a consumer
	b = appendInt32(b, int32(f.maxWait.Milliseconds()))
	b = appendInt32(b, int32(f.minBytes))
	b = appendInt32(b, int32(f.maxBytes))
	b = append(b, readCommitted)
	b = appendInt32(b, 0)  // session: none
	b = appendInt32(b, -1) // session epoch: none
	b = appendInt32(b, 1)  // topics
	b = appendString(b, f.topic)
	b = appendInt32(b, 1) // partitions
	b = appendInt32(b, f.partition)
	b = appendInt32(b, -1) // leader epoch: unknown
	b = binary.BigEndian.AppendUint64(b, uint64(f.offset))
	b = binary.BigEndian.AppendUint64(b, ^uint64(0)) // log start: a follower's word
	b = appendInt32(b, int32(f.maxBytes))
	b = appendInt32(b, 0)   // forgotten topics
	b = appendString(b, "") // rack: the leader itself answers

	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	f.question = b
}

func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func (f *fetch) receive(conn io.Reader) error {
	var header [8]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return err
	}
	size := int64(int32(binary.BigEndian.Uint32(header[:]))) - 4
	if id := int32(binary.BigEndian.Uint32(header[4:])); id != f.correlationID {
		return fmt.Errorf("%w: answer to request %d, not %d", errAnswer, id, f.correlationID)
	}
	if size < 0 || size > maxAnswerBytes {
		return fmt.Errorf("%w: %d bytes, the limit is %d: lower message.max.bytes of the topic", errAnswer, size, maxAnswerBytes)
	}
	f.buffer = sized(f.buffer, int(size), f.maxBytes)
	_, err := io.ReadFull(conn, f.buffer)
	return err
}

// sized gives a buffer of n bytes, the same one if it is large enough; one that a
// rare giant made far larger than usual is given back to the garbage collector.
func sized(b []byte, n, usual int) []byte {
	if cap(b) >= n && (cap(b) <= 4*usual || n > usual) {
		return b[:n]
	}
	return make([]byte, n, max(n+n/8, 512))
}

// decode reads the answer's frame; the records stay where they are.
func (f *fetch) decode() error {
	d := decoder{rest: f.buffer}
	f.throttle = time.Duration(d.int32()) * time.Millisecond
	f.code = kafka.Error(d.int16())
	d.int32() // session
	f.marks = Watermarks{High: -1, LastStable: -1, LogStart: -1}
	f.aborted, f.records = f.aborted[:0], nil
	topics := d.int32()
	if f.code != 0 {
		return nil
	}
	if topics != 1 || string(d.bytes(int(d.int16()))) != f.topic || d.int32() != 1 || d.int32() != f.partition {
		return fmt.Errorf("%w: it isn't about partition %d of %s", errAnswer, f.partition, f.topic)
	}
	f.code = kafka.Error(d.int16())
	f.marks = Watermarks{High: d.int64(), LastStable: d.int64(), LogStart: d.int64()}
	aborted := int(d.int32()) // -1: null
	for ; aborted > 0 && !d.short; aborted-- {
		f.aborted = append(f.aborted, abortedTransaction{producerID: d.int64(), firstOffset: d.int64()})
	}
	d.int32() // preferred replica: only told to consumers that name a rack
	f.records = d.bytes(max(0, int(d.int32())))
	if d.short {
		return fmt.Errorf("%w: it ends too early", errAnswer)
	}
	slices.SortFunc(f.aborted, func(a, b abortedTransaction) int { return cmp.Compare(a.firstOffset, b.firstOffset) })
	return nil
}

// decoder reads big-endian fields; once a field is missing it gives zeros and says
// short.
type decoder struct {
	rest  []byte
	short bool
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.short, d.rest = true, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) int16() int16 {
	if b := d.bytes(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.bytes(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if b := d.bytes(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}
