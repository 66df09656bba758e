package ledgertest

import (
	"maps"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
)

// bothWorlds works out all purchases of the account.
func (o oracle) bothWorlds(a *account, purchases []purchase, granted *[2]ceilings) [2][]result {
	var byWorld [2][]result
	for _, w := range worlds {
		var limits *ceilings
		if granted != nil {
			limits = &granted[w]
		}
		byWorld[w] = o.run(w, a, purchases, limits)
	}
	return byWorld
}

// settle makes the ledger of the account from what its purchases come to, or
// where a grant is below its target, from what they come to within the grants.
func (o oracle) settle(a *account, purchases []purchase, first [2][]result) {
	final := first
	if a.short() {
		var granted [2]ceilings
		for _, w := range worlds {
			granted[w] = ceilings{map[string]result{}, a.grants}
			for _, r := range first[w] {
				granted[w].first[r.purchase.id] = r
			}
		}
		final = o.bothWorlds(a, purchases, &granted)
	}
	a.own = map[Key]Sums{}
	for _, w := range worlds {
		for _, r := range final[w] {
			if r.final != nil {
				addLines(a.own, w, r.final.lines)
			}
		}
	}
	a.confirmed = final[confirmedWorld]
	a.last, a.told = a.told, referrals(a, final)
	a.ledger = o.ledger(a)
}

// short reports whether a budget couldn't give all that was deserved.
func (a *account) short() bool {
	for _, g := range a.grants {
		if g.granted < g.target {
			return true
		}
	}
	return false
}

// ledger is every sum of the account: of its purchases, of those of the members
// it referred, and of its facts.
func (o oracle) ledger(a *account) map[Key]Sums {
	sums := maps.Clone(a.own)
	if sums == nil {
		sums = map[Key]Sums{}
	}
	for _, w := range worlds {
		addLines(sums, w, o.sponsorLines(w, a))
	}
	for _, f := range a.facts {
		if l, ok := o.factLine(a, f); ok {
			sums[l.key] = sums[l.key].Add(l.sums)
		}
	}
	for _, l := range slices.Concat(a.payout.writtenOff(a), o.expired(a)) {
		sums[l.key] = sums[l.key].Add(l.sums)
	}
	maps.DeleteFunc(sums, func(_ Key, s Sums) bool { return s == (Sums{}) })
	return sums
}

// addLines adds the lines of one world: what is expected is less what is
// confirmed.
func addLines(to map[Key]Sums, w world, lines []line) {
	for _, l := range lines {
		l.key.Stage = rules.Expected
		if w == expectedWorld {
			to[l.key] = to[l.key].Add(l.sums)
			continue
		}
		to[l.key] = to[l.key].Add(negative(l.sums))
		l.key.Stage = rules.Confirmed
		to[l.key] = to[l.key].Add(l.sums)
	}
}

func negative(s Sums) Sums { return Sums{-s.Reward, -s.Commission, -s.Cost, -s.Basis} }

// factLine is the line that a fact books by itself.
func (o oracle) factLine(a *account, f *rules.Fact) (line, bool) {
	if !o.knownMember(a, f.At) {
		return line{}, false
	}
	l := line{key: Key{AccountID: a.id, BeneficiaryID: a.id, Role: rules.RoleMember, Stage: rules.Confirmed}}
	switch f.Type {
	case rules.Adjustment:
		return adjustment(a, f.Currency, f.AmountMinor), true
	case rules.PointsSpent:
		l.key.Kind, l.key.Unit = rules.Points, f.Unit
		l.sums = Sums{Reward: -f.AmountMinor}
	case rules.WalletSpent:
		l.key.Kind, l.key.Unit = rules.Wallet, f.Unit
		l.sums = Sums{Reward: -f.AmountMinor}
	default:
		return line{}, false
	}
	return l, true
}

// adjustment is cash that no purchase gave.
func adjustment(a *account, c money.Currency, minor int64) line {
	k := Key{AccountID: a.id, BeneficiaryID: a.id, Role: rules.RoleMember, Stage: rules.Confirmed, Kind: rules.Cash, Unit: c.String()}
	return line{k, Sums{Reward: minor, Cost: minor}}
}
