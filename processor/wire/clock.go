package wire

import (
	"fmt"

	"ristourne/rules"
)

// Clock is what the reader of the records knows of the time, in milliseconds
// since 1970. 0: nothing.
type Clock struct {
	// NowMillis bounds what is believed of a Kafka timestamp: a producer whose
	// clock is years ahead could otherwise date a purchase so.
	NowMillis int64
	// AfterMillis is a time after which the record was appended to its topic.
	AfterMillis int64
}

// SetClock replaces what is known of the time from the next record on.
func (d *Decoder) SetClock(c Clock) { d.clock = c }

// limit is the Kafka timestamp as far as it is believed.
func (c *Clock) limit(stamp int64) int64 {
	if c.NowMillis > 0 {
		return min(stamp, c.NowMillis+maxAheadSeconds*1000)
	}
	return stamp
}

// firstKafka is before any record that Kafka has ever held: 2011-01-01.
const firstKafka = 1_293_840_000_000

// aheadDetail tells of a date that is ahead of its record's Kafka timestamp
// which of the clocks is off, as far as that is known.
func (c *Clock) aheadDetail(at rules.Instant, stamp int64) string {
	now := rules.InstantOfMillis(c.NowMillis)
	if c.NowMillis > 0 && at.After(now.AddSeconds(maxAheadSeconds)) {
		ahead := fmt.Sprintf("it is %s, %s ahead of this processor's clock (%s)", at, gap(at, now), now)
		if c.limit(stamp) == stamp {
			ahead += fmt.Sprintf(" and more than 5 minutes ahead of the record's Kafka timestamp (%s)", rules.InstantOfMillis(stamp))
		}
		return ahead + ": set the clock that dates it, or the processor's"
	}
	kafka := rules.InstantOfMillis(stamp)
	ahead := fmt.Sprintf("it is %s, %s ahead of the record's Kafka timestamp (%s), and 5 minutes are allowed: ", at, gap(at, kafka), kafka)
	const remedy = "let the topic stamp its records (message.timestamp.type=LogAppendTime), and replay the dead letters"
	after := rules.InstantOfMillis(c.AfterMillis)
	switch {
	case stamp < firstKafka:
		return ahead + "the timestamp is the wrong one, since Kafka is younger than that; the producer sets it wrong, or not at all: " + remedy
	case c.AfterMillis > 0 && after.AddSeconds(-60).After(kafka):
		return ahead + fmt.Sprintf("the timestamp is the wrong one, since the record came in after %s; set the producer's clock, or %s", after, remedy)
	}
	return ahead + "look first whether Kafka's timestamps are right (ristourne_arrival_less_timestamp_seconds); " +
		"if they are, set the clock that dates it, else the producer's clock, or " + remedy
}

// gap is how long a is after b.
func gap(a, b rules.Instant) string {
	const day = 86_400
	if seconds := a.Sec - b.Sec; seconds >= 2*day {
		return fmt.Sprintf("%d days", seconds/day)
	}
	return a.Time().Sub(b.Time()).String()
}
