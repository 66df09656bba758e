package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"ristourne/processor/scenario"
	"ristourne/processor/sourcefile"
	"ristourne/rules/offer"
)

type scenarioOptions struct {
	junit, output string
	update        bool
}

func newOffersTestCommand() *cobra.Command {
	var o scenarioOptions
	cmd := &cobra.Command{
		Use:   "test DIR...",
		Short: "Run scenario files: what offers give for what members do",
		Long: `Run every *.test file in and below the folders. A scenario file holds a
catalogue, members, card events in the order of their arrival, and what must
come out:

  catalogue ../catalogue/
  2026-01-01  anna  enrolled
  scenario three percent, and the partner owes eight
  2026-03-02 09:15  anna  authorization  P1  100.00 EUR  at 0012345678
  2026-03-04        anna  clearing       P1  100.00 EUR
  expect
    purchase  offer     role     stage      reward    commission
    P1        everyday  member   confirmed  3.00 EUR  0
    P1        -         partner  confirmed  0         8.00 EUR

Nothing is needed but the files: no Kafka, no Redis, no ClickHouse.

Exit code 0: everything holds. 1: something does not, or a file is wrong.
2: the command line is wrong, or there is no scenario file.`,
		Example: `  ristourne offers test testdata/scenarios
  ristourne offers test --junit report.xml scenarios/
  ristourne offers test --update scenarios/caps.test`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			files, err := scenario.Find(given)
			if err != nil {
				return usageError{err}
			}
			return testOffers(cmd.OutOrStdout(), cmd.ErrOrStderr(), files, o)
		},
	}
	cmd.Flags().StringVar(&o.junit, "junit", "", "also write a JUnit report to this file")
	cmd.Flags().BoolVar(&o.update, "update", false, "rewrite what failed to what came out; look at the difference before you keep it")
	outputFlag(cmd, &o.output)
	return cmd
}

// testOffers runs files and tells of them. Failures go to stdout: they are what
// was asked for.
func testOffers(stdout, stderr io.Writer, files []string, o scenarioOptions) error {
	var reports []scenario.Report
	var took []time.Duration
	failed := 0
	for _, name := range files {
		began := time.Now()
		report, err := scenario.RunFile(name, o.update)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		reports, failed = append(reports, report), failed+report.Failed()
	}
	err := writeJUnit(o.junit, reports)
	if o.output == "json" {
		err = errors.Join(err, json.NewEncoder(stdout).Encode(reports))
	} else {
		err = errors.Join(err, printReports(stdout, reports, took))
	}
	if err == nil && failed > 0 {
		fmt.Fprintf(stderr, "%s failed\n", offer.Counted(failed, "scenario"))
		return errReported
	}
	return err
}

func writeJUnit(name string, reports []scenario.Report) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(scenario.WriteJUnit(file, reports), file.Close())
}

// printReports tells of what failed first, so that the table, which says how it
// stands, is what a terminal shows in the end.
func printReports(w io.Writer, reports []scenario.Report, took []time.Duration) error {
	for i := range reports {
		if err := printFailures(w, &reports[i]); err != nil {
			return err
		}
	}
	total := testRow{file: offer.Counted(len(reports), "file")}
	rows := make([]testRow, len(reports))
	width := max(len("FILE"), len(total.file))
	for i := range reports {
		rows[i] = rowOf(&reports[i], took[i])
		total.add(&rows[i])
		width = max(width, utf8.RuneCountInString(rows[i].file))
	}
	total.state = "all as expected"
	if total.failed > 0 {
		total.state = offer.Counted(total.failed, "scenario") + " FAILED"
	}
	fmt.Fprintf(w, "%-*s  SCENARIOS  PASSED  FAILED      TIME\n", width, "FILE")
	for i := range rows {
		rows[i].print(w, width)
	}
	return total.print(w, width)
}

// testRow is how one file stands, or all of them.
type testRow struct {
	file              string
	scenarios, failed int
	took              time.Duration
	state             string
}

func rowOf(r *scenario.Report, took time.Duration) testRow {
	// A file that can't be read counts as one scenario that failed.
	row := testRow{file: r.File, scenarios: len(r.Scenarios) + min(len(r.Faults), 1), failed: r.Failed(), took: took, state: "ok"}
	switch {
	case len(r.Faults) > 0:
		row.state = "CAN'T BE READ"
	case row.failed > 0:
		row.state = "FAILED"
	case r.Updated:
		row.state = "updated"
	}
	return row
}

func (t *testRow) add(r *testRow) {
	t.scenarios, t.failed, t.took = t.scenarios+r.scenarios, t.failed+r.failed, t.took+r.took
}

func (t *testRow) print(w io.Writer, width int) error {
	_, err := fmt.Fprintf(w, "%-*s  %9d  %6d  %6d  %8s  %s\n", width, t.file, t.scenarios, t.scenarios-t.failed, t.failed,
		fmt.Sprintf("%.1f ms", float64(t.took.Microseconds())/1000), t.state)
	return err
}

func printFailures(w io.Writer, r *scenario.Report) error {
	if err := (&sourcefile.Faults{List: r.Faults}).Render(w); err != nil {
		return err
	}
	for _, s := range r.Scenarios {
		for _, failure := range s.Failures {
			if _, err := fmt.Fprintf(w, "%s\n\n", failure); err != nil {
				return err
			}
		}
	}
	return nil
}
