package localserverstest

import (
	"context"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
)

// Each test has an empty database of its own on one server, gone afterwards.
func TestClickHouse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var databases []string
	for range 2 {
		t.Run("a test/with an odd name-1.5 é", func(t *testing.T) {
			server, database := ClickHouse(t)
			databases = append(databases, database)
			conn, err := clickhouse.Open(&clickhouse.Options{
				Addr: []string{server.Addr},
				Auth: clickhouse.Auth{Username: server.User, Password: server.Password, Database: database},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// Would fail in a database that had the table already.
			if err := conn.Exec(ctx, "CREATE TABLE accruals (id Int64) ENGINE = MergeTree ORDER BY id"); err != nil {
				t.Fatal(err)
			}
		})
	}
	server, _ := ClickHouse(t)
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{server.Addr},
		Auth: clickhouse.Auth{Username: server.User, Password: server.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var left uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name IN (?)", databases).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 || len(databases) != 2 {
		t.Errorf("%d of the databases %v are left, want none of 2", left, databases)
	}
}

func TestKafka(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	broker := Kafka(t)
	topic := Unique(t, "card.transactions")
	if other := Unique(t, "card.transactions"); other == topic || !strings.HasPrefix(other, "card.transactions-") {
		t.Errorf("topics %s and %s: want two that begin with card.transactions", topic, other)
	}
	if err := broker.CreateTopics(ctx, 2, topic); err != nil {
		t.Fatal(err)
	}
	writer := &kafka.Writer{Addr: kafka.TCP(broker.Brokers...), Topic: topic, RequiredAcks: kafka.RequireAll}
	defer writer.Close()
	if err := writer.WriteMessages(ctx, kafka.Message{Value: []byte("{}")}); err != nil {
		t.Errorf("produce: %v", err)
	}
}

// The keys of one test are not there for the next.
func TestRedis(t *testing.T) {
	t.Parallel()
	for range 2 {
		t.Run("empty", func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: Redis(t).Addr})
			defer client.Close()
			if keys := client.DBSize(context.Background()).Val(); keys != 0 {
				t.Errorf("%d keys in a new Redis, want none", keys)
			}
			if err := client.Set(context.Background(), Prefix(t)+"k", "v", 0).Err(); err != nil {
				t.Error(err)
			}
		})
	}
}
