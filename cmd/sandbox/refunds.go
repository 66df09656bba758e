package main

import (
	"context"
	"fmt"

	"ristourne/processor/audit"
	"ristourne/rules"
	"ristourne/rules/explain"
)

// readRefunds reads what ClickHouse tells of refunds that name no purchase.
func (s *sandbox) readRefunds(ctx context.Context, b *audit.Books) error {
	conn, err := s.openClickHouse()
	if err != nil {
		return fmt.Errorf("read refunds: %w", err)
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, `SELECT event_id, toString(state), toString(matched_transaction_id), amount_minor FROM unlinked_refunds`)
	if err != nil {
		return fmt.Errorf("read refunds: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var r audit.UnlinkedRefund
		if err := rows.Scan(&id, &r.State, &r.MatchedTo, &r.Minor); err != nil {
			return fmt.Errorf("read refunds: %w", err)
		}
		b.Refunds[id] = r
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read refunds: %w", err)
	}
	return nil
}

// How the reasons by which refunds find their purchase are called in the table.
var refundReasons = [...][2]string{
	{"only", "matched to the only one there"},
	{"store", "matched by the store"},
	{"card", "matched by the card"},
	{"amount", "matched by the exact amount"},
	{"time", "matched to the latest"},
	{"id", "matched by the larger id"},
}

const refundsWait = "matched to none"

// seeRefunds counts by what the refunds of a purchase were matched to it.
func (m *mechanisms) seeRefunds(x *explain.Explanation) {
	for _, e := range x.Events {
		if e.Unlinked == nil {
			continue
		}
		for _, reason := range refundReasons {
			if reason[0] == e.Unlinked.DecidedBy {
				m.refunds.count(reason[1], e.AmountMinor)
			}
		}
	}
}

// seeWaitingRefunds counts those that were matched to none.
func (m *mechanisms) seeWaitingRefunds(refunds map[string]audit.UnlinkedRefund) {
	for _, r := range refunds {
		if r.State == rules.RefundWaiting.String() {
			m.refunds.count(refundsWait, r.Minor)
		}
	}
}
