package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ExplainedUnlinked is what became of a refund that names no purchase that is
// known.
type ExplainedUnlinked struct {
	NamedTransactionID string `json:"named_transaction_id"`
	StoreID            string `json:"store_id"`
	PartnerID          string `json:"partner_id"`
	// WithinDays is how far back the programme looked at the refund's own date;
	// 0: it matches no such refunds.
	WithinDays int `json:"within_days"`
	// DecidedBy is the first of the reasons, in their order, by which the
	// purchase goes before the next best one: "store", "card", "amount", "time",
	// "id", or "only" where there was no other.
	DecidedBy string `json:"decided_by,omitempty"`
	// Options are the purchases that it could be matched to, the best first: it
	// is matched to the first of them. Where it is matched to none, there is none.
	Options     []ExplainedRefundOption `json:"options,omitempty"`
	MoreOptions int                     `json:"more_options,omitempty"` // that are not listed
}

// ExplainedRefundOption is a purchase that an unlinked refund could be matched
// to, as it was when its turn came.
type ExplainedRefundOption struct {
	TransactionID string `json:"transaction_id"`
	PurchasedAt   string `json:"purchased_at"`
	StoreID       string `json:"store_id"`
	SameStore     bool   `json:"same_store"`
	SameCard      bool   `json:"same_card"`
	LeftMinor     int64  `json:"left_minor"`
	ExactAmount   bool   `json:"exact_amount"` // of which exactly the refund was left
}

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
		giver := &a.events[a.purchases[c.purchase].giver]
		m.options = append(m.options, refundOption{
			purchase: c.purchase, leftMinor: c.leftMinor, store: giver.match.StoreID == x.match.StoreID,
			card: giver.card == x.card, exact: c.leftMinor == x.amountMinor,
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
func (e *Engine) explainUnlinked(a *Account, event int32) *ExplainedUnlinked {
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
	u := &ExplainedUnlinked{
		NamedTransactionID: m.ownPurchase(x), StoreID: x.match.StoreID, PartnerID: x.match.PartnerID, WithinDays: m.refunds[i].days,
	}
	for _, o := range m.options[:min(len(m.options), maxRefundOptions)] {
		p := &a.purchases[o.purchase]
		u.Options = append(u.Options, ExplainedRefundOption{
			p.id, p.at.String(), a.events[p.giver].match.StoreID, o.store, o.card, o.leftMinor, o.exact,
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

func (u *ExplainedUnlinked) text(b *strings.Builder, currency string) {
	switch {
	case u == nil:
		return
	case u.WithinDays == 0:
		fmt.Fprintf(b, "    It names %s, of which nothing is known, and the programme matches no refunds to other purchases (unlinked_refunds).\n", u.NamedTransactionID)
		return
	case len(u.Options) == 0:
		fmt.Fprintf(b, "    It names %s, of which nothing is known. No purchase at %s in the %d days before it is cleared in %s with so much left of it.\n",
			u.NamedTransactionID, u.PartnerID, u.WithinDays, currency)
		return
	}
	chosen := u.Options[0]
	fmt.Fprintf(b, "    It names %s, of which nothing is known. Of what was bought at %s in the %d days before it, it is matched to %s: %s%s.\n",
		u.NamedTransactionID, u.PartnerID, u.WithinDays, chosen.TransactionID, chosen.nearness(currency), decided(u.DecidedBy))
	for _, o := range u.Options[1:] {
		fmt.Fprintf(b, "    It could have been %s of %s: %s.\n", o.TransactionID, o.PurchasedAt, o.nearness(currency))
	}
	if u.MoreOptions > 0 {
		fmt.Fprintf(b, "    It could have been %d more.\n", u.MoreOptions)
	}
}

func (o *ExplainedRefundOption) nearness(currency string) string {
	store, card, left := "another store ("+o.StoreID+")", "another card", inUnit(o.LeftMinor, currency)+" left"
	if o.SameStore {
		store = "the same store"
	}
	if o.SameCard {
		card = "the same card"
	}
	if o.ExactAmount {
		left = "exactly its amount left"
	}
	return store + ", " + card + ", " + left
}

// decided says by what the purchase goes before the next best.
func decided(by string) string {
	return map[string]string{
		"only": "; there was no other", "store": "; the store decided", "card": "; the card decided",
		"amount": "; the amount decided", "time": "; it was made last", "id": "; of one time, the larger id",
	}[by]
}
