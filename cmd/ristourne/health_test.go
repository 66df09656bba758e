package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"ristourne/cmd/internal/config"
)

func TestProbesBeforeThereIsAProcessorAndWhileItStops(t *testing.T) {
	t.Parallel()
	h := &health{}
	probe := func(check func(context.Context) error) (int, string) {
		answered := httptest.NewRecorder()
		answer(check)(answered, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return answered.Code, answered.Body.String()
	}
	if status, body := probe(h.live); status != http.StatusOK || body != "ok\n" {
		t.Errorf("a process that waits for its parts: /livez %d %s", status, body)
	}
	if status, body := probe(h.ready); status != http.StatusServiceUnavailable || !strings.Contains(body, "waiting for ClickHouse") {
		t.Errorf("a process that waits for its parts: /readyz %d %s", status, body)
	}
	h.stop()
	if status, body := probe(h.ready); status != http.StatusServiceUnavailable || body != "stopping\n" {
		t.Errorf("a process that stops: /readyz %d %s", status, body)
	}
	if status, _ := probe(h.live); status != http.StatusOK {
		t.Errorf("a process that stops: /livez %d", status)
	}
}

// A processor whose parts are away or not as they must be serves its probes, says
// what it waits for, and stops without a fault when it is told to.
func TestAProcessorWithoutItsPartsWaits(t *testing.T) {
	t.Parallel()
	redis, asked := miniredis.RunT(t), make(chan struct{})
	redis.Server().SetPreHook(func(client *server.Peer, command string, _ ...string) bool {
		if !strings.EqualFold(command, "INFO") {
			return false
		}
		select {
		case asked <- struct{}{}:
		case <-t.Context().Done():
		}
		client.WriteBulk("maxmemory_policy:allkeys-lru\r\n")
		return true
	})
	c, err := config.Load(withoutServers(t))
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP.Listen, c.Redis.Addresses = "127.0.0.1:0", []string{redis.Addr()}
	var log syncBuffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- runProcessor(ctx, c, newLogger(&log, config.Log{Level: "info", Format: "text"})) }()
	<-asked
	<-asked // before it asks again it has said what it waits for
	stop()
	if err := <-stopped; err != nil {
		t.Errorf("told to stop, it gives %v", err)
	}
	wantText(t, log.String(), "ristourne runs", "ristourne has stopped", "Redis is not ready, waiting", "addresses=["+redis.Addr()+"]", "set it to noeviction")
}

func TestAnAddressInUseIsAFault(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := writeConfig(t, "kafka: {brokers: ["+nobody+"]}\nredis: {addresses: ["+nobody+"]}\nclickhouse: {addresses: ["+nobody+"]}\nhttp: {listen: "+taken.Addr().String()+"}")
	if _, stderr, code := command(t, "", "run", "--config", config); code != exitFailed || !strings.Contains(stderr, "http.listen: ") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// What go-redis says by itself is for those who look closely.
func TestTheLogOfRedisIsForDebugging(t *testing.T) {
	t.Parallel()
	for level, shown := range map[string]bool{"debug": true, "info": false} {
		var log syncBuffer
		redisLog{newLogger(&log, config.Log{Level: level, Format: "json"})}.Printf(t.Context(), "failed to dial %s", "a:1")
		if strings.Contains(log.String(), "redis: failed to dial a:1") != shown {
			t.Errorf("at level %s the log is %q", level, log.String())
		}
		if shown && !strings.Contains(log.String(), slog.LevelDebug.String()) {
			t.Errorf("it is logged as %q", log.String())
		}
	}
}
