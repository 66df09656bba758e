package clickhouse_test

import (
	"fmt"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

// TestTheBanksWordThatCounts: the latest by its own date, whenever it came; at one
// instant a rejection before a settlement before an acceptance.
func TestTheBanksWordThatCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	said := func(d *rules.Decision, status rules.ResultStatus, reason string, atSec int64) {
		d.Results = append(d.Results, rules.ResultRow{
			Result:     rules.Result{InstructionID: d.Instructions[0].ID, AccountID: d.Instructions[0].AccountID, Status: status, Reason: reason, At: rules.InstantAt(base+atSec, 7)},
			AccountRef: d.Instructions[0].AccountRef, Cause: rules.Cause{Kind: rules.CauseResult, ID: fmt.Sprint(len(d.Results)), Partition: 3, Offset: int64(len(d.Results)), RecordedAt: base * 1000},
		})
	}
	silent, returned, settled, tied := decision(1, "a", "t1", "cafe", 10_000), decision(2, "b", "t2", "cafe", 10_000), decision(3, "c", "t3", "cafe", 10_000), decision(4, "d", "t4", "cafe", 10_000)
	said(returned, rules.Settled, "", 10)
	said(returned, rules.Rejected, "AC04", 20)
	said(returned, rules.Accepted, "", 5)
	said(settled, rules.Settled, "", 30)
	said(settled, rules.Rejected, "AM05", 20)
	said(tied, rules.Rejected, "MD07", 40)
	said(tied, rules.Settled, "", 40)
	tied.Instructions[0].Cycle = "2026-02"
	w.book(t, silent, returned, settled, tied)
	w.book(t, returned)

	list := func(f clickhouse.InstructionFilter) string {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 10
		}
		found, err := w.ledger.Instructed(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for i := range found {
			status := "none"
			if found[i].Said.Status != 0 {
				status = found[i].Said.Status.String()
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", found[i].ID, found[i].AccountID, status, found[i].Said.Reason)))
		}
		return strings.Join(lines, ", ")
	}
	want(t, "all", list(clickhouse.InstructionFilter{}), "I4 d rejected MD07, I3 c settled, I2 b rejected AC04, I1 a none")
	want(t, "the newest", list(clickhouse.InstructionFilter{Limit: 1}), "I4 d rejected MD07")
	want(t, "of an account", list(clickhouse.InstructionFilter{AccountID: "c"}), "I3 c settled")
	want(t, "of a cycle", list(clickhouse.InstructionFilter{Cycle: "2026-02"}), "I4 d rejected MD07")
	want(t, "rejected", list(clickhouse.InstructionFilter{Status: "rejected"}), "I4 d rejected MD07, I2 b rejected AC04")
	want(t, "without a result", list(clickhouse.InstructionFilter{Status: "none"}), "I1 a none")
	want(t, "by id", list(clickhouse.InstructionFilter{ID: "I2"}), "I2 b rejected AC04")
	want(t, "of another programme", list(clickhouse.InstructionFilter{Programme: "country"}), "")
}
