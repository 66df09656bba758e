package scenario_test

import (
	"path/filepath"
	"testing"

	"ristourne/processor/scenario"
)

const scenarios = "../../testdata/scenarios"

// Every mechanism has its scenario file; this runs them all.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := scenario.Find([]string{scenarios})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			file, err := scenario.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			results, err := file.Run()
			if err != nil {
				t.Fatal(err)
			}
			for _, result := range results {
				for _, failure := range result.Failures {
					t.Error(failure)
				}
			}
		})
	}
}
