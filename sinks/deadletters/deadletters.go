// Package deadletters keeps the records that broke a rule in a Kafka topic of
// their own: which record it was, what is wrong with it, and its bytes where
// they may be kept.
package deadletters

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
	"ristourne/sinks/internal/topic"
)

// Options say where to write. Topic is needed.
type Options = topic.Options

// Writer writes dead letters. It may be used by many goroutines.
type Writer struct{ out *topic.Writer }

// New makes a writer; it connects with the first letter.
func New(o Options) *Writer { return &Writer{out: topic.New(o)} }

// Close waits for what is on its way.
func (w *Writer) Close() error { return w.out.Close() }

// Write returns when every letter is acknowledged by all replicas in sync. An
// error means that some may be written and some not: write all again. A reader
// tells repeats by the letter's id.
func (w *Writer) Write(ctx context.Context, letters []rules.DeadLetter) error {
	messages := make([]kafka.Message, len(letters))
	for n := range letters {
		message, err := messageOf(&letters[n])
		if err != nil {
			return fmt.Errorf("write dead letter %s: %w", ID(&letters[n]), err)
		}
		messages[n] = message
	}
	if err := w.out.Write(ctx, messages); err != nil {
		return fmt.Errorf("write %d dead letters: %w", len(letters), err)
	}
	return nil
}

// ID says which record a letter is about: "topic/partition/offset".
func ID(l *rules.DeadLetter) string {
	return fmt.Sprintf("%s/%d/%d", l.Topic, l.Partition, l.Offset)
}

// What a letter keeps. Values of 64 KiB are the longest that are read; a letter
// with the most of everything is far below the 1 MiB that a topic takes, since
// one that is refused would hold up its shard for ever.
const (
	maxValue = 256 << 10
	maxKey   = 64 << 10
	maxText  = 4 << 10
)

// letter is the value of a message.
type letter struct {
	ID        string `json:"id"`
	Reason    string `json:"reason"`
	Field     string `json:"field"`
	Detail    string `json:"detail"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Timestamp int64  `json:"timestamp"` // Kafka's, milliseconds since 1970
	Size      int    `json:"size"`
	SHA256    string `json:"sha256"` // hexadecimal, of the record's value
	// Base64; absent where the bytes are not kept.
	Key   []byte `json:"key,omitzero"`
	Value []byte `json:"value,omitzero"`
}

func messageOf(l *rules.DeadLetter) (kafka.Message, error) {
	v := letter{
		ID: ID(l), Reason: cut(l.Reason), Field: cut(l.Field), Detail: cut(l.Detail),
		Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Timestamp: l.Timestamp,
		Size: l.Size, SHA256: hex.EncodeToString(l.SHA256[:]),
	}
	if len(l.Key) <= maxKey {
		v.Key = l.Key
	}
	if len(l.Value) <= maxValue {
		v.Value = l.Value
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // people read it
	if err := encoder.Encode(&v); err != nil {
		return kafka.Message{}, err
	}
	// A copy of the key: the record's buffer is used again, and kafka-go may
	// still read it when a call was cancelled.
	return kafka.Message{Key: bytes.Clone(v.Key), Value: bytes.TrimSuffix(text.Bytes(), []byte("\n"))}, nil
}

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + " ..."
}

// Decode reads a value of Write.
func Decode(value []byte) (rules.DeadLetter, error) {
	var v letter
	if err := json.Unmarshal(value, &v); err != nil {
		return rules.DeadLetter{}, fmt.Errorf("decode dead letter: %w", err)
	}
	l := rules.DeadLetter{
		Topic: v.Topic, Partition: v.Partition, Offset: v.Offset, Timestamp: v.Timestamp,
		Reason: v.Reason, Field: v.Field, Detail: v.Detail, Key: v.Key, Value: v.Value, Size: v.Size,
	}
	if id := ID(&l); v.ID != id {
		return rules.DeadLetter{}, fmt.Errorf("decode dead letter %q: its topic, partition and offset are %s", v.ID, id)
	}
	sum, err := hex.DecodeString(v.SHA256)
	if err != nil || len(sum) != len(l.SHA256) {
		return rules.DeadLetter{}, fmt.Errorf("decode dead letter %q: sha256 is not 64 hexadecimal digits", v.ID)
	}
	copy(l.SHA256[:], sum)
	return l, nil
}
