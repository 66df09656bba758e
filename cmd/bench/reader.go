package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sys/unix"
)

// reader measures kafka-go's group Reader in a process of its own.
func (b *bench) reader(ctx context.Context, topic, group string, events int) (m measure, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	broker := usageOf(b.kafka.PID())
	child := exec.CommandContext(ctx, self, "read", "--brokers", strings.Join(b.kafka.Brokers, ","),
		"--topic", topic, "--group", group, "--events", fmt.Sprint(events))
	child.Stderr = b.log
	out, err := child.Output()
	if err != nil {
		return m, fmt.Errorf("measure the group Reader: %w", err)
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, fmt.Errorf("read what the group Reader measured: %w", err)
	}
	m.Broker = usageOf(b.kafka.PID()).cpuMicros - broker.cpuMicros
	return m, nil
}

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
		Name: "kafka-go's group Reader", Events: float64(events - begin), Seconds: to.at.Sub(from.at).Seconds(),
		Own: to.cpuMicros - from.cpuMicros, Mallocs: to.mallocs - from.mallocs, AllocatedBytes: to.allocated - from.allocated, ResidentBytes: to.rssBytes,
	}, nil
}

// moment is what this process has used by a time.
type moment struct {
	at                                      time.Time
	cpuMicros, mallocs, allocated, rssBytes float64
}

func now() moment {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // fails only for a bad argument
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return moment{
		at:        time.Now(),
		cpuMicros: float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e3,
		mallocs:   float64(memory.Mallocs), allocated: float64(memory.TotalAlloc),
		rssBytes: float64(usage.Maxrss) * 1024,
	}
}
