// Package compare holds what another system has paid against what is instructed here:
// for a bank that lets Ristourne work in the shadow of the system that pays.
package compare

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ristourne/rules/money"
)

// By says what payouts of the other system are of, and so what they are held against.
type By string

// A file names purchases, or cycles, or else dates alone.
const (
	ByPurchase By = "purchase" // confirmed cash of the purchase
	ByCycle    By = "cycle"    // instructions of the cycle
	ByAccount  By = "account"  // instructions between the first and the last date
)

// Payout is a row of the file.
type Payout struct {
	AmountMinor int64 // under 0: taken back
	Currency    money.Currency
	Of          string // the transaction or the cycle; empty: the account alone
	Line        int    // of the file
}

// File is what the other system has paid.
type File struct {
	By       By
	Accounts map[string][]Payout
	Rows     int
	// From and Until, dates at 00:00 UTC, are the first day and the one after the last:
	// of a file with dates.
	From, Until time.Time
}

const (
	// maxRows is how many rows a file may have: they are held in memory, some 150 bytes
	// each.
	maxRows = 5_000_000
	maxText = 64 // of an account, a transaction, a cycle: as on the wire
	maxTold = 20 // faults of one file
)

// columns are those that a file may have.
var columns = []string{"account", "amount", "currency", "transaction", "cycle", "date"}

// Read reads a file of payouts: CSV with a header, whose columns may stand in any
// order. Faults are told with their lines, at most 20 of them.
func Read(r io.Reader, name string) (*File, error) {
	reader := csv.NewReader(r)
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, orEmpty(err))
	}
	at := map[string]int{}
	for i, column := range header {
		column = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(column, "\ufeff")))
		if _, twice := at[column]; twice {
			return nil, fmt.Errorf("%s:1: column %q stands twice", name, column)
		}
		at[column] = i
	}
	f, err := newFile(at)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	var faults []error
	for len(faults) < maxTold {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := reader.FieldPos(0)
		if err == nil {
			err = f.take(row, at, line)
		}
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			return nil, errors.Join(append(faults, fmt.Errorf("%s:%d: %w", name, broken.Line, broken.Err))...)
		case err != nil:
			faults = append(faults, fmt.Errorf("%s:%d: %w", name, line, err))
		}
		if f.Rows > maxRows {
			return nil, fmt.Errorf("%s: more than %d rows: split the file by accounts", name, maxRows)
		}
	}
	return f, errors.Join(faults...)
}

func orEmpty(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file is empty: its first line names the columns, of %s", strings.Join(columns, ", "))
	}
	return err
}

func newFile(at map[string]int) (*File, error) {
	for column := range at {
		if !slices.Contains(columns, column) {
			return nil, fmt.Errorf("column %q is none of %s", column, strings.Join(columns, ", "))
		}
	}
	for _, needed := range columns[:3] {
		if _, ok := at[needed]; !ok {
			return nil, fmt.Errorf("column %q is missing", needed)
		}
	}
	f := &File{Accounts: map[string][]Payout{}}
	_, transactions := at["transaction"]
	_, cycles := at["cycle"]
	_, dates := at["date"]
	switch {
	case transactions && cycles:
		return nil, errors.New("name transactions or cycles, not both: what is paid of a purchase in one cycle is no sum of either")
	case transactions:
		f.By = ByPurchase
	case cycles:
		f.By = ByCycle
	case dates:
		f.By = ByAccount
	default:
		return nil, errors.New(`one of the columns "transaction", "cycle" and "date" is needed`)
	}
	return f, nil
}

// take takes one row.
func (f *File) take(row []string, at map[string]int, line int) error {
	field := func(column string) (text string, there bool) {
		i, there := at[column]
		if !there {
			return "", false
		}
		return strings.TrimSpace(row[i]), true
	}
	account, _ := field("account")
	if account == "" || len(account) > maxText {
		return fmt.Errorf("account %q: 1 to %d bytes", account, maxText)
	}
	code, _ := field("currency")
	currency, ok := money.ParseCurrency(code)
	if !ok {
		return fmt.Errorf("currency %q: write an alphabetic code of ISO 4217, such as EUR", code)
	}
	amount, _ := field("amount")
	minor, err := money.ParseMinor(amount, currency)
	if err != nil {
		return err
	}
	p := Payout{AmountMinor: minor, Currency: currency, Line: line}
	for _, column := range [...]string{"transaction", "cycle"} {
		if text, there := field(column); there {
			if text == "" || len(text) > maxText {
				return fmt.Errorf("%s %q: 1 to %d bytes", column, text, maxText)
			}
			p.Of = strings.Clone(text)
		}
	}
	if text, there := field("date"); there {
		if err := f.dated(text); err != nil {
			return err
		}
	}
	f.Rows++
	if f.Accounts[account] == nil {
		account = strings.Clone(account)
	}
	f.Accounts[account] = append(f.Accounts[account], p)
	return nil
}

func (f *File) dated(text string) error {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return fmt.Errorf("date %q: write it such as 2026-03-01", text)
	}
	if f.From.IsZero() || day.Before(f.From) {
		f.From = day
	}
	if next := day.AddDate(0, 0, 1); next.After(f.Until) {
		f.Until = next
	}
	return nil
}
