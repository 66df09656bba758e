package wire

import (
	"crypto/sha256"
	"fmt"

	"ristourne/rules"
)

// Reasons of records that are valid by themselves and can't join their
// account's set, or stand where they must not.
const (
	ReasonConflict = "conflict" // an id that came before with other content
	ReasonLimit    = "limit"    // an account that can't take more
	ReasonTopic    = "topic"    // a record in a topic that is not for it
	// ReasonPartition is that of a record in a partition that is not its account's.
	ReasonPartition = "partition"
)

// Conflict is the fault of a record whose id came before with other content.
// mayKeep is what MayKeep says of its bytes.
func Conflict(idField string, mayKeep bool) *Fault {
	return &Fault{
		Reason: ReasonConflict, Field: idField, KeepBytes: mayKeep,
		Detail: "this id came before with other content; the first stands: give the correction an id of its own",
	}
}

// Limit is the fault of a record that would take its account beyond its bounds.
func Limit(mayKeep bool) *Fault {
	return &Fault{
		Reason: ReasonLimit, KeepBytes: mayKeep,
		Detail: "the account would go beyond its bounds of amounts, events or facts: is it one cardholder's?",
	}
}

// Misplaced is the fault of a record that lies in another partition than its
// account's.
func Misplaced(home int32, mayKeep bool) *Fault {
	return &Fault{
		Reason: ReasonPartition, Field: "account_id", KeepBytes: mayKeep,
		Detail: fmt.Sprintf("its account lies in partition %d: the producer has another partitioner than murmur2, or the topic was given more partitions "+
			"than accounts are laid out by; `ristourne deadletters replay --reason partition` sends it where it belongs", home),
	}
}

// Letter is the dead letter of a record. It holds key and value only where
// they may be kept, each for itself; they are not copied.
func (f *Fault) Letter(topic string, partition int32, offset, timestamp int64, key, value []byte) *rules.DeadLetter {
	letter := &rules.DeadLetter{
		Topic: topic, Partition: partition, Offset: offset, Timestamp: timestamp,
		Reason: f.Reason, Field: f.Field, Detail: f.Detail,
		Size: len(value), SHA256: sha256.Sum256(value),
	}
	if letter.KeyWithheld = !KeepKey(key); !letter.KeyWithheld {
		letter.Key = key
	}
	if letter.ValueWithheld = len(value) > 0 && !f.KeepBytes; !letter.ValueWithheld {
		letter.Value = value
	}
	return letter
}
