package clickhouse_test

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"ristourne/rules"
)

// An audit gets every row once, however often it was booked, with the account that it
// is kept with; and sums that are of what the markers have.
func TestRowsAreAllThatWasBooked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := decision(1, "a", "t1", "cafe", 1000), decision(2, "a", "t1", "cafe", 500)
	first.Referrals = []rules.Referral{referral(first, "s", 1, 10)}
	second.Referrals = []rules.Referral{referral(first, "s", 2, 20)}
	first.Grants = []rules.Grant{grant(first, "campaign/spring", 30, 30)}
	second.Grants = []rules.Grant{grant(second, "campaign/spring", 45, 15)}
	said := func(batch uint64, instruction string) rules.ResultRow {
		return rules.ResultRow{
			Result:     rules.Result{InstructionID: instruction, Status: rules.Rejected, Reason: "AG01", At: rules.Instant{Sec: base, Nsec: 1}},
			AccountRef: refOf("a"), Cause: rules.Cause{Kind: rules.CauseResult, ID: instruction, Partition: 3, Offset: int64(batch), RecordedAt: base * 1000},
		}
	}
	first.Results, second.Results = []rules.ResultRow{said(1, "I1")}, []rules.ResultRow{said(2, "nobody's")}
	sponsor := sponsored(1, "s", "a", "t1", "cafe", 1000)
	w.book(t, first, second, sponsor)
	w.book(t, second, first)
	ahead := decision(3, "a", "t2", "cafe", 700)
	ahead.Results = []rules.ResultRow{said(3, "I3")}
	w.book(t, ahead)

	upTo := rules.Marker{Shard: 3, Batch: 2, LastSeq: 2}
	all := map[string]*rules.AccountHistory{}
	if err := w.ledger.Rows(t.Context(), &upTo, func(h *rules.AccountHistory) error {
		all[h.AccountID] = h
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	h := all["a"]
	if len(all) != 1 || h == nil {
		t.Fatalf("rows of %v", slices.Collect(maps.Keys(all)))
	}
	byOffset := func(x, y rules.Accrual) int {
		return cmp.Or(cmp.Compare(x.Cause.Offset, y.Cause.Offset), cmp.Compare(x.Role, y.Role))
	}
	slices.SortFunc(h.Lines, byOffset)
	for _, rows := range []struct {
		what      string
		got, want any
	}{
		{"set", h.Set, slices.Concat(first.Set, second.Set, ahead.Set)}, // how far it is looked at is for the caller to say
		{"lines", h.Lines, slices.Concat(first.Accruals, second.Accruals, ahead.Accruals)},
		{"instructions", h.Instructed, slices.Concat(first.Instructions, second.Instructions, ahead.Instructions)},
		{"grants", h.Grants, slices.Concat(first.Grants, second.Grants)},
		{"told", told(h.Told), []int64{1, 2}},
		{"results", said2(h.Results), []string{"I1 rejected AG01 1", "nobody's rejected AG01 2"}},
	} {
		if fmt.Sprintf("%+v", rows.got) != fmt.Sprintf("%+v", rows.want) && !reflect.DeepEqual(rows.got, rows.want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", rows.what, rows.got, rows.want)
		}
	}

	upTo4 := rules.Marker{Shard: 4, Batch: 1, LastSeq: 1}
	if err := w.ledger.Rows(t.Context(), &upTo4, func(h *rules.AccountHistory) error {
		if h.AccountID != "s" || len(h.Lines) != 1 || h.Lines[0].Role != rules.RoleSponsor || h.Lines[0].AccountRef != refOf("a") {
			t.Errorf("a sponsor's rows are %+v", h)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	markers := []rules.Marker{upTo, upTo4}
	sums, err := w.ledger.LedgerSums(t.Context(), markers)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(sums, func(x, y rules.LedgerSum) int { return cmp.Compare(x.Role, y.Role) })
	of := rules.LedgerSum{Programme: "city", PartnerID: "cafe", Currency: "EUR", Stage: rules.Confirmed}
	member, sponsors, partner := of, of, of
	member.Role, member.Lines, member.RewardMinor, member.CostMinor = rules.RoleMember, 2, 45, 45
	sponsors.Role, sponsors.Lines, sponsors.RewardMinor, sponsors.CostMinor = rules.RoleSponsor, 1, 10, 10
	partner.Role, partner.Lines, partner.CommissionMinor = rules.RolePartner, 2, 75
	if !slices.Equal(sums, []rules.LedgerSum{member, sponsors, partner}) {
		t.Errorf("sums of lines are %+v", sums)
	}
	w.exec(t, "INSERT INTO accruals_log SELECT * REPLACE (99 AS shard) FROM (SELECT * FROM accruals_log FINAL WHERE shard = 4)")
	if astray, err := w.ledger.LedgerSums(t.Context(), markers); err != nil || len(astray) != 3 || !slices.ContainsFunc(astray, func(s rules.LedgerSum) bool { return s.Role == rules.RoleSponsor && s.Lines == 2 }) {
		t.Errorf("with a line of a shard that isn't there the sums are %+v, %v", astray, err)
	}
	instructed, err := w.ledger.InstructedSums(t.Context(), markers)
	if err != nil || !slices.Equal(instructed, []rules.InstructedSum{{Programme: "city", Currency: "EUR", Direction: rules.Credit, Instructions: 3, AmountMinor: 55}}) {
		t.Errorf("sums of instructions are %+v, %v", instructed, err)
	}
	if none, err := w.ledger.LedgerSums(t.Context(), nil); err != nil || len(none) > 0 {
		t.Errorf("without markers %+v, %v", none, err)
	}
	given := map[rules.BudgetKey]int64{}
	if err := w.ledger.BudgetsGiven(t.Context(), markers, func(key rules.BudgetKey, unit string, minor int64) error {
		if unit == "EUR" {
			given[key] = minor
		}
		return nil
	}); err != nil || len(given) != 1 || given["campaign/spring"] != 45 {
		t.Errorf("budgets gave %v, %v", given, err)
	}
}

func told(all []rules.Referral) (numbers []int64) {
	for i := range all {
		numbers = append(numbers, all[i].Number)
	}
	return numbers
}

func said2(all []rules.ResultRow) (words []string) {
	for i := range all {
		r := &all[i]
		words = append(words, fmt.Sprintf("%s %s %s %d", r.Result.InstructionID, r.Result.Status, r.Result.Reason, r.Cause.Offset))
	}
	return words
}
