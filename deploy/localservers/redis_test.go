package localservers

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"
)

func dialRedis(t *testing.T, r *Redis) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// The same server answers scripts, and after a restart on the same address its
// data are there.
func TestRedisKeepsKeys(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	o := testOptions(t)
	r, err := StartRedis(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePart(t, r) })
	if (r.Mini() != nil) != r.Embedded() {
		t.Errorf("Mini() = %v with Embedded() = %v", r.Mini(), r.Embedded())
	}
	script := redis.NewScript(`return redis.call("SET", KEYS[1], ARGV[1])`)
	if err := script.Run(ctx, dialRedis(t, r), []string{"account"}, "state").Err(); err != nil {
		t.Fatalf("script: %v", err)
	}
	addr := r.Addr
	if err := r.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if r.Addr != addr {
		t.Errorf("address %s after the restart, want %s", r.Addr, addr)
	}
	if got := dialRedis(t, r).Get(ctx, "account").Val(); got != "state" {
		t.Errorf("after the restart account = %q, want %q", got, "state")
	}
}

// A killed server starts again from its append-only file, and another process
// finds the same in the kept folder; miniredis refuses to be killed.
func TestRedisKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	o := testOptions(t)
	o.DataDir = t.TempDir()
	r, err := StartRedis(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePart(t, r) })
	if r.Embedded() {
		if o.Kind == Real {
			t.Error("miniredis stands for a real Redis")
		}
		if err := r.Kill(); !errors.Is(err, errInProcess) {
			t.Errorf("kill miniredis: %v, want a refusal", err)
		}
		return
	}
	if err := dialRedis(t, r).Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := r.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := dialRedis(t, r).Get(ctx, "k").Val(); got != "v" {
		t.Errorf("after kill and restart k = %q, want %q", got, "v")
	}
	closePart(t, r)
	again, err := StartRedis(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePart(t, again) })
	if got := dialRedis(t, again).Get(ctx, "k").Val(); got != "v" {
		t.Errorf("in the kept folder k = %q, want %q", got, "v")
	}
}

// Without redis-server on PATH the embedded kind is miniredis, and the real kind
// an error that says what to install.
func TestRedisWithoutServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	ctx := context.Background()
	r, err := StartRedis(ctx, Options{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer closePart(t, r)
	if !r.Embedded() {
		t.Error("not miniredis")
	}
	if err := dialRedis(t, r).Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := dialRedis(t, r).Get(ctx, "k").Val(); got != "v" {
		t.Errorf("after the restart k = %q, want %q", got, "v")
	}
}
