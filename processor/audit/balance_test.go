package audit

import (
	"strings"
	"testing"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

var eur = money.Currency{'E', 'U', 'R'}

// goodBooks add up: one purchase of 100.00, 3.00 for the member, 8.00 owed.
func goodBooks() *Books {
	reward := rules.LineKey{
		AccountID: "a", TransactionID: "t", PartnerID: "p", StoreID: "s", OfferID: "o", OfferVersion: "v", BeneficiaryID: "a",
		Role: rules.RoleMember, Kind: rules.Cash, Unit: "EUR", Stage: rules.Confirmed,
	}
	commission := reward
	commission.OfferID, commission.BeneficiaryID, commission.Role, commission.Kind = "", "p", rules.RolePartner, rules.CommissionKind
	sponsor := reward
	sponsor.AccountID, sponsor.TransactionID, sponsor.BeneficiaryID, sponsor.Role = "c", "u", "a", rules.RoleSponsor
	sponsor.Stage = rules.Expected
	sums := func() Sums {
		return Sums{reward: {RewardMinor: 300, CostMinor: 300}, commission: {CommissionMinor: 800}, sponsor: {RewardMinor: 50, CostMinor: 50}}
	}
	b := &Books{
		RecordsIn: [rules.NumTopics]int64{rules.TopicFacts: 1, rules.TopicTransactions: 3},
		Deserved:  sums(), Ledger: sums(),
		Totals: []Total{
			{PartnerID: "p", OfferID: "o", Stage: rules.Confirmed, RewardMinor: 300, CostMinor: 300},
			{PartnerID: "p", Stage: rules.Confirmed, CommissionMinor: 800},
			{PartnerID: "p", OfferID: "o", Stage: rules.Expected, RewardMinor: 50, CostMinor: 50},
		},
		agreed: agreed{limits: map[limitOf]int64{{"campaign/x", "EUR"}: 100, {"day/p/o", "EUR"}: 10}},
		Grants: []rules.Grant{
			{Budget: "campaign/x", AccountID: "a", TransactionID: "t", Unit: "EUR", TargetMinor: 80, GrantedMinor: 60, ChangeMinor: 60},
			{Budget: "campaign/x", AccountID: "c", TransactionID: "u", Unit: "EUR", TargetMinor: 40, GrantedMinor: 40, ChangeMinor: 40},
			{Budget: "day/p/o/s/2026-11-27", AccountID: "a", TransactionID: "t", Unit: "EUR", TargetMinor: 10, GrantedMinor: 10, ChangeMinor: 10},
		},
		Told: []rules.Referral{{BuyerAccountID: "c", TransactionID: "u", PartnerID: "p", OfferID: "o", SponsorAccountID: "a", ExpectedRewardMinor: 70}},
		// The second was taken back; the third is a repeat of the first.
		Paid: []rules.Instruction{
			{ID: "1", Direction: rules.Credit, AccountID: "a", AmountMinor: 500, Currency: eur},
			{ID: "2", Direction: rules.Debit, AccountID: "a", AmountMinor: 200, Currency: eur},
			{ID: "1", Direction: rules.Credit, AccountID: "a", AmountMinor: 500, Currency: eur},
		},
		Letters: []rules.DeadLetter{{Reason: "json"}},
		// Under j "a" draws 990513, "c" 195097.
		holdouts: map[string]offer.Holdout{"p/h": {Millionths: 500_000, Salt: "j"}},
		Held:     []HeldOut{{"a", "e1", []string{"p/h"}, nil}, {"c", "e2", []string{"p/h"}, []string{"p/h"}}},
	}
	b.Fates[rules.Booked], b.Fates[rules.NoChange], b.Fates[rules.Unmatched], b.Fates[rules.DeadLettered] = 1, 1, 1, 1
	// The engine saw the fact first: then the event booked what the fact did here.
	b.Worked[rules.Booked], b.Worked[rules.NoChange], b.Worked[rules.Unmatched], b.Worked[rules.DeadLettered] = 2, 0, 1, 1
	return b
}

func TestGoodBooksAddUp(t *testing.T) {
	t.Parallel()
	for _, f := range goodBooks().Check() {
		if len(f.Differences) > 0 {
			t.Errorf("%s: %v", f.What, f.Differences)
		}
	}
}

func TestEachFaultIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*Books)
		named string // in the finding's title
		says  string // in its first difference
	}{
		"a record without a fate":   {func(b *Books) { b.RecordsIn[rules.TopicTransactions]++ }, "records in", "Kafka holds 5 records, 4 came"},
		"a record with two fates":   {func(b *Books) { b.Fates[rules.Booked]++ }, "records in", "4 records, 5 came"},
		"another fate":              {func(b *Books) { b.Fates[rules.Unmatched]--; b.Fates[rules.NoMember]++ }, "each fate", "no member: 1, the pure engine has 0"},
		"a line is missing":         {func(b *Books) { spoilReward(b, func(rules.Sums) rules.Sums { return rules.Sums{} }) }, "accruals", "purchase t, p/o"},
		"a line twice":              {func(b *Books) { spoilReward(b, func(s rules.Sums) rules.Sums { s.RewardMinor *= 2; return s }) }, "accruals", "ClickHouse has reward 6.00"},
		"a line too many":           {func(b *Books) { b.Ledger[rules.LineKey{AccountID: "z"}] = rules.Sums{CostMinor: 1} }, "accruals", "account z"},
		"another draw":              {func(b *Books) { b.Held[0].Held = []string{"p/h"} }, "who is held out", "event e1 of account a"},
		"a draw that isn't there":   {func(b *Books) { b.Held[1].Held = nil }, "who is held out", "event e2 of account c"},
		"an unknown holdout":        {func(b *Books) { b.Held[0].Holdouts = []string{"p/x"} }, "who is held out", "p/x"},
		"an award in spite of it":   {func(b *Books) { b.holdouts["p/o"] = offer.Holdout{Millionths: 1_000_000, Salt: "o"} }, "who is held out", "purchase t, p/o"},
		"a margin":                  {func(b *Books) { b.Totals[1].CommissionMinor = 801 }, "margin", "ClickHouse has 5.01 EUR, the pure engine 5.00"},
		"a loss":                    {loss, "margin", "costs 1.00 EUR more than p owes"},
		"a budget is overdrawn":     {func(b *Books) { b.limits[limitOf{"campaign/x", "EUR"}] = 99 }, "no budget", "campaign/x gave 1.00 of 0.99 EUR"},
		"a budget of nobody's":      {func(b *Books) { b.Grants[2].Budget = "day/p/z/s/2026-11-27" }, "no budget", "day/p/z/s/2026-11-27 gave 0.10 of 0.00"},
		"more than it deserves":     {func(b *Books) { b.Grants[2].TargetMinor = 9 }, "no budget", "purchase t of account a has 0.10"},
		"given and not kept":        {func(b *Books) { b.Grants[1].ChangeMinor = 39 }, "no budget", "was given 0.39"},
		"another share of a budget": {func(b *Books) { b.Ungranted = []string{"purchase t deserves"} }, "no budget", "purchase t deserves"},
		"a sponsor was not told":    {func(b *Books) { b.Told = nil }, "sponsors have", "account a has 0.50 EUR (expected) of purchase u of account c"},
		"another sponsor was told":  {func(b *Books) { b.Told[0].SponsorAccountID = "d" }, "sponsors have", "was told of 0.00"},
		"a sponsor has too much":    {func(b *Books) { b.Told[0].ExpectedRewardMinor = 49 }, "sponsors have", "was told of 0.49"},
		"not paid":                  {func(b *Books) { b.Paid = b.Paid[1:2] }, "credit instructions", "account a: instructed -2.00 EUR, confirmed 3.00"},
		"paid to another":           {func(b *Books) { b.Paid[1].AccountID = "b" }, "credit instructions", "account a"},
		"one id with two amounts":   {func(b *Books) { b.Paid[2].AmountMinor = 400 }, "one amount", "instruction 1"},
		"one accrual, two contents": {func(b *Books) { b.Conflicts = []rules.Conflict{{Table: "accruals_log", ID: "x"}} }, "one content", "accruals_log x"},
		"a dead letter is lost":     {func(b *Books) { b.Letters = nil }, "dead letter", "0 records are dead letters, 1 have to be"},
		"a card number got through": {func(b *Books) { b.Leaks = []string{"dead letter 7 holds the card number"} }, "no card number", "dead letter 7"},
	} {
		t.Run(name, func(t *testing.T) {
			b := goodBooks()
			test.spoil(b)
			found := false
			for _, f := range b.Check() {
				if strings.Contains(f.What, test.named) && len(f.Differences) > 0 {
					found = true
					if !strings.Contains(f.Differences[0], test.says) {
						t.Errorf("%s: %q does not say %q", f.What, f.Differences[0], test.says)
					}
				}
			}
			if !found {
				t.Errorf("no finding about %q", test.named)
			}
		})
	}
}

func spoilReward(b *Books, spoil func(rules.Sums) rules.Sums) {
	for k, sum := range b.Ledger {
		if k.Role == rules.RoleMember {
			b.Ledger[k] = spoil(sum)
		}
	}
}

// loss makes a purchase cost 9.00 where 8.00 are owed, on both sides.
func loss(b *Books) {
	b.Totals[0].RewardMinor, b.Totals[0].CostMinor = 900, 900
	for _, sums := range []Sums{b.Ledger, b.Deserved} {
		for k := range sums {
			if k.Role == rules.RoleMember {
				sums[k] = rules.Sums{RewardMinor: 900, CostMinor: 900}
			}
		}
	}
	b.Paid[0].AmountMinor, b.Paid[2].AmountMinor = 1100, 1100
}

func TestALossIsAllowedWhereTheProgrammePays(t *testing.T) {
	t.Parallel()
	b := goodBooks()
	loss(b)
	b.funded = map[OfferVersion]bool{{"p", "o", "v"}: true}
	for _, f := range b.Check() {
		if len(f.Differences) > 0 {
			t.Errorf("%s: %v", f.What, f.Differences)
		}
	}
}
