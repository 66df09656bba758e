package ledgertest

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"ristourne/rules"
	"ristourne/rules/money"
)

// counter is what a member's monthly cap counts by.
type counter struct {
	partner, offer string
	year           int
	month          time.Month
}

// line is one award, or the commission, in one world.
type line struct {
	key   Key
	sums  Sums
	count counter // of an award
}

// ledger works out every sum of the account from its set.
func (o oracle) ledger(a *account) map[Key]Sums {
	sums := map[Key]Sums{}
	for _, l := range o.linesIn(confirmedWorld, a) {
		l.key.Stage = rules.Confirmed
		sums[l.key] = sums[l.key].Add(l.sums)
		l.key.Stage = rules.Expected
		sums[l.key] = sums[l.key].Add(negative(l.sums))
	}
	for _, l := range o.linesIn(expectedWorld, a) {
		l.key.Stage = rules.Expected
		sums[l.key] = sums[l.key].Add(l.sums)
	}
	for _, f := range a.facts {
		if l, ok := o.factLine(a, f); ok {
			sums[l.key] = sums[l.key].Add(l.sums)
		}
	}
	for k, s := range sums {
		if s == (Sums{}) {
			delete(sums, k)
		}
	}
	return sums
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
		l.key.Kind, l.key.Unit = rules.Cash, f.Currency.String()
		l.sums = Sums{Reward: f.AmountMinor, Cost: f.AmountMinor}
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

// linesIn works out all purchases in one world: first each without its late
// events, filling caps in order; then those that have late events once more,
// each within the room that all others leave.
func (o oracle) linesIn(w world, a *account) []line {
	purchases := o.purchases(a)
	inOrder := slices.Clone(purchases)
	inOrder = slices.DeleteFunc(inOrder, func(p purchase) bool { return p.recorded == nil })
	slices.SortFunc(inOrder, func(x, y purchase) int {
		return cmp.Or(x.recorded.time.Compare(y.recorded.time), cmp.Compare(x.id, y.id))
	})
	recorded := map[string][]line{}
	used := map[counter]int64{}
	for _, p := range inOrder {
		room := func(c counter, limit int64) int64 { return limit - used[c] }
		recorded[p.id] = o.worth(w, a, p.id, *p.recorded, room)
		for _, l := range recorded[p.id] {
			used[l.count] += l.sums.Reward
		}
	}

	final := map[string][]line{}
	for id, lines := range recorded {
		final[id] = lines
	}
	for _, p := range purchases {
		if !p.late {
			continue
		}
		room := func(c counter, limit int64) int64 {
			taken := int64(0)
			for _, other := range purchases {
				if other.id != p.id {
					taken += max(awarded(recorded[other.id], c), awarded(final[other.id], c))
				}
			}
			return max(awarded(recorded[p.id], c), limit-taken)
		}
		final[p.id] = o.worth(w, a, p.id, p.whole, room)
	}
	var all []line
	for _, p := range purchases {
		all = append(all, final[p.id]...)
	}
	return all
}

func awarded(lines []line, c counter) int64 {
	sum := int64(0)
	for _, l := range lines {
		if l.count == c {
			sum += l.sums.Reward
		}
	}
	return sum
}

// award is one offer's, on its way through caps, groups and cuts.
type award struct {
	offer *rules.Offer
	basis int64
	minor int64
	count counter
}

// worth is section 3 of the contract for one purchase in one world. room is
// what a monthly limit leaves in its counter, and may be negative.
func (o oracle) worth(w world, a *account, id string, v view, room func(counter, int64) int64) []line {
	programme, ok := o.earns(a, v.time, v.opener.CardToken)
	if !ok || v.at.partner.Programme != programme.ID {
		return nil
	}
	partner := v.at.partner

	var awards []*award
	for i := range partner.Offers {
		offer := &partner.Offers[i]
		if !o.offerRuns(offer, v.at, v.time) {
			continue
		}
		basis, ok := v.basis(w, or(offer.Currency, programme.Currency))
		if !ok || basis == 0 || basis < offer.MinSpendMinor {
			continue
		}
		exact := share(basis, offer.Reward.RateMillionths)
		if offer.Reward.Form == rules.FixedReward {
			exact = big.NewRat(offer.Reward.FixedMinor, 1)
		}
		if exact.Sign() <= 0 {
			continue
		}
		local := v.time.Time().In(programme.Zone)
		aw := &award{offer: offer, basis: basis, minor: round(exact, programme.Rounding)}
		aw.count = counter{partner.ID, offer.ID, local.Year(), local.Month()}
		for _, c := range offer.Caps {
			limit := c.AmountMinor
			if c.Per == rules.PerMonth {
				limit = max(0, room(aw.count, c.AmountMinor))
			}
			aw.minor = min(aw.minor, limit)
		}
		awards = append(awards, aw)
	}

	key := Key{
		AccountID: a.id, TransactionID: id, OfferVersion: partner.Version.ID, PartnerID: partner.ID, StoreID: v.at.store.ID,
	}
	awards = bestOfGroups(awards)
	owed := commissionOwed(w, v, programme, key, len(awards) > 0)
	cut(awards, programme, owed)

	var lines []line
	for _, aw := range awards {
		if aw.minor == 0 {
			continue
		}
		k := key
		k.OfferID, k.BeneficiaryID, k.Role = aw.offer.ID, a.id, rules.RoleMember
		k.Kind, k.Unit = rules.Cash, or(aw.offer.Currency, programme.Currency).String()
		lines = append(lines, line{k, Sums{Reward: aw.minor, Cost: aw.minor, Basis: aw.basis}, aw.count})
	}
	if owed.sums.Commission != 0 {
		lines = append(lines, owed)
	}
	return lines
}

func or(c, otherwise money.Currency) money.Currency {
	if c == (money.Currency{}) {
		return otherwise
	}
	return c
}

// bestOfGroups keeps in each group the award worth most. The purchase itself
// tells what two currencies are worth: each award is taken as a share of it.
func bestOfGroups(awards []*award) []*award {
	best := map[string]*award{}
	for _, aw := range awards {
		group := cmp.Or(aw.offer.Group, rules.DefaultGroup)
		if other := best[group]; other == nil || better(aw, other) {
			best[group] = aw
		}
	}
	var winners []*award
	for _, aw := range awards {
		if best[cmp.Or(aw.offer.Group, rules.DefaultGroup)] == aw {
			winners = append(winners, aw)
		}
	}
	return winners
}

func better(x, y *award) bool {
	return cmp.Or(
		big.NewRat(y.minor, y.basis).Cmp(big.NewRat(x.minor, x.basis)),
		cmp.Compare(y.offer.Priority, x.offer.Priority),
		cmp.Compare(x.offer.ID, y.offer.ID),
	) < 0
}

// commissionOwed is what the partner owes by its terms.
func commissionOwed(w world, v view, programme *rules.Programme, key Key, awarded bool) line {
	partner := v.at.partner
	currency := or(partner.Currency, programme.Currency)
	key.BeneficiaryID, key.Role = partner.ID, rules.RolePartner
	key.Kind, key.Unit = rules.CommissionKind, currency.String()
	basis, ok := v.basis(w, currency)
	if !ok || basis == 0 || (partner.Commission.On == rules.OnAward && !awarded) {
		return line{key: key}
	}
	exact := share(basis, partner.Commission.RateMillionths)
	exact.Add(exact, big.NewRat(partner.Commission.FixedMinor, 1))
	return line{key: key, sums: Sums{Commission: round(exact, programme.Rounding), Basis: basis}}
}

// cut lowers the awards of a purchase until, in each currency, they are within
// the programme's share of the basis, and those that the commission funds are
// within the commission.
func cut(awards []*award, programme *rules.Programme, owed line) {
	slices.SortFunc(awards, func(x, y *award) int {
		return cmp.Or(cmp.Compare(x.offer.Priority, y.offer.Priority), cmp.Compare(y.offer.ID, x.offer.ID))
	})
	currencies := map[money.Currency]int64{}
	for _, aw := range awards {
		currencies[or(aw.offer.Currency, programme.Currency)] = aw.basis
	}
	for currency, basis := range currencies {
		var all, funded []*award
		for _, aw := range awards {
			if or(aw.offer.Currency, programme.Currency) != currency {
				continue
			}
			all = append(all, aw)
			if aw.offer.FundedBy == rules.FundedByCommission {
				funded = append(funded, aw)
			}
		}
		lower(all, round(share(basis, programme.CeilingMillionths), money.Down))
		commission := int64(0)
		if owed.key.Unit == currency.String() {
			commission = owed.sums.Commission
		}
		lower(funded, commission)
	}
}

// lower takes from the first award on until all together are within ceiling.
func lower(awards []*award, ceiling int64) {
	sum := int64(0)
	for _, aw := range awards {
		sum += aw.minor
	}
	for _, aw := range awards {
		less := min(aw.minor, max(0, sum-ceiling))
		aw.minor -= less
		sum -= less
	}
}

// share is so many millionths of an amount, exactly.
func share(minor, millionths int64) *big.Rat {
	r := new(big.Rat).Mul(big.NewRat(minor, 1), big.NewRat(millionths, 1))
	return r.Quo(r, big.NewRat(1_000_000, 1))
}

// round turns an exact amount that is not negative into minor units.
func round(exact *big.Rat, mode money.Rounding) int64 {
	whole, rest := new(big.Int).QuoRem(exact.Num(), exact.Denom(), new(big.Int))
	half := new(big.Int).Lsh(rest, 1).Cmp(exact.Denom())
	up := false
	switch mode {
	case money.HalfEven:
		up = half > 0 || (half == 0 && whole.Bit(0) == 1)
	case money.HalfUp:
		up = half >= 0
	case money.Up:
		up = rest.Sign() > 0
	}
	if up {
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() {
		panic("ledgertest: an amount is beyond int64: generate smaller ones")
	}
	return whole.Int64()
}
