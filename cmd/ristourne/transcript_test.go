package main

import (
	"strings"
	"testing"

	"ristourne/cmd/internal/transcript"
	"ristourne/rules"
)

// What differs from run to run in what commands print.
const (
	anyNumber = "[0-9]+"
	anySpace  = " {2,}" // columns are as wide as what stands in them
	anyUUID   = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
	anyTime   = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"
)

// wantShown is transcript.Want for a command on the bank, whose topics have names of
// their own.
func (b *bank) wantShown(t *testing.T, command, printed string, volatile ...string) {
	t.Helper()
	inputs := b.c.Kafka.Topics.Inputs()
	defaults := [rules.NumTopics]string{
		rules.TopicFacts: "programme.facts", rules.TopicReferrals: "programme.referrals",
		rules.TopicResults: "credit.results", rules.TopicTransactions: "card.transactions",
	}
	names := []string{b.c.Kafka.Topics.Instructions, "credit.instructions"}
	for topic, name := range inputs {
		names = append(names, name, defaults[topic])
	}
	transcript.Want(t, command, strings.NewReplacer(names...).Replace(printed), volatile...)
}
