package processor

import (
	"log/slog"
	"strconv"
	"time"

	"ristourne/processor/feed"
	"ristourne/processor/wire"
	"ristourne/rules"
)

// stamps holds the Kafka timestamps of a shard's records against this machine's
// clock. A producer whose clock is wrong, or that sets none, makes each of its
// records a dead letter ("ahead") or dates them in 1970: that must be told as
// what it is, and must not make a gauge show an age of fifty years.
//
// When a record was appended nobody says; but what comes after the log had been
// read to its end was appended after that. So a timestamp before it is wrong for
// certain, by the difference at least, and so is one that is still to come.
type stamps struct {
	topics  [rules.NumTopics]string
	shard   string
	metrics *Metrics
	log     *slog.Logger

	now    int64                  // milliseconds since 1970, of the batch at hand
	after  [rules.NumTopics]int64 // its records were appended after this; 0: nobody knows
	next   [rules.NumTopics]int64 // the same of the batch that follows
	warned [rules.NumTopics]int64 // when it was last said in the log
}

const (
	// firstKafka is before any record that Kafka has ever held.
	firstKafka = 1_293_840_000_000 // 2011-01-01T00:00:00Z
	// stampOff is how far a timestamp may be from the record's arrival. It is
	// far below the 5 minutes at which records are refused.
	stampOff       = time.Minute
	stampWarnEvery = 10 * time.Minute
)

func newStamps(topics [rules.NumTopics]string, shard int32, metrics *Metrics, log *slog.Logger) stamps {
	return stamps{topics: topics, shard: strconv.Itoa(int(shard)), metrics: metrics, log: log}
}

// look measures the timestamps of a batch. It is all that an unmatched event
// costs here: no I/O, no allocation.
func (s *stamps) look(records []feed.Record, now time.Time) {
	s.now, s.after = now.UnixMilli(), s.next
	var farthest [rules.NumTopics]int64
	var seen, off [rules.NumTopics]int64
	for i := range records {
		r := &records[i]
		seen[r.Topic]++
		age := s.age(r)
		if max(age, -age) > max(farthest[r.Topic], -farthest[r.Topic]) {
			farthest[r.Topic] = age
		}
		if max(age, -age) > stampOff.Milliseconds() {
			off[r.Topic]++
		}
	}
	for t := range rules.NumTopics {
		if seen[t] > 0 {
			s.tell(t, farthest[t], off[t])
		}
	}
}

// age is the record's arrival less its timestamp in milliseconds, as far as it is
// certain; 0 where nothing speaks against the timestamp.
func (s *stamps) age(r *feed.Record) int64 {
	switch {
	case r.Time > s.now:
		return s.now - r.Time
	case r.Time < s.after[r.Topic]:
		return s.after[r.Topic] - r.Time
	case r.Time < firstKafka:
		return s.now - r.Time
	}
	return 0
}

func (s *stamps) tell(t rules.Topic, farthest, off int64) {
	s.metrics.stampAge.WithLabelValues(s.topics[t], s.shard).Set(float64(farthest) / 1000)
	if off == 0 {
		return
	}
	s.metrics.stampsOff.WithLabelValues(s.topics[t]).Add(float64(off))
	if s.warned[t] != 0 && s.now-s.warned[t] < stampWarnEvery.Milliseconds() {
		return
	}
	s.warned[t] = s.now
	s.log.Warn("Kafka timestamps are not when the records came: set the clocks of the producer and of this machine, "+
		"or let the topic stamp its records (message.timestamp.type=LogAppendTime); dates more than 5 minutes ahead of them are dead letters",
		"topic", s.topics[t], "records", off, "arrival_less_timestamp_seconds", farthest/1000)
}

// readToEnd notes up to when the log has been read, for the batches that follow.
func (s *stamps) readToEnd(source Source) {
	meter, ok := source.(endMeter)
	if !ok {
		return
	}
	for t, at := range meter.ReadToEnd() {
		if !at.IsZero() {
			s.next[t] = max(s.next[t], at.UnixMilli())
		}
	}
}

// of is the timestamp of a record for the decoder, which is told the clock too.
// Kafka's "no timestamp" is -1, which would let any date through.
func (s *stamps) of(d *wire.Decoder, r *feed.Record) int64 {
	d.SetClock(wire.Clock{NowMillis: s.now, AfterMillis: s.after[r.Topic]})
	return max(r.Time, 0)
}

// believed is when a record came, in milliseconds: its timestamp, unless that is
// surely wrong.
func (s *stamps) believed(r *feed.Record) int64 {
	if r.Time > s.now || r.Time < firstKafka && s.after[r.Topic] == 0 {
		return s.now
	}
	return max(r.Time, s.after[r.Topic])
}
