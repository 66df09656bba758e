package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/processor/retry"
)

// OffsetOutOfRangeError says that a partition no longer has, or never had, the
// offset where reading should go on. Records between were lost by retention (or
// the topic was made anew): going on would leave them out silently.
type OffsetOutOfRangeError struct {
	Topic     string
	Partition int32
	Offset    int64 // where reading should go on
	LogStart  int64 // oldest offset that is kept, -1 if unknown
	LogEnd    int64 // offset after the newest record, -1 if unknown
}

func (e *OffsetOutOfRangeError) Error() string {
	if e.LogEnd >= 0 && e.Offset > e.LogEnd {
		return fmt.Sprintf("partition %d of %s ends at offset %d, before %d where reading should go on: was the topic made anew, or a leader elected that lacked records?",
			e.Partition, e.Topic, e.LogEnd, e.Offset)
	}
	return fmt.Sprintf("partition %d of %s begins at offset %d: the records from %d on were deleted before they were read, %d of them; raise the topic's retention, and restore them, or leave them out on purpose with `ristourne offsets skip --shard %d --topic %s --to %d`",
		e.Partition, e.Topic, e.LogStart, e.Offset, e.LogStart-e.Offset, e.Partition, e.Topic, e.LogStart)
}

// Unwrap makes errors.Is(err, kafka.OffsetOutOfRange) true.
func (e *OffsetOutOfRangeError) Unwrap() error { return kafka.OffsetOutOfRange }

// lasting tells errors that no waiting mends from those of networks, leaders on the
// move, brokers that start and groups that form. An error code that isn't known
// here is retried: a shard that waits shows in the metrics, and loses nothing.
func lasting(err error) bool {
	for _, lasting := range []error{
		ErrGenerationOver, errOldBroker, errCorrupt, errOldFormat, kafka.OffsetOutOfRange,
		kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState,
		kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.InvalidTopic, kafka.InvalidGroupId, kafka.InvalidSessionTimeout,
		kafka.InvalidRequest, kafka.UnsupportedVersion, kafka.UnsupportedForMessageFormat,
	} {
		if errors.Is(err, lasting) {
			return true
		}
	}
	return false
}

// pauses are between two tries of a request.
var pauses = retry.Pauses{First: 50 * time.Millisecond, Longest: 5 * time.Second}

// keepTrying calls do until it succeeds, fails for good, or ctx ends (then it gives
// ctx's error). Failures between are logged with the waits.
func keepTrying(ctx context.Context, log *slog.Logger, what string, do func() error) error {
	return pauses.Until(ctx, func() error {
		err := do()
		if err != nil && ctx.Err() == nil && lasting(err) {
			return retry.Permanent(fmt.Errorf("%s: %w", what, err))
		}
		return err
	}, func(err error, next time.Duration) {
		log.Warn("kafka: "+what+" failed, will retry", "error", err, "retry_in", next)
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
