package pipelinetest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"ristourne/deploy/localservers"
	"ristourne/deploy/localservers/localserverstest"
)

const (
	// shownLogBytes of a process' log are shown where a test failed.
	shownLogBytes = 64 << 10
	// answerWithin bounds one look at a process' metrics; the next look is soon.
	answerWithin = 10 * time.Second
)

// TestMain removes the program that the tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(programDir)
	os.Exit(code)
}

var programDir string

// program is the binary as a bank runs it, without the race detector, built by the
// first test to need it.
var program = sync.OnceValues(func() (binary string, err error) {
	if programDir, err = os.MkdirTemp("", "ristourne-"); err != nil {
		return "", err
	}
	binary = filepath.Join(programDir, "ristourne")
	if out, err := exec.Command("go", "build", "-o", binary, "ristourne/cmd/ristourne").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ristourne: %w\n%s", err, out)
	}
	return binary, nil
})

func buildProgram(t *testing.T) string {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// instance is one process of `ristourne run`.
type instance struct {
	name    string
	address string // of its metrics and probes
	log     string // file
	cmd     *exec.Cmd
	exited  chan struct{} // closed when it has ended and was waited for
}

// runInstance starts the program. It is gone, however it fared, when the test
// ends.
func runInstance(t *testing.T, binary, name, address string, args ...string) *instance {
	t.Helper()
	i := &instance{name: name, address: address, log: filepath.Join(t.TempDir(), name+".log"), exited: make(chan struct{})}
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

func (i *instance) hasExited() bool {
	select {
	case <-i.exited:
		return true
	default:
		return false
	}
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
	case <-time.After(localserverstest.WaitLimit):
		t.Fatalf("process %s has not ended %s after SIGTERM", i.name, localserverstest.WaitLimit)
	}
	if code := i.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("process %s ended with %v after SIGTERM, want exit code 0", i.name, i.cmd.ProcessState)
	}
}

// metrics are what the process tells of itself; empty before it does, and while
// it is stopped.
func (i *instance) metrics() string {
	client := http.Client{Timeout: answerWithin}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + i.address + "/metrics")
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

var (
	epochMetric  = regexp.MustCompile(`(?m)^ristourne_shard_epoch\{shard="(\d+)"\} (\S+)$`)
	outboxMetric = regexp.MustCompile(`(?m)^ristourne_outboxes_found_total (\S+)$`)
)

// epochs are the epochs by which the process owns shards, as far as it knows.
func (i *instance) epochs(t *testing.T) map[int32]int64 {
	t.Helper()
	epochs := make(map[int32]int64)
	for _, found := range epochMetric.FindAllStringSubmatch(i.metrics(), -1) {
		shard, err1 := strconv.ParseInt(found[1], 10, 32)
		epoch, err2 := strconv.ParseFloat(found[2], 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		epochs[int32(shard)] = int64(epoch)
	}
	return epochs
}

// outboxesFound is how many batches of former owners the process has delivered.
func (i *instance) outboxesFound(t *testing.T) (batches float64) {
	t.Helper()
	if found := outboxMetric.FindStringSubmatch(i.metrics()); found != nil {
		var err error
		if batches, err = strconv.ParseFloat(found[1], 64); err != nil {
			t.Fatal(err)
		}
	}
	return batches
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := localservers.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return address
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
