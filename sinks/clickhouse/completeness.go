package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
)

// mark is a marker with the tally of everything up to it.
type mark struct {
	rules.Marker
	found   bool
	counted bool // the tally is known: all bookings since a count carry it on
	tally   tally
}

// after is the mark of a decision that follows this one.
func (m *mark) after(d *rules.Decision, digest *digester) mark {
	next := mark{
		Marker: rules.Marker{Shard: d.Shard, Batch: d.Batch, Positions: d.Positions, LastSeq: d.LastSeq},
		found:  true, counted: m.counted,
	}
	if next.counted {
		next.tally = make(tally, len(m.tally)+1)
		next.tally.addAll(m.tally)
		digest.tally(next.tally, d)
	}
	return next
}

// marks are the last marks that this process has read or written, by shard.
type marks struct {
	mu      sync.Mutex
	byShard map[int32]mark
}

func (m *marks) get(shard int32) (mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, ok := m.byShard[shard]
	return last, ok
}

func (m *marks) put(of mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byShard == nil {
		m.byShard = make(map[int32]mark)
	}
	m.byShard[of.Shard] = of
}

// positionColumns are a marker's, in the order of rules.Positions.
var positionColumns = func() string {
	var columns []string
	for topic := range rules.NumTopics {
		columns = append(columns, positionColumn(topic))
	}
	return strings.Join(columns, ", ")
}()

// mark reads the newest marker of the shard. Of two of one batch the counted one
// is the later.
func (l *Ledger) mark(ctx context.Context, shard int32) (mark, error) {
	m := mark{Marker: rules.Marker{Shard: shard}}
	var counted uint8
	var tables, sums []string
	var months []uint32
	var rowCounts []uint64
	rows, err := l.reads.Query(ctx, `
		SELECT batch, [`+positionColumns+`], last_seq, counted,
			arrayMap(t -> toString(t), tally_table), tally_month, tally_rows, arrayMap(s -> leftPad(lower(hex(s)), 64, '0'), tally_sum)
		FROM markers_log WHERE shard = $1 ORDER BY batch DESC, counted DESC LIMIT 1`, shard)
	if err != nil {
		return m, fmt.Errorf("read marker of shard %d: %w", shard, explain(err))
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return m, fmt.Errorf("read marker of shard %d: %w", shard, explain(err))
		}
		m.counted, m.tally = true, tally{} // from the first batch on
		return m, nil
	}
	var positions []int64
	if err := rows.Scan(&m.Batch, &positions, &m.LastSeq, &counted, &tables, &months, &rowCounts, &sums); err != nil {
		return m, fmt.Errorf("read marker of shard %d: %w", shard, err)
	}
	m.Positions = rules.Positions(positions)
	m.found, m.counted, m.tally = true, counted > 0, make(tally, len(tables))
	for i := range tables {
		sum, err := parseSum(sums[i])
		if err != nil {
			return m, fmt.Errorf("read marker of shard %d: %w", shard, err)
		}
		m.tally[tallyKey{tables[i], months[i]}] = tallied{rows: rowCounts[i], sum: sum}
	}
	return m, nil
}

// count digests the rows of a table up to the marker, repeats once.
func (l *Ledger) count(ctx context.Context, t *tallyTable, m *mark) (tally, error) {
	if !m.found {
		return l.countDigests(ctx, t, `SELECT _partition_id AS p, `+t.digest()+` AS d FROM `+t.name+` FINAL WHERE shard = $1`, m.Shard)
	}
	return l.countDigests(ctx, t, `SELECT _partition_id AS p, `+t.digest()+` AS d FROM `+t.name+` FINAL WHERE shard = $1 AND NOT (`+t.behind+`)`,
		m.Shard, m.Batch, m.LastSeq)
}

// countBehind digests those that come after it, of the set only up to a row: few,
// so that repeats are found without reading all that came before. Where the mark
// is not counted, it is all there are.
func (l *Ledger) countBehind(ctx context.Context, t *tallyTable, m *mark, upToSeq uint64) (tally, error) {
	behind := t.behind
	if !m.counted {
		behind = "1"
	}
	if t.name == setTable {
		behind += " AND seq <= $4"
	}
	return l.countDigests(ctx, t, `SELECT DISTINCT _partition_id AS p, `+t.digest()+` AS d FROM `+t.name+` WHERE shard = $1 AND `+behind,
		m.Shard, m.Batch, m.LastSeq, upToSeq)
}

func (l *Ledger) countDigests(ctx context.Context, t *tallyTable, digests string, arguments ...any) (tally, error) {
	counted := tally{}
	_, err := query(asked(ctx), l, t.name, func(rows driver.Rows, _ *struct{}) error {
		key := tallyKey{table: t.name}
		var of tallied
		var sum string
		err := rows.Scan(&key.month, &of.rows, &sum)
		if err == nil {
			of.sum, err = parseSum(sum)
		}
		counted[key] = of
		return err
	}, `SELECT toUInt32OrZero(p) AS month, count(), leftPad(lower(hex(sum(reinterpretAsUInt256(d)))), 64, '0') FROM (`+digests+`) GROUP BY month`, arguments...)
	return counted, err
}

// asked has the settings of a query that reads whole tables: its memory stays
// bounded, and nothing but its caller ends it.
func asked(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_block_size": historyBlockRows,
		"do_not_merge_across_partitions_select_final": 1,
		"max_execution_time":                          0,
	}))
}

// countAll counts every table by one of the functions above.
func countAll(count func(*tallyTable) (tally, error)) (tally, error) {
	all := tally{}
	for i := range tallyTables {
		counted, err := count(&tallyTables[i])
		if err != nil {
			return nil, err
		}
		all.addAll(counted)
	}
	return all, nil
}

// BeginCounting counts a shard that an older version has booked, and whose
// marker doesn't say what there must be: what stands there by now is taken for
// whole. It reads all of the shard. False: it was counted already.
func (l *Ledger) BeginCounting(ctx context.Context, shard int32) (began bool, err error) {
	m, err := l.mark(ctx, shard)
	if err != nil || m.counted {
		return false, err
	}
	return true, l.countUpTo(ctx, m.Marker)
}

// CountAnew writes a marker that takes what stands up to it for whole, whatever
// the one before it counts. Its batch is the first after all that are booked.
func (l *Ledger) CountAnew(ctx context.Context, m rules.Marker) error {
	return l.countUpTo(ctx, m)
}

func (l *Ledger) countUpTo(ctx context.Context, of rules.Marker) (err error) {
	m := mark{Marker: of, found: true, counted: true}
	if m.tally, err = countAll(func(t *tallyTable) (tally, error) { return l.count(ctx, t, &m) }); err != nil {
		return fmt.Errorf("count what is booked of shard %d: %w", of.Shard, err)
	}
	if err := l.booker.submit(ctx, &booking{marks: []mark{m}}); err != nil {
		return fmt.Errorf("write marker of shard %d: %w", of.Shard, err)
	}
	l.marks.put(m)
	return nil
}

// Holes are the places where the ledger doesn't hold what the shard's marker
// says was booked; none where it does, or where nothing is counted yet.
//
// thorough reads every row and finds any that is gone, changed or from
// elsewhere. Otherwise rows are only counted, month by month, which finds
// tables, months and rows that are gone, in a moment; a row that is booked twice
// and not merged yet may hide one of the same month.
func (l *Ledger) Holes(ctx context.Context, shard int32, thorough bool) ([]rules.Hole, error) {
	m, err := l.mark(ctx, shard)
	if err != nil {
		return nil, err
	}
	l.marks.put(m) // another process may have booked since this one did
	var holes []rules.Hole
	if hole, err := l.lostMarker(ctx, &m); err != nil || hole != nil {
		return appendHole(holes, hole), err
	}
	if hole, err := l.lostMap(ctx, &m); err != nil {
		return nil, err
	} else {
		holes = appendHole(holes, hole)
	}
	if !m.counted || !m.found {
		return holes, nil // nothing is marked, or it isn't known what
	}
	for i := range tallyTables {
		found, err := l.holesOf(ctx, &tallyTables[i], &m, thorough)
		if err != nil {
			return nil, fmt.Errorf("check %s of shard %d: %w", tallyTables[i].name, shard, err)
		}
		holes = append(holes, found...)
	}
	return holes, nil
}

// CheckShard gives the holes that a thorough look finds, and whether the shard is
// counted at all.
func (l *Ledger) CheckShard(ctx context.Context, shard int32) (holes []rules.Hole, counted bool, err error) {
	m, err := l.mark(ctx, shard)
	if err != nil {
		return nil, false, err
	}
	holes, err = l.Holes(ctx, shard, true)
	return holes, m.counted, err
}

// Shards is one more than the highest shard that anything is booked of.
func (l *Ledger) Shards(ctx context.Context) (int, error) {
	var highest int32
	err := l.reads.QueryRow(ctx, `SELECT greatest((SELECT if(count() = 0, -1, max(shard)) FROM markers_log), (SELECT if(count() = 0, -1, max(shard)) FROM set_log))`).Scan(&highest)
	if err != nil {
		return 0, fmt.Errorf("count shards: %w", explain(err))
	}
	return int(highest) + 1, nil
}

func appendHole(holes []rules.Hole, hole *rules.Hole) []rules.Hole {
	if hole == nil {
		return holes
	}
	return append(holes, *hole)
}

// holesOf compares a table with the marker.
func (l *Ledger) holesOf(ctx context.Context, t *tallyTable, m *mark, thorough bool) ([]rules.Hole, error) {
	have, err := l.countRows(ctx, t, m.Shard)
	if thorough && err == nil {
		have, err = l.count(ctx, t, m)
	}
	if err != nil {
		return nil, err
	}
	all := tally{}
	all.addAll(have)
	all.addAll(m.tally) // for its keys
	var holes []rules.Hole
	for _, key := range all.sortedKeys() {
		if key.table != t.name {
			continue
		}
		if what := differs(m.tally[key], have[key], thorough); what != "" {
			holes = append(holes, rules.Hole{
				Table: t.name, Shard: m.Shard, Month: key.month, WantRows: m.tally[key].rows, HaveRows: have[key].rows, What: what,
			})
		}
	}
	return holes, nil
}

// differs says in words what is wrong; empty: nothing.
func differs(want, have tallied, thorough bool) string {
	switch {
	case have.rows < want.rows:
		return fmt.Sprintf("%d of %d rows are gone", want.rows-have.rows, want.rows)
	case !thorough:
		return ""
	case have.rows > want.rows:
		return fmt.Sprintf("%d rows are there and %d were booked: some come from elsewhere", have.rows, want.rows)
	case have.sum != want.sum:
		return fmt.Sprintf("as many rows as were booked, %d, and not the same ones: some were changed", want.rows)
	}
	return ""
}

// countRows counts all rows of the shard as they lie there, by table partition,
// repeats as often as they are there. It reads next to nothing.
func (l *Ledger) countRows(ctx context.Context, t *tallyTable, shard int32) (tally, error) {
	counted := tally{}
	_, err := query(asked(ctx), l, t.name, func(rows driver.Rows, _ *struct{}) error {
		key := tallyKey{table: t.name}
		var of tallied
		err := rows.Scan(&key.month, &of.rows)
		counted[key] = of
		return err
	}, `SELECT toUInt32OrZero(_partition_id) AS month, count() FROM `+t.name+` WHERE shard = $1 GROUP BY month`, shard)
	return counted, err
}

// maxGroup is how many batches may be booked together at most, so that all of them
// lack their markers after a crash: those that a processor decides ahead.
const maxGroup = 100

// lostMarker finds a shard whose marker is gone while what it marked is there:
// only the rows of the first batches may be booked without one.
func (l *Ledger) lostMarker(ctx context.Context, m *mark) (*rules.Hole, error) {
	if m.found {
		return nil, nil
	}
	var rows uint64
	if err := l.reads.QueryRow(ctx, `SELECT count() FROM set_log WHERE shard = $1 AND (batch = 0 OR batch > $2)`, m.Shard, maxGroup).Scan(&rows); err != nil {
		return nil, fmt.Errorf("look for rows of shard %d without a marker: %w", m.Shard, explain(err))
	}
	if rows == 0 {
		return nil, nil
	}
	return &rules.Hole{
		Table: rules.MarkersTable, Shard: m.Shard, WantRows: 1,
		What: fmt.Sprintf("the marker is gone, and set_log has %d rows that it marked", rows),
	}, nil
}

// lostMap finds a map from references to accounts that is gone as a whole. Single
// rows go when a person asks to be forgotten, and are no hole.
func (l *Ledger) lostMap(ctx context.Context, m *mark) (*rules.Hole, error) {
	var mapped, decided uint64
	err := l.reads.QueryRow(ctx, `
		SELECT (SELECT count() FROM (SELECT 1 FROM accounts_log WHERE shard = $1 LIMIT 1)),
			(SELECT count() FROM (SELECT account_ref FROM set_log WHERE shard = $1 LIMIT 1 BY account_ref LIMIT 2))`, m.Shard).Scan(&mapped, &decided)
	if err != nil {
		return nil, fmt.Errorf("look for accounts of shard %d: %w", m.Shard, explain(err))
	}
	if mapped > 0 || decided < 2 {
		return nil, nil
	}
	return &rules.Hole{
		Table: rules.AccountsTable, Shard: m.Shard, WantRows: decided, What: "no account of the shard is left, and set_log has events of several",
	}, nil
}

// BookPart books rows behind the marker, which stays where it is.
func (l *Ledger) BookPart(ctx context.Context, d *rules.Decision) error {
	if err := check(d); err != nil {
		return fmt.Errorf("book a part of shard %d: %w", d.Shard, err)
	}
	if err := l.booker.submit(ctx, &booking{decisions: []*rules.Decision{d}, unmarked: true}); err != nil {
		return fmt.Errorf("book a part of shard %d: %w", d.Shard, err)
	}
	return nil
}

// BookRest books what a rebuild found missing behind the marker, with a marker of
// its own that counts it together with everything else that stands there: rows
// that were booked in part when Redis lost what it had decided. Its batch is after
// all of theirs, or they would stand behind it again. False: there was nothing, and
// the marker stays.
func (l *Ledger) BookRest(ctx context.Context, d *rules.Decision) (batch uint64, booked bool, err error) {
	if err := check(d); err != nil {
		return 0, false, fmt.Errorf("book the rest of shard %d: %w", d.Shard, err)
	}
	m, err := l.mark(ctx, d.Shard)
	if err != nil {
		return 0, false, err
	}
	if m.Batch >= d.Batch && m.Positions == d.Positions && m.LastSeq == d.LastSeq {
		return m.Batch, true, nil // its answer was lost, once
	}
	if d.Batch != m.Batch+1 && m.found {
		return 0, false, fmt.Errorf("book the rest of shard %d: it is after batch %d, and the marker is at %d: somebody else has booked meanwhile", d.Shard, d.Batch-1, m.Batch)
	}
	if d.Empty() && d.LastSeq == m.LastSeq {
		behind, err := countAll(func(t *tallyTable) (tally, error) { return l.countBehind(ctx, t, &m, d.LastSeq) })
		if err != nil || len(behind) == 0 {
			return m.Batch, false, err
		}
	}
	if batch, err = l.bookRest(ctx, &m, d); err != nil {
		return 0, false, fmt.Errorf("book the rest of shard %d: %w", d.Shard, err)
	}
	return batch, true, nil
}

func (l *Ledger) bookRest(ctx context.Context, former *mark, d *rules.Decision) (batch uint64, err error) {
	if err := l.booker.submit(ctx, &booking{decisions: []*rules.Decision{d}, unmarked: true}); err != nil {
		return 0, err
	}
	highest, err := l.highestBatch(ctx, d.Shard)
	if err != nil {
		return 0, err
	}
	next := mark{
		Marker: rules.Marker{Shard: d.Shard, Batch: max(d.Batch, highest+1), Positions: d.Positions, LastSeq: d.LastSeq}, found: true, counted: true,
	}
	if next.tally, err = countAll(func(t *tallyTable) (tally, error) { return l.countBehind(ctx, t, former, d.LastSeq) }); err != nil {
		return 0, err
	}
	if former.counted {
		next.tally.addAll(former.tally)
	}
	if err := l.booker.submit(ctx, &booking{marks: []mark{next}}); err != nil {
		return 0, err
	}
	l.marks.put(next)
	return next.Batch, nil
}

// highestBatch is the highest of which any row of the shard is.
func (l *Ledger) highestBatch(ctx context.Context, shard int32) (batch uint64, err error) {
	var all []string
	for i := range tallyTables {
		all = append(all, "SELECT max(batch) AS highest FROM "+tallyTables[i].name+" WHERE shard = $1")
	}
	if err := l.reads.QueryRow(ctx, "SELECT max(highest) FROM ("+strings.Join(all, " UNION ALL ")+")", shard).Scan(&batch); err != nil {
		return 0, fmt.Errorf("look for the last batch of shard %d: %w", shard, explain(err))
	}
	return batch, nil
}

// next are the marks of decisions whose rows are booked, in their order; none of
// those that are marked already. group are the marks that are written with them.
func (l *Ledger) next(ctx context.Context, group []mark, decisions []*rules.Decision, digest *digester) ([]mark, error) {
	from := len(group)
	for _, d := range decisions {
		former, err := l.former(ctx, group, d)
		if err != nil {
			return nil, err
		}
		if former.found && d.Batch <= former.Batch {
			continue
		}
		next := former.after(d, digest)
		if err := l.countStored(ctx, &former, &next, d); err != nil {
			return nil, err
		}
		group = append(group, next)
	}
	return group[from:], nil
}

// countStored adds the rows of the set that the decision moves the mark over and
// that were stored before it: a rebuild decides those of which nothing was booked.
func (l *Ledger) countStored(ctx context.Context, former, next *mark, d *rules.Decision) error {
	if !next.counted || d.LastSeq <= former.LastSeq || uint64(len(d.Set)) == d.LastSeq-former.LastSeq {
		return nil
	}
	stored, err := l.countBehind(ctx, &tallyTables[0], former, d.LastSeq)
	if err != nil {
		return err
	}
	for key := range next.tally {
		if key.table == setTable {
			delete(next.tally, key)
		}
	}
	for key, of := range former.tally {
		if key.table == setTable {
			next.tally.add(key, of)
		}
	}
	next.tally.addAll(stored)
	return nil
}

// former is the mark that the decision follows: of the same group, as this
// process knows it, or as it stands in the ledger where that may be another.
func (l *Ledger) former(ctx context.Context, group []mark, d *rules.Decision) (mark, error) {
	for _, m := range slices.Backward(group) {
		if m.Shard == d.Shard {
			return m, nil
		}
	}
	if m, known := l.marks.get(d.Shard); known && m.Batch+1 == d.Batch {
		return m, nil
	}
	return l.mark(ctx, d.Shard)
}
