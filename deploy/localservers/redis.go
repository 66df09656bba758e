package localservers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Redis is one Redis server without password. It is redis-server with an
// append-only file that is synced each second, or miniredis inside this process,
// which keeps nothing on disk.
type Redis struct {
	Addr string // host:port

	mini   *miniredis.Miniredis // nil where it is a process
	proc   *process             // nil where it is miniredis
	folder *folder
}

// StartRedis starts redis-server, or miniredis where Options.Kind allows it and
// redis-server is not on PATH.
func StartRedis(ctx context.Context, o Options) (*Redis, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	server, err := exec.LookPath("redis-server")
	switch {
	case err == nil:
		return startRedisServer(ctx, o, server)
	case o.Kind == Real:
		return nil, errors.New("start Redis: redis-server is not on PATH: install Redis 7 or newer (Debian: apt-get install redis-server)")
	default:
		return startMiniredis(o)
	}
}

func startMiniredis(o Options) (*Redis, error) {
	o.Log("redis-server is not on PATH: Redis is miniredis, slow and with nothing kept on disk")
	mini, err := miniredis.Run()
	if err != nil {
		return nil, fmt.Errorf("start miniredis: %w", err)
	}
	return &Redis{Addr: mini.Addr(), mini: mini}, nil
}

func startRedisServer(ctx context.Context, o Options, server string) (*Redis, error) {
	folder, err := openFolder(o, "redis")
	if err != nil {
		return nil, err
	}
	r := &Redis{folder: folder}
	var port int
	r.proc = &process{
		name: "Redis",
		dir:  folder.path,
		command: func() *exec.Cmd {
			return exec.Command(server, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", folder.path,
				"--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
		},
		ready: r.ready,
	}
	choosePort := func() error {
		ports, err := freePorts(1)
		if err != nil {
			return err
		}
		port = ports[0]
		r.Addr = localAddr(port)
		return nil
	}
	if err := r.proc.startOnFreePorts(ctx, choosePort); err != nil {
		return nil, errors.Join(err, folder.close())
	}
	return r, nil
}

// ready pings, by hand, since a client would log each attempt that fails. A
// server that still reads its append-only file refuses.
func (r *Redis) ready(ctx context.Context) error {
	dialer := net.Dialer{Timeout: probeLimit}
	conn, err := dialer.DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(probeLimit)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "+PONG" {
		return fmt.Errorf("it answers a ping with %q", answer)
	}
	return nil
}

// Embedded tells whether it is miniredis.
func (r *Redis) Embedded() bool { return r.mini != nil }

// Mini is the miniredis, nil where it is a process. Its keys expire only when
// its FastForward is called.
func (r *Redis) Mini() *miniredis.Miniredis { return r.mini }

// PID is the server's process id, 0 while it doesn't run or is miniredis.
func (r *Redis) PID() int {
	if r.Embedded() {
		return 0
	}
	return r.proc.pid()
}

// Kill ends the server at once, with SIGKILL, and waits until it is gone. It may
// lose the last writes that it said yes to: Redis holds back what goes into the
// append-only file, for up to 2 s, while the disk is busy with a sync. Miniredis
// can't be killed.
func (r *Redis) Kill() error {
	if r.Embedded() {
		return fmt.Errorf("kill Redis: %w", errInProcess)
	}
	return r.proc.killed()
}

// Stop halts the server where it is, with SIGSTOP: connections stay and nothing
// answers, until Cont. Miniredis can't be halted.
func (r *Redis) Stop() error {
	if r.Embedded() {
		return fmt.Errorf("stop Redis: %w", errInProcess)
	}
	return r.proc.halt()
}

// Cont lets a halted server go on.
func (r *Redis) Cont() error {
	if r.Embedded() {
		return fmt.Errorf("continue Redis: %w", errInProcess)
	}
	return r.proc.resume()
}

// Restart starts the server again on the same port and data, after ending it if
// it still runs. Miniredis drops its connections and keeps its data.
func (r *Redis) Restart(ctx context.Context) error {
	if !r.Embedded() {
		return r.proc.restart(ctx)
	}
	r.mini.Close()
	if err := r.mini.Restart(); err != nil {
		return fmt.Errorf("restart miniredis: %w", err)
	}
	return nil
}

// Close ends the server and removes its data if they are temporary. A second
// call does nothing.
func (r *Redis) Close() error {
	if r.Embedded() {
		r.mini.Close()
		return nil
	}
	return r.proc.close(r.folder)
}
