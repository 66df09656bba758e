package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// streamsSource is the peer: a Kafka Streams application that does the same work
// with static offers and local state.
//
//go:embed peers
var streamsSource embed.FS

// buildStreams has Maven build the peer, and gives the folder of its jars.
func (b *bench) buildStreams(ctx context.Context) (string, error) {
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return "", errors.New("build the peer: mvn is not on PATH: install Maven and a JDK (Debian: apt-get install maven default-jdk-headless)")
	}
	b.say("building the Kafka Streams peer; the first time Maven fetches some 100 MB")
	dir := filepath.Join(b.dir, "streams")
	source, err := fs.Sub(streamsSource, "peers")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, source); err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, maven, "-q", "-B", "-DskipTests", "package", "dependency:copy-dependencies", "-DoutputDirectory=target/lib")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the peer: %w\n%s", err, out)
	}
	return filepath.Join(dir, "target"), nil
}

// lap is what the peer prints after each run over all events.
type lap struct {
	Events    float64 `json:"events"`
	Seconds   float64 `json:"seconds"`
	CPUMicros float64 `json:"cpu_us"` // an event
}

// peer measures the Streams application over the events of a scene: several laps
// in one JVM, each with a new group and empty state. The last, warm, is told.
func (b *bench) peer(ctx context.Context, s *scene, told string) (m measure, err error) {
	b.say("%s, %d laps", told, b.laps)
	if err := b.kafka.CreateTopics(ctx, b.partitions, "accruals", "credit.instructions"); err != nil {
		return m, err
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return m, errors.New("run the peer: java is not on PATH: install a Java 17 or newer runtime (Debian: apt-get install openjdk-17-jre-headless)")
	}
	var out, log bytes.Buffer
	child := exec.CommandContext(ctx, java, "-Xms1g", "-Xmx1g",
		"-cp", filepath.Join(b.streams, "streams.jar")+":"+filepath.Join(b.streams, "lib", "*"), "peer.streams.Main")
	child.Env = append(os.Environ(), "BROKER="+b.kafka.Brokers[0], "TOPIC="+s.topics.Transactions, "OFFERS="+b.peerOffers,
		"STATE_DIR="+filepath.Join(b.dir, "streams-state"), fmt.Sprintf("LAPS=%d", b.laps))
	child.Stdout, child.Stderr = &out, &log
	if err := child.Start(); err != nil {
		return m, err
	}
	broker := usageOf(b.kafka.PID())
	peak := watchPeak(child.Process.Pid)
	err = child.Wait()
	resident := peak()
	if err != nil {
		return m, fmt.Errorf("measure the peer: %w\n%s", err, log.String())
	}
	m = measure{Name: told, ResidentBytes: resident}
	laps := 0.0
	for decoder := json.NewDecoder(&out); decoder.More(); laps++ {
		var l lap
		if err := decoder.Decode(&l); err != nil {
			return m, fmt.Errorf("read what the peer measured: %w", err)
		}
		m.Events, m.Seconds, m.Own = l.Events, l.Seconds, l.CPUMicros*l.Events
	}
	// The broker's part is the mean of all laps: it isn't asked between them.
	m.Broker = (usageOf(b.kafka.PID()).cpuMicros - broker.cpuMicros) / max(laps, 1)
	return m, nil
}
