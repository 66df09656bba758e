package published

import (
	"testing"
	"time"

	"ristourne/processor/catalog"
	"ristourne/processor/catalog/internal/foldertest"
)

// folder loads a catalogue of the given files beside a programme.
func folder(t testing.TB, files map[string]string) *catalog.Loaded {
	t.Helper()
	loaded, err := catalog.Load(foldertest.Write(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

const programmeText = foldertest.Programme

// noon is when these tests publish.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
