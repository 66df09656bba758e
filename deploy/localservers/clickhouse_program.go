package localservers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The lockfile pins the library by its hash.
//
//go:embed clickhouse/package.json clickhouse/package-lock.json
var clickHouseLock embed.FS

//go:embed chdbserver/main.go
var chdbServerSource []byte

const (
	chdbServerPackage = "ristourne/deploy/localservers/chdbserver"
	// clickHouseLibrary is where npm puts the library, and libraryBytes is
	// about its size there, for the progress that is shown.
	clickHouseLibrary = "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"
	libraryBytes      = 566_330_096
	// fetchLimit bounds a download, so that a dead network is told.
	fetchLimit = 20 * time.Minute
)

// keepServing is the query that makes the library a server. It opens the ports
// that the configuration names and then never ends.
const keepServing = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
	"SELECT sleepEachRow(3) FROM system.numbers FORMAT Null " +
	"SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0, max_execution_time = 0"

// clickHouseProgram is how to run a ClickHouse server on this machine.
type clickHouseProgram struct {
	binary  string // the program "clickhouse", or
	starter string // the built chdbserver with
	library string // the library it loads
}

// findClickHouse takes the program on PATH, else the library.
func findClickHouse(ctx context.Context, o Options) (clickHouseProgram, error) {
	if binary, err := exec.LookPath("clickhouse"); err == nil {
		return clickHouseProgram{binary: binary}, nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return clickHouseProgram{}, fmt.Errorf("its library is pinned for linux/amd64 alone, not for %s/%s: install ClickHouse %d.%d or newer so that the program \"clickhouse\" is on PATH",
			runtime.GOOS, runtime.GOARCH, clickHouseMajor, clickHouseMinor)
	}
	library, err := fetchLibrary(ctx, o)
	if err != nil {
		return clickHouseProgram{}, err
	}
	starter, err := buildStarter(ctx, o)
	if err != nil {
		return clickHouseProgram{}, err
	}
	return clickHouseProgram{starter: starter, library: library}, nil
}

func (p clickHouseProgram) command(configPath, dataPath string) *exec.Cmd {
	if p.binary != "" {
		return exec.Command(p.binary, "server", "--config-file="+configPath)
	}
	return exec.Command(p.starter, p.library,
		"--config-file="+configPath, "--path="+dataPath, "--log-level=warning", "--query="+keepServing)
}

// fetchLibrary has npm fetch the library once and check its hash.
func fetchLibrary(ctx context.Context, o Options) (string, error) {
	lockfile, err := clickHouseLock.ReadFile("clickhouse/package-lock.json")
	if err != nil {
		return "", err
	}
	dir, err := cached(ctx, o, "clickhouse-"+shortHash(lockfile), func(ctx context.Context, dir string) error {
		npm, err := exec.LookPath("npm")
		if err != nil {
			return errors.New("npm is not on PATH, which fetches ClickHouse's library: install Node.js with npm, or ClickHouse so that the program \"clickhouse\" is on PATH")
		}
		if err := copyFiles(clickHouseLock, "clickhouse", dir); err != nil {
			return err
		}
		o.Log("downloading ClickHouse, 178 MB, once, into %s", o.CacheDir)
		started := time.Now()
		stopProgress := showProgress(o, "ClickHouse", filepath.Join(dir, clickHouseLibrary), libraryBytes)
		err = runTool(ctx, dir, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		stopProgress()
		if err != nil {
			return err
		}
		o.Log("downloaded ClickHouse in %s", time.Since(started).Round(time.Second))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("fetch its library: %w", err)
	}
	return filepath.Join(dir, clickHouseLibrary), nil
}

// buildStarter builds chdbserver once for each state of its source.
func buildStarter(ctx context.Context, o Options) (string, error) {
	key := shortHash(chdbServerSource, []byte(runtime.Version()))
	dir, err := cached(ctx, o, "chdbserver-"+key, func(ctx context.Context, dir string) error {
		compiler, err := exec.LookPath("go")
		if err != nil {
			return errors.New("the go command is not on PATH, and the library needs a small starter built with it: install Go, or ClickHouse so that the program \"clickhouse\" is on PATH")
		}
		module, err := moduleFolder(ctx, compiler)
		if err != nil {
			return err
		}
		build := exec.CommandContext(ctx, compiler, "build", "-buildvcs=false", "-o", filepath.Join(dir, "chdbserver"), chdbServerPackage)
		build.Dir = module
		// Flags of the run that is going on (race, coverage) are not the
		// starter's, and without cgo it needs no C compiler.
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=", "GOARCH=")
		return runCommand(build)
	})
	if err != nil {
		return "", fmt.Errorf("build the starter of its library: %w", err)
	}
	return filepath.Join(dir, "chdbserver"), nil
}

// moduleFolder is where Ristourne's source lies: the module of the working
// folder, as it is for every test and for "go run".
func moduleFolder(ctx context.Context, compiler string) (string, error) {
	out, err := exec.CommandContext(ctx, compiler, "list", "-m", "-f", "{{.Path}}\t{{.Dir}}").Output()
	path, dir, _ := strings.Cut(strings.TrimSpace(string(out)), "\t")
	if err != nil || path != "ristourne" {
		return "", errors.New("the working folder is not in Ristourne's source, from which the starter is built: start from a clone of it, or install ClickHouse so that the program \"clickhouse\" is on PATH")
	}
	return dir, nil
}

// runTool runs a program that fetches something, within fetchLimit.
func runTool(ctx context.Context, dir, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if err := runCommand(cmd); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return nil
}

// runCommand runs a command to its end; its last words are part of the error.
func runCommand(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	// A child of the tool that holds the output open must not hold us.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		words := bytes.TrimSpace(output.Bytes())
		words = words[max(0, len(words)-logTailBytes):]
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(cmd.Path), cmd.Args[1], err, words)
	}
	return nil
}

// showProgress logs how much of a file has arrived, until the returned function
// is called.
func showProgress(o Options, what, path string, wholeBytes int64) (stop func()) {
	const interval = 3 * time.Second
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
				if info, err := os.Stat(path); err == nil {
					o.Log("downloading %s: %d %%", what, min(100, info.Size()*100/wholeBytes))
				}
			}
		}
	}()
	return func() { close(done); <-finished }
}

// copyFiles writes the files of an embedded folder into dir.
func copyFiles(from fs.FS, folder, dir string) error {
	files, err := fs.Sub(from, folder)
	if err != nil {
		return err
	}
	return os.CopyFS(dir, files)
}

// shortHash names a state of some contents.
func shortHash(contents ...[]byte) string {
	hash := sha256.New()
	for _, content := range contents {
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12]
}
