package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"ristourne/rules/money"
)

// MaxAmountMinor bounds each amount that is written, and the sum of an account's.
const MaxAmountMinor = 1 << 55

// ErrCorrupt is a binary form that can't have been written by AppendBinary.
var ErrCorrupt = errors.New("corrupt binary form")

// Encoder appends values to b. Instants are written as the distance to the one
// before. In an account, strings that repeat are written once.
type Encoder struct {
	Bytes      []byte
	Dictionary *Dictionary // nil: strings are written in full
	last       int64       // seconds of the instant before
}

// Dictionary numbers strings and currencies in the order in which they come.
type Dictionary struct {
	strings    []string
	index      map[string]int // of strings, once there are many
	currencies []money.Currency
}

// manyStrings is from where on a map finds a string faster than looking.
const manyStrings = 24

func (d *Dictionary) Reset() {
	d.strings, d.currencies = d.strings[:0], d.currencies[:0]
	clear(d.index)
}

// find is the number of s, or -1 after s was given the next one.
func (d *Dictionary) find(s string) int {
	if len(d.strings) < manyStrings {
		for i, known := range d.strings {
			if known == s {
				return i
			}
		}
	} else if i, ok := d.index[s]; ok {
		return i
	}
	d.strings = append(d.strings, s)
	switch {
	case len(d.strings) == manyStrings:
		if d.index == nil {
			d.index = make(map[string]int, 2*manyStrings)
		}
		for i, known := range d.strings {
			d.index[known] = i
		}
	case len(d.strings) > manyStrings:
		d.index[s] = len(d.strings) - 1
	}
	return -1
}

func (e *Encoder) Byte(b byte)        { e.Bytes = append(e.Bytes, b) }
func (e *Encoder) Uint(v uint64)      { e.Bytes = binary.AppendUvarint(e.Bytes, v) }
func (e *Encoder) Int(v int64)        { e.Bytes = binary.AppendVarint(e.Bytes, v) }
func (e *Encoder) Count(n int)        { e.Uint(uint64(n)) }
func (e *Encoder) Hash(v uint64)      { e.Bytes = binary.LittleEndian.AppendUint64(e.Bytes, v) }
func (e *Encoder) Unique(s string)    { e.Bytes = AppendString(e.Bytes, s) }
func (e *Encoder) Amount(minor int64) { e.Int(minor) }

// String writes a string that may repeat.
func (e *Encoder) String(s string) {
	if e.Dictionary == nil {
		e.Unique(s)
		return
	}
	i := e.Dictionary.find(s)
	e.Uint(uint64(i + 1))
	if i < 0 {
		e.Unique(s)
	}
}

func (e *Encoder) Currency(c money.Currency) {
	if e.Dictionary == nil {
		e.Bytes = append(e.Bytes, c[:]...)
		return
	}
	for i, known := range e.Dictionary.currencies {
		if known == c {
			e.Uint(uint64(i + 1))
			return
		}
	}
	e.Dictionary.currencies = append(e.Dictionary.currencies, c)
	e.Uint(0)
	e.Bytes = append(e.Bytes, c[:]...)
}

// Instant writes seconds since 1970 and nanoseconds.
func (e *Encoder) Instant(sec int64, nsec int32) {
	distance := sec - e.last
	e.last = sec
	zigzag := uint64(distance<<1) ^ uint64(distance>>63)
	if nsec == 0 {
		e.Uint(zigzag << 1)
		return
	}
	e.Uint(zigzag<<1 | 1)
	e.Uint(uint64(nsec))
}

// Decoder reads what encoder wrote. After the first fault it reads zeros; err
// tells at the end.
type Decoder struct {
	Rest       []byte
	Dictionary *Dictionary
	last       int64
	Err        error
}

func (d *Decoder) Fail(what string) {
	if d.Err == nil {
		d.Err = fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	d.Rest = nil
}

func (d *Decoder) Byte() byte {
	if len(d.Rest) == 0 {
		d.Fail("too short")
		return 0
	}
	b := d.Rest[0]
	d.Rest = d.Rest[1:]
	return b
}

func (d *Decoder) Uint() uint64 {
	if len(d.Rest) > 0 && d.Rest[0] < 0x80 {
		v := uint64(d.Rest[0])
		d.Rest = d.Rest[1:]
		return v
	}
	v, n := binary.Uvarint(d.Rest)
	if n <= 0 {
		d.Fail("bad number")
		return 0
	}
	d.Rest = d.Rest[n:]
	return v
}

func (d *Decoder) Int() int64 {
	v := d.Uint()
	return int64(v>>1) ^ -int64(v&1)
}

// Count reads a number of elements of which each takes at least size bytes: a
// number that can't be true must not make anyone allocate for it.
func (d *Decoder) Count(size int) int {
	n := d.Uint()
	if n > uint64(len(d.Rest)/size) {
		d.Fail("bad count")
		return 0
	}
	return int(n)
}

// Amount reads an amount that is not negative.
func (d *Decoder) Amount() int64 {
	minor := d.Int()
	if minor < 0 || minor > MaxAmountMinor {
		d.Fail("bad amount")
		return 0
	}
	return minor
}

func (d *Decoder) Hash() uint64 {
	if len(d.Rest) < 8 {
		d.Fail("too short")
		return 0
	}
	v := binary.LittleEndian.Uint64(d.Rest)
	d.Rest = d.Rest[8:]
	return v
}

// Unique reads a string in place: it points into the source.
func (d *Decoder) Unique() string {
	n := d.Uint()
	if n > uint64(len(d.Rest)) {
		d.Fail("bad string")
		return ""
	}
	if n == 0 {
		return ""
	}
	s := unsafe.String(&d.Rest[0], int(n))
	d.Rest = d.Rest[n:]
	return s
}

func (d *Decoder) String() string {
	if d.Dictionary == nil {
		return d.Unique()
	}
	i := d.Uint()
	switch {
	case i == 0:
		s := d.Unique()
		d.Dictionary.strings = append(d.Dictionary.strings, s)
		return s
	case i > uint64(len(d.Dictionary.strings)):
		d.Fail("bad string")
		return ""
	}
	return d.Dictionary.strings[i-1]
}

func (d *Decoder) Currency() money.Currency {
	if d.Dictionary != nil {
		i := d.Uint()
		if i > uint64(len(d.Dictionary.currencies)) {
			d.Fail("bad currency")
			return money.Currency{}
		}
		if i > 0 {
			return d.Dictionary.currencies[i-1]
		}
	}
	if len(d.Rest) < 3 {
		d.Fail("too short")
		return money.Currency{}
	}
	c := money.Currency(d.Rest[:3])
	d.Rest = d.Rest[3:]
	if d.Dictionary != nil {
		d.Dictionary.currencies = append(d.Dictionary.currencies, c)
	}
	return c
}

func (d *Decoder) Instant() (sec int64, nsec int32) {
	v := d.Uint()
	zigzag := v >> 1
	d.last += int64(zigzag>>1) ^ -int64(zigzag&1)
	if v&1 != 0 {
		n := d.Uint()
		if n > 999_999_999 {
			d.Fail("bad instant")
			return 0, 0
		}
		nsec = int32(n)
	}
	if d.last < minWrittenSec || d.last > maxWrittenSec {
		d.Fail("bad instant")
		return 0, 0
	}
	return d.last, nsec
}

// RFC 3339 holds the years 0000 to 9999; a day more on each side for offsets.
const (
	minWrittenSec = -62_167_219_200 - 86_400
	maxWrittenSec = 253_402_300_799 + 86_400
)

func (d *Decoder) Enum(v, first, last byte, what string) byte {
	if v < first || v > last {
		d.Fail(what)
		return first
	}
	return v
}

// Done is the verdict on the whole.
func (d *Decoder) Done() error {
	if d.Err == nil && len(d.Rest) > 0 {
		d.Fail("bytes left over")
	}
	return d.Err
}

// AppendString appends a string with its length, so that no two lists of strings
// give the same bytes.
func AppendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func (e *Encoder) List(list []string) {
	e.Count(len(list))
	for _, s := range list {
		e.String(s)
	}
}

// List reads strings into the arena. Lists that were cut from it before keep
// what they have when it grows.
func (d *Decoder) List(arena *[]string) []string {
	n := d.Count(1)
	if n == 0 {
		return nil
	}
	start := len(*arena)
	for range n {
		*arena = append(*arena, d.String())
	}
	return (*arena)[start:len(*arena):len(*arena)]
}
