package engine

import (
	"cmp"
	"slices"

	"ristourne/rules"
)

// This file keeps the set: which events belong to which purchase. All of it is
// a function of the events, whatever the order in which they came; only what
// was let in and what was dropped from waiting depends on that.

// eventByID is the event of the set with this id, or nil.
func (a *Account) eventByID(id string) *setEvent {
	for i := range a.events {
		if a.events[i].id == id {
			return &a.events[i]
		}
	}
	return nil
}

// link is what an event that names an original transaction says: events that
// name its own transaction belong to the original too.
type link struct {
	from, to   string
	occurredAt rules.Instant
	id         string
}

func (l *link) before(o *link) bool {
	return cmp.Or(l.occurredAt.Compare(o.occurredAt), cmp.Compare(l.id, o.id)) < 0
}

func linkOf(ev *rules.Event) link {
	if ev.OriginalTransactionID == "" || ev.OriginalTransactionID == ev.TransactionID {
		return link{}
	}
	return link{ev.TransactionID, ev.OriginalTransactionID, ev.OccurredAt, ev.ID}
}

func (e *setEvent) isLink() bool { return e.originalID != "" && e.originalID != e.transactionID }

// resolve is the purchase of an event that has these ids: its own transaction
// where it names no other, else the original; where that is the transaction of
// events that name an original themselves, the one that the earliest of them
// names. added is a link that is looked at as if it were in the set.
func (a *Account) resolve(transactionID, originalID string, added link) string {
	if originalID == "" {
		return transactionID
	}
	if a.links == 0 && added.from == "" {
		return originalID
	}
	first := link{}
	if added.from == originalID {
		first = added
	}
	for i := range a.events {
		e := &a.events[i]
		if e.transactionID != originalID || !e.isLink() {
			continue
		}
		if l := e.link(); first.from == "" || l.before(&first) {
			first = l
		}
	}
	if first.from == "" {
		return originalID
	}
	return first.to
}

func (e *setEvent) link() link { return link{e.transactionID, e.originalID, e.occurredAt, e.id} }

// resolver resolves many ids in one pass over the events, where resolve goes
// through all of them for each: an account of thousands of purchases must not
// cost their square. It holds the first link of each transaction.
type resolver struct{ to map[string]string }

func (a *Account) resolver(added link) resolver {
	if a.links == 0 && added.from == "" {
		return resolver{}
	}
	first := make(map[string]link, a.links+1)
	add := func(l link) {
		if known, ok := first[l.from]; !ok || l.before(&known) {
			first[l.from] = l
		}
	}
	if added.from != "" {
		add(added)
	}
	for i := range a.events {
		if e := &a.events[i]; e.isLink() {
			add(e.link())
		}
	}
	r := resolver{to: make(map[string]string, len(first))}
	for from, l := range first {
		r.to[from] = l.to
	}
	return r
}

// resolve is as Account.resolve.
func (r *resolver) resolve(transactionID, originalID string) string {
	if originalID == "" {
		return transactionID
	}
	if to, ok := r.to[originalID]; ok {
		return to
	}
	return originalID
}

// knowsWith reports whether the purchase of ev is opened by an event of the
// set, judged with the link that ev itself may bring.
func (a *Account) knowsWith(ev *rules.Event, purchaseID string) bool {
	added := linkOf(ev)
	if added.from == "" {
		i := a.find(purchaseID)
		return i >= 0 && a.purchases[i].known()
	}
	links := a.resolver(added)
	for i := range a.events {
		e := &a.events[i]
		if e.opens() && links.resolve(e.transactionID, e.originalID) == purchaseID {
			return true
		}
	}
	return false
}

// insertEvent puts ev into the set and marks what is to be valued anew.
func (e *Engine) insertEvent(a *Account, ev *rules.Event, m Match, matchesOwn bool, purchaseID string) {
	i := int32(len(a.events))
	a.events = append(a.events, setEvent{
		id: ev.ID, transactionID: ev.TransactionID, originalID: ev.OriginalTransactionID, hash: ev.ContentHash,
		occurredAt: ev.OccurredAt, purchasedAt: ev.PurchaseTime(), amountMinor: ev.AmountMinor, currency: ev.Currency,
		billingMinor: ev.BillingAmountMinor, billing: ev.BillingCurrency, typ: ev.Type, match: m, matchesOwn: matchesOwn,
		listsItems: len(ev.Items) > 0, items: itemSums(ev), next: -1,
	})
	switch x := &a.events[i]; {
	case x.opens():
		x.card, x.mcc, x.country, x.channel, x.cardProduct = ev.CardToken, ev.Merchant.MCC, ev.Merchant.Country, ev.Channel, ev.CardProduct
	case x.isStoreRefund():
		x.card = ev.CardToken
	}
	a.newest = rules.Later(a.newest, ev.OccurredAt)
	a.volume += volumeOf(ev)
	a.eventBytes += a.events[i].bytes()
	a.items += len(a.events[i].items)
	e.attach(a, i, purchaseID)
	if a.events[i].isLink() {
		a.links++
		e.relink(a, ev.TransactionID)
	}
}

// bytes is about what the event, and what is booked of it, take in the account's state.
func (e *setEvent) bytes() int {
	const rest = 96
	n := rest + len(e.id) + len(e.transactionID) + len(e.originalID) + len(e.card) + len(e.cardProduct)
	for i := range e.items {
		n += 8 + len(e.items[i].Category)
	}
	return n
}

// itemSums adds up an event's line items by category; those without one are
// in no category's sum.
func itemSums(ev *rules.Event) []itemSum {
	var sums []itemSum
	for i := range ev.Items {
		item := &ev.Items[i]
		if item.Category == "" {
			continue
		}
		n := slices.IndexFunc(sums, func(s itemSum) bool { return s.Category == item.Category })
		if n < 0 {
			n = len(sums)
			sums = append(sums, itemSum{Category: item.Category})
		}
		sums[n].AmountMinor += item.AmountMinor // within 200 times 2^53
	}
	return sums
}

// volumeOf is the most that an event can add to a sum.
func volumeOf(ev *rules.Event) int64 { return max(ev.AmountMinor, ev.BillingAmountMinor) }

// attach puts a chain of events to their purchase, made where there is none yet.
func (e *Engine) attach(a *Account, events int32, purchaseID string) {
	last := events
	for a.events[last].next >= 0 {
		last = a.events[last].next
	}
	i := a.find(purchaseID)
	if i < 0 {
		p := unknownPurchase(purchaseID)
		p.events, p.dirty = events, true
		p.expired = a.expiredByFact(purchaseID)
		a.events[last].next = -1
		e.markLate(a, &p)
		a.chooseAnchor(&p)
		a.insertPurchase(p)
		return
	}
	p := &a.purchases[i]
	a.events[last].next = p.events
	p.events = events
	e.placePurchase(a, i)
}

// insertPurchase puts p where it belongs in order and gives its index.
func (a *Account) insertPurchase(p purchase) int {
	from, to := 0, len(a.purchases)
	for from < to {
		if middle := (from + to) / 2; inFillingOrder(&a.purchases[middle], &p) < 0 {
			from = middle + 1
		} else {
			to = middle
		}
	}
	a.purchases = slices.Insert(a.purchases, from, p)
	return from
}

// expiredByFact reports whether an authorization_expired fact names the purchase.
func (a *Account) expiredByFact(purchaseID string) bool {
	if a.expiries == 0 {
		return false
	}
	return a.expiredPurchases()[purchaseID]
}

// expiredPurchases are those that authorization_expired facts name.
func (a *Account) expiredPurchases() map[string]bool {
	links := a.resolver(link{})
	expired := make(map[string]bool, a.expiries)
	for i := range a.facts {
		if f := &a.facts[i]; f.Type == rules.AuthorizationExpired {
			expired[links.resolve("", f.TransactionID)] = true
		}
	}
	return expired
}

// relink moves what names the transaction, whose meaning has changed, to the
// purchase it belongs to now; refunds that are matched are matched anew after
// it. Rare: a link came late, or was dropped.
func (e *Engine) relink(a *Account, transactionID string) {
	target := a.resolve("", transactionID, link{})
	moved := int32(-1)
	var left []string
	for i := range a.purchases {
		p := &a.purchases[i]
		if p.id == target {
			continue
		}
		for at := &p.events; *at >= 0; {
			n := *at
			event := &a.events[n]
			if event.matched || event.originalID != transactionID {
				at = &event.next
				continue
			}
			*at = event.next
			event.next, moved = moved, n
			event.counted = event.counted || p.known() // where it goes may be unknown
			if len(left) == 0 || left[len(left)-1] != p.id {
				left = append(left, p.id)
			}
		}
	}
	for _, id := range left {
		e.placePurchase(a, a.find(id))
	}
	if moved >= 0 {
		a.needsAll = a.needsAll || a.fold != nil && a.find(target) < 0
		e.attach(a, moved, target)
	}
	e.reexpire(a)
}

// reexpire looks anew at which purchases the authorization_expired facts name.
func (e *Engine) reexpire(a *Account) {
	if a.expiries == 0 {
		return
	}
	all := a.expiredPurchases()
	for i := range a.purchases {
		p := &a.purchases[i]
		if expired := all[p.id]; expired != p.expired {
			p.expired, p.dirty = expired, true
		}
	}
}

// placePurchase finds purchase i's time, place and late events after its events have
// changed, puts it where it belongs in order, and marks what must be valued
// anew: itself, and everything after it where it moved.
func (e *Engine) placePurchase(a *Account, i int) {
	before := a.purchases[i]
	p := &a.purchases[i]
	e.markLate(a, p)
	a.chooseAnchor(p)
	p.dirty = true
	stays := before.known() == p.known() && before.at == p.at && a.sameMatch(before.anchor, p.anchor)
	if stays {
		return
	}
	p.termsFound = false
	if before.known() && !p.known() {
		for i := p.events; i >= 0; i = a.events[i].next {
			a.events[i].counted = true
		}
	}
	placed := *p
	a.purchases = slices.Delete(a.purchases, i, i+1)
	n := a.insertPurchase(placed)
	if before.known() {
		for k := min(i, n); k < len(a.purchases) && a.purchases[k].known(); k++ {
			a.purchases[k].dirty = true
		}
	}
}

func (a *Account) sameMatch(x, y int32) bool {
	if x == y || x < 0 || y < 0 {
		return x == y
	}
	return a.events[x].match == a.events[y].match
}

// markLate tells which events are dated more than H days after the purchase,
// as all its events date it.
func (e *Engine) markLate(a *Account, p *purchase) {
	anchor := a.earliestAnchor(p, true)
	latest := rules.MinInstant
	for i := p.events; i >= 0; i = a.events[i].next {
		a.events[i].late = false
		latest = rules.Later(latest, a.events[i].occurredAt)
	}
	// H is at least a day: most purchases need not look it up.
	if anchor < 0 || !olderThan(a.events[anchor].purchasedAt, 1, latest) {
		return
	}
	at := a.events[anchor].purchasedAt
	end := at.AddDays(e.snapshot.horizonDays(a, at))
	for i := p.events; i >= 0; i = a.events[i].next {
		a.events[i].late = a.events[i].occurredAt.After(end)
	}
}

// chooseAnchor finds the purchase time and the event that gives it. Late events
// change no terms: they are looked at only where no other event opens the
// purchase.
func (a *Account) chooseAnchor(p *purchase) {
	p.late = false
	for i := p.events; i >= 0; i = a.events[i].next {
		p.late = p.late || a.events[i].late
	}
	p.anchor = a.earliestAnchor(p, false)
	if p.anchor < 0 {
		p.anchor = a.earliestAnchor(p, true)
	}
	if p.anchor >= 0 {
		p.at = a.events[p.anchor].purchasedAt
	}
}

// earliestAnchor is of the authorizations, updates and increments whose merchant
// matches the one with the earliest purchase time, or where there is none, of such
// clearings; -1: neither. Those that match a store go before those that match
// an offer of the programme's own.
func (a *Account) earliestAnchor(p *purchase, withLate bool) int32 {
	best := int32(-1)
	for i := p.events; i >= 0; i = a.events[i].next {
		e := &a.events[i]
		if !e.opens() || (e.late && !withLate) {
			continue
		}
		if best < 0 || anchorsBefore(e, &a.events[best]) {
			best = i
		}
	}
	return best
}

func anchorsBefore(e, o *setEvent) bool {
	if e.atStore() != o.atStore() {
		return e.atStore() // a store decides, whatever the programme's own offers match
	}
	if clearing := e.typ == rules.Clearing; clearing != (o.typ == rules.Clearing) {
		return !clearing
	}
	if c := e.purchasedAt.Compare(o.purchasedAt); c != 0 {
		return c < 0
	}
	return e.byDate(o) < 0
}

// dropWaiting takes out of the set what has waited for its purchase too long,
// or is the oldest beyond the limit. What is matched to a purchase doesn't wait.
func (e *Engine) dropWaiting(a *Account) {
	for {
		waiting, oldest := 0, int32(-1)
		for i := a.Purchases(); i < len(a.purchases); i++ {
			for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
				if a.events[n].typ.Opens() {
					continue
				}
				waiting++
				if oldest < 0 || a.events[n].byDate(&a.events[oldest]) < 0 {
					oldest = n
				}
			}
		}
		if oldest < 0 || (waiting <= WaitingLimit && !olderThan(a.events[oldest].occurredAt, WaitingDays, a.newest)) {
			return
		}
		isLink := a.events[oldest].isLink()
		if e.removeEvent(a, oldest); isLink {
			e.matchRefunds(a) // others may belong elsewhere without it
		}
	}
}

// olderThan reports whether t is more than days before newest.
func olderThan(t rules.Instant, days int, newest rules.Instant) bool {
	return t.AddDays(days).Before(newest)
}

func (e *Engine) removeEvent(a *Account, event int32) {
	for i := range a.purchases {
		for at := &a.purchases[i].events; *at >= 0; at = &a.events[*at].next {
			if *at != event {
				continue
			}
			*at = a.events[event].next
			removed := a.events[event]
			a.events[event] = setEvent{next: -1}
			a.removed++
			if removed.counted {
				a.dropped = append(a.dropped, droppedEvent{removed.id, removed.hash})
			}
			a.volume -= max(removed.amountMinor, removed.billingMinor)
			a.items -= len(removed.items)
			a.eventBytes -= removed.bytes()
			e.placePurchase(a, i)
			if removed.isLink() {
				a.links--
				a.needsAll = a.needsAll || a.fold != nil // what is put away may have followed it
				e.relink(a, removed.transactionID)
			}
			a.dropEmptyPurchases()
			return
		}
	}
}

// compact forgets the places of removed events once they are most of all: a rebuild
// takes years of an account through one state.
func (a *Account) compact() {
	if a.removed > WaitingLimit && 2*a.removed >= len(a.events) {
		a.keepEvents()
	}
}

// keepEvents forgets the places of events that are in no chain.
func (a *Account) keepEvents() {
	kept := make([]setEvent, 0, len(a.events)-a.removed)
	for i := range a.purchases {
		p, anchor := &a.purchases[i], int32(-1)
		for at := &p.events; *at >= 0; at = &kept[len(kept)-1].next {
			if *at == p.anchor {
				anchor = int32(len(kept))
			}
			kept = append(kept, a.events[*at])
			*at = int32(len(kept) - 1)
		}
		p.anchor = anchor
	}
	a.events, a.removed = kept, 0
}

// dropEmptyPurchases forgets purchases without events and without booked lines.
func (a *Account) dropEmptyPurchases() {
	first := a.Purchases()
	kept := slices.DeleteFunc(a.purchases[first:], func(p purchase) bool { return p.events < 0 && p.lines < 0 && p.grants < 0 && p.published < 0 })
	a.purchases = a.purchases[:first+len(kept)]
}
