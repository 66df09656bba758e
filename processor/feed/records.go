package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/segmentio/kafka-go"
)

// A record batch begins with a header of 61 bytes:
//
//	 0 base offset   8 length of what follows   12 leader epoch   16 magic
//	17 CRC of all from 21 on                    21 attributes     23 last offset delta
//	27 base time    35 max time                 43 producer id    51 producer epoch
//	53 sequence     57 number of records
const (
	batchHeaderSize = 61
	batchPrefixSize = 12 // what the length doesn't count

	attributeCodec         = 0x07
	attributeLogAppendTime = 0x08
	attributeTransactional = 0x10
	attributeControl       = 0x20

	abortMarker = 0
)

var (
	// errCorrupt: what a broker sent is no record batch, or its checksum is wrong.
	// Skipping it would lose records, so the shard stops.
	errCorrupt = errors.New("corrupt record batch")
	// errOldFormat: the partition holds records from before Kafka 0.11 (message
	// format 0 or 1), which have no checksum over the record.
	errOldFormat = errors.New("record batch of a message format before Kafka 0.11: write the topic anew with a current producer")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// recordSet walks the record batches of one fetch answer and yields the records
// that were asked for and are committed. It copies nothing: keys and values point
// into the answer, or into the blocks of the arena where a batch is compressed.
type recordSet struct {
	rest []byte // whole batches, checksums verified
	from int64  // records below weren't asked for: an answer begins at a batch
	next int64  // offset after what has been read
	end  int64  // offset after the last whole batch

	aborted  []abortedTransaction // not yet begun at the present batch, by first offset
	aborting []int64              // producers whose transaction is void at the present batch

	// The present batch.
	records       []byte
	left          int32
	baseOffset    int64
	lastOffset    int64
	baseTime      int64
	logAppendTime int64 // -1: records have their own
}

// reset takes an answer and checks every batch in it; the cut-off last one is
// normal and left out.
func (s *recordSet) reset(data []byte, from int64, aborted []abortedTransaction) error {
	*s = recordSet{from: from, next: from, end: from, aborted: aborted, aborting: s.aborting[:0]}
	whole := 0
	for len(data)-whole >= batchPrefixSize {
		b := data[whole:]
		length := int64(int32(binary.BigEndian.Uint32(b[8:])))
		// Nothing but the length may be trusted before the magic is known: it stands
		// at the same place in all formats.
		if len(b) > 16 && b[16] < 2 {
			return errOldFormat
		}
		if length < batchHeaderSize-batchPrefixSize {
			return fmt.Errorf("%w: length %d", errCorrupt, length)
		}
		if length > int64(len(b)-batchPrefixSize) {
			break
		}
		b = b[:batchPrefixSize+length]
		if b[16] != 2 {
			return fmt.Errorf("%w: unknown format %d", errCorrupt, b[16])
		}
		if sum, want := crc32.Checksum(b[21:], castagnoli), binary.BigEndian.Uint32(b[17:]); sum != want {
			return fmt.Errorf("%w: checksum %08x, not %08x", errCorrupt, sum, want)
		}
		base, delta := int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[23:]))
		if base < 0 || delta < 0 || base > base+int64(delta) {
			return fmt.Errorf("%w: offsets from %d, %d more", errCorrupt, base, delta)
		}
		s.end = max(s.end, base+int64(delta)+1)
		whole += len(b)
	}
	s.rest = data[:whole]
	if len(data) > 0 && s.end == from {
		// Asking again would bring the same bytes, for ever.
		return fmt.Errorf("%w: %d bytes without a whole batch at or after offset %d", errCorrupt, len(data), from)
	}
	return nil
}

// read gives the next record, or false at the end of the set.
func (s *recordSet) read(a *arena, r *Record) (bool, error) {
	for {
		for s.left == 0 {
			if len(s.rest) == 0 {
				s.next = s.end
				return false, nil
			}
			if err := s.open(a); err != nil {
				return false, err
			}
		}
		if err := s.record(r); err != nil {
			return false, err
		}
		if s.left--; s.left == 0 {
			s.next = max(s.next, s.lastOffset+1)
		}
		if r.Offset >= s.from {
			return true, nil
		}
	}
}

// open makes the next batch the present one; a batch that has nothing to give
// (control records, an aborted transaction, older than asked for) leaves none.
func (s *recordSet) open(a *arena) error {
	b := s.rest[:batchPrefixSize+int(binary.BigEndian.Uint32(s.rest[8:]))]
	s.rest = s.rest[len(b):]
	attributes := binary.BigEndian.Uint16(b[21:])
	producerID := int64(binary.BigEndian.Uint64(b[43:]))
	count := int32(binary.BigEndian.Uint32(b[57:]))
	s.baseOffset = int64(binary.BigEndian.Uint64(b))
	s.lastOffset = s.baseOffset + int64(int32(binary.BigEndian.Uint32(b[23:])))
	s.baseTime = int64(binary.BigEndian.Uint64(b[27:]))
	s.logAppendTime = -1
	if attributes&attributeLogAppendTime != 0 {
		s.logAppendTime = int64(binary.BigEndian.Uint64(b[35:]))
	}
	if count < 0 {
		return fmt.Errorf("%w: %d records", errCorrupt, count)
	}

	s.beginAborts()
	control := attributes&attributeControl != 0
	void := attributes&attributeTransactional != 0 && s.isAborting(producerID)
	if !control && (void || count == 0 || s.lastOffset < s.from) {
		s.next = max(s.next, s.lastOffset+1)
		return nil
	}
	records := b[batchHeaderSize:]
	if codec := attributes & attributeCodec; codec != 0 {
		var err error
		if records, err = a.decompress(codec, records); err != nil {
			return fmt.Errorf("%w at offset %d: %w", errCorrupt, s.baseOffset, err)
		}
	}
	s.records, s.left = records, count
	if control {
		return s.readControl(producerID)
	}
	return nil
}

// beginAborts takes over the aborted transactions that have begun by the end of
// the present batch.
func (s *recordSet) beginAborts() {
	for len(s.aborted) > 0 && s.aborted[0].firstOffset <= s.lastOffset {
		if producerID := s.aborted[0].producerID; !s.isAborting(producerID) {
			s.aborting = append(s.aborting, producerID)
		}
		s.aborted = s.aborted[1:]
	}
}

func (s *recordSet) isAborting(producerID int64) bool {
	for _, id := range s.aborting {
		if id == producerID {
			return true
		}
	}
	return false
}

// readControl passes over a batch of control records; an abort marker ends the
// void transaction of its producer.
func (s *recordSet) readControl(producerID int64) error {
	var r Record
	for s.left > 0 {
		if err := s.record(&r); err != nil {
			return err
		}
		s.left--
		// The key is a version and a type, two bytes each.
		if len(r.Key) >= 4 && binary.BigEndian.Uint16(r.Key[2:]) == abortMarker {
			for i, id := range s.aborting {
				if id == producerID {
					s.aborting[i] = s.aborting[len(s.aborting)-1]
					s.aborting = s.aborting[:len(s.aborting)-1]
					break
				}
			}
		}
	}
	s.next = max(s.next, s.lastOffset+1)
	return nil
}

// record reads one record of the present batch:
//
//	length, attributes (one byte), time delta, offset delta,
//	key length, key, value length, value, headers
//
// all lengths and deltas as zigzag varints.
func (s *recordSet) record(r *Record) error {
	length, at := varint(s.records, 0)
	if at < 0 || length < 1 || length > int64(len(s.records)-at) {
		return s.corruptRecord("its length")
	}
	b := s.records[at : at+int(length) : at+int(length)]
	s.records = s.records[at+int(length):]
	timeDelta, at := varint(b, 1)
	offsetDelta, at := varint(b, at)
	key, at := varbytes(b, at)
	value, at := varbytes(b, at)
	if at < 0 {
		return s.corruptRecord("its fields")
	}
	offset := s.baseOffset + offsetDelta
	if offsetDelta < 0 || offset > s.lastOffset {
		return s.corruptRecord("its offset")
	}
	r.Offset, r.Key, r.Value, r.headers = offset, key, value, b[at:]
	if r.Time = s.logAppendTime; r.Time < 0 {
		r.Time = s.baseTime + timeDelta
	}
	if offset >= s.from {
		if offset < s.next {
			return s.corruptRecord("its order")
		}
		s.next = offset + 1
	}
	return nil
}

// Message is the record as kafka-go has it; it is valid as long as the record.
func (r *Record) Message() (kafka.Message, error) {
	headers, err := r.Headers()
	return kafka.Message{Key: r.Key, Value: r.Value, Headers: headers, Time: time.UnixMilli(r.Time)}, err
}

// Headers are the record's headers. The stream has no use for them; who reads
// dead letters has.
func (r *Record) Headers() ([]kafka.Header, error) {
	corrupt := fmt.Errorf("%w: headers of the record at offset %d", errCorrupt, r.Offset)
	n, at := varint(r.headers, 0)
	if at < 0 || n < 0 || n > int64(len(r.headers)) { // each has a byte at least
		return nil, corrupt
	}
	headers := make([]kafka.Header, n)
	for i := range headers {
		var key []byte
		if key, at = varbytes(r.headers, at); at < 0 {
			return nil, corrupt
		}
		headers[i].Key = string(key)
		if headers[i].Value, at = varbytes(r.headers, at); at < 0 {
			return nil, corrupt
		}
	}
	return headers, nil
}

func (s *recordSet) corruptRecord(what string) error {
	return fmt.Errorf("%w at offset %d: record with %d left is wrong in %s", errCorrupt, s.baseOffset, s.left, what)
}

// varint reads a zigzag varint at b[at:]; it gives the place after it, -1 if there
// is none or at is already -1.
func varint(b []byte, at int) (value int64, next int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int64(b[at]>>1) ^ -int64(b[at]&1), at + 1
	}
	return longVarint(b, at)
}

func longVarint(b []byte, at int) (value int64, next int) {
	if at < 0 || at > len(b) {
		return 0, -1
	}
	value, n := binary.Varint(b[at:])
	if n <= 0 {
		return 0, -1
	}
	return value, at + n
}

// varbytes reads a length and so many bytes; length -1 is nil.
func varbytes(b []byte, at int) (value []byte, next int) {
	n, at := varint(b, at)
	switch {
	case at < 0 || n < -1 || n > int64(len(b)-at):
		return nil, -1
	case n == -1:
		return nil, at
	default:
		return b[at : at+int(n) : at+int(n)], at + int(n)
	}
}
