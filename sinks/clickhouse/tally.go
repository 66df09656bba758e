package clickhouse

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"ristourne/rules"
)

// A tally says what the tables hold of a shard, month by month: how many rows,
// and the sum of their digests. A marker carries the tally of everything up to
// it, so rows that are gone, changed or come from elsewhere are noticed by
// whoever reads the tables back.
//
// The digest of a row is the SHA-256 of what a rebuild reads of it, and the sum
// is modulo 2^256: it is the same in any order, so the server sums it up in its
// own, and one row more is one addition.
type tally map[tallyKey]tallied

// tallyKey is a month of a table: one table partition.
type tallyKey struct {
	table string
	month uint32 // such as 202611
}

type tallied struct {
	rows uint64
	sum  digestSum
}

// digestSum is a number of 256 bits, the lowest first.
type digestSum [4]uint64

func (s *digestSum) add(o digestSum) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], o[i], carry)
	}
}

// parseSum reads 64 hexadecimal digits, the highest first.
func parseSum(text string) (s digestSum, err error) {
	var raw [32]byte
	if n, err := hex.Decode(raw[:], []byte(text)); err != nil || n != len(raw) {
		return s, fmt.Errorf("sum of digests %q: want 64 hexadecimal digits", text)
	}
	for i := range s {
		s[i] = binary.BigEndian.Uint64(raw[24-8*i:])
	}
	return s, nil
}

func (t tally) add(k tallyKey, of tallied) {
	have := t[k]
	have.rows += of.rows
	have.sum.add(of.sum)
	t[k] = have
}

func (t tally) addAll(o tally) {
	for k, of := range o {
		t.add(k, of)
	}
}

func (t tally) sortedKeys() []tallyKey {
	keys := make([]tallyKey, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b tallyKey) int { return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.month, b.month)) })
	return keys
}

// tallyTable is a table that is counted, and how the server digests its rows:
// text is what the digest is of. The digester digests the same rows on their way
// there, field by field.
//
// What the bank said of instructions is not counted: nothing is restored from it,
// and a result that is read again, in other topics, replaces its row.
type tallyTable struct {
	name   string
	behind string // condition of rows that come after the marker: its parameters are $2, batch, and $3, last_seq
	fields []string
}

// What the server writes of a field. Every one ends by itself, so that two rows
// never give one text.
func sqlInt(column string) string  { return "toString(" + column + "), ';'" }
func sqlEnum(column string) string { return "toString(toInt8(" + column + ")), ';'" }
func sqlText(column string) string {
	return "toString(length(" + column + ")), ':', toString(" + column + ")"
}
func sqlUUID(column string) string  { return "toString(" + column + ")" }
func sqlFixed(column string) string { return "hex(" + column + ")" }

// behindBatch is of rows that know their batch.
const behindBatch = "batch > $2"

// setTable is the first of them. Its rows are marked by their number.
const setTable = "set_log"

var tallyTables = []tallyTable{
	{name: setTable, behind: "seq > $3", fields: setDigest},
	{name: "accruals_log", behind: behindBatch, fields: accrualsDigest},
	{name: "instructions_log", behind: behindBatch, fields: instructionsDigest},
	{name: "grants_log", behind: behindBatch, fields: grantsDigest},
	{name: "referrals_told_log", behind: behindBatch, fields: referralsDigest},
}

// digest is the expression that gives a row's.
func (t *tallyTable) digest() string { return "SHA256(concat(" + strings.Join(t.fields, ", ") + "))" }

// digester digests rows on their way to the server.
type digester struct {
	text      []byte
	month     uint32 // of fromMilli up to untilMilli
	fromMilli int64
	until     int64
}

func (d *digester) int(v int64) {
	d.text = append(strconv.AppendInt(d.text, v, 10), ';')
}

func (d *digester) uint(v uint64) {
	d.text = append(strconv.AppendUint(d.text, v, 10), ';')
}

func (d *digester) str(s string) {
	d.text = append(strconv.AppendInt(d.text, int64(len(s)), 10), ':')
	d.text = append(d.text, s...)
}

func (d *digester) bytes(b []byte) {
	d.text = append(strconv.AppendInt(d.text, int64(len(b)), 10), ':')
	d.text = append(d.text, b...)
}

// ref writes a reference as the server writes a UUID.
func (d *digester) ref(r rules.AccountRef) {
	for i, part := range [][]byte{r[:4], r[4:6], r[6:8], r[8:10], r[10:]} {
		if i > 0 {
			d.text = append(d.text, '-')
		}
		d.text = hex.AppendEncode(d.text, part)
	}
}

// fixed writes an id as the server's hex does.
func (d *digester) fixed(id [16]byte) {
	const digits = "0123456789ABCDEF"
	for _, b := range id {
		d.text = append(d.text, digits[b>>4], digits[b&15])
	}
}

func (d *digester) currency(c [3]byte) {
	if c == [3]byte{} {
		d.str("")
		return
	}
	d.bytes(c[:])
}

// end takes the row into the tally, and begins the next.
func (d *digester) end(t tally, table string, milli int64) {
	raw := sha256.Sum256(d.text)
	of := tallied{rows: 1}
	for i := range of.sum {
		// The server reads the 32 bytes as a number with the lowest first.
		of.sum[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	t.add(tallyKey{table, d.monthOf(milli)}, of)
	d.text = d.text[:0]
}

// monthOf is the table partition of an instant in milliseconds.
func (d *digester) monthOf(milli int64) uint32 {
	milli = max(0, min(milli, latestMillis))
	if milli < d.fromMilli || milli >= d.until || d.month == 0 {
		at := time.UnixMilli(milli).UTC()
		first := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
		d.month = uint32(at.Year()*100 + int(at.Month()))
		d.fromMilli, d.until = first.UnixMilli(), first.AddDate(0, 1, 0).UnixMilli()
	}
	return d.month
}
