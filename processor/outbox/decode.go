package outbox

import (
	"encoding/binary"
	"math"

	"ristourne/rules"
	"ristourne/rules/money"
)

// decoder reads a blob. The first thing that can't be read sets failed, from
// then on every read gives zeros.
type decoder struct {
	src    []byte
	text   string // the same as src: what the strings of the decision point into
	at     int
	format byte
	failed bool
	last   recent
	places []string
	lists  []string // what the lists of the rows point into
}

func (r *decoder) fail() { r.failed = true }

func (r *decoder) take(n int) int {
	if r.failed || n > len(r.src)-r.at {
		r.fail()
		return -1
	}
	from := r.at
	r.at += n
	return from
}

func (r *decoder) uint() uint64 {
	if r.failed {
		return 0
	}
	v, n := binary.Uvarint(r.src[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

func (r *decoder) int() int64 {
	v := r.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *decoder) int32() int32 {
	v := r.int()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail()
		return 0
	}
	return int32(v)
}

func (r *decoder) byte() byte {
	from := r.take(1)
	if from < 0 {
		return 0
	}
	return r.src[from]
}

// enum reads a byte that names one of the values up to and with most. Others
// would have no name, and a panic where it is asked for.
func (r *decoder) enum(most byte) byte {
	b := r.byte()
	if b > most {
		r.fail()
		return 0
	}
	return b
}

func (r *decoder) bool() bool { return r.enum(1) == 1 }

// flagged reads an enum and the flag in it.
func (r *decoder) flagged(most byte, holds *bool) byte {
	b := r.byte()
	*holds = b&flagBit != 0
	if b &^= flagBit; b > most {
		r.fail()
		return 0
	}
	return b
}

func (r *decoder) near(last *int64) int64 {
	*last += r.int()
	return *last
}

// count reads how many elements follow, of which each takes minBytes or more.
func (r *decoder) count(minBytes int) int {
	n := r.uint()
	if n > uint64((len(r.src)-r.at)/minBytes) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *decoder) string() string {
	n := r.count(1)
	from := r.take(n)
	if from < 0 {
		return ""
	}
	return r.text[from:r.at]
}

func (r *decoder) bytes() []byte {
	n := r.count(1)
	from := r.take(n)
	if from < 0 || n == 0 {
		return nil
	}
	return r.src[from:r.at:r.at]
}

func (r *decoder) word() string {
	switch place := r.uint(); {
	case place == 0:
		s := r.string()
		r.places = append(r.places, s)
		return s
	case place == 1:
		return ""
	case place-2 < uint64(len(r.places)):
		return r.places[place-2]
	default:
		r.fail()
		return ""
	}
}

func (r *decoder) words() []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	from := len(r.lists)
	for range n {
		r.lists = append(r.lists, r.word())
	}
	return r.lists[from:len(r.lists):len(r.lists)]
}

func (r *decoder) ref() rules.AccountRef {
	if again := r.enum(1) == 1; !again {
		if from := r.take(len(r.last.ref)); from >= 0 {
			copy(r.last.ref[:], r.src[from:])
		}
	}
	return r.last.ref
}

func (r *decoder) id() (id rules.AccrualID) {
	if from := r.take(len(id)); from >= 0 {
		copy(id[:], r.src[from:])
	}
	return id
}

func (r *decoder) currency() (c money.Currency) {
	if from := r.take(len(c)); from >= 0 {
		copy(c[:], r.src[from:])
	}
	return c
}

func (r *decoder) instant() rules.Instant {
	return rules.Instant{Sec: r.near(&r.last.sec), Nsec: r.int32()}
}

func (r *decoder) rareInstant() rules.Instant {
	if none := r.enum(1) == 0; none {
		return rules.Instant{}
	}
	return r.instant()
}

func (r *decoder) beneficiary() (ref rules.AccountRef) {
	switch r.enum(otherAccount) {
	case accountItself:
		return r.last.ref
	case otherAccount:
		if from := r.take(len(ref)); from >= 0 {
			copy(ref[:], r.src[from:])
		}
	}
	return ref
}

func (r *decoder) decision(d *rules.Decision) {
	d.Shard = r.int32()
	d.Batch = r.uint()
	for i := range d.Positions {
		d.Positions[i] = r.int()
	}
	d.LastSeq = r.uint()
	r.tables(d)
}

// rows reads a count and as many rows over what dst held.
func rows[T any](r *decoder, dst []T, minBytes int, read func(*T)) []T {
	n := r.count(minBytes)
	if cap(dst) < n {
		dst = make([]T, n)
	}
	dst = dst[:n]
	for i := range dst {
		read(&dst[i])
	}
	return dst
}
