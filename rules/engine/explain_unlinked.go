package engine

import (
	"cmp"
	"slices"

	"ristourne/rules/explain"
)

// maxRefundOptions is how many purchases an explanation lists.
const maxRefundOptions = 10

// trace keeps what the refund could be matched to, at its turn, in the order in
// which they are preferred. It is worked out beside the choice, without its
// searches.
func (m *refundMatcher) trace(a *Account, r *unlinkedRefund) {
	x := &a.events[r.event]
	g := &m.groups[r.groups[samePartner]]
	from, to := m.inTime(a, g, r)
	for _, n := range g.members[from:to] {
		c := &m.candidates[n]
		if c.leftMinor < x.amountMinor {
			continue
		}
		anchor := &a.events[a.purchases[c.purchase].anchor]
		m.options = append(m.options, refundOption{
			purchase: c.purchase, leftMinor: c.leftMinor, store: anchor.match.StoreID == x.match.StoreID,
			card: anchor.card == x.card, exact: c.leftMinor == x.amountMinor,
		})
	}
	slices.SortFunc(m.options, func(o, p refundOption) int {
		by, _ := a.prefer(&o, &p)
		return by
	})
}

// prefer compares two options, and names the reason that decides.
func (a *Account) prefer(o, p *refundOption) (order int, by string) {
	first := func(x, y bool) int { return int(oneIf(y) - oneIf(x)) }
	q, r := &a.purchases[o.purchase], &a.purchases[p.purchase]
	for _, c := range [...]struct {
		by    string
		order int
	}{
		{"store", first(o.store, p.store)},
		{"card", first(o.card, p.card)},
		{"amount", first(o.exact, p.exact)},
		{"time", r.at.Compare(q.at)},
		{"id", cmp.Compare(r.id, q.id)},
	} {
		if c.order != 0 {
			return c.order, c.by
		}
	}
	return 0, ""
}

// explainUnlinked tells of an event that is a refund at a store and not its
// purchase's own; nil: it is another.
func (e *Engine) explainUnlinked(a *Account, event int32) *explain.ExplainedUnlinked {
	x := &a.events[event]
	if !x.isStoreRefund() {
		return nil
	}
	m := &e.matcher
	m.traced = event
	defer func() { m.traced = noEvent }()
	m.reset(a)
	m.plan(e.snapshot, a)
	i := slices.IndexFunc(m.refunds, func(r unlinkedRefund) bool { return r.event == event })
	if i < 0 {
		return nil
	}
	u := &explain.ExplainedUnlinked{
		NamedTransactionID: m.ownPurchase(x), StoreID: x.match.StoreID, PartnerID: x.match.PartnerID, WithinDays: m.refunds[i].days,
	}
	for _, o := range m.options[:min(len(m.options), maxRefundOptions)] {
		p := &a.purchases[o.purchase]
		u.Options = append(u.Options, explain.ExplainedRefundOption{
			TransactionID: p.id, PurchasedAt: p.at.String(), StoreID: a.events[p.anchor].match.StoreID, SameStore: o.store, SameCard: o.card,
			LeftMinor: o.leftMinor, ExactAmount: o.exact,
		})
	}
	u.MoreOptions = len(m.options) - len(u.Options)
	switch len(m.options) {
	case 0:
	case 1:
		u.DecidedBy = "only"
	default:
		_, u.DecidedBy = a.prefer(&m.options[0], &m.options[1])
	}
	return u
}
