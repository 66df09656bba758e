package ledgertest

import (
	"cmp"
	"slices"

	"ristourne/rules"
	"ristourne/rules/offer"
)

func inOrder(facts []*rules.Fact) []*rules.Fact {
	sorted := slices.Clone(facts)
	slices.SortFunc(sorted, func(x, y *rules.Fact) int {
		return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.ID, y.ID))
	})
	return sorted
}

// knownMember reports whether the account's events are kept: an enrolment is
// known, whatever its date, or the programme takes everyone.
func (o oracle) knownMember(a *account, t rules.Instant) bool {
	for _, f := range a.facts {
		if f.Type == rules.Enrolled {
			return true
		}
	}
	_, automatic := o.automaticAt(t)
	return automatic
}

// horizon is H, in days.
func (o oracle) horizon(a *account, t rules.Instant) int { return o.programmeOf(a, t).HorizonDays }

// programmeOf is the version of the account's programme whose settings hold for
// what is dated t, be the account a member then or not.
func (o oracle) programmeOf(a *account, t rules.Instant) offer.Programme {
	if p, ok := o.programmeAt(o.programmeIDOf(a, t), t); ok {
		return *p
	}
	return offer.Programme{HorizonDays: offer.DefaultHorizonDays}
}

// programmeIDOf is the programme that what is dated t belongs to.
func (o oracle) programmeIDOf(a *account, t rules.Instant) string {
	programme, first := "", ""
	for _, f := range inOrder(a.facts) {
		if f.Type != rules.Enrolled {
			continue
		}
		if first == "" {
			first = f.Programme
		}
		if !f.At.After(t) {
			programme = f.Programme
		}
	}
	if p, ok := o.automaticAt(t); ok && programme == "" {
		programme = p.ID
	}
	if last := o.wasAutomatic(t); programme == "" {
		if _, ok := o.programmeAt(last, t); ok {
			programme = last
		}
	}
	if programme == "" {
		programme = first
	}
	return programme
}

// member is what an account is at one time.
type member struct {
	in         bool
	programme  *offer.Programme // where in
	linked     map[string]bool
	level      string
	segments   map[string]bool
	activated  []activation // in order
	enrolled   bool         // there was an enrolment
	enrolledAt rules.Instant
	sponsor    string
}

// activation is what a fact said of an offer.
type activation struct {
	says string
	on   bool
}

// hasActivated reports what was said last of the offer, by its id or with its
// partner's, or "programme" for one of the programme's own.
func (m member) hasActivated(key offerKey) bool {
	of := key.partner
	if of == "" {
		of = "programme"
	}
	for _, a := range slices.Backward(m.activated) {
		if a.says == key.offer || a.says == of+"/"+key.offer {
			return a.on
		}
	}
	return false
}

// memberAt is what the account's facts up to t make of it: it is in the
// programme of its latest enrolment, else in the automatic one.
func (o oracle) memberAt(a *account, t rules.Instant) member {
	m := member{linked: map[string]bool{}, segments: map[string]bool{}}
	id := ""
	if p, ok := o.automaticAt(t); ok {
		id, m.in = p.ID, true
	}
	for _, f := range inOrder(a.facts) {
		if f.At.After(t) {
			break
		}
		switch f.Type {
		case rules.Enrolled:
			id, m.in, m.enrolled, m.enrolledAt = f.Programme, true, true, f.At
			m.level, m.sponsor, m.segments = f.Level, f.SponsorAccountID, map[string]bool{}
			for _, s := range f.Segments {
				m.segments[s] = true
			}
			for _, c := range f.CardTokens {
				m.linked[c] = true
			}
		case rules.Left:
			m.in = false
		case rules.CardLinked:
			m.linked[f.CardToken] = true
		case rules.CardUnlinked:
			m.linked[f.CardToken] = false
		case rules.LevelChanged:
			m.level = f.Level
		case rules.SegmentAdded:
			m.segments[f.Segment] = true
		case rules.SegmentRemoved:
			m.segments[f.Segment] = false
		case rules.OfferActivated:
			m.activated = append(m.activated, activation{f.OfferID, true})
		case rules.OfferDeactivated:
			m.activated = append(m.activated, activation{f.OfferID, false})
		}
	}
	p, ok := o.programmeAt(id, t)
	m.programme, m.in = p, m.in && ok
	return m
}

// earns reports whether a purchase made at t with the card is a member's.
func (o oracle) earns(a *account, t rules.Instant, card string) (member, bool) {
	m := o.memberAt(a, t)
	if !m.in {
		return m, false
	}
	anyCard := m.programme.AllCards || m.programme.Enrolment == offer.EnrolmentAutomatic
	return m, anyCard || m.linked[card]
}
