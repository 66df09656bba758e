package cmd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ristourne/processor/catalog"
	"ristourne/processor/scenario"
	"ristourne/processor/sourcefile"
	"ristourne/rules"
)

// The examples of what can be offered are run: each is put into a catalogue, the
// purchases of the sentences below it are made, and what they say must come out.

const (
	readme          = "../processor/catalog/README.md"
	examplesHeading = "## What you can offer"
)

// The catalogue around a snippet. A snippet that is a file of its own stands for
// the one of its kind, or beside it.
const (
	pointsCode      = "MILES"
	aroundProgramme = "programme: cashback\ncurrency: EUR\nzone: Europe/Paris\npoints: {code: " + pointsCode + ", value: 0.005 EUR}\n" +
		"offers: [{id: groceries, reward: 2%, mcc: \"5411\", funded_by: programme, budget: 20000 EUR}]"
	aroundPartner = "partner: cafe-du-coin\nname: Café du Coin\n" +
		"stores: [{id: bastille, keys: [{mid: CAFE}]}, {id: opera, keys: [{mid: OPERA}]}]"
	aroundTerms = "\ncommission: 8%\noffers:"
	aroundOffer = " [{id: everyday, reward: 3%}]"
	// Of an example of billing, the other side of it.
	aroundSeller = "\nbilling: {seller: {name: B, street: 1 rue, city: Luxembourg, country: LU, vat_id: LU12345613}, series: CL, vat: 17%}"
	aroundBuyer  = "\nbilling: {buyer: {name: C, street: 2 rue, city: Luxembourg, country: LU}}"
	aroundLevels = "levels: [usual, loyal, premium]"
)

// cast are the members of whom the sentences speak.
const cast = `2026-01-01 anna  enrolled level=usual
2026-01-01 bruno enrolled level=loyal
2026-01-01 chloe enrolled segments=students
2026-03-01 dina  enrolled sponsor=anna
`

// example is a snippet with its sentences.
type example struct {
	line      int // of the README, from 1, of its first line
	yaml      string
	sentences []sentence
}

type sentence struct {
	line int
	text string
}

var sentenceForm = regexp.MustCompile(`^# (?:Anna|Bruno|Chloe|Dina) `)

// examplesOf takes the section's YAML blocks apart at their blank lines.
func examplesOf(text string) (examples []example, err error) {
	inSection, inBlock := false, false
	var current *example
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "## "):
			inSection = line == examplesHeading
		case inSection && line == "```yaml":
			inBlock, current = true, nil
		case line == "```":
			inBlock = false
		case !inBlock || line == "":
			current = nil
		default:
			if current == nil {
				examples = append(examples, example{line: i + 1})
				current = &examples[len(examples)-1]
			}
			switch {
			case sentenceForm.MatchString(line):
				current.sentences = append(current.sentences, sentence{i + 1, line})
			case !strings.HasPrefix(line, "#"):
				// Blank lines above keep the file's lines those of the README.
				current.yaml += strings.Repeat("\n", i-strings.Count(current.yaml, "\n")) + line + "\n"
			case strings.Contains(line, " pays ") && strings.Contains(line, " gets "):
				return nil, fmt.Errorf("%s:%d: this looks like a sentence about a purchase and begins with nobody's name", readme, i+1)
			}
		}
	}
	if len(examples) == 0 {
		return nil, fmt.Errorf("%s has no YAML block below %q", readme, examplesHeading)
	}
	return examples, nil
}

// texts are the example as offer files.
func (x *example) texts() []catalog.Text {
	snippet := strings.TrimLeft(x.yaml, "\n")
	lead := strings.Repeat("\n", len(x.yaml)-len(snippet))
	files := map[string]string{"programme": aroundProgramme, "partner": aroundPartner + aroundTerms + aroundOffer, "levels": aroundLevels}
	switch key, _, _ := strings.Cut(snippet, ":"); {
	case key == "commission": // the rest of a partner's file
		files["partner"] = partnerAbove(lead, aroundPartner) + snippet
	case key == "billing": // of a partner
		files["programme"] = aroundProgramme + aroundSeller
		files["partner"] = partnerAbove(lead, aroundPartner+aroundTerms+aroundOffer) + snippet
	case strings.Contains(snippet, "\nbilling:"):
		files[key], files["partner"] = lead+snippet, files["partner"]+aroundBuyer
	case strings.HasPrefix(snippet, "- "):
		files["partner"] = partnerAbove(lead, aroundPartner+aroundTerms) + snippet
	default:
		files[key] = lead + snippet
	}
	var texts []catalog.Text
	for name, body := range files {
		texts = append(texts, catalog.Text{Name: name + ".yaml", ShownAs: readme, Body: []byte(body)})
	}
	slices.SortFunc(texts, func(a, b catalog.Text) int { return strings.Compare(a.Name, b.Name) })
	return texts
}

// partnerAbove ends where the snippet begins, on its line.
func partnerAbove(lead, text string) string {
	return lead[:max(0, len(lead)-strings.Count(text, "\n")-1)] + text + "\n"
}

// play is a scenario file in the making, with the README's line for each of its.
type play struct {
	text      strings.Builder
	lines     []int
	at        time.Time
	purchases map[string][]string // by member, in order
	said      int
}

func (p *play) write(line int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for range strings.Count(text, "\n") + 1 {
		p.lines = append(p.lines, line)
	}
	p.text.WriteString(text + "\n")
}

// scenario is the example as a scenario file.
func (x *example) scenario() (*play, error) {
	p := &play{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), purchases: map[string][]string{}}
	for _, text := range x.texts() {
		p.write(x.line, "catalogue %s", text.Name)
		for line := range strings.Lines(string(text.Body)) {
			p.write(x.line, "  %s", strings.TrimRight(line, "\n"))
		}
	}
	p.write(x.line, "%s", cast)
	for _, s := range x.sentences {
		if err := p.say(s); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", readme, s.line, err)
		}
	}
	return p, nil
}

var (
	paysForm = regexp.MustCompile(`^# (\w+) pays (\S+ [A-Z]{3})(?: at ([A-Z]+))?(?: \(([^)]+)\))?` +
		`(?: on (\d{4}-\d\d-\d\d))?(?: at (\d\d:\d\d))?: (.+)$`)
	bringsForm    = regexp.MustCompile(`^# (\w+) brings back (\S+ [A-Z]{3}) of the first: keeps (.+), the third gets (.+)$`)
	unlinkedForm  = regexp.MustCompile(`^# (\w+) brings back (\S+ [A-Z]{3}) and the bank names no purchase: the (first|second) keeps (.+)$`)
	activatesForm = regexp.MustCompile(`^# (\w+) activates (\S+)$`)
)

// say writes what a sentence tells as records and expectations.
func (p *play) say(s sentence) error {
	p.at = p.at.AddDate(0, 0, 1)
	switch pays, brings, activates := paysForm.FindStringSubmatch(s.text), bringsForm.FindStringSubmatch(s.text), activatesForm.FindStringSubmatch(s.text); {
	case pays != nil:
		return p.pays(s.line, pays)
	case brings != nil:
		member := strings.ToLower(brings[1])
		bought := p.purchases[member]
		if len(bought) < 3 {
			return errors.New("fewer than three purchases were made before")
		}
		p.write(s.line, "%s %s refund %s %s", p.at.Format(time.DateOnly), member, bought[0], brings[2])
		return errors.Join(p.earned(s.line, bought[0], brings[3]), p.earned(s.line, bought[2], brings[4]))
	case unlinkedForm.MatchString(s.text):
		m := unlinkedForm.FindStringSubmatch(s.text)
		member := strings.ToLower(m[1])
		bought, n := p.purchases[member], strings.Index("first second", m[3])/len("first ")
		if len(bought) <= n {
			return fmt.Errorf("there is no %s purchase before", m[3])
		}
		p.said++
		p.write(s.line, "%s %s refund R%d %s at CAFE", p.at.Format(time.DateOnly), member, p.said, m[2])
		return p.earned(s.line, bought[n], m[4])
	case activates != nil:
		p.write(s.line, "%s %s offer_activated %s", p.at.Format(time.DateOnly), strings.ToLower(activates[1]), activates[2])
		return nil
	}
	return fmt.Errorf("%q is no sentence that can be played: write `NAME pays AMOUNT [at SHOP] [(field=value)] [on DATE] [at TIME]: gets AMOUNT`", s.text)
}

func (p *play) pays(line int, m []string) error {
	member, amount, shop, fields, date, clock := strings.ToLower(m[1]), m[2], m[3], m[4], m[5], m[6]
	if shop == "" {
		shop = "CAFE"
	}
	if clock == "" {
		clock = "12:00"
	}
	if date != "" {
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			return err
		}
		p.at = day.Add(12 * time.Hour)
	}
	p.said++
	id := fmt.Sprintf("P%d", p.said)
	p.purchases[member] = append(p.purchases[member], id)
	p.write(line, "%s %s  %s  clearing  %s  %s  at %s %s", p.at.Format(time.DateOnly), clock, member, id, amount, shop, fields)
	for what := range strings.SplitSeq(m[7], ", ") {
		if err := p.outcome(line, id, what); err != nil {
			return err
		}
	}
	return nil
}

// outcome writes one clause of what a purchase leads to.
func (p *play) outcome(line int, id, what string) error {
	if got, ok := strings.CutPrefix(what, "gets "); ok {
		return p.earned(line, id, got)
	}
	if owes, ok := strings.CutPrefix(what, "the café owes "); ok {
		p.expect(line, id+" role=partner", "commission", owes)
		return nil
	}
	if margin, ok := strings.CutPrefix(what, "margin "); ok {
		p.expect(line, id, "margin", margin)
		return nil
	}
	if sponsor, got, ok := strings.Cut(what, " gets "); ok {
		p.expect(line, id+" role=sponsor beneficiary="+strings.ToLower(sponsor), "reward", got)
		return nil
	}
	return fmt.Errorf("%q can't be checked: write `gets AMOUNT`, `NAME gets AMOUNT`, `the café owes AMOUNT` or `margin AMOUNT`", what)
}

// kinds are as what a reward is paid, as a sentence has it.
var kinds = map[string]rules.Kind{"": rules.Cash, " in the wallet": rules.Wallet, " as a voucher": rules.Voucher}

var earnedForm = regexp.MustCompile(`^(\S+ ([A-Z]+))( in the wallet| as a voucher)?$`)

// earned expects what the buyer has of a purchase, and as what.
func (p *play) earned(line int, id, what string) error {
	if what == "nothing" {
		p.expect(line, id+" role=member", "reward", what)
		return nil
	}
	m := earnedForm.FindStringSubmatch(what)
	if m == nil {
		return fmt.Errorf("%q is no reward: write `nothing`, or an amount, perhaps with `in the wallet` or `as a voucher` behind it", what)
	}
	kind := kinds[m[3]]
	if m[2] == pointsCode {
		kind = rules.Points
	}
	p.write(line, "expect purchase=%s role=member\n  kind  reward\n  %s  %s", id, kind, m[1])
	return nil
}

func (p *play) expect(line int, where, column, amount string) {
	if amount == "nothing" || strings.HasPrefix(amount, "0.00 ") {
		// A row of 0 is none.
		p.write(line, "expect purchase=%s\n  %s", where, column)
		return
	}
	p.write(line, "expect purchase=%s\n  %s\n  %s", where, column, amount)
}

// run plays the example and gives what is wrong with it.
func (x *example) run() (wrong []string) {
	loaded, err := catalog.LoadTexts("", x.texts())
	if err != nil {
		return []string{err.Error()}
	}
	for _, w := range loaded.Warnings() {
		if !strings.Contains(w.Message, " over already") { // the README's dates grow old
			wrong = append(wrong, w.String())
		}
	}
	if len(x.sentences) == 0 {
		if strings.HasPrefix(strings.TrimLeft(x.yaml, "\n"), "levels:") {
			return wrong // it says what names exist, and gives nothing
		}
		return append(wrong, fmt.Sprintf("%s:%d: no sentence below this example says what it gives", readme, x.line))
	}
	p, err := x.scenario()
	if err != nil {
		return append(wrong, err.Error())
	}
	file, err := scenario.Parse(readme, []byte(p.text.String()))
	var faults *sourcefile.Faults
	switch {
	case errors.As(err, &faults):
		for _, f := range faults.List {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s", readme, p.lines[f.Line-1], f.Message))
		}
		return wrong
	case err != nil:
		return append(wrong, err.Error())
	}
	results, err := file.Run()
	if err != nil {
		return append(wrong, fmt.Sprintf("%s:%d: %v", readme, x.line, err))
	}
	for _, r := range results {
		for _, f := range r.Failures {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s\n%s", readme, p.lines[f.Line-1], f.Message, f.Detail))
		}
	}
	return wrong
}

func readmeExamples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := examplesOf(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return examples
}

func TestReadmeExamplesGiveWhatTheySay(t *testing.T) {
	t.Parallel()
	for _, x := range readmeExamples(t) {
		for _, wrong := range x.run() {
			t.Error(wrong)
		}
	}
}

// Each thing that an offer, a campaign or a commission can say has its example.
func TestReadmeShowsEverythingThatCanBeSaid(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, x := range readmeExamples(t) {
		all.WriteString(x.yaml)
	}
	said := func(word string) bool {
		return regexp.MustCompile(`(?m)(?:^|[ {\[])` + regexp.QuoteMeta(word)).MatchString(all.String())
	}
	for _, key := range languageKeys(t) {
		if !said(key + ":") {
			t.Errorf("no example says %q", key)
		}
	}
	for _, word := range []string{
		"per: purchase", "per: day", "per: week", "per: month", "per: quarter", "per: year", "per: life", "per: 30 days", "per: store and day",
		"last: none", "apply_to: marginal", "pays: wallet", "pays: voucher", "on: sale", "funded_by: programme",
	} {
		if !said(word) {
			t.Errorf("no example says %q", word)
		}
	}
}

// languageKeys are the keys of the language that say what is given, to whom and
// at whose cost; those of settings, stores and versions are not the section's.
func languageKeys(t *testing.T) (keys []string) {
	t.Helper()
	text, err := catalog.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"definitions"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	settings := map[string]bool{"a-merchant-key": true, "a-store": true, "a-range-of-card-tokens": true, "points": true, "the-programme": true, "a-partner": true}
	settingKeys := []string{"currency", "effective_from", "programme", "partner", "stores", "rounding"}
	for name, definition := range schema.Definitions {
		if settings[name] {
			continue
		}
		for key := range definition.Properties {
			if !slices.Contains(settingKeys, key) && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	if len(keys) < 40 {
		t.Fatalf("the schema has only %d keys: has its form changed?", len(keys))
	}
	slices.Sort(keys)
	return keys
}

func TestABrokenExampleIsNamedByItsLine(t *testing.T) {
	t.Parallel()
	const good = "# T\n\n" + examplesHeading + "\n\n```yaml\n# Three percent.\n- {id: everyday, reward: 3%}\n# Anna pays 100.00 EUR: gets 3.00 EUR, the café owes 8.00 EUR\n```\n"
	for name, test := range map[string]struct{ old, new, wants string }{
		"sound":                 {"", "", ""},
		"another amount":        {"gets 3.00", "gets 3.01", "README.md:8: "},
		"another commission":    {"8.00", "7.00", "README.md:8: "},
		"a key that isn't":      {"reward", "rewrd", "README.md:7:"},
		"a purchase of nothing": {"100.00 EUR:", "100.00:", "README.md:8: "},
		"a clause of nothing":   {"the café owes", "the cafe owns", "README.md:8: "},
		"no sentence":           {"# Anna pays", "# Soon: Anna", "README.md:6: "},
		"a warning":             {"3%}", "3%, funded_by: programme}", "README.md:7:"},
	} {
		examples, err := examplesOf(strings.Replace(good, test.old, test.new, 1))
		if err != nil {
			t.Fatal(err)
		}
		wrong := strings.Join(examples[0].run(), "\n")
		if test.wants == "" && wrong != "" || !strings.Contains(wrong, test.wants) {
			t.Errorf("%s: %q is said, want %q", name, wrong, test.wants)
		}
	}
}
