package main

import (
	"encoding/json"
	"strings"
	"testing"

	"ristourne/processor/compare"
)

// What another system has paid is held against what is due here, purchase by purchase,
// cycle by cycle or in all, and why they differ is told.
func TestPayoutsOfAnotherSystemAreCompared(t *testing.T) {
	t.Parallel()
	b := newMonthlyBank(t)
	before, _ := b.taken(t)
	b.run(t, "settle", "--cycle", "2026-02", "--by", "ada", "--reason", "monthly run")
	b.settled(t, before, 2)

	purchases := writeFile(t, "old.csv", "%s", `account,transaction,amount,currency
acc-1,t-pain,0.21,EUR
acc-1,t-table,5.28,EUR
acc-2,t-ailleurs,1.00,EUR
acc-7,t-ailleurs,1.00,EUR
`)
	printed := b.reported(t, "compare", purchases)
	b.wantShown(t, "ristourne compare old.csv --config bank.yaml", printed)
	stdout, stderr := b.fails(t, exitFailed, "compare", purchases, "--output", "json", "--limit", "2")
	wantText(t, stderr, "the two systems differ: 4 differences")
	var found compare.Found
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || found.By != compare.ByPurchase || found.Differing != 4 || len(found.Differences) != 2 {
		t.Fatalf("%s, %v", stdout, err)
	}
	for _, d := range found.Differences {
		if d.Trace == nil || d.Trace.TransactionID != d.Transaction || len(d.Why) == 0 {
			t.Errorf("%s is not explained: %+v", d.Transaction, d)
		}
	}

	credited := "3.69"
	wantText(t, b.run(t, "compare", writeFile(t, "cycle.csv", "%s", "account,cycle,amount,currency\nacc-1,2026-02,"+credited+",EUR\n")), "1 row of the file, by cycle")
	wantText(t, b.reported(t, "compare", writeFile(t, "cycle.csv", "%s", "account,cycle,amount,currency\nacc-1,2026-02,3.70,EUR\n")),
		"they_pay_more: account acc-1, cycle 2026-02: they paid 3.70 EUR, due here 3.69 EUR", "instructed in cycle 2026-02: a credit of 3.69 EUR (RI-")
	wantText(t, b.run(t, "compare", writeFile(t, "dates.csv", "%s", "account,date,amount,currency\nacc-1,2026-02-28,3.00,EUR\nacc-1,2026-03-01,0.69,EUR\n")), "2 rows of the file, by account")
	wantText(t, b.reported(t, "compare", writeFile(t, "dates.csv", "%s", "account,date,amount,currency\nacc-1,2026-02-28,3.69,EUR\n")), "only_they: account acc-1")

	if _, stderr := b.fails(t, exitUsage, "compare", purchases, "--programme", "paris"); !strings.Contains(stderr, `--programme "paris" is not in the catalogue`) {
		t.Error(stderr)
	}
	if _, stderr := b.fails(t, exitFailed, "compare", writeFile(t, "broken.csv", "account,amount\n")); !strings.Contains(stderr, `broken.csv:1: column "currency" is missing`) {
		t.Error(stderr)
	}
}
