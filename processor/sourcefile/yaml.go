package sourcefile

import (
	"regexp"
	"strings"
)

var yamlPrefix = regexp.MustCompile(`^yaml: (line \d+: )?`)

// YAMLProblem says what a YAML library found wrong, without the line that it
// names (see LineReader) and without what may be a secret: a password that begins
// with * is taken for an alias, and the library would tell it.
func YAMLProblem(err error) string {
	message := yamlPrefix.ReplaceAllString(err.Error(), "")
	if strings.HasPrefix(message, "unknown anchor") {
		message = "an alias, a word that begins with *, names no anchor: quote it if it is none"
	}
	return "this is no YAML: " + message + "; look at the indentation, quotes and colons around this line"
}
