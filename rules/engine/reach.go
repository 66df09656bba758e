package engine

import "ristourne/rules"

// This file finds what a change reaches: what the purchases that stay as they are
// use of the periods they share with those that change, and whether less or more
// room changes them too. It reads what is booked and values nothing.

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
