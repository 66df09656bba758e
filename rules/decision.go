package rules

import (
	"errors"
	"fmt"

	"ristourne/rules/money"
)

// ErrNeedsPerson is wrapped by errors that trying again does not mend: somebody
// must act. Whoever meets one goes on trying, and says so loudly.
var ErrNeedsPerson = errors.New("needs a person")

// Topic is one of the input topics of a shard, in the order in which a batch takes
// them: what is known of members comes before what they bought. The order is stored,
// in Redis and in the ledger: it never changes.
type Topic uint8

// The input topics.
const (
	TopicFacts Topic = iota
	TopicReferrals
	TopicResults
	TopicTransactions
	NumTopics
)

// String is the topic's role, not its name in Kafka.
func (t Topic) String() string {
	switch t {
	case TopicFacts:
		return "facts"
	case TopicReferrals:
		return "referrals"
	case TopicResults:
		return "results"
	case TopicTransactions:
		return "transactions"
	default:
		return fmt.Sprintf("Topic(%d)", uint8(t))
	}
}

// Topic is where records come from that are causes of this kind.
func (k CauseKind) Topic() Topic {
	switch k {
	case CauseFact:
		return TopicFacts
	case CauseReferral:
		return TopicReferrals
	case CauseResult:
		return TopicResults
	default:
		return TopicTransactions
	}
}

// Positions are, for each input topic of a shard, the next offset: to be read, to
// be committed, or that was not decided yet. -1: none is known.
type Positions [NumTopics]int64

// NoPositions is where a shard begins: nothing was ever decided.
var NoPositions = Positions{-1, -1, -1, -1}

// Before reports whether h misses anything that o has.
func (h Positions) Before(o Positions) bool {
	for i := range h {
		if h[i] < o[i] {
			return true
		}
	}
	return false
}

// SetRow is one event or fact that became part of an account's set. The rows
// of a shard, in the order of Seq, are what its account states are rebuilt from.
type SetRow struct {
	Seq        uint64     `row:"seq,rising"` // position in the shard's order of decisions, from 1
	AccountRef AccountRef `row:"account_ref"`
	Cause      Cause
	Fate       Fate   `row:"fate"`
	Type       string `row:"type"` // event or fact type, as on the wire
	// What analysts ask of events; empty for facts.
	TransactionID string         `row:"transaction_id"`
	AmountMinor   int64          `row:"amount_minor"`
	Currency      money.Currency `row:"currency"`
	OccurredAt    Instant        `row:"occurred_at"` // a fact's At
	MerchantID    string         `row:"merchant_id"`
	MCC           string         `row:"mcc"`
	PartnerID     string         `row:"partner_id"` // of the store that the event's own merchant matched
	StoreID       string         `row:"store_id"`
	// Refunds is what it changed of refunds without a known purchase.
	Refunds []RefundChange
	// Holdouts are those that an event's purchase is under, as it was decided
	// with this row.
	Holdouts []HoldoutDraw
	// Payload is the event's or fact's own binary form, without account id.
	Payload []byte `row:"payload"`
}

// AccountRow is one line of the map from references to personal ids.
type AccountRow struct {
	Ref        AccountRef `row:"account_ref"`
	AccountID  string     `row:"account_id"`
	MemberID   string     `row:"member_id"`          // empty: not stated yet
	RecordedAt int64      `row:"recorded_at,millis"` // Kafka timestamp of the cause, milliseconds since 1970
}

// ResultRow is one word of the bank on an instruction.
type ResultRow struct {
	Result     Result
	AccountRef AccountRef `row:"account_ref"`
	Cause      Cause
}

// Decision is all that one batch of a shard has decided: what the outbox holds
// from the moment it is saved until it is booked, paid and committed.
type Decision struct {
	Shard        int32
	Batch        uint64    // number of the batch in its shard, from 1, without gaps
	Positions    Positions // after the batch
	LastSeq      uint64    // Seq of the shard's last set row after the batch
	Accounts     []AccountRow
	Set          []SetRow
	Results      []ResultRow
	Accruals     []Accrual
	Instructions []Instruction
	Referrals    []Referral // for other accounts, by programme.referrals
	Grants       []Grant
}

// Empty reports that there is nothing to book or pay but the heads.
func (d *Decision) Empty() bool {
	return len(d.Accounts)+len(d.Set)+len(d.Results)+len(d.Accruals)+len(d.Instructions)+len(d.Referrals)+len(d.Grants) == 0
}

// Marker is the last row that is booked of a batch: everything up to it is in
// the ledger.
type Marker struct {
	Shard     int32
	Batch     uint64
	Positions Positions
	LastSeq   uint64
}

// AccountHistory is what the ledger's store knows of one account: enough to
// rebuild its state.
type AccountHistory struct {
	Ref       AccountRef
	AccountID string
	MemberID  string
	Set       []SetRow // in the order of Seq
	// Booked is sums by line key of the lines of which the account is the
	// beneficiary, and of its purchases' commission; ID, Cause and Reasons are
	// empty.
	Booked []Accrual
	// Told is the newest referral of each key that the account's purchases have
	// told, those that are 0 included.
	Told []Referral
	// Grants is the newest grant of each (budget, transaction), those that are
	// 0 included.
	Grants []Grant
	// Instructed are the instructions that were given out to the account. What says
	// more than which they are, and whose cause, may be empty.
	Instructed []Instruction
	// Lines and Results are there where an audit asks for every row, in no order:
	// Booked is empty then, and Told and Grants have all that ever were, oldest first.
	Lines   []Accrual
	Results []ResultRow // all that the bank said, what nobody was instructed included
}

// Unmarked is what the ledger's store has, row by row, of an account that has set
// rows behind the marker: some of what they decided may be booked, some not.
type Unmarked struct {
	Accruals     []Accrual     // of causes behind the marker
	Instructions []Instruction // likewise
	Grants       []Grant       // all that the account was ever granted, oldest first
	Told         []Referral    // all that it has ever told, each key's numbers rising
}

// OperatorAction is what a person decided at the command line, and why.
type OperatorAction struct {
	At      int64  // milliseconds since 1970
	Action  string // such as "repair"
	Shard   int32
	Number  int64 // of a repair; 0: none
	By      string
	Reason  string
	Details string // JSON
}
