package scenario

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// record is one event or fact as it goes to the decoder.
type record struct {
	line    int
	what    string // its type, for a person
	fact    bool
	result  bool
	of      purchase
	values  [][]byte // JSON, one a record
	kafkaMS int64    // -1: its own date stands in
	want    *wantedFate
}

// purchase is one of an account's.
type purchase struct{ account, transaction string }

// wantedFate is what a line says behind =>.
type wantedFate struct {
	fate          rules.Fate
	reason, field string // of a dead letter; empty: any
}

func (w wantedFate) String() string {
	return strings.TrimSpace(strings.Join([]string{w.fate.String(), w.reason, w.field}, " "))
}

// builder makes the steps of one scenario.
type builder struct {
	*parser
	scenario     *Scenario
	events       int
	facts        int
	accounts     []string // that records have named
	lastMerchant map[purchase]any
	checks       bool // something is expected
}

var (
	dateForm   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}`)
	timeForm   = regexp.MustCompile(`^\d{2}:\d{2}`)
	numberForm = regexp.MustCompile(`^[+-]?\d+(\.\d+)?$`)
	amountForm = regexp.MustCompile(`^([+-]?\d+(?:\.\d+)?) ?([A-Z]{3})$`)
)

func isDate(s string) bool { return dateForm.MatchString(s) }

func (b *builder) record(st statement) {
	given := b.cutFate(st)
	when, rest := given[0].text, given[1:]
	if len(rest) > 0 && timeForm.MatchString(rest[0].text) {
		when, rest = when+"T"+rest[0].text, rest[1:]
	}
	at, err := parseWhen(when, b.scenario.settings.zone)
	if err != nil {
		b.fault(st.line, 1, "%v", err)
		return
	}
	if len(rest) < 2 || rest[0].name != "" {
		b.fault(st.line, 1, "a record says when, whose, and what: write it such as `2026-03-02 09:15 anna authorization P1 100.00 EUR at CAFE`")
		return
	}
	r := &record{line: st.line, what: rest[1].text, of: purchase{account: rest[0].text}, kafkaMS: -1, want: b.fate(st)}
	f := &fields{builder: b, line: st.line, json: map[string]any{"type": r.what, "account_id": r.of.account}, times: 1, kafkaMS: -1}
	_, isEvent := rules.ParseEventType(r.what)
	_, r.fact = rules.ParseFactType(r.what)
	_, r.result = rules.ParseResultStatus(r.what)
	if !slices.Contains(b.accounts, r.of.account) {
		b.accounts = append(b.accounts, r.of.account)
	}
	switch {
	case isEvent:
		b.event(r, f, at, rest[2:])
	case r.fact:
		b.factRecord(r, f, at, rest[2:])
	case r.result:
		b.resultRecord(r, f, at, rest[2:])
	default:
		b.fault(st.line, rest[1].column, "%q is neither an event, a fact nor a result: write %s", r.what, knownTypes())
		return
	}
	r.kafkaMS = f.kafkaMS
	r.values = f.encode()
	b.scenario.steps = append(b.scenario.steps, r)
}

func knownTypes() string {
	var names []string
	for t := rules.Authorization; t < rules.NumEventTypes; t++ {
		names = append(names, t.String())
	}
	for t := rules.Enrolled; t < rules.NumFactTypes; t++ {
		names = append(names, t.String())
	}
	for s := rules.Accepted; s <= rules.Rejected; s++ {
		names = append(names, s.String())
	}
	return "one of " + strings.Join(names, ", ")
}

// cutFate is the statement without what is expected of it.
func (b *builder) cutFate(st statement) []word {
	for i, w := range st.words {
		if w.text == "=>" && w.name == "" {
			return st.words[:i]
		}
	}
	return st.words
}

func (b *builder) fate(st statement) *wantedFate {
	said := st.words[len(b.cutFate(st)):]
	if len(said) == 0 {
		return nil
	}
	b.checks = true
	var names []string
	for fate := rules.Booked; fate < rules.NumFates; fate++ {
		names = append(names, fate.String())
		if len(said) > 1 && said[1].text == fate.String() && len(said) <= 4 {
			w := &wantedFate{fate: fate}
			if len(said) > 2 {
				w.reason = said[2].text
			}
			if len(said) > 3 {
				w.field = said[3].text
			}
			if w.reason == "" || fate == rules.DeadLettered {
				return w
			}
		}
	}
	b.fault(st.line, said[0].column, "this is no fate: write => and one of %s; behind dead_letter its reason and field may stand", strings.Join(names, ", "))
	return nil
}

// event reads PURCHASE AMOUNT CURRENCY [at MERCHANT] [k=v ...].
func (b *builder) event(r *record, f *fields, at time.Time, rest []word) {
	b.events++
	f.json["event_id"] = fmt.Sprintf("e%03d", b.events)
	f.json["occurred_at"] = at.Format(time.RFC3339Nano)
	f.json["card_token"] = defaultCard
	if len(rest) < 3 || rest[0].name != "" {
		b.fault(r.line, 1, "an event says of which purchase, and how much: write it such as `%s P1 100.00 EUR at CAFE`", r.what)
		return
	}
	f.json["transaction_id"] = rest[0].text
	r.of.transaction = rest[0].text
	if rest[2].text == "at" {
		b.fault(r.line, rest[1].column, "%q names no currency: write it behind the amount, such as 12.50 EUR", rest[1].text)
		rest = rest[2:]
	} else {
		if minor, currency, ok := f.amount(rest[1], rest[2]); ok {
			f.json["amount_minor"], f.json["currency"] = minor, currency
		}
		rest = rest[3:]
	}
	if len(rest) > 1 && rest[0].text == "at" && rest[0].name == "" {
		f.json["merchant"] = b.merchantNamed(rest[1].text)
		rest = rest[2:]
	}
	for _, w := range rest {
		f.eventField(w)
	}
	b.place(r, f)
}

// place gives an event without merchant that of the purchase's event before.
func (b *builder) place(r *record, f *fields) {
	original := purchase{r.of.account, fmt.Sprint(f.json["original_transaction_id"])}
	merchant, ok := f.json["merchant"]
	if !ok {
		merchant, ok = b.lastMerchant[r.of]
	}
	if !ok {
		merchant, ok = b.lastMerchant[original]
	}
	if !ok {
		b.fault(r.line, 1, "no event before this one says where purchase %s was made: write `at MERCHANT` behind the amount", r.of.transaction)
		return
	}
	f.json["merchant"], b.lastMerchant[r.of] = merchant, merchant
	f.setLater()
}

// defaultCard is the card where none is named.
const defaultCard = "card"

func (b *builder) merchantNamed(name string) any {
	if m, ok := b.scenario.settings.merchants[name]; ok {
		return m
	}
	return map[string]any{"id": name}
}

// subjects are the fields of facts that need no name.
var subjects = map[string]string{
	rules.Enrolled.String(): "member_id", rules.CardLinked.String(): "card_token", rules.CardUnlinked.String(): "card_token",
	rules.LevelChanged.String(): "level", rules.OfferActivated.String(): "offer_id", rules.OfferDeactivated.String(): "offer_id",
	rules.SegmentAdded.String(): "segment", rules.SegmentRemoved.String(): "segment",
	rules.AuthorizationExpired.String(): "transaction_id", rules.CycleClosed.String(): "cycle", rules.PayoutMethod.String(): "method",
	rules.PayoutReleased.String(): "programme", rules.VoucherRedeemed.String(): "voucher_id",
}

// factRecord reads [SUBJECT] [AMOUNT UNIT] [k=v ...].
func (b *builder) factRecord(r *record, f *fields, at time.Time, rest []word) {
	b.facts++
	f.json["fact_id"] = fmt.Sprintf("f%03d", b.facts)
	f.json["at"] = at.Format(time.RFC3339Nano)
	if r.what == rules.Enrolled.String() {
		f.json["member_id"], f.json["card_tokens"] = r.of.account, []string{defaultCard}
	}
	ofProgramme := r.what == rules.Enrolled.String() || r.what == rules.CycleClosed.String() || r.what == rules.PayoutReleased.String()
	if only := b.scenario.settings.programme; ofProgramme && only != "" {
		f.json["programme"] = only
	}
	for i := 0; i < len(rest); i++ {
		w := rest[i]
		subject, takes := subjects[r.what]
		switch {
		case w.name != "":
			f.factField(w)
		case numberForm.MatchString(w.text) && !w.quoted && i+1 < len(rest) && rest[i+1].name == "":
			f.factAmount(r.what, w, rest[i+1])
			i++
		case takes:
			f.json[subject] = w.text
		default:
			b.fault(r.line, w.column, "%q says nothing that a fact %s has: write field=value", w.text, r.what)
		}
	}
	if id, ok := f.json["transaction_id"].(string); ok {
		r.of.transaction = id
	}
	if _, said := f.json["programme"]; ofProgramme && !said {
		b.fault(r.line, 1, "the catalogue has several programmes: write programme=ID with one of them")
	}
	f.setLater()
}

// fields are those of one record on their way to JSON.
type fields struct {
	*builder
	line    int
	json    map[string]any
	later   []func() // what goes into objects that others write whole
	times   int
	kafkaMS int64
}

func (f *fields) setLater() {
	for _, set := range f.later {
		set()
	}
}

// amount reads `100.00 EUR`.
func (f *fields) amount(number, code word) (minor int64, currency string, ok bool) {
	c, known := money.ParseCurrency(code.text)
	if !known {
		f.fault(f.line, code.column, "%q is no currency: write an amount and its ISO 4217 code, such as 12.50 EUR", code.text)
		return 0, "", false
	}
	minor, err := money.ParseMinor(number.text, c)
	if err != nil {
		f.fault(f.line, number.column, "%v: write it such as 12.50 EUR", err)
	}
	return minor, code.text, err == nil
}

func (f *fields) factAmount(what string, number, unit word) {
	if _, known := money.ParseCurrency(unit.text); known {
		minor, currency, ok := f.amount(number, unit)
		name := "unit"
		if what == rules.Adjustment.String() {
			name = "currency"
		}
		if ok {
			f.json["amount_minor"], f.json[name] = minor, currency
		}
		return
	}
	units, ok := f.scenario.settings.units(number.text, unit.text)
	if !ok {
		sample := f.scenario.settings.quantity(500, unit.text)
		f.fault(f.line, number.column, "%q is no number of %s, which have %d decimals: write it such as %s", number.text, unit.text, sample.decimals, sample)
	}
	f.json["amount_minor"], f.json["unit"] = units, unit.text
}

func (f *fields) eventField(w word) {
	switch {
	case w.name == "" && w.text == "declined":
		f.json["approved"] = false
	case w.name == "":
		f.fault(f.line, w.column, "%q says nothing that an event has: write field=value, such as channel=online", w.text)
	case w.name == "cards":
		f.fault(f.line, w.column, "an event has one card: write card=%s", w.text)
	case w.name == "card":
		f.json["card_token"] = w.text
	case w.name == "mcc", w.name == "country":
		w.name, w.quoted = "merchant."+w.name, true // a code, not a number
		f.set(w)
	case w.name == "items" && !strings.HasPrefix(w.text, "["):
		f.items(w)
	case w.name == "original":
		f.json["original_transaction_id"] = w.text
	case w.name == "purchased":
		f.json["purchased_at"] = f.when(w)
	case w.name == "billing":
		m := amountForm.FindStringSubmatch(w.text)
		if m == nil {
			f.fault(f.line, w.column, "%q is no amount: write it such as billing=18.00EUR", w.text)
			return
		}
		if minor, currency, ok := f.amount(word{column: w.column, text: m[1]}, word{column: w.column, text: m[2]}); ok {
			f.json["billing_amount_minor"], f.json["billing_currency"] = minor, currency
		}
	default:
		f.field(w, "event_id")
	}
}

var itemForm = regexp.MustCompile(`^(?:(.*\S) +)?([+-]?\d+(?:\.\d+)?) ?([A-Z]{3})$`)

// items reads `bread 4.00 EUR, cheese 6.00 EUR, 1.00 EUR`: what has no word in
// front has no category.
func (f *fields) items(w word) {
	var items []map[string]any
	for text := range strings.SplitSeq(w.text, ",") {
		text = strings.TrimSpace(text)
		m := itemForm.FindStringSubmatch(text)
		if m == nil {
			f.fault(f.line, w.column, "%q is no article: write its category and its amount, such as items=\"bread 4.00 EUR, cheese 6.00 EUR\"", text)
			continue
		}
		minor, currency, ok := f.amount(word{column: w.column, text: m[2]}, word{column: w.column, text: m[3]})
		if ok && f.json["currency"] != nil && currency != f.json["currency"] {
			f.fault(f.line, w.column, "%q is not in the currency of the event: write it in %v", text, f.json["currency"])
		}
		item := map[string]any{"amount_minor": minor}
		if m[1] != "" {
			item["category"] = m[1]
		}
		items = append(items, item)
	}
	f.json["items"] = items
}

func (f *fields) factField(w word) {
	list := func(c rune) bool { return c == ',' }
	switch {
	case w.name == "card":
		f.json["card_token"] = w.text
	case w.name == "cards":
		f.json["card_tokens"] = strings.FieldsFunc(w.text, list)
	case w.name == "segments" && !strings.HasPrefix(w.text, "["):
		f.json["segments"] = strings.FieldsFunc(w.text, list)
	case w.name == "sponsor":
		f.json["sponsor_account_id"] = w.text
	default:
		f.field(w, "fact_id")
	}
}

// field is one that any record has, by its name on the wire.
func (f *fields) field(w word, idName string) {
	switch w.name {
	case "id":
		f.json[idName] = w.text
	case "times":
		n, err := strconv.Atoi(w.text)
		if err != nil || n < 1 || n > maxTimes {
			f.fault(f.line, w.column, "times=%s: write a whole number from 1 to %d", w.text, maxTimes)
			return
		}
		f.times = n
	case "recorded":
		if at, err := parseWhen(w.text, f.scenario.settings.zone); err != nil {
			f.fault(f.line, w.column, "%v", err)
		} else {
			f.kafkaMS = at.UnixMilli()
		}
	default:
		f.set(w)
	}
}

// set puts a value at a path such as merchant.mcc.
func (f *fields) set(w word) {
	var value any
	if decoder := json.NewDecoder(strings.NewReader(w.text)); w.quoted || !json.Valid([]byte(w.text)) {
		value = w.text
	} else {
		decoder.UseNumber()
		_ = decoder.Decode(&value) // it is valid
	}
	outer, inner, nested := strings.Cut(w.name, ".")
	if !nested {
		f.json[outer] = value
		return
	}
	f.later = append(f.later, func() {
		object := map[string]any{}
		if former, ok := f.json[outer].(map[string]any); ok {
			for k, v := range former { // it may be another record's too
				object[k] = v
			}
		}
		object[inner] = value
		f.json[outer] = object
	})
}

func (f *fields) when(w word) string {
	at, err := parseWhen(w.text, f.scenario.settings.zone)
	if err != nil {
		f.fault(f.line, w.column, "%v", err)
	}
	return at.Format(time.RFC3339Nano)
}

// encode makes the JSON, once for each time the record is sent.
func (f *fields) encode() [][]byte {
	idName := "event_id"
	for _, name := range [...]string{"fact_id", "instruction_id"} {
		if f.json[name] != nil {
			idName = name
		}
	}
	id := f.json[idName]
	values := make([][]byte, 0, f.times)
	for n := range f.times {
		if f.times > 1 {
			f.json[idName] = fmt.Sprintf("%v-%0*d", id, len(strconv.Itoa(f.times)), n+1)
		}
		value, err := json.Marshal(f.json)
		if err != nil {
			f.fault(f.line, 1, "this record can't be written as JSON: %v", err)
			return nil
		}
		values = append(values, value)
	}
	return values
}

var whenLayouts = []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05"}

// parseWhen reads a date, or a date and a time, of the zone; or with an offset.
func parseWhen(text string, zone *time.Location) (time.Time, error) {
	for _, layout := range whenLayouts {
		if at, err := time.Parse(layout+"Z07:00", text); err == nil {
			return at, nil
		}
		wall, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		return onClock(wall, text, zone)
	}
	return time.Time{}, fmt.Errorf("%q is no date: write 2026-01-31, 2026-01-31 16:00:00, or 2026-01-31 16:00:00+01:00", text)
}

// onClock is the one instant at which the clock of the zone shows wall.
func onClock(wall time.Time, text string, zone *time.Location) (time.Time, error) {
	var found []time.Time
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(near).In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if at.Format("2006-01-02T15:04:05.999999999") == wall.Format("2006-01-02T15:04:05.999999999") &&
			(len(found) == 0 || !found[0].Equal(at)) {
			found = append(found, at)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return wall, fmt.Errorf("no clock in %s shows %s, which is skipped on that day: write it with an offset, such as %s", zone, text, text+"+01:00")
	}
	return wall, fmt.Errorf("the clocks in %s show %s twice: write it with an offset, %s or %s", zone, text, text+found[0].Format("-07:00"), text+found[1].Format("-07:00"))
}
