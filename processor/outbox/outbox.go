// Package outbox is the binary form of a decision: what the outbox of a shard
// holds from the moment it is saved until it is booked, sent and committed.
// What is booked after a crash is what was decided, byte for byte, so the form
// keeps every field of a decision.
//
// A blob is a version byte, the rows, and a CRC-32C of all that. Numbers are
// varints; those that rise from row to row are written as differences. A
// string that comes again is written as its place in the blob's dictionary.
package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/cespare/xxhash/v2"

	"ristourne/rules"
	"ristourne/rules/money"
)

const crcBytes = 4

// errCorrupt says that bytes are no whole blob: the outbox they come from
// can't be booked, and its shard must be rebuilt from the ledger.
var errCorrupt = errors.New("outbox is corrupt")

// ErrVersion says that a blob is of another version of the program: it is whole,
// and that version can deliver it.
var ErrVersion = errors.New("outbox of another version")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode appends the binary form of d to dst.
func Encode(dst []byte, d *rules.Decision) []byte {
	e := encoders.Get().(*encoder)
	from := len(dst)
	e.reset(dst)
	e.buf = append(e.buf, format)
	e.decision(d)
	dst = e.buf
	e.release()
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

// Decode reads a blob of Encode, of this version of the program or an older one, into
// d, whose memory it uses again. The payloads of d point into src; its strings don't.
// An error wraps ErrCorrupt, unless the blob is of a newer version; d then holds
// nothing of use.
func Decode(src []byte, d *rules.Decision) error {
	if len(src) < 1+crcBytes {
		return fmt.Errorf("%w: %d bytes are too few", errCorrupt, len(src))
	}
	body, sum := src[:len(src)-crcBytes], binary.LittleEndian.Uint32(src[len(src)-crcBytes:])
	if crc32.Checksum(body, castagnoli) != sum {
		return fmt.Errorf("%w: checksum differs", errCorrupt)
	}
	if body[0] < oldestFormat || body[0] > format {
		return fmt.Errorf("%w: it has format %d, this processor reads %d to %d: run the version that wrote it until it is delivered", ErrVersion, body[0], oldestFormat, format)
	}
	r := decoder{src: body, text: string(body), at: 1, format: body[0]}
	r.decision(d)
	if !r.failed && r.at != len(body) {
		r.fail()
	}
	if r.failed {
		return fmt.Errorf("%w: what stands at byte %d can't be read", errCorrupt, r.at)
	}
	return nil
}

// recent is what numbers and references of the next row are written against.
type recent struct {
	seq, offset, recordedAt, sec int64
	ref                          rules.AccountRef
}

// dictionarySlots bounds what the encoder looks for a repeated string in. Two
// strings that meet in a slot only cost a few bytes: the later one is written
// once more when it comes again.
const dictionarySlots = 1 << 12

type slot struct {
	text  string
	place uint32 // in the dictionary, from 1; 0: the slot is free
}

type encoder struct {
	buf    []byte
	last   recent
	places uint32
	slots  [dictionarySlots]slot
	used   []uint16
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

func (e *encoder) reset(dst []byte) {
	e.buf, e.last, e.places = dst, recent{}, 0
}

// release forgets the strings, so that a pooled encoder keeps no batch alive.
func (e *encoder) release() {
	for _, i := range e.used {
		e.slots[i] = slot{}
	}
	e.used, e.buf = e.used[:0], nil
	encoders.Put(e)
}

func (e *encoder) uint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }
func (e *encoder) int(v int64)   { e.buf = binary.AppendVarint(e.buf, v) }
func (e *encoder) byte(b byte)   { e.buf = append(e.buf, b) }

// near writes v as what it differs by from the one before; it wraps around.
func (e *encoder) near(last *int64, v int64) {
	e.int(v - *last)
	*last = v
}

// text writes a string that does not come again.
func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

func (e *encoder) bytes(b []byte) {
	e.uint(uint64(len(b)))
	e.buf = append(e.buf, b...)
}

// word writes a string that may come again: 0 and the string the first time,
// its place in the dictionary from then on; 1 is the empty string.
func (e *encoder) word(s string) {
	if s == "" {
		e.byte(1)
		return
	}
	i := xxhash.Sum64String(s) % dictionarySlots
	sl := &e.slots[i]
	if sl.place != 0 && sl.text == s {
		e.uint(uint64(sl.place) + 1)
		return
	}
	if sl.place == 0 {
		e.used = append(e.used, uint16(i))
	}
	e.places++
	sl.text, sl.place = s, e.places
	e.byte(0)
	e.text(s)
}

func (e *encoder) words(list []string) {
	e.uint(uint64(len(list)))
	for _, s := range list {
		e.word(s)
	}
}

func (e *encoder) ref(ref rules.AccountRef) {
	if ref == e.last.ref {
		e.byte(1)
		return
	}
	e.last.ref = ref
	e.byte(0)
	e.buf = append(e.buf, ref[:]...)
}

func (e *encoder) id(id rules.AccrualID) { e.buf = append(e.buf, id[:]...) }

func (e *encoder) bool(b bool) {
	if b {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

// flagBit marks, in the byte of an enum, that a bool beside it holds: where it stands
// later than the enum, a blob that was written without it is read as if it didn't.
const flagBit = 1 << 7

func (e *encoder) flagged(b byte, holds bool) {
	if holds {
		b |= flagBit
	}
	e.byte(b)
}

func (e *encoder) currency(c money.Currency) { e.buf = append(e.buf, c[:]...) }

func (e *encoder) instant(i rules.Instant) {
	e.near(&e.last.sec, i.Sec)
	e.int(int64(i.Nsec))
}

// rareInstant writes an instant that most rows don't have.
func (e *encoder) rareInstant(i rules.Instant) {
	if i == (rules.Instant{}) {
		e.byte(0)
		return
	}
	e.byte(1)
	e.instant(i)
}

// How the reference of a beneficiary is written: most often that is the account
// itself, or a partner, who has none.
const (
	noBeneficiary = iota
	accountItself
	otherAccount
)

// beneficiary writes a reference beside the account's, the last that was written.
func (e *encoder) beneficiary(ref rules.AccountRef) {
	switch ref {
	case rules.AccountRef{}:
		e.byte(noBeneficiary)
	case e.last.ref:
		e.byte(accountItself)
	default:
		e.byte(otherAccount)
		e.buf = append(e.buf, ref[:]...)
	}
}

func (e *encoder) decision(d *rules.Decision) {
	e.int(int64(d.Shard))
	e.uint(d.Batch)
	for _, head := range d.Positions {
		e.int(head)
	}
	e.uint(d.LastSeq)
	e.tables(d)
}
