package processor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An operator who meets a reason in a metric or in the log finds it in their README.
func TestOperatorsReadAboutEachFailure(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../cmd/ristourne/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "## Shard trouble\n")
	if !found {
		t.Fatal(`cmd/ristourne/README.md has no "Shard trouble"`)
	}
	section, _, _ = strings.Cut(section, "\n\nA batch that was decided")
	var shown []string
	for row := range strings.Lines(section) {
		if first, _, isRow := strings.Cut(strings.TrimPrefix(row, "| "), " | "); isRow && strings.HasPrefix(row, "| `") {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(first, -1) {
				shown = append(shown, m[1])
			}
		}
	}
	var reasons []string
	for _, file := range []string{"failure.go", "retry.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:failure\{|reason = )"([a-z_]+)"`).FindAllStringSubmatch(string(code), -1) {
			reasons = append(reasons, m[1])
		}
	}
	slices.Sort(shown)
	slices.Sort(reasons)
	if !slices.Equal(shown, reasons) {
		t.Errorf("the README explains the reasons\n%v\nand the code has\n%v", shown, reasons)
	}
}
