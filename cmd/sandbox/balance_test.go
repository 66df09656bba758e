package main

import (
	"bytes"
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
	"ristourne/sinks/clickhouse"
)

var eur = money.Currency{'E', 'U', 'R'}

// goodBooks add up: one purchase of 100.00, 3.00 for the member, 8.00 owed.
func goodBooks() *books {
	reward := rules.LineKey{
		AccountID: "a", TransactionID: "t", PartnerID: "p", StoreID: "s", OfferID: "o", OfferVersion: "v", BeneficiaryID: "a",
		Role: rules.RoleMember, Kind: rules.Cash, Unit: "EUR", Stage: rules.Confirmed,
	}
	commission := reward
	commission.OfferID, commission.BeneficiaryID, commission.Role, commission.Kind = "", "p", rules.RolePartner, rules.CommissionKind
	sponsor := reward
	sponsor.AccountID, sponsor.TransactionID, sponsor.BeneficiaryID, sponsor.Role = "c", "u", "a", rules.RoleSponsor
	sponsor.Stage = rules.Expected
	sums := func() ledgerSums {
		return ledgerSums{reward: {RewardMinor: 300, CostMinor: 300}, commission: {CommissionMinor: 800}, sponsor: {RewardMinor: 50, CostMinor: 50}}
	}
	b := &books{
		recordsIn: map[string]int64{topicFacts: 1, topicTransactions: 3},
		deserved:  sums(), booked: sums(),
		totals: []clickhouse.Total{
			{PartnerID: "p", OfferID: "o", Stage: rules.Confirmed, RewardMinor: 300, CostMinor: 300},
			{PartnerID: "p", Stage: rules.Confirmed, CommissionMinor: 800},
			{PartnerID: "p", OfferID: "o", Stage: rules.Expected, RewardMinor: 50, CostMinor: 50},
		},
		limits: map[string]limit{"campaign/x": {100, "EUR"}, "day/p/o": {10, "EUR"}},
		grants: []rules.Grant{
			{Budget: "campaign/x", AccountID: "a", TransactionID: "t", Unit: "EUR", TargetMinor: 80, GrantedMinor: 60, ChangeMinor: 60},
			{Budget: "campaign/x", AccountID: "c", TransactionID: "u", Unit: "EUR", TargetMinor: 40, GrantedMinor: 40, ChangeMinor: 40},
			{Budget: "day/p/o/s/2026-11-27", AccountID: "a", TransactionID: "t", Unit: "EUR", TargetMinor: 10, GrantedMinor: 10, ChangeMinor: 10},
		},
		told: []rules.Referral{{BuyerAccountID: "c", TransactionID: "u", PartnerID: "p", OfferID: "o", SponsorAccountID: "a", ExpectedRewardMinor: 70}},
		// The second was taken back; the third is a repeat of the first.
		paid: []rules.Instruction{
			{ID: "1", Direction: rules.Credit, AccountID: "a", AmountMinor: 500, Currency: eur},
			{ID: "2", Direction: rules.Debit, AccountID: "a", AmountMinor: 200, Currency: eur},
			{ID: "1", Direction: rules.Credit, AccountID: "a", AmountMinor: 500, Currency: eur},
		},
		letters: []rules.DeadLetter{{Reason: "json"}},
		// Under j "a" draws 990513, "c" 195097.
		holdouts: map[string]offer.Holdout{"p/h": {Millionths: 500_000, Salt: "j"}},
		held:     []heldRow{{"a", "e1", []string{"p/h"}, nil}, {"c", "e2", []string{"p/h"}, []string{"p/h"}}},
	}
	b.fates[rules.Booked], b.fates[rules.NoChange], b.fates[rules.Unmatched], b.fates[rules.DeadLettered] = 1, 1, 1, 1
	// The engine saw the fact first: then the event booked what the fact did here.
	b.engine[rules.Booked], b.engine[rules.NoChange], b.engine[rules.Unmatched], b.engine[rules.DeadLettered] = 2, 0, 1, 1
	return b
}

func TestGoodBooksAddUp(t *testing.T) {
	t.Parallel()
	for _, f := range goodBooks().check() {
		if len(f.differences) > 0 {
			t.Errorf("%s: %v", f.what, f.differences)
		}
	}
}

func TestEachFaultIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*books)
		named string // in the finding's title
		says  string // in its first difference
	}{
		"a record without a fate":   {func(b *books) { b.recordsIn[topicTransactions]++ }, "records in", "Kafka holds 5 records, 4 came"},
		"a record with two fates":   {func(b *books) { b.fates[rules.Booked]++ }, "records in", "4 records, 5 came"},
		"another fate":              {func(b *books) { b.fates[rules.Unmatched]--; b.fates[rules.NoMember]++ }, "each fate", "no member: 1, the pure engine has 0"},
		"a line is missing":         {func(b *books) { spoilReward(b, func(rules.Sums) rules.Sums { return rules.Sums{} }) }, "accruals", "purchase t, p/o"},
		"a line twice":              {func(b *books) { spoilReward(b, func(s rules.Sums) rules.Sums { s.RewardMinor *= 2; return s }) }, "accruals", "ClickHouse has reward 6.00"},
		"a line too many":           {func(b *books) { b.booked[rules.LineKey{AccountID: "z"}] = rules.Sums{CostMinor: 1} }, "accruals", "account z"},
		"another draw":              {func(b *books) { b.held[0].held = []string{"p/h"} }, "who is held out", "event e1 of account a"},
		"a draw that isn't there":   {func(b *books) { b.held[1].held = nil }, "who is held out", "event e2 of account c"},
		"an unknown holdout":        {func(b *books) { b.held[0].holdouts = []string{"p/x"} }, "who is held out", "p/x"},
		"an award in spite of it":   {func(b *books) { b.holdouts["p/o"] = offer.Holdout{Millionths: 1_000_000, Salt: "o"} }, "who is held out", "purchase t, p/o"},
		"a margin":                  {func(b *books) { b.totals[1].CommissionMinor = 801 }, "margin", "ClickHouse has 5.01 EUR, the pure engine 5.00"},
		"a loss":                    {loss, "margin", "costs 1.00 EUR more than p owes"},
		"a budget is overdrawn":     {func(b *books) { b.limits["campaign/x"] = limit{99, "EUR"} }, "no budget", "campaign/x gave 1.00 of 0.99 EUR"},
		"a budget of nobody's":      {func(b *books) { b.grants[2].Budget = "day/p/z/s/2026-11-27" }, "no budget", "day/p/z/s/2026-11-27 gave 0.10 of 0.00"},
		"more than it deserves":     {func(b *books) { b.grants[2].TargetMinor = 9 }, "no budget", "purchase t of account a has 0.10"},
		"given and not kept":        {func(b *books) { b.grants[1].ChangeMinor = 39 }, "no budget", "was given 0.39"},
		"another share of a budget": {func(b *books) { b.ungranted = []string{"purchase t deserves"} }, "no budget", "purchase t deserves"},
		"a sponsor was not told":    {func(b *books) { b.told = nil }, "sponsors have", "account a has 0.50 EUR (expected) of purchase u of account c"},
		"another sponsor was told":  {func(b *books) { b.told[0].SponsorAccountID = "d" }, "sponsors have", "was told of 0.00"},
		"a sponsor has too much":    {func(b *books) { b.told[0].ExpectedRewardMinor = 49 }, "sponsors have", "was told of 0.49"},
		"not paid":                  {func(b *books) { b.paid = b.paid[1:2] }, "credit instructions", "account a: instructed -2.00 EUR, confirmed 3.00"},
		"paid to another":           {func(b *books) { b.paid[1].AccountID = "b" }, "credit instructions", "account a"},
		"one id with two amounts":   {func(b *books) { b.paid[2].AmountMinor = 400 }, "one amount", "instruction 1"},
		"one accrual, two contents": {func(b *books) { b.conflicts = []clickhouse.Conflict{{Table: "accruals_log", ID: "x"}} }, "one content", "accruals_log x"},
		"a dead letter is lost":     {func(b *books) { b.letters = nil }, "dead letter", "0 records are dead letters, 1 have to be"},
		"a card number got through": {func(b *books) { b.leaks = []string{"dead letter 7 holds the card number"} }, "no card number", "dead letter 7"},
	} {
		t.Run(name, func(t *testing.T) {
			b := goodBooks()
			test.spoil(b)
			found := false
			for _, f := range b.check() {
				if strings.Contains(f.what, test.named) && len(f.differences) > 0 {
					found = true
					if !strings.Contains(f.differences[0], test.says) {
						t.Errorf("%s: %q does not say %q", f.what, f.differences[0], test.says)
					}
				}
			}
			if !found {
				t.Errorf("no finding about %q", test.named)
			}
			var printed bytes.Buffer
			s := &sandbox{out: newScreen(&printed, false)}
			if s.printBalance(b) || !strings.Contains(printed.String(), "✗") {
				t.Errorf("it is said to add up:\n%s", &printed)
			}
		})
	}
}

func spoilReward(b *books, spoil func(rules.Sums) rules.Sums) {
	for k, sum := range b.booked {
		if k.Role == rules.RoleMember {
			b.booked[k] = spoil(sum)
		}
	}
}

// loss makes a purchase cost 9.00 where 8.00 are owed, on both sides.
func loss(b *books) {
	b.totals[0].RewardMinor, b.totals[0].CostMinor = 900, 900
	for _, sums := range []ledgerSums{b.booked, b.deserved} {
		for k := range sums {
			if k.Role == rules.RoleMember {
				sums[k] = rules.Sums{RewardMinor: 900, CostMinor: 900}
			}
		}
	}
	b.paid[0].AmountMinor, b.paid[2].AmountMinor = 1100, 1100
}

func TestALossIsAllowedWhereTheProgrammePays(t *testing.T) {
	t.Parallel()
	b := goodBooks()
	loss(b)
	b.funded = map[offerVersion]bool{{"p", "o", "v"}: true}
	for _, f := range b.check() {
		if len(f.differences) > 0 {
			t.Errorf("%s: %v", f.what, f.differences)
		}
	}
}
