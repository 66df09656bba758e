package main

import (
	"bytes"
	"testing"
	"time"

	"ristourne/processor/catalog"
	"ristourne/processor/ledgerjson"
	"ristourne/processor/replay"
	"ristourne/rules"
	"ristourne/rules/engine"
	"ristourne/rules/money"
)

// rowOfEvent and rowOfFact are records as ClickHouse keeps them.
func rowOfEvent(ev *rules.Event) rules.SetRow {
	return rules.SetRow{Cause: rules.Cause{Kind: rules.CauseEvent, ID: ev.ID}, TransactionID: ev.TransactionID, Payload: ev.AppendBinary(nil)}
}

func rowOfFact(f *rules.Fact) rules.SetRow {
	return rules.SetRow{Cause: rules.Cause{Kind: rules.CauseFact, ID: f.ID}, Payload: f.AppendBinary(nil)}
}

// What budgets gave is not decided anew: it is what the ledger says they gave.
// And what an account has as a sponsor is told too.
func TestWhyReplaysGrantsAndReferrals(t *testing.T) {
	t.Parallel()
	loaded, err := catalog.Load(offersFolder)
	if err != nil {
		t.Fatal(err)
	}
	eur, _ := money.ParseCurrency("EUR")
	at := func(day, hour int) rules.Instant {
		return rules.InstantOf(time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC))
	}
	enrolled := &rules.Fact{ID: "f", Type: rules.Enrolled, At: at(1, 0), MemberID: "m", Programme: "cashback", CardTokens: []string{"card"}}
	event := &rules.Event{
		ID: "e", Type: rules.Clearing, TransactionID: "P", CardToken: "card", AmountMinor: 8450, Currency: eur, OccurredAt: at(26, 12),
		Merchant: rules.Merchant{ID: "0012345678", AcquirerID: "30004"},
	}
	referral := &rules.Referral{
		ID: "r", Number: 1, BuyerAccountID: "friend", TransactionID: "Q", PartnerID: "cafe-du-coin", StoreID: "bastille", OfferID: "tenth",
		OfferVersion: "v", Programme: "cashback", Currency: eur, PurchasedAt: at(20, 12), At: at(20, 12),
		ConfirmedBasisMinor: 1000, ConfirmedRewardMinor: 500, ExpectedBasisMinor: 1000, ExpectedRewardMinor: 500,
	}
	set := []rules.SetRow{
		rowOfFact(enrolled), rowOfEvent(event),
		{Cause: rules.Cause{Kind: rules.CauseReferral, ID: "r"}, Payload: referral.AppendBinary(nil)},
	}
	// 3 % are 2.54 EUR (2.535, to the even cent), doubled 5.07: 2.53 more.
	grants := []rules.Grant{{Budget: "campaign/black-friday", TransactionID: "P", Unit: "EUR", TargetMinor: 253, GrantedMinor: 100}}
	engine := engine.New(loaded.Snapshot)
	account, err := replay.Account(engine, "acc", set, grants)
	if err != nil {
		t.Fatal(err)
	}
	said := rules.SetRow{Cause: rules.Cause{Kind: rules.CauseResult, ID: "RI-1@2026-11-26T12:00:00Z"}} // is of no purchase
	ids := replay.TransactionsOf(append(set, said))
	if len(ids) != 2 || ids[0] != "P" || ids[1] != "Q" {
		t.Fatalf("its transactions are %v", ids)
	}
	var out bytes.Buffer
	for _, id := range ids {
		x, err := engine.Explain(account, id)
		if err != nil {
			t.Fatal(err)
		}
		told := replay.Purchase{Explanation: x, Lines: []ledgerjson.Accrual{{
			Stage: "confirmed", Role: "member", Kind: "points", Unit: "MILES", RewardMinor: 20, CostMinor: 10, Currency: "EUR",
			CampaignIDs: []string{"black-friday"}, CauseID: "e",
		}}}
		if err := printExplained(&out, told, "text"); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, out.String(), "Purchase P of account acc earns 3.54 EUR",
		"asked for 2.53 EUR, gave 1.00 EUR", "Purchase Q of account acc was made by another",
		"Account friend, whom this one referred", "gives its sponsor 5.00 EUR", "confirmed sponsor cash of offer tenth (v): reward 5.00 EUR",
		"reward 20 MILES, cost 0.10 EUR, with campaign black-friday")
}
