package rules

// decision is one record's, or a repair's: what it must look at and under
// which name its lines are booked.
type decision struct {
	cause  Cause
	facts  bool // the lines of facts may have changed
	repair bool // no new record: ids carry a mark
}

// workedPurchase is a purchase that was worked out: what it deserves, and what
// its lines say of the member.
type workedPurchase struct {
	index      int32 // in Account.purchases
	start, end int32 // in Engine.deserved
	memberID   string
	level      string
	statement  string
	why        reasons // why what it doesn't deserve is not deserved
}

// deservedLine is what one key of the ledger should sum up to.
type deservedLine struct {
	lineKey
	sums
	programme string
	why       reasons
	found     bool // a booked line of this key was met
}

// recordedAward is what an award of a purchase with late events was without
// them.
type recordedAward struct {
	purchaseID string
	offer      *offer
	world      world
	minor      int64
}

// decide works out what the marked purchases deserve, and what their change
// reaches, and books the difference. It reports whether a line was booked.
func (e *Engine) decide(a *Account, d decision, out *Output) (booked bool, err error) {
	known := a.Purchases()
	e.fills.reset()
	e.deserved, e.worked, e.recorded = e.deserved[:0], e.worked[:0], e.recorded[:0]
	if a.unsettled || a.anyLate(known) {
		err = e.workAll(a, known)
	} else {
		err = e.workReached(a, known)
	}
	if err != nil {
		return false, err
	}
	for i := known; i < len(a.purchases); i++ {
		if a.purchases[i].lines >= 0 {
			e.worked = append(e.worked, workedPurchase{index: int32(i), why: whyMoved})
		}
	}
	booked, err = e.book(a, d, out)
	for i := range a.purchases {
		a.purchases[i].dirty = false
	}
	a.unsettled = false
	a.dropEmptyPurchases()
	return booked, err
}

func (a *Account) anyLate(known int) bool {
	for i := range a.purchases[:known] {
		if a.purchases[i].late {
			return true
		}
	}
	return false
}

// workReached works out the marked purchases in order, and those after them
// whose room has changed with them; it ends where nothing more can change.
func (e *Engine) workReached(a *Account, known int) error {
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
	for i := first; i < known && (marked > 0 || e.fills.changed > 0); i++ {
		p := &a.purchases[i]
		if p.dirty {
			marked--
		} else if !e.reached(a, p) {
			e.fillBooked(a, p, true)
			continue
		}
		e.fillBooked(a, p, false)
		if err := e.work(a, p, false); err != nil {
			return err
		}
		e.fillWorked(p)
		e.deserve(a, i)
	}
	return nil
}

// maxPeriodDays is longer than any period in which something fills up, in any
// two zones.
const maxPeriodDays = 33

// fillBefore counts what the purchases before the first marked one use of the
// periods they share with it.
func (e *Engine) fillBefore(a *Account, first int) {
	start := a.purchases[first].at.AddDays(-maxPeriodDays)
	for i := first - 1; i >= 0 && !a.purchases[i].at.Before(start); i-- {
		e.fillBooked(a, &a.purchases[i], true)
	}
}

// fillBooked counts what a purchase used before this decision, and where it
// stays as it is, uses now.
func (e *Engine) fillBooked(a *Account, p *purchase, stays bool) {
	terms := e.partnerOf(a, p)
	if terms == nil || !terms.capped {
		return
	}
	for i := p.lines; i >= 0; i = a.lines[i].next {
		l := &a.lines[i]
		if l.role != RoleMember {
			continue
		}
		counter := terms.counterOf(l)
		if counter < 0 {
			continue
		}
		now := int64(0)
		if stays {
			now = l.rewardMinor
		}
		key := fillKey(counter, p.month)
		// What is booked as expected is what the expected world gives beyond
		// the confirmed one: so confirmed lines count in both.
		e.fills.add(key, expectedWorld, now, l.rewardMinor)
		if l.stage == Confirmed {
			e.fills.add(key, confirmedWorld, now, l.rewardMinor)
		}
	}
}

// fewOffers is up to where looking at each is faster than a map.
const fewOffers = 8

// counterOf is the counter that a line of this version's offers fills, or -1.
func (v *partnerVersion) counterOf(l *line) int32 {
	if len(v.offers) > fewOffers {
		if counter, ok := v.counters[offerUnit{l.offer, l.unit}]; ok {
			return counter
		}
		return -1
	}
	for i := range v.offers {
		if o := &v.offers[i]; o.counter >= 0 && o.ID == l.offer && o.unit == l.unit {
			return o.counter
		}
	}
	return -1
}

// fillWorked counts what a purchase uses now.
func (e *Engine) fillWorked(p *purchase) {
	for w := range numWorlds {
		for i := range e.worth[w].awards {
			aw := &e.worth[w].awards[i]
			if aw.offer.counter >= 0 && aw.finalMinor != 0 {
				e.fills.add(fillKey(aw.offer.counter, p.month), w, aw.finalMinor, 0)
			}
		}
	}
}

// reached reports whether room that changed before p can change p: where an
// award of it got less than it asked for, or now would.
func (e *Engine) reached(a *Account, p *purchase) bool {
	terms := e.partnerOf(a, p)
	if terms == nil || !terms.capped {
		return false
	}
	for i := range terms.offers {
		o := &terms.offers[i]
		if o.monthCapMinor == 0 {
			continue
		}
		fill := e.fills.at(fillKey(o.counter, p.month))
		if !fill.changed() {
			continue
		}
		room := o.monthCapMinor - max(fill.now[confirmedWorld], fill.now[expectedWorld])
		if p.bound || room < p.wantedMinor {
			return true
		}
	}
	return false
}

// workAll works out every purchase: first each as if its late events had not
// come, in order; then those that have late events once more, in the room that
// all others leave. So a late event changes only its own purchase.
func (e *Engine) workAll(a *Account, known int) error {
	for i := range known {
		p := &a.purchases[i]
		if p.lateAlone {
			continue
		}
		e.partnerOf(a, p)
		if err := e.work(a, p, false); err != nil {
			return err
		}
		e.fillWorked(p)
		if p.late {
			e.record(p)
		} else {
			e.deserve(a, i)
		}
	}
	for i := range known {
		p := &a.purchases[i]
		if !p.late {
			continue
		}
		e.partnerOf(a, p)
		if err := e.work(a, p, true); err != nil {
			return err
		}
		e.fillBeyondRecorded(p)
		e.deserve(a, i)
	}
	return nil
}

func (e *Engine) record(p *purchase) {
	for w := range numWorlds {
		for i := range e.worth[w].awards {
			aw := &e.worth[w].awards[i]
			e.recorded = append(e.recorded, recordedAward{p.id, aw.offer, w, aw.finalMinor})
		}
	}
}

// recordedMinor is what an offer gave p without its late events.
func (e *Engine) recordedMinor(w world, p *purchase, o *offer) int64 {
	for i := range e.recorded {
		if r := &e.recorded[i]; r.world == w && r.offer == o && r.purchaseID == p.id {
			return r.minor
		}
	}
	return 0
}

// fillBeyondRecorded counts what late events raise. What they lower stays
// counted: room that they free is given to no other purchase.
func (e *Engine) fillBeyondRecorded(p *purchase) {
	for w := range numWorlds {
		for i := range e.worth[w].awards {
			aw := &e.worth[w].awards[i]
			if more := aw.finalMinor - e.recordedMinor(w, p, aw.offer); aw.offer.counter >= 0 && more > 0 {
				e.fills.add(fillKey(aw.offer.counter, p.month), w, more, 0)
			}
		}
	}
}

// deserve turns the worth of purchase i into the lines it deserves: confirmed
// what the confirmed world gives, expected what the expected one gives beyond.
func (e *Engine) deserve(a *Account, i int) {
	t := &e.terms
	if e.explained != nil && e.explainedIndex == i {
		e.explain(a, e.explained, &a.purchases[i])
	}
	worked := workedPurchase{
		index: int32(i), start: int32(len(e.deserved)), memberID: t.standing.memberID, level: t.standing.level, why: t.why,
	}
	if t.why == 0 {
		worked.statement = t.partner.statementText
		e.deserveAwards(&worked)
		e.deserveCommission()
	}
	worked.end = int32(len(e.deserved))
	e.worked = append(e.worked, worked)
}

func (e *Engine) deserveAwards(worked *workedPurchase) {
	confirmed, expected := e.worth[confirmedWorld].awards, e.worth[expectedWorld].awards
	for n := range confirmed {
		c, x := &confirmed[n], &expected[n]
		key := e.keyOf(RoleMember, Cash, c.offer.ID, c.offer.unit)
		e.deserveIn(key, awardSums(c), awardSums(x), c.why, x.why)
		if c.finalMinor == 0 {
			worked.why |= c.why | x.why
		}
	}
}

func (e *Engine) deserveCommission() {
	c, x := &e.worth[confirmedWorld].commission, &e.worth[expectedWorld].commission
	key := e.keyOf(RolePartner, CommissionKind, "", e.terms.partner.unit)
	e.deserveIn(key, commissionSums(c), commissionSums(x), c.why, x.why)
}

func (e *Engine) keyOf(role Role, kind Kind, offerID, unit string) lineKey {
	return lineKey{
		partner: e.terms.partner.ID, store: e.terms.store.ID, offer: offerID, version: e.terms.partner.Version.ID,
		unit: unit, role: role, kind: kind,
	}
}

func awardSums(aw *award) sums {
	if aw.finalMinor == 0 {
		return sums{}
	}
	return sums{basisMinor: aw.basisMinor, rewardMinor: aw.finalMinor, costMinor: aw.finalMinor}
}

func commissionSums(c *commission) sums {
	if c.minor == 0 {
		return sums{}
	}
	return sums{basisMinor: c.basisMinor, commissionMinor: c.minor}
}

func (e *Engine) deserveIn(key lineKey, confirmed, expected sums, whyConfirmed, whyExpected reasons) {
	common := e.terms.tally.why()
	add := func(stage Stage, s sums, why reasons) {
		if s == (sums{}) {
			return
		}
		key.stage = stage
		e.deserved = append(e.deserved, deservedLine{lineKey: key, sums: s, programme: e.terms.programme.ID, why: why | common})
	}
	add(Confirmed, confirmed, whyConfirmed)
	add(Expected, expected.minus(confirmed), whyExpected)
}

// why is what the purchase's events have to do with its lines being as they are.
func (t tally) why() reasons {
	var why reasons
	if t.lowered {
		why |= whyRefund
	}
	if t.late {
		why |= whyLate
	}
	if t.expired && !t.cleared {
		why |= whyExpired
	}
	return why
}
