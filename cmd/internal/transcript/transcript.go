// Package transcript holds what the READMEs show of commands to what they print.
package transcript

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readmes are those that show transcripts, from the repository's root.
var readmes = []string{"README.md", "cmd/ristourne/README.md", "processor/catalog/README.md", "sinks/clickhouse/README.md"}

// Want holds what a command prints against what a README shows of it: line by line,
// with "..." for any number of lines. What differs from run to run, as volatile
// expressions match it, is only held to be there.
func Want(t testing.TB, command, printed string, volatile ...string) {
	t.Helper()
	shown := Shown(t, command)
	for _, pattern := range volatile {
		expression := regexp.MustCompile(pattern)
		printed = expression.ReplaceAllString(printed, "<...>")
		for i := range shown {
			if isWildcard(shown[i]) {
				continue
			}
			shown[i] = expression.ReplaceAllString(shown[i], "<...>")
		}
	}
	if wrong := compare(shown, strings.Split(strings.TrimRight(printed, "\n"), "\n")); wrong != "" {
		t.Errorf("after %q %s\n\nall of it:\n%s", command, wrong, printed)
	}
}

// isWildcard reports whether a line stands for any number of them.
func isWildcard(line string) bool { return strings.TrimSpace(line) == "..." }

// compare says where the two part; empty where they don't.
func compare(shown, got []string) string {
	anywhere := false
	for _, line := range shown {
		if isWildcard(line) {
			anywhere = true
			continue
		}
		i := slices.Index(got, line)
		if i < 0 || (i > 0 && !anywhere) {
			next := "nothing more"
			if len(got) > 0 {
				next = got[0]
			}
			return "the README shows\n" + line + "\nprinted is\n" + next
		}
		got, anywhere = got[i+1:], false
	}
	if len(got) > 0 && !anywhere {
		return "the README ends before\n" + strings.Join(got, "\n")
	}
	return ""
}

// Shown is what a README shows after a command: the lines up to the next one.
func Shown(t testing.TB, command string) (lines []string) {
	t.Helper()
	for _, readme := range readmes {
		_, after, found := strings.Cut(Readme(t, readme), "\n$ "+command+"\n")
		if !found {
			continue
		}
		for line := range strings.Lines(after) {
			if line = strings.TrimRight(line, "\n"); line == "```" || strings.HasPrefix(line, "$ ") {
				break
			}
			lines = append(lines, line)
		}
		return lines
	}
	t.Fatalf("none of %v shows %q", readmes, command)
	return nil
}

// Readme is the text of one, by its path from the repository's root.
func Readme(t testing.TB, path string) string {
	t.Helper()
	root := "."
	for range 8 { // deeper than any package lies
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Join(root, "..")
	}
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
