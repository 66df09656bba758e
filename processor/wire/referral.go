package wire

import (
	"ristourne/rules"
)

// The fields of a referral, in the order in which they are judged.
const (
	referralID = iota + 1
	referralType
	referralAccountID
	referralAt
	referralNumber
	referralBuyer
	referralTransactionID
	referralPartnerID
	referralStoreID
	referralOfferID
	referralOfferVersion
	referralProgramme
	referralCurrency
	referralPurchasedAt
	referralChannel
	referralMCC
	referralConfirmedBasis
	referralConfirmedReward
	referralExpectedBasis
	referralExpectedReward
	referralLateConfirmed
	referralLateExpected
	referralMatchedRefund
	referralClearedAt
)

// referralTypeName is the type of the facts of which Ristourne itself is the
// author. They have a topic of their own.
const referralTypeName = "referral"

// A referral's amounts are sums over a purchase, which may exceed what one
// record of the bank may state.
const maxSumMinor = 1e18 - 1

func newReferralRecord() *record {
	sum := func(name string) field { return field{name: name, needed: true, max: maxSumMinor} }
	return newRecord("", []field{
		referralID:              {name: "fact_id", needed: true, max: maxID, holds: ids},
		referralType:            {name: "type", needed: true},
		referralAccountID:       {name: "account_id", needed: true, max: maxID, holds: ids},
		referralAt:              {name: "at", needed: true},
		referralNumber:          {name: "number", needed: true, min: 1, max: maxSumMinor},
		referralBuyer:           {name: "buyer_account_id", needed: true, max: maxID, holds: ids},
		referralTransactionID:   {name: "transaction_id", needed: true, max: maxText, holds: ids},
		referralPartnerID:       {name: "partner_id", max: maxText, holds: ids},
		referralStoreID:         {name: "store_id", max: maxText, holds: ids},
		referralOfferID:         {name: "offer_id", needed: true, max: maxText, holds: ids},
		referralOfferVersion:    {name: "offer_version", needed: true, max: maxText, holds: ids},
		referralProgramme:       {name: "programme", needed: true, max: maxText, holds: ids},
		referralCurrency:        {name: "currency", needed: true},
		referralPurchasedAt:     {name: "purchased_at", needed: true},
		referralChannel:         {name: "channel"},
		referralMCC:             {name: "mcc"},
		referralConfirmedBasis:  sum("confirmed_basis_minor"),
		referralConfirmedReward: sum("confirmed_reward_minor"),
		referralExpectedBasis:   sum("expected_basis_minor"),
		referralExpectedReward:  sum("expected_reward_minor"),
		referralLateConfirmed:   {name: "late_confirmed_reward_minor", min: -maxSumMinor, max: maxSumMinor},
		referralLateExpected:    {name: "late_expected_reward_minor", min: -maxSumMinor, max: maxSumMinor},
		referralMatchedRefund:   {name: "matched_refund"},
		referralClearedAt:       {name: "cleared_at"},
	})
}

// Referral decodes a referral fact, which a processor wrote, as Event does an
// event. BuyerRef and Cause are left empty.
func (d *Decoder) Referral(value, key []byte, kafkaMillis int64, f *rules.Referral) *Fault {
	*f = rules.Referral{}
	r := d.referral
	if !d.read(value, kafkaMillis, r) {
		return &d.fault
	}
	f.ID = d.text(r, referralID)
	d.referralType(r)
	f.SponsorAccountID = d.account(r, referralAccountID, key)
	f.At, _ = d.instant(r, referralAt)
	f.Number = d.integer(r, referralNumber)
	f.BuyerAccountID = d.text(r, referralBuyer)
	f.TransactionID = d.text(r, referralTransactionID)
	f.PartnerID = d.text(r, referralPartnerID)
	f.StoreID = d.text(r, referralStoreID)
	f.OfferID = d.text(r, referralOfferID)
	f.OfferVersion = d.text(r, referralOfferVersion)
	f.Programme = d.text(r, referralProgramme)
	f.Currency = d.currency(r, referralCurrency)
	f.PurchasedAt, _ = d.instant(r, referralPurchasedAt)
	f.Channel = d.channel(r, referralChannel)
	f.MCC = d.mcc(r, referralMCC)
	f.ConfirmedBasisMinor = d.integer(r, referralConfirmedBasis)
	f.ConfirmedRewardMinor = d.integer(r, referralConfirmedReward)
	f.ExpectedBasisMinor = d.integer(r, referralExpectedBasis)
	f.ExpectedRewardMinor = d.integer(r, referralExpectedReward)
	f.LateConfirmedRewardMinor = d.late(r, referralLateConfirmed, f.ConfirmedRewardMinor)
	f.LateExpectedRewardMinor = d.late(r, referralLateExpected, f.ExpectedRewardMinor)
	f.MatchedRefund = d.has(r, referralMatchedRefund, boolean) && r.token(referralMatchedRefund).odd
	f.ClearedAt, _ = d.instant(r, referralClearedAt)
	return d.verdict()
}

// late is how much of an award late events bring; 0 where the field is absent.
func (d *Decoder) late(r *record, field uint8, rewardMinor int64) int64 {
	late := d.integer(r, field)
	if late > rewardMinor {
		d.refuse(r, field, ReasonRange, "late events bring more than the award is")
	}
	return late
}

func (d *Decoder) referralType(r *record) {
	if s, ok := d.word(r, referralType); ok && s != referralTypeName {
		d.refuse(r, referralType, ReasonTopic, "this topic is for "+referralTypeName+" facts, which only processors write: "+
			"send other facts to the topic of facts")
	}
}
