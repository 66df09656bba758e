package ledgertest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/offer"
)

// BrokenPromises says which of what is promised of every ledger doesn't hold of
// the sums that follow from the records: rewards within the ceiling, what the
// commission funds within the commission, caps. Empty: none.
func BrokenPromises(cat *offer.Catalogue, records []Record, sums map[Key]Sums) []string {
	p := &promises{oracle: newOracle(cat), sums: sums}
	accounts := newLedgers(cat, nil)
	for _, r := range records {
		p.oracle.arrive(accounts.account(r.AccountID()), r)
	}
	for _, id := range slices.Sorted(maps.Keys(accounts.accounts)) {
		a := accounts.accounts[id]
		purchases := p.oracle.purchases(a)
		for _, w := range worlds {
			p.ofAccount(w, a, purchases)
		}
	}
	return p.broken
}

type promises struct {
	oracle oracle
	sums   map[Key]Sums
	broken []string
}

func (p *promises) breaks(format string, args ...any) {
	p.broken = append(p.broken, fmt.Sprintf(format, args...))
}

// paid is one line of a purchase in one world, with the offer that it is by.
type paid struct {
	key   Key
	sums  Sums
	time  rules.Instant
	offer *offer.Offer // nil: by the partner's terms
	zone  *offer.Programme
}

func (p *promises) ofAccount(w world, a *account, purchases []purchase) {
	late := slices.ContainsFunc(purchases, func(x purchase) bool { return x.late })
	var all []paid
	for _, x := range purchases {
		m, ok := p.oracle.earns(a, x.whole.time, x.whole.opener.CardToken)
		lines := p.lines(w, a, x, m)
		if !ok {
			if len(lines) > 0 {
				p.breaks("%s/%s is no member's purchase and has %d lines", a.id, x.id, len(lines))
			}
			continue
		}
		p.ofPurchase(m.programme, lines)
		all = append(all, lines...)
	}
	p.caps(all, late)
}

// lines are those of a purchase's buyer and its partner.
func (p *promises) lines(w world, a *account, x purchase, m member) []paid {
	byKey := map[Key]Sums{}
	for k, s := range p.sums {
		counts := k.Stage == rules.Confirmed || w == expectedWorld
		if k.AccountID == a.id && k.TransactionID == x.id && k.Role != rules.RoleSponsor && k.Role != rules.RoleExpiry && counts {
			k.Stage = 0
			byKey[k] = byKey[k].Add(s)
		}
	}
	var lines []paid
	for k, s := range byKey {
		if s == (Sums{}) {
			continue
		}
		if s.Reward < 0 || s.Commission < 0 || s.Cost < 0 {
			p.breaks("%s comes to %+v", printKey(k), s)
		}
		l := paid{key: k, sums: s, time: x.whole.time, zone: m.programme}
		if k.OfferID != "" {
			l.offer = p.offer(k, m)
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(x, y paid) int { return cmp.Compare(printKey(x.key), printKey(y.key)) })
	return lines
}

func (p *promises) offer(k Key, m member) *offer.Offer {
	programme := ""
	if m.programme != nil {
		programme = m.programme.ID
	}
	if offer, ok := offerOfVersion(p.oracle.cat, k.PartnerID, programme, k.OfferVersion, k.OfferID); ok {
		return offer
	}
	p.breaks("%s is by an offer that isn't there", printKey(k))
	return &offer.Offer{}
}

// ofPurchase looks at ceiling, margin and cost.
func (p *promises) ofPurchase(programme *offer.Programme, lines []paid) {
	given, basis, funded, commission := map[string]int64{}, map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, l := range lines {
		unit := l.key.Unit
		if l.key.Role == rules.RolePartner {
			commission[unit] += l.sums.Commission
			continue
		}
		cost := l.sums.Reward
		if l.key.Kind == rules.Points {
			cost, unit = pointsCost(l.sums.Reward, programme), programme.Currency.String()
		} else {
			given[unit] += l.sums.Reward
			basis[unit] = l.sums.Basis
		}
		if l.sums.Cost != cost {
			p.breaks("%s costs %d, want %d", printKey(l.key), l.sums.Cost, cost)
		}
		if l.offer.FundedBy == offer.FundedByCommission {
			funded[unit] += cost
		}
	}
	for unit, minor := range given {
		if most := round(share(basis[unit], programme.CeilingMillionths), money.Down); minor > most {
			p.breaks("%s gives %d %s of %d, above the ceiling of %d", lines[0].key.TransactionID, minor, unit, basis[unit], most)
		}
	}
	for unit, cost := range funded {
		if cost > commission[unit] {
			p.breaks("%s has a margin of %d %s that nobody said", lines[0].key.TransactionID, commission[unit]-cost, unit)
		}
	}
}

// caps holds each award against the caps of its version: with those that came
// before in the period, or where there are late events, wherever all versions
// say the same, with all of it.
func (p *promises) caps(lines []paid, late bool) {
	slices.SortStableFunc(lines, func(x, y paid) int {
		return cmp.Or(x.time.Compare(y.time), cmp.Compare(x.key.TransactionID, y.key.TransactionID))
	})
	for i, l := range lines {
		if l.key.Role != rules.RoleMember {
			continue
		}
		for _, c := range l.offer.Caps {
			those := lines[:i+1]
			if late && c.Per != offer.PerRolling {
				if those = lines; !p.always(l, c) {
					continue
				}
			}
			minor, count := int64(0), int64(0)
			for _, x := range those {
				if !x.sameOffer(l) || !l.shares(c, x) {
					continue
				}
				count++
				if x.key.Unit == l.key.Unit {
					minor += x.sums.Reward
				}
			}
			if c.Per == offer.PerPurchase {
				minor = l.sums.Reward
			}
			if (c.Count > 0 && count > c.Count) || (c.AmountMinor > 0 && minor > c.AmountMinor) {
				p.breaks("%s is the %d. and makes %d under a cap %+v", printKey(l.key), count, minor, c)
			}
		}
	}
}

func (l paid) sameOffer(o paid) bool {
	return l.key.Role == rules.RoleMember && l.key.PartnerID == o.key.PartnerID && l.key.OfferID == o.key.OfferID
}

// shares reports whether x lies in the period of the cap that l fills.
func (l paid) shares(c offer.Cap, x paid) bool {
	switch c.Per {
	case offer.PerPurchase:
		return x.key.TransactionID == l.key.TransactionID
	case offer.PerRolling:
		return x.time.After(l.time.AddDays(-c.Days))
	}
	return periodOf(c.Per, x.time, x.zone.Zone) == periodOf(c.Per, l.time, l.zone.Zone)
}

// always reports whether every version of the offer has this cap.
func (p *promises) always(l paid, c offer.Cap) bool {
	has := func(offers []offer.Offer) bool {
		i := slices.IndexFunc(offers, func(o offer.Offer) bool { return o.ID == l.key.OfferID })
		return i < 0 || slices.Contains(offers[i].Caps, c)
	}
	for i := range p.oracle.cat.Programmes {
		if l.key.PartnerID == "" && !has(p.oracle.cat.Programmes[i].Offers) {
			return false
		}
	}
	for i := range p.oracle.cat.Partners {
		if x := &p.oracle.cat.Partners[i]; x.ID == l.key.PartnerID && !has(x.Offers) {
			return false
		}
	}
	return true
}

// Overspent says which awards of offers with a budget of their own are above what
// it granted in the end. grants are in order of decision.
func Overspent(cat *offer.Catalogue, sums map[Key]Sums, grants [][]rules.Grant) []string {
	granted := map[string]int64{}
	for _, g := range slices.Concat(grants...) {
		granted[fmt.Sprint(g.AccountID, "/", g.TransactionID, "/", g.Budget)] = g.GrantedMinor
	}
	paid := map[Key]int64{} // confirmed, and with what is expected
	for k, s := range sums {
		if k.Role != rules.RoleMember || k.OfferID == "" {
			continue
		}
		if k.Stage == rules.Confirmed {
			paid[k] += s.Reward
		}
		k.Stage = rules.Expected
		paid[k] += s.Reward
	}
	var over []string
	for k, minor := range paid {
		for _, b := range budgetsOf(cat, k) {
			key := fmt.Sprintf("%s/%s/%s", k.AccountID, k.TransactionID, b)
			if most := max(granted[key], granted[key+"/"+k.Unit]); minor > most {
				over = append(over, fmt.Sprintf("%s comes to %d, and %s gave %d", printKey(k), minor, b, most))
			}
		}
	}
	return over
}

// budgetsOf are the names of the budgets behind a line that are not by day: of the
// partner's offer, or of the programme's own.
func budgetsOf(cat *offer.Catalogue, k Key) []string {
	var names []string
	add := func(of, version string, offers []offer.Offer) {
		for _, o := range offers {
			whole := slices.ContainsFunc(o.Budgets, func(b offer.Budget) bool { return b.AmountMinor > 0 && !b.PerStoreAndDay })
			if o.ID == k.OfferID && version == k.OfferVersion && whole {
				names = append(names, "offer/"+of+"/"+o.ID)
			}
		}
	}
	for _, p := range cat.Partners {
		if p.ID == k.PartnerID {
			add(p.ID, p.Version.ID, p.Offers)
		}
	}
	for _, p := range cat.Programmes {
		if k.PartnerID == "" {
			add("@"+p.ID, p.Version.ID, p.Offers)
		}
	}
	return names
}

// RefundAll are records that take back all that the records buy: what was
// cleared is refunded, what was authorised is reversed. After them no purchase has
// a sum.
func RefundAll(cat *offer.Catalogue, records []Record) []Record {
	o := newOracle(cat)
	accounts := newLedgers(cat, nil)
	for _, r := range records {
		o.arrive(accounts.account(r.AccountID()), r)
	}
	var back []Record
	for _, id := range slices.Sorted(maps.Keys(accounts.accounts)) {
		a := accounts.accounts[id]
		for _, p := range o.purchases(a) {
			for _, e := range p.whole.events {
				r := *e
				r.ID, r.TransactionID, r.OriginalTransactionID = "back-"+e.ID, p.id, ""
				switch {
				case e.Type == rules.Clearing:
					r.Type, r.OccurredAt, r.HasPurchasedAt = rules.Refund, p.whole.time, false
				case e.Type.Opens():
					r.Type = rules.Reversal
				default:
					continue
				}
				back = append(back, sealed(Record{Event: &r}))
			}
		}
	}
	return back
}
