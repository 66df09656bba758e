package engine

import (
	"slices"
	"sort"

	"ristourne/rules"
	"ristourne/rules/money"
)

// Many feeds send refunds that name no purchase. Where the programme says so,
// such a refund is matched to one of the account's purchases at its partner, and
// is then in every way a refund of that purchase. Which one follows from the set
// alone: with every change of the set all unlinked refunds are matched anew, in
// order of their dates. What fails here pays a member for goods that were
// brought back, or takes back what another purchase has earned.

// unlinkedRefund is a refund at a store whose own purchase is unknown.
type unlinkedRefund struct {
	event int32
	now   int32 // the purchase that has it: index in Account.purchases
	then  int32 // the known purchase that should have it; -1: it waits for its own
	days  int   // how far back its programme looks at its own date; 0: it waits
	// groups are the candidates that it asks, the best first.
	groups [numTiers]int32
}

// A tier is how near a purchase is to a refund: those of the first that has any
// are chosen from.
const (
	sameStoreAndCard = iota
	sameStore
	sameCard
	samePartner
	numTiers
)

// refundMatcher matches unlinked refunds in near-linear time: a purchase is
// looked for among those of the same place and card by two searches, whatever
// their number. Its memory is used again.
type refundMatcher struct {
	refunds    []unlinkedRefund
	home       []unlinkedRefund
	candidates []refundCandidate
	groups     []candidateGroup
	byKey      map[groupKey]int32
	// exact are the places in a group of candidates of which this much may be
	// left, in order; those that have changed since are passed over.
	exact   map[exactKey][]int32
	links   map[string]link
	own     map[string]int32 // ids of the purchases that matched refunds name to the known one; -1: unknown
	touched []int32
	notes   map[int32]int32 // by event, in Engine.refundNotes
	// traced is the event of which the options are kept for an explanation; -1: none.
	traced  int32
	options []refundOption // of the traced one
}

// refundCandidate is a cleared purchase, stated in one currency.
type refundCandidate struct {
	purchase  int32
	leftMinor int64
	groups    [numTiers]int32 // that it is in; -1: nobody asks such a one
	positions [numTiers]int32 // in each
}

// candidateGroup are candidates in order of (purchase time, transaction id).
type candidateGroup struct {
	members []int32
	most    []int64 // a tree over members: the most that is left in each part of them
}

type groupKey struct {
	tier                 int8
	currency             money.Currency
	partner, store, card string
}

type exactKey struct {
	group int32
	minor int64
}

// refundOption is a purchase that a refund could be matched to, at its turn.
type refundOption struct {
	purchase           int32
	leftMinor          int64
	store, card, exact bool // the same store, the same card, exactly its amount left
}

const noEvent = -1

// matchRefunds makes the account's unlinked refunds belong to the purchases to
// which they are to be matched. An account without any pays two comparisons.
func (e *Engine) matchRefunds(a *Account) {
	if a.matched == 0 && !e.refundsWait(a) {
		return
	}
	m := &e.matcher
	m.reset(a)
	if a.matched > 0 && m.sendHome(a) {
		e.moveRefunds(a)
		m.reset(a)
	}
	m.plan(e.snapshot, a)
	e.moveRefunds(a)
}

// refundsWait reports whether a refund that may be matched waits.
func (e *Engine) refundsWait(a *Account) bool {
	if !e.snapshot.unlinkedRefunds {
		return false
	}
	for i := len(a.purchases) - 1; i >= 0 && !a.purchases[i].known(); i-- {
		for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
			if a.events[n].isStoreRefund() {
				return true
			}
		}
	}
	return false
}

// isStoreRefund reports whether the event is a refund that may be matched where
// its own purchase is unknown.
func (e *setEvent) isStoreRefund() bool { return e.typ == rules.Refund && e.atStore() }

// reset collects the unlinked refunds of an account.
func (m *refundMatcher) reset(a *Account) {
	if m.byKey == nil {
		m.byKey, m.exact = map[groupKey]int32{}, map[exactKey][]int32{}
		m.links, m.own, m.notes = map[string]link{}, map[string]int32{}, map[int32]int32{}
		m.traced = noEvent
	}
	m.refunds, m.candidates, m.groups = m.refunds[:0], m.candidates[:0], m.groups[:0]
	m.touched, m.options = m.touched[:0], m.options[:0]
	clear(m.byKey)
	clear(m.exact)
	clear(m.links)
	clear(m.own)
	if a.links > 0 {
		a.indexLinks(m.links)
	}
	m.find(a)
}

// find lists the unlinked refunds, in the order in which they are taken.
func (m *refundMatcher) find(a *Account) {
	from := 0
	if a.matched == 0 {
		from = a.Purchases()
	}
	for i := from; i < len(a.purchases); i++ {
		known := a.purchases[i].known()
		for n := a.purchases[i].events; n >= 0; n = a.events[n].next {
			if x := &a.events[n]; x.matched || !known && x.isStoreRefund() {
				m.refunds = append(m.refunds, unlinkedRefund{event: n, now: int32(i), then: -1})
			}
		}
	}
	slices.SortFunc(m.refunds, func(x, y unlinkedRefund) int { return a.events[x.event].byDate(&a.events[y.event]) })
}

// sendHome finds those whose own purchase is known by now, and where there are
// any, leaves them alone in refunds.
func (m *refundMatcher) sendHome(a *Account) bool {
	for i := range m.refunds {
		m.own[m.ownPurchase(&a.events[m.refunds[i].event])] = -1
	}
	for i := range a.purchases {
		if p := &a.purchases[i]; !p.known() {
			break
		} else if _, asked := m.own[p.id]; asked {
			m.own[p.id] = int32(i)
		}
	}
	m.home = m.home[:0]
	for _, r := range m.refunds {
		if r.then = m.own[m.ownPurchase(&a.events[r.event])]; r.then >= 0 {
			m.home = append(m.home, r)
		}
	}
	if len(m.home) == 0 {
		return false
	}
	m.refunds, m.home = m.home, m.refunds
	return true
}

// ownPurchase is Account.resolve with the links looked up.
func (m *refundMatcher) ownPurchase(x *setEvent) string {
	if x.originalID == "" {
		return x.transactionID
	}
	if l, ok := m.links[x.originalID]; ok {
		return l.to
	}
	return x.originalID
}

// indexLinks gives of each transaction that events with an original of their own
// name what the earliest of them says.
func (a *Account) indexLinks(links map[string]link) {
	for i := range a.events {
		x := &a.events[i]
		if !x.isLink() {
			continue
		}
		l := link{x.transactionID, x.originalID, x.occurredAt, x.id}
		if first, ok := links[l.from]; !ok || l.before(&first) {
			links[l.from] = l
		}
	}
}

// plan chooses a purchase for each refund, in their order.
func (m *refundMatcher) plan(s *Snapshot, a *Account) {
	m.askGroups(s, a)
	m.addCandidates(a)
	for i := range m.groups {
		m.grow(&m.groups[i])
	}
	for i := range m.refunds {
		r := &m.refunds[i]
		if r.days == 0 {
			continue
		}
		if r.event == m.traced {
			m.trace(a, r)
		}
		if c := m.choose(a, r); c >= 0 {
			r.then = m.candidates[c].purchase
			m.take(c, a.events[r.event].amountMinor)
		}
	}
}

// askGroups finds how far each refund looks back, and the groups it asks.
func (m *refundMatcher) askGroups(s *Snapshot, a *Account) {
	enrolledIn, facts := "", 0
	for i := range m.refunds {
		r := &m.refunds[i]
		x := &a.events[r.event]
		for ; facts < len(a.facts) && !a.facts[facts].At.After(x.occurredAt); facts++ {
			if a.facts[facts].Type == rules.Enrolled {
				enrolledIn = a.facts[facts].Programme
			}
		}
		if r.days = s.refundDays(a, enrolledIn, x.occurredAt); r.days == 0 {
			continue
		}
		for tier, key := range groupKeys(x.currency, x.match, x.card) {
			g, ok := m.byKey[key]
			if !ok {
				g = m.newGroup()
				m.byKey[key] = g
			}
			r.groups[tier] = g
			if exact := (exactKey{g, x.amountMinor}); m.exact[exact] == nil {
				m.exact[exact] = []int32{}
			}
		}
	}
}

func groupKeys(c money.Currency, at Match, card string) [numTiers]groupKey {
	return [numTiers]groupKey{
		sameStoreAndCard: {sameStoreAndCard, c, at.PartnerID, at.StoreID, card},
		sameStore:        {sameStore, c, at.PartnerID, at.StoreID, ""},
		sameCard:         {sameCard, c, at.PartnerID, "", card},
		samePartner:      {samePartner, c, at.PartnerID, "", ""},
	}
}

func (m *refundMatcher) newGroup() int32 {
	if n := len(m.groups); n < cap(m.groups) {
		m.groups = m.groups[:n+1]
		m.groups[n].members, m.groups[n].most = m.groups[n].members[:0], m.groups[n].most[:0]
	} else {
		m.groups = append(m.groups, candidateGroup{})
	}
	return int32(len(m.groups) - 1)
}

// addCandidates adds the account's cleared purchases that somebody asks for.
func (m *refundMatcher) addCandidates(a *Account) {
	if len(m.groups) == 0 {
		return
	}
	for i := range a.purchases {
		p := &a.purchases[i]
		if !p.known() {
			return
		}
		anchor := &a.events[p.anchor]
		if !anchor.atStore() {
			continue
		}
		left, currency, ok := a.refundable(p)
		if !ok {
			continue
		}
		c := refundCandidate{purchase: int32(i), leftMinor: left}
		keys := groupKeys(currency, anchor.match, anchor.card)
		if _, asked := m.byKey[keys[samePartner]]; !asked {
			continue
		}
		n := int32(len(m.candidates))
		for tier, key := range keys {
			g, asked := m.byKey[key]
			if !asked {
				c.groups[tier] = -1
				continue
			}
			group := &m.groups[g]
			c.groups[tier], c.positions[tier] = g, int32(len(group.members))
			group.members = append(group.members, n)
			m.keepExact(exactKey{g, left}, c.positions[tier])
		}
		m.candidates = append(m.candidates, c)
	}
}

// refundable is what is left of a purchase before any refund is matched to it,
// in the one currency in which all that moved its money is stated; false: it is
// not cleared, or they are in several.
func (a *Account) refundable(p *purchase) (leftMinor int64, c money.Currency, ok bool) {
	var chargedBackMinor int64
	for i := p.events; i >= 0; i = a.events[i].next {
		x := &a.events[i]
		if x.matched {
			continue
		}
		switch x.typ {
		case rules.Clearing:
			leftMinor += x.amountMinor
			ok = true
		case rules.Refund:
			leftMinor -= x.amountMinor
		case rules.Chargeback:
			chargedBackMinor += x.amountMinor
		case rules.ChargebackReversal:
			chargedBackMinor -= x.amountMinor
		default:
			continue
		}
		if c != (money.Currency{}) && c != x.currency {
			return 0, c, false
		}
		c = x.currency
	}
	return leftMinor - max(0, chargedBackMinor), c, ok
}

// choose is the candidate for a refund; -1: none.
func (m *refundMatcher) choose(a *Account, r *unlinkedRefund) int32 {
	x := &a.events[r.event]
	for tier := range numTiers {
		g := &m.groups[r.groups[tier]]
		from, to := m.inTime(a, g, r)
		if place := m.lastExact(exactKey{r.groups[tier], x.amountMinor}, from, to); place >= 0 {
			return g.members[place]
		}
		if place := g.last(x.amountMinor, 1, 0, len(g.most)/2, from, to); place >= 0 {
			return g.members[place]
		}
	}
	return -1
}

// inTime are the places of those made not after the refund, and not longer
// before it than the programme looks back.
func (m *refundMatcher) inTime(a *Account, g *candidateGroup, r *unlinkedRefund) (from, to int) {
	at := func(n int) rules.Instant { return a.purchases[m.candidates[g.members[n]].purchase].at }
	date := a.events[r.event].occurredAt
	from = sort.Search(len(g.members), func(n int) bool { return !at(n).AddDays(r.days).Before(date) })
	to = sort.Search(len(g.members), func(n int) bool { return at(n).After(date) })
	return from, to
}

// take gives a refund to a candidate: so much less is left of it.
func (m *refundMatcher) take(candidate int32, minor int64) {
	c := &m.candidates[candidate]
	c.leftMinor -= minor
	for tier, g := range c.groups {
		if g < 0 {
			continue
		}
		m.groups[g].set(int(c.positions[tier]), c.leftMinor)
		m.keepExact(exactKey{g, c.leftMinor}, c.positions[tier])
	}
}

// keepExact notes that so much is left of the candidate at a place, where some
// refund asks for just that.
func (m *refundMatcher) keepExact(key exactKey, place int32) {
	places, asked := m.exact[key]
	if !asked {
		return
	}
	if n, there := slices.BinarySearch(places, place); !there {
		m.exact[key] = slices.Insert(places, n, place)
	}
}

// lastExact is the last place in [from, to) of which exactly so much is left.
func (m *refundMatcher) lastExact(key exactKey, from, to int) int {
	places := m.exact[key]
	n, _ := slices.BinarySearch(places, int32(to))
	for n--; n >= 0 && int(places[n]) >= from; n-- {
		if m.candidates[m.groups[key.group].members[places[n]]].leftMinor == key.minor {
			return int(places[n])
		}
		places = slices.Delete(places, n, n+1) // less is left by now
		m.exact[key] = places
	}
	return -1
}

// grow makes the tree of a group: leaf i is at len(most)/2 + i, and each node
// has the greater of the two below it.
func (m *refundMatcher) grow(g *candidateGroup) {
	leaves := 1
	for leaves < len(g.members) {
		leaves *= 2
	}
	g.most = slices.Grow(g.most[:0], 2*leaves)[:2*leaves]
	for i := range leaves {
		g.most[leaves+i] = nothingLeft
		if i < len(g.members) {
			g.most[leaves+i] = m.candidates[g.members[i]].leftMinor
		}
	}
	for i := leaves - 1; i > 0; i-- {
		g.most[i] = max(g.most[2*i], g.most[2*i+1])
	}
}

// nothingLeft is under what is left of any purchase.
const nothingLeft = -1 << 63

func (g *candidateGroup) set(place int, minor int64) {
	i := len(g.most)/2 + place
	g.most[i] = minor
	for i /= 2; i > 0; i /= 2 {
		g.most[i] = max(g.most[2*i], g.most[2*i+1])
	}
}

// last is the last place in [from, to) of which at least so much is left, under
// a node that has width leaves from place start on; -1: none.
func (g *candidateGroup) last(minor int64, node, start, width, from, to int) int {
	if start+width <= from || to <= start || g.most[node] < minor {
		return -1
	}
	if width == 1 {
		return start
	}
	if place := g.last(minor, 2*node+1, start+width/2, width/2, from, to); place >= 0 {
		return place
	}
	return g.last(minor, 2*node, start, width/2, from, to)
}

// moveRefunds makes the refunds belong where they should, and marks the
// purchases that this changes.
func (e *Engine) moveRefunds(a *Account) {
	m := &e.matcher
	for i := range m.refunds {
		r := &m.refunds[i]
		x := &a.events[r.event]
		x.moves = r.now != r.then && (r.then >= 0 || x.matched) ||
			// A link says that where it was matched to is its own purchase.
			x.matched && r.now == r.then && a.purchases[r.then].id == m.ownPurchase(x)
	}
	// All that move are taken out first: what waits again may need a purchase
	// that is made for it, behind the known ones.
	moved := m.refunds[:0]
	for _, r := range m.refunds {
		if x := &a.events[r.event]; x.moves || x.next == takenOut {
			a.takeOutMoving(r.now)
			moved = append(moved, r)
			m.touched = append(m.touched, r.now, r.then)
		}
	}
	for _, r := range moved {
		e.putRefund(a, &r)
	}
	slices.Sort(m.touched)
	for _, i := range slices.Compact(m.touched) {
		if i < 0 || !a.purchases[i].known() {
			continue
		}
		p := &a.purchases[i]
		e.markLate(a, p)
		a.chooseAnchor(p)
		p.dirty = true
	}
}

// takenOut stands for the next of an event that is in no chain.
const takenOut = -2

// takeOutMoving takes all that move out of a purchase at once.
func (a *Account) takeOutMoving(purchase int32) {
	for at := &a.purchases[purchase].events; *at >= 0; {
		x := &a.events[*at]
		if !x.moves {
			at = &x.next
			continue
		}
		*at, x.next, x.moves = x.next, takenOut, false
	}
}

// putRefund puts a refund that was taken out where it belongs.
func (e *Engine) putRefund(a *Account, r *unlinkedRefund) {
	x := &a.events[r.event]
	own := e.matcher.ownPurchase(x)
	if x.matched {
		a.matched--
	}
	x.matched = r.then >= 0 && a.purchases[r.then].id != own
	if r.then < 0 {
		a.needsAll = a.needsAll || a.fold != nil && a.find(own) < 0
		e.attach(a, r.event, own)
		return
	}
	if x.matched {
		a.matched++
	}
	p := &a.purchases[r.then]
	x.next, p.events = p.events, r.event
}

// rememberMatched notes of the refunds that are matched that they have changed
// sums: their ids stay known, even where they are dropped. So do those of events
// that leave a purchase that is known.
func (a *Account) rememberMatched() {
	if a.matched == 0 {
		return
	}
	for i := range a.events {
		a.events[i].counted = a.events[i].counted || a.events[i].matched
	}
}

// droppedEvent is what stays known of an event that once counted.
type droppedEvent struct {
	id   string
	hash uint64
}

// hashByID is the content that came first under an event id, of the set or of
// what was dropped and had changed sums.
func (a *Account) hashByID(id string) (hash uint64, known bool) {
	if x := a.eventByID(id); x != nil {
		return x.hash, true
	}
	for i := range a.dropped {
		if a.dropped[i].id == id {
			return a.dropped[i].hash, true
		}
	}
	return 0, false
}
