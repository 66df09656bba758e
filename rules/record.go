package rules

// Record is one thing of which an account's ledger is worked out: exactly one of
// its fields is set. It says what the stream took, not what became of it: that
// is a Fate.
type Record struct {
	Event    *Event
	Fact     *Fact
	Referral *Referral // that makes the account a sponsor
	Result   *Result   // on one of its instructions
}

// AppendBinary appends the set's own form of the record, without the account id.
func (r Record) AppendBinary(dst []byte) []byte {
	switch {
	case r.Event != nil:
		return r.Event.AppendBinary(dst)
	case r.Fact != nil:
		return r.Fact.AppendBinary(dst)
	case r.Result != nil:
		return r.Result.AppendBinary(dst)
	}
	return r.Referral.AppendBinary(dst)
}

// Record reads the row's record, of the account with this id. Its strings point
// into the row's payload.
func (row *SetRow) Record(accountID string) (Record, error) {
	switch row.Cause.Kind {
	case CauseFact:
		f := new(Fact)
		err := f.UnmarshalBinary(row.Payload)
		f.AccountID = accountID
		return Record{Fact: f}, err
	case CauseResult:
		r := new(Result)
		err := r.UnmarshalBinary(row.Payload)
		r.AccountID = accountID
		return Record{Result: r}, err
	case CauseReferral:
		r := new(Referral)
		err := r.UnmarshalBinary(row.Payload)
		r.SponsorAccountID = accountID
		return Record{Referral: r}, err
	}
	ev := new(Event)
	err := ev.UnmarshalBinary(row.Payload)
	ev.AccountID = accountID
	return Record{Event: ev}, err
}

// Describe fills in what people ask of the row's record. Where an event matched
// is not in it.
func (row *SetRow) Describe(r Record) {
	switch {
	case r.Event != nil:
		ev := r.Event
		row.Type, row.TransactionID, row.OccurredAt = ev.Type.String(), ev.TransactionID, ev.OccurredAt
		row.AmountMinor, row.Currency = ev.AmountMinor, ev.Currency
		row.MerchantID, row.MCC = ev.Merchant.ID, ev.Merchant.MCC
	case r.Fact != nil:
		f := r.Fact
		row.Type, row.TransactionID, row.OccurredAt = f.Type.String(), f.TransactionID, f.At
		row.AmountMinor, row.Currency = f.AmountMinor, f.Currency
	case r.Result != nil:
		row.Type, row.OccurredAt = "result", r.Result.At
	default:
		f := r.Referral
		row.Type, row.TransactionID, row.OccurredAt = "referral", f.TransactionID, f.At
		row.AmountMinor, row.Currency = f.ConfirmedRewardMinor, f.Currency
	}
}
