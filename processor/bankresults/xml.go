package bankresults

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
)

const isoSpace = "urn:iso:std:iso:20022:tech:xsd:"

// forms are the messages that are read, each with the element that it is.
var forms = map[string]struct {
	report string
	read   func(*xmlReader, *File) error
}{
	"pain.002.001.03": {"CstmrPmtStsRpt", (*xmlReader).statusReport},
	"pain.002.001.10": {"CstmrPmtStsRpt", (*xmlReader).statusReport},
	"camt.054.001.02": {"BkToCstmrDbtCdtNtfctn", (*xmlReader).notification},
	"camt.054.001.08": {"BkToCstmrDbtCdtNtfctn", (*xmlReader).notification},
}

// readForms names them for a person.
const readForms = "pain.002.001.03, pain.002.001.10, camt.054.001.02, camt.054.001.08 and CSV are read"

// xmlReader reads a message element by element, knows where it is, and lets nothing
// through that a status report has no use for: DTDs with their entities, depths and
// texts that only exhaust.
type xmlReader struct {
	path  string
	in    *xml.Decoder // of the bytes: knows the place
	of    *xml.Decoder // of the tokens that are let through
	depth int
}

func (f *File) readXML(path string, in *bufio.Reader) error {
	r := &xmlReader{path: path, in: xml.NewDecoder(in)}
	r.in.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("it is written in %s: have the bank send UTF-8", charset)
	}
	r.of = xml.NewTokenDecoder(r)
	err := r.document(f)
	var fault *fileFault
	if err == nil || errors.As(err, &fault) {
		return err
	}
	return r.fault("%s", explain(err))
}

// explain says in plain words what the library found.
func explain(err error) string {
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF"), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle: the file is cut off. Nothing of it was taken; fetch it again"
	case errors.As(err, &syntax) && strings.Contains(syntax.Msg, "entity"):
		return "it uses an entity that XML doesn't have: a status report needs none (" + syntax.Msg + ")"
	case errors.As(err, &syntax):
		return "it is no well-formed XML: " + syntax.Msg
	}
	return err.Error()
}

func (r *xmlReader) fault(format string, args ...any) error {
	line, column := r.in.InputPos()
	return &fileFault{File: r.path, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// Token lets one token through.
func (r *xmlReader) Token() (xml.Token, error) {
	token, err := r.in.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case xml.Directive:
		return nil, r.fault("it has a DTD (<!%.20s...): entities could bring in anything, and a status report has none", t)
	case xml.StartElement:
		if r.depth++; r.depth > maxDepth {
			return nil, r.fault("elements lie more than %d deep in one another, which no status report needs", maxDepth)
		}
	case xml.EndElement:
		r.depth--
	case xml.CharData:
		if len(t) > maxText && strings.TrimSpace(string(t)) != "" {
			return nil, r.fault("a text of %d bytes, over the limit of %d", len(t), maxText)
		}
	}
	return token, nil
}

// next is the next element inside the one that was entered last; false: that ends.
func (r *xmlReader) next() (start xml.StartElement, more bool, err error) {
	for {
		token, err := r.of.Token()
		if err != nil {
			return start, false, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			return t, true, nil
		case xml.EndElement:
			return start, false, nil
		}
	}
}

// each visits the elements inside the one that was entered last. visit must read the
// whole of each; nil elements of it are left out.
func (r *xmlReader) each(visit func(name string, start *xml.StartElement) (read bool, err error)) error {
	for {
		start, more, err := r.next()
		if err != nil || !more {
			return err
		}
		read, err := visit(start.Name.Local, &start)
		if err == nil && !read {
			err = r.of.Skip()
		}
		if err != nil {
			return err
		}
	}
}

// decode reads one element into a struct.
func (r *xmlReader) decode(into any, start *xml.StartElement) (bool, error) {
	return true, r.of.DecodeElement(into, start)
}

func (r *xmlReader) document(f *File) error {
	start, err := r.root()
	if err != nil {
		return err
	}
	name, iso := strings.CutPrefix(start.Name.Space, isoSpace)
	form, known := forms[name]
	switch {
	case start.Name.Local != "Document" || !iso:
		return r.fault("it begins with <%s> of %q, which is no message of ISO 20022: %s", start.Name.Local, start.Name.Space, readForms)
	case !known:
		return r.fault("it is %s, a message or version that isn't known here: %s", name, readForms)
	}
	f.Form = name
	found := false
	err = r.each(func(name string, _ *xml.StartElement) (bool, error) {
		if name != form.report || found {
			return false, r.fault("<%s> where one <%s> belongs", name, form.report)
		}
		found = true
		return true, form.read(r, f)
	})
	if err != nil {
		return err
	}
	if !found {
		return r.fault("it has no <%s>", form.report)
	}
	return r.end()
}

// root is the outermost element.
func (r *xmlReader) root() (xml.StartElement, error) {
	for {
		token, err := r.of.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, is := token.(xml.StartElement); is {
			return start, nil
		}
	}
}

// end makes sure that nothing follows the outermost element.
func (r *xmlReader) end() error {
	for {
		token, err := r.of.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text, isText := token.(xml.CharData)
		if _, isComment := token.(xml.Comment); !isComment && (!isText || strings.TrimSpace(string(text)) != "") {
			return r.fault("something follows the end of the message")
		}
	}
}

// header is what begins each message.
type header struct {
	MessageID string `xml:"MsgId"`
	Created   string `xml:"CreDtTm"`
}

func (r *xmlReader) header(start *xml.StartElement) (h header, at Stamp, err error) {
	if _, err := r.decode(&h, start); err != nil {
		return h, at, err
	}
	if h.MessageID = strings.TrimSpace(h.MessageID); h.MessageID == "" {
		return h, at, r.fault("<%s> has no MsgId", start.Name.Local)
	}
	at, err = r.stamp("CreDtTm", h.Created)
	return h, at, err
}

func (r *xmlReader) stamp(element, text string) (Stamp, error) {
	at, err := parseStamp(strings.TrimSpace(text))
	if err != nil {
		return at, r.fault("%s is %q: %v", element, text, err)
	}
	return at, nil
}

// amount is an amount with its currency.
type amount struct {
	Text     string `xml:",chardata"`
	Currency string `xml:"Ccy,attr"`
}

func (r *xmlReader) amount(a *amount) (*Amount, error) {
	if a == nil || strings.TrimSpace(a.Text) == "" {
		return nil, nil
	}
	currency, ok := money.ParseCurrency(a.Currency)
	if !ok {
		return nil, r.fault("Ccy is %q, which is no currency of ISO 4217", a.Currency)
	}
	minor, err := money.ParseMinor(strings.TrimSpace(a.Text), currency)
	if err != nil {
		return nil, r.fault("%v", err)
	}
	return &Amount{minor, currency}, nil
}

// reason is why: a code of ISO 20022's lists, or one of the bank's own.
type reason struct {
	Code        string `xml:"Rsn>Cd"`
	Proprietary string `xml:"Rsn>Prtry"`
}

// firstReason is the first of them, but that the bank has seen it before tells most.
func firstReason(all []reason) (first string) {
	for _, r := range all {
		text := strings.TrimSpace(firstText(r.Code, r.Proprietary))
		if slices.Contains(duplicates, text) {
			return text
		}
		first = cmp.Or(first, text)
	}
	return first
}

func (f *File) add(r *xmlReader, w Word) error {
	if len(f.Words) == maxWords {
		return r.fault("it speaks of more than %d instructions: have the bank split it", maxWords)
	}
	f.Words = append(f.Words, w)
	return nil
}

// perStatus is how many of a message's instructions have a status.
type perStatus struct {
	Number string `xml:"DtldNbOfTxs"`
	Status string `xml:"DtldSts"`
}

// original is what a pain.002 says of a message, or of a block of it.
type original struct {
	MessageID string      `xml:"OrgnlMsgId"`
	Total     string      `xml:"OrgnlNbOfTxs"`
	Group     string      `xml:"GrpSts"`
	Reasons   []reason    `xml:"StsRsnInf"`
	Counts    []perStatus `xml:"NbOfTxsPerSts"`
}

// transaction is what it says of one instruction.
type transaction struct {
	EndToEndID  string   `xml:"OrgnlEndToEndId"`
	Instruction string   `xml:"OrgnlInstrId"`
	Status      string   `xml:"TxSts"`
	Reasons     []reason `xml:"StsRsnInf"`
	Amount      *amount  `xml:"OrgnlTxRef>Amt>InstdAmt"`
}

// statusReport reads a pain.002. The codes of a block stand over those of the group,
// an instruction's over both.
func (r *xmlReader) statusReport(f *File) error {
	var at Stamp
	var m *Message
	err := r.each(func(name string, start *xml.StartElement) (read bool, err error) {
		switch name {
		case "GrpHdr":
			var h header
			h, at, err = r.header(start)
			f.MessageID = h.MessageID
		case "OrgnlGrpInfAndSts":
			if m != nil || f.MessageID == "" {
				return true, r.fault("<%s> stands where it doesn't belong: after GrpHdr, once", name)
			}
			var of original
			line, _ := r.in.InputPos()
			if _, err := r.decode(&of, start); err != nil {
				return true, err
			}
			m, err = r.message(&of, line, at)
		case "OrgnlPmtInfAndSts":
			if m == nil {
				return true, r.fault("<%s> stands before OrgnlGrpInfAndSts", name)
			}
			err = r.block(f, m)
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	if m == nil {
		return r.fault("it has no OrgnlGrpInfAndSts, which names the message that it speaks of")
	}
	f.Messages = append(f.Messages, *m)
	return nil
}

func (r *xmlReader) message(of *original, line int, at Stamp) (*Message, error) {
	m := &Message{ID: strings.TrimSpace(of.MessageID), Code: strings.TrimSpace(of.Group), Reason: firstReason(of.Reasons), At: at, Total: -1, Line: line}
	m.group = standing{m.Code, m.Reason}
	return m, errors.Join(r.total(m, of.Total), r.counts(m, of.Counts))
}

func (r *xmlReader) total(m *Message, text string) error {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return r.fault("OrgnlNbOfTxs is %q, which is no number", text)
	}
	m.Total = n
	return nil
}

func (r *xmlReader) counts(m *Message, counts []perStatus) error {
	if len(counts) > 0 {
		m.Counts = map[string]int{}
	}
	for _, c := range counts {
		n, err := strconv.Atoi(strings.TrimSpace(c.Number))
		if err != nil || n < 0 {
			return r.fault("DtldNbOfTxs is %q, which is no number", c.Number)
		}
		m.Counts[strings.TrimSpace(c.Status)] += n
	}
	return nil
}

// block reads what is said of a block. Ours are alone in their message: what is said of
// the block is said of all of it.
func (r *xmlReader) block(f *File, m *Message) error {
	var status, total string
	var reasons []reason
	var counts []perStatus
	return errors.Join(r.each(func(name string, start *xml.StartElement) (bool, error) {
		switch name {
		case "OrgnlNbOfTxs":
			return r.decode(&total, start)
		case "PmtInfSts":
			return r.decode(&status, start)
		case "StsRsnInf":
			reasons = append(reasons, reason{})
			return r.decode(&reasons[len(reasons)-1], start)
		case "NbOfTxsPerSts":
			counts = append(counts, perStatus{})
			return r.decode(&counts[len(counts)-1], start)
		case "TxInfAndSts":
			var of transaction
			line, _ := r.in.InputPos()
			if _, err := r.decode(&of, start); err != nil {
				return true, err
			}
			return true, r.transaction(f, m, &of, line, standing{strings.TrimSpace(status), firstReason(reasons)})
		}
		return false, nil
	}), func() error {
		of := standing{strings.TrimSpace(status), firstReason(reasons)}
		if m.blocks++; m.blocks > 1 {
			m.another(of)
			return nil
		}
		m.block = of
		if of.code != "" {
			m.Code, m.Reason = of.code, of.reason
		} else if of.reason != "" {
			m.Reason = of.reason
		}
		if len(counts) > 0 {
			m.Counts = nil
		}
		return errors.Join(r.total(m, total), r.counts(m, counts))
	}())
}

// another is what is said of a further block, of whatever part of the file: where it
// isn't what is said of the first, nothing is known of the payments that no block
// lists. To take the last for all would have settled payments made anew.
func (m *Message) another(block standing) {
	m.Counts = nil
	if block != m.block {
		m.Code, m.Reason = "PART", ""
	}
}

func (r *xmlReader) transaction(f *File, m *Message, of *transaction, line int, block standing) error {
	w := Word{Line: line, InstructionID: strings.TrimSpace(of.EndToEndID), Code: strings.TrimSpace(of.Status), Reason: firstReason(of.Reasons), At: m.At}
	if w.InstructionID == "" {
		w.InstructionID = strings.TrimSpace(of.Instruction)
	}
	if w.InstructionID == "" {
		return r.fault("<TxInfAndSts> names no instruction: neither OrgnlEndToEndId nor OrgnlInstrId")
	}
	if w.Code == "" { // what holds for all holds for it
		w.Code = cmp.Or(block.code, m.group.code)
	}
	// Why all are rejected is why it is; a payment that stands otherwise has no part in
	// that.
	for _, of := range []standing{block, m.group} {
		if w.Reason == "" && (of.code == "" || of.code == w.Code) {
			w.Reason = of.reason
		}
	}
	var err error
	if w.Amount, err = r.amount(of.Amount); err != nil {
		return err
	}
	m.IDs, m.Listed = append(m.IDs, w.InstructionID), append(m.Listed, w.Code)
	return f.add(r, w)
}

// entry is a booking of a camt.054, as far as it is looked at: its transactions may lie
// in several details.
type entry struct {
	Amount    *amount       `xml:"Amt"`
	Indicator string        `xml:"CdtDbtInd"`
	Status    entryStatus   `xml:"Sts"`
	SubFamily string        `xml:"BkTxCd>Domn>Fmly>SubFmlyCd"`
	Details   []entryDetail `xml:"NtryDtls>TxDtls"`
}

// entryStatus is a text in version 02, and a code from then on.
type entryStatus struct {
	Text string `xml:",chardata"`
	Code string `xml:"Cd"`
}

type entryDetail struct {
	EndToEndID string  `xml:"Refs>EndToEndId"`
	Amount     *amount `xml:"Amt"`
	Instructed *amount `xml:"AmtDtls>InstdAmt>Amt"`
	Moved      *amount `xml:"AmtDtls>TxAmt>Amt"`
	Indicator  string  `xml:"CdtDbtInd"`
	SubFamily  string  `xml:"BkTxCd>Domn>Fmly>SubFmlyCd"`
	Return     *reason `xml:"RtrInf"`
}

// subFamilyReturn is the bank transaction code of a credit transfer that came back.
const subFamilyReturn = "RRTN"

// codeReturn stands for a return, which has no status of its own.
const codeReturn = "RTRN"

// notification reads a camt.054: of its booked entries the returns.
func (r *xmlReader) notification(f *File) error {
	var at Stamp
	err := r.each(func(name string, start *xml.StartElement) (bool, error) {
		switch name {
		case "GrpHdr":
			h, created, err := r.header(start)
			f.MessageID, at = h.MessageID, created
			return true, err
		case "Ntfctn":
			if f.MessageID == "" {
				return true, r.fault("<Ntfctn> stands before GrpHdr")
			}
			return true, r.each(func(name string, start *xml.StartElement) (bool, error) {
				if name != "Ntry" {
					return false, nil
				}
				var e entry
				line, _ := r.in.InputPos()
				if _, err := r.decode(&e, start); err != nil {
					return true, err
				}
				return true, r.entry(f, &e, line, at)
			})
		}
		return false, nil
	})
	if err == nil && f.MessageID == "" {
		err = r.fault("it has no GrpHdr")
	}
	return err
}

func (r *xmlReader) entry(f *File, e *entry, line int, at Stamp) error {
	status := strings.TrimSpace(e.Status.Code)
	if status == "" {
		status = strings.TrimSpace(e.Status.Text)
	}
	if len(e.Details) == 0 {
		if strings.TrimSpace(e.SubFamily) != subFamilyReturn {
			f.Others++
			return nil
		}
		return f.add(r, Word{Code: codeReturn, At: at, Line: line}) // it names no instruction: a person must ask the bank
	}
	for i := range e.Details {
		d := &e.Details[i]
		if d.Return == nil && strings.TrimSpace(firstText(d.SubFamily, e.SubFamily)) != subFamilyReturn {
			f.Others++
			continue
		}
		w := Word{InstructionID: strings.TrimSpace(d.EndToEndID), Code: codeReturn, At: at, Line: line}
		if d.Return != nil {
			w.Reason = firstReason([]reason{*d.Return})
		}
		if status != "BOOK" {
			w.Code = codeNotBooked
		}
		// A return is booked against what it brings back, also where it is booked as the
		// reversal of a debit.
		switch indicator := strings.TrimSpace(firstText(d.Indicator, e.Indicator)); indicator {
		case "CRDT":
			w.Moves = rules.Credit
		case "DBIT":
			w.Moves = rules.Debit
		default:
			return r.fault("CdtDbtInd is %q: CRDT or DBIT", indicator)
		}
		// What was instructed, which charges may have been taken from.
		of := d.Instructed
		for _, other := range []*amount{d.Amount, d.Moved} {
			if of == nil {
				of = other
			}
		}
		if of == nil && len(e.Details) == 1 {
			of = e.Amount
		}
		var err error
		if w.Amount, err = r.amount(of); err != nil {
			return err
		}
		if err := f.add(r, w); err != nil {
			return err
		}
	}
	return nil
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return t
		}
	}
	return ""
}
