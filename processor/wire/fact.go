package wire

import (
	"math/bits"

	"ristourne/rules"
)

// The fields of a fact, in the order in which they are judged.
const (
	factID = iota + 1
	factType
	factAccountID
	factAt
	factMemberID
	factProgramme
	factCardTokens
	factLevel
	factSegments
	factSponsor
	factCardToken
	factOfferID
	factSegment
	factTransactionID
	factCycle
	factAsOf
	factAmount
	factUnit
	factCurrency
	factReason
	factApprovedBy
	factMethod
	factIBAN
	factName
	factHandle
	factVoucherID
)

// maxIBAN is what ISO 13616 allows.
const maxIBAN = 34

func newFactRecord() *record {
	return newRecord("", []field{
		factID:            {name: "fact_id", needed: true, max: maxID, holds: ids},
		factType:          {name: "type", needed: true},
		factAccountID:     {name: "account_id", needed: true, max: maxID, holds: ids},
		factAt:            {name: "at", needed: true},
		factMemberID:      {name: "member_id", max: maxText, holds: ids},
		factProgramme:     {name: "programme", max: maxText, holds: names},
		factCardTokens:    {name: "card_tokens", max: maxID, holds: cardTokens},
		factLevel:         {name: "level", max: maxText, holds: names},
		factSegments:      {name: "segments", max: maxText, holds: names},
		factSponsor:       {name: "sponsor_account_id", max: maxID, holds: ids},
		factCardToken:     {name: "card_token", max: maxID, holds: cardTokens},
		factOfferID:       {name: "offer_id", max: maxText, holds: names},
		factSegment:       {name: "segment", max: maxText, holds: names},
		factTransactionID: {name: "transaction_id", max: maxID, holds: ids},
		factCycle:         {name: "cycle", max: maxText, holds: names},
		factAsOf:          {name: "as_of"},
		factAmount:        {name: "amount_minor", min: -maxAmountMinor, max: maxAmountMinor},
		factUnit:          {name: "unit", max: maxText, holds: names},
		factCurrency:      {name: "currency"},
		factReason:        {name: "reason", max: maxText, holds: freeText, cut: true},
		factApprovedBy:    {name: "approved_by", max: maxText, holds: freeText, cut: true},
		factMethod:        {name: "method"},
		factIBAN:          {name: "iban", max: maxIBAN, holds: ids},
		factName:          {name: "name", max: maxText, holds: freeText, cut: true},
		factHandle:        {name: "handle", max: maxText, holds: ids},
		factVoucherID:     {name: "voucher_id", max: maxID, holds: ids},
	})
}

func fieldSet(fields ...uint8) (set uint32) {
	for _, f := range fields {
		set |= 1 << f
	}
	return set
}

// factHead is what every fact needs.
var factHead = fieldSet(factID, factType, factAccountID, factAt)

// factNeeds is what a fact of each type needs beside, and factTakes what it
// takes beside that. Fields of other types are ignored.
var factNeeds = [...]uint32{
	rules.Enrolled:             fieldSet(factMemberID, factProgramme),
	rules.Left:                 0,
	rules.CardLinked:           fieldSet(factCardToken),
	rules.CardUnlinked:         fieldSet(factCardToken),
	rules.LevelChanged:         fieldSet(factLevel),
	rules.OfferActivated:       fieldSet(factOfferID),
	rules.OfferDeactivated:     fieldSet(factOfferID),
	rules.SegmentAdded:         fieldSet(factSegment),
	rules.SegmentRemoved:       fieldSet(factSegment),
	rules.AuthorizationExpired: fieldSet(factTransactionID),
	rules.CycleClosed:          fieldSet(factProgramme, factCycle, factAsOf),
	rules.PointsSpent:          fieldSet(factAmount, factUnit),
	rules.WalletSpent:          fieldSet(factAmount, factUnit),
	rules.Adjustment:           fieldSet(factAmount, factCurrency, factReason, factApprovedBy),
	rules.Erased:               0,
	rules.PayoutMethod:         fieldSet(factMethod),
	rules.PayoutReleased:       fieldSet(factProgramme),
	rules.VoucherRedeemed:      fieldSet(factVoucherID),
}

// methodNeeds is what a payout_method needs beside.
var methodNeeds = [...]uint32{
	rules.ByCard:     0,
	rules.ByTransfer: fieldSet(factIBAN, factName),
	rules.ByCheque:   fieldSet(factName),
	rules.ByEWallet:  fieldSet(factHandle),
}

var factTakes = [len(factNeeds)]uint32{
	rules.Enrolled:   fieldSet(factCardTokens, factLevel, factSegments, factSponsor),
	rules.Adjustment: fieldSet(factProgramme),
}

// Fact decodes a fact, as Event does an event, and works out its ContentHash.
func (d *Decoder) Fact(value, key []byte, kafkaMillis int64, f *rules.Fact) *Fault {
	*f = rules.Fact{}
	r := d.fact
	if !d.read(value, kafkaMillis, r) {
		return &d.fault
	}
	r.needed = factHead
	f.ID = d.text(r, factID)
	f.Type = d.factType(r)
	f.AccountID = d.account(r, factAccountID, key)
	f.At, _ = d.instant(r, factAt)
	r.needed = factNeeds[f.Type]
	if f.Type == rules.PayoutMethod {
		f.Method = d.payMethod(r)
		r.needed |= methodNeeds[f.Method]
	}
	for rest := r.needed | factTakes[f.Type]; rest != 0; rest &= rest - 1 {
		d.factField(r, uint8(bits.TrailingZeros32(rest)), f)
	}
	if fault := d.verdict(); fault != nil {
		return fault
	}
	SealFact(f)
	return nil
}

func (d *Decoder) factType(r *record) rules.FactType {
	s, ok := d.word(r, factType)
	if !ok {
		return 0
	}
	t, ok := rules.ParseFactType(s)
	switch {
	case s == referralTypeName:
		d.refuse(r, factType, ReasonTopic, "referrals follow from purchases: only processors may write them, to a topic of their own")
	case !ok:
		d.refuse(r, factType, ReasonEnum, oneOf(rules.Enrolled, rules.NumFactTypes-1))
	}
	return t
}

// factField reads one field that the type of f has.
func (d *Decoder) factField(r *record, field uint8, f *rules.Fact) {
	switch field {
	case factMemberID:
		f.MemberID = d.text(r, field)
	case factProgramme:
		f.Programme = d.text(r, field)
	case factCardTokens:
		f.CardTokens = d.textList(r, field)
	case factLevel:
		f.Level = d.text(r, field)
	case factSegments:
		f.Segments = d.textList(r, field)
	case factSponsor:
		f.SponsorAccountID = d.text(r, field)
	case factCardToken:
		f.CardToken = d.text(r, field)
	case factOfferID:
		f.OfferID = d.text(r, field)
	case factSegment:
		f.Segment = d.text(r, field)
	case factTransactionID:
		f.TransactionID = d.text(r, field)
	case factCycle:
		f.Cycle = d.text(r, field)
	case factAsOf:
		if asOf, ok := d.instant(r, field); ok {
			f.AsOf = asOf.String()
		}
	case factAmount:
		f.AmountMinor = d.factAmount(r, f.Type)
	case factUnit:
		f.Unit = d.text(r, field)
	case factCurrency:
		f.Currency = d.currency(r, field)
	case factReason:
		f.Reason = d.text(r, field)
	case factApprovedBy:
		f.ApprovedBy = d.text(r, field)
	case factIBAN:
		f.IBAN = d.iban(r, field)
	case factName:
		f.Name = d.text(r, field)
	case factHandle:
		f.Handle = d.text(r, field)
	case factVoucherID:
		f.VoucherID = d.text(r, field)
	}
}

func (d *Decoder) payMethod(r *record) rules.PayMethod {
	s, ok := d.word(r, factMethod)
	if !ok {
		return 0
	}
	method, ok := rules.ParsePayMethod(s)
	if !ok {
		d.refuse(r, factMethod, ReasonEnum, oneOf(rules.ByCard, rules.ByEWallet))
	}
	return method
}

// iban holds an account number to its letters alone: whether the account exists
// is for the bank to say, whose result then makes it be looked at.
func (d *Decoder) iban(r *record, field uint8) string {
	s := d.text(r, field)
	for i := range len(s) {
		if c := s[i]; c-'0' > 9 && c-'A' > 25 {
			d.refuse(r, field, ReasonFormat, "it must be made of A-Z and 0-9")
			break
		}
	}
	return s
}

// factAmount is over 0 where something is spent; an adjustment goes either
// way, but not nowhere.
func (d *Decoder) factAmount(r *record, t rules.FactType) int64 {
	amountMinor := d.integer(r, factAmount)
	if r.token(factAmount).kind != number {
		return 0
	}
	if t == rules.Adjustment && amountMinor == 0 {
		d.refuse(r, factAmount, ReasonRange, "it must not be 0")
	}
	if t != rules.Adjustment && amountMinor <= 0 {
		d.refuse(r, factAmount, ReasonRange, "it must be over 0")
	}
	return amountMinor
}
