package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"ristourne/rules"
)

// query runs one and scans its rows. what names them in errors.
func query[T any](ctx context.Context, l *Ledger, what string, scan func(driver.Rows, *T) error, sql string, args ...any) ([]T, error) {
	rows, err := l.reads.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, explain(err))
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var row T
		if err := scan(rows, &row); err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, explain(err))
	}
	return all, nil
}

// Total is the sum of many lines, in minor units of Currency.
type Total struct {
	PartnerID, OfferID string // empty offer: the partner's own terms, or adjustments; both empty in Totals
	Stage              rules.Stage
	Currency           string
	Lines              uint64
	RewardMinor        int64 // rewards in money; points are in CostMinor alone
	CommissionMinor    int64
	CostMinor          int64
}

// MarginMinor is what the rewards leave of the commission.
func (t Total) MarginMinor() int64 { return t.CommissionMinor - t.CostMinor }

// totalSums are read by scanTotal.
const totalSums = `toInt8(stage), currency, count(), sumIf(reward_minor, kind != 'points'), sum(commission_minor), sum(cost_minor)`

func scanTotal(rows driver.Rows, t *Total) error {
	var stage int8
	err := rows.Scan(&t.PartnerID, &t.OfferID, &stage, &t.Currency, &t.Lines, &t.RewardMinor, &t.CommissionMinor, &t.CostMinor)
	t.Stage = rules.Stage(stage)
	return err
}

// TotalsByOffer sums the ledger by partner, offer, stage and currency.
func (l *Ledger) TotalsByOffer(ctx context.Context) ([]Total, error) {
	return query(ctx, l, "totals by offer", scanTotal, `
		SELECT partner_id, offer_id, `+totalSums+`
		FROM ledger GROUP BY partner_id, offer_id, stage, currency ORDER BY partner_id, offer_id, stage, currency`)
}

// Totals sums the whole ledger by stage and currency.
func (l *Ledger) Totals(ctx context.Context) ([]Total, error) {
	return query(ctx, l, "totals", scanTotal, `
		SELECT '', '', `+totalSums+` FROM ledger GROUP BY stage, currency ORDER BY stage, currency`)
}

// Counts says how many rows there are, replays counted once.
type Counts struct {
	Accruals, Events, Instructions, Results, Accounts, CatalogueVersions uint64
	Grants, ReferralsTold                                                uint64 // of a referral the newest number alone
	CreditMinor, DebitMinor                                              int64  // of all instructions, whatever their currency
}

// Counts counts the rows of each table.
func (l *Ledger) Counts(ctx context.Context) (c Counts, err error) {
	err = l.reads.QueryRow(ctx, `
		SELECT (SELECT count() FROM ledger), (SELECT count() FROM events), (SELECT count() FROM instructions),
			(SELECT count() FROM results), (SELECT count() FROM accounts), (SELECT count() FROM catalogue_versions),
			(SELECT count() FROM grants), (SELECT count() FROM referrals_told),
			(SELECT sumIf(amount_minor, direction = 'credit') FROM instructions), (SELECT sumIf(amount_minor, direction = 'debit') FROM instructions)`).
		Scan(&c.Accruals, &c.Events, &c.Instructions, &c.Results, &c.Accounts, &c.CatalogueVersions, &c.Grants, &c.ReferralsTold, &c.CreditMinor, &c.DebitMinor)
	if err != nil {
		return c, fmt.Errorf("count rows: %w", explain(err))
	}
	return c, nil
}

// maxConflicts bounds what Conflicts lists; one is too many already.
const maxConflicts = 1000

// Conflicts finds accrual ids, instruction ids, referral ids and places in a
// shard's set and among its grants with two contents, also where ClickHouse has merged repeats. It reads whole tables.
func (l *Ledger) Conflicts(ctx context.Context) ([]rules.Conflict, error) {
	var all []rules.Conflict
	for _, of := range []struct{ table, id, content string }{
		// The engine and the place in Kafka may differ between two bookings of
		// one line, and say nothing of what it is worth.
		{"accruals_log", "lower(hex(accrual_id))", "tuple(" + accrualContent + ")"},
		{"instructions_log", "instruction_id", "tuple(account_ref, direction, amount_minor, currency, programme, cycle)"},
		{
			"grants_log", "concat(toString(shard), '/', toString(seq), '/', toString(batch), '/', toString(place))",
			"tuple(budget, account_ref, transaction_id, target_minor, granted_minor, change_minor)",
		},
		{"referrals_told_log", "fact_id", `tuple(account_ref, transaction_id, partner_id, offer_id, sponsor_account_id, number,
			confirmed_basis_minor, confirmed_reward_minor, expected_basis_minor, expected_reward_minor,
			late_confirmed_reward_minor, late_expected_reward_minor)`},
		{"set_log", "concat(toString(shard), '/', toString(seq))", "tuple(account_ref, cause_kind, cause_id, payload)"},
	} {
		found, err := query(ctx, l, "conflicts in "+of.table, func(rows driver.Rows, c *rules.Conflict) error {
			c.Table = of.table
			return rows.Scan(&c.ID, &c.Contents)
		}, fmt.Sprintf(`
			SELECT %[2]s AS id, groupUniqArray(10)(toString(%[3]s))
			FROM %[1]s
			WHERE %[2]s IN (SELECT %[2]s FROM %[1]s GROUP BY %[2]s HAVING min(sipHash64(%[3]s)) != max(sipHash64(%[3]s)) LIMIT %[4]d)
			GROUP BY id ORDER BY id
			SETTINGS max_bytes_before_external_group_by = %[5]d`, of.table, of.id, of.content, maxConflicts, historyMemoryBytes))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Trace is what the ledger knows of a transaction or an account.
type Trace struct {
	Accounts     []rules.AccountRow
	Set          []rules.SetRow      // in the order of Seq
	Accruals     []rules.Accrual     // in the order of their causes
	Instructions []rules.Instruction // of an account: all; of a transaction: those of the same causes
	Grants       []rules.Grant       // what each purchase has of each budget
	Truncated    bool                // there is more than is shown
}

// maxTraceRows bounds each part of a Trace.
const maxTraceRows = 20_000

// Transaction is what was seen of a transaction and what it earned. Several
// accounts may have used one transaction id.
func (l *Ledger) Transaction(ctx context.Context, transactionID string) (*Trace, error) {
	return l.trace(ctx, `SELECT shard, account_ref FROM set_log WHERE transaction_id = $1`,
		`AND transaction_id = $1`,
		`AND cause_id IN (SELECT cause_id FROM set_log WHERE transaction_id = $1)`, transactionID)
}

// Account is all that is known of an account.
func (l *Ledger) Account(ctx context.Context, accountID string) (*Trace, error) {
	return l.trace(ctx, `SELECT shard, account_ref FROM accounts_log WHERE account_id = $1`, ``, ``, accountID)
}

// trace reads what belongs to the accounts that a query finds. Its conditions
// may use the one parameter as $1.
func (l *Ledger) trace(ctx context.Context, accounts, condition, instructionCondition, parameter string) (*Trace, error) {
	var t Trace
	var err error
	where := `WHERE (shard, account_ref) IN (` + accounts + `) `
	limit := fmt.Sprintf(" LIMIT %d", maxTraceRows+1)

	if t.Accounts, err = query(ctx, l, "accounts", scanned(accountRowInto),
		`SELECT `+accountRowColumns+` FROM accounts_log FINAL `+where+`ORDER BY account_id`+limit, parameter); err != nil {
		return nil, err
	}
	if t.Set, err = query(ctx, l, "events and facts", scanned(setRowInto),
		`SELECT `+setRowColumns+` FROM set_log FINAL `+where+condition+` ORDER BY seq`+limit, parameter); err != nil {
		return nil, err
	}
	if t.Accruals, err = query(ctx, l, "accruals", scanned(accrualInto),
		`SELECT `+accrualColumns+` FROM (`+keptWith(accounts)+`) WHERE true `+condition+` ORDER BY recorded_ms, cause_offset, role, stage, offer_id, accrual_id`+limit, parameter); err != nil {
		return nil, err
	}
	buyers, err := query(ctx, l, "buyers", scanned(accountRowInto),
		`SELECT `+accountRowColumns+` FROM accounts_log FINAL
		WHERE account_ref IN (SELECT account_ref FROM accruals_log WHERE role = 'sponsor' AND (shard, beneficiary_ref) IN (`+accounts+`))`+limit, parameter)
	if err != nil {
		return nil, err
	}
	if t.Instructions, err = query(ctx, l, "instructions", scanInstruction, `
		SELECT `+instructionColumns+`, account_id
		FROM (SELECT * FROM instructions_log FINAL `+where+instructionCondition+`) AS i`+withAccountIDs+`
		ORDER BY recorded_ms, cause_offset, instruction_id`+limit, parameter); err != nil {
		return nil, err
	}
	if t.Grants, err = query(ctx, l, "grants", scanned(grantInto), `
		SELECT `+grantColumns+` FROM grants_log `+where+condition+`
		ORDER BY account_ref, budget, transaction_id, seq DESC, batch DESC, place DESC LIMIT 1 BY account_ref, budget, transaction_id`+limit, parameter); err != nil {
		return nil, err
	}
	t.bound()
	t.nameAccounts(buyers)
	return &t, nil
}

// keptWith are the lines that are kept with the accounts that a query finds. No
// index leads from a sponsor to their lines: the few columns that find them are
// read for the whole shard, and only then the lines.
func keptWith(accounts string) string {
	const sponsors = `role = 'sponsor' AND (shard, beneficiary_ref) IN (%[1]s)`
	return fmt.Sprintf(`
		SELECT * FROM accruals_log FINAL WHERE role != 'sponsor' AND (shard, account_ref) IN (%[1]s)
		UNION ALL
		SELECT * FROM accruals_log FINAL WHERE `+sponsors+`
			AND (shard, partner_id, account_ref) IN (SELECT shard, partner_id, account_ref FROM accruals_log WHERE `+sponsors+`)`, accounts)
}

func (t *Trace) bound() {
	t.Truncated = max(len(t.Accounts), len(t.Set), len(t.Accruals), len(t.Instructions), len(t.Grants)) > maxTraceRows
	t.Grants = t.Grants[:min(len(t.Grants), maxTraceRows)]
	t.Accounts = t.Accounts[:min(len(t.Accounts), maxTraceRows)]
	t.Set = t.Set[:min(len(t.Set), maxTraceRows)]
	t.Accruals = t.Accruals[:min(len(t.Accruals), maxTraceRows)]
	t.Instructions = t.Instructions[:min(len(t.Instructions), maxTraceRows)]
}

// nameAccounts gives the lines the ids of the map, which are empty where one was
// erased. The buyers are those of sponsors' lines.
func (t *Trace) nameAccounts(buyers []rules.AccountRow) {
	byRef := make(map[rules.AccountRef]rules.AccountRow, len(t.Accounts)+len(buyers))
	for _, row := range append(buyers, t.Accounts...) {
		byRef[row.Ref] = row
	}
	for i := range t.Accruals {
		a := &t.Accruals[i]
		keeper := byRef[a.AccountRef]
		if a.Role == rules.RoleSponsor {
			keeper = byRef[a.BeneficiaryRef]
		}
		withIDs(a, byRef[a.AccountRef].AccountID, keeper.AccountID, keeper.MemberID)
	}
}
