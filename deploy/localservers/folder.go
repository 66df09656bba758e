package localservers

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"text/template"
)

// temporaryPattern names the temporary folders, so that a later start finds the
// ones whose process was killed before it could remove them.
const temporaryPattern = "ristourne-parts-"

// lockName is the file in a folder that its process holds locked. The kernel
// lets go of the lock when the process ends, however it ends.
const lockName = ".lock"

// errLocked says that another process holds a lock.
var errLocked = errors.New("another process holds it")

// folder is where one part keeps its data, held by this process alone.
type folder struct {
	path      string
	temporary bool
	lock      *os.File
	given     sync.Once
}

// openFolder takes the folder of a part: the named one inside the kept data, or
// a new temporary one.
func openFolder(o Options, part string) (*folder, error) {
	if o.DataDir == "" {
		return temporaryFolder(part)
	}
	path := filepath.Join(o.DataDir, part)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, fmt.Errorf("take data folder %s (two processes would break its data; end the other one or choose another folder): %w", path, err)
	}
	return &folder{path: path, lock: lock}, nil
}

// temporaryFolder makes a new folder after it has removed those of processes
// that are gone.
func temporaryFolder(part string) (*folder, error) {
	sweepTemporary()
	path, err := os.MkdirTemp("", temporaryPattern+part+"-")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	// The lock gets its name only when it is held, or another process' sweep
	// could take the folder away in between.
	unnamed := filepath.Join(path, lockName+".new")
	lock, err := lockFile(unnamed)
	if err != nil {
		return nil, fmt.Errorf("lock temporary folder: %w", err)
	}
	if err := os.Rename(unnamed, filepath.Join(path, lockName)); err != nil {
		return nil, fmt.Errorf("lock temporary folder: %w", err)
	}
	return &folder{path: path, temporary: true, lock: lock}, nil
}

// sweepTemporary removes temporary folders that no living process holds. It is
// a courtesy to the disk, so that failing at it fails nothing.
func sweepTemporary() {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), temporaryPattern+"*", lockName))
	if err != nil {
		return
	}
	for _, name := range locks {
		lock, err := lockFile(name)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(filepath.Dir(name))
		_ = lock.Close()
	}
}

// close gives the folder up, and removes it when it is a temporary one. Once
// that is done it does nothing.
func (f *folder) close() error {
	var err error
	f.given.Do(func() {
		if f.temporary {
			err = os.RemoveAll(f.path)
		}
		err = errors.Join(err, f.lock.Close())
	})
	return err
}

// lockFile opens the file and locks it for this process, or fails with
// errLocked at once when another holds it.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return file, nil
}

// writeTemplate fills an embedded template and writes it to path, readable by
// this user alone. In the template "xml" escapes a text.
func writeTemplate(from fs.FS, name, path string, values any) error {
	parsed, err := template.New("").Funcs(template.FuncMap{"xml": escapeXML}).ParseFS(from, name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := parsed.ExecuteTemplate(&text, filepath.Base(name), values); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

func escapeXML(s string) (string, error) {
	var escaped bytes.Buffer
	err := xml.EscapeText(&escaped, []byte(s))
	return escaped.String(), err
}
