package localservers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// holdParts makes the test binary a process that holds parts and does nothing
// else, for the test that kills such a process.
var holdParts = flag.Bool("hold-parts", false, "start the parts, print their addresses, and wait to be killed")

func TestMain(m *testing.M) {
	flag.Parse()
	if *holdParts {
		if err := hold(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// hold prints the address of each part that is a process, then a line "held",
// and stays.
func hold() error {
	ctx := context.Background()
	clickHouse, err := StartClickHouse(ctx, FromEnv())
	if err != nil {
		return err
	}
	fmt.Println(clickHouse.Addr)
	redis, err := StartRedis(ctx, FromEnv())
	if err != nil {
		return err
	}
	if !redis.Embedded() {
		fmt.Println(redis.Addr)
	}
	kafka, err := StartKafka(ctx, FromEnv())
	if err != nil {
		return err
	}
	if kafka.PID() != 0 {
		fmt.Println(kafka.Brokers[0])
	}
	fmt.Println("held")
	select {}
}

// testOptions are those of the run, with the part's progress in the test's log.
func testOptions(t *testing.T) Options {
	o := FromEnv()
	o.Log = t.Logf
	return o
}

func closePart(t *testing.T, part interface{ Close() error }) {
	t.Helper()
	if err := part.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Whoever is killed with SIGKILL leaves no server behind.
func TestServersEndWithTheirParent(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	holder := exec.CommandContext(ctx, os.Args[0], "-hold-parts")
	holder.Stderr = os.Stderr
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for {
		var line string
		if _, err := fmt.Fscanln(out, &line); err != nil {
			t.Fatalf("the process that holds parts: %v", err)
		}
		if line == "held" {
			break
		}
		addrs = append(addrs, line)
	}
	if len(addrs) == 0 {
		t.Fatal("no part is a process")
	}
	for _, addr := range addrs {
		if !listens(addr) {
			t.Errorf("nobody listens on %s before the kill", addr)
		}
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // "killed", as was asked
	for _, addr := range addrs {
		for listens(addr) {
			if ctx.Err() != nil {
				t.Fatalf("the server on %s outlives its parent", addr)
			}
			time.Sleep(probePause)
		}
	}
}

func listens(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Where the kernel doesn't end a server with its parent, the pipe does: by the
// starter of the library, and by a shell beside any other server.
func TestServersEndWithThePipe(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	c, err := StartClickHouse(ctx, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePart(t, c) })

	sleeper := &process{
		name:  "sleep",
		dir:   t.TempDir(),
		ready: func(context.Context) error { return nil },
		command: func() *exec.Cmd {
			cmd := exec.Command("sleep", "3600")
			if err := leashed(cmd); err != nil {
				t.Error(err)
			}
			return cmd
		},
	}
	if err := sleeper.start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sleeper.kill)

	for _, p := range []*process{c.proc, sleeper} {
		life := p.life()
		if life.ended() {
			t.Errorf("%s ended before its pipe closed", p.name)
		}
		_ = life.leash.Close()
		select {
		case <-life.exited:
		case <-ctx.Done():
			t.Errorf("%s goes on with its pipe closed", p.name)
		}
	}
}

// A server that doesn't come up is an error with the end of its log, at once
// when it ended by itself.
func TestFailedStartTellsWhy(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\necho 'this machine has no clock'\nexit 7\n"
	for _, name := range []string{"clickhouse", "redis-server"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)

	_, clickHouseErr := StartClickHouse(context.Background(), testOptions(t))
	_, redisErr := StartRedis(context.Background(), testOptions(t))
	for name, err := range map[string]error{"ClickHouse": clickHouseErr, "Redis": redisErr} {
		for _, want := range []string{"start " + name, "exit status 7", "this machine has no clock"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant an error with %q", name, err, want)
			}
		}
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %v, %v; want nothing", left, err)
	}
}

// What is missing on the machine is named, with the way to get it.
func TestMissingProgramIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	ctx := context.Background()
	o := Options{Kind: Real, CacheDir: t.TempDir()}
	_, kafkaErr := StartKafka(ctx, o)
	_, redisErr := StartRedis(ctx, o)
	_, clickHouseErr := StartClickHouse(ctx, o)
	_, kindErr := StartRedis(ctx, Options{Kind: "reel", CacheDir: t.TempDir()})
	for _, c := range []struct {
		err  error
		want string
	}{
		{kafkaErr, "openjdk-17-jre-headless"},
		{redisErr, "apt-get install redis-server"},
		{clickHouseErr, "install"},
		{kindErr, `"reel" is unknown`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", c.err, c.want)
		}
	}
}

func TestClickHouseVersion(t *testing.T) {
	for _, c := range []struct {
		major, minor uint64
		want         bool
	}{{18, 16, false}, {24, 7, false}, {24, 8, true}, {25, 1, true}, {26, 7, true}} {
		if err := checkVersion(c.major, c.minor); (err == nil) != c.want {
			t.Errorf("version %d.%d: %v, want accepted = %v", c.major, c.minor, err, c.want)
		}
	}
}

// However many ask at once, a cached folder is filled once, and nobody sees it
// half full.
func TestCacheFillsOnce(t *testing.T) {
	o, err := Options{CacheDir: t.TempDir()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	var fills atomic.Int64
	fill := func(_ context.Context, dir string) error {
		fills.Add(1)
		for i := range 50 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
				return err
			}
		}
		return nil
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			dir, err := cached(context.Background(), o, "jars", fill)
			if err != nil {
				t.Error(err)
				return
			}
			if files, err := os.ReadDir(dir); len(files) != 50 {
				t.Errorf("%d files in the cached folder (%v), want 50", len(files), err)
			}
		})
	}
	wait.Wait()
	if fills.Load() != 1 {
		t.Errorf("filled %d times, want once", fills.Load())
	}
}

// A fetch that fails or is broken off is made anew the next time, from nothing.
func TestCacheFetchFails(t *testing.T) {
	o, err := Options{CacheDir: t.TempDir()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	broken := errors.New("network is down")
	if _, err := cached(ctx, o, "jars", func(context.Context, string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	// What a process that was killed while it fetched leaves:
	if err := os.MkdirAll(filepath.Join(o.CacheDir, "jars.partial", "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := cached(ctx, o, "jars", func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "whole" {
		t.Errorf("cached folder holds %v (%v), want the file \"whole\" alone", files, err)
	}
}

// Temporary folders of processes that are gone are removed, those in use stay.
func TestSweepTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	gone, err := temporaryFolder("kafka")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.lock.Close(); err != nil { // as the kernel does for a killed process
		t.Fatal(err)
	}
	used, err := temporaryFolder("redis")
	if err != nil {
		t.Fatal(err)
	}
	sweepTemporary()
	if _, err := os.Stat(gone.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder of a process that is gone: %v, want that it is removed", err)
	}
	if _, err := os.Stat(used.path); err != nil {
		t.Errorf("folder in use: %v, want that it stays", err)
	}
	if err := used.close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := os.Stat(used.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder after close: %v, want that it is removed", err)
	}
}
