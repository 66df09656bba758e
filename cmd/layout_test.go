// Package cmd_test keeps the house in order: which package may import which.
package cmd_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "ristourne/...")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// below reports whether path is the package at root or stands in its folder.
func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// allowed says which of our own packages the code of a package may import:
// cmd -> processor, sinks -> rules; the starters of real parts are for cmd.
func allowed(from, to string) bool {
	switch {
	case below(from, "ristourne/rules"):
		return below(to, "ristourne/rules")
	case below(from, "ristourne/processor"):
		return below(to, "ristourne/processor") || below(to, "ristourne/rules")
	case below(from, "ristourne/sinks"):
		shared := below(to, "ristourne/sinks/internal")
		return sink(from) == sink(to) || shared || below(to, "ristourne/rules")
	case below(from, "ristourne/deploy"):
		return below(to, "ristourne/deploy")
	case below(from, "ristourne/cmd"):
		return to != "ristourne/cmd/pipelinetest" // whose tests stand on everything
	}
	return false
}

// sink is the folder directly below sinks.
func sink(path string) string {
	rest := strings.TrimPrefix(path, "ristourne/sinks/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		for _, to := range p.Imports {
			if below(to, "ristourne") && !allowed(p.ImportPath, to) {
				t.Errorf("%s imports %s: imports run cmd -> processor, sinks -> rules", p.ImportPath, to)
			}
		}
		// Tests may start real parts, whatever they test.
		for _, to := range append(p.TestImports, p.XTestImports...) {
			if below(to, "ristourne") && !below(to, "ristourne/deploy/parts") && !allowed(p.ImportPath, to) {
				t.Errorf("the tests of %s import %s", p.ImportPath, to)
			}
		}
	}
}

// The tests of the way of the data have no code of their own: what they need is in
// the packages that they test.
func TestThePipelinesTestsHaveNoCode(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("pipelinetest/*.go")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") && name != "pipelinetest/doc.go" {
			t.Errorf("%s is neither a test nor doc.go", name)
		}
	}
}

// The rules are pure: nothing but the standard library's calculating parts and
// decimal can do I/O, read a clock or start a goroutine behind their back.
func TestRulesImportNothingThatTouchesTheWorld(t *testing.T) {
	t.Parallel()
	impure := []string{"os", "io/fs", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "sync", "context", "os/exec"}
	for _, p := range listPackages(t) {
		if p.ImportPath != "ristourne/rules" && p.ImportPath != "ristourne/rules/money" {
			continue
		}
		for _, to := range p.Imports {
			if slices.Contains(impure, to) {
				t.Errorf("%s imports %s", p.ImportPath, to)
			}
			if strings.Contains(to, ".") && to != "github.com/shopspring/decimal" {
				t.Errorf("%s imports %s: the standard library and decimal alone", p.ImportPath, to)
			}
		}
	}
}

// worldly are the functions of allowed packages that look at the world all the same:
// a decision that depends on when or where it is made can't be made again.
var worldly = map[string][]string{
	"time":    {"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep", "Local"},
	"runtime": {"NumCPU", "NumGoroutine", "GOMAXPROCS", "ReadMemStats"},
}

// The rules ask for no clock, zone of the machine or environment, not by another
// name either.
func TestRulesAskTheWorldNothing(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"../rules", "../rules/money"} {
		files, code := token.NewFileSet(), []*ast.File(nil)
		names, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(names) == 0 {
			t.Fatal(dir, names, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			code = append(code, file)
		}
		info := types.Info{Uses: map[*ast.Ident]types.Object{}}
		check := types.Config{Importer: importer.ForCompiler(files, "source", nil)}
		if _, err := check.Check(dir, files, code, &info); err != nil {
			t.Fatal(err)
		}
		for name, used := range info.Uses {
			if used.Pkg() != nil && slices.Contains(worldly[used.Pkg().Path()], used.Name()) && used.Parent() == used.Pkg().Scope() {
				t.Errorf("%s: %s.%s: what is decided would depend on when or where", files.Position(name.Pos()), used.Pkg().Path(), used.Name())
			}
		}
	}
}

// Only feed reads from Kafka; whoever else imports kafka-go writes to it or
// needs its types to connect. The benchmark measures kafka-go's own Reader.
func TestOnlyTheFeedConsumes(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("grep", "-rlE", `kafka\.(NewReader|NewConsumerGroup|ConsumerGroupConfig|ReaderConfig)\b`, "--include=*.go", "--exclude=*_test.go", "..").Output()
	if err != nil && len(out) > 0 {
		t.Fatal(err)
	}
	for _, file := range strings.Fields(string(out)) {
		if name := filepath.ToSlash(file); !strings.HasPrefix(name, "../processor/feed/") && !strings.HasPrefix(name, "../cmd/bench/") {
			t.Errorf("%s consumes from Kafka: processor/feed is the only reader", file)
		}
	}
}
