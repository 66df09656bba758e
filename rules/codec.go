package rules

import (
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
)

// The binary forms of what a set holds. Each begins with a version byte.
const (
	eventFormat    = 1
	factFormat     = 1
	referralFormat = 3
	// referralFormatWithoutClearing is that of ledgers that paid all at once.
	referralFormatWithoutClearing = 2
	// referralFormatWithoutLate is that of ledgers whose sponsors' caps knew
	// nothing of late events.
	referralFormatWithoutLate = 1
)

const maxItems = 200

// AppendBinary appends the set's own form of the event: all of it but the
// account id, content hash included.
func (e *Event) AppendBinary(dst []byte) []byte {
	w := codec.Encoder{Bytes: append(dst, eventFormat, byte(e.Type), e.flags(), byte(e.Channel))}
	w.Unique(e.ID)
	w.Unique(e.TransactionID)
	w.Unique(e.OriginalTransactionID)
	w.Unique(e.CardToken)
	w.Amount(e.AmountMinor)
	w.Currency(e.Currency)
	w.Amount(e.BillingAmountMinor)
	w.Currency(e.BillingCurrency)
	w.Instant(e.OccurredAt.Parts())
	if e.HasPurchasedAt {
		w.Instant(e.PurchasedAt.Parts())
	}
	for _, s := range e.Merchant.fields() {
		w.Unique(*s)
	}
	w.Unique(e.CardProduct)
	w.Count(len(e.Items))
	for i := range e.Items {
		item := &e.Items[i]
		w.Int(item.AmountMinor)
		w.Unique(item.Quantity)
		w.Unique(item.SKU)
		w.Unique(item.Category)
	}
	w.Hash(e.ContentHash)
	return w.Bytes
}

const (
	eventHasPurchasedAt = 1 << iota
	eventDeclined
)

func (e *Event) flags() byte {
	var flags byte
	if e.HasPurchasedAt {
		flags |= eventHasPurchasedAt
	}
	if e.Declined {
		flags |= eventDeclined
	}
	return flags
}

func (m *Merchant) fields() [9]*string {
	return [...]*string{
		&m.ID, &m.AcquirerID, &m.Network, &m.NetworkMerchantID, &m.SubMerchantID, &m.TerminalID, &m.Name, &m.MCC, &m.Country,
	}
}

// UnmarshalBinary reads what AppendBinary wrote. AccountID stays empty; the
// other strings point into src, which must not be changed afterwards.
func (e *Event) UnmarshalBinary(src []byte) error {
	items := e.Items[:0]
	*e = Event{}
	r := codec.Decoder{Rest: src}
	if r.Byte() != eventFormat {
		r.Fail("event of an unknown format")
	}
	e.Type = EventType(r.Enum(r.Byte(), byte(Authorization), byte(NumEventTypes-1), "bad event type"))
	flags := r.Byte()
	e.HasPurchasedAt, e.Declined = flags&eventHasPurchasedAt != 0, flags&eventDeclined != 0
	e.Channel = Channel(r.Enum(r.Byte(), 0, byte(OtherChannel), "bad channel"))
	e.ID, e.TransactionID, e.OriginalTransactionID, e.CardToken = r.Unique(), r.Unique(), r.Unique(), r.Unique()
	e.AmountMinor, e.Currency = r.Amount(), r.Currency()
	e.BillingAmountMinor, e.BillingCurrency = r.Amount(), r.Currency()
	e.OccurredAt = InstantAt(r.Instant())
	if e.HasPurchasedAt {
		e.PurchasedAt = InstantAt(r.Instant())
	}
	for _, s := range e.Merchant.fields() {
		*s = r.Unique()
	}
	e.CardProduct = r.Unique()
	n := r.Count(4)
	if n > maxItems {
		r.Fail("too many items")
		n = 0
	}
	for range n {
		items = append(items, Item{r.Int(), r.Unique(), r.Unique(), r.Unique()})
	}
	if n > 0 {
		e.Items = items
	}
	e.ContentHash = r.Hash()
	return r.Done()
}

// AppendBinary appends the set's own form of the fact: all of it but the
// account id, content hash included.
func (f *Fact) AppendBinary(dst []byte) []byte {
	w := codec.Encoder{Bytes: append(dst, factFormat)}
	f.Encode(&w)
	return w.Bytes
}

// UnmarshalBinary reads what AppendBinary wrote. AccountID stays empty; the
// other strings point into src, which must not be changed afterwards.
func (f *Fact) UnmarshalBinary(src []byte) error {
	r := codec.Decoder{Rest: src}
	if r.Byte() != factFormat {
		r.Fail("fact of an unknown format")
	}
	var arena []string
	*f = DecodeFact(&r, &arena)
	return r.Done()
}

// Which fields of a fact are written: most types have one or two.
const (
	factMember = 1 << iota
	factProgramme
	factCards
	factSegments
	factTransaction
	factCycle
	factMoney
	factOffer
	factMethod
	factVoucher
)

// factMore marks, beside the type, an adjustment that names its programme, and a
// cycle_closed of which is known what was found when it was taken: what was written
// without it has neither.
const factMore = 1 << 7

func factFields(t FactType) uint64 {
	switch t {
	case Enrolled:
		return factMember | factProgramme | factCards | factSegments
	case CardLinked, CardUnlinked:
		return factCards
	case LevelChanged:
		return factMember
	case OfferActivated, OfferDeactivated:
		return factOffer
	case SegmentAdded, SegmentRemoved:
		return factSegments
	case AuthorizationExpired:
		return factTransaction
	case CycleClosed:
		return factProgramme | factCycle
	case PayoutReleased:
		return factProgramme
	case PayoutMethod:
		return factMethod
	case VoucherRedeemed:
		return factVoucher
	case PointsSpent, WalletSpent, Adjustment:
		return factMoney
	}
	return 0
}

func (f *Fact) Encode(e *codec.Encoder) {
	head := byte(f.Type)
	if f.Type == Adjustment && f.Programme != "" || f.Closed != nil {
		head |= factMore
	}
	e.Byte(head)
	e.Unique(f.ID)
	e.Instant(f.At.Parts())
	fields := factFields(f.Type)
	if head&factMore != 0 {
		fields |= factProgramme
	}
	if fields&factMember != 0 {
		e.String(f.MemberID)
		e.String(f.Level)
		e.String(f.SponsorAccountID)
	}
	if fields&factProgramme != 0 {
		e.String(f.Programme)
	}
	if fields&factCards != 0 {
		e.String(f.CardToken)
		e.List(f.CardTokens)
	}
	if fields&factSegments != 0 {
		e.String(f.Segment)
		e.List(f.Segments)
	}
	if fields&factTransaction != 0 {
		e.Unique(f.TransactionID)
	}
	if fields&factCycle != 0 {
		e.String(f.Cycle)
		e.String(f.AsOf)
	}
	if f.Closed != nil {
		e.Count(len(f.Closed))
		for _, debt := range f.Closed {
			e.Currency(debt.Currency)
			e.Instant(debt.Since.Parts())
			e.Amount(debt.WrittenOffMinor)
		}
	}
	if fields&factMoney != 0 {
		e.Int(f.AmountMinor)
		e.String(f.Unit)
		e.Currency(f.Currency)
		e.String(f.Reason)
		e.String(f.ApprovedBy)
	}
	if fields&factOffer != 0 {
		e.String(f.OfferID)
	}
	if fields&factMethod != 0 {
		e.Byte(byte(f.Method))
		e.String(f.IBAN)
		e.String(f.Name)
		e.String(f.Handle)
	}
	if fields&factVoucher != 0 {
		e.Unique(f.VoucherID)
	}
	e.Hash(f.ContentHash)
}

func DecodeFact(d *codec.Decoder, arena *[]string) Fact {
	var f Fact
	head := d.Byte()
	f.Type = FactType(d.Enum(head&^factMore, byte(Enrolled), byte(NumFactTypes-1), "bad fact type"))
	f.ID = d.Unique()
	f.At = InstantAt(d.Instant())
	fields := factFields(f.Type)
	closed := head&factMore != 0 && f.Type == CycleClosed
	if head&factMore != 0 {
		if f.Type != Adjustment && !closed {
			d.Fail("bad fact type")
		}
		fields |= factProgramme
	}
	if fields&factMember != 0 {
		f.MemberID, f.Level, f.SponsorAccountID = d.String(), d.String(), d.String()
	}
	if fields&factProgramme != 0 {
		f.Programme = d.String()
	}
	if fields&factCards != 0 {
		f.CardToken, f.CardTokens = d.String(), d.List(arena)
	}
	if fields&factSegments != 0 {
		f.Segment, f.Segments = d.String(), d.List(arena)
	}
	if fields&factTransaction != 0 {
		f.TransactionID = d.Unique()
	}
	if fields&factCycle != 0 {
		f.Cycle, f.AsOf = d.String(), d.String()
	}
	if closed {
		f.Closed = []Debt{}
		for range d.Count(minDebtBytes) {
			f.Closed = append(f.Closed, Debt{d.Currency(), InstantAt(d.Instant()), d.Amount()})
		}
	}
	if fields&factMoney != 0 {
		f.AmountMinor = d.Int()
		if f.AmountMinor > money.MaxAmountMinor || f.AmountMinor < -money.MaxAmountMinor {
			d.Fail("bad amount")
		}
		f.Unit, f.Currency, f.Reason, f.ApprovedBy = d.String(), d.Currency(), d.String(), d.String()
	}
	if fields&factOffer != 0 {
		f.OfferID = d.String()
	}
	if fields&factMethod != 0 {
		f.Method = PayMethod(d.Enum(d.Byte(), byte(ByCard), byte(ByEWallet), "bad method"))
		f.IBAN, f.Name, f.Handle = d.String(), d.String(), d.String()
	}
	if fields&factVoucher != 0 {
		f.VoucherID = d.Unique()
	}
	f.ContentHash = d.Hash()
	return f
}

const minDebtBytes = 3

const resultFormat = 1

// AppendBinary appends the set's own form of the result: all of it but the
// account id.
func (r *Result) AppendBinary(dst []byte) []byte {
	w := codec.Encoder{Bytes: append(dst, resultFormat, byte(r.Status))}
	w.Unique(r.InstructionID)
	w.Unique(r.Reason)
	w.Instant(r.At.Parts())
	return w.Bytes
}

// UnmarshalBinary reads what AppendBinary wrote. AccountID stays empty; the other
// strings point into src, which must not be changed afterwards.
func (r *Result) UnmarshalBinary(src []byte) error {
	d := codec.Decoder{Rest: src}
	if d.Byte() != resultFormat {
		d.Fail("result of an unknown format")
	}
	*r = Result{Status: ResultStatus(d.Enum(d.Byte(), byte(Accepted), byte(Rejected), "bad status"))}
	r.InstructionID, r.Reason = d.Unique(), d.Unique()
	r.At = InstantAt(d.Instant())
	return d.Done()
}
