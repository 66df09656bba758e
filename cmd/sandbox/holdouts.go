package main

import (
	"context"
	"fmt"

	"ristourne/processor/audit"
)

// readHoldouts reads the view that the bank's analysts read.
func (s *sandbox) readHoldouts(ctx context.Context, b *audit.Books) error {
	conn, err := s.openClickHouse()
	if err != nil {
		return fmt.Errorf("read holdouts: %w", err)
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, `
		SELECT a.account_id, e.cause_id, e.holdouts, e.held_out
		FROM events AS e INNER JOIN accounts AS a ON a.account_ref = e.account_ref
		WHERE notEmpty(e.holdouts) ORDER BY ALL`)
	if err != nil {
		return fmt.Errorf("read holdouts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r audit.HeldOut
		if err := rows.Scan(&r.Account, &r.Event, &r.Holdouts, &r.Held); err != nil {
			return fmt.Errorf("read holdouts: %w", err)
		}
		b.Held = append(b.Held, r)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read holdouts: %w", err)
	}
	return nil
}
