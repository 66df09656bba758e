package main

import (
	"net/http"
	"testing"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// Old offsets mean nothing in topics that were deleted and made anew under the
// same names: records up to them would never be read, with a lag of 0.
func TestNewTopicsUnderTheSameNamesAreRefused(t *testing.T) {
	b := newBank(t)
	b.run(t, "offers", "publish", lyonCatalogue)
	for range 2 { // the same topics again are no others
		b.start(t)
		waitUntil(t, "the processor has its shards", func() bool { _, status := b.get(t, "/readyz"); return status == http.StatusOK })
		b.halt(t)
		b.log.reset()
	}

	name := b.c.Kafka.Topics.inputs()[rules.TopicTransactions]
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.c.Kafka.Brokers...), Transport: transport}
	deleted, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err != nil || deleted.Errors[name] != nil {
		t.Fatal(err, deleted)
	}
	waitUntil(t, "the topic is made anew", func() bool {
		created, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: bankShards, ReplicationFactor: 1}},
		})
		return err == nil && created.Errors[name] == nil
	})
	for _, arguments := range [][]string{{"run"}, {"rebuild", "--shard", "0"}} {
		wantRefused(t, "topic "+name+" was deleted and made anew", append(arguments, "--config", b.config)...)
	}
}
