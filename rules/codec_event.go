package rules

import "ristourne/rules/money"

// The binary forms of what a set holds. Each begins with a version byte.
const (
	eventFormat    = 1
	factFormat     = 1
	referralFormat = 2
	// referralFormatWithoutLate is that of ledgers whose sponsors' caps knew
	// nothing of late events.
	referralFormatWithoutLate = 1
)

const maxItems = 200

// AppendBinary appends the set's own form of the event: all of it but the
// account id, content hash included.
func (e *Event) AppendBinary(dst []byte) []byte {
	w := encoder{b: append(dst, eventFormat, byte(e.Type), e.flags(), byte(e.Channel))}
	w.unique(e.ID)
	w.unique(e.TransactionID)
	w.unique(e.OriginalTransactionID)
	w.unique(e.CardToken)
	w.amount(e.AmountMinor)
	w.currency(e.Currency)
	w.amount(e.BillingAmountMinor)
	w.currency(e.BillingCurrency)
	w.instant(e.OccurredAt.Parts())
	if e.HasPurchasedAt {
		w.instant(e.PurchasedAt.Parts())
	}
	for _, s := range e.Merchant.fields() {
		w.unique(*s)
	}
	w.unique(e.CardProduct)
	w.count(len(e.Items))
	for i := range e.Items {
		item := &e.Items[i]
		w.int(item.AmountMinor)
		w.unique(item.Quantity)
		w.unique(item.SKU)
		w.unique(item.Category)
	}
	w.hash(e.ContentHash)
	return w.b
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
	r := decoder{b: src}
	if r.byte() != eventFormat {
		r.fail("event of an unknown format")
	}
	e.Type = EventType(r.enum(r.byte(), byte(Authorization), byte(NumEventTypes-1), "bad event type"))
	flags := r.byte()
	e.HasPurchasedAt, e.Declined = flags&eventHasPurchasedAt != 0, flags&eventDeclined != 0
	e.Channel = Channel(r.enum(r.byte(), 0, byte(OtherChannel), "bad channel"))
	e.ID, e.TransactionID, e.OriginalTransactionID, e.CardToken = r.unique(), r.unique(), r.unique(), r.unique()
	e.AmountMinor, e.Currency = r.amount(), r.currency()
	e.BillingAmountMinor, e.BillingCurrency = r.amount(), r.currency()
	e.OccurredAt = InstantAt(r.instant())
	if e.HasPurchasedAt {
		e.PurchasedAt = InstantAt(r.instant())
	}
	for _, s := range e.Merchant.fields() {
		*s = r.unique()
	}
	e.CardProduct = r.unique()
	n := r.count(4)
	if n > maxItems {
		r.fail("too many items")
		n = 0
	}
	for range n {
		items = append(items, Item{r.int(), r.unique(), r.unique(), r.unique()})
	}
	if n > 0 {
		e.Items = items
	}
	e.ContentHash = r.hash()
	return r.done()
}

// AppendBinary appends the set's own form of the fact: all of it but the
// account id, content hash included.
func (f *Fact) AppendBinary(dst []byte) []byte {
	w := encoder{b: append(dst, factFormat)}
	f.encode(&w)
	return w.b
}

// UnmarshalBinary reads what AppendBinary wrote. AccountID stays empty; the
// other strings point into src, which must not be changed afterwards.
func (f *Fact) UnmarshalBinary(src []byte) error {
	r := decoder{b: src}
	if r.byte() != factFormat {
		r.fail("fact of an unknown format")
	}
	var arena []string
	*f = decodeFact(&r, &arena)
	return r.done()
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
)

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
	case PointsSpent, WalletSpent, Adjustment:
		return factMoney
	}
	return 0
}

func (f *Fact) encode(e *encoder) {
	e.byte(byte(f.Type))
	e.unique(f.ID)
	e.instant(f.At.Parts())
	fields := factFields(f.Type)
	if fields&factMember != 0 {
		e.string(f.MemberID)
		e.string(f.Level)
		e.string(f.SponsorAccountID)
	}
	if fields&factProgramme != 0 {
		e.string(f.Programme)
	}
	if fields&factCards != 0 {
		e.string(f.CardToken)
		e.list(f.CardTokens)
	}
	if fields&factSegments != 0 {
		e.string(f.Segment)
		e.list(f.Segments)
	}
	if fields&factTransaction != 0 {
		e.unique(f.TransactionID)
	}
	if fields&factCycle != 0 {
		e.string(f.Cycle)
		e.string(f.AsOf)
	}
	if fields&factMoney != 0 {
		e.int(f.AmountMinor)
		e.string(f.Unit)
		e.currency(f.Currency)
		e.string(f.Reason)
		e.string(f.ApprovedBy)
	}
	if fields&factOffer != 0 {
		e.string(f.OfferID)
	}
	e.hash(f.ContentHash)
}

func decodeFact(d *decoder, arena *[]string) Fact {
	var f Fact
	f.Type = FactType(d.enum(d.byte(), byte(Enrolled), byte(Erased), "bad fact type"))
	f.ID = d.unique()
	f.At = InstantAt(d.instant())
	fields := factFields(f.Type)
	if fields&factMember != 0 {
		f.MemberID, f.Level, f.SponsorAccountID = d.string(), d.string(), d.string()
	}
	if fields&factProgramme != 0 {
		f.Programme = d.string()
	}
	if fields&factCards != 0 {
		f.CardToken, f.CardTokens = d.string(), d.list(arena)
	}
	if fields&factSegments != 0 {
		f.Segment, f.Segments = d.string(), d.list(arena)
	}
	if fields&factTransaction != 0 {
		f.TransactionID = d.unique()
	}
	if fields&factCycle != 0 {
		f.Cycle, f.AsOf = d.string(), d.string()
	}
	if fields&factMoney != 0 {
		f.AmountMinor = d.int()
		if f.AmountMinor > money.MaxAmountMinor || f.AmountMinor < -money.MaxAmountMinor {
			d.fail("bad amount")
		}
		f.Unit, f.Currency, f.Reason, f.ApprovedBy = d.string(), d.currency(), d.string(), d.string()
	}
	if fields&factOffer != 0 {
		f.OfferID = d.string()
	}
	f.ContentHash = d.hash()
	return f
}
