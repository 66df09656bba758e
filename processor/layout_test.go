package processor

import (
	"context"
	"errors"
	"slices"
	"testing"

	"ristourne/processor/feed"
)

// twoLayouts are the number of shards in Redis and in the ledger.
type twoLayouts struct {
	held   int
	booked []int
}

func (l *twoLayouts) Shards(context.Context) (int, error)    { return l.held, nil }
func (l *twoLayouts) Layouts(context.Context) ([]int, error) { return l.booked, nil }

func (l *twoLayouts) HoldShards(_ context.Context, shards int) error {
	if l.held != 0 && l.held != shards {
		return errors.New("another is held")
	}
	l.held = shards
	return nil
}

func (l *twoLayouts) BeginLayout(_ context.Context, shards int) error {
	l.booked = append(l.booked, shards)
	return nil
}

// Accounts stay where the first start has put them, whatever the topics have and
// whatever Redis has lost.
func TestTheLayoutIsThatOfTheFirstStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		before     twoLayouts
		partitions int
		want       int
		refused    bool
	}{
		{"the first start", twoLayouts{}, 12, 12, false},
		{"the first start on topics that differ", twoLayouts{}, 0, 0, false},
		{"a partition was added", twoLayouts{12, []int{12}}, 13, 12, false},
		{"to one topic", twoLayouts{12, []int{12}}, 0, 12, false},
		{"and Redis was emptied", twoLayouts{0, []int{12}}, 13, 12, false},
		{"a ledger from before it was kept there", twoLayouts{12, nil}, 13, 12, false},
		{"Redis of another system", twoLayouts{4, []int{12}}, 12, 0, true},
		{"two have started first at once", twoLayouts{4, []int{4, 5}}, 5, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.before
			shards, err := HoldLayout(t.Context(), &l, &l, tt.partitions)
			if errors.Is(err, ErrLayout) != tt.refused || shards != tt.want {
				t.Fatalf("%d shards, %v", shards, err)
			}
			if !tt.refused && tt.want != 0 && (l.held != tt.want || !slices.Equal(l.booked, []int{tt.want})) {
				t.Errorf("held are %+v", l)
			}
		})
	}
}

func TestTopicsThatDifferAreTold(t *testing.T) {
	t.Parallel()
	added := func(topics ...string) (u unread) {
		for n, topic := range topics {
			u.partitions = append(u.partitions, feed.Unread{Topic: topic, Partition: int32(n)})
		}
		return u
	}
	for topics, want := range map[*unread]bool{
		new(added()):                                         false,
		new(added("f")):                                      true,
		new(added("f", "s", "r", "t")):                       false,
		new(added("f", "s", "r", "t", "t")):                  true,
		new(added("f", "s", "r", "t", "f", "s", "r", "t")):   false,
		new(added("f", "f", "f", "f", "s", "s", "s", "s")):   true,
		new(added("f", "s", "r", "t", "f", "s", "r", "r")):   true,
		new(added("f", "f", "s", "s", "r", "r", "t", "t")):   false,
		new(added("f", "f", "s", "s", "r", "r", "t", "oth")): true,
	} {
		if got := topics.differ(); got != want {
			t.Errorf("%v: differ %t", topics.partitions, got)
		}
	}
}
