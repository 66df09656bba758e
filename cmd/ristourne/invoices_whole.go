package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"ristourne/cmd/internal/config"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

// bookedUntil refuses a ledger that isn't known to have everything with a Kafka
// timestamp before an instant (milliseconds since 1970): by what was booked and
// committed of each partition, against its first record from then on; and one that has
// lost rows.
func bookedUntil(ctx context.Context, c *config.Config, ledger *clickhouse.Ledger, until int64, log *slog.Logger) error {
	feedConfig, err := c.Kafka.Feed(log)
	if err != nil {
		return err
	}
	store, closeStore, err := c.Redis.Accounts()
	if err != nil {
		return err
	}
	defer closeStore()
	feedConfig.HoldShards = knownLayout(store, ledger)
	shards, err := feed.Shards(ctx, feedConfig)
	if err != nil {
		return err
	}
	var lacks []string
	for shard := range int32(shards) {
		of, err := lacking(ctx, feedConfig, ledger, shard, until)
		if err != nil {
			return err
		}
		lacks = append(lacks, of...)
	}
	if len(lacks) > 0 {
		return fmt.Errorf("the ledger doesn't have all of the month yet: %s. Wait until processors have booked it, or bring lost rows back; or say --incomplete, and what is booked of it later will be a correction",
			strings.Join(lacks, "; "))
	}
	return nil
}

// lacking says what a shard lacks up to an instant.
func lacking(ctx context.Context, c feed.Config, ledger *clickhouse.Ledger, shard int32, until int64) (lacks []string, err error) {
	// What is needed first: what is booked after that is looked at is there too.
	need, err := feed.Since(ctx, c, shard, until)
	if err != nil {
		return nil, err
	}
	commits, err := feed.CommittedBy(ctx, c, shard)
	if err != nil {
		return nil, err
	}
	marker, found, err := ledger.Marker(ctx, shard)
	if err != nil {
		return nil, err
	}
	if !found {
		marker.Positions = rules.NoPositions
	}
	for topic, name := range c.Topics {
		booked := max(0, marker.Positions[topic])
		if !commits.Foreign[topic] { // processors commit what is delivered
			booked = max(booked, commits.Offsets[topic])
		}
		if missing := need[topic] - booked; missing > 0 {
			lacks = append(lacks, fmt.Sprintf("%s of %s, shard %d, not booked", offer.Counted(missing, "record"), name, shard))
		}
	}
	holes, err := ledger.Holes(ctx, shard, false)
	for _, hole := range holes {
		lacks = append(lacks, hole.String())
	}
	return lacks, err
}
