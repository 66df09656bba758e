package scenario

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Extension is how the names of scenario files end.
const Extension = ".test"

// Find gives every scenario file in and below folders, each once and in order;
// a path may also be a file itself. A path without any is an error: a check
// that checks nothing must not pass.
func Find(paths []string) ([]string, error) {
	var found []string
	for _, path := range paths {
		before := len(found)
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			found = append(found, path)
			continue
		}
		err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && strings.HasSuffix(name, Extension) {
				found = append(found, name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(found) == before {
			return nil, fmt.Errorf("no %s file in or below %s: is this the folder of the scenarios?", Extension, path)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
