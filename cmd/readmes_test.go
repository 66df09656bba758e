package cmd_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// What the READMEs say of the repository is held to it: their links lead
// somewhere, and what they name is there.

// rooms with a README: a door each for who changes the stream, who writes offers,
// the bank, who must know what a rule means, analysts, operators, who measures and
// who develops.
var readmeRooms = []string{
	"", "processor", "processor/catalog", "processor/wire", "rules", "sinks/clickhouse", "cmd/ristourne", "cmd/bench", "deploy",
}

// maxTopLines is what a newcomer reads in one go.
const maxTopLines = 250

// document is a README, told apart line by line.
type document struct {
	name  string // from the repository's root
	lines []line
}

type line struct {
	number int
	text   string
	code   bool // within a fence
}

func (d *document) dir() string { return path.Dir(d.name) }

func readDocument(t *testing.T, name string) *document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{name: name}
	fenced := false
	for i, s := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		fence := strings.HasPrefix(s, "```")
		d.lines = append(d.lines, line{number: i + 1, text: s, code: fenced || fence})
		fenced = fenced != fence
	}
	return d
}

// readDocuments are all READMEs of the repository.
func readDocuments(t *testing.T) (documents []*document) {
	t.Helper()
	for _, name := range repositoryFiles(t) {
		if path.Base(name) == "README.md" {
			documents = append(documents, readDocument(t, name))
		}
	}
	return documents
}

// repositoryFiles are the paths of all files, from the root.
func repositoryFiles(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin" || entry.Name() == "node_modules"):
			return fs.SkipDir
		case !entry.IsDir():
			names = append(names, filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator))))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEveryReaderHasADoor(t *testing.T) {
	t.Parallel()
	top := readDocument(t, "README.md")
	if n := len(top.lines); n > maxTopLines {
		t.Errorf("README.md has %d lines: keep it under %d, and put the rest where its reader works", n, maxTopLines)
	}
	var text strings.Builder
	for _, l := range top.lines {
		text.WriteString(l.text + "\n")
	}
	for _, room := range readmeRooms[1:] {
		if !strings.Contains(text.String(), "]("+room+"/README.md)") {
			t.Errorf("README.md has no link to %s/README.md", room)
		}
	}
	for _, d := range readDocuments(t) {
		if !slices.Contains(readmeRooms, strings.TrimSuffix(d.dir(), ".")) {
			t.Errorf("%s: a room that the others don't know of: give it a door in README.md and a line in readmeRooms", d.name)
		}
	}
}

var (
	linkForm    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingForm = regexp.MustCompile(`^#{1,6} (.+)$`)
)

// anchors are what links may name in the document, as forges make them of headings.
func (d *document) anchors() (anchors []string) {
	for _, l := range d.lines {
		if m := headingForm.FindStringSubmatch(l.text); m != nil && !l.code {
			anchors = append(anchors, anchorOf(m[1]))
		}
	}
	return anchors
}

func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	for _, d := range readDocuments(t) {
		for _, l := range d.lines {
			for _, m := range linkForm.FindAllStringSubmatch(l.text, -1) {
				target, anchor, _ := strings.Cut(m[1], "#")
				if l.code || strings.HasPrefix(target, "https://") {
					continue
				}
				to := d.name
				if target != "" {
					to = path.Join(d.dir(), target)
				}
				switch _, err := os.Stat(filepath.Join("..", to)); {
				case err != nil:
					t.Errorf("%s:%d: the link %s leads nowhere: there is no %s", d.name, l.number, m[1], to)
				case anchor != "" && path.Ext(to) != ".md":
					t.Errorf("%s:%d: %s: only READMEs have headings to link to", d.name, l.number, m[1])
				case anchor != "" && !slices.Contains(readDocument(t, to).anchors(), anchor):
					t.Errorf("%s:%d: the link %s leads nowhere: %s has no such heading", d.name, l.number, m[1], to)
				}
			}
		}
	}
}

// What a README shows of a command is compared with what it prints by the test that
// names the command.
func TestEveryTranscriptIsRun(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, name := range repositoryFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			text, err := os.ReadFile(filepath.Join("..", name))
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	for _, d := range readDocuments(t) {
		for _, l := range d.lines {
			command, shown := strings.CutPrefix(l.text, "$ ")
			if !shown || !l.code {
				continue
			}
			if all := tests.String(); !strings.Contains(all, strconv.Quote(command)) && !strings.Contains(all, "`"+command+"`") {
				t.Errorf("%s:%d: no test runs %q: hold what is shown to it with cmd/internal/transcript", d.name, l.number, command)
			}
		}
	}
}

// referenceForm is how the code refers to what a README says: the file, and the
// heading below which it says so.
var referenceForm = regexp.MustCompile(`([\w/]*README\.md), \\?"([^"\\]+)\\?"`)

// What a rule means stands in a README, and code that follows one names its heading:
// a comment may be broken anywhere, so it is read without its line ends.
func TestCodeRefersToHeadingsThatAreThere(t *testing.T) {
	t.Parallel()
	lineEnds := regexp.MustCompile(`\n\s*// ?`)
	for _, name := range repositoryFiles(t) {
		if path.Ext(name) != ".go" || name == "cmd/readmes_test.go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("README.md")) {
			continue
		}
		for _, m := range referenceForm.FindAllStringSubmatch(lineEnds.ReplaceAllString(string(text), " "), -1) {
			to := m[1]
			if to == "README.md" {
				to = path.Join(path.Dir(name), to)
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s refers to %s, which isn't there", name, to)
			} else if !slices.Contains(readDocument(t, to).anchors(), anchorOf(m[2])) {
				t.Errorf("%s refers to %q in %s, which has no such heading", name, m[2], to)
			}
		}
	}
}

var (
	testForm   = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	fileForm   = regexp.MustCompile(`[\w*./-]*\w[\w*-]*\.(?:go|lua|sql|sh)\b`)
	targetForm = regexp.MustCompile("(?:`|^\\$ |^)make ([a-z-]+)")
	funcForm   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
)

// testFunctions are the names of all tests, fuzz targets and benchmarks.
func testFunctions(t *testing.T, files []string) map[string]bool {
	t.Helper()
	functions := map[string]bool{}
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range funcForm.FindAllStringSubmatch(string(text), -1) {
			functions[m[1]] = true
		}
	}
	return functions
}

// hasFile reports whether a file that a README names is there: from the root, from
// the README's folder, or anywhere by its name alone. Stars stand for any characters.
func hasFile(files []string, dir, named string) bool {
	return slices.ContainsFunc(files, func(name string) bool {
		for _, pattern := range []string{named, path.Join(dir, named)} {
			if ok, err := path.Match(pattern, name); err == nil && ok {
				return true
			}
		}
		ok, err := path.Match(named, path.Base(name))
		return err == nil && ok
	})
}

func TestWhatReadmesNameIsThere(t *testing.T) {
	t.Parallel()
	files := repositoryFiles(t)
	functions := testFunctions(t, files)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range readDocuments(t) {
		for _, l := range d.lines {
			for _, name := range testForm.FindAllString(l.text, -1) {
				if !functions[name] {
					t.Errorf("%s:%d: there is no %s", d.name, l.number, name)
				}
			}
			for _, name := range fileForm.FindAllString(l.text, -1) {
				if !hasFile(files, d.dir(), name) {
					t.Errorf("%s:%d: there is no file %s", d.name, l.number, name)
				}
			}
			for _, m := range targetForm.FindAllStringSubmatch(l.text, -1) {
				if (l.code || strings.Contains(m[0], "`")) && !strings.Contains(string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s:%d: the Makefile has no target %s", d.name, l.number, m[1])
				}
			}
		}
	}
}

var roomForm = regexp.MustCompile(`^( *)([\w/-]+)/( |$)`)

// The tree of README.md has a line for each package, indented below its folder.
func TestTheTreeOfRoomsIsWhole(t *testing.T) {
	t.Parallel()
	var shown, above []string
	for _, l := range readDocument(t, "README.md").lines {
		if !l.code && strings.HasPrefix(l.text, "## ") {
			if above = nil; l.text == "## The rooms" {
				above = []string{""}
			}
		}
		m := roomForm.FindStringSubmatch(l.text)
		if len(above) == 0 || !l.code || m == nil {
			continue
		}
		depth := len(m[1]) / 2
		if depth >= len(above) {
			t.Fatalf("README.md:%d: indented by more than the folder above", l.number)
		}
		room := path.Join(above[depth], m[2])
		above = append(above[:depth+1], room)
		shown = append(shown, room)
		if info, err := os.Stat(filepath.Join("..", room)); err != nil || !info.IsDir() {
			t.Errorf("README.md:%d: there is no folder %s", l.number, room)
		}
	}
	for _, p := range listPackages(t) {
		room := strings.TrimPrefix(p.ImportPath, "ristourne/")
		if !strings.Contains(room, "internal") && !slices.Contains(shown, room) && room != "cmd" {
			t.Errorf("README.md shows no room %s: give it a line below \"The rooms\"", room)
		}
	}
}
