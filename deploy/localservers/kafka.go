package localservers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// minSessionTimeout is the shortest session that a consumer group may ask for.
// Brokers allow 6 s at least unless told otherwise; a test of a lost consumer
// need not wait that long. (kafka/server.properties says the same.)
const minSessionTimeout = 500 * time.Millisecond

// Kafka is one Kafka broker without encryption or passwords. It makes no topic
// by itself, and no record goes by its age.
type Kafka struct {
	Brokers []string // one host:port

	broker broker
}

// broker is what stands behind a Kafka: kfake or Apache Kafka.
type broker interface {
	restart(ctx context.Context) error
	close() error
	process() *process // nil where it is none
}

// StartKafka starts a broker: at once where it is embedded, in some 5 s where it
// is Apache Kafka (whose jars, 54 MB, are fetched by Maven once).
func StartKafka(ctx context.Context, o Options) (*Kafka, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Kind == Real {
		return startApacheKafka(ctx, o)
	}
	return startKfake(o)
}

// CreateTopics makes topics with that many partitions and waits until each
// partition has a leader. A topic that is there already with as many partitions
// is left as it is; with another number it is an error.
func (k *Kafka) CreateTopics(ctx context.Context, partitions int, topics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client, closeClient := kafkaClient(k.Brokers)
	defer closeClient()

	wanted := make([]kafka.TopicConfig, len(topics))
	for i, topic := range topics {
		wanted[i] = kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: wanted})
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, topic := range topics {
		if err := answer.Errors[topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	for {
		ready, err := topicsReady(ctx, client, partitions, topics)
		if ready || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the leaders of new topics: %w", ctx.Err())
		case <-time.After(probePause):
		}
	}
}

// topicsReady tells whether every partition of the topics has a leader.
func topicsReady(ctx context.Context, client *kafka.Client, partitions int, topics []string) (bool, error) {
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return false, fmt.Errorf("look at new topics: %w", err)
	}
	for _, topic := range answer.Topics {
		if topic.Error != nil {
			return false, nil // not yet known to this broker
		}
		if len(topic.Partitions) != partitions {
			return false, fmt.Errorf("topic %s is there already with %d partitions, not %d: choose another data folder or that number",
				topic.Name, len(topic.Partitions), partitions)
		}
		for _, partition := range topic.Partitions {
			if partition.Error != nil || partition.Leader.Host == "" {
				return false, nil
			}
		}
	}
	return len(answer.Topics) == len(topics), nil
}

// kafkaClient is a client for one task, with connections of its own that the
// returned function closes.
func kafkaClient(brokers []string) (*kafka.Client, func()) {
	transport := &kafka.Transport{DialTimeout: probeLimit, MetadataTTL: time.Second}
	return &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: probeLimit * 5, Transport: transport}, transport.CloseIdleConnections
}

// Kill ends the broker at once, with SIGKILL, and waits until it is gone. An
// embedded one can't be killed.
func (k *Kafka) Kill() error {
	if p := k.broker.process(); p != nil {
		return p.killed()
	}
	return fmt.Errorf("kill Kafka: %w", errInProcess)
}

// Stop halts the broker where it is, with SIGSTOP: connections stay and nothing
// answers, until Cont. An embedded one can't be halted.
func (k *Kafka) Stop() error {
	if p := k.broker.process(); p != nil {
		return p.halt()
	}
	return fmt.Errorf("stop Kafka: %w", errInProcess)
}

// Cont lets a halted broker go on.
func (k *Kafka) Cont() error {
	if p := k.broker.process(); p != nil {
		return p.resume()
	}
	return fmt.Errorf("continue Kafka: %w", errInProcess)
}

// PID is the broker's process id, 0 while it doesn't run or is embedded.
func (k *Kafka) PID() int {
	if p := k.broker.process(); p != nil {
		return p.pid()
	}
	return 0
}

// Restart starts the broker again on the same port and data, after ending it in
// its own way if it still runs. An embedded one needs Options.DataDir for it.
func (k *Kafka) Restart(ctx context.Context) error { return k.broker.restart(ctx) }

// Close ends the broker and removes its data if they are temporary. A second
// call does nothing.
func (k *Kafka) Close() error { return k.broker.close() }
