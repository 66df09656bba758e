package engine

import "ristourne/rules"

// decision is one record's, or a repair's: what it must look at and under
// which name its lines are booked.
type decision struct {
	cause rules.Cause
	at    rules.Instant // of the cause: occurred_at, or at
	facts bool          // the lines of facts may have changed
	// referrals: what the account gets as a sponsor may have changed.
	referrals bool
	event     int32       // the one that was put into the set; noEvent: none was
	repair    int64       // over 0: no new record, but the repair of this number
	closing   *closing    // of a cycle
	released  *rules.Fact // that looked at payments that were stuck
}

// decide values the marked purchases, and what their change reaches, and books the
// difference. It reports whether a line was booked.
func (e *Engine) decide(a *Account, d decision, out *rules.Output) (booked bool, err error) {
	known, before := a.Purchases(), len(out.Accruals)
	if a.needsAll || !a.isAfterFold(known) {
		return false, ErrFolded
	}
	b := &e.booking
	e.begin(a)
	b.begin(e.snapshot, a, d, out)
	if a.needsFullRun || e.ordered(a, known) {
		err = e.runWithBudgets(a, known)
	} else {
		err = e.runReached(a, known)
	}
	if err != nil {
		return false, err
	}
	for i := known; i < len(a.purchases); i++ {
		if p := &a.purchases[i]; (p.lines >= 0 || p.published >= 0) && a.mayTakeBack(p) {
			b.takeBack(i)
		}
	}
	a.rememberMatched()
	b.bookPurchases()
	if d.facts || a.needsFullRun {
		b.bookFacts()
	}
	if d.facts || d.referrals || a.needsFullRun {
		b.bookReferrals(e.referrals.value(a))
	}
	if err := b.bookExpiry(); err != nil {
		return false, err
	}
	if err := b.instruct(); err != nil {
		return false, err
	}
	if d.closing != nil {
		err = b.closeCycle(d.closing)
	} else if d.released != nil {
		err = b.release(d.released)
	}
	if err != nil {
		return false, err
	}
	out.Holdouts = append(out.Holdouts, e.holdouts...)
	for i := range a.purchases {
		a.purchases[i].dirty = false
	}
	a.needsFullRun = false
	a.dropEmptyPurchases()
	return len(out.Accruals) > before, nil
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
	e.demands.reset()
	e.lastTerms, e.holdouts = commonTerms{}, nil
	e.restart(a, false)
}

// restart forgets what the first run of a decision has found, but for what it
// asked of budgets. held: the next run is held to what they gave.
func (e *Engine) restart(a *Account, held bool) {
	e.counters.reset()
	e.valuer.history.reset()
	e.unfoldCounters(a, held)
}

// ordered reports that a purchase may depend on more of those before it than
// what they were given: then all are valued.
func (e *Engine) ordered(a *Account, known int) bool {
	if e.snapshot.ownOrdered || len(a.grants) > 0 || a.foldIsGranted() {
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

// runWithBudgets values every purchase of the account, asks the budgets, and where
// they give less than the demand, values all once more under what they gave.
func (e *Engine) runWithBudgets(a *Account, known int) error {
	b := &e.booking
	if err := e.runAll(a, known, nil, e.entitle); err != nil {
		return err
	}
	if e.budgets == nil {
		return nil // a replay: the grants that were given are adopted after it
	}
	e.demands.allocate(a, e.budgets, b.cause, b.out)
	if !e.refused(a) {
		return nil
	}
	e.restart(a, true)
	b.restart()
	return e.runAll(a, known, &e.demands, e.entitle)
}

// refused reports whether budgets gave less than what is asked of them.
func (e *Engine) refused(a *Account) bool { return a.foldIsRefused() || e.demands.refused(a) }

// runAsGranted values every purchase with the grants as they are, asks no budget,
// and books nothing.
func (e *Engine) runAsGranted(a *Account, known int, final func(i int, x *worth)) error {
	e.begin(a)
	if err := e.runAll(a, known, nil, final); err != nil || !e.refused(a) {
		return err
	}
	e.restart(a, true)
	return e.runAll(a, known, &e.demands, final)
}

// runReached values the marked purchases in order, and those after them whose room
// has changed with them; it ends where nothing more can change.
func (e *Engine) runReached(a *Account, known int) error {
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
		x, err := e.valuer.value(a, p, false, nil)
		if err != nil {
			return err
		}
		e.counters.add(x)
		e.entitle(i, x)
	}
	return nil
}

// runAll values every purchase: first each as if its late events had not come, in
// order; then those that have late events once more, in the room that all others
// leave. So a late event changes only its own purchase. held is nil in a run that
// finds what to ask of budgets, and the demands they have answered in one that is
// held to it. final is called with each purchase's index and worth as it is in the
// end, while the counters stand as they do at its turn.
func (e *Engine) runAll(a *Account, known int, held *demands, final func(i int, x *worth)) error {
	for i := range known {
		p := &a.purchases[i]
		x, err := e.valuer.value(a, p, false, held)
		if err != nil {
			return err
		}
		e.valuer.noteHistory(a)
		e.counters.add(x)
		if held == nil {
			e.demands.add(a, i, x)
		}
		if p.late {
			e.counters.lateTimes = append(e.counters.lateTimes, p.at)
			e.valuer.record(x)
			continue
		}
		final(i, x)
	}
	for i := range known {
		p := &a.purchases[i]
		if !p.late {
			continue
		}
		x, err := e.valuer.value(a, p, true, held)
		if err != nil {
			return err
		}
		e.counters.addRaised(x)
		if held == nil {
			e.demands.add(a, i, x)
		}
		final(i, x)
	}
	return nil
}

// entitle notes what is due by a purchase's worth, and where it is the purchase of
// the event at hand, the holdouts that it is under.
func (e *Engine) entitle(i int, x *worth) {
	b := &e.booking
	if x.terms.why == 0 && b.event != noEvent && e.snapshot.holdouts && b.account.belongs(b.event, x.terms.purchase) {
		e.holdouts = e.valuer.holdouts(b.account)
	}
	b.entitle(i, x)
}

// belongs reports whether the event is one of the purchase's.
func (a *Account) belongs(event int32, p *purchase) bool {
	n := p.events
	for n >= 0 && n != event {
		n = a.events[n].next
	}
	return n >= 0
}
