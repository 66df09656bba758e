package rules

// ResultStatus is what became of an instruction at the bank.
type ResultStatus uint8

// The statuses of a result.
const (
	Accepted ResultStatus = iota + 1
	Settled
	Rejected
)

var resultStatusNames = [...]string{"", "accepted", "settled", "rejected"}

func (s ResultStatus) String() string { return resultStatusNames[s] }

// ParseResultStatus reads the name of the wire.
func ParseResultStatus(s string) (ResultStatus, bool) {
	return ParseName[ResultStatus](s, resultStatusNames[:])
}

// Reasons of a rejection that say more than that (ISO 20022 external codes).
const (
	ReasonDuplicate = "AM05" // the bank has seen it before: it was paid
	ReasonClosed    = "AC04"
	ReasonBlocked   = "AC06"
	ReasonDeceased  = "MD07"
)

// Result is the bank's word on one instruction. Settled may still be followed
// by rejected (a return).
type Result struct {
	InstructionID string       `row:"instruction_id,unique"`
	AccountID     string       `row:"account_id,personal"`
	Status        ResultStatus `row:"status"`
	Reason        string       `row:"reason"`
	At            Instant      `row:"at"`
}

// CauseID is the id of the result as a cause: an instruction may be rejected more
// than once.
func (r *Result) CauseID() string { return r.InstructionID + "@" + r.At.String() }
