package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"ristourne/cmd/sandbox/traffic"
)

// calendarSpan is how long the calendar takes to catch up with the clock where
// no duration is given: of 40 days one passes in 7.5 s.
const calendarSpan = 5 * time.Minute

// calendar is the simulated time of the traffic: it runs from begin to now.
type calendar struct {
	begin   time.Time
	started time.Time     // when the traffic started
	span    time.Duration // of the clock, from then until the calendar has caught up
	endless bool
}

func newCalendar(now time.Time, days int, duration time.Duration) calendar {
	c := calendar{begin: now.AddDate(0, 0, -days), started: now, span: duration}
	if duration == 0 {
		c.span, c.endless = calendarSpan, true
	}
	return c
}

// at is the simulated time when the clock shows now: never ahead of it.
func (c calendar) at(now time.Time) time.Time {
	elapsed := now.Sub(c.started)
	if elapsed >= c.span {
		return now
	}
	share := float64(elapsed) / float64(c.span)
	return c.begin.Add(time.Duration(share * float64(c.started.Add(c.span).Sub(c.begin))))
}

// live is when it has caught up; zero where the traffic ends then.
func (c calendar) live() time.Time {
	if !c.endless {
		return time.Time{}
	}
	return c.started.Add(c.span)
}

// counters are what was sent so far.
type counters struct{ records, hits, facts atomic.Int64 }

// maxWrite bounds the records of one write.
const maxWrite = 2000

// produce sends traffic at the wanted rate until ctx ends.
func (s *sandbox) produce(ctx context.Context) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(s.kafka.Brokers...), Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, BatchSize: maxWrite, BatchBytes: 900_000, BatchTimeout: 2 * time.Millisecond,
	}
	defer writer.Close()
	s.calendar.started = time.Now()
	const tick = 20 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		due := maxWrite
		if s.rate > 0 {
			// What a stall has kept back is made up for, in writes of bounded size.
			due = min(maxWrite, int(time.Since(s.calendar.started).Seconds()*float64(s.rate)-float64(s.sent.records.Load())))
		}
		if due > 0 {
			if err := s.send(ctx, writer, due); err != nil {
				return err
			}
		}
		if s.rate == 0 || due == maxWrite {
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (s *sandbox) send(ctx context.Context, writer *kafka.Writer, n int) error {
	messages := make([]kafka.Message, n)
	var hits, facts int64
	now := s.calendar.at(time.Now())
	for i := range messages {
		r := s.traffic.Next(now)
		messages[i] = messageOf(r)
		if r.Hit {
			hits++
		}
		if r.Fact {
			facts++
		}
	}
	// A write that was begun is finished: half of one would leave the retries of
	// kafka-go in the dark.
	if err := writer.WriteMessages(context.WithoutCancel(ctx), messages...); err != nil {
		return fmt.Errorf("send traffic: %w", err)
	}
	s.sent.records.Add(int64(n))
	s.sent.hits.Add(hits)
	s.sent.facts.Add(facts)
	return nil
}

func messageOf(r traffic.Record) kafka.Message {
	m := kafka.Message{Topic: topicTransactions, Key: r.Key, Value: r.Value}
	if r.Fact {
		m.Topic = topicFacts
	}
	return m
}

// ends is where each partition of a topic ends.
func (s *sandbox) ends(ctx context.Context, topics ...string) (map[string][]int64, error) {
	transport := &kafka.Transport{ClientID: "sandbox"}
	defer transport.CloseIdleConnections()
	ask := make(map[string][]kafka.OffsetRequest, len(topics))
	for _, topic := range topics {
		for p := range s.partitions {
			ask[topic] = append(ask[topic], kafka.LastOffsetOf(p))
		}
	}
	client := &kafka.Client{Addr: kafka.TCP(s.kafka.Brokers...), Transport: transport, Timeout: 10 * time.Second}
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ask})
	if err != nil {
		return nil, fmt.Errorf("ask Kafka where the topics end: %w", err)
	}
	ends := make(map[string][]int64, len(topics))
	for topic, partitions := range answer.Topics {
		ends[topic] = make([]int64, s.partitions)
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("ask Kafka where %s ends: %w", topic, p.Error)
			}
			ends[topic][p.Partition] = p.LastOffset
		}
	}
	if len(ends) != len(topics) {
		return nil, errors.New("ask Kafka where the topics end: it did not answer for all of them")
	}
	return ends, nil
}
