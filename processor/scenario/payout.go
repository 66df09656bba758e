package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"time"

	"ristourne/rules"
)

// This file is about money that goes out: cycles that close, and the bank's words
// on instructions.

// instructionForm is how a scenario names an instruction: i1 is the first that was
// given out in it.
var instructionForm = regexp.MustCompile(`^i([1-9]\d{0,4})$`)

// resultRecord reads INSTRUCTION [REASON] [k=v ...].
func (b *builder) resultRecord(r *record, f *fields, at time.Time, rest []word) {
	delete(f.json, "type")
	f.json["at"], f.json["status"] = at.Format(time.RFC3339Nano), r.what
	for i, w := range rest {
		switch {
		case w.name != "":
			f.field(w, "instruction_id")
		case i == 0:
			f.json["instruction_id"] = w.text
		case i == 1:
			f.json["reason"] = w.text
		default:
			b.fault(r.line, w.column, "%q says nothing that a result has: write the instruction, perhaps its reason, and field=value", w.text)
		}
	}
	if _, said := f.json["instruction_id"]; !said {
		b.fault(r.line, 1, "a result is on an instruction: write i1 for the first that was given out, such as `2026-03-02 anna %s i1`", r.what)
	}
}

// withInstruction gives a result the id of the instruction that it names by number.
func (r *runner) withInstruction(value []byte) []byte {
	var v map[string]json.RawMessage
	if json.Unmarshal(value, &v) != nil {
		return value
	}
	m := instructionForm.FindSubmatch(bytes.Trim(v["instruction_id"], `"`))
	if m == nil {
		return value
	}
	if n, err := strconv.Atoi(string(m[1])); err == nil && n <= len(r.instructions) {
		v["instruction_id"], _ = json.Marshal(r.instructions[n-1].ID) // a text always can be
	}
	named, err := json.Marshal(v)
	if err != nil {
		return value
	}
	return named
}

// closeCycle reads `settle CYCLE [programme=ID] [as_of=WHEN] [=> FATE]`: the cycle
// closes for every account that a record has named so far.
func (b *builder) closeCycle(st statement) {
	b.noBody(st)
	given := b.cutFate(st)
	if len(given) < 2 || given[1].name != "" {
		b.fault(st.line, 1, "say which cycle closes, such as `settle 2026-02`, or `settle any as_of=2026-03-01` where cycles end by hand")
		return
	}
	cycle, programme, asOf := given[1].text, b.scenario.settings.programme, ""
	for _, w := range given[2:] {
		switch w.name {
		case "programme":
			programme = w.text
		case "as_of":
			asOf = w.text
		default:
			b.fault(st.line, w.column, "%q says nothing of a cycle: write programme=ID or as_of=2026-03-01", w.text)
			return
		}
	}
	end, err := b.endOf(programme, cycle, asOf)
	if err != nil {
		b.fault(st.line, given[1].column, "%v", err)
		return
	}
	want := b.fate(st)
	for _, account := range b.accounts {
		f := rules.ClosingOf(programme, cycle, account, end)
		value, err := json.Marshal(map[string]any{
			"fact_id": f.ID, "type": f.Type.String(), "account_id": account,
			"at": f.AsOf, "as_of": f.AsOf, "programme": programme, "cycle": cycle,
		})
		if err != nil {
			b.fault(st.line, 1, "this cycle can't be written as JSON: %v", err)
			return
		}
		b.scenario.steps = append(b.scenario.steps, &record{
			line: st.line, what: rules.CycleClosed.String(), fact: true, of: purchase{account: account}, values: [][]byte{value}, kafkaMS: -1, want: want,
		})
	}
}

var errWhichProgramme = errors.New("the catalogue has several programmes: write programme=ID with one of them")

// endOf is when a cycle ends: as it is said, or by the version of its programme that
// is in force then.
func (b *builder) endOf(programme, cycle, asOf string) (rules.Instant, error) {
	if asOf != "" {
		at, err := parseWhen(asOf, b.scenario.settings.zone)
		return rules.InstantOf(at), err
	}
	if programme == "" {
		return rules.Instant{}, errWhichProgramme
	}
	return b.scenario.settings.catalogue.Snapshot.CycleEnd(programme, cycle)
}
