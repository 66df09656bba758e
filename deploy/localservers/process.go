package localservers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopLimit is how long a server may take to end in its own way before it
	// is killed.
	stopLimit = 20 * time.Second
	// startAttempts bounds how often other ports are tried.
	startAttempts = 3
	// probePause lies between two looks at whether a server serves.
	probePause = 50 * time.Millisecond
	// probeLimit bounds one look, as a halted server takes a connection and
	// then says nothing.
	probeLimit = 2 * time.Second
	// logTailBytes of a server's log go into the error that tells why it
	// doesn't serve.
	logTailBytes = 4 << 10
	// printedLog is the file that takes what a server prints.
	printedLog = "server.log"
)

// process is a server that runs as a process of its own. It may be killed and
// started again; all methods may be called from several goroutines.
type process struct {
	name    string   // for messages
	dir     string   // where it runs, and where what it prints is kept
	logs    []string // files in dir besides that in which it tells of failures
	command func() *exec.Cmd
	// ready makes one attempt at using the server.
	ready func(ctx context.Context) error

	mu      sync.Mutex
	current *run // nil before the first start
}

// run is one life of a process.
type run struct {
	cmd    *exec.Cmd
	leash  *os.File      // closing it tells the process that its parent is gone
	exited chan struct{} // closed when it has ended and was waited for
}

// start runs the command and waits until the server is ready, has ended, or
// startLimit has passed; in the latter two it is gone afterwards and the error
// holds the end of its log.
func (p *process) start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && !p.current.ended() {
		return fmt.Errorf("%s runs already as process %d", p.name, p.current.cmd.Process.Pid)
	}
	life, err := p.launch()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.current = life

	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := p.waitReady(ctx, life); err != nil {
		life.kill()
		return fmt.Errorf("start %s: %w\nthe end of its log:\n%s", p.name, err, p.logTail())
	}
	return nil
}

// startOnFreePorts starts the process for the first time. configure writes its
// configuration with other free ports at each call: somebody may take a port
// between the choice and the server's start.
func (p *process) startOnFreePorts(ctx context.Context, configure func() error) error {
	var err error
	for range startAttempts {
		if err := configure(); err != nil {
			return err
		}
		if err = p.start(ctx); err == nil || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
	return err
}

func (p *process) launch() (*run, error) {
	log, err := os.OpenFile(filepath.Join(p.dir, printedLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	childEnd, parentEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer childEnd.Close()

	cmd := p.command()
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{childEnd}
	// A group of its own keeps the terminal's Ctrl-C from it: who started it
	// has work to finish on it first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := endWithParent(cmd); err != nil {
		return nil, errors.Join(err, parentEnd.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, parentEnd.Close())
	}
	life := &run{cmd: cmd, leash: parentEnd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		_ = parentEnd.Close()
		close(life.exited)
	}()
	return life, nil
}

func (p *process) waitReady(ctx context.Context, life *run) error {
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		if final := (*fatalError)(nil); errors.As(err, &final) {
			return err
		}
		select {
		case <-life.exited:
			return fmt.Errorf("it ended by itself: %s", life.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it did not serve in time: %w (last answer: %w)", ctx.Err(), err)
		case <-time.After(probePause):
		}
	}
}

// fatalError is an answer of ready that waiting can't make better.
type fatalError struct{ error }

func fatal(err error) error { return &fatalError{err} }

// restart ends the process if it still runs and starts it anew.
func (p *process) restart(ctx context.Context) error {
	p.stop()
	return p.start(ctx)
}

// stop asks the process to end and waits for it; it is killed when it doesn't
// within stopLimit.
func (p *process) stop() {
	life := p.life()
	if life == nil || life.ended() {
		return
	}
	life.signal(syscall.SIGTERM)
	// A process that is stopped would see the first signal never.
	life.signal(syscall.SIGCONT)
	select {
	case <-life.exited:
	case <-time.After(stopLimit):
		life.kill()
	}
}

// killed is kill for a caller who expects that it runs.
func (p *process) killed() error {
	if p.pid() == 0 {
		return fmt.Errorf("kill %s: it does not run", p.name)
	}
	p.kill()
	return nil
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	if life := p.life(); life != nil {
		life.kill()
	}
}

// signal sends one to the process, and fails when it doesn't run.
func (p *process) signal(s syscall.Signal) error {
	life := p.life()
	if life == nil || life.ended() {
		return fmt.Errorf("send %v to %s: it does not run", s, p.name)
	}
	life.signal(s)
	return nil
}

// halt stops the process where it is; resume lets it go on.
func (p *process) halt() error   { return p.signal(syscall.SIGSTOP) }
func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

// close ends the process and gives up its folder. Data that are thrown away
// need no orderly end.
func (p *process) close(f *folder) error {
	if f.temporary {
		p.kill()
	} else {
		p.stop()
	}
	return f.close()
}

// pid is 0 when it doesn't run.
func (p *process) pid() int {
	life := p.life()
	if life == nil || life.ended() {
		return 0
	}
	return life.cmd.Process.Pid
}

func (p *process) life() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (r *run) ended() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// signal goes to the whole group: a server may have forked a helper.
func (r *run) signal(s syscall.Signal) {
	if !r.ended() {
		_ = syscall.Kill(-r.cmd.Process.Pid, s)
	}
}

func (r *run) kill() {
	r.signal(syscall.SIGKILL)
	<-r.exited
}

// logTail is the end of what the server printed and logged, for a message to a
// person.
func (p *process) logTail() string {
	var tails []string
	for _, name := range append([]string{printedLog}, p.logs...) {
		if tail := fileTail(filepath.Join(p.dir, name)); tail != "" {
			tails = append(tails, tail)
		}
	}
	if len(tails) == 0 {
		return "(it said nothing)"
	}
	return strings.Join(tails, "\n")
}

// fileTail is the end of a file, empty if there is none.
func fileTail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-logTailBytes), io.SeekStart)
	}
	tail, err := io.ReadAll(io.LimitReader(file, logTailBytes))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(tail))
}

// leashed makes the command end with its parent where the kernel doesn't see to
// it: a shell that waits on the pipe beside the server, which takes the shell's
// place and so its process id. (The shell wants file 3, see launch.)
func leashed(cmd *exec.Cmd) error {
	shell, err := exec.LookPath("sh")
	if err != nil {
		return err
	}
	const script = `(read -r _ <&3; kill -9 $$) & exec "$@" `
	cmd.Args = append([]string{"sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = shell
	return nil
}
