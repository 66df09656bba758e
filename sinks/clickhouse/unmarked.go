package clickhouse

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"ristourne/rules"
)

// Unmarked is what is booked of the accounts that have set rows behind afterSeq,
// by reference: of what those rows decided, line by line. An account of which
// nothing is booked is left out.
func (l *Ledger) Unmarked(ctx context.Context, shard int32, afterSeq uint64) (map[rules.AccountRef]*rules.Unmarked, error) {
	const behind = `FROM set_log WHERE shard = $1 AND seq > $2`
	all := map[rules.AccountRef]*rules.Unmarked{}
	of := func(ref rules.AccountRef) *rules.Unmarked {
		if all[ref] == nil {
			all[ref] = new(rules.Unmarked)
		}
		return all[ref]
	}
	lines, err := query(ctx, l, "lines behind the marker", scanned(accrualInto), `
		SELECT `+accrualColumns+` FROM accruals_log FINAL
		WHERE shard = $1 AND (`+lineKeeper+`, toInt8(cause_kind), cause_id) IN (SELECT account_ref, toInt8(cause_kind), cause_id `+behind+`)`, shard, afterSeq)
	if err != nil {
		return nil, err
	}
	for i := range lines {
		keeper := lines[i].AccountRef
		if lines[i].Role == rules.RoleSponsor {
			keeper = lines[i].BeneficiaryRef
		}
		of(keeper).Accruals = append(of(keeper).Accruals, lines[i])
	}
	instructions, err := query(ctx, l, "instructions behind the marker", scanInstruction, `
		SELECT `+instructionColumns+`, account_id
		FROM (SELECT * FROM instructions_log FINAL WHERE shard = $1
			AND (account_ref, toInt8(cause_kind), cause_id) IN (SELECT account_ref, toInt8(cause_kind), cause_id `+behind+`)) AS i`+withAccountIDs, shard, afterSeq)
	if err != nil {
		return nil, err
	}
	for i := range instructions {
		of(instructions[i].AccountRef).Instructions = append(of(instructions[i].AccountRef).Instructions, instructions[i])
	}
	grants, err := query(ctx, l, "grants behind the marker", scanned(grantInto), `
		SELECT `+grantColumns+` FROM grants_log FINAL
		WHERE shard = $1 AND account_ref IN (SELECT account_ref `+behind+`)
		ORDER BY account_ref, seq, batch, place`, shard, afterSeq)
	if err != nil {
		return nil, err
	}
	for i := range grants {
		of(grants[i].AccountRef).Grants = append(of(grants[i].AccountRef).Grants, grants[i])
	}
	told, err := query(ctx, l, "referrals behind the marker", scanned(referralInto), `
		SELECT `+referralColumns+` FROM referrals_told_log FINAL
		WHERE shard = $1 AND account_ref IN (SELECT account_ref `+behind+`)
		ORDER BY `+referralKey+`, number`, shard, afterSeq)
	if err != nil {
		return nil, err
	}
	for i := range told {
		of(told[i].BuyerRef).Told = append(of(told[i].BuyerRef).Told, told[i])
	}
	return all, nil
}

// InstructionIDs are those of the shard's instructions to the accounts.
func (l *Ledger) InstructionIDs(ctx context.Context, shard int32, refs []rules.AccountRef) (map[string]bool, error) {
	ids := map[string]bool{}
	const refsAtOnce = 1000
	for len(refs) > 0 {
		n := min(len(refs), refsAtOnce)
		some := make([]uuid.UUID, n)
		for i := range some {
			some[i] = uuid.UUID(refs[i])
		}
		refs = refs[n:]
		found, err := query(ctx, l, "instruction ids", func(rows driver.Rows, id *string) error { return rows.Scan(id) },
			`SELECT instruction_id FROM instructions_log WHERE shard = $1 AND account_ref IN ($2)`, shard, some)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			ids[id] = true
		}
	}
	return ids, nil
}
