package scenario

import (
	"fmt"
	"slices"
	"strings"

	"ristourne/processor/simulate"
	"ristourne/rules"
	"ristourne/rules/explain"
)

// Result is what running a scenario showed.
type Result struct {
	Scenario string    `json:"scenario"`
	Line     int       `json:"line"`
	Failures []Failure `json:"failures"`
}

// Failure is one expectation that does not hold.
type Failure struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Message string `json:"message"`
	// Detail shows the difference and explains the purchases in it; several
	// lines, or none.
	Detail string `json:"detail,omitempty"`

	edit edit
}

func (f Failure) String() string {
	s := fmt.Sprintf("%s:%d:1: %s", f.File, f.Line, f.Message)
	if f.Detail != "" {
		s += "\n" + f.Detail
	}
	return s
}

// Run runs all scenarios of the file. An error is a broken invariant of the
// rules.
func (f *File) Run() ([]Result, error) {
	results := make([]Result, 0, len(f.Scenarios))
	for _, s := range f.Scenarios {
		result, err := s.run()
		if err != nil {
			return nil, fmt.Errorf("%s:%d: scenario %s: %w", f.Name, s.Line, s.Name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

// runner is a scenario on its way.
type runner struct {
	scenario     *Scenario
	world        *simulate.World
	lines        []ledgerLine
	instructions []rules.Instruction
	grants       []grant // the newest of each budget and purchase
	letter       *rules.DeadLetter
	purchases    []purchase // that records named, in order
	failures     []Failure
}

func (s *Scenario) run() (Result, error) {
	r := &runner{scenario: s, world: simulate.NewWorld(s.settings.catalogue.Snapshot, false), failures: []Failure{}}
	r.world.Lines = func(out *rules.Output) {
		for _, a := range out.Accruals {
			r.lines = append(r.lines, ledgerLine{a, &s.settings})
		}
		for _, g := range out.Grants {
			r.granted(g)
		}
		r.instructions = append(r.instructions, out.Instructions...)
	}
	r.world.DeadLetter = func(letter *rules.DeadLetter) { r.letter = letter }
	for _, step := range s.steps {
		var err error
		switch step := step.(type) {
		case *record:
			err = r.apply(step)
		case *expectation:
			err = r.check(step)
		}
		if err != nil {
			return Result{}, err
		}
	}
	return Result{Scenario: s.Name, Line: s.Line, Failures: r.failures}, nil
}

func (r *runner) fail(line int, e edit, detail, format string, args ...any) {
	r.failures = append(r.failures, Failure{
		File: r.scenario.file.Name, Line: line, Detail: detail, edit: e,
		Message: fmt.Sprintf("scenario %q: ", r.scenario.Name) + fmt.Sprintf(format, args...),
	})
}

// granted puts a grant in the place of the one that its purchase had.
func (r *runner) granted(g rules.Grant) {
	at := slices.IndexFunc(r.grants, func(former grant) bool {
		return former.Budget == g.Budget && former.AccountID == g.AccountID && former.TransactionID == g.TransactionID
	})
	if at < 0 {
		r.grants = append(r.grants, grant{g, &r.scenario.settings})
		return
	}
	r.grants[at].Grant = g
}

// apply sends a record, as often as it says, and looks at what became of it.
func (r *runner) apply(rec *record) error {
	if rec.of.transaction != "" && !slices.Contains(r.purchases, rec.of) {
		r.purchases = append(r.purchases, rec.of)
	}
	for _, value := range rec.values {
		got, err := r.send(rec, value)
		if err != nil {
			return err
		}
		if rec.want == nil && got.fate.InSet() || rec.want != nil && rec.want.covers(got) {
			continue
		}
		detail := ""
		if r.letter != nil {
			detail = "    " + r.letter.Detail
		}
		wanted := "booked, no_change or waiting; write `=> " + got.String() + "` if that is meant"
		if rec.want != nil {
			wanted = rec.want.String()
		}
		r.fail(rec.line, edit{line: rec.line, fate: got.String()}, detail, "%s: got %s, want %s", rec.what, got, wanted)
		return nil
	}
	return nil
}

func (r *runner) send(rec *record, value []byte) (wantedFate, error) {
	before := r.world.Fates
	r.letter = nil
	place := simulate.Place{Topic: r.scenario.file.Name, Offset: int64(rec.line) - 1, RecordedAt: rec.kafkaMS}
	apply := r.world.Event
	if rec.fact {
		apply = r.world.Fact
	}
	if rec.result {
		apply, value = r.world.Result, r.withInstruction(value)
	}
	if err := apply(nil, value, place); err != nil {
		return wantedFate{}, err
	}
	got := wantedFate{}
	for fate := range rules.NumFates {
		if r.world.Fates[fate] != before[fate] {
			got.fate = fate
		}
	}
	if r.letter != nil {
		got.reason, got.field = r.letter.Reason, r.letter.Field
	}
	return got, nil
}

// covers reports whether a fate is what was wanted; what isn't said is not
// looked at.
func (w wantedFate) covers(got wantedFate) bool {
	return w.fate == got.fate && (w.reason == "" || w.reason == got.reason) && (w.field == "" || w.field == got.field)
}

// check holds a table against what is there.
func (r *runner) check(x *expectation) error {
	columns := x.columns
	if x.header == 0 {
		columns = x.kind.columns // whatever there is
		if x.kind == tableKinds[0] {
			columns = []string{"account", "purchase", "offer", "role", "stage", "reward", "commission", "cost"}
		}
	}
	got, err := x.kind.rows(r, columns, x.where)
	if err != nil {
		return err
	}
	missing, extra := difference(x.rows, got)
	if len(missing)+len(extra) == 0 {
		return nil
	}
	detail := showDifference(columns, missing, extra)
	told := ""
	if x.kind.explained {
		if told, err = r.tell(columns, append(missing, extra...)); err != nil {
			return err
		}
	}
	r.fail(x.line, edit{line: x.line, table: x, columns: columns, rows: got}, detail+told, "this is not what came out (- expected, + came out)")
	return nil
}

// difference is what is wanted and not there, and what is there and not wanted.
func difference(want []wantedRow, got []row) (missing, extra []row) {
	extra = slices.Clone(got)
	for _, w := range want {
		at := slices.IndexFunc(extra, func(g row) bool { return slices.Equal(g, w.row) })
		if at < 0 {
			missing = append(missing, w.row)
			continue
		}
		extra = slices.Delete(extra, at, at+1)
	}
	return missing, extra
}

// showDifference puts what belongs together side by side: rows in order, the
// missing one before the one that came instead.
func showDifference(columns []string, missing, extra []row) string {
	table := [][]string{append([]string{" "}, columns...)}
	for _, m := range missing {
		table = append(table, append([]string{"-"}, m...))
	}
	for _, e := range extra {
		table = append(table, append([]string{"+"}, e...))
	}
	slices.SortStableFunc(table[1:], func(a, b []string) int { return slices.Compare(a[1:], b[1:]) })
	return strings.Join(align(table, "    ", 1), "\n")
}

// maxTold bounds the explanations under one difference.
const maxTold = 3

// tell explains the purchases of rows.
func (r *runner) tell(columns []string, rows []row) (string, error) {
	at := slices.Index(columns, "purchase")
	if at < 0 {
		return "", nil
	}
	var told []string
	for _, p := range r.purchases {
		account := slices.Index(columns, "account")
		named := slices.ContainsFunc(rows, func(row row) bool {
			return row[at] == p.transaction && (account < 0 || row[account] == p.account)
		})
		if !named {
			continue
		}
		x, err := r.world.Explain(p.account, p.transaction)
		if err != nil {
			return "", err
		}
		if len(told) == maxTold {
			told = append(told, "\n    ... and more purchases")
			break
		}
		told = append(told, "\n    "+strings.ReplaceAll(strings.TrimSpace(x.Text()), "\n", "\n    "))
	}
	return strings.Join(told, ""), nil
}

// explain tells of every purchase that a record has named.
func (r *runner) explain() ([]explained, error) {
	var all []explained
	seen := map[purchase]bool{}
	for _, p := range r.purchases {
		x, err := r.world.Explain(p.account, p.transaction)
		if err != nil {
			return nil, err
		}
		if is := (purchase{x.AccountID, x.TransactionID}); seen[is] {
			continue
		} else {
			seen[is] = true
		}
		before := len(all)
		for _, world := range []struct {
			name string
			*explain.ExplainedWorld
		}{{rules.Expected.String(), x.Expected}, {rules.Confirmed.String(), x.Confirmed}} {
			for i := range offersOf(world.ExplainedWorld) {
				all = append(all, explained{x, world.name, &world.Offers[i], &r.scenario.settings})
			}
		}
		if len(all) == before {
			all = append(all, explained{purchase: x})
		}
	}
	return all, nil
}

func offersOf(world *explain.ExplainedWorld) []explain.ExplainedOffer {
	if world == nil {
		return nil
	}
	return world.Offers
}

// projectEach makes the rows of a table in which nothing is added up: rows that
// look the same are one.
func projectEach[R any](all []column[R], records []R, asked []string, where []condition) []row {
	var rows []row
	by := map[string]*column[R]{}
	for i := range all {
		by[all[i].name] = &all[i]
	}
	for i := range records {
		if !meets(by, &records[i], where) {
			continue
		}
		cells := make(row, len(asked))
		for n, name := range asked {
			if c := by[name]; c.text != nil {
				cells[n] = orDash(c.text(&records[i]))
			} else {
				cells[n] = c.amount(&records[i]).String()
			}
		}
		if !slices.ContainsFunc(rows, func(r row) bool { return slices.Equal(r, cells) }) {
			rows = append(rows, cells)
		}
	}
	return rows
}
