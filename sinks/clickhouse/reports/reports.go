// Package reports asks the questions that people ask of the ledger again and again.
// It has connections of its own: whoever reads reports needs to know nothing of
// booking, and may be a user who can do nothing but read.
package reports

import (
	"embed"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed *.sql
var reportFiles embed.FS

// Report is a query that people ask again and again, ready for
// clickhouse-client, where its parameters are given as --param_NAME=VALUE.
type Report struct {
	Name       string // such as by_day
	Title      string
	Question   string // what it answers, and what its numbers mean
	Parameters []Parameter
	SQL        string // whole, with its comment
}

// Parameter is one that must be given to run a report.
type Parameter struct {
	Name    string
	Meaning string
	Default string // empty: none
}

// parameterUse is how ClickHouse's SQL names a parameter.
var parameterUse = regexp.MustCompile(`\{(\w+):\w+\}`)

// parameterMeaning tells what the parameters of all reports mean.
func parameterMeaning(name string) (meaning, byDefault string) {
	switch name {
	case "zone":
		return "time zone of days and months, such as Europe/Paris", "UTC"
	case "from":
		return "first local time that counts, such as 2026-03-01", "1970-01-01"
	case "until":
		return "first local time that no longer counts, such as 2026-04-01", "2106-01-01"
	case "month":
		return "any day of the month, such as 2026-03-15", ""
	case "budget":
		return "name of a budget, or a pattern with %", "%"
	case "partner":
		return "partner id, or a pattern with %", "%"
	default:
		return "", ""
	}
}

// All are all there are, by name.
func All() ([]Report, error) {
	names, err := fs.Glob(reportFiles, "*.sql")
	if err != nil {
		return nil, err
	}
	var reports []Report
	for _, name := range names {
		text, err := reportFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read report: %w", err)
		}
		r, err := parse(strings.TrimSuffix(name, ".sql"), string(text))
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// parse takes the title from the first line of the comment on top and the
// question from its rest.
func parse(name, sql string) (Report, error) {
	r := Report{Name: name, SQL: sql}
	var question []string
	for line := range strings.Lines(sql) {
		comment, is := strings.CutPrefix(line, "-- ")
		if !is {
			break
		}
		if comment = strings.TrimSpace(comment); r.Title == "" {
			r.Title = comment
		} else {
			question = append(question, comment)
		}
	}
	r.Question = strings.Join(question, "\n")
	for _, use := range parameterUse.FindAllStringSubmatch(sql, -1) {
		if slices.ContainsFunc(r.Parameters, func(p Parameter) bool { return p.Name == use[1] }) {
			continue
		}
		p := Parameter{Name: use[1]}
		if p.Meaning, p.Default = parameterMeaning(use[1]); p.Meaning == "" {
			return r, fmt.Errorf("report %s: its parameter %s is not explained", name, use[1])
		}
		r.Parameters = append(r.Parameters, p)
	}
	if r.Title == "" || r.Question == "" {
		return r, fmt.Errorf("report %s: it must begin with a comment of its title and its question", name)
	}
	return r, nil
}

// Table is the answer to a report, each value as text.
type Table struct {
	Columns []string
	Rows    [][]string
}

// cellText is empty for NULL.
func cellText(v reflect.Value, typ string) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if t, is := v.Interface().(time.Time); is {
		if strings.HasPrefix(typ, "DateTime") {
			return t.Format(time.RFC3339Nano)
		}
		return t.Format(time.DateOnly)
	}
	return fmt.Sprint(v.Interface())
}
