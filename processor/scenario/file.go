package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"ristourne/processor/catalog"
	"ristourne/processor/sourcefile"
)

// File is a scenario file that was read without a fault.
type File struct {
	Name      string
	Scenarios []*Scenario

	lines []string
}

// Scenario is one of its scenarios, with what holds for all of them.
type Scenario struct {
	Name string
	Line int

	file     *File
	settings settings
	steps    []step
}

// step is a *record or an *expectation.
type step any

// Bounds of a file: far over what a person writes.
const (
	maxFileBytes = 1 << 20
	maxTimes     = 10_000
)

// Read reads a scenario file. The error is a *sourcefile.Faults where the file itself is
// wrong.
func Read(name string) (*File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, text)
}

// Parse reads the text of a scenario file; folders in it are relative to that
// of name.
func Parse(name string, text []byte) (*File, error) {
	p := &parser{file: &File{Name: name}}
	if len(text) > maxFileBytes || !utf8.Valid(text) {
		p.fault(1, 1, "this is no UTF-8 text of at most %d bytes: split the file, or save it in that encoding", maxFileBytes)
		return nil, &sourcefile.Faults{List: p.faults}
	}
	p.file.lines = strings.Split(string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))), "\n")
	common, scenarios := p.statements()
	for _, s := range scenarios {
		p.build(s, common)
	}
	if len(p.faults) > 0 {
		return nil, &sourcefile.Faults{List: sorted(p.faults)}
	}
	return p.file, nil
}

// parser collects what is wrong with one file; no fault stops it.
type parser struct {
	file   *File
	faults []sourcefile.Fault
	loaded map[string]*catalog.Loaded
}

func (p *parser) fault(line, column int, format string, args ...any) {
	f := sourcefile.Fault{File: p.file.Name, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
	if line <= len(p.file.lines) {
		f.Source = p.file.lines[line-1]
	}
	p.faults = append(p.faults, f)
}

// statement is a line that begins in the first column, and the indented ones
// below it.
type statement struct {
	line  int
	words []word
	body  []int // numbers of the indented lines that say something
	end   int   // the line after its last one
}

// part is a scenario as it is written.
type part struct {
	name       string
	line       int
	statements []statement
}

// statements splits the file into what holds for all scenarios, and them.
func (p *parser) statements() (common []statement, scenarios []*part) {
	for i := 0; i < len(p.file.lines); {
		line := p.file.lines[i]
		i++
		if blank(line) {
			continue
		}
		if indented(line) {
			p.fault(i, 1, "an indented line belongs to a statement above it, and there is none: begin it in the first column")
			continue
		}
		s := statement{line: i, end: i + 1}
		var unclosed int
		if s.words, _, unclosed = words(line); unclosed > 0 {
			p.fault(i, unclosed, "this quote is never closed: write another one where the text ends")
			continue
		}
		for i < len(p.file.lines) && (indented(p.file.lines[i]) || blank(p.file.lines[i])) {
			i++
			if indented(p.file.lines[i-1]) && strings.TrimSpace(p.file.lines[i-1]) != "" {
				s.body, s.end = append(s.body, i), i+1
			}
		}
		i = s.end - 1
		switch {
		case s.words[0].text == "scenario" && s.words[0].name == "":
			name := strings.TrimSpace(strings.TrimPrefix(line, "scenario"))
			if name == "" {
				p.fault(s.line, 1, "a scenario needs a name: write what it shows, such as `scenario the minimum itself earns`")
			}
			scenarios = append(scenarios, &part{name: name, line: s.line})
			p.noBody(s)
		case len(scenarios) == 0:
			common = append(common, s)
		default:
			last := scenarios[len(scenarios)-1]
			last.statements = append(last.statements, s)
		}
	}
	if len(scenarios) == 0 {
		scenarios = []*part{{name: strings.TrimSuffix(filepath.Base(p.file.Name), filepath.Ext(p.file.Name)), line: 1}}
	}
	return common, scenarios
}

func (p *parser) noBody(s statement) {
	if len(s.body) > 0 {
		p.fault(s.body[0], 1, "nothing belongs below this statement: begin the line in the first column")
	}
}

// settings are what a scenario's records are read by.
type settings struct {
	catalogue *catalog.Loaded
	zone      *time.Location
	programme string // the only one; empty: there are several
	merchants map[string]map[string]any
	// pointsDecimals are those of the programmes' points, by their code.
	pointsDecimals map[string]int
}

func (s *settings) quantity(minor int64, unit string) quantity {
	return quantity{minor, unit, s.pointsDecimals[unit]}
}

// units reads an amount of points; false: it is no number, or has more decimals
// than the points.
func (s *settings) units(number, unit string) (int64, bool) {
	d, err := decimal.NewFromString(number)
	if err != nil || !numberForm.MatchString(number) {
		return 0, false
	}
	d = d.Shift(int32(s.pointsDecimals[unit]))
	return d.IntPart(), d.IsInteger() && d.BigInt().IsInt64()
}

// build makes one scenario of its statements and of those for all.
func (p *parser) build(written *part, common []statement) {
	all := append(common[:len(common):len(common)], written.statements...)
	s := &Scenario{Name: written.name, Line: written.line, file: p.file}
	if !p.settle(s, all) {
		return
	}
	b := builder{parser: p, scenario: s, lastMerchant: map[purchase]any{}}
	for _, st := range all {
		switch first := st.words[0].text; {
		case isDate(first):
			p.noBody(st)
			b.record(st)
		case first == "settle":
			b.closeCycle(st)
		case first == "expect":
			b.expect(st)
		}
	}
	if !b.checks {
		p.fault(s.Line, 1, "this scenario expects nothing, so it can't fail: write `expect` with a table, or `=> FATE` behind a record")
	}
	p.file.Scenarios = append(p.file.Scenarios, s)
}

// settle reads everything that is no step. It reports whether records can be
// read by it.
func (p *parser) settle(s *Scenario, all []statement) bool {
	s.settings.merchants = map[string]map[string]any{}
	c := catalogueParts{lines: map[string]int{}}
	stepLine := 0
	for _, st := range all {
		first := st.words[0].text
		if stepLine > s.Line && slices.Contains([]string{"catalogue", "zone", "merchant"}, first) {
			p.fault(st.line, 1, "%s holds for the whole scenario: write it above the first record of line %d, or below the next `scenario`", first, stepLine)
		}
		switch {
		case isDate(first) || first == "expect" || first == "settle":
			if stepLine < s.Line {
				stepLine = st.line
			}
		case first == "catalogue":
			p.catalogue(st, &c, s.Line)
		case first == "zone":
			p.noBody(st)
			p.zone(st, &s.settings)
		case first == "merchant":
			p.noBody(st)
			p.merchant(st, &s.settings)
		default:
			p.fault(st.line, 1, "%q begins no statement: write a record that begins with its date, or one of catalogue, zone, merchant, scenario, settle, expect", first)
		}
	}
	return p.load(s, &c)
}

// catalogueParts is what a scenario's catalogue is put together of.
type catalogueParts struct {
	folder string
	texts  []catalog.Text
	line   int            // of the last statement about it
	lines  map[string]int // of the statements, by name
}

func (p *parser) catalogue(st statement, c *catalogueParts, scenarioLine int) {
	if len(st.words) != 2 || st.words[1].name != "" {
		p.fault(st.line, 1, "write `catalogue NAME` with an offer file indented below it, or `catalogue DIR/`")
		return
	}
	name := st.words[1].text
	if former, ok := c.lines[name]; ok && (former < scenarioLine) == (st.line < scenarioLine) {
		p.fault(st.line, st.words[1].column, "there is a catalogue %s on line %d already: give this one a name of its own", name, former)
	}
	c.line, c.lines[name] = st.line, st.line
	if len(st.body) == 0 {
		if c.folder = filepath.FromSlash(name); !filepath.IsAbs(c.folder) {
			c.folder = filepath.Join(filepath.Dir(p.file.Name), c.folder)
		}
		return
	}
	// Blank lines above keep line and column of the offer file those of this one.
	var body strings.Builder
	for n := 1; n < st.end; n++ {
		if n > st.line {
			body.WriteString(p.file.lines[n-1])
		}
		body.WriteByte('\n')
	}
	text := catalog.Text{Name: strings.TrimSuffix(name, ".yaml") + ".yaml", ShownAs: p.file.Name, Body: []byte(body.String())}
	c.texts = slices.DeleteFunc(c.texts, func(t catalog.Text) bool { return t.Name == text.Name })
	c.texts = append(c.texts, text)
}

func (p *parser) zone(st statement, s *settings) {
	if len(st.words) == 2 {
		if zone, err := time.LoadLocation(st.words[1].text); err == nil && zone != time.Local {
			s.zone = zone
			return
		}
	}
	p.fault(st.line, 1, "write `zone` with a time zone of the tz database, such as `zone Europe/Paris`")
}

func (p *parser) merchant(st statement, s *settings) {
	if len(st.words) < 2 || st.words[1].name != "" {
		p.fault(st.line, 1, "write `merchant` with its name in this file and what card messages say of it, such as `merchant bastille id=0012345678 acquirer_id=30004`")
		return
	}
	name := st.words[1].text
	m := map[string]any{"id": name}
	for _, w := range st.words[2:] {
		if w.name == "" {
			p.fault(st.line, w.column, "%q says nothing of a merchant: write field=value, such as mcc=5812", w.text)
			continue
		}
		m[w.name] = w.text
	}
	s.merchants[name] = m
}

// load reads the scenario's catalogue, once for all scenarios that share it.
func (p *parser) load(s *Scenario, c *catalogueParts) bool {
	key, line := c.folder, max(c.line, 1)
	if c.folder == "" && len(c.texts) == 0 {
		p.fault(line, 1, "there is no catalogue: write `catalogue NAME` with an offer file indented below it, or `catalogue DIR/`")
		return false
	}
	for _, text := range c.texts {
		key += "\x00" + text.Name + "\x00" + string(text.Body)
	}
	loaded, ok := p.loaded[key]
	if !ok {
		var err error
		loaded, err = catalog.LoadTexts(c.folder, c.texts)
		p.refused(err, line)
		if p.loaded == nil {
			p.loaded = map[string]*catalog.Loaded{}
		}
		p.loaded[key] = loaded
	}
	if loaded == nil {
		return false
	}
	s.settings.catalogue = loaded
	programmes := loaded.Catalogue.Programmes
	s.settings.programme = programmes[0].ID
	s.settings.pointsDecimals = map[string]int{}
	for i := range programmes {
		if points := programmes[i].Points; points.Code != "" {
			s.settings.pointsDecimals[points.Code] = points.Decimals
		}
		if programmes[i].ID != programmes[0].ID {
			s.settings.programme = ""
		}
		if s.settings.zone == nil && programmes[i].Zone.String() != programmes[0].Zone.String() {
			p.fault(line, 1, "the programmes are in several time zones: say with `zone NAME` which one the times of this file are in")
			return false
		}
	}
	if s.settings.zone == nil {
		s.settings.zone = programmes[0].Zone
	}
	return true
}

// refused tells what is wrong with a catalogue.
func (p *parser) refused(err error, line int) {
	var faults *sourcefile.Faults
	switch {
	case err == nil:
	case !errors.As(err, &faults):
		p.fault(line, 1, "%v", err)
	default:
		for _, f := range faults.List {
			if f.File == p.file.Name {
				p.fault(f.Line, f.Column, "%s", f.Message)
				continue
			}
			p.faults = append(p.faults, sourcefile.Fault{File: f.File, Line: f.Line, Column: f.Column, Message: f.Message})
		}
	}
}
