package feed

import (
	"context"
	"fmt"

	"ristourne/rules"
)

// commitQueue brings the commits of all shards of a generation to the one
// goroutine that sends them: kafka-go spins when several wait for answers on the
// coordinator's connection.
type commitQueue struct {
	topics   [rules.NumTopics]string
	send     func(map[string]map[int]commitment) error
	requests chan commitRequest
	closing  chan struct{}
	closed   chan struct{}
}

type commitRequest struct {
	shard   int32
	offsets rules.Positions
	batch   uint64
	done    chan<- error // has room for the answer
}

func newCommitQueue(topics [rules.NumTopics]string, send func(map[string]map[int]commitment) error) *commitQueue {
	q := &commitQueue{
		topics: topics, send: send,
		requests: make(chan commitRequest), closing: make(chan struct{}), closed: make(chan struct{}),
	}
	go q.run()
	return q
}

// close waits for the commit that is being sent; later ones are refused.
func (q *commitQueue) close() {
	close(q.closing)
	<-q.closed
}

func (q *commitQueue) commit(ctx context.Context, shard int32, o rules.Positions, batch uint64) error {
	done := make(chan error, 1)
	select {
	case q.requests <- commitRequest{shard, o, batch, done}:
	case <-q.closing:
		return ErrGenerationOver
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the broker may have it or not: %w", ctx.Err())
	}
}

func (q *commitQueue) run() {
	defer close(q.closed)
	var waiting []commitRequest
	for {
		select {
		case r := <-q.requests:
			waiting = append(waiting[:0], r)
		case <-q.closing:
			return
		}
		for more := true; more; {
			select {
			case r := <-q.requests:
				waiting = append(waiting, r)
			default:
				more = false
			}
		}
		err := q.send(q.merge(waiting))
		for _, r := range waiting {
			r.done <- err
		}
	}
}

// merge keeps the furthest offset and batch of each partition: a commit never goes
// back.
func (q *commitQueue) merge(waiting []commitRequest) map[string]map[int]commitment {
	merged := make(map[string]map[int]commitment, rules.NumTopics)
	for _, r := range waiting {
		for t, offset := range r.offsets {
			if offset < 0 {
				continue
			}
			topic := q.topics[t]
			if merged[topic] == nil {
				merged[topic] = make(map[int]commitment)
			}
			former := merged[topic][int(r.shard)]
			merged[topic][int(r.shard)] = commitment{max(former.offset, offset), max(former.batch, r.batch)}
		}
	}
	return merged
}
