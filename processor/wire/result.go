package wire

import "ristourne/rules"

// The fields of a result, in the order in which they are judged.
const (
	resultInstructionID = iota + 1
	resultAccountID
	resultStatus
	resultReason
	resultAt
)

// maxInstructionID is what an ISO 20022 EndToEndId holds.
const maxInstructionID = 35

func newResultRecord() *record {
	return newRecord("", []field{
		resultInstructionID: {name: "instruction_id", needed: true, max: maxInstructionID, holds: ids},
		resultAccountID:     {name: "account_id", needed: true, max: maxID, holds: ids},
		resultStatus:        {name: "status", needed: true},
		resultReason:        {name: "reason", max: maxText, holds: freeText, cut: true},
		resultAt:            {name: "at", needed: true},
	})
}

// Result decodes the bank's word on an instruction, as Event does an event.
func (d *Decoder) Result(value, key []byte, kafkaMillis int64, result *rules.Result) *Fault {
	*result = rules.Result{}
	r := d.result
	if !d.read(value, kafkaMillis, r) {
		return &d.fault
	}
	result.InstructionID = d.instructionID(r)
	result.AccountID = d.account(r, resultAccountID, key)
	result.Status = d.resultStatus(r)
	result.Reason = d.text(r, resultReason)
	result.At, _ = d.instant(r, resultAt)
	return d.verdict()
}

func (d *Decoder) instructionID(r *record) string {
	s := d.text(r, resultInstructionID)
	for i := range len(s) {
		if c := s[i]; c-'0' > 9 && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' {
			d.refuse(r, resultInstructionID, ReasonFormat, "it must be made of A-Z, a-z, 0-9 and -")
			break
		}
	}
	return s
}

func (d *Decoder) resultStatus(r *record) rules.ResultStatus {
	s, ok := d.word(r, resultStatus)
	if !ok {
		return 0
	}
	status, ok := rules.ParseResultStatus(s)
	if !ok {
		d.refuse(r, resultStatus, ReasonEnum, oneOf(rules.Accepted, rules.Rejected))
	}
	return status
}
