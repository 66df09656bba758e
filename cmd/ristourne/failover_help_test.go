package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

const (
	// eventuallyLimit bounds each wait. A quiet machine needs seconds; the rest
	// is for one that is busy with a whole test run.
	eventuallyLimit = 2 * time.Minute
	eventuallyPause = 10 * time.Millisecond
	// shownLogBytes of a process' log are shown where a test failed.
	shownLogBytes = 64 << 10
)

// eventually waits until is says so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.Now().Add(eventuallyLimit)
	for !is() {
		if time.Now().After(limit) {
			t.Fatalf("waited %s in vain: %s", eventuallyLimit, what)
		}
		time.Sleep(eventuallyPause)
	}
}

// instance is one process of `ristourne run`.
type instance struct {
	name   string
	log    string // file
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended and was waited for
	// seen is how many lines of the log are no news any more.
	seen int
}

// runInstance starts the program. It is gone, however it fared, when the test
// ends.
func runInstance(t *testing.T, binary, name string, args ...string) *instance {
	t.Helper()
	i := &instance{name: name, log: filepath.Join(t.TempDir(), name+".log"), exited: make(chan struct{})}
	log, err := os.Create(i.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	i.cmd = exec.Command(binary, args...)
	i.cmd.Stdout, i.cmd.Stderr = log, log
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = i.cmd.Wait() // ProcessState tells how it ended
		close(i.exited)
	}()
	t.Cleanup(func() {
		_ = i.cmd.Process.Kill() // fails where it has ended
		<-i.exited
		if t.Failed() {
			t.Logf("the log of process %s ends with:\n%s", i.name, i.logTail())
		}
	})
	return i
}

func (i *instance) logTail() []byte {
	text, err := os.ReadFile(i.log)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-shownLogBytes):]
}

func (i *instance) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := i.cmd.Process.Signal(s); err != nil {
		t.Fatalf("send process %s a %s: %v", i.name, s, err)
	}
}

// kill is the end without a last word, also for one that is stopped.
func (i *instance) kill(t *testing.T) {
	t.Helper()
	i.signal(t, syscall.SIGKILL)
	<-i.exited
}

// terminate asks the process to end in its own way, and waits for it.
func (i *instance) terminate(t *testing.T) {
	t.Helper()
	i.signal(t, syscall.SIGTERM)
	select {
	case <-i.exited:
	case <-time.After(eventuallyLimit):
		t.Fatalf("process %s has not ended %s after SIGTERM", i.name, eventuallyLimit)
	}
	if code := i.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("process %s ended with %v after SIGTERM, want exit code 0", i.name, i.cmd.ProcessState)
	}
	if !i.said(t, func(l logLine) bool { return l.Message == saysStopped }) {
		t.Errorf("process %s does not say that it has stopped", i.name)
	}
}

// logLine is what the test understands of a line of the log.
type logLine struct {
	Message    string  `json:"msg"`
	Shard      int32   `json:"shard"`
	Shards     []int32 `json:"shards"`
	Generation int32   `json:"generation"`
}

// Messages of the log that the test waits for.
const (
	saysOwns    = "kafka: own shards"
	saysClaimed = "shard claimed"
	saysSettled = "settled the outbox of the former owner"
	saysStopped = "ristourne has stopped"
)

// lines are those of the log that are whole.
func (i *instance) lines(t *testing.T) []logLine {
	t.Helper()
	text, err := os.ReadFile(i.log)
	if err != nil {
		t.Fatal(err)
	}
	var lines []logLine
	for text := range bytes.Lines(text) {
		if !bytes.HasSuffix(text, []byte("\n")) {
			break
		}
		var line logLine
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatalf("process %s says %q, which is no log line", i.name, text)
		}
		lines = append(lines, line)
	}
	return lines
}

// news are the lines since the last look away.
func (i *instance) news(t *testing.T) []logLine {
	t.Helper()
	lines := i.lines(t)
	return lines[min(i.seen, len(lines)):]
}

// lookAway makes everything that the process has said until now no news.
func (i *instance) lookAway(t *testing.T) {
	t.Helper()
	i.seen = len(i.lines(t))
}

// said reports whether there is such a line among the news.
func (i *instance) said(t *testing.T, such func(logLine) bool) bool {
	t.Helper()
	return slices.ContainsFunc(i.news(t), such)
}

// claimed are the shards that the process has claimed of those that it was given
// last, in which generation of the group; whole says that these are all.
func (i *instance) claimed(t *testing.T) (shards []int32, generation int32, whole bool) {
	t.Helper()
	var given int
	for _, line := range i.lines(t) {
		switch line.Message {
		case saysOwns:
			shards, given, generation = nil, len(line.Shards), line.Generation
		case saysClaimed:
			shards = append(shards, line.Shard)
		}
	}
	return shards, generation, len(shards) == given
}

// buildProgram makes the binary as a bank runs it, without the race detector.
func buildProgram(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "ristourne")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "ristourne/cmd/ristourne").CombinedOutput(); err != nil {
		t.Fatalf("build ristourne: %v\n%s", err, out)
	}
	return binary
}

// runProgram runs a command of the program that ends by itself.
func runProgram(t *testing.T, binary string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatalf("ristourne %v: %v\n%s", args, err, out)
	}
}

// writeFile makes a file of the test and gives its path.
func writeFile(t *testing.T, name, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
