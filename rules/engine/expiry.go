package engine

import (
	"cmp"
	"container/heap"
	"slices"

	"ristourne/rules"
	"ristourne/rules/reason"
)

// This file says what of points and of wallets' money is gone because it was not
// spent in time. All of it is worked out from what is booked and the facts of
// spending, whenever one of them changes.

// lot is what one purchase was awarded by one offer in points or in the wallet.
type lot struct {
	purchase int32 // in Account.purchases
	line     int32 // in Account.lines
	at       rules.Instant
	usable   rules.Instant
	expires  rules.Instant // MaxInstant: never
	rest     int64
}

// pool is what spending takes from: the lots of one unit, of whatever programme.
type pool struct {
	kind rules.Kind
	unit string
}

// bookExpiry books the difference between what is gone and what is booked of it.
func (b *booking) bookExpiry() error {
	a := b.account
	if !b.snapshot.expires() {
		return nil
	}
	closed := a.closedUntil()
	if len(closed) == 0 && !a.hasExpired() {
		return nil // until a cycle closes nothing is gone
	}
	lots := b.lots()
	slices.SortFunc(lots, func(x, y lot) int { return a.spentBefore(&x, &y) })
	a.spend(b.snapshot, lots)
	slices.SortStableFunc(lots, func(x, y lot) int { return cmp.Compare(x.purchase, y.purchase) })
	for i := range a.purchases {
		p := &a.purchases[i]
		n, _ := slices.BinarySearchFunc(lots, int32(i), func(x lot, i int32) int { return cmp.Compare(x.purchase, i) })
		b.entitlements = b.entitlements[:0]
		for ; n < len(lots) && lots[n].purchase == int32(i); n++ {
			if err := b.entitleToExpiry(p, &lots[n], closed); err != nil {
				return err
			}
		}
		if p.lines < 0 {
			continue
		}
		standing := a.standingAt(p.at)
		about := rules.Accrual{AccountID: a.id, TransactionID: p.id, PurchasedAt: p.at, MemberID: standing.memberID, Level: standing.level}
		if p.known() {
			about.Channel, about.MCC = a.events[p.anchor].channel, a.events[p.anchor].mcc
		}
		b.bookChain(&chain{head: &p.lines, due: b.entitlements, about: &about, valued: &valuedPurchase{why: reason.Expired}, expiry: true})
	}
	return nil
}

func (a *Account) hasExpired() bool {
	return slices.ContainsFunc(a.lines, func(l line) bool { return l.role == rules.RoleExpiry })
}

// lots are those that the account has, by what is booked of its purchases.
func (b *booking) lots() []lot {
	a := b.account
	var lots []lot
	for i := range a.purchases {
		p := &a.purchases[i]
		for n := p.lines; n >= 0; n = a.lines[n].next {
			l := &a.lines[n]
			saved := l.kind == rules.Points || l.kind == rules.Wallet
			if !saved || l.role != rules.RoleMember || l.stage != rules.Confirmed || l.rewardMinor <= 0 {
				continue
			}
			x := lot{purchase: int32(i), line: n, at: p.at, usable: p.at, expires: rules.MaxInstant, rest: l.rewardMinor}
			b.snapshot.dateLot(&x, l)
			lots = append(lots, x)
		}
	}
	return lots
}

// dateLot says from when to when a lot can be spent.
func (s *Snapshot) dateLot(x *lot, l *line) {
	days := 0
	if l.kind == rules.Wallet {
		if o := s.bookedOffer(l.programme, l.partner, l.offer, l.version); o != nil {
			x.usable, days = x.at.AddDays(o.Reward.Wallet.UsableAfterDays), o.Reward.Wallet.ExpiresAfterDays
		}
	} else if v := s.ProgrammeAt(l.programme, x.at); v != nil {
		days = v.Points.ExpiresAfterDays
	}
	if days > 0 {
		x.expires = x.at.AddDays(days)
	}
}

// spentBefore is the order in which lots are spent: what is gone first goes first.
func (a *Account) spentBefore(x, y *lot) int {
	return cmp.Or(
		x.expires.Compare(y.expires), x.at.Compare(y.at), cmp.Compare(a.purchases[x.purchase].id, a.purchases[y.purchase].id),
		cmp.Compare(a.lines[x.line].offer, a.lines[y.line].offer),
	)
}

// The steps of one instant, in their order.
const (
	lotExpires = iota
	lotIsUsable
	lotsAreSpent
)

// step is what happens to a pool at one instant.
type step struct {
	at    rules.Instant
	what  int
	lot   int // of lots, where it is one's
	minor int64
}

// spend takes from the lots, which are in the order in which they are spent, what
// facts say was spent; what exceeds them is taken from those that become usable
// next. What is left of each when it expires, or at the end, is its rest.
func (a *Account) spend(s *Snapshot, lots []lot) {
	byPool := map[pool][]step{}
	for i := range lots {
		x := &lots[i]
		of := pool{a.lines[x.line].kind, a.lines[x.line].unit}
		byPool[of] = append(byPool[of], step{at: x.usable, what: lotIsUsable, lot: i})
		if x.expires != rules.MaxInstant {
			byPool[of] = append(byPool[of], step{at: x.expires, what: lotExpires, lot: i})
		}
	}
	s.factLinesOf(a, func(l entitlement, at rules.Instant) { // in the order of facts
		if of := (pool{l.kind, l.unit}); l.kind != rules.Cash && len(byPool[of]) > 0 {
			byPool[of] = append(byPool[of], step{at: at, what: lotsAreSpent, minor: -l.rewardMinor})
		}
	})
	for _, steps := range byPool {
		slices.SortStableFunc(steps, func(x, y step) int { return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.what, y.what)) })
		spendPool(lots, steps)
	}
}

func spendPool(lots []lot, steps []step) {
	var usable lotQueue
	gone := make(map[int]bool)
	owed := int64(0)
	take := func(x *lot, minor int64) int64 {
		taken := min(x.rest, minor)
		x.rest -= taken
		return minor - taken
	}
	for _, st := range steps {
		switch st.what {
		case lotExpires:
			gone[st.lot] = true
		case lotIsUsable:
			owed = take(&lots[st.lot], owed)
			heap.Push(&usable, st.lot)
		case lotsAreSpent:
			minor := st.minor
			for minor > 0 && len(usable) > 0 {
				first := usable[0]
				if !gone[first] {
					minor = take(&lots[first], minor)
				}
				if gone[first] || lots[first].rest == 0 {
					heap.Pop(&usable)
				}
			}
			owed += minor
		}
	}
}

// lotQueue has the lots that can be spent, the first to go first.
type lotQueue []int

func (q lotQueue) Len() int           { return len(q) }
func (q lotQueue) Less(i, j int) bool { return q[i] < q[j] }
func (q lotQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *lotQueue) Push(x any)        { *q = append(*q, x.(int)) }
func (q *lotQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// entitleToExpiry is the line of a lot's rest, once a cycle of its programme has
// closed that ends no sooner than the lot.
func (b *booking) entitleToExpiry(p *purchase, x *lot, closed map[string]rules.Instant) error {
	l := &b.account.lines[x.line]
	until, any := closed[l.programme]
	if !any || x.rest == 0 || x.expires.After(until) {
		return nil
	}
	cost := x.rest
	if l.kind == rules.Points {
		v := b.snapshot.ProgrammeAt(l.programme, p.at) // it said when they expire
		var err error
		if cost, err = v.Points.Cost(x.rest, v.Rounding); err != nil {
			return err
		}
	}
	due := entitlement{lineKey: l.lineKey, programme: l.programme, why: reason.Expired}
	due.role, due.sums = rules.RoleExpiry, sums{rewardMinor: -x.rest, costMinor: -cost}
	b.entitlements = append(b.entitlements, due)
	return nil
}

// closedUntil is the latest end of the cycles of each programme that the set has.
func (a *Account) closedUntil() map[string]rules.Instant {
	until := map[string]rules.Instant{}
	for i := range a.facts {
		if f := &a.facts[i]; f.Type == rules.CycleClosed {
			if last, any := until[f.Programme]; !any || f.AsOfInstant().After(last) {
				until[f.Programme] = f.AsOfInstant()
			}
		}
	}
	return until
}
