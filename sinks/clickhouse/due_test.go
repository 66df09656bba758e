package clickhouse_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
)

func (w world) due(t *testing.T, programme string, since time.Time, lapses bool) string {
	t.Helper()
	var accounts []string
	if err := w.ledger.AccountsDue(t.Context(), programme, since, lapses, func(id string) error {
		accounts = append(accounts, id)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(accounts)
	return strings.Join(accounts, " ")
}

// TestWhoMayHaveSomethingDue: who was not paid what is confirmed, who was paid
// more, who had a rejection or anything since; not who is even, nor of another
// programme.
func TestWhoMayHaveSomethingDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	even, unpaid, over := decision(1, "even", "t1", "cafe", 10_000), decision(2, "unpaid", "t2", "cafe", 10_000), decision(3, "over", "t3", "cafe", 10_000)
	unpaid.Instructions = nil
	over.Instructions[0].AmountMinor++
	other := decision(4, "other", "t4", "cafe", 10_000)
	for i := range other.Accruals {
		other.Accruals[i].Programme = "country"
		identify(&other.Accruals[i])
	}
	other.Instructions = nil
	pointed := decision(5, "pointed", "t5", "cafe", 10_000)
	pointed.Accruals = pointed.Accruals[:1]
	pointed.Accruals[0].Kind, pointed.Accruals[0].Unit, pointed.Instructions = rules.Points, "MILES", nil
	identify(&pointed.Accruals[0])
	rejected := decision(6, "rejected", "t6", "cafe", 10_000)
	rejected.Results = []rules.ResultRow{{
		Result:     rules.Result{InstructionID: "I6", AccountID: "rejected", Status: rules.Rejected, Reason: "AC04", At: rules.InstantAt(base, 0)},
		AccountRef: refOf("rejected"), Cause: rules.Cause{Kind: rules.CauseResult, ID: "I6", Partition: 3, RecordedAt: base * 1000},
	}}
	w.book(t, even, unpaid, over, other, pointed, rejected)
	w.book(t, even) // what comes twice counts once

	later := time.UnixMilli(base*1000 + 1_000_000)
	want(t, "of nobody but those who are not even", w.due(t, "city", later, false), "over rejected unpaid")
	want(t, "where something can lapse", w.due(t, "city", later, true), "over pointed rejected unpaid")
	want(t, "since the first event", w.due(t, "city", time.UnixMilli(base*1000), false), "even over rejected unpaid")
	want(t, "since ever", w.due(t, "city", time.UnixMilli(0), false), "even over rejected unpaid")
	want(t, "of the other programme", w.due(t, "country", later, false), "other rejected")

	w.exec(t, "DELETE FROM accounts_log WHERE account_id = 'unpaid'")
	want(t, "without who was erased", w.due(t, "city", later, false), "over rejected")
}
