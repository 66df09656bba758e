package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"ristourne/cmd/internal/config"
	"ristourne/processor/feed"
	"ristourne/rules"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

// bookedUntil refuses a ledger that has lost rows: what they owe would be given back. And,
// unless incomplete says that it may be so, one that isn't known to have everything with
// a Kafka timestamp before an instant, in milliseconds since 1970.
func bookedUntil(ctx context.Context, c *config.Config, ledger *clickhouse.Ledger, until int64, incomplete bool, log *slog.Logger) error {
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
	var lacks, lost []string
	for shard := range int32(shards) {
		of, err := lacking(ctx, feedConfig, ledger, shard, until)
		holes, err2 := ledger.Holes(ctx, shard, false)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		lacks = append(lacks, of...)
		for _, hole := range holes {
			lost = append(lost, hole.String())
		}
	}
	switch {
	case len(lost) > 0:
		return fmt.Errorf("the ledger has lost rows, and what they owe would be given back: %s. Bring them back, or accept the hole by `ristourne repair` first", strings.Join(lost, "; "))
	case len(lacks) > 0 && !incomplete:
		return fmt.Errorf("the ledger doesn't have all of the month yet: %s. Wait until processors have booked it; or say --incomplete, and what is booked of it later will be a correction",
			strings.Join(lacks, "; "))
	}
	return nil
}

// lacking says what isn't booked of a shard up to an instant: by what was booked and
// committed of each partition, against its first record from then on.
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
	return lacks, nil
}
