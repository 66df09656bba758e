package members

import (
	"errors"
	"fmt"
	"hash/maphash"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"ristourne/processor/lookalike"
)

// What spreadsheets and exports make of ids. The stream takes any text for an
// id: an account under a mangled one is a member whom no purchase ever reaches.

const (
	// MaxWarnings is how many warnings of one kind are told of one file.
	MaxWarnings = 20
	// spreadsheetDigits is how many digits of a number a spreadsheet keeps; the
	// rest become zeros.
	spreadsheetDigits = 15
	cutNumbersAtLeast = 3 // of which all end so, before it is no chance
)

var (
	scientificForm = regexp.MustCompile(`^-?\d(?:[.,]\d+)?[eE]\+\d+$`)
	decimalForm    = regexp.MustCompile(`^\d+[.,]0+$`)
	formulaForm    = regexp.MustCompile(`^="?.*"?$`)
	groupedForm    = regexp.MustCompile(`^\d{1,3}(?:[,.'’ \x{00a0}\x{202f}]\d{3})+$`)
)

// emptyWords are what exports write for "nothing", and spreadsheets for what
// they couldn't work out.
var emptyWords = map[string]bool{
	"null": true, "nan": true, "none": true, "nil": true, "(null)": true, "<null>": true, `\n`: true, "undefined": true,
	"#n/a": true, "#ref!": true, "#value!": true, "#name?": true, "#div/0!": true, "#num!": true, "#null!": true, "#error!": true,
}

// mangled says what happened to an id on its way into the file; nil: nothing
// that can be seen.
func mangled(id string) error {
	first, _ := utf8.DecodeRuneInString(id)
	last, _ := utf8.DecodeLastRuneInString(id)
	switch hidden := strings.IndexFunc(id, lookalike.Invisible); {
	case id == "":
		return nil // whether it is needed is another question
	case unicode.IsSpace(first) || unicode.IsSpace(last):
		return errors.New("it has a space around it, which counts as part of it: take it out")
	case hidden >= 0:
		r, _ := utf8.DecodeRuneInString(id[hidden:])
		return fmt.Errorf("it holds a character that can't be seen (%U): take it out", r)
	case strings.ContainsRune(id, '\u00a0') && !groupedForm.MatchString(id):
		return errors.New("it holds a non-breaking space (U+00A0), which looks like a space and is none: write a plain one, or take it out")
	case strings.ContainsAny(id, "\t\r\n\v\f\u2028\u2029"):
		return errors.New("it holds a tab or a line break: take it out")
	case scientificForm.MatchString(id):
		return fmt.Errorf("a spreadsheet has made the number %s of it, and its last digits are lost: export it anew with the column as text", id)
	case decimalForm.MatchString(id):
		return errors.New("a program has taken it for a number and written decimals behind it: export it anew with the column as text")
	case groupedForm.MatchString(id):
		return errors.New("a spreadsheet has taken it for a number and parted its digits: export it anew with the column as text")
	case first == '\'' || first == '’':
		return errors.New("it begins with the apostrophe by which a spreadsheet marks text: take it out")
	case formulaForm.MatchString(id):
		return errors.New("it is a formula of a spreadsheet: export the values, not the formulas")
	case emptyWords[strings.ToLower(id)] || strings.Trim(id, "#") == "":
		return fmt.Errorf("%s is what a program writes for a cell without a value: leave the cell empty, or give the id", id)
	}
	return nil
}

// register is what is known of the lines so far.
type register struct {
	seed      maphash.Seed
	accounts  map[uint64]registered // by account
	skeletons map[uint64]registered // by what accounts look like
	long      int                   // accounts that are numbers of more digits than a spreadsheet keeps
	cut       int                   // of which the digits behind those are zeros
	firstCut  int                   // line
	warned    int
	warn      func(string)
}

// registered is a line, as hashes: a file may have millions.
type registered struct {
	line                         int32
	account, member, at, content uint64
}

func newRegister(warn func(string)) *register {
	return &register{seed: maphash.MakeSeed(), accounts: map[uint64]registered{}, skeletons: map[uint64]registered{}, warn: warn}
}

// check looks at the ids of a line, and at the lines before it.
func (m *register) check(file string, line int, f *Enrolment) error {
	cells := []struct{ column, id string }{
		{"account_id", f.AccountID}, {"member_id", f.MemberID}, {"level", f.Level}, {"sponsor_account_id", f.SponsorAccountID},
	}
	for _, id := range f.CardTokens {
		cells = append(cells, struct{ column, id string }{"card_tokens", id})
	}
	for _, id := range f.Segments {
		cells = append(cells, struct{ column, id string }{"segments", id})
	}
	var faults []error
	for _, cell := range cells {
		if err := mangled(cell.id); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %s: %w", file, line, cell.column, err))
		}
	}
	if len(faults) > 0 || f.AccountID == "" {
		return errors.Join(faults...)
	}
	if f.SponsorAccountID == f.AccountID {
		m.say("%s:%d: sponsor_account_id: the account is its own sponsor, which gives nothing", file, line)
	}
	m.countDigits(line, f.AccountID)
	return m.add(file, line, f)
}

// add compares a line with those before it that have its account, or one
// that looks like it.
func (m *register) add(file string, line int, f *Enrolment) error {
	is := registered{
		line: int32(line), account: m.hash(f.AccountID), member: m.hash(f.MemberID), at: m.hash(f.At), content: m.hash(f.FactID),
	}
	was, again := m.accounts[is.account]
	if !again {
		m.accounts[is.account] = is
		m.compareLooks(file, is, f.AccountID)
		return nil
	}
	switch {
	case was.content == is.content:
		m.say("%s:%d: this is line %d once more: it changes nothing", file, line, was.line)
	case was.member != is.member:
		return fmt.Errorf("%s:%d: account_id: line %d enrols the same account under another member_id, and an account has one member: correct one of the two, or leave one out", file, line, was.line)
	case was.at == is.at:
		return fmt.Errorf("%s:%d: account_id: line %d enrols the same account at the same time with other cards, level, segments or sponsor, and only one of them can hold: make one line of them", file, line, was.line)
	}
	return nil
}

// compareLooks warns of an account that is easily taken for another.
func (m *register) compareLooks(file string, is registered, accountID string) {
	skeleton := m.hash(lookalike.Skeleton(accountID))
	was, taken := m.skeletons[skeleton]
	if !taken {
		m.skeletons[skeleton] = is
		return
	}
	m.say("%s:%d: account_id: it looks like that of line %d, but for spaces, leading zeros, capitals or letters such as O and 0: if both mean one account, correct the one that is wrong",
		file, is.line, was.line)
}

// countDigits counts the numbers that a spreadsheet may have cut.
func (m *register) countDigits(line int, id string) {
	if len(id) <= spreadsheetDigits || strings.Trim(id, "0123456789") != "" {
		return
	}
	if m.long++; strings.Trim(id[spreadsheetDigits:], "0") != "" {
		return
	}
	if m.cut++; m.cut == 1 {
		m.firstCut = line
	}
}

// atEnd is what only the whole file shows.
func (m *register) atEnd(file string) error {
	if m.warned > MaxWarnings {
		m.warn(fmt.Sprintf("%d more warnings of this kind are not shown", m.warned-MaxWarnings))
	}
	if m.cut < cutNumbersAtLeast || m.cut < m.long {
		return nil
	}
	return fmt.Errorf("%s:%d: account_id: behind %d digits all %d long numbers of this column have zeros alone, here first: a spreadsheet keeps no more digits of a number; export it anew with the column as text",
		file, m.firstCut, spreadsheetDigits, m.cut)
}

func (m *register) hash(s string) uint64 { return maphash.String(m.seed, s) }

func (m *register) say(format string, args ...any) {
	if m.warned++; m.warned <= MaxWarnings {
		m.warn("warning: " + fmt.Sprintf(format, args...))
	}
}
