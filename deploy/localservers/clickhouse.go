package localservers

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"

	"github.com/ClickHouse/clickhouse-go/v2"
)

//go:embed clickhouse/config.xml clickhouse/users.xml
var clickHouseFiles embed.FS

// The oldest ClickHouse that Ristourne works with.
const (
	clickHouseMajor = 24
	clickHouseMinor = 8
)

// ClickHouse is a ClickHouse server of its own process. It is the program
// "clickhouse" where that is on PATH, and otherwise the library that npm brings,
// the same database without its program.
type ClickHouse struct {
	Addr     string // host:port of the native protocol
	HTTPAddr string // host:port of the HTTP interface
	// User may do everything, from this machine only, and so may "default",
	// which has no password.
	User     string
	Password string

	folder *folder
	proc   *process
}

// StartClickHouse starts ClickHouse, in some 2 s once its library has been
// fetched (178 MB, by npm, once) and its starter built (by go, once).
func StartClickHouse(ctx context.Context, o Options) (*ClickHouse, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	program, err := findClickHouse(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("get ClickHouse: %w", err)
	}
	dir, err := openFolder(o, "clickhouse")
	if err != nil {
		return nil, err
	}
	c := &ClickHouse{User: "ristourne", Password: "ristourne", folder: dir}
	c.proc = &process{
		name:    "ClickHouse",
		dir:     dir.path,
		logs:    []string{"clickhouse.err.log"},
		command: func() *exec.Cmd { return program.command(c.configPath(), c.dataPath()) },
		ready:   c.ready,
	}
	if err := c.proc.startOnFreePorts(ctx, c.configure); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	return c, nil
}

func (c *ClickHouse) configPath() string { return filepath.Join(c.folder.path, "config.xml") }
func (c *ClickHouse) dataPath() string   { return filepath.Join(c.folder.path, "data") }

// configure writes the configuration with two free ports.
func (c *ClickHouse) configure() error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	c.Addr, c.HTTPAddr = localAddr(ports[0]), localAddr(ports[1])
	values := struct {
		Dir               string
		TCPPort, HTTPPort int
		User, Password    string
	}{c.folder.path, ports[0], ports[1], c.User, c.Password}
	for _, name := range []string{"config.xml", "users.xml"} {
		if err := writeTemplate(clickHouseFiles, "clickhouse/"+name, filepath.Join(c.folder.path, name), values); err != nil {
			return fmt.Errorf("configure ClickHouse: %w", err)
		}
	}
	return nil
}

// ready logs in over the native protocol, asks over HTTP, and refuses a server
// that is too old.
func (c *ClickHouse) ready(ctx context.Context) error {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{c.Addr},
		Auth:        clickhouse.Auth{Username: c.User, Password: c.Password},
		DialTimeout: probeLimit,
		ReadTimeout: probeLimit,
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	server, err := conn.ServerVersion()
	if err != nil {
		return err
	}
	if err := checkVersion(server.Version.Major, server.Version.Minor); err != nil {
		return fatal(err)
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.HTTPAddr+"/ping", nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: probeLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<10)); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ping over HTTP: %s", answer.Status)
	}
	return nil
}

func checkVersion(major, minor uint64) error {
	if major > clickHouseMajor || major == clickHouseMajor && minor >= clickHouseMinor {
		return nil
	}
	return fmt.Errorf("it is ClickHouse %d.%d, and %d.%d or newer is needed: update the program \"clickhouse\" or take it off PATH",
		major, minor, clickHouseMajor, clickHouseMinor)
}

// PID is the server's process id, 0 while it doesn't run.
func (c *ClickHouse) PID() int { return c.proc.pid() }

// Kill ends the server at once, with SIGKILL, and waits until it is gone.
func (c *ClickHouse) Kill() error { return c.proc.killed() }

// Stop halts the server where it is, with SIGSTOP: connections stay and nothing
// answers, until Cont.
func (c *ClickHouse) Stop() error { return c.proc.halt() }

// Cont lets a halted server go on.
func (c *ClickHouse) Cont() error { return c.proc.resume() }

// Restart starts the server again on the same ports and data, after ending it
// in its own way if it still runs.
func (c *ClickHouse) Restart(ctx context.Context) error { return c.proc.restart(ctx) }

// Close ends the server and removes its data if they are temporary. A second
// call does nothing.
func (c *ClickHouse) Close() error { return c.proc.close(c.folder) }
