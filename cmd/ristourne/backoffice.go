package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ristourne/cmd/internal/config"
	"ristourne/processor/wire"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/sinks/facts"
	"ristourne/sinks/results"
)

// What the back office states, by facts that a person answers for.

// openFacts opens the topic of facts for a command that posts some.
func openFacts(ctx context.Context, c *config.Config) (*facts.Writer, func() error, error) {
	return openTopic(ctx, c, c.Kafka.Topics.Facts, facts.New)
}

// openTopic opens an input topic for a command that posts to it: what it posts goes to
// the shards over which accounts are laid out. closeTopic waits for what is on its way.
func openTopic[W io.Closer](ctx context.Context, c *config.Config, topic string, open func(results.Options) W) (writer W, closeTopic func() error, err error) {
	shards, err := heldShards(ctx, c)
	if err != nil {
		return writer, nil, err // it might go where nobody reads it
	}
	if err := c.Kafka.Look(ctx, topic); err != nil {
		return writer, nil, err
	}
	transport, err := c.Kafka.Transport()
	if err != nil {
		return writer, nil, err
	}
	writer = open(results.Options{Brokers: c.Kafka.Brokers, Topic: topic, Transport: transport, Partitions: shards})
	return writer, func() error {
		err := writer.Close()
		transport.CloseIdleConnections()
		return err
	}, nil
}

// takenFact refuses a fact that would become a dead letter, as nobody would be told.
func takenFact(catalogue *engine.Snapshot) func(*rules.Fact) error {
	return func(f *rules.Fact) error {
		decoder := wire.NewDecoder(wire.Options{CardTokenRanges: catalogue.CardTokenRanges()})
		var read rules.Fact
		if fault := decoder.Fact(facts.Append(nil, f), []byte(f.AccountID), time.Now().UnixMilli(), &read); fault != nil {
			return fmt.Errorf("no account would take it: %s", fault)
		}
		return nil
	}
}

// maxFactText is how much of a text a fact keeps.
const maxFactText = 256

// needFactTexts is needByAndReason where both become part of a fact, which would cut
// them.
func needFactTexts(by, reason string) error {
	if err := needByAndReason(by, reason); err != nil {
		return err
	}
	if len([]rune(by)) > maxFactText || len([]rune(reason)) > maxFactText {
		return errors.New("--by and --reason: at most 256 characters, which is what a fact keeps")
	}
	return nil
}
