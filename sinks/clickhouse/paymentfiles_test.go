package clickhouse_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
	"ristourne/sinks/clickhouse"
)

func (w world) unfiled(t *testing.T, f clickhouse.UnfiledFilter, now int64) string {
	t.Helper()
	var found []string
	if err := w.ledger.Unfiled(t.Context(), f, time.Unix(now, 0), func(i *rules.Instruction) error {
		found = append(found, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", i.ID, i.AccountID, i.IBAN, i.Name)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, ", ")
}

// TestWhatIsInNoFile: instructions are filed once, and those that the bank has spoken
// of, that never left the house or that are too old are not filed.
func TestWhatIsInNoFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var decisions []*rules.Decision
	for n := range 7 {
		d := decision(uint64(n+1), fmt.Sprintf("acc-%d", n+1), fmt.Sprintf("t%d", n+1), "cafe", 10_000)
		d.Instructions[0].Method, d.Instructions[0].IBAN, d.Instructions[0].Name = rules.ByTransfer, fmt.Sprintf("IBAN%d", n+1), "Zoë"
		decisions = append(decisions, d)
	}
	decisions[2].Instructions[0].Reason = rules.ShadowReason
	decisions[3].Results = []rules.ResultRow{{
		Result:     rules.Result{InstructionID: "I4", AccountID: "acc-4", Status: rules.Settled, At: rules.InstantAt(base, 0)},
		AccountRef: refOf("acc-4"), Cause: rules.Cause{Kind: rules.CauseResult, ID: "r", Partition: 3, RecordedAt: base * 1000},
	}}
	decisions[1].Results = []rules.ResultRow{{ // of another's instruction: it says nothing of it
		Result:     rules.Result{InstructionID: "I1", AccountID: "acc-2", Status: rules.Accepted, At: rules.InstantAt(base, 0)},
		AccountRef: refOf("acc-2"), Cause: rules.Cause{Kind: rules.CauseResult, ID: "r2", Partition: 3, RecordedAt: base * 1000},
	}}
	decisions[4].Instructions[0].Method, decisions[4].Instructions[0].IBAN, decisions[4].Instructions[0].Name = 0, "", ""
	decisions[5].Instructions[0].Direction = rules.Debit
	decisions[6].Instructions[0].Cycle = "2026-02"
	w.book(t, decisions...)
	w.book(t, decisions[0]) // what comes twice is there once
	if n, err := w.ledger.Answered(t.Context(), []string{"I1", "I4", "I7"}); n != 1 || err != nil {
		t.Errorf("%d are answered, %v", n, err)
	}
	if of, err := w.ledger.Instructed(t.Context(), clickhouse.InstructionFilter{ID: "I1", Limit: 1}); err != nil || len(of) != 1 || of[0].Said.Status != 0 {
		t.Errorf("I1 is said to be %+v, %v", of, err)
	}
	day := int64(86_400)
	transfers := clickhouse.UnfiledFilter{TransfersAlone: true}
	want(t, "transfers", w.unfiled(t, transfers, base), "I1 acc-1 IBAN1 Zoë, I2 acc-2 IBAN2 Zoë, I7 acc-7 IBAN7 Zoë")
	want(t, "all", w.unfiled(t, clickhouse.UnfiledFilter{}, base), "I1 acc-1 IBAN1 Zoë, I2 acc-2 IBAN2 Zoë, I5 acc-5, I6 acc-6 IBAN6 Zoë, I7 acc-7 IBAN7 Zoë")
	want(t, "of a cycle", w.unfiled(t, clickhouse.UnfiledFilter{Cycle: "2026-02"}, base), "I7 acc-7 IBAN7 Zoë")
	want(t, "of another programme", w.unfiled(t, clickhouse.UnfiledFilter{Programme: "country"}, base), "")
	want(t, "after 401 days", w.unfiled(t, transfers, base+401*day), "")

	f := &rules.PaymentFile{
		ID: "RF-1", Format: rules.Pain001, Name: "f.xml", SHA256: "abc", ExecutionDate: "2026-03-03", Currency: eur, SumMinor: 600, InstructionIDs: []string{"I2", "I1"},
		CreatedAt: base * 1000, By: "ada", Debtor: rules.Debtor{Name: "Bank", IBAN: "FR14", ServiceLevel: "SEPA", Address: rules.Address{Town: "Lyon", Country: "FR"}},
	}
	other := *f
	other.ID, other.InstructionIDs = "RF-2", []string{"I2", "I7"}
	for _, of := range []*rules.PaymentFile{f, &other} {
		if err := w.ledger.RecordPaymentFile(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "once they are recorded", w.unfiled(t, transfers, base), "")
	files := func(of clickhouse.PaymentFileFilter) string {
		t.Helper()
		of.Limit = 10
		found, err := w.ledger.PaymentFiles(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for i := range found {
			if of := found[i].PaymentFile; of.ID == "RF-1" && (of.Debtor != f.Debtor || !slices.Equal(of.InstructionIDs, f.InstructionIDs) || of.CreatedAt != f.CreatedAt || of.SHA256 != f.SHA256 || of.SumMinor != 600) {
				t.Errorf("it comes back as %+v", of)
			}
			told = append(told, found[i].ID+" "+found[i].State.String())
		}
		return strings.Join(told, ", ")
	}
	mark := func(id string, state clickhouse.FiledState) {
		t.Helper()
		if err := w.ledger.MarkPaymentFile(t.Context(), id, state, time.Unix(base+5, 0), "bob"); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "sharing with the first", files(clickhouse.PaymentFileFilter{Sharing: "RF-1"}), "RF-2 recorded")
	mark("RF-2", clickhouse.FileWithdrawn)
	mark("RF-2", clickhouse.FileWithdrawn)
	want(t, "sharing with the first, withdrawn", files(clickhouse.PaymentFileFilter{Sharing: "RF-1"}), "")
	want(t, "once one is withdrawn", w.unfiled(t, transfers, base), "I7 acc-7 IBAN7 Zoë")
	mark("RF-1", clickhouse.FileSealed)
	want(t, "unwritten", files(clickhouse.PaymentFileFilter{Unwritten: true}), "RF-1 sealed")
	mark("RF-1", clickhouse.FileWritten)
	mark("RF-1", clickhouse.FileWithdrawn) // too late
	want(t, "all files", files(clickhouse.PaymentFileFilter{}), "RF-1 written, RF-2 withdrawn")
	ids, err := w.ledger.FiledInstructions(t.Context(), "RF-1")
	want(t, "of the file", strings.Join(ids, " ")+fmt.Sprint(err), "I2 I1<nil>")
	ids, _ = w.ledger.FiledInstructions(t.Context(), "RF-2")
	want(t, "of what is withdrawn", len(ids), 0)

	of, err := w.ledger.InstructionsOf(t.Context(), f.InstructionIDs)
	if err != nil || len(of) != 2 || of[0].ID != "I2" || of[1].IBAN != "IBAN1" {
		t.Errorf("%+v, %v", of, err)
	}
	if _, err := w.ledger.InstructionsOf(t.Context(), []string{"I1", "I99"}); err == nil || !strings.Contains(err.Error(), "no instruction I99") {
		t.Error(err)
	}
	mark("RF-1", clickhouse.FileGivenUp)
	want(t, "once it is given up", w.unfiled(t, transfers, base), "I1 acc-1 IBAN1 Zoë, I2 acc-2 IBAN2 Zoë, I7 acc-7 IBAN7 Zoë")
	w.exec(t, "DELETE FROM payees_log WHERE account_ref IN (SELECT account_ref FROM accounts_log WHERE account_id = 'acc-1')")
	want(t, "once the payee is erased", w.unfiled(t, transfers, base), "I1 acc-1, I2 acc-2 IBAN2 Zoë, I7 acc-7 IBAN7 Zoë")
}

// TestALargeFileIsRecordedWhole: its ids are more than a statement holds.
func TestALargeFileIsRecordedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &rules.PaymentFile{ID: "RF-1", Format: rules.Pain001, Currency: eur, CreatedAt: base * 1000}
	for n := range 50_000 {
		f.InstructionIDs = append(f.InstructionIDs, fmt.Sprintf("RI-6EKUUKO46VYV5ZWWZAV%07d", n))
	}
	if err := w.ledger.RecordPaymentFile(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	ids, err := w.ledger.FiledInstructions(t.Context(), "RF-1")
	if err != nil || !slices.Equal(ids, f.InstructionIDs) {
		t.Errorf("%d ids come back, %v", len(ids), err)
	}
	if other, err := w.ledger.PaymentFiles(t.Context(), clickhouse.PaymentFileFilter{Sharing: "RF-1", Limit: 10}); err != nil || len(other) > 0 {
		t.Errorf("%d files share, %v", len(other), err)
	}
}
