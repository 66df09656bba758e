// Package topictest reads back what a sink has written to its topic.
package topictest

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// Partition reads all messages of one partition, oldest first.
func Partition(t *testing.T, brokers []string, topic string, partition int) (all []kafka.Message) {
	t.Helper()
	conn, err := kafka.DialLeader(t.Context(), "tcp", brokers[0], topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	end, err := conn.ReadLastOffset()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for int64(len(all)) < end {
		m, err := conn.ReadMessage(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}
