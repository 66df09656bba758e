package rules

import "testing"

// The numbers of the topics stand in Redis and in the ledger, in positions and causes:
// two that change places would have stored positions read as each other's.
func TestTopicsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	names := []string{"facts", "referrals", "results", "transactions"}
	for topic := range NumTopics {
		if topic.String() != names[topic] {
			t.Errorf("topic %d is %s, and %s where it is stored", topic, topic, names[topic])
		}
	}
	if got := [...]Topic{TopicFacts, TopicReferrals, TopicResults, TopicTransactions}; got != [NumTopics]Topic{0, 1, 2, 3} || len(names) != len(got) {
		t.Errorf("the topics have the numbers %d", got)
	}
	causes := map[CauseKind]Topic{CauseEvent: 3, CauseFact: 0, CauseResult: 2, CauseReferral: 1}
	for kind, want := range causes {
		if kind.Topic() != want {
			t.Errorf("causes of kind %d come from %s, want %s", kind, kind.Topic(), want)
		}
	}
}
