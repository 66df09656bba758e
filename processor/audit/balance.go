package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ristourne/rules"
)

// Finding is one line of the balance sheet.
type Finding struct {
	What, Detail string
	Differences  []string // none: it adds up
}

// Check holds what came in against what came out.
func (b *Books) Check() []Finding {
	return []Finding{
		b.checkRecords(), b.checkFates(), b.CheckAccruals(), b.checkMargin(), b.checkCredits(),
		b.checkRefunds(), b.checkHoldouts(), b.checkBudgets(), b.checkSponsors(), b.checkOneAmount(), b.checkOneContent(), b.checkDeadLetters(),
	}
}

func (b *Books) checkRecords() Finding {
	var in, fates int64
	for _, n := range b.RecordsIn {
		in += n
	}
	for _, n := range b.Fates {
		fates += n
	}
	f := Finding{What: "records in = records that came to a fate", Detail: fmt.Sprintf("%s facts + %s referrals + %s transactions = %s",
		Grouped(b.RecordsIn[rules.TopicFacts]), Grouped(b.RecordsIn[rules.TopicReferrals]), Grouped(b.RecordsIn[rules.TopicTransactions]), Grouped(fates))}
	if in != fates {
		f.Differences = append(f.Differences, fmt.Sprintf("Kafka holds %d records, %d came to a fate", in, fates))
	}
	return f
}

// checkFates compares fate by fate. Whether a record books something or
// changes nothing depends on whether a fact of the same moment came before it,
// so these two are taken together.
func (b *Books) checkFates() Finding {
	f := Finding{What: "each fate as the pure engine has it"}
	told := 0
	compare := func(name string, found, want int64) {
		if found > 0 {
			told++
		}
		if found != want {
			f.Differences = append(f.Differences, fmt.Sprintf("%s: %d, the pure engine has %d", name, found, want))
		}
	}
	compare("booked and no change", b.Fates[rules.Booked]+b.Fates[rules.NoChange], b.Worked[rules.Booked]+b.Worked[rules.NoChange])
	for fate := rules.Waiting; fate < rules.NumFates; fate++ {
		compare(FateName(fate), b.Fates[fate], b.Worked[fate])
	}
	f.Detail = fmt.Sprintf("%d that occurred, booked and no change taken together", told)
	return f
}

func (b *Books) CheckAccruals() Finding {
	f := Finding{What: "accruals in ClickHouse = the pure engine's"}
	keys := maps.Clone(b.Ledger)
	maps.Copy(keys, b.Deserved)
	for _, k := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		if booked, deserved := b.Ledger[k], b.Deserved[k]; booked != deserved {
			f.Differences = append(f.Differences, fmt.Sprintf("%s: ClickHouse has %s, the pure engine %s", describeKey(k), describeSums(booked), describeSums(deserved)))
		}
	}
	f.Detail = fmt.Sprintf("%s balances, to the cent", Grouped(int64(len(keys))))
	if wrong := len(f.Differences); wrong > 0 {
		f.Detail = fmt.Sprintf("%s of %s balances differ", Grouped(int64(wrong)), Grouped(int64(len(keys))))
	}
	return f
}

func compareKeys(x, y rules.LineKey) int {
	return cmp.Or(
		cmp.Compare(x.AccountID, y.AccountID), cmp.Compare(x.TransactionID, y.TransactionID), cmp.Compare(x.Role, y.Role),
		cmp.Compare(x.Stage, y.Stage), cmp.Compare(x.OfferID, y.OfferID), cmp.Compare(x.OfferVersion, y.OfferVersion),
		cmp.Compare(x.StoreID, y.StoreID), cmp.Compare(x.PartnerID, y.PartnerID), cmp.Compare(x.BeneficiaryID, y.BeneficiaryID),
		cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Unit, y.Unit),
	)
}

func describeKey(k rules.LineKey) string {
	offer := cmp.Or(k.OfferID, "its terms")
	return fmt.Sprintf("account %s, purchase %s, %s/%s version %s at %s, %s %s %s in %s",
		k.AccountID, k.TransactionID, k.PartnerID, offer, k.OfferVersion, k.StoreID, k.Stage, k.Role, k.Kind, k.Unit)
}

func describeSums(s rules.Sums) string {
	return fmt.Sprintf("reward %s, commission %s, cost %s", Cents(s.RewardMinor), Cents(s.CommissionMinor), Cents(s.CostMinor))
}

// checkMargin compares the margins that a person is shown with the pure
// engine's lines, and looks for a purchase that costs more than it brings
// although no offer of it may.
func (b *Books) checkMargin() Finding {
	type account struct {
		partner string
		stage   rules.Stage
	}
	shown, worked := map[account]int64{}, map[account]int64{}
	var commissionMinor, costMinor int64
	for _, t := range b.Totals {
		shown[account{t.PartnerID, t.Stage}] += t.MarginMinor()
		if t.Stage == rules.Confirmed {
			commissionMinor += t.CommissionMinor
			costMinor += t.CostMinor
		}
	}
	for k, sum := range b.Deserved {
		worked[account{k.PartnerID, k.Stage}] += sum.CommissionMinor - sum.CostMinor
	}
	f := Finding{
		What:   "margin = commission - cost",
		Detail: fmt.Sprintf("%s - %s = %s EUR confirmed", Cents(commissionMinor), Cents(costMinor), Cents(commissionMinor-costMinor)),
	}
	all := maps.Clone(shown)
	maps.Copy(all, worked)
	for _, a := range slices.SortedFunc(maps.Keys(all), func(x, y account) int {
		return cmp.Or(cmp.Compare(x.partner, y.partner), cmp.Compare(x.stage, y.stage))
	}) {
		if shown[a] != worked[a] {
			f.Differences = append(f.Differences, fmt.Sprintf("%s, %s: ClickHouse has %s EUR, the pure engine %s EUR", a.partner, a.stage, Cents(shown[a]), Cents(worked[a])))
		}
	}
	f.Differences = append(f.Differences, b.losses()...)
	return f
}

// losses are purchases whose rewards cost more than their commission.
func (b *Books) losses() (found []string) {
	for p, minor := range b.lossesOf(b.Ledger) {
		found = append(found, fmt.Sprintf("purchase %s of account %s costs %s EUR more than %s owes for it", p.transaction, p.account, Cents(minor), p.partner))
	}
	slices.Sort(found)
	return found
}

// purchaseAt is what a partner owes commission for.
type purchaseAt struct{ partner, account, transaction string }

// lossesOf are by how much purchases cost more than their partner owes for them, in
// either world, not counting what the programme pays: offers that say so, and
// sponsors. Only what is lost is there.
func (b *agreed) lossesOf(sums Sums) map[purchaseAt]int64 {
	confirmed, expected := map[purchaseAt]int64{}, map[purchaseAt]int64{}
	for k, sum := range sums {
		if k.TransactionID == "" || k.Role == rules.RoleSponsor || k.Role == rules.RoleExpiry ||
			b.funded[OfferVersion{k.PartnerID, k.OfferID, k.OfferVersion}] && k.Role == rules.RoleMember {
			continue
		}
		p := purchaseAt{k.PartnerID, k.AccountID, k.TransactionID}
		margin := sum.CommissionMinor - sum.CostMinor
		expected[p] += margin // the confirmed and what is expected on top
		if k.Stage == rules.Confirmed {
			confirmed[p] += margin
		}
	}
	losses := map[purchaseAt]int64{}
	for p, margin := range expected {
		if least := min(margin, confirmed[p]); least < 0 {
			losses[p] = -least
		}
	}
	return losses
}

// checkBudgets looks for a budget that gave more than was agreed, and for a
// purchase that has more of one than it deserves.
func (b *Books) checkBudgets() Finding {
	f := Finding{What: "no budget gave more than was agreed"}
	given, units := map[rules.BudgetKey]int64{}, map[rules.BudgetKey]string{}
	for i := range b.Grants {
		g := &b.Grants[i]
		given[g.Budget] += g.ChangeMinor
		units[g.Budget] = g.Unit
		if g.GrantedMinor < 0 || g.GrantedMinor > g.TargetMinor || g.GrantedMinor != g.ChangeMinor {
			f.Differences = append(f.Differences, fmt.Sprintf("purchase %s of account %s has %s of %s, was given %s and deserves %s",
				g.TransactionID, g.AccountID, Cents(g.GrantedMinor), g.Budget, Cents(g.ChangeMinor), Cents(g.TargetMinor)))
		}
	}
	usedUp := 0
	for _, key := range slices.Sorted(maps.Keys(given)) {
		most := b.limitOf(key, units[key])
		if given[key] > most || given[key] < 0 {
			f.Differences = append(f.Differences, fmt.Sprintf("budget %s gave %s of %s %s", key, Cents(given[key]), Cents(most), units[key]))
		}
		if given[key] == most {
			usedUp++
		}
	}
	f.Differences = append(f.Differences, b.Ungranted...)
	f.Detail = fmt.Sprintf("%s budgets, %s of them used up to the last cent", Grouped(int64(len(given))), Grouped(int64(usedUp)))
	return f
}

// limitOf is the most that a budget of a unit gives; 0: none is agreed.
func (b *agreed) limitOf(key rules.BudgetKey, unit string) int64 {
	return b.limits[limitOf{agreedBudget(key), unit}]
}

// agreedBudget is the name under which a budget was agreed: that of an offer's without
// store, day and unit.
func agreedBudget(key rules.BudgetKey) string {
	if parts := strings.Split(string(key), "/"); parts[0] != "campaign" && len(parts) > 3 {
		return strings.Join(parts[:3], "/")
	}
	return string(key)
}

// checkSponsors holds what sponsors have against what their accounts were told,
// which their own caps may lower.
func (b *Books) checkSponsors() Finding {
	f := Finding{What: "sponsors have what they were told, within their caps"}
	told := map[referralTarget]*rules.Referral{}
	for i := range b.Told {
		told[targetOf(&b.Told[i])] = &b.Told[i]
	}
	type award struct {
		referralTarget
		sponsor string
		stage   rules.Stage
	}
	has, sponsors := map[award]int64{}, map[string]bool{}
	var allMinor int64
	for k, sum := range b.Ledger {
		if k.Role == rules.RoleSponsor {
			target := referralTarget{k.AccountID, k.TransactionID, k.PartnerID, k.OfferID}
			has[award{target, k.BeneficiaryID, k.Stage}] += sum.RewardMinor
			allMinor += sum.RewardMinor
			sponsors[k.BeneficiaryID] = true
		}
	}
	for a, minor := range has {
		// The expected line is what is expected on top of the confirmed one.
		r, most := told[a.referralTarget], int64(0)
		if r != nil && r.SponsorAccountID == a.sponsor {
			most = r.ConfirmedRewardMinor
			if a.stage == rules.Expected {
				minor += has[award{a.referralTarget, a.sponsor, rules.Confirmed}]
				most = r.ExpectedRewardMinor
			}
		}
		if minor < 0 || minor > most {
			f.Differences = append(f.Differences, fmt.Sprintf("account %s has %s EUR (%s) of purchase %s of account %s, and was told of %s",
				a.sponsor, Cents(minor), a.stage, a.transaction, a.buyer, Cents(most)))
		}
	}
	slices.Sort(f.Differences)
	f.Detail = fmt.Sprintf("%s EUR to %s sponsors, confirmed and expected", Cents(allMinor), Grouped(int64(len(sponsors))))
	return f
}

type payee struct{ account, currency string }

// checkCredits compares what the bank was told to pay with what is confirmed.
func (b *Books) checkCredits() Finding {
	net, confirmed := map[payee]int64{}, map[payee]int64{}
	for _, i := range b.DistinctInstructions() {
		amountMinor := i.AmountMinor
		if i.Direction == rules.Debit {
			amountMinor = -amountMinor
		}
		net[payee{i.AccountID, i.Currency.String()}] += amountMinor
	}
	for k, sum := range b.Ledger {
		if k.Kind == rules.Cash && k.Stage == rules.Confirmed {
			confirmed[payee{k.BeneficiaryID, k.Unit}] += sum.RewardMinor
		}
	}
	var paidMinor int64
	all := maps.Clone(net)
	maps.Copy(all, confirmed)
	f := Finding{What: "credit instructions = confirmed rewards, account by account"}
	for _, p := range slices.SortedFunc(maps.Keys(all), func(x, y payee) int {
		return cmp.Or(cmp.Compare(x.account, y.account), cmp.Compare(x.currency, y.currency))
	}) {
		paidMinor += net[p]
		if net[p] != confirmed[p] {
			f.Differences = append(f.Differences, fmt.Sprintf("account %s: instructed %s %s, confirmed %s", p.account, Cents(net[p]), p.currency, Cents(confirmed[p])))
		}
	}
	f.Detail = fmt.Sprintf("%s EUR to %s accounts", Cents(paidMinor), Grouped(int64(len(net))))
	return f
}

// DistinctInstructions is what the bank sees after it has dropped repeats.
func (b *Books) DistinctInstructions() []rules.Instruction {
	seen := map[string]bool{}
	var distinct []rules.Instruction
	for _, i := range b.Paid {
		if !seen[i.ID] {
			seen[i.ID] = true
			distinct = append(distinct, i)
		}
	}
	return distinct
}

func (b *Books) checkOneAmount() Finding {
	type order struct {
		direction rules.Direction
		amount    int64
		account   string
		currency  string
	}
	first := map[string]order{}
	f := Finding{What: "one amount for each instruction id"}
	for _, i := range b.Paid {
		o := order{i.Direction, i.AmountMinor, i.AccountID, i.Currency.String()}
		if was, ok := first[i.ID]; ok && was != o {
			f.Differences = append(f.Differences, fmt.Sprintf("instruction %s says %v and %v", i.ID, was, o))
		} else {
			first[i.ID] = o
		}
	}
	f.Detail = fmt.Sprintf("%s ids", Grouped(int64(len(first))))
	if repeats := len(b.Paid) - len(first); repeats > 0 {
		f.Detail += fmt.Sprintf(", %s repeats", Grouped(int64(repeats)))
	}
	return f
}

func (b *Books) checkOneContent() Finding {
	f := Finding{What: "one content for each id in ClickHouse", Detail: "accruals, instructions, events and facts"}
	for _, c := range b.Conflicts {
		f.Differences = append(f.Differences, fmt.Sprintf("%s %s: %s", c.Table, c.ID, strings.Join(c.Contents, " and ")))
	}
	return f
}

func (b *Books) checkDeadLetters() Finding {
	f := Finding{
		What:        "each bad record is a dead letter, and no card number got through",
		Detail:      fmt.Sprintf("%s letters", Grouped(int64(len(b.Letters)))),
		Differences: slices.Clone(b.Leaks),
	}
	if want := b.Worked[rules.DeadLettered]; int64(len(b.Letters)) != want {
		f.Differences = append(f.Differences, fmt.Sprintf("%d records are dead letters, %d have to be", len(b.Letters), want))
	}
	return f
}

// FateName is a fate in words.
func FateName(f rules.Fate) string { return strings.ReplaceAll(f.String(), "_", " ") }
