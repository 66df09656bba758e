package results

import (
	"strings"
	"testing"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/sinks/internal/topictest"
)

// TestGolden holds the bytes that processors parse: change them only by adding.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		result rules.Result
		want   string
	}{
		{
			rules.Result{InstructionID: "RI-1", AccountID: "a\"1", Status: rules.Rejected, Reason: "AC04", At: rules.InstantAt(1_772_319_600, 5)},
			`{"instruction_id":"RI-1","account_id":"a\"1","status":"rejected","at":"2026-02-28T23:00:00.000000005Z","reason":"AC04"}`,
		},
		{
			rules.Result{InstructionID: "RI-1", AccountID: "a1", Status: rules.Settled, At: rules.InstantAt(1_772_319_600, 0)},
			`{"instruction_id":"RI-1","account_id":"a1","status":"settled","at":"2026-02-28T23:00:00Z"}`,
		},
	} {
		if got := string(Append(nil, &c.result)); got != c.want {
			t.Errorf("the value is\n%s\nnot\n%s", got, c.want)
		}
	}
}

func TestResultsGoToTheShardOfTheirAccount(t *testing.T) {
	t.Parallel()
	const partitions = 3
	server := localserverstest.Kafka(t)
	topic := localserverstest.Unique(t, "results")
	if err := server.CreateTopics(t.Context(), partitions, topic); err != nil {
		t.Fatal(err)
	}
	w := New(Options{Brokers: server.Brokers, Topic: topic})
	defer w.Close()
	if err := w.Post(t.Context(), []rules.Result{{InstructionID: "RI-1", Status: rules.Settled}}); err == nil || !strings.Contains(err.Error(), "a fault of the program") {
		t.Error(err)
	}
	var posted []rules.Result
	for _, account := range strings.Fields("a b c d e f g h") {
		posted = append(posted, rules.Result{InstructionID: "RI-" + account, AccountID: account, Status: rules.Accepted, At: rules.InstantAt(1, 0)})
	}
	if err := w.Post(t.Context(), posted); err != nil {
		t.Fatal(err)
	}
	came := 0
	for p := range partitions {
		for _, m := range topictest.Partition(t, server.Brokers, topic, p) {
			if !strings.Contains(string(m.Value), `"account_id":"`+string(m.Key)+`"`) {
				t.Errorf("%s has the key %s", m.Value, m.Key)
			}
			came++
		}
	}
	if came != len(posted) {
		t.Errorf("%d results came, %d were posted", came, len(posted))
	}
}
