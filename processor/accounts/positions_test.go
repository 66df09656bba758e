package accounts

import (
	"strings"
	"testing"

	"ristourne/rules"
)

// Positions stand in Redis in one order for good, and the scripts know how many there
// are.
func TestPositionsKeepTheirOrderInRedis(t *testing.T) {
	t.Parallel()
	p := rules.Positions{rules.TopicFacts: 10, rules.TopicReferrals: 20, rules.TopicResults: 30, rules.TopicTransactions: 40}
	const stored = "10,20,30,40"
	if got := formatPositions(p); got != stored {
		t.Errorf("facts, referrals, results, transactions are written %q, want %q", got, stored)
	}
	if got, _, _, err := parseHead(stored, "1", "1"); got != p || err != nil {
		t.Errorf("%q is read as %v, %v", stored, got, err)
	}
	for name, s := range map[string]script{"save": saveScript, "intact": intactScript} {
		if none := "or '" + formatPositions(rules.NoPositions) + "'"; strings.Count(s.source, none) != 1 {
			t.Errorf("%s.lua does not take %q for a shard without positions", name, none)
		}
	}
}
