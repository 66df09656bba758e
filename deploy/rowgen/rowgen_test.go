package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestGeneratedFilesAreCurrent fails where a row type, its tags or the generator were
// changed and the files were not written anew.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		have, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is not what the generator writes: run go generate ./deploy/rowgen", path)
		}
	}
}

// TestALaterColumnComesLast: an older blob ends where what it didn't know begins.
func TestALaterColumnComesLast(t *testing.T) {
	t.Parallel()
	type row struct {
		First string `row:"first"`
		Added int64  `row:"added,since=6"`
		Last  string `row:"last"`
	}
	fields, err := fieldsOf(reflect.TypeFor[row](), "")
	if err != nil {
		t.Fatal(err)
	}
	s := structOf{Name: "row", fields: fields}
	want := []string{"e.word(row.First)", "e.word(row.Last)", "e.int(row.Added)"}
	if got := s.Encode(); !slices.Equal(got, want) {
		t.Errorf("it is written by %q, want %q", got, want)
	}
	if got, want := s.Decode(), []string{"First: r.word(),", "Last: r.word(),"}; !slices.Equal(got, want) {
		t.Errorf("the oldest format is read by %q, want %q", got, want)
	}
	if got, want := s.Later(), []string{"if r.format >= 6 {", "row.Added = r.int()", "}"}; !slices.Equal(got, want) {
		t.Errorf("what was added is read by %q, want %q", got, want)
	}
	if got := (house{Structs: []structOf{s}}).Format(); got != 6 {
		t.Errorf("format %d, want 6", got)
	}
	if got := s.MinBytes(); got != 2 {
		t.Errorf("at least %d bytes, want the 2 of the oldest format", got)
	}
}

func TestAFieldWithoutATagIsRefused(t *testing.T) {
	t.Parallel()
	type row struct {
		Kept      string `row:"kept"`
		Forgotten int64
	}
	_, err := fieldsOf(reflect.TypeFor[row](), "")
	if err == nil || !strings.Contains(err.Error(), "Forgotten has no row tag") {
		t.Errorf("error %v, want one that names the field", err)
	}
}
