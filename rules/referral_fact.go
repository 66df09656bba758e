package rules

import "ristourne/rules/money"

// Referral is what one purchase gives the sponsor of its buyer by one offer: a
// target, not a difference. The buyer's account tells it; the sponsor's books
// it. Of one (buyer, transaction, partner, offer, sponsor) the highest number
// holds.
type Referral struct {
	ID               string // the fact_id: follows from its key and number
	Number           int64  // from 1
	SponsorAccountID string // whose fact it is
	BuyerAccountID   string
	BuyerRef         AccountRef
	TransactionID    string // of the purchase
	PartnerID        string // empty: an offer of the programme's own
	StoreID          string
	OfferID          string
	OfferVersion     string
	Programme        string
	Currency         money.Currency
	PurchasedAt      Instant
	At               Instant // of its cause: the occurred_at of an event, the at of a fact
	Channel          Channel
	MCC              string
	// In each world the basis and the sponsor's award on it, before the caps
	// that his account keeps. Both 0: no longer deserved.
	ConfirmedBasisMinor, ConfirmedRewardMinor int64
	ExpectedBasisMinor, ExpectedRewardMinor   int64
	// How much of the awards the purchase's late events bring; negative: take
	// away. Without them the sponsor's caps fill in order; with them the purchase
	// has the room that all others leave.
	LateConfirmedRewardMinor, LateExpectedRewardMinor int64
	// A refund that named no purchase is matched to it, as the purchase is told.
	MatchedRefund bool
	Cause         Cause // the buyer's record that made it; no part of the fact
}

// bytes is at least what the referral takes in the account's state.
func (r *Referral) bytes() int {
	const numbers = 64
	return numbers + len(r.ID) + len(r.BuyerAccountID) + len(r.TransactionID) + len(r.PartnerID) + len(r.StoreID) +
		len(r.OfferID) + len(r.OfferVersion) + len(r.Programme) + len(r.MCC)
}

// sameTarget reports that two referrals are about one target: the higher
// number holds.
func (r *Referral) sameTarget(o *Referral) bool {
	return r.BuyerAccountID == o.BuyerAccountID && r.TransactionID == o.TransactionID &&
		r.PartnerID == o.PartnerID && r.OfferID == o.OfferID
}

// volume is the most that the referral can add to a sum.
func (r *Referral) volume() int64 {
	late := max(0, -r.LateConfirmedRewardMinor, -r.LateExpectedRewardMinor)
	return max(r.ConfirmedRewardMinor, r.ExpectedRewardMinor) + late
}

// isLate reports that late events of the purchase change what it gives.
func (r *Referral) isLate() bool {
	return r.LateConfirmedRewardMinor != 0 || r.LateExpectedRewardMinor != 0
}

// AppendBinary appends the set's own form of the referral: all of it but the
// sponsor's account id and the cause.
func (r *Referral) AppendBinary(dst []byte) []byte {
	w := encoder{b: append(dst, referralFormat)}
	r.encode(&w)
	w.b = append(w.b, r.BuyerRef[:]...)
	return w.b
}

// UnmarshalBinary reads what AppendBinary wrote. SponsorAccountID and Cause
// stay empty; strings point into src, which must not be changed afterwards.
func (r *Referral) UnmarshalBinary(src []byte) error {
	d := decoder{b: src}
	format := d.byte()
	if format != referralFormat && format != referralFormatWithoutLate {
		d.fail("referral of an unknown format")
	}
	*r = decodeReferralAs(&d, format)
	if r.Number < 1 {
		d.fail("bad number of a referral")
	}
	if len(d.b) < len(r.BuyerRef) {
		d.fail("too short")
		return d.done()
	}
	copy(r.BuyerRef[:], d.b)
	d.b = d.b[len(r.BuyerRef):]
	return d.done()
}

// referralMatched marks, beside the channel, a referral of a purchase to which a
// refund is matched: what was written without it is read as of none.
const referralMatched = 1 << 7

func (r *Referral) encode(e *encoder) {
	e.unique(r.ID)
	e.uint(uint64(r.Number))
	e.string(r.BuyerAccountID)
	e.unique(r.TransactionID)
	for _, s := range [...]string{r.PartnerID, r.StoreID, r.OfferID, r.OfferVersion, r.Programme, r.MCC} {
		e.string(s)
	}
	channel := byte(r.Channel)
	if r.MatchedRefund {
		channel |= referralMatched
	}
	e.byte(channel)
	e.currency(r.Currency)
	e.instant(r.PurchasedAt.Parts())
	e.instant(r.At.Parts())
	for _, minor := range [...]int64{r.ConfirmedBasisMinor, r.ConfirmedRewardMinor, r.ExpectedBasisMinor, r.ExpectedRewardMinor} {
		e.amount(minor)
	}
	e.int(r.LateConfirmedRewardMinor)
	e.int(r.LateExpectedRewardMinor)
}

// decodeReferral reads one as encode writes it.
func decodeReferral(d *decoder) Referral { return decodeReferralAs(d, referralFormat) }

func decodeReferralAs(d *decoder, format byte) Referral {
	r := Referral{ID: d.unique(), Number: int64(d.uint()), BuyerAccountID: d.string(), TransactionID: d.unique()}
	for _, s := range [...]*string{&r.PartnerID, &r.StoreID, &r.OfferID, &r.OfferVersion, &r.Programme, &r.MCC} {
		*s = d.string()
	}
	channel := d.byte()
	r.MatchedRefund = channel&referralMatched != 0
	r.Channel = Channel(d.enum(channel&^referralMatched, 0, byte(OtherChannel), "bad channel"))
	r.Currency, r.PurchasedAt, r.At = d.currency(), InstantAt(d.instant()), InstantAt(d.instant())
	for _, minor := range [...]*int64{&r.ConfirmedBasisMinor, &r.ConfirmedRewardMinor, &r.ExpectedBasisMinor, &r.ExpectedRewardMinor} {
		*minor = d.amount()
	}
	if format != referralFormatWithoutLate {
		r.LateConfirmedRewardMinor, r.LateExpectedRewardMinor = d.int(), d.int()
	}
	if r.LateConfirmedRewardMinor > r.ConfirmedRewardMinor || r.LateExpectedRewardMinor > r.ExpectedRewardMinor {
		d.fail("late events of a purchase bring more than it gives")
	}
	return r
}
