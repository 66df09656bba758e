// Package members reads files of members and makes the facts of them that enrol
// each, as the stream takes them; it says what is wrong, and what a spreadsheet has
// surely made of an id.
package members

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ristourne/processor/wire"
	"ristourne/rules"
)

// Terms are what holds for all lines of a file.
type Terms struct {
	Programme string
	At        string // when members enrolled whose line says no enrolled_at; RFC 3339; empty: each says it
}

// MaxFaults is how many faults are told of one file.
const MaxFaults = 100

// Validate tells what would be wrong with every line.
func (o *Terms) Validate() error {
	probe := enrolled([]string{"account_id", "member_id", "enrolled_at"}, []string{"a", "m", "2000-01-01T00:00:00Z"}, *o)
	if err := newChecker(nil).check("a", probe); err != nil {
		return fmt.Errorf("programme %q: %w", o.Programme, err)
	}
	if o.At == "" {
		return nil
	}
	probe = enrolled([]string{"account_id", "member_id"}, []string{"a", "m"}, *o)
	if err := newChecker(nil).check("a", probe); err != nil {
		return fmt.Errorf("at %q: %w", o.At, err)
	}
	return nil
}

// factChecker puts facts through the decoder of the stream.
type factChecker struct{ decoder *wire.Decoder }

func newChecker(ranges []rules.TokenRange) *factChecker {
	return &factChecker{wire.NewDecoder(wire.Options{CardTokenRanges: ranges})}
}

func (m *factChecker) check(accountID string, fact *Enrolment) error {
	value, err := json.Marshal(fact)
	if err != nil {
		return err
	}
	var f rules.Fact
	fault := m.decoder.Fact(value, []byte(accountID), time.Now().UnixMilli(), &f)
	m.decoder.Reset()
	switch {
	case fault == nil:
		return nil
	case fault.Field == "at" && fact.At == "":
		return errors.New("enrolled_at: missing: give it in the file, or --at for all lines")
	case fault.Field == "at" && fault.Reason == wire.ReasonAhead:
		return errors.New("enrolled_at: it is in the future: the stream takes no date more than 5 minutes ahead; import the line when it has come")
	case fault.Field == "at":
		return fmt.Errorf("enrolled_at: %s", fault.Detail)
	}
	return fmt.Errorf("%s: %s", fault.Field, fault.Detail)
}

// Check looks at every line of the file, and tells by warn what is surely
// not meant. ranges allow card tokens that look like card numbers. The error says
// all that is wrong, each with its line.
func Check(file string, o Terms, ranges []rules.TokenRange, warn func(string)) (members int, err error) {
	checker, register := newChecker(ranges), newRegister(warn)
	var faults []error
	err = Each(file, o, func(line int, fact *Enrolment, err error) error {
		members++
		if err == nil {
			if err = checker.check(fact.AccountID, fact); err != nil {
				err = fmt.Errorf("%s:%d: %w", file, line, err)
			}
			err = errors.Join(register.check(file, line, fact), err)
		}
		if err != nil {
			if faults = append(faults, err); len(faults) == MaxFaults {
				return fmt.Errorf("these are the first %d faults; the rest of the file was not looked at", MaxFaults)
			}
		}
		return nil
	})
	if err == nil {
		err = register.atEnd(file)
	}
	if err = errors.Join(append(faults, err)...); err != nil {
		return members, fmt.Errorf("nothing is sent:\n%w", err)
	}
	return members, nil
}

// Enrolment is the fact of one line.
type Enrolment struct {
	FactID           string   `json:"fact_id"`
	Type             string   `json:"type"`
	AccountID        string   `json:"account_id"`
	At               string   `json:"at"`
	MemberID         string   `json:"member_id"`
	Programme        string   `json:"programme"`
	CardTokens       []string `json:"card_tokens,omitempty"`
	Level            string   `json:"level,omitempty"`
	Segments         []string `json:"segments,omitempty"`
	SponsorAccountID string   `json:"sponsor_account_id,omitempty"`
}

var knownColumns = []string{"account_id", "member_id", "card_tokens", "level", "segments", "sponsor_account_id", "enrolled_at"}

// Each turns the lines of the file into facts. A line that is no CSV is
// handed over as its error; fact is valid until each returns.
func Each(file string, o Terms, each func(line int, fact *Enrolment, err error) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	reader := csv.NewReader(bufio.NewReaderSize(in, 1<<16))
	reader.ReuseRecord = true
	columns, err := readHeader(file, reader)
	if err != nil {
		return err
	}
	for {
		row, err := reader.Read()
		var malformed *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &malformed):
			err = each(malformed.Line, nil, fmt.Errorf("%s:%d:%d: %w", file, malformed.Line, malformed.Column, malformed.Err))
		case err != nil:
			return fmt.Errorf("read %s: %w", file, err)
		default:
			line, _ := reader.FieldPos(0)
			if i := slices.IndexFunc(row, func(cell string) bool { return !utf8.ValidString(cell) }); i >= 0 {
				err = each(line, nil, fmt.Errorf("%s:%d: %s: not UTF-8: save the file in that encoding", file, line, columns[i]))
				break
			}
			err = each(line, enrolled(columns, row, o), nil)
		}
		if err != nil {
			return err
		}
	}
}

// readHeader reads the first line, which names the columns.
func readHeader(file string, reader *csv.Reader) ([]string, error) {
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:1: no header line: the first line names the columns %s", file, strings.Join(knownColumns, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read the header line of %s: %w", file, err)
	}
	columns := slices.Clone(header)
	columns[0] = strings.TrimPrefix(columns[0], "\ufeff") // as spreadsheets begin a file
	if len(columns) == 1 && strings.ContainsAny(columns[0], ";\t") {
		return nil, fmt.Errorf("%s:1: the columns must be separated by commas", file)
	}
	var faults []error
	for i, name := range columns {
		switch {
		case !slices.Contains(knownColumns, name):
			faults = append(faults, fmt.Errorf("%s:1: column %d is %q: known are %s", file, i+1, name, strings.Join(knownColumns, ", ")))
		case slices.Contains(columns[:i], name):
			faults = append(faults, fmt.Errorf("%s:1: column %q comes twice", file, name))
		}
	}
	for _, needed := range []string{"account_id", "member_id"} {
		if !slices.Contains(columns, needed) {
			faults = append(faults, fmt.Errorf("%s:1: column %s is missing: it is needed", file, needed))
		}
	}
	return columns, errors.Join(faults...)
}

// enrolled is the fact of one line. Its id is derived from what it says, so
// that the same line, imported twice, is one fact.
func enrolled(columns, row []string, o Terms) *Enrolment {
	f := &Enrolment{Type: rules.Enrolled.String(), Programme: o.Programme, At: o.At}
	for i, value := range row {
		switch columns[i] {
		case "account_id":
			f.AccountID = value
		case "member_id":
			f.MemberID = value
		case "card_tokens":
			f.CardTokens = strings.Fields(value)
		case "level":
			f.Level = value
		case "segments":
			f.Segments = strings.Fields(value)
		case "sponsor_account_id":
			f.SponsorAccountID = value
		case "enrolled_at":
			if value != "" {
				f.At = value
			}
		}
	}
	content, _ := json.Marshal(f) // of strings alone: can't fail
	sum := sha256.Sum256(content)
	f.FactID = "import-" + hex.EncodeToString(sum[:12])
	return f
}
