package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := write("../.."); err != nil {
		fmt.Fprintln(os.Stderr, "rowgen:", err)
		os.Exit(1)
	}
}

// write writes the files below top.
func write(top string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(filepath.Join(top, path), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
