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
	"ristourne/rules/money"
)

// Limits of the server's memory for one rebuild; beyond them it sorts and sums
// on disk.
const (
	historyMemoryBytes = 512 << 20
	historyBlockRows   = 8192 // rows of a stream that are in our memory at once
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
	return l.streamHistories(ctx, shard, nil, each)
}

// HistoriesOf streams the named accounts of the shard, as Histories does all. Of
// one that the ledger doesn't know nothing comes.
func (l *Ledger) HistoriesOf(ctx context.Context, shard int32, refs []rules.AccountRef, each func(*rules.AccountHistory) error) error {
	const atOnce = 1000 // a query that names more could get too long for the server
	for some := range slices.Chunk(refs, atOnce) {
		if err := l.streamHistories(ctx, shard, some, each); err != nil {
			return err
		}
	}
	return nil
}

// streamHistories streams the accounts of only, or all where it is empty.
func (l *Ledger) streamHistories(ctx context.Context, shard int32, only []rules.AccountRef, each func(*rules.AccountHistory) error) (err error) {
	select {
	case l.histories <- struct{}{}:
		defer func() { <-l.histories }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// A stream that is broken off would be drained otherwise.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The map first: the others' lines take the ids from it.
	streams := []*stream{accountStream(), setStream(), bookedStream(), toldStream(), grantStream(), instructedStream()}
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
	scan func(driver.Rows) (uuid.UUID, error)
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
	ref, err := s.scan(s.rows)
	s.ref = rules.AccountRef(ref)
	return err
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
		query: `SELECT account_ref, account_id, member_id FROM accounts_log FINAL WHERE shard = $1 ORDER BY account_ref`,
		scan: func(rows driver.Rows) (ref uuid.UUID, err error) {
			return ref, rows.Scan(&ref, &row.AccountID, &row.MemberID)
		},
		add: func(h *rules.AccountHistory) error {
			h.AccountID, h.MemberID = row.AccountID, row.MemberID
			return nil
		},
	}
}

// setColumns are what scanSetRow reads.
const setColumns = `account_ref, seq, toInt8(cause_kind), cause_id, cause_partition, cause_offset, recorded_ms, toInt8(fate), type,
	transaction_id, amount_minor, currency, occurred_sec, occurred_nsec, merchant_id, mcc, partner_id, store_id, payload`

func scanSetRow(rows driver.Rows, r *rules.SetRow) (ref uuid.UUID, err error) {
	*r = rules.SetRow{}
	var kind, fate int8
	var currency string
	err = rows.Scan(&ref, &r.Seq, &kind, &r.Cause.ID, &r.Cause.Partition, &r.Cause.Offset, &r.Cause.RecordedAt, &fate, &r.Type,
		&r.TransactionID, &r.AmountMinor, &currency, &r.OccurredAt.Sec, &r.OccurredAt.Nsec, &r.MerchantID, &r.MCC, &r.PartnerID, &r.StoreID, &r.Payload)
	r.AccountRef, r.Cause.Kind, r.Fate, r.Currency = rules.AccountRef(ref), rules.CauseKind(kind), rules.Fate(fate), currencyOf(currency)
	return ref, err
}

// currencyOf is the inverse of appendCurrency.
func currencyOf(code string) (c money.Currency) {
	copy(c[:], code)
	return c
}

func setStream() *stream {
	var row rules.SetRow
	return &stream{
		what: "events and facts",
		// The rows lie in this order, so nothing is sorted; repeats are
		// neighbours and are dropped here, which is cheaper than FINAL.
		query: `SELECT ` + setColumns + ` FROM set_log WHERE shard = $1 ORDER BY shard, account_ref, seq, cause_id`,
		scan:  func(rows driver.Rows) (uuid.UUID, error) { return scanSetRow(rows, &row) },
		add: func(h *rules.AccountHistory) error {
			if n := len(h.Set); n > 0 && h.Set[n-1].Seq == row.Seq {
				if last := &h.Set[n-1]; last.Cause.ID != row.Cause.ID || last.Cause.Kind != row.Cause.Kind || !bytes.Equal(last.Payload, row.Payload) {
					return fmt.Errorf("%w: row %d of account %x has two contents, of %s %q and %s %q: find out which one the outbox held, and delete the other from set_log",
						ErrPermanent, row.Seq, h.Ref, last.Cause.Kind, last.Cause.ID, row.Cause.Kind, row.Cause.ID)
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

// lineKey is what the lines of an account add up by. Their programme is no part
// of the ledger's key: what facts book by themselves is kept apart by it alone.
const lineKey = `programme, account_ref, transaction_id, partner_id, store_id, offer_id, offer_version, beneficiary_ref, role, kind, unit, stage`

func bookedStream() *stream {
	var row rules.Accrual
	var accountID string
	return &stream{
		what:   "booked sums",
		keeper: lineKeeper,
		// Buyers of sponsors' lines live in any shard, so their ids are looked up;
		// theirs alone.
		query: `
			WITH argMax((campaign_ids, currency, purchased_sec, purchased_nsec, usable_sec, usable_nsec,
				expires_sec, expires_nsec, level, toInt8(channel), mcc), (recorded_ms, cause_offset)) AS newest
			SELECT line.*, buyer.account_id
			FROM
			(
				SELECT ` + lineKeeper + ` AS keeper, account_ref, beneficiary_ref,
					transaction_id, partner_id, store_id, offer_id, offer_version, toInt8(role), toInt8(kind), unit, toInt8(stage),
					sum(basis_minor) AS basis, sum(reward_minor) AS reward, sum(commission_minor) AS commission, sum(cost_minor) AS cost,
					programme, newest.1, newest.2, newest.3, newest.4, newest.5, newest.6, newest.7, newest.8, newest.9, newest.10, newest.11
				FROM accruals_log FINAL
				WHERE shard = $1
				GROUP BY ` + lineKey + `
				HAVING basis != 0 OR reward != 0 OR commission != 0 OR cost != 0
			) AS line
			LEFT ANY JOIN
			(
				SELECT account_ref, account_id FROM accounts_log FINAL
				WHERE account_ref IN (SELECT account_ref FROM accruals_log WHERE shard = $1 AND role = 'sponsor')
			) AS buyer ON buyer.account_ref = line.account_ref
			ORDER BY keeper`,
		scan: func(rows driver.Rows) (uuid.UUID, error) { return scanBooked(rows, &row, &accountID) },
		add: func(h *rules.AccountHistory) error {
			booked := row
			withIDs(&booked, accountID, h.AccountID, h.MemberID)
			h.Booked = append(h.Booked, booked)
			return nil
		},
	}
}

func scanBooked(rows driver.Rows, a *rules.Accrual, buyerAccountID *string) (keeper uuid.UUID, err error) {
	*a = rules.Accrual{}
	var account, beneficiary uuid.UUID
	var role, kind, stage, channel int8
	var currency string
	err = rows.Scan(&keeper, &account, &beneficiary,
		&a.TransactionID, &a.PartnerID, &a.StoreID, &a.OfferID, &a.OfferVersion, &role, &kind, &a.Unit, &stage,
		&a.BasisMinor, &a.RewardMinor, &a.CommissionMinor, &a.CostMinor,
		&a.Programme, &a.CampaignIDs, &currency, &a.PurchasedAt.Sec, &a.PurchasedAt.Nsec, &a.UsableFrom.Sec, &a.UsableFrom.Nsec,
		&a.ExpiresAt.Sec, &a.ExpiresAt.Nsec, &a.Level, &channel, &a.MCC, buyerAccountID)
	a.AccountRef, a.BeneficiaryRef, a.Currency = rules.AccountRef(account), rules.AccountRef(beneficiary), currencyOf(currency)
	a.Role, a.Kind, a.Stage, a.Channel = rules.Role(role), rules.Kind(kind), rules.Stage(stage), rules.Channel(channel)
	return keeper, err
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

// referralColumns are what scanReferral reads.
const referralColumns = referralKey + `, number, fact_id, store_id, offer_version, programme, currency,
	purchased_sec, purchased_nsec, at_sec, at_nsec, toInt8(channel), mcc,
	confirmed_basis_minor, confirmed_reward_minor, expected_basis_minor, expected_reward_minor,
	late_confirmed_reward_minor, late_expected_reward_minor, matched_refund,
	toInt8(cause_kind), cause_id, cause_partition, cause_offset, recorded_ms`

// scanReferral leaves the buyer's account id empty; it reads more columns into
// more.
func scanReferral(rows driver.Rows, r *rules.Referral, more ...any) (buyer uuid.UUID, err error) {
	*r = rules.Referral{}
	var channel, kind int8
	var matched uint8
	var currency string
	err = rows.Scan(append([]any{
		&buyer, &r.TransactionID, &r.PartnerID, &r.OfferID, &r.SponsorAccountID, &r.Number, &r.ID, &r.StoreID, &r.OfferVersion, &r.Programme, &currency,
		&r.PurchasedAt.Sec, &r.PurchasedAt.Nsec, &r.At.Sec, &r.At.Nsec, &channel, &r.MCC,
		&r.ConfirmedBasisMinor, &r.ConfirmedRewardMinor, &r.ExpectedBasisMinor, &r.ExpectedRewardMinor,
		&r.LateConfirmedRewardMinor, &r.LateExpectedRewardMinor, &matched,
		&kind, &r.Cause.ID, &r.Cause.Partition, &r.Cause.Offset, &r.Cause.RecordedAt,
	}, more...)...)
	r.BuyerRef, r.Currency = rules.AccountRef(buyer), currencyOf(currency)
	r.Channel, r.Cause.Kind, r.MatchedRefund = rules.Channel(channel), rules.CauseKind(kind), matched == 1
	return buyer, err
}

func toldStream() *stream {
	var row rules.Referral
	return &stream{
		what: "referrals told",
		query: `
			SELECT ` + referralColumns + `
			FROM referrals_told_log
			WHERE shard = $1
			ORDER BY ` + referralKey + `, number DESC LIMIT 1 BY ` + referralKey,
		scan: func(rows driver.Rows) (uuid.UUID, error) { return scanReferral(rows, &row) },
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
		scan: func(rows driver.Rows) (uuid.UUID, error) {
			err := scanGrant(rows, &row)
			return uuid.UUID(row.AccountRef), err
		},
		add: func(h *rules.AccountHistory) error {
			grant := row
			grant.AccountID = h.AccountID
			h.Grants = append(h.Grants, grant)
			return nil
		},
	}
}

func instructedStream() *stream {
	var currency string
	var netMinor int64
	return &stream{
		what: "instructions",
		query: `
			SELECT account_ref, currency, sum(if(direction = 'credit', amount_minor, -amount_minor))
			FROM instructions_log FINAL
			WHERE shard = $1
			GROUP BY account_ref, currency
			ORDER BY account_ref, currency`,
		scan: func(rows driver.Rows) (ref uuid.UUID, err error) {
			return ref, rows.Scan(&ref, &currency, &netMinor)
		},
		add: func(h *rules.AccountHistory) error {
			if h.InstructedMinor == nil {
				h.InstructedMinor = make(map[money.Currency]int64, 1)
			}
			h.InstructedMinor[currencyOf(currency)] = netMinor
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
		SELECT ` + instructionColumns + `
		FROM instructions_log AS i FINAL LEFT ANY JOIN accounts AS a ON a.account_ref = i.account_ref
		WHERE i.shard = $1 AND i.cause_offset >= transform(toInt8(i.cause_topic), $2, $3, toInt64(0)) AND ` + sinceMove("i.batch") + `
		ORDER BY i.cause_topic, i.cause_offset, i.instruction_id`
	rows, err := l.reads.Query(ctx, query, shard, storedTopics, from[:])
	if err != nil {
		return fmt.Errorf("read instructions of shard %d: %w", shard, explain(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		i, err := scanInstruction(rows)
		if err != nil {
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
		var buyerAccountID string
		if _, err := scanReferral(rows, &r, &buyerAccountID); err != nil {
			return fmt.Errorf("read referrals of shard %d: %w", shard, err)
		}
		r.BuyerAccountID = buyerAccountID
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

// instructionColumns are what scanInstruction reads, of i and its account a.
const instructionColumns = `i.account_ref, a.account_id, i.instruction_id, toInt8(i.direction), i.amount_minor, i.currency, i.statement_text,
	i.programme, i.cycle, i.reason, i.created_ms, toInt8(i.cause_kind), i.cause_id, i.cause_partition, i.cause_offset, i.recorded_ms`

func scanInstruction(rows driver.Rows) (i rules.Instruction, err error) {
	var ref uuid.UUID
	var direction, kind int8
	var currency string
	err = rows.Scan(&ref, &i.AccountID, &i.ID, &direction, &i.AmountMinor, &currency, &i.StatementText,
		&i.Programme, &i.Cycle, &i.Reason, &i.CreatedAt, &kind, &i.Cause.ID, &i.Cause.Partition, &i.Cause.Offset, &i.Cause.RecordedAt)
	i.AccountRef, i.Direction, i.Currency, i.Cause.Kind = rules.AccountRef(ref), rules.Direction(direction), currencyOf(currency), rules.CauseKind(kind)
	return i, err
}
