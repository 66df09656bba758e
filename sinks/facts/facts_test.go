package facts

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/sinks/internal/topictest"
)

var asOf = rules.InstantAt(1_772_319_600, 0)

// TestGolden holds the bytes that processors parse: change them only by adding.
func TestGolden(t *testing.T) {
	t.Parallel()
	f := rules.ClosingOf("lyon", "2026-02", "a\"b\\c\u2028é😀", asOf)
	f.ID = "CY-1"
	want := `{"fact_id":"CY-1","type":"cycle_closed","account_id":"a\"b\\c` + "\u2028" + `é😀","at":"2026-02-28T23:00:00Z","programme":"lyon","cycle":"2026-02","as_of":"2026-02-28T23:00:00Z"}`
	got := string(Append(nil, &f))
	var read struct {
		Account string `json:"account_id"`
		At      time.Time
	}
	if err := json.Unmarshal([]byte(got), &read); err != nil || read.Account != f.AccountID || !read.At.Equal(asOf.Time()) {
		t.Errorf("%s is read as %+v (%v)", got, read, err)
	}
	if got != want {
		t.Errorf("the value is\n%s\nnot\n%s", got, want)
	}
}

// TestGoldenOfThePerson: the bytes of what a person states.
func TestGoldenOfThePerson(t *testing.T) {
	t.Parallel()
	release := rules.ReleaseOf("lyon", "acc-1", asOf)
	release.ID = "PR-1"
	adjustment := rules.Fact{
		ID: "AD-1", Type: rules.Adjustment, AccountID: "acc-1", At: asOf, Programme: "lyon", AmountMinor: -500, Currency: money.Currency{'E', 'U', 'R'},
		Reason: "ticket \"17\"", ApprovedBy: "bob",
	}
	for _, c := range []struct {
		fact rules.Fact
		want string
	}{
		{release, `{"fact_id":"PR-1","type":"payout_released","account_id":"acc-1","at":"2026-02-28T23:00:00Z","programme":"lyon"}`},
		{adjustment, `{"amount_minor":-500,"fact_id":"AD-1","type":"adjustment","account_id":"acc-1","at":"2026-02-28T23:00:00Z","programme":"lyon","currency":"EUR","reason":"ticket \"17\"","approved_by":"bob"}`},
	} {
		if err := check(&c.fact); err != nil {
			t.Error(err)
		}
		if got := string(Append(nil, &c.fact)); got != c.want {
			t.Errorf("the value is\n%s\nnot\n%s", got, c.want)
		}
	}
}

func TestNoFactIsPostedThatIsNotWhole(t *testing.T) {
	t.Parallel()
	w := New(Options{Brokers: []string{"127.0.0.1:1"}, Topic: "facts"})
	defer w.Close()
	nobodys := rules.ReleaseOf("lyon", "", asOf)
	for _, f := range []rules.Fact{
		rules.ClosingOf("lyon", "", "acc-1", asOf), rules.ReleaseOf("", "acc-1", asOf), nobodys,
		{ID: "AD-1", Type: rules.Adjustment, AccountID: "acc-1", At: asOf, AmountMinor: 1, Currency: money.Currency{'E', 'U', 'R'}, Reason: "why"},
		{ID: "E-1", Type: rules.Enrolled, AccountID: "acc-1", At: asOf, Programme: "lyon", MemberID: "m"},
	} {
		if err := w.Post(t.Context(), []rules.Fact{f}); err == nil || !strings.Contains(err.Error(), "a fault of the program") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestFactsGoToTheShardOfTheirAccount(t *testing.T) {
	t.Parallel()
	const partitions = 5
	server := localserverstest.Kafka(t)
	topic := localserverstest.Unique(t, "facts")
	if err := server.CreateTopics(t.Context(), partitions, topic); err != nil {
		t.Fatal(err)
	}
	w := New(Options{Brokers: server.Brokers, Topic: topic})
	var posted []rules.Fact
	for _, account := range strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w x y z") {
		posted = append(posted, rules.ClosingOf("lyon", "2026-02", account, asOf))
	}
	if err := w.Post(t.Context(), posted); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	came := 0
	for p := range partitions {
		for _, m := range topictest.Partition(t, server.Brokers, topic, p) {
			if want := (kafka.Murmur2Balancer{}).Balance(m, 0, 1, 2, 3, 4); want != p {
				t.Errorf("key %s is in partition %d, not %d", m.Key, p, want)
			}
			came++
		}
	}
	if came != len(posted) {
		t.Errorf("%d facts came, %d were posted", came, len(posted))
	}
}
