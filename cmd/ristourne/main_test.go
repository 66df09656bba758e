package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// eachCommand visits a command and all below it.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		eachCommand(child, visit)
	}
}

// words are those after the program's name.
func words(cmd *cobra.Command) []string { return strings.Fields(cmd.CommandPath())[1:] }

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	eachCommand(newRootCommand(), func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			stdout, stderr, code := command(t, "", append(words(cmd), "--help")...)
			if code != 0 || stderr != "" {
				t.Errorf("--help exits %d: %s", code, stderr)
			}
			about := cmd.Long
			if about == "" {
				about = cmd.Short
			}
			wantText(t, stdout, about, "Usage:\n  "+cmd.CommandPath(), "-h, --help")
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("Short is %q: want one line without a full stop", cmd.Short)
			}
			for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
				if len([]rune(line)) > 125 {
					t.Errorf("a line is too long for a terminal: %q", line)
				}
			}
			cmd.Flags().VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("--%s has no explanation", f.Name)
				}
			})
			if leaf := !cmd.HasSubCommands() && cmd.Flags().Lookup("config") != nil; leaf && cmd.Example == "" && cmd.Long == "" {
				if cmd.Parent().Name() != "offers" { // whose group says how they are used
					t.Error("neither Long nor Example tells how it is used")
				}
			}
		})
	})
}

// A command line that is wrong exits 2, says what is wrong, and where help is.
func TestAWrongCommandLineExits2(t *testing.T) {
	t.Parallel()
	wrong := [][]string{
		{"nonsense"},
		{"offers", "nonsense"},
		{"members", "nonsense"},
		{"run"},
		{"run", "--config"},
		{"run", "argument", "--config", "c"},
		{"simulate", "--catalog", lyonCatalogue, "--facts", "f"},
		{"simulate", "--catalog", lyonCatalogue, "events"},
		{"simulate", "--catalog", lyonCatalogue, "--facts", "-", "-"},
		{"simulate", "--catalog", lyonCatalogue, "--facts", "f", "-", "-"},
		{"why", "--config", "c"},
		{"why", "one", "two", "--config", "c"},
		{"rebuild", "--config", "c"},
		{"rebuild", "--config", "c", "--shard", "first"},
		{"deadletters", "list", "--config", "c", "--limit", "0"},
		{"deadletters", "list", "--config", "c", "--limit", "10001"},
		{"members", "import", "f.csv", "--config", "c"},
		{"members", "import", "f.csv", "--config", "c", "--programme", ""},
		{"members", "import", "f.csv", "--config", "c", "--programme", "p", "--at", "yesterday"},
		{"members", "import", "f.csv", "--config", "c", "--programme", "p", "--at", "2999-01-01T00:00:00Z"},
		{"config", "check"},
		{"campaigns", "nonsense"},
		{"campaigns", "stop", "--config", "c"},
		{"offers", "explain", "o", "--purchase", "1 EUR"},
		{"offers", "explain", "o", "--purchase", "1 EUR", "--catalog", lyonCatalogue, "--config", "c"},
		{"offers", "explain", "o", "--catalog", lyonCatalogue},
		{"offers", "diff", "one"},
		{"offers", "diff", "one", "two", "--config", "c"},
		{"offers", "schema", "argument"},
	}
	eachCommand(newRootCommand(), func(cmd *cobra.Command) {
		wrong = append(wrong, append(words(cmd), "--no-such-flag"))
		if cmd.Flags().Lookup("output") != nil {
			line := append(words(cmd), "--output", "yaml")
			for _, needed := range []string{"config", "catalog", "facts", "purchase"} {
				if cmd.Flags().Lookup(needed) != nil {
					line = append(line, "--"+needed, "x")
				}
			}
			if cmd.Args != nil && cmd.Args(cmd, nil) != nil {
				line = append(line, "argument")
			}
			wrong = append(wrong, line)
		}
	})
	for _, line := range wrong {
		stdout, stderr, code := command(t, "", line...)
		if code != exitUsage || stdout != "" {
			t.Errorf("ristourne %s exits %d, want %d: %s%s", strings.Join(line, " "), code, exitUsage, stdout, stderr)
		}
		wantText(t, stderr, "ristourne: ", "\nTry `ristourne", "--help`.\n")
		if strings.Contains(strings.Join(line, " "), "yaml") {
			wantText(t, stderr, `--output "yaml": text or json`)
		}
	}
	if _, stderr, _ := command(t, "", "simulat"); !strings.Contains(stderr, "did you mean simulate?") {
		t.Errorf("a misspelt command says %q", stderr)
	}
}

func TestAGroupWithoutACommandShowsHelp(t *testing.T) {
	t.Parallel()
	for _, line := range [][]string{nil, {"offers"}, {"help"}, {"help", "offers"}, {"--version"}} {
		if stdout, stderr, code := command(t, "", line...); code != 0 || stdout == "" || stderr != "" {
			t.Errorf("ristourne %s exits %d: %q, %q", strings.Join(line, " "), code, stdout, stderr)
		}
	}
}
