package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Limits of a record, which README.md states. They keep what is stored of one
// small.
const (
	DefaultMaxBytes = 64 << 10
	maxID           = 64  // characters
	maxText         = 256 // characters
	maxMerchantID   = 64  // characters: 15 in ISO 8583 field 42, more in issuer processors' feeds
	maxItems        = 200
	maxListed       = 1000 // card tokens or segments of one enrolment
	maxAmountMinor  = 1<<53 - 1
	maxAheadSeconds = 5 * 60
	keptScratch     = 1 << 20 // bytes; what a batch needed beyond goes back
)

// content is what a text field may hold, as far as card numbers go.
type content uint8

const (
	codes      content = iota // a closed set of words: can't hold one
	ids                       // may look like one: counted
	names                     // of what a catalogue has: none is so long a number, so it must hold none
	freeText                  // must hold none
	cardTokens                // must hold none outside of the allowed ranges
)

// field is one row of a record's table.
type field struct {
	name   string
	needed bool
	// min and max bound a text's characters or an integer's value.
	min, max int64
	holds    content
	// cut shortens a text that is too long: it describes and decides nothing.
	cut bool
}

// Options of a decoder.
type Options struct {
	// CardTokenRanges are the card tokens that look like card numbers and are
	// allowed.
	CardTokenRanges []rules.TokenRange
	// MaxBytes bounds a record; 0: DefaultMaxBytes.
	MaxBytes int
	// NoKeys is for records out of a file, which have no key to compare with
	// their account.
	NoKeys bool
}

// Decoder reads records for one shard. It is not safe for concurrent use.
type Decoder struct {
	options  Options
	event    *record
	fact     *record
	result   *record
	referral *record

	// Of the record at hand.
	src    []byte
	fault  Fault
	names  []name // unknown names of the objects that are open
	clock  Clock
	stamp  int64         // its Kafka timestamp; negative: none
	latest rules.Instant // of its dates, where there is a timestamp
	again  bool          // it was read before, and its look-alikes counted

	// Of the batch at hand: what decoded records point into.
	scratch []byte
	items   []rules.Item
	texts   []string
}

// NewDecoder makes the decoder of one shard.
func NewDecoder(o Options) *Decoder {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	return &Decoder{options: o, event: newEventRecord(), fact: newFactRecord(), result: newResultRecord(), referral: newReferralRecord()}
}

// SetCardTokenRanges replaces the allowed card tokens from the next record on.
func (d *Decoder) SetCardTokenRanges(ranges []rules.TokenRange) { d.options.CardTokenRanges = ranges }

// Reset starts a batch. What was decoded before must no longer be used.
func (d *Decoder) Reset() {
	clear(d.items)
	clear(d.texts)
	d.items, d.texts, d.scratch = d.items[:0], d.texts[:0], d.scratch[:0]
	if cap(d.scratch) > keptScratch {
		d.scratch = nil
	}
}

// ReadAgain says whether the records that follow were read before: their
// look-alikes are counted already.
func (d *Decoder) ReadAgain(again bool) { d.again = again }

// DrainLookAlikes tells how many ids looked like card numbers since the last
// call, by the path of their field ("account_id", "merchant.terminal_id").
// They are accepted: one random number in ten passes Luhn.
func (d *Decoder) DrainLookAlikes(count func(field string, n uint64)) {
	for _, r := range []*record{d.event, d.event.inner[eventMerchant], d.fact, d.result, d.referral} {
		for f, n := range r.alikes {
			if n > 0 {
				r.alikes[f] = 0
				count(r.pathOf(uint8(f)), n)
			}
		}
	}
}

// read starts on a record and reports whether its fields can be judged.
func (d *Decoder) read(value []byte, kafkaMillis int64, r *record) bool {
	d.src, d.fault = value, Fault{}
	if d.stamp = kafkaMillis; kafkaMillis >= 0 {
		d.latest = rules.InstantOfMillis(d.clock.limit(kafkaMillis)).AddSeconds(maxAheadSeconds)
	}
	switch {
	case len(value) == 0:
		d.fault = Fault{Reason: ReasonEmpty, Detail: "the record has no value: these topics take no tombstones"}
		return false
	case len(value) > d.options.MaxBytes:
		d.fault = Fault{
			Reason: ReasonTooLarge,
			Detail: fmt.Sprintf("the value has %d bytes, more than %d: send less in one record", len(value), d.options.MaxBytes),
		}
		return false
	}
	return d.lex(r)
}

// verdict is the fault of a record that was read whole, or nil.
func (d *Decoder) verdict() *Fault {
	if d.fault.Reason == "" {
		return nil
	}
	inFields := d.fault.Reason == ReasonCardNumber && d.fault.Field != keyField
	d.fault.KeepBytes = !inFields && !d.looksLikeCardAnywhere()
	if !d.fault.KeepBytes && !inFields {
		d.fault.Detail += "; the record holds something that looks like a card number, so its bytes are not kept"
	}
	return &d.fault
}

// MayKeep reports whether the bytes of a record that was decoded without a
// fault, and is refused for what other records say, may be kept: an unknown
// field, which decoding ignores, may hold a card number.
func (d *Decoder) MayKeep(value []byte) bool {
	d.src, d.fault = value, Fault{}
	return !d.looksLikeCardAnywhere()
}

// looksLikeCardAnywhere looks at every text, name and number of a record that
// is whole JSON.
func (d *Decoder) looksLikeCardAnywhere() bool {
	var t token
	for i := 0; i < len(d.src); {
		switch c := d.src[i]; {
		case c == '"':
			i = d.lexText(i, &t)
		case c == '-' || c-'0' <= 9:
			i = d.lexNumber(i, &t)
		default:
			i++
			continue
		}
		if i < 0 {
			return true // no JSON after all: nothing is known of it
		}
		s := view(appendUnescaped(nil, d.src[t.start:t.end]))
		if holdsCardNumber(s) && !allowedToken(s, d.options.CardTokenRanges) {
			return true
		}
		if t.kind == number && t.odd {
			if q, ok := parseDecimal(s); ok && q.isCardNumber() {
				return true
			}
		}
	}
	return false
}

// pathOf is the path of a field in the current row.
func (r *record) pathOf(f uint8) string {
	switch {
	case r.isList:
		return fmt.Sprintf("%s[%d].%s", r.path, r.row/len(r.fields), r.fields[f].name)
	case r.path != "":
		return r.path + "." + r.fields[f].name
	}
	return r.fields[f].name
}

// refuse notes what is wrong with a field.
func (d *Decoder) refuse(r *record, f uint8, reason, detail string) {
	d.refuseAt(r.pathOf(f), reason, detail)
}

// refuseAt notes the first fault of the record; a card number hides any other.
func (d *Decoder) refuseAt(path, reason, detail string) {
	if d.fault.Reason == "" || reason == ReasonCardNumber && d.fault.Reason != ReasonCardNumber {
		d.fault = Fault{Reason: reason, Field: path, Detail: detail}
	}
}

// has reports whether field f is there with a value of kind want, and notes
// the fault where it is needed and absent, or of another kind.
func (d *Decoder) has(r *record, f uint8, want kind) bool {
	t := r.token(f)
	return t.kind == want || d.lacks(r, f, want)
}

// lacks is has for a value that is not of kind want; it returns false.
func (d *Decoder) lacks(r *record, f uint8, want kind) bool {
	if is := r.token(f).kind; is != absent && is != null {
		d.refuse(r, f, ReasonType, mustBe(want, is))
	} else if r.needed>>f&1 == 1 {
		d.refuse(r, f, ReasonMissing, "it is needed: send "+kindNames[want])
	}
	return false
}

func mustBe(want, is kind) string { return "it must be " + kindNames[want] + ", not " + kindNames[is] }

// text is the value of a text field; empty where it is absent.
func (d *Decoder) text(r *record, f uint8) string {
	t := r.token(f)
	if t.kind != text {
		d.lacks(r, f, text)
		return ""
	}
	s := d.textOf(t)
	if len(s) >= minCardDigits && !d.mayHold(r, f, s) {
		d.refuse(r, f, ReasonCardNumber, cardNumberDetail(&r.fields[f]))
	}
	if int64(len(s)) > r.fields[f].max {
		s = d.limitLength(r, f, s)
	}
	return s
}

// limitLength cuts a text that has too many characters where that changes
// nothing, and refuses it else.
func (d *Decoder) limitLength(r *record, f uint8, s string) string {
	rule, n := &r.fields[f], int64(0)
	for at := range s {
		if n++; n <= rule.max {
			continue
		}
		if rule.cut {
			return s[:at]
		}
		d.refuse(r, f, ReasonLength, lengthDetail(rule))
		break
	}
	return s
}

func lengthDetail(rule *field) string {
	return fmt.Sprintf("it must have 1 to %d characters", rule.max)
}

// mayHold is false where s holds a card number that has no business in field
// f. Ids that look like one are counted.
func (d *Decoder) mayHold(r *record, f uint8, s string) bool {
	if !holdsCardNumber(s) {
		return true
	}
	switch r.fields[f].holds {
	case ids:
		if !d.again {
			r.alikes[f]++
		}
		return true
	case cardTokens:
		return allowedToken(s, d.options.CardTokenRanges)
	}
	return false
}

func cardNumberDetail(rule *field) string {
	if rule.holds == cardTokens {
		return "it holds a card number: send a token in its place " +
			"(tokens that look like card numbers need a token range in the programme)"
	}
	return "it holds a card number, or what can't be told from one: leave it out"
}

// word is the value of a field that holds one of a closed set of words or a
// code; ok where it is there.
func (d *Decoder) word(r *record, f uint8) (s string, ok bool) {
	t := r.token(f)
	if t.kind != text {
		return "", d.lacks(r, f, text)
	}
	return d.textOf(t), true
}

// integer is the value of an integer field; 0 where it is absent.
func (d *Decoder) integer(r *record, f uint8) int64 {
	if !d.has(r, f, number) {
		return 0
	}
	t, rule := r.token(f), &r.fields[f]
	if t.odd {
		d.refuse(r, f, ReasonType, integerDetail(rule))
		return 0
	}
	n, fits := parseInteger(d.src[t.start:t.end])
	if !fits || n < rule.min || n > rule.max {
		d.refuse(r, f, ReasonRange, rangeDetail(rule, d.src[t.start] == '-'))
		return 0
	}
	if t.end-t.start >= minCardDigits && !d.again && holdsCardNumber(view(d.src[t.start:t.end])) {
		r.alikes[f]++
	}
	return n
}

func integerDetail(rule *field) string {
	detail := "it must be an integer, written without fraction and exponent"
	if isAmount(rule) {
		detail += ": amounts count minor units of their currency (100.00 EUR is 10000, 100 JPY is 100)"
	}
	return detail
}

func rangeDetail(rule *field, negative bool) string {
	detail := fmt.Sprintf("it must be from %d to %d", rule.min, rule.max)
	if isAmount(rule) && negative && rule.min == 0 {
		detail += ": the type gives the sign, so send the amount of a refund or a reversal without its minus"
	}
	return detail
}

func isAmount(rule *field) bool { return strings.HasSuffix(rule.name, "amount_minor") }

// parseInteger reads an integer that the lexer has checked; it fits when its
// magnitude is at most 10^18-1.
func parseInteger(b []byte) (n int64, fits bool) {
	negative := b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) > 18 {
		return 0, false
	}
	for _, digit := range b {
		n = n*10 + int64(digit-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// currency is the value of a currency field; zero where it is absent.
func (d *Decoder) currency(r *record, f uint8) money.Currency {
	s, ok := d.word(r, f)
	if !ok {
		return money.Currency{}
	}
	c, known := money.ParseCurrency(s)
	if !known {
		d.refuse(r, f, ReasonCurrency, "it must be an alphabetic code of ISO 4217 in upper case")
	}
	return c
}

// instant is the value of an instant field; ok where it is there and sound.
func (d *Decoder) instant(r *record, f uint8) (at rules.Instant, ok bool) {
	s, ok := d.word(r, f)
	if !ok {
		return at, false
	}
	if at, ok = parseInstant(s); !ok {
		d.refuse(r, f, ReasonTime, "it must be an instant of RFC 3339 with its offset and at most 9 digits of fraction, "+
			"as 2006-01-02T15:04:05.999Z")
		return at, false
	}
	if d.stamp >= 0 && at.After(d.latest) {
		d.refuse(r, f, ReasonAhead, d.clock.aheadDetail(at, d.stamp))
		return at, false
	}
	return at, true
}

// account checks that the record came under the key of its account.
func (d *Decoder) account(r *record, f uint8, key []byte) string {
	account := d.text(r, f)
	if !d.options.NoKeys && r.token(f).kind == text && account != view(key) {
		d.refuseKey(r, f, account, view(key))
	}
	return account
}

// textList is the value of a field that lists texts, each by the rules of the
// field.
func (d *Decoder) textList(r *record, f uint8) []string {
	if !d.has(r, f, list) {
		return nil
	}
	rule, first := &r.fields[f], len(d.texts)
	i := skipSpace(d.src, int(r.token(f).start)+1)
	for n := 0; d.src[i] != ']'; n++ {
		var t token
		if i = skipSpace(d.src, d.lexValue(i, &t, 1)); d.src[i] == ',' {
			i = skipSpace(d.src, i+1)
		}
		if t.kind == null || t.kind == text && t.start == t.end {
			continue // nothing, as in a field: a text of none, split at its commas, gives one such
		}
		if len(d.texts)-first == maxListed {
			d.refuse(r, f, ReasonLength, fmt.Sprintf("it must have at most %d elements", maxListed))
			break
		}
		s, element := "", func() string { return fmt.Sprintf("%s[%d]", r.pathOf(f), n) }
		if t.kind != text {
			d.refuseAt(element(), ReasonType, mustBe(text, t.kind))
		} else if s = d.textOf(&t); utf8.RuneCountInString(s) > int(rule.max) {
			d.refuseAt(element(), ReasonLength, lengthDetail(rule))
		} else if !d.mayHold(r, f, s) {
			d.refuseAt(element(), ReasonCardNumber, cardNumberDetail(rule))
		}
		d.texts = append(d.texts, s)
	}
	if first == len(d.texts) {
		return nil
	}
	return d.texts[first:len(d.texts):len(d.texts)]
}

// oneOf tells which words an enum takes.
func oneOf[T interface {
	~uint8
	fmt.Stringer
}](first, last T,
) string {
	var words []string
	for w := first; w <= last; w++ {
		words = append(words, w.String())
	}
	return "it must be one of " + strings.Join(words, ", ")
}
