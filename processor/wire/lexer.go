package wire

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// maxDepth bounds recursion: how many objects and lists may lie in each other.
const maxDepth = 64

type kind uint8

// The kinds of a JSON value. absent is the zero value: the field was not there.
const (
	absent kind = iota
	null
	boolean
	number
	text
	object
	list
)

var kindNames = [...]string{"nothing", "null", "true or false", "a number", "a string", "an object", "a list"}

// token is where the value of a known field lies and what it is.
type token struct {
	kind kind
	// odd marks what the plain case lacks: a text with escapes, a number with
	// a fraction or an exponent, the boolean true.
	odd        bool
	start, end uint32 // in the record; of a text without its quotes
}

// unknown is the index of all fields that a record type doesn't have.
const unknown = 0

// record is what the decoder knows about one kind of JSON object: its fields,
// and the tokens of the one that was read last. For the elements of a list,
// tokens holds a row for each.
type record struct {
	fields []field
	path   string // "merchant", "items"; empty: the record itself
	isList bool
	inner  []*record // by field: the record that is its value, or the rows
	byName map[string]uint8
	quoted []string // by field: the name in its quotes, and the colon
	// next guesses which field follows which, from the objects before: a bank
	// writes its fields in one order, so one comparison finds the name. The
	// last entry stands for the start of the object.
	next   []uint8
	tokens []token
	row    int      // offset of the current row in tokens
	needed uint32   // bit per field
	alikes []uint64 // by field: ids seen that look like card numbers
}

func newRecord(path string, fields []field) *record {
	n := len(fields)
	r := &record{
		fields: fields, path: path,
		inner: make([]*record, n), byName: make(map[string]uint8, n), quoted: make([]string, n),
		next: make([]uint8, n+1), tokens: make([]token, n), alikes: make([]uint64, n),
	}
	for f := 1; f < n; f++ {
		r.byName[fields[f].name] = uint8(f)
		r.quoted[f] = `"` + fields[f].name + `":`
		r.next[f] = uint8(f%(n-1) + 1)
		if fields[f].needed {
			r.needed |= 1 << f
		}
	}
	r.next[unknown], r.next[n] = 1, 1
	return r
}

// token is the value of a field in the current row.
func (r *record) token(f uint8) *token { return &r.tokens[r.row+int(f)] }

// rows is how many elements a list had, up to the most that are kept.
func (r *record) rows() int { return len(r.tokens) / len(r.fields) }

// name is an unknown field's name, and where it ends in the record.
type name struct {
	text string
	end  int
}

// lex reads d.src whole into the tokens of r and reports whether it is JSON.
// A name that comes twice is noted as the fault, and reading goes on.
func (d *Decoder) lex(r *record) bool {
	clear(r.tokens)
	for _, inner := range r.inner {
		if inner == nil {
			continue
		}
		inner.row = 0
		if inner.isList {
			inner.tokens = inner.tokens[:0]
		} else {
			clear(inner.tokens)
		}
	}
	d.names = d.names[:0]
	i := skipSpace(d.src, 0)
	if i == len(d.src) || d.src[i] != '{' {
		return d.stop(ReasonJSON, 0, cmp.Or(otherForm(d.src), "the value must be one JSON object")) >= 0
	}
	if i = d.lexRecord(i, r, 1); i < 0 {
		if form := otherForm(d.src); form != "" {
			d.stop(ReasonJSON, 0, form)
		}
		return false
	}
	if i = skipSpace(d.src, i); i != len(d.src) {
		return d.stop(ReasonJSON, i, "something follows the JSON object: send one object per record") >= 0
	}
	return true
}

// stop notes a fault of the grammar, which hides any other, and returns -1.
func (d *Decoder) stop(reason string, at int, detail string) int {
	d.fault = Fault{Reason: reason, Field: pathAt(d.src, at), Detail: detail}
	return -1
}

func (d *Decoder) badJSON(at int, wanted string) int {
	if at >= len(d.src) {
		return d.stop(ReasonJSON, len(d.src), "the record ends in the middle: send it whole")
	}
	return d.stop(ReasonJSON, at, "no JSON: "+wanted+" should stand here")
}

// lexRecord reads the object of a known record that begins at i. Like all
// lex functions it returns the index behind the value, or -1.
func (d *Decoder) lexRecord(i int, r *record, depth int) int {
	b := d.src
	tokens := r.tokens[r.row : r.row+len(r.fields)]
	firstName := len(d.names)
	before := uint8(len(r.fields))
	i++
	if i = skipSpace(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		f := r.next[before]
		if q := r.quoted[f]; len(b)-i >= len(q) && string(b[i:i+len(q)]) == q {
			i += len(q)
			if i < len(b) && b[i] <= ' ' {
				i = skipSpace(b, i)
			}
		} else {
			if f, i = d.lexName(i, r); i < 0 {
				return -1
			}
			if f != unknown {
				r.next[before] = f
			}
		}
		before = f
		t := &tokens[f]
		if t.kind != absent && f != unknown {
			d.duplicate(i)
		}
		if i < len(b) && b[i] == '"' {
			if i = d.lexText(i, t); t.start == t.end {
				t.kind = null // an empty text is as if the field were absent
			}
		} else if inner := r.inner[f]; inner == nil {
			i = d.lexValue(i, t, depth)
		} else {
			i = d.lexInner(i, t, inner, depth)
		}
		if i < 0 {
			return -1
		}
		if i < len(b) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
			continue
		}
		if i < len(b) && b[i] == '}' {
			d.closeNames(firstName)
			return i + 1
		}
		return d.badJSON(i, "a comma or a closing brace")
	}
}

// lexName reads a name that was not the one guessed, and its colon.
func (d *Decoder) lexName(i int, r *record) (f uint8, end int) {
	s, i := d.lexNameText(i)
	if i < 0 {
		return unknown, -1
	}
	f, known := r.byName[s]
	if !known {
		d.names = append(d.names, name{s, i})
	}
	return f, d.skipColon(i)
}

func (d *Decoder) lexNameText(i int) (string, int) {
	if i >= len(d.src) || d.src[i] != '"' {
		return "", d.badJSON(i, "a name in quotes")
	}
	var t token
	if i = d.lexText(i, &t); i < 0 {
		return "", -1
	}
	return d.textOf(&t), i
}

// lexInner reads the value of a field that should be a record or a list of
// records.
func (d *Decoder) lexInner(i int, t *token, inner *record, depth int) int {
	b := d.src
	switch {
	case i >= len(b):
	case b[i] == '{' && !inner.isList:
		t.kind = object
		return d.lexRecord(i, inner, depth+1)
	case b[i] == '[' && inner.isList:
		t.kind, inner.tokens = list, inner.tokens[:0]
		return d.lexRows(i, inner, depth+1)
	}
	return d.lexValue(i, t, depth)
}

// lexRows reads a list of records into rows of tokens; elements beyond one
// more than the most allowed are only skipped. Slot 0 of a row tells what the
// element is.
func (d *Decoder) lexRows(i int, r *record, depth int) int {
	b, width := d.src, len(r.fields)
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		var element token
		if r.rows() <= maxItems && i < len(b) && b[i] == '{' {
			r.row = len(r.tokens)
			for range width {
				r.tokens = append(r.tokens, token{})
			}
			i = d.lexRecord(i, r, depth+1)
			if i >= 0 {
				r.tokens[r.row].kind = object
			}
		} else if i = d.lexValue(i, &element, depth); i >= 0 && r.rows() <= maxItems {
			r.tokens = append(r.tokens, element)
			for range width - 1 {
				r.tokens = append(r.tokens, token{})
			}
		}
		if i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
			continue
		}
		if i < len(b) && b[i] == ']' {
			return i + 1
		}
		return d.badJSON(i, "a comma or a closing bracket")
	}
}

// lexValue reads any value at i into t.
func (d *Decoder) lexValue(i int, t *token, depth int) int {
	b := d.src
	if i >= len(b) {
		return d.badJSON(i, "a value")
	}
	switch c := b[i]; c {
	case '"':
		return d.lexText(i, t)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return d.lexNumber(i, t)
	case 't':
		return d.lexWord(i, "true", t, boolean)
	case 'f':
		return d.lexWord(i, "false", t, boolean)
	case 'n':
		return d.lexWord(i, "null", t, null)
	case '{', '[':
		start := i
		t.kind = list
		if c == '{' {
			t.kind = object
		}
		if depth >= maxDepth {
			return d.stop(ReasonDepth, i, "objects and lists lie more than 64 deep in each other: flatten the record")
		}
		if c == '{' {
			i = d.skipObject(i, depth+1)
		} else {
			i = d.skipList(i, depth+1)
		}
		t.start, t.end = uint32(start), uint32(i)
		return i
	}
	return d.badJSON(i, "a value")
}

func (d *Decoder) lexWord(i int, word string, t *token, k kind) int {
	if !strings.HasPrefix(view(d.src[i:]), word) {
		return d.badJSON(i, "true, false or null")
	}
	t.kind, t.odd = k, word == "true"
	return i + len(word)
}

// lexNumber reads a number by the grammar of RFC 8259.
func (d *Decoder) lexNumber(i int, t *token) int {
	b := d.src
	t.kind, t.odd, t.start = number, false, uint32(i)
	if b[i] == '-' {
		i++
	}
	whole := i
	if i = skipDigits(b, i); i == whole {
		return d.badJSON(i, "a digit")
	}
	if b[whole] == '0' && i > whole+1 {
		return d.badJSON(whole, "a number without leading zeros")
	}
	if i < len(b) && b[i] == '.' {
		t.odd = true
		fraction := i + 1
		if i = skipDigits(b, fraction); i == fraction {
			return d.badJSON(i, "a digit")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		t.odd = true
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := i
		if i = skipDigits(b, exponent); i == exponent {
			return d.badJSON(i, "a digit")
		}
	}
	t.end = uint32(i)
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// lexText reads a text whose opening quote is at i. The plain case, eight
// bytes at a time, ends at the closing quote; anything else is left to
// lexOddText.
func (d *Decoder) lexText(i int, t *token) int {
	b := d.src
	i++
	t.kind, t.odd, t.start = text, false, uint32(i)
	for len(b)-i >= 8 {
		if hit := special(binary.LittleEndian.Uint64(b[i:])); hit != 0 {
			i += bits.TrailingZeros64(hit) >> 3
			if b[i] == '"' {
				t.end = uint32(i)
				return i + 1
			}
			return d.lexOddText(i, t)
		}
		i += 8
	}
	return d.lexOddText(i, t)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes that end the plain case of a text: quote, backslash,
// control character, and what is not ASCII. Only the lowest mark is exact: a
// borrow may set marks above a true one.
func special(x uint64) uint64 {
	quote := x ^ ones*'"'
	slash := x ^ ones*'\\'
	return ((quote - ones) | (slash - ones) | (x - ones*' ') | x) & highs
}

// lexOddText goes on at i, byte by byte, through escapes and characters
// beyond ASCII.
func (d *Decoder) lexOddText(i int, t *token) int {
	b := d.src
	wide := false
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			if wide && !utf8.Valid(b[t.start:i]) {
				return d.stop(ReasonUTF8, int(t.start), "the text is no valid UTF-8: encode the record as UTF-8")
			}
			t.end = uint32(i)
			return i + 1
		case c == '\\':
			t.odd = true
			if i = d.lexEscape(i); i < 0 {
				return -1
			}
		case c < ' ':
			return d.badJSON(i, "an escape in place of a control character")
		case c >= utf8.RuneSelf:
			wide = true
		}
	}
	return d.badJSON(i, "a closing quote")
}

// lexEscape checks the escape at i and returns the index of its last byte.
func (d *Decoder) lexEscape(i int) int {
	b := d.src
	if i+1 >= len(b) {
		return d.badJSON(i+1, "an escape")
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
	default:
		return d.badJSON(i, "an escape that JSON knows")
	}
	unit, ok := hex4(b, i+2)
	if !ok {
		return d.badJSON(min(i+2, len(b)), "four hexadecimal digits")
	}
	if unit < surrogateMin || unit > surrogateMax {
		return i + 5
	}
	low, ok := uint32(0), false
	if unit < surrogateLow && i+7 < len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
		low, ok = hex4(b, i+8)
	}
	if !ok || low < surrogateLow || low > surrogateMax {
		return d.stop(ReasonUTF8, i, "a surrogate stands without its pair: write the character whole")
	}
	return i + 11
}

const (
	surrogateMin = 0xD800
	surrogateLow = 0xDC00
	surrogateMax = 0xDFFF
)

func hex4(b []byte, i int) (uint32, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	unit := uint32(0)
	for _, c := range b[i : i+4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		unit = unit<<4 | uint32(c)
	}
	return unit, true
}

// skipObject reads an object of which nothing is known.
func (d *Decoder) skipObject(i, depth int) int {
	b := d.src
	firstName := len(d.names)
	if i = skipSpace(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		s, end := d.lexNameText(i)
		if end < 0 {
			return -1
		}
		d.names = append(d.names, name{s, end})
		if i = d.skipColon(end); i < 0 {
			return -1
		}
		var t token
		if i = d.lexValue(i, &t, depth); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
			continue
		}
		if i < len(b) && b[i] == '}' {
			d.closeNames(firstName)
			return i + 1
		}
		return d.badJSON(i, "a comma or a closing brace")
	}
}

// skipList reads a list of which nothing is known.
func (d *Decoder) skipList(i, depth int) int {
	b := d.src
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		var t token
		if i = d.lexValue(i, &t, depth); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
			continue
		}
		if i < len(b) && b[i] == ']' {
			return i + 1
		}
		return d.badJSON(i, "a comma or a closing bracket")
	}
}

func (d *Decoder) skipColon(i int) int {
	b := d.src
	if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
		return d.badJSON(i, "a colon")
	}
	return skipSpace(b, i+1)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// closeNames ends an object whose unknown names begin at first: none of them
// may come twice. Many are sorted, so that a hostile record of ten thousand
// names costs no square of that.
func (d *Decoder) closeNames(first int) {
	names := d.names[first:]
	if len(names) > 16 {
		slices.SortFunc(names, func(a, b name) int {
			if c := strings.Compare(a.text, b.text); c != 0 {
				return c
			}
			return a.end - b.end
		})
		for i := 1; i < len(names); i++ {
			if names[i].text == names[i-1].text {
				d.duplicate(names[i].end)
			}
		}
	} else {
		for i := range names {
			for j := range i {
				if names[i].text == names[j].text {
					d.duplicate(names[i].end)
				}
			}
		}
	}
	d.names = d.names[:first]
}

// duplicate notes that the name that ends before end was there before.
func (d *Decoder) duplicate(end int) {
	if d.fault.Reason == "" {
		d.fault = Fault{
			Reason: ReasonDuplicateName, Field: pathAt(d.src, end),
			Detail: "the name stands twice in one object: send it once",
		}
	}
}

// textOf is the value of a text: a view into the record, or for one with
// escapes, into the scratch of the batch.
func (d *Decoder) textOf(t *token) string {
	if raw := d.src[t.start:t.end]; t.odd {
		return d.unescape(raw)
	} else {
		return view(raw)
	}
}

// view is b as a string, without a copy.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// unescape resolves the escapes of a text that the lexer has checked. When the
// scratch must grow, texts that lie in the old one stay as they are.
func (d *Decoder) unescape(raw []byte) string {
	start := len(d.scratch)
	d.scratch = appendUnescaped(d.scratch, raw)
	return view(d.scratch[start:])
}

func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			unit, _ := hex4(raw, i+1)
			i += 4
			if unit >= surrogateMin && unit <= surrogateMax {
				low, _ := hex4(raw, i+3)
				i += 6
				unit = (unit-surrogateMin)<<10 + (low - surrogateLow) + 0x10000
			}
			dst = utf8.AppendRune(dst, rune(unit))
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
