package processor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"ristourne/processor/feed"
	"ristourne/processor/retry"
	"ristourne/rules"
)

// retry tries a step again for as long as ctx lasts, with growing pauses up to
// RetryMax: a failing part blocks its shard and shows in the metrics; nothing
// is ever skipped. A shard that was lost or fell back stops at once.
func (s *Shard) retry(ctx context.Context, step string, do func(context.Context) error) error {
	began := s.ports.Now()
	pauses := retry.Pauses{First: 50 * time.Millisecond, Longest: s.options.RetryMax}
	err := pauses.Until(ctx, func() error {
		attempt := s.pulse.begin(step, s.ports.Now())
		if step == stepHistories {
			attempt.turned.Store(0)
		}
		err := do(ctx)
		s.pulse.end(attempt)
		if errors.Is(err, ErrFenced) || errors.Is(err, ErrStateBehindLedger) || errors.Is(err, ErrStop) || errors.Is(err, feed.ErrGenerationOver) {
			return retry.Permanent(err)
		}
		return err
	}, func(err error, next time.Duration) { s.tellFailed(step, err, next) })
	s.pulse.works(step)
	s.metrics.stepSeconds.WithLabelValues(step).Observe(s.ports.Now().Sub(began).Seconds())
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

// tellFailed tells of a try that failed and is repeated. One that only a person
// can mend counts as a failure of the shard, once.
func (s *Shard) tellFailed(step string, err error, next time.Duration) {
	s.metrics.retries.WithLabelValues(step).Inc()
	tries := s.pulse.fails(step, s.ports.Now(), err)
	if !errors.Is(err, rules.ErrNeedsPerson) {
		s.log.Warn("step failed, trying again", "step", step, "in", next, "error", err)
		return
	}
	if tries == 1 {
		reason := failureOf(err).reason
		if step == "book" || step == "pay" || step == "tell" || step == "dead letters" {
			reason = "undeliverable"
		}
		s.metrics.shardFailures.WithLabelValues(strconv.Itoa(int(s.source.Shard())), reason).Inc()
	}
	s.log.Error("step is refused until somebody acts: the shard waits, the others go on, nothing is lost", "step", step, "tries", tries,
		"what_to_do", "the error says; see cmd/ristourne/README.md, \"Shard trouble\"", "in", next, "error", err)
}
