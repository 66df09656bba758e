package bankresults

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ristourne/rules/money"
)

// Columns of a file of results.
var (
	csvNeeded   = []string{"instruction_id", "status", "at"}
	csvOptional = []string{"reason", "amount", "currency"}
)

// readCSV reads instruction_id, status (accepted, settled, rejected, or a code of a
// pain.002), reason, at (RFC 3339 with offset), amount and currency, by the names of
// the first line, between commas or semicolons.
func (f *File) readCSV(path string, in *bufio.Reader) error {
	f.Form = "csv"
	r := csv.NewReader(in)
	if first, _ := in.Peek(1 << 10); len(first) > 0 {
		line, _, _ := strings.Cut(string(first), "\n")
		if strings.Contains(line, ";") && !strings.Contains(line, ",") {
			r.Comma = ';'
		}
	}
	r.ReuseRecord = true
	names, err := r.Read()
	if err != nil {
		return csvFault(path, r, err)
	}
	names = slices.Clone(names)
	at := func(column int, format string, args ...any) error {
		line, place := r.FieldPos(column)
		return &fileFault{File: path, Line: line, Column: place, Message: fmt.Sprintf(format, args...)}
	}
	for i, name := range names {
		if !slices.Contains(csvNeeded, name) && !slices.Contains(csvOptional, name) {
			return at(i, "column %q isn't known: here stand %s", name, strings.Join(slices.Concat(csvNeeded, csvOptional), ", "))
		}
		if slices.Index(names, name) != i {
			return at(i, "column %q stands there twice", name)
		}
	}
	for _, name := range csvNeeded {
		if !slices.Contains(names, name) {
			return at(0, "no column is called %q: it is no file of results, or its first line is missing (%s)", name, readForms)
		}
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvFault(path, r, err)
		}
		if len(f.Words) == maxWords {
			return at(0, "it speaks of more than %d instructions: split it", maxWords)
		}
		w, column, err := csvWord(names, record)
		if err != nil {
			return at(column, "%s: %v", names[column], err)
		}
		w.Line, _ = r.FieldPos(0)
		f.Words = append(f.Words, w)
	}
}

func csvWord(names, record []string) (w Word, column int, err error) {
	field := func(name string) string {
		if column = slices.Index(names, name); column < 0 {
			column = 0
			return ""
		}
		return strings.Clone(strings.TrimSpace(record[column]))
	}
	if w.InstructionID = field("instruction_id"); w.InstructionID == "" {
		return w, column, errors.New("it is empty")
	}
	if w.Code = field("status"); w.Code == "" {
		return w, column, errors.New("it is empty: write accepted, settled or rejected")
	}
	if _, known := meanings[w.Code]; !known {
		return w, column, fmt.Errorf("%q isn't known: write accepted, settled, rejected, or a code of ISO 20022 such as RJCT", w.Code)
	}
	when, err := time.Parse(time.RFC3339Nano, field("at"))
	if err != nil {
		return w, column, errors.New("write RFC 3339 with an offset, such as 2026-03-02T08:15:30+01:00")
	}
	w.At = Stamp{Time: when}
	if w.Reason = field("reason"); len(w.Reason) > maxReason {
		return w, column, fmt.Errorf("it has more than %d bytes", maxReason)
	}
	if text := field("amount"); text != "" {
		amountColumn := column
		currency, ok := money.ParseCurrency(field("currency"))
		if !ok {
			return w, column, errors.New("an amount needs a currency of ISO 4217, such as EUR")
		}
		minor, err := money.ParseMinor(text, currency)
		if err != nil {
			return w, amountColumn, err
		}
		w.Amount = &Amount{minor, currency}
	}
	return w, 0, nil
}

func csvFault(path string, r *csv.Reader, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		what := parse.Err.Error()
		if errors.Is(parse.Err, csv.ErrFieldCount) {
			what = "it has another number of fields than the first line: is the file cut off? Nothing of it was taken"
		}
		return &fileFault{File: path, Line: parse.Line, Column: max(parse.Column, 1), Message: what}
	}
	if errors.Is(err, io.EOF) {
		return &fileFault{File: path, Line: 1, Column: 1, Message: "it is empty: nothing was taken; fetch it again"}
	}
	return fmt.Errorf("%s: %w", path, err)
}
