package deadletters

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"ristourne/rules"
)

// letterBox is a topic of dead letters in memory.
type letterBox struct {
	messages []kafka.Message
	passes   int
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// put writes a letter so many minutes after noon.
func (b *letterBox) put(minutes int, change func(l *rules.DeadLetter)) {
	l := kept()
	l.Offset = int64(len(b.messages))
	change(&l)
	if l.Size = len(l.Value); !l.ValueWithheld {
		l.SHA256 = sha256.Sum256(l.Value)
	}
	m := messageOf(&l)
	m.Time = noon.Add(time.Duration(minutes) * time.Minute)
	b.messages = append(b.messages, m)
}

func (b *letterBox) read(_ context.Context, each func(kafka.Message) error) error {
	b.passes++
	for _, m := range b.messages {
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

func (b *letterBox) replay() *Replay {
	return &Replay{Topics: []string{"facts", "events"}, Limit: 100, Read: b.read, Progress: func(int) {}}
}

func record(topic, account, id string) func(l *rules.DeadLetter) {
	return func(l *rules.DeadLetter) {
		l.Topic, l.Reason, l.Key = topic, "ahead", []byte(account)
		l.Value = fmt.Appendf(nil, `{"event_id":%q,"account_id":%q}`, id, account)
	}
}

func TestSelection(t *testing.T) {
	t.Parallel()
	l := kept()
	for _, c := range []struct {
		name      string
		selection Selection
		want      bool
	}{
		{"all", Selection{}, true},
		{"its reason", Selection{Reasons: []string{"json", "range"}}, true},
		{"another reason", Selection{Reasons: []string{"json"}}, false},
		{"its topic", Selection{Topics: []string{"card.transactions"}}, true},
		{"another topic", Selection{Topics: []string{"programme.facts"}}, false},
		{"its partition", Selection{Partitions: []int32{0, 3}}, true},
		{"another partition", Selection{Partitions: []int32{0}}, false},
		{"since then", Selection{Since: noon}, true},
		{"since later", Selection{Since: noon.Add(1)}, false},
		{"until later", Selection{Until: noon.Add(1)}, true},
		{"until then", Selection{Until: noon}, false},
	} {
		if got := c.selection.Holds(&l, noon); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestSurveySaysWhatCantBeReplayed: each cause with its count and one example.
func TestSurveySaysWhatCantBeReplayed(t *testing.T) {
	t.Parallel()
	var box letterBox
	box.put(0, record("events", "a", "1"))
	box.put(1, record("events", "a", "1")) // the same record, refused twice
	box.put(2, record("events", "a", "2"))
	box.put(3, record("facts", "a", "1"))
	box.put(4, func(l *rules.DeadLetter) { record("events", "a", "3")(l); l.ValueWithheld = true })
	box.put(5, func(l *rules.DeadLetter) { record("events", "a", "4")(l); l.ValueWithheld = true })
	box.put(6, func(l *rules.DeadLetter) { record("another", "a", "5")(l) })
	box.put(7, func(l *rules.DeadLetter) { record("events", "a", "6")(l); l.Value = nil })
	box.put(8, func(l *rules.DeadLetter) { record("events", "a", "7")(l); l.KeyWithheld = true })
	box.put(9, func(l *rules.DeadLetter) { record("events", "tok", "8")(l); l.Reason = "key" })
	box.put(10, func(l *rules.DeadLetter) { record("events", "a", "9")(l); l.Key = nil })
	box.put(11, record("events", "a", "10"))
	box.messages[11].Value = append(box.messages[11].Value, ' ')
	box.messages = append(box.messages, kafka.Message{Value: []byte("another's"), Time: noon})

	report, err := box.replay().Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Found != 12 || report.Repeated != 1 || !reflect.DeepEqual(report.Sendable, map[string]int{"events": 2, "facts": 1}) || report.Total() != 3 {
		t.Errorf("%+v", report)
	}
	for i, want := range []struct {
		why, example string
		letters      int
	}{
		{"bytes are not kept", "events/3/4", 2},
		{"no input", "another/3/6", 1},
		{"no value", "events/3/7", 1},
		{"--rekey", "events/3/8", 3},
		{"was changed", "events/3/11", 1},
	} {
		if got := report.Refused[i]; !strings.Contains(got.Why, want.why) || got.Example != want.example || got.Letters != want.letters {
			t.Errorf("%+v, want %+v", got, want)
		}
	}

	rekeyed := box.replay()
	rekeyed.Rekey = true
	if report, err = rekeyed.Survey(t.Context()); err != nil || report.Sendable["events"] != 5 {
		t.Errorf("with other keys: %+v, %v", report, err)
	}
}

func TestAReplayIsBounded(t *testing.T) {
	t.Parallel()
	var box letterBox
	for n := range 5 {
		box.put(n, record("events", "a", fmt.Sprint(n)))
	}
	replay := box.replay()
	for limit, want := range map[int]error{4: errTooMany, 5: nil} {
		if replay.Limit = limit; true {
			if _, err := replay.Survey(t.Context()); !errors.Is(err, want) {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
	}
}

// TestSend sends through a broker: facts first, each record once, an account's in
// their order, with key and value as they were, the partition that a Java client
// would choose, and a timestamp of now.
func TestSend(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(8, "facts", "events"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	var box letterBox
	for n := range 2500 { // more than a batch
		box.put(n, record("events", fmt.Sprintf("acc-%d", n%7), fmt.Sprint(n)))
	}
	box.put(2500, record("facts", "acc-1", "f"))
	box.put(2501, record("events", "acc-0", "0")) // again
	box.put(2502, func(l *rules.DeadLetter) {
		record("events", "4111111111111111", "k")(l)
		l.KeyWithheld, l.Field = true, "(key)"
	})

	replay := box.replay()
	replay.Limit = 10_000
	var order []string
	progress := 0
	replay.Progress = func(records int) {
		progress += records
		order = append(order, fmt.Sprint(cluster.PartitionInfo("facts", 0).HighWatermark >= 0, records))
	}
	began := time.Now()
	report, err := replay.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent, err := replay.Send(t.Context(), Options{Brokers: cluster.ListenAddrs()}, report)
	if err != nil || sent != 2501 || progress != sent || report.Total() != sent {
		t.Fatalf("sent %d, told of %d, %d to be sent: %v", sent, progress, report.Total(), err)
	}
	if len(order) != 4 || order[0] != "true 1" { // one fact, then 1000, 1000, 500 events
		t.Errorf("sent in the order %v", order)
	}

	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	byKey := map[string][]string{}
	java := kafka.Murmur2Balancer{}
	for n := 0; n < 2500; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			byKey[string(r.Key)] = append(byKey[string(r.Key)], string(r.Value))
			if want := java.Balance(kafka.Message{Key: r.Key}, 0, 1, 2, 3, 4, 5, 6, 7); int(r.Partition) != want {
				t.Errorf("key %s went to partition %d, want %d", r.Key, r.Partition, want)
			}
			if r.Timestamp.Before(began.Add(-time.Second)) {
				t.Errorf("a record is stamped %s", r.Timestamp)
			}
			if len(r.Headers) != 1 || r.Headers[0].Key != headerReplayOf || !strings.HasPrefix(string(r.Headers[0].Value), "events/3/") {
				t.Errorf("headers %v", r.Headers)
			}
		})
	}
	for account, values := range byKey {
		var want []string
		for n := range 2500 {
			if fmt.Sprintf("acc-%d", n%7) == account {
				want = append(want, fmt.Sprintf(`{"event_id":"%d","account_id":%q}`, n, account))
			}
		}
		if !slices.Equal(values, want) {
			t.Errorf("account %s has %d records, want %d, or in another order", account, len(values), len(want))
		}
	}
}
