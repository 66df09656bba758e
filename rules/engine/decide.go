package engine

import (
	"slices"
	"strings"

	"ristourne/rules"
	"ristourne/rules/money"
	"ristourne/rules/reason"
)

// decision is one record's, or a repair's: what it must look at and under
// which name its lines are booked.
type decision struct {
	cause rules.Cause
	at    rules.Instant // of the cause: occurred_at, or at
	facts bool          // the lines of facts may have changed
	// referrals: what the account gets as a sponsor may have changed.
	referrals bool
	repair    int64 // over 0: no new record, but the repair of this number
}

// valuedPurchase is a purchase that was valued: what it entitles to, and what
// its lines say of the member.
type valuedPurchase struct {
	index      int32  // in Account.purchases
	start, end int32  // in Engine.entitlements
	referrals  span32 // in Engine.referralsDue
	unawarded  span32 // in Engine.unawarded
	memberID   string
	level      string
	statement  string
	why        reason.Set // why it earns nothing at all
}

// unawarded is why an offer gives a purchase nothing, or its partner owes
// nothing: for the lines of it that are taken back.
type unawarded struct {
	role  rules.Role
	offer string
	why   reason.Set
}

// span32 is a part of a slice.
type span32 struct{ from, to int32 }

// entitlement is what one key of the ledger should sum up to.
type entitlement struct {
	lineKey
	sums
	programme string
	campaigns string         // ids, joined by commas
	currency  money.Currency // zero: to be found
	why       reason.Set
	found     bool // a booked line of this key was met
}

// awardWithoutLate is what an award of a purchase with late events was without
// them.
type awardWithoutLate struct {
	offer     *compiledOffer
	world     world
	minor     int64
	visit     bool
	goals     int64
	sponsored bool
	// sponsorMinor is what it gave the buyer's sponsor, before their caps.
	sponsorMinor int64
	why          reason.Set
}

// decide values the marked purchases, and what their change
// reaches, and books the difference. It reports whether a line was booked.
func (e *Engine) decide(a *Account, d decision, out *rules.Output) (booked bool, err error) {
	known := a.Purchases()
	e.begin(a)
	if a.needsFullRun || e.ordered(a, known) {
		err = e.valueWithBudgets(a, known, d, out)
	} else {
		err = e.valueReached(a, known)
	}
	if err != nil {
		return false, err
	}
	for i := known; i < len(a.purchases); i++ {
		if p := &a.purchases[i]; (p.lines >= 0 || p.published >= 0) && a.mayTakeBack(p) {
			e.valued = append(e.valued, valuedPurchase{index: int32(i), why: reason.Moved})
		}
	}
	a.rememberMatched()
	booked = e.book(a, d, out)
	for i := range a.purchases {
		a.purchases[i].dirty = false
	}
	a.needsFullRun = false
	a.dropEmptyPurchases()
	return booked, nil
}

// mayTakeBack reports whether what an unknown purchase has may be taken back: its
// events have just moved elsewhere. Where it was restored from a ledger that has
// lost them, it stands until a repair is approved.
func (a *Account) mayTakeBack(p *purchase) bool { return p.dirty || a.needsFullRun }

// begin forgets what another decision has found.
func (e *Engine) begin(a *Account) {
	if a.hasDemands {
		for i := range a.purchases {
			a.purchases[i].demandSpans = demandSpans{}
		}
		a.hasDemands = false
	}
	e.budgetDemands, e.shares, e.ceilings = e.budgetDemands[:0], e.shares[:0], false
	e.lastTerms = commonTerms{}
	e.restart()
}

// restart forgets what the first run of a decision has found, but for
// what it asked of budgets.
func (e *Engine) restart() {
	e.counters.reset()
	e.pasts = e.pasts[:0]
	e.pastNumbers.reset()
	e.entitlements, e.valued, e.recorded = e.entitlements[:0], e.valued[:0], e.recorded[:0]
	e.referralsDue, e.unawarded = e.referralsDue[:0], e.unawarded[:0]
	e.campaigns = e.campaigns[:0]
}

// ordered reports that a purchase may depend on more of those before it than
// what they were given: then all are valued.
func (e *Engine) ordered(a *Account, known int) bool {
	if e.snapshot.ownOrdered || len(a.grants) > 0 {
		return true
	}
	for i := range a.purchases[:known] {
		p := &a.purchases[i]
		if p.late {
			return true
		}
		if !e.snapshot.ordered {
			continue
		}
		if e.findTerms(a, p); p.terms != nil && p.terms.ordered {
			return true
		}
	}
	return false
}

// valueWithBudgets works out every purchase of the account, and where budgets are
// asked and give less than the demand, all once more with the grants as
// ceilings.
func (e *Engine) valueWithBudgets(a *Account, known int, d decision, out *rules.Output) error {
	if err := e.valueAll(a, known); err != nil {
		return err
	}
	if e.budgets == nil {
		return nil // a replay: the grants that were given are adopted after it
	}
	e.allocateGrants(a, d, out)
	if !e.grantsShort(a) {
		return nil
	}
	return e.valueUnderGrants(a, known)
}

// valueUnderGrants is the second run.
func (e *Engine) valueUnderGrants(a *Account, known int) error {
	e.restart()
	e.ceilings = true
	defer func() { e.ceilings = false }()
	return e.valueAll(a, known)
}

// valueReached works out the marked purchases in order, and those after them
// whose room has changed with them; it ends where nothing more can change.
func (e *Engine) valueReached(a *Account, known int) error {
	first, marked := known, 0
	for i := known - 1; i >= 0; i-- {
		if a.purchases[i].dirty {
			first = i
			marked++
		}
	}
	if marked == 0 {
		return nil
	}
	e.fillBefore(a, first)
	for i := first; i < known && (marked > 0 || e.counters.changed()); i++ {
		p := &a.purchases[i]
		if p.dirty {
			marked--
		} else if !e.reached(a, p) {
			e.fillBooked(a, p, true)
			continue
		}
		e.fillBooked(a, p, false)
		if err := e.value(a, p, false); err != nil {
			return err
		}
		e.fillValued(p)
		if err := e.entitle(a, i); err != nil {
			return err
		}
	}
	return nil
}

// fillBefore counts what the purchases before the first marked one use of
// the periods that they share with it.
func (e *Engine) fillBefore(a *Account, first int) {
	start := rules.MinInstant
	if days := e.snapshot.reachDays; days < forLife {
		start = a.purchases[first].at.AddDays(-days)
	}
	from := first
	for from > 0 && !a.purchases[from-1].at.Before(start) {
		from--
	}
	for i := from; i < first; i++ {
		e.fillBooked(a, &a.purchases[i], true)
	}
}

// fillBooked counts what a purchase used before this decision, and where it
// stays as it is, uses now.
func (e *Engine) fillBooked(a *Account, p *purchase, stays bool) {
	if e.findTerms(a, p); !p.capped() {
		return
	}
	for i := p.lines; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		if l.role != rules.RoleMember {
			continue
		}
		o := p.offerOf(l)
		if o == nil || len(o.fills) == 0 {
			continue
		}
		e.fillLine(p, o, l, a, stays)
	}
}

// fillLine counts one booked line. What is booked as expected is what the
// expected world gives beyond the confirmed one: so confirmed lines count in
// both.
func (e *Engine) fillLine(p *purchase, o *compiledOffer, l *line, a *Account, stays bool) {
	var was [numWorlds]int64
	was[expectedWorld] = l.rewardMinor
	if l.stage == rules.Confirmed {
		was[confirmedWorld] = l.rewardMinor
	}
	var awards [numWorlds]int64
	for n := range o.fills {
		c := &o.fills[n]
		units := was
		if c.measure == awardsGiven {
			if l.stage == rules.Expected {
				confirmed := a.otherStage(p, l)
				awards[expectedWorld] = oneIf(l.rewardMinor+confirmed > 0) - oneIf(confirmed > 0)
			} else {
				awards[confirmedWorld] = oneIf(l.rewardMinor > 0)
				awards[expectedWorld] = awards[confirmedWorld]
			}
			units = awards
		}
		for w := range numWorlds {
			now := int64(0)
			if stays {
				now = units[w]
			}
			if units[w] != 0 {
				e.counters.fill(w, p, c, now, units[w])
			}
		}
	}
}

// otherStage is what is booked as confirmed beside an expected line.
func (a *Account) otherStage(p *purchase, l *line) int64 {
	key := l.lineKey
	key.stage = rules.Confirmed
	for i := p.lines; i >= 0; i = a.lines[i].next {
		if a.lines[i].lineKey == key {
			return a.lines[i].rewardMinor
		}
	}
	return 0
}

// fewOffers is up to where looking at each is faster than a map.
const fewOffers = 8

// capped reports that an offer at the place of the purchase has a counter.
func (p *purchase) capped() bool {
	return p.terms != nil && p.terms.capped || p.programme != nil && p.programme.capped
}

// offerOf is the offer behind a booked line in the versions in force; nil:
// none of them.
func (p *purchase) offerOf(l *line) *compiledOffer {
	switch {
	case l.partner == "" && p.programme != nil:
		return p.programme.offerOf(l)
	case p.terms != nil && l.partner == p.terms.ID:
		return p.terms.offerOf(l)
	}
	return nil
}

func (t *offerTerms) offerOf(l *line) *compiledOffer {
	if t.byLine != nil {
		return t.byLine[offerUnit{l.offer, l.unit}]
	}
	for i := range t.offers {
		if o := &t.offers[i]; o.ID == l.offer && o.unit == l.unit {
			return o
		}
	}
	return nil
}

// reached reports whether room that changed before p can change p: where an
// award of it got less than it asked for, or now would.
func (e *Engine) reached(a *Account, p *purchase) bool {
	if e.findTerms(a, p); !p.capped() {
		return false
	}
	if p.terms != nil && e.reachedOffers(p, p.terms.offers) {
		return true
	}
	return p.programme != nil && e.reachedOffers(p, p.programme.offers)
}

func (e *Engine) reachedOffers(p *purchase, offers []compiledOffer) bool {
	for i := range offers {
		for n := range offers[i].limits {
			l := &offers[i].limits[n]
			fill := e.counters.filled(p, &l.counter)
			if !fill.changed() {
				continue
			}
			room := l.most - max(fill.now[confirmedWorld], fill.now[expectedWorld])
			if l.measure == awardsGiven || p.bound || room < p.wantedMinor {
				return true
			}
		}
	}
	return false
}

// valueAll works out every purchase: first each as if its late events had not
// come, in order; then those that have late events once more, in the room that
// all others leave. So a late event changes only its own purchase.
func (e *Engine) valueAll(a *Account, known int) error {
	for i := range known {
		p := &a.purchases[i]
		if err := e.value(a, p, false); err != nil {
			return err
		}
		e.noteHistory(a, p)
		e.fillValued(p)
		e.addDemands(a, p, i)
		if p.late {
			e.counters.lateTimes = append(e.counters.lateTimes, p.at)
			if err := e.recordWithoutLate(p); err != nil {
				return err
			}
			continue
		}
		if err := e.entitle(a, i); err != nil {
			return err
		}
	}
	for i := range known {
		p := &a.purchases[i]
		if !p.late {
			continue
		}
		if err := e.value(a, p, true); err != nil {
			return err
		}
		e.fillRaisedByLate(p)
		e.addDemands(a, p, i)
		if err := e.entitle(a, i); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) recordWithoutLate(p *purchase) error {
	p.awardsFrom = int32(len(e.recorded))
	defer func() { p.awardsTo = int32(len(e.recorded)) }()
	for w := range numWorlds {
		for i := range e.worth[w].awards {
			aw := &e.worth[w].awards[i]
			r := awardWithoutLate{
				offer: aw.offer, world: w, minor: aw.finalMinor, visit: aw.visit, goals: aw.goals,
				sponsored: e.isSponsored(w, p, aw), why: aw.why,
			}
			var err error
			if r.sponsorMinor, err = e.sponsorReward(w, p, aw); err != nil {
				return err
			}
			e.recorded = append(e.recorded, r)
		}
	}
	return nil
}

// recordedOf is what an offer was for p without its late events; nil: nothing,
// since nothing else opens the purchase.
func (e *Engine) recordedOf(w world, p *purchase, o *compiledOffer) *awardWithoutLate {
	for i := p.awardsFrom; i < p.awardsTo; i++ {
		if r := &e.recorded[i]; r.world == w && r.offer == o {
			return r
		}
	}
	return nil
}

// fillRaisedByLate counts what late events raise. What they lower stays
// counted: room that they free is given to no other purchase.
func (e *Engine) fillRaisedByLate(p *purchase) {
	for w := range numWorlds {
		for i := range e.worth[w].awards {
			aw := &e.worth[w].awards[i]
			before := int64(0)
			if r := e.recordedOf(w, p, aw.offer); r != nil {
				before = r.minor
			}
			if more := aw.finalMinor - before; more > 0 {
				e.counters.useAwards(w, p, aw.offer.fills, more, oneIf(before == 0))
			}
		}
	}
}

// entitle turns the worth of purchase i into the lines that are due by it: confirmed
// what the confirmed world gives, expected what the expected one gives beyond.
func (e *Engine) entitle(a *Account, i int) error {
	t := &e.terms
	if e.explained != nil && e.explainedIndex == i {
		e.explain(a, e.explained, &a.purchases[i])
	}
	worked := valuedPurchase{
		index: int32(i), start: int32(len(e.entitlements)), memberID: t.standing.memberID, level: t.standing.level, why: t.why,
		referrals: span32{int32(len(e.referralsDue)), 0}, unawarded: span32{int32(len(e.unawarded)), 0},
	}
	if t.why == 0 {
		if e.heldFor >= 0 {
			e.reportHoldouts(a, t.purchase)
		}
		if t.partner != nil {
			worked.statement = t.partner.statementText
		}
		booked := t.purchase.lines >= 0 // something may be taken back
		e.entitleToAwards(booked)
		e.entitleToCommissions(booked)
		if err := e.dueReferrals(); err != nil {
			return err
		}
	}
	worked.end = int32(len(e.entitlements))
	worked.referrals.to, worked.unawarded.to = int32(len(e.referralsDue)), int32(len(e.unawarded))
	e.valued = append(e.valued, worked)
	return nil
}

func (e *Engine) entitleToAwards(booked bool) {
	confirmed, expected := e.worth[confirmedWorld].awards, e.worth[expectedWorld].awards
	for n := range confirmed {
		c, x := &confirmed[n], &expected[n]
		if booked && (c.finalMinor == 0 || x.finalMinor == c.finalMinor) {
			e.unawarded = append(e.unawarded, unawarded{rules.RoleMember, c.offer.ID, c.why | x.why | e.terms.tally.why()})
		}
		if c.finalMinor == 0 && x.finalMinor == 0 {
			continue
		}
		key := e.keyOf(rules.RoleMember, c.offer.kind, c.offer.partner, c.offer.ID, c.offer.version, c.offer.unit)
		e.entitleTo(key, awardSums(c), awardSums(x), c.why, x.why, e.campaignsOf(c, x), c.offer.Currency)
	}
}

// campaignsOf are the ids of the campaigns in an award, joined by commas.
func (e *Engine) campaignsOf(confirmed, expected *award) string {
	if len(confirmed.boosts) == 0 {
		return ""
	}
	from := len(e.campaigns)
	for _, aw := range [...]*award{confirmed, expected} {
		if aw.finalMinor == 0 {
			continue
		}
		e.campaigns = campaignsIn(e.campaigns, aw.boosts[:unbudgeted(aw.boosts)], aw.offer.Reward.RateMillionths)
		for i := range aw.parts {
			if aw.parts[i].givenMinor > 0 {
				e.campaigns = append(e.campaigns, aw.parts[i].campaign)
			}
		}
	}
	ids := e.campaigns[from:]
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), campaignSeparator)
}

// campaignSeparator is in no id.
const campaignSeparator = ","

func (e *Engine) entitleToCommissions(booked bool) {
	confirmed, expected := e.worth[confirmedWorld].commissions, e.worth[expectedWorld].commissions
	for i := range confirmed {
		c, x := &confirmed[i], &expected[i]
		offerID := ""
		if c.offer != nil {
			offerID = c.offer.ID
		}
		if booked && (c.minor == 0 || x.minor == c.minor) {
			e.unawarded = append(e.unawarded, unawarded{rules.RolePartner, offerID, c.why | x.why | e.terms.tally.why()})
		}
		unit := e.terms.partner.unit
		if c.offer != nil {
			unit = c.currency.String()
		}
		key := e.keyOf(rules.RolePartner, rules.CommissionKind, e.terms.partner.ID, offerID, e.terms.partner.Version.ID, unit)
		e.entitleTo(key, commissionSums(c), commissionSums(x), c.why, x.why, "", c.currency)
	}
}

// keyOf is the key of a line. Lines of the programme's own offers name no
// store: they are given wherever the purchase was made.
func (e *Engine) keyOf(role rules.Role, kind rules.Kind, partnerID, offerID, version, unit string) lineKey {
	key := lineKey{partner: partnerID, offer: offerID, version: version, unit: unit, role: role, kind: kind}
	if partnerID != "" {
		key.store = e.terms.store.ID
	}
	return key
}

func awardSums(aw *award) sums {
	if aw.finalMinor == 0 {
		return sums{}
	}
	return sums{basisMinor: aw.basisMinor, rewardMinor: aw.finalMinor, costMinor: aw.costMinor}
}

func commissionSums(c *commission) sums {
	if c.minor == 0 {
		return sums{}
	}
	return sums{basisMinor: c.basisMinor, commissionMinor: c.minor}
}

func (e *Engine) entitleTo(key lineKey, confirmed, expected sums, whyConfirmed, whyExpected reason.Set, campaigns string, currency money.Currency) {
	common := e.terms.tally.why()
	add := func(stage rules.Stage, s sums, why reason.Set) {
		if s == (sums{}) {
			return
		}
		key.stage = stage
		e.entitlements = append(e.entitlements, entitlement{
			lineKey: key, sums: s, programme: e.terms.programme.ID, campaigns: campaigns, currency: currency, why: why | common,
		})
	}
	add(rules.Confirmed, confirmed, whyConfirmed)
	add(rules.Expected, expected.minus(confirmed), whyExpected)
}

// why is what the purchase's events have to do with its lines being as they are.
func (t tally) why() reason.Set {
	var why reason.Set
	if t.lowered {
		why |= reason.Refund
	}
	if t.matched {
		why |= reason.MatchedRefund
	}
	if t.late {
		why |= reason.Late
	}
	if t.expired && !t.cleared {
		why |= reason.Expired
	}
	return why
}
