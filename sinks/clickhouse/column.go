package clickhouse

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"ristourne/rules"
	"ristourne/rules/money"
)

// A block is written column by column in the form that ClickHouse reads off the
// wire, into memory that is kept from block to block. The columns that the
// drivers offer box or copy each value once more, and look up each word of a
// LowCardinality column two times by reflection: more than everything else that
// booking does.

// column is a column of fixed-width values or of strings, as on the wire.
type column struct {
	family proto.ColumnType // the type without its parameters
	typ    proto.ColumnType // as the table has it
	rows   int
	data   []byte
}

func (c *column) appendInt8(v int8) {
	c.data = append(c.data, byte(v))
	c.rows++
}

func (c *column) appendInt32(v int32) {
	c.data = binary.LittleEndian.AppendUint32(c.data, uint32(v))
	c.rows++
}

func (c *column) appendInt64(v int64) {
	c.data = binary.LittleEndian.AppendUint64(c.data, uint64(v))
	c.rows++
}

func (c *column) appendBool(v bool) {
	if v {
		c.appendInt8(1)
	} else {
		c.appendInt8(0)
	}
}

// appendRef writes the two halves of a UUID, each with its lowest byte first.
func (c *column) appendRef(v rules.AccountRef) {
	c.data = binary.LittleEndian.AppendUint64(c.data, binary.BigEndian.Uint64(v[:8]))
	c.data = binary.LittleEndian.AppendUint64(c.data, binary.BigEndian.Uint64(v[8:]))
	c.rows++
}

func (c *column) appendID(v rules.AccrualID) {
	c.data = append(c.data, v[:]...)
	c.rows++
}

func (c *column) appendString(s string) {
	c.data = binary.AppendUvarint(c.data, uint64(len(s)))
	c.data = append(c.data, s...)
	c.rows++
}

func (c *column) appendBytes(s []byte) {
	c.data = binary.AppendUvarint(c.data, uint64(len(s)))
	c.data = append(c.data, s...)
	c.rows++
}

func (c *column) Type() proto.ColumnType       { return c.typ }
func (c *column) Rows() int                    { return c.rows }
func (c *column) EncodeColumn(b *proto.Buffer) { b.PutRaw(c.data) }
func (c *column) WriteColumn(w *proto.Writer)  { w.ChainWrite(c.data) }
func (c *column) Infer(table proto.ColumnType) error {
	return inferType(&c.typ, c.family, table)
}

func (c *column) Reset() {
	c.rows = 0
	c.data = c.data[:0]
}

// inferType takes over the parameters of the table's type (scale and zone, the
// names of an enum), and refuses a table whose bytes would mean something else.
func inferType(typ *proto.ColumnType, family, table proto.ColumnType) error {
	if table != family && !strings.HasPrefix(string(table), string(family)+"(") {
		return fmt.Errorf("%w: the table has type %s where this version writes %s: run the migrations", ErrPermanent, table, family)
	}
	*typ = table
	return nil
}

// maxWords bounds the memory of a dictionary; at the limit it begins anew.
const maxWords = 1 << 16

// The head of a LowCardinality column in a block: the dictionary is the
// block's own.
const (
	dictVersion      = 1
	dictHasOwnKeys   = 1 << 9
	dictReplacesKeys = 1 << 10
)

// dictColumn is a LowCardinality(String) column: a row is the number of a word
// in the block's dictionary. Words are known from block to block, so that one
// is looked up once a row and copied once ever.
type dictColumn struct {
	numbers map[string]uint32 // of every known word
	words   []string          // by number: copies, as a caller's strings may be overwritten
	keys    []uint32          // by number: the word's place in this block's dictionary
	inBlock []uint32          // by number: the last block that the word was in
	block   uint32            // counts from 1

	dict column // this block's dictionary
	rows []uint32

	last    string // of the row before, which is often the same
	lastKey uint32
}

func (c *dictColumn) append(s string) {
	if len(c.rows) == 0 || s != c.last {
		c.lookUp(s)
	}
	c.rows = append(c.rows, c.lastKey)
}

// appendCurrency makes no string of a code: a slice of three bytes on the stack is
// compared with the word before, and looked up without being kept.
func (c *dictColumn) appendCurrency(v money.Currency) {
	if v == (money.Currency{}) {
		c.append("")
		return
	}
	c.append(string(v[:]))
}

func (c *dictColumn) lookUp(s string) {
	number, known := c.numbers[s]
	if !known {
		number = c.learn(s)
	}
	if c.inBlock[number] != c.block {
		c.inBlock[number] = c.block
		c.keys[number] = uint32(c.dict.rows)
		c.dict.appendString(s)
	}
	c.last, c.lastKey = c.words[number], c.keys[number]
}

func (c *dictColumn) learn(s string) uint32 {
	if c.numbers == nil {
		c.numbers = make(map[string]uint32)
	}
	number, word := uint32(len(c.words)), strings.Clone(s)
	c.numbers[word] = number
	c.words = append(c.words, word)
	c.keys = append(c.keys, 0)
	c.inBlock = append(c.inBlock, c.block-1)
	return number
}

func (c *dictColumn) Reset() {
	c.block++
	c.dict.Reset()
	c.rows = c.rows[:0]
	if len(c.words) > maxWords || c.block == 0 {
		*c = dictColumn{block: 1, dict: c.dict, rows: c.rows}
	}
}

func (c *dictColumn) Type() proto.ColumnType      { return "LowCardinality(String)" }
func (c *dictColumn) Rows() int                   { return len(c.rows) }
func (c *dictColumn) EncodeState(b *proto.Buffer) { b.PutInt64(dictVersion) }
func (c *dictColumn) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }
func (c *dictColumn) Infer(table proto.ColumnType) error {
	typ := c.Type()
	return inferType(&typ, c.Type(), table)
}

// EncodeColumn writes the dictionary and the rows, in the narrowest numbers
// that hold all places.
func (c *dictColumn) EncodeColumn(b *proto.Buffer) {
	if len(c.rows) == 0 {
		return
	}
	width := 0 // log2 of bytes
	switch {
	case c.dict.rows > 1<<16:
		width = 2
	case c.dict.rows > 1<<8:
		width = 1
	}
	b.PutInt64(dictHasOwnKeys | dictReplacesKeys | int64(width))
	b.PutInt64(int64(c.dict.rows))
	b.PutRaw(c.dict.data)
	b.PutInt64(int64(len(c.rows)))
	for _, key := range c.rows {
		switch width {
		case 0:
			b.Buf = append(b.Buf, byte(key))
		case 1:
			b.Buf = binary.LittleEndian.AppendUint16(b.Buf, uint16(key))
		default:
			b.Buf = binary.LittleEndian.AppendUint32(b.Buf, key)
		}
	}
}

// appendWords writes a number of many words, the lowest first.
func (c *column) appendWords(words []uint64) {
	for _, word := range words {
		c.data = binary.LittleEndian.AppendUint64(c.data, word)
	}
	c.rows++
}

// arrayColumn is an Array column of fixed-width values: append to all what a row
// has, and end the row.
type arrayColumn struct {
	ends column // for each row, how many values there are up to its end
	all  column
}

func (c *arrayColumn) end() { c.ends.appendInt64(int64(c.all.rows)) }

func (c *arrayColumn) Reset() {
	c.ends.Reset()
	c.all.Reset()
}

func (c *arrayColumn) Type() proto.ColumnType      { return proto.ColumnTypeArray.Sub(c.all.typ) }
func (c *arrayColumn) Rows() int                   { return c.ends.Rows() }
func (c *arrayColumn) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }
func (c *arrayColumn) Infer(table proto.ColumnType) error {
	typ := c.Type()
	return inferType(&typ, c.Type(), table)
}

func (c *arrayColumn) EncodeColumn(b *proto.Buffer) {
	c.ends.EncodeColumn(b)
	c.all.EncodeColumn(b)
}

// wordsColumn is an Array(LowCardinality(String)) column.
type wordsColumn struct {
	ends column // for each row, how many words there are up to its end
	all  dictColumn
}

func (c *wordsColumn) append(words []string) {
	for _, word := range words {
		c.all.append(word)
	}
	c.end()
}

// end ends a row whose words were appended to all, one by one.
func (c *wordsColumn) end() { c.ends.appendInt64(int64(c.all.Rows())) }

func (c *wordsColumn) Reset() {
	c.ends.Reset()
	c.all.Reset()
}

func (c *wordsColumn) Type() proto.ColumnType      { return "Array(LowCardinality(String))" }
func (c *wordsColumn) Rows() int                   { return c.ends.Rows() }
func (c *wordsColumn) EncodeState(b *proto.Buffer) { c.all.EncodeState(b) }
func (c *wordsColumn) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }
func (c *wordsColumn) Infer(table proto.ColumnType) error {
	typ := c.Type()
	return inferType(&typ, c.Type(), table)
}

func (c *wordsColumn) EncodeColumn(b *proto.Buffer) {
	c.ends.EncodeColumn(b)
	c.all.EncodeColumn(b)
}
