// Package bankresults reads what a bank says of instructions in files, and makes
// results of it: ISO 20022 pain.002 (customer payment status report, .001.03 and
// .001.10), camt.054 (debit credit notification, .001.02 and .001.08), of which only
// returns are looked at, and CSV.
//
// A file is taken whole or not at all: one that is cut off, of another version, too
// large, or that brings a DTD along is refused before anything of it is posted. What it
// says makes the same results whenever it is read, so that a file that is imported
// twice posts duplicates.
package bankresults

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Bounds of a file. Beyond them it is refused: a bank splits what it sends.
const (
	maxBytes = 256 << 20
	maxWords = 500_000 // of single instructions
	maxText  = 4096    // bytes of one text
	maxDepth = 32      // levels of elements; the messages have some 15
)

// File is what one says.
type File struct {
	Name      string // without folders
	Form      string // such as pain.002.001.10, camt.054.001.08, csv
	SHA256    string // of its bytes, in hex
	MessageID string // the bank's own, where it has one
	Words     []Word
	Messages  []Message // whole messages of ours, of a pain.002
	// Others are entries of a camt.054 that are no returns.
	Others int
}

// Word is what the bank says of one instruction.
type Word struct {
	InstructionID string // EndToEndId
	// Code is the status in the bank's own word, such as RJCT; RTRN for a return.
	Code   string
	Reason string // ISO 20022 external code, or the bank's own; empty: none
	At     Stamp
	Amount *Amount         // nil: it doesn't say
	Moves  rules.Direction // of the instruction, as the bank's booking has it; 0: it doesn't say
	Line   int
}

// Amount is one as the bank wrote it.
type Amount struct {
	Minor    int64
	Currency money.Currency
}

// Message is what a pain.002 says of a whole message that it was sent, or of the
// instructions that it doesn't list.
type Message struct {
	ID     string // OrgnlMsgId
	Code   string // GrpSts, or that of its block; PART: of blocks that differ
	Reason string
	At     Stamp
	Total  int            // OrgnlNbOfTxs; -1: not said
	Counts map[string]int // by status, of all its instructions; nil: not said
	Listed []string       // the codes of the instructions that it lists
	IDs    []string       // those instructions
	Line   int

	group, block standing // of all of it, and of its first block
	blocks       int
}

// standing is how payments stand, and why.
type standing struct{ code, reason string }

// Stamp is an instant as a file has it. Without an offset it is by the clock of the
// programme whose instruction it is.
type Stamp struct {
	Time  time.Time
	Local bool
}

// Instant is when it was, by the clock of zone where the file names none.
func (s Stamp) Instant(zone *time.Location) rules.Instant {
	if !s.Local {
		return rules.InstantOf(s.Time)
	}
	t := s.Time
	return rules.InstantOf(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone))
}

// fileFault is why a file is refused.
type fileFault struct {
	File         string
	Line, Column int
	Message      string
}

func (f *fileFault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// ReadFile reads a file.
func ReadFile(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a file of results: %w", err)
	}
	defer in.Close()
	return readFrom(path, in)
}

var errTooLarge = fmt.Errorf("it is larger than %d MiB, which no status report is: have the bank split it", maxBytes>>20)

// readFrom reads a file from in. path is what faults call it.
func readFrom(path string, in io.Reader) (*File, error) {
	digest := sha256.New()
	bounded := bufio.NewReaderSize(io.TeeReader(&boundedReader{in: in, left: maxBytes}, digest), 1<<16)
	f := &File{Name: filepath.Base(path)}
	read := f.readCSV
	if beginsLikeXML(bounded) {
		read = f.readXML
	}
	if err := read(path, bounded); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.SHA256 = hex.EncodeToString(digest.Sum(nil))
	return f, nil
}

// beginsLikeXML reports whether the first character is that of a tag. A byte order
// mark is taken away.
func beginsLikeXML(in *bufio.Reader) bool {
	if mark, _ := in.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = in.Discard(len(mark))
	}
	for n := 1; n <= 1024; n++ {
		b, err := in.Peek(n)
		if err != nil {
			return false
		}
		switch b[n-1] {
		case ' ', '\t', '\r', '\n':
		default:
			return b[n-1] == '<'
		}
	}
	return false
}

// boundedReader gives an error where there is more.
type boundedReader struct {
	in   io.Reader
	left int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// stampForms are those of an ISODateTime: with an offset, or by a local clock.
var stampForms = []struct {
	layout string
	local  bool
}{
	{time.RFC3339Nano, false}, {"2006-01-02T15:04:05.999999999", true},
}

var errStamp = errors.New("no date and time such as 2026-03-02T08:15:30+01:00")

func parseStamp(text string) (Stamp, error) {
	for _, form := range stampForms {
		if t, err := time.Parse(form.layout, text); err == nil {
			return Stamp{t, form.local}, nil
		}
	}
	return Stamp{}, errStamp
}
