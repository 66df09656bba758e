package catalog

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"ristourne/processor/sourcefile"
)

// Text is an offer file that lies in no folder.
type Text struct {
	Name    string // as if it lay in the folder, with slashes
	ShownAs string // how faults name it
	Body    []byte
}

// LoadTexts reads offer files as Load does: those of a folder (none where dir
// is empty), and texts, which stand for the folder's files of the same name.
func LoadTexts(dir string, texts []Text) (*Loaded, error) {
	var documents []*Document
	var faults []sourcefile.Fault
	shownAs := dir
	switch {
	case dir != "":
		var err error
		if documents, faults, err = readFolder(dir); err != nil {
			return nil, err
		}
	case len(texts) == 0:
		return nil, errors.New("there is no offer file: write one, or name a folder of them")
	default:
		shownAs = texts[0].ShownAs
	}
	for _, text := range texts {
		replaced := filepath.Join(dir, filepath.FromSlash(text.Name))
		documents = slices.DeleteFunc(documents, func(d *Document) bool { return d.File == text.Name })
		faults = slices.DeleteFunc(faults, func(f sourcefile.Fault) bool { return dir != "" && f.File == replaced })
	}
	for _, text := range texts {
		document, wrong := ReadDocument(text.Name, text.ShownAs, text.Body)
		if document != nil {
			documents = append(documents, document)
		}
		faults = append(faults, wrong...)
	}
	return Assemble(shownAs, documents, faults, time.Now())
}
