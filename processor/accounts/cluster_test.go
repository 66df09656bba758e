package accounts

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startCluster starts a cluster of one server that has all slots: it refuses
// what a cluster refuses, such as keys of two slots in one script.
func startCluster(tb testing.TB, redisServer string) Options {
	tb.Helper()
	for range 5 { // the port may be taken before the server has it
		port := freePort(tb)
		cmd := exec.Command(redisServer, "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes",
			"--cluster-port", freePort(tb), "--dir", tb.TempDir(), "--save", "", "--appendonly", "no")
		if err := cmd.Start(); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		address := net.JoinHostPort("127.0.0.1", port)
		if takeAllSlots(tb.Context(), address) {
			return Options{Addrs: []string{address}, Cluster: true}
		}
	}
	tb.Fatal("no redis-server came up as a cluster")
	return Options{}
}

func freePort(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func takeAllSlots(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	for ctx.Err() == nil {
		if client.ClusterAddSlotsRange(ctx, 0, 16383).Err() != nil && client.Ping(ctx).Err() != nil {
			time.Sleep(20 * time.Millisecond) // it is starting
			continue
		}
		if strings.Contains(client.ClusterInfo(ctx).Val(), "cluster_state:ok") {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}
