package scenario

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"

	"ristourne/processor/sourcefile"
)

// Report is what came of one file.
type Report struct {
	File string `json:"file"`
	// Scenarios are empty where the file has Faults.
	Scenarios []Result           `json:"scenarios"`
	Faults    []sourcefile.Fault `json:"faults,omitempty"`
	// Updated says that the file was rewritten.
	Updated bool `json:"updated,omitempty"`
}

// Failed counts the scenarios of which something does not hold; a file with
// faults counts as one.
func (r *Report) Failed() int {
	failed := min(len(r.Faults), 1)
	for _, s := range r.Scenarios {
		if len(s.Failures) > 0 {
			failed++
		}
	}
	return failed
}

// RunFile reads and runs one file. With update, what failed is rewritten to
// what came out, and the file is run once more: what still fails can't be
// rewritten. An error is that the file can't be read or written, or a broken
// invariant of the rules.
func RunFile(name string, update bool) (Report, error) {
	report, file, err := runOnce(name)
	if err != nil || !update || file == nil || report.Failed() == 0 {
		return report, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return report, err
	}
	if err := os.WriteFile(name, file.Updated(report.Scenarios), info.Mode().Perm()); err != nil {
		return report, fmt.Errorf("update the scenarios: %w", err)
	}
	report, _, err = runOnce(name)
	report.Updated = true
	return report, err
}

// runOnce gives no file where it has faults.
func runOnce(name string) (Report, *File, error) {
	report := Report{File: name, Scenarios: []Result{}}
	file, err := Read(name)
	var faults *sourcefile.Faults
	if errors.As(err, &faults) {
		report.Faults = faults.List
		return report, nil, nil
	}
	if err != nil {
		return report, nil, err
	}
	report.Scenarios, err = file.Run()
	return report, file, err
}

// The elements of a JUnit report, as the servers of continuous integration
// read them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name     string         `xml:"name,attr"`
		Class    string         `xml:"classname,attr"`
		File     string         `xml:"file,attr"`
		Line     int            `xml:"line,attr"`
		Error    *junitMessage  `xml:"error"`
		Failures []junitMessage `xml:"failure"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes reports as JUnit XML: a suite a file, a case a scenario.
func WriteJUnit(w io.Writer, reports []Report) error {
	all := junitSuites{}
	for i := range reports {
		suite := junitSuiteOf(&reports[i])
		all.Tests, all.Failures, all.Errors = all.Tests+suite.Tests, all.Failures+suite.Failures, all.Errors+suite.Errors
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitSuiteOf(r *Report) junitSuite {
	suite := junitSuite{Name: r.File}
	for _, s := range r.Scenarios {
		c := junitCase{Name: s.Scenario, Class: r.File, File: r.File, Line: s.Line}
		for _, f := range s.Failures {
			c.Failures = append(c.Failures, junitMessage{f.Message, f.String()})
		}
		suite.Tests, suite.Failures = suite.Tests+1, suite.Failures+min(len(s.Failures), 1)
		suite.Cases = append(suite.Cases, c)
	}
	if len(r.Faults) > 0 {
		suite.Tests, suite.Errors = suite.Tests+1, 1
		suite.Cases = append(suite.Cases, junitCase{
			Name: "read the file", Class: r.File, File: r.File, Line: r.Faults[0].Line,
			Error: &junitMessage{r.Faults[0].Message, (&sourcefile.Faults{List: r.Faults}).Error()},
		})
	}
	return suite
}
