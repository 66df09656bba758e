package ledgertest

import (
	"cmp"
	"slices"

	"ristourne/rules"
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
func (o oracle) horizon(a *account, t rules.Instant) int {
	programme := ""
	for _, f := range inOrder(a.facts) {
		if f.Type == rules.Enrolled && (programme == "" || !f.At.After(t)) {
			programme = f.Programme
		}
	}
	if programme == "" {
		if p, ok := o.automaticAt(t); ok {
			programme = p.ID
		}
	}
	if p, ok := o.programmeAt(programme, t); ok {
		return p.HorizonDays
	}
	return rules.DefaultHorizonDays
}

// earns reports whether a purchase made at t with the card is a member's, and
// under which programme.
func (o oracle) earns(a *account, t rules.Instant, card string) (*rules.Programme, bool) {
	id, member, linked := "", false, map[string]bool{}
	if p, ok := o.automaticAt(t); ok {
		id, member = p.ID, true
	}
	for _, f := range inOrder(a.facts) {
		if f.At.After(t) {
			break
		}
		switch f.Type {
		case rules.Enrolled:
			id, member = f.Programme, true
			for _, c := range f.CardTokens {
				linked[c] = true
			}
		case rules.Left:
			member = false
		case rules.CardLinked:
			linked[f.CardToken] = true
		case rules.CardUnlinked:
			linked[f.CardToken] = false
		}
	}
	p, ok := o.programmeAt(id, t)
	if !ok || !member {
		return nil, false
	}
	anyCard := p.AllCards || p.Enrolment == rules.EnrolmentAutomatic
	return p, anyCard || linked[card]
}
