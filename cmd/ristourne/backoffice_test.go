package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/rules"
)

// says sends the bank's word on an instruction, dated now.
func (b *bank) says(t *testing.T, account, instruction, status, reason string) {
	t.Helper()
	before, _ := b.taken(t)
	b.send(t, rules.TopicResults, account, fmt.Sprintf(`{"instruction_id":%q,"account_id":%q,"status":%q,"reason":%q,"at":%q}`,
		instruction, account, status, reason, time.Now().UTC().Format(time.RFC3339Nano)))
	b.settled(t, before, 1)
}

// creditOf is the id of a credit to an account, of those in list.
func creditOf(t *testing.T, list []string, account string) string {
	t.Helper()
	for _, line := range list {
		if f := strings.Fields(line); f[1] == "credit" && f[4] == account {
			return f[0]
		}
	}
	t.Fatalf("no credit to %s in %v", account, list)
	return ""
}

var volatileInstructions = []string{anyTime, `\d{4}-\d\d-\d\dT[0-9:]+Z`, `RI-\S+`, `AD-[A-Z2-7.]+`, anySpace}

// TestStuckPaymentsAreReleased: payments that stand still are listed with what made
// them so, and paid once a person has released them.
func TestStuckPaymentsAreReleased(t *testing.T) {
	t.Parallel()
	b := newPayoutBank(t, "{}")
	given := b.instructed(t)
	id := creditOf(t, given, "acc-1")
	b.says(t, "acc-1", id, "rejected", "AC04")
	if now := b.instructed(t); !slices.Equal(now, given) {
		t.Fatalf("an account that is closed is paid again: %v", now)
	}
	listed := b.run(t, "instructions", "list", "--stuck")
	b.wantShown(t, "ristourne instructions list --config bank.yaml --stuck", listed, volatileInstructions...)
	wantText(t, listed, id)
	wantText(t, b.run(t, "instructions", "list", "--stuck", "--output", "json"), `{"why":"stuck","instruction_id":"`+id+`","account_id":"acc-1"`)
	if other := b.run(t, "instructions", "list", "--stuck", "--account", "acc-2"); strings.Contains(other, id) {
		t.Error(other)
	}

	if _, stderr, _ := command(t, "", "instructions", "release", "acc-none", "--config", b.config, "--by", "ada", "--reason", "none"); !strings.Contains(stderr, "knows no such account") {
		t.Error(stderr)
	}
	before, _ := b.taken(t)
	released := b.run(t, "instructions", "release", "acc-1", "--by", "ada", "--reason", "new IBAN, ticket 4711")
	b.wantShown(t, `ristourne instructions release acc-1 --config bank.yaml --by ada --reason "new IBAN, ticket 4711"`, released, volatileInstructions...)
	b.settled(t, before, 1)
	if now := b.instructed(t); len(now) != len(given)+1 {
		t.Errorf("after the release %d instructions, before it %d", len(now), len(given))
	}
	wantText(t, b.run(t, "instructions", "list", "--stuck"), "0 instructions for a person to look at")

	b.says(t, "acc-1", id, "rejected", "AM05")
	wantText(t, b.run(t, "instructions", "list", "--stuck"), "duplicate", id, "1 instruction for a person")
	if n := b.number(t, "SELECT count() FROM operator_actions WHERE action = 'release' AND by = 'ada' AND position(details, 'acc-1') = 0"); n != 1 {
		t.Errorf("%d releases are in the audit trail without the account's id, not 1", n)
	}
}

// TestAdjustments: a small one is posted by one person, a large one by two; asking or
// approving again books nothing twice.
func TestAdjustments(t *testing.T) {
	t.Parallel()
	b := newPayoutBank(t, "{four_eyes_over: 5 EUR}")
	booked := func() uint64 {
		return b.number(t, "SELECT toUInt64(sum(reward_minor)) FROM ledger WHERE cause_id LIKE 'AD-%'")
	}
	taken, _ := b.taken(t)
	const small, large = "ticket 4711: the shop's sign was wrong", "ticket 4712: two months at the wrong level"
	printed := b.run(t, "adjust", "acc-1", "4.00", "EUR", "--by", "ada", "--reason", small)
	b.wantShown(t, `ristourne adjust acc-1 4.00 EUR --config bank.yaml --by ada --reason "ticket 4711: the shop's sign was wrong"`, printed, volatileInstructions...)
	b.settled(t, taken, 1)
	if n := booked(); n != 400 {
		t.Fatalf("booked is %d", n)
	}
	printed = b.run(t, "adjust", "acc-1", "25.00", "EUR", "--by", "ada", "--reason", large)
	b.wantShown(t, `ristourne adjust acc-1 25.00 EUR --config bank.yaml --by ada --reason "ticket 4712: two months at the wrong level"`, printed, volatileInstructions...)
	id := regexp.MustCompile(`AD-[A-Z2-7.]+`).FindString(printed)
	if _, stderr := b.fails(t, exitFailed, "adjust", "approve", id, "--by", " Ada "); !strings.Contains(stderr, "another person must approve it") {
		t.Error(stderr)
	}
	wantText(t, b.run(t, "adjust", "acc-1", "25.00", "EUR", "--by", "bob", "--reason", large), "waits for a second person", "asked for before")
	b.wantShown(t, "ristourne adjust list --config bank.yaml --state waiting", b.run(t, "adjust", "list", "--state", "waiting"), volatileInstructions...)
	b.wantShown(t, "ristourne adjust approve AD-GJ4XK2YBB7VQ6Q3ZPWFXN3MBYI --config bank.yaml --by bob", b.run(t, "adjust", "approve", id, "--by", "bob"), volatileInstructions...)
	b.settled(t, taken, 2)
	if n := booked(); n != 2900 {
		t.Fatalf("booked is %d", n)
	}
	// All of it once more: the same facts, which are duplicates.
	b.run(t, "adjust", "acc-1", "4.00", "EUR", "--by", "ada", "--reason", small)
	b.run(t, "adjust", "approve", id, "--by", "carol")
	b.settled(t, taken, 4)
	if n := booked(); n != 2900 {
		t.Errorf("booked is %d after it was all said twice", n)
	}
	if _, fates := b.taken(t); fates[rules.Duplicate] < 2 {
		t.Errorf("the repeats were no duplicates: %v", fates)
	}
	b.fails(t, exitFailed, "adjust", "reject", id, "--by", "bob", "--reason", "too late")

	stdout, stderr, _ := command(t, "", "adjust", "--config", b.config, "--by", "ada", "--reason", "ticket 4713", "--", "acc-1", "-9.99", "EUR")
	wantText(t, stdout+stderr, "-9.99 EUR", "waits for a second person")
	for _, refused := range []struct {
		code      int
		arguments []string
		want      string
	}{
		{exitUsage, []string{"adjust", "acc-1", "-9.99", "EUR", "--by", "ada", "--reason", "why"}, "stands behind --"},
		{exitUsage, []string{"adjust", "acc-1", "1.005", "EUR", "--by", "ada", "--reason", "why"}, "too many decimals"},
		{exitUsage, []string{"adjust", "acc-1", "0", "EUR", "--by", "ada", "--reason", "why"}, "changes nothing"},
		{exitUsage, []string{"adjust", "acc-1", "1", "EURO", "--by", "ada", "--reason", "why"}, "no currency of ISO 4217"},
		{exitUsage, []string{"adjust", "acc-1", "1", "EUR", "--by", "ada"}, "--reason is needed"},
		{exitUsage, []string{"adjust", "acc-1", "1", "EUR", "--by", "ada", "--reason", strings.Repeat("é", 257)}, "at most 256 characters"},
		{exitFailed, []string{"adjust", "acc-l", "1", "EUR", "--by", "ada", "--reason", "why"}, "knows no such account"},
		{exitFailed, []string{"adjust", "acc-1", "1", "EUR", "--by", "ada", "--reason", "4111 1111 1111 1111"}, "card_number: reason"},
		{exitFailed, []string{"adjust", "approve", "AD-NONE", "--by", "ada"}, "no adjustment"},
	} {
		if _, stderr := b.fails(t, refused.code, refused.arguments...); !strings.Contains(stderr, refused.want) {
			t.Errorf("%v: %s", refused.arguments, stderr)
		}
	}
	if n := b.number(t, "SELECT count() FROM operator_actions WHERE action LIKE 'adjust%' AND position(details, 'acc-1') = 0"); n != 4 {
		t.Errorf("%d decisions are in the audit trail, not 4", n)
	}
}
