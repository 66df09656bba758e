package rules

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

// encoder appends values to b. Instants are written as the distance to the one
// before. In an account, strings that repeat are written once.
type encoder struct {
	b          []byte
	dictionary *dictionary // nil: strings are written in full
	last       int64       // seconds of the instant before
}

// dictionary numbers strings and currencies in the order in which they come.
type dictionary struct {
	strings    []string
	index      map[string]int // of strings, once there are many
	currencies []money.Currency
}

// manyStrings is from where on a map finds a string faster than looking.
const manyStrings = 24

func (d *dictionary) reset() {
	d.strings, d.currencies = d.strings[:0], d.currencies[:0]
	clear(d.index)
}

// find is the number of s, or -1 after s was given the next one.
func (d *dictionary) find(s string) int {
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

func (e *encoder) byte(b byte)        { e.b = append(e.b, b) }
func (e *encoder) uint(v uint64)      { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)        { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) count(n int)        { e.uint(uint64(n)) }
func (e *encoder) hash(v uint64)      { e.b = binary.LittleEndian.AppendUint64(e.b, v) }
func (e *encoder) unique(s string)    { e.b = AppendString(e.b, s) }
func (e *encoder) amount(minor int64) { e.int(minor) }

// string writes a string that may repeat.
func (e *encoder) string(s string) {
	if e.dictionary == nil {
		e.unique(s)
		return
	}
	i := e.dictionary.find(s)
	e.uint(uint64(i + 1))
	if i < 0 {
		e.unique(s)
	}
}

func (e *encoder) currency(c money.Currency) {
	if e.dictionary == nil {
		e.b = append(e.b, c[:]...)
		return
	}
	for i, known := range e.dictionary.currencies {
		if known == c {
			e.uint(uint64(i + 1))
			return
		}
	}
	e.dictionary.currencies = append(e.dictionary.currencies, c)
	e.uint(0)
	e.b = append(e.b, c[:]...)
}

// instant writes seconds since 1970 and nanoseconds.
func (e *encoder) instant(sec int64, nsec int32) {
	distance := sec - e.last
	e.last = sec
	zigzag := uint64(distance<<1) ^ uint64(distance>>63)
	if nsec == 0 {
		e.uint(zigzag << 1)
		return
	}
	e.uint(zigzag<<1 | 1)
	e.uint(uint64(nsec))
}

// decoder reads what encoder wrote. After the first fault it reads zeros; err
// tells at the end.
type decoder struct {
	b          []byte
	dictionary *dictionary
	last       int64
	err        error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	d.b = nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail("too short")
		return 0
	}
	b := d.b[0]
	d.b = d.b[1:]
	return b
}

func (d *decoder) uint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		v := uint64(d.b[0])
		d.b = d.b[1:]
		return v
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("bad number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v := d.uint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads a number of elements of which each takes at least size bytes: a
// number that can't be true must not make anyone allocate for it.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.fail("bad count")
		return 0
	}
	return int(n)
}

// amount reads an amount that is not negative.
func (d *decoder) amount() int64 {
	minor := d.int()
	if minor < 0 || minor > MaxAmountMinor {
		d.fail("bad amount")
		return 0
	}
	return minor
}

func (d *decoder) hash() uint64 {
	if len(d.b) < 8 {
		d.fail("too short")
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// unique reads a string in place: it points into the source.
func (d *decoder) unique() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail("bad string")
		return ""
	}
	if n == 0 {
		return ""
	}
	s := unsafe.String(&d.b[0], int(n))
	d.b = d.b[n:]
	return s
}

func (d *decoder) string() string {
	if d.dictionary == nil {
		return d.unique()
	}
	i := d.uint()
	switch {
	case i == 0:
		s := d.unique()
		d.dictionary.strings = append(d.dictionary.strings, s)
		return s
	case i > uint64(len(d.dictionary.strings)):
		d.fail("bad string")
		return ""
	}
	return d.dictionary.strings[i-1]
}

func (d *decoder) currency() money.Currency {
	if d.dictionary != nil {
		i := d.uint()
		if i > uint64(len(d.dictionary.currencies)) {
			d.fail("bad currency")
			return money.Currency{}
		}
		if i > 0 {
			return d.dictionary.currencies[i-1]
		}
	}
	if len(d.b) < 3 {
		d.fail("too short")
		return money.Currency{}
	}
	c := money.Currency(d.b[:3])
	d.b = d.b[3:]
	if d.dictionary != nil {
		d.dictionary.currencies = append(d.dictionary.currencies, c)
	}
	return c
}

func (d *decoder) instant() (sec int64, nsec int32) {
	v := d.uint()
	zigzag := v >> 1
	d.last += int64(zigzag>>1) ^ -int64(zigzag&1)
	if v&1 != 0 {
		n := d.uint()
		if n > 999_999_999 {
			d.fail("bad instant")
			return 0, 0
		}
		nsec = int32(n)
	}
	if d.last < minWrittenSec || d.last > maxWrittenSec {
		d.fail("bad instant")
		return 0, 0
	}
	return d.last, nsec
}

// RFC 3339 holds the years 0000 to 9999; a day more on each side for offsets.
const (
	minWrittenSec = -62_167_219_200 - 86_400
	maxWrittenSec = 253_402_300_799 + 86_400
)

func (d *decoder) enum(v, first, last byte, what string) byte {
	if v < first || v > last {
		d.fail(what)
		return first
	}
	return v
}

// done is the verdict on the whole.
func (d *decoder) done() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("bytes left over")
	}
	return d.err
}

// AppendString appends a string with its length, so that no two lists of strings
// give the same bytes.
func AppendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func (e *encoder) list(list []string) {
	e.count(len(list))
	for _, s := range list {
		e.string(s)
	}
}

// list reads strings into the arena. Lists that were cut from it before keep
// what they have when it grows.
func (d *decoder) list(arena *[]string) []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	start := len(*arena)
	for range n {
		*arena = append(*arena, d.string())
	}
	return (*arena)[start:len(*arena):len(*arena)]
}
