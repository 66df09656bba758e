package deadletters

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"ristourne/rules"
)

// A letter's key and value are the record's own, so that every tool shows what it
// was and it can be sent again as it is. What is wrong with it stands in headers,
// as Kafka Connect has it.
const (
	headerPrefix    = "__ristourne.errors."
	headerTopic     = headerPrefix + "topic"
	headerPartition = headerPrefix + "partition"
	headerOffset    = headerPrefix + "offset"
	headerTimestamp = headerPrefix + "timestamp" // Kafka's of the record, milliseconds since 1970
	headerReason    = headerPrefix + "reason"
	headerField     = headerPrefix + "field"
	headerMessage   = headerPrefix + "message"
	headerSize      = headerPrefix + "size"   // of the record's value
	headerSHA256    = headerPrefix + "sha256" // of the record's value, hexadecimal
	headerWithheld  = headerPrefix + "withheld"
)

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

// messageOf copies key and value: the record's buffer is used again, and kafka-go
// may still read it when a call was cancelled.
func messageOf(l *rules.DeadLetter) kafka.Message {
	m := kafka.Message{}
	var withheld []string
	if l.KeyWithheld || len(l.Key) > maxKey {
		withheld = append(withheld, "key")
	} else {
		m.Key = bytes.Clone(l.Key)
	}
	if l.ValueWithheld || len(l.Value) > maxValue {
		withheld = append(withheld, "value")
	} else {
		m.Value = bytes.Clone(l.Value)
	}
	add := func(name, value string) { m.Headers = append(m.Headers, kafka.Header{Key: name, Value: []byte(value)}) }
	add(headerTopic, l.Topic)
	add(headerPartition, strconv.Itoa(int(l.Partition)))
	add(headerOffset, strconv.FormatInt(l.Offset, 10))
	add(headerTimestamp, strconv.FormatInt(l.Timestamp, 10))
	add(headerReason, cut(l.Reason))
	add(headerField, cut(l.Field))
	add(headerMessage, cut(l.Detail))
	add(headerSize, strconv.Itoa(l.Size))
	add(headerSHA256, hex.EncodeToString(l.SHA256[:]))
	if withheld != nil {
		add(headerWithheld, strings.Join(withheld, ","))
	}
	return m
}

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + " ..."
}

// errNoLetter says that a record of the topic is no dead letter. Its errors show
// nothing of the record: somebody else wrote it.
var errNoLetter = errors.New("no dead letter")

// Decode reads a message of Write, or one in the form before, a JSON object that
// holds everything. Key and value are those of the message.
func Decode(m kafka.Message) (rules.DeadLetter, error) {
	texts := map[string]string{}
	for _, h := range m.Headers {
		if strings.HasPrefix(h.Key, headerPrefix) {
			texts[h.Key] = string(h.Value)
		}
	}
	if _, ok := texts[headerTopic]; !ok {
		return decodeObject(m.Value)
	}
	l := rules.DeadLetter{
		Topic: texts[headerTopic], Reason: texts[headerReason], Field: texts[headerField], Detail: texts[headerMessage],
		Key: m.Key, Value: m.Value,
	}
	var faults []error
	number := func(header string, bits int) int64 {
		n, err := strconv.ParseInt(texts[header], 10, bits)
		if err != nil {
			faults = append(faults, fmt.Errorf("%w: its header %s is no number", errNoLetter, header))
		}
		return n
	}
	l.Partition, l.Offset = int32(number(headerPartition, 32)), number(headerOffset, 64)
	l.Timestamp, l.Size = number(headerTimestamp, 64), int(number(headerSize, 32))
	if err := sumOf(texts[headerSHA256], &l); err != nil {
		faults = append(faults, err)
	}
	if withheld, some := texts[headerWithheld]; some {
		l.KeyWithheld, l.ValueWithheld = strings.Contains(withheld, "key"), strings.Contains(withheld, "value")
	}
	return l, errors.Join(faults...)
}

func sumOf(text string, l *rules.DeadLetter) error {
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != len(l.SHA256) {
		return fmt.Errorf("%w: its sha256 is not 64 hexadecimal digits", errNoLetter)
	}
	copy(l.SHA256[:], sum)
	return nil
}

// object is the value of a letter in the form that was written before.
type object struct {
	ID        string `json:"id"`
	Reason    string `json:"reason"`
	Field     string `json:"field"`
	Detail    string `json:"detail"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Timestamp int64  `json:"timestamp"`
	Size      int    `json:"size"`
	SHA256    string `json:"sha256"`
	Key       []byte `json:"key"`
	Value     []byte `json:"value"`
}

func decodeObject(value []byte) (rules.DeadLetter, error) {
	var v object
	if json.Unmarshal(value, &v) != nil {
		return rules.DeadLetter{}, fmt.Errorf("%w: it has no header %s, and is no JSON object of the form before", errNoLetter, headerTopic)
	}
	l := rules.DeadLetter{
		Topic: v.Topic, Partition: v.Partition, Offset: v.Offset, Timestamp: v.Timestamp,
		Reason: v.Reason, Field: v.Field, Detail: v.Detail, Key: v.Key, Value: v.Value, Size: v.Size,
	}
	if v.ID != ID(&l) {
		return rules.DeadLetter{}, fmt.Errorf("%w: its id is not made of its topic, partition and offset", errNoLetter)
	}
	// That form kept both or none.
	l.ValueWithheld = v.Value == nil && v.Size > 0
	l.KeyWithheld = l.ValueWithheld && v.Key == nil
	return l, sumOf(v.SHA256, &l)
}
