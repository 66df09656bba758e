package deadletters

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
	"ristourne/sinks/internal/topic"
)

// Selection says which letters are meant.
type Selection struct {
	Reasons    []string // none: all
	Topics     []string // of the record; none: all
	Partitions []int32  // of the record; none: all
	// Since and Until bound when the letter was written: the record's own
	// timestamp may be what is wrong with it. Until is not included.
	Since, Until time.Time
}

// Holds reports whether a letter that was written at a time is meant.
func (s *Selection) Holds(l *rules.DeadLetter, written time.Time) bool {
	in := func(none bool, is bool) bool { return none || is }
	return in(len(s.Reasons) == 0, slices.Contains(s.Reasons, l.Reason)) &&
		in(len(s.Topics) == 0, slices.Contains(s.Topics, l.Topic)) &&
		in(len(s.Partitions) == 0, slices.Contains(s.Partitions, l.Partition)) &&
		!written.Before(s.Since) && (s.Until.IsZero() || written.Before(s.Until))
}

// Replay sends the records of dead letters to their topics again, as they were:
// key, value, nothing else. Kafka gives them a new timestamp, that of the replay,
// so one that was wrong is so no longer. What had been taken after all is a
// duplicate by its id, so a replay can be done twice.
type Replay struct {
	// Topics are the input topics, facts first: a purchase must find its member.
	Topics    []string
	Selection Selection
	// Rekey keys each record by the account_id of its value: for a feed that was
	// keyed by something else.
	Rekey bool
	// Limit is how many records may be sent: what was sent is held in memory.
	Limit int
	// Read gives every letter of the topic, once in each of several passes.
	Read func(ctx context.Context, each func(kafka.Message) error) error
	// Progress is told how many more were sent.
	Progress func(records int)

	sent map[contentID]bool // false: found, and not sent yet
}

// contentID is what a record says and where.
type contentID [16]byte

// Report is what a replay found.
type Report struct {
	Found    int            // letters that are meant
	Repeated int            // of them, those that hold what another holds
	Sendable map[string]int // by topic
	Refused  []Refusal
}

// Refusal counts the letters that can't be replayed for one cause.
type Refusal struct {
	Why     string
	Letters int
	Example string // id of one
}

// Total is how many records can be sent.
func (r *Report) Total() (records int) {
	for _, n := range r.Sendable {
		records += n
	}
	return records
}

// errTooMany says that more letters are meant than Limit.
var errTooMany = errors.New("too many dead letters for one replay")

// Survey looks at all letters and sends nothing.
func (r *Replay) Survey(ctx context.Context) (*Report, error) {
	report := &Report{Sendable: map[string]int{}}
	r.sent = map[contentID]bool{}
	err := r.each(ctx, func(l *rules.DeadLetter) error {
		report.Found++
		_, why := r.message(l)
		if why != "" {
			report.refuse(why, l)
			return nil
		}
		id := contentOf(l)
		if _, before := r.sent[id]; before {
			report.Repeated++
			return nil
		}
		if len(r.sent) == r.Limit {
			return fmt.Errorf("%w: there are more than %d: take a part of them, by time, topic or partition, or raise the limit", errTooMany, r.Limit)
		}
		r.sent[id] = false
		report.Sendable[l.Topic]++
		return nil
	})
	return report, err
}

func (r *Report) refuse(why string, l *rules.DeadLetter) {
	for i := range r.Refused {
		if r.Refused[i].Why == why {
			r.Refused[i].Letters++
			return
		}
	}
	r.Refused = append(r.Refused, Refusal{why, 1, ID(l)})
}

const replayBatch, replayBatchBytes = 1000, 4 << 20

// Send sends what Survey has found, topic by topic, and tells how many records
// are acknowledged.
func (r *Replay) Send(ctx context.Context, o Options, report *Report) (sent int, err error) {
	for _, name := range r.Topics {
		if report.Sendable[name] == 0 {
			continue
		}
		o.Topic = name
		out := topic.New(o)
		n, err := r.sendTo(ctx, out, name)
		sent += n
		if err = errors.Join(err, out.Close()); err != nil {
			return sent, fmt.Errorf("replay to topic %s: %w", name, err)
		}
	}
	return sent, nil
}

func (r *Replay) sendTo(ctx context.Context, out *topic.Writer, name string) (sent int, err error) {
	var batch []kafka.Message
	bytes := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := out.Write(ctx, batch); err != nil {
			return err
		}
		sent += len(batch)
		r.Progress(len(batch))
		batch, bytes = nil, 0 // kafka-go may hold on to what it was given
		return nil
	}
	err = r.each(ctx, func(l *rules.DeadLetter) error {
		id := contentOf(l)
		if done, found := r.sent[id]; l.Topic != name || done || !found {
			return nil
		}
		m, why := r.message(l)
		if why != "" {
			return nil
		}
		r.sent[id] = true
		batch = append(batch, m)
		if bytes += len(m.Key) + len(m.Value); len(batch) < replayBatch && bytes < replayBatchBytes {
			return nil
		}
		return flush()
	})
	return sent, errors.Join(err, flush())
}

// each gives the letters that are meant.
func (r *Replay) each(ctx context.Context, each func(*rules.DeadLetter) error) error {
	return r.Read(ctx, func(m kafka.Message) error {
		l, err := Decode(m)
		if err != nil || !r.Selection.Holds(&l, m.Time) {
			return nil //nolint:nilerr // another's record, as list says
		}
		return each(&l)
	})
}

func contentOf(l *rules.DeadLetter) contentID {
	hash := sha256.New()
	for _, part := range [][]byte{[]byte(l.Topic), l.Key, l.Value} {
		fmt.Fprintf(hash, "%d:", len(part))
		hash.Write(part)
	}
	return contentID(hash.Sum(nil))
}

// reasonRefused is that of what `ristourne outbox set-aside` has kept.
const reasonRefused = "refused"

// headerReplayOf names the letter's record on the one that is sent again.
const headerReplayOf = "__ristourne.replay.of"

// message is the record to send, or why it can't be.
func (r *Replay) message(l *rules.DeadLetter) (m kafka.Message, why string) {
	switch {
	case l.Reason == reasonRefused:
		return m, "it is no record of the feed: it was decided, refused and set aside, and a person carries it out"
	case !slices.Contains(r.Topics, l.Topic):
		return m, "it came from a topic that is no input of this configuration"
	case l.ValueWithheld:
		return m, "its bytes are not kept: it was not read whole, or may hold a card number; send it from the source"
	case len(l.Value) == 0:
		return m, "it has no value"
	case sha256.Sum256(l.Value) != l.SHA256:
		return m, "its bytes are not those that were refused: the letter was changed"
	}
	key := l.Key
	if r.Rekey {
		var record struct {
			AccountID string `json:"account_id"`
		}
		if json.Unmarshal(l.Value, &record) != nil || record.AccountID == "" {
			return m, "it has no account_id to key it by"
		}
		key = []byte(record.AccountID)
	} else if l.KeyWithheld || len(key) == 0 || wrongKey(l) {
		return m, "its key is not its account_id, or is not kept: --rekey keys it by the account_id that it states"
	}
	return kafka.Message{
		Key: slices.Clone(key), Value: slices.Clone(l.Value),
		Headers: []kafka.Header{{Key: headerReplayOf, Value: []byte(ID(l))}},
	}, ""
}

// wrongKey reports a letter that was refused for its key: with the same key it
// would be refused again.
func wrongKey(l *rules.DeadLetter) bool {
	return l.Reason == "key" || strings.HasPrefix(l.Field, "(key")
}
