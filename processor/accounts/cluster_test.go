package accounts

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// sharedCluster is a cluster of one server that has all slots: it refuses what
// a cluster refuses, such as keys of two slots in one script. It takes 2 s to
// come up, so all tests share it.
var sharedCluster cluster

type cluster struct {
	once    sync.Once
	err     error
	address string
	dir     string
	process *exec.Cmd
}

func TestMain(m *testing.M) {
	code := m.Run()
	sharedCluster.stop()
	os.Exit(code)
}

func (c *cluster) get(tb testing.TB, redisServer string) Options {
	tb.Helper()
	c.once.Do(func() { c.err = c.start(redisServer) })
	if c.err != nil {
		tb.Fatal(c.err)
	}
	return Options{Addrs: []string{c.address}, Cluster: true}
}

func (c *cluster) start(redisServer string) (err error) {
	if c.dir, err = os.MkdirTemp("", "ristourne-cluster-"); err != nil {
		return err
	}
	for range 5 { // a port may be taken before the server has it
		port, err1 := freePort()
		busPort, err2 := freePort()
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		c.process = exec.Command(redisServer, "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes",
			"--cluster-port", busPort, "--dir", c.dir, "--save", "", "--appendonly", "no")
		if err := c.process.Start(); err != nil {
			return err
		}
		c.address = net.JoinHostPort("127.0.0.1", port)
		if takeAllSlots(c.address) {
			return nil
		}
		c.kill()
	}
	return errors.New("no redis-server came up as a cluster")
}

func (c *cluster) kill() {
	_ = c.process.Process.Kill()
	_ = c.process.Wait()
}

func (c *cluster) stop() {
	if c.process != nil {
		c.kill()
	}
	_ = os.RemoveAll(c.dir)
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

func takeAllSlots(address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		// It fails while the server is starting, and once the slots are taken.
		_ = client.ClusterAddSlotsRange(ctx, 0, 16383).Err()
		if strings.Contains(client.ClusterInfo(ctx).Val(), "cluster_state:ok") {
			return true
		}
	}
	return false
}
