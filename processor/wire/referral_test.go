package wire

import (
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/money"
)

const canonicalReferral = `{"fact_id":"rf-1","type":"referral","account_id":"a1","at":"2025-11-22T08:31:20Z","number":3,
	"buyer_account_id":"b1","transaction_id":"x1","partner_id":"cafe","store_id":"bastille","offer_id":"friends",
	"offer_version":"2025-01-01-abcdef","programme":"lyon","currency":"EUR","purchased_at":"2025-11-20T10:00:00.5+01:00",
	"channel":"in_store","mcc":"5812","confirmed_basis_minor":1250,"confirmed_reward_minor":63,
	"expected_basis_minor":5000,"expected_reward_minor":250,
	"late_confirmed_reward_minor":-40,"late_expected_reward_minor":-1,"matched_refund":true}`

func TestReferral(t *testing.T) {
	t.Parallel()
	d := NewDecoder(Options{})
	var got rules.Referral
	if fault := d.Referral([]byte(canonicalReferral), []byte("a1"), millisOfCanonical, &got); fault != nil {
		t.Fatal(fault)
	}
	assertEqual(t, got, rules.Referral{
		ID: "rf-1", Number: 3, SponsorAccountID: "a1", BuyerAccountID: "b1", TransactionID: "x1",
		PartnerID: "cafe", StoreID: "bastille", OfferID: "friends", OfferVersion: "2025-01-01-abcdef", Programme: "lyon",
		Currency: money.Currency{'E', 'U', 'R'}, At: rules.Instant{Sec: 1763800280},
		PurchasedAt: rules.Instant{Sec: 1763629200, Nsec: 500_000_000}, Channel: rules.InStore, MCC: "5812",
		ConfirmedBasisMinor: 1250, ConfirmedRewardMinor: 63, ExpectedBasisMinor: 5000, ExpectedRewardMinor: 250,
		LateConfirmedRewardMinor: -40, LateExpectedRewardMinor: -1, MatchedRefund: true,
	})
}

// TestReferralNeeds takes away each field, sets it to null, and empties it.
func TestReferralNeeds(t *testing.T) {
	t.Parallel()
	optional := map[string]bool{
		"partner_id": true, "store_id": true, "channel": true, "mcc": true,
		"late_confirmed_reward_minor": true, "late_expected_reward_minor": true, "matched_refund": true,
	}
	base := parseObject(t, canonicalReferral)
	d := NewDecoder(Options{})
	for name := range base {
		for _, raw := range []string{"", "null"} {
			reason := ReasonMissing
			if optional[name] {
				reason = ""
			}
			var f rules.Referral
			assertFault(t, "without "+name, d.Referral(base.with(name, raw).bytes(), []byte("a1"), -1, &f), reason, name)
		}
	}
	for name := range optional {
		if strings.HasSuffix(name, "_minor") {
			continue // a number
		}
		var with, without rules.Referral
		assertFault(t, "empty "+name, d.Referral(base.with(name, `""`).bytes(), []byte("a1"), -1, &with), "", name)
		assertFault(t, "without "+name, d.Referral(base.with(name, "").bytes(), []byte("a1"), -1, &without), "", name)
		assertEqual(t, with, without)
	}
}

func TestReferralFields(t *testing.T) {
	t.Parallel()
	var cases []fieldCase
	for name, max := range map[string]int{"fact_id": 64, "buyer_account_id": 64, "transaction_id": 256, "offer_id": 256, "offer_version": 256, "programme": 256} {
		cases = append(cases, fieldCase{name, chars(1), ""}, fieldCase{name, chars(max), ""}, fieldCase{name, chars(max + 1), ReasonLength},
			fieldCase{name, `""`, ReasonMissing}, fieldCase{name, `1`, ReasonType})
	}
	for _, name := range []string{"partner_id", "store_id"} {
		cases = append(cases, fieldCase{name, chars(256), ""}, fieldCase{name, chars(257), ReasonLength}, fieldCase{name, `1`, ReasonType})
	}
	for _, name := range []string{"confirmed_basis_minor", "confirmed_reward_minor", "expected_basis_minor", "expected_reward_minor"} {
		cases = append(cases, fieldCase{name, `0`, ""}, fieldCase{name, `999999999999999999`, ""},
			fieldCase{name, `1000000000000000000`, ReasonRange}, fieldCase{name, `-1`, ReasonRange}, fieldCase{name, `1.0`, ReasonType})
	}
	for _, name := range []string{"at", "purchased_at"} {
		cases = append(cases, fieldCase{name, `"2025-11-22T08:36:21.125Z"`, ""}, fieldCase{name, `"2025-11-22T08:36:21.126Z"`, ReasonAhead},
			fieldCase{name, `"2025-11-22"`, ReasonTime}, fieldCase{name, `5`, ReasonType})
	}
	cases = append(cases, []fieldCase{
		{"number", `1`, ""},
		{"number", `0`, ReasonRange},
		{"number", `"1"`, ReasonType},
		{"type", `"enrolled"`, ReasonTopic},
		{"type", `""`, ReasonMissing},
		{"type", `1`, ReasonType},
		{"account_id", `"a2"`, ReasonKey},
		{"currency", `"XYZ"`, ReasonCurrency},
		{"currency", `""`, ReasonMissing},
		{"channel", `"by_mail"`, ReasonEnum},
		{"channel", `1`, ReasonType},
		{"mcc", `"123"`, ReasonFormat},
		{"mcc", `5812`, ReasonType},
		{"buyer_account_id", quoted(visa), ""}, // an id: counted
		{"reason", `{}`, ""},                   // unknown
	}...)
	d := NewDecoder(Options{})
	runFieldCases(t, cases, parseObject(t, canonicalReferral), func(value []byte) *Fault {
		var f rules.Referral
		return d.Referral(value, []byte("a1"), millisOfCanonical, &f)
	})
}

// TestReferralAmongFacts: whoever may write facts must not be able to make up a
// referral.
func TestReferralAmongFacts(t *testing.T) {
	t.Parallel()
	var f rules.Fact
	fault := NewDecoder(Options{}).Fact([]byte(canonicalReferral), []byte("a1"), -1, &f)
	assertFault(t, "referral", fault, ReasonTopic, "type")
}
