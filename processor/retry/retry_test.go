package retry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	t.Parallel()
	away, broken, over := errors.New("away"), errors.New("broken"), errors.New("over")
	for _, c := range []struct {
		name  string
		fails []error // try by try; then it succeeds
		ends  int     // after so many tries ctx does; 0: never
		want  error
		told  int
	}{
		{name: "at once"},
		{name: "after some tries", fails: []error{away, away, away}, told: 3},
		{name: "what no waiting mends", fails: []error{away, fmt.Errorf("try: %w", Permanent(broken)), away}, want: broken, told: 1},
		{name: "when its time is over", fails: []error{away, away, away}, ends: 2, want: over, told: 1},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		tries, told := 0, 0
		err := Pauses{time.Nanosecond, time.Microsecond}.Until(ctx, func() error {
			if tries++; tries == c.ends {
				cancel(over)
			}
			if tries <= len(c.fails) {
				return c.fails[tries-1]
			}
			return nil
		}, func(err error, _ time.Duration) {
			if told++; !errors.Is(err, away) {
				t.Errorf("%s: told of %v", c.name, err)
			}
		})
		cancel(nil)
		if !errors.Is(err, c.want) || told != c.told {
			t.Errorf("%s: %v after %d tries, told of %d", c.name, err, tries, told)
		}
	}
}

// The pauses grow to the longest and no further, chance included.
func TestPausesGrow(t *testing.T) {
	t.Parallel()
	pauses := Pauses{First: 100 * time.Millisecond, Longest: time.Second}.Start()
	for range 2 {
		if first := pauses.NextBackOff(); first < 50*time.Millisecond || first > 150*time.Millisecond {
			t.Errorf("the first pause is %s", first)
		}
		var longest time.Duration
		for range 100 {
			longest = max(longest, pauses.NextBackOff())
		}
		if longest <= 500*time.Millisecond || longest > 1500*time.Millisecond {
			t.Errorf("the longest pause is %s", longest)
		}
		pauses.Reset()
	}
}
