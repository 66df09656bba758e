package main

import (
	"context"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/redis/go-redis/v9"
)

// redisBytes is what Redis has been sent.
func (b *bench) redisBytes(ctx context.Context) float64 {
	if b.redis.Embedded() {
		return 0 // it doesn't count
	}
	client := redis.NewClient(&redis.Options{Addr: b.redis.Addr})
	defer client.Close()
	info, err := client.Info(ctx, "stats").Result()
	if err != nil {
		b.say("Redis' counters can't be read: %v", err)
		return 0
	}
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, "total_net_input_bytes:"); found {
			return number(strings.TrimSpace(value))
		}
	}
	return 0
}

// ledgerCounters are what ClickHouse counts of itself.
type ledgerCounters struct {
	inserts, rows, receivedBytes, syncs float64
}

func (b *bench) ledgerCounters(ctx context.Context) (c ledgerCounters) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{b.clickhouse.Addr},
		Auth: clickhouse.Auth{Username: b.clickhouse.User, Password: b.clickhouse.Password},
	})
	if err == nil {
		defer conn.Close()
		err = conn.QueryRow(ctx, `SELECT
			toFloat64(sumIf(value, event = 'InsertQuery')), toFloat64(sumIf(value, event = 'InsertedRows')),
			toFloat64(sumIf(value, event = 'NetworkReceiveBytes')), toFloat64(sumIf(value, event = 'FileSync'))
			FROM system.events`).Scan(&c.inserts, &c.rows, &c.receivedBytes, &c.syncs)
	}
	if err != nil {
		b.say("ClickHouse's counters can't be read: %v", err)
	}
	return c
}
