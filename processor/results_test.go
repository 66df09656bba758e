package processor

import (
	"fmt"
	"slices"
	"testing"

	"ristourne/processor/feed"
	"ristourne/rules"
)

func resultOn(account, instruction, status, reason, at string) feed.Record {
	return feed.Record{Topic: rules.TopicResults, Time: 1_800_000_000_000, Key: []byte(account), Value: fmt.Appendf(nil,
		`{"instruction_id":%q,"account_id":%q,"status":%q,"reason":%q,"at":%q}`, instruction, account, status, reason, at)}
}

// The bank's words are part of an account's set: what was rejected is instructed
// anew, also by who has made the account anew of the ledger.
func TestRejectedMoneyIsInstructedAnewAlsoAfterARebuild(t *testing.T) {
	t.Parallel()
	s := newSaleShard(t, 100)
	past := decided(t, s, enrolment("a"), purchase("a", "p1"))
	if len(past.Instructions) != 1 {
		t.Fatalf("a purchase gives %d instructions", len(past.Instructions))
	}
	first := past.Instructions[0]
	rejected := resultOn("a", first.ID, "rejected", "AC01", "2026-10-06T00:00:00Z")
	d := decided(t, s, rejected)
	if len(d.Instructions) != 1 || d.Instructions[0].AmountMinor != first.AmountMinor || d.Instructions[0].ID == first.ID {
		t.Fatalf("what was rejected is instructed as %+v", d.Instructions)
	}
	if len(d.Set) != 1 || d.Set[0].Type != "result" || d.Set[0].Fate != rules.Booked || len(d.Results) != 1 {
		t.Errorf("the ledger is told %+v", d.Set)
	}
	for name, record := range map[string]feed.Record{
		"the same again": rejected, "nobody's": resultOn("a", "RI-1", "settled", "", "2026-10-06T00:00:00Z"),
		"another account's": resultOn("b", first.ID, "rejected", "", "2026-10-06T00:00:00Z"),
	} {
		if d := decided(t, s, record); len(d.Set)+len(d.Instructions) > 0 || len(d.Results) != 1 {
			t.Errorf("%s: %d rows, %d instructions", name, len(d.Set), len(d.Instructions))
		}
	}

	again := newSaleShard(t, 100)
	again.ports.Ledger = &historyLedger{histories: map[rules.AccountRef]*rules.AccountHistory{again.refs.ref("a"): {
		Ref: again.refs.ref("a"), AccountID: "a", Set: slices.Concat(past.Set, d.Set), Booked: past.Accruals, Grants: past.Grants,
		Instructed: slices.Concat(d.Instructions, past.Instructions),
	}}}
	again.ports.Accounts, again.lastSeq = &restored{states: map[string][]byte{"a": {99}}}, d.LastSeq
	again.members.add(memberHash("a"))
	third := decided(t, again, rejected, resultOn("a", d.Instructions[0].ID, "rejected", "AC01", "2026-10-07T00:00:00Z"))
	if len(third.Set) != 1 || len(third.Instructions) != 1 || third.Instructions[0].AmountMinor != first.AmountMinor {
		t.Errorf("after a rebuild: %d rows, instructions %+v", len(third.Set), third.Instructions)
	}
}
