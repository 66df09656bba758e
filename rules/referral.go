package rules

import (
	"ristourne/rules/internal/codec"
	"ristourne/rules/money"
)

// Referral is what one purchase gives the sponsor of its buyer by one offer: a
// target, not a difference. The buyer's account tells it; the sponsor's books
// it. Of one (buyer, transaction, partner, offer, sponsor) the highest number
// holds.
type Referral struct {
	ID               string         `row:"fact_id,unique"`     // the fact_id: follows from its key and number
	Number           int64          `row:"number"`             // from 1
	SponsorAccountID string         `row:"sponsor_account_id"` // whose fact it is
	BuyerAccountID   string         `row:"buyer_account_id,personal"`
	BuyerRef         AccountRef     `row:"account_ref"`
	TransactionID    string         `row:"transaction_id"` // of the purchase
	PartnerID        string         `row:"partner_id"`     // empty: an offer of the programme's own
	StoreID          string         `row:"store_id"`
	OfferID          string         `row:"offer_id"`
	OfferVersion     string         `row:"offer_version"`
	Programme        string         `row:"programme"`
	Currency         money.Currency `row:"currency"`
	PurchasedAt      Instant        `row:"purchased_at"`
	At               Instant        `row:"at"` // of its cause: the occurred_at of an event, the at of a fact
	Channel          Channel        `row:"channel,optional"`
	MCC              string         `row:"mcc"`
	// In each world the basis and the sponsor's award on it, before the caps
	// that their account keeps. Both 0: no longer due.
	ConfirmedBasisMinor  int64 `row:"confirmed_basis_minor"`
	ConfirmedRewardMinor int64 `row:"confirmed_reward_minor"`
	ExpectedBasisMinor   int64 `row:"expected_basis_minor"`
	ExpectedRewardMinor  int64 `row:"expected_reward_minor"`
	// How much of the awards the purchase's late events bring; negative: take
	// away. Without them the sponsor's caps fill in order; with them the purchase
	// has the room that all others leave.
	LateConfirmedRewardMinor int64 `row:"late_confirmed_reward_minor"`
	LateExpectedRewardMinor  int64 `row:"late_expected_reward_minor"`
	// A refund that named no purchase is matched to it, as the purchase is told.
	MatchedRefund bool `row:"matched_refund,in=Channel"`
	// ClearedAt is when the purchase was cleared last; zero: it isn't told.
	ClearedAt Instant `row:"-,since=6"`
	Cause     Cause   // the buyer's record that made it; no part of the fact
}

// Bytes is at least what the referral takes in the account's state.
func (r *Referral) Bytes() int {
	const numbers = 64
	return numbers + len(r.ID) + len(r.BuyerAccountID) + len(r.TransactionID) + len(r.PartnerID) + len(r.StoreID) +
		len(r.OfferID) + len(r.OfferVersion) + len(r.Programme) + len(r.MCC)
}

// SameTarget reports that two referrals are about one target: the higher
// number holds.
func (r *Referral) SameTarget(o *Referral) bool {
	return r.BuyerAccountID == o.BuyerAccountID && r.TransactionID == o.TransactionID &&
		r.PartnerID == o.PartnerID && r.OfferID == o.OfferID
}

// Volume is the most that the referral can add to a sum.
func (r *Referral) Volume() int64 {
	late := max(0, -r.LateConfirmedRewardMinor, -r.LateExpectedRewardMinor)
	return max(r.ConfirmedRewardMinor, r.ExpectedRewardMinor) + late
}

// MatureFrom is from when on the sponsor's hold counts.
func (r *Referral) MatureFrom() Instant {
	if r.ClearedAt == (Instant{}) {
		return r.At
	}
	return r.ClearedAt
}

// IsLate reports that late events of the purchase change what it gives.
func (r *Referral) IsLate() bool {
	return r.LateConfirmedRewardMinor != 0 || r.LateExpectedRewardMinor != 0
}

// AppendBinary appends the set's own form of the referral: all of it but the
// sponsor's account id and the cause.
func (r *Referral) AppendBinary(dst []byte) []byte {
	w := codec.Encoder{Bytes: append(dst, referralFormat)}
	r.Encode(&w)
	w.Bytes = append(w.Bytes, r.BuyerRef[:]...)
	return w.Bytes
}

// UnmarshalBinary reads what AppendBinary wrote. SponsorAccountID and Cause
// stay empty; strings point into src, which must not be changed afterwards.
func (r *Referral) UnmarshalBinary(src []byte) error {
	d := codec.Decoder{Rest: src}
	format := d.Byte()
	if format != referralFormat && format != referralFormatWithoutClearing && format != referralFormatWithoutLate {
		d.Fail("referral of an unknown format")
	}
	*r = decodeReferralAs(&d, format)
	if r.Number < 1 {
		d.Fail("bad number of a referral")
	}
	if len(d.Rest) < len(r.BuyerRef) {
		d.Fail("too short")
		return d.Done()
	}
	copy(r.BuyerRef[:], d.Rest)
	d.Rest = d.Rest[len(r.BuyerRef):]
	return d.Done()
}

// referralMatched marks, beside the channel, a referral of a purchase to which a
// refund is matched: what was written without it is read as of none.
const referralMatched = 1 << 7

func (r *Referral) Encode(e *codec.Encoder) {
	e.Unique(r.ID)
	e.Uint(uint64(r.Number))
	e.String(r.BuyerAccountID)
	e.Unique(r.TransactionID)
	for _, s := range [...]string{r.PartnerID, r.StoreID, r.OfferID, r.OfferVersion, r.Programme, r.MCC} {
		e.String(s)
	}
	channel := byte(r.Channel)
	if r.MatchedRefund {
		channel |= referralMatched
	}
	e.Byte(channel)
	e.Currency(r.Currency)
	e.Instant(r.PurchasedAt.Parts())
	e.Instant(r.At.Parts())
	e.Instant(r.ClearedAt.Parts())
	for _, minor := range [...]int64{r.ConfirmedBasisMinor, r.ConfirmedRewardMinor, r.ExpectedBasisMinor, r.ExpectedRewardMinor} {
		e.Amount(minor)
	}
	e.Int(r.LateConfirmedRewardMinor)
	e.Int(r.LateExpectedRewardMinor)
}

// DecodeReferral reads one as Encode writes it, or as it was written once, without
// the clearing.
func DecodeReferral(d *codec.Decoder, withoutClearing bool) Referral {
	if withoutClearing {
		return decodeReferralAs(d, referralFormatWithoutClearing)
	}
	return decodeReferralAs(d, referralFormat)
}

func decodeReferralAs(d *codec.Decoder, format byte) Referral {
	r := Referral{ID: d.Unique(), Number: int64(d.Uint()), BuyerAccountID: d.String(), TransactionID: d.Unique()}
	for _, s := range [...]*string{&r.PartnerID, &r.StoreID, &r.OfferID, &r.OfferVersion, &r.Programme, &r.MCC} {
		*s = d.String()
	}
	channel := d.Byte()
	r.MatchedRefund = channel&referralMatched != 0
	r.Channel = Channel(d.Enum(channel&^referralMatched, 0, byte(OtherChannel), "bad channel"))
	r.Currency, r.PurchasedAt, r.At = d.Currency(), InstantAt(d.Instant()), InstantAt(d.Instant())
	if format == referralFormat {
		r.ClearedAt = InstantAt(d.Instant())
	}
	for _, minor := range [...]*int64{&r.ConfirmedBasisMinor, &r.ConfirmedRewardMinor, &r.ExpectedBasisMinor, &r.ExpectedRewardMinor} {
		*minor = d.Amount()
	}
	if format != referralFormatWithoutLate {
		r.LateConfirmedRewardMinor, r.LateExpectedRewardMinor = d.Int(), d.Int()
	}
	if r.LateConfirmedRewardMinor > r.ConfirmedRewardMinor || r.LateExpectedRewardMinor > r.ExpectedRewardMinor {
		d.Fail("late events of a purchase bring more than it gives")
	}
	return r
}
