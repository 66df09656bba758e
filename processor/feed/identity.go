package feed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ristourne/rules"
)

// metadataVersion is the first that tells the ids of topics (KIP-516), spoken by
// Kafka 2.8 and later, 4.x included.
const metadataVersion = 10

// Identity asks which cluster the input topics are in, and their ids: a topic
// that was deleted and made anew has another, and a record at an offset of it is
// another record.
func Identity(ctx context.Context, c Config) (rules.Source, error) {
	cl := newClient(c, c.Topics[:]...)
	defer cl.close()
	return cl.identity(ctx)
}

func (c *client) identity(ctx context.Context) (source rules.Source, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ask := &metadata{clientID: c.config.ClientID, topics: c.config.Topics[:]}
	if _, err := c.transport.RoundTrip(ctx, c.addr, ask); err != nil {
		return source, fmt.Errorf("ask Kafka for the ids of its topics: %w", err)
	}
	source.Topics = c.config.Topics
	if ask.answer.ClusterID != nil {
		source.ClusterID = *ask.answer.ClusterID
	}
	for _, topic := range ask.answer.Topics {
		for t, name := range c.config.Topics {
			if topic.Topic == nil || *topic.Topic != name {
				continue
			}
			if topic.ErrorCode != 0 {
				return source, fmt.Errorf("ask Kafka for the id of topic %s: error code %d", name, topic.ErrorCode)
			}
			if topic.TopicID != [16]byte{} {
				source.TopicIDs[t] = fmt.Sprintf("%x", topic.TopicID)
			}
		}
	}
	return source, nil
}

// metadata is one Metadata exchange, in a version that kafka-go doesn't know.
type metadata struct {
	clientID string
	topics   []string
	answer   *kmsg.MetadataResponse
}

var (
	_ protocol.Message      = (*metadata)(nil)
	_ protocol.RawExchanger = (*metadata)(nil)
)

// ApiKey is part of protocol.Message, for question and answer. By its type the
// Transport knows that it isn't kafka-go's own question, which it answers from
// what it remembers.
func (m *metadata) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required is where the Transport asks whether RawExchange is to be called.
func (m *metadata) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange asks and reads the answer.
func (m *metadata) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	question := kmsg.NewPtrMetadataRequest()
	question.Version = metadataVersion
	for _, topic := range m.topics {
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = &topic
		question.Topics = append(question.Topics, asked)
	}
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID(m.clientID)).AppendRequest(nil, question, 0)); err != nil {
		return nil, fmt.Errorf("send metadata request: %w", err)
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, fmt.Errorf("receive metadata: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	const header = 5 // correlation id, and no tagged fields
	if n < header || n > maxAnswerBytes {
		return nil, fmt.Errorf("receive metadata: an answer of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, fmt.Errorf("receive metadata: %w", err)
	}
	if body[4] != 0 {
		return nil, errors.New("receive metadata: its header has tagged fields, which none has")
	}
	answer := kmsg.NewPtrMetadataResponse()
	answer.Version = metadataVersion
	if err := answer.ReadFrom(body[header:]); err != nil {
		return nil, fmt.Errorf("receive metadata: %w", err)
	}
	m.answer = answer
	return m, nil
}
