package main

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"ristourne/cmd/internal/transcript"
	"ristourne/processor"
)

// described notes what would be registered.
type described struct{ collectors []prometheus.Collector }

func (d *described) Register(c prometheus.Collector) error {
	d.collectors = append(d.collectors, c)
	return nil
}

func (d *described) MustRegister(all ...prometheus.Collector) {
	d.collectors = append(d.collectors, all...)
}

func (d *described) Unregister(prometheus.Collector) bool { return false }

// metricNames are those of all that a processor measures, without "ristourne_".
func metricNames() map[string]bool {
	var all described
	all.MustRegister(processor.New(processor.Ports{}, processor.DefaultOptions(), processor.NewMetrics(&all), slog.Default()))
	names := map[string]bool{}
	form := regexp.MustCompile(`fqName: "ristourne_(\w+)"`)
	for _, c := range all.collectors {
		of := make(chan *prometheus.Desc, 64) // more than any collector has
		c.Describe(of)
		close(of)
		for desc := range of {
			names[form.FindStringSubmatch(desc.String())[1]] = true
		}
	}
	return names
}

func TestOperatorsReadAboutEachMetric(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(transcript.Readme(t, "cmd/ristourne/README.md"), "| metric `ristourne_...` |")
	table, _, _ = strings.Cut(table, "\n\n")
	shown := map[string]bool{}
	for row := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, m := range regexp.MustCompile("`([a-z_]+)").FindAllStringSubmatch(first, -1) {
			shown[m[1]] = true
		}
	}
	names := metricNames()
	for name := range names {
		if !shown[name] {
			t.Errorf("the table of metrics lacks ristourne_%s", name)
		}
	}
	for name := range shown {
		if !names[name] {
			t.Errorf("the table of metrics has %s, which no processor has", name)
		}
	}
}

var (
	codeSpan    = regexp.MustCompile("`(?:bin/)?ristourne ([^`]+)`|(?m)^\\$ ristourne (.+)$|(?m)^ristourne ([a-z].+)$")
	commandWord = regexp.MustCompile(`^[a-z][a-z-]*$`)
)

// Every command and flag that a README names is there.
func TestReadmesNameCommandsThatAreThere(t *testing.T) {
	t.Parallel()
	named := 0
	for _, name := range []string{
		"README.md", "cmd/ristourne/README.md", "processor/catalog/README.md", "processor/wire/README.md", "rules/README.md",
		"sinks/clickhouse/README.md",
	} {
		for _, m := range codeSpan.FindAllStringSubmatch(transcript.Readme(t, name), -1) {
			line := m[1] + m[2] + m[3]
			if strings.HasPrefix(line, "...") {
				continue
			}
			named++
			wantCommand(t, name, line)
		}
	}
	if named < 40 {
		t.Errorf("the READMEs name %d commands: has their form changed?", named)
	}
}

func wantCommand(t *testing.T, readme, line string) {
	t.Helper()
	at := newRootCommand()
	words := strings.Fields(line)
	for len(words) > 0 && commandWord.MatchString(words[0]) && at.HasSubCommands() {
		next, _, err := at.Find(words[:1])
		if err != nil || next == at {
			t.Errorf("%s names `ristourne %s`: there is no %q below %q", readme, line, words[0], at.CommandPath())
			return
		}
		at, words = next, words[1:]
	}
	for _, word := range words {
		flag, isFlag := strings.CutPrefix(word, "--")
		if flag, _, _ = strings.Cut(flag, "="); isFlag && flag != "help" && !hasFlag(at, flag) {
			t.Errorf("%s names `ristourne %s`: %s has no flag --%s", readme, line, at.CommandPath(), flag)
		}
	}
}

func hasFlag(c *cobra.Command, name string) bool {
	return c.Flags().Lookup(name) != nil || c.InheritedFlags().Lookup(name) != nil
}
