package bankresults

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// meaning is what a code of the bank makes of an instruction.
type meaning struct {
	status rules.ResultStatus // 0: nothing yet
	kind   Kind               // of a finding, where there is no status
}

// codeNotBooked stands for a return in a camt.054 that isn't booked.
const codeNotBooked = "(not booked)"

// duplicates are the reasons of a bank that has seen a payment, or the file or block
// that it is in, before: of ISO's ExternalStatusReason1Code. What was paid once must
// not become due again, so they count as AM05, until a person has looked.
var duplicates = []string{rules.ReasonDuplicate, "DU01", "DU02", "DU03", "DU04", "DU05", "DUPL"}

// meanings are the codes that are known: those of ExternalPaymentTransactionStatus1Code
// and ExternalPaymentGroupStatus1Code that speak of a payment, or of the check of its
// payee, which is no word on the payment; and the words of the wire.
var meanings = map[string]meaning{
	"accepted": {status: rules.Accepted}, "settled": {status: rules.Settled}, "rejected": {status: rules.Rejected},

	"ACTC": {status: rules.Accepted}, // technical validation
	"ACCP": {status: rules.Accepted}, // customer profile
	"ACFC": {status: rules.Accepted}, // funds checked
	"ACSP": {status: rules.Accepted}, // settlement in process
	"ACWC": {status: rules.Accepted}, // with change
	"ACWP": {status: rules.Accepted}, // without posting
	"ACSC": {status: rules.Settled},  // settlement completed on the debtor's account
	"ACCC": {status: rules.Settled},  // on the creditor's account
	"RJCT": {status: rules.Rejected},
	"CANC": {status: rules.Rejected}, // cancelled: the money has not left

	codeReturn: {status: rules.Rejected},

	"RCVD": {kind: Open}, "PDNG": {kind: Open}, "PART": {kind: Open}, "PATC": {kind: Open}, "BLCK": {kind: Open},
	codeNotBooked: {kind: Open},

	"RCVC": {kind: PayeeCheck}, // completed
	"RVCM": {kind: PayeeCheck}, // completed with mismatches
	"RVNC": {kind: PayeeCheck}, // not completed
	"RVMC": {kind: PayeeCheck}, // one matches closely
	"RVNM": {kind: PayeeCheck}, // doesn't match
	"RVNA": {kind: PayeeCheck}, // not applicable
}

const (
	maxReason = 256 // bytes, as on the wire
	// maxAhead is as far as a result may be dated ahead of its Kafka timestamp.
	maxAhead = 5 * time.Minute
)

// Kind is what is the matter with a word that no result, or no simple one, is made of.
type Kind string

// The kinds.
const (
	Unknown       Kind = "unknown"       // no instruction has the id
	Contradiction Kind = "contradiction" // with itself, with the instruction or with an earlier word
	Open          Kind = "open"          // nothing is decided yet
	PayeeCheck    Kind = "payee_check"   // of the payee's name, before the payment
	NoWord        Kind = "no_word"       // instructions that the file doesn't list, and nothing says how they stand
	Erased        Kind = "erased"        // of an account whose ids are gone
)

// Finding is what a person should know of a file.
type Finding struct {
	Line          int
	Kind          Kind
	InstructionID string // empty: of the whole message
	Text          string
}

// Sum is what a file says, by status and reason.
type Sum struct {
	Status      rules.ResultStatus
	Reason      string
	Currency    money.Currency
	Count       int
	AmountMinor int64 // of the instructions
}

// Plan is what is posted of a file, and what is told of it.
type Plan struct {
	Results  []rules.Result
	Sums     []Sum
	Findings []Finding
}

// Known is an instruction that was given out.
type Known struct {
	Instruction rules.Instruction // an AccountID that is empty: erased
	Said        rules.Result      // the word that counts by now; Status 0: none
}

// Ledger tells of instructions.
type Ledger struct {
	// Known are those of the ids that were given out.
	Known func(ctx context.Context, ids []string) ([]Known, error)
	// Filed are the ids of the instructions in a file of payments, by the message id
	// that it has; none: no such file was written. Nil: no files are.
	Filed func(ctx context.Context, messageID string) ([]string, error)
	// Zone is the clock of a programme.
	Zone func(programme string) *time.Location
}

// planning is a plan in the making.
type planning struct {
	Plan
	ledger Ledger
	now    rules.Instant
	known  map[string]*Known
	sums   map[Sum]*Sum
	said   map[string]*Word // the first of each instruction
	void   map[string]bool  // said twice, and not the same
	dated  error
}

// Plan works out the results of a file. Nothing is posted.
func (l Ledger) Plan(ctx context.Context, f *File, now time.Time) (*Plan, error) {
	p := &planning{ledger: l, now: rules.InstantOf(now.Add(maxAhead)), known: map[string]*Known{}, sums: map[Sum]*Sum{}, said: map[string]*Word{}, void: map[string]bool{}}
	words := slices.Clone(f.Words)
	for i := range f.Messages {
		more, err := p.silent(ctx, &f.Messages[i])
		if err != nil {
			return nil, err
		}
		words = append(words, more...)
	}
	if err := p.lookUp(ctx, words); err != nil {
		return nil, err
	}
	p.compare(words)
	for i := range words {
		if w := &words[i]; p.said[w.InstructionID] == w && !p.void[w.InstructionID] {
			p.take(w)
		}
	}
	if p.dated != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, p.dated)
	}
	for _, of := range p.sums {
		p.Sums = append(p.Sums, *of)
	}
	slices.SortFunc(p.Sums, func(a, b Sum) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Currency.String(), b.Currency.String()))
	})
	slices.SortStableFunc(p.Findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return &p.Plan, nil
}

func (p *planning) find(line int, kind Kind, id, format string, args ...any) {
	p.Findings = append(p.Findings, Finding{line, kind, id, fmt.Sprintf(format, args...)})
}

// silent are words on the instructions of a message that it doesn't list: what the
// message's own status says of all, or, where they stand in different ways, what its
// counts by status leave for them.
func (p *planning) silent(ctx context.Context, m *Message) ([]Word, error) {
	if m.Code == "" && m.Counts == nil {
		return nil, nil // it speaks of those alone that it lists
	}
	var ids []string
	if p.ledger.Filed != nil {
		var err error
		if ids, err = p.ledger.Filed(ctx, m.ID); err != nil {
			return nil, err
		}
	}
	if len(ids) == 0 {
		p.find(m.Line, NoWord, "", "it speaks of message %q, which is no file of ours: what holds for all of it (%s) is said of nothing", m.ID, orNone(m.Code))
		return nil, nil
	}
	listed := map[string]bool{}
	for _, id := range m.IDs {
		listed[id] = true
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return listed[id] })
	code, why := m.silentCode(len(ids))
	if why != "" {
		p.find(m.Line, NoWord, "", "message %s: %s: %d instructions that it doesn't list stay as they are", m.ID, why, len(ids))
		return nil, nil
	}
	if means, understood := meanings[code]; len(ids) > 0 && (!understood || means.status == 0) {
		p.find(m.Line, cmp.Or(means.kind, Open), "", "message %s: %s, for %d instructions that it doesn't list", m.ID, code, len(ids))
		return nil, nil
	}
	words := make([]Word, len(ids))
	for i, id := range ids {
		words[i] = Word{InstructionID: id, Code: code, At: m.At, Line: m.Line}
		if meanings[code].status == rules.Rejected {
			words[i].Reason = m.Reason
		}
	}
	return words, nil
}

// silentCode is the status of the n instructions that a message doesn't list; else
// why nothing can be said of them.
func (m *Message) silentCode(n int) (code, why string) {
	if n == 0 {
		return "", ""
	}
	if m.Total >= 0 && m.Total != n+len(m.IDs) {
		return "", fmt.Sprintf("it counts %d instructions, and the file had %d", m.Total, n+len(m.IDs))
	}
	stated := m.Code != "" && m.Code != "PART"
	if stated && m.Counts == nil {
		return m.Code, ""
	}
	left := map[string]int{}
	maps.Copy(left, m.Counts)
	for _, code := range m.Listed {
		left[code]--
	}
	maps.DeleteFunc(left, func(_ string, count int) bool { return count == 0 })
	for code, count := range left {
		if len(left) == 1 && count == n && (!stated || code == m.Code) {
			return code, ""
		}
	}
	if m.Counts == nil {
		return "", "some are accepted and some are not, and it doesn't count them by status"
	}
	return "", fmt.Sprintf("its counts by status leave %v for those that it doesn't list", left)
}

func orNone(code string) string { return cmp.Or(code, "no status") }

// lookUp asks for the instructions that the words are of.
func (p *planning) lookUp(ctx context.Context, words []Word) error {
	const idsAtOnce = 5000
	var ids []string
	for i := range words {
		ids = append(ids, words[i].InstructionID)
	}
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), idsAtOnce) {
		known, err := p.ledger.Known(ctx, some)
		if err != nil {
			return err
		}
		for i := range known {
			p.known[known[i].Instruction.ID] = &known[i]
		}
	}
	return nil
}

// compare finds instructions of which the file says two things: then nobody knows
// which holds, and nothing is posted of them.
func (p *planning) compare(words []Word) {
	for i := range words {
		w := &words[i]
		first := p.said[w.InstructionID]
		switch {
		case first == nil:
			p.said[w.InstructionID] = w
		case first.Code != w.Code || first.Reason != w.Reason:
			p.void[w.InstructionID] = true
			p.find(w.Line, Contradiction, w.InstructionID, "here it is %s, and %s in line %d: nothing is posted of it", said(w), said(first), first.Line)
		}
	}
}

func said(w *Word) string {
	if w.Reason == "" {
		return w.Code
	}
	return w.Code + " " + w.Reason
}

// take makes the result of a word, or tells why there is none.
func (p *planning) take(w *Word) {
	means, understood := meanings[w.Code]
	known := p.known[w.InstructionID]
	switch {
	case known == nil || known.Instruction.IsShadow():
		p.find(w.Line, Unknown, w.InstructionID, "%s on an instruction that was never given out", said(w))
		return
	case !understood:
		p.find(w.Line, Open, w.InstructionID, "status %q isn't known here: nothing is posted of it", w.Code)
		return
	case means.status == 0:
		p.find(w.Line, means.kind, w.InstructionID, "%s", said(w))
		return
	}
	in := &known.Instruction
	switch {
	case w.Amount != nil && (w.Amount.Minor != in.AmountMinor || w.Amount.Currency != in.Currency):
		p.find(w.Line, Contradiction, w.InstructionID, "%s of %s, and the instruction is of %s: nothing is posted of it", said(w),
			money.FormatMinor(w.Amount.Minor, w.Amount.Currency), money.FormatMinor(in.AmountMinor, in.Currency))
		return
	case w.Moves != 0 && w.Moves != in.Direction:
		p.find(w.Line, Contradiction, w.InstructionID, "the booking moves the money the other way than the return of a %s does: nothing is posted of it", in.Direction)
		return
	case in.AccountID == "":
		p.find(w.Line, Erased, w.InstructionID, "%s, and the account's ids are erased: nothing can be posted for it", said(w))
		return
	}
	r := rules.Result{InstructionID: in.ID, AccountID: in.AccountID, Status: means.status, Reason: w.Reason, At: w.At.Instant(p.ledger.Zone(in.Programme))}
	if len(r.Reason) > maxReason {
		r.Reason = r.Reason[:maxReason]
	}
	if r.Status == rules.Rejected && r.Reason != rules.ReasonDuplicate && slices.Contains(duplicates, r.Reason) {
		p.find(w.Line, Contradiction, w.InstructionID, "%s: the bank has seen it before, so it counts as paid (%s) until somebody finds out by what", said(w), rules.ReasonDuplicate)
		r.Reason = rules.ReasonDuplicate
	}
	if r.At.After(p.now) && p.dated == nil {
		p.dated = fmt.Errorf("line %d is dated %s, which is still to come: is the clock of the bank or of this machine wrong?", w.Line, r.At)
	}
	if known.Said.Status == rules.Rejected && r.Status != rules.Rejected && r.At.After(known.Said.At) {
		p.find(w.Line, Contradiction, w.InstructionID, "%s after it was rejected (%s): posted, as it is the bank's latest word", said(w), known.Said.At)
	}
	p.Results = append(p.Results, r)
	of := Sum{Status: r.Status, Reason: r.Reason, Currency: in.Currency}
	if p.sums[of] == nil {
		sum := of
		p.sums[of] = &sum
	}
	p.sums[of].Count++
	p.sums[of].AmountMinor += in.AmountMinor
}
