package ledgertest

import (
	"cmp"
	"slices"

	"ristourne/rules"
)

// lot is what one purchase put into the member's wallet, or gave of points, by one
// offer.
type lot struct {
	line
	purchased, usable rules.Instant
	expires           rules.Instant // MaxInstant: never
	rest              int64
	programme         string
	cost              func(minor int64) int64
}

// pool is lots that are spent together.
type pool struct {
	kind rules.Kind
	unit string
}

// expired are the lines that take back what was not spent in time.
func (o oracle) expired(a *account) []line {
	pools := map[pool][]*lot{}
	for _, l := range o.lots(a) {
		p := pool{l.key.Kind, l.key.Unit}
		pools[p] = append(pools[p], l)
	}
	var lines []line
	for p, lots := range pools {
		spend(lots, o.spendings(a, p))
		for _, l := range lots {
			if l.rest == 0 || !o.isClosed(a, l.programme, l.expires) {
				continue
			}
			k := l.key
			k.Role = rules.RoleExpiry
			lines = append(lines, line{k, Sums{Reward: -l.rest, Cost: -l.cost(l.rest)}})
		}
	}
	return lines
}

// isClosed reports whether a cycle of the programme has ended at t or after it.
func (o oracle) isClosed(a *account, programme string, t rules.Instant) bool {
	return slices.ContainsFunc(a.facts, func(f *rules.Fact) bool {
		return f.Type == rules.CycleClosed && f.Programme == programme && !f.At.Before(t)
	})
}

// lots are the account's confirmed awards of wallet money and points.
func (o oracle) lots(a *account) []*lot {
	var lots []*lot
	for _, r := range a.confirmed {
		if r.final == nil {
			continue
		}
		programme, at := r.final.member.programme, r.final.view.time
		for _, l := range r.final.lines {
			x := &lot{line: l, purchased: at, usable: at, expires: rules.MaxInstant, rest: l.sums.Reward, programme: programme.ID}
			x.key.Stage, x.key.AccountID = rules.Confirmed, a.id
			usableAfter, expiresAfter := 0, 0
			switch l.key.Kind {
			case rules.Wallet:
				offer, _ := offerOfVersion(o.cat, l.key.PartnerID, programme.ID, l.key.OfferVersion, l.key.OfferID)
				usableAfter, expiresAfter = offer.Reward.Wallet.UsableAfterDays, offer.Reward.Wallet.ExpiresAfterDays
				x.cost = func(minor int64) int64 { return minor }
			case rules.Points:
				expiresAfter = programme.Points.ExpiresAfterDays
				x.cost = func(minor int64) int64 { return pointsCost(minor, programme) }
			default:
				continue
			}
			x.usable = at.AddDays(usableAfter)
			if expiresAfter > 0 {
				x.expires = at.AddDays(expiresAfter)
			}
			lots = append(lots, x)
		}
	}
	slices.SortFunc(lots, func(x, y *lot) int {
		return cmp.Or(x.expires.Compare(y.expires), x.purchased.Compare(y.purchased),
			cmp.Compare(x.key.TransactionID, y.key.TransactionID), cmp.Compare(x.key.OfferID, y.key.OfferID))
	})
	return lots
}

// spendings are the facts that spend from the pool, in their order.
func (o oracle) spendings(a *account, p pool) []*rules.Fact {
	var all []*rules.Fact
	for _, f := range inOrder(a.facts) {
		if l, ok := o.factLine(a, f); ok && f.Type != rules.Adjustment && l.key.Kind == p.kind && l.key.Unit == p.unit {
			all = append(all, f)
		}
	}
	return all
}

// spend takes from the lots what the facts spend, in order of time. What exceeds
// them is owed, and taken from those that become usable next. lots are in the order
// in which they are taken from.
func spend(lots []*lot, facts []*rules.Fact) {
	owed := int64(0)
	paid := map[*lot]bool{} // looked at when it became usable
	becomeUsable := func(until rules.Instant) {
		next := slices.Clone(lots)
		slices.SortStableFunc(next, func(x, y *lot) int { return x.usable.Compare(y.usable) })
		for _, l := range next {
			if !paid[l] && !l.usable.After(until) {
				paid[l] = true
				take(l, &owed)
			}
		}
	}
	for _, f := range facts {
		becomeUsable(f.At)
		minor := f.AmountMinor
		for _, l := range lots {
			if !l.usable.After(f.At) && l.expires.After(f.At) {
				take(l, &minor)
			}
		}
		owed += minor
	}
	becomeUsable(rules.MaxInstant)
}

func take(l *lot, minor *int64) {
	taken := min(l.rest, *minor)
	l.rest -= taken
	*minor -= taken
}
