package scenario

import (
	"slices"
	"strings"

	"ristourne/rules/money"
)

// expectation is a table that must hold at its point of the file.
type expectation struct {
	line    int
	end     int // the line after its last one
	kind    *tableKind
	where   []condition
	columns []string
	header  int // its line; 0: none, nothing is expected
	rows    []wantedRow
}

// wantedRow is a row as it should be.
type wantedRow struct {
	row
	line    int
	comment string // behind it, with its #
}

// tableKind is one of the tables that can be expected.
type tableKind struct {
	name    string // the word behind expect; empty: sums
	columns []string
	amounts map[string]bool
	// explained says that explaining the purchases of a difference helps.
	explained bool
	rows      func(r *runner, columns []string, where []condition) ([]row, error)
}

var tableKinds = makeTableKinds()

func makeTableKinds() []*tableKind {
	sums := &tableKind{explained: true, rows: func(r *runner, columns []string, where []condition) ([]row, error) {
		return project(lineColumns, r.lines, columns, where), nil
	}}
	sums.columns, sums.amounts = columnNames(lineColumns)
	instructions := &tableKind{name: "instructions", rows: func(r *runner, columns []string, where []condition) ([]row, error) {
		return project(instructionColumns, r.instructions, columns, where), nil
	}}
	instructions.columns, instructions.amounts = columnNames(instructionColumns)
	budgets := &tableKind{name: "budgets", rows: func(r *runner, columns []string, where []condition) ([]row, error) {
		return project(budgetColumns, r.grants, columns, where), nil
	}}
	budgets.columns, budgets.amounts = columnNames(budgetColumns)
	why := &tableKind{name: "why", rows: func(r *runner, columns []string, where []condition) ([]row, error) {
		all, err := r.explain()
		if err != nil {
			return nil, err
		}
		return projectEach(whyColumns, all, columns, where), nil
	}}
	why.columns, why.amounts = columnNames(whyColumns)
	return []*tableKind{sums, instructions, budgets, why}
}

// expect reads `expect [instructions|budgets|why] [nothing] [k=v ...]` and its table.
func (b *builder) expect(st statement) {
	b.checks = true
	x := &expectation{line: st.line, end: st.end, kind: tableKinds[0]}
	nothing := false
	for i, w := range st.words[1:] {
		at := slices.IndexFunc(tableKinds, func(k *tableKind) bool { return k.name == w.text })
		switch {
		case w.name != "" && slices.Contains(x.kind.columns, w.name) && !x.kind.amounts[w.name]:
			x.where = append(x.where, condition{w.name, w.text})
		case w.name != "":
			b.fault(st.line, w.column, "rows can't be narrowed by %q: write one of %s", w.name, strings.Join(x.kind.textColumns(), ", "))
		case w.text == "nothing":
			nothing = true
		case at > 0 && i == 0:
			x.kind = tableKinds[at]
		default:
			b.fault(st.line, w.column, "%q is nothing that can be expected: write `expect`, `expect instructions`, `expect budgets` or `expect why`, then perhaps `nothing` and column=value", w.text)
		}
	}
	switch {
	case nothing:
		b.noBody(st)
	case len(st.body) == 0:
		b.fault(st.line, 1, "write a table below, its columns first; or `expect nothing`")
		return
	default:
		b.table(x, st.body)
	}
	b.scenario.steps = append(b.scenario.steps, x)
}

func (k *tableKind) textColumns() []string {
	return slices.DeleteFunc(slices.Clone(k.columns), func(name string) bool { return k.amounts[name] })
}

func (b *builder) table(x *expectation, body []int) {
	for _, n := range body {
		line := b.file.lines[n-1]
		if blank(line) {
			continue
		}
		list, comment := cells(line)
		if x.header == 0 {
			x.header = n
			b.columns(x, n, list)
			continue
		}
		if len(list) != len(x.columns) {
			b.fault(n, list[0].column, "this row has %d cells, and the table has %d columns: set cells apart by two spaces, and write - for one that is empty", len(list), len(x.columns))
			continue
		}
		wanted := wantedRow{row: make(row, len(list)), line: n, comment: line[comment:]}
		for i, c := range list {
			wanted.row[i] = c.text
			if x.kind.amounts[x.columns[i]] {
				wanted.row[i] = b.amountCell(n, c)
			}
		}
		x.rows = append(x.rows, wanted)
	}
}

func (b *builder) columns(x *expectation, line int, list []cell) {
	for _, c := range list {
		switch {
		case !slices.Contains(x.kind.columns, c.text):
			b.fault(line, c.column, "there is no column %q: write some of %s, set apart by two spaces", c.text, strings.Join(x.kind.columns, ", "))
		case slices.Contains(x.columns, c.text):
			b.fault(line, c.column, "column %q is here twice: keep one", c.text)
		}
		x.columns = append(x.columns, c.text)
	}
	has := func(name string) bool { return slices.Contains(x.columns, name) }
	if x.kind == tableKinds[0] && has("basis") && !(has("purchase") && has("offer") && has("role") && has("stage")) {
		b.fault(line, 1, "the basis of one award must not be added to another's: show purchase, offer, role and stage beside it")
	}
	if x.kind == tableKinds[0] && !slices.ContainsFunc(x.columns, func(name string) bool { return x.kind.amounts[name] }) {
		b.fault(line, 1, "the table shows no amount: add one of reward, commission, cost, margin, basis")
	}
}

// amountCell makes 3 EUR, 3.00 EUR and 300 POINTS what they are shown as.
func (b *builder) amountCell(line int, c cell) string {
	if c.text == "0" || c.text == "-" {
		return quantity{}.String()
	}
	number, unit, _ := strings.Cut(c.text, " ")
	if currency, ok := money.ParseCurrency(unit); ok && numberForm.MatchString(number) {
		minor, err := money.ParseMinor(number, currency)
		if err != nil {
			b.fault(line, c.column, "%v: write it such as 12.50 EUR", err)
		}
		return quantity{minor: minor, unit: unit}.String()
	}
	units, ok := b.scenario.settings.units(number, unit)
	if !ok || unit == "" {
		b.fault(line, c.column, "%q is no amount: write it such as 12.50 EUR or 500 POINTS, or 0", c.text)
	}
	return b.scenario.settings.quantity(units, unit).String()
}
