package localserverstest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// WantSchema fails the test where a message breaks one of the schemas of
// testdata/iso20022, such as pain.001.001.09.
func WantSchema(t testing.TB, schema string, message []byte) {
	t.Helper()
	if fault := schemaFault(t, schema, message); fault != "" {
		t.Errorf("%s refuses it:\n%s\n%s", schema, fault, message)
	}
}

// WantNoSchema fails the test where a schema takes a message that it must refuse.
func WantNoSchema(t testing.TB, schema string, message []byte) {
	t.Helper()
	if schemaFault(t, schema, message) == "" {
		t.Errorf("%s takes it:\n%s", schema, message)
	}
}

func schemaFault(t testing.TB, schema string, message []byte) string {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatal("xmllint is needed to judge by a schema: install libxml2-utils (Debian, Ubuntu), libxml2 (Fedora, Homebrew)")
	}
	root := "."
	for range 8 { // deeper than any package lies
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Join(root, "..")
	}
	cmd := exec.Command(lint, "--noout", "--nonet", "--schema", filepath.Join(root, "testdata", "iso20022", schema+".xsd"), "-")
	cmd.Stdin = bytes.NewReader(message)
	said, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	return string(said) + err.Error()
}
