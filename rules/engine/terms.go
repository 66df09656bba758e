package engine

import "ristourne/rules"

// termsFinder looks up what an account's facts and the catalogue say of a time
// and a partner. Purchases follow one another: what it found last serves the next.
type termsFinder struct {
	snapshot  *Snapshot
	clock     clock
	lastTerms commonTerms
}

// findTerms looks up once what the purchase's time and place are worth: the
// member's standing, the versions in force, the calendar periods.
func (x *termsFinder) findTerms(a *Account, p *purchase) {
	if p.termsFound {
		return
	}
	partnerID := a.events[p.anchor].match.PartnerID
	last := &x.lastTerms
	if !last.contains(p.at) || last.partnerID != partnerID {
		x.findTermsAt(a, p.at, partnerID)
	}
	p.termsFound, p.standing, p.programme, p.terms = true, last.standing, last.programme, last.terms
	if p.programme != nil {
		p.periods = x.clock.periodsAt(p.at, p.programme.Zone)
	}
}

// commonTerms is what all purchases at one partner have in common in a span of
// time: an account's purchases are at few places, under few versions.
type commonTerms struct {
	span
	partnerID string
	standing  int32
	programme *programmeVersion
	terms     *partnerVersion
}

func (x *termsFinder) findTermsAt(a *Account, t rules.Instant, partnerID string) {
	last := &x.lastTerms
	*last = commonTerms{span: a.factsSpan(t), partnerID: partnerID, standing: a.keepStanding(a.standingAt(t))}
	last.programme = x.snapshot.programmeFor(a, &a.standings[last.standing], t)
	if last.programme == nil {
		last.until = last.from // what comes into force later may change that
		return
	}
	last.span = last.within(span{last.programme.from, last.programme.until})
	if partnerID == "" {
		return
	}
	terms := x.snapshot.partnerAt(partnerID, t)
	if terms == nil {
		last.until = last.from
		return
	}
	last.span = last.within(span{terms.from, terms.until})
	if terms.Partner.Programme == last.programme.ID {
		last.terms = terms
	}
}

// keepStanding is where a standing is kept.
func (a *Account) keepStanding(s standing) int32 {
	if n := len(a.standings); n == 0 || a.standings[n-1] != s {
		a.standings = append(a.standings, s)
	}
	return int32(len(a.standings) - 1)
}

// factsSpan is the time around t in which no fact changes anything.
func (a *Account) factsSpan(t rules.Instant) span {
	s, known := span{rules.MinInstant, rules.MaxInstant}, len(a.factsUntil(t))
	if known > 0 {
		s.from = a.facts[known-1].At
	}
	if known < len(a.facts) {
		s.until = a.facts[known].At
	}
	return s
}
