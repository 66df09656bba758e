package localserverstest

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// DumpRedis keeps what a server holds, for [RestoreRedis].
func DumpRedis(tb testing.TB, client redis.UniversalClient) map[string]any {
	tb.Helper()
	ctx := tb.Context()
	dump := make(map[string]any)
	for _, key := range client.Keys(ctx, "*").Val() {
		switch kind := client.Type(ctx, key).Val(); kind {
		case "string":
			dump[key] = client.Get(ctx, key).Val()
		case "hash":
			dump[key] = client.HGetAll(ctx, key).Val()
		case "none": // deleted meanwhile, by somebody who still writes
		default:
			tb.Fatalf("key %q is a %s: the test does not know how to set it back", key, kind)
		}
	}
	return dump
}

// RestoreRedis makes a server hold what it held, and nothing else; without a dump
// it holds nothing.
func RestoreRedis(tb testing.TB, client redis.UniversalClient, dump map[string]any) {
	tb.Helper()
	ctx := tb.Context()
	if err := client.FlushAll(ctx).Err(); err != nil {
		tb.Fatal(err)
	}
	for key, value := range dump {
		var err error
		switch value := value.(type) {
		case string:
			err = client.Set(ctx, key, value, 0).Err()
		case map[string]string:
			err = client.HSet(ctx, key, value).Err()
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}
