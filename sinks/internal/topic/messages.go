package topic

import "github.com/segmentio/kafka-go"

// Form is how records of one type become messages.
type Form[T any] struct {
	UsualBytes int                     // of key and value
	Check      func(*T) error          // refuses what must never be sent
	Key        func(*T) string         // the account id: it chooses the partition
	Append     func([]byte, *T) []byte // the value
}

// Messages puts all keys and values into one piece of memory, or gives the first
// refusal. The memory can't be used again: kafka-go may still be reading it when a
// call was cancelled.
func (f *Form[T]) Messages(records []T) ([]kafka.Message, error) {
	buffer := make([]byte, 0, f.UsualBytes*len(records))
	messages := make([]kafka.Message, len(records))
	for n := range records {
		r := &records[n]
		if err := f.Check(r); err != nil {
			return nil, err
		}
		from := len(buffer)
		buffer = append(buffer, f.Key(r)...)
		value := len(buffer)
		buffer = f.Append(buffer, r)
		messages[n] = kafka.Message{Key: buffer[from:value:value], Value: buffer[value:len(buffer):len(buffer)]}
	}
	return messages, nil
}
