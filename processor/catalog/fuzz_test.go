package catalog

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzReadDocument holds the parser to its promises on any bytes: it comes back,
// every fault has a place in the file, and what is read without a fault reads
// the same again.
func FuzzReadDocument(f *testing.F) {
	for _, pattern := range []string{"../../testdata/catalogue/*/*.yaml", "../../testdata/bad-catalogue/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, faults := readDocument("a.yaml", "a.yaml", text)
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Message == "" {
				t.Fatalf("a fault without a place: %+v", fault)
			}
		}
		if doc == nil {
			if len(faults) == 0 {
				t.Fatal("nothing was read and nothing was said")
			}
			return
		}
		again, _ := readDocument("a.yaml", "a.yaml", text)
		if again.meaning != doc.meaning {
			t.Fatal("the same bytes mean two things")
		}
		loaded, err := assemble(".", []*document{doc}, faults, noon)
		if (err == nil) == (loaded == nil) {
			t.Fatalf("loaded %v with error %v", loaded, err)
		}
	})
}
