package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"ristourne/rules"
	"ristourne/rules/explain"
)

// unlinkedRefund is what has become of a refund that names no purchase.
type unlinkedRefund struct {
	state     string
	matchedTo string
	minor     int64
}

// readRefunds reads what ClickHouse tells of refunds that name no purchase.
func (s *sandbox) readRefunds(ctx context.Context, b *books) error {
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
		var r unlinkedRefund
		if err := rows.Scan(&id, &r.state, &r.matchedTo, &r.minor); err != nil {
			return fmt.Errorf("read refunds: %w", err)
		}
		b.refunds[id] = r
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read refunds: %w", err)
	}
	return nil
}

// seeRefunds keeps how the pure engine has matched refunds last. The sandbox's
// event ids are unique over all accounts.
func (b *books) seeRefunds(changes []rules.RefundChange) {
	for _, c := range changes {
		b.refundsDue[c.EventID] = unlinkedRefund{c.Is.String(), c.MatchedTo, c.AmountMinor}
	}
}

// checkRefunds compares what each refund without a link is matched to. Which of
// those that are linked by now were waiting before depends on the order of
// arrival, and so does whether they ever were.
func (b *books) checkRefunds() finding {
	f := finding{what: "refunds without a link are matched as by the pure engine"}
	counts, minor := map[string]int{}, map[string]int64{}
	ids := maps.Clone(b.refunds)
	maps.Copy(ids, b.refundsDue)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		has, due := standing(b.refunds[id]), standing(b.refundsDue[id])
		if has != due {
			f.differences = append(f.differences, fmt.Sprintf("refund %s: ClickHouse has %+v, the pure engine %+v", id, has, due))
		}
		counts[due.state]++
		minor[due.state] += due.minor
	}
	matched, waiting := rules.RefundMatched.String(), rules.RefundWaiting.String()
	f.detail = fmt.Sprintf("%s of %s EUR matched, %s of %s EUR wait",
		grouped(int64(counts[matched])), cents(minor[matched]), grouped(int64(counts[waiting])), cents(minor[waiting]))
	return f
}

// standing is a refund as long as it has no purchase of its own.
func standing(r unlinkedRefund) unlinkedRefund {
	if r.state != rules.RefundMatched.String() && r.state != rules.RefundWaiting.String() {
		return unlinkedRefund{}
	}
	return r
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
func (m *mechanisms) seeWaitingRefunds(refunds map[string]unlinkedRefund) {
	for _, r := range refunds {
		if r.state == rules.RefundWaiting.String() {
			m.refunds.count(refundsWait, r.minor)
		}
	}
}
