package referrals

import (
	"strconv"
	"time"

	"ristourne/rules"
	"ristourne/sinks/internal/jsontext"
)

// appendValue appends the value of a message: the `referral` fact as a JSON object,
// with the sponsor as its account. The optional fields partner_id, store_id,
// channel and mcc are left out where they are empty. The buyer's reference and
// the cause don't cross the border.
func appendValue(dst []byte, r *rules.Referral) []byte {
	dst = append(dst, `{"fact_id":`...)
	dst = jsontext.AppendString(dst, r.ID)
	dst = append(dst, `,"type":"referral","account_id":`...)
	dst = jsontext.AppendString(dst, r.SponsorAccountID)
	dst = appendInstant(dst, `,"at":"`, r.At)
	dst = appendInt(dst, `,"number":`, r.Number)
	dst = append(dst, `,"buyer_account_id":`...)
	dst = jsontext.AppendString(dst, r.BuyerAccountID)
	dst = append(dst, `,"transaction_id":`...)
	dst = jsontext.AppendString(dst, r.TransactionID)
	dst = appendOptional(dst, `,"partner_id":`, r.PartnerID)
	dst = appendOptional(dst, `,"store_id":`, r.StoreID)
	dst = append(dst, `,"offer_id":`...)
	dst = jsontext.AppendString(dst, r.OfferID)
	dst = append(dst, `,"offer_version":`...)
	dst = jsontext.AppendString(dst, r.OfferVersion)
	dst = append(dst, `,"programme":`...)
	dst = jsontext.AppendString(dst, r.Programme)
	dst = append(dst, `,"currency":`...)
	dst = jsontext.AppendString(dst, r.Currency.String())
	dst = appendInstant(dst, `,"purchased_at":"`, r.PurchasedAt)
	dst = appendOptional(dst, `,"channel":`, r.Channel.String())
	dst = appendOptional(dst, `,"mcc":`, r.MCC)
	dst = appendInt(dst, `,"confirmed_basis_minor":`, r.ConfirmedBasisMinor)
	dst = appendInt(dst, `,"confirmed_reward_minor":`, r.ConfirmedRewardMinor)
	dst = appendInt(dst, `,"expected_basis_minor":`, r.ExpectedBasisMinor)
	dst = appendInt(dst, `,"expected_reward_minor":`, r.ExpectedRewardMinor)
	// Without late events, as nearly always, they are absent.
	if r.LateConfirmedRewardMinor != 0 {
		dst = appendInt(dst, `,"late_confirmed_reward_minor":`, r.LateConfirmedRewardMinor)
	}
	if r.LateExpectedRewardMinor != 0 {
		dst = appendInt(dst, `,"late_expected_reward_minor":`, r.LateExpectedRewardMinor)
	}
	if r.MatchedRefund {
		dst = append(dst, `,"matched_refund":true`...)
	}
	if r.ClearedAt != (rules.Instant{}) {
		dst = appendInstant(dst, `,"cleared_at":"`, r.ClearedAt)
	}
	return append(dst, '}')
}

// appendInstant writes as many fractional digits as the instant has, so that it
// is read as the very same.
func appendInstant(dst []byte, name string, i rules.Instant) []byte {
	dst = append(dst, name...)
	return append(i.Time().AppendFormat(dst, time.RFC3339Nano), '"')
}

func appendInt(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(append(dst, name...), v, 10)
}

func appendOptional(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return jsontext.AppendString(append(dst, name...), s)
}
