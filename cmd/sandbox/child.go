package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// endLimit is how long a processor may deliver what it has decided.
const endLimit = 15 * time.Second

// child is a process of our own, its output in a log file.
type child struct {
	name  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it is gone
}

func startChild(name, log string, program string, args ...string) (*child, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer file.Close()
	c := &child{name: name, log: log, cmd: exec.Command(program, args...), ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = file, file
	// A group of its own keeps the terminal's Ctrl-C from it: it is to end after
	// the balance sheet.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(c.cmd)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = c.cmd.Wait() // what it came to is in cmd.ProcessState
		close(c.ended)
	}()
	return c, nil
}

// terminate asks it to end, and to go on first where it was stopped.
func (c *child) terminate() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
}

// awaitEnd waits for it, and kills it when it takes too long.
func (c *child) awaitEnd() {
	select {
	case <-c.ended:
	case <-time.After(endLimit):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
}

// failure says that it ended by itself.
func (c *child) failure() error {
	return fmt.Errorf("%s ended by itself (%s)\n%s", c.name, c.cmd.ProcessState, c.logTail())
}

// logTail is the end of what it logged.
func (c *child) logTail() string {
	const tail = 3000
	file, err := os.Open(c.log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if _, err := file.Seek(-tail, io.SeekEnd); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err.Error()
	}
	text, err := io.ReadAll(io.LimitReader(file, tail))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("the end of its log, %s:\n%s", c.log, strings.TrimSpace(string(text)))
}
