package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxSecretBytes bounds a secret's file: one that is longer is another file.
const maxSecretBytes = 64 << 10

// Secret is read from a file or the environment. However it is printed, what
// shows is where it came from. Only reveal gives the value, and what it is given
// to must not be printed.
type Secret struct {
	value  *string // a pointer, so that printing a struct around it shows an address at most
	source string  // where it came from; empty: not given
}

func (s Secret) given() bool { return s.source != "" }

// Reveal is the value, empty where none was given.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (s Secret) String() string {
	if !s.given() {
		return ""
	}
	return "(from " + s.source + ")"
}

// Format keeps the value out of every verb of fmt, %#v and %d too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText keeps the value out of JSON, YAML and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// secretFromFile reads a secret; a relative path begins at dir.
func secretFromFile(path, dir string) (Secret, error) {
	path = under(dir, path)
	from := "file " + path
	file, err := os.Open(path)
	if err != nil {
		return Secret{source: from}, fmt.Errorf("read the secret: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretBytes+1))
	if err != nil {
		return Secret{source: from}, fmt.Errorf("read the secret: %w", err)
	}
	if len(text) > maxSecretBytes {
		return Secret{source: from}, fmt.Errorf("%s has more than %d bytes: it should hold the secret and nothing else", path, maxSecretBytes)
	}
	return NewSecret(strings.TrimRight(string(text), "\r\n"), from)
}

func secretFromEnv(name string) (Secret, error) {
	from := "environment " + name
	value, ok := os.LookupEnv(name)
	if !ok {
		return Secret{source: from}, fmt.Errorf("environment variable %s is not set", name)
	}
	return NewSecret(value, from)
}

func NewSecret(value, source string) (Secret, error) {
	s := Secret{value: &value, source: source}
	if value == "" {
		return s, fmt.Errorf("the secret from %s is empty", source)
	}
	return s, nil
}

// under is path, from dir on where it is relative.
func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
