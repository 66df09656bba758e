package rules

import "fmt"

// Source says which topics of which Kafka cluster offsets are of.
type Source struct {
	ClusterID string // empty: the broker tells none
	Topics    [NumTopics]string
	TopicIDs  [NumTopics]string // of KIP-516, hexadecimal; empty: the broker gives none
}

// Moved tells which topics are others than before, so that offsets of the former
// mean nothing in them.
func (s *Source) Moved(before *Source) (moved [NumTopics]bool) {
	for t := range moved {
		one, was := Source{ClusterID: s.ClusterID}, Source{ClusterID: before.ClusterID}
		one.Topics[t], one.TopicIDs[t] = s.Topics[t], s.TopicIDs[t]
		was.Topics[t], was.TopicIDs[t] = before.Topics[t], before.TopicIDs[t]
		moved[t] = one.Differs(&was) != ""
	}
	return moved
}

// Differs tells in words what is another one than before; empty: nothing. What
// one of them doesn't tell is taken for the same.
func (s *Source) Differs(before *Source) string {
	if s.ClusterID != before.ClusterID && s.ClusterID != "" && before.ClusterID != "" {
		return fmt.Sprintf("the Kafka cluster is %s and was %s", s.ClusterID, before.ClusterID)
	}
	for t, name := range s.Topics {
		if name != before.Topics[t] {
			return fmt.Sprintf("topic %s is named where %s was", name, before.Topics[t])
		}
		if id, was := s.TopicIDs[t], before.TopicIDs[t]; id != was && id != "" && was != "" {
			return fmt.Sprintf("topic %s was deleted and made anew: its id is %s and was %s", name, id, was)
		}
	}
	return ""
}
