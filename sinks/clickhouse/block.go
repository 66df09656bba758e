package clickhouse

import (
	"github.com/ClickHouse/ch-go/proto"

	"ristourne/rules"
)

// block is the rows of one table that go in one INSERT. Rows are appended value
// by value in the order in which newBlock was given the columns.
type block struct {
	table  string
	insert string // the statement, whole
	input  proto.Input
}

// rows is how many the block holds.
func (b *block) rows() int { return b.input[0].Data.Rows() }

// columns collects the columns of a block as they are declared.
type columns struct{ input proto.Input }

func (c *columns) add(name string, family proto.ColumnType) *column {
	col := &column{family: family, typ: family}
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func (c *columns) int8(name string) *column   { return c.add(name, proto.ColumnTypeEnum8) }
func (c *columns) int32(name string) *column  { return c.add(name, proto.ColumnTypeInt32) }
func (c *columns) int64(name string) *column  { return c.add(name, proto.ColumnTypeInt64) }
func (c *columns) uint64(name string) *column { return c.add(name, proto.ColumnTypeUInt64) }
func (c *columns) time(name string) *column   { return c.add(name, proto.ColumnTypeDateTime64) }
func (c *columns) uuid(name string) *column   { return c.add(name, proto.ColumnTypeUUID) }
func (c *columns) id(name string) *column     { return c.add(name, proto.ColumnTypeFixedString) }
func (c *columns) bool(name string) *column   { return c.add(name, proto.ColumnTypeUInt8) }
func (c *columns) text(name string) *column   { return c.add(name, proto.ColumnTypeString) }

func (c *columns) words(name string) *arrayColumn {
	return c.array(name, proto.ColumnTypeString)
}

func (c *columns) array(name string, family proto.ColumnType) *arrayColumn {
	col := &arrayColumn{all: column{family: family, typ: family}}
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func (c *columns) into(table string) block {
	return block{table: table, insert: c.input.Into(table), input: c.input}
}

// exactInstant is an instant to the nanosecond; both parts 0: none.
type exactInstant struct{ sec, nsec *column }

func (c *columns) exactInstant(name string) exactInstant {
	return exactInstant{sec: c.int64(name + "_sec"), nsec: c.int32(name + "_nsec")}
}

func (i *exactInstant) append(v rules.Instant) {
	i.sec.appendInt64(v.Sec)
	i.nsec.appendInt32(v.Nsec)
}

// instant is an instant for dates and charts and, beside it, exactly.
type instant struct {
	at    *column
	exact exactInstant
}

func (c *columns) instant(at, exact string) instant {
	return instant{at: c.time(at), exact: c.exactInstant(exact)}
}

func (i *instant) append(v rules.Instant) {
	i.at.appendInt64(calendarMillis(v))
	i.exact.append(v)
}

// calendarMillis is the instant in milliseconds, held within the years over
// which every date function of ClickHouse is right.
func calendarMillis(v rules.Instant) int64 {
	switch {
	case v.Sec < 0:
		return 0
	case v.Sec > latestMillis/1000:
		return latestMillis
	default:
		return v.Sec*1000 + int64(v.Nsec)/1_000_000
	}
}

// beneficiaryRef is the account whose money a line is; a partner has none.
func beneficiaryRef(a *rules.Accrual) rules.AccountRef {
	if a.Role == rules.RoleMember {
		return a.AccountRef
	}
	return a.BeneficiaryRef
}

// accountVersion orders the rows of one reference: one with a member id stands
// over one without, then the later one.
func accountVersion(r *rules.AccountRow) uint64 {
	const stated = 1 << 63
	version := uint64(max(r.RecordedAt, 0))
	if r.MemberID != "" {
		version |= stated
	}
	return version
}

type markersBlock struct {
	block
	shard, batch        *column
	positions           [rules.NumTopics]*column
	lastSeq, counted    *column
	tallyTable          *arrayColumn
	tallyMonth          *arrayColumn
	tallyRows, tallySum *arrayColumn
}

// positionColumn is where a marker keeps the position in a topic.
func positionColumn(t rules.Topic) string { return t.String() + "_head" }

func newMarkersBlock() *markersBlock {
	var c columns
	b := &markersBlock{shard: c.int32("shard"), batch: c.uint64("batch"), lastSeq: c.uint64("last_seq")}
	for topic := range rules.NumTopics {
		b.positions[topic] = c.int64(positionColumn(topic))
	}
	b.counted = c.bool("counted")
	b.tallyTable = c.words("tally_table")
	b.tallyMonth = c.array("tally_month", proto.ColumnTypeUInt32)
	b.tallyRows = c.array("tally_rows", proto.ColumnTypeUInt64)
	b.tallySum = c.array("tally_sum", proto.ColumnTypeUInt256)
	b.block = c.into("markers_log")
	return b
}

func (b *markersBlock) append(m *mark) {
	b.shard.appendInt32(m.Shard)
	b.batch.appendInt64(int64(m.Batch))
	b.lastSeq.appendInt64(int64(m.LastSeq))
	for topic, position := range m.Positions {
		b.positions[topic].appendInt64(position)
	}
	b.counted.appendBool(m.counted)
	for _, key := range m.tally.sortedKeys() {
		of := m.tally[key]
		b.tallyTable.all.appendString(key.table)
		b.tallyMonth.all.appendInt32(int32(key.month))
		b.tallyRows.all.appendInt64(int64(of.rows))
		b.tallySum.all.appendWords(of.sum[:])
	}
	b.tallyTable.end()
	b.tallyMonth.end()
	b.tallyRows.end()
	b.tallySum.end()
}

// blocks are the tables of one group of decisions.
type blocks struct {
	rowBlocks
	payees  *payeesBlock
	markers *markersBlock
}

func newBlocks() *blocks {
	return &blocks{rowBlocks: newRowBlocks(), payees: newPayeesBlock(), markers: newMarkersBlock()}
}

// append adds all rows of the decision.
func (b *blocks) append(d *rules.Decision) {
	b.rowBlocks.append(d)
	b.payees.append(d)
}

// inOrder are the blocks as they are inserted, but for the markers: those say
// that all before them is there, and come last. Behind the marker, the set's rows
// say what was decided, so they come before all that follows from them; and
// grants, from which lines follow and which nothing can work out again, before the
// lines. To whom an instruction goes is there before the instruction is.
func (b *blocks) inOrder() []*block {
	return []*block{
		&b.accounts.block, &b.set.block, &b.grants.block, &b.referrals.block, &b.accruals.block,
		&b.payees.block, &b.instructions.block, &b.results.block,
	}
}

func (b *blocks) reset() {
	for _, of := range append(b.inOrder(), &b.markers.block) {
		of.input.Reset()
	}
}
