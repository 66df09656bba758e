package clickhouse

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

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
// key (keys whose sums are all 0 are left out) and what the bank was told to
// pay. It reads four sorted streams side by side and holds one account at a
// time. AccountID and MemberID are empty for an account that was erased.
//
// Two records with one Seq are an error: no state follows from such a ledger.
func (l *Ledger) Histories(ctx context.Context, shard int32, each func(*rules.AccountHistory) error) (err error) {
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
	streams := []*stream{accountStream(), setStream(), bookedStream(), instructedStream()}
	defer func() {
		cancel()
		for _, s := range streams {
			s.close()
		}
	}()
	for _, s := range streams {
		if err := s.open(ctx, l.reads, shard); err != nil {
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

// stream is the rows of one table, sorted by account reference.
type stream struct {
	what  string
	query string // its one parameter is the shard
	// scan reads the row at hand, whose account it returns; add puts it into
	// that account's history.
	scan func(driver.Rows) (uuid.UUID, error)
	add  func(*rules.AccountHistory) error

	rows driver.Rows
	ref  rules.AccountRef // of the row at hand
	more bool             // there is one
}

func (s *stream) open(ctx context.Context, conn driver.Conn, shard int32) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_block_size":                              historyBlockRows,
		"max_bytes_before_external_group_by":          historyMemoryBytes,
		"max_bytes_before_external_sort":              historyMemoryBytes,
		"do_not_merge_across_partitions_select_final": 1,
		"optimize_aggregation_in_order":               0,
		"max_execution_time":                          0,
	}))
	rows, err := conn.Query(ctx, s.query, shard)
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

func bookedStream() *stream {
	var row rules.Accrual
	return &stream{
		what: "booked sums",
		query: `
			WITH argMax((programme, campaign_ids, currency, purchased_sec, purchased_nsec, level, toInt8(channel), mcc),
				(recorded_ms, cause_offset)) AS newest
			SELECT account_ref, transaction_id, partner_id, store_id, offer_id, offer_version, toInt8(role), toInt8(kind), unit, toInt8(stage),
				sum(basis_minor) AS basis, sum(reward_minor) AS reward, sum(commission_minor) AS commission, sum(cost_minor) AS cost,
				newest.1, newest.2, newest.3, newest.4, newest.5, newest.6, newest.7, newest.8
			FROM accruals_log FINAL
			WHERE shard = $1
			GROUP BY account_ref, transaction_id, partner_id, store_id, offer_id, offer_version, beneficiary_ref, role, kind, unit, stage
			HAVING basis != 0 OR reward != 0 OR commission != 0 OR cost != 0
			ORDER BY account_ref, transaction_id, partner_id, store_id, offer_id, offer_version, beneficiary_ref, role, kind, unit, stage`,
		scan: func(rows driver.Rows) (uuid.UUID, error) { return scanBooked(rows, &row) },
		add: func(h *rules.AccountHistory) error {
			booked := row
			withIDs(&booked, h.AccountID, h.MemberID)
			h.Booked = append(h.Booked, booked)
			return nil
		},
	}
}

func scanBooked(rows driver.Rows, a *rules.Accrual) (ref uuid.UUID, err error) {
	*a = rules.Accrual{}
	var role, kind, stage, channel int8
	var currency string
	err = rows.Scan(&ref, &a.TransactionID, &a.PartnerID, &a.StoreID, &a.OfferID, &a.OfferVersion, &role, &kind, &a.Unit, &stage,
		&a.BasisMinor, &a.RewardMinor, &a.CommissionMinor, &a.CostMinor,
		&a.Programme, &a.CampaignIDs, &currency, &a.PurchasedAt.Sec, &a.PurchasedAt.Nsec, &a.Level, &channel, &a.MCC)
	a.AccountRef, a.Currency = rules.AccountRef(ref), currencyOf(currency)
	a.Role, a.Kind, a.Stage, a.Channel = rules.Role(role), rules.Kind(kind), rules.Stage(stage), rules.Channel(channel)
	return ref, err
}

// withIDs gives a line the personal ids that the map holds.
func withIDs(a *rules.Accrual, accountID, memberID string) {
	a.AccountID, a.MemberID, a.BeneficiaryID = accountID, memberID, accountID
	if a.Role == rules.RolePartner {
		a.BeneficiaryID = a.PartnerID
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

// InstructionsFrom streams the instructions of the shard whose cause stands at
// or behind from in its topic, in the order of their causes: those that may not
// have been paid yet. They are byte for byte what was booked.
func (l *Ledger) InstructionsFrom(ctx context.Context, shard int32, from rules.Heads, each func(rules.Instruction) error) (err error) {
	query := `
		SELECT ` + instructionColumns + `
		FROM instructions_log AS i FINAL LEFT ANY JOIN accounts AS a ON a.account_ref = i.account_ref
		WHERE i.shard = $1 AND i.cause_offset >= transform(toInt8(i.cause_topic), [0, 1, 2, 3], [$2, $3, $4, $5], toInt64(0))
		ORDER BY i.cause_topic, i.cause_offset, i.instruction_id`
	rows, err := l.reads.Query(ctx, query, shard, from[rules.TopicFacts], from[rules.TopicReferrals], from[rules.TopicResults], from[rules.TopicTransactions])
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
