package wire

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"ristourne/rules"
)

// The tables of fields in README.md are written from the tables by which records
// are decoded: `go test ./processor/wire -run Readme -update` writes them anew. What
// a field means stands in the README alone, in the table's last column, and is kept.

const readme = "README.md"

// fieldTable is what the README shows of one kind of object.
type fieldTable struct {
	name   string
	record *record
	path   string // of its fields, with a point behind; empty: the record itself
	// probe is the fault of a sound record whose field is raw instead; a fact's needs
	// a type that has the field.
	probe func(path, raw string) *Fault
	// needs says when a field is needed, where that depends on the type.
	needs func(f uint8) string
}

func fieldTables(t *testing.T) []fieldTable {
	t.Helper()
	d := NewDecoder(Options{NoKeys: true})
	event := func(path, raw string) *Fault {
		base := parseObject(t, canonicalEvent)
		if item, ok := strings.CutPrefix(path, "items[0]."); ok {
			path, raw = "items", "["+string(sample{"amount_minor": "1"}.with(item, raw).bytes())+"]"
		}
		return d.Event(base.with(path, raw).bytes(), nil, -1, new(rules.Event))
	}
	fact := func(path, raw string) *Fault {
		kind := rules.Adjustment
		for k := rules.Enrolled; k < rules.NumFactTypes; k++ {
			if factOf(t, k.String())[path] != "" {
				kind = k
			}
		}
		base := factOf(t, kind.String())
		if path == "handle" {
			base = factOf(t, rules.PayoutMethod.String()).with("method", `"e_wallet"`)
		}
		return d.Fact(base.with(path, raw).bytes(), nil, -1, new(rules.Fact))
	}
	result := func(path, raw string) *Fault {
		base := sample{"instruction_id": `"i"`, "account_id": `"a"`, "status": `"settled"`, "at": `"2025-11-22T08:31:20Z"`}
		return d.Result(base.with(path, raw).bytes(), nil, -1, new(rules.Result))
	}
	return []fieldTable{
		{name: "event", record: d.event, probe: event},
		{name: "merchant", record: d.event.inner[eventMerchant], path: "merchant.", probe: event},
		{name: "item", record: d.event.inner[eventItems], path: "items[0].", probe: event},
		{name: "fact", record: d.fact, probe: fact, needs: factNeedsOf},
		{name: "result", record: d.result, probe: result},
	}
}

// factNeedsOf are the types of fact that need a field, or may have it.
func factNeedsOf(f uint8) string {
	if factHead>>f&1 == 1 {
		return "yes"
	}
	var words []string
	for k := rules.Enrolled; k < rules.NumFactTypes; k++ {
		switch {
		case factNeeds[k]>>f&1 == 1:
			words = append(words, "`"+k.String()+"`")
		case factTakes[k]>>f&1 == 1:
			words = append(words, "`"+k.String()+"`, if wanted")
		}
	}
	for m := rules.ByCard; m <= rules.ByEWallet; m++ {
		if methodNeeds[m]>>f&1 == 1 {
			words = append(words, "`"+m.String()+"`")
		}
	}
	return strings.Join(words, ", ")
}

// form is what a field may be, by what the decoder says of other values.
func (x *fieldTable) form(f uint8) string {
	rule, path := &x.record.fields[f], x.path+x.record.fields[f].name
	object := x.probe(path, "{}")
	if object == nil || !strings.HasSuffix(object.Detail, "not an object") {
		return "object, [below](#" + rule.name + ")"
	}
	switch kind := strings.TrimSuffix(strings.TrimPrefix(object.Detail, "it must be "), ", not an object"); kind {
	case "a number":
		if rule.max == 0 {
			return "number"
		}
		return "integer, " + power(rule.min) + " to " + power(rule.max)
	case "a list":
		if int(f) < len(x.record.inner) && x.record.inner[f] != nil {
			return fmt.Sprintf("list of at most %d objects, [below](#%s)", rule.max, rule.name)
		}
		return fmt.Sprintf("list of at most %d texts of 1 to %d characters", maxListed, rule.max)
	case "a string":
		return textForm(rule, x.probe(path, `"?"`))
	default:
		return kind
	}
}

// textForm is what a text may be; refused is what is said of one that is no code.
func textForm(rule *field, refused *Fault) string {
	if rule.max == 0 {
		detail := strings.TrimPrefix(refused.Detail, "it must be ")
		if words, ok := strings.CutPrefix(detail, "one of "); ok {
			return "`" + strings.ReplaceAll(words, ", ", "`, `") + "`"
		}
		detail, _, _ = strings.Cut(detail, ", as ")
		return strings.TrimPrefix(strings.TrimPrefix(detail, "an "), "a ")
	}
	form := fmt.Sprintf("text, 1 to %d characters", rule.max)
	if refused != nil {
		form += strings.TrimPrefix(refused.Detail, "it must be made") + " alone"
	}
	if rule.cut {
		form += "; a longer one is cut"
	}
	return form
}

// power writes a bound as people say it.
func power(n int64) string {
	switch n {
	case maxAmountMinor:
		return "2^53-1"
	case -maxAmountMinor:
		return "-(2^53-1)"
	}
	return strconv.FormatInt(n, 10)
}

// cardNumber says what becomes of a text that holds a card number.
var cardNumber = [...]string{codes: "", ids: "counted", names: "refused", freeText: "refused", cardTokens: "refused, but for allowed ranges"}

// table writes the rows; meaning is what the README says of a field.
func (x *fieldTable) table(meaning map[string]string) string {
	var b strings.Builder
	b.WriteString("| field | form | needed | a card number in it | meaning |\n|---|---|---|---|---|\n")
	for i := 1; i < len(x.record.fields); i++ {
		f, rule := uint8(i), &x.record.fields[i]
		needed := ""
		switch {
		case x.needs != nil:
			needed = x.needs(f)
		case rule.needed:
			needed = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", rule.name, x.form(f), needed, cardNumber[rule.holds], meaning[rule.name])
	}
	return b.String()
}

// meanings are the last cells of a table, by field.
func meanings(table string) map[string]string {
	said := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if name := strings.Trim(cells[0], " `"); len(cells) == 5 && name != "field" {
			said[name] = strings.TrimSpace(cells[4])
		}
	}
	return said
}

func TestReadmeShowsEveryField(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	shown := string(text)
	for _, x := range fieldTables(t) {
		begin := "<!-- fields of " + x.name + ", by readme_test.go -->\n"
		before, rest, ok := strings.Cut(shown, begin)
		table, after, closed := strings.Cut(rest, "<!-- end -->\n")
		if !ok || !closed {
			t.Fatalf("%s has no table between %q and <!-- end -->", readme, strings.TrimSpace(begin))
		}
		said := meanings(table)
		want := x.table(said)
		for i := 1; i < len(x.record.fields); i++ {
			if name := x.record.fields[i].name; said[name] == "" {
				t.Errorf("%s doesn't say what %s%s means: write it into the last column", readme, x.path, name)
			}
		}
		if table != want && !*update {
			t.Errorf("%s shows other fields of %s than are decoded: run go test ./processor/wire -run Readme -update\n%s", readme, x.name, want)
		}
		shown = before + begin + want + "<!-- end -->\n" + after
	}
	if *update && shown != string(text) {
		if err := os.WriteFile(readme, []byte(shown), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
