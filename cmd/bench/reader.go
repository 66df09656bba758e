package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sys/unix"
)

// measure is what one process did between two moments.
type measure struct {
	Name      string  `json:"name"`
	Events    float64 `json:"events"`
	Seconds   float64 `json:"seconds"`
	CPUMicros float64 `json:"cpu_microseconds"`
	Mallocs   float64 `json:"allocations"`
	RSSBytes  float64 `json:"resident_bytes"`
}

func (m measure) perSecond() float64       { return m.Events / m.Seconds }
func (m measure) cpuPerEvent() float64     { return m.CPUMicros / m.Events }
func (m measure) mallocsPerEvent() float64 { return m.Mallocs / m.Events }

// warm is the part of the events that is not measured.
const warm = 0.05

// readWithGroup reads the topic with kafka-go's group Reader and commits each
// second: what most Go consumers do.
func readWithGroup(ctx context.Context, brokers []string, topic, group string, events int) (measure, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: brokers, GroupID: group, Topic: topic, MaxBytes: 1 << 20, CommitInterval: time.Second, StartOffset: kafka.FirstOffset,
	})
	defer reader.Close()
	begin := int(float64(events) * warm)
	var from moment
	for i := range events {
		if i == begin {
			from = now()
		}
		if _, err := reader.ReadMessage(ctx); err != nil {
			return measure{}, fmt.Errorf("read event %d: %w", i, err)
		}
	}
	to := now()
	return measure{
		Name: "reader", Events: float64(events - begin), Seconds: to.at.Sub(from.at).Seconds(),
		CPUMicros: to.cpuMicros - from.cpuMicros, Mallocs: to.mallocs - from.mallocs, RSSBytes: to.rssBytes,
	}, nil
}

type moment struct {
	at                           time.Time
	cpuMicros, mallocs, rssBytes float64
}

func now() moment {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // fails only for a bad argument
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return moment{
		at:        time.Now(),
		cpuMicros: float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e3,
		mallocs:   float64(memory.Mallocs),
		rssBytes:  float64(usage.Maxrss) * 1024,
	}
}
