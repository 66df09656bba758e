package feed

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"ristourne/deploy/localservers/localserverstest"
	"ristourne/rules"
)

func TestTwoMembersShareTheShardsAndLetGoOfThem(t *testing.T) {
	t.Parallel()
	m := newMembers(t, onBroker(t, 4))
	leaveA := m.join("a", idle)
	m.await(map[string]int{"a": 4})
	leaveB := m.join("b", idle)
	m.await(map[string]int{"a": 2, "b": 2})
	m.mutex.Lock()
	for shard := range m.owned["a"] {
		if m.owned["b"][shard] {
			t.Errorf("both own shard %d", shard)
		}
	}
	m.mutex.Unlock()
	leaveA()
	m.await(map[string]int{"a": 0, "b": 4})
	leaveB()
}

func TestAGenerationBeginsOnlyWhenTheFormerIsLetGo(t *testing.T) {
	t.Parallel()
	m := newMembers(t, onBroker(t, 2))
	var (
		mutex   sync.Mutex
		owners  = map[int32]int{}
		asked   = make(chan struct{}, 10)
		holding = make(chan struct{})
	)
	own := func(ctx context.Context, s *Source) error {
		mutex.Lock()
		owners[s.Shard()]++
		if owners[s.Shard()] > 1 {
			t.Errorf("shard %d has two owners", s.Shard())
		}
		mutex.Unlock()
		<-ctx.Done()
		asked <- struct{}{}
		<-holding // drains: books, pays, commits
		if err := s.Commit(context.WithoutCancel(ctx), rules.Positions{0, 0, 0, 0}, 7); err != nil {
			t.Errorf("commit while letting go: %v", err)
		}
		mutex.Lock()
		owners[s.Shard()]--
		mutex.Unlock()
		return ctx.Err()
	}
	m.join("a", own)
	m.await(map[string]int{"a": 2})
	m.join("b", own)
	<-asked
	<-asked
	m.await(map[string]int{"a": 2, "b": 0})
	close(holding)
	m.await(map[string]int{"a": 1, "b": 1})
}

func TestCommitsSurviveTheMember(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 2)
	w := newWriter(t, c)
	for shard := range int32(2) {
		for topic := range rules.NumTopics {
			w.write(topic, shard, numbers(0, 10)...)
		}
	}
	m := newMembers(t, c)
	committed := make(chan struct{}, 2)
	leave := m.join("a", func(ctx context.Context, s *Source) error {
		if s.Committed() != fromFirst {
			t.Errorf("a new group has committed %v", s.Committed())
		}
		if batch, err := s.CommittedBatch(ctx); batch != 0 || err != nil {
			t.Errorf("a new group has committed batch %d, %v", batch, err)
		}
		if err := s.Commit(ctx, rules.Positions{int64(s.Shard()), -1, 3, 4}, 7); err != nil {
			t.Error(err)
		}
		if batch, err := s.CommittedBatch(ctx); batch != 7 || err != nil {
			t.Errorf("committed is batch %d, %v", batch, err)
		}
		committed <- struct{}{}
		return idle(ctx, s)
	})
	<-committed
	<-committed
	leave()

	type first struct {
		shard     int32
		committed rules.Positions
		offsets   rules.Positions
	}
	found := make(chan first, 2)
	m.join("b", func(ctx context.Context, s *Source) error {
		f := first{shard: s.Shard(), committed: s.Committed(), offsets: fromFirst}
		var b Batch
		for slices.Contains(f.offsets[:], -1) {
			if err := s.Next(ctx, &b); err != nil {
				return err
			}
			for _, r := range b.Records {
				if f.offsets[r.Topic] < 0 {
					f.offsets[r.Topic] = r.Offset
				}
			}
		}
		found <- f
		return idle(ctx, s)
	})
	for range 2 {
		f := <-found
		if want := (rules.Positions{int64(f.shard), -1, 3, 4}); f.committed != want {
			t.Errorf("shard %d: committed %v, want %v", f.shard, f.committed, want)
		}
		if want := (rules.Positions{int64(f.shard), 0, 3, 4}); f.offsets != want {
			t.Errorf("shard %d: reading began at %v, want %v", f.shard, f.offsets, want)
		}
	}
}

func TestAnErrorOfOneShardEndsRunAndTheOtherShards(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 3)
	broken := errors.New("broken")
	err := Run(testContext(t), c, func(ctx context.Context, s *Source) error {
		if s.Shard() == 1 {
			return broken
		}
		return idle(ctx, s)
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "shard 1") {
		t.Errorf("got %v", err)
	}
}

func TestRunEndsQuietlyWithItsContext(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	ctx, cancel := context.WithCancel(testContext(t))
	err := Run(ctx, c, func(ctx context.Context, s *Source) error {
		cancel()
		var b Batch
		for {
			if err := s.Next(ctx, &b); err != nil {
				return err
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAnUnreachableClusterIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := testConfig(t, []string{"127.0.0.1:1"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := Run(ctx, c, idle); err != nil {
		t.Errorf("%v, want a wait until the context ends", err)
	}
}

func TestACoordinatorThatIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	cluster, c := onFake(t, 1, 1)
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 2})
	defer fault.Remove()
	ctx, cancel := context.WithCancel(testContext(t))
	if err := Run(ctx, c, func(context.Context, *Source) error { cancel(); return nil }); err != nil {
		t.Error(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the group was never joined")
	}
}

func TestTopicsOfDifferentSizesAreRefusedByName(t *testing.T) {
	t.Parallel()
	cluster, c := onFake(t, 1, 4)
	c.Topics[rules.TopicResults] = "narrow"
	if err := cluster.CreateTopic("narrow", 3, nil); err != nil {
		t.Fatal(err)
	}
	err := Run(testContext(t), c, idle)
	var mismatch *partitionsError
	if !errors.As(err, &mismatch) || mismatch.Counts != [rules.NumTopics]int{4, 4, 3, 4} {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"narrow has 3", c.Topics[rules.TopicFacts] + " has 4"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q doesn't say %q", err, word)
		}
	}
	c.Topics[rules.TopicResults] = "missing"
	if _, err := Partitions(testContext(t), c); !errors.As(err, &mismatch) || mismatch.Counts[rules.TopicResults] != 0 {
		t.Errorf("a missing topic: %v", err)
	}
}

// deleteRecords empties a partition up to an offset, as kafka-delete-records does.
func deleteRecords(t *testing.T, c Config, topic string, partition int32, offset int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	of := kmsg.NewDeleteRecordsRequestTopicPartition()
	of.Partition, of.Offset = partition, offset
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{of}}}
	if _, err := request.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

// hold is HoldShards of an installation that began with so many.
func hold(shards int) func(context.Context, int) (int, error) {
	return func(context.Context, int) (int, error) { return shards, nil }
}

func TestAPartitionThatIsAddedBelongsToNoShard(t *testing.T) {
	t.Parallel()
	_, c := onFake(t, 1, 2)
	var (
		mutex sync.Mutex
		found []Unread
		told  = make(chan struct{}, 1)
	)
	c.Unread = func(unread []Unread) {
		mutex.Lock()
		defer mutex.Unlock()
		found = unread
		select {
		case told <- struct{}{}:
		default:
		}
	}
	await := func(want []Unread) {
		t.Helper()
		ctx := testContext(t)
		for {
			mutex.Lock()
			now := slices.Clone(found)
			mutex.Unlock()
			if slices.Equal(now, want) {
				return
			}
			select {
			case <-told:
			case <-ctx.Done():
				t.Fatalf("told of %v, want %v", now, want)
			}
		}
	}
	m := newMembers(t, c)
	leave := m.join("a", idle)
	m.await(map[string]int{"a": 2})
	localserverstest.AddPartitions(t, c.Brokers, 3, c.Topics[rules.TopicFacts])
	newWriter(t, c).write(rules.TopicFacts, 2, numbers(0, 7)...)
	await([]Unread{{c.Topics[rules.TopicFacts], 2, 0, 7}})
	m.await(map[string]int{"a": 2}) // it was asked anew
	leave()

	// Started anew, they go by what was held, whether the topics agree or not.
	c.HoldShards = hold(2)
	m = newMembers(t, c)
	m.join("b", idle)
	m.await(map[string]int{"b": 2})
	localserverstest.AddPartitions(t, c.Brokers, 3, c.Topics[rules.TopicReferrals], c.Topics[rules.TopicResults], c.Topics[rules.TopicTransactions])
	await([]Unread{{c.Topics[rules.TopicFacts], 2, 0, 7}, {c.Topics[rules.TopicReferrals], 2, 0, 0}, {c.Topics[rules.TopicResults], 2, 0, 0}, {c.Topics[rules.TopicTransactions], 2, 0, 0}})
	m.await(map[string]int{"b": 2})
	deleteRecords(t, c, c.Topics[rules.TopicFacts], 2, 7)
	await([]Unread{{c.Topics[rules.TopicFacts], 2, 7, 7}, {c.Topics[rules.TopicReferrals], 2, 0, 0}, {c.Topics[rules.TopicResults], 2, 0, 0}, {c.Topics[rules.TopicTransactions], 2, 0, 0}})
	if committed, err := Committed(t.Context(), c, 2); err != nil || committed != fromFirst {
		t.Errorf("of the added partition %v is committed, %v", committed, err)
	}
}

func TestATopicWithFewerPartitionsThanShardsIsRefused(t *testing.T) {
	t.Parallel()
	_, c := onFake(t, 1, 2)
	c.HoldShards = hold(3)
	var few *layoutError
	if err := Run(testContext(t), c, idle); !errors.As(err, &few) || !strings.Contains(err.Error(), "laid out over 3 shards, and "+c.Topics[rules.TopicFacts]+" has 2 partitions") {
		t.Errorf("got %v", err)
	}
	if _, err := Shards(testContext(t), c); !errors.As(err, &few) {
		t.Errorf("asked: %v", err)
	}
}

func TestCommitsThatWaitTogetherGoInOneRequestAndNeverBack(t *testing.T) {
	t.Parallel()
	topics := [rules.NumTopics]string{"f", "s", "r", "t"}
	var sent []map[string]map[int]commitment
	sending, goOn := make(chan struct{}), make(chan struct{})
	q := newCommitQueue(topics, func(o map[string]map[int]commitment) error {
		sent = append(sent, o)
		sending <- struct{}{}
		<-goOn
		return nil
	})
	var waiting sync.WaitGroup
	commit := func(shard int32, o rules.Positions) {
		waiting.Go(func() {
			if err := q.commit(testContext(t), shard, o, 1); err != nil {
				t.Error(err)
			}
		})
	}
	commit(0, rules.Positions{1, -1, -1, 1})
	<-sending
	merged := q.merge([]commitRequest{
		{shard: 0, offsets: rules.Positions{5, -1, -1, 9}, batch: 2}, {shard: 0, offsets: rules.Positions{4, -1, 2, 10}, batch: 3}, {shard: 3, offsets: rules.Positions{-1, -1, -1, 7}, batch: 1},
	})
	want := map[string]map[int]commitment{"f": {0: {5, 3}}, "r": {0: {2, 3}}, "t": {0: {10, 3}, 3: {7, 1}}}
	for topic, partitions := range want {
		for shard, of := range partitions {
			if merged[topic][shard] != of || len(merged[topic]) != len(partitions) {
				t.Errorf("merged %v, want %v", merged, want)
			}
		}
	}
	if len(merged) != len(want) {
		t.Errorf("merged %v, want %v", merged, want)
	}
	goOn <- struct{}{}
	waiting.Wait()
	q.close()
	if err := q.commit(testContext(t), 0, rules.Positions{}, 1); !errors.Is(err, ErrGenerationOver) {
		t.Errorf("after the end: %v", err)
	}
	if len(sent) != 1 {
		t.Errorf("%d requests", len(sent))
	}
}

// Offsets that were committed before their mark held a batch are a processor's too;
// what no processor writes is not.
func TestCommitMarks(t *testing.T) {
	for metadata, want := range map[string]struct {
		batch uint64
		ours  bool
	}{
		"ristourne": {0, true}, appendCommitMark(0): {0, true}, "ristourne batch 18446744073709551615": {1<<64 - 1, true},
		"": {}, "ristourne batch": {}, "ristourne batch ": {}, "ristourne batch -1": {}, "ristourne batch 1x": {}, "other": {},
	} {
		if batch, ours := parseCommitMark(metadata); batch != want.batch || ours != want.ours {
			t.Errorf("%q is of batch %d, of a processor: %t; want %+v", metadata, batch, ours, want)
		}
	}
	if got := appendCommitMark(42); got != "ristourne batch 42" {
		t.Errorf("the mark of batch 42 is %q", got)
	}
}

func TestAZombiesCommitIsRefused(t *testing.T) {
	t.Parallel()
	c := onBroker(t, 1)
	// A member that doesn't let go in time is put out of the group.
	c.SessionTimeout, c.RebalanceTimeout = time.Second, time.Second
	m := newMembers(t, c)
	otherOwns, refused := make(chan struct{}), make(chan error, 1)
	m.join("a", func(ctx context.Context, s *Source) error {
		<-ctx.Done()
		select {
		case <-otherOwns:
			err := s.Commit(context.WithoutCancel(ctx), rules.Positions{1, 1, 1, 1}, 7)
			select {
			case refused <- err:
			default: // a later generation
			}
			return err
		case <-time.After(testLimit): // the test has failed already
			return nil
		}
	})
	m.await(map[string]int{"a": 1})
	once := sync.OnceFunc(func() { close(otherOwns) })
	m.join("b", func(ctx context.Context, s *Source) error {
		once()
		return idle(ctx, s)
	})
	if err := <-refused; !errors.Is(err, ErrGenerationOver) {
		t.Errorf("a member that lost its shard committed: %v", err)
	}
}

func TestShardsGoRoundTheMembers(t *testing.T) {
	t.Parallel()
	b := balancer{topics: []string{"f", "s", "r", "t"}, most: 4}
	sizes := func(f, s, r, t int) (partitions []kafka.Partition) {
		for topic, n := range map[string]int{"f": f, "s": s, "r": r, "t": t} {
			for i := range n {
				partitions = append(partitions, kafka.Partition{Topic: topic, ID: i})
			}
		}
		return partitions
	}
	right, reordered, other := []string{"f", "s", "r", "t"}, []string{"t", "r", "s", "f"}, []string{"f", "s", "r", "x"}
	tests := []struct {
		name       string
		members    []kafka.GroupMember
		partitions []kafka.Partition
		want       map[string][]int
	}{
		{"one member", []kafka.GroupMember{{ID: "a", Topics: right}}, sizes(3, 3, 3, 3), map[string][]int{"a": {0, 1, 2}}},
		{"two members", []kafka.GroupMember{{ID: "b", Topics: right}, {ID: "a", Topics: right}}, sizes(3, 3, 3, 3), map[string][]int{"a": {0, 2}, "b": {1}}},
		{"topics in another order", []kafka.GroupMember{{ID: "b", Topics: reordered}, {ID: "a", Topics: right}}, sizes(2, 2, 2, 2), map[string][]int{"a": {0}, "b": {1}}},
		{"more members than shards", []kafka.GroupMember{{ID: "c", Topics: right}, {ID: "b", Topics: right}, {ID: "a", Topics: right}}, sizes(2, 2, 2, 2), map[string][]int{"a": {0}, "b": {1}, "c": nil}},
		{"a member with other topics", []kafka.GroupMember{{ID: "b", Topics: other}, {ID: "a", Topics: right}}, sizes(2, 2, 2, 2), map[string][]int{"a": {0, 1}, "b": nil}},
		{"a topic that grew first", []kafka.GroupMember{{ID: "a", Topics: right}}, sizes(2, 4, 2, 2), map[string][]int{"a": {0, 1}}},
		{"partitions that were added", []kafka.GroupMember{{ID: "a", Topics: right}, {ID: "b", Topics: right}}, sizes(5, 5, 6, 5), map[string][]int{"a": {0, 2}, "b": {1, 3}}},
		{"a topic that is gone", []kafka.GroupMember{{ID: "a", Topics: right}}, sizes(2, 2, 0, 2), map[string][]int{"a": nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := b.AssignGroups(tt.members, tt.partitions)
			for member, shards := range tt.want {
				for _, topic := range b.topics {
					if !slices.Equal(got[member][topic], shards) {
						t.Errorf("%s of %s: %v, want %v", topic, member, got[member][topic], shards)
					}
				}
			}
		})
	}
}

func TestEveryShardHasOneOwnerAndLoadsDifferByOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		topics := []string{"f", "s", "r", "t"}
		n := rapid.IntRange(1, 40).Draw(t, "partitions")
		var partitions []kafka.Partition
		for _, topic := range topics {
			for i := range n {
				partitions = append(partitions, kafka.Partition{Topic: topic, ID: i})
			}
		}
		var members []kafka.GroupMember
		for _, id := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{6}`), 1, 12, rapid.ID[string]).Draw(t, "members") {
			members = append(members, kafka.GroupMember{ID: id, Topics: topics})
		}
		got := balancer{topics: topics, most: n}.AssignGroups(members, partitions)
		owned := make([]int, n)
		for _, m := range members {
			for _, shard := range got[m.ID]["f"] {
				owned[shard]++
			}
			if load := len(got[m.ID]["f"]); load < n/len(members) || load > (n+len(members)-1)/len(members) {
				t.Fatalf("%s has %d of %d shards, there are %d members", m.ID, load, n, len(members))
			}
		}
		for shard, owners := range owned {
			if owners != 1 {
				t.Fatalf("shard %d has %d owners", shard, owners)
			}
		}
	})
}

func TestValidateNamesAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	err := Config{Topics: [rules.NumTopics]string{"a", "a", "", "d"}, MaxBytes: 3, HeartbeatInterval: time.Minute}.Validate()
	for _, fault := range []string{"brokers", "group", "same topic", "results", "max bytes", "heartbeat"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v doesn't tell of %q", err, fault)
		}
	}
	if err := testConfig(t, []string{"localhost:9092"}).Validate(); err != nil {
		t.Error(err)
	}
}
