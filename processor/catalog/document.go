package catalog

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"ristourne/processor/sourcefile"
	"ristourne/rules"
	"ristourne/rules/offer"
)

// Kind is what a file is about.
type Kind string

// The kinds of a subject.
const (
	KindProgramme Kind = "programme"
	KindPartner   Kind = "partner"
	KindLevels    Kind = "levels"
	KindCampaign  Kind = "campaign"
)

// kindOrder is the order in which subjects are told: what others refer to first.
var kindOrder = []Kind{KindProgramme, KindPartner, KindLevels, KindCampaign}

// CompareSubjects orders subjects by kind, then by id.
func CompareSubjects(a, b Subject) int {
	return cmp.Or(
		cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind)),
		strings.Compare(a.ID, b.ID),
	)
}

// Subject is what has versions: the programme, one partner, one campaign, or the
// levels of a programme's members.
type Subject struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
}

func (s Subject) String() string { return string(s.Kind) + " " + s.ID }

// Document is one file, read: one version of its subject.
type Document struct {
	File    string // within the folder, with slashes
	ShownAs string // how faults name it
	Text    []byte
	Subject Subject
	// Meaning is the SHA-256 of what the file says, whatever its comments, the
	// order of its keys and its effective_from: files of one meaning are one
	// version.
	Meaning string
	// Version is worked out from effective_from, or was stamped when the
	// document was published.
	Version offer.Version
	Stamped bool
	// Published is when Redis took it; zero: not published.
	Published rules.Instant
	// zone is the programme's, in which its dates are read.
	zone *time.Location
	// unread are the values that couldn't be read.
	unread []path
	// The content, by kind. All are nil where the subject ended.
	programme *programmeDoc
	partner   *partnerDoc
	levels    *levelsDoc
	campaign  *campaignDoc
}

// Clock is the zone in which the document's dates are told.
func (d *Document) Clock() *time.Location {
	if d.zone == nil {
		return time.UTC
	}
	return d.zone
}

// effective is what the file says of its coming into force.
func (d *Document) effective() effective {
	switch {
	case d.programme != nil:
		return d.programme.effective
	case d.partner != nil:
		return d.partner.effective
	case d.levels != nil:
		return d.levels.effective
	case d.campaign != nil:
		return d.campaign.effective
	}
	return effective{}
}

// named is the programme that the file says it belongs to; empty: none.
func (d *Document) named() string {
	switch {
	case d.partner != nil:
		return d.partner.programme
	case d.levels != nil:
		return d.levels.programme
	case d.campaign != nil:
		return d.campaign.programme
	}
	return ""
}

// maxFileBytes bounds one file: a chain of 50,000 stores fits.
const maxFileBytes = 8 << 20

// ReadDocument reads one file. The document is whole as far as there is no
// fault in it; it is nil where the file says nothing that can be read.
func ReadDocument(file, shownAs string, text []byte) (*Document, []sourcefile.Fault) {
	r := &reader{file: shownAs}
	doc := r.document(text)
	if doc != nil {
		doc.File, doc.ShownAs, doc.Text, doc.unread = file, shownAs, text, r.unread
	}
	showLines(r.faults, text)
	return doc, r.faults
}

func (r *reader) document(text []byte) *Document {
	root, err := parseYAML(text)
	if err != nil {
		var at *syntaxError
		if !errors.As(err, &at) {
			at = &syntaxError{line: 1, message: err.Error()}
		}
		r.fault(&yaml.Node{Line: at.line, Column: 1}, "%s", at.message)
		return nil
	}
	if !r.is(root, yaml.MappingNode, "keys and values, beginning with partner:, programme:, campaign: or levels:") {
		return nil
	}
	sum := sha256.New()
	r.digest(sum, root, 0)
	doc := &Document{Meaning: hex.EncodeToString(sum.Sum(nil))}
	if !doc.content(r, root) {
		r.misshape(root, "this file is about none of what a catalogue has: begin it with `partner: ID`, `programme: ID`, `campaign: ID` or `levels: [...]`")
		return nil
	}
	return doc
}

// content reads what the file is about, which one of its keys says; false: none
// does. Of several the first counts: what a partner belongs to is no programme's
// file.
func (d *Document) content(r *reader, root *yaml.Node) bool {
	switch {
	case childOf(root, "partner") != nil:
		d.partner = &partnerDoc{}
		partnerKeys.read(r, root, d.partner)
		d.Subject = Subject{KindPartner, d.partner.id}
	case childOf(root, "campaign") != nil:
		d.campaign = &campaignDoc{}
		campaignKeys.read(r, root, d.campaign)
		d.Subject = Subject{KindCampaign, d.campaign.id}
	case childOf(root, "levels") != nil:
		d.levels = &levelsDoc{}
		levelsKeys.read(r, root, d.levels)
		d.Subject = Subject{KindLevels, cmp.Or(d.levels.programme, onlyProgramme)}
	case childOf(root, "programme") != nil:
		d.programme = &programmeDoc{}
		programmeKeys.read(r, root, d.programme)
		d.Subject = Subject{KindProgramme, d.programme.id}
	default:
		return false
	}
	return true
}

// onlyProgramme names the levels of a file that names no programme.
const onlyProgramme = "all"

// syntaxError is text that is no YAML.
type syntaxError struct {
	line    int
	message string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.message) }

// parseYAML reads the one document of a file.
func parseYAML(text []byte) (*yaml.Node, error) {
	if len(text) > maxFileBytes {
		return nil, &syntaxError{1, fmt.Sprintf("the file has %d bytes and at most %d are allowed: split the partner", len(text), maxFileBytes)}
	}
	if !utf8.Valid(text) {
		return nil, &syntaxError{firstInvalidLine(text), "this isn't UTF-8: save the file in that encoding"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var file, second yaml.Node
	if err := decoder.Decode(&file); errors.Is(err, io.EOF) || (err == nil && len(file.Content) == 0) {
		return nil, &syntaxError{1, "the file is empty: begin it with `partner: ID`, `programme: ID`, `campaign: ID` or `levels: [...]`, or remove it"}
	} else if err != nil {
		return nil, yamlSyntaxError(text, err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, &syntaxError{second.Line, "a second document begins here: one file holds one version of one subject"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlSyntaxError(text, err)
	}
	return file.Content[0], nil
}

// yamlSyntaxError finds the line of a syntax error. The line that the library
// names is where the broken block began, perhaps hundreds of lines above, so the
// text is given to it once more line by line: it stops at the broken one.
func yamlSyntaxError(text []byte, err error) *syntaxError {
	lines := &sourcefile.LineReader{Rest: text}
	decoder := yaml.NewDecoder(lines)
	for again := error(nil); again == nil; {
		again = decoder.Decode(&yaml.Node{})
	}
	return &syntaxError{
		max(lines.Line, 1),
		sourcefile.YAMLProblem(err),
	}
}

func firstInvalidLine(text []byte) int {
	line := 1
	for len(text) > 0 {
		c, size := utf8.DecodeRune(text)
		if c == utf8.RuneError && size == 1 {
			break
		}
		if c == '\n' {
			line++
		}
		text = text[size:]
	}
	return line
}

// digest hashes what a tree says. It is also the one walk over all nodes, so it
// refuses on the way what would make a file say more than its reader sees:
// anchors, aliases, merges and tags (a few lines of them make billions of
// values).
func (r *reader) digest(sum hash.Hash, n *yaml.Node, depth int) {
	switch {
	case n.Kind == yaml.AliasNode:
		r.note(n, "an alias (*) stands for text elsewhere: write the value out")
		return
	case n.Anchor != "":
		r.note(n, "an anchor (&%s) is not allowed: write the value where it is needed", clip(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!null":
		r.note(n, "a tag (%s) is not allowed: write the value alone", clip(n.Tag))
	case n.Tag == "!!merge":
		r.note(n, "a merge (<<) is not allowed: write the keys out")
	}
	switch n.Kind {
	case yaml.MappingNode:
		fmt.Fprintf(sum, "{%d ", len(n.Content)/2)
		for _, i := range keysInOrder(n) {
			key := n.Content[i]
			if depth == 0 && key.Value == "effective_from" {
				continue
			}
			r.digest(sum, key, depth+1)
			r.digest(sum, n.Content[i+1], depth+1)
		}
	case yaml.SequenceNode:
		fmt.Fprintf(sum, "[%d ", len(n.Content))
		for _, element := range n.Content {
			r.digest(sum, element, depth+1)
		}
	default:
		fmt.Fprintf(sum, "%q ", n.Value)
	}
}

// keysInOrder are the positions of a mapping's keys, by name.
func keysInOrder(n *yaml.Node) []int {
	order := make([]int, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return strings.Compare(n.Content[a].Value, n.Content[b].Value)
	})
	return order
}

// versionID names a version so that a person finds the file again: the local
// date from which it holds and the beginning of its meaning's hash.
func versionID(from rules.Instant, zone *time.Location, meaning string) string {
	date := "initial"
	if from != rules.MinInstant {
		date = from.Time().In(zone).Format(time.DateOnly)
	}
	return date + "." + meaning[:6]
}

// Name is what members know the subject as; empty: the file doesn't say.
func (d *Document) Name() string {
	switch {
	case d.partner != nil:
		return d.partner.name
	case d.programme != nil:
		return d.programme.name
	case d.campaign != nil:
		return d.campaign.name
	}
	return ""
}

// Holds counts what is in the document.
func (d *Document) Holds() (stores, offers, boosts, levels int) {
	switch {
	case d.partner != nil:
		return len(d.partner.stores), len(d.partner.offers), 0, 0
	case d.programme != nil:
		return 0, len(d.programme.offers), 0, 0
	case d.campaign != nil:
		return 0, 0, len(d.campaign.boosts), 0
	case d.levels != nil:
		return 0, 0, 0, len(d.levels.levels)
	}
	return 0, 0, 0, 0
}

// TakesEveryone reports whether it is of a programme that takes every account as
// a member.
func (d *Document) TakesEveryone() bool {
	return d.programme != nil && d.programme.enrolment == offer.EnrolmentAutomatic
}

// As is the document as another version of its subject, with its content or, where
// the subject ends, without.
func (d *Document) As(version offer.Version) *Document {
	as := *d
	as.Version, as.Stamped = version, true
	if version.Ended {
		as.partner, as.levels, as.campaign, as.Text = nil, nil, nil, nil
	}
	return &as
}

// EffectiveText is the file's effective_from as it is written; empty: none.
func (d *Document) EffectiveText() string { return d.effective().text }

// VersionAt names the document's version that comes into force at an instant.
func (d *Document) VersionAt(from rules.Instant) string { return versionID(from, d.Clock(), d.Meaning) }
