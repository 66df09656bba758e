package catalog

import (
	"os"
	"strings"
	"testing"

	"ristourne/processor/sourcefile"
)

// fuzzProgramme gives points, so that every kind of offer can be sound in it.
const fuzzProgramme = "programme: test\ncurrency: EUR\nzone: Europe/Paris\npoints: {code: MILES, decimals: 2, value: 0.005 EUR}\n"

// FuzzReadDocument holds the parser to its promises on any bytes: it comes back,
// every fault has a place in the file, what is read without a fault reads the
// same again, an editor agrees, and what is sound compiles.
func FuzzReadDocument(f *testing.F) {
	for _, name := range offerFiles(f) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	e := newEditor(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, faults := ReadDocument("a.yaml", "a.yaml", text)
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
		again, _ := ReadDocument("a.yaml", "a.yaml", text)
		if again.Meaning != doc.Meaning {
			t.Fatal("the same bytes mean two things")
		}
		if what := e.disagreement(text); what != "" {
			t.Fatal(what)
		}
		wantJudged(t, doc, faults)
	})
}

// wantJudged assembles a document with a programme around it: either there is a
// snapshot, or something is said in this file.
func wantJudged(t interface{ Fatalf(string, ...any) }, doc *Document, faults []sourcefile.Fault) {
	documents := []*Document{doc}
	if doc.programme == nil {
		programme, _ := ReadDocument("programme.yaml", "programme.yaml", []byte(fuzzProgramme))
		documents = append(documents, programme)
	}
	loaded, err := Assemble(".", documents, faults, noon)
	switch {
	case (err == nil) == (loaded == nil):
		t.Fatalf("loaded %v with error %v", loaded, err)
	case err == nil && loaded.Snapshot == nil:
		t.Fatalf("no fault and no snapshot")
	case err != nil && !strings.Contains(err.Error(), "a.yaml:"):
		t.Fatalf("what is wrong is not in this file: %v", err)
	}
}
