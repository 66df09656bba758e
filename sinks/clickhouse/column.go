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
// drivers offer box or copy each value once more.

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

// appendCurrency makes no string of a code.
func (c *column) appendCurrency(v money.Currency) {
	if v == (money.Currency{}) {
		c.appendString("")
		return
	}
	c.appendBytes(v[:])
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

func (c *arrayColumn) append(words []string) {
	for _, word := range words {
		c.all.appendString(word)
	}
	c.end()
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
