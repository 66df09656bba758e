package localservers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// cached gives the folder "name" of the cache, filled once by fill. Several
// processes may ask at the same time: one fills, the others wait for it. A
// folder under its name is always whole, as fill works in another one that is
// renamed at the end; one that was broken off leaves nothing but the room it
// took, which the next fill frees.
func cached(ctx context.Context, o Options, name string, fill func(ctx context.Context, dir string) error) (string, error) {
	dir := filepath.Join(o.CacheDir, name)
	if whole, err := exists(dir); whole || err != nil {
		return dir, err
	}
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	lock, err := waitForLock(ctx, o, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("wait for another process to fill %s: %w", dir, err)
	}
	defer lock.Close()

	// It may be there by now: filled while this process waited.
	if whole, err := exists(dir); whole || err != nil {
		return dir, err
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", fmt.Errorf("remove what a broken-off fetch left: %w", err)
	}
	if err := os.Mkdir(partial, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	if err := fill(ctx, partial); err != nil {
		return "", errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", fmt.Errorf("put fetched folder into place: %w", err)
	}
	return dir, nil
}

// waitForLock asks for the lock until it is free or ctx ends.
func waitForLock(ctx context.Context, o Options, path string) (*os.File, error) {
	const askAgain = 200 * time.Millisecond
	told := false
	for {
		lock, err := lockFile(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		if !told {
			o.Log("waiting for another process that fetches the same into %s", o.CacheDir)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
