package audit

import (
	"cmp"
	"slices"
)

// Class says what kind of difference it is. Programs go by it: none is renamed.
type Class string

// The classes, by the line of the balance sheet under which they stand.
const (
	RecordAltered     Class = "record_altered"
	RecordTwice       Class = "record_twice"
	AccountUnknown    Class = "account_unknown"
	AccountUnreadable Class = "account_unreadable"

	LineAltered        Class = "line_altered"
	LineMissing        Class = "line_missing"
	LineUnknown        Class = "line_unknown"
	LineWithoutRecord  Class = "line_without_record"
	LineOfOtherAccount Class = "line_of_other_account"
	LineMalformed      Class = "line_malformed"
	AwardNegative      Class = "award_negative"
	SumDiffers         Class = "sum_differs"

	CommissionAltered Class = "commission_altered"
	PurchaseLoss      Class = "purchase_loss"

	Overpaid       Class = "overpaid"
	BalanceDiffers Class = "balance_differs"

	InstructionAltered        Class = "instruction_altered"
	InstructionMissing        Class = "instruction_missing"
	InstructionUnknown        Class = "instruction_unknown"
	InstructionWithoutRecord  Class = "instruction_without_record"
	InstructionOfOtherAccount Class = "instruction_of_other_account"
	InstructionTwice          Class = "instruction_twice"

	ResultUnknown Class = "result_unknown"
	ResultMissing Class = "result_missing"
	ResultAltered Class = "result_altered"

	GrantAltered   Class = "grant_altered"
	GrantMissing   Class = "grant_missing"
	GrantUnknown   Class = "grant_unknown"
	BudgetExceeded Class = "budget_exceeded"

	ReferralAltered Class = "referral_altered"
	ReferralMissing Class = "referral_missing"
	ReferralUnknown Class = "referral_unknown"

	Overspent  Class = "overspent"
	IDTwice    Class = "id_twice"
	TotalWrong Class = "total_differs"
)

// heading is a line of the balance sheet.
type heading int

const (
	ofRecords heading = iota
	ofLines
	ofCommission
	ofMoney
	ofInstructions
	ofResults
	ofBudgets
	ofSponsors
	ofKitties
	ofIDs
	ofTotals
	numHeadings
)

var headings = [numHeadings]string{
	ofRecords:      "events and facts are what was taken",
	ofLines:        "lines are what the records deserve",
	ofCommission:   "commission = rewards + margin",
	ofMoney:        "confirmed = instructed + carried forward",
	ofInstructions: "instructions are what was due by each record",
	ofResults:      "results are of instructions that were given out",
	ofBudgets:      "budgets gave what was asked, and no more than was agreed",
	ofSponsors:     "sponsors were told what purchases give them",
	ofKitties:      "kitties and points gave out what was in them",
	ofIDs:          "one content for each id",
	ofTotals:       "all rows are of an account",
}

// kind is where a class stands, and what may have caused a difference of it.
type kind struct {
	heading
	mayBe string
}

const (
	mayBeWritten = "written by something else than a processor, or its record was deleted"
	mayBeDeleted = "deleted, or lost with a part of its table: `ristourne check` counts the rows"
	mayBeChanged = "changed after it was booked, or what it follows from was: the record, the catalogue, a grant"
	mayBeTwice   = "booked once more under another id, or written by something else than a processor"
	mayBeMoved   = "its account was changed after it was booked"
)

var kinds = map[Class]kind{
	RecordAltered:     {ofRecords, "the row was changed after it was booked: hold it against Kafka or a backup"},
	RecordTwice:       {ofRecords, "a row was added or changed: find out which one the outbox held; the account isn't worked out until then"},
	AccountUnknown:    {ofRecords, mayBeWritten},
	AccountUnreadable: {ofRecords, "a row was damaged, or another version of the program wrote it"},

	LineAltered:        {ofLines, mayBeChanged},
	LineMissing:        {ofLines, mayBeDeleted},
	LineUnknown:        {ofLines, mayBeTwice},
	LineWithoutRecord:  {ofLines, mayBeWritten},
	LineOfOtherAccount: {ofLines, mayBeMoved},
	LineMalformed:      {ofLines, "changed after it was booked, or a fault of the program"},
	AwardNegative:      {ofLines, "a line was added, changed or deleted"},
	SumDiffers:         {ofLines, "rows were lost, changed or added after a repair: see `ristourne rebuild --dry-run`"},

	CommissionAltered: {ofCommission, mayBeChanged},
	PurchaseLoss:      {ofCommission, "a commission was changed or deleted, or a reward was added"},

	Overpaid:       {ofMoney, "a credit was added or raised, or a line or a debit was deleted"},
	BalanceDiffers: {ofMoney, "a line, an instruction or a result was added, changed or deleted"},

	InstructionAltered:        {ofInstructions, "changed after it was given out: hold it against topic credit.instructions, which has what the bank was told"},
	InstructionMissing:        {ofInstructions, mayBeDeleted},
	InstructionUnknown:        {ofInstructions, mayBeTwice},
	InstructionWithoutRecord:  {ofInstructions, mayBeWritten},
	InstructionOfOtherAccount: {ofInstructions, mayBeMoved},
	InstructionTwice:          {ofInstructions, "booked once more under another id, which the bank takes for another payment"},

	ResultUnknown: {ofResults, "the bank speaks of what it was never told, or the instruction was deleted: ask the bank"},
	ResultMissing: {ofResults, mayBeDeleted},
	ResultAltered: {ofResults, "changed after it was booked: hold it against topic credit.results"},

	GrantAltered:   {ofBudgets, "changed after it was booked, or a campaign was stopped in the seconds before"},
	GrantMissing:   {ofBudgets, mayBeDeleted},
	GrantUnknown:   {ofBudgets, mayBeTwice},
	BudgetExceeded: {ofBudgets, "a grant was added or raised, or the budget was lowered after it had given more"},

	ReferralAltered: {ofSponsors, mayBeChanged},
	ReferralMissing: {ofSponsors, mayBeDeleted},
	ReferralUnknown: {ofSponsors, mayBeTwice},

	Overspent:  {ofKitties, "a line was changed or deleted"},
	IDTwice:    {ofIDs, "a row was changed and booked again, or written by something else than a processor"},
	TotalWrong: {ofTotals, "rows stand in a shard that isn't theirs, or were written meanwhile by something else than a processor"},
}

// Classes are the names of all, sorted.
func Classes() []string {
	names := make([]string, 0, len(kinds))
	for c := range kinds {
		names = append(names, string(c))
	}
	slices.Sort(names)
	return names
}

// Difference is one place where the ledger is not what its records make of it. Ids
// that it isn't about are empty.
type Difference struct {
	Class         Class  `json:"class"`
	AccountRef    string `json:"account_ref,omitempty"`
	AccountID     string `json:"account_id,omitempty"` // empty: erased, or not known
	AccrualID     string `json:"accrual_id,omitempty"`
	InstructionID string `json:"instruction_id,omitempty"`
	CauseID       string `json:"cause_id,omitempty"` // of the record
	TransactionID string `json:"transaction_id,omitempty"`
	PartnerID     string `json:"partner_id,omitempty"`
	Budget        string `json:"budget,omitempty"`
	What          string `json:"what"`   // what is there, and what should be
	MayBe         string `json:"may_be"` // what may have caused it
}

// findings are the differences under each line of the sheet, of which so many are
// kept as are listed.
type findings struct {
	limit   int
	listed  [numHeadings][]Difference
	counts  [numHeadings]int64
	byClass map[Class]int64
	// places are where an id that one account lacks, or has too much, is listed.
	places map[string]int
}

func newFindings(limit int) *findings {
	return &findings{limit: limit, byClass: map[Class]int64{}, places: map[string]int{}}
}

func (f *findings) add(d Difference) {
	k := kinds[d.Class]
	d.MayBe = k.mayBe
	if f.joined(&d) {
		return
	}
	f.counts[k.heading]++
	f.byClass[d.Class]++
	if len(f.listed[k.heading]) < f.limit {
		if id := d.strayID(); id != "" {
			f.places[id] = len(f.listed[k.heading])
		}
		f.listed[k.heading] = append(f.listed[k.heading], d)
	}
}

// moved says what a row is of which one account lacks what another has too much.
var moved = map[Class]Class{
	LineMissing: LineOfOtherAccount, LineUnknown: LineOfOtherAccount, LineWithoutRecord: LineOfOtherAccount,
	InstructionMissing: InstructionOfOtherAccount, InstructionUnknown: InstructionOfOtherAccount, InstructionWithoutRecord: InstructionOfOtherAccount,
}

// strayID is the id of a row that may have come from another account, or gone there.
func (d *Difference) strayID() string {
	if _, ok := moved[d.Class]; !ok {
		return ""
	}
	return cmp.Or(d.AccrualID, d.InstructionID)
}

// joined makes one difference of two: a row that one account lacks and another has
// too much was moved.
func (f *findings) joined(d *Difference) bool {
	h := kinds[d.Class].heading
	at, ok := f.places[d.strayID()]
	if !ok || at >= len(f.listed[h]) {
		return false
	}
	was := &f.listed[h][at]
	missing := was.Class == LineMissing || was.Class == InstructionMissing
	if was.strayID() != d.strayID() || missing == (d.Class == LineMissing || d.Class == InstructionMissing) {
		return false
	}
	if f.byClass[was.Class]--; f.byClass[was.Class] == 0 {
		delete(f.byClass, was.Class)
	}
	lacks, has := was, d
	if !missing {
		lacks, has = d, was
	}
	both := *lacks
	both.Class = moved[lacks.Class]
	both.What += ", and stands with account " + has.account()
	both.MayBe = kinds[both.Class].mayBe
	f.byClass[both.Class]++
	f.listed[h][at] = both
	return true
}

// account names whose it is, as far as it is known.
func (d *Difference) account() string { return cmp.Or(d.AccountID, d.AccountRef) }
