package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ristourne/rules"
)

// finding is one line of the balance sheet.
type finding struct {
	what, detail string
	differences  []string // none: it adds up
}

// check holds what came in against what came out.
func (b *books) check() []finding {
	return []finding{
		b.checkRecords(), b.checkFates(), b.checkAccruals(), b.checkMargin(), b.checkCredits(),
		b.checkRefunds(), b.checkHoldouts(), b.checkBudgets(), b.checkSponsors(), b.checkOneAmount(), b.checkOneContent(), b.checkDeadLetters(),
	}
}

func (b *books) checkRecords() finding {
	var in, fates int64
	for _, n := range b.recordsIn {
		in += n
	}
	for _, n := range b.fates {
		fates += n
	}
	f := finding{what: "records in = records that came to a fate", detail: fmt.Sprintf("%s facts + %s referrals + %s transactions = %s",
		grouped(b.recordsIn[topicFacts]), grouped(b.recordsIn[topicReferrals]), grouped(b.recordsIn[topicTransactions]), grouped(fates))}
	if in != fates {
		f.differences = append(f.differences, fmt.Sprintf("Kafka holds %d records, %d came to a fate", in, fates))
	}
	return f
}

// checkFates compares fate by fate. Whether a record books something or
// changes nothing depends on whether a fact of the same moment came before it,
// so these two are taken together.
func (b *books) checkFates() finding {
	f := finding{what: "each fate as the pure engine has it"}
	told := 0
	compare := func(name string, found, want int64) {
		if found > 0 {
			told++
		}
		if found != want {
			f.differences = append(f.differences, fmt.Sprintf("%s: %d, the pure engine has %d", name, found, want))
		}
	}
	compare("booked and no change", b.fates[rules.Booked]+b.fates[rules.NoChange], b.engine[rules.Booked]+b.engine[rules.NoChange])
	for fate := rules.Waiting; fate < rules.NumFates; fate++ {
		compare(fateName(fate), b.fates[fate], b.engine[fate])
	}
	f.detail = fmt.Sprintf("%d that occurred, booked and no change taken together", told)
	return f
}

func (b *books) checkAccruals() finding {
	f := finding{what: "accruals in ClickHouse = the pure engine's"}
	keys := maps.Clone(b.booked)
	maps.Copy(keys, b.deserved)
	for _, k := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		if booked, deserved := b.booked[k], b.deserved[k]; booked != deserved {
			f.differences = append(f.differences, fmt.Sprintf("%s: ClickHouse has %s, the pure engine %s", describeKey(k), describeSums(booked), describeSums(deserved)))
		}
	}
	f.detail = fmt.Sprintf("%s balances, to the cent", grouped(int64(len(keys))))
	if wrong := len(f.differences); wrong > 0 {
		f.detail = fmt.Sprintf("%s of %s balances differ", grouped(int64(wrong)), grouped(int64(len(keys))))
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
	return fmt.Sprintf("reward %s, commission %s, cost %s", cents(s.RewardMinor), cents(s.CommissionMinor), cents(s.CostMinor))
}

// checkMargin compares the margins that a person is shown with the pure
// engine's lines, and looks for a purchase that costs more than it brings
// although no offer of it may.
func (b *books) checkMargin() finding {
	type account struct {
		partner string
		stage   rules.Stage
	}
	shown, worked := map[account]int64{}, map[account]int64{}
	var commissionMinor, costMinor int64
	for _, t := range b.totals {
		shown[account{t.PartnerID, t.Stage}] += t.MarginMinor()
		if t.Stage == rules.Confirmed {
			commissionMinor += t.CommissionMinor
			costMinor += t.CostMinor
		}
	}
	for k, sum := range b.deserved {
		worked[account{k.PartnerID, k.Stage}] += sum.CommissionMinor - sum.CostMinor
	}
	f := finding{
		what:   "margin = commission - cost",
		detail: fmt.Sprintf("%s - %s = %s EUR confirmed", cents(commissionMinor), cents(costMinor), cents(commissionMinor-costMinor)),
	}
	all := maps.Clone(shown)
	maps.Copy(all, worked)
	for _, a := range slices.SortedFunc(maps.Keys(all), func(x, y account) int {
		return cmp.Or(cmp.Compare(x.partner, y.partner), cmp.Compare(x.stage, y.stage))
	}) {
		if shown[a] != worked[a] {
			f.differences = append(f.differences, fmt.Sprintf("%s, %s: ClickHouse has %s EUR, the pure engine %s EUR", a.partner, a.stage, cents(shown[a]), cents(worked[a])))
		}
	}
	f.differences = append(f.differences, b.losses()...)
	return f
}

// losses are purchases whose rewards cost more than their commission, in either
// world, not counting what the programme pays: offers that say so, and sponsors.
func (b *books) losses() (found []string) {
	type purchase struct{ partner, account, transaction string }
	confirmed, expected := map[purchase]int64{}, map[purchase]int64{}
	for k, sum := range b.booked {
		if k.Role == rules.RoleSponsor || b.funded[offerVersion{k.PartnerID, k.OfferID, k.OfferVersion}] && k.Role == rules.RoleMember {
			continue
		}
		p := purchase{k.PartnerID, k.AccountID, k.TransactionID}
		margin := sum.CommissionMinor - sum.CostMinor
		expected[p] += margin // the confirmed and what is expected on top
		if k.Stage == rules.Confirmed {
			confirmed[p] += margin
		}
	}
	for p, margin := range expected {
		if least := min(margin, confirmed[p]); least < 0 {
			found = append(found, fmt.Sprintf("purchase %s of account %s costs %s EUR more than %s owes for it", p.transaction, p.account, cents(-least), p.partner))
		}
	}
	slices.Sort(found)
	return found
}

// checkBudgets looks for a budget that gave more than was agreed, and for a
// purchase that has more of one than it deserves.
func (b *books) checkBudgets() finding {
	f := finding{what: "no budget gave more than was agreed"}
	given := map[rules.BudgetKey]int64{}
	for i := range b.grants {
		g := &b.grants[i]
		given[g.Budget] += g.ChangeMinor
		if g.GrantedMinor < 0 || g.GrantedMinor > g.TargetMinor || g.GrantedMinor != g.ChangeMinor {
			f.differences = append(f.differences, fmt.Sprintf("purchase %s of account %s has %s of %s, was given %s and deserves %s",
				g.TransactionID, g.AccountID, cents(g.GrantedMinor), g.Budget, cents(g.ChangeMinor), cents(g.TargetMinor)))
		}
	}
	usedUp := 0
	for _, key := range slices.Sorted(maps.Keys(given)) {
		agreed, ok := b.limits[agreedBudget(key)]
		if !ok || given[key] > agreed.minor || given[key] < 0 {
			f.differences = append(f.differences, fmt.Sprintf("budget %s gave %s of %s %s", key, cents(given[key]), cents(agreed.minor), agreed.unit))
		}
		if given[key] == agreed.minor {
			usedUp++
		}
	}
	f.differences = append(f.differences, b.ungranted...)
	f.detail = fmt.Sprintf("%s budgets, %s of them used up to the last cent", grouped(int64(len(given))), grouped(int64(usedUp)))
	return f
}

// agreedBudget is the name under which a budget was agreed: that of a store and
// day without both.
func agreedBudget(key rules.BudgetKey) string {
	if parts := strings.Split(string(key), "/"); parts[0] == "day" && len(parts) > 3 {
		return strings.Join(parts[:3], "/")
	}
	return string(key)
}

// checkSponsors holds what sponsors have against what their accounts were told,
// which their own caps may lower.
func (b *books) checkSponsors() finding {
	f := finding{what: "sponsors have what they were told, within their caps"}
	told := map[referralTarget]*rules.Referral{}
	for i := range b.told {
		told[targetOf(&b.told[i])] = &b.told[i]
	}
	type award struct {
		referralTarget
		sponsor string
		stage   rules.Stage
	}
	has, sponsors := map[award]int64{}, map[string]bool{}
	var allMinor int64
	for k, sum := range b.booked {
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
			f.differences = append(f.differences, fmt.Sprintf("account %s has %s EUR (%s) of purchase %s of account %s, and was told of %s",
				a.sponsor, cents(minor), a.stage, a.transaction, a.buyer, cents(most)))
		}
	}
	slices.Sort(f.differences)
	f.detail = fmt.Sprintf("%s EUR to %s sponsors, confirmed and expected", cents(allMinor), grouped(int64(len(sponsors))))
	return f
}

type payee struct{ account, currency string }

// checkCredits compares what the bank was told to pay with what is confirmed.
func (b *books) checkCredits() finding {
	net, confirmed := map[payee]int64{}, map[payee]int64{}
	for _, i := range b.distinctInstructions() {
		amountMinor := i.AmountMinor
		if i.Direction == rules.Debit {
			amountMinor = -amountMinor
		}
		net[payee{i.AccountID, i.Currency.String()}] += amountMinor
	}
	for k, sum := range b.booked {
		if k.Kind == rules.Cash && k.Stage == rules.Confirmed {
			confirmed[payee{k.BeneficiaryID, k.Unit}] += sum.RewardMinor
		}
	}
	var paidMinor int64
	all := maps.Clone(net)
	maps.Copy(all, confirmed)
	f := finding{what: "credit instructions = confirmed rewards, account by account"}
	for _, p := range slices.SortedFunc(maps.Keys(all), func(x, y payee) int {
		return cmp.Or(cmp.Compare(x.account, y.account), cmp.Compare(x.currency, y.currency))
	}) {
		paidMinor += net[p]
		if net[p] != confirmed[p] {
			f.differences = append(f.differences, fmt.Sprintf("account %s: instructed %s %s, confirmed %s", p.account, cents(net[p]), p.currency, cents(confirmed[p])))
		}
	}
	f.detail = fmt.Sprintf("%s EUR to %s accounts", cents(paidMinor), grouped(int64(len(net))))
	return f
}

// distinctInstructions is what the bank sees after it has dropped repeats.
func (b *books) distinctInstructions() []rules.Instruction {
	seen := map[string]bool{}
	var distinct []rules.Instruction
	for _, i := range b.paid {
		if !seen[i.ID] {
			seen[i.ID] = true
			distinct = append(distinct, i)
		}
	}
	return distinct
}

func (b *books) checkOneAmount() finding {
	type order struct {
		direction rules.Direction
		amount    int64
		account   string
		currency  string
	}
	first := map[string]order{}
	f := finding{what: "one amount for each instruction id"}
	for _, i := range b.paid {
		o := order{i.Direction, i.AmountMinor, i.AccountID, i.Currency.String()}
		if was, ok := first[i.ID]; ok && was != o {
			f.differences = append(f.differences, fmt.Sprintf("instruction %s says %v and %v", i.ID, was, o))
		} else {
			first[i.ID] = o
		}
	}
	f.detail = fmt.Sprintf("%s ids", grouped(int64(len(first))))
	if repeats := len(b.paid) - len(first); repeats > 0 {
		f.detail += fmt.Sprintf(", %s repeats", grouped(int64(repeats)))
	}
	return f
}

func (b *books) checkOneContent() finding {
	f := finding{what: "one content for each id in ClickHouse", detail: "accruals, instructions, events and facts"}
	for _, c := range b.conflicts {
		f.differences = append(f.differences, fmt.Sprintf("%s %s: %s", c.Table, c.ID, strings.Join(c.Contents, " and ")))
	}
	return f
}

func (b *books) checkDeadLetters() finding {
	f := finding{
		what:        "each bad record is a dead letter, and no card number got through",
		detail:      fmt.Sprintf("%s letters", grouped(int64(len(b.letters)))),
		differences: slices.Clone(b.leaks),
	}
	if want := b.engine[rules.DeadLettered]; int64(len(b.letters)) != want {
		f.differences = append(f.differences, fmt.Sprintf("%d records are dead letters, %d have to be", len(b.letters), want))
	}
	return f
}

// printBalance prints the balance sheet and tells whether it adds up.
func (s *sandbox) printBalance(b *books) bool {
	const shown, width = 5, 300
	balanced := true
	findings := b.check()
	s.out.title("Balance sheet")
	for _, f := range findings {
		mark := "✓"
		if len(f.differences) > 0 {
			mark, balanced = "✗", false
		}
		s.out.say("  %s %-66s %s", mark, f.what, f.detail)
		for _, d := range f.differences[:min(shown, len(f.differences))] {
			s.out.say("      %s", cut(d, width))
		}
		if more := len(f.differences) - shown; more > 0 {
			s.out.say("      and %s more", grouped(int64(more)))
		}
	}
	if balanced {
		s.out.say("\nEverything adds up.")
	} else {
		s.out.say("\nThis does not add up. Run it again with --seed %d and --data DIR to look into it.", s.seed)
	}
	return balanced
}
