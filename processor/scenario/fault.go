package scenario

import (
	"slices"

	"ristourne/processor/sourcefile"
)

// sorted are the faults in the order of lines, each once: what holds for all
// scenarios is looked at with each of them.
func sorted(list []sourcefile.Fault) []sourcefile.Fault {
	sourcefile.Sort(list)
	return slices.Compact(list)
}
