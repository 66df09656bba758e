package catalog

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"ristourne/processor/sourcefile"
	"ristourne/processor/wire"
)

// A catalogue is published to Redis and ClickHouse as it is written, comments
// and all, and shown to everyone: no card number may be in it, and none is shown
// by what is said of it.

// keyParts are the values of a merchant key.
var keyParts = []string{"mid", "acquirer", "sub_merchant", "network", "network_merchant_id"}

// usualMIDBytes is what ISO 8583 has in field 42: no longer one is taken for a
// merchant id where it looks like a card number.
const usualMIDBytes = 15

const cardNumberFault = "this holds a card number: take it out, and rename what has it for an id; a catalogue is shown to many, and no card number may be in it"

// cardNumbers refuses card numbers anywhere in a file. A merchant id that is no
// longer than one can be may be a number that merely looks so, one in ten of
// those that begin alike: that is warned of.
func (c *checker) cardNumbers(d *Document) {
	if d.Stamped || c.superseded(d) || !c.whole && len(d.Text) == 0 || !anyLineHolds(d.Text) {
		return
	}
	s := cardSearch{root: c.trees.find(d, path{}), told: map[int]bool{}}
	s.look(s.root, "")
	s.comments(d.Text)
	for i := range s.faults {
		s.faults[i].File, s.faults[i].Message = d.ShownAs, cardNumberFault
	}
	for i := range s.warnings {
		s.warnings[i].File = d.ShownAs
	}
	showLines(s.faults, d.Text)
	showLines(s.warnings, d.Text)
	c.placed, c.placedWarnings = append(c.placed, s.faults...), append(c.placedWarnings, s.warnings...)
}

func anyLineHolds(text []byte) bool {
	for line := range bytes.Lines(text) {
		if wire.HoldsCardNumber(string(line)) || bytes.ContainsRune(line, '\\') {
			return true
		}
	}
	return false
}

// cardSearch is the search of one file.
type cardSearch struct {
	root             *yaml.Node
	faults, warnings []sourcefile.Fault
	told             map[int]bool // lines
}

// look goes through all that the file says, key being the name of the value.
func (s *cardSearch) look(n *yaml.Node, key string) {
	for i, child := range n.Content {
		name := key
		if n.Kind == yaml.MappingNode {
			if name = ""; i%2 == 1 {
				name = n.Content[i-1].Value
			}
		}
		s.look(child, name)
	}
	if n.Kind != yaml.ScalarNode || !wire.HoldsCardNumber(n.Value) {
		return
	}
	if _, err := parseIBAN(n.Value); key == "iban" && err == nil {
		return // one in ten has the digits of a card number between two of its spaces
	}
	s.told[n.Line] = true
	at := sourcefile.Fault{Line: n.Line, Column: n.Column}
	switch _, err := parseSIRET(n.Value); {
	case slices.Contains(keyParts, key) && len(n.Value) <= usualMIDBytes:
		at.Message = "this merchant id looks like a card number; it is right if the acquirer states it so"
	case key == "siret" && err == nil && luhn(spaceless(n.Value)[:len(sirenOfPost)]) == 0:
		at.Message = "this SIRET looks like a card number, as one does that begins with 30, 36, 38 or 39; it is right if the company's register has it so"
	default:
		s.faults = append(s.faults, at)
		return
	}
	s.warnings = append(s.warnings, at)
}

// comments finds what no value says.
func (s *cardSearch) comments(text []byte) {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		_, comment, found := bytes.Cut(line, []byte("#"))
		if found && !s.told[n] && wire.HoldsCardNumber(string(comment)) {
			s.faults = append(s.faults, sourcefile.Fault{Line: n, Column: 1 + len([]rune(string(line[:len(line)-len(comment)-1])))})
		}
	}
}

// digitRun is as many digits as a card number has at least.
var digitRun = regexp.MustCompile(`\d(?:[^\pL\d]{0,3}\d){11,}`)

// masked is a text that may be shown: without the digits of a card number.
func masked(text string) string {
	if !wire.HoldsCardNumber(text) {
		return text
	}
	hide := func(digits string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return '•'
			}
			return r
		}, digits)
	}
	if text = digitRun.ReplaceAllStringFunc(text, hide); wire.HoldsCardNumber(text) {
		return hide(text)
	}
	return text
}
