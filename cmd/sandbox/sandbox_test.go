package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ristourne/cmd/internal/transcript"
	"ristourne/deploy/localservers/localserverstest"
)

// build makes the binaries as `make build` does, side by side.
func build(t *testing.T) (sandbox string) {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+"/", "ristourne/cmd/ristourne", "ristourne/cmd/sandbox").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "sandbox")
}

// started is a sandbox under way.
type started struct {
	cmd   *exec.Cmd
	out   bytes.Buffer
	lines chan string // what it prints; closed when it has ended
	temp  string      // its folder for temporary files
}

func launch(t *testing.T, binary string, args ...string) *started {
	t.Helper()
	s := &started{cmd: exec.Command(binary, args...), lines: make(chan string, 10_000)}
	s.cmd.Dir = "../.." // where make runs it
	s.temp = t.TempDir()
	s.cmd.Env = append(os.Environ(), "TMPDIR="+s.temp)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = writer, writer
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it has ended, unless the test failed
		_ = reader.Close()
	})
	go func() {
		defer close(s.lines)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			s.lines <- lines.Text()
		}
	}()
	return s
}

// await reads on until a line matches, or the end where it is empty.
func (s *started) await(t *testing.T, what string) {
	t.Helper()
	limit := time.After(3 * time.Minute)
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				if what != "" {
					t.Fatalf("it ended without saying %q:\n%s", what, &s.out)
				}
				return
			}
			fmt.Fprintln(&s.out, line)
			if what != "" && strings.Contains(line, what) {
				return
			}
		case <-limit:
			t.Fatalf("nothing says %q:\n%s", what, &s.out)
		}
	}
}

func (s *started) exitCode(t *testing.T) int {
	t.Helper()
	s.await(t, "")
	_ = s.cmd.Wait() // the exit code tells
	return s.cmd.ProcessState.ExitCode()
}

// leftNothing checks that no process and no file of a sandbox outlives it. The
// binary's folder and the temporary one are in what the processes are called by;
// Redis goes by another name, and shows in its files.
func (s *started) leftNothing(t *testing.T) {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, filepath.Dir(s.cmd.Path)) || strings.Contains(line, s.temp) {
			t.Errorf("a process is left: %s", line)
		}
	}
	files, err := os.ReadDir(s.temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Errorf("a temporary file is left: %s", file.Name())
	}
}

var small = []string{"--members", "300", "--rate", "1500", "--hits", "20", "--partitions", "2"}

func TestSandbox(t *testing.T) {
	localserverstest.LongOnly(t)
	t.Parallel()
	binary := build(t)

	t.Run("ends by itself with books that add up", func(t *testing.T) {
		s := launch(t, binary, append(small, "--duration", "5s", "--processors", "2")...)
		if code := s.exitCode(t); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, &s.out)
		}
		text := s.out.String()
		for _, want := range []string{
			"Everything adds up.", "Marché Presqu'île", "RI-", "card_number", "missing", "native 127.0.0.1:", "password ristourne", "/metrics",
			"deadletters list --config", "  booked", "  unmatched", "  duplicate", "  no member",
			"What was given, by which mechanism", "campaign mercredis-de-lyon",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the output lacks %q", want)
			}
		}
		if ticks := strings.Count(text, "✓"); ticks != 13 || strings.Contains(text, "✗") {
			t.Errorf("%d checks passed, not 13", ticks)
		}
		if !regexp.MustCompile(`credit instructions = .* [1-9][0-9,]*\.[0-9]{2} EUR to [1-9]`).MatchString(text) {
			t.Error("nothing was paid")
		}
		transcript.Want(t, "make sandbox DURATION=30s", text, `(?m) +(-|-?[0-9][0-9,]*(\.[0-9]+)?)( |$)`, `-?[0-9][0-9,]*(\.[0-9]+)?`, " {2,}")
		if t.Failed() {
			t.Log(text)
		}
		s.leftNothing(t)
	})

	t.Run("ends on an interrupt, and goes on from kept data", func(t *testing.T) {
		data := filepath.Join(t.TempDir(), "data")
		recordsIn := regexp.MustCompile(`records in = .* = ([0-9,]+)`)
		var came []int
		for range 2 {
			s := launch(t, binary, append(small, "--data", data, "--seed", "3")...)
			s.await(t, "records in (")
			if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if code := s.exitCode(t); code != 0 || !strings.Contains(s.out.String(), "Everything adds up.") {
				t.Fatalf("exit code %d:\n%s", code, &s.out)
			}
			n, err := strconv.Atoi(strings.ReplaceAll(recordsIn.FindStringSubmatch(s.out.String())[1], ",", ""))
			if err != nil {
				t.Fatal(err)
			}
			came = append(came, n)
			s.leftNothing(t)
		}
		if came[1] <= came[0] {
			t.Errorf("%d records in the second run's books, %d in the first's", came[1], came[0])
		}
	})

	t.Run("fails when a processor dies", func(t *testing.T) {
		s := launch(t, binary, small...)
		s.await(t, "records in (")
		out, err := exec.Command("pgrep", "-P", fmt.Sprint(s.cmd.Process.Pid), "-f", filepath.Join(filepath.Dir(binary), "ristourne")).Output()
		if err != nil {
			t.Fatalf("find the processor: %v", err)
		}
		var pid int
		if _, err := fmt.Sscan(string(out), &pid); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if code := s.exitCode(t); code != exitFailed || !strings.Contains(s.out.String(), "processor 1 ended by itself (signal: killed)") {
			t.Errorf("exit code %d:\n%s", code, &s.out)
		}
		s.leftNothing(t)
	})

	t.Run("ends in the middle of its start", func(t *testing.T) {
		s := launch(t, binary, small...)
		s.await(t, "Redis ")
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := s.exitCode(t); code != exitInterrupted {
			t.Errorf("exit code %d:\n%s", code, &s.out)
		}
		s.leftNothing(t)
	})

	t.Run("ends at once on a second signal", func(t *testing.T) {
		s := launch(t, binary, small...)
		s.await(t, "records in (")
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		if code := s.exitCode(t); code != exitInterrupted || strings.Contains(s.out.String(), "Balance sheet") {
			t.Errorf("exit code %d:\n%s", code, &s.out)
		}
		s.leftNothing(t)
	})

	t.Run("refuses a wrong command line", func(t *testing.T) {
		s := launch(t, binary, "--processors", "9")
		if code := s.exitCode(t); code != exitUsage || !strings.Contains(s.out.String(), "--processors 9") {
			t.Errorf("exit code %d:\n%s", code, &s.out)
		}
	})
}
