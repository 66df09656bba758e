package localserverstest

import (
	"testing"

	"github.com/segmentio/kafka-go"
)

// AddPartitions makes topics larger, as an operator does.
func AddPartitions(tb testing.TB, brokers []string, count int, topics ...string) {
	tb.Helper()
	transport := &kafka.Transport{} // the shared one may not know the topics yet
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}
	request := &kafka.CreatePartitionsRequest{}
	for _, topic := range topics {
		request.Topics = append(request.Topics, kafka.TopicPartitionsConfig{Name: topic, Count: int32(count)})
	}
	answer, err := client.CreatePartitions(tb.Context(), request)
	if err != nil {
		tb.Fatal(err)
	}
	for topic, err := range answer.Errors {
		if err != nil {
			tb.Fatalf("%s: %v", topic, err)
		}
	}
}
