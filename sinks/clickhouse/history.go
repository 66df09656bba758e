package clickhouse

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"ristourne/rules"
)

// Limits of the server's memory for one rebuild; beyond them it sorts and sums
// on disk.
const (
	historyMemoryBytes = 512 << 20
	historyBlockRows   = 8192 // rows of a stream that are in our memory at once
	// historySendSeconds is how long the server waits for us to take more of a stream,
	// while we wait for another one to be sorted.
	historySendSeconds = 6 * 3600
)

// Histories streams every account of the shard, in no order that means
// anything: the map's row, the set in the order of Seq, what is booked by line
// key (keys whose sums are all 0 are left out), what it told sponsors, what it
// has of budgets, and what the bank was told to pay. It reads sorted streams
// side by side and holds one account at a time. AccountID and MemberID are empty
// for an account that was erased; so is the AccountID of a sponsor's line whose
// buyer was.
//
// Two records with one Seq are an error: no state follows from such a ledger.
func (l *Ledger) Histories(ctx context.Context, shard int32, each func(*rules.AccountHistory) error) (err error) {
	return l.streamHistories(ctx, shard, nil, summedStreams(), each)
}

// HistoriesOf streams the named accounts of the shard, as Histories does all. Of
// one that the ledger doesn't know nothing comes.
func (l *Ledger) HistoriesOf(ctx context.Context, shard int32, refs []rules.AccountRef, each func(*rules.AccountHistory) error) error {
	const atOnce = 1000 // a query that names more could get too long for the server
	for some := range slices.Chunk(refs, atOnce) {
		if err := l.streamHistories(ctx, shard, some, summedStreams(), each); err != nil {
			return err
		}
	}
	return nil
}

// summedStreams are those of Histories. The map comes first: the others' lines take
// the ids from it.
func summedStreams() []*stream {
	return []*stream{accountStream(), setStream(refuseTwo), bookedStream(), toldStream(), grantStream(), instructedStream()}
}

// Rows streams every account of the shard as Histories does, of each all rows in
// place of sums and of what is newest, up to a marker as far as rows don't say by
// their cause what they are of. Of two records with one Seq both come. Rows of an
// account that the map doesn't have come without its id.
func (l *Ledger) Rows(ctx context.Context, upTo *rules.Marker, each func(*rules.AccountHistory) error) error {
	return l.streamHistories(ctx, upTo.Shard, nil, []*stream{
		accountStream(), setStream(takeTwo), lineStream(), toldRowStream(), grantRowStream(), instructedStream(), resultStream(upTo.Batch),
	}, each)
}

// streamHistories streams the accounts of only, or all where it is empty.
func (l *Ledger) streamHistories(ctx context.Context, shard int32, only []rules.AccountRef, streams []*stream, each func(*rules.AccountHistory) error) (err error) {
	select {
	case l.histories <- struct{}{}:
		defer func() { <-l.histories }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// A stream that is broken off would be drained otherwise.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		cancel()
		for _, s := range streams {
			s.close()
		}
	}()
	for _, s := range openingOrder(streams) {
		if err := s.open(ctx, l.reads, shard, only); err != nil {
			return fmt.Errorf("read %s of shard %d: %w", s.what, shard, explain(err))
		}
	}
	for {
		next := earliest(streams)
		if next == nil {
			return nil
		}
		h := &rules.AccountHistory{Ref: next.ref}
		for _, s := range streams {
			if err := s.take(h); err != nil {
				return fmt.Errorf("read %s of shard %d: %w", s.what, shard, explain(err))
			}
		}
		if err := each(h); err != nil {
			return err
		}
	}
}

// setStreamAt is the place of the set's stream among those of Histories.
const setStreamAt = 1

// openingOrder puts the set last. Each stream shows its table as it is when it is
// opened; while a shard's owner goes on booking, no line is seen then whose
// event is not.
func openingOrder(streams []*stream) []*stream {
	return append(slices.Concat(streams[:setStreamAt], streams[setStreamAt+1:]), streams[setStreamAt])
}

// stream is the rows of one table, sorted by account reference.
type stream struct {
	what  string
	query string // its one parameter is the shard
	// keeper is the account that a row is kept with; empty: its account_ref.
	keeper string
	// scan reads the row at hand, whose account it returns; add puts it into
	// that account's history.
	scan func(driver.Rows) (rules.AccountRef, error)
	add  func(*rules.AccountHistory) error

	rows driver.Rows
	ref  rules.AccountRef // of the row at hand
	more bool             // there is one
}

// of is the condition that a row is of one of the accounts.
func (s *stream) of(only []rules.AccountRef) string {
	keeper := "account_ref"
	if s.keeper != "" {
		keeper = s.keeper
	}
	var in strings.Builder
	for i, ref := range only {
		if i > 0 {
			in.WriteString(", ")
		}
		in.WriteString("toUUID('" + uuid.UUID(ref).String() + "')")
	}
	return keeper + " IN (" + in.String() + ")"
}

func (s *stream) open(ctx context.Context, conn driver.Conn, shard int32, only []rules.AccountRef) error {
	query := s.query
	if len(only) > 0 {
		query = strings.ReplaceAll(query, "shard = $1", "shard = $1 AND "+s.of(only))
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_block_size":                              historyBlockRows,
		"max_bytes_before_external_group_by":          historyMemoryBytes,
		"max_bytes_before_external_sort":              historyMemoryBytes,
		"do_not_merge_across_partitions_select_final": 1,
		"optimize_aggregation_in_order":               0,
		"max_execution_time":                          0,
		"send_timeout":                                historySendSeconds,
	}))
	rows, err := conn.Query(ctx, query, shard)
	if err != nil {
		return err // rows is no nil interface then, and can't be closed
	}
	s.rows = rows
	return s.next()
}

func (s *stream) next() error {
	if s.more = s.rows.Next(); !s.more {
		return s.rows.Err()
	}
	var err error
	s.ref, err = s.scan(s.rows)
	return err
}

// into scans one row after another into row, whose columns go where into says.
func into[T any](row *T, account *rules.AccountRef, into []any) func(driver.Rows) (rules.AccountRef, error) {
	return func(rows driver.Rows) (rules.AccountRef, error) {
		var empty T
		*row = empty
		err := rows.Scan(into...)
		return *account, err
	}
}

// take adds all rows of the history's account.
func (s *stream) take(h *rules.AccountHistory) error {
	for s.more && s.ref == h.Ref {
		if err := s.add(h); err != nil {
			return err
		}
		if err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) close() {
	if s.rows != nil {
		_ = s.rows.Close() // its error was seen by next, or is the cancellation
	}
}

// earliest is the stream whose row at hand comes first, nil when all are at
// their end.
func earliest(streams []*stream) *stream {
	var first *stream
	for _, s := range streams {
		if s.more && (first == nil || compareRefs(s.ref, first.ref) < 0) {
			first = s
		}
	}
	return first
}

// compareRefs is the order in which ClickHouse sorts UUIDs: by the second half,
// then by the first.
func compareRefs(a, b rules.AccountRef) int {
	return cmp.Or(bytes.Compare(a[8:], b[8:]), bytes.Compare(a[:8], b[:8]))
}

func accountStream() *stream {
	var row rules.AccountRow
	return &stream{
		what:  "accounts",
		query: `SELECT ` + accountRowColumns + ` FROM accounts_log FINAL WHERE shard = $1 ORDER BY account_ref`,
		scan:  into(&row, &row.Ref, accountRowInto(nil, &row)),
		add: func(h *rules.AccountHistory) error {
			h.AccountID, h.MemberID = row.AccountID, row.MemberID
			return nil
		},
	}
}

// refuseTwo is for two records of one place in a set: no state follows from them.
func refuseTwo(h *rules.AccountHistory, one, other *rules.SetRow) error {
	return fmt.Errorf("%w: row %d of account %x has two contents, of %s %q and %s %q: find out which one the outbox held, and delete the other from set_log",
		ErrPermanent, other.Seq, h.Ref, one.Cause.Kind, one.Cause.ID, other.Cause.Kind, other.Cause.ID)
}

// takeTwo is for whoever tells of both.
func takeTwo(h *rules.AccountHistory, _, other *rules.SetRow) error {
	h.Set = append(h.Set, *other)
	return nil
}

func setStream(two func(h *rules.AccountHistory, one, other *rules.SetRow) error) *stream {
	var row rules.SetRow
	return &stream{
		what: "events and facts",
		// The rows lie in this order, so nothing is sorted; repeats are
		// neighbours and are dropped here, which is cheaper than FINAL.
		query: `SELECT ` + setRowColumns + ` FROM set_log WHERE shard = $1 ORDER BY shard, account_ref, seq, cause_id`,
		scan:  into(&row, &row.AccountRef, setRowInto(nil, &row)),
		add: func(h *rules.AccountHistory) error {
			if n := len(h.Set); n > 0 && h.Set[n-1].Seq == row.Seq {
				if last := &h.Set[n-1]; last.Cause.ID != row.Cause.ID || last.Cause.Kind != row.Cause.Kind || !bytes.Equal(last.Payload, row.Payload) {
					return two(h, last, &row)
				}
				return nil
			}
			h.Set = append(h.Set, row)
			return nil
		},
	}
}

// lineKeeper is the account with which a line is kept: a sponsor's line with the
// sponsor's, every other with the account whose purchase it is.
const lineKeeper = `if(role = 'sponsor', beneficiary_ref, account_ref)`

func bookedStream() *stream {
	var row rules.Accrual
	var keeper rules.AccountRef
	var accountID string
	return &stream{
		what:   "booked sums",
		keeper: lineKeeper,
		// Their programme is no part of the ledger's key: what facts book by themselves
		// is kept apart by it alone. Buyers of sponsors' lines live in any shard, so
		// their ids are looked up; theirs alone.
		query: `
			WITH ` + accrualNewest + ` AS newest
			SELECT line.*, buyer.account_id
			FROM
			(
				SELECT ` + lineKeeper + ` AS keeper, ` + accrualBooked + `
				FROM accruals_log FINAL
				WHERE shard = $1
				GROUP BY ` + accrualKey + `
				HAVING ` + accrualIsBooked + `
			) AS line
			LEFT ANY JOIN
			(
				SELECT account_ref, account_id FROM accounts_log FINAL
				WHERE account_ref IN (SELECT account_ref FROM accruals_log WHERE shard = $1 AND role = 'sponsor')
			) AS buyer ON buyer.account_ref = line.account_ref
			ORDER BY keeper`,
		scan: into(&row, &keeper, append(accrualBookedInto([]any{(*uuid.UUID)(&keeper)}, &row), &accountID)),
		add: func(h *rules.AccountHistory) error {
			booked := row
			withIDs(&booked, accountID, h.AccountID, h.MemberID)
			h.Booked = append(h.Booked, booked)
			return nil
		},
	}
}

// withIDs gives a line the personal ids of the map: of a sponsor's line the
// buyer's, and those of the account with which the line is kept.
func withIDs(a *rules.Accrual, buyerAccountID, keeperAccountID, keeperMemberID string) {
	a.AccountID, a.MemberID, a.BeneficiaryID = keeperAccountID, keeperMemberID, keeperAccountID
	switch a.Role {
	case rules.RolePartner:
		a.BeneficiaryID = a.PartnerID
	case rules.RoleSponsor:
		a.AccountID = buyerAccountID
	}
}

// referralKey names what the newest number of a referral stands for.
const referralKey = `account_ref, transaction_id, partner_id, offer_id, sponsor_account_id`

func toldStream() *stream {
	var row rules.Referral
	return &stream{
		what: "referrals told",
		query: `
			SELECT ` + referralColumns + `
			FROM referrals_told_log
			WHERE shard = $1
			ORDER BY ` + referralKey + `, number DESC LIMIT 1 BY ` + referralKey,
		scan: into(&row, &row.BuyerRef, referralInto(nil, &row)),
		add: func(h *rules.AccountHistory) error {
			told := row
			told.BuyerAccountID = h.AccountID
			h.Told = append(h.Told, told)
			return nil
		},
	}
}

func grantStream() *stream {
	var row rules.Grant
	return &stream{
		what: "grants",
		query: `
			SELECT ` + grantColumns + `
			FROM grants_log
			WHERE shard = $1
			ORDER BY account_ref, budget, transaction_id, seq DESC, batch DESC, place DESC LIMIT 1 BY account_ref, budget, transaction_id`,
		scan: into(&row, &row.AccountRef, grantInto(nil, &row)),
		add: func(h *rules.AccountHistory) error {
			grant := row
			grant.AccountID = h.AccountID
			h.Grants = append(h.Grants, grant)
			return nil
		},
	}
}

func instructedStream() *stream {
	var row rules.Instruction
	return &stream{
		what: "instructions",
		query: `
			SELECT ` + instructionColumns + `
			FROM instructions_log FINAL
			WHERE shard = $1
			ORDER BY account_ref, cause_topic, cause_offset, instruction_id`,
		scan: into(&row, &row.AccountRef, instructionInto(nil, &row)),
		add: func(h *rules.AccountHistory) error {
			given := row
			given.AccountID = h.AccountID
			h.Instructed = append(h.Instructed, given)
			return nil
		},
	}
}

// storedTopics are the topics as cause_topic has them, in the order of rules.Positions.
var storedTopics = func() (stored []int8) {
	for topic := range rules.NumTopics {
		stored = append(stored, int8(topic))
	}
	return stored
}()

// storedCauses are the kinds of a cause as cause_kind has them.
var storedCauses = []int8{int8(rules.CauseEvent), int8(rules.CauseFact), int8(rules.CauseResult), int8(rules.CauseReferral)}

// positionsOfCauses are the positions in the topics that storedCauses come from.
func positionsOfCauses(from *rules.Positions) (positions []int64) {
	for _, kind := range storedCauses {
		positions = append(positions, from[rules.CauseKind(kind).Topic()])
	}
	return positions
}

// InstructionsFrom streams the instructions of the shard whose cause stands at
// or behind from in its topic, in the order of their causes: those that may not
// have been paid yet. They are byte for byte what was booked. Those of batches
// before a move are paid, and their offsets mean nothing now.
func (l *Ledger) InstructionsFrom(ctx context.Context, shard int32, from rules.Positions, each func(rules.Instruction) error) (err error) {
	query := `
		SELECT ` + instructionColumns + `, account_id
		FROM instructions_log AS i FINAL` + withAccountIDs + `
		WHERE shard = $1 AND cause_offset >= transform(toInt8(cause_topic), $2, $3, toInt64(0)) AND ` + sinceMove("batch") + `
		ORDER BY cause_topic, cause_offset, instruction_id`
	rows, err := l.reads.Query(ctx, query, shard, storedTopics, from[:])
	if err != nil {
		return fmt.Errorf("read instructions of shard %d: %w", shard, explain(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var i rules.Instruction
		if err := scanInstruction(rows, &i); err != nil {
			return fmt.Errorf("read instructions of shard %d: %w", shard, err)
		}
		if err := each(i); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read instructions of shard %d: %w", shard, explain(err))
	}
	return nil
}

// ReferralsFrom streams the referrals of the shard whose cause stands at or
// behind from in its topic: those that may not have been published yet.
// Publishing one again changes nothing, and those of batches before a move are. The newer of
// a key comes later where one topic made both; their numbers tell in any case. An erased buyer's have no
// BuyerAccountID.
func (l *Ledger) ReferralsFrom(ctx context.Context, shard int32, from rules.Positions, each func(rules.Referral) error) (err error) {
	rows, err := l.reads.Query(ctx, `
		SELECT `+referralColumns+`, account_id
		FROM referrals_told_log AS r FINAL
		LEFT ANY JOIN (SELECT account_ref, account_id FROM accounts_log FINAL WHERE shard = $1) AS a USING (account_ref)
		WHERE shard = $1 AND cause_offset >= transform(toInt8(cause_kind), $2, $3, toInt64(0)) AND `+sinceMove("batch")+`
		ORDER BY cause_kind, cause_offset, `+referralKey+`, number
		SETTINGS do_not_merge_across_partitions_select_final = 1`,
		shard, storedCauses, positionsOfCauses(&from))
	if err != nil {
		return fmt.Errorf("read referrals of shard %d: %w", shard, explain(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r rules.Referral
		if err := rows.Scan(append(referralInto(nil, &r), &r.BuyerAccountID)...); err != nil {
			return fmt.Errorf("read referrals of shard %d: %w", shard, err)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read referrals of shard %d: %w", shard, explain(err))
	}
	return nil
}

// Spent is what each shard has booked of a budget: the sum of the changes of
// its grants, repeats counted once. Shards that never granted of it are left out.
func (l *Ledger) Spent(ctx context.Context, budget rules.BudgetKey) (byShard map[int32]int64, err error) {
	rows, err := l.reads.Query(ctx, `
		SELECT shard, sum(change_minor) FROM grants_log FINAL WHERE budget = $1 GROUP BY shard
		SETTINGS do_not_merge_across_partitions_select_final = 1`, string(budget))
	if err != nil {
		return nil, fmt.Errorf("read what budget %s has given: %w", budget, explain(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	byShard = map[int32]int64{}
	for rows.Next() {
		var shard int32
		var grantedMinor int64
		if err := rows.Scan(&shard, &grantedMinor); err != nil {
			return nil, fmt.Errorf("read what budget %s has given: %w", budget, err)
		}
		byShard[shard] = grantedMinor
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what budget %s has given: %w", budget, explain(err))
	}
	return byShard, nil
}
