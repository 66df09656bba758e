// Package cmd_test keeps the house in order: which package may import which.
package cmd_test

import (
	"encoding/json"
	"errors"
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

// mayImport says which of our own packages the code of a package imports: the
// arrows of the house, each of them. Imports run cmd -> processor, sinks -> rules;
// sinks don't know one another; who starts real parts is for cmd. "below" stands
// for all packages in its folder.
var mayImport = map[string][]string{
	"rules/money":          {},
	"rules/reason":         {},
	"rules/internal/codec": {"rules/money"},
	"rules":                {"rules/internal/codec", "rules/money"},
	"rules/offer":          {"rules", "rules/money", "rules/reason"},
	"rules/sepa":           {},
	"rules/explain":        {"rules/money", "rules/offer", "rules/reason"},
	"rules/engine":         {"rules", "rules/explain", "rules/internal/codec", "rules/money", "rules/offer", "rules/reason", "rules/sepa"},
	// Written apart from the engine, so that the two can disagree.
	"rules/ledgertest":      {"rules", "rules/money", "rules/offer"},
	"rules/internal/sample": {"rules", "rules/money", "rules/offer"},

	"processor/lookalike":                   {},
	"processor/sourcefile":                  {},
	"processor/retry":                       {},
	"processor/feed":                        {"processor/retry", "rules"},
	"processor/wire":                        {"rules", "rules/money"},
	"processor/outbox":                      {"rules", "rules/money"},
	"processor":                             {"processor/feed", "processor/outbox", "processor/replay", "processor/retry", "processor/wire", "rules", "rules/engine", "rules/money", "rules/offer"},
	"processor/accounts":                    {"processor", "rules"},
	"processor/catalog":                     {"processor/lookalike", "processor/sourcefile", "processor/wire", "rules", "rules/engine", "rules/money", "rules/offer"},
	"processor/catalog/internal/foldertest": {},
	"processor/catalog/published":           {"processor/catalog", "processor/retry", "processor/sourcefile", "rules", "rules/engine", "rules/offer"},
	"processor/catalog/changes":             {"processor/catalog", "rules", "rules/money", "rules/offer"},
	"processor/simulate":                    {"processor/catalog", "processor/wire", "rules", "rules/engine", "rules/explain", "rules/money", "rules/offer", "rules/reason"},
	"processor/ledgerjson":                  {"rules"},
	"processor/audit":                       {"processor/replay", "processor/simulate", "processor/wire", "rules", "rules/engine", "rules/money", "rules/offer"},
	"processor/members":                     {"processor/lookalike", "processor/wire", "rules"},
	"processor/adjust":                      {"rules", "rules/money"},
	"processor/bankresults":                 {"rules", "rules/money"},
	"processor/filing":                      {"rules", "rules/money"},
	"processor/invoice":                     {"rules", "rules/money", "rules/offer"},
	"processor/invoice/render":              {"processor/invoice", "rules/money", "rules/offer"},
	"processor/settle":                      {"rules", "rules/engine", "rules/money", "rules/offer"},
	"processor/compare":                     {"processor/ledgerjson", "processor/replay", "rules", "rules/engine", "rules/explain", "rules/money", "rules/offer"},
	"processor/replay":                      {"processor/ledgerjson", "rules", "rules/engine", "rules/explain"},
	"processor/scenario":                    {"processor/catalog", "processor/simulate", "processor/sourcefile", "rules", "rules/explain", "rules/money"},

	"sinks/internal/jsontext":  {},
	"sinks/internal/topic":     {"rules"},
	"sinks/internal/topictest": {},
	"sinks/clickhouse":         {"rules", "rules/money"},
	"sinks/clickhouse/reports": {},
	"sinks/credits":            {"rules", "rules/money", "sinks/internal/jsontext", "sinks/internal/topic"},
	"sinks/deadletters":        {"rules", "sinks/internal/topic"},
	"sinks/facts":              {"rules", "rules/money", "sinks/internal/jsontext", "sinks/internal/topic"},
	"sinks/results":            {"rules", "sinks/internal/jsontext", "sinks/internal/topic"},
	"sinks/paymentfiles":       {"rules", "rules/money", "rules/sepa"},
	"sinks/referrals":          {"rules", "sinks/internal/jsontext", "sinks/internal/topic"},

	"deploy/rowgen":                        {"rules", "rules/money"},
	"deploy/localservers":                  {},
	"deploy/localservers/chdbserver":       {},
	"deploy/localservers/localserverstest": {"deploy/localservers"},

	"cmd":                     {},
	"cmd/pipelinetest":        {},
	"cmd/internal/transcript": {},
	"cmd/internal/config":     {"processor", "processor/accounts", "processor/feed", "processor/sourcefile", "processor/wire", "rules", "rules/offer", "sinks/clickhouse", "sinks/paymentfiles"},
	"cmd/bench":               {"deploy/localservers"},
	"cmd/sandbox/traffic":     {"rules", "rules/offer"},
	"cmd/sandbox":             {"cmd/sandbox/traffic", "deploy/localservers", "processor/...", "sinks/...", "rules/..."},
	"cmd/ristourne":           {"cmd/internal/config", "processor/...", "sinks/...", "rules/..."},
}

// allowed reports whether an arrow is in the list.
func allowed(list []string, to string) bool {
	return slices.ContainsFunc(list, func(may string) bool {
		room, all := strings.CutSuffix(may, "/...")
		return may == to || all && below(to, room)
	})
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, "ristourne/")
		list, known := mayImport[from]
		if !known {
			t.Errorf("%s has no line in mayImport: say which packages it needs, and no more", from)
		}
		for _, to := range p.Imports {
			if to, own := strings.CutPrefix(to, "ristourne/"); own && !allowed(list, to) {
				t.Errorf("%s imports %s: imports run one way, and only along the list", from, to)
			}
		}
		// Tests may start real parts and speak of the rules, whatever they test; what
		// runs through the whole house stands below cmd.
		for _, to := range append(p.TestImports, p.XTestImports...) {
			to, own := strings.CutPrefix(to, "ristourne/")
			if own && !below(from, "cmd") && room(from) != room(to) && !below(to, "deploy/localservers") && !below(to, "rules") && !allowed(list, to) {
				t.Errorf("the tests of %s import %s", from, to)
			}
		}
	}
	for from, list := range mayImport {
		i := slices.IndexFunc(packages, func(p goPackage) bool { return p.ImportPath == "ristourne/"+from })
		if i < 0 {
			t.Errorf("mayImport has a line for %s, which isn't there", from)
			continue
		}
		for _, to := range list {
			if !strings.HasSuffix(to, "/...") && !slices.Contains(packages[i].Imports, "ristourne/"+to) {
				t.Errorf("%s doesn't import %s any more: take it out of mayImport", from, to)
			}
		}
	}
}

// room is the first folder of a path.
func room(path string) string {
	name, _, _ := strings.Cut(path, "/")
	return name
}

// Files are read where no server is known, and a Redis client has no business in
// the language of offers.
func TestTheLanguageOfOffersKnowsNoServer(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if p.ImportPath == "ristourne/processor/catalog" && slices.ContainsFunc(p.Imports, func(to string) bool { return strings.Contains(to, "go-redis") }) {
			t.Error("processor/catalog imports go-redis: what is in Redis belongs to processor/catalog/published")
		}
	}
}

// pure are the rooms of the rules that decide.
var pure = []string{"rules", "rules/engine", "rules/explain", "rules/internal/codec", "rules/money", "rules/offer", "rules/reason", "rules/sepa"}

// The rules are pure: nothing but the standard library's calculating parts and
// decimal can do I/O, read a clock or start a goroutine behind their back.
func TestRulesImportNothingThatTouchesTheWorld(t *testing.T) {
	t.Parallel()
	impure := []string{"os", "io/fs", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "sync", "context", "os/exec"}
	for _, p := range listPackages(t) {
		if !slices.Contains(pure, strings.TrimPrefix(p.ImportPath, "ristourne/")) {
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
	files, loaded := house(t)
	looked := 0
	for _, p := range loaded {
		if p.ForTest != "" || !slices.Contains(pure, strings.TrimPrefix(p.PkgPath, "ristourne/")) {
			continue
		}
		looked++
		for name, used := range p.TypesInfo.Uses {
			if used.Pkg() != nil && slices.Contains(worldly[used.Pkg().Path()], used.Name()) && used.Parent() == used.Pkg().Scope() {
				t.Errorf("%s: %s.%s: what is decided would depend on when or where", files.Position(name.Pos()), used.Pkg().Path(), used.Name())
			}
		}
	}
	if looked != len(pure) {
		t.Errorf("%d of %d packages were looked at", looked, len(pure))
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
