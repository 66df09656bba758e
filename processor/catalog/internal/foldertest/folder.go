// Package foldertest writes folders of offer files for tests.
package foldertest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Programme is the file of a programme beside which most tests write others.
const Programme = "programme: test\ncurrency: EUR\nzone: Europe/Paris\n"

// Write makes a folder of the given files, by name, beside a programme. An empty
// text leaves its file out.
func Write(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	all := map[string]string{"programme.yaml": Programme}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		if text == "" {
			continue
		}
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
