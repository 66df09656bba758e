package clickhouse

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"ristourne/rules"
)

// Installations are those that have begun in this database: one, none before the
// first start. Two are a race that is not over, or a fault.
func (l *Ledger) Installations(ctx context.Context) ([]rules.Installation, error) {
	return query(ctx, l, "installation", func(rows driver.Rows, i *rules.Installation) error {
		return rows.Scan(&i.ID, &i.KeyFingerprint)
	}, `SELECT id, key_fingerprint FROM installation_log FINAL WHERE withdrawn = 0 ORDER BY id`)
}

// BeginInstallation writes that the installation begins in this database.
// Repeating it changes nothing.
func (l *Ledger) BeginInstallation(ctx context.Context, of rules.Installation) error {
	return l.putInstallation(ctx, of, 0)
}

// WithdrawInstallation takes BeginInstallation back: another came first.
func (l *Ledger) WithdrawInstallation(ctx context.Context, of rules.Installation) error {
	return l.putInstallation(ctx, of, 1)
}

func (l *Ledger) putInstallation(ctx context.Context, of rules.Installation, withdrawn uint8) error {
	err := l.reads.Exec(ctx, `INSERT INTO installation_log (id, key_fingerprint, withdrawn) SELECT $1, $2, $3`,
		of.ID, of.KeyFingerprint, withdrawn)
	if err != nil {
		return fmt.Errorf("write the installation: %w", explain(err))
	}
	return nil
}

// HasBooked reports whether any shard has ever booked into this database.
func (l *Ledger) HasBooked(ctx context.Context) (bool, error) {
	var booked uint8
	err := l.reads.QueryRow(ctx, `SELECT (SELECT count() FROM (SELECT 1 FROM markers_log LIMIT 1)) + (SELECT count() FROM (SELECT 1 FROM set_log LIMIT 1)) > 0`).Scan(&booked)
	if err != nil {
		return false, fmt.Errorf("look for what was booked: %w", explain(err))
	}
	return booked > 0, nil
}

// AnyAccount is one account of the map with its reference, of those that are not
// erased; false where there is none. By it a ledger tells whether a secret is
// the one that its references were derived under.
func (l *Ledger) AnyAccount(ctx context.Context) (accountID string, ref rules.AccountRef, found bool, err error) {
	type account struct {
		id  string
		ref uuid.UUID
	}
	accounts, err := query(ctx, l, "an account", func(rows driver.Rows, a *account) error {
		return rows.Scan(&a.id, &a.ref)
	}, `SELECT account_id, account_ref FROM accounts_log WHERE account_id != '' LIMIT 1`)
	if err != nil || len(accounts) == 0 {
		return "", rules.AccountRef{}, false, err
	}
	return accounts[0].id, rules.AccountRef(accounts[0].ref), true, nil
}

// Layouts are the numbers of shards over which accounts are laid out: one, none
// before the first start.
func (l *Ledger) Layouts(ctx context.Context) ([]int, error) {
	numbers, err := query(ctx, l, "the number of shards", func(rows driver.Rows, n *int32) error {
		return rows.Scan(n)
	}, `SELECT shards FROM layout_log FINAL ORDER BY shards`)
	shards := make([]int, len(numbers))
	for i, n := range numbers {
		shards[i] = int(n)
	}
	return shards, err
}

// BeginLayout writes the number of shards. Repeating it changes nothing.
func (l *Ledger) BeginLayout(ctx context.Context, shards int) error {
	if err := l.reads.Exec(ctx, `INSERT INTO layout_log (shards) SELECT $1`, int32(shards)); err != nil {
		return fmt.Errorf("write the number of shards: %w", explain(err))
	}
	return nil
}

// AccountOf is the row of the map that has the account's id; false: none has.
func (l *Ledger) AccountOf(ctx context.Context, accountID string) (row rules.AccountRow, known bool, err error) {
	rows, err := query(ctx, l, "an account", scanned(accountRowInto),
		`SELECT `+accountRowColumns+` FROM accounts_log FINAL WHERE account_id = $1 AND account_id != '' LIMIT 1`, accountID)
	if err != nil || len(rows) == 0 {
		return rules.AccountRow{}, false, err
	}
	return rows[0], true, nil
}

// AccountsOf are the rows of the references that are not erased.
func (l *Ledger) AccountsOf(ctx context.Context, refs []rules.AccountRef) (all []rules.AccountRow, err error) {
	const refsAtOnce = 1000
	for some := range slices.Chunk(refs, refsAtOnce) {
		of := make([]uuid.UUID, len(some))
		for i := range some {
			of[i] = uuid.UUID(some[i])
		}
		rows, err := query(ctx, l, "accounts", scanned(accountRowInto),
			`SELECT `+accountRowColumns+` FROM accounts_log FINAL WHERE account_id != '' AND account_ref IN ($1)`, of)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}
